//! Habits of the house: how files begin, what they never hold, and commands that exist.

use std::collections::BTreeSet;

use super::tree::File;
use super::{made_up, nothing_wrong, tree};

// Put together here, so that this file does not hold what it looks for.
const UNFINISHED: [&str; 4] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
];
const MACHINES: [&str; 5] = [
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/Us", "ers/"),
    concat!("C:", "\\"),
];

fn without_a_beginning(files: &[File]) -> Vec<String> {
    let code = files
        .iter()
        .filter(|file| file.is_rust() && !file.is_generated());
    code.filter(|file| !file.text.starts_with("//! "))
        .map(|file| file.path.clone())
        .collect()
}

#[test]
fn every_file_begins_by_saying_what_it_is_for() {
    let wrong = without_a_beginning(tree());
    nothing_wrong("the first line is no `//! ` document", &wrong);
}

#[test]
fn a_file_that_begins_with_code_is_found() {
    let files = [
        made_up("hub/src/case.rs", "use std::fmt;\n//! Cases."),
        made_up("hub/src/rank.rs", "//! Ranks.\n"),
    ];
    assert_eq!(without_a_beginning(&files), ["hub/src/case.rs"]);
}

fn holding(files: &[File], looked_for: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| !file.path.ends_with(".csv")) {
        for (at, line) in file.text.lines().enumerate() {
            if let Some(what) = looked_for.iter().find(|what| line.contains(**what)) {
                found.push(format!("{}:{}: {what}", file.path, at + 1));
            }
        }
    }
    found
}

#[test]
fn nothing_is_left_for_later_in_a_comment() {
    let code: Vec<_> = holding(tree(), &UNFINISHED);
    nothing_wrong("unfinished", &code);
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let wrong = holding(tree(), &MACHINES);
    nothing_wrong("paths of one machine", &wrong);
}

#[test]
fn an_unfinished_place_and_a_machine_s_path_are_found_with_their_line() {
    let files = [made_up(
        "hub/src/case.rs",
        &format!(
            "\n// {}: later\nlet path = \"{}me\";\n",
            UNFINISHED[0], MACHINES[0]
        ),
    )];
    assert_eq!(
        holding(&files, &UNFINISHED),
        [format!("hub/src/case.rs:2: {}", UNFINISHED[0])]
    );
    assert_eq!(
        holding(&files, &MACHINES),
        [format!("hub/src/case.rs:3: {}", MACHINES[0])]
    );
}

/// What a text tells its reader to make: `make x` in code, by word or by line.
fn told_to_make(text: &str) -> BTreeSet<String> {
    let after_tick = text.split("`make ").skip(1);
    let at_line = text.lines().filter_map(|line| {
        let line = line.trim_start().trim_start_matches("$ ");
        line.strip_prefix("make ")
    });
    // A sentence may begin a line with the word; a command is followed by one lower-case word and the end or a comment.
    let alone = at_line.filter(|rest| {
        let rest = rest.split('#').next().unwrap_or_default();
        rest.split_whitespace().count() == 1
    });
    after_tick
        .chain(alone)
        .filter_map(|rest| {
            rest.split(|letter: char| !letter.is_ascii_lowercase())
                .next()
        })
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn made(makefile: &str) -> BTreeSet<String> {
    let rules = makefile
        .lines()
        .filter(|line| !line.starts_with(['\t', '#', '.', ' ']));
    rules
        .filter_map(|line| line.split_once(':'))
        .filter(|(_, rest)| !rest.starts_with('='))
        .map(|(target, _)| target.trim().to_owned())
        .collect()
}

#[test]
fn what_the_papers_tell_to_make_can_be_made() {
    let makefile = tree().iter().find(|file| file.path == "Makefile");
    let can = made(&makefile.expect("there is a Makefile").text);
    let papers = tree().iter().filter(|file| file.path.ends_with(".md"));
    let mut wrong = Vec::new();
    for paper in papers {
        for target in told_to_make(&paper.text).difference(&can) {
            wrong.push(format!("{}: make {target}", paper.path));
        }
    }
    nothing_wrong("told, and not in the Makefile", &wrong);
    let readme = tree().iter().find(|file| file.path == "README.md");
    let told = told_to_make(&readme.expect("there is a README").text);
    for command in ["demo", "test"] {
        assert!(
            told.contains(command),
            "README.md does not tell of make {command}"
        );
    }
}

#[test]
fn commands_are_read_from_a_paper_and_from_a_makefile() {
    let told = told_to_make(
        "Say `make demo`, or\n\n    make test\n    $ make speed   # slow\nmake of it what you will\n",
    );
    let told: Vec<_> = told.iter().map(String::as_str).collect();
    assert_eq!(told, ["demo", "speed", "test"]);
    let can = made("CARGO ?= cargo\n.PHONY: x\ndemo: build ## Play\n\tcargo run: x\nX := y\n");
    assert_eq!(can.iter().map(String::as_str).collect::<Vec<_>>(), ["demo"]);
}
