//! The mutants: each still fits the code it breaks and names tests that exist, and every promise has one.

use std::path::Path;
use std::process::Command;

use super::{nothing_wrong, tree};

#[path = "../mutants/patch.rs"]
#[allow(
    unreachable_pub,
    dead_code,
    reason = "shared with the program that runs them"
)]
mod patch;

use patch::{Patch, Test, root};

/// What DESIGN.md promises, by number.
const PROMISES: [(&str, u8); 2] = [("safety", 9), ("liveness", 3)];

fn patches() -> Vec<Patch> {
    Patch::all(&root()).unwrap()
}

#[test]
fn every_mutant_still_applies() {
    let fits = |patch: &Path| {
        let check = Command::new("git")
            .args(["apply", "--check"])
            .arg(patch)
            .current_dir(root())
            .status();
        check.unwrap().success()
    };
    let wrong: Vec<String> = patches()
        .into_iter()
        .filter(|patch| !fits(&patch.path))
        .map(|patch| patch.name)
        .collect();
    nothing_wrong("a mutant does not apply", &wrong);
}

/// Where the sources of a test's target lie.
fn folders(test: &Test) -> String {
    let home = test.package.trim_start_matches("fengqiao-");
    match (home, test.target.as_str()) {
        ("tests", target) => format!("tests/{target}"),
        (home, "lib") => format!("{home}/src/"),
        (home, target) => format!("{home}/tests/{target}"),
    }
}

#[test]
fn every_mutant_names_tests_that_exist() {
    let exists = |test: &Test| {
        let name = test.name.rsplit("::").next().unwrap_or_default();
        let written = format!("fn {name}(");
        let folder = folders(test);
        tree()
            .iter()
            .any(|file| file.path.starts_with(&folder) && file.text.contains(&written))
    };
    let wrong: Vec<String> = patches()
        .into_iter()
        .flat_map(|patch| patch.caught_by)
        .filter(|test| !exists(test))
        .map(|test| format!("{} {} {}", test.package, test.target, test.name))
        .collect();
    nothing_wrong("a mutant names a test that is none", &wrong);
}

#[test]
fn every_promise_has_a_mutant() {
    let patches = patches();
    let broken = |promise: &str| {
        patches
            .iter()
            .any(|patch| patch.promise.starts_with(promise))
    };
    let wrong: Vec<String> = PROMISES
        .into_iter()
        .flat_map(|(kind, last)| (1..=last).map(move |number| format!("{kind} {number}")))
        .filter(|promise| !broken(promise))
        .collect();
    nothing_wrong("a promise without a mutant", &wrong);
}
