//! Whole deployments on virtual time, seed after seed: see `fengqiao_tests::simulator`.
//!
//! A failing seed is played again by the line it prints. `make simulate SEEDS=n` plays many more.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use fengqiao_tests::simulator::moves::names;
use fengqiao_tests::simulator::tally::{Counts, Family, add};
use fengqiao_tests::simulator::{Mode, played, replay_line};

/// Seeds of an everyday run, half of them in each mode.
const SEEDS: u64 = 60;
/// Seeds whose traces are compared between two processes, half of them in each mode.
const TRACED: u64 = 20;
/// Seeds that once found something, with what it was.
const FOUND: &str = include_str!("found.txt");

/// Plays all of them on all cores; the counts, and a line for each that failed.
fn play_all(seeds: &[(u64, Mode)]) -> (Counts, Vec<String>) {
    let next = AtomicU64::new(0);
    let done = Mutex::new((Counts::new(), Vec::new()));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let at = usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap();
                    let Some((seed, mode)) = seeds.get(at).copied() else {
                        return;
                    };
                    let outcome = played(seed, mode);
                    let mut done = done.lock().unwrap();
                    add(&mut done.0, &outcome.counts);
                    if let Some(broken) = outcome.broken {
                        done.1
                            .push(format!("{}  # {broken}", replay_line(seed, mode)));
                    }
                }
            });
        }
    });
    done.into_inner().unwrap()
}

#[test]
fn promises_hold_whatever_goes_wrong() {
    let seeds: Vec<(u64, Mode)> = (0..SEEDS)
        .map(|seed| {
            let mode = if seed % 2 == 0 {
                Mode::Safety
            } else {
                Mode::Liveness
            };
            (seed, mode)
        })
        .collect();
    let (counts, failed) = play_all(&seeds);
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
    // A move that was never made proves nothing. What is rarer is asked of `make simulate`.
    let made: BTreeMap<&str, u64> = counts
        .iter()
        .filter(|((family, _), _)| *family == Family::Move)
        .map(|((_, name), count)| (name.as_ref(), *count))
        .collect();
    for name in names() {
        assert!(
            made.contains_key(name),
            "nobody ever made the move {name}: {made:?}"
        );
    }
}

#[test]
fn seeds_that_once_found_something_hold() {
    let seeds: Vec<(u64, Mode)> = FOUND
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| {
            let mut words = line.split_whitespace();
            let mode = match words.next().unwrap() {
                "safety" => Mode::Safety,
                "liveness" => Mode::Liveness,
                other => panic!("{other} is no mode"),
            };
            (words.next().unwrap().parse().unwrap(), mode)
        })
        .collect();
    let (_, failed) = play_all(&seeds);
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

#[test]
fn one_seed_is_one_trace_in_two_processes() {
    for seed in 0..TRACED {
        let traces: Vec<String> = (0..2)
            .map(|_| {
                let output = Command::new(env!("CARGO_BIN_EXE_simulate"))
                    .env("FENGQIAO_SEED", seed.to_string())
                    .env(
                        "FENGQIAO_MODE",
                        if seed % 2 == 0 { "safety" } else { "liveness" },
                    )
                    .output()
                    .unwrap();
                let said = String::from_utf8(output.stdout).unwrap();
                let trace = said.split("trace ").nth(1).unwrap();
                trace.lines().next().unwrap().to_owned()
            })
            .collect();
        assert_eq!(traces[0].len(), 64);
        assert_eq!(traces[0], traces[1], "seed {seed}");
    }
}
