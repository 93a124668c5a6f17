//! What was brought, and what the intake made of it.

use fengqiao_proto::v1 as pb;

use super::Written;
use crate::clock::Moment;
use crate::id::{Hash, PersonId, PlaceId};

/// The intake of a case.
#[derive(Debug, Clone)]
pub struct Intake {
    /// Readable number.
    pub number: String,
    /// External number or empty.
    pub external_number: String,
    /// Entry that registered it.
    pub opened_by: Hash,
    /// Class.
    pub class: String,
    /// Entry that gave it.
    pub classed_by: Hash,
    /// Channel it came by.
    pub channel: pb::Channel,
    /// Urgency.
    pub urgency: pb::Urgency,
    /// When the resident brought it.
    pub received: Moment,
    /// Hash of the resident's code.
    pub secret_hash: Hash,
    /// Centre that took it in.
    pub origin: PlaceId,
    /// Place it concerns, where one was named.
    pub place: Option<PlaceId>,
    /// It was taken on.
    pub accepted: bool,
    /// It was not taken on.
    pub declined: bool,
    /// It was answered at the first contact, by whom.
    pub answered: Option<Option<PersonId>>,
    /// Clock of the acceptance, while it runs.
    pub accept_due: Option<pb::Due>,
    /// Clock of the hand-over to who handles it, while it runs.
    pub hand_over_due: Option<pb::Due>,
}

impl Intake {
    /// What a registration says.
    #[must_use]
    pub fn registered(register: &pb::Register, written: &Written) -> Self {
        Self {
            number: register.number.clone(),
            external_number: register.external_number.clone(),
            opened_by: written.hash,
            class: register.class.clone(),
            classed_by: written.hash,
            channel: register.channel(),
            urgency: register.urgency(),
            received: Moment(register.received_ms),
            secret_hash: Hash::from_bytes(&register.secret_hash).unwrap_or_default(),
            origin: written.place,
            place: register.place.parse().ok(),
            accepted: false,
            declined: false,
            answered: None,
            accept_due: register.accept_due.clone(),
            hand_over_due: register.hand_over_due.clone(),
        }
    }

    /// No clock of the intake runs on.
    pub(crate) fn clocks_end(&mut self) {
        self.accept_due = None;
        self.hand_over_due = None;
    }

    /// The case is to be handed over, again or for the first time.
    pub(crate) fn await_hand_over(&mut self, due: Option<&pb::Due>) {
        self.accept_due = None;
        self.hand_over_due = due.cloned();
    }
}
