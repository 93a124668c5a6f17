//! Replication: who gets what, and what two linked nodes say to each other. Pure: no clock, no disk, no network.

pub mod backoff;
pub mod route;
pub mod session;

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "tests"
)]
pub(crate) mod fake;
