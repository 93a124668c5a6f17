//! A township moved from one county to another by their city, while all four write, take and hear of it in any order.
//!
//! Where places stand is asked of `hub::jurisdiction::Registry`, what stands of `hub::custody::Tree`. The move is one
//! registry entry, which each place hears of at its own time; what names it waits until then. Links carry all that their
//! sender knows, and may be overtaken. The city passes on whatever the township holds on its old way as soon as it knows
//! of it, as the engine does in the same record.

mod book;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use fengqiao_hub::entry::Move;
use stateright::{Model, Property};

use crate::set::{Id, Set};
use book::{Book, CITY, NEW, OLD, PLACES, TOWNSHIP};

/// The rules as built, or with one of them broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    AsBuilt,
    /// The city moves the township and takes nothing.
    NotPassedOn,
    /// The new parent writes its taking as soon as it has heard of the move.
    TakenAtOnce,
    /// Whoever has heard of the move judges all entries by the tree of today.
    JudgedByToday,
    /// Who has not heard of the move judges at once what names it.
    NotAwaited,
}

/// What is explored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope {
    /// Entries that people write, the first included; what the city passes on comes on top.
    pub(crate) entries_max: usize,
    pub(crate) in_flight_max: usize,
    pub(crate) rule: Rule,
}

/// The model.
#[derive(Debug)]
pub(crate) struct Moving {
    scope: Scope,
    book: Book,
    views: RwLock<HashMap<(Set, bool), Arc<View>>>,
}

/// What hub says of what a place knows.
#[derive(Debug)]
struct View {
    head: Option<Id>,
    /// A place of the model.
    custodian: Option<usize>,
    offered_to: Option<(Id, usize)>,
    is_frozen: bool,
    joined: Set,
    standing: Vec<Id>,
    /// Whether the entry that gave custody named the move.
    on_new_way: bool,
    /// Whether an entry was refused; it does not come again.
    refused: bool,
}

/// What a place knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    known: Set,
    /// Of the move; at the city, made.
    heard: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    places: [Place; PLACES],
    /// From, to, what the sender knew.
    wire: Vec<(usize, usize, Set)>,
    written: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    Move,
    Hear(usize),
    Work(usize),
    Offer(usize),
    Dispatch(usize),
    Take(usize),
    Send(usize, usize),
    Deliver(usize, usize, Set),
}

pub(crate) const KEPT: &str = "whatever was written stands or is annex";
pub(crate) const REFUSED: &str = "nothing that was written is refused anywhere";
pub(crate) const ONE_TAKING: &str = "no two takings have one rank";
pub(crate) const ON_ITS_WAY: &str = "healed, the new parent may take what the township holds";
pub(crate) const SUPERIOR: &str = "the city's latest taking stands";

impl Moving {
    pub(crate) fn new(scope: Scope) -> Self {
        Self {
            scope,
            book: Book::new(),
            views: RwLock::default(),
        }
    }

    fn view(&self, known: &Set, heard: bool) -> Arc<View> {
        let key = (known.clone(), heard);
        if let Some(view) = self.views.read().unwrap().get(&key) {
            return Arc::clone(view);
        }
        let view = Arc::new(self.ask(known, heard));
        self.views.write().unwrap().insert(key, Arc::clone(&view));
        view
    }

    fn ask(&self, known: &Set, heard: bool) -> View {
        let rule = self.scope.rule;
        let judged = known.iter().filter(|id| {
            let names = self.book.of(*id, |step| !step.named.is_empty());
            heard || !names || rule == Rule::NotAwaited
        });
        let (tree, number, refused) = self.book.tree(judged, heard, rule == Rule::JudgedByToday);
        let custody = tree.custody().cloned();
        let offer = custody.as_ref().and_then(|custody| custody.offer);
        View {
            head: tree.head().map(|head| number[&head.hash]),
            custodian: custody.map(|custody| book::index(custody.custodian)),
            offered_to: offer.map(|offer| (number[&offer.entry], book::index(offer.to))),
            is_frozen: tree.is_frozen(),
            joined: number
                .iter()
                .filter(|(hash, _)| tree.contains(hash))
                .map(|(_, id)| *id)
                .collect(),
            standing: tree.standing().iter().map(|hash| number[hash]).collect(),
            on_new_way: !tree.way().is_empty(),
            refused,
        }
    }

    fn seen(&self, place: &Place) -> Arc<View> {
        self.view(&place.known, place.heard)
    }

    /// The county that a place with this knowledge believes the township stands below.
    fn county(heard: bool) -> usize {
        if heard { NEW } else { OLD }
    }

    fn is_above(above: usize, below: usize, heard: bool) -> bool {
        match (above, below) {
            (CITY, below) => below != CITY,
            (county, TOWNSHIP) => county == Self::county(heard),
            _ => false,
        }
    }

    fn may_take(&self, place: usize, heard: bool, seen: &View) -> bool {
        let Some(custodian) = seen.custodian else {
            return false;
        };
        let by_way = Self::is_above(place, custodian, seen.on_new_way);
        Self::is_above(place, custodian, heard) && (by_way || self.scope.rule == Rule::TakenAtOnce)
    }

    fn write(&self, state: &mut State, place: usize, mv: Move) -> Option<()> {
        let Place { known, heard } = &state.places[place];
        let head = self.view(known, *heard).head;
        let all = state.places.iter().flat_map(|place| place.known.iter());
        let others: Set = all
            .chain(state.wire.iter().flat_map(|(_, _, known)| known.iter()))
            .collect();
        let id = self.book.write(place, head, mv, *heard, &others)?;
        state.places[place].known.insert(id);
        Some(())
    }

    /// What the township holds on its old way, as the city knows it, is taken and dispatched back.
    fn pass_on(&self, state: &mut State) -> Option<()> {
        let city = &state.places[CITY];
        let seen = self.seen(city);
        let holds = seen.custodian == Some(TOWNSHIP) && !seen.on_new_way && !seen.is_frozen;
        if !city.heard || !holds || self.scope.rule == Rule::NotPassedOn {
            return Some(());
        }
        self.write(state, CITY, Move::Taken(None))?;
        self.write(state, CITY, Move::Dispatched(book::place(TOWNSHIP)))
    }

    /// Whether two places have a link, as the lower one knows it and the upper one accepts it.
    fn are_linked(state: &State, one: usize, other: usize) -> bool {
        match (one.min(other), one.max(other)) {
            (CITY, OLD | NEW) => true,
            (OLD, TOWNSHIP) => !state.places[TOWNSHIP].heard,
            (NEW, TOWNSHIP) => state.places[TOWNSHIP].heard && state.places[NEW].heard,
            _ => false,
        }
    }

    /// Everybody has heard of the move, if it was made, and knows all.
    fn healed(&self, state: &State) -> State {
        let heard = state.places[CITY].heard;
        let known: Set = state
            .places
            .iter()
            .flat_map(|place| place.known.iter())
            .collect();
        let place = Place { known, heard };
        let mut healed = State {
            places: std::array::from_fn(|_| place.clone()),
            wire: vec![],
            written: state.written,
        };
        let _ = self.pass_on(&mut healed);
        healed
    }

    fn all_kept(&self, state: &State) -> bool {
        let healed = self.healed(state);
        let city = &healed.places[CITY];
        self.seen(city).joined.covers(&city.known)
    }

    fn one_taking_a_rank(&self, state: &State) -> bool {
        let frozen = |place: &Place| self.seen(place).is_frozen;
        !state.places.iter().any(frozen) && !frozen(&self.healed(state).places[CITY])
    }

    fn is_on_its_way(&self, state: &State) -> bool {
        let healed = self.healed(state);
        let seen = self.seen(&healed.places[CITY]);
        !healed.places[CITY].heard
            || seen.custodian != Some(TOWNSHIP)
            || Self::is_above(NEW, TOWNSHIP, seen.on_new_way)
    }

    fn superior_stands(&self, state: &State) -> bool {
        let healed = self.healed(state);
        let city = &healed.places[CITY];
        let taken = |id: &Id| {
            self.book.of(*id, |step| {
                book::index(step.place) == CITY && matches!(step.mv, Move::Taken(_))
            })
        };
        let rank = |id: &Id| self.book.of(*id, |step| step.rank.clone());
        let latest = city.known.iter().filter(taken).max_by_key(rank);
        latest.is_none_or(|latest| self.seen(city).standing.contains(&latest))
    }

    fn reached(&self, state: &State, place: usize, below: Id) -> bool {
        let taking = |id: Id| {
            self.book.of(id, |step| {
                book::index(step.place) == place && matches!(step.mv, Move::Taken(_))
            })
        };
        state.places[CITY]
            .known
            .iter()
            .any(|id| id >= below && taking(id))
    }
}

impl Model for Moving {
    type State = State;
    type Action = Act;

    fn init_states(&self) -> Vec<State> {
        let mut state = State {
            places: std::array::from_fn(|_| Place::default()),
            wire: vec![],
            written: 1,
        };
        self.write(&mut state, TOWNSHIP, Move::None).unwrap();
        vec![state]
    }

    fn actions(&self, state: &State, acts: &mut Vec<Act>) {
        let heard = |place: usize| state.places[place].heard;
        if !heard(CITY) {
            acts.push(Act::Move);
        }
        for county in [OLD, NEW] {
            if heard(CITY) && !heard(county) {
                acts.push(Act::Hear(county));
            }
        }
        if (heard(OLD) || heard(NEW)) && !heard(TOWNSHIP) {
            acts.push(Act::Hear(TOWNSHIP));
        }
        for (index, place) in state.places.iter().enumerate() {
            let seen = self.seen(place);
            if state.written < self.scope.entries_max && !seen.is_frozen {
                if seen.custodian == Some(index) {
                    acts.push(Act::Work(index));
                    let above = if index == TOWNSHIP {
                        Self::county(place.heard)
                    } else {
                        CITY
                    };
                    let on_way = index != TOWNSHIP || above == Self::county(seen.on_new_way);
                    if index != CITY && seen.offered_to.is_none() && on_way {
                        acts.push(Act::Offer(index));
                    }
                    if Self::is_above(index, TOWNSHIP, place.heard) {
                        acts.push(Act::Dispatch(index));
                    }
                } else if self.may_take(index, place.heard, &seen) {
                    acts.push(Act::Take(index));
                }
            }
            if state.wire.len() < self.scope.in_flight_max {
                let news = |to: &usize| !state.places[*to].known.covers(&place.known);
                let linked = |to: &usize| Self::are_linked(state, index, *to);
                let to = (0..PLACES)
                    .filter(|to| *to != index)
                    .filter(linked)
                    .filter(news);
                acts.extend(to.map(|to| Act::Send(index, to)));
            }
        }
        for (from, to, known) in &state.wire {
            acts.push(Act::Deliver(*from, *to, known.clone()));
        }
    }

    fn next_state(&self, before: &State, act: Act) -> Option<State> {
        let mut state = before.clone();
        let county = |place: usize| Self::county(before.places[place].heard);
        let mut by_people = |place: usize, mv: Move| {
            state.written += 1;
            self.write(&mut state, place, mv)
        };
        match act {
            Act::Move => {
                state.places[CITY].heard = true;
                self.pass_on(&mut state)?;
            }
            Act::Hear(place) => state.places[place].heard = true,
            Act::Work(place) => by_people(place, Move::None)?,
            Act::Offer(place) => {
                let to = if place == TOWNSHIP {
                    county(place)
                } else {
                    CITY
                };
                by_people(place, Move::Offered(book::place(to)))?;
            }
            Act::Dispatch(place) => by_people(place, Move::Dispatched(book::place(TOWNSHIP)))?,
            Act::Take(place) => {
                let offered = self.seen(&before.places[place]).offered_to;
                let offer = offered.filter(|(_, to)| *to == place);
                let answering = offer.map(|(offer, _)| self.book.of(offer, |step| step.hash));
                by_people(place, Move::Taken(answering))?;
            }
            Act::Send(from, to) => {
                let message = (from, to, before.places[from].known.clone());
                let at = state.wire.binary_search(&message).err()?;
                state.wire.insert(at, message);
            }
            Act::Deliver(from, to, known) => {
                state
                    .wire
                    .retain(|(a, b, told)| (a, b, told) != (&from, &to, &known));
                state.places[to].known.add(&known);
                if to == CITY {
                    self.pass_on(&mut state)?;
                }
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            Property::always(KEPT, Self::all_kept),
            Property::always(REFUSED, |model: &Self, state: &State| {
                !state.places.iter().any(|place| model.seen(place).refused)
            }),
            Property::always(ONE_TAKING, Self::one_taking_a_rank),
            Property::always(ON_ITS_WAY, Self::is_on_its_way),
            Property::always(SUPERIOR, Self::superior_stands),
        ];
        if self.scope.rule == Rule::AsBuilt {
            all.push(Property::sometimes(
                "the former parent's taking is annex",
                |model: &Self, state: &State| {
                    let city = &state.places[CITY];
                    let seen = model.seen(city);
                    let former = |id: Id| {
                        model.book.of(id, |step| {
                            book::index(step.place) == OLD && matches!(step.mv, Move::Taken(_))
                        })
                    };
                    city.heard
                        && (seen.joined.iter()).any(|id| former(id) && !seen.standing.contains(&id))
                },
            ));
            all.push(Property::sometimes(
                "the new parent takes",
                |model, state| model.reached(state, NEW, 0),
            ));
            all.push(Property::sometimes(
                "what names the move waits",
                |model: &Self, state: &State| {
                    let waits = |place: &Place| {
                        let names = |id: Id| model.book.of(id, |step| !step.named.is_empty());
                        !place.heard && place.known.iter().any(names)
                    };
                    state.places.iter().any(waits)
                },
            ));
        }
        all
    }
}
