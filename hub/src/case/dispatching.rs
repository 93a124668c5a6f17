//! Who handles the case at its custodian, and who received it first (PROTOCOL.md 13).

use std::collections::BTreeSet;

use crate::clock::Moment;
use crate::id::{PlaceId, UnitId};

/// Who handles, or received first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Receiver {
    /// A unit of a centre.
    Unit(UnitId),
    /// A centre below.
    Place(PlaceId),
}

/// Who received the case first: the first dispatch that was not returned with the objection upheld. It stands for good
/// once its dispatch has ended otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FirstReceiver {
    /// Who.
    pub receiver: Option<Receiver>,
    /// Centre that dispatched to it.
    pub dispatcher: Option<PlaceId>,
    /// It never changes any more.
    pub stands: bool,
}

impl FirstReceiver {
    /// The dispatch ended otherwise than by an upheld return.
    pub(crate) fn confirm(&mut self) {
        self.stands |= self.receiver.is_some();
    }

    fn give_up(&mut self) {
        if !self.stands {
            *self = Self::default();
        }
    }
}

/// The lead says: not ours. It waits for the dispatcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Objection {
    /// Unit that objects.
    pub unit: UnitId,
    /// Unit it proposes.
    pub proposed: Option<UnitId>,
}

/// Who handles the case.
#[derive(Debug, Clone, Default)]
pub struct Dispatching {
    /// Whether it was ever dispatched to anyone.
    pub ever: bool,
    /// It was dispatched to the lead, or down to the custodian, and not yet signed for.
    pub to_be_signed: bool,
    /// It was dispatched and signed for, or is worked on.
    pub signed: bool,
    /// Lead unit at the custodian.
    pub lead: Option<UnitId>,
    /// Co-handling units at the custodian.
    pub co_handlers: BTreeSet<UnitId>,
    /// Co-handling units that signed.
    pub co_signed: BTreeSet<UnitId>,
    /// When the custodian's lead got it.
    pub lead_since: Moment,
    /// The lead was designated and may not object.
    pub designated: bool,
    /// An objection that waits for the dispatcher.
    pub objection: Option<Objection>,
    /// Objections and returns upheld so far.
    pub bounces: u32,
    /// First receiver.
    pub first: FirstReceiver,
    /// Units that lead, led, co-handle or were convened.
    pub units: BTreeSet<UnitId>,
}

impl Dispatching {
    /// A unit of the custodian leads from now on.
    pub(crate) fn leads(&mut self, unit: UnitId, co_handlers: BTreeSet<UnitId>, at: Moment) {
        self.ever = true;
        self.to_be_signed = true;
        self.signed = false;
        self.lead = Some(unit);
        self.lead_since = at;
        self.objection = None;
        self.units.insert(unit);
        self.units.extend(co_handlers.iter().copied());
        self.co_handlers = co_handlers;
        self.co_signed.clear();
    }

    /// A dispatch sets the first receiver, or shows that an earlier one was not returned.
    pub(crate) fn receive_first(&mut self, receiver: Receiver, dispatcher: PlaceId, below: bool) {
        if self.first.receiver.is_none() {
            self.first.receiver = Some(receiver);
            self.first.dispatcher = Some(dispatcher);
        } else if !below {
            self.first.confirm();
        }
    }

    pub(super) fn goes_to_a_centre(&mut self) {
        self.leaves_the_lead();
        self.ever = true;
        self.to_be_signed = true;
    }

    /// Nobody leads any more.
    pub(crate) fn leaves_the_lead(&mut self) {
        self.lead = None;
        self.co_handlers.clear();
        self.co_signed.clear();
        self.designated = false;
        self.objection = None;
        self.to_be_signed = false;
        self.signed = false;
    }

    /// The dispatcher upheld the return of a centre below.
    pub(super) fn returned_to(&mut self, dispatcher: PlaceId) {
        self.bounces += 1;
        let by_it = self.first.dispatcher == Some(dispatcher);
        if matches!(self.first.receiver, Some(Receiver::Place(_))) && by_it {
            self.first.give_up();
        }
    }

    /// The lead's objection was upheld, or its case designated to another.
    pub(crate) fn lead_returned(&mut self) {
        if self.first.receiver.is_some() && self.first.receiver == self.lead.map(Receiver::Unit) {
            self.first.give_up();
        }
    }

    /// A unit signs, or works without having signed: whoever works has the case. A co-handler signs for nobody else.
    pub(crate) fn signed_by(&mut self, unit: Option<UnitId>) {
        match unit.filter(|unit| self.co_handlers.contains(unit)) {
            Some(unit) => {
                self.co_signed.insert(unit);
            }
            None => self.worked(),
        }
    }

    /// The lead, or the centre, has the case.
    pub(crate) fn worked(&mut self) {
        if self.to_be_signed {
            self.to_be_signed = false;
            self.signed = true;
        }
    }
}
