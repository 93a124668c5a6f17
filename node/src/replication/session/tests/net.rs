//! Two nodes in memory and the wire between their sessions.

use std::collections::VecDeque;

use fengqiao_proto::v1 as pb;
use pb::frame::Content;

use super::super::{Action, Code, Event, LANES, Limits, Session};
use crate::replication::fake::FakeNode;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Lower,
    Upper,
}

impl Side {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Lower => Self::Upper,
            Self::Upper => Self::Lower,
        }
    }
}

pub(super) struct End {
    pub(super) node: FakeNode,
    pub(super) session: Option<Session>,
    /// Frames on their way to this end.
    inbox: VecDeque<pb::Frame>,
    asked: VecDeque<Event>,
    pub(super) alarms: Vec<Code>,
    pub(super) digests: Vec<bool>,
    pub(super) ranges: Vec<u32>,
    pub(super) unreached: Vec<pb::Unreached>,
    pub(super) hellos: usize,
    pub(super) closed: Option<Code>,
}

impl End {
    fn new(node: FakeNode) -> Self {
        Self {
            node,
            session: None,
            inbox: VecDeque::new(),
            asked: VecDeque::new(),
            alarms: Vec::new(),
            digests: Vec::new(),
            ranges: Vec::new(),
            unreached: Vec::new(),
            hellos: 0,
            closed: None,
        }
    }
}

pub(super) struct Net {
    ends: [End; 2],
    limits: Limits,
    sessions: u8,
    pub(super) now_ms: i64,
    /// Every frame ever sent, with its sender.
    pub(super) history: Vec<(Side, pb::Frame)>,
}

impl Net {
    pub(super) fn new(limits: Limits) -> Self {
        let (lower, upper) = FakeNode::pair();
        Self {
            ends: [End::new(lower), End::new(upper)],
            limits,
            sessions: 0,
            now_ms: 1_000_000,
            history: Vec::new(),
        }
    }

    pub(super) fn end(&self, side: Side) -> &End {
        &self.ends[side as usize]
    }

    pub(super) fn end_mut(&mut self, side: Side) -> &mut End {
        &mut self.ends[side as usize]
    }

    pub(super) fn owe(&mut self, side: Side, lane: pb::Lane, payload: Vec<u8>) {
        self.end_mut(side).node.owe(lane, payload);
        self.give(side, Event::Owed);
    }

    /// New sessions on a new stream.
    pub(super) fn connect(&mut self) {
        self.cut();
        self.sessions += 1;
        let nonce = [self.sessions; 16];
        let [lower, upper] = &mut self.ends;
        let limits = self.limits.clone();
        lower.session = Some(Session::lower(lower.node.identity.clone(), limits.clone()));
        upper.session = Some(Session::upper(upper.node.identity.clone(), nonce, limits));
        for side in [Side::Lower, Side::Upper] {
            self.end_mut(side).closed = None;
            self.give(side, Event::Opened);
        }
    }

    /// The stream breaks: sessions and what was under way are gone, what the engines were given is not.
    pub(super) fn cut(&mut self) {
        for end in &mut self.ends {
            end.session = None;
            end.inbox.clear();
            end.asked.clear();
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.ends
            .iter()
            .all(|end| end.session.is_some() && end.closed.is_none())
    }

    /// A frame under the nonce of the present session.
    pub(super) fn frame(&self, content: Content) -> pb::Frame {
        pb::Frame {
            session: vec![self.sessions; 16],
            content: Some(content),
        }
    }

    /// One event to one session; its answer is carried out and returned.
    pub(super) fn give(&mut self, side: Side, event: Event) -> Vec<Action> {
        let now_ms = self.now_ms;
        let end = self.end_mut(side);
        let Some(session) = end.session.as_mut() else {
            return Vec::new();
        };
        let actions = session.step(now_ms, &end.node, event);
        for action in actions.clone() {
            self.carry_out(side, action);
        }
        actions
    }

    fn carry_out(&mut self, side: Side, action: Action) {
        if let Action::Send(frame) = action {
            self.history.push((side, frame.clone()));
            self.end_mut(side.other()).inbox.push_back(frame);
            return;
        }
        let end = self.end_mut(side);
        match action {
            Action::Send(_) => {}
            Action::PeerUnreached(told) => end.unreached.push(told),
            Action::Store { lane, items } => end.node.unsynced.push_back((lane, items)),
            Action::PeerStored(receipt) => end.node.peer_stored(&receipt),
            Action::PeerHello(_) => end.hellos += 1,
            Action::ComputeDigest => {
                let digest = end.node.digest();
                end.asked.push_back(Event::DigestComputed(digest));
            }
            Action::ComputeRange(range) => {
                end.asked.push_back(Event::RangeComputed(pb::DigestRange {
                    range: range.into(),
                    chains: Vec::new(),
                }));
            }
            Action::DigestResult { equal } => end.digests.push(equal),
            Action::RangeDiffers(range) => end.ranges.push(range.range),
            Action::Alarm { code, .. } => end.alarms.push(code),
            Action::Close { code, .. } => end.closed = Some(code),
        }
    }

    /// Puts one frame on the wire.
    pub(super) fn room(&mut self, side: Side) -> bool {
        let wants = self
            .end(side)
            .session
            .as_ref()
            .is_some_and(Session::wants_room);
        wants
            && self
                .give(side, Event::Room)
                .iter()
                .any(|action| matches!(action, Action::Send(_)))
    }

    /// Delivers one frame, if the session reads.
    pub(super) fn deliver(&mut self, side: Side) -> bool {
        let end = self.end_mut(side);
        if end.session.as_ref().is_none_or(Session::is_full) {
            return false;
        }
        let Some(frame) = end.inbox.pop_front() else {
            return false;
        };
        self.give(side, Event::Frame(frame));
        true
    }

    /// The engine's answers to questions.
    pub(super) fn answer(&mut self, side: Side) -> bool {
        let Some(event) = self.end_mut(side).asked.pop_front() else {
            return false;
        };
        self.give(side, event);
        true
    }

    /// The engine syncs all it has, in one group.
    pub(super) fn sync(&mut self, side: Side) -> bool {
        let mut stored = Vec::new();
        while let Some(lane) = self.end_mut(side).node.sync_one() {
            stored.push(lane);
        }
        for lane in &stored {
            self.give(
                side,
                Event::Stored {
                    lane: *lane,
                    top_sequence: 0,
                },
            );
        }
        !stored.is_empty()
    }

    pub(super) fn tick(&mut self) {
        for side in [Side::Lower, Side::Upper] {
            self.give(side, Event::Tick);
        }
    }

    /// Frames flow until none is left, engines do nothing.
    pub(super) fn run_frames_only(&mut self) {
        self.run_while(|net, side| net.room(side) | net.deliver(side));
    }

    /// As [`Net::run`], but nothing is synced.
    pub(super) fn run_without_sync(&mut self) {
        self.run_while(|net, side| net.room(side) | net.deliver(side) | net.answer(side));
    }

    /// Everything happens until nothing is left to do.
    pub(super) fn run(&mut self) {
        self.run_while(|net, side| {
            net.room(side) | net.deliver(side) | net.answer(side) || net.sync(side)
        });
    }

    fn run_while(&mut self, mut step: impl FnMut(&mut Self, Side) -> bool) {
        for _ in 0..100_000 {
            let lower = step(self, Side::Lower);
            let upper = step(self, Side::Upper);
            if !lower && !upper {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    /// Sequences of the items sent since a point of the history.
    pub(super) fn sequences_sent(&self, since: usize) -> Vec<u64> {
        let mut sequences = Vec::new();
        for (_, frame) in &self.history[since..] {
            if let Some(Content::Items(items)) = &frame.content {
                sequences.extend(items.items.iter().map(|item| item.sequence));
            }
        }
        sequences
    }

    pub(super) fn digests_sent(&self, side: Side) -> usize {
        let is_digest = |(from, frame): &&(Side, pb::Frame)| {
            *from == side && matches!(frame.content, Some(Content::Digest(_)))
        };
        self.history.iter().filter(is_digest).count()
    }

    pub(super) fn assert_all_arrived(&self) {
        let [lower, upper] = &self.ends;
        for lane in LANES {
            assert_eq!(
                upper.node.payloads(lane),
                lower.node.owed(lane),
                "{lane:?} up"
            );
            assert_eq!(
                lower.node.payloads(lane),
                upper.node.owed(lane),
                "{lane:?} down"
            );
            for (from, to) in [(lower, upper), (upper, lower)] {
                let at = crate::replication::fake::index(lane);
                assert_eq!(
                    from.node.acknowledged[at],
                    to.node.got[at].len() as u64,
                    "{lane:?} acknowledged"
                );
            }
        }
    }
}
