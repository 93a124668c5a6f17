//! The places, the registry before and after the move, and the entries of one case.

use std::collections::HashMap;
use std::sync::RwLock;

use fengqiao_hub::custody::{Step, Tree, Verdict};
use fengqiao_hub::entry::Move;
use fengqiao_hub::id::{Hash, NodeId, PlaceId};
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_hub::rank::level;
use fengqiao_hub::rank::{Level, Rank};
use fengqiao_proto::v1 as pb;

use crate::ledger::{added, enrolled, registers};
use crate::set::{Id, Set};

pub(super) const PLACES: usize = 4;
pub(super) const CITY: usize = 0;
/// The county that the township leaves.
pub(super) const OLD: usize = 1;
/// The county to which it comes.
pub(super) const NEW: usize = 2;
pub(super) const TOWNSHIP: usize = 3;
const LEVELS: [Level; PLACES] = [level::CITY, level::COUNTY, level::COUNTY, level::TOWNSHIP];

pub(super) fn place(index: usize) -> PlaceId {
    PlaceId([u8::try_from(index).map_or(0, |index| 0x20 + index); 10])
}

pub(super) fn index(place: PlaceId) -> usize {
    usize::from(place.0[0] - 0x20)
}

/// Entries are written once and have a number from then on.
#[derive(Debug)]
pub(super) struct Book {
    before: Registry,
    after: Registry,
    /// Where the move stands.
    moved: (PlaceId, u64),
    pages: RwLock<Vec<Step>>,
}

impl Book {
    pub(super) fn new() -> Self {
        let mut before = Registry::default();
        let node = enrolled(NodeId(place(CITY).0), place(CITY), 1);
        let granted = pb::RootGranted {
            place: Some(added(place(CITY), LEVELS[CITY])),
            node: Some(node),
            root_key: vec![9; 32],
        };
        registers(&mut before, place(CITY), pb::body::Content::from(granted));
        for (parent, child) in [(CITY, OLD), (CITY, NEW), (OLD, TOWNSHIP)] {
            let at = place(child);
            let added = pb::body::Content::from(added(at, LEVELS[child]));
            registers(&mut before, place(parent), added);
            let node = enrolled(NodeId(at.0), at, 1);
            registers(&mut before, place(parent), pb::body::Content::from(node));
        }
        let mut after = before.clone();
        let moved = pb::PlaceMoved {
            place: place(TOWNSHIP).to_vec(),
            level: LEVELS[TOWNSHIP],
            to: place(NEW).to_vec(),
            number: 1,
            ..Default::default()
        };
        registers(&mut after, place(CITY), pb::body::Content::from(moved));
        let moved = (place(CITY), after.version(place(CITY)));
        Self {
            before,
            after,
            moved,
            pages: RwLock::default(),
        }
    }

    pub(super) fn of<T>(&self, id: Id, read: impl FnOnce(&Step) -> T) -> T {
        read(&self.pages.read().unwrap()[usize::from(id)])
    }

    /// Writes an entry that is none of the others.
    pub(super) fn write(
        &self,
        author: usize,
        on: Option<Id>,
        mv: Move,
        heard: bool,
        others: &Set,
    ) -> Option<Id> {
        let (previous, sequence, rank) = match on {
            None => (None, 1, Rank::default()),
            Some(on) => self.of(on, |step| {
                (Some(step.hash), step.sequence + 1, step.rank.clone())
            }),
        };
        let rank = match mv {
            Move::Taken(_) => rank.raised(LEVELS[author], 1)?,
            _ => rank,
        };
        // The same act a second time is another entry.
        (0_u8..=u8::MAX).find_map(|copy| {
            let said = format!("{author} {mv:?} {heard} {copy}");
            let parts = [&previous.unwrap_or_default().0[..], said.as_bytes()];
            let step = Step {
                hash: Hash::of("models/moving", &parts),
                previous,
                sequence,
                rank: rank.clone(),
                author: NodeId(place(author).0),
                place: place(author),
                mv,
                named: if heard { vec![self.moved] } else { vec![] },
            };
            let id = self.number(step);
            (!others.contains(id)).then_some(id)
        })
    }

    fn number(&self, step: Step) -> Id {
        let mut pages = self.pages.write().unwrap();
        let known = pages.iter().position(|page| page.hash == step.hash);
        let at = known.unwrap_or_else(|| {
            pages.push(step);
            pages.len() - 1
        });
        Id::try_from(at).unwrap()
    }

    /// Hub's tree of these entries, as somebody sees it who has or has not heard of the move; their numbers; and whether
    /// it refused any.
    pub(super) fn tree(
        &self,
        ids: impl Iterator<Item = Id>,
        heard: bool,
        by_today: bool,
    ) -> (Tree, HashMap<Hash, Id>, bool) {
        let registry = if heard { &self.after } else { &self.before };
        let mut steps: Vec<Step> = Vec::new();
        let mut numbers = HashMap::new();
        for id in ids {
            let mut step = self.of(id, Step::clone);
            numbers.insert(step.hash, id);
            if by_today && heard {
                step.named = vec![self.moved];
            }
            steps.push(step);
        }
        let mut tree = Tree::default();
        let mut refused = false;
        loop {
            let before = steps.len();
            steps.retain(|step| {
                let verdict = tree.insert(step.clone(), registry, false);
                refused |= matches!(verdict, Verdict::Refused(_));
                matches!(verdict, Verdict::Waits(_))
            });
            if steps.len() == before || steps.is_empty() {
                return (tree, numbers, refused);
            }
        }
    }
}
