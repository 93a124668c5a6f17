//! Whole systems of real processes: what a city keeps through cut links, killed machines, moved clocks and bad input.
#![allow(clippy::unwrap_used, reason = "tests")]

mod alone;
mod backup;
mod bad_input;
mod bundles;
mod certificates;
mod clock;
mod connections;
mod doctor;
mod faults;
mod forgery;
mod hosting;
mod importing;
mod invitations;
mod json;
mod life;
mod links;
mod listing;
mod looks;
mod machine;
mod mending;
mod moving;
mod names;
mod pages;
mod privacy;
mod process;
mod recovery;
mod remote;
mod services;
mod tables;
mod writers;
