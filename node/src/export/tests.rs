//! Facts about exports.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::{ChainId, Hash};

use super::access::{self, ACCESSES, Access};
use super::*;
use crate::audit::tests::Ground;

const NOW: Moment = Moment(1_700_000_000_000);

/// A node with a registry and one case of two entries, the second with a sealed text.
fn ground() -> (Ground, Hash) {
    let mut ground = Ground::new();
    ground.store(&ground.genesis());
    let key = ground.folder.keys.signing.entry_key().clone();
    let first = ground.drafted(1, None).sign(&key);
    ground.store(&first.signed);
    let mut draft = ground.drafted(2, Some(first.hash));
    let sealed = vec![1; 60];
    let commitment = fengqiao_hub::payload::commitment(&[3; 32], &sealed);
    draft.payloads = vec![(sealed, commitment)];
    let second = draft.sign(&key);
    ground.store(&second.signed);
    // A record that says the same again changes nothing.
    ground.store(&second.signed);
    (ground, second.hash)
}

fn exported(ground: &Ground, name: &str, wanted: &Wanted<'_>) -> (PathBuf, Summary) {
    let to = ground.room.path().join(name);
    let summary = write(ground.folder.path(), &to, wanted).unwrap();
    (to, summary)
}

const ALL: Wanted<'_> = Wanted {
    cases: None,
    texts: None,
    now: NOW,
};

fn proven(path: &Path) -> Result<Summary, ExportError> {
    read(path, None, &mut |_, _| {})
}

#[test]
fn a_file_is_read_back_as_it_was_written() {
    let (ground, second) = ground();
    let texts = Texts::from([(
        second,
        vec![Text {
            role: "text".to_owned(),
            text: "信河路废弃铁轨".to_owned(),
        }],
    )]);
    let wanted = Wanted {
        texts: Some(&texts),
        ..ALL
    };
    let (path, written) = exported(&ground, "with.jsonl", &wanted);
    let mut lines = Vec::new();
    let summary = read(
        &path,
        Some(written.header.root_key.fingerprint()),
        &mut |_, line| {
            lines.push(line.clone());
        },
    )
    .unwrap();
    assert_eq!((summary.entries, summary.chains, summary.cases), (3, 2, 1));
    assert_eq!((summary.texts, summary.sha256), (1, written.sha256));
    assert_eq!(lines[0]["kind"], "registry");
    assert_eq!(lines[0]["move"], "root-granted");
    assert_eq!(
        lines[0]["body"]["registry"]["rootGranted"]["place"]["name"],
        "德州市"
    );
    assert_eq!(lines[2]["sequence"], 2);
    assert_eq!(lines[2]["place_name"], "德州市");
    assert_eq!(lines[2]["texts"][0]["text"], "信河路废弃铁轨");
    let again = write(ground.folder.path(), &path, &ALL);
    assert_eq!(again.unwrap_err().code(), "FILE_EXISTS");
}

#[test]
fn without_being_asked_for_no_text_leaves() {
    let (ground, _) = ground();
    let (path, summary) = exported(&ground, "without.jsonl", &ALL);
    assert_eq!(summary.texts, 0);
    assert!(!fs::read_to_string(path).unwrap().contains("\"texts\""));
}

#[test]
fn one_case_is_exported_with_what_proves_it() {
    let (ground, _) = ground();
    let nobody = BTreeSet::from([ChainId([1; 16])]);
    let wanted = Wanted {
        cases: Some(&nobody),
        ..ALL
    };
    let (path, summary) = exported(&ground, "none.jsonl", &wanted);
    assert_eq!((summary.entries, summary.cases), (1, 0));
    assert!(proven(&path).is_ok());
}

#[test]
fn no_byte_of_a_file_may_be_another() {
    let (ground, _) = ground();
    let (path, _) = exported(&ground, "all.jsonl", &ALL);
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut hurt = whole.clone();
        hurt[at] ^= if at % 2 == 0 { 0x20 } else { 1 };
        fs::write(&path, hurt).unwrap();
        let code = proven(&path).unwrap_err().code();
        assert!(
            ["EXPORT_ALTERED", "EXPORT_NEWER"].contains(&code),
            "byte {at}: {code}"
        );
    }
    for end in [whole.len() - 1, whole.len() / 2, 0] {
        fs::write(&path, &whole[..end]).unwrap();
        assert_eq!(proven(&path).unwrap_err().code(), "EXPORT_ALTERED");
    }
    fs::write(&path, [&whole[..], b"\n"].concat()).unwrap();
    assert_eq!(proven(&path).unwrap_err().code(), "EXPORT_ALTERED");
}

#[test]
fn a_line_left_out_by_whoever_holds_the_key_is_seen_in_the_chain() {
    let (ground, _) = ground();
    let (path, _) = exported(&ground, "all.jsonl", &ALL);
    let text = fs::read_to_string(&path).unwrap();
    let kept: Vec<&str> = text.split_inclusive('\n').collect();
    fs::write(&path, [kept[0], kept[1], kept[3], kept[4]].concat()).unwrap();
    let error = proven(&path).unwrap_err();
    assert!(error.to_string().contains("ENTRY_CUSTODY"), "{error}");
    assert!(!error.chinese().is_ascii());
}

#[test]
fn another_deployment_is_refused_where_the_root_is_known() {
    let (ground, _) = ground();
    let (path, _) = exported(&ground, "all.jsonl", &ALL);
    let other = Fingerprint::from_bytes([1; 32]);
    let refused = read(&path, Some(other), &mut |_, _| {});
    assert_eq!(refused.unwrap_err().code(), "EXPORT_OTHER_ROOT");
}

#[test]
fn who_took_texts_out_stands_in_a_chain_that_shows_each_change() {
    let (ground, _) = ground();
    let (folder, key) = (ground.folder.path(), &ground.folder.keys.signing);
    let access = Access {
        at: "2026-01-01T00:00:00Z".to_owned(),
        login: "zhangsan".to_owned(),
        what: "export".to_owned(),
        reason: "审计抽查".to_owned(),
        cases: 3,
        previous: Fingerprint::from_bytes([0; 32]),
    };
    for _ in 0..3 {
        access::add(folder, access.clone(), key).unwrap();
    }
    assert_eq!(access::check(folder, key.public()).unwrap().0, 3);
    let path = folder.join(ACCESSES);
    let whole = fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(7) {
        let mut hurt = whole.clone();
        hurt[at] ^= 1;
        fs::write(&path, hurt).unwrap();
        assert!(access::check(folder, key.public()).is_err(), "byte {at}");
    }
    let text = String::from_utf8(whole).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    fs::write(&path, [lines[0], lines[2]].concat()).unwrap();
    let error = access::check(folder, key.public()).unwrap_err();
    assert_eq!(error.code(), "EXPORT_ALTERED");
    assert!(access::add(folder, access, key).is_err());
}

#[test]
fn the_words_of_an_entry_are_those_of_the_wire() {
    let (ground, _) = ground();
    let (path, _) = exported(&ground, "all.jsonl", &ALL);
    let text = fs::read_to_string(path).unwrap();
    let line: serde_json::Value = serde_json::from_str(text.lines().nth(2).unwrap()).unwrap();
    assert_eq!(
        line["envelope"]["sequence"], "1",
        "64 bits are text in protobuf's JSON"
    );
    assert_eq!(line["envelope"]["chainKind"], "CHAIN_KIND_CASE");
    assert!(line["body"].is_object());
}

#[test]
fn the_sample_that_was_kept_is_still_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/export/sample.jsonl");
    let mut moves = Vec::new();
    let summary = read(&path, None, &mut |_, line| {
        moves.push(line["move"].as_str().unwrap().to_owned());
    })
    .unwrap();
    assert_eq!((summary.entries, summary.cases), (12, 2));
    assert_eq!(moves[0], "root-granted");
    assert!(moves.iter().any(|name| name == "send-reply"));
}
