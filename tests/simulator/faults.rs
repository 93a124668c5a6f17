//! What goes wrong, and how machines stop and start.

use std::path::Path;
use std::sync::Arc;

use super::agenda::{Event, MachineId};
use super::disk::{Fuse, Stop};
use super::machine::{FOLDER, Kept, Machine};
use super::tally::Family;
use super::wire::Side;
use super::{Broken, Mode, Simulator};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
const YEAR_MS: i64 = 365 * DAY_MS;

macro_rules! faults {
    ($($(#[$doc:meta])* $fault:ident = $name:literal,)*) => {
        /// Kinds of faults.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault { $($(#[$doc])* $fault,)* }

        impl Fault {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$fault,)*];

            /// As it is counted.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$fault => $name,)* }
            }
        }
    };
}

faults! {
    /// The process is killed between two groups; its store is as it was.
    Kill = "killed",
    /// The same; its store is behind.
    KillStoreBehind = "killed, store behind",
    /// The same; its store is gone.
    KillStoreLost = "killed, store lost",
    /// It dies in one of the next operations of its disk, then the kernel goes on or the power goes.
    DieInOperation = "died in a disk operation",
    /// It dies after the sync and before it answers.
    DieBeforeAnswer = "died before answering",
    /// It dies while it starts.
    DieWhileStarting = "died while starting",
    /// A write or sync fails once.
    DiskFails = "write or sync failed",
    /// There is no room once.
    DiskFull = "disk full",
    /// Syncs take two seconds.
    SlowDisk = "slow disk",
    /// A bit of the journal or of the key store flips.
    Rot = "bit rot",
    /// A link is cut both ways.
    Cut = "link cut",
    /// What goes up passes, what goes down does not.
    CutDown = "link cut downwards",
    /// What goes down passes, what goes up does not.
    CutUp = "link cut upwards",
    /// A stream breaks; one side learns it late.
    HalfOpen = "half-open stream",
    /// A link flaps.
    Flap = "link flaps",
    /// A clock is set wrong.
    ClockJump = "clock jumps",
    /// A clock is wrong by years.
    ClockYears = "clock wrong by years",
    /// A clock stands still.
    ClockFrozen = "clock frozen",
    /// A clock runs too fast or too slow.
    ClockDrift = "clock drifts",
    /// A machine is lost for good; its place gets another.
    Lost = "machine lost",
    /// A machine is put back from an older backup.
    PutBack = "machine put back from a backup",
    /// A machine and its parent's are lost at once, with one backup or two.
    TwoLost = "two neighbours lost at once",
    /// The first place's machine is lost, or put back from an older backup.
    TopGone = "top lost or put back",
    /// Somebody else has a machine's keys and writes with them what it may not; then it is replaced.
    Forged = "forged entries on the wire",
    /// Two machines run with one identity.
    Twin = "cloned machine",
}

impl Fault {
    /// Whether a run in that mode can get over it.
    #[must_use]
    pub fn suits(self, mode: Mode) -> bool {
        mode == Mode::Safety || self != Self::Twin
    }

    /// Whether it puts something back.
    #[must_use]
    pub fn needs_backup(self) -> bool {
        matches!(
            self,
            Self::PutBack | Self::TwoLost | Self::TopGone | Self::Forged
        )
    }
}

impl Simulator {
    /// Something goes wrong.
    pub(super) fn go_wrong(&mut self) -> Result<(), Broken> {
        let kinds = self.plan.kinds.clone();
        let fault = self.dice.faults.pick(&kinds);
        let machines = self.machines.len();
        let machine = self.dice.faults.roll(machines);
        self.tell(|| format!("{} at {machine}", fault.name()));
        if self.machines[machine].running.is_none() {
            return Ok(());
        }
        match fault {
            Fault::Kill | Fault::KillStoreBehind | Fault::KillStoreLost => {
                self.tally.count(Family::Fault, fault.name());
                self.kill(machine, fault)
            }
            Fault::DieInOperation | Fault::DiskFails | Fault::DiskFull => {
                let fuse = match fault {
                    Fault::DiskFails => Fuse::Fail,
                    Fault::DiskFull => Fuse::Full,
                    _ => Fuse::Die,
                };
                let after = self.dice.faults.number() % 6;
                self.machines[machine].disk.set_fuse(after, fuse);
                Ok(())
            }
            Fault::DieBeforeAnswer => {
                self.dies_before_answer.insert(machine);
                Ok(())
            }
            Fault::DieWhileStarting => {
                self.kill(machine, Fault::Kill)?;
                let after = self.dice.faults.number() % 12;
                self.machines[machine].disk.set_fuse(after, Fuse::Die);
                Ok(())
            }
            Fault::SlowDisk => {
                self.tally.count(Family::Fault, fault.name());
                self.machines[machine].sync_ms = 2_000;
                let until_ms = self.dice.faults.between(HOUR_MS, DAY_MS);
                self.agenda.after(until_ms, Event::Quick(machine));
                Ok(())
            }
            Fault::Rot => self.rot(machine),
            Fault::Cut | Fault::CutDown | Fault::CutUp | Fault::HalfOpen | Fault::Flap => {
                self.hurt_link(machine, fault);
                Ok(())
            }
            Fault::ClockJump | Fault::ClockYears | Fault::ClockFrozen | Fault::ClockDrift => {
                self.tally.count(Family::Fault, fault.name());
                self.hurt_clock(machine, fault);
                Ok(())
            }
            Fault::Lost if machine > 0 => self.lose(machine, None, fault.name()),
            Fault::PutBack if machine > 0 => match self.backups.get(&machine).cloned() {
                Some(backup) => self.lose(machine, Some(backup), fault.name()),
                None => Ok(()),
            },
            Fault::Lost | Fault::PutBack => Ok(()),
            Fault::TwoLost => self.lose_two(machine, fault.name()),
            Fault::TopGone => {
                let backup = self.backups.get(&0).cloned();
                let backup = backup.filter(|_| self.dice.faults.roll(2) == 0);
                self.lose(0, backup, fault.name())
            }
            Fault::Forged => self.lie(machine, fault.name()),
            Fault::Twin => self.clone_machine(machine),
        }
    }

    fn hurt_clock(&mut self, machine: MachineId, fault: Fault) {
        let now_ms = self.agenda.now_ms();
        let dice = &mut self.dice.faults;
        let clock = &mut self.machines[machine].clock;
        match fault {
            Fault::ClockFrozen => clock.freeze(now_ms),
            Fault::ClockDrift => clock.drift(now_ms, dice.between(-50_000, 50_000)),
            Fault::ClockYears => clock.jump(dice.between(-10 * YEAR_MS, 10 * YEAR_MS)),
            _ => clock.jump(dice.between(-3 * DAY_MS, 3 * DAY_MS)),
        }
    }

    fn hurt_link(&mut self, machine: MachineId, fault: Fault) {
        let now_ms = self.agenda.now_ms();
        let Some(line) = self.wire.lines.get_mut(&machine) else {
            return;
        };
        self.tally.count(Family::Fault, fault.name());
        let stream = line.stream;
        let dice = &mut self.dice.faults;
        let length_ms = match dice.roll(4) {
            0 => dice.between(1_000, 2 * MINUTE_MS),
            1 => dice.between(DAY_MS, 30 * DAY_MS),
            _ => dice.between(MINUTE_MS, DAY_MS),
        };
        let cut: &[Side] = match fault {
            Fault::Cut => &[Side::Lower, Side::Upper],
            Fault::CutUp => &[Side::Lower],
            Fault::CutDown => &[Side::Upper],
            _ => &[],
        };
        for side in cut {
            line.cut_until_ms[side.index()] = now_ms + length_ms;
        }
        if !cut.is_empty() {
            self.agenda.after(length_ms, Event::Mended(machine));
        }
        let Some(stream) = stream else { return };
        match fault {
            Fault::Flap => {
                for at_ms in 0..20 {
                    self.agenda.after(at_ms * 1_000, Event::Mended(machine));
                }
            }
            Fault::HalfOpen => {
                self.break_soon(stream, Side::Lower, 0);
                self.break_soon(stream, Side::Upper, 40_000);
            }
            // Some links hold what they cannot carry, for as long as it takes; on others the stream is given up.
            _ if self.dice.faults.roll(4) > 0 => {
                for side in [Side::Lower, Side::Upper] {
                    let delay_ms = self.dice.faults.between(20_000, 60_000);
                    self.agenda.after(delay_ms, Event::Broke(stream, side));
                }
            }
            _ => self.tally.count(Family::Fault, "cut link holds frames"),
        }
    }

    /// A link carries again, or flaps: its stream is given up and dialled anew.
    pub(super) fn mended(&mut self, lower: MachineId) {
        let stream = self.wire.lines.get(&lower).and_then(|line| line.stream);
        match stream {
            Some(stream) if self.plan.kinds.contains(&Fault::Flap) => {
                self.broke(stream, Side::Lower);
                self.broke(stream, Side::Upper);
            }
            Some(stream) => {
                for side in [Side::Lower, Side::Upper] {
                    if let Some((machine, peer)) = self.seated(stream, side) {
                        self.watch_soon(machine, peer);
                    }
                }
            }
            None => self.dial_after(lower, 1_000),
        }
    }

    fn kill(&mut self, machine: MachineId, fault: Fault) -> Result<(), Broken> {
        self.stop(machine, Stop::Kill)?;
        let kept = &mut self.machines[machine].kept;
        match fault {
            Fault::KillStoreLost => *kept = Kept::Nothing,
            Fault::KillStoreBehind => {
                if let Some(older) = self.older_stores.remove(&machine) {
                    *kept = Kept::Store(older);
                } else {
                    *kept = Kept::Nothing;
                }
            }
            _ => {}
        }
        let pause_ms = self.pause_ms();
        self.agenda.after(pause_ms, Event::Start(machine));
        Ok(())
    }

    fn pause_ms(&mut self) -> i64 {
        let dice = &mut self.dice.faults;
        match dice.roll(8) {
            0 => dice.between(HOUR_MS, 20 * DAY_MS),
            1 | 2 => dice.between(MINUTE_MS, HOUR_MS),
            _ => dice.between(50, 5_000),
        }
    }

    /// The process of a machine ends; whoever waits there hears nothing.
    pub(super) fn stop(&mut self, machine: MachineId, stop: Stop) -> Result<(), Broken> {
        self.tell(|| format!("{machine} stops: {stop:?}"));
        self.hang_up(machine);
        self.check_faults(machine)?;
        let Some(running) = self.machines[machine].running.take() else {
            return Ok(());
        };
        self.check_alarms(machine, &running.engine.alarms())?;
        let tickets = std::mem::take(&mut self.tickets_at[machine]);
        self.left_waiting(&tickets);
        let lost = self.machines[machine].disk.stop(stop, &mut self.dice.disk);
        self.tally
            .count_many(Family::Fault, "write dropped", lost.dropped);
        self.tally
            .count_many(Family::Fault, "write torn", lost.torn);
        self.tally
            .count_many(Family::Fault, "write reordered", lost.reordered);
        self.tally
            .count_many(Family::Fault, "name lost", lost.names);
        self.machines[machine].kept = match stop {
            Stop::Kill => Kept::Store(Arc::clone(&running.store)),
            // Another boot: what was not synced is not believed.
            Stop::PowerCut => Kept::Nothing,
        };
        Ok(())
    }

    /// The engine failed, or its process died in an operation.
    pub(super) fn fail(
        &mut self,
        machine: MachineId,
        was_fuse: Option<Fuse>,
        error: &str,
    ) -> Result<(), Broken> {
        let name = match was_fuse {
            Some(Fuse::Full) => Fault::DiskFull.name(),
            Some(Fuse::Fail) => Fault::DiskFails.name(),
            Some(Fuse::Die) => Fault::DieInOperation.name(),
            None => {
                return Err(Broken::at(
                    "the engine goes on",
                    format!("it failed on a sound disk: {error}"),
                ));
            }
        };
        self.tally.count(Family::Fault, name);
        let is_power_cut = self.dice.faults.roll(2) == 0;
        if is_power_cut {
            self.tally.count(Family::Fault, "power cut");
        }
        let stop = if is_power_cut {
            Stop::PowerCut
        } else {
            Stop::Kill
        };
        self.stop(machine, stop)?;
        let pause_ms = self.pause_ms();
        self.agenda.after(pause_ms, Event::Start(machine));
        Ok(())
    }

    /// A machine starts, over what its disk holds.
    pub(super) fn start(&mut self, machine: MachineId) -> Result<(), Broken> {
        if self.machines[machine].running.is_some() || self.missing.contains_key(&machine) {
            return Ok(());
        }
        let now_ms = self.agenda.now_ms();
        match self.machines[machine].start(&self.founding, now_ms) {
            Ok(outputs) => {
                self.machines[machine].disk.take_fuse();
                self.has_started(machine)?;
                self.go_out_all(machine, outputs)
            }
            Err(error) => {
                if self.machines[machine].disk.take_fuse().is_none() {
                    return Err(Broken::at(
                        "a stopped node starts again",
                        format!("{} does not: {error:?}", self.told(machine)),
                    ));
                }
                self.tally
                    .count(Family::Fault, Fault::DieWhileStarting.name());
                let stop = self.dice.faults.pick(&[Stop::Kill, Stop::PowerCut]);
                self.machines[machine].disk.stop(stop, &mut self.dice.disk);
                self.agenda.after(1_000, Event::Start(machine));
                Ok(())
            }
        }
    }

    /// A bit flips while the machine is off. It must not start, and say why; its bytes are then put right.
    fn rot(&mut self, machine: MachineId) -> Result<(), Broken> {
        let Some(running) = &self.machines[machine].running else {
            return Ok(());
        };
        let end = running.engine.journal_end();
        self.stop(machine, Stop::Kill)?;
        let files = self.machines[machine].disk.files();
        let dice = &mut self.dice.faults;
        let journal = Path::new(FOLDER).join("journal");
        let Some((name, length)) = files
            .iter()
            .rfind(|(name, length)| name.starts_with(&journal) && *length > 0)
        else {
            return Ok(());
        };
        let last = self.ledger.last_record_bytes(machine, end);
        // The very last append cannot be told from one that was never finished.
        let sound = length.saturating_sub(last);
        if sound == 0 {
            self.agenda.after(1_000, Event::Start(machine));
            return Ok(());
        }
        let (offset, bit) = (dice.roll(sound), u8::try_from(dice.roll(8)).unwrap_or(0));
        self.tally.count(Family::Fault, Fault::Rot.name());
        let disk = self.machines[machine].disk.clone();
        disk.flip(name, offset, bit);
        let now_ms = self.agenda.now_ms();
        let kept = self.machines[machine].kept.clone();
        let started = self.machines[machine].start(&self.founding, now_ms);
        match started {
            Err(error) if error.is_damage() => {}
            Err(error) => {
                return Err(Broken::at(
                    "rot is found",
                    format!("called otherwise than damage: {error:?}"),
                ));
            }
            Ok(_) => {
                return Err(Broken::at(
                    "rot is found",
                    format!("bit {bit} of byte {offset} of {} was not", name.display()),
                ));
            }
        }
        self.tally.count(Family::Property, "rot is found");
        disk.flip(name, offset, bit);
        self.machines[machine].kept = kept;
        self.start(machine)
    }

    /// A copy of a machine's disk runs beside it, with its identity.
    fn clone_machine(&mut self, machine: MachineId) -> Result<(), Broken> {
        if self.machines.len() > self.plan.shape.nodes() || self.losses > 0 {
            return Ok(());
        }
        self.tally.count(Family::Fault, Fault::Twin.name());
        let original = &self.machines[machine];
        let mut twin = Machine::new(original.me.clone());
        twin.disk = original.disk.copy();
        twin.starts = original.starts;
        let (node, clock) = (twin.me.at.node, original.clock);
        twin.clock = clock;
        self.ledger.twins.insert(node);
        let shelf = self.ledger.shelves[machine].clone();
        let id = self.add_machine(twin, shelf);
        self.link(id);
        self.start(id)
    }
}
