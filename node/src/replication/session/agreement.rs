//! Whether two sides agree: digests at a named pair of cursors, then the ranges that differ, one after the other.

use std::collections::BTreeSet;

use fengqiao_proto::v1 as pb;
use prost::Message as _;

use super::code::Code;
use super::end::{Side, Stop};
use super::greeting::cursor_of;
use super::{Action, LANES, Limits, RANGES};

/// Bytes of a frame around a range.
const ENVELOPE_BYTES: usize = 64;

/// Acknowledged and stored of each lane.
pub(super) type Positions = [(u64, u64); 3];

#[derive(Debug, Clone)]
pub(super) struct Agreement {
    side: Side,
    /// Where and when a digest was last asked for.
    last: Option<(Positions, i64)>,
    is_computing: bool,
    /// Lower: ours, awaiting theirs. Upper: theirs, awaiting ours.
    waiting: Option<pb::Digest>,
    digest_due: Option<pb::Digest>,
    /// Ranges that differ and are not yet sent.
    ranges_unsent: BTreeSet<u8>,
    /// Ranges that differ and have not yet come.
    ranges_awaited: BTreeSet<u8>,
    range_due: Option<pb::DigestRange>,
}

impl Agreement {
    pub(super) fn new(side: Side) -> Self {
        Self {
            side,
            last: None,
            is_computing: false,
            waiting: None,
            digest_due: None,
            ranges_unsent: BTreeSet::new(),
            ranges_awaited: BTreeSet::new(),
            range_due: None,
        }
    }

    /// Whether the lower side should compute a digest here and now, were it quiet.
    pub(super) fn is_due(&self, positions: &Positions, now_ms: i64, limits: &Limits) -> bool {
        let rested = self.rested_ms(now_ms) >= limits.digest_interval_ms;
        let moved = self.waiting.is_some() || self.last.is_none_or(|(at, _)| at != *positions);
        self.side == Side::Lower && !self.is_computing && rested && moved
    }

    /// Since the last digest; for ever when there was none, or when the clock went back.
    fn rested_ms(&self, now_ms: i64) -> i64 {
        self.last
            .map(|(_, at_ms)| now_ms.saturating_sub(at_ms))
            .filter(|rested_ms| *rested_ms >= 0)
            .unwrap_or(i64::MAX)
    }

    /// Asks for a digest.
    pub(super) fn begin(&mut self, positions: Positions, now_ms: i64, out: &mut Vec<Action>) {
        self.last = Some((positions, now_ms));
        self.is_computing = true;
        if self.side == Side::Lower {
            self.waiting = None;
        }
        out.push(Action::ComputeDigest);
    }

    /// Our digest is there. `is_settled` says whether its cursors are still where this session is.
    pub(super) fn computed(&mut self, ours: pb::Digest, is_settled: bool, out: &mut Vec<Action>) {
        if !std::mem::take(&mut self.is_computing) || !is_whole(&ours) {
            return;
        }
        match self.side {
            Side::Lower if is_settled => {
                self.waiting = Some(ours.clone());
                self.digest_due = Some(ours);
            }
            // Something moved while it was computed.
            Side::Lower => self.put_off(),
            Side::Upper => {
                if let Some(theirs) = self.waiting.take().filter(|theirs| mirrors(&ours, theirs)) {
                    self.conclude(&ours, &theirs, out);
                    self.digest_due = Some(ours);
                }
            }
        }
    }

    /// What was asked for is not to be compared: as if it never had been, but for the interval.
    pub(super) fn put_off(&mut self) {
        self.is_computing = false;
        self.waiting = None;
        self.last = self.last.map(|(_, at_ms)| ([(u64::MAX, 0); 3], at_ms));
    }

    /// The peer's digest came.
    pub(super) fn heard(
        &mut self,
        theirs: pb::Digest,
        positions: Positions,
        now_ms: i64,
        limits: &Limits,
        out: &mut Vec<Action>,
    ) -> Result<(), Stop> {
        if !is_whole(&theirs) {
            return Err(Stop::alarm(
                Code::Frame,
                "a digest without its ranges".into(),
            ));
        }
        match self.side {
            Side::Lower => {
                if let Some(ours) = self.waiting.take_if(|ours| mirrors(ours, &theirs)) {
                    self.conclude(&ours, &theirs, out);
                }
            }
            // A peer that asks faster than it should gets no answer: computing is what costs.
            Side::Upper if self.rested_ms(now_ms) < limits.digest_interval_ms / 2 => {}
            Side::Upper => {
                self.waiting = Some(theirs);
                if !self.is_computing {
                    self.begin(positions, now_ms, out);
                }
            }
        }
        Ok(())
    }

    fn conclude(&mut self, ours: &pb::Digest, theirs: &pb::Digest, out: &mut Vec<Action>) {
        let differing: BTreeSet<u8> = (0..=u8::MAX)
            .filter(|range| ours.ranges[usize::from(*range)] != theirs.ranges[usize::from(*range)])
            .collect();
        let equal = differing.is_empty();
        out.push(Action::DigestResult { equal });
        if !equal {
            out.push(Action::Alarm {
                code: Code::DigestDiffers,
                detail: format!("{} of {RANGES} ranges", differing.len()),
                older_copy: false,
            });
        }
        self.range_due = None;
        self.ranges_unsent.clone_from(&differing);
        self.ranges_awaited = differing;
        self.ask_next_range(out);
    }

    fn ask_next_range(&self, out: &mut Vec<Action>) {
        out.extend(
            self.ranges_unsent
                .first()
                .copied()
                .map(Action::ComputeRange),
        );
    }

    /// A range of ours is there.
    pub(super) fn range_computed(
        &mut self,
        range: pb::DigestRange,
        limits: &Limits,
        out: &mut Vec<Action>,
    ) {
        let Some(number) = self.ranges_unsent.first().copied() else {
            return;
        };
        if range.range != u32::from(number) {
            return;
        }
        if range.encoded_len() + ENVELOPE_BYTES <= limits.frame_bytes_max {
            self.range_due = Some(range);
            return;
        }
        out.push(Action::Alarm {
            code: Code::RangeTooLarge,
            detail: format!("range {number} with {} chains", range.chains.len()),
            older_copy: false,
        });
        self.ranges_unsent.remove(&number);
        self.ask_next_range(out);
    }

    /// A range of theirs came; one that was not asked for is passed over.
    pub(super) fn range_heard(&mut self, range: pb::DigestRange, out: &mut Vec<Action>) {
        let awaited = u8::try_from(range.range).is_ok_and(|n| self.ranges_awaited.remove(&n));
        if awaited {
            out.push(Action::RangeDiffers(range));
        }
    }

    /// Whether a frame waits.
    pub(super) fn has_word_due(&self) -> bool {
        self.digest_due.is_some() || self.range_due.is_some()
    }

    /// The frame that waits.
    pub(super) fn word(&mut self, out: &mut Vec<Action>) -> Option<pb::frame::Content> {
        if let Some(digest) = self.digest_due.take() {
            return Some(pb::frame::Content::Digest(digest));
        }
        let range = self.range_due.take()?;
        self.ranges_unsent.pop_first();
        self.ask_next_range(out);
        Some(pb::frame::Content::DigestRange(range))
    }
}

/// Every range is there, empty or a hash.
fn is_whole(digest: &pb::Digest) -> bool {
    digest.ranges.len() == RANGES
        && digest
            .ranges
            .iter()
            .all(|range| range.is_empty() || range.len() == 32)
}

/// Whether two digests were computed at one pair of cursors: what one received is what the other sent.
fn mirrors(ours: &pb::Digest, theirs: &pb::Digest) -> bool {
    LANES.into_iter().all(|lane| {
        let pairs = [
            (&ours.received, &theirs.sent),
            (&ours.sent, &theirs.received),
        ];
        pairs.into_iter().all(|(a, b)| {
            let (a, b) = (cursor_of(a, lane), cursor_of(b, lane));
            a == b || (a.sequence == 0 && b.sequence == 0)
        })
    })
}
