//! The harness of the proof: worlds of engines in memory, cities of real processes.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test harness panics where a fact does not hold"
)]

pub mod city;
pub mod world;
