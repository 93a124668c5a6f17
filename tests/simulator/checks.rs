//! What must hold at the end: safety always, and after healing that everything has drained and agrees.

use std::collections::{BTreeMap, BTreeSet};

use fengqiao_hub::clock::Moment;
use fengqiao_hub::custody::Tree;
use fengqiao_hub::id::{ChainId, Hash, NodeId, PlaceId, UnitId};
use fengqiao_hub::{casework, tally};
use fengqiao_node::engine::PARKED_MAX;
use fengqiao_node::replication::session::LANES;
use fengqiao_node::store::tables;
use fengqiao_proto::v1 as pb;
use prost::Message as _;

use super::agenda::MachineId;
use super::machine::ZONE_OFFSET_MINUTES;
use super::tally::Family;
use super::{Broken, Simulator};
use crate::rows;

/// Alarms that honest nodes may raise: about clocks always.
const CLOCK_SKEW: &str = "CLOCK_SKEW";

impl Simulator {
    /// Honest nodes raise no alarm but about clocks, and about frames that a wild network lost.
    pub(super) fn check_alarms(
        &mut self,
        machine: MachineId,
        alarms: &[String],
    ) -> Result<(), Broken> {
        if self.is_twin_about() {
            return Ok(());
        }
        let (is_wild, losses) = (self.plan.is_wild, self.losses);
        let has_little_room = self.plan.parked_max < PARKED_MAX;
        let liars: Vec<String> = self.ledger.liars.iter().map(NodeId::to_string).collect();
        let unexpected = alarms.iter().find(|alarm| {
            let torn = is_wild
                && ["GAP", "CREDIT", "CURSOR_BEHIND"]
                    .iter()
                    .any(|code| alarm.starts_with(code));
            // After a loss a node says that it began again, and what a distrusted node still had under way is refused.
            let of_loss = losses > 0
                && [
                    "RECOVERED",
                    "NEIGHBOUR_WAIVED",
                    "ENTRY_REFUSED: REVOKED",
                    "PARKED_AT_NEIGHBOUR: REVOKED",
                ]
                .iter()
                .any(|code| alarm.starts_with(code));
            let full = has_little_room && alarm.starts_with("PARKED_FULL");
            // What a liar sent is refused by name.
            let of_liar = liars.iter().any(|liar| alarm.ends_with(liar));
            !alarm.starts_with(CLOCK_SKEW) && !torn && !of_loss && !full && !of_liar
        });
        match unexpected {
            None => Ok(()),
            Some(alarm) => Err(Broken::at(
                "honest nodes raise no alarm",
                format!("{alarm} at {}", self.told(machine)),
            )),
        }
    }

    /// An engine met nothing that nobody has foreseen, in this life of its process.
    pub(super) fn check_faults(&mut self, machine: MachineId) -> Result<(), Broken> {
        const PROMISE: &str = "an engine meets nothing unforeseen";
        let Some(running) = &self.machines[machine].running else {
            return Ok(());
        };
        let (faults, alarms) = (running.engine.faults(), running.engine.alarms());
        self.tally.count(Family::Property, PROMISE);
        if faults == 0 {
            return Ok(());
        }
        let told = format!("{faults} at {}: {alarms:?}", self.told(machine));
        Err(Broken::at(PROMISE, told))
    }

    /// S1, S8: what was synced is found on the disks; each store is what its journal says. S7.
    pub(super) fn check_safe(&mut self) -> Result<(), Broken> {
        for machine in 0..self.machines.len() {
            self.check_faults(machine)?;
            if let Some(running) = &self.machines[machine].running {
                let alarms = running.engine.alarms();
                self.check_alarms(machine, &alarms)?;
            }
            if self.missing.contains_key(&machine) {
                continue;
            }
            self.check_disk(machine)?;
            self.check_rows(machine)?;
            self.check_store(machine)?;
        }
        self.check_doubles()?;
        self.check_settled()
    }

    /// S2: who knows of two entries at one place keeps both, and writes no more until a superior has taken the case.
    fn check_doubles(&mut self) -> Result<(), Broken> {
        for (one, other) in self.ledger.doubles.clone() {
            let Some(known) = self.ledger.entries.get(&one).cloned() else {
                continue;
            };
            for machine in 0..self.machines.len() {
                let Some(chain) = self.chain(machine, known.chain) else {
                    continue;
                };
                if known.kind != pb::ChainKind::Case
                    || ![one, other].iter().all(|hash| chain.tree.contains(hash))
                {
                    continue;
                }
                self.tally
                    .count(Family::Property, "S2 a clone is found out");
                self.tally
                    .count(Family::Fault, "clone found out by its entries");
                let head = chain.tree.head().map(|head| head.rank.clone());
                if !chain.tree.is_frozen() && head.is_none_or(|rank| rank <= known.rank) {
                    return Err(Broken::at(
                        "S2 unique identity",
                        format!("two entries stand at {}", self.told(machine)),
                    ));
                }
            }
        }
        Ok(())
    }

    /// The journal on the disk, read by a fresh look, is as long as what was synced.
    fn check_disk(&mut self, machine: MachineId) -> Result<(), Broken> {
        let reader = self.machines[machine].journal_on_disk().map_err(|error| {
            Broken::at(
                "S8 ack means stored",
                format!(
                    "the journal of {} does not open: {error}",
                    self.told(machine)
                ),
            )
        })?;
        let shelf = &self.ledger.shelves[machine];
        let mut records = 0;
        for record in reader.tail(fengqiao_node::journal::Position(0)) {
            match record {
                Ok(record) if record.position.0 < shelf.end => records += 1,
                Ok(_) => {}
                Err(error) => {
                    return Err(Broken::at(
                        "S8 ack means stored",
                        format!(
                            "the journal of {} does not read: {error}",
                            self.told(machine)
                        ),
                    ));
                }
            }
        }
        self.tally.count(Family::Property, "S8 journals on disk");
        if records == shelf.records {
            Ok(())
        } else {
            Err(Broken::at(
                "S8 ack means stored",
                format!("{records} records on disk, {} were synced", shelf.records),
            ))
        }
    }

    /// Every entry a machine has is a row of its store, joined or waiting.
    fn check_rows(&mut self, machine: MachineId) -> Result<(), Broken> {
        let Some(running) = &self.machines[machine].running else {
            return Ok(());
        };
        let store = running.views.store();
        let mut looked = 0;
        for (hash, known) in &self.ledger.entries {
            if !known.stored_at.contains(&machine) {
                continue;
            }
            looked += 1;
            let joined = store.get(&tables::entry(known.chain, known.sequence, *hash));
            let parked = store.get(&tables::parked(known.chain, *hash));
            let is_there = matches!(joined, Ok(Some(_))) || matches!(parked, Ok(Some(_)));
            if !is_there {
                return Err(Broken::at(
                    "S1 nothing lost",
                    format!(
                        "entry {} is not known at {}",
                        hash.short(),
                        self.told(machine)
                    ),
                ));
            }
        }
        self.tally
            .count_many(Family::Property, "S1 nothing lost", looked);
        Ok(())
    }

    /// A machine's daily figures are what its own entries that stand come to, each with the class and the lead that its
    /// case had then.
    fn check_figures(&mut self, machine: MachineId) -> Result<(), Broken> {
        const PROMISE: &str = "S9 figures follow the log";
        let broken = |detail: String| Broken::at(PROMISE, detail);
        let Some(running) = &self.machines[machine].running else {
            return Ok(());
        };
        let me = &self.machines[machine].me;
        let unread = |error: fengqiao_node::engine::EngineError| broken(error.to_string());
        let mut expected: BTreeMap<(i32, Vec<u8>, String, String), u64> = BTreeMap::new();
        for id in running.views.chain_ids().map_err(unread)? {
            let Some(chain) = self.chain(machine, id) else {
                continue;
            };
            let standing = chain.standing();
            for (at, (entry, _)) in standing.iter().enumerate() {
                let own = entry.author == me.at.node && entry.incarnation == me.incarnation;
                let so_far = standing[..=at].iter();
                let case = casework::fold(so_far.map(|(entry, place)| (entry.as_ref(), *place)));
                let Some(case) = case.filter(|_| own) else {
                    continue;
                };
                let key = (
                    tally::day_of(Moment(entry.body.wall_time_ms), ZONE_OFFSET_MINUTES),
                    case.dispatching
                        .lead
                        .map(UnitId::to_vec)
                        .unwrap_or_default(),
                    case.intake.class,
                    tally::count_name(entry.body.content.as_ref()),
                );
                *expected.entry(key).or_default() += 1;
            }
        }
        let mut counted = BTreeMap::new();
        for tally in running.views.tallies().map_err(unread)? {
            let own = tally.node == me.at.node.to_vec() && tally.incarnation == me.incarnation;
            for count in tally.counts.iter().filter(|count| own && count.count > 0) {
                let key = (
                    tally.day,
                    tally.unit.clone(),
                    tally.class.clone(),
                    count.name.clone(),
                );
                counted.insert(key, count.count);
            }
        }
        self.tally.count(Family::Property, PROMISE);
        if counted == expected {
            return Ok(());
        }
        let wrong = counted
            .iter()
            .find(|(key, count)| expected.get(*key) != Some(*count));
        let missing = expected.iter().find(|(key, _)| !counted.contains_key(*key));
        Err(broken(format!(
            "{}: counted {wrong:?}, missing {missing:?}",
            self.told(machine)
        )))
    }

    /// The store of a machine is, row by row, what its journal says.
    pub(super) fn check_store(&mut self, machine: MachineId) -> Result<(), Broken> {
        const PROMISE: &str = "S8 a store follows its journal";
        let Some(running) = &self.machines[machine].running else {
            return Ok(());
        };
        let (me, views) = (&self.machines[machine].me, &running.views);
        let differing = rows::differing(me, views.reader().as_ref(), views.store().as_ref());
        let differing = differing.map_err(|error| Broken::at(PROMISE, error.to_string()))?;
        self.tally.count(Family::Property, PROMISE);
        match differing.first() {
            None => Ok(()),
            Some(first) => Err(Broken::at(
                PROMISE,
                format!(
                    "{} rows differ at {}: {first}",
                    differing.len(),
                    self.told(machine)
                ),
            )),
        }
    }

    /// After healing: lanes are empty, digests equal, chains the same everywhere, one custodian, annex shown.
    pub(super) fn check_drained(&mut self) -> Result<(), Broken> {
        for machine in 0..self.machines.len() {
            if self.machines[machine].running.is_none() {
                return Err(Broken::at("L7 machines run", self.told(machine)));
            }
            self.check_lanes(machine)?;
        }
        for machine in 0..self.machines.len() {
            self.check_parked(machine)?;
            self.check_recovered(machine)?;
            self.check_figures(machine)?;
            self.check_settles(machine)?;
        }
        let cases: BTreeSet<ChainId> = self
            .ledger
            .entries
            .values()
            .filter(|known| known.kind == pb::ChainKind::Case && !known.applied_at.is_empty())
            .map(|known| known.chain)
            .collect();
        for case in cases {
            self.check_case(case)?;
        }
        Ok(())
    }

    fn check_lanes(&mut self, machine: MachineId) -> Result<(), Broken> {
        let Some((upper, peer)) = self.parent_of(machine) else {
            return Ok(());
        };
        let node = self.machines[machine].me.at.node;
        let (Some(below), Some(above)) = (
            &self.machines[machine].running,
            &self.machines[upper].running,
        ) else {
            return Ok(());
        };
        let unread = |error| Broken::at("harness", format!("a lane does not read: {error}"));
        for lane in LANES {
            let ways = [
                (below, above, peer, node, "L1 upward"),
                (above, below, node, peer, "L2 downward"),
            ];
            for (from, to, to_node, from_node, promise) in ways {
                let owed = from.views.lane(to_node, lane).map_err(unread)?;
                let received = to.lanes(from_node).received(lane).map_err(unread)?;
                let receipt = from.views.receipt(to_node, lane).map_err(unread)?;
                if owed.owed != received.sequence || receipt.acknowledged != owed.owed {
                    let stands = self.wire.lines.get(&machine).map(|line| line.stream);
                    let linked = (
                        below.identity(peer).is_some(),
                        above.identity(node).is_some(),
                    );
                    return Err(Broken::at(
                        promise,
                        format!(
                            "machine {machine} below {upper}: {} from {from_node}: {} owed, {} stored, {} acknowledged; stream {stands:?}, linked {linked:?}",
                            lane.as_str_name(),
                            owed.owed,
                            received.sequence,
                            receipt.acknowledged
                        ),
                    ));
                }
            }
            self.tally.count(Family::Property, "L1 upward");
            self.tally.count(Family::Property, "L2 downward");
        }
        self.tally.count(Family::Property, "L3 digests equal");
        let differing = self.differences(machine, peer);
        if differing.is_empty() {
            Ok(())
        } else {
            Err(Broken::at("L3 convergence", differing))
        }
    }

    /// What two neighbours hold differently, in words.
    pub(super) fn differences(&self, machine: MachineId, peer: NodeId) -> String {
        let Some(other) = self.ledger.homes.iter().find(|(_, home)| **home == peer) else {
            return String::new();
        };
        let (Some(ours), Some(theirs)) = (
            &self.machines[machine].running,
            &self.machines[*other.0].running,
        ) else {
            return "one is down".into();
        };
        let node = self.machines[machine].me.at.node;
        let (Ok(here), Ok(there)) = (
            ours.views.digest_ranges(peer),
            theirs.views.digest_ranges(node),
        ) else {
            return "a digest does not read".into();
        };
        let mut differing = String::new();
        for range in 0..=u8::MAX {
            if here.get(usize::from(range)) == there.get(usize::from(range)) {
                continue;
            }
            let (Ok(here), Ok(there)) = (
                ours.views.digest_range(peer, range),
                theirs.views.digest_range(node, range),
            ) else {
                continue;
            };
            let only = here.iter().filter(|chain| !there.contains(chain));
            for chain in only.chain(there.iter().filter(|chain| !here.contains(chain))) {
                if let Some(id) = ChainId::from_bytes(&chain.chain) {
                    differing += &format!(
                        "{id}: {} here at {machine}, {} there at {}, known {:?}; ",
                        self.held(machine, id),
                        self.held(*other.0, id),
                        other.0,
                        self.ledger.told(id)
                    );
                }
            }
        }
        differing
    }

    fn held(&self, machine: MachineId, id: ChainId) -> String {
        let Some(chain) = self.chain(machine, id) else {
            return "nothing".into();
        };
        let head = chain
            .tree
            .head()
            .map(|head| format!("{}@{} {}", head.sequence, head.rank, head.hash.short()));
        let parked = self.parked(machine, &tables::parked_of(id));
        format!(
            "{:?} {head:?} of {}, parked {parked:?}",
            chain.kind,
            chain.tree.len()
        )
    }

    /// Why entries wait at a machine.
    fn parked(&self, machine: MachineId, prefix: &[u8]) -> Vec<String> {
        let Some(running) = &self.machines[machine].running else {
            return Vec::new();
        };
        let (lo, hi) = tables::prefixed(prefix);
        let rows = running
            .views
            .store()
            .range(&lo, &hi, 100)
            .unwrap_or_default();
        rows.iter()
            .filter_map(|(_, value)| tables::ParkedRow::decode(&value[..]).ok())
            .filter(|row| {
                let from = NodeId::from_bytes(&row.link);
                !from.is_some_and(|from| self.ledger.liars.contains(&from))
            })
            .map(|row| row.reason)
            .collect()
    }

    /// L7: nobody waits for neighbours any more.
    fn check_recovered(&self, machine: MachineId) -> Result<(), Broken> {
        let running = self.machines[machine].running.as_ref();
        let waiting = running.filter(|running| running.views.is_recovering().unwrap_or(true));
        if let Some(running) = waiting {
            let awaited = running.views.awaited(&running.engine.registry());
            let told = format!("{} awaits {awaited:?}", self.told(machine));
            return Err(Broken::at("L7 recovery ends", told));
        }
        Ok(())
    }

    /// L6: nothing waits for what has come.
    fn check_parked(&mut self, machine: MachineId) -> Result<(), Broken> {
        self.tally.count(Family::Property, "L6 parked drains");
        let mut reasons = self.parked(machine, &tables::parked_all());
        if self.losses > 0 {
            reasons.retain(|reason| reason != "REVOKED");
        }
        if reasons.is_empty() {
            Ok(())
        } else {
            Err(Broken::at(
                "L6 parked drains",
                format!("{reasons:?} at {}", self.told(machine)),
            ))
        }
    }

    fn check_case(&mut self, case: ChainId) -> Result<(), Broken> {
        let trees: Vec<(MachineId, Tree)> = (0..self.machines.len())
            .filter_map(|machine| Some((machine, self.chain(machine, case)?.tree)))
            .filter(|(_, tree)| !tree.is_empty())
            .collect();
        let highest = |tree: &Tree| tree.head().map(|head| (head.rank.clone(), head.sequence));
        let Some((_, best)) = trees.iter().max_by_key(|(_, tree)| highest(tree)) else {
            return Err(Broken::at(
                "S1 nothing lost",
                format!("nobody has case {case}"),
            ));
        };
        self.tally.count(Family::Property, "L3 replicas agree");
        self.tally.count(Family::Property, "L4 one custodian");
        let custodian = best.custody().map(|custody| custody.custodian);
        let reached = custodian.and_then(|place| self.centre_of(place));
        if reached.is_none() && !self.is_vacant(custodian) {
            return Err(Broken::at(
                "L4 one custodian",
                format!("nobody of case {case}"),
            ));
        }
        for (machine, tree) in &trees {
            let agrees = tree.digest() == best.digest()
                && tree.custody().map(|custody| custody.custodian) == custodian
                && self.is_all_there_is(case, tree);
            if !agrees || tree.is_frozen() {
                return Err(Broken::at(
                    "S3 agreement",
                    format!(
                        "case {case} at {}: {} of {}, frozen {}; known {:?}",
                        self.told(*machine),
                        self.held(*machine, case),
                        best.len(),
                        tree.is_frozen(),
                        self.ledger.told(case)
                    ),
                ));
            }
        }
        let best = best.clone();
        self.check_entries(case, &best)
    }

    /// Whether no earlier entry is awaited, but those whose every holder was lost.
    fn is_all_there_is(&self, case: ChainId, tree: &Tree) -> bool {
        let awaited = tree.awaited_below();
        let mut entries = self.ledger.entries.values();
        !entries.any(|known| {
            known.chain == case && known.sequence < awaited && !known.stored_at.is_empty()
        })
    }

    /// Whether a place has no centre of its own: people add places in a run, and dispatch to them.
    fn is_vacant(&self, place: Option<PlaceId>) -> bool {
        place.is_some_and(|place| {
            self.ledger.ground.contains_key(&place)
                && !self.ledger.nodes.values().any(|(home, _)| *home == place)
        })
    }

    /// S1 and S6 by what the ledger remembers of a case.
    fn check_entries(&mut self, case: ChainId, tree: &Tree) -> Result<(), Broken> {
        let standing: BTreeSet<Hash> = tree.standing().into_iter().collect();
        let annex: BTreeSet<Hash> = tree.annex().into_iter().collect();
        let head_rank = tree
            .head()
            .map(|head| head.rank.clone())
            .unwrap_or_default();
        let entries: BTreeMap<Hash, super::ledger::Known> = self
            .ledger
            .entries
            .iter()
            .filter(|(_, known)| known.chain == case)
            .map(|(hash, known)| (*hash, known.clone()))
            .collect();
        for (hash, known) in &entries {
            if known.applied_at.is_empty() {
                continue;
            }
            self.tally
                .count(Family::Property, "S6 the upper tier stands");
            if known.rank > head_rank && !self.fell(known) {
                return Err(Broken::at(
                    "S6 the upper tier stands",
                    format!("entry {} of a higher rank does not stand", hash.short()),
                ));
            }
            if standing.contains(hash) {
                continue;
            }
            if !annex.contains(hash) && !self.fell(known) {
                return Err(Broken::at(
                    "L8 annex is shown",
                    format!("entry {} neither stands nor is annex", hash.short()),
                ));
            }
            self.tally.count(Family::Property, "L8 annex is shown");
        }
        Ok(())
    }

    /// A taking above a gap that did not hold, with all that rested on it, is gone from trees.
    fn fell(&self, known: &super::ledger::Known) -> bool {
        known.rank != fengqiao_hub::rank::Rank::default()
    }
}
