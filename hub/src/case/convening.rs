//! Convened tasks and work on site.

use fengqiao_proto::v1 as pb;

use crate::clock::Moment;
use crate::id::{PlaceId, UnitId};

/// State of a convened task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskState {
    /// Given.
    Open,
    /// Read.
    Acknowledged,
    /// Reported on.
    Reported,
    /// Done.
    Done,
}

impl TaskState {
    /// Stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Reported => "reported",
            Self::Done => "done",
        }
    }

    /// The field's word.
    #[must_use]
    pub fn chinese(self) -> &'static str {
        match self {
            Self::Open => "待签收",
            Self::Acknowledged => "已签收",
            Self::Reported => "已反馈",
            Self::Done => "已完成",
        }
    }
}

/// A task of a convened party.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Number in the case, from 1.
    pub number: u32,
    /// Place convened.
    pub place: PlaceId,
    /// Unit of the convening centre, when one of its own.
    pub unit: Option<UnitId>,
    /// When it is due.
    pub due: pb::Due,
    /// State.
    pub state: TaskState,
}

/// What was convened.
#[derive(Debug, Clone, Default)]
pub struct Convening {
    /// Tasks, by number.
    pub tasks: Vec<Task>,
    /// Times work was recorded on site.
    pub site_visits: u32,
}

impl Convening {
    /// Tasks that an entry gives; the meeting is the due time of one that names none.
    pub(crate) fn convened(&mut self, convene: &pb::Convene) {
        for party in &convene.parties {
            let Ok(place) = party.place.parse() else {
                continue;
            };
            let due = party.due.clone().unwrap_or(pb::Due {
                due_ms: convene.meeting_ms,
                clock: "task".to_owned(),
                ..Default::default()
            });
            self.tasks.push(Task {
                number: party.task,
                place,
                unit: party.unit.parse().ok(),
                due,
                state: TaskState::Open,
            });
        }
    }

    pub(crate) fn reaches(&mut self, number: u32, state: TaskState) {
        if let Some(task) = self.tasks.iter_mut().find(|task| task.number == number) {
            task.state = task.state.max(state);
        }
    }

    /// Tasks not done.
    pub fn open(&self) -> impl Iterator<Item = &Task> {
        self.tasks
            .iter()
            .filter(|task| task.state < TaskState::Done)
    }

    /// When a task is due.
    #[must_use]
    pub fn due_at(task: &Task) -> Moment {
        Moment(task.due.due_ms)
    }
}
