//! What the ledger remembers of machines that are lost, and of what somebody else wrote with their keys.

use std::collections::BTreeSet;

use fengqiao_hub::id::{ChainId, Hash};
use sha2::{Digest as _, Sha256};

use super::Ledger;
use crate::simulator::agenda::MachineId;

impl Ledger {
    /// What a machine has in its journal.
    #[must_use]
    pub fn stored_at(&self, machine: MachineId) -> BTreeSet<Hash> {
        let stored = self.entries.iter();
        stored
            .filter(|(_, known)| known.stored_at.contains(&machine))
            .map(|(hash, _)| *hash)
            .collect()
    }

    /// Machines that have the newest entry of a chain, but for one.
    #[must_use]
    pub fn newest_at(&self, chain: ChainId, but: MachineId) -> BTreeSet<MachineId> {
        let held = self.entries.values().filter(|known| known.chain == chain);
        let elsewhere = held.filter(|known| known.stored_at.iter().any(|at| *at != but));
        let newest = elsewhere.max_by_key(|known| known.sequence);
        newest
            .map(|known| {
                known
                    .stored_at
                    .iter()
                    .copied()
                    .filter(|at| *at != but)
                    .collect()
            })
            .unwrap_or_default()
    }

    /// A machine is lost: it has only what was in its backup, and what nobody else had is gone and excused. So are the
    /// answers it gave after the backup: nobody but itself knew them, and no more is promised than that a request has one
    /// effect at the node that remembers it.
    pub fn lost(&mut self, machine: MachineId, kept: &BTreeSet<Hash>, end: u64) {
        self.answers
            .retain(|_, (by, at, _)| *by != machine || *at <= end);
        for (hash, known) in &mut self.entries {
            if !kept.contains(hash) {
                known.stored_at.remove(&machine);
                known.applied_at.remove(&machine);
            }
        }
        self.entries.retain(|_, known| !known.stored_at.is_empty());
        let entries = &self.entries;
        self.positions.retain(|_, hash| entries.contains_key(hash));
    }

    /// Remembers what nobody may apply.
    pub fn forge(&mut self, bytes: &[u8]) {
        self.forged.insert(Sha256::digest(bytes).into());
    }
}
