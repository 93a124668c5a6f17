//! What the requester says of the result, and how the case ended.

use fengqiao_proto::v1 as pb;

use crate::id::PersonId;

/// Scores up to this one say that the requester is dissatisfied.
const DISSATISFIED_SCORE_MAX: u32 = 2;

/// A return visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visited {
    /// The requester was reached.
    pub reached: bool,
    /// The demand is reasonable in the visitor's view.
    pub reasonable: bool,
    /// What the requester says.
    pub satisfaction: pb::Satisfaction,
    /// Who visited.
    pub by: Option<PersonId>,
}

/// A rating.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rating {
    /// 1 to 5.
    pub score: u32,
    /// How it was obtained.
    pub source: pb::RatingSource,
}

/// What comes after the reply.
#[derive(Debug, Clone, Default)]
pub struct Visit {
    /// Clock of the return visit, while it runs.
    pub due: Option<pb::Due>,
    /// The last return visit.
    pub visited: Option<Visited>,
    /// Rating.
    pub rating: Option<Rating>,
    /// The work is to be done again.
    pub redo: bool,
    /// A leader refused the redo.
    pub redo_refused: bool,
    /// How it ended.
    pub outcome: pb::Outcome,
    /// It is closed.
    pub closed: bool,
}

impl Visit {
    /// The work goes on: what the requester said of an earlier reply is no verdict on the next.
    pub(crate) fn begins_anew(&mut self) {
        self.due = None;
        self.visited = None;
        self.rating = None;
        self.redo = false;
        self.redo_refused = false;
    }

    fn scored_low(&self) -> bool {
        let rating = self.rating;
        rating.is_some_and(|rating| rating.score <= DISSATISFIED_SCORE_MAX)
    }

    /// The requester was reached and is satisfied.
    #[must_use]
    pub fn is_satisfied(&self) -> bool {
        let satisfied = pb::Satisfaction::Satisfied;
        self.visited
            .is_some_and(|visited| visited.reached && visited.satisfaction == satisfied)
            && !self.scored_low()
    }

    /// A reasonable demand whose requester is dissatisfied: the work is owed again, unless a leader refused it.
    #[must_use]
    pub fn owes_redo(&self) -> bool {
        let dissatisfied = pb::Satisfaction::Dissatisfied;
        self.visited.is_some_and(|visited| {
            visited.reasonable && (visited.satisfaction == dissatisfied || self.scored_low())
        }) && !self.redo_refused
    }
}
