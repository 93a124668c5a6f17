//! Breaks the shipped code on purpose, one promise at a time, and looks whether a test notices.
//!
//! The tree is copied under `target/mutants`, each patch applied there, the tests it names are run, and it is taken back
//! again. A mutant that no test notices is a hole in the proof. `make mutants` runs all, a name or its beginning as an
//! argument picks.
#![allow(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a program that reports"
)]

mod patch;
mod tree;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use patch::{Patch, Test, root};
use tree::Tree;

/// What became of a mutant.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// By this test.
    Caught(String),
    Survived,
    DoesNotApply,
    DoesNotBuild,
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool, String> {
    let picked: Vec<String> = std::env::args().skip(1).collect();
    let patches: Vec<Patch> = Patch::all(&root())?
        .into_iter()
        .filter(|patch| picked.is_empty() || picked.iter().any(|name| patch.name.starts_with(name)))
        .collect();
    if patches.is_empty() {
        return Err(format!("no mutant is named {}", picked.join(" or ")));
    }
    let tree = Tree::copy(&root())?;
    eprintln!("{} mutants; first the tree as it is", patches.len());
    whole(&tree, &patches)?;
    let mut bad = 0;
    for (number, patch) in patches.iter().enumerate() {
        let began = Instant::now();
        let outcome = judge(&tree, patch)?;
        let said = match &outcome {
            Outcome::Caught(test) => format!("caught by {test}"),
            Outcome::Survived => "SURVIVED".to_owned(),
            Outcome::DoesNotApply => "DOES NOT APPLY".to_owned(),
            Outcome::DoesNotBuild => "DOES NOT BUILD".to_owned(),
        };
        bad += usize::from(!matches!(outcome, Outcome::Caught(_)));
        println!(
            "{}/{} {} ({}): {said}, {} s",
            number + 1,
            patches.len(),
            patch.name,
            patch.promise,
            began.elapsed().as_secs()
        );
    }
    println!(
        "{} of {} mutants caught",
        patches.len() - bad,
        patches.len()
    );
    Ok(bad == 0)
}

/// A test that fails before anything is broken catches nothing.
fn whole(tree: &Tree, patches: &[Patch]) -> Result<(), String> {
    let mut by_target: BTreeMap<Vec<String>, Vec<&Test>> = BTreeMap::new();
    for test in patches.iter().flat_map(|patch| &patch.caught_by) {
        by_target
            .entry(test.target_arguments())
            .or_default()
            .push(test);
    }
    for (target, tests) in by_target {
        let names: Vec<&str> = tests.iter().map(|test| test.name.as_str()).collect();
        eprintln!("  {}", target.join(" "));
        if !tree.builds(&target)? {
            return Err(format!("{} does not build as it is", target.join(" ")));
        }
        if !tree.passes(&target, &names)? {
            return Err(format!("a test fails as it is: {}", names.join(" ")));
        }
    }
    Ok(())
}

fn judge(tree: &Tree, patch: &Patch) -> Result<Outcome, String> {
    if !tree.apply(&patch.path)? {
        return Ok(Outcome::DoesNotApply);
    }
    let outcome = noticed(tree, patch);
    tree.take_back(&patch.path)?;
    outcome
}

fn noticed(tree: &Tree, patch: &Patch) -> Result<Outcome, String> {
    for test in &patch.caught_by {
        let target = test.target_arguments();
        if !tree.builds(&target)? {
            return Ok(Outcome::DoesNotBuild);
        }
        if !tree.passes(&target, &[&test.name])? {
            return Ok(Outcome::Caught(test.name.clone()));
        }
    }
    Ok(Outcome::Survived)
}
