//! A centre decides: (context, case, action, actor) to an act, or a refusal.
//!
//! The custodian writes; an ancestor may take; everyone else submits, and the custodian decides over a submission by the
//! same rules as over its own people's actions (PROTOCOL.md 7-12).

use fengqiao_proto::v1 as pb;
use pb::action::Family;
use pb::body::Content;

use crate::case::Case;
use crate::casework::authority::require;
use crate::casework::{Act, Actor, CaseState, Context, DecisionContext, Spec, action, spec_of};
use crate::custody::Tree;
use crate::id::{Hash, PersonId, PlaceId, UnitId};
use crate::refusal::{Code, Refusal};

/// What an action on an existing case comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// This centre writes an entry.
    Write(Act),
    /// This centre sends a submission to the custodian.
    Submit(Act),
}

/// Decides over an action on an existing case, names resolved and texts sealed apart; `texts` are the roles of those that
/// go along.
///
/// # Errors
/// A refusal; nothing is to be written.
pub fn decide(
    centre: &DecisionContext<'_>,
    state: &CaseState<'_>,
    action: pb::Action,
    actor: &Actor,
    texts: &[String],
) -> Result<Decision, Refusal> {
    let spec = spec_of(&action).ok_or(Refusal::of(Code::Malformed, "action"))?;
    let context = Context {
        centre,
        case: state.case,
        tree: state.tree,
        actor,
        texts: Some(texts),
    };
    if takes(&action) {
        return action::judge(action, &context).map(Decision::Write);
    }
    let here = writes_here(&context, spec)?;
    answered_for(&context, &action)?;
    let act = action::judge(action, &context)?;
    if !here {
        // Judged here only as far as this copy can know; the custodian judges again.
        return Ok(Decision::Submit(act));
    }
    Ok(Decision::Write(act))
}

/// The actions that this actor may take now: what a command line or a page offers as next steps.
#[must_use]
pub fn next_steps(
    centre: &DecisionContext<'_>,
    state: &CaseState<'_>,
    actor: &Actor,
) -> Vec<&'static Spec> {
    let context = Context {
        centre,
        case: state.case,
        tree: state.tree,
        actor,
        texts: None,
    };
    let mut steps = action::possible(&context);
    steps.retain(|spec| spec.name == TAKE || writes_here(&context, spec).is_ok());
    steps
}

const TAKE: &str = "take";

fn takes(action: &pb::Action) -> bool {
    matches!(&action.family, Some(Family::Escalation(escalation))
        if matches!(escalation.action, Some(pb::escalation_action::Action::Take(_))))
}

/// Whether this centre writes the action itself; false where it submits it to the custodian.
fn writes_here(context: &Context<'_>, spec: &Spec) -> Result<bool, Refusal> {
    if context.tree.is_frozen() {
        return Err(Refusal::of(Code::Frozen, ""));
    }
    let custodian = context.tree.custody().map(|custody| custody.custodian);
    if custodian == Some(context.centre.place) {
        return Ok(true);
    }
    if spec.submittable {
        return Ok(false);
    }
    let name = custodian.map(|place| context.centre.registry.name(place));
    Err(Refusal::of(Code::NotCustodian, "").because(name.unwrap_or_default()))
}

/// The custodian decides over a submission.
///
/// # Errors
/// A refusal, which travels back to the sender; or `NOT_CUSTODIAN` when the submission is to be passed on.
pub fn adopt(
    centre: &DecisionContext<'_>,
    state: &CaseState<'_>,
    content: &Content,
    actor: &Actor,
) -> Result<Act, Refusal> {
    let context = Context {
        centre,
        case: state.case,
        tree: state.tree,
        actor,
        texts: None,
    };
    let malformed = || Refusal::of(Code::Malformed, "content");
    let Content::Action(action) = content else {
        return Err(malformed());
    };
    let spec = spec_of(action)
        .filter(|spec| spec.submittable)
        .ok_or_else(malformed)?;
    if !writes_here(&context, spec)? {
        return Err(Refusal::of(Code::NotCustodian, ""));
    }
    action::judge(action.clone(), &context)
}

/// Whoever declines an entry of the annex says why, for its author and for the resident it was told to (PROTOCOL.md 11).
fn answered_for(context: &Context<'_>, action: &pb::Action) -> Result<(), Refusal> {
    let declines = spec_of(action).is_some_and(|spec| spec.name == "decline-annex");
    if declines && !context.has_text("reason") {
        return Err(Refusal::of(Code::Empty, "reason"));
    }
    Ok(())
}

/// Who stands behind a submission: the person and the place or unit of the sending node. Its own node judged the role; a
/// department's node speaks for its handlers only, for a department is no centre.
#[must_use]
pub fn submitter(person: &[u8], place: PlaceId, unit: Option<UnitId>) -> Actor {
    let roles = match unit {
        Some(_) => [pb::Role::Handler].into(),
        None => [pb::Role::Clerk, pb::Role::Handler, pb::Role::Leader].into(),
    };
    Actor {
        person: PersonId::from_bytes(person),
        place,
        unit,
        roles,
    }
}

/// Why somebody looks at the texts of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To handle it, or to decide over its handling.
    Handling,
    /// To take the texts out of the system, with a reason of its own.
    Export,
}

/// Refuses unless a person may read the texts of a case: whose unit handles it, or the centre's own staff where the centre
/// may by virtue of an entry (PROTOCOL.md 14). Who only administers reads nothing; texts leave the system by a leader.
///
/// # Errors
/// `ROLE_MISSING`, `NOT_HANDLER`, `TEXT_SEALED`.
pub fn may_read(
    centre: &DecisionContext<'_>,
    case: &Case,
    actor: &Actor,
    purpose: Purpose,
) -> Result<(), Refusal> {
    let roles: &[pb::Role] = match purpose {
        Purpose::Handling => &[
            pb::Role::Clerk,
            pb::Role::Handler,
            pb::Role::Approver,
            pb::Role::Leader,
        ],
        Purpose::Export => &[pb::Role::Leader],
    };
    require(actor, roles)?;
    match actor.unit {
        Some(unit) if case.dispatching.units.contains(&unit) => Ok(()),
        Some(_) => Err(Refusal::of(Code::NotHandler, "")),
        None if opens_to(centre, case) => Ok(()),
        None => Err(Refusal::of(Code::TextSealed, "")),
    }
}

/// Asks for one of some roles; none is asked for where none is named.
///
/// # Errors
/// `ROLE_MISSING`.
pub fn require_any(actor: &Actor, roles: &[pb::Role]) -> Result<(), Refusal> {
    if roles.is_empty() {
        return Ok(());
    }
    require(actor, roles)
}

/// Whether an account may see who was shown the texts of a case: a leader of the centre, no unit's.
///
/// # Errors
/// `ROLE_MISSING`, `NOT_HANDLER`.
pub fn may_see_looks(actor: &Actor) -> Result<(), Refusal> {
    require(actor, &[pb::Role::Leader])?;
    match actor.unit {
        None => Ok(()),
        Some(_) => Err(Refusal::of(Code::NotHandler, "")),
    }
}

/// Whether a case is open to the people of a place by virtue of an entry: it holds or held it, was convened or asked, or
/// stands above where a clock is red past its grace.
fn opens_to(centre: &DecisionContext<'_>, case: &Case) -> bool {
    let custody = &case.custody;
    let handles =
        custody.custodians.contains(&centre.place) || custody.concerned.contains(&centre.place);
    let overdue = case
        .clocks(None)
        .iter()
        .any(|running| running.is_past_grace(centre.now));
    handles || overdue && centre.registry.is_above(centre.place, custody.custodian)
}

/// Finds an annex entry by the first digits of its hash; `None` when none or several begin so.
#[must_use]
pub fn find_annex(tree: &Tree, digits: &str) -> Option<Hash> {
    let digits = digits.to_ascii_lowercase();
    let mut found = tree
        .annex()
        .into_iter()
        .filter(|hash| hash.to_string().starts_with(&digits));
    let first = found.next()?;
    (digits.len() >= 8 && found.next().is_none()).then_some(first)
}
