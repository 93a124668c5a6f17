//! The moves of casework, and the request that makes one: the only place of the kit, the demonstration, the replay and
//! the measurements that knows how a move is written on the wire.

use fengqiao_proto::v1 as pb;
use pb::command::Move;

/// One move, as it is asked for.
pub type Action = Move;

/// A request that makes a move. Texts are pairs of role and text; a case that is registered has no id yet.
#[must_use]
pub fn request(
    request_id: String,
    case: &str,
    action: Action,
    texts: &[(&str, &str)],
) -> pb::ActRequest {
    pb::ActRequest {
        request_id,
        case: case.to_owned(),
        command: Some(pb::Command {
            r#move: Some(action),
        }),
        texts: texts
            .iter()
            .map(|(role, text)| pb::PrivateText {
                role: (*role).to_owned(),
                text: (*text).to_owned(),
            })
            .collect(),
    }
}

/// Its name, for a message: what stands in it may be about a person.
#[must_use]
pub fn name(action: &Action) -> String {
    let shown = format!("{action:?}");
    shown
        .split(['(', ' '])
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Whether it approves what another drafted, which the same person may not.
#[must_use]
pub fn is_approval(action: &Action) -> bool {
    matches!(action, Move::ApproveReply(_))
}

/// The role of the text it cannot do without.
#[must_use]
pub fn required_role(action: &Action) -> Option<&'static str> {
    fengqiao_node::desk::texts::required_role(action)
}

/// What is known of a request when it is taken in, of ordinary urgency.
#[must_use]
pub fn intake(channel: pb::Channel, class: &str) -> pb::Register {
    pb::Register {
        channel: channel.into(),
        class: class.to_owned(),
        urgency: pb::Urgency::Ordinary.into(),
        ..Default::default()
    }
}

/// Takes a request in.
#[must_use]
pub fn register(intake: pb::Register) -> Action {
    Move::Register(intake)
}

/// Takes it on.
#[must_use]
pub fn accept() -> Action {
    Move::Accept(pb::Accept {})
}

/// Gives it to a unit of this centre, which leads; 0 for no due.
#[must_use]
pub fn dispatch_to_unit(lead: &str, due_ms: i64) -> Action {
    dispatch_to_units(lead, &[], due_ms)
}

/// Gives it to a unit of this centre, which leads, and to others beside it; 0 for no due.
#[must_use]
pub fn dispatch_to_units(lead: &str, others: &[&str], due_ms: i64) -> Action {
    Move::Dispatch(pb::Dispatch {
        lead: lead.to_owned(),
        co_handlers: others.iter().map(|unit| (*unit).to_owned()).collect(),
        due_ms,
        ..Default::default()
    })
}

/// Gives it to the centre of a place below; 0 for no due.
#[must_use]
pub fn dispatch(place: &str, due_ms: i64) -> Action {
    Move::Dispatch(pb::Dispatch {
        place: place.to_owned(),
        due_ms,
        ..Default::default()
    })
}

/// Signs for what was dispatched.
#[must_use]
pub fn sign_for() -> Action {
    Move::SignFor(pb::SignFor {})
}

/// Calls parties together.
#[must_use]
pub fn convene(meeting_ms: i64, parties: Vec<pb::Party>) -> Action {
    Move::Convene(pb::Convene {
        meeting_ms,
        parties,
    })
}

/// Says that a task is known.
#[must_use]
pub fn acknowledge_task(task: u32) -> Action {
    Move::AcknowledgeTask(pb::AcknowledgeTask { task })
}

/// Says that a task is done.
#[must_use]
pub fn report_task(task: u32) -> Action {
    Move::ReportTask(pb::ReportTask { task, done: true })
}

/// Works on site.
#[must_use]
pub fn work_on_site(worked_ms: i64) -> Action {
    Move::WorkOnSite(pb::WorkOnSite { worked_ms })
}

/// Has spoken to who asked.
#[must_use]
pub fn contact() -> Action {
    Move::Contact(pb::Contact { reached: true })
}

/// Has done something about it.
#[must_use]
pub fn take_action() -> Action {
    Move::TakeAction(pb::TakeAction {})
}

/// Writes the reply.
#[must_use]
pub fn draft_reply(reasonable: bool) -> Action {
    Move::DraftReply(pb::DraftReply { reasonable })
}

/// Approves the reply that another wrote.
#[must_use]
pub fn approve_reply() -> Action {
    Move::ApproveReply(pb::ApproveReply {})
}

/// Sends the reply.
#[must_use]
pub fn send_reply() -> Action {
    Move::SendReply(pb::SendReply {})
}

/// Has visited who asked, and reached them.
#[must_use]
pub fn return_visit(reasonable: bool) -> Action {
    Move::ReturnVisit(pb::ReturnVisit {
        reached: true,
        reasonable,
    })
}

/// Writes down how content who asked is, 1 to 5.
#[must_use]
pub fn rate(score: u32) -> Action {
    Move::Rate(pb::Rate { score })
}

/// Ends it.
#[must_use]
pub fn close(outcome: pb::Outcome) -> Action {
    Move::Close(pb::Close {
        outcome: outcome.into(),
    })
}

/// Offers it upwards.
#[must_use]
pub fn escalate() -> Action {
    Move::Escalate(pb::Escalate {
        reason: pb::EscalationReason::Hard.into(),
    })
}

/// Takes what was offered: without a reason of its own a taking only answers an offer.
#[must_use]
pub fn take() -> Action {
    take_because(pb::TakingReason::Unspecified)
}

/// Takes what was not offered.
#[must_use]
pub fn take_because(reason: pb::TakingReason) -> Action {
    Move::Take(pb::Take {
        reason: reason.into(),
    })
}

/// Decides.
#[must_use]
pub fn decide() -> Action {
    Move::Decide(pb::Decide {})
}

/// Adopts what was done below and overtaken.
#[must_use]
pub fn adopt_annex(entry: &str) -> Action {
    Move::AdoptAnnex(pb::AdoptAnnex {
        entry: entry.to_owned(),
    })
}
