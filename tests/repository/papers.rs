//! The papers: how long they are, and that what they link to is there.

use std::collections::BTreeSet;

use super::{nothing_wrong, tree};

/// Longest of the papers that one reads from beginning to end, in bytes.
const BYTES_MAX: [(&str, usize); 4] = [
    ("ARCHITECTURE.md", 18_000),
    ("README.md", 10_000),
    ("README.zh.md", 10_000),
    ("deploy/OPERATIONS.md", 16_000),
];

#[test]
fn a_paper_is_as_long_as_somebody_reads() {
    let wrong = BYTES_MAX.iter().filter_map(|(path, most)| {
        let paper = tree().iter().find(|file| file.path == *path);
        let bytes = paper.map_or(0, |paper| paper.text.len());
        (bytes == 0 || bytes > *most).then(|| format!("{path}: {bytes} bytes, at most {most}"))
    });
    nothing_wrong("missing or too long", &wrong.collect::<Vec<_>>());
}

/// Targets of a text's links that name a file, from the folder of the text.
fn linked(path: &str, text: &str) -> Vec<String> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .map(|target| from(folder, target))
        .collect()
}

/// A relative path from a folder, without `..`.
fn from(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            ".." => {
                parts.pop();
            }
            "" | "." => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[test]
fn what_a_paper_links_to_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let root = root.expect("tests stand in the tree");
    let mut wrong = BTreeSet::new();
    for paper in tree().iter().filter(|file| file.path.ends_with(".md")) {
        for target in linked(&paper.path, &paper.text) {
            if !root.join(&target).exists() {
                wrong.insert(format!("{}: {target}", paper.path));
            }
        }
    }
    nothing_wrong("no such file", &wrong.into_iter().collect::<Vec<_>>());
}

#[test]
fn links_are_read_from_the_folder_of_their_paper() {
    let text = "[a](../x.md), [b](y/#part), [c](https://z.example), ![d](./p.png)";
    assert_eq!(
        linked("deploy/A.md", text),
        ["x.md", "deploy/y", "deploy/p.png"]
    );
}

/// The tests that a paper names: the last part of what stands in backquotes with `::` in it.
fn named_tests(text: &str) -> BTreeSet<String> {
    let quoted = text.split('`').skip(1).step_by(2);
    let paths = quoted.filter(|quoted| quoted.contains("::") && !quoted.contains(['(', '/', '<']));
    let names = paths.filter_map(|path| path.rsplit("::").next());
    let is_fact = |name: &&str| name.matches('_').count() >= 3 && name.chars().all(is_of_a_name);
    names.filter(is_fact).map(str::to_owned).collect()
}

fn is_of_a_name(each: char) -> bool {
    each.is_ascii_lowercase() || each.is_ascii_digit() || each == '_'
}

#[test]
fn every_test_that_the_proof_names_exists() {
    let proof = tree().iter().find(|file| file.path == "tests/README.md");
    let proof = proof.expect("the proof has a paper");
    let named = named_tests(&proof.text);
    assert!(named.len() > 80, "{} tests are named", named.len());
    let code: Vec<&str> = (tree().iter())
        .filter(|file| file.is_rust())
        .map(|file| file.text.as_str())
        .collect();
    let missing: Vec<String> = named
        .into_iter()
        .filter(|name| {
            !code
                .iter()
                .any(|text| text.contains(&format!("fn {name}(")))
        })
        .collect();
    nothing_wrong("named as a proof and not there", &missing);
}

#[test]
fn a_test_that_is_named_and_a_word_that_is_none_are_told_apart() {
    let text =
        "see `hub moves::a_case_goes_up`, `store::tables::NOT_IN_THE_JOURNAL` and `tables::named`";
    assert_eq!(
        named_tests(text),
        BTreeSet::from(["a_case_goes_up".to_owned()])
    );
}
