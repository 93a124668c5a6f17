//! The command line against a node of canned answers: what is sent, what is shown, how it exits.

#![recursion_limit = "256"]
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "cli/canned.rs"]
mod canned;
#[path = "cli/exits.rs"]
mod exits;
#[path = "cli/failures.rs"]
mod failures;
#[path = "cli/imports.rs"]
mod imports;
#[path = "cli/moves.rs"]
mod moves;
#[path = "cli/places.rs"]
mod places;
#[path = "cli/root.rs"]
mod root;
#[path = "cli/views.rs"]
mod views;
