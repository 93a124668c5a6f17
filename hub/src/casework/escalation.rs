//! Escalation: push up, keep below, take, decide.

use fengqiao_proto::v1 as pb;
use pb::body::Content;

use super::{Act, Actor, Known, View, at, open, require};
use crate::case::{Case, Stage};
use crate::entry::Move;
use crate::id::PlaceId;
use crate::refusal::{Code, Refusal};

/// An unasked taking of one case by one tier is not repeated within this time.
pub const TAKING_PAUSE_MS: i64 = 24 * 3_600_000;

/// The parent of the deciding centre.
pub(crate) fn parent(view: &View<'_>) -> Result<PlaceId, Refusal> {
    view.registry
        .place(view.place)
        .and_then(|place| place.parent)
        .ok_or(Refusal::of(Code::NoParent, ""))
}

/// Offers the case to the parent; the centre goes on until the offer is answered.
///
/// # Errors
/// `ROLE_MISSING`, `FIELD_EMPTY`, `STAGE_FORBIDS`, `OFFER_OPEN`, `NO_PARENT`.
pub fn escalate(
    view: &View<'_>,
    case: &Case,
    actor: &Actor,
    reason: pb::EscalationReason,
) -> Result<Act, Refusal> {
    require(actor, &[pb::Role::Clerk, pb::Role::Leader])?;
    if reason == pb::EscalationReason::Unspecified {
        return Err(Refusal::of(Code::Empty, "reason"));
    }
    at(
        case,
        &[
            Stage::Registered,
            Stage::Accepted,
            Stage::Dispatched,
            Stage::Handling,
            Stage::InHand,
            Stage::Decided,
            Stage::Objected,
            Stage::Redo,
        ],
    )?;
    if case.offer.is_some() {
        return Err(Refusal::of(Code::OfferOpen, ""));
    }
    let parent = parent(view)?;
    Ok(Act::custody(
        Content::Escalated(pb::Escalated {
            reason: reason.into(),
            answer_due: Some(
                view.catalogue
                    .answer_due(&case.class, case.urgency, view.now)?,
            ),
        }),
        Move::Offered(parent),
    ))
}

/// The parent's answer to an offer: it stays below. Adopted by the custodian.
///
/// # Errors
/// `ROLE_MISSING`, `NO_OFFER`.
pub fn keep_below(case: &Case, actor: &Actor) -> Result<Act, Refusal> {
    require(actor, &[pb::Role::Clerk, pb::Role::Leader])?;
    let offer = case
        .offer
        .filter(|offer| offer.to == actor.place)
        .ok_or(Refusal::of(Code::NoOffer, ""))?;
    Ok(Act::custody(
        Content::KeptBelow(pb::KeptBelow {
            answering: offer.entry.to_vec(),
        }),
        Move::None,
    ))
}

/// Takes the case from below: in answer to an offer, or unasked with a reason by a leader.
///
/// # Errors
/// `ROLE_MISSING`, `FIELD_EMPTY`, `NOT_ABOVE`, `MOVE_AWAITED`, `ROOT_KEY_NEEDED`, `TAKEN_TOO_OFTEN`, `CASE_CLOSED`.
pub fn take(
    view: &View<'_>,
    known: &Known<'_>,
    actor: &Actor,
    reason: pb::TakingReason,
) -> Result<Act, Refusal> {
    let case = known.case;
    let custodian = known
        .tree
        .custody()
        .map_or(case.custodian, |custody| custody.custodian);
    if !view.registry.is_above(view.place, custodian) {
        thaws_itself(view, known, custodian)?;
    } else if !(view.registry).is_above_knowing(view.place, custodian, known.tree.way()) {
        return Err(Refusal::of(Code::MoveAwaited, ""));
    }
    // A frozen chain is thawed whatever its stage: one of the two records that stand against each other may be the closing.
    if !known.tree.is_frozen() {
        open(case)?;
    }
    let offer = case
        .offer
        .filter(|offer| offer.to == view.place && !known.tree.is_frozen());
    if let Some(offer) = offer {
        require(actor, &[pb::Role::Clerk, pb::Role::Leader])?;
        let content = Content::Taken(pb::Taken {
            reason: pb::TakingReason::Unspecified.into(),
        });
        return Ok(Act::custody(content, Move::Taken(Some(offer.entry))));
    }
    require(actor, &[pb::Role::Leader])?;
    if reason == pb::TakingReason::Unspecified {
        return Err(Refusal::of(Code::Empty, "reason"));
    }
    let too_often = case.takings.iter().any(|(place, at)| {
        *place == view.place && view.now.0.saturating_sub(at.0) < TAKING_PAUSE_MS
    });
    if too_often && !known.tree.is_frozen() {
        return Err(Refusal::of(Code::TakenTooOften, ""));
    }
    Ok(Act::custody(
        Content::Taken(pb::Taken {
            reason: reason.into(),
        }),
        Move::Taken(None),
    ))
}

/// Nobody stands above the first place: what it wrote twice it takes itself, in a generation the root key has given its
/// node since.
fn thaws_itself(view: &View<'_>, known: &Known<'_>, custodian: PlaceId) -> Result<(), Refusal> {
    let first = view.registry.root() == Some(view.place) && custodian == view.place;
    if !first || !known.tree.is_frozen() {
        return Err(Refusal::of(Code::NotAbove, ""));
    }
    let level = view
        .registry
        .place(view.place)
        .map_or(0, |place| place.level);
    let rank = known.tree.head().and_then(|head| head.rank.part(level));
    let generation = view
        .registry
        .node_of(view.place)
        .map_or(0, |node| node.generation);
    if generation > rank.map_or(1, |(taken_in, _)| taken_in) {
        return Ok(());
    }
    Err(Refusal::of(Code::RootKeyNeeded, ""))
}

/// Records the decision of a leader of the custodian.
///
/// # Errors
/// `ROLE_MISSING`, `STAGE_FORBIDS`.
pub fn decide(case: &Case, actor: &Actor) -> Result<Act, Refusal> {
    require(actor, &[pb::Role::Leader])?;
    at(
        case,
        &[
            Stage::Accepted,
            Stage::InHand,
            Stage::Handling,
            Stage::Decided,
            Stage::Redo,
            Stage::Replied,
        ],
    )?;
    Ok(Act::effect(Content::Decided(pb::Decided {})))
}
