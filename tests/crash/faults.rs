//! Disks that refuse, and processes that are killed in earnest.
//!
//! A sync or a write fails once, or the disk is full from some write on: the session ends, or goes on where nothing
//! depends on what failed; another session follows on a sound disk. What was acknowledged in either must have survived
//! a kill and a power cut at any moment after the fault, in a disk whose failed syncs are never made good by later ones.

use std::fmt;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::str::FromStr;

use anyhow::{Context as _, bail, ensure};
use rustix::io::Errno;

use super::check::{Expected, check};
use super::dice::Dice;
use super::disk::{Disk, Model};
use super::record::{Plan, Recording, session};
use super::replay::{Bench, State};
use super::trace::{Call, Trace};
use super::work::read_said;

/// States looked at after each fault, of each model.
const STATES_EACH: usize = 3;
/// Of a session that meets a fault: enough for 200 syncs.
const ROUNDS: usize = 36;
/// Kills of one folder, one after the other.
pub(crate) const KILLS_EACH: usize = 5;
/// Lines a session says before it is killed, at most.
const LINES_MAX: usize = 40;
/// How long it may go on after that, at most, in turns of an empty loop.
const SPINS_MAX: usize = 2_000_000;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The nth sync fails once.
    Sync(usize),
    /// The nth write fails once.
    Write(usize),
    /// The disk is full from the nth write on; twice, and then there is room again.
    Room(usize),
    /// The process is killed, several times.
    Kills(usize),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Sync(nth) => write!(f, "sync:{nth}"),
            Fault::Write(nth) => write!(f, "write:{nth}"),
            Fault::Room(nth) => write!(f, "room:{nth}"),
            Fault::Kills(seed) => write!(f, "kills:{seed}"),
        }
    }
}

impl FromStr for Fault {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (kind, nth) = text.split_once(':').context("a fault is KIND:N")?;
        let nth = nth.parse()?;
        Ok(match kind {
            "sync" => Fault::Sync(nth),
            "write" => Fault::Write(nth),
            "room" => Fault::Room(nth),
            "kills" => Fault::Kills(nth),
            other => bail!("no fault {other}"),
        })
    }
}

impl Fault {
    /// As the shim is told, for the nth session under it.
    fn told(self, session: usize) -> String {
        match self {
            Fault::Sync(nth) => format!("sync:{nth}:{}", Errno::IO.raw_os_error()),
            Fault::Write(nth) => format!("write:{nth}:{}", Errno::IO.raw_os_error()),
            Fault::Room(nth) => format!("room:{}:0", nth + 7 * session),
            Fault::Kills(_) => String::new(),
        }
    }

    fn sessions(self) -> usize {
        if matches!(self, Fault::Room(_)) { 2 } else { 1 }
    }
}

/// Lets it go wrong and looks at what is left; in a folder of its own.
pub(crate) fn judge(fault: Fault, shim: &Path, scratch: &Path) -> anyhow::Result<&'static str> {
    let _ = fs::remove_dir_all(scratch);
    fs::create_dir_all(scratch)?;
    if let Fault::Kills(seed) = fault {
        return kills(seed, &scratch.join("data"));
    }
    let recording = Recording::begin(scratch, "fault", shim)?;
    let mut ended = 0;
    for session in 0..fault.sessions() {
        let mut command = recording.session(&Plan::whole(100 * session, ROUNDS))?;
        command.env("CRASH_FAULT", fault.told(session));
        let status = command.stderr(Stdio::null()).status()?;
        ensure!(status.code().is_some(), "a session was killed: {status}");
        ended += usize::from(!status.success());
    }
    let bytes = fs::read(&recording.trace)?;
    let faulty = Trace::read(&bytes)?;
    went_on_rightly(&faulty, ended, scratch)?;
    let since = faulty.calls.len();

    let mut command = recording.session(&Plan::whole(1_000, 2))?;
    let done = command.stderr(Stdio::piped()).output()?;
    ensure!(
        done.status.success(),
        "it does not start on a sound disk: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    let bytes = fs::read(&recording.trace)?;
    let trace = Trace::read(&bytes)?;
    let mut bench = Bench::new(&trace, &scratch.join("bench"))?;
    let first = failed_at(&trace).unwrap_or(since);
    let mut dice = Dice(trace.calls.len() as u64);
    for model in [Model::Kill, Model::Power1, Model::Power2] {
        let mut points = vec![trace.calls.len()];
        for _ in 1..STATES_EACH {
            points.push(first + dice.roll(trace.calls.len() - first));
        }
        points.sort_unstable();
        for point in points {
            let seed = dice.next();
            let state = State { model, point, seed };
            bench.judge(state).with_context(|| state.to_string())?;
        }
    }
    Ok(if ended > 0 { "ended" } else { "not touched" })
}

fn failed_at(trace: &Trace<'_>) -> Option<usize> {
    let failed = |call: &Call<'_>| matches!(call, Call::SyncFailed { .. });
    trace.calls.iter().position(failed)
}

/// Whoever's journal or keys were not synced ends. What it still acknowledges was synced before: one thread may have been
/// about to say so when the sync of another's failed.
fn went_on_rightly(trace: &Trace<'_>, ended: usize, scratch: &Path) -> anyhow::Result<()> {
    let Some(at) = failed_at(trace) else {
        return Ok(());
    };
    let mut disk = Disk::new(Model::Kill);
    for call in &trace.calls[..at] {
        disk.take(call)?;
    }
    let Call::SyncFailed { inode } = trace.calls[at] else {
        return Ok(());
    };
    let name = disk.name_of(inode).unwrap_or_default();
    if !(name.ends_with(".segment") || name == "keys") {
        return Ok(());
    }
    ensure!(ended > 0, "it went on after a failed sync of {name}");
    let is_late = |call: &&Call<'_>| matches!(call, Call::Said(text) if !text.starts_with("boot"));
    let late: Vec<Call<'_>> = trace.calls[at..].iter().filter(is_late).cloned().collect();
    if late.is_empty() {
        return Ok(());
    }
    let calls = [&trace.calls[..at], &late].concat();
    let point = calls.len();
    let synced = Trace { calls };
    let state = State {
        model: Model::Power1,
        point,
        seed: 0,
    };
    Bench::new(&synced, &scratch.join("synced"))?
        .judge(state)
        .with_context(|| format!("said after a failed sync of {name}"))?;
    Ok(())
}

/// Kills a session again and again, and looks at the folder after each kill.
fn kills(seed: usize, data: &Path) -> anyhow::Result<&'static str> {
    let mut dice = Dice(seed as u64);
    let mut said = Vec::new();
    for kill in 0..KILLS_EACH {
        let mut running = session(data, &Plan::whole(100 * kill, 100))?
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let output = running.stdout.take().context("an output")?;
        let mut lines = BufReader::new(output).lines();
        // The first line is said before anything is done.
        let mut heard = Vec::new();
        for _ in 0..=dice.roll(LINES_MAX) {
            heard.extend(lines.next().transpose()?);
        }
        for _ in 0..dice.roll(SPINS_MAX) {
            std::hint::spin_loop();
        }
        running.kill()?;
        running.wait()?;
        // What was on its way when it was killed was acknowledged too; a line cut short was not.
        for line in lines {
            heard.push(line?);
        }
        for line in heard {
            said.extend(read_said(&line).unwrap_or_default());
        }
        let expected = Expected {
            said: said.clone(),
            boot: "one".to_owned(),
            ..Expected::default()
        };
        check(data, &expected).with_context(|| format!("kill {kill}"))?;
    }
    Ok("killed")
}
