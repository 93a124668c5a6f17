//! A whole deployment on virtual time: the engine, journal, key store, session and rules that ship, over disks that lose
//! what was not synced and links that lose, repeat, reorder, delay and cut. Everything follows from the seed.
//!
//! A run has a chaotic part, in which people work by the hours of the load profile while things go wrong, and in the
//! liveness mode a part in which everything heals and must drain. Promises are looked at after every step where that is
//! cheap ([`ledger`]), else at the end ([`checks`]). Whatever does not hold is a [`Broken`], with the one line that plays
//! it again.

pub mod agenda;
mod asking;
mod building;
pub mod checks;
pub mod clock;
pub mod coverage;
pub mod dice;
pub mod disk;
pub mod faults;
mod forging;
mod frames;
pub mod ledger;
mod links;
mod losing;
pub mod machine;
pub mod moves;
mod people;
pub mod plan;
mod settling;
pub mod tally;
mod telling;
mod watching;
pub mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::{NodeId, PlaceId, UnitId};
use fengqiao_node::engine::{Input, Output};
use fengqiao_node::replication::session::Event as Heard;
use fengqiao_node::store::MemoryStore;

use crate::world::Founding;
use agenda::{Agenda, Event, MachineId};
use dice::Dice;
use ledger::Ledger;
use machine::Machine;
use people::People;
use plan::Plan;
use tally::{Counts, Family, Tally};
use wire::Wire;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// A Monday.
const BEGINNING: &str = "2023-02-13T00:00:00+08:00";
/// Within it, everything drains after the last fault: a peer may be sent away for an hour, and dials again within five
/// minutes.
const DRAIN_MS: i64 = 3 * HOUR_MS;
/// Times that a machine's store is rebuilt and compared while things happen.
const LOOKS: usize = 2;
/// Beyond this skew to the parent a node writes no warnings by itself.
const SKEW_STOP_MS: i64 = HOUR_MS;

/// What is to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Any fault; nothing wrong may happen.
    Safety,
    /// Faults a run can get over; after the last one, everything drains.
    Liveness,
}

impl Mode {
    /// As it is named in the line that plays a run again.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Safety => "safety",
            Self::Liveness => "liveness",
        }
    }
}

/// A promise that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub promise: &'static str,
    /// How.
    pub detail: String,
}

impl Broken {
    /// A broken promise.
    #[must_use]
    pub fn at(promise: &'static str, detail: String) -> Self {
        Self { promise, detail }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.detail)
    }
}

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was exercised.
    pub counts: Counts,
    /// Hash of all that happened.
    pub trace: String,
    /// Days of nodes in which they had something to do.
    pub busy_node_days: u64,
    /// Days of nodes, idle ones too.
    pub node_days: u64,
    /// Events.
    pub events: u64,
    /// What did not hold.
    pub broken: Option<Broken>,
}

/// Generators of their own, so that one matter does not move another.
#[derive(Debug)]
struct Dices {
    people: Dice,
    faults: Dice,
    network: Dice,
    disk: Dice,
    looks: Dice,
}

/// A deployment while it is simulated.
#[expect(missing_debug_implementations, reason = "holds engines")]
pub struct Simulator {
    plan: Plan,
    dice: Dices,
    agenda: Agenda,
    founding: Founding,
    machines: Vec<Machine>,
    wire: Wire,
    people: People,
    ledger: Ledger,
    tally: Tally,
    /// Units without a node of their own, with the account that acts for each.
    units: BTreeMap<UnitId, usize>,
    dies_before_answer: BTreeSet<MachineId>,
    older_stores: BTreeMap<MachineId, Arc<MemoryStore>>,
    tickets_at: Vec<Vec<u64>>,
    /// When virtual time began.
    began_ms: i64,
    busy: BTreeSet<(MachineId, i64)>,
    backups: BTreeMap<MachineId, losing::Backup>,
    /// Lost machines that nobody may enrol a successor for yet, with their backups.
    missing: BTreeMap<MachineId, Option<losing::Backup>>,
    losses: usize,
    successors: usize,
    /// Places that were ended.
    ended: BTreeSet<PlaceId>,
    /// Places that were moved, or were to be.
    moved: BTreeSet<PlaceId>,
    is_told: bool,
}

/// Plays one seed.
#[must_use]
pub fn play(seed: u64, mode: Mode) -> Outcome {
    let mut dice = Dice::new(seed ^ if mode == Mode::Safety { 0x5afe } else { 0 });
    let plan = Plan::draw(&mut dice, mode);
    let mut simulator = Simulator::new(seed, plan, &mut dice);
    let broken = simulator.run(mode).err();
    simulator.outcome(broken)
}

/// Plays one seed; a panic of the code under test is a broken promise too.
#[must_use]
pub fn played(seed: u64, mode: Mode) -> Outcome {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| play(seed, mode)));
    caught.unwrap_or_else(|panic| {
        let said = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|said| (*said).to_owned()));
        Outcome {
            counts: Counts::new(),
            trace: String::new(),
            busy_node_days: 0,
            node_days: 0,
            events: 0,
            broken: Some(Broken::at("no panic", said.unwrap_or_default())),
        }
    })
}

/// The one line that plays a run again.
#[must_use]
pub fn replay_line(seed: u64, mode: Mode) -> String {
    format!(
        "FENGQIAO_SEED={seed} FENGQIAO_MODE={} make simulate",
        mode.name()
    )
}

impl Simulator {
    fn new(seed: u64, plan: Plan, dice: &mut Dice) -> Self {
        let beginning = Moment::parse_rfc3339(BEGINNING).map_or(0, |moment| moment.0);
        Self {
            plan,
            dice: Dices {
                people: dice.branch(),
                faults: dice.branch(),
                network: dice.branch(),
                disk: dice.branch(),
                looks: dice.branch(),
            },
            agenda: Agenda::at(beginning),
            began_ms: beginning,
            founding: Founding::new(seed),
            machines: Vec::new(),
            wire: Wire::default(),
            people: People::default(),
            ledger: Ledger::default(),
            tally: Tally::default(),
            units: BTreeMap::new(),
            dies_before_answer: BTreeSet::new(),
            older_stores: BTreeMap::new(),
            tickets_at: Vec::new(),
            busy: BTreeSet::new(),
            backups: BTreeMap::new(),
            missing: BTreeMap::new(),
            losses: 0,
            successors: 0,
            ended: BTreeSet::new(),
            moved: BTreeSet::new(),
            is_told: std::env::var_os("FENGQIAO_TELL").is_some(),
        }
    }

    fn run(&mut self, mode: Mode) -> Result<(), Broken> {
        self.tally.count(Family::World, self.plan.shape.name());
        self.build()?;
        self.agenda.after(0, Event::Day);
        for _ in 0..self.plan.faults {
            let at_ms = self.dice.faults.between(HOUR_MS, self.plan.days * DAY_MS);
            self.agenda.after(at_ms, Event::Fault);
        }
        for machine in (0..self.machines.len())
            .cycle()
            .take(self.machines.len() * LOOKS)
        {
            let at_ms = self.dice.looks.between(0, self.plan.days * DAY_MS);
            self.agenda.after(at_ms, Event::Compare(machine));
        }
        self.go_on(self.plan.days * DAY_MS)?;
        if mode == Mode::Liveness {
            self.heal()?;
            self.go_on(DRAIN_MS)?;
            if self.waive_where_nobody_vouches()? {
                self.go_on(DRAIN_MS)?;
            }
            self.check_drained()?;
        }
        self.check_safe()
    }

    /// Lets things happen for a while.
    fn go_on(&mut self, for_ms: i64) -> Result<(), Broken> {
        let end_ms = self.agenda.now_ms() + for_ms;
        while let Some(event) = self.agenda.next_before(end_ms) {
            self.happen(event)?;
        }
        Ok(())
    }

    fn outcome(self, broken: Option<Broken>) -> Outcome {
        let nodes = self.machines.len() as u64;
        let days = (self.agenda.now_ms() / DAY_MS).abs_diff(self.began_ms / DAY_MS) + 1;
        Outcome {
            trace: self.tally.traced(),
            busy_node_days: self.busy.len() as u64,
            node_days: nodes * days,
            events: self.tally.events,
            counts: self.tally.counts,
            broken,
        }
    }

    fn is_told(&self) -> bool {
        self.is_told
    }

    /// Says what happens, when somebody listens.
    #[expect(clippy::print_stderr, reason = "for whoever looks into a seed")]
    fn tell(&self, what: impl FnOnce() -> String) {
        if self.is_told {
            let now = Moment(self.agenda.now_ms());
            eprintln!("{now:?} {}", what());
        }
    }

    // What happens.

    fn happen(&mut self, event: Event) -> Result<(), Broken> {
        self.tell_event(&event);
        match event {
            Event::Work(machine) => self.work(machine),
            Event::Frame(stream, side, frame) => self.arrive(stream, side, *frame),
            Event::Broke(stream, side) => {
                self.broke(stream, side);
                Ok(())
            }
            Event::Accepted(stream) => self.accepted(stream),
            Event::SessionTick(stream, side) => self.session_tick(stream, side),
            Event::Watch(stream, side) => self.watch(stream, side),
            Event::Compute(stream, side, range) => self.compute(stream, side, range),
            Event::Dial(machine) => self.dial(machine),
            Event::Tick(machine) => {
                self.tick(machine);
                Ok(())
            }
            Event::Start(machine) => self.start(machine),
            Event::Day => {
                self.day();
                Ok(())
            }
            Event::Act => self.act(),
            Event::AskAgain(request) => self.ask_again(request),
            Event::Replace(machine) => self.replace(machine),
            Event::Compare(machine) => self.check_store(machine),
            Event::Fault => self.go_wrong(),
            Event::Mended(machine) => {
                self.mended(machine);
                Ok(())
            }
            Event::Quick(machine) => {
                self.machines[machine].sync_ms = 2;
                Ok(())
            }
        }
    }

    fn day(&mut self) {
        let days = (self.agenda.now_ms() / DAY_MS + 4) % 7;
        let weekday = usize::try_from(days).unwrap_or_default();
        for at_ms in self.plan.day(weekday, &mut self.dice.people) {
            self.agenda.after(at_ms, Event::Act);
        }
        self.agenda.after(DAY_MS, Event::Day);
        let machine = self.dice.faults.roll(self.machines.len());
        if self.dice.faults.roll(2) == 0 && self.plan.kinds.iter().any(|kind| kind.needs_backup()) {
            self.back_up(machine);
        }
        if self.plan.kinds.contains(&faults::Fault::KillStoreBehind)
            && let Some(running) = &self.machines[machine].running
        {
            let copy = Arc::new(running.store.copy());
            self.older_stores.insert(machine, copy);
        }
    }

    fn tick(&mut self, machine: MachineId) {
        let delay_ms = self.dice.network.between(2 * HOUR_MS, 12 * HOUR_MS);
        self.agenda.after(delay_ms, Event::Tick(machine));
        if let Some(running) = &self.machines[machine].running {
            let clock_believed = running.skew_up_ms.saturating_abs() <= SKEW_STOP_MS;
            self.submit(machine, Input::Tick { clock_believed });
        }
    }

    /// Something waits for an engine from now on.
    fn submit(&mut self, machine: MachineId, input: Input) {
        let sync_ms = self.machines[machine].sync_ms;
        let Some(running) = &mut self.machines[machine].running else {
            return;
        };
        if let Input::Act(request) = &input {
            self.tickets_at[machine].push(request.ticket);
        }
        if let Input::Administer(request) = &input {
            self.tickets_at[machine].push(request.ticket);
        }
        running.inbox.push_back(input);
        if !running.is_working {
            running.is_working = true;
            let delay_ms = self.dice.network.between(0, sync_ms);
            self.agenda.after(delay_ms, Event::Work(machine));
        }
    }

    fn work(&mut self, machine: MachineId) -> Result<(), Broken> {
        let (group_max, sync_ms) = (
            self.machines[machine].group_max,
            self.machines[machine].sync_ms,
        );
        let Some(running) = &mut self.machines[machine].running else {
            return Ok(());
        };
        let wanted = running.inbox.len().min(group_max);
        let inputs: Vec<Input> = running.inbox.drain(..wanted).collect();
        running.is_working = !running.inbox.is_empty();
        if running.is_working {
            self.agenda.after(sync_ms, Event::Work(machine));
        }
        if inputs.is_empty() {
            return Ok(());
        }
        let outputs = self.process(machine, inputs)?;
        if self.dies_before_answer.remove(&machine) && self.machines[machine].running.is_some() {
            self.tally
                .count(Family::Fault, faults::Fault::DieBeforeAnswer.name());
            self.stop(machine, disk::Stop::Kill)?;
            self.agenda.after(MINUTE_MS, Event::Start(machine));
            return Ok(());
        }
        self.go_out_all(machine, outputs)
    }

    fn go_out_all(&mut self, machine: MachineId, outputs: Vec<Output>) -> Result<(), Broken> {
        for output in outputs {
            self.go_out(machine, output)?;
        }
        Ok(())
    }

    /// One group: decided, synced and looked at. No outputs when the engine failed.
    fn process(&mut self, machine: MachineId, inputs: Vec<Input>) -> Result<Vec<Output>, Broken> {
        let now_ms = self.agenda.now_ms();
        let now = self.machines[machine].now(now_ms);
        let Some(running) = &mut self.machines[machine].running else {
            return Ok(Vec::new());
        };
        self.busy.insert((machine, now_ms / DAY_MS));
        let heard: BTreeSet<NodeId> = inputs
            .iter()
            .filter_map(|input| match input {
                Input::PeerStored { link, .. } | Input::Items { link, .. } => Some(*link),
                _ => None,
            })
            .collect();
        let outputs = match running.engine.process(now, inputs) {
            Ok(outputs) => outputs,
            Err(error) => {
                let burnt = self.machines[machine].disk.take_fuse();
                self.fail(machine, burnt, &format!("{error:?}"))?;
                return Ok(Vec::new());
            }
        };
        running.registry.store(running.engine.registry());
        let reader = Arc::clone(running.views.reader());
        let node = self.machines[machine].me.at.node;
        self.tell_synced(machine, reader.as_ref());
        self.ledger
            .observe(machine, node, reader.as_ref(), &mut self.tally, now_ms)?;
        for link in heard {
            self.note_settled(machine, link)?;
        }
        let unsynced = self.machines[machine].disk.unsynced();
        if !unsynced.is_empty() {
            return Err(Broken::at(
                "S8 ack means stored",
                format!("{} is not synced before the answers", unsynced[0].display()),
            ));
        }
        Ok(outputs)
    }

    fn go_out(&mut self, machine: MachineId, output: Output) -> Result<(), Broken> {
        match output {
            Output::Answer(ticket, answer) => {
                self.tickets_at[machine].retain(|waiting| *waiting != ticket);
                self.answered(machine, ticket, answer)
            }
            Output::Joined(..) => Ok(()),
            Output::Stored(link, lane, top_sequence) => {
                self.hear(machine, link, Heard::Stored { lane, top_sequence })
            }
            Output::TopMoved(link, lane, top_sequence) => {
                self.hear(machine, link, Heard::TopMoved { lane, top_sequence })
            }
            Output::Errand(errand) => {
                self.submit(machine, Input::Errand(errand));
                Ok(())
            }
            Output::Owed(link) => {
                self.hear(machine, link, Heard::Owed)?;
                self.watch_soon(machine, link);
                Ok(())
            }
            Output::Settles(link) => self.hear(machine, link, Heard::Settles),
            Output::Paused(link) => self.hear(machine, link, Heard::paused()),
            // Said by whoever carries the links: here nobody says it.
            Output::OlderCopy(..) | Output::NoOlderCopy(_) => Ok(()),
            Output::RulebookChanged => Ok(()),
            Output::RegistryChanged => {
                self.leave_former_parent(machine);
                self.dial_after(machine, 1_000);
                Ok(())
            }
        }
    }

    /// A process runs again: what it had synced is there, and its links are dialled.
    fn has_started(&mut self, machine: MachineId) -> Result<(), Broken> {
        let now_ms = self.agenda.now_ms();
        let Some(running) = &self.machines[machine].running else {
            return Ok(());
        };
        let reader = Arc::clone(running.views.reader());
        let end = running.engine.journal_end();
        let node = self.machines[machine].me.at.node;
        self.ledger
            .started(machine, reader.as_ref(), end, &mut self.tally)?;
        self.ledger
            .observe(machine, node, reader.as_ref(), &mut self.tally, now_ms)?;
        self.tally.trace(now_ms, "started", &node.0);
        self.dial_after(machine, 500);
        Ok(())
    }

    /// Whether two machines run with one identity.
    fn is_twin_about(&self) -> bool {
        !self.ledger.twins.is_empty()
    }

    /// Nothing goes wrong any more: machines run, links carry, clocks are right.
    fn heal(&mut self) -> Result<(), Broken> {
        self.agenda.drop_all(|event| {
            matches!(
                event,
                Event::Fault | Event::Day | Event::Act | Event::AskAgain(_) | Event::Mended(_)
            )
        });
        self.dies_before_answer.clear();
        for line in self.wire.lines.values_mut() {
            line.cut_until_ms = [i64::MIN; 2];
            line.weather = wire::Weather {
                latency_ms: line.weather.latency_ms,
                ..wire::Weather::default()
            };
        }
        let standing: Vec<u64> = self.wire.streams.keys().copied().collect();
        for stream in standing {
            // Connections reach their age: what a wild network left in them is left behind.
            self.broke(stream, wire::Side::Lower);
            self.broke(stream, wire::Side::Upper);
        }
        for machine in 0..self.machines.len() {
            self.machines[machine].disk.take_fuse();
            self.machines[machine].clock.set_right();
            self.machines[machine].sync_ms = 2;
            self.start(machine)?;
            self.dial_after(machine, 1_000);
        }
        Ok(())
    }
}
