//! Chains in memory: trees and folds of the chains in use, loaded from the store and the journal when needed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fengqiao_hub::case::{Case, Running};
use fengqiao_hub::casework;
use fengqiao_hub::custody::{Step, Tree, Verdict};
use fengqiao_hub::entry::{Entry, Move};
use fengqiao_hub::id::{ChainId, Hash, NodeId, PlaceId};
use fengqiao_hub::jurisdiction::{Registry, is_by_root_key};
use fengqiao_proto::v1 as pb;
use lru::LruCache;

use crate::replication::route::Involved;
use crate::store::tables::ChainRow;

/// Entries that a chain in memory has on average, at most.
const ENTRIES_EACH: usize = 16;

/// One chain: its tree, its entries, and for a case its fold.
#[derive(Debug, Clone, Default)]
pub struct Chain {
    /// What it is about.
    pub kind: pb::ChainKind,
    /// All entries by custody.
    pub tree: Tree,
    /// All entries with their authors' places.
    pub entries: BTreeMap<Hash, (Arc<Entry>, PlaceId)>,
    /// Until when entries that came not to stand are to be adopted or declined, since they are held here.
    pub annex_due: BTreeMap<Hash, pb::Due>,
    /// The fold of the standing chain; `None` while its first entry is awaited, or when it is no case.
    pub case: Option<Case>,
    /// Its short row as last written, once it was read or written.
    pub(crate) row: Option<ChainRow>,
    /// Links known to carry it whole; what a link carries never becomes less.
    pub(crate) whole_at: BTreeSet<NodeId>,
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
            (Verdict::Extended, Some(case)) => casework::apply(case, &entry, place),
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

    /// The case as it was with this entry, whatever came after. `None` while an entry before it is awaited.
    #[must_use]
    pub fn case_at(&self, hash: Hash) -> Option<Case> {
        let mut way = Vec::new();
        let mut next = Some(hash);
        while let Some(hash) = next {
            let (entry, place) = self.entries.get(&hash)?;
            way.push((entry.as_ref(), *place));
            next = entry.previous;
        }
        casework::fold(way.into_iter().rev())
    }

    /// What a case is judged by: the versions that its first entry names, and the class as the entry that gave it says.
    pub(crate) fn judged_by(&self) -> Option<pb::JudgedBy> {
        let intake = &self.case.as_ref()?.intake;
        let judged_by = |entry: &Hash| self.entries.get(entry)?.0.body.judged_by.as_ref();
        Some(pb::JudgedBy {
            versions: judged_by(&intake.opened_by)?.versions.clone(),
            class: judged_by(&intake.classed_by).and_then(|by| by.class.clone()),
        })
    }

    /// The clocks of a case that run, the one that ends first at the head.
    #[must_use]
    pub fn clocks(&self) -> Vec<Running> {
        let case = self.case.as_ref();
        case.map_or_else(Vec::new, |case| case.clocks(self.annex_due_at()))
    }

    /// Until when the first annex entry that is open is to be adopted or declined.
    #[must_use]
    pub fn annex_due_at(&self) -> Option<&pb::Due> {
        let open = self.case.as_ref()?.annex_open(&self.tree);
        let due = open.iter().filter_map(|entry| self.annex_due.get(entry));
        due.min_by_key(|due| due.due_ms)
    }

    /// Everyone the case has anything to do with, by the standing chain and by what was annexed: who was overtaken must
    /// learn it (PROTOCOL.md 15).
    pub(crate) fn involved(&self) -> Involved {
        let mut involved = Involved::default();
        let mut told_by_fold = 0;
        if let Some(case) = &self.case {
            involved
                .places
                .extend(case.custody.custodians.union(&case.custody.concerned));
            involved.units.extend(&case.dispatching.units);
            told_by_fold = usize::try_from(case.entries).unwrap_or(usize::MAX);
        }
        if told_by_fold < self.entries.len() {
            for (entry, place) in self.entries.values() {
                involved.places.insert(*place);
                involve(&mut involved, entry);
            }
        }
        involved
    }

    fn refold(&mut self) {
        let standing = self.standing();
        self.case = casework::fold(
            standing
                .iter()
                .map(|(entry, place)| (entry.as_ref(), *place)),
        );
    }
}

/// Adds the places and units an entry gives the case to, asks, or convenes.
fn involve(involved: &mut Involved, entry: &Entry) {
    match entry.mv {
        Move::Dispatched(to) | Move::Offered(to) => {
            involved.places.insert(to);
        }
        Move::None | Move::Taken(_) => {}
    }
    if let Some(action) = casework::action_of(entry) {
        let (units, places) = casework::involves(action);
        involved.units.extend(units);
        involved.places.extend(places);
    }
}

/// The chains in use, at most so many and with so many entries together.
#[derive(Debug)]
pub struct Chains {
    held: LruCache<ChainId, Held>,
    entries: usize,
    held_max: usize,
}

#[derive(Debug)]
struct Held {
    chain: Arc<Chain>,
    /// As counted in the sum.
    entries: usize,
}

impl Chains {
    /// Holds at most `held_max` chains, at least 16, and sixteen entries for each on the average.
    #[must_use]
    pub fn new(held_max: usize) -> Self {
        Self {
            held: LruCache::unbounded(),
            entries: 0,
            held_max: held_max.max(16),
        }
    }

    /// Chains it holds at most.
    #[must_use]
    pub fn held_max(&self) -> usize {
        self.held_max
    }

    /// A chain, if it is in memory.
    #[must_use]
    pub fn get(&self, id: ChainId) -> Option<&Chain> {
        self.held.peek(&id).map(|held| &*held.chain)
    }

    /// The same to keep while other chains change; what then changes in this one is not seen.
    #[must_use]
    pub fn share(&self, id: ChainId) -> Option<Arc<Chain>> {
        self.held.peek(&id).map(|held| Arc::clone(&held.chain))
    }

    /// Notes that a chain is in use; says whether it is in memory.
    pub fn touch(&mut self, id: ChainId) -> bool {
        let Some(held) = self.held.get_mut(&id) else {
            return false;
        };
        let entries = held.chain.entries.len();
        self.entries = self.entries + entries - held.entries;
        held.entries = entries;
        true
    }

    /// A chain, if it is in memory.
    pub fn get_mut(&mut self, id: ChainId) -> Option<&mut Chain> {
        let held = self.held.peek_mut(&id)?;
        Some(Arc::make_mut(&mut held.chain))
    }

    /// Keeps a chain just loaded; those not used for the longest time make room.
    pub fn keep(&mut self, id: ChainId, chain: Chain) {
        let entries_max = self.held_max.saturating_mul(ENTRIES_EACH);
        while self.held.len() >= self.held_max || self.entries > entries_max {
            let Some((_, oldest)) = self.held.pop_lru() else {
                break;
            };
            self.entries -= oldest.entries;
        }
        let held = Held {
            entries: chain.entries.len(),
            chain: Arc::new(chain),
        };
        self.entries += held.entries;
        if let Some(before) = self.held.put(id, held) {
            self.entries -= before.entries;
        }
    }
}

/// The place an author serves; what the root key signs speaks for itself.
pub(crate) fn author_place(registry: &Registry, entry: &Entry) -> Option<PlaceId> {
    if is_by_root_key(entry) {
        return entry.chain.place();
    }
    registry.node(entry.author).map(|node| node.place)
}
