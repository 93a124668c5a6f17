//! S7: what a node once showed as settled leaves a chain only by a taking from above the parent that settled it. L10:
//! what the parent has is shown as settled in the end.
//!
//! Settled is what the shipped code shows so, and it is held to it from then on, whatever it shows later.

use std::collections::{BTreeMap, BTreeSet};

use fengqiao_hub::custody::Tree;
use fengqiao_hub::entry::Move;
use fengqiao_hub::id::{ChainId, Hash, NodeId, PlaceId};
use fengqiao_node::engine::EntryStanding;
use fengqiao_proto::v1 as pb;

use super::agenda::MachineId;
use super::ledger::Known;
use super::tally::Family;
use super::{Broken, Simulator};

impl Simulator {
    /// Notes what a machine shows as settled now of what it has under way to its parent.
    pub(super) fn note_settled(&mut self, machine: MachineId, link: NodeId) -> Result<(), Broken> {
        let Some((_, up)) = self.parent_of(machine).filter(|(_, up)| *up == link) else {
            return Ok(());
        };
        let Some(running) = &self.machines[machine].running else {
            return Ok(());
        };
        let Some((parent, _)) = self.ledger.nodes.get(&up).copied() else {
            return Ok(());
        };
        let registry = running.engine.registry();
        let mut settled: BTreeMap<ChainId, Vec<Hash>> = BTreeMap::new();
        for hash in self.ledger.under_way(machine, up) {
            let Some(known) = self.ledger.entries.get(&hash) else {
                continue;
            };
            let shown = running
                .views
                .standing(&registry, known.chain, known.sequence, hash)
                .map_err(|error| Broken::at("harness", format!("{error}")))?;
            if shown != EntryStanding::StoredHere {
                settled.entry(known.chain).or_default().push(hash);
            }
        }
        for (case, hashes) in settled {
            let standing: BTreeSet<Hash> = self
                .chain(machine, case)
                .map(|chain| chain.tree.standing().into_iter().collect())
                .unwrap_or_default();
            for hash in hashes {
                self.ledger.settle(
                    machine,
                    up,
                    hash,
                    standing.contains(&hash).then_some(parent),
                );
            }
        }
        Ok(())
    }

    /// L10: after healing, whatever a machine wrote and its parent has is settled.
    pub(super) fn check_settles(&mut self, machine: MachineId) -> Result<(), Broken> {
        const PROMISE: &str = "L10 settled in the end";
        let Some((upper, _)) = self.parent_of(machine) else {
            return Ok(());
        };
        let Some(running) = &self.machines[machine].running else {
            return Ok(());
        };
        let node = self.machines[machine].me.at.node;
        let registry = running.engine.registry();
        let mut looked = 0;
        for (hash, known) in &self.ledger.entries {
            let is_there = [machine, upper].map(|at| known.applied_at.contains_key(&at));
            if known.kind != pb::ChainKind::Case || known.author != node || is_there != [true; 2] {
                continue;
            }
            looked += 1;
            let shown = running
                .views
                .standing(&registry, known.chain, known.sequence, *hash)
                .map_err(|error| Broken::at("harness", format!("{error}")))?;
            if shown == EntryStanding::StoredHere {
                let (hash, told) = (hash.short(), self.told(machine));
                let detail = format!("entry {hash} is at the parent of {told}: {known:?}");
                return Err(Broken::at(PROMISE, detail));
            }
        }
        self.tally.count_many(Family::Property, PROMISE, looked);
        Ok(())
    }

    /// S7, at every machine that runs, as its chains stand now.
    pub(super) fn check_settled(&mut self) -> Result<(), Broken> {
        if self.is_twin_about() {
            return Ok(());
        }
        let mut chains: BTreeMap<ChainId, BTreeMap<Hash, Known>> = BTreeMap::new();
        for (hash, known) in &self.ledger.entries {
            if known.kind == pb::ChainKind::Case && !known.applied_at.is_empty() {
                chains
                    .entry(known.chain)
                    .or_default()
                    .insert(*hash, known.clone());
            }
        }
        for (case, entries) in chains {
            let is_settled = |hash: &Hash| self.ledger.settled.contains_key(hash);
            let settled = entries.keys().filter(|hash| is_settled(hash)).count();
            self.tally
                .count_many(Family::Property, "S7 settled stays", settled as u64);
            let was_taken = |known: &Known| matches!(known.mv, Move::Taken(_));
            if settled == 0 || !entries.values().any(was_taken) {
                continue;
            }
            for machine in 0..self.machines.len() {
                if let Some(chain) = self.chain(machine, case) {
                    self.check_left(machine, &chain.tree, &entries)?;
                }
            }
        }
        Ok(())
    }

    fn check_left(
        &self,
        machine: MachineId,
        tree: &Tree,
        entries: &BTreeMap<Hash, Known>,
    ) -> Result<(), Broken> {
        let standing: BTreeSet<Hash> = tree.standing().into_iter().collect();
        for hash in tree.annex() {
            let (Some(parents), Some(known)) = (self.ledger.settled.get(&hash), entries.get(&hash))
            else {
                continue;
            };
            // The first standing entry beside the branch that left.
            let mut at = known.previous;
            while let Some(before) = at.filter(|before| !standing.contains(before)) {
                at = entries.get(&before).and_then(|known| known.previous);
            }
            let beside = entries
                .iter()
                .find(|(hash, known)| standing.contains(hash) && known.previous == at);
            let by = beside.map(|(_, known)| (known.author, known.mv));
            // As the taker knew the tree: what was moved since was below it then.
            let is_above = |parent: &PlaceId| {
                beside.is_some_and(|(_, taking)| {
                    let place = self
                        .ledger
                        .nodes
                        .get(&taking.author)
                        .map(|(place, _)| *place);
                    let above = |place| self.ledger.is_above_knowing(place, *parent, &taking.way);
                    matches!(taking.mv, Move::Taken(_)) && place.is_some_and(above)
                })
            };
            if let Some(parent) = parents.iter().find(|parent| !is_above(parent)) {
                let (hash, told) = (hash.short(), self.told(machine));
                return Err(Broken::at(
                    "S7 settled stays",
                    format!(
                        "entry {hash} of {:?}, settled by {parent}, left the chain at {told} by {by:?}: {known:?} and {beside:?}",
                        self.ledger.nodes.get(&known.author)
                    ),
                ));
            }
        }
        Ok(())
    }
}
