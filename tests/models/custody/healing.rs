//! What becomes of a state when faults and people stop and neighbours exchange all they know.

use std::sync::Arc;

use super::{Line, Message, State};
use crate::ledger::View;
use crate::set::Set;

/// The end of healing.
#[derive(Debug)]
pub(crate) struct Healed {
    /// What stands at each place.
    pub(crate) views: Vec<Arc<View>>,
    /// By place, whether it may write again.
    pub(crate) gates_open: bool,
    /// Everything that stands or is annex somewhere.
    pub(crate) kept: Set,
}

impl Line {
    /// Frames in flight are dropped, then neighbours talk until nothing changes.
    pub(crate) fn heal(&self, state: &State) -> Arc<Healed> {
        if let Some(healed) = self.healed.read().unwrap().get(&state.places) {
            return Arc::clone(healed);
        }
        let mut at = State {
            wire: vec![],
            ..state.clone()
        };
        loop {
            let before = at.places.clone();
            for from in (0..self.scope.tiers).rev().chain(0..self.scope.tiers) {
                for to in self.next_to(from) {
                    let what = self.told(&at.places[from], from > to);
                    // Entries alone are exchanged, and receiving those never fails.
                    let _ = self.receive(&mut at, &Message { from, to, what });
                }
            }
            if at.places == before {
                break;
            }
        }
        let views: Vec<Arc<View>> = at.places.iter().map(|place| self.seen(place)).collect();
        let kept = views
            .iter()
            .flat_map(|view| view.standing.iter().chain(&view.annex))
            .copied();
        let healed = Arc::new(Healed {
            gates_open: at.places.iter().all(|place| place.awaits == 0),
            kept: kept.collect(),
            views,
        });
        self.healed
            .write()
            .unwrap()
            .insert(state.places.clone(), Arc::clone(&healed));
        healed
    }
}
