//! Reply: drafted by the handler, approved by a second person, sent to the dispatcher.

use fengqiao_proto::v1 as pb;
use pb::body::Content;

use super::{Act, Actor, View, at, require};
use crate::case::{Case, Stage};
use crate::entry::Move;
use crate::refusal::{Code, Refusal};

/// Drafts a reply.
///
/// # Errors
/// `NOT_HANDLER`, `STAGE_FORBIDS`.
pub fn draft(case: &Case, actor: &Actor, reasonable: bool) -> Result<Act, Refusal> {
    at(
        case,
        &[
            Stage::Accepted,
            Stage::Handling,
            Stage::InHand,
            Stage::Decided,
            Stage::Redo,
            Stage::Replied,
        ],
    )?;
    super::handling::leads(case, actor)?;
    Ok(Act::work(Content::ReplyDrafted(pb::ReplyDrafted {
        reasonable,
    })))
}

/// Approves the draft: the deputy director's gate.
///
/// # Errors
/// `ROLE_MISSING`, `SAME_PERSON`, `STAGE_FORBIDS`.
pub fn approve(case: &Case, actor: &Actor) -> Result<Act, Refusal> {
    gate(case, actor)?;
    Ok(Act::work(Content::ReplyApproved(pb::ReplyApproved {})))
}

/// Sends the draft back.
///
/// # Errors
/// `ROLE_MISSING`, `SAME_PERSON`, `STAGE_FORBIDS`.
pub fn send_back(case: &Case, actor: &Actor) -> Result<Act, Refusal> {
    gate(case, actor)?;
    Ok(Act::work(Content::ReplySentBack(pb::ReplySentBack {})))
}

fn gate(case: &Case, actor: &Actor) -> Result<(), Refusal> {
    require(actor, &[pb::Role::Approver, pb::Role::Leader])?;
    at(case, &[Stage::Drafted])?;
    if actor.person.is_some() && actor.person == case.drafted_by {
        return Err(Refusal::of(Code::SamePerson, ""));
    }
    Ok(())
}

/// Sends the approved reply: to the centre that dispatched the case, as an offer, or to this centre's own return visit.
///
/// # Errors
/// `ROLE_MISSING`, `STAGE_FORBIDS`, `NO_PARENT`.
pub fn send(view: &View<'_>, case: &Case, actor: &Actor) -> Result<Act, Refusal> {
    require(
        actor,
        &[
            pb::Role::Clerk,
            pb::Role::Handler,
            pb::Role::Approver,
            pb::Role::Leader,
        ],
    )?;
    at(case, &[Stage::Approved])?;
    let (mv, answer_due) = if case.owes_reply(view.place, view.registry) {
        let due = view
            .catalogue
            .answer_due(&case.class, case.urgency, view.now)?;
        (Move::Offered(super::escalation::parent(view)?), Some(due))
    } else {
        (Move::None, None)
    };
    Ok(Act {
        content: Content::Replied(pb::Replied { answer_due }),
        mv,
        kind_class: pb::KindClass::Effect,
    })
}
