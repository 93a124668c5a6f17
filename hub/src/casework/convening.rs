//! Convening: one calls, many act, across departments and tiers; tasks, work on site.

use fengqiao_proto::v1 as pb;

use super::action::{Rules, Spec};
use super::authority::{CLERK_OR_LEADER, Who};
use super::context::Context;
use super::dispatching::{not_pushed_down, own_unit};
use crate::case::{Case, Task, TaskState, Written};
use crate::clock::Moment;
use crate::entry::Move;
use crate::id::{PlaceId, UnitId};
use crate::refusal::{Code, Refusal};

/// Most parties of one convening.
pub const PARTIES_MAX: usize = 32;

impl Rules for pb::Convene {
    const SPEC: Spec = Spec::new(
        "convene",
        "一方召集、多方联动",
        "Convene units here and centres below, each with a task",
        Who::Centre(CLERK_OR_LEADER),
    );

    fn judge(self, context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        if self.parties.is_empty() {
            return Err(Refusal::of(Code::Empty, "parties"));
        }
        if self.parties.len() > PARTIES_MAX {
            return Err(Refusal::of(Code::TooLong, "parties").because(PARTIES_MAX.to_string()));
        }
        let meeting = Moment(self.meeting_ms);
        let parties = (context.case.next_task()..)
            .zip(self.parties)
            .map(|(number, party)| task(context, number, party, meeting))
            .collect::<Result<Vec<_>, _>>()?;
        Ok((Self { parties, ..self }, Move::None))
    }

    fn involves(&self) -> (Vec<UnitId>, Vec<PlaceId>) {
        let units = self
            .parties
            .iter()
            .filter_map(|party| party.unit.parse().ok());
        let places = self
            .parties
            .iter()
            .filter_map(|party| party.place.parse().ok());
        (units.collect(), places.collect())
    }

    fn fold(&self, case: &mut Case, _written: &Written) {
        case.convening.convened(self);
        for task in &case.convening.tasks {
            case.custody.concerned.insert(task.place);
            case.dispatching.units.extend(task.unit);
        }
    }
}

/// A party is a place at or below the convening centre that has a node, or a unit of that centre.
fn task(
    context: &Context<'_>,
    number: u32,
    party: pb::Party,
    meeting: Moment,
) -> Result<pb::Party, Refusal> {
    const FIELD: &str = "parties.place";
    let centre = context.centre;
    let place = if party.place.is_empty() && !party.unit.is_empty() {
        centre.place
    } else {
        let place = party.place.parse::<PlaceId>();
        place.map_err(|_| Refusal::of(Code::PlaceUnknown, FIELD))?
    };
    let known = centre.registry.place(place);
    let ended = known.is_none_or(|place| place.ended.is_some());
    if ended || !centre.registry.is_within(place, centre.place) {
        return Err(Refusal::of(Code::PlaceUnknown, FIELD));
    }
    if centre.registry.node_of(place).is_none() {
        return Err(Refusal::of(Code::PlaceWithoutNode, FIELD).because(centre.registry.name(place)));
    }
    if place != centre.place {
        not_pushed_down(context, place, FIELD)?;
    }
    if !party.unit.is_empty() {
        own_unit(centre, &party.unit, "parties.unit")?;
        if place != centre.place {
            return Err(Refusal::of(Code::UnitUnknown, "parties.unit"));
        }
    }
    let start = meeting.min(centre.now);
    let due = context.hand_set("task", start, party.due_ms, "parties.due_ms")?;
    // A superior's due time that has passed keeps nobody from calling others in.
    let overdue = |outer: &pb::Due| outer.due_ms < centre.now.0;
    if !context.case.custody.outer_due().is_some_and(overdue) {
        context.not_beyond_superior(party.due_ms, "parties.due_ms")?;
    }
    Ok(pb::Party {
        place: place.to_string(),
        task: number,
        due: Some(due),
        ..party
    })
}

/// Tasks of the actor's unit, or centre.
fn own_tasks<'a>(context: &Context<'a>) -> impl Iterator<Item = &'a Task> {
    let actor = context.actor;
    let own = |task: &&Task| {
        let unit_acts = task.unit.is_none() || actor.unit == task.unit || actor.unit.is_none();
        actor.place == task.place && unit_acts
    };
    context.case.convening.tasks.iter().filter(own)
}

fn own_task<'a>(context: &Context<'a>, number: u32) -> Result<&'a Task, Refusal> {
    let mut tasks = context.case.convening.tasks.iter();
    if !tasks.any(|task| task.number == number) {
        return Err(Refusal::of(Code::TaskUnknown, "task"));
    }
    let own = own_tasks(context).find(|task| task.number == number);
    own.ok_or(Refusal::of(Code::NotHandler, "task"))
}

/// Refuses a task that has come as far.
fn before(task: &Task, state: TaskState) -> Result<(), Refusal> {
    if task.state < state {
        return Ok(());
    }
    Err(Refusal::of(Code::StageForbids, "task").because(task.state.as_str()))
}

impl Rules for pb::AcknowledgeTask {
    const SPEC: Spec = Spec::new(
        "acknowledge-task",
        "签收任务",
        "Acknowledge a task we were convened for",
        Who::Party,
    )
    .submittable();

    fn fillable(context: &Context<'_>) -> bool {
        own_tasks(context).any(|task| task.state < TaskState::Acknowledged)
    }

    fn judge(self, context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        before(own_task(context, self.task)?, TaskState::Acknowledged)?;
        let place = context.actor.place.to_string();
        Ok((Self { place, ..self }, Move::None))
    }

    fn fold(&self, case: &mut Case, _written: &Written) {
        case.convening.reaches(self.task, TaskState::Acknowledged);
    }
}

impl Rules for pb::ReportTask {
    const SPEC: Spec = Spec::new(
        "report-task",
        "任务反馈",
        "Report on a task we were convened for",
        Who::Party,
    )
    .submittable();

    fn fillable(context: &Context<'_>) -> bool {
        own_tasks(context).any(|task| task.state < TaskState::Done)
    }

    fn judge(self, context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        before(own_task(context, self.task)?, TaskState::Done)?;
        let place = context.actor.place.to_string();
        Ok((Self { place, ..self }, Move::None))
    }

    fn fold(&self, case: &mut Case, written: &Written) {
        let state = if self.done {
            TaskState::Done
        } else {
            TaskState::Reported
        };
        case.convening.reaches(self.task, state);
        case.handling.by(written.person);
    }
}

impl Rules for pb::WorkOnSite {
    const SPEC: Spec = Spec::new(
        "work-on-site",
        "现场办公",
        "Record work on site",
        Who::OnSite,
    )
    .submittable();

    fn judge(self, context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        let place = context.actor.place.to_string();
        Ok((Self { place, ..self }, Move::None))
    }

    fn fold(&self, case: &mut Case, written: &Written) {
        case.convening.site_visits += 1;
        case.handling.by(written.person);
    }
}
