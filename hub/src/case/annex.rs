//! What was decided over entries that were overtaken (PROTOCOL.md 10).

use std::collections::BTreeMap;

use super::Case;
use crate::custody::Tree;
use crate::id::Hash;

/// What was decided over an annex entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnnexDecision {
    /// Adopted, or declined.
    pub adopted: bool,
    /// The entry that says so.
    pub by: Hash,
}

/// Decisions over the annex.
#[derive(Debug, Clone, Default)]
pub struct Annex {
    /// By the entry decided over; the first decision stands.
    pub decided: BTreeMap<Hash, AnnexDecision>,
}

impl Annex {
    pub(crate) fn decide(&mut self, entry: &str, by: Hash, adopted: bool) {
        if let Ok(entry) = entry.parse() {
            let decision = AnnexDecision { adopted, by };
            self.decided.entry(entry).or_insert(decision);
        }
    }
}

impl Case {
    /// Annex entries that are neither adopted nor declined.
    #[must_use]
    pub fn annex_open(&self, tree: &Tree) -> Vec<Hash> {
        let mut annex = tree.annex();
        annex.retain(|hash| !self.annex.decided.contains_key(hash));
        annex
    }
}
