//! Custody goes down and up, and who received the case first with it (PROTOCOL.md 7, 8, 13).

use super::{Case, OfferKind, Passage, Receiver, Stage};
use crate::clock::Moment;
use crate::id::{Hash, PlaceId};

impl Case {
    pub(super) fn go_down(&mut self, from: PlaceId, to: PlaceId) {
        self.receive_first(Receiver::Place(to), from);
        self.custodian = to;
        self.custodians.insert(to);
        self.dispatches.push((from, to));
        self.passages.push(Passage::Down { from, to });
        self.offer = None;
        self.stage = Stage::Dispatched;
        self.lead = None;
        self.co_handlers.clear();
        self.designated = false;
        self.was_dispatched = true;
    }

    pub(super) fn go_up(&mut self, taker: PlaceId, answering: Option<Hash>, at: Moment) {
        let answered = self
            .offer
            .filter(|offer| Some(offer.entry) == answering)
            .map(|offer| offer.kind);
        self.passages.push(Passage::Up { taker });
        if answering.is_none() {
            self.takings.push((taker, at));
        }
        let gives_back = self.dispatches.iter().position(|(from, _)| *from == taker);
        // The parent answers an offer, but somebody further up dispatched the case: the parent owes the reply now.
        let passes_on = answered.is_some()
            && gives_back.is_none()
            && self.dispatches.last().map(|(_, to)| *to) == Some(self.custodian);
        if answered != Some(OfferKind::Returned) {
            self.confirm_first_receiver();
        }
        if let Some(position) = gives_back {
            if answered == Some(OfferKind::Returned) {
                self.bounces += 1;
                self.place_returned(taker);
            }
            self.dispatches.truncate(position);
        } else if passes_on {
            if let Some(last) = self.dispatches.last_mut() {
                last.1 = taker;
            }
        } else {
            // Taken from above or on the way: what was dispatched below the taker no longer binds.
            let keep = self
                .dispatches
                .iter()
                .position(|(_, to)| *to == taker)
                .map_or(0, |position| position + 1);
            self.dispatches.truncate(keep);
        }
        self.custodian = taker;
        self.custodians.insert(taker);
        self.offer = None;
        self.lead = None;
        self.co_handlers.clear();
        self.designated = false;
        self.drafted_by = None;
        let stopped = self.due_stopped.take();
        if answered == Some(OfferKind::Replied) && !passes_on {
            self.stage = Stage::Replied;
            self.due = None;
        } else if !self.stage.is_over() {
            self.stage = Stage::InHand;
            self.due = self.due.take().or(stopped);
        }
    }

    /// A dispatch sets the first receiver, or shows that an earlier one was not returned.
    pub(super) fn receive_first(&mut self, receiver: Receiver, dispatcher: PlaceId) {
        let below_first = matches!(self.first_receiver, Some(Receiver::Place(_)))
            && self
                .dispatches
                .iter()
                .any(|(from, _)| Some(*from) == self.first_dispatcher);
        if self.first_receiver.is_none() {
            self.first_receiver = Some(receiver);
            self.first_dispatcher = Some(dispatcher);
        } else if !below_first {
            self.confirm_first_receiver();
        }
    }

    /// The dispatcher upheld the return of a centre below.
    fn place_returned(&mut self, dispatcher: PlaceId) {
        if matches!(self.first_receiver, Some(Receiver::Place(_)))
            && self.first_dispatcher == Some(dispatcher)
        {
            self.give_up_first_receiver();
        }
    }

    /// An objection of the lead was upheld.
    pub(super) fn unit_returned(&mut self) {
        if self.first_receiver.is_some() && self.first_receiver == self.lead.map(Receiver::Unit) {
            self.give_up_first_receiver();
        }
    }

    fn give_up_first_receiver(&mut self) {
        if !self.first_receiver_stands {
            self.first_receiver = None;
            self.first_dispatcher = None;
        }
    }

    /// The dispatch ended otherwise than by an upheld return: who received first stays so.
    pub(super) fn confirm_first_receiver(&mut self) {
        self.first_receiver_stands |= self.first_receiver.is_some();
    }
}
