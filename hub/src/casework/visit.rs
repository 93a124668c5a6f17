//! Return visit, rating, redo, closing; and what is done with annex entries.

use fengqiao_proto::v1 as pb;
use pb::body::Content;

use super::{Act, Actor, Known, View, at, open, require};
use crate::case::{Case, Stage, TaskState};
use crate::entry::Move;
use crate::id::Hash;
use crate::refusal::{Code, Refusal};

/// The dispatching side asks the requester; never the handler.
///
/// # Errors
/// `ROLE_MISSING`, `NOT_HANDLER`, `STAGE_FORBIDS`, `OFFER_OPEN`.
pub fn return_visit(
    case: &Case,
    actor: &Actor,
    reached: bool,
    reasonable: bool,
) -> Result<Act, Refusal> {
    require(actor, &[pb::Role::Clerk])?;
    at(case, &[Stage::Replied, Stage::Answered])?;
    if case.offer.is_some() {
        return Err(Refusal::of(Code::OfferOpen, ""));
    }
    not_handler(case, actor)?;
    Ok(Act::work(Content::ReturnVisited(pb::ReturnVisited {
        reached,
        reasonable,
    })))
}

/// Who handles never writes the verdict on it.
fn not_handler(case: &Case, actor: &Actor) -> Result<(), Refusal> {
    let handles = |unit| case.lead == Some(unit) || case.co_handlers.contains(&unit);
    if actor.unit.is_some_and(handles) {
        return Err(Refusal::of(Code::NotHandler, ""));
    }
    Ok(())
}

/// Records the requester's rating, at a centre that has to do with the case; never by a unit that handles it.
///
/// # Errors
/// `OUT_OF_RANGE`, `STAGE_FORBIDS`, `CASE_CLOSED`, `NOT_HANDLER`.
pub fn rate(case: &Case, actor: &Actor, score: u32) -> Result<Act, Refusal> {
    if !(1..=5).contains(&score) {
        return Err(Refusal::of(Code::OutOfRange, "score").because("1-5"));
    }
    at(case, &[Stage::Visited, Stage::Replied, Stage::Closed])?;
    if case.stage == Stage::Closed && case.rating.is_some() {
        return Err(Refusal::of(Code::CaseClosed, ""));
    }
    not_handler(case, actor)?;
    if !case.custodians.contains(&actor.place) && !case.parties.contains(&actor.place) {
        return Err(Refusal::of(Code::NotHandler, ""));
    }
    Ok(Act::work(Content::Rated(pb::Rated { score })))
}

/// Orders the work to be done again.
///
/// # Errors
/// `ROLE_MISSING`, `STAGE_FORBIDS`.
pub fn order_redo(case: &Case, actor: &Actor) -> Result<Act, Refusal> {
    require(actor, &[pb::Role::Clerk, pb::Role::Leader])?;
    at(case, &[Stage::Visited])?;
    Ok(Act::work(Content::RedoOrdered(pb::RedoOrdered {})))
}

/// Closes the case with its outcome. "Not ours" is no outcome.
///
/// # Errors
/// `ROLE_MISSING`, `FIELD_EMPTY`, `STAGE_FORBIDS`, `REPLY_OWED`, `TASK_OPEN`, `ANNEX_OPEN`.
pub fn close(
    view: &View<'_>,
    known: &Known<'_>,
    actor: &Actor,
    outcome: pb::Outcome,
) -> Result<Act, Refusal> {
    require(actor, &[pb::Role::Clerk, pb::Role::Leader])?;
    let case = known.case;
    if outcome == pb::Outcome::Unspecified {
        return Err(Refusal::of(Code::Empty, "outcome"));
    }
    open(case)?;
    if case.owes_reply(view.place, view.registry) {
        return Err(Refusal::of(Code::ReplyOwed, ""));
    }
    at(case, &[Stage::Visited, Stage::Answered])?;
    if case.tasks.iter().any(|task| task.state < TaskState::Done) {
        return Err(Refusal::of(Code::TaskOpen, ""));
    }
    if !case.annex_open(known.tree).is_empty() {
        return Err(Refusal::of(Code::AnnexOpen, ""));
    }
    Ok(Act::effect(Content::Closed(pb::Closed {
        outcome: outcome.into(),
    })))
}

/// Adopts an annex entry by reference, or declines it; in a closed case too, for what a dark node hands in late.
///
/// # Errors
/// `ROLE_MISSING`, `ANNEX_UNKNOWN`, `ANNEX_DECIDED`.
pub fn decide_annex(
    known: &Known<'_>,
    actor: &Actor,
    entry: Hash,
    adopted: bool,
) -> Result<Act, Refusal> {
    require(actor, &[pb::Role::Clerk, pb::Role::Leader])?;
    if !known.tree.annex().contains(&entry) {
        return Err(Refusal::of(Code::AnnexUnknown, "entry"));
    }
    if known.case.annex_decided.contains_key(&entry) {
        return Err(Refusal::of(Code::AnnexDecided, "entry"));
    }
    let entry = entry.to_vec();
    let content = if adopted {
        Content::AnnexAdopted(pb::AnnexAdopted { entry })
    } else {
        Content::AnnexDeclined(pb::AnnexDeclined { entry })
    };
    Ok(Act {
        content,
        mv: Move::None,
        kind_class: pb::KindClass::Annex,
    })
}
