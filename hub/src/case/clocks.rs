//! The clocks that run on a case: what for, until when, and who is to act before they end.
//!
//! The same for who holds the case and for who holds its notice only. Which lamp they show is for whoever looks.

use fengqiao_proto::v1 as pb;

use super::Case;
use crate::clock::{self, Contact, Lamp, Moment};
use crate::id::{PlaceId, UnitId};
use crate::rulebook;

/// A clock that runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Running {
    /// Last instant that is on time.
    pub due: Moment,
    /// What for: accept, hand-over, handling, answer, visit, task, annex. A newer node may know others.
    pub clock: String,
    /// The centre that is to act.
    pub place: PlaceId,
    /// Its unit, where one is to act.
    pub unit: Option<UnitId>,
    /// First amber instant, Unix milliseconds; 0 is never.
    pub amber_ms: i64,
    /// First red instant, Unix milliseconds; 0 is the first after the due time.
    pub red_ms: i64,
    /// Instant after which a tier above may take the case, Unix milliseconds; 0 is the due time.
    pub grace_ms: i64,
    /// Year whose list of days off was missing when it was computed; 0 is none.
    pub calendar_year_missing: u32,
}

impl Running {
    fn of(due: &pb::Due, place: PlaceId, unit: Option<UnitId>) -> Self {
        Self {
            due: Moment(due.due_ms),
            clock: due.clock.clone(),
            place,
            unit,
            amber_ms: due.amber_ms,
            red_ms: due.red_ms,
            grace_ms: due.grace_ms,
            calendar_year_missing: due.calendar_year_missing,
        }
    }

    /// What a lamp needs of it.
    #[must_use]
    pub fn as_due(&self) -> pb::Due {
        pb::Due {
            due_ms: self.due.0,
            clock: self.clock.clone(),
            amber_ms: self.amber_ms,
            red_ms: self.red_ms,
            grace_ms: self.grace_ms,
            calendar_year_missing: self.calendar_year_missing,
            ..Default::default()
        }
    }

    /// The lamp it shows.
    #[must_use]
    pub fn lamp(&self, now: Moment, contact: Contact) -> Lamp {
        clock::lamp(&self.as_due(), now, contact)
    }

    /// Whether it ran out.
    #[must_use]
    pub fn is_red(&self, now: Moment) -> bool {
        self.lamp(now, Contact::Here) == Lamp::Red
    }

    /// Whether it ran out so long ago that a tier above may take the case.
    #[must_use]
    pub fn is_past_grace(&self, now: Moment) -> bool {
        now > rulebook::grace_ends(&self.as_due())
    }

    /// Reads what travelled; `None` when it names nobody.
    #[must_use]
    pub fn from_wire(running: &pb::RunningClock) -> Option<Self> {
        Some(Self {
            due: Moment(running.due_ms),
            clock: running.clock.clone(),
            place: PlaceId::from_bytes(&running.place)?,
            unit: UnitId::from_bytes(&running.unit),
            amber_ms: running.amber_ms,
            red_ms: running.red_ms,
            grace_ms: running.grace_ms,
            calendar_year_missing: running.calendar_year_missing,
        })
    }

    /// As it travels in a notice.
    #[must_use]
    pub fn to_wire(&self) -> pb::RunningClock {
        pb::RunningClock {
            clock: self.clock.clone(),
            due_ms: self.due.0,
            place: self.place.to_vec(),
            unit: self.unit.map(UnitId::to_vec).unwrap_or_default(),
            amber_ms: self.amber_ms,
            red_ms: self.red_ms,
            grace_ms: self.grace_ms,
            calendar_year_missing: self.calendar_year_missing,
        }
    }
}

impl Case {
    /// The clocks that run, the one that ends first at the head. The custodian is to decide what was overtaken by
    /// `annex_due`, which its node knows: from when on it held it.
    #[must_use]
    pub fn clocks(&self, annex_due: Option<&pb::Due>) -> Vec<Running> {
        let custodian = self.custody.custodian;
        let annex = annex_due.map(|due| Running::of(due, custodian, None));
        if self.stage().is_over() {
            return annex.into_iter().collect();
        }
        let centre =
            |due: &Option<pb::Due>| due.as_ref().map(|due| Running::of(due, custodian, None));
        let lead = self.dispatching.lead;
        let handling = self.handling.due.as_ref();
        let offer = self.custody.offer.as_ref();
        let owed = self.custody.obligations.iter().filter(|owed| !owed.replied);
        let mut clocks: Vec<Running> = [
            annex,
            centre(&self.intake.accept_due),
            centre(&self.intake.hand_over_due),
            handling.map(|due| Running::of(due, custodian, lead)),
            centre(&self.visit.due),
            offer.and_then(|offer| Some(Running::of(offer.due.as_ref()?, offer.to, None))),
        ]
        .into_iter()
        .flatten()
        .chain(owed.filter_map(|owed| Some(Running::of(owed.due.as_ref()?, owed.to, None))))
        .chain((self.convening.open()).map(|task| Running::of(&task.due, task.place, task.unit)))
        .collect();
        clocks.sort();
        clocks
    }
}

/// The clocks that run by a notice, the one that ends first at the head; those that name nobody are passed over.
#[must_use]
pub fn of_notice(notice: &pb::Notice) -> Vec<Running> {
    let running = notice.clocks.iter().filter_map(Running::from_wire);
    let mut clocks: Vec<Running> = running.collect();
    clocks.sort();
    clocks
}
