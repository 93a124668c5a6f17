//! What every face calls: plain Rust with typed requests, nothing of a wire.
//!
//! [`actions`] is what the descriptors say of each action, [`resolve`] makes of what a caller sends what the rules judge,
//! [`shown`] makes of an entry what a person reads.

pub mod actions;
pub mod resolve;
pub mod shown;
pub mod texts;
