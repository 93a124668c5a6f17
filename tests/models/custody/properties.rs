//! What must hold in every state of custody, and what must be reached at all. What is judged here is written without
//! hub's help: the oracle of a rule is not the rule.

use std::collections::BTreeSet;

use fengqiao_hub::entry::Move;
use stateright::Property;

use super::{Line, Rule, Scope, State};
use crate::set::Id;

pub(crate) const LOST: &str = "nothing is lost";
pub(crate) const UNIQUE: &str = "one rank, one taking; one identity, one entry";
pub(crate) const AGREE: &str = "healed places agree and may go on";
pub(crate) const ONE_WRITER: &str = "whoever wrote held custody or stood above";
pub(crate) const FENCE: &str = "ranks never fall along a chain, and the highest known stands";
pub(crate) const SUPERIOR: &str = "the highest tier's latest taking stands";
pub(crate) const SETTLED: &str = "what was acknowledged above leaves only by a taking higher still";

pub(super) fn of(scope: &Scope) -> Vec<Property<Line>> {
    let mut all = vec![
        Property::always(LOST, Line::nothing_is_lost),
        Property::always(UNIQUE, Line::is_unique),
        Property::always(AGREE, Line::agrees),
        Property::always(ONE_WRITER, Line::has_one_writer),
        Property::always(FENCE, Line::is_fenced),
        Property::always(SUPERIOR, Line::superior_stands),
        Property::always(SETTLED, Line::settled_stays),
        Property::sometimes(
            "work overtaken below is annex",
            |line: &Line, state: &State| {
                state
                    .places
                    .iter()
                    .any(|place| !line.seen(place).annex.is_empty())
            },
        ),
        Property::sometimes("an offer is answered by a taking", |line, state| {
            line.any(state, |page| matches!(page, Move::Taken(Some(_))))
        }),
        Property::sometimes("what was dispatched is worked on below", |line, state| {
            line.dispatched_and_worked(state)
        }),
    ];
    if scope.tiers > 2 {
        all.push(Property::sometimes(
            "two tiers take without knowing of each other",
            Line::crossed,
        ));
    }
    if !scope.may_be_lost.is_empty() {
        all.push(Property::sometimes(
            "a successor writes",
            |_, state: &State| {
                state
                    .places
                    .iter()
                    .any(|place| place.machine > 1 && place.awaits == 0)
            },
        ));
    }
    if scope.notices {
        all.push(Property::sometimes(
            "a taking stands above a gap",
            |line: &Line, state: &State| {
                state.places.iter().any(|place| {
                    let standing = &line.seen(place).standing;
                    standing
                        .first()
                        .is_some_and(|first| line.ledger.of(*first, |page| page.on.is_some()))
                })
            },
        ));
    }
    all
}

impl Line {
    pub(super) fn is_taking(&self, id: Id) -> bool {
        self.ledger
            .of(id, |page| matches!(page.step.mv, Move::Taken(_)))
    }

    fn any(&self, state: &State, wanted: impl Fn(&Move) -> bool) -> bool {
        state
            .written
            .iter()
            .any(|id| self.ledger.of(id, |page| wanted(&page.step.mv)))
    }

    /// Every entry ever written, but for those that only a lost disk held, stands or is annex somewhere.
    fn nothing_is_lost(&self, state: &State) -> bool {
        let healed = self.heal(state);
        state
            .written
            .iter()
            .all(|id| healed.kept.contains(id) || state.lost.contains(id))
    }

    fn is_unique(&self, state: &State) -> bool {
        let takings: Vec<Id> = state
            .written
            .iter()
            .filter(|id| self.is_taking(*id))
            .collect();
        let tokens: BTreeSet<_> = takings
            .iter()
            .map(|id| match self.scope.rule {
                Rule::ScalarRank => self.number(*id).to_string(),
                _ => self.ledger.of(*id, |page| page.step.rank.to_string()),
            })
            .collect();
        let identities: BTreeSet<_> = state
            .written
            .iter()
            .map(|id| {
                self.ledger.of(id, |page| {
                    let step = &page.step;
                    (step.rank.clone(), step.author, step.sequence)
                })
            })
            .collect();
        tokens.len() == takings.len() && identities.len() == state.written.len()
    }

    fn agrees(&self, state: &State) -> bool {
        let healed = self.heal(state);
        let first = &healed.views[0];
        healed.gates_open
            && first
                .custodian
                .is_some_and(|custodian| custodian < self.scope.tiers)
            && healed.views.iter().all(|view| {
                !view.frozen
                    && view.same_in_any_order
                    && view.digest == first.digest
                    && view.standing == first.standing
            })
    }

    fn has_one_writer(&self, state: &State) -> bool {
        self.heal(state).views.iter().all(|view| {
            let mut custodian = self.scope.opened_at;
            view.standing.iter().all(|id| {
                self.ledger.of(*id, |page| {
                    let allowed = match page.step.mv {
                        Move::Taken(_) => page.tier < custodian,
                        Move::None | Move::Dispatched(_) | Move::Offered(_) => {
                            page.tier == custodian
                        }
                    };
                    custodian = match page.step.mv {
                        Move::Taken(_) => page.tier,
                        Move::Dispatched(_) => page.tier + 1,
                        Move::None | Move::Offered(_) => custodian,
                    };
                    allowed
                })
            })
        })
    }

    fn is_fenced(&self, state: &State) -> bool {
        let rank = |id: &Id| self.ledger.of(*id, |page| page.step.rank.clone());
        state.places.iter().all(|place| {
            let seen = self.seen(place);
            let rising = seen.standing.is_sorted_by_key(rank);
            let highest = place.known.iter().map(|id| rank(&id)).max();
            let by_rank = !matches!(self.scope.rule, Rule::ScalarRank | Rule::FirstDifference);
            rising && (!by_rank || highest == seen.head.as_ref().map(rank))
        })
    }

    fn superior_stands(&self, state: &State) -> bool {
        let surviving = |taken: &&Vec<Id>| {
            taken
                .iter()
                .rev()
                .find(|id| !state.lost.contains(**id))
                .copied()
        };
        let latest = state.takings.iter().find_map(|taken| surviving(&taken));
        latest.is_none_or(|id| {
            self.heal(state)
                .views
                .iter()
                .all(|view| view.standing.contains(&id))
        })
    }

    fn settled_stays(&self, state: &State) -> bool {
        let healed = self.heal(state);
        state.settled.iter().enumerate().all(|(at, settled)| {
            healed.views.iter().all(|view| {
                let taken_above = || {
                    view.standing
                        .iter()
                        .any(|id| self.is_taking(*id) && self.ledger.of(*id, |page| page.tier) < at)
                };
                settled.iter().all(|id| {
                    view.standing.contains(&id) || state.lost.contains(id) || taken_above()
                })
            })
        })
    }

    fn dispatched_and_worked(&self, state: &State) -> bool {
        state.written.iter().any(|id| {
            let page = self.ledger.page(id);
            let down = page.on.map(|on| self.ledger.page(on));
            down.is_some_and(|down| {
                down.tier < page.tier && matches!(down.step.mv, Move::Dispatched(_))
            })
        })
    }

    fn crossed(&self, state: &State) -> bool {
        let taken = |tier: usize| state.takings.get(tier).and_then(|taken| taken.last());
        (1..state.takings.len()).any(|tier| match (taken(tier - 1), taken(tier)) {
            (Some(above), Some(below)) => {
                !state.places[tier].known.contains(*above)
                    && !state.places[tier - 1].known.contains(*below)
            }
            _ => false,
        })
    }
}
