//! The rules of the protocol: what the code cites as "PROTOCOL.md 7" stands in proto/PROTOCOL.md under that number.

use std::collections::BTreeSet;

use super::tree::File;
use super::{made_up, nothing_wrong, tree};

const PROTOCOL: &str = "proto/PROTOCOL.md";
// Put together here, so that this file cites nothing.
const CITED: &str = concat!("PROTOCOL", ".md ");

/// The numbers of the rules: a line that begins with one.
fn rules(text: &str) -> Vec<u32> {
    let number = |line: &str| line.split_once(". ")?.0.parse().ok();
    text.lines().filter_map(number).collect()
}

/// The numbers at the beginning of a text such as `4-10)`, `5, 25)` or `1 and 26)`; those between the ends of a range too.
fn numbers(text: &str) -> Vec<u32> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut range = None;
    loop {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let Ok(number) = rest[..digits].parse::<u32>() else {
            return found;
        };
        found.extend(range.map_or(number, |from: u32| from + 1)..=number);
        rest = &rest[digits..];
        range = rest.starts_with('-').then_some(number);
        let between = ["-", ", ", " and "];
        let Some(after) = between
            .iter()
            .find_map(|between| rest.strip_prefix(between))
        else {
            return found;
        };
        rest = after;
    }
}

fn citing_nothing(files: &[File]) -> Vec<String> {
    let protocol = files.iter().find(|file| file.path == PROTOCOL);
    let known: BTreeSet<u32> = protocol
        .map_or_else(Vec::new, |file| rules(&file.text))
        .into_iter()
        .collect();
    let mut wrong = Vec::new();
    for file in files {
        for (at, line) in file.text.lines().enumerate() {
            for cited in line.split(CITED).skip(1) {
                let unknown = numbers(cited)
                    .into_iter()
                    .find(|rule| !known.contains(rule));
                wrong.extend(unknown.map(|rule| format!("{}:{}: rule {rule}", file.path, at + 1)));
            }
        }
    }
    wrong
}

#[test]
fn every_rule_that_is_cited_stands_in_the_protocol() {
    let wrong = citing_nothing(tree());
    nothing_wrong("the protocol has no such rule", &wrong);
}

#[test]
fn the_rules_are_numbered_from_one_without_a_gap() {
    let protocol = tree().iter().find(|file| file.path == PROTOCOL).unwrap();
    let numbered = rules(&protocol.text);
    assert!(numbered.iter().copied().eq(1..=28), "{numbered:?}");
}

#[test]
fn a_rule_that_does_not_exist_is_found_also_inside_a_range() {
    let cite = |what: &str| format!("//! Custody ({CITED}{what}).\n");
    let files = |what: &str| {
        [
            made_up(PROTOCOL, "# The protocol\n1. Ids.\n2. Chains.\n4. Rank.\n"),
            made_up("hub/src/rank.rs", &cite(what)),
        ]
    };
    for sound in ["1", "1, 2", "1-2", "1 and 4", "2, see there"] {
        assert!(citing_nothing(&files(sound)).is_empty(), "{sound}");
    }
    for wrong in ["3", "1, 5", "1-4", "2 and 3"] {
        assert_eq!(citing_nothing(&files(wrong)).len(), 1, "{wrong}");
    }
}
