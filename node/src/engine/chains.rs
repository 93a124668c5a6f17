//! Chains in memory: trees and folds of the chains in use, loaded from the store and the journal when needed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use fengqiao_hub::case::Case;
use fengqiao_hub::custody::{Step, Tree, Verdict};
use fengqiao_hub::entry::Entry;
use fengqiao_hub::id::{ChainId, Hash, PlaceId};
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_proto::v1 as pb;

/// One chain: its tree, its entries, and for a case its fold.
#[derive(Debug, Clone, Default)]
pub struct Chain {
    /// What it is about.
    pub kind: pb::ChainKind,
    /// All entries by custody.
    pub tree: Tree,
    /// All entries with their authors' places.
    pub entries: BTreeMap<Hash, (Arc<Entry>, PlaceId)>,
    /// The fold of the standing chain; `None` while its first entry is awaited, or when it is no case.
    pub case: Option<Case>,
}

impl Chain {
    /// Puts an entry into the tree and keeps the fold in step.
    pub fn insert(&mut self, entry: Arc<Entry>, place: PlaceId, registry: &Registry) -> Verdict {
        // A taking may stand above a gap: its author knew the head by a notice only.
        let verdict = self.tree.insert(Step::of(&entry, place), registry, true);
        if matches!(
            verdict,
            Verdict::Waits(_) | Verdict::Refused(_) | Verdict::Known
        ) {
            return verdict;
        }
        self.kind = entry.kind;
        self.entries.insert(entry.hash, (Arc::clone(&entry), place));
        if entry.kind != pb::ChainKind::Case {
            return verdict;
        }
        match (verdict, &mut self.case) {
            (Verdict::Extended, Some(case)) => case.apply(&entry, place),
            (Verdict::Joined, Some(_)) => {}
            _ => self.refold(),
        }
        verdict
    }

    /// The standing chain with its entries, oldest first.
    #[must_use]
    pub fn standing(&self) -> Vec<(Arc<Entry>, PlaceId)> {
        self.tree
            .standing()
            .iter()
            .filter_map(|hash| self.entries.get(hash).cloned())
            .collect()
    }

    fn refold(&mut self) {
        let standing = self.standing();
        self.case = Case::fold(
            standing
                .iter()
                .map(|(entry, place)| (entry.as_ref(), *place)),
        );
    }
}

/// The chains in use, at most so many.
#[derive(Debug)]
pub struct Chains {
    held: BTreeMap<ChainId, Chain>,
    order: VecDeque<ChainId>,
    held_max: usize,
}

impl Chains {
    /// Holds at most `held_max` chains, at least 16.
    #[must_use]
    pub fn new(held_max: usize) -> Self {
        Self {
            held: BTreeMap::new(),
            order: VecDeque::new(),
            held_max: held_max.max(16),
        }
    }

    /// A chain, if it is in memory.
    #[must_use]
    pub fn get(&self, id: ChainId) -> Option<&Chain> {
        self.held.get(&id)
    }

    /// A chain, if it is in memory.
    pub fn get_mut(&mut self, id: ChainId) -> Option<&mut Chain> {
        self.held.get_mut(&id)
    }

    /// Keeps a chain just loaded; the one loaded longest ago makes room.
    pub fn keep(&mut self, id: ChainId, chain: Chain) {
        while self.held.len() >= self.held_max {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            self.held.remove(&oldest);
        }
        if self.held.insert(id, chain).is_none() {
            self.order.push_back(id);
        }
    }
}
