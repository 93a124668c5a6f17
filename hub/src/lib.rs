//! The one-stop centre: the rules of casework and of custody.
//!
//! Everything here is pure and deterministic: time, randomness and ids are arguments, nothing touches a disk, a
//! network, a clock or a thread (`hub/.clippy.toml` keeps it so). The simulator runs this very code.

pub mod bounds;
pub mod id;
pub mod name;
pub mod number;
pub mod private;
pub mod refusal;
pub mod shape;

pub mod custody;
pub mod entry;
pub mod jurisdiction;
pub mod payload;
pub mod rank;
pub mod signed;
pub mod submission;
pub mod unit;

pub mod clock;
pub mod rulebook;

pub mod case;
pub mod casework;
pub mod centre;
pub mod directive;
pub mod notice;
pub mod tally;
