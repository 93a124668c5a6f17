//! Return visit, rating, redo, closing: by the dispatching side, never by who handled.

use fengqiao_proto::v1 as pb;
use pb::{KindClass, Outcome, Role};

use super::action::{Rules, Spec};
use super::authority::{CLERK_OR_LEADER, Who};
use super::context::Context;
use crate::case::{Case, Rating, Reply, Stage, Visited, Written};
use crate::entry::Move;
use crate::refusal::{Code, Refusal};

/// Whoever owes a reply above never visits, rates or closes: the dispatcher does.
fn owes_nobody(context: &Context<'_>) -> Result<(), Refusal> {
    context.no_offer()?;
    if context.case.owes_reply(context.centre.place) {
        return Err(Refusal::of(Code::ReplyOwed, ""));
    }
    Ok(())
}

impl Rules for pb::ReturnVisit {
    const SPEC: Spec = Spec::new(
        "return-visit",
        "回访",
        "Record that the requester was asked after the reply",
        Who::Judges(&[Role::Clerk]),
    )
    .from(&[Stage::Replied, Stage::Answered, Stage::Visited]);

    /// A requester who was not reached is called again.
    fn ready(context: &Context<'_>) -> Result<(), Refusal> {
        owes_nobody(context)?;
        let visited = context.case.visit.visited;
        if visited.is_some_and(|visited| visited.reached) {
            return Err(Refusal::of(Code::StageForbids, "").because(Stage::Visited.as_str()));
        }
        Ok(())
    }

    fn judge(self, _context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        let said = self.satisfaction() != pb::Satisfaction::Unspecified;
        if said && !self.reached {
            return Err(Refusal::of(Code::OutOfRange, "satisfaction").because("reached"));
        }
        Ok((self, Move::None))
    }

    fn fold(&self, case: &mut Case, written: &Written) {
        if self.reached {
            case.visit.due = None;
        }
        case.visit.redo_refused = false;
        case.visit.visited = Some(Visited {
            reached: self.reached,
            reasonable: self.reasonable,
            satisfaction: self.satisfaction(),
            by: written.person,
        });
    }
}

impl Rules for pb::Rate {
    const SPEC: Spec = Spec::new(
        "rate",
        "群众评价",
        "Record the requester's rating, once",
        Who::Judges(&[Role::Clerk]),
    )
    .from(&[Stage::Replied, Stage::Visited, Stage::Closed]);

    fn ready(context: &Context<'_>) -> Result<(), Refusal> {
        owes_nobody(context)?;
        if context.case.visit.rating.is_some() {
            return Err(Refusal::of(Code::AlreadyRated, ""));
        }
        Ok(())
    }

    fn judge(self, context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        if !(1..=5).contains(&self.score) {
            return Err(Refusal::of(Code::OutOfRange, "score").because("1-5"));
        }
        match self.source() {
            pb::RatingSource::Unspecified => return Err(Refusal::of(Code::Empty, "source")),
            // The requester's own code acts without a person of the centre.
            pb::RatingSource::OwnCode if context.actor.person.is_some() => {
                return Err(Refusal::of(Code::OutOfRange, "source").because("own-code"));
            }
            pb::RatingSource::OwnCode
            | pb::RatingSource::Phone
            | pb::RatingSource::InPerson
            | pb::RatingSource::Paper => {}
        }
        Ok((self, Move::None))
    }

    fn fold(&self, case: &mut Case, _written: &Written) {
        case.visit.rating = Some(Rating {
            score: self.score,
            source: self.source(),
        });
    }
}

impl Rules for pb::OrderRedo {
    const SPEC: Spec = Spec::new(
        "order-redo",
        "重办",
        "Have the work done again",
        Who::Judges(CLERK_OR_LEADER),
    )
    .from(&[Stage::Visited]);

    fn ready(context: &Context<'_>) -> Result<(), Refusal> {
        owes_nobody(context)
    }

    fn judge(self, context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        let hand_over_due = Some(context.hand_over_due()?);
        Ok((
            Self {
                hand_over_due,
                ..self
            },
            Move::None,
        ))
    }

    fn fold(&self, case: &mut Case, _written: &Written) {
        case.dispatching.leaves_the_lead();
        case.reply = Reply::default();
        case.visit.begins_anew();
        case.visit.redo = true;
        case.decided = false;
        case.handling.due = None;
        case.intake.await_hand_over(self.hand_over_due.as_ref());
    }
}

impl Rules for pb::RefuseRedo {
    const SPEC: Spec = Spec::new(
        "refuse-redo",
        "不予重办",
        "Refuse the redo that a dissatisfied requester is owed",
        Who::Judges(&[Role::Leader]),
    )
    .from(&[Stage::Visited])
    .class(KindClass::Effect);

    fn ready(context: &Context<'_>) -> Result<(), Refusal> {
        owes_nobody(context)?;
        if !context.case.visit.owes_redo() {
            return Err(Refusal::of(Code::NoRedoOwed, ""));
        }
        Ok(())
    }

    fn judge(self, _context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        Ok((self, Move::None))
    }

    fn fold(&self, case: &mut Case, _written: &Written) {
        case.visit.redo_refused = true;
    }
}

impl Rules for pb::Close {
    const SPEC: Spec = Spec::new(
        "close",
        "办结",
        "Close the case with its outcome",
        Who::Centre(CLERK_OR_LEADER),
    )
    .from(&[Stage::Visited, Stage::Answered])
    .class(KindClass::Effect);

    fn ready(context: &Context<'_>) -> Result<(), Refusal> {
        owes_nobody(context)?;
        let case = context.case;
        let person = context.actor.person;
        // Who answered at once may close what it explained; who worked on a case never closes it.
        if person.is_some_and(|person| case.handling.hands.contains(&person)) {
            return Err(Refusal::of(Code::OwnWork, ""));
        }
        if case.convening.open().next().is_some() {
            return Err(Refusal::of(Code::TaskOpen, ""));
        }
        if !case.annex_open(context.tree).is_empty() {
            return Err(Refusal::of(Code::AnnexOpen, ""));
        }
        if case.visit.owes_redo() {
            return Err(Refusal::of(Code::RedoOwed, ""));
        }
        Ok(())
    }

    fn judge(self, context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        const FIELD: &str = "outcome";
        let verdict = matches!(
            self.outcome(),
            Outcome::Solved | Outcome::PartlySolved | Outcome::UnreasonableExplained
        );
        match self.outcome() {
            Outcome::Unspecified => return Err(Refusal::of(Code::Empty, FIELD)),
            Outcome::Solved => is_solved(context)?,
            Outcome::PartlySolved
            | Outcome::Explained
            | Outcome::UnreasonableExplained
            | Outcome::Withdrawn
            | Outcome::Referred => {}
        }
        let answered = context.case.intake.answered.flatten();
        if verdict && answered.is_some() && answered == context.actor.person {
            return Err(Refusal::of(Code::OwnWork, FIELD));
        }
        Ok((self, Move::None))
    }

    fn fold(&self, case: &mut Case, _written: &Written) {
        case.visit.closed = true;
        case.visit.outcome = self.outcome();
    }
}

/// Solved is what a reached and satisfied requester says; otherwise a second person says so and why.
fn is_solved(context: &Context<'_>) -> Result<(), Refusal> {
    if context.case.visit.is_satisfied() {
        return Ok(());
    }
    let visited = context.case.visit.visited.and_then(|visited| visited.by);
    if visited.is_some() && visited == context.actor.person {
        return Err(Refusal::of(Code::SecondPersonNeeded, "outcome"));
    }
    if context.has_text("reason") {
        return Ok(());
    }
    Err(Refusal::of(Code::SatisfactionNeeded, "outcome"))
}
