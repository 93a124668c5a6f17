//! What was overtaken is adopted by reference or declined; in a closed case too, for what a dark node hands in late.

use fengqiao_proto::v1 as pb;
use pb::KindClass;

use super::action::{Rules, Spec};
use super::authority::{CLERK_OR_LEADER, Who};
use super::context::Context;
use crate::case::{Case, Written};
use crate::entry::Move;
use crate::id::Hash;
use crate::refusal::{Code, Refusal};

/// Some entry of the annex waits for a decision.
fn waits(context: &Context<'_>) -> Result<(), Refusal> {
    let annex = context.tree.annex();
    if annex.is_empty() {
        return Err(Refusal::of(Code::AnnexUnknown, "entry"));
    }
    if context.case.annex_open(context.tree).is_empty() {
        return Err(Refusal::of(Code::AnnexDecided, "entry"));
    }
    Ok(())
}

fn undecided(context: &Context<'_>, entry: &str) -> Result<(), Refusal> {
    const FIELD: &str = "entry";
    let entry = entry
        .parse::<Hash>()
        .map_err(|_| Refusal::of(Code::AnnexUnknown, FIELD))?;
    if context.case.annex.decided.contains_key(&entry) {
        return Err(Refusal::of(Code::AnnexDecided, FIELD));
    }
    if !context.tree.annex().contains(&entry) {
        return Err(Refusal::of(Code::AnnexUnknown, FIELD));
    }
    Ok(())
}

impl Rules for pb::AdoptAnnex {
    const SPEC: Spec = Spec::new(
        "adopt-annex",
        "采纳附卷",
        "Adopt an entry of the annex",
        Who::Centre(CLERK_OR_LEADER),
    )
    .when_over()
    .class(KindClass::Annex);

    fn ready(context: &Context<'_>) -> Result<(), Refusal> {
        waits(context)
    }

    fn judge(self, context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        undecided(context, &self.entry)?;
        Ok((self, Move::None))
    }

    fn fold(&self, case: &mut Case, written: &Written) {
        case.annex.decide(&self.entry, written.hash, true);
    }
}

impl Rules for pb::DeclineAnnex {
    const SPEC: Spec = Spec::new(
        "decline-annex",
        "不采纳附卷",
        "Decline an entry of the annex",
        Who::Centre(CLERK_OR_LEADER),
    )
    .when_over()
    .class(KindClass::Annex);

    fn ready(context: &Context<'_>) -> Result<(), Refusal> {
        waits(context)
    }

    fn judge(self, context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        undecided(context, &self.entry)?;
        Ok((self, Move::None))
    }

    fn fold(&self, case: &mut Case, written: &Written) {
        case.annex.decide(&self.entry, written.hash, false);
    }
}
