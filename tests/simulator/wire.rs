//! The network: streams between two sessions, and what happens to frames on their way.

use std::collections::BTreeMap;

use fengqiao_hub::id::NodeId;
use fengqiao_node::replication::backoff::Backoff;

use super::agenda::MachineId;

/// Names a stream for ever.
pub type StreamId = u64;

/// Frames under way in one direction before the sender waits.
pub const ROOM_FRAMES: usize = 8;

/// One end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// It dials.
    Lower,
    /// It is dialled.
    Upper,
}

impl Side {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Lower => Self::Upper,
            Self::Upper => Self::Lower,
        }
    }

    /// Of an array of two.
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::Lower => 0,
            Self::Upper => 1,
        }
    }
}

/// A stream.
#[derive(Debug)]
pub struct Stream {
    /// Machines, lower first.
    pub machines: [MachineId; 2],
    /// Their nodes.
    pub nodes: [NodeId; 2],
    /// Frames under way from each side.
    pub under_way: [usize; 2],
    /// When the last frame of either side was sent.
    pub sent_ms: i64,
    /// When the last frame from each side arrives.
    pub last_ms: [i64; 2],
    /// Which sides have ended it.
    pub is_ended: [bool; 2],
}

/// What a link does to frames.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    /// Least time on the way.
    pub latency_ms: i64,
    /// More of it.
    pub jitter_ms: i64,
    /// Of a thousand frames, lost.
    pub lose: u64,
    /// Of a thousand, arriving twice.
    pub repeat: u64,
    /// Of a thousand, overtaken by later ones.
    pub reorder: u64,
    /// Of a thousand, under way for up to thirty days.
    pub delay: u64,
    /// Of a thousand frames of ended streams, arriving in the one that stands now.
    pub stale: u64,
}

/// One link, by its lower machine.
#[derive(Debug)]
pub struct Line {
    /// What it does to frames.
    pub weather: Weather,
    /// Until when each direction is cut, by sender.
    pub cut_until_ms: [i64; 2],
    /// Pause before dialling.
    pub backoff: Backoff,
    /// The stream that stands, as the lower side sees it.
    pub stream: Option<StreamId>,
    /// Whether dialling is noted.
    pub is_dialling: bool,
}

/// All links.
#[derive(Debug, Default)]
pub struct Wire {
    /// By lower machine.
    pub lines: BTreeMap<MachineId, Line>,
    /// All that stand at one side at least.
    pub streams: BTreeMap<StreamId, Stream>,
    /// Streams ever.
    pub opened: u64,
}

impl Line {
    /// A link that works.
    #[must_use]
    pub fn new(weather: Weather) -> Self {
        Self {
            weather,
            cut_until_ms: [i64::MIN; 2],
            backoff: Backoff::new(1_000, 300_000),
            stream: None,
            is_dialling: false,
        }
    }

    /// Whether frames of a side pass now.
    #[must_use]
    pub fn passes(&self, from: Side, now_ms: i64) -> bool {
        self.cut_until_ms[from.index()] <= now_ms
    }
}
