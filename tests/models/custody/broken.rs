//! What a place sees of what it knows: as hub says, or as a broken rule would have it.

use std::sync::Arc;

use super::{Line, Place, Rule};
use crate::ledger::View;
use crate::set::{Id, Set};

impl Line {
    /// Whether the rule in force does not find the head from what is known alone.
    pub(super) fn keeps_heads(&self) -> bool {
        self.scope.rule == Rule::FirstDifference
    }

    /// What stands at a place.
    pub(crate) fn seen(&self, place: &Place) -> Arc<View> {
        match self.scope.rule {
            Rule::FirstDifference => Arc::new(self.ledger.behind(place.head, &place.known)),
            Rule::ScalarRank => Arc::new(
                self.ledger
                    .behind(self.highest_number(&place.known), &place.known),
            ),
            _ => self.ledger.view(&place.known),
        }
    }

    /// Takes in what another place knows.
    pub(super) fn merge(&self, place: &mut Place, known: &Set, head: Option<Id>) {
        place.known.add(known);
        if self.keeps_heads() {
            place.head = self.by_first_difference(place.head, head);
        }
        self.forget(place);
    }

    /// Without an annex only what stands is kept.
    pub(super) fn forget(&self, place: &mut Place) {
        if self.scope.rule == Rule::NoAnnex {
            place.known = self
                .ledger
                .view(&place.known)
                .standing
                .iter()
                .copied()
                .collect();
        }
    }

    fn by_first_difference(&self, ours: Option<Id>, theirs: Option<Id>) -> Option<Id> {
        let (here, there) = (self.ledger.chain(ours), self.ledger.chain(theirs));
        let common = here.iter().zip(&there).take_while(|(a, b)| a == b).count();
        let rank = |id: &Id| self.ledger.of(*id, |page| page.step.rank.clone());
        match (here.get(common), there.get(common)) {
            (_, None) => ours,
            (None, Some(_)) => theirs,
            (Some(here), Some(there)) if rank(there) > rank(here) => theirs,
            (Some(_), Some(_)) => ours,
        }
    }

    /// Takings up to an entry: what rank would be as one number.
    pub(super) fn number(&self, id: Id) -> usize {
        let chain = self.ledger.chain(Some(id));
        chain.iter().filter(|id| self.is_taking(**id)).count()
    }

    fn highest_number(&self, known: &Set) -> Option<Id> {
        known.iter().max_by_key(|id| {
            let chain = self.ledger.chain(Some(*id));
            let taker = chain.iter().rev().find(|id| self.is_taking(**id));
            let taker = taker.map_or(usize::MAX, |id| self.ledger.of(*id, |page| page.tier));
            (self.number(*id), std::cmp::Reverse(taker), chain.len(), *id)
        })
    }
}
