//! The parts, in order, with a bar while they run and a table when they are done.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::ensure;
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};

use super::disk::Model;
use super::faults::{Fault, KILLS_EACH};
use super::record::{Life, compile, record, scratch};
use super::replay::{Asking, Tally, ask_all, keep, replay, spread};
use super::rot::{Kind, Rot, Target, grow};
use super::trace::Trace;

/// What can be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Rows 1, 2: a kill at any call.
    Kill,
    /// Row 3: power cut, the device keeps what it was given.
    Power1,
    /// Row 4: power cut, volatile cache.
    Power2,
    /// Row 5: every call of the first creation.
    Birth,
    /// Rows 8, 10: the store's files rot.
    StoreRot,
    /// Rows 9, 10: segments and witness rot.
    JournalRot,
    /// The key store rots, and who the node is.
    KeysRot,
    /// Row 6: a sync or a write fails once.
    Refusals,
    /// Row 7: the disk is full.
    Room,
    /// Row 1: real processes, really killed.
    Kills,
}

impl Part {
    const ALL: [Part; 10] = [
        Part::Kill,
        Part::Power1,
        Part::Power2,
        Part::Birth,
        Part::StoreRot,
        Part::JournalRot,
        Part::KeysRot,
        Part::Refusals,
        Part::Room,
        Part::Kills,
    ];

    /// Whether it needs the traces.
    fn replays(self) -> bool {
        matches!(self, Part::Kill | Part::Power1 | Part::Power2 | Part::Birth)
    }

    fn told(self) -> &'static str {
        match self {
            Part::Kill => "kill at any call",
            Part::Power1 => "power cut, no device cache",
            Part::Power2 => "power cut, volatile device cache",
            Part::Birth => "first creation, every call, all models",
            Part::StoreRot => "store: flipped bits, zeroed pages, cuts",
            Part::JournalRot => "journal: the same",
            Part::KeysRot => "key store: the same; identity",
            Part::Refusals => "each sync, each write fails once",
            Part::Room => "disk full, twice",
            Part::Kills => "SIGKILL, five times a folder",
        }
    }
}

struct Line {
    part: Part,
    tally: Tally,
    seconds: f64,
}

/// The nth of a fault, and how many there are in full.
type Numbered = (fn(usize) -> Fault, usize);

/// A whole run.
pub(crate) struct Report {
    lines: Vec<Line>,
}

/// What every part runs on.
struct Ground {
    share: usize,
    scratch: PathBuf,
    shim: PathBuf,
    traces: Vec<(Life, PathBuf, usize)>,
}

impl Report {
    /// Runs the parts.
    pub(crate) fn run(share: usize, only: &[Part]) -> anyhow::Result<()> {
        let scratch = scratch()?;
        let parts = Part::ALL.into_iter();
        let parts: Vec<Part> = parts
            .filter(|part| only.is_empty() || only.contains(part))
            .collect();
        let lives = if parts.iter().any(|part| part.replays()) {
            &Life::ALL[..]
        } else {
            &[]
        };
        let ground = Ground::prepare(share, scratch.path(), lives)?;
        let mut report = Self { lines: Vec::new() };
        for part in parts {
            let began = Instant::now();
            let tally = ground.run(part)?;
            report.lines.push(Line {
                part,
                tally,
                seconds: began.elapsed().as_secs_f64(),
            });
        }
        report.print(share);
        let failed: usize = report
            .lines
            .iter()
            .map(|line| line.tally.failed.len())
            .sum();
        ensure!(failed == 0, "{failed} states were not right");
        Ok(())
    }

    fn print(&self, share: usize) {
        eprintln!("\none part in {share} of the full numbers");
        for line in &self.lines {
            let found: Vec<String> = line
                .tally
                .found
                .iter()
                .map(|(word, count)| format!("{count} {word}"))
                .collect();
            eprintln!(
                "{:<40} {:>6} states  {:>4} wrong  {:>6.1} s  {}",
                line.part.told(),
                line.tally.count(),
                line.tally.failed.len(),
                line.seconds,
                found.join(", ")
            );
        }
    }
}

impl Ground {
    fn prepare(share: usize, scratch: &Path, lives: &[Life]) -> anyhow::Result<Self> {
        let shim = compile(scratch)?;
        let mut traces = Vec::new();
        for life in lives.iter().copied() {
            let trace = record(life, scratch, &shim)?;
            let bytes = std::fs::read(&trace)?;
            let points = Trace::read(&bytes)?.points();
            eprintln!(
                "{:<6} {points} points, {} KiB",
                life.name(),
                bytes.len() >> 10
            );
            traces.push((life, trace, points));
        }
        Ok(Self {
            share,
            scratch: scratch.to_owned(),
            shim,
            traces,
        })
    }

    fn run(&self, part: Part) -> anyhow::Result<Tally> {
        match part {
            Part::Kill => self.models(part, &[Model::Kill], 10_000),
            Part::Power1 => self.models(part, &[Model::Power1], 5_000),
            Part::Power2 => self.models(part, &[Model::Power2], 5_000),
            Part::Birth => self.birth(),
            Part::StoreRot => self.rot(
                part,
                &[
                    (Target::Store, Kind::Bit, 1_000),
                    (Target::Store, Kind::Page, 500),
                    (Target::Store, Kind::Cut, 500),
                ],
            ),
            Part::JournalRot => self.rot(
                part,
                &[
                    (Target::Journal, Kind::Bit, 1_000),
                    (Target::Journal, Kind::Page, 500),
                    (Target::Journal, Kind::Cut, 500),
                    (Target::Witness, Kind::Bit, 500),
                ],
            ),
            // A tenth at least: each call is a place of its own.
            Part::Refusals => self.faults(
                part,
                &[(Fault::Sync, 200), (Fault::Write, 200)],
                self.share.min(10),
            ),
            Part::Room => self.faults(part, &[(|nth| Fault::Room(nth * 3), 100)], self.share),
            Part::Kills => self.faults(part, &[(Fault::Kills, 500 / KILLS_EACH)], self.share),
            Part::KeysRot => self.rot(
                part,
                &[
                    (Target::Keys, Kind::Bit, 1_000),
                    (Target::Keys, Kind::Page, 500),
                    (Target::Keys, Kind::Cut, 500),
                    (Target::Identity, Kind::Bit, 500),
                    (Target::Identity, Kind::Cut, 100),
                ],
            ),
        }
    }

    /// The full number over the later lives, most of it where most happens.
    fn models(&self, part: Part, models: &[Model], full: usize) -> anyhow::Result<Tally> {
        let mut tally = Tally::default();
        for (life, trace, points) in &self.traces {
            let parts = match life {
                Life::Birth | Life::Rot => continue,
                Life::Work => 5,
                Life::Between => 3,
                Life::Turn | Life::Keys => 1,
            };
            let count = (full * parts / 10 / self.share).max(1);
            for model in models {
                tally.add(self.states(part, trace, *model, *points, count)?);
            }
        }
        Ok(tally)
    }

    /// Every call of the first creation under every model, whatever the share.
    fn birth(&self) -> anyhow::Result<Tally> {
        let mut tally = Tally::default();
        for (life, trace, points) in &self.traces {
            if *life == Life::Birth {
                let power_cuts = if self.share == 1 { 4 } else { 1 };
                for (model, times) in [
                    (Model::Kill, 1),
                    (Model::Power1, power_cuts),
                    (Model::Power2, power_cuts),
                ] {
                    let count = *points * times;
                    tally.add(self.states(Part::Birth, trace, model, *points, count)?);
                }
            }
        }
        Ok(tally)
    }

    /// Faults numbered from 1, one in `share`.
    fn faults(&self, part: Part, faults: &[Numbered], share: usize) -> anyhow::Result<Tally> {
        let mut questions = Vec::new();
        for (fault, full) in faults {
            let numbers = (1..=*full).step_by(share);
            questions.extend(numbers.map(|nth| fault(nth).to_string()));
        }
        let bar = bar(part.told(), questions.len());
        let program = std::env::current_exe()?;
        let asking = Asking {
            role: ["fault-worker".as_ref(), self.shim.as_ref()],
            questions,
            told: &|fault, why| format!("{why}\n    {} fault {fault}", program.display()),
        };
        let tally = ask_all(&asking, &self.scratch, &bar);
        bar.finish_and_clear();
        tally
    }

    fn rot(&self, part: Part, drawn: &[(Target, Kind, u64)]) -> anyhow::Result<Tally> {
        let grown = self.scratch.join("grown");
        if !grown.exists() {
            grow(&grown)?;
        }
        let mut questions = Vec::new();
        for (target, kind, full) in drawn.iter().copied() {
            for seed in 1..=(full / self.share as u64).max(1) {
                questions.push(Rot { target, kind, seed }.to_string());
            }
        }
        let bar = bar(part.told(), questions.len());
        let program = std::env::current_exe()?;
        let asking = Asking {
            role: ["rot-worker".as_ref(), grown.as_ref()],
            questions,
            told: &|rot, why| {
                let kept = keep(&grown).unwrap_or_else(|_| grown.clone());
                format!(
                    "{why}\n    {} rot {} {rot}",
                    program.display(),
                    kept.display()
                )
            },
        };
        let tally = ask_all(&asking, &self.scratch, &bar);
        bar.finish_and_clear();
        tally
    }

    fn states(
        &self,
        part: Part,
        trace: &Path,
        model: Model,
        points: usize,
        count: usize,
    ) -> anyhow::Result<Tally> {
        let states = spread(model, points, count);
        let bar = bar(part.told(), states.len());
        let tally = replay(trace, &states, &self.scratch, &bar);
        bar.finish_and_clear();
        tally
    }
}

fn bar(what: &str, count: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:40} {bar:40} {pos}/{len} {eta}");
    let bar = ProgressBar::new(count as u64).with_message(what.to_owned());
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
