//! Who may: role, unit, side and person, in one place.
//!
//! A centre's own staff intake, dispatch, visit and close; a unit's people handle what their unit was given; nobody
//! judges work in which they had a hand. Whether the case stands where the action is possible is the action's to say.

use fengqiao_proto::v1 as pb;
use pb::Role;

use super::context::{Actor, Context};
use crate::case::Case;
use crate::id::PlaceId;
use crate::refusal::{Code, Refusal};

/// Who may do an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The custodian's own staff, no unit's, with one of these roles.
    Centre(&'static [Role]),
    /// Handlers of the lead unit; where no unit leads, the centre's own staff.
    Lead,
    /// As the lead, or handlers of a co-handling unit.
    Handlers,
    /// Approvers and leaders of the lead unit or of the centre, not who drafted the reply.
    Approvers,
    /// Whoever works for the lead unit or the centre.
    Senders,
    /// The dispatching side's own staff with one of these roles, who had no hand in the work.
    Judges(&'static [Role]),
    /// The centre that an open offer asks.
    Asked,
    /// A centre above the custodian; by which role depends on what it takes.
    Above,
    /// A convened party; which task is the action's to say.
    Party,
    /// The custodian's own staff and the units it gave the case to, or a convened party's people.
    OnSite,
    /// Anybody whose centre or unit has to do with the case.
    Concerned,
}

/// Clerks and leaders.
pub(crate) const CLERK_OR_LEADER: &[Role] = &[Role::Clerk, Role::Leader];

const WORKING: &[Role] = &[Role::Clerk, Role::Handler, Role::Leader];
const APPROVING: &[Role] = &[Role::Approver, Role::Leader];
/// Whoever does casework at all.
const CASEWORK: &[Role] = &[Role::Clerk, Role::Handler, Role::Approver, Role::Leader];

/// Refuses unless the actor may do what only `who` may.
///
/// # Errors
/// `ROLE_MISSING`, `NOT_HANDLER`, `NOT_CENTRE_STAFF`, `SAME_PERSON`, `OWN_WORK`, `NO_OFFER`, `NOT_ABOVE`.
pub fn authority(who: Who, context: &Context<'_>) -> Result<(), Refusal> {
    let (case, actor) = (context.case, context.actor);
    match who {
        Who::Centre(roles) => centre(case, actor, roles),
        Who::Lead => leads(case, actor),
        Who::Handlers => handles(case, actor),
        Who::Approvers => {
            works_for_lead(case, actor, APPROVING)?;
            let drafted = case.reply.draft.and_then(|draft| draft.by);
            refuse(
                drafted.is_some() && drafted == actor.person,
                Code::SamePerson,
            )
        }
        Who::Senders => works_for_lead(case, actor, CASEWORK),
        Who::Judges(roles) => {
            centre(case, actor, roles)?;
            had_no_hand(case, actor)
        }
        Who::Asked => {
            let asked = case.custody.offer.as_ref().map(|offer| offer.to);
            refuse(asked != Some(actor.place), Code::NoOffer)?;
            staff(actor, CLERK_OR_LEADER)
        }
        Who::Above => refuse(actor.unit.is_some(), Code::NotCentreStaff),
        Who::Party => {
            let convened = |place: PlaceId| place == actor.place;
            let party = case.convening.tasks.iter().any(|task| convened(task.place));
            refuse(!party, Code::NotHandler)?;
            require(actor, CASEWORK)
        }
        Who::OnSite => {
            let custodians = match actor.unit {
                Some(unit) => case.dispatching.units.contains(&unit),
                None => actor.place == case.custody.custodian,
            };
            let convened = |place: PlaceId| place == actor.place && place != case.custody.custodian;
            let party = case.convening.tasks.iter().any(|task| convened(task.place));
            refuse(!custodians && !party, Code::NotHandler)?;
            require(actor, CASEWORK)
        }
        Who::Concerned => {
            refuse(!is_concerned(case, actor), Code::NotHandler)?;
            require(actor, CASEWORK)
        }
    }
}

/// Whether the actor's unit, or centre, has or had to do with the case.
#[must_use]
pub fn is_concerned(case: &Case, actor: &Actor) -> bool {
    match actor.unit {
        Some(unit) => case.dispatching.units.contains(&unit),
        None => {
            case.custody.custodians.contains(&actor.place)
                || case.custody.concerned.contains(&actor.place)
        }
    }
}

fn refuse(when: bool, code: Code) -> Result<(), Refusal> {
    if when {
        Err(Refusal::of(code, ""))
    } else {
        Ok(())
    }
}

/// Refuses unless the actor has one of the roles. A rule has none.
pub(crate) fn require(actor: &Actor, roles: &[Role]) -> Result<(), Refusal> {
    if roles.iter().any(|role| actor.roles.contains(role)) {
        return Ok(());
    }
    let names: Vec<&str> = roles.iter().map(|role| role_name(*role)).collect();
    Err(Refusal::of(Code::RoleMissing, "").because(names.join(" | ")))
}

fn staff(actor: &Actor, roles: &[Role]) -> Result<(), Refusal> {
    refuse(actor.unit.is_some(), Code::NotCentreStaff)?;
    require(actor, roles)
}

fn centre(case: &Case, actor: &Actor, roles: &[Role]) -> Result<(), Refusal> {
    refuse(actor.place != case.custody.custodian, Code::NotCentreStaff)?;
    staff(actor, roles)
}

fn leads(case: &Case, actor: &Actor) -> Result<(), Refusal> {
    let fits = match case.dispatching.lead {
        Some(lead) => actor.unit == Some(lead) && actor.roles.contains(&Role::Handler),
        None => {
            actor.unit.is_none()
                && actor.place == case.custody.custodian
                && WORKING.iter().any(|role| actor.roles.contains(role))
        }
    };
    refuse(!fits, Code::NotHandler)
}

fn handles(case: &Case, actor: &Actor) -> Result<(), Refusal> {
    let helps = actor
        .unit
        .is_some_and(|unit| case.dispatching.co_handlers.contains(&unit));
    if helps && actor.roles.contains(&Role::Handler) {
        return Ok(());
    }
    leads(case, actor)
}

/// The lead unit's people, or the centre's own; never another unit's.
fn works_for_lead(case: &Case, actor: &Actor, roles: &[Role]) -> Result<(), Refusal> {
    let other = actor.unit.is_some() && actor.unit != case.dispatching.lead;
    refuse(
        other || actor.place != case.custody.custodian,
        Code::NotHandler,
    )?;
    require(actor, roles)
}

/// Refuses who worked on the case, drafted, approved or sent its reply, or answered it at the first contact.
pub(crate) fn had_no_hand(case: &Case, actor: &Actor) -> Result<(), Refusal> {
    let Some(person) = actor.person else {
        return Ok(());
    };
    let answered = case.intake.answered == Some(Some(person));
    refuse(
        answered || case.handling.hands.contains(&person),
        Code::OwnWork,
    )
}

/// The word for a role on the command line and in refusals.
#[must_use]
pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::Unspecified => "none",
        Role::Clerk => "clerk",
        Role::Handler => "handler",
        Role::Approver => "approver",
        Role::Leader => "leader",
        Role::Administrator => "administrator",
    }
}
