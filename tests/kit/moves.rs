//! The moves of casework, and the request that makes one: the only place of the kit, the demonstration, the replay and
//! the measurements that knows how a move is written on the wire.

use fengqiao_proto::v1 as pb;

/// One action, as it is asked for.
pub type Action = pb::Action;

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
        action: Some(action),
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
    fengqiao_hub::casework::spec_of(action)
        .map_or("unknown", |spec| spec.name)
        .to_owned()
}

/// Whose work it is: nobody approves what they drafted, nor judges what they had a hand in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Whoever works on the case.
    Worker,
    /// A second person.
    Approver,
    /// A third, who had no hand in it.
    Judge,
}

/// Whose work an action is.
#[must_use]
pub fn whose(action: &Action) -> Whose {
    match name(action).as_str() {
        "approve-reply" | "send-back-reply" => Whose::Approver,
        "return-visit" | "rate" | "order-redo" | "refuse-redo" | "close" => Whose::Judge,
        _ => Whose::Worker,
    }
}

/// The role of the text it cannot do without.
#[must_use]
pub fn required_role(action: &Action) -> Option<&'static str> {
    let known = fengqiao_node::app::actions::type_of(action)?;
    let mut asked = known.asked();
    let needed = asked.find(|field| field.rule.required && !field.rule.sealed.is_empty())?;
    Some(needed.rule.sealed.as_str())
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
    intake.into()
}

/// Takes it on.
#[must_use]
pub fn accept() -> Action {
    pb::Accept::default().into()
}

/// Gives it to a unit of this centre, which leads; 0 for no due.
#[must_use]
pub fn dispatch_to_unit(lead: &str, due_ms: i64) -> Action {
    dispatch_to_units(lead, &[], due_ms)
}

/// Gives it to a unit of this centre, which leads, and to others beside it; 0 for no due.
#[must_use]
pub fn dispatch_to_units(lead: &str, others: &[&str], due_ms: i64) -> Action {
    pb::Dispatch {
        lead: lead.to_owned(),
        co_handlers: others.iter().map(|unit| (*unit).to_owned()).collect(),
        due_ms,
        ..Default::default()
    }
    .into()
}

/// Gives it to the centre of a place below; 0 for no due.
#[must_use]
pub fn dispatch(place: &str, due_ms: i64) -> Action {
    pb::Dispatch {
        place: place.to_owned(),
        due_ms,
        ..Default::default()
    }
    .into()
}

/// Signs for what was dispatched.
#[must_use]
pub fn sign_for() -> Action {
    pb::SignFor::default().into()
}

/// Calls parties together.
#[must_use]
pub fn convene(meeting_ms: i64, parties: Vec<pb::Party>) -> Action {
    pb::Convene {
        meeting_ms,
        parties,
    }
    .into()
}

/// Says that a task is known.
#[must_use]
pub fn acknowledge_task(task: u32) -> Action {
    pb::AcknowledgeTask {
        task,
        ..Default::default()
    }
    .into()
}

/// Says that a task is done.
#[must_use]
pub fn report_task(task: u32) -> Action {
    pb::ReportTask {
        task,
        done: true,
        ..Default::default()
    }
    .into()
}

/// Works on site.
#[must_use]
pub fn work_on_site(worked_ms: i64) -> Action {
    pb::WorkOnSite {
        worked_ms,
        ..Default::default()
    }
    .into()
}

/// Has spoken to who asked.
#[must_use]
pub fn contact() -> Action {
    pb::Contact {
        reached: true,
        ..Default::default()
    }
    .into()
}

/// Has done something about it.
#[must_use]
pub fn take_action() -> Action {
    pb::TakeAction::default().into()
}

/// Writes the reply.
#[must_use]
pub fn draft_reply(reasonable: bool) -> Action {
    pb::DraftReply {
        reasonable,
        ..Default::default()
    }
    .into()
}

/// Approves the reply that another wrote.
#[must_use]
pub fn approve_reply() -> Action {
    pb::ApproveReply::default().into()
}

/// Sends the reply.
#[must_use]
pub fn send_reply() -> Action {
    pb::SendReply::default().into()
}

/// Has visited who asked, and reached them.
#[must_use]
pub fn return_visit(reasonable: bool) -> Action {
    pb::ReturnVisit {
        reached: true,
        reasonable,
        satisfaction: pb::Satisfaction::Satisfied.into(),
        ..Default::default()
    }
    .into()
}

/// Writes down how content who asked is, 1 to 5.
#[must_use]
pub fn rate(score: u32) -> Action {
    pb::Rate {
        score,
        source: pb::RatingSource::Phone.into(),
    }
    .into()
}

/// Ends it.
#[must_use]
pub fn close(outcome: pb::Outcome) -> Action {
    pb::Close {
        outcome: outcome.into(),
        ..Default::default()
    }
    .into()
}

/// Offers it upwards.
#[must_use]
pub fn escalate() -> Action {
    pb::Escalate {
        because: pb::EscalationReason::Hard.into(),
        ..Default::default()
    }
    .into()
}

/// Takes what was offered: without a reason of its own a taking only answers an offer.
#[must_use]
pub fn take() -> Action {
    take_because(pb::TakingReason::Unspecified)
}

/// Takes what was not offered.
#[must_use]
pub fn take_because(reason: pb::TakingReason) -> Action {
    pb::Take {
        because: reason.into(),
        ..Default::default()
    }
    .into()
}

/// Decides.
#[must_use]
pub fn decide() -> Action {
    pb::Decide::default().into()
}

/// Adopts what was done below and overtaken.
#[must_use]
pub fn adopt_annex(entry: &str) -> Action {
    pb::AdoptAnnex {
        entry: entry.to_owned(),
    }
    .into()
}

/// Leaves below what was offered.
#[must_use]
pub fn keep_below() -> Action {
    pb::KeepBelow::default().into()
}

/// Adds what is known.
#[must_use]
pub fn supplement() -> Action {
    pb::Supplement::default().into()
}

/// Objects as the lead.
#[must_use]
pub fn object() -> Action {
    pb::Object::default().into()
}

/// Decides an objection.
#[must_use]
pub fn decide_objection(upheld: bool) -> Action {
    pb::DecideObjection {
        upheld,
        ..Default::default()
    }
    .into()
}

/// Declines what was done below and overtaken.
#[must_use]
pub fn decline_annex(entry: &str) -> Action {
    pb::DeclineAnnex {
        entry: entry.to_owned(),
        ..Default::default()
    }
    .into()
}
