//! Whole systems of real processes: what a city keeps through cut links, killed machines, moved clocks and bad input.
#![allow(clippy::unwrap_used, reason = "tests")]

mod alone;
mod faults;
mod hosting;
mod life;
mod privacy;
mod writers;
