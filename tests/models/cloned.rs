//! A cloned identity: two machines that write as one node, each linked to the same superior.
//!
//! What both wrote at one place of the chain is proof and is kept; the chain freezes wherever both are known; a
//! superior's taking thaws it. Custody is `hub::custody::Tree`'s word. Modelled are the two machines, the links and what
//! people choose.

mod tests;

use std::sync::Arc;

use stateright::{Model, Property};

use crate::ledger::{Ledger, Moving, Note, View, Writing};
use crate::set::{Id, Set};

pub(crate) const EVIDENCE: &str = "both entries are kept, and by everybody";
pub(crate) const FREEZES: &str =
    "who knows two branches of the highest rank is frozen, and nobody else";
pub(crate) const AGREE: &str = "healed places agree, also on being frozen";
pub(crate) const THAWS: &str = "a superior's taking thaws the chain and stands";

/// The rules as built, or with one of them broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    AsBuilt,
    /// Of two entries at one place the one that came first stands.
    FirstComeStands,
    /// The entry that is not shown is thrown away.
    NoAnnex,
}

/// What is explored. The last two seats are the clones: machines of one place, with one identity.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope {
    /// By seat, the tier its machine writes for.
    pub(crate) seats: &'static [usize],
    /// Pairs of seats.
    pub(crate) links: &'static [(usize, usize)],
    /// The seat that takes the case in.
    pub(crate) opened_at: usize,
    pub(crate) entries_max: usize,
    pub(crate) in_flight_max: usize,
    pub(crate) rule: Rule,
}

/// The model.
#[derive(Debug)]
pub(crate) struct Cloned {
    scope: Scope,
    ledger: Ledger,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Seat {
    known: Set,
    /// Kept only where a broken rule does not find the head from what is known.
    head: Option<Id>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Message {
    to: usize,
    known: Set,
    head: Option<Id>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    seats: Vec<Seat>,
    wire: Vec<Message>,
    written: Set,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    Work(usize),
    Offer(usize),
    Dispatch(usize),
    Take(usize),
    Send(usize, usize),
    Deliver(Message),
    Lose(Message),
}

impl Cloned {
    pub(crate) fn new(scope: Scope) -> Self {
        let tiers = scope.seats.iter().max().map_or(0, |deepest| deepest + 1);
        Self {
            scope,
            ledger: Ledger::new(tiers, &[1; 3]),
        }
    }

    fn seen(&self, seat: &Seat) -> Arc<View> {
        match self.scope.rule {
            Rule::FirstComeStands => Arc::new(self.ledger.behind(seat.head, &seat.known)),
            _ => self.ledger.view(&seat.known),
        }
    }

    fn merge(&self, seat: &mut Seat, known: &Set, head: Option<Id>) {
        seat.known.add(known);
        match self.scope.rule {
            Rule::AsBuilt => {}
            Rule::NoAnnex => {
                let view = self.ledger.view(&seat.known);
                seat.known = view.standing.iter().copied().collect();
            }
            Rule::FirstComeStands => {
                let rank =
                    |id: Option<Id>| id.map(|id| self.ledger.of(id, |page| page.step.rank.clone()));
                let continues = self
                    .ledger
                    .chain(head)
                    .contains(&seat.head.unwrap_or(Id::MAX));
                if continues || rank(head) > rank(seat.head) {
                    seat.head = head;
                }
            }
        }
    }

    fn write(&self, state: &mut State, at: usize, mv: Moving) -> Option<()> {
        let writing = Writing {
            tier: self.scope.seats[at],
            machine: 1,
            on: self.seen(&state.seats[at]).head,
            mv,
            note: Note::None,
        };
        let id = self.ledger.write(writing, &state.written)?;
        state.written.insert(id);
        let known: Set = [id].into_iter().collect();
        let seat = &mut state.seats[at];
        self.merge(seat, &known, Some(id));
        Some(())
    }

    fn linked(&self, seat: usize) -> impl Iterator<Item = usize> + use<> {
        self.scope.links.iter().filter_map(move |(a, b)| match () {
            () if *a == seat => Some(*b),
            () if *b == seat => Some(*a),
            () => None,
        })
    }

    /// Faults and people stop, and links carry all there is.
    fn heal(&self, state: &State) -> Vec<Seat> {
        let mut seats = state.seats.clone();
        loop {
            let before = seats.clone();
            for from in (0..seats.len()).chain((0..seats.len()).rev()) {
                let told = seats[from].clone();
                for to in self.linked(from) {
                    self.merge(&mut seats[to], &told.known, told.head);
                }
            }
            if seats == before {
                return seats;
            }
        }
    }

    /// Whether two chains of the highest rank known go different ways: judged without hub.
    fn is_forked(&self, known: &Set) -> bool {
        let rank = |id: Id| self.ledger.of(id, |page| page.step.rank.clone());
        let highest = known.iter().map(rank).max();
        let of_rank = known.iter().filter(|id| Some(rank(*id)) == highest);
        let chains: Vec<Vec<Id>> = of_rank.map(|id| self.ledger.chain(Some(id))).collect();
        let apart = |a: &Vec<Id>, b: &Vec<Id>| !a.starts_with(b) && !b.starts_with(a);
        chains.iter().any(|a| chains.iter().any(|b| apart(a, b)))
    }

    fn keeps_evidence(&self, state: &State) -> bool {
        self.heal(state).iter().all(|seat| {
            let view = self.seen(seat);
            let kept: Set = view.standing.iter().chain(&view.annex).copied().collect();
            kept.covers(&state.written)
        })
    }

    fn freezes(&self, state: &State) -> bool {
        state
            .seats
            .iter()
            .all(|seat| self.seen(seat).frozen == self.is_forked(&seat.known))
    }

    fn agree(&self, seats: &[Seat]) -> bool {
        let first = self.seen(&seats[0]);
        seats.iter().map(|seat| self.seen(seat)).all(|view| {
            view.digest == first.digest && view.frozen == first.frozen && view.same_in_any_order
        })
    }

    fn thaws(&self, state: &State) -> bool {
        let mut healed = State {
            seats: self.heal(state),
            wire: vec![],
            written: state.written.clone(),
        };
        if !self.seen(&healed.seats[0]).frozen {
            return true;
        }
        // The first seat stands above all.
        let Some(()) = self.write(&mut healed, 0, Moving::Taken(None)) else {
            return false;
        };
        let taken = self.seen(&healed.seats[0]).head;
        let seats = self.heal(&healed);
        self.agree(&seats)
            && seats.iter().all(|seat| {
                let view = self.seen(seat);
                !view.frozen && view.head == taken
            })
    }
}

impl Model for Cloned {
    type State = State;
    type Action = Act;

    fn init_states(&self) -> Vec<State> {
        let mut state = State {
            seats: vec![Seat::default(); self.scope.seats.len()],
            wire: vec![],
            written: Set::default(),
        };
        self.write(&mut state, self.scope.opened_at, Moving::None)
            .unwrap();
        // A clone begins with what its twin has.
        let twins = self.scope.seats.len() - 2;
        if self.scope.opened_at == twins {
            state.seats[twins + 1] = state.seats[twins].clone();
        }
        vec![state]
    }

    fn actions(&self, state: &State, acts: &mut Vec<Act>) {
        for (at, seat) in state.seats.iter().enumerate() {
            let tier = self.scope.seats[at];
            let view = self.seen(seat);
            if state.written.len() < self.scope.entries_max {
                if view.custodian == Some(tier) && !view.frozen {
                    acts.push(Act::Work(at));
                    if tier > 0 && view.offer.is_none() {
                        acts.push(Act::Offer(at));
                    }
                    if self.scope.seats.contains(&(tier + 1)) {
                        acts.push(Act::Dispatch(at));
                    }
                }
                if view.custodian.is_some_and(|custodian| custodian > tier) {
                    acts.push(Act::Take(at));
                }
            }
            if state.wire.len() < self.scope.in_flight_max {
                let useful = |to: &usize| !state.seats[*to].known.covers(&seat.known);
                acts.extend(self.linked(at).filter(useful).map(|to| Act::Send(at, to)));
            }
        }
        for message in &state.wire {
            acts.extend([Act::Deliver(message.clone()), Act::Lose(message.clone())]);
        }
    }

    fn next_state(&self, before: &State, act: Act) -> Option<State> {
        let mut state = before.clone();
        match act {
            Act::Work(at) => self.write(&mut state, at, Moving::None)?,
            Act::Offer(at) => self.write(&mut state, at, Moving::Offered)?,
            Act::Dispatch(at) => {
                let down = Moving::Dispatched(self.scope.seats[at] + 1);
                self.write(&mut state, at, down)?;
            }
            Act::Take(at) => {
                let offer = self.seen(&before.seats[at]).offer;
                let answered = offer.filter(|(_, to)| *to == self.scope.seats[at]);
                self.write(
                    &mut state,
                    at,
                    Moving::Taken(answered.map(|(offer, _)| offer)),
                )?;
            }
            Act::Send(from, to) => {
                let Seat { known, head } = before.seats[from].clone();
                let message = Message { to, known, head };
                let slot = state.wire.binary_search(&message).err()?;
                state.wire.insert(slot, message);
            }
            Act::Deliver(message) => {
                state.wire.retain(|known| *known != message);
                let seat = &mut state.seats[message.to];
                self.merge(seat, &message.known, message.head);
            }
            Act::Lose(message) => state.wire.retain(|known| *known != message),
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            Property::always(EVIDENCE, Self::keeps_evidence),
            Property::always(FREEZES, Self::freezes),
            Property::always(AGREE, |model: &Self, state: &State| {
                model.agree(&model.heal(state))
            }),
            Property::always(THAWS, Self::thaws),
            Property::sometimes("a chain freezes", |model: &Self, state: &State| {
                state.seats.iter().any(|seat| model.seen(seat).frozen)
            }),
        ];
        // Opened, written twice, and taken.
        if self.scope.entries_max > 3 {
            all.push(Property::sometimes(
                "and thaws",
                |model: &Self, state: &State| {
                    state.seats.iter().any(|seat| {
                        let view = model.seen(seat);
                        let below = view.standing.iter().rev().skip(1).copied();
                        let lower: Set = below.collect();
                        let before: Set = seat
                            .known
                            .iter()
                            .filter(|id| Some(*id) != view.head)
                            .collect();
                        !view.frozen
                            && !view.annex.is_empty()
                            && !lower.is_empty()
                            && model.is_forked(&before)
                    })
                },
            ));
        }
        all
    }
}
