//! Machines lost for good, or put back from an older backup: a new node of the place in a later incarnation, pinned by
//! the parent or, at the top, by the root key.

use std::collections::BTreeSet;

use fengqiao_hub::entry::{Draft, Entry, Move};
use fengqiao_hub::id::{ChainId, Hash, NodeId, PlaceId};
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_hub::rank::Rank;
use fengqiao_node::engine::{Input, Me};
use fengqiao_proto::v1 as pb;

use super::agenda::{Event, MachineId};
use super::disk::{SimDisk, Stop};
use super::ledger::Shelf;
use super::machine::Machine;
use super::people::{Asked, Wanted};
use super::tally::Family;
use super::{Broken, MINUTE_MS, Simulator};

/// Machines lost in one run, at most.
const LOSSES_MAX: usize = 3;
/// Indexes of nodes that come after lost ones.
const SUCCESSORS_FROM: usize = 1_000;

/// What a machine had at some moment.
#[derive(Debug, Clone)]
pub(crate) struct Backup {
    disk: SimDisk,
    shelf: Shelf,
    stored: BTreeSet<Hash>,
    /// Registry chains on the way from the first place to this one.
    way: Vec<Vec<u8>>,
}

impl Simulator {
    /// A machine is backed up: what is synced, as it stands.
    pub(super) fn back_up(&mut self, machine: MachineId) {
        if self.machines[machine].running.is_none() {
            return;
        }
        let backup = Backup {
            disk: self.machines[machine].disk.copy(),
            shelf: self.ledger.shelves[machine].clone(),
            stored: self.ledger.stored_at(machine),
            way: self.first_entries(machine),
        };
        self.backups.insert(machine, backup);
    }

    /// A machine is lost; another one takes its place, over a backup or over nothing.
    pub(super) fn lose(
        &mut self,
        machine: MachineId,
        backup: Option<Backup>,
        name: &'static str,
    ) -> Result<(), Broken> {
        let Some(teller) = self.teller_of(machine, &[machine]) else {
            return Ok(());
        };
        if !self.may_lose(&[machine]) {
            return Ok(());
        }
        self.tally.count(Family::Fault, name);
        self.go_missing(machine, backup.as_ref())?;
        self.come_back(machine, teller, backup)
    }

    /// A machine and its parent's are lost at once; each comes back over a backup or, one of
    /// them, over nothing, the upper one first.
    pub(super) fn lose_two(&mut self, lower: MachineId, name: &'static str) -> Result<(), Broken> {
        let Some((upper, _)) = self.parent_of(lower) else {
            return Ok(());
        };
        let Some(teller) = self.teller_of(upper, &[upper, lower]) else {
            return Ok(());
        };
        let node = self.machines[lower].me.at.node;
        // Whoever has to enrol the lower one anew must be able to learn that it was there.
        if !self.knows(teller, node) || !self.may_lose(&[upper, lower]) {
            return Ok(());
        }
        let [above, below] = [upper, lower].map(|machine| {
            let backup = self.backups.get(&machine).cloned();
            backup.filter(|_| self.dice.faults.roll(3) > 0)
        });
        // Whoever enrols the lower one anew writes into the registry, and cannot know of an entry that is left below only.
        if self.leaves_registry_below(upper, lower, above.as_ref()) {
            return Ok(());
        }
        // Without any backup nobody in time tells the lower one who is below it.
        if above.is_none() && below.is_none() {
            return Ok(());
        }
        self.tally.count(Family::Fault, name);
        self.go_missing(lower, below.as_ref())?;
        self.go_missing(upper, above.as_ref())?;
        self.missing.insert(lower, below);
        self.agenda.after(MINUTE_MS, Event::Replace(lower));
        self.come_back(upper, teller, above)
    }

    /// Whether an entry of a registry would be left only below a machine that is lost together with the one that wrote it.
    fn leaves_registry_below(
        &self,
        upper: MachineId,
        lower: MachineId,
        above: Option<&Backup>,
    ) -> bool {
        let registry = ChainId::of_place(self.machines[upper].me.at.place);
        let is_below = |machine: MachineId| {
            let mut up = self.parent_of(machine);
            while let Some((parent, _)) = up {
                if parent == lower {
                    return true;
                }
                up = self.parent_of(parent);
            }
            false
        };
        let written = self
            .ledger
            .entries
            .iter()
            .filter(|(_, known)| known.chain == registry);
        let mut forgotten =
            written.filter(|(hash, _)| !above.is_some_and(|above| above.stored.contains(*hash)));
        forgotten.any(|(_, known)| {
            let mut left = known
                .stored_at
                .iter()
                .filter(|at| **at != upper && **at != lower);
            let is_left = left.clone().next().is_some();
            is_left && left.all(|at| is_below(*at))
        })
    }

    /// A successor for a machine that was lost with its parent's, as soon as that one may enrol it: as an invitation is
    /// honoured by a recovering node when nobody is awaited but the lost one.
    pub(super) fn replace(&mut self, machine: MachineId) -> Result<(), Broken> {
        let lost = self.machines[machine].me.at.node;
        let teller = self.teller_of(machine, &[machine]).filter(|teller| {
            let running = self.machines[*teller].running.as_ref();
            running.is_some_and(|running| {
                let is_known = running.engine.registry().node(lost).is_some();
                let awaited = running.views.awaited(&running.engine.registry());
                is_known && awaited.is_ok_and(|all| all.iter().all(|link| *link == lost))
            })
        });
        match (teller, self.missing.get(&machine).cloned()) {
            (Some(teller), Some(backup)) => {
                self.missing.remove(&machine);
                self.come_back(machine, teller, backup)
            }
            _ => {
                self.agenda.after(10 * MINUTE_MS, Event::Replace(machine));
                Ok(())
            }
        }
    }

    pub(super) fn may_lose(&self, machines: &[MachineId]) -> bool {
        let has_ended = |machine: &MachineId| {
            let place = self.machines[*machine].me.at.place;
            self.ended.contains(&place)
        };
        self.losses + machines.len() <= LOSSES_MAX
            && !self.is_twin_about()
            && !machines.iter().any(has_ended)
            && self.is_whole()
    }

    pub(super) fn go_missing(
        &mut self,
        machine: MachineId,
        backup: Option<&Backup>,
    ) -> Result<(), Broken> {
        self.losses += 1;
        self.stop(machine, Stop::PowerCut)?;
        self.forget(machine, backup);
        Ok(())
    }

    /// A new node of a lost machine's place is pinned, and begins over what the backup holds.
    pub(super) fn come_back(
        &mut self,
        machine: MachineId,
        teller: MachineId,
        backup: Option<Backup>,
    ) -> Result<(), Broken> {
        let at = self.machines[machine].me.at;
        self.machines[teller].disk.take_fuse();
        self.successors += 1;
        let index = SUCCESSORS_FROM + self.successors;
        let mut me = self.founding.newcomer(index, at.place, at.unit);
        let input = if machine == 0 {
            // As the shipped `recover` does: after the newest registry that the backup or a witness knows.
            let id = ChainId::of_place(at.place);
            let of_backup = backup.as_ref().map_or(&[][..], |backup| &backup.way);
            let mut known = longer_of(of_backup, &self.first_entries(teller), id);
            known.push(self.renewal(&known, &mut me)?);
            Input::Introduced(known)
        } else {
            let registration = self.founding.registration(&me);
            Input::Enrol { registration }
        };
        let outputs = self.process(teller, vec![input])?;
        self.go_out_all(teller, outputs)?;
        let pinned = self.machines[teller]
            .running
            .as_ref()
            .and_then(|running| running.engine.registry().node(me.at.node).cloned());
        let Some(pinned) = pinned else {
            return Err(Broken::at("harness", "a successor was not pinned".into()));
        };
        (me.incarnation, me.generation) = (pinned.incarnation, pinned.generation);
        let over = if backup.is_some() {
            "a backup"
        } else {
            "nothing"
        };
        self.move_successor_in(machine, me, backup);
        let way = if machine == 0 {
            self.first_entries(teller)
        } else {
            self.entries_on_way_to(at.place, teller)
        };
        let now_ms = self.agenda.now_ms();
        self.machines[machine].first = vec![Input::Introduced(way)];
        self.tell(|| format!("{machine} begins again over {over}"));
        self.tally.trace(now_ms, "begins again", &[]);
        self.start(machine)
    }

    /// Whether every machine runs and has been handed all that it had lost: what is lost later is then held elsewhere.
    fn is_whole(&self) -> bool {
        self.machines.iter().all(|machine| {
            let running = machine.running.as_ref();
            running.is_some_and(|running| !running.views.is_recovering().unwrap_or(true))
        })
    }

    /// Who pins a successor: the parent's machine, or for the top a machine below it.
    pub(super) fn teller_of(&self, machine: MachineId, lost: &[MachineId]) -> Option<MachineId> {
        let at = self.machines[machine].me.at;
        let above = match at.unit {
            Some(_) => Some(at.place),
            None => self.ledger.ground.get(&at.place)?.parent,
        };
        let teller = match above {
            // One who has not heard of a move, or of the machine that was lost, enrols nobody yet.
            Some(place) => self.centre_of(place).filter(|above| {
                at.unit.is_some()
                    || self.knows_below(*above, at.place) && self.knows(*above, at.node)
            })?,
            // Whoever has the newest of the first place's registry: an older one would be forked.
            None => {
                let newest = self.ledger.newest_at(ChainId::of_place(at.place), machine);
                newest.into_iter().find(|other| {
                    !lost.contains(other) && self.machines[*other].running.is_some()
                })?
            }
        };
        self.machines[teller].running.as_ref().map(|_| teller)
    }

    /// A leader goes on without the word of whoever will give none: the new parent of a moved place that was lost before it
    /// had handed over vouches for nothing, and a former parent has nobody left to speak to. Says whether anybody had to.
    pub(super) fn waive_where_nobody_vouches(&mut self) -> Result<bool, Broken> {
        let mut waived = false;
        for machine in 0..self.machines.len() {
            let me = self.machines[machine].me.at;
            let parent = self.parent_of(machine);
            let Some(running) = &self.machines[machine].running else {
                continue;
            };
            let registry = running.engine.registry();
            let awaited = running.views.awaited(&registry).unwrap_or_default();
            let below = me.down(&registry);
            let is_silent = |link: &NodeId| match parent {
                Some((upper, up)) if *link == up => !self.vouches(upper, machine),
                _ => self.moved.contains(&me.place) && !below.contains(link),
            };
            if awaited.is_empty() || !awaited.iter().all(is_silent) {
                continue;
            }
            waived = true;
            self.tally
                .count(Family::Fault, "a parent of a moved lost place waived");
            for link in awaited {
                self.ask(Asked {
                    machine,
                    login: "leader".into(),
                    what: Wanted::Waive(link),
                })?;
            }
        }
        Ok(waived)
    }

    /// Whether a parent has had what a machine's place had sent before it was lost: a moved place had sent it elsewhere,
    /// until it handed over.
    pub(super) fn vouches(&self, parent: MachineId, child: MachineId) -> bool {
        let at = self.machines[child].me.at;
        let was_moved = at.unit.is_none() && self.moved.contains(&at.place);
        !was_moved || self.ledger.was_handed_over(parent, at.place)
    }

    fn knows(&self, machine: MachineId, node: NodeId) -> bool {
        let running = self.machines[machine].running.as_ref();
        running.is_some_and(|running| running.engine.registry().node(node).is_some())
    }

    fn knows_below(&self, above: MachineId, place: PlaceId) -> bool {
        let running = self.machines[above].running.as_ref();
        let registry = running.map(|running| running.engine.registry());
        let known = registry.and_then(|registry| registry.place(place).cloned());
        known.is_some_and(|known| known.parent == Some(self.machines[above].me.at.place))
    }

    /// The entry by which the root key pins a new node of the first place, after all that is known of its registry.
    fn renewal(&self, known: &[Vec<u8>], me: &mut Me) -> Result<Vec<u8>, Broken> {
        let broken = || Broken::at("harness", "the top's registry is not known".into());
        let mut registry = Registry::default();
        let mut head = None;
        for bytes in known {
            let entry = Entry::parse(bytes).map_err(|_| broken())?;
            registry.apply(&entry).map_err(|_| broken())?;
            head = Some(entry);
        }
        let head = head.ok_or_else(broken)?;
        let before = registry
            .last_node_of(me.at.place, None)
            .ok_or_else(broken)?;
        me.incarnation = before.incarnation + 1;
        me.generation = before.generation + 1;
        let renewed = pb::body::Content::from(pb::RootRenewed {
            node: Some(self.founding.registration(me)),
            approved_by: vec![vec![1; 10], vec![2; 10]],
        });
        let draft = Draft {
            deployment: self.founding.deployment,
            kind: pb::ChainKind::Registry,
            chain: head.chain,
            rank: Rank::default(),
            sequence: head.sequence + 1,
            previous: Some(head.hash),
            author: me.at.node,
            incarnation: me.incarnation,
            author_sequence: 1,
            registry: Vec::new(),
            mv: Move::None,
            submission: None,
            kind_class: pb::KindClass::Work,
            body: pb::Body {
                schema: 1,
                wall_time_ms: self.agenda.now_ms(),
                content: Some(renewed),
                ..Default::default()
            },
            payloads: Vec::new(),
        };
        Ok(draft.sign(&self.founding.root_key).bytes())
    }

    /// What only the lost machine knew, and its backup does not, is nowhere from now on.
    fn forget(&mut self, machine: MachineId, backup: Option<&Backup>) {
        let nothing = BTreeSet::new();
        let kept = backup.map_or(&nothing, |backup| &backup.stored);
        let end = backup.map_or(0, |backup| backup.shelf.end);
        self.ledger.lost(machine, kept, end);
    }

    fn move_successor_in(&mut self, machine: MachineId, me: Me, backup: Option<Backup>) {
        let node = me.at.node;
        let mut successor = Machine::new(me);
        successor.clock = self.machines[machine].clock;
        successor.group_max = self.machines[machine].group_max;
        successor.parked_max = self.machines[machine].parked_max;
        successor.starts = self.machines[machine].starts;
        let shelf = match backup {
            Some(backup) => {
                successor.disk = backup.disk.copy();
                successor.recovers = true;
                backup.shelf.begun_again()
            }
            None => Shelf::default(),
        };
        self.backups.remove(&machine);
        self.older_stores.remove(&machine);
        self.ledger.shelves[machine] = shelf;
        self.ledger.homes.insert(machine, node);
        let at = successor.me.at;
        self.ledger
            .nodes
            .insert(node, (at.place, at.unit.is_some()));
        self.machines[machine] = successor;
    }

    /// A child whose parent's machine was lost learns at the next handshake who serves there now, and tells it of itself
    /// when it is not known there.
    pub(super) fn meet_new_parent(&mut self, lower: MachineId) {
        let at = self.machines[lower].me.at;
        let Some(running) = &self.machines[lower].running else {
            return;
        };
        let above = match at.unit {
            Some(_) => Some(at.place),
            None => running
                .engine
                .registry()
                .place(at.place)
                .and_then(|place| place.parent),
        };
        let upper = above.and_then(|place| self.centre_of(place));
        if let Some(upper) = upper.filter(|upper| self.machines[*upper].running.is_some()) {
            let way = self.first_entries(upper);
            self.tally.count(Family::Link, "introduced");
            self.submit(lower, Input::Introduced(way));
            let me = self.machines[lower].me.at.node;
            let above = self.machines[upper].running.as_ref();
            let is_known = above.is_none_or(|above| above.engine.registry().node(me).is_some());
            if !is_known && self.machines[upper].me.is_successor() {
                let known = self.first_entries(lower);
                self.tally.count(Family::Link, "told a parent of itself");
                self.submit(upper, Input::Introduced(known));
            }
        }
    }
}

/// The longer of two accounts of a chain among others.
fn longer_of(one: &[Vec<u8>], other: &[Vec<u8>], id: ChainId) -> Vec<Vec<u8>> {
    let of_chain = |bytes: &&Vec<u8>| Entry::parse(bytes).is_ok_and(|entry| entry.chain == id);
    let accounts = [one, other].map(|known| known.iter().filter(of_chain).cloned().collect());
    let longest = accounts
        .into_iter()
        .max_by_key(|account: &Vec<Vec<u8>>| account.len());
    longest.unwrap_or_default()
}
