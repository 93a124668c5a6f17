//! The papers: how long they are, and that what they link to is there.

use std::collections::BTreeSet;

use super::{nothing_wrong, tree};

/// Longest of the papers that one reads from beginning to end, in bytes.
const BYTES_MAX: [(&str, usize); 3] = [
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
