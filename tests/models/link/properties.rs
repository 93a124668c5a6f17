//! What must hold on a link in every state, and what a healed link comes to.

use stateright::{Model as _, Property};

use super::{Act, LOWER, Link, Scope, State, UPPER};

pub(crate) const ONCE: &str = "what was sent is applied once each, in order";
pub(crate) const ONE_RECORD: &str = "cursor and effects never differ";
pub(crate) const STORED: &str = "nothing is acknowledged that is not stored";
pub(crate) const DRAINS: &str = "a healed link brings all that is owed";

/// Steps after which a link that still moves is taken for one that never ends.
const STEPS_MAX: usize = 400;

pub(super) fn of(scope: &Scope) -> Vec<Property<Link>> {
    let mut all = vec![
        Property::always(ONCE, |_, state: &State| is_once(state)),
        Property::always(ONE_RECORD, |_, state: &State| is_one_record(state)),
        Property::always(STORED, |_, state: &State| is_stored(state)),
        Property::always(DRAINS, Link::drains),
        Property::sometimes(
            "everything is acknowledged",
            |link: &Link, state: &State| {
                let lower = &state.ends[LOWER].disk;
                lower.acknowledged == link.scope.items_max as u64
            },
        ),
        Property::sometimes(
            "a batch is stored and its receipt is lost",
            |_, state: &State| {
                let sequence = state.ends[UPPER].disk.cursor.sequence;
                state.ends[LOWER].seat.is_none() && sequence > state.ends[LOWER].disk.acknowledged
            },
        ),
    ];
    if !scope.put_back.is_empty() {
        all.push(Property::sometimes(
            "a disk put back is found out",
            |_, state: &State| state.alarm.is_some(),
        ));
        all.push(Property::sometimes(
            "and recovered from",
            |_, state: &State| state.recovered > 0,
        ));
    }
    all
}

fn is_once(state: &State) -> bool {
    let applied = &state.ends[UPPER].disk.applied;
    let mut stores: Vec<u8> = applied.iter().map(|(store, _, _)| *store).collect();
    stores.sort_unstable();
    stores.dedup();
    stores.into_iter().all(|store| {
        let sequences = applied
            .iter()
            .filter(|(of, _, _)| *of == store)
            .map(|(_, sequence, _)| *sequence);
        sequences.eq(1..=applied.iter().filter(|(of, _, _)| *of == store).count() as u64)
    })
}

fn is_one_record(state: &State) -> bool {
    let disk = &state.ends[UPPER].disk;
    let (store, _) = disk.came_from();
    let last = disk.applied.iter().rev().find(|(of, _, _)| *of == store);
    disk.cursor.sequence == last.map_or(0, |(_, sequence, _)| *sequence)
}

/// The receipt a sender shows is never ahead of the receiver's disk, until that disk is put back from a copy.
fn is_stored(state: &State) -> bool {
    let (lower, upper) = (&state.ends[LOWER], &state.ends[UPPER]);
    let applied = upper
        .disk
        .applied
        .iter()
        .filter(|(store, _, _)| *store == lower.disk.store)
        .count();
    upper.put_back > 0 && state.recovered == 0 && state.stream_is_old()
        || lower.disk.acknowledged <= applied as u64
}

impl State {
    /// Whether no Hello was exchanged since a disk was put back.
    fn stream_is_old(&self) -> bool {
        self.ends
            .iter()
            .any(|end| end.seat.as_ref().is_none_or(|seat| !seat.session.is_open()))
    }
}

impl Link {
    /// Faults stop, the stream is opened anew, frames come in order; alarms are answered by a recovery.
    fn drains(&self, state: &State) -> bool {
        let of = |end: usize| {
            let end = &state.ends[end];
            (end.disk.clone(), end.taken.clone(), end.put_back)
        };
        let outliving = ([of(LOWER), of(UPPER)], state.alarm);
        if let Some(drains) = self.drained.read().unwrap().get(&outliving) {
            return *drains;
        }
        let drains = self.heals(state);
        self.drained.write().unwrap().insert(outliving, drains);
        drains
    }

    fn heals(&self, state: &State) -> bool {
        let mut at = state.clone();
        at.wire.clear();
        self.cut(&mut at);
        for _ in 0..STEPS_MAX {
            let Some(act) = self.healing(&at) else { break };
            let Some(next) = self.next_state(&at, act) else {
                break;
            };
            at = next;
        }
        let (lower, upper) = (&at.ends[LOWER].disk, &at.ends[UPPER].disk);
        let came = upper
            .applied
            .iter()
            .filter(|(store, _, _)| *store == lower.store);
        let came: Vec<u8> = came.map(|(_, _, what)| *what).collect();
        came == lower.lane && lower.acknowledged == lower.lane.len() as u64 && is_once(&at)
    }

    /// The next thing that happens on a link without faults.
    fn healing(&self, at: &State) -> Option<Act> {
        if at.alarm.is_some() {
            return Some(Act::Recover);
        }
        if at.ends[LOWER].seat.is_none() {
            return Some(Act::Connect);
        }
        if let Some(what) = at.wire.first() {
            return Some(Act::Deliver {
                what: what.clone(),
                again: false,
            });
        }
        let wants = |end: usize| {
            at.ends[end]
                .seat
                .as_ref()
                .is_some_and(|seat| seat.session.wants_room())
        };
        let ends = [LOWER, UPPER];
        let room = ends.into_iter().find(|end| wants(*end)).map(Act::Room);
        room.or_else(|| {
            ends.into_iter()
                .find(|end| !at.ends[*end].taken.is_empty())
                .map(Act::Sync)
        })
    }
}
