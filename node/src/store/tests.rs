//! Facts about stores.
#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod disk;
mod laws;
