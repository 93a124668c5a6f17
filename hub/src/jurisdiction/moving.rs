//! Places moved below another parent, and the tree as an author knew it.
//!
//! A superior of both parents moves a place by an entry of its own registry chain (PROTOCOL.md 9, 23). The chains of a
//! registry reach different nodes in different orders, so where a place stands is not what came last but a function of
//! all moves known: in the order of their numbers, each that was its author's to make.
//!
//! An entry is judged by the moves it names (PROTOCOL.md 6): the last one by each place on its author's way up. Moves by
//! anybody else keep a place within the same subtree as far as that author is concerned, and decide nothing about it.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use fengqiao_proto::v1 as pb;

use super::{Place, Registry, RegistryError};
use crate::entry::Entry;
use crate::id::PlaceId;

/// One move, as its author's registry chain tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Move {
    by: PlaceId,
    sequence: u64,
    number: u32,
    to: PlaceId,
    address: String,
    /// Moves its author knew of: whether it was its author's to make is judged by them.
    named: Vec<(PlaceId, u64)>,
}

/// The moves known of one place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Moving {
    /// Where it was added; `None` while only moves are known of it.
    pub(super) origin: Option<PlaceId>,
    moves: Vec<Move>,
}

/// Which moves count.
type Counts<'a> = &'a dyn Fn(&Move) -> bool;

const ALL: Counts<'static> = &|_| true;

impl Registry {
    /// The last move by each place from this one up, as the place and the sequence in its registry chain: what an entry
    /// written here has to name.
    pub fn moves_known_at(&self, place: PlaceId) -> impl Iterator<Item = (PlaceId, u64)> {
        self.way_up(place)
            .filter_map(|above| Some((above.id, *self.last_move_by.get(&above.id)?)))
    }

    /// Whether any place was ever moved, as far as is known here.
    #[must_use]
    pub fn has_moves(&self) -> bool {
        !self.moving.is_empty()
    }

    /// Sequence in a place's registry chain of the last place it moved.
    #[must_use]
    pub fn last_move_by(&self, place: PlaceId) -> Option<u64> {
        self.last_move_by.get(&place).copied()
    }

    /// Where a place was added: the place whose registry chain names it first.
    #[must_use]
    pub fn added_by(&self, place: PlaceId) -> Option<PlaceId> {
        match self.moving.get(&place) {
            Some(moving) => moving.origin,
            None => self.places.get(&place)?.parent,
        }
    }

    /// Parent of a place by the moves named.
    #[must_use]
    pub fn parent_knowing(&self, place: PlaceId, named: &[(PlaceId, u64)]) -> Option<PlaceId> {
        self.parent_by(place, &|moved| is_named(moved, named))
    }

    /// Whether `above` stood strictly above `below` by the moves named.
    #[must_use]
    pub fn is_above_knowing(
        &self,
        above: PlaceId,
        below: PlaceId,
        named: &[(PlaceId, u64)],
    ) -> bool {
        if self.moving.is_empty() {
            return self.is_above(above, below);
        }
        above != below && self.is_within_by(below, above, &|moved| is_named(moved, named))
    }

    /// Whether every place on the way up of one is known, by the moves named.
    #[must_use]
    pub fn knows_way_up(&self, place: PlaceId, named: &[(PlaceId, u64)]) -> bool {
        if self.moving.is_empty() {
            return self.places.contains_key(&place);
        }
        let counts = |moved: &Move| is_named(moved, named);
        let way = std::iter::successors(Some(place), |at| self.parent_by(*at, &counts));
        way.last() == self.root()
    }

    /// Whether the way up of a place has been changed by `superior` in a move that is not among those named.
    #[must_use]
    pub fn was_moved_since(
        &self,
        place: PlaceId,
        superior: PlaceId,
        named: &[(PlaceId, u64)],
    ) -> bool {
        let mut on_way = self
            .way_up(place)
            .filter_map(|on_way| self.last_move(on_way.id));
        on_way.any(|moved| moved.by == superior && !is_named(moved, named))
    }

    /// How often a place has been moved, by the moves known here.
    #[must_use]
    pub fn times_moved(&self, place: PlaceId) -> u32 {
        let moves = self.moving.get(&place).map(|moving| moving.moves.iter());
        let numbers = moves.map(|moves| moves.map(|moved| moved.number));
        numbers.and_then(Iterator::max).unwrap_or(0)
    }

    /// Where the move stands that brought a place below its parent: its author and the sequence in that registry chain.
    #[must_use]
    pub fn moved_at(&self, place: PlaceId) -> Option<(PlaceId, u64)> {
        let moved = self.last_move(place);
        moved.map(|moved| (moved.by, moved.sequence))
    }

    /// Whether a place stands elsewhere than where it was added.
    #[must_use]
    pub fn has_moved(&self, place: PlaceId) -> bool {
        self.last_move(place).is_some()
    }

    /// Enrol address of a moved place's present parent, as the move says; empty when it says none.
    #[must_use]
    pub fn address_above(&self, place: PlaceId) -> &str {
        self.last_move(place).map_or("", |moved| &moved.address)
    }

    /// Places that once stood directly below this one and were moved away.
    pub fn former_children(&self, place: PlaceId) -> impl Iterator<Item = PlaceId> {
        self.moving.keys().copied().filter(move |moved| {
            let (parents, _) = self.parents_by(*moved, ALL);
            parents.contains(&place) && parents.last() != Some(&place)
        })
    }

    /// Moved places that a place is, or stands within.
    pub fn moved_around(&self, place: PlaceId) -> impl Iterator<Item = PlaceId> {
        let way = self.way_up(place).map(|on_way| on_way.id);
        way.filter(|on_way| self.has_moved(*on_way))
    }

    /// Places that once stood on the way up of a place, or do: where it, or one above it, was moved away.
    pub fn left_by(&self, place: PlaceId) -> impl Iterator<Item = PlaceId> {
        self.moved_around(place).flat_map(|moved| {
            let (mut parents, _) = self.parents_by(moved, ALL);
            parents.pop();
            parents
        })
    }

    /// Moved places that stand outside a place and once stood within it. Its registry chain still names their nodes.
    pub fn moved_out_of(&self, place: PlaceId) -> impl Iterator<Item = PlaceId> {
        self.moving.keys().copied().filter(move |moved| {
            let (parents, _) = self.parents_by(*moved, ALL);
            let mut former = parents.iter().rev().skip(1);
            former.any(|parent| self.is_within(*parent, place)) && !self.is_within(*moved, place)
        })
    }

    /// The places whose registry chains name the nodes on the way down to a place, each after those that name its own:
    /// the way itself and the ways from which places on it were moved.
    #[must_use]
    pub fn named_on_way_down(&self, place: PlaceId) -> Vec<PlaceId> {
        let mut names = Vec::new();
        let mut open = vec![(place, false)];
        while let Some((at, opened)) = open.pop() {
            if names.contains(&at) {
                continue;
            }
            if opened {
                names.push(at);
                continue;
            }
            open.push((at, true));
            let (parents, _) = self.parents_by(at, ALL);
            open.extend(parents.into_iter().rev().map(|parent| (parent, false)));
        }
        names
    }

    /// Takes note of a move. One that is not its author's to make stands in the chain and moves nothing: which it is can
    /// depend on chains that have not arrived.
    pub(super) fn move_place(
        &mut self,
        issuer: PlaceId,
        entry: &Entry,
        moved: &pb::PlaceMoved,
    ) -> Result<(), RegistryError> {
        let id = PlaceId::from_bytes(&moved.place).ok_or(RegistryError::Malformed("place"))?;
        let to = PlaceId::from_bytes(&moved.to).ok_or(RegistryError::Malformed("to"))?;
        if moved.number == 0 {
            return Err(RegistryError::Malformed("number"));
        }
        let issuing = self
            .places
            .get(&issuer)
            .ok_or(RegistryError::UnknownPlace)?;
        if moved.level <= issuing.level {
            return Err(RegistryError::Level);
        }
        let origin = self.places.get(&id).and_then(|place| place.parent);
        let moving = self.moving.entry(id).or_insert_with(|| Moving {
            origin,
            moves: Vec::new(),
        });
        moving.moves.push(Move {
            by: issuer,
            sequence: entry.sequence,
            number: moved.number,
            to,
            address: moved.address.clone(),
            named: entry.registry.clone(),
        });
        self.last_move_by.insert(issuer, entry.sequence);
        self.places.entry(id).or_insert_with(|| Place {
            id,
            code: moved.code.clone(),
            name: moved.name.clone(),
            level: moved.level,
            parent: None,
            ended: None,
        });
        self.settle_moves();
        let stands = self.last_move(id);
        if stands.is_some_and(|stands| (stands.by, stands.sequence) == (issuer, entry.sequence))
            && let Some(place) = self.places.get_mut(&id)
        {
            place.code.clone_from(&moved.code);
            place.name.clone_from(&moved.name);
            place.ended = None;
        }
        Ok(())
    }

    /// Puts every moved place below the parent that the moves known now give it.
    pub(super) fn settle_moves(&mut self) {
        let moved: Vec<PlaceId> = self.moving.keys().copied().collect();
        for id in moved {
            let parent = self.parents_by(id, ALL).0.last().copied();
            let Some(place) = self.places.get_mut(&id) else {
                continue;
            };
            let before = std::mem::replace(&mut place.parent, parent);
            if before != parent {
                if let Some(children) = before.and_then(|before| self.children.get_mut(&before)) {
                    children.retain(|child| *child != id);
                }
                if let Some(parent) = parent {
                    self.children.entry(parent).or_default().push(id);
                }
            }
            self.choose_centre(id);
        }
    }

    /// Whether `above` stands or once stood strictly above `below`, by the moves known here.
    #[must_use]
    pub fn was_above(&self, above: PlaceId, below: PlaceId) -> bool {
        if self.moving.is_empty() {
            return self.is_above(above, below);
        }
        let mut seen = BTreeSet::from([below]);
        let mut open = vec![below];
        while let Some(place) = open.pop() {
            let parents = self.parents_by(place, ALL).0;
            open.extend(parents.into_iter().filter(|parent| seen.insert(*parent)));
        }
        above != below && seen.contains(&above)
    }

    /// Whether a place is or was a direct child of another, by the moves known here.
    pub(super) fn ever_below(&self, place: PlaceId, parent: PlaceId) -> bool {
        self.parents_by(place, ALL).0.contains(&parent)
    }

    /// Which of its parents, in their order, a place had when its node was pinned by one of them.
    pub(super) fn turn_of(&self, place: PlaceId, pinned_by: PlaceId) -> Option<usize> {
        let (parents, _) = self.parents_by(place, ALL);
        parents.iter().rposition(|parent| *parent == pinned_by)
    }

    /// The move that brought a place below its parent. What was never moved is asked for at every turn, and costs a look.
    fn last_move(&self, place: PlaceId) -> Option<&Move> {
        self.moving.get(&place)?;
        self.parents_by(place, ALL).1
    }

    fn parent_by(&self, place: PlaceId, counts: Counts<'_>) -> Option<PlaceId> {
        if self.moving.contains_key(&place) {
            return self.parents_by(place, counts).0.last().copied();
        }
        self.places.get(&place)?.parent
    }

    fn is_within_by(&self, place: PlaceId, top: PlaceId, counts: Counts<'_>) -> bool {
        let mut way = std::iter::successors(Some(place), |at| self.parent_by(*at, counts));
        way.any(|at| at == top)
    }

    /// The parents a place has had, the present one last, and the move that brought it there.
    fn parents_by(&self, place: PlaceId, counts: Counts<'_>) -> (Vec<PlaceId>, Option<&Move>) {
        let Some(moving) = self.moving.get(&place) else {
            let parent = self.places.get(&place).and_then(|place| place.parent);
            return (parent.into_iter().collect(), None);
        };
        let level = |place: PlaceId| self.places.get(&place).map(|place| place.level);
        let mut moves: Vec<&Move> = moving.moves.iter().filter(|moved| counts(moved)).collect();
        // Of two superiors who moved it at the same time, the higher one's move comes last.
        moves.sort_by_key(|moved| {
            (
                moved.number,
                Reverse(level(moved.by)),
                moved.by,
                moved.sequence,
            )
        });
        let deeper = |parent: PlaceId| level(parent).is_none_or(|above| Some(above) < level(place));
        let mut parents: Vec<PlaceId> =
            moving.origin.into_iter().filter(|at| deeper(*at)).collect();
        let mut last = None;
        for moved in moves {
            // By what its author knew of other moves. Levels fall on every way up, so these walks end.
            let known = |other: &Move| {
                is_named(other, &moved.named)
                    || (other.by == moved.by && other.sequence < moved.sequence)
            };
            let own = |parent: PlaceId| {
                !self.places.contains_key(&parent) || self.is_within_by(parent, moved.by, &known)
            };
            if deeper(moved.to) && own(moved.to) && parents.last().is_none_or(|before| own(*before))
            {
                parents.push(moved.to);
                last = Some(moved);
            }
        }
        (parents, last)
    }
}

fn is_named(moved: &Move, named: &[(PlaceId, u64)]) -> bool {
    named
        .iter()
        .any(|(place, sequence)| *place == moved.by && *sequence >= moved.sequence)
}
