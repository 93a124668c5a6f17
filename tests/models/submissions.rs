//! Submissions while custody moves: acts of places that are not custodian, on their way to whoever is.
//!
//! A place keeps what it submitted, and what passes through it, until it knows an entry that adopts it or a refusal; it
//! sends it towards the custodian it knows, anew when that changes. The custodian adopts an id once a chain, or refuses.
//! An adopting entry that is overtaken is annex like any other and is decided with it, not submitted again.
//!
//! Custody is `hub::custody::Tree`'s word, the number of hops `hub::bounds::SUBMISSION_HOPS_MAX`. Modelled are the way of a
//! message, the order of a lane and what a node keeps, as `engine/submissions.rs` has it.

mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use fengqiao_hub::bounds::SUBMISSION_HOPS_MAX;
use stateright::{Model, Property};

use crate::ledger::{Ledger, Moving, Note, View, Writing};
use crate::set::{Id, Set};

pub(crate) const ONCE: &str = "a submission takes effect once a chain";
pub(crate) const KEPT: &str = "what was submitted stands, is annex or was refused";
pub(crate) const ENDS: &str = "nothing is kept for ever";

/// The rules as built, or with one of them broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    AsBuilt,
    /// Whoever is custodian adopts whatever comes, by no id.
    NoId,
    /// Sent is done: neither sender nor relay keeps it.
    NotKept,
    /// It goes to the custodian known when it was sent, and waits there.
    NeverResent,
}

/// What is explored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope {
    pub(crate) tiers: usize,
    pub(crate) opened_at: usize,
    pub(crate) entries_max: usize,
    pub(crate) submissions_max: u8,
    pub(crate) in_flight_max: usize,
    /// The custodian may refuse.
    pub(crate) refusals: bool,
    pub(crate) rule: Rule,
}

/// The model.
#[derive(Debug)]
pub(crate) struct Submissions {
    scope: Scope,
    ledger: Ledger,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Place {
    known: Set,
    /// Submissions that wait here, with the hops they came by.
    waiting: BTreeMap<u8, u32>,
    /// Refusals known.
    refused: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum What {
    Entries(Set),
    /// Entries go before it: a lane keeps its order.
    Submission {
        id: u8,
        hops: u32,
        before: Set,
    },
    /// To the place that submitted it.
    Refusal(u8),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Message {
    from: usize,
    to: usize,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    places: Vec<Place>,
    wire: Vec<Message>,
    written: Set,
    /// By submission, from 1: the place that made it.
    submitted: Vec<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    Submit(usize),
    Dispatch(usize),
    Take(usize),
    Send(usize, usize),
    /// What waits here goes on its way once more: the link was cut behind it.
    Forward(usize, u8),
    Refuse(usize, u8),
    Deliver(Message),
    Lose(Message),
}

impl Submissions {
    pub(crate) fn new(scope: Scope) -> Self {
        Self {
            scope,
            ledger: Ledger::new(scope.tiers, &[1; 3]),
        }
    }

    fn view(&self, place: &Place) -> Arc<View> {
        self.ledger.view(&place.known)
    }

    fn stands(&self, place: &Place, id: u8) -> usize {
        let adopted = |entry: &&Id| self.ledger.of(**entry, |page| page.note) == Note::Adopted(id);
        self.view(place).standing.iter().filter(adopted).count()
    }

    fn knows(&self, place: &Place, id: u8) -> bool {
        place
            .known
            .iter()
            .any(|entry| self.ledger.of(entry, |page| page.note) == Note::Adopted(id))
    }

    fn write(&self, state: &mut State, tier: usize, mv: Moving, note: Note) -> Option<()> {
        let on = self.view(&state.places[tier]).head;
        let writing = Writing {
            tier,
            machine: 1,
            on,
            mv,
            note,
        };
        let id = self.ledger.write(writing, &state.written)?;
        state.written.insert(id);
        state.places[tier].known.insert(id);
        self.resettle(state, tier);
        Some(())
    }

    /// Something of the case came or was written here: what waits is adopted, ended or sent its new way.
    fn resettle(&self, state: &mut State, tier: usize) {
        let place = &state.places[tier];
        let ended: Vec<u8> = place
            .waiting
            .keys()
            .copied()
            .filter(|id| self.knows(place, *id))
            .collect();
        if self.scope.rule != Rule::NoId {
            ended.iter().for_each(|id| {
                state.places[tier].waiting.remove(id);
            });
        }
        let waiting: Vec<u8> = state.places[tier].waiting.keys().copied().collect();
        for id in waiting {
            self.settle(state, tier, id);
        }
    }

    /// Adopts what waits here when this is the custodian, or sends it on.
    fn settle(&self, state: &mut State, tier: usize, id: u8) {
        let place = &state.places[tier];
        let Some(hops) = place.waiting.get(&id).copied() else {
            return;
        };
        let view = self.view(place);
        if view.custodian != Some(tier) {
            if self.scope.rule != Rule::NeverResent {
                self.forward(state, tier, id, hops);
            }
            return;
        }
        let fits = state.written.len() < self.scope.entries_max;
        let by_id = self.scope.rule != Rule::NoId;
        if view.frozen || !fits || self.scope.refusals || by_id && self.stands(place, id) > 0 {
            return;
        }
        state.places[tier].waiting.remove(&id);
        let _ = self.write(state, tier, Moving::None, Note::Adopted(id));
    }

    fn forward(&self, state: &mut State, tier: usize, id: u8, hops: u32) {
        let custodian = self.view(&state.places[tier]).custodian;
        let to = match custodian {
            Some(custodian) if custodian > tier => tier + 1,
            _ => match tier.checked_sub(1) {
                Some(above) => above,
                None => return,
            },
        };
        let before = state.places[tier].known.clone();
        let what = What::Submission { id, hops, before };
        put(
            &mut state.wire,
            Message {
                from: tier,
                to,
                what,
            },
        );
        if self.scope.rule == Rule::NotKept {
            state.places[tier].waiting.remove(&id);
        }
    }

    fn learn(&self, state: &mut State, at: usize, known: &Set) {
        if !state.places[at].known.covers(known) {
            state.places[at].known.add(known);
            self.resettle(state, at);
        }
    }

    fn receive(&self, state: &mut State, message: &Message) {
        let to = message.to;
        match message.what {
            What::Entries(ref known) => self.learn(state, to, known),
            What::Submission {
                id,
                hops,
                ref before,
            } => {
                self.learn(state, to, before);
                let place = &state.places[to];
                let over = self.stands(place, id) > 0 && self.scope.rule != Rule::NoId
                    || place.refused.contains(&id);
                if over {
                    return;
                }
                if hops >= SUBMISSION_HOPS_MAX {
                    self.hear_refusal(state, to, id);
                    return;
                }
                state.places[to].waiting.insert(id, hops + 1);
                self.settle(state, to, id);
            }
            What::Refusal(id) => {
                self.hear_refusal(state, to, id);
            }
        }
    }

    /// A refusal goes the way to who submitted, ending what waits.
    fn hear_refusal(&self, state: &mut State, tier: usize, id: u8) {
        let place = &mut state.places[tier];
        place.waiting.remove(&id);
        if !place.refused.contains(&id) {
            place.refused.push(id);
            place.refused.sort_unstable();
        }
        let author = state.submitted[usize::from(id) - 1];
        if author != tier {
            let to = if author > tier { tier + 1 } else { tier - 1 };
            let what = What::Refusal(id);
            put(
                &mut state.wire,
                Message {
                    from: tier,
                    to,
                    what,
                },
            );
        }
    }

    /// Faults stop: neighbours tell each other all they have, until nothing changes.
    fn heal(&self, state: &State) -> State {
        let mut at = state.clone();
        loop {
            let before = at.places.clone();
            self.drain(&mut at);
            for tier in 0..self.scope.tiers {
                for to in self.next_to(tier) {
                    let what = What::Entries(at.places[tier].known.clone());
                    self.receive(
                        &mut at,
                        &Message {
                            from: tier,
                            to,
                            what,
                        },
                    );
                }
                let place = at.places[tier].clone();
                for id in place.refused {
                    self.hear_refusal(&mut at, tier, id);
                }
                for (id, hops) in place.waiting {
                    let passes = self.view(&at.places[tier]).custodian != Some(tier);
                    if passes && self.scope.rule != Rule::NeverResent {
                        self.forward(&mut at, tier, id, hops);
                    }
                }
            }
            self.drain(&mut at);
            if at.places == before {
                return at;
            }
        }
    }

    /// Everything in flight arrives, and what follows from it.
    fn drain(&self, at: &mut State) {
        while !at.wire.is_empty() {
            let message = at.wire.remove(0);
            self.receive(at, &message);
        }
    }

    fn next_to(&self, tier: usize) -> impl Iterator<Item = usize> + use<> {
        let below = (tier + 1 < self.scope.tiers).then_some(tier + 1);
        tier.checked_sub(1).into_iter().chain(below)
    }

    fn is_once(&self, state: &State) -> bool {
        let ids = 1..=u8::try_from(state.submitted.len()).unwrap();
        let once = |at: &State| {
            at.places
                .iter()
                .all(|place| ids.clone().all(|id| self.stands(place, id) <= 1))
        };
        once(state) && once(&self.heal(state))
    }

    fn is_kept(&self, state: &State) -> bool {
        let healed = self.heal(state);
        // A case that is full takes no more entries: an end of the model, not of the rules.
        let full = healed.written.len() >= self.scope.entries_max;
        (1..=u8::try_from(state.submitted.len()).unwrap()).all(|id| {
            let waits = healed
                .places
                .iter()
                .any(|place| place.waiting.contains_key(&id));
            healed.places.iter().all(|place| self.knows(place, id))
                || healed.places[state.submitted[usize::from(id) - 1]]
                    .refused
                    .contains(&id)
                || waits && (full || self.scope.refusals)
        })
    }

    fn ends(&self, state: &State) -> bool {
        let healed = self.heal(state);
        let full = healed.written.len() >= self.scope.entries_max;
        full || self.scope.refusals || healed.places.iter().all(|place| place.waiting.is_empty())
    }
}

fn put(wire: &mut Vec<Message>, message: Message) {
    if let Err(at) = wire.binary_search(&message) {
        wire.insert(at, message);
    }
}

impl Model for Submissions {
    type State = State;
    type Action = Act;

    fn init_states(&self) -> Vec<State> {
        let mut state = State {
            places: vec![Place::default(); self.scope.tiers],
            wire: vec![],
            written: Set::default(),
            submitted: vec![],
        };
        self.write(&mut state, self.scope.opened_at, Moving::None, Note::None)
            .unwrap();
        vec![state]
    }

    fn actions(&self, state: &State, acts: &mut Vec<Act>) {
        let room = state.wire.len() < self.scope.in_flight_max;
        let fits = state.written.len() < self.scope.entries_max;
        for (tier, place) in state.places.iter().enumerate() {
            let custodian = self.view(place).custodian;
            let custody = custodian == Some(tier);
            let made = u8::try_from(state.submitted.len()).unwrap();
            if custodian.is_some() && !custody && made < self.scope.submissions_max && room {
                acts.push(Act::Submit(tier));
            }
            if custody && tier + 1 < self.scope.tiers && fits {
                acts.push(Act::Dispatch(tier));
            }
            if custodian.is_some_and(|custodian| custodian > tier) && fits {
                acts.push(Act::Take(tier));
            }
            if room {
                let useful = self
                    .next_to(tier)
                    .filter(|to| !state.places[*to].known.covers(&place.known));
                acts.extend(useful.map(|to| Act::Send(tier, to)));
                if !custody {
                    acts.extend(place.waiting.keys().map(|id| Act::Forward(tier, *id)));
                }
            }
            if custody && self.scope.refusals {
                acts.extend(place.waiting.keys().map(|id| Act::Refuse(tier, *id)));
            }
        }
        for message in &state.wire {
            acts.extend([Act::Deliver(message.clone()), Act::Lose(message.clone())]);
        }
    }

    fn next_state(&self, before: &State, act: Act) -> Option<State> {
        let mut state = before.clone();
        match act {
            Act::Submit(tier) => {
                state.submitted.push(tier);
                let id = u8::try_from(state.submitted.len()).unwrap();
                state.places[tier].waiting.insert(id, 0);
                self.forward(&mut state, tier, id, 0);
            }
            Act::Dispatch(tier) => {
                self.write(&mut state, tier, Moving::Dispatched(tier + 1), Note::None)?
            }
            Act::Take(tier) => self.write(&mut state, tier, Moving::Taken(None), Note::None)?,
            Act::Send(from, to) => {
                let what = What::Entries(before.places[from].known.clone());
                put(&mut state.wire, Message { from, to, what });
            }
            Act::Forward(tier, id) => {
                let hops = *before.places[tier].waiting.get(&id)?;
                self.forward(&mut state, tier, id, hops);
            }
            Act::Refuse(tier, id) => self.hear_refusal(&mut state, tier, id),
            Act::Deliver(message) => {
                state.wire.retain(|known| *known != message);
                self.receive(&mut state, &message);
            }
            Act::Lose(message) => state.wire.retain(|known| *known != message),
        }
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            Property::always(ONCE, Self::is_once),
            Property::always(KEPT, Self::is_kept),
            Property::always(ENDS, Self::ends),
            Property::sometimes(
                "a submission waits while custody moves away",
                |model: &Self, state: &State| {
                    let waits = |(tier, place): (usize, &Place)| {
                        let passed = model
                            .view(place)
                            .custodian
                            .is_some_and(|custodian| custodian != tier);
                        !place.waiting.is_empty()
                            && passed
                            && place.waiting.values().any(|hops| *hops > 0)
                    };
                    state.places.iter().enumerate().any(waits)
                },
            ),
        ];
        if self.scope.refusals {
            all.push(Property::sometimes(
                "a refusal comes back",
                |_, state: &State| {
                    let of = |id: usize| &state.places[state.submitted[id]].refused;
                    (0..state.submitted.len())
                        .any(|id| of(id).contains(&(u8::try_from(id).unwrap() + 1)))
                },
            ));
        } else {
            all.push(Property::sometimes(
                "an adopting entry is overtaken",
                |model: &Self, state: &State| {
                    let of = |entry: &Id| model.ledger.of(*entry, |page| page.note);
                    state.places.iter().any(|place| {
                        model
                            .view(place)
                            .annex
                            .iter()
                            .any(|entry| matches!(of(entry), Note::Adopted(_)))
                    })
                },
            ));
        }
        all
    }
}
