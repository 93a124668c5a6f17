//! Handling: contact, action, interim report, supplement.

use fengqiao_proto::v1 as pb;

use super::action::{Rules, Spec};
use super::authority::Who;
use super::context::Context;
use super::dispatching::no_return_passes;
use crate::case::{Case, Stage, Written};
use crate::entry::Move;
use crate::refusal::Refusal;

const WORKING: &[Stage] = &[
    Stage::Accepted,
    Stage::Dispatched,
    Stage::Handling,
    Stage::InHand,
    Stage::Decided,
    Stage::Redo,
];

/// The handling clock of a centre whose own staff begin to handle what nobody was given: it is handed over with that.
pub(super) fn own_due(context: &Context<'_>) -> Result<Option<pb::Due>, Refusal> {
    let case = context.case;
    let runs = case.handling.due.is_some() || case.reply.stopped.is_some();
    if case.dispatching.lead.is_some() || runs {
        return Ok(None);
    }
    context.handling_due().map(Some)
}

pub(super) fn begins(case: &mut Case, due: Option<&pb::Due>) {
    if let Some(due) = due {
        case.intake.clocks_end();
        case.handling.due = Some(due.clone());
    }
}

impl Rules for pb::Contact {
    const SPEC: Spec = Spec::new(
        "contact",
        "联系诉求人",
        "Record that the requester was contacted",
        Who::Handlers,
    )
    .from(WORKING)
    .submittable();

    fn ready(context: &Context<'_>) -> Result<(), Refusal> {
        no_return_passes(context)
    }

    fn judge(self, context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        let due = own_due(context)?;
        let unit = context.unit_text();
        Ok((Self { due, unit, ..self }, Move::None))
    }

    fn fold(&self, case: &mut Case, written: &Written) {
        begins(case, self.due.as_ref());
        case.dispatching.signed_by(self.unit.parse().ok());
        case.handling.by(written.person);
    }
}

impl Rules for pb::TakeAction {
    const SPEC: Spec = Spec::new(
        "take-action",
        "办理措施",
        "Record what was done",
        Who::Handlers,
    )
    .from(WORKING)
    .submittable();

    fn ready(context: &Context<'_>) -> Result<(), Refusal> {
        no_return_passes(context)
    }

    fn judge(self, context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        let due = own_due(context)?;
        let unit = context.unit_text();
        Ok((Self { due, unit, ..self }, Move::None))
    }

    fn fold(&self, case: &mut Case, written: &Written) {
        begins(case, self.due.as_ref());
        case.dispatching.signed_by(self.unit.parse().ok());
        case.handling.by(written.person);
    }
}

impl Rules for pb::ReportInterim {
    const SPEC: Spec = Spec::new(
        "report-interim",
        "阶段性报告",
        "Report before the end",
        Who::Handlers,
    )
    .from(WORKING)
    .submittable();

    fn judge(self, _context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        Ok((self, Move::None))
    }

    fn fold(&self, case: &mut Case, written: &Written) {
        case.handling.by(written.person);
    }
}

impl Rules for pb::Supplement {
    const SPEC: Spec = Spec::new(
        "supplement",
        "补充",
        "Add what is known; the case does not move",
        Who::Concerned,
    )
    .submittable();

    fn judge(self, _context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        Ok((self, Move::None))
    }

    fn fold(&self, _case: &mut Case, _written: &Written) {}
}
