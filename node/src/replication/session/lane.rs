//! One lane of a session, both ways: what may be sent, what is wanted next.

use std::collections::VecDeque;

use fengqiao_proto::v1 as pb;
use prost::Message as _;

use super::code::Code;
use super::end::Stop;
use super::{CONTROL_WINDOW_ITEMS, ITEMS_MAX, Identity, Lanes, Limits, Receipt, greeting};

/// Bytes of a frame around its items: nonce, lane and lengths.
const ENVELOPE_BYTES: usize = 64;
/// Bytes around one item: its tag and length.
const ITEM_ENVELOPE_BYTES: usize = 6;

/// What became of looking for items to send.
pub(super) enum Load {
    Nothing,
    Items(pb::Items),
    TooLarge { sequence: u64, bytes: usize },
}

#[derive(Debug, Clone)]
pub(super) struct Lane {
    pub(super) lane: pb::Lane,
    // Ours, on its way to the peer.
    next: u64,
    acknowledged: u64,
    top_reported: u64,
    settling_reported: u64,
    granted_to_us: u64,
    is_idle: bool,
    is_stalled: bool,
    // The peer's, on its way to us.
    expected: u64,
    stored: u64,
    granted: u64,
    announced: u64,
    top: u64,
    acknowledgement_due: bool,
    credit_due: bool,
    unstored: VecDeque<(u64, usize)>,
}

impl Lane {
    pub(super) fn new(lane: pb::Lane) -> Self {
        Self {
            lane,
            next: 1,
            acknowledged: 0,
            top_reported: 0,
            settling_reported: 0,
            granted_to_us: 0,
            is_idle: false,
            is_stalled: false,
            expected: 1,
            stored: 0,
            granted: 0,
            announced: 0,
            top: 0,
            acknowledgement_due: false,
            credit_due: false,
            unstored: VecDeque::new(),
        }
    }

    /// Starts from checked cursors: the peer's `claim` of ours, our `received` of the peer's.
    pub(super) fn resume(
        &mut self,
        claim: &pb::Cursor,
        received: &pb::Cursor,
        announced: u64,
        limits: &Limits,
    ) {
        self.next = claim.sequence + 1;
        self.acknowledged = claim.sequence;
        self.stored = received.sequence;
        self.expected = received.sequence + 1;
        self.announced = announced;
        self.granted = self.stored + self.window(limits);
        self.credit_due = !self.has_standing_credit();
    }

    fn has_standing_credit(&self) -> bool {
        self.lane == pb::Lane::Control
    }

    fn window(&self, limits: &Limits) -> u64 {
        if self.has_standing_credit() {
            CONTROL_WINDOW_ITEMS
        } else {
            limits.window_items.max(1)
        }
    }

    // Sending.

    /// Highest sequence that may be sent now.
    fn sendable_to(&self) -> u64 {
        if self.has_standing_credit() {
            self.acknowledged + CONTROL_WINDOW_ITEMS
        } else {
            self.granted_to_us
        }
    }

    /// Whether looking for items may find some.
    pub(super) fn may_send(&self) -> bool {
        !self.is_idle && !self.is_stalled && self.next <= self.sendable_to()
    }

    /// Items were owed.
    pub(super) fn wake(&mut self) {
        self.is_idle = false;
    }

    /// The next frame's items, as far as credit and one frame reach.
    pub(super) fn load(&mut self, lanes: &dyn Lanes, limits: &Limits) -> Load {
        if !self.may_send() {
            return Load::Nothing;
        }
        let last = lanes.last(self.lane).sequence.min(self.sendable_to());
        let wanted = usize::try_from((last + 1).saturating_sub(self.next)).unwrap_or(ITEMS_MAX);
        let bytes_max = limits.frame_bytes_max.saturating_sub(ENVELOPE_BYTES);
        let items = if wanted == 0 {
            Vec::new()
        } else {
            lanes.load(self.lane, self.next, wanted.min(ITEMS_MAX), bytes_max)
        };
        let Some(first) = items.first() else {
            self.is_idle = true;
            return Load::Nothing;
        };
        let bytes = first.encoded_len() + ITEM_ENVELOPE_BYTES;
        if bytes > bytes_max {
            self.is_stalled = true;
            let sequence = first.sequence;
            return Load::TooLarge { sequence, bytes };
        }
        let items = self.fitting(items, wanted.min(ITEMS_MAX), bytes_max);
        self.next += items.len() as u64;
        Load::Items(pb::Items {
            lane: self.lane.into(),
            items,
        })
    }

    /// As many of the items from the front as belong here and fit.
    fn fitting(
        &self,
        mut items: Vec<pb::Item>,
        items_max: usize,
        bytes_max: usize,
    ) -> Vec<pb::Item> {
        let mut bytes = 0;
        let fits = items
            .iter()
            .zip(self.next..)
            .take(items_max)
            .take_while(|(item, sequence)| {
                bytes += item.encoded_len() + ITEM_ENVELOPE_BYTES;
                item.sequence == *sequence && bytes <= bytes_max
            })
            .count();
        items.truncate(fits);
        items
    }

    /// The peer grants; a grant is never taken back.
    pub(super) fn grant(&mut self, up_to_sequence: u64) {
        self.granted_to_us = self.granted_to_us.max(up_to_sequence);
    }

    /// The peer acknowledges. Whether anything in it is news.
    pub(super) fn acknowledge(
        &mut self,
        ours: &Identity,
        lanes: &dyn Lanes,
        receipt: &Receipt,
    ) -> Result<bool, Stop> {
        let (cursor, top_sequence) = (&receipt.cursor, receipt.top_sequence);
        greeting::check_claim(ours, lanes, cursor)?;
        if top_sequence > cursor.sequence {
            let detail = format!("the top ahead of {}", cursor.sequence);
            return Err(Stop::alarm(Code::CursorAhead, detail));
        }
        if cursor.sequence < self.acknowledged {
            let detail = format!("{} after {}", cursor.sequence, self.acknowledged);
            return Err(Stop::alarm(Code::CursorBehind, detail));
        }
        let settles = receipt.settles_after.is_some() && cursor.sequence > self.settling_reported;
        if settles {
            self.settling_reported = cursor.sequence;
        }
        let is_news =
            settles || cursor.sequence > self.acknowledged || top_sequence > self.top_reported;
        self.acknowledged = cursor.sequence;
        // A batch of the session before may have been stored after the Hellos.
        self.next = self.next.max(self.acknowledged + 1);
        self.top_reported = self.top_reported.max(top_sequence);
        Ok(is_news)
    }

    // Receiving.

    /// Takes a frame's items: those that are new, in order.
    pub(super) fn take(
        &mut self,
        lanes: &dyn Lanes,
        items: pb::Items,
    ) -> Result<Vec<pb::Item>, Stop> {
        let name = self.lane.as_str_name();
        let items = items.items;
        let (Some(first), Some(last)) = (items.first(), items.last()) else {
            return Err(Stop::alarm(Code::Frame, format!("{name}: no items")));
        };
        let (first, last) = (first.sequence, last.sequence);
        if items.len() > ITEMS_MAX || first == 0 {
            return Err(Stop::alarm(Code::Frame, format!("{name}: too many items")));
        }
        let consecutive = items
            .windows(2)
            .all(|pair| pair[0].sequence.checked_add(1) == Some(pair[1].sequence));
        if !consecutive || first > self.expected {
            let detail = format!("{name}: {first} to {last} where {} follows", self.expected);
            return Err(Stop::alarm(Code::Gap, detail));
        }
        if last > self.granted && last > self.standing_grant(lanes) {
            let detail = format!("{name}: {last} where {} was granted", self.granted);
            return Err(Stop::alarm(Code::Credit, detail));
        }
        // The peer does not know what was stored between our Hello and now.
        self.acknowledgement_due |= first <= self.stored;
        let new: Vec<_> = items
            .into_iter()
            .filter(|item| item.sequence >= self.expected)
            .collect();
        if !new.is_empty() {
            let bytes = new.iter().map(prost::Message::encoded_len).sum();
            self.unstored.push_back((last, bytes));
            self.expected = last + 1;
        }
        Ok(new)
    }

    /// Counted from the cursor as it stands in the store: that is what an acknowledgement or a Hello may have told the peer
    /// before this session heard of it.
    fn standing_grant(&self, lanes: &dyn Lanes) -> u64 {
        if self.has_standing_credit() {
            let stored = lanes.received(self.lane).sequence.max(self.stored);
            stored.saturating_add(CONTROL_WINDOW_ITEMS)
        } else {
            0
        }
    }

    /// The engine has synced: what is stored now is acknowledged, and credit renewed once half of it is used.
    pub(super) fn store(&mut self, received: &pb::Cursor, top_sequence: u64, limits: &Limits) {
        if received.sequence > self.stored {
            self.stored = received.sequence;
            self.acknowledgement_due = true;
        }
        self.expected = self.expected.max(self.stored + 1);
        while self
            .unstored
            .front()
            .is_some_and(|(last, _)| *last <= self.stored)
        {
            self.unstored.pop_front();
        }
        let window = self.window(limits);
        if !self.has_standing_credit() && self.stored + window >= self.granted + (window / 2).max(1)
        {
            self.credit_due = true;
        }
        self.move_top(top_sequence);
    }

    /// The top has stored more of the peer's lane.
    pub(super) fn move_top(&mut self, top_sequence: u64) {
        if top_sequence > self.top {
            self.top = top_sequence;
            self.acknowledgement_due = true;
        }
    }

    /// What is stored is acknowledged once more: it may settle now.
    pub(super) fn acknowledge_again(&mut self) {
        self.acknowledgement_due |= self.stored > 0;
    }

    /// Bytes handed to the engine and not yet stored.
    pub(super) fn unstored_bytes(&self) -> usize {
        self.unstored.iter().map(|(_, bytes)| bytes).sum()
    }

    /// The one acknowledgement that waits, of the cursor as it is now.
    pub(super) fn acknowledgement(&mut self, lanes: &dyn Lanes) -> Option<pb::Acknowledged> {
        if !std::mem::take(&mut self.acknowledgement_due) {
            return None;
        }
        // In this order: what had come by then, and then what was to be sent, holds every taking it may have met.
        let cursor = lanes.received(self.lane);
        let is_cases = self.lane == pb::Lane::Cases;
        let settles_after = is_cases.then(|| lanes.settles_after()).flatten();
        let top_sequence = self.top.min(cursor.sequence);
        Some(pb::Acknowledged {
            cursor: Some(cursor),
            top_sequence,
            sent_sequence: settles_after.unwrap_or_default(),
            tentative: is_cases && settles_after.is_none(),
        })
    }

    /// The one credit that waits.
    pub(super) fn credit(&mut self, limits: &Limits) -> Option<pb::Credit> {
        if !std::mem::take(&mut self.credit_due) {
            return None;
        }
        self.granted = self.granted.max(self.stored + self.window(limits));
        Some(pb::Credit {
            lane: self.lane.into(),
            up_to_sequence: self.granted,
        })
    }

    /// Whether an acknowledgement or a credit waits.
    pub(super) fn has_word_due(&self) -> bool {
        self.acknowledgement_due || self.credit_due
    }

    /// Acknowledged of ours, stored of the peer's.
    pub(super) fn position(&self) -> (u64, u64) {
        (self.acknowledged, self.stored)
    }

    /// Nothing is owed either way, as far as known here.
    pub(super) fn is_quiet(&self, lanes: &dyn Lanes) -> bool {
        !self.has_word_due()
            && self.unstored.is_empty()
            && self.stored >= self.announced
            && self.acknowledged == lanes.last(self.lane).sequence
    }

    /// Whether a pair of cursors of this lane is where this session is: acknowledged and stored.
    pub(super) fn is_at(&self, sent: &pb::Cursor, received: &pb::Cursor) -> bool {
        self.position() == (sent.sequence, received.sequence)
    }
}
