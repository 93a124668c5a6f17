//! The clocks that run on a case: what for, until when, and who is to act before they end.
//!
//! The same for who holds the case and for who holds its notice only. Which lamp they show is for whoever looks.

use fengqiao_proto::v1 as pb;

use super::Case;
use crate::clock::Moment;
use crate::id::{PlaceId, UnitId};

/// A clock that runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Running {
    /// Until when.
    pub due: Moment,
    /// What for: accept, hand-over, handling, answer, visit, task, annex. A newer node may know others.
    pub clock: String,
    /// The centre that is to act.
    pub place: PlaceId,
    /// Its unit, where one is to act.
    pub unit: Option<UnitId>,
}

impl Running {
    fn new(clock: &str, due: Moment, place: PlaceId, unit: Option<UnitId>) -> Self {
        Self {
            due,
            clock: clock.to_owned(),
            place,
            unit,
        }
    }

    fn of(due: &pb::Due, place: PlaceId, unit: Option<UnitId>) -> Self {
        Self::new(&due.clock, Moment(due.due_ms), place, unit)
    }

    /// Reads what travelled; `None` when it names nobody.
    #[must_use]
    pub fn from_wire(running: &pb::RunningClock) -> Option<Self> {
        let place = PlaceId::from_bytes(&running.place)?;
        let unit = UnitId::from_bytes(&running.unit);
        Some(Self::new(
            &running.clock,
            Moment(running.due_ms),
            place,
            unit,
        ))
    }

    /// As it travels in a notice.
    #[must_use]
    pub fn to_wire(&self) -> pb::RunningClock {
        pb::RunningClock {
            clock: self.clock.clone(),
            due_ms: self.due.0,
            place: self.place.to_vec(),
            unit: self.unit.map(UnitId::to_vec).unwrap_or_default(),
        }
    }
}

impl Case {
    /// The clocks that run, the one that ends first at the head. The custodian is to decide what was overtaken by
    /// `annex_due`, which its node knows: from when on it held it.
    #[must_use]
    pub fn clocks(&self, annex_due: Option<Moment>) -> Vec<Running> {
        let custodian = self.custody.custodian;
        let annex = annex_due.map(|due| Running::new("annex", due, custodian, None));
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
