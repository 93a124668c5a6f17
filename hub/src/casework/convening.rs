//! Convening: one calls, many act, across departments and tiers; tasks, work on site.

use fengqiao_proto::v1 as pb;
use pb::body::Content;

use super::{Act, Actor, Party, View, open, require};
use crate::case::{Case, Task, TaskState};
use crate::clock::Moment;
use crate::refusal::{Code, Refusal};

/// Most parties of one convening.
pub const PARTIES_MAX: usize = 32;

/// Convenes parties with tasks of their own.
///
/// # Errors
/// `ROLE_MISSING`, `CASE_CLOSED`, `FIELD_EMPTY`, `FIELD_TOO_LONG`, `PLACE_UNKNOWN`, `UNIT_UNKNOWN`, `DUE_BEFORE_START`.
pub fn convene(
    view: &View<'_>,
    case: &Case,
    actor: &Actor,
    meeting: Moment,
    parties: &[Party],
) -> Result<Act, Refusal> {
    require(actor, &[pb::Role::Clerk, pb::Role::Leader])?;
    open(case)?;
    if parties.is_empty() {
        return Err(Refusal::of(Code::Empty, "parties"));
    }
    if parties.len() > PARTIES_MAX {
        return Err(Refusal::of(Code::TooLong, "parties").because(PARTIES_MAX.to_string()));
    }
    let first = u32::try_from(case.tasks.len())
        .unwrap_or(u32::MAX)
        .saturating_add(1);
    let tasks = (first..)
        .zip(parties)
        .map(|(number, party)| task(view, case, number, party, meeting))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Act::work(Content::Convened(pb::Convened {
        meeting_ms: meeting.0,
        tasks,
    })))
}

fn task(
    view: &View<'_>,
    case: &Case,
    number: u32,
    party: &Party,
    meeting: Moment,
) -> Result<pb::ConvenedTask, Refusal> {
    if !view.registry.is_within(party.place, view.place) {
        return Err(Refusal::of(Code::PlaceUnknown, "parties.place"));
    }
    if let Some(unit) = party.unit {
        let own = view
            .registry
            .unit(unit)
            .is_some_and(|known| known.place == party.place);
        if !own || party.place != view.place {
            return Err(Refusal::of(Code::UnitUnknown, "parties.unit"));
        }
    }
    let start = meeting.min(view.now);
    Ok(pb::ConvenedTask {
        task: number,
        place: party.place.to_vec(),
        unit: party
            .unit
            .map(crate::id::UnitId::to_vec)
            .unwrap_or_default(),
        due: Some(
            view.catalogue
                .set_due("task", &case.class, case.urgency, start, party.due)?,
        ),
    })
}

fn own_task<'a>(case: &'a Case, actor: &Actor, number: u32) -> Result<&'a Task, Refusal> {
    let task = case.tasks.iter().find(|task| task.number == number);
    let task = task.ok_or(Refusal::of(Code::TaskUnknown, "task"))?;
    let unit_acts = task.unit.is_none() || actor.unit == task.unit || actor.unit.is_none();
    if actor.place == task.place && unit_acts {
        Ok(task)
    } else {
        Err(Refusal::of(Code::NotHandler, "task"))
    }
}

/// A party has read its task.
///
/// # Errors
/// `TASK_UNKNOWN`, `NOT_HANDLER`, `CASE_CLOSED`.
pub fn acknowledge(case: &Case, actor: &Actor, number: u32) -> Result<Act, Refusal> {
    open(case)?;
    own_task(case, actor, number)?;
    let place = actor.place.to_vec();
    Ok(Act::work(Content::TaskAcknowledged(pb::TaskAcknowledged {
        task: number,
        place,
    })))
}

/// A party reports on its task.
///
/// # Errors
/// `TASK_UNKNOWN`, `NOT_HANDLER`, `CASE_CLOSED`, `STAGE_FORBIDS` when the task is done.
pub fn report(case: &Case, actor: &Actor, number: u32, done: bool) -> Result<Act, Refusal> {
    open(case)?;
    if own_task(case, actor, number)?.state == TaskState::Done {
        return Err(Refusal::of(Code::StageForbids, "task").because(TaskState::Done.as_str()));
    }
    let place = actor.place.to_vec();
    Ok(Act::work(Content::TaskReported(pb::TaskReported {
        task: number,
        place,
        done,
    })))
}

/// Records work on site, by the custodian or a convened party.
///
/// # Errors
/// `NOT_HANDLER`, `CASE_CLOSED`.
pub fn work_on_site(case: &Case, actor: &Actor, worked: Moment) -> Result<Act, Refusal> {
    open(case)?;
    if actor.place != case.custodian && !case.parties.contains(&actor.place) {
        return Err(Refusal::of(Code::NotHandler, ""));
    }
    let place = actor.place.to_vec();
    Ok(Act::work(Content::WorkedOnSite(pb::WorkedOnSite {
        worked_ms: worked.0,
        place,
    })))
}
