//! What an engine keeps in memory beside journal and store.

use std::collections::BTreeMap;
use std::sync::Arc;

use fengqiao_hub::id::NodeId;
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_hub::rulebook::Rulebooks;
use fengqiao_proto::v1 as pb;

use super::chains::Chains;
use super::counts::Counts;

/// Alarms kept for the status.
const ALARMS_MAX: usize = 50;

/// State that is neither journal nor store: caches and counters, all derived.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) registry: Arc<Registry>,
    pub(crate) rulebooks: Arc<Rulebooks>,
    pub(crate) chains: Chains,
    pub(crate) author_sequence: u64,
    pub(crate) counts: Counts,
    pub(crate) book: BTreeMap<String, String>,
    /// What each neighbour sent and where our own lane upwards stood then, until the top has it.
    pub(crate) awaiting_top: BTreeMap<NodeId, Vec<AwaitingTop>>,
    pub(crate) top_reached: BTreeMap<(NodeId, pb::Lane), u64>,
    pub(crate) alarms: std::collections::VecDeque<String>,
    pub(crate) refused: Refused,
    /// What waits of one neighbour, at most.
    pub(crate) parked_max: u64,
    /// Lanes at an item for which there was no room to wait.
    pub(crate) paused: std::collections::BTreeSet<(NodeId, pb::Lane)>,
    /// Day, since 1970 in UTC, on which the calendar was last looked at.
    pub(crate) calendar_looked_at: Option<i64>,
}

impl State {
    /// Notes something a person should look at; the oldest gives way.
    pub(crate) fn alarm(&mut self, text: String) {
        if self.alarms.len() >= ALARMS_MAX {
            self.alarms.pop_front();
        }
        self.alarms.push_back(text);
    }

    pub(crate) fn empty(chains_held_max: usize, parked_max: u64) -> Self {
        Self {
            registry: Arc::new(Registry::default()),
            rulebooks: Arc::new(Rulebooks::default()),
            chains: Chains::new(chains_held_max),
            author_sequence: 0,
            counts: Counts::default(),
            book: BTreeMap::new(),
            awaiting_top: BTreeMap::new(),
            top_reached: BTreeMap::new(),
            alarms: std::collections::VecDeque::new(),
            refused: Refused::default(),
            parked_max,
            paused: std::collections::BTreeSet::new(),
            calendar_looked_at: None,
        }
    }
}

/// What neighbours sent since the start and was refused with nothing of it kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refused {
    /// Items.
    pub items: u64,
    /// Their bytes.
    pub bytes: u64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct AwaitingTop {
    pub(crate) lane: pb::Lane,
    pub(crate) sequence: u64,
    pub(crate) owed_up: [u64; 3],
}
