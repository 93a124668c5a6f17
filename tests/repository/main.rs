//! Facts about this tree, read from its files: what may name what, what every file begins with.
//!
//! Writes nothing, and runs nothing but git's look at a patch. Each rule is first shown to find a breach in a made-up file, then asked of the tree.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod arrows;
mod chart;
mod circles;
mod habits;
mod mutants;
mod papers;
mod protocol;
mod rust;
mod services;
mod tree;
mod watching;

use tree::{File, tree};

/// Stops with every line of `wrong`.
fn nothing_wrong(rule: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{rule}:\n{}", wrong.join("\n"));
}

/// A made-up file, to show what a rule finds.
fn made_up(path: &str, text: &str) -> File {
    File {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}
