//! Intake: register, accept, decline, answer at once.

use fengqiao_proto::v1 as pb;
use pb::body::Content;

use super::{Act, Actor, View, at, require};
use crate::case::{Case, Stage};
use crate::clock::Moment;
use crate::entry::Move;
use crate::id::Hash;
use crate::refusal::{Code, Refusal};
use crate::{name, shape};

/// Longest external number, in characters.
pub const EXTERNAL_NUMBER_CHARACTERS_MAX: usize = 64;

/// What the node adds to a registration: the number from its reserved block and the hash of the resident's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbering {
    /// Readable number.
    pub number: String,
    /// Hash of the secret code.
    pub secret_hash: Hash,
}

/// What the clerk writes down at the intake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intake<'a> {
    /// How it came in.
    pub channel: pb::Channel,
    /// Class of the catalogue.
    pub class: &'a str,
    /// How pressing it is; not said is ordinary.
    pub urgency: pb::Urgency,
    /// External number of another platform, or empty.
    pub external_number: &'a str,
    /// When the resident brought it.
    pub received: Moment,
}

/// Registers a case.
///
/// # Errors
/// `ROLE_MISSING`, `PLACE_ENDED`, `CLASS_UNKNOWN`, `NAME_AMBIGUOUS`, `FIELD_EMPTY`, `FIELD_TOO_LONG`,
/// `CONTROL_CHARACTER`, `INVISIBLE_CHARACTER`, `SCIENTIFIC_NOTATION`, `MALFORMED`, `TIME_TOO_OLD`, `TIME_IN_FUTURE`.
pub fn register(
    view: &View<'_>,
    actor: &Actor,
    intake: &Intake<'_>,
    numbering: &Numbering,
) -> Result<Act, Refusal> {
    require(actor, &[pb::Role::Clerk])?;
    if view
        .registry
        .place(view.place)
        .is_some_and(|place| place.ended.is_some())
    {
        return Err(Refusal::of(Code::PlaceEnded, ""));
    }
    let Intake {
        channel,
        class,
        urgency,
        external_number,
        received,
    } = *intake;
    let class = &view.catalogue.case_class(class)?.id;
    if channel == pb::Channel::Unspecified {
        return Err(Refusal::of(Code::Empty, "channel"));
    }
    let external_number = external_number_of(external_number)?;
    // A time left open is now, also by a clock that is years off.
    if received != view.now {
        shape::received(received, view.now, "received_ms")?;
    }
    let content = Content::Registered(pb::Registered {
        number: numbering.number.clone(),
        channel: channel.into(),
        class: class.to_owned(),
        urgency: if urgency == pb::Urgency::Unspecified {
            pb::Urgency::Ordinary
        } else {
            urgency
        }
        .into(),
        external_number,
        received_ms: received.0,
        secret_hash: numbering.secret_hash.to_vec(),
    });
    Ok(Act {
        content,
        mv: Move::None,
        kind_class: pb::KindClass::Opening,
    })
}

/// The external number as it is kept, or empty.
fn external_number_of(given: &str) -> Result<String, Refusal> {
    const FIELD: &str = "external_number";
    if given.trim().is_empty() {
        return Ok(String::new());
    }
    match shape::damage(given.trim()) {
        None => name::read(given, EXTERNAL_NUMBER_CHARACTERS_MAX, FIELD),
        Some(shape::Damage::ScientificNotation) => {
            Err(Refusal::of(Code::ScientificNotation, FIELD))
        }
        Some(
            shape::Damage::FormulaError | shape::Damage::ColumnTooNarrow | shape::Damage::Formula,
        ) => Err(Refusal::of(Code::Malformed, FIELD)),
    }
}

/// Takes the case on.
///
/// # Errors
/// `ROLE_MISSING`, `STAGE_FORBIDS`.
pub fn accept(case: &Case, actor: &Actor) -> Result<Act, Refusal> {
    require(actor, &[pb::Role::Clerk])?;
    at(case, &[Stage::Registered])?;
    Ok(Act::work(Content::Accepted(pb::Accepted {})))
}

/// Declines the case on a ground, before any dispatch.
///
/// # Errors
/// `ROLE_MISSING`, `FIELD_EMPTY`, `ALREADY_DISPATCHED`, `STAGE_FORBIDS`.
pub fn decline(case: &Case, actor: &Actor, ground: pb::DeclineGround) -> Result<Act, Refusal> {
    require(actor, &[pb::Role::Clerk])?;
    if ground == pb::DeclineGround::Unspecified {
        return Err(Refusal::of(Code::Empty, "ground"));
    }
    if case.was_dispatched {
        return Err(Refusal::of(Code::AlreadyDispatched, ""));
    }
    at(case, &[Stage::Registered, Stage::Accepted])?;
    Ok(Act::effect(Content::Declined(pb::Declined {
        ground: ground.into(),
    })))
}

/// Answers at the first contact.
///
/// # Errors
/// `ROLE_MISSING`, `ALREADY_DISPATCHED`, `STAGE_FORBIDS`.
pub fn answer_at_once(case: &Case, actor: &Actor) -> Result<Act, Refusal> {
    require(actor, &[pb::Role::Clerk])?;
    if case.was_dispatched {
        return Err(Refusal::of(Code::AlreadyDispatched, ""));
    }
    at(case, &[Stage::Registered, Stage::Accepted])?;
    Ok(Act::effect(Content::AnsweredDirectly(
        pb::AnsweredDirectly {},
    )))
}
