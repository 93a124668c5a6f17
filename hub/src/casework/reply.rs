//! Reply: drafted by the handler, approved by a second person, sent to the dispatcher.

use fengqiao_proto::v1 as pb;
use pb::KindClass;

use super::action::{Rules, Spec};
use super::authority::Who;
use super::context::Context;
use super::dispatching::no_return_passes;
use super::handling::{begins, own_due};
use crate::case::{Case, Draft, OfferKind, Stage, Written};
use crate::entry::Move;
use crate::id::PlaceId;
use crate::refusal::Refusal;

impl Rules for pb::DraftReply {
    const SPEC: Spec = Spec::new("draft-reply", "拟稿", "Draft the reply", Who::Lead)
        .from(&[
            Stage::Accepted,
            Stage::Handling,
            Stage::InHand,
            Stage::Decided,
            Stage::Redo,
            Stage::Replied,
        ])
        .submittable();

    /// A reply that was offered is waited for: another draft would let its clock stand.
    fn ready(context: &Context<'_>) -> Result<(), Refusal> {
        context.no_offer()?;
        no_return_passes(context)
    }

    fn judge(self, context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        let due = own_due(context)?;
        Ok((Self { due, ..self }, Move::None))
    }

    fn fold(&self, case: &mut Case, written: &Written) {
        begins(case, self.due.as_ref());
        case.visit.begins_anew();
        case.reply_is_not_taken();
        case.reply.draft = Some(Draft {
            by: written.person,
            approved: false,
        });
        case.reply.reasonable = Some(self.reasonable);
        case.handling.by(written.person);
    }
}

impl Rules for pb::ApproveReply {
    const SPEC: Spec = Spec::new(
        "approve-reply",
        "审核把关",
        "Approve the draft: another person than who drafted it",
        Who::Approvers,
    )
    .from(&[Stage::Drafted]);

    fn judge(self, _context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        Ok((self, Move::None))
    }

    fn fold(&self, case: &mut Case, written: &Written) {
        if let Some(draft) = &mut case.reply.draft {
            draft.approved = true;
        }
        case.handling.by(written.person);
    }
}

impl Rules for pb::SendBackReply {
    const SPEC: Spec = Spec::new(
        "send-back-reply",
        "退回修改",
        "Send the draft back",
        Who::Approvers,
    )
    .from(&[Stage::Drafted]);

    fn judge(self, _context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        Ok((self, Move::None))
    }

    fn fold(&self, case: &mut Case, _written: &Written) {
        case.reply.draft = None;
        case.dispatching.signed = true;
        case.dispatching.to_be_signed = false;
    }
}

impl Rules for pb::SendReply {
    const SPEC: Spec = Spec::new(
        "send-reply",
        "答复",
        "Let the approved reply leave",
        Who::Senders,
    )
    .from(&[Stage::Approved])
    .class(KindClass::Effect);

    fn ready(context: &Context<'_>) -> Result<(), Refusal> {
        context.no_offer()?;
        dispatcher(context).map(|_| ())
    }

    fn judge(self, context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        let Some(parent) = dispatcher(context)? else {
            let visit_due = Some(context.visit_due()?);
            let sent = Self {
                answer_due: None,
                visit_due,
            };
            return Ok((sent, Move::None));
        };
        let answer_due = Some(context.answer_due(parent)?);
        let sent = Self {
            answer_due,
            visit_due: None,
        };
        Ok((sent, Move::Offered(parent)))
    }

    fn fold(&self, case: &mut Case, written: &Written) {
        case.dispatching.first.confirm();
        case.intake.clocks_end();
        case.handling.by(written.person);
        case.reply.sent = true;
        case.reply.draft = None;
        case.reply.stopped = case.handling.due.take();
        case.visit.due.clone_from(&self.visit_due);
        if let Move::Offered(to) = written.mv {
            let due = self.answer_due.as_ref();
            case.custody
                .offered(OfferKind::Replied, written.hash, to, due);
            if let Some(owed) = case.custody.obligations.last_mut() {
                owed.replied = true;
            }
        }
    }
}

/// The parent to whom the reply goes, on its way to the dispatcher; `None` where the centre owes nobody.
fn dispatcher(context: &Context<'_>) -> Result<Option<PlaceId>, Refusal> {
    match context.case.custody.owed() {
        Some(_) => context.parent().map(Some),
        None => Ok(None),
    }
}
