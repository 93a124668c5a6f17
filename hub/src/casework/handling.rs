//! Handling: contact, action, interim report, supplement.

use fengqiao_proto::v1 as pb;
use pb::body::Content;

use super::{Act, Actor, at, open};
use crate::case::{Case, Stage};
use crate::refusal::{Code, Refusal};

const WORKING: [Stage; 6] = [
    Stage::Accepted,
    Stage::Dispatched,
    Stage::Handling,
    Stage::InHand,
    Stage::Decided,
    Stage::Redo,
];

/// Refuses unless the actor's unit leads; where no unit leads, the centre's own staff do.
pub(crate) fn leads(case: &Case, actor: &Actor) -> Result<(), Refusal> {
    let staff = actor.place == case.custodian && actor.roles.iter().any(|role| works(*role));
    let fits = match case.lead {
        Some(lead) => actor.unit == Some(lead) && actor.roles.contains(&pb::Role::Handler),
        None => actor.unit.is_none() && staff,
    };
    if fits {
        Ok(())
    } else {
        Err(Refusal::of(Code::NotHandler, ""))
    }
}

/// Refuses unless the actor's unit leads or co-handles.
pub(crate) fn handles(case: &Case, actor: &Actor) -> Result<(), Refusal> {
    let helps = actor
        .unit
        .is_some_and(|unit| case.co_handlers.contains(&unit));
    if helps && actor.roles.contains(&pb::Role::Handler) {
        Ok(())
    } else {
        leads(case, actor)
    }
}

fn works(role: pb::Role) -> bool {
    matches!(role, pb::Role::Clerk | pb::Role::Handler | pb::Role::Leader)
}

/// Records a contact with the requester.
///
/// # Errors
/// `NOT_HANDLER`, `STAGE_FORBIDS`.
pub fn contact(case: &Case, actor: &Actor, reached: bool) -> Result<Act, Refusal> {
    at(case, &WORKING)?;
    handles(case, actor)?;
    Ok(Act::work(Content::Contacted(pb::Contacted { reached })))
}

/// Records an action.
///
/// # Errors
/// `NOT_HANDLER`, `STAGE_FORBIDS`.
pub fn take_action(case: &Case, actor: &Actor) -> Result<Act, Refusal> {
    at(case, &WORKING)?;
    handles(case, actor)?;
    Ok(Act::work(Content::ActionTaken(pb::ActionTaken {})))
}

/// Gives an interim report.
///
/// # Errors
/// `NOT_HANDLER`, `STAGE_FORBIDS`.
pub fn report_interim(case: &Case, actor: &Actor) -> Result<Act, Refusal> {
    at(case, &WORKING)?;
    handles(case, actor)?;
    Ok(Act::work(Content::InterimReport(pb::InterimReport {})))
}

/// Adds what is known, by anyone who has to do with the case.
///
/// # Errors
/// `CASE_CLOSED`, `NOT_HANDLER`.
pub fn supplement(case: &Case, actor: &Actor) -> Result<Act, Refusal> {
    open(case)?;
    let unit = actor.unit.is_some_and(|unit| case.handlers.contains(&unit));
    let place = case.custodians.contains(&actor.place) || case.parties.contains(&actor.place);
    if !(unit || actor.unit.is_none() && place) {
        return Err(Refusal::of(Code::NotHandler, ""));
    }
    Ok(Act::work(Content::Supplemented(pb::Supplemented {})))
}
