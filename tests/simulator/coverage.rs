//! What a run of many seeds must have exercised, and its summary.

use std::fmt::Write as _;

use super::faults::Fault;
use super::moves::names;
use super::plan::{SHAPES, Shape};
use super::tally::{Counts, Family, add};
use super::{Broken, Mode, Outcome};
use fengqiao_hub::refusal::Code;

/// Effects and faults beside [`Fault::ALL`] that must have shown.
const EFFECTS: &[&str] = &[
    "power cut",
    "write dropped",
    "write torn",
    "frame lost",
    "frame repeated",
    "frame reordered",
    "frame delayed by days",
    "frame of an old session",
    "cut link holds frames",
    "request asked again",
    "request id for something else",
    "asked again after silence",
    "clone found out by its cursors",
];

/// Properties that are looked at only where something happened.
const PROPERTIES: &[&str] = &[
    "L5 no deadlock",
    "L7 recovery ends",
    "S7 settled stays",
    "S12 forged entries",
];

/// Refusals that nobody in a simulation can meet: what they are about is not simulated.
const NOT_SIMULATED: &[Code] = &[
    Code::TooLong,
    Code::ControlCharacter,
    Code::NodeUnknown,
    Code::Frozen,
    Code::NameTaken,
    Code::PlaceHasNode,
    Code::ReadOnly,
    Code::Busy,
    Code::EarlierAwaited,
    Code::NumberTwice,
    Code::Malformed,
    Code::RootKeyNeeded,
];

/// All seeds together.
#[derive(Debug, Default)]
pub struct Report {
    /// What was exercised.
    pub counts: Counts,
    /// Days of nodes.
    pub node_days: u64,
    /// Those in which something was to do.
    pub busy_node_days: u64,
    /// Events.
    pub events: u64,
    /// What broke.
    pub failures: Vec<(u64, Mode, Broken)>,
}

impl Report {
    /// Adds one seed's.
    pub fn add(&mut self, seed: u64, mode: Mode, outcome: Outcome) {
        add(&mut self.counts, &outcome.counts);
        self.node_days += outcome.node_days;
        self.busy_node_days += outcome.busy_node_days;
        self.events += outcome.events;
        if let Some(broken) = outcome.broken {
            self.failures.push((seed, mode, broken));
        }
    }
}

/// What was never exercised.
#[must_use]
pub fn holes(counts: &Counts) -> Vec<String> {
    let has = |family: Family, name: &str| counts.keys().any(|(f, n)| *f == family && n == name);
    let faults = Fault::ALL.iter().map(|fault| fault.name());
    let missing = faults
        .chain(EFFECTS.iter().copied())
        .filter(|name| !has(Family::Fault, name))
        .map(|name| format!("fault: {name}"));
    let moves = names()
        .into_iter()
        .filter(|name| !has(Family::Move, name))
        .map(|name| format!("move: {name}"));
    let refusals = Code::ALL
        .iter()
        .filter(|code| !NOT_SIMULATED.contains(code))
        .map(|code| code.as_str())
        .filter(|code| !has(Family::Refusal, code))
        .map(|code| format!("refusal: {code}"));
    let worlds = SHAPES
        .iter()
        .map(Shape::name)
        .filter(|name| !has(Family::World, name))
        .map(|name| format!("world: {name}"));
    let looked = PROPERTIES
        .iter()
        .filter(|name| !has(Family::Property, name))
        .map(|name| format!("property: {name}"));
    let all = missing.chain(moves).chain(refusals);
    all.chain(worlds).chain(looked).collect()
}

/// The counts in words.
#[must_use]
pub fn summary(report: &Report) -> String {
    let mut text = String::new();
    for family in Family::ALL {
        let _ = writeln!(text, "{}:", family.heading());
        for ((of, name), count) in &report.counts {
            if *of == family {
                let _ = writeln!(text, "  {count:>10}  {name}");
            }
        }
    }
    text
}
