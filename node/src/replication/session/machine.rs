//! The session itself: who has said Hello, and what each event leads to.

use fengqiao_proto::v1 as pb;
use pb::frame::Content;

use super::agreement::{Agreement, Positions};
use super::code::Code;
use super::end::{Side, Stop};
use super::lane::{Lane, Load};
use super::{Action, Event, Identity, LANES, Lanes, Limits, Receipt, greeting};

/// Bytes of a nonce.
const NONCE_BYTES: usize = 16;

/// Bytes of a place that is not reached, in a frame, at most.
const UNREACHED_PLACE_BYTES: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The stream does not stand yet.
    Fresh,
    /// The peer's Hello has not come.
    Greeting,
    /// Both Hellos are known.
    Open,
    /// Nothing more is done.
    Closed,
}

/// One end of one session. A new stream takes a new one. It can be copied, so that a model explores this very machine.
#[derive(Debug, Clone)]
pub struct Session {
    side: Side,
    ours: Identity,
    limits: Limits,
    phase: Phase,
    /// Empty at the lower side until the upper has drawn it.
    nonce: Vec<u8>,
    hello_due: bool,
    /// When the stream stood.
    opened_at_ms: i64,
    lanes: [Lane; 3],
    agreement: Agreement,
    /// To be said when the wire has room.
    unreached: Option<pb::Unreached>,
}

impl Session {
    /// The side that dials.
    #[must_use]
    pub fn lower(ours: Identity, limits: Limits) -> Self {
        Self::new(Side::Lower, ours, Vec::new(), limits)
    }

    /// The side that is dialled. `nonce` has never been used before and cannot be guessed.
    #[must_use]
    pub fn upper(ours: Identity, nonce: [u8; NONCE_BYTES], limits: Limits) -> Self {
        Self::new(Side::Upper, ours, nonce.to_vec(), limits)
    }

    fn new(side: Side, ours: Identity, nonce: Vec<u8>, limits: Limits) -> Self {
        Self {
            side,
            ours,
            limits,
            phase: Phase::Fresh,
            nonce,
            hello_due: false,
            opened_at_ms: 0,
            lanes: LANES.map(Lane::new),
            agreement: Agreement::new(side),
            unreached: None,
        }
    }

    /// Whether both Hellos were said and their cursors fit.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Whether [`Event::Room`] may lead to a frame.
    #[must_use]
    pub fn wants_room(&self) -> bool {
        let is_open = self.is_open();
        self.hello_due
            || is_open && (self.unreached.is_some() || self.agreement.has_word_due())
            || is_open
                && self
                    .lanes
                    .iter()
                    .any(|lane| lane.has_word_due() || lane.may_send())
    }

    /// Whether so much waits for the engine that no frame should be read until some is stored.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let bytes: usize = self.lanes.iter().map(Lane::unstored_bytes).sum();
        bytes >= self.limits.unstored_bytes_max
    }

    /// Takes one event. After an [`Action::Close`] nothing more comes.
    pub fn step(&mut self, now_ms: i64, lanes: &dyn Lanes, event: Event) -> Vec<Action> {
        let mut out = Vec::new();
        if self.phase == Phase::Closed {
            return out;
        }
        match self.take(now_ms, lanes, event, &mut out) {
            Ok(()) => self.seek_agreement(now_ms, lanes, &mut out),
            Err(stop) => self.stop(now_ms, lanes, stop, &mut out),
        }
        out
    }

    fn take(
        &mut self,
        now_ms: i64,
        lanes: &dyn Lanes,
        event: Event,
        out: &mut Vec<Action>,
    ) -> Result<(), Stop> {
        match event {
            Event::Opened => self.opened(now_ms),
            Event::Frame(frame) => self.frame(now_ms, lanes, frame, out)?,
            Event::Room => self.room(now_ms, lanes, out),
            Event::Stored { lane, top_sequence } => {
                let limits = self.limits.clone();
                if let Some(state) = self.lane(lane) {
                    state.store(&lanes.received(lane), top_sequence, &limits);
                }
            }
            Event::Owed => self.lanes.iter_mut().for_each(Lane::wake),
            Event::TopMoved { lane, top_sequence } => {
                if let Some(state) = self.lane(lane) {
                    state.move_top(top_sequence);
                }
            }
            Event::Settles => {
                if let Some(state) = self.lane(pb::Lane::Cases) {
                    state.acknowledge_again();
                }
            }
            Event::DigestComputed(ours) => {
                if lanes.is_tentative() {
                    self.agreement.put_off();
                } else {
                    let is_settled = self.is_settled(&ours);
                    self.agreement.computed(ours, is_settled, out);
                }
            }
            Event::RangeComputed(range) => {
                self.agreement.range_computed(range, &self.limits, out);
            }
            Event::Unreached(mut told) => {
                let room = self.limits.frame_bytes_max / UNREACHED_PLACE_BYTES;
                told.places.truncate(room);
                self.unreached = Some(told);
            }
            Event::Leave {
                code,
                retry_after_ms,
            } => return Err(Stop::quiet(code, retry_after_ms)),
            Event::Tick => self.check_silence(now_ms)?,
        }
        Ok(())
    }

    /// State of a lane; before the Hellos there is nothing to say about any.
    fn lane(&mut self, lane: pb::Lane) -> Option<&mut Lane> {
        let is_open = self.is_open();
        self.lanes
            .iter_mut()
            .find(|state| is_open && state.lane == lane)
    }

    fn opened(&mut self, now_ms: i64) {
        if self.phase == Phase::Fresh {
            self.phase = Phase::Greeting;
            self.opened_at_ms = now_ms;
            self.hello_due = self.side == Side::Lower;
        }
    }

    fn check_silence(&self, now_ms: i64) -> Result<(), Stop> {
        let waited_ms = now_ms.saturating_sub(self.opened_at_ms);
        if self.phase == Phase::Greeting && waited_ms > self.limits.hello_timeout_ms {
            return Err(Stop::quiet(Code::Silent, 0));
        }
        Ok(())
    }

    // Frames in.

    fn frame(
        &mut self,
        now_ms: i64,
        lanes: &dyn Lanes,
        frame: pb::Frame,
        out: &mut Vec<Action>,
    ) -> Result<(), Stop> {
        match self.phase {
            Phase::Fresh | Phase::Closed => Ok(()),
            Phase::Greeting => self.greeted(lanes, frame, out),
            Phase::Open if frame.session == self.nonce => self.heard(now_ms, lanes, frame, out),
            Phase::Open => Ok(()),
        }
    }

    /// The first word of the peer. Anything else is left over from another session.
    fn greeted(
        &mut self,
        lanes: &dyn Lanes,
        frame: pb::Frame,
        out: &mut Vec<Action>,
    ) -> Result<(), Stop> {
        let session = frame.session;
        let hello = match (self.side, frame.content) {
            (_, Some(Content::Goodbye(goodbye))) if session.is_empty() => {
                return Err(Stop::told(&goodbye));
            }
            (Side::Upper, Some(Content::Hello(hello))) if session.is_empty() => hello,
            (Side::Lower, Some(Content::Hello(hello))) if session.len() == NONCE_BYTES => hello,
            _ => return Ok(()),
        };
        if self.side == Side::Lower {
            self.nonce = session;
        }
        greeting::check_peer(&self.ours, &hello)?;
        // From here on this side's Hello belongs to what it says, so that a peer that is refused learns our cursors.
        self.phase = Phase::Open;
        self.hello_due = self.side == Side::Upper;
        out.push(Action::PeerHello(hello.clone()));
        self.resume(lanes, &hello, out)
    }

    fn resume(
        &mut self,
        lanes: &dyn Lanes,
        hello: &pb::Hello,
        out: &mut Vec<Action>,
    ) -> Result<(), Stop> {
        for state in &mut self.lanes {
            let claim = greeting::cursor_of(&hello.received, state.lane);
            let received = lanes.received(state.lane);
            greeting::check_claim(&self.ours, lanes, &claim)?;
            greeting::check_source(hello, &received, state.lane)?;
            let announced = greeting::cursor_of(&hello.sent, state.lane).sequence;
            state.resume(&claim, &received, announced, &self.limits);
            if self.side == Side::Upper && state.lane == pb::Lane::Cases {
                state.acknowledge_again();
            }
            // The acknowledgement of the session before may have been lost with it.
            if claim.sequence > lanes.acknowledged(state.lane) {
                out.push(Action::PeerStored(Receipt {
                    cursor: claim,
                    top_sequence: 0,
                    settles_after: None,
                }));
            }
        }
        Ok(())
    }

    fn heard(
        &mut self,
        now_ms: i64,
        lanes: &dyn Lanes,
        frame: pb::Frame,
        out: &mut Vec<Action>,
    ) -> Result<(), Stop> {
        match frame.content {
            // What a newer version says beside the known is not for us.
            None | Some(Content::Hello(_)) => Ok(()),
            Some(Content::Items(items)) => {
                let lane = items.lane();
                let items = self.known(lane)?.take(lanes, items)?;
                if !items.is_empty() {
                    out.push(Action::Store { lane, items });
                }
                Ok(())
            }
            Some(Content::Acknowledged(word)) => self.acknowledged(lanes, word, out),
            Some(Content::Credit(credit)) => {
                self.known(credit.lane())?.grant(credit.up_to_sequence);
                Ok(())
            }
            // Asked again when the interval has passed.
            Some(Content::Digest(_)) if lanes.is_tentative() => Ok(()),
            Some(Content::Digest(theirs)) => {
                let positions = self.positions();
                self.agreement
                    .heard(theirs, positions, now_ms, &self.limits, out)
            }
            Some(Content::DigestRange(range)) => {
                self.agreement.range_heard(range, out);
                Ok(())
            }
            Some(Content::Unreached(places)) => {
                out.push(Action::PeerUnreached(places));
                Ok(())
            }
            Some(Content::Goodbye(goodbye)) => Err(Stop::told(&goodbye)),
        }
    }

    fn known(&mut self, lane: pb::Lane) -> Result<&mut Lane, Stop> {
        self.lane(lane)
            .ok_or_else(|| Stop::alarm(Code::Frame, "a lane that is none".into()))
    }

    fn acknowledged(
        &mut self,
        lanes: &dyn Lanes,
        word: pb::Acknowledged,
        out: &mut Vec<Action>,
    ) -> Result<(), Stop> {
        let cursor = word.cursor.unwrap_or_default();
        let settles = cursor.lane() == pb::Lane::Cases && !word.tentative;
        let receipt = Receipt {
            cursor,
            top_sequence: word.top_sequence,
            settles_after: settles.then_some(word.sent_sequence),
        };
        let ours = self.ours.clone();
        let state = self.known(receipt.cursor.lane())?;
        if state.acknowledge(&ours, lanes, &receipt)? {
            out.push(Action::PeerStored(receipt));
        }
        Ok(())
    }

    // Frames out.

    fn room(&mut self, now_ms: i64, lanes: &dyn Lanes, out: &mut Vec<Action>) {
        let content = if std::mem::take(&mut self.hello_due) {
            let hello = greeting::hello(&self.ours, lanes, now_ms);
            Some(Content::Hello(hello))
        } else if self.is_open() {
            self.word(lanes, out).or_else(|| self.items(lanes, out))
        } else {
            None
        };
        out.extend(content.map(|content| Action::Send(self.sign(content))));
    }

    /// Acknowledgements before credits, whom we do not reach, and digests: none of them needs credit.
    fn word(&mut self, lanes: &dyn Lanes, out: &mut Vec<Action>) -> Option<Content> {
        let acknowledgement = self
            .lanes
            .iter_mut()
            .find_map(|lane| lane.acknowledgement(lanes));
        if let Some(acknowledged) = acknowledgement {
            return Some(Content::Acknowledged(acknowledged));
        }
        let limits = &self.limits;
        let credit = self.lanes.iter_mut().find_map(|lane| lane.credit(limits));
        if let Some(credit) = credit {
            return Some(Content::Credit(credit));
        }
        let unreached = self.unreached.take().map(Content::Unreached);
        unreached.or_else(|| self.agreement.word(out))
    }

    fn items(&mut self, lanes: &dyn Lanes, out: &mut Vec<Action>) -> Option<Content> {
        for state in &mut self.lanes {
            match state.load(lanes, &self.limits) {
                Load::Nothing => {}
                Load::Items(items) => return Some(Content::Items(items)),
                Load::TooLarge { sequence, bytes } => out.push(Action::Alarm {
                    code: Code::ItemTooLarge,
                    detail: format!(
                        "{} {sequence} of {bytes} bytes; the lane stands still",
                        state.lane.as_str_name()
                    ),
                    older_copy: false,
                }),
            }
        }
        None
    }

    fn sign(&self, content: Content) -> pb::Frame {
        pb::Frame {
            session: self.nonce.clone(),
            content: Some(content),
        }
    }

    fn stop(&mut self, now_ms: i64, lanes: &dyn Lanes, stop: Stop, out: &mut Vec<Action>) {
        if let Some(detail) = stop.detail {
            out.push(Action::Alarm {
                code: stop.code,
                detail,
                older_copy: stop.older_copy,
            });
        }
        if self.hello_due && self.is_open() {
            let hello = greeting::hello(&self.ours, lanes, now_ms);
            out.push(Action::Send(self.sign(Content::Hello(hello))));
        } else if !self.is_open() && self.side == Side::Upper {
            // The lower side has not heard the nonce.
            self.nonce.clear();
        }
        if !stop.is_told {
            let goodbye = pb::Goodbye {
                code: stop.code.as_str().into(),
                retry_after_ms: stop.retry_after_ms,
            };
            out.push(Action::Send(self.sign(Content::Goodbye(goodbye))));
        }
        self.phase = Phase::Closed;
        out.push(Action::Close {
            code: stop.code,
            retry_after_ms: stop.retry_after_ms,
        });
    }

    // Agreement.

    fn positions(&self) -> Positions {
        [0, 1, 2].map(|index: usize| self.lanes[index].position())
    }

    fn is_settled(&self, digest: &pb::Digest) -> bool {
        self.lanes.iter().all(|state| {
            state.is_at(
                &greeting::cursor_of(&digest.sent, state.lane),
                &greeting::cursor_of(&digest.received, state.lane),
            )
        })
    }

    fn seek_agreement(&mut self, now_ms: i64, lanes: &dyn Lanes, out: &mut Vec<Action>) {
        let positions = self.positions();
        if self.is_open()
            && self.agreement.is_due(&positions, now_ms, &self.limits)
            && self.lanes.iter().all(|lane| lane.is_quiet(lanes))
            && !lanes.is_tentative()
        {
            self.agreement.begin(positions, now_ms, out);
        }
    }
}
