//! The harness of the proof: worlds of engines in memory, a simulator, cities of real processes.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test harness panics where a fact does not hold"
)]

pub mod city;
pub mod kit;
pub mod rows;
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "what a simulator does to a few of many kinds it names; the rest it leaves alone"
)]
pub mod simulator;
pub mod world;
