//! The words of the protocol: generated as written, never changed under anyone, named by one rule.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on stops"
)]

#[path = "../../examples/generate/compile.rs"]
mod compile;
mod generated;
mod kept;
mod naming;

use std::path::Path;

/// The folder of the crate, where `fengqiao/v1` stands.
fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
