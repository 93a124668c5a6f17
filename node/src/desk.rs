//! The desk: what clerks and other systems send by gRPC, put into the words of the rules, and the answers put back.
//!
//! Pure tables here: wire to command, refusal to status, case to view. Nothing here decides over a case, and nothing
//! writes a text or a person into an error.

pub(crate) mod calls;
pub mod error;
mod port;
pub(crate) mod server;
pub(crate) mod service;
pub(crate) mod view;

pub(crate) use service::{digest_of, open_cases};

#[cfg(test)]
mod fixture;

/// Metadata key under which the acting account travels over the local socket.
pub const LOGIN_KEY: &str = "fengqiao-login";
