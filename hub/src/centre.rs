//! A centre decides: (view, case, command, actor) to an act, or a refusal.
//!
//! The custodian writes; an ancestor may take; everyone else submits, and the custodian decides over a submission by the
//! same rules as over its own people's commands (PROTOCOL.md 7-12).

use fengqiao_proto::v1 as pb;
use pb::body::Content;

use crate::casework::{
    Act, Actor, Command, Known, View, convening, dispatch, escalation, handling, intake, reply,
    visit,
};
use crate::clock::Moment;
use crate::entry::Move;
use crate::id::{Hash, PersonId, PlaceId, UnitId};
use crate::refusal::{Code, Refusal};
use crate::rulebook;

/// What a command on an existing case comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// This centre writes an entry.
    Write(Act),
    /// This centre sends a submission to the custodian.
    Submit(Act),
}

/// Decides over a command on an existing case.
///
/// # Errors
/// A refusal; nothing is to be written.
pub fn decide(
    view: &View<'_>,
    known: &Known<'_>,
    command: &Command,
    actor: &Actor,
) -> Result<Decision, Refusal> {
    if let Command::Take { reason } = command {
        return escalation::take(view, known, actor, *reason).map(Decision::Write);
    }
    if known.tree.is_frozen() {
        return Err(Refusal::of(Code::Frozen, ""));
    }
    let custodian = known.tree.custody().map(|custody| custody.custodian);
    if custodian == Some(view.place) {
        let act = write(view, known, command, actor)?;
        on_its_way(view, known, &act)?;
        return Ok(Decision::Write(act));
    }
    if !command.is_submittable() {
        let name = custodian
            .map(|place| view.registry.name(place))
            .unwrap_or_default();
        return Err(Refusal::of(Code::NotCustodian, "").because(name));
    }
    // Judged here only as far as this copy can know; the custodian judges again.
    write(view, known, command, actor).map(Decision::Submit)
}

/// The custodian decides over a submission.
///
/// # Errors
/// A refusal, which travels back to the sender; or `NOT_CUSTODIAN` when the submission is to be passed on.
pub fn adopt(
    view: &View<'_>,
    known: &Known<'_>,
    content: &Content,
    actor: &Actor,
) -> Result<Act, Refusal> {
    if known.tree.is_frozen() {
        return Err(Refusal::of(Code::Frozen, ""));
    }
    if known.tree.custody().map(|custody| custody.custodian) != Some(view.place) {
        return Err(Refusal::of(Code::NotCustodian, ""));
    }
    let command = submitted(content).ok_or(Refusal::of(Code::Malformed, "content"))?;
    write(view, known, &command, actor)
}

/// A case is offered to nobody who could not take it: a new parent before the common superior has passed the case on.
fn on_its_way(view: &View<'_>, known: &Known<'_>, act: &Act) -> Result<(), Refusal> {
    let Move::Offered(to) = act.mv else {
        return Ok(());
    };
    let way = known.tree.way();
    if view.registry.parent_knowing(view.place, way) == Some(to) {
        return Ok(());
    }
    Err(Refusal::of(Code::MoveAwaited, "").because(view.registry.name(view.place)))
}

fn write(
    view: &View<'_>,
    known: &Known<'_>,
    command: &Command,
    actor: &Actor,
) -> Result<Act, Refusal> {
    let case = known.case;
    match command {
        Command::Register { .. } => {
            Err(Refusal::of(Code::StageForbids, "").because(case.stage.as_str()))
        }
        Command::Accept => intake::accept(case, actor),
        Command::Decline { ground } => intake::decline(case, actor, *ground),
        Command::AnswerAtOnce => intake::answer_at_once(case, actor),
        Command::Dispatch {
            lead,
            place,
            co_handlers,
            due,
        } => dispatch::dispatch(view, case, actor, (*lead, *place), co_handlers, *due),
        Command::SignFor => dispatch::sign_for(case, actor),
        Command::Object { proposed_unit } => dispatch::object(view, case, actor, *proposed_unit),
        Command::DecideObjection { upheld } => dispatch::decide_objection(case, actor, *upheld),
        Command::Designate { unit, due } => dispatch::designate(view, case, actor, *unit, *due),
        Command::Return { proposed_place } => {
            dispatch::give_back(view, case, actor, *proposed_place)
        }
        Command::Contact { reached } => handling::contact(case, actor, *reached),
        Command::TakeAction => handling::take_action(case, actor),
        Command::ReportInterim => handling::report_interim(case, actor),
        Command::DraftReply { reasonable } => reply::draft(case, actor, *reasonable),
        Command::ApproveReply => reply::approve(case, actor),
        Command::SendBackReply => reply::send_back(case, actor),
        Command::SendReply => reply::send(view, case, actor),
        Command::Escalate { reason } => escalation::escalate(view, case, actor, *reason),
        Command::KeepBelow => escalation::keep_below(case, actor),
        Command::Take { reason } => escalation::take(view, known, actor, *reason),
        Command::Decide => escalation::decide(case, actor),
        Command::Convene { meeting, parties } => {
            convening::convene(view, case, actor, *meeting, parties)
        }
        Command::AcknowledgeTask { task } => convening::acknowledge(case, actor, *task),
        Command::ReportTask { task, done } => convening::report(case, actor, *task, *done),
        Command::WorkOnSite { worked } => convening::work_on_site(case, actor, *worked),
        Command::ReturnVisit {
            reached,
            reasonable,
        } => visit::return_visit(case, actor, *reached, *reasonable),
        Command::Rate { score } => visit::rate(case, actor, *score),
        Command::OrderRedo => visit::order_redo(case, actor),
        Command::Close { outcome } => visit::close(view, known, actor, *outcome),
        Command::AdoptAnnex { entry } => visit::decide_annex(known, actor, *entry, true),
        Command::DeclineAnnex { entry } => visit::decide_annex(known, actor, *entry, false),
        Command::Supplement => handling::supplement(case, actor),
    }
}

/// The command a submitted content stands for; `None` for what nobody may submit.
fn submitted(content: &Content) -> Option<Command> {
    let command = match content {
        Content::SignedFor(_) => Command::SignFor,
        Content::Objected(objected) => Command::Object {
            proposed_unit: UnitId::from_bytes(&objected.proposed_unit),
        },
        Content::Contacted(contacted) => Command::Contact {
            reached: contacted.reached,
        },
        Content::ActionTaken(_) => Command::TakeAction,
        Content::InterimReport(_) => Command::ReportInterim,
        Content::ReplyDrafted(drafted) => Command::DraftReply {
            reasonable: drafted.reasonable,
        },
        Content::KeptBelow(_) => Command::KeepBelow,
        Content::TaskAcknowledged(task) => Command::AcknowledgeTask { task: task.task },
        Content::TaskReported(report) => Command::ReportTask {
            task: report.task,
            done: report.done,
        },
        Content::WorkedOnSite(work) => Command::WorkOnSite {
            worked: Moment(work.worked_ms),
        },
        Content::Rated(rated) => Command::Rate { score: rated.score },
        Content::Supplemented(_) => Command::Supplement,
        Content::Registered(_)
        | Content::Accepted(_)
        | Content::Declined(_)
        | Content::AnsweredDirectly(_)
        | Content::Dispatched(_)
        | Content::ObjectionDecided(_)
        | Content::Designated(_)
        | Content::Returned(_)
        | Content::ReplyApproved(_)
        | Content::ReplySentBack(_)
        | Content::Replied(_)
        | Content::Escalated(_)
        | Content::Taken(_)
        | Content::Decided(_)
        | Content::Convened(_)
        | Content::ReturnVisited(_)
        | Content::RedoOrdered(_)
        | Content::Closed(_)
        | Content::AnnexAdopted(_)
        | Content::AnnexDeclined(_)
        | Content::RootGranted(_)
        | Content::RegistryOpened(_)
        | Content::PlaceAdded(_)
        | Content::PlaceEnded(_)
        | Content::PlaceMoved(_)
        | Content::UnitAdded(_)
        | Content::NodeEnrolled(_)
        | Content::NodeRevoked(_)
        | Content::RootRenewed(_)
        | Content::DirectiveIssued(_)
        | Content::RedWarned(_)
        | Content::AccountSet(_) => return None,
    };
    Some(command)
}

/// Who stands behind a submission: the person and the place or unit of the sending node. Its own node judged the role;
/// what a submission may do is bounded by `submitted`.
#[must_use]
pub fn submitter(person: &[u8], place: PlaceId, unit: Option<UnitId>) -> Actor {
    Actor {
        person: PersonId::from_bytes(person),
        place,
        unit,
        roles: [pb::Role::Clerk, pb::Role::Handler, pb::Role::Leader].into(),
    }
}

/// Whether the people of a place may read the texts of a case: by virtue of an entry only (PROTOCOL.md 14).
#[must_use]
pub fn may_read(view: &View<'_>, known: &Known<'_>) -> bool {
    let case = known.case;
    let handles = case.custodians.contains(&view.place) || case.parties.contains(&view.place);
    let overdue = case
        .due
        .as_ref()
        .is_some_and(|due| view.now > rulebook::grace_ends(due))
        && view.registry.is_above(view.place, case.custodian);
    handles || overdue
}

/// Finds an annex entry by the first digits of its hash; `None` when none or several begin so.
#[must_use]
pub fn find_annex(known: &Known<'_>, digits: &str) -> Option<Hash> {
    let digits = digits.to_ascii_lowercase();
    let mut found = known
        .tree
        .annex()
        .into_iter()
        .filter(|hash| hash.to_string().starts_with(&digits));
    let first = found.next()?;
    (digits.len() >= 8 && found.next().is_none()).then_some(first)
}
