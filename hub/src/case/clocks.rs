//! The clocks that run on a case: what for, until when, and who is to act before they end.
//!
//! The same for who holds the case and for who holds its notice only. Which lamp they show is for whoever looks.

use fengqiao_proto::v1 as pb;

use super::Case;
use crate::clock::Moment;
use crate::custody::Tree;
use crate::id::{Hash, PlaceId, UnitId};

/// What a clock is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Clock {
    /// The case is to be handled.
    Handling,
    /// The parent is to answer an offer (PROTOCOL.md 7).
    Answer,
    /// What was overtaken is to be adopted or declined (PROTOCOL.md 10).
    Annex,
}

impl Clock {
    /// Stable word, as in the entries that start it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Handling => "handling",
            Self::Answer => "answer",
            Self::Annex => "annex",
        }
    }
}

/// A clock that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    /// Until when.
    pub due: Moment,
    /// What for.
    pub clock: Clock,
    /// The centre that is to act.
    pub place: PlaceId,
    /// Its unit, for the handling.
    pub unit: Option<UnitId>,
}

impl Case {
    /// The clocks that run, the one that ends first at the head. The custodian is to decide what was overtaken by
    /// `annex_due`, which its node knows: from when on it held it.
    #[must_use]
    pub fn clocks(&self, annex_due: Option<Moment>) -> Vec<Running> {
        let custodian = self.custodian;
        let answer = self.offer.and_then(|offer| Some((offer.due?, offer.to)));
        running(self.due_at(), (custodian, self.lead), answer, annex_due)
    }

    /// Entries that were overtaken and neither adopted nor declined.
    #[must_use]
    pub fn annex_open(&self, tree: &Tree) -> Vec<Hash> {
        let mut annex = tree.annex();
        annex.retain(|entry| !self.annex_decided.contains_key(entry));
        annex
    }
}

/// The clocks that run by a notice, the one that ends first at the head.
#[must_use]
pub fn of_notice(notice: &pb::Notice) -> Vec<Running> {
    let Some(custodian) = PlaceId::from_bytes(&notice.custodian) else {
        return Vec::new();
    };
    let moment = |ms: i64| (ms != 0).then_some(Moment(ms));
    let answer = moment(notice.answer_due_ms).zip(PlaceId::from_bytes(&notice.offered_to));
    running(
        moment(notice.due_ms),
        (custodian, UnitId::from_bytes(&notice.lead)),
        answer,
        moment(notice.annex_due_ms),
    )
}

fn running(
    handling: Option<Moment>,
    (custodian, lead): (PlaceId, Option<UnitId>),
    answer: Option<(Moment, PlaceId)>,
    annex: Option<Moment>,
) -> Vec<Running> {
    let clock = |clock, place, unit, due| Running {
        due,
        clock,
        place,
        unit,
    };
    let handling = handling.map(|due| clock(Clock::Handling, custodian, lead, due));
    let answer = answer.map(|(due, asked)| clock(Clock::Answer, asked, None, due));
    let annex = annex.map(|due| clock(Clock::Annex, custodian, None, due));
    let mut clocks: Vec<Running> = [handling, answer, annex].into_iter().flatten().collect();
    clocks.sort_by_key(|running| (running.due, running.clock));
    clocks
}
