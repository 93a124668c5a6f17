//! Plays many seeds on all cores and says what was exercised: `simulate SEEDS`, from the environment's `FENGQIAO_FIRST`
//! on. With `FENGQIAO_SEED` and `FENGQIAO_MODE` it plays that one, twice if `FENGQIAO_TWICE` is set.
//!
//! It fails when a promise breaks, with the one line that plays it again, and when something was never exercised over
//! enough seeds: that is a hole in the simulator.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what it found is its output"
)]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use fengqiao_tests::simulator::coverage::{Report, holes, summary};
use fengqiao_tests::simulator::{Mode, played, replay_line};
use indicatif::{ProgressBar, ProgressStyle};

/// Fewer seeds than these need not have exercised everything.
const SEEDS_THAT_COVER: u64 = 1_000;
/// Where there is no bar to look at, a line says after so many seeds how far it is.
const SEEDS_A_LINE: u64 = 1_000;
/// Failing seeds told once more at the end.
const TOLD_MAX: usize = 10;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("simulate: {error:#}");
            ExitCode::from(64)
        }
    }
}

fn number(name: &str) -> anyhow::Result<Option<u64>> {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => {
            let number = text.parse().with_context(|| format!("{name}={text}"))?;
            Ok(Some(number))
        }
        _ => Ok(None),
    }
}

fn modes() -> anyhow::Result<Vec<Mode>> {
    match std::env::var("FENGQIAO_MODE").unwrap_or_default().as_str() {
        "" => Ok(vec![Mode::Safety, Mode::Liveness]),
        "safety" => Ok(vec![Mode::Safety]),
        "liveness" => Ok(vec![Mode::Liveness]),
        other => bail!("FENGQIAO_MODE={other}: safety or liveness"),
    }
}

fn run() -> anyhow::Result<bool> {
    let modes = modes()?;
    if let Some(seed) = number("FENGQIAO_SEED")? {
        return Ok(modes.iter().all(|mode| play_one(seed, *mode)));
    }
    let seeds = match std::env::args().nth(1) {
        Some(text) => text.parse().with_context(|| format!("SEEDS: {text}"))?,
        None => 1_000,
    };
    let first = number("FENGQIAO_FIRST")?.unwrap_or(0);
    Ok(play_many(first, seeds, &modes))
}

fn play_one(seed: u64, mode: Mode) -> bool {
    let started = Instant::now();
    let outcome = played(seed, mode);
    println!(
        "{} {} events, {} of {} node-days busy, {:.3} s, trace {}",
        replay_line(seed, mode),
        outcome.events,
        outcome.busy_node_days,
        outcome.node_days,
        started.elapsed().as_secs_f64(),
        outcome.trace
    );
    if let Some(broken) = &outcome.broken {
        println!("{broken}");
    }
    outcome.broken.is_none()
}

fn play_many(first: u64, seeds: u64, modes: &[Mode]) -> bool {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(first);
    let report = Mutex::new(Report::default());
    let bar = ProgressBar::new(seeds);
    let style = "{bar:40} {pos}/{len} seeds, {elapsed} gone, {eta} left  {msg}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    let started = Instant::now();
    let cpu = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores)
            .map(|_| {
                scope.spawn(|| {
                    let mut busy = Duration::ZERO;
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= first + seeds {
                            return busy;
                        }
                        let mode = modes[usize::try_from(seed).unwrap_or(0) % modes.len()];
                        let began = Instant::now();
                        let outcome = played(seed, mode);
                        busy += began.elapsed();
                        if let Some(broken) = &outcome.broken {
                            let line = format!("{}  # {broken}", replay_line(seed, mode));
                            bar.suspend(|| eprintln!("{line}"));
                        }
                        report
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .add(seed, mode, outcome);
                        bar.inc(1);
                        if bar.is_hidden() && bar.position().is_multiple_of(SEEDS_A_LINE) {
                            eprintln!("{} of {seeds} seeds", bar.position());
                        }
                    }
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_default())
            .sum::<Duration>()
    });
    bar.finish_and_clear();
    let report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    print!("{}", summary(&report));
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{seeds} seeds in {seconds:.0} s on {cores} threads; {} node-days, {} busy: {:.0} busy node-days a thread-second",
        report.node_days,
        report.busy_node_days,
        busy_a_second(report.busy_node_days, cpu)
    );
    for (seed, mode, broken) in report.failures.iter().take(TOLD_MAX) {
        println!("{}  # {broken}", replay_line(*seed, *mode));
    }
    let holes = holes(&report.counts);
    let is_covered = seeds < SEEDS_THAT_COVER || holes.is_empty();
    if seeds >= SEEDS_THAT_COVER {
        for hole in &holes {
            println!("never exercised: {hole}");
        }
    }
    println!("{} of {seeds} seeds failed", report.failures.len());
    report.failures.is_empty() && is_covered
}

fn busy_a_second(days: u64, cpu: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let days = days as f64;
    days / cpu.as_secs_f64().max(0.001)
}
