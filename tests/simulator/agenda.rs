//! Virtual time: what happens next, and when. Days in which nothing happens cost nothing.

use std::collections::BTreeMap;

use fengqiao_proto::v1 as pb;

use super::wire::{Side, StreamId};

/// Index of a machine.
pub type MachineId = usize;

/// What happens.
#[derive(Debug)]
pub enum Event {
    /// An engine takes what has queued.
    Work(MachineId),
    /// A frame arrives at one end of a stream.
    Frame(StreamId, Side, Box<pb::Frame>),
    /// One end of a stream learns that it broke.
    Broke(StreamId, Side),
    /// The upper side has the stream.
    Accepted(StreamId),
    /// A session looks at the time.
    SessionTick(StreamId, Side),
    /// Somebody looks whether a link with something to carry carries it.
    Watch(StreamId, Side),
    /// A digest, or a range of it, is computed.
    Compute(StreamId, Side, Option<u8>),
    /// The lower side dials.
    Dial(MachineId),
    /// Clocks are looked at.
    Tick(MachineId),
    /// The machine starts.
    Start(MachineId),
    /// The day's work is drawn.
    Day,
    /// Somebody does something.
    Act,
    /// A lost machine whose parent was lost with it gets a successor, once its parent may enrol one.
    Replace(MachineId),
    /// Somebody who got no answer asks again.
    AskAgain(u64),
    /// Somebody looks whether the store of a machine is what its journal says.
    Compare(MachineId),
    /// Something goes wrong.
    Fault,
    /// A cut link carries again.
    Mended(MachineId),
    /// The disk of a machine is quick again.
    Quick(MachineId),
}

/// What is to happen.
#[derive(Debug, Default)]
pub struct Agenda {
    now_ms: i64,
    drawn: u64,
    events: BTreeMap<(i64, u64), Event>,
}

impl Agenda {
    /// An empty one.
    #[must_use]
    pub fn at(now_ms: i64) -> Self {
        Self {
            now_ms,
            ..Self::default()
        }
    }

    /// True time, Unix milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Notes an event; events of one instant happen in the order in which they were noted.
    pub fn after(&mut self, delay_ms: i64, event: Event) {
        self.drawn += 1;
        let at_ms = self.now_ms.saturating_add(delay_ms.max(0));
        self.events.insert((at_ms, self.drawn), event);
    }

    /// The next event, if it comes before an instant; time goes on to it.
    pub fn next_before(&mut self, end_ms: i64) -> Option<Event> {
        let entry = self.events.first_entry()?;
        if entry.key().0 >= end_ms {
            self.now_ms = end_ms;
            return None;
        }
        self.now_ms = entry.key().0;
        Some(entry.remove())
    }

    /// When the next event comes.
    #[must_use]
    pub fn next_at_ms(&self) -> Option<i64> {
        self.events.keys().next().map(|(at_ms, _)| *at_ms)
    }

    /// Drops events that are not wanted any more.
    pub fn drop_all(&mut self, is_unwanted: impl Fn(&Event) -> bool) {
        self.events.retain(|_, event| !is_unwanted(event));
    }
}
