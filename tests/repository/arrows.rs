//! Arrows run downwards only: between the crates, and between the floors of the node.

use super::rust::{code, reached, words};
use super::tree::File;
use super::{made_up, nothing_wrong, tree};

/// Each crate with those it may name.
const CRATES: [(&str, &[&str]); 4] = [
    ("proto", &["fengqiao_proto"]),
    ("hub", &["fengqiao_proto", "fengqiao_hub"]),
    ("node", &["fengqiao_proto", "fengqiao_hub", "fengqiao_node"]),
    (
        "tests",
        &[
            "fengqiao_proto",
            "fengqiao_hub",
            "fengqiao_node",
            "fengqiao_tests",
        ],
    ),
];

/// The floors of the node, from the top. A floor names what stands below it, never what stands above.
const FLOORS: [&str; 23] = [
    "cli",
    "host",
    "pages",
    "desk",
    "app",
    "node",
    "link",
    "backup",
    "export",
    "audit",
    "engine",
    "enrolment",
    "dial",
    "replication",
    "folder",
    "keystore",
    "journal",
    "store",
    "trust",
    "ports",
    "log",
    "config",
    "tabular",
];

/// Floors that stand on the ground: they name no other, so that each can be read and tested alone.
const GROUND: [&str; 5] = ["journal", "store", "trust", "config", "tabular"];

/// What only a shell may name. The pure floors take time, randomness and bytes as arguments.
const SHELL: [&str; 6] = ["tokio", "tonic", "fs", "net", "Instant", "SystemTime"];

fn crates(files: &[File]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files {
        let Some((_, may)) = CRATES
            .iter()
            .find(|(home, _)| file.path.starts_with(&format!("{home}/")))
        else {
            continue;
        };
        let named: Vec<String> = if file.is_rust() {
            words(&code(&file.text)).map(str::to_owned).collect()
        } else if file.path.ends_with("/Cargo.toml") {
            let dependencies = file.text.lines().filter(|line| !line.starts_with("name"));
            dependencies
                .filter_map(|line| line.split(['.', ' ', '=']).next())
                .map(|name| name.replace('-', "_"))
                .collect()
        } else {
            continue;
        };
        for (_, all) in CRATES {
            for name in all {
                if named.iter().any(|word| word == name) && !may.contains(name) {
                    wrong.push(format!("{} names {name}", file.path));
                }
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    wrong
}

#[test]
fn crates_name_only_those_below_them() {
    let wrong = crates(tree());
    nothing_wrong("an arrow between crates runs upwards", &wrong);
}

#[test]
fn a_hub_that_names_the_node_is_found() {
    let files = [
        made_up("hub/src/case.rs", "use fengqiao_node::engine::Me;"),
        made_up(
            "hub/Cargo.toml",
            "[dependencies]\nfengqiao-node.workspace = true\n",
        ),
        made_up("proto/src/lib.rs", "/// See fengqiao_hub.\npub mod v1 {}"),
    ];
    assert_eq!(
        crates(&files),
        [
            "hub/Cargo.toml names fengqiao_node",
            "hub/src/case.rs names fengqiao_node"
        ]
    );
}

/// The floor a file of the node stands on.
fn floor_of(file: &File) -> Option<&str> {
    let inside = file.path.strip_prefix("node/src/")?;
    let name = inside.split(['/', '.']).next()?;
    (inside != "main.rs" && inside != "lib.rs").then_some(name)
}

fn floors(files: &[File]) -> Vec<String> {
    let mut wrong = Vec::new();
    let height = |name: &str| FLOORS.iter().position(|floor| *floor == name);
    for file in files.iter().filter(|file| file.is_rust()) {
        let Some(own) = floor_of(file) else { continue };
        let Some(here) = height(own) else {
            wrong.push(format!(
                "{} stands on no floor: give `{own}` its place in FLOORS",
                file.path
            ));
            continue;
        };
        for name in from_the_root(file, files) {
            let Some(there) = height(&name) else { continue };
            // The test of a lower floor may set up its ground with a higher one; on the ground it may not.
            let upwards = there < here && (!file.is_test() || GROUND.contains(&own));
            let sideways = there != here && GROUND.contains(&own);
            if upwards || sideways {
                wrong.push(format!("{} names {name}", file.path));
            }
        }
    }
    wrong
}

/// What a file names from the root of its crate: by `crate::`, or by climbing with `super::`.
fn from_the_root(file: &File, files: &[File]) -> std::collections::BTreeSet<String> {
    let text = code(&file.text);
    let mut found = reached(&text, "crate");
    let module = file.path.trim_end_matches(".rs");
    let depth = module.split('/').count() - 2;
    for climbed in depth..depth + 2 {
        let up = vec!["super"; climbed].join("::");
        // In a test module of the same file one more `super` stays inside; then the name is a module of its own.
        let own = |name: &String| {
            let mut at = module;
            std::iter::from_fn(|| {
                let now = at;
                at = at.rsplit_once('/')?.0;
                Some(now)
            })
            .take(depth)
            .any(|folder| {
                files
                    .iter()
                    .any(|other| other.is_in(&format!("{folder}/{name}")))
            })
        };
        found.extend(reached(&text, &up).into_iter().filter(|name| !own(name)));
    }
    found
}

#[test]
fn floors_of_the_node_name_only_those_below_them() {
    let wrong = floors(tree());
    nothing_wrong(
        "an arrow between floors runs upwards, or leaves the ground",
        &wrong,
    );
}

#[test]
fn a_floor_that_looks_up_is_found() {
    let files = [
        made_up("node/src/store/guard.rs", "use crate::engine::Me;"),
        made_up("node/src/journal.rs", "use super::link::Port;"),
        made_up("node/src/trust/seal.rs", "use super::super::desk::view;"),
        made_up("node/src/store/shared.rs", "use super::engine::Engine;"),
        made_up("node/src/store/engine.rs", "use crate::journal::Position;"),
        made_up(
            "node/src/replication/route.rs",
            "use crate::{store::tables, link::Port};",
        ),
        made_up(
            "node/src/engine.rs",
            "use crate::{store::Read, replication::route};",
        ),
        made_up("node/src/folder/tests.rs", "use crate::enrolment::init;"),
        made_up("node/src/store/tests/disk.rs", "use crate::engine::Engine;"),
        made_up("node/src/host.rs", "use crate::desk::server;"),
        made_up("node/src/node.rs", "use crate::desk::server;"),
        made_up("node/src/gateway.rs", ""),
    ];
    assert_eq!(
        floors(&files),
        [
            "node/src/store/guard.rs names engine",
            "node/src/journal.rs names link",
            "node/src/trust/seal.rs names desk",
            "node/src/store/engine.rs names journal",
            "node/src/replication/route.rs names link",
            "node/src/store/tests/disk.rs names engine",
            "node/src/node.rs names desk",
            "node/src/gateway.rs stands on no floor: give `gateway` its place in FLOORS",
        ]
    );
}

fn shell_words(files: &[File]) -> Vec<String> {
    let pure =
        |file: &&File| file.path.starts_with("hub/src/") || file.is_in("node/src/replication");
    let mut wrong = Vec::new();
    for file in files
        .iter()
        .filter(|file| file.is_rust() && !file.is_test())
        .filter(pure)
    {
        let text = code(&file.text);
        let found = SHELL
            .iter()
            .filter(|name| words(&text).any(|word| word == **name));
        wrong.extend(found.map(|name| format!("{} names {name}", file.path)));
    }
    wrong
}

#[test]
fn the_pure_floors_name_no_clock_disk_or_network() {
    let wrong = shell_words(tree());
    nothing_wrong("hub and replication take the world as arguments", &wrong);
}

#[test]
fn a_pure_file_with_a_clock_is_found() {
    let files = [
        made_up("hub/src/case.rs", "let now = std::time::SystemTime::now();"),
        made_up("node/src/replication/session.rs", "tokio::spawn(async {});"),
        made_up("node/src/link.rs", "tokio::spawn(async {});"),
    ];
    assert_eq!(
        shell_words(&files),
        [
            "hub/src/case.rs names SystemTime",
            "node/src/replication/session.rs names tokio"
        ]
    );
}

fn sled_named(files: &[File]) -> Vec<String> {
    let code = files
        .iter()
        .filter(|file| file.is_rust() && !file.path.starts_with("tests/"));
    code.filter(|file| !file.is_in("node/src/store"))
        .filter(|file| words(&file.text).any(|word| word == "sled"))
        .map(|file| file.path.clone())
        .collect()
}

#[test]
fn the_store_s_engine_is_named_in_the_store_alone() {
    let wrong = sled_named(tree());
    nothing_wrong("sled is named outside node/src/store", &wrong);
}

#[test]
fn a_file_that_names_the_store_s_engine_is_found() {
    let files = [
        made_up("node/src/engine.rs", "// kept by sled\n"),
        made_up("node/src/config.rs", "SledStore::open()"),
        made_up("node/src/store/engine.rs", "use sled::Db;"),
    ];
    assert_eq!(sled_named(&files), ["node/src/engine.rs"]);
}

/// Where rows of the store are changed. Whoever decides has a `Recorder`, which keeps a fact of the journal with each change.
const CHANGES_ROWS: [&str; 2] = ["node/src/store", "node/src/engine/projection"];

/// What begins a change of rows, or keeps a fact without applying it.
const CHANGES: [&str; 4] = [
    "Overlay::new(",
    "Batch::new(",
    "Batch::default(",
    "record.fact(",
];

fn row_changes(files: &[File]) -> Vec<String> {
    let node = files
        .iter()
        .filter(|file| file.is_rust() && !file.is_test() && file.path.starts_with("node/src/"));
    node.filter(|file| !CHANGES_ROWS.iter().any(|home| file.is_in(home)))
        .flat_map(|file| {
            let text = code(&file.text);
            let near = reached(&text, "crate").contains("store");
            let found = CHANGES
                .iter()
                .filter(move |change| text.contains(*change) && (near || change.contains("fact")));
            found.map(|change| format!("{}: {change}", file.path))
        })
        .collect()
}

#[test]
fn rows_of_the_store_are_changed_by_the_projection_alone() {
    let wrong = row_changes(tree());
    nothing_wrong("a second way into the store", &wrong);
}

#[test]
fn a_second_way_into_the_store_is_found() {
    let files = [
        made_up(
            "node/src/engine/aftermath.rs",
            "use crate::store::Overlay;\nOverlay::new(store);",
        ),
        made_up(
            "node/src/node.rs",
            "use crate::store::Batch;\nstore.apply(&Batch::default(), 0);",
        ),
        made_up("node/src/engine/group.rs", "self.record.fact(fact);"),
        made_up("node/src/cli/import.rs", "struct Batch;\nBatch::default();"),
        made_up("node/src/engine/projection/rows.rs", "Overlay::new(store)"),
        made_up("node/src/store/tests/laws.rs", "Batch::new()"),
    ];
    assert_eq!(
        row_changes(&files),
        [
            "node/src/engine/aftermath.rs: Overlay::new(",
            "node/src/node.rs: Batch::default(",
            "node/src/engine/group.rs: record.fact(",
        ]
    );
}

/// Comparing a program with itself proves nothing, so what the replay is compared with shares no rule with hub.
#[test]
fn the_oracle_of_the_replay_names_no_hub() {
    let oracle = tree()
        .iter()
        .filter(|file| file.is_in("tests/replay/oracle"));
    let wrong: Vec<_> = oracle
        .filter(|file| words(&code(&file.text)).any(|word| word == "fengqiao_hub" || word == "hub"))
        .map(|file| file.path.clone())
        .collect();
    nothing_wrong("the oracle shares code with hub", &wrong);
}
