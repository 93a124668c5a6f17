//! The table of actions: one line each, and what every action has to say for itself.
//!
//! A new action is its message in `proto/fengqiao/v1/casework/<family>.proto`, its `Rules` in the family's file and its
//! line here. Everything else, from the command line to the page, reads the descriptor and this table.

use fengqiao_proto::v1 as pb;
use pb::body::Content;

use super::authority::{Who, authority};
use super::context::{Act, Context};
use crate::case::{Case, Intake, Stage, Written};
use crate::entry::{Entry, Move};
use crate::id::{PlaceId, UnitId};
use crate::jurisdiction;
use crate::refusal::{Code, Refusal};

/// What is known of an action before anybody asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// Stable name, as in the log, the tally, the command line and the page.
    pub name: &'static str,
    /// The field's word.
    pub zh: &'static str,
    /// What it does, as a plain imperative.
    pub en: &'static str,
    /// Who may.
    pub who: Who,
    /// Stages in which it is possible; empty is any of an open case.
    pub from: &'static [Stage],
    /// Whether somebody who is not custodian may send it to the custodian as a submission.
    pub submittable: bool,
    /// Whether it is possible in a case that is over.
    pub when_over: bool,
    /// Coarse class of its entry.
    pub class: pb::KindClass,
}

impl Spec {
    /// An action of the custodian that moves nothing outside.
    pub(super) const fn new(
        name: &'static str,
        zh: &'static str,
        en: &'static str,
        who: Who,
    ) -> Self {
        Self {
            name,
            zh,
            en,
            who,
            from: &[],
            submittable: false,
            when_over: false,
            class: pb::KindClass::Work,
        }
    }

    pub(super) const fn from(self, from: &'static [Stage]) -> Self {
        Self { from, ..self }
    }

    pub(super) const fn submittable(self) -> Self {
        Self {
            submittable: true,
            ..self
        }
    }

    pub(super) const fn when_over(self) -> Self {
        Self {
            when_over: true,
            ..self
        }
    }

    pub(super) const fn class(self, class: pb::KindClass) -> Self {
        Self { class, ..self }
    }
}

/// The rules of one action.
pub(super) trait Rules: Sized {
    /// What is known of it.
    const SPEC: Spec;

    /// Guards that look at the case alone, beyond who and from which stage.
    ///
    /// # Errors
    /// A refusal.
    fn ready(_context: &Context<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    /// Whether anything can be filled in that the rules accept: somebody to dispatch to, a task of the actor's own.
    fn fillable(_context: &Context<'_>) -> bool {
        true
    }

    /// Guards that look at what is asked, and the fields that the writer fills in.
    ///
    /// # Errors
    /// A refusal that names the field.
    fn judge(self, context: &Context<'_>) -> Result<(Self, Move), Refusal>;

    /// Units and centres that it gives the case to, asks or convenes, beyond what the entry does to custody.
    fn involves(&self) -> (Vec<UnitId>, Vec<PlaceId>) {
        (Vec::new(), Vec::new())
    }

    /// The class that it gives the case: its definition travels with the entry.
    fn class(&self) -> Option<&str> {
        None
    }

    /// What the case remembers of it.
    fn fold(&self, case: &mut Case, written: &Written);
}

/// Refuses unless an action is possible now for this actor, whatever it says.
///
/// # Errors
/// `CASE_CLOSED`, `STAGE_FORBIDS`, or what authority and the action's own guards say.
fn permitted<A: Rules>(context: &Context<'_>) -> Result<(), Refusal> {
    let stage = context.case.stage();
    let spec = A::SPEC;
    if stage.is_over() && !spec.when_over && !spec.from.contains(&stage) {
        return Err(Refusal::of(Code::CaseClosed, ""));
    }
    authority(spec.who, context)?;
    // What the action's own guards say tells more than the stage.
    A::ready(context)?;
    if !spec.from.is_empty() && !spec.from.contains(&stage) {
        return Err(Refusal::of(Code::StageForbids, "").because(stage.as_str()));
    }
    Ok(())
}

fn judged<A: Rules>(action: A, context: &Context<'_>) -> Result<(A, Move), Refusal> {
    permitted::<A>(context)?;
    action.judge(context)
}

macro_rules! actions {
    ($($family:ident in $module:ident { $($action:ident),* $(,)? })*) => {
        /// All actions, in the order of the life of a case.
        pub const ALL: &[Spec] = &[$($(<pb::$action as Rules>::SPEC,)*)*];

        /// What is known of an action; `None` for one this version does not know.
        #[must_use]
        pub fn spec_of(action: &pb::Action) -> Option<&'static Spec> {
            let name = match action.family.as_ref()? {
                $(pb::action::Family::$family(family) => match family.action.as_ref()? {
                    $(pb::$module::Action::$action(_) => <pb::$action as Rules>::SPEC.name,)*
                },)*
            };
            ALL.iter().find(|spec| spec.name == name)
        }

        /// Judges an action by all rules and fills in what its writer writes.
        ///
        /// # Errors
        /// A refusal; nothing is to be written.
        pub fn judge(action: pb::Action, context: &Context<'_>) -> Result<Act, Refusal> {
            let unknown = Refusal::of(Code::Malformed, "action");
            let (spec, (action, mv)) = match action.family.ok_or_else(|| unknown.clone())? {
                $(pb::action::Family::$family(family) => match family.action.ok_or(unknown)? {
                    $(pb::$module::Action::$action(action) => {
                        let (action, mv) = judged(action, context)?;
                        (<pb::$action as Rules>::SPEC, (pb::Action::from(action), mv))
                    })*
                },)*
            };
            let moves = spec.class == pb::KindClass::Work && mv != Move::None;
            Ok(Act {
                content: Content::Action(action),
                mv,
                kind_class: if moves { pb::KindClass::Custody } else { spec.class },
            })
        }

        /// The actions that are possible now for this actor, in the order of the table.
        #[must_use]
        pub fn possible(context: &Context<'_>) -> Vec<&'static Spec> {
            let tried = [$($(
                permitted::<pb::$action>(context).is_ok() && <pb::$action as Rules>::fillable(context),
            )*)*];
            ALL.iter().zip(tried).filter(|(_, possible)| *possible).map(|(spec, _)| spec).collect()
        }

        /// Units and centres that an action gives the case to, asks or convenes: a copy goes to them also when it no longer
        /// stands.
        #[must_use]
        pub fn involves(action: &pb::Action) -> (Vec<UnitId>, Vec<PlaceId>) {
            match &action.family {
                $(Some(pb::action::Family::$family(family)) => match &family.action {
                    $(Some(pb::$module::Action::$action(action)) => action.involves(),)*
                    None => (Vec::new(), Vec::new()),
                },)*
                None => (Vec::new(), Vec::new()),
            }
        }

        /// The class that an action gives its case; `None` for one that leaves it.
        #[must_use]
        pub fn class_given(action: &pb::Action) -> Option<&str> {
            match action.family.as_ref()? {
                $(pb::action::Family::$family(family) => match family.action.as_ref()? {
                    $(pb::$module::Action::$action(action) => action.class(),)*
                },)*
            }
        }

        fn fold_action(action: &pb::Action, case: &mut Case, written: &Written) {
            match &action.family {
                $(Some(pb::action::Family::$family(family)) => match &family.action {
                    $(Some(pb::$module::Action::$action(action)) => action.fold(case, written),)*
                    None => {}
                },)*
                None => {}
            }
        }
    };
}

actions! {
    Intake in intake_action { Register, Accept, Decline, AnswerAtOnce, Reclassify }
    Dispatching in dispatching_action {
        Dispatch, SignFor, Object, DecideObjection, Designate, Return, Urge,
    }
    Handling in handling_action { Contact, TakeAction, ReportInterim, Supplement }
    Reply in reply_action { DraftReply, ApproveReply, SendBackReply, SendReply }
    Escalation in escalation_action { Escalate, KeepBelow, Take, Decide }
    Convening in convening_action { Convene, AcknowledgeTask, ReportTask, WorkOnSite }
    Visit in visit_action { ReturnVisit, Rate, OrderRedo, RefuseRedo, Close }
    Annex in annex_action { AdoptAnnex, DeclineAnnex }
}

/// The name under which an entry is shown and counted: that of its action, or of the change of another chain.
#[must_use]
pub fn name_of(content: Option<&Content>) -> &'static str {
    const UNKNOWN: &str = "unknown";
    match content {
        Some(Content::Action(action)) => spec_of(action).map_or(UNKNOWN, |spec| spec.name),
        Some(Content::Registry(change)) => change
            .change
            .as_ref()
            .map_or(UNKNOWN, jurisdiction::name_of_change),
        Some(Content::Directive(change)) => match &change.change {
            Some(pb::directive_change::Change::DirectiveIssued(_)) => "directive-issued",
            None => UNKNOWN,
        },
        Some(Content::Supervision(change)) => match &change.change {
            Some(pb::supervision_change::Change::RedWarned(_)) => "red-warned",
            None => UNKNOWN,
        },
        Some(Content::Administration(change)) => match &change.change {
            Some(pb::administration_change::Change::AccountSet(_)) => "account-set",
            None => UNKNOWN,
        },
        Some(Content::Access(change)) => match &change.change {
            Some(pb::access_change::Change::Looked(_)) => "looked",
            None => UNKNOWN,
        },
        Some(Content::Rulebook(_)) => "rulebook",
        None => UNKNOWN,
    }
}

/// The action of an entry of a case.
#[must_use]
pub fn action_of(entry: &Entry) -> Option<&pb::Action> {
    match &entry.body.content {
        Some(Content::Action(action)) => Some(action),
        Some(
            Content::Registry(_)
            | Content::Directive(_)
            | Content::Rulebook(_)
            | Content::Supervision(_)
            | Content::Administration(_)
            | Content::Access(_),
        )
        | None => None,
    }
}

/// Adds the next entry of the standing chain, by an author of a place.
pub fn apply(case: &mut Case, entry: &Entry, place: PlaceId) {
    let written = Written::of(entry, place);
    case.counted(&written);
    case.moved(&written);
    if let Some(action) = action_of(entry) {
        fold_action(action, case, &written);
    }
}

/// Folds a whole standing chain, oldest first, each entry with its author's place. `None` while its first entry is
/// awaited, or when that does not register a case.
#[must_use]
pub fn fold<'a>(entries: impl IntoIterator<Item = (&'a Entry, PlaceId)>) -> Option<Case> {
    let mut entries = entries.into_iter();
    let (first, place) = entries.next()?;
    let mut case = open(first, place)?;
    for (entry, place) in entries {
        apply(&mut case, entry, place);
    }
    Some(case)
}

/// What a content registers; `None` for other contents.
#[must_use]
pub fn registration(content: Option<&Content>) -> Option<&pb::Register> {
    let Some(Content::Action(action)) = content else {
        return None;
    };
    let Some(pb::action::Family::Intake(intake)) = &action.family else {
        return None;
    };
    let Some(pb::intake_action::Action::Register(register)) = &intake.action else {
        return None;
    };
    Some(register)
}

/// The case after its first entry; `None` when that does not register one.
#[must_use]
pub fn open(entry: &Entry, place: PlaceId) -> Option<Case> {
    let register = registration(entry.body.content.as_ref())?;
    let written = Written::of(entry, place);
    Some(Case::open(Intake::registered(register, &written)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_action_has_a_name_of_its_own_and_words_in_both_languages() {
        let names: BTreeSet<_> = ALL.iter().map(|spec| spec.name).collect();
        assert_eq!(names.len(), ALL.len());
        for spec in ALL {
            assert!(!spec.zh.is_ascii() && spec.en.is_ascii(), "{}", spec.name);
        }
    }
}
