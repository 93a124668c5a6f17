//! Models: the rules of custody, of a link and of submissions, explored state by state at small scope.
//!
//! They call the functions that ship, so a model cannot drift from the code; only transport, disks and people's choices
//! are modelled. Each rule is also broken on purpose, by a parameter of the model and never of the code, and must then
//! be found out with a way that leads there.
//!
//! `cargo test --package fengqiao-tests --test models` explores the small ones, `make models` the large ones too.
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests; a rule not named is as built"
)]

mod check;
mod cloned;
mod custody;
mod ledger;
mod link;
mod moving;
mod set;
mod submissions;
