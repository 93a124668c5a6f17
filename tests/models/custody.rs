//! Custody in a line of places: writing, dispatch, offer and answer, taking asked and unasked, over links that lose and
//! reorder, with machines lost and put back from a backup.
//!
//! What stands, who may write and what is annex is asked of `hub::custody::Tree`; ranks are `hub::rank::Rank`'s. Only
//! transport, disks and what people choose are modelled. A message carries all its sender knows, which is what a link
//! that resumes at its cursor comes to; a notice carries a head.
//!
//! A machine that was lost has a successor: another node of the same place, in the next generation, which starts from
//! an old backup and writes nothing until its neighbours have said in this session what they hold.

mod broken;
mod healing;
mod properties;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use stateright::{Model, Property};

use crate::ledger::{Ledger, MACHINES_MAX, Moving, Note, Page, Writing};
use crate::set::{Id, Set};
use healing::Healed;

/// The rules as built, or with one of them broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    AsBuilt,
    /// What does not stand is thrown away.
    NoAnnex,
    /// Rank is one number for all tiers; the higher tier wins a tie.
    ScalarRank,
    /// Of two branches the one whose first differing entry has the higher rank stands.
    FirstDifference,
    /// A restored place writes at once.
    NoGate,
    /// Any message opens the gate, also one sent before the restore.
    GateOpenedByOldMessage,
    /// A parent that still asks its own parent opens its child's gate.
    GateOpenedByAskingParent,
    /// A child that still asks its own child opens its parent's gate.
    GateOpenedByAskingChild,
    /// The successor goes on as the node it replaces.
    SameIncarnation,
    /// The successor takes in the generation of the node it replaces.
    SameGeneration,
}

/// What is explored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope {
    pub(crate) tiers: usize,
    /// Where the case is taken in.
    pub(crate) opened_at: usize,
    /// Entries ever written, the first included.
    pub(crate) entries_max: usize,
    pub(crate) in_flight_max: usize,
    /// Places whose machine may be lost once each.
    pub(crate) may_be_lost: &'static [usize],
    /// A file may be carried from the lowest place to the highest.
    pub(crate) carried: bool,
    /// Heads are told further up than entries go, and a place may take what it knows by notice only.
    pub(crate) notices: bool,
    pub(crate) rule: Rule,
}

/// The model.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) scope: Scope,
    pub(crate) ledger: Ledger,
    healed: RwLock<HashMap<Vec<Place>, Arc<Healed>>>,
}

/// What one place's machine knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Place {
    pub(crate) known: Set,
    /// The head it goes by; kept only where a broken rule does not find it from what is known.
    pub(crate) head: Option<Id>,
    /// A head known by notice.
    pub(crate) noticed: Option<Id>,
    /// From 1.
    pub(crate) machine: u8,
    /// Neighbours that have not yet said what they hold since this machine was put back: bit 0 above, bit 1 below.
    pub(crate) awaits: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Message {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum What {
    /// All its sender knows, and whether somebody on its other side has yet to say what it forgot.
    Entries {
        known: Set,
        head: Option<Id>,
        asking: bool,
    },
    Notice(Id),
    /// The answer to an offer that it stays below.
    Kept(Id),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) places: Vec<Place>,
    /// In flight, in no order.
    pub(crate) wire: Vec<Message>,
    backups: Vec<Option<Set>>,
    /// Ever written, also what was lost with the only disk that held it.
    pub(crate) written: Set,
    pub(crate) lost: Set,
    /// By place: what it acknowledged to those below while it stood there.
    pub(crate) settled: Vec<Set>,
    /// By place: its takings in the order they were made.
    pub(crate) takings: Vec<Vec<Id>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    Work(usize),
    Dispatch(usize),
    Offer(usize),
    Take(usize),
    TakeByNotice(usize),
    KeepBelow(usize),
    Send(usize, usize),
    Notify(usize, usize),
    Deliver(Message),
    Lose(Message),
    BackUp(usize),
    Restore(usize),
}

pub(crate) const ABOVE: u8 = 1;
pub(crate) const BELOW: u8 = 2;

impl Line {
    pub(crate) fn new(scope: Scope) -> Self {
        let generations = match scope.rule {
            Rule::SameGeneration => [1; MACHINES_MAX as usize],
            // The node that goes on as its predecessor is given the new generation all the same.
            Rule::SameIncarnation => [2; MACHINES_MAX as usize],
            _ => [1, 2, 3],
        };
        Self {
            scope,
            ledger: Ledger::new(scope.tiers, &generations),
            healed: RwLock::default(),
        }
    }

    /// Which machine signs.
    fn signer(&self, place: &Place) -> u8 {
        if self.scope.rule == Rule::SameIncarnation {
            1
        } else {
            place.machine
        }
    }

    fn write(
        &self,
        state: &mut State,
        tier: usize,
        on: Option<Id>,
        mv: Moving,
        note: Note,
    ) -> Option<()> {
        let writing = Writing {
            tier,
            machine: self.signer(&state.places[tier]),
            on,
            mv,
            note,
        };
        let id = self.ledger.write(writing, &state.written)?;
        state.written.insert(id);
        let place = &mut state.places[tier];
        place.known.insert(id);
        place.head = self.keeps_heads().then_some(id);
        if matches!(mv, Moving::Taken(_)) {
            state.takings[tier].push(id);
        }
        self.forget(&mut state.places[tier]);
        Some(())
    }

    /// What a place does with a message.
    pub(crate) fn receive(&self, state: &mut State, message: &Message) -> Option<()> {
        let (from, to) = (message.from, message.to);
        match &message.what {
            What::Entries {
                known,
                head,
                asking,
            } => {
                self.merge(&mut state.places[to], known, *head);
                // What the sender forgot may stand on its other side: it has no say before that has spoken.
                let believed = match self.scope.rule {
                    Rule::GateOpenedByAskingParent => from < to,
                    Rule::GateOpenedByAskingChild => from > to,
                    _ => false,
                };
                let opens = !asking || believed;
                if opens {
                    state.places[to].awaits &= !if from < to { ABOVE } else { BELOW };
                }
                self.acknowledge(state, from, to);
            }
            What::Notice(head) => {
                let place = &mut state.places[to];
                let order = |id: Id| {
                    self.ledger
                        .of(id, |page| (page.step.rank.clone(), page.step.sequence))
                };
                if place
                    .noticed
                    .is_none_or(|noticed| order(noticed) < order(*head))
                {
                    place.noticed = Some(*head);
                }
            }
            What::Kept(offer) => {
                let seen = self.seen(&state.places[to]);
                let open = seen.offer.is_some_and(|(open, _)| open == *offer);
                let said = Note::Kept(*offer);
                let again = seen
                    .standing
                    .iter()
                    .any(|id| self.ledger.of(*id, |page| page.note) == said);
                if !open
                    || again
                    || seen.frozen
                    || seen.custodian != Some(to)
                    || !self.may_write(state, to)
                {
                    return None;
                }
                self.write(state, to, seen.head, Moving::None, said)?;
            }
        }
        Some(())
    }

    /// What stands at a place when it acknowledges is settled: what came from directly below, once the place has itself
    /// recovered. Before that it may have forgotten a taking of its own.
    fn acknowledge(&self, state: &mut State, from: usize, at: usize) {
        let carried = from > at + 1;
        if carried || state.places[at].awaits != 0 {
            return;
        }
        let seen = self.seen(&state.places[at]);
        let below = seen
            .standing
            .iter()
            .filter(|id| self.ledger.of(**id, |page: &Page| page.tier) > at);
        below.for_each(|id| state.settled[at].insert(*id));
    }

    fn may_write(&self, state: &State, tier: usize) -> bool {
        state.places[tier].awaits == 0 && state.written.len() < self.scope.entries_max
    }

    fn restore(&self, state: &mut State, tier: usize) {
        let Some(backup) = state.backups[tier].take() else {
            return;
        };
        let had = std::mem::take(&mut state.places[tier].known);
        let elsewhere = |id: Id| {
            let others = state
                .places
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != tier);
            others
                .map(|(_, place)| place)
                .any(|place| place.known.contains(id))
        };
        let gone: Vec<Id> = had
            .iter()
            .filter(|id| !backup.contains(*id) && !elsewhere(*id))
            .collect();
        gone.into_iter().for_each(|id| state.lost.insert(id));
        let gate = match self.scope.rule {
            Rule::NoGate => 0,
            _ => self.neighbours(tier),
        };
        let place = &mut state.places[tier];
        *place = Place {
            head: self
                .keeps_heads()
                .then(|| self.ledger.view(&backup).head)
                .flatten(),
            known: backup,
            noticed: None,
            machine: place.machine + 1,
            awaits: gate,
        };
        // Frames of a session that is gone are dropped.
        let old_messages_pass = self.scope.rule == Rule::GateOpenedByOldMessage;
        state
            .wire
            .retain(|message| message.from != tier && (message.to != tier || old_messages_pass));
    }

    fn neighbours(&self, tier: usize) -> u8 {
        let above = if tier > 0 { ABOVE } else { 0 };
        let below = if tier + 1 < self.scope.tiers {
            BELOW
        } else {
            0
        };
        above | below
    }

    /// All a place knows, as it would be sent to a neighbour.
    pub(crate) fn told(&self, place: &Place, upwards: bool) -> What {
        What::Entries {
            known: place.known.clone(),
            head: place.head,
            asking: place.awaits & if upwards { BELOW } else { ABOVE } != 0,
        }
    }

    fn acts_of(&self, state: &State, tier: usize, acts: &mut Vec<Act>) {
        let place = &state.places[tier];
        let seen = self.seen(place);
        if self.may_write(state, tier) {
            if seen.custodian == Some(tier) && !seen.frozen {
                acts.push(Act::Work(tier));
                if tier + 1 < self.scope.tiers {
                    acts.push(Act::Dispatch(tier));
                }
                if tier > 0 && seen.offer.is_none() {
                    acts.push(Act::Offer(tier));
                }
            }
            if seen.custodian.is_some_and(|custodian| custodian > tier) {
                acts.push(Act::Take(tier));
            }
            if self
                .outranked_by_notice(place)
                .is_some_and(|(_, custodian)| custodian > tier)
            {
                acts.push(Act::TakeByNotice(tier));
            }
        }
        let offered = seen.offer.filter(|(_, to)| *to == tier);
        if offered.is_some() && place.awaits == 0 {
            acts.push(Act::KeepBelow(tier));
        }
        let lost_once = place.machine > 1;
        if self.scope.may_be_lost.contains(&tier) && !lost_once && !place.known.is_empty() {
            acts.push(match &state.backups[tier] {
                None => Act::BackUp(tier),
                Some(_) => Act::Restore(tier),
            });
        }
    }

    /// A head known by notice that outranks the one known by chain, and who holds custody there.
    fn outranked_by_notice(&self, place: &Place) -> Option<(Id, usize)> {
        let noticed = place.noticed.filter(|id| !place.known.contains(*id))?;
        let order = |id: Id| {
            self.ledger
                .of(id, |page| (page.step.rank.clone(), page.step.sequence))
        };
        let known = self.seen(place).head.map(order);
        let custodian = self
            .ledger
            .view(&self.ledger.chain(Some(noticed)).into_iter().collect())
            .custodian?;
        known
            .is_none_or(|known| known < order(noticed))
            .then_some((noticed, custodian))
    }

    fn messages_of(&self, state: &State, tier: usize, acts: &mut Vec<Act>) {
        let place = &state.places[tier];
        if place.known.is_empty() && place.awaits == 0 {
            return;
        }
        let useful = |to: usize| {
            let other = &state.places[to];
            // What tells nothing new can still open a gate, once the rule is broken that keeps it from that.
            let opens = other.awaits != 0 || self.scope.rule == Rule::GateOpenedByOldMessage;
            !other.known.covers(&place.known) || opens
        };
        for to in self.next_to(tier).filter(|to| useful(*to)) {
            acts.push(Act::Send(tier, to));
        }
        if self.scope.carried && tier + 1 == self.scope.tiers && tier > 1 && useful(0) {
            acts.push(Act::Send(tier, 0));
        }
        if self.scope.notices {
            let head = self.seen(place).head;
            let news = |to: &usize| {
                head.is_some_and(|head| {
                    !state.places[*to].known.contains(head)
                        && state.places[*to].noticed != Some(head)
                })
            };
            acts.extend(
                (0..tier)
                    .rev()
                    .skip(1)
                    .filter(news)
                    .map(|to| Act::Notify(tier, to)),
            );
        }
    }

    pub(crate) fn next_to(&self, tier: usize) -> impl Iterator<Item = usize> + use<> {
        let below = (tier + 1 < self.scope.tiers).then_some(tier + 1);
        tier.checked_sub(1).into_iter().chain(below)
    }
}

fn put(wire: &mut Vec<Message>, message: Message) -> Option<()> {
    let at = wire.binary_search(&message).err()?;
    wire.insert(at, message);
    Some(())
}

impl Model for Line {
    type State = State;
    type Action = Act;

    fn init_states(&self) -> Vec<State> {
        let tiers = self.scope.tiers;
        let place = Place {
            machine: 1,
            ..Place::default()
        };
        let mut state = State {
            places: vec![place; tiers],
            wire: vec![],
            backups: vec![None; tiers],
            written: Set::default(),
            lost: Set::default(),
            settled: vec![Set::default(); tiers],
            takings: vec![vec![]; tiers],
        };
        self.write(
            &mut state,
            self.scope.opened_at,
            None,
            Moving::None,
            Note::None,
        )
        .unwrap();
        vec![state]
    }

    fn actions(&self, state: &State, acts: &mut Vec<Act>) {
        for tier in 0..self.scope.tiers {
            self.acts_of(state, tier, acts);
            if state.wire.len() < self.scope.in_flight_max {
                self.messages_of(state, tier, acts);
            } else {
                acts.retain(|act| !matches!(act, Act::KeepBelow(_)));
            }
        }
        for message in &state.wire {
            acts.push(Act::Deliver(message.clone()));
            acts.push(Act::Lose(message.clone()));
        }
    }

    fn next_state(&self, before: &State, act: Act) -> Option<State> {
        let mut state = before.clone();
        let head = |tier: usize| self.seen(&before.places[tier]).head;
        let message = |from: usize, to: usize, what: What| Message { from, to, what };
        match act {
            Act::Work(tier) => {
                self.write(&mut state, tier, head(tier), Moving::None, Note::None)?
            }
            Act::Dispatch(tier) => {
                let down = Moving::Dispatched(tier + 1);
                self.write(&mut state, tier, head(tier), down, Note::None)?;
            }
            Act::Offer(tier) => {
                self.write(&mut state, tier, head(tier), Moving::Offered, Note::None)?
            }
            Act::Take(tier) => {
                let offer = self.seen(&before.places[tier]).offer;
                let answered = offer.filter(|(_, to)| *to == tier).map(|(offer, _)| offer);
                self.write(
                    &mut state,
                    tier,
                    head(tier),
                    Moving::Taken(answered),
                    Note::None,
                )?;
            }
            Act::TakeByNotice(tier) => {
                let (on, _) = self.outranked_by_notice(&before.places[tier])?;
                self.write(&mut state, tier, Some(on), Moving::Taken(None), Note::None)?;
            }
            Act::KeepBelow(tier) => {
                let (offer, _) = self.seen(&before.places[tier]).offer?;
                put(&mut state.wire, message(tier, tier + 1, What::Kept(offer)))?;
            }
            Act::Send(from, to) => {
                let what = self.told(&before.places[from], from > to);
                put(&mut state.wire, message(from, to, what))?;
            }
            Act::Notify(from, to) => {
                put(
                    &mut state.wire,
                    message(from, to, What::Notice(head(from)?)),
                )?;
            }
            Act::Deliver(message) => {
                state.wire.retain(|known| *known != message);
                self.receive(&mut state, &message)?;
            }
            Act::Lose(message) => state.wire.retain(|known| *known != message),
            Act::BackUp(tier) => state.backups[tier] = Some(state.places[tier].known.clone()),
            Act::Restore(tier) => self.restore(&mut state, tier),
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::of(&self.scope)
    }
}
