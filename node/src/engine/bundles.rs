//! Bundles: rules issued here, for this place and all below it.

use fengqiao_hub::casework::Actor;
use fengqiao_hub::id::ChainId;
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_hub::rulebook::{Change, Problem, changes, in_parts};
use fengqiao_proto::v1 as pb;

use super::group::Group;
use super::requests::{Answer, Answered, accept};

impl Group<'_> {
    /// Issues a bundle, or judges it only: then what is wrong is answered and not refused.
    pub(crate) fn issue_bundle(
        &mut self,
        actor: &Actor,
        wanted: pb::BundleIssued,
        dry_run: bool,
    ) -> Answered {
        if self.me.at.unit.is_some() {
            return Ok(Err(Refusal::of(Code::NotCustodian, "")));
        }
        if !dry_run && !actor.roles.contains(&pb::Role::Leader) {
            return Ok(Err(Refusal::of(Code::RoleMissing, "").because("leader")));
        }
        let chain = ChainId::rulebook_of(self.me.at.place);
        if !dry_run {
            accept!(self.gate(chain)?);
        }
        let judged = self.state.rulebooks.judge(wanted, self.now);
        let (issued, book) = match judged {
            Ok(judged) => judged,
            Err(refused) if dry_run && !refused.problems.is_empty() => {
                let answer = pb::IssueBundleResponse {
                    problems: refused.problems.iter().map(problem_view).collect(),
                    ..Default::default()
                };
                return Ok(Ok(Answer::of(&answer)));
            }
            Err(refused) => return Ok(Err(refused.refusal)),
        };
        let mut answer = pb::IssueBundleResponse {
            effective_ms: issued.effective_ms,
            changes: changes(&self.rules(), &book)
                .iter()
                .map(change_view)
                .collect(),
            ..Default::default()
        };
        if !dry_run {
            let kind = pb::ChainKind::Rulebook;
            let (parts, issued) = in_parts(issued);
            for part in parts {
                self.write_own(kind, chain, actor.person, part.into())?;
            }
            let entry = self.write_own(kind, chain, actor.person, issued.into())?;
            answer.sequence = entry.sequence;
        }
        Ok(Ok(Answer::of(&answer)))
    }
}

/// A problem as it is told.
#[must_use]
pub fn problem_view(problem: &Problem) -> pb::RuleProblem {
    pb::RuleProblem {
        file: problem.part.file().to_owned(),
        line: problem.line,
        field: problem.field.clone(),
        english: problem.english.clone(),
        chinese: problem.chinese.clone(),
        place_name: String::new(),
    }
}

/// A change as it is told.
#[must_use]
pub fn change_view(change: &Change) -> pb::RuleChange {
    pb::RuleChange {
        file: change.part.file().to_owned(),
        of: change.of.clone(),
        english: change.english.clone(),
        chinese: change.chinese.clone(),
    }
}
