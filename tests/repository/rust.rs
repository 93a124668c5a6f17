//! Just enough Rust to see what a file names: words of its code, and the modules it reaches from the crate's root.

use std::collections::BTreeSet;

/// The code of a file without its comments, so that a sentence may speak of what the code must not use.
pub(crate) fn code(text: &str) -> String {
    let without = |line: &str| {
        let ends = line.match_indices("//").map(|(at, _)| at);
        // `//` after a colon is an address in a text.
        let comment = ends
            .into_iter()
            .find(|at| !line[..*at].ends_with([':', '/']));
        line[..comment.unwrap_or(line.len())].to_owned() + "\n"
    };
    text.lines().map(without).collect()
}

/// The words of a text: runs of letters, digits and underscores.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .filter(|word| !word.is_empty())
}

/// The modules that `code` names right after `root::`, also in a group `root::{a, b::c}`.
pub(crate) fn reached(code: &str, root: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let path = format!("{root}::");
    for (at, _) in code.match_indices(&path) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == ':') {
            continue;
        }
        let rest = &code[at + path.len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(heads(group)),
            None => found.extend(first_word(rest)),
        }
    }
    found
}

fn first_word(text: &str) -> Option<String> {
    let text = text.trim_start();
    let end = text
        .find(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

/// The first word of each member of a group that has just been opened.
fn heads(group: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let (mut depth, mut fresh) = (0_u32, true);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            letter if fresh && !letter.is_whitespace() => {
                heads.extend(first_word(&group[at..]));
                fresh = false;
            }
            _ => {}
        }
    }
    heads
}

#[test]
fn modules_are_found_by_path_and_in_groups() {
    let text = "use crate::store::{self, Read};\nuse crate::{\n  engine::{Engine, Input},\n  desk,\n};\nfn f() -> crate::link::Port {}";
    let found: Vec<_> = reached(&code(text), "crate").into_iter().collect();
    assert_eq!(found, ["desk", "engine", "link", "store"]);
}

#[test]
fn a_comment_names_nothing_and_an_address_is_no_comment() {
    let text =
        "//! See [`crate::engine`].\nlet a = \"http://x\"; crate::desk::b(); // crate::link\n";
    let found: Vec<_> = reached(&code(text), "crate").into_iter().collect();
    assert_eq!(found, ["desk"]);
}

#[test]
fn another_crate_s_name_that_ends_alike_is_not_meant() {
    assert!(reached("use my_crate::engine;", "crate").is_empty());
}
