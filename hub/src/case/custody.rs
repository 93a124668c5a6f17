//! Who holds the case, what is offered, and which replies are owed (PROTOCOL.md 7, 8).
//!
//! Each dispatch between centres is an obligation: whoever got the case owes a reply to whoever dispatched it, by a due
//! time of its own. Obligations stand on a stack, outermost first. A reply that the dispatcher takes ends its own and no
//! other, so a superior's clock runs on until its own answer comes.

use std::collections::BTreeSet;

use fengqiao_proto::v1 as pb;

use crate::clock::Moment;
use crate::id::{Hash, PlaceId};
use crate::rank::Level;

/// A reply owed under a dispatch between centres.
#[derive(Debug, Clone, PartialEq)]
pub struct Obligation {
    /// Centre that dispatched.
    pub from: PlaceId,
    /// Its level.
    pub level: Level,
    /// Centre that owes the reply now.
    pub to: PlaceId,
    /// When the case came to it.
    pub since: Moment,
    /// Until when, with what it was computed from.
    pub due: Option<pb::Due>,
    /// The reply was sent and waits for the dispatcher: its clock stands, and goes on from where it stood when the reply
    /// is not taken.
    pub replied: bool,
    /// A leader designated the receiver: it cannot return the case.
    pub designated: bool,
}

/// What an open offer asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfferKind {
    /// Pushed up: too hard here.
    Escalated,
    /// A dispatched case replied to.
    Replied,
    /// A dispatched case returned: not ours.
    Returned,
}

/// An offer to the parent that is open.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenOffer {
    /// The offering entry.
    pub entry: Hash,
    /// What it asks.
    pub kind: OfferKind,
    /// Who is asked.
    pub to: PlaceId,
    /// Until when it answers.
    pub due: Option<pb::Due>,
}

/// Custody as the casework sees it; which branch stands is [`crate::custody`]'s to say.
#[derive(Debug, Clone)]
pub struct CustodyState {
    /// Custodian.
    pub custodian: PlaceId,
    /// Open offer.
    pub offer: Option<OpenOffer>,
    /// Replies owed, outermost first.
    pub obligations: Vec<Obligation>,
    /// The custodian took it or got it back, and has not yet handed it on.
    pub in_hand: bool,
    /// A return that its dispatcher has to decide passes through the custodian.
    pub passes_a_return: bool,
    /// Places that ever were custodian.
    pub custodians: BTreeSet<PlaceId>,
    /// Places convened or offered to.
    pub concerned: BTreeSet<PlaceId>,
    /// Unasked takings: who and when.
    pub takings: Vec<(PlaceId, Moment)>,
}

impl CustodyState {
    pub(super) fn at(origin: PlaceId) -> Self {
        Self {
            custodian: origin,
            offer: None,
            obligations: Vec::new(),
            in_hand: false,
            passes_a_return: false,
            custodians: BTreeSet::from([origin]),
            concerned: BTreeSet::new(),
            takings: Vec::new(),
        }
    }

    /// The open offer, when it is the one answered.
    #[must_use]
    pub fn answered_by(&self, answering: Option<Hash>) -> Option<&OpenOffer> {
        self.offer
            .as_ref()
            .filter(|offer| Some(offer.entry) == answering)
    }

    /// The obligation under which the custodian holds the case.
    #[must_use]
    pub fn owed(&self) -> Option<&Obligation> {
        self.obligations
            .last()
            .filter(|owed| owed.to == self.custodian)
    }

    /// The earliest due time that a superior's dispatch set: no inner one may lie beyond it. A reply that waits for an
    /// answer counts too, for its clock goes on when it is not taken.
    #[must_use]
    pub fn outer_due(&self) -> Option<&pb::Due> {
        self.due_above(Level::MAX)
    }

    /// The earliest of those that a centre of a level owes, or would owe had it the case.
    #[must_use]
    pub fn due_above(&self, level: Level) -> Option<&pb::Due> {
        let above = self.obligations.iter().filter(|owed| owed.level < level);
        above
            .filter_map(|owed| owed.due.as_ref())
            .min_by_key(|due| due.due_ms)
    }

    pub(crate) fn offered(
        &mut self,
        kind: OfferKind,
        entry: Hash,
        to: PlaceId,
        due: Option<&pb::Due>,
    ) {
        self.offer = Some(OpenOffer {
            entry,
            kind,
            to,
            due: due.cloned(),
        });
    }

    /// A taking ends the dispatches by the taker and by who stands below it; one from further up binds the taker now.
    pub(super) fn taken(&mut self, taker: PlaceId, level: Option<Level>) {
        let level = level.unwrap_or_default();
        self.obligations.retain(|owed| owed.level < level);
        if let Some(owed) = self.obligations.last_mut() {
            owed.to = taker;
            owed.replied = false;
        }
        self.custodian = taker;
        self.custodians.insert(taker);
        self.offer = None;
    }
}
