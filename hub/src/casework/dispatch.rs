//! Dispatch: to a unit or a centre below, objections, returns, designation.

use fengqiao_proto::v1 as pb;
use pb::body::Content;

use super::{Act, Actor, View, at, require};
use crate::case::{Case, Stage};
use crate::clock::Moment;
use crate::entry::Move;
use crate::id::{PlaceId, UnitId};
use crate::refusal::{Code, Refusal};

/// Most co-handling units of one dispatch.
pub const CO_HANDLERS_MAX: usize = 16;

const DISPATCHABLE: [Stage; 6] = [
    Stage::Accepted,
    Stage::InHand,
    Stage::Decided,
    Stage::Redo,
    Stage::Replied,
    Stage::Handling,
];

/// Dispatches to a unit of this centre, or to a centre below, which becomes custodian.
///
/// # Errors
/// `ROLE_MISSING`, `STAGE_FORBIDS`, `OFFER_OPEN`, `UNIT_UNKNOWN`, `PLACE_UNKNOWN`, `DUTY_NOT_BELOW`,
/// `DUE_BEFORE_START`, `OUT_OF_RANGE`, `FIELD_EMPTY`.
pub fn dispatch(
    view: &View<'_>,
    case: &Case,
    actor: &Actor,
    to: (Option<UnitId>, Option<PlaceId>),
    co_handlers: &[UnitId],
    due: Option<Moment>,
) -> Result<Act, Refusal> {
    require(actor, &[pb::Role::Clerk, pb::Role::Leader])?;
    at(case, &DISPATCHABLE)?;
    if case.offer.is_some() {
        return Err(Refusal::of(Code::OfferOpen, ""));
    }
    if case.stage == Stage::Handling && case.lead.is_some() {
        return Err(Refusal::of(Code::StageForbids, "").because(case.stage.as_str()));
    }
    let due = due_of(view, case, due)?;
    match to {
        (Some(lead), None) => to_unit(view, lead, co_handlers, due),
        (None, Some(place)) => to_place(view, case, place, due),
        (None, None) | (Some(_), Some(_)) => {
            Err(Refusal::of(Code::Empty, "lead").because("lead or place, one of them"))
        }
    }
}

fn to_unit(
    view: &View<'_>,
    lead: UnitId,
    co_handlers: &[UnitId],
    due: pb::Due,
) -> Result<Act, Refusal> {
    if co_handlers.len() > CO_HANDLERS_MAX {
        return Err(Refusal::of(Code::TooLong, "co_handlers").because(CO_HANDLERS_MAX.to_string()));
    }
    own_unit(view, lead, "lead")?;
    for unit in co_handlers {
        own_unit(view, *unit, "co_handlers")?;
    }
    Ok(Act::work(Content::Dispatched(pb::Dispatched {
        lead: lead.to_vec(),
        place: Vec::new(),
        co_handlers: co_handlers.iter().map(|unit| unit.to_vec()).collect(),
        due: Some(due),
    })))
}

fn to_place(view: &View<'_>, case: &Case, place: PlaceId, due: pb::Due) -> Result<Act, Refusal> {
    let below = view
        .registry
        .place(place)
        .ok_or(Refusal::of(Code::PlaceUnknown, "place"))?;
    if !view.registry.is_above(view.place, place) || below.ended.is_some() {
        return Err(Refusal::of(Code::PlaceUnknown, "place"));
    }
    // A duty of a department is not pushed down: the catalogue says how low a class may go. Who took the case in may
    // always get its decision back.
    let lowest = view.catalogue.class(&case.class)?.level_lowest;
    if below.level > lowest && !case.custodians.contains(&place) {
        return Err(
            Refusal::of(Code::DutyNotBelow, "place").because(format!("{} > {lowest}", below.level))
        );
    }
    let content = Content::Dispatched(pb::Dispatched {
        lead: Vec::new(),
        place: place.to_vec(),
        co_handlers: Vec::new(),
        due: Some(due),
    });
    Ok(Act::custody(content, Move::Dispatched(place)))
}

fn own_unit(view: &View<'_>, unit: UnitId, field: &'static str) -> Result<(), Refusal> {
    let own = view
        .registry
        .unit(unit)
        .is_some_and(|known| known.place == view.place);
    if own {
        Ok(())
    } else {
        Err(Refusal::of(Code::UnitUnknown, field))
    }
}

/// The handling clock starts at the dispatch. A clock that a dispatch from above started goes on: a lower dispatch
/// cannot lengthen it.
fn due_of(view: &View<'_>, case: &Case, due: Option<Moment>) -> Result<pb::Due, Refusal> {
    let fresh = match due {
        Some(due) => {
            view.catalogue
                .set_due("handling", &case.class, case.urgency, view.now, due)?
        }
        None => view
            .catalogue
            .handling_due(&case.class, case.urgency, view.now)?,
    };
    let running = case
        .due
        .clone()
        .filter(|_| case.owes_reply(view.place, view.registry));
    Ok(running
        .filter(|running| running.due_ms <= fresh.due_ms)
        .unwrap_or(fresh))
}

/// The lead signs for the case, or the centre for what came from above.
///
/// # Errors
/// `NOT_HANDLER`, `STAGE_FORBIDS`.
pub fn sign_for(case: &Case, actor: &Actor) -> Result<Act, Refusal> {
    at(case, &[Stage::Dispatched])?;
    super::handling::handles(case, actor)?;
    Ok(Act::work(Content::SignedFor(pb::SignedFor {})))
}

/// The lead objects: not ours.
///
/// # Errors
/// `NOT_HANDLER`, `STAGE_FORBIDS`, `DESIGNATED`, `BOUNCE_LIMIT`, `RETURN_LATE`, `UNIT_UNKNOWN`.
pub fn object(
    view: &View<'_>,
    case: &Case,
    actor: &Actor,
    proposed: Option<UnitId>,
) -> Result<Act, Refusal> {
    at(case, &[Stage::Dispatched, Stage::Handling])?;
    if case.lead.is_none() {
        return Err(Refusal::of(Code::StageForbids, "").because(case.stage.as_str()));
    }
    super::handling::leads(case, actor)?;
    may_come_back(view, case)?;
    if let Some(unit) = proposed {
        own_unit(view, unit, "proposed_unit")?;
    }
    let proposed_unit = proposed.map(UnitId::to_vec).unwrap_or_default();
    Ok(Act::work(Content::Objected(pb::Objected { proposed_unit })))
}

fn may_come_back(view: &View<'_>, case: &Case) -> Result<(), Refusal> {
    if case.designated {
        return Err(Refusal::of(Code::Designated, ""));
    }
    let limit = view.catalogue.class(&case.class)?.returns_max;
    if case.bounces >= limit {
        return Err(Refusal::of(Code::BounceLimit, "").because(limit.to_string()));
    }
    let until = view
        .catalogue
        .return_due(&case.class, case.urgency, case.lead_since)?;
    if until.is_some_and(|until| view.now.0 > until.due_ms) {
        return Err(Refusal::of(Code::ReturnLate, ""));
    }
    Ok(())
}

/// The dispatcher decides an objection.
///
/// # Errors
/// `ROLE_MISSING`, `STAGE_FORBIDS`.
pub fn decide_objection(case: &Case, actor: &Actor, upheld: bool) -> Result<Act, Refusal> {
    require(actor, &[pb::Role::Clerk, pb::Role::Leader])?;
    at(case, &[Stage::Objected])?;
    if actor.unit.is_some() && actor.unit == case.lead {
        return Err(Refusal::of(Code::NotHandler, ""));
    }
    Ok(Act::work(Content::ObjectionDecided(pb::ObjectionDecided {
        upheld,
    })))
}

/// Designates a unit, which cannot object.
///
/// # Errors
/// `ROLE_MISSING`, `STAGE_FORBIDS`, `UNIT_UNKNOWN`, `DUE_BEFORE_START`.
pub fn designate(
    view: &View<'_>,
    case: &Case,
    actor: &Actor,
    unit: UnitId,
    due: Option<Moment>,
) -> Result<Act, Refusal> {
    require(actor, &[pb::Role::Leader])?;
    at(
        case,
        &[
            Stage::Accepted,
            Stage::InHand,
            Stage::Objected,
            Stage::Decided,
            Stage::Redo,
        ],
    )?;
    own_unit(view, unit, "unit")?;
    let due = due_of(view, case, due)?;
    Ok(Act::work(Content::Designated(pb::Designated {
        unit: unit.to_vec(),
        due: Some(due),
    })))
}

/// A lower centre offers a dispatched case back: not ours.
///
/// # Errors
/// `ROLE_MISSING`, `NOT_DISPATCHED_DOWN`, `OFFER_OPEN`, `STAGE_FORBIDS`, `BOUNCE_LIMIT`, `RETURN_LATE`, `NO_PARENT`.
pub fn give_back(
    view: &View<'_>,
    case: &Case,
    actor: &Actor,
    proposed: Option<PlaceId>,
) -> Result<Act, Refusal> {
    require(actor, &[pb::Role::Clerk, pb::Role::Leader])?;
    if !case.owes_reply(view.place, view.registry) {
        return Err(Refusal::of(Code::NotDispatchedDown, ""));
    }
    at(case, &[Stage::Dispatched, Stage::Handling, Stage::Accepted])?;
    if case.offer.is_some() {
        return Err(Refusal::of(Code::OfferOpen, ""));
    }
    may_come_back(view, case)?;
    let parent = super::escalation::parent(view)?;
    let returned = pb::Returned {
        proposed_place: proposed.map(PlaceId::to_vec).unwrap_or_default(),
        answer_due: Some(
            view.catalogue
                .answer_due(&case.class, case.urgency, view.now)?,
        ),
    };
    Ok(Act::custody(
        Content::Returned(returned),
        Move::Offered(parent),
    ))
}
