//! Facts about the replay, with the real binary and real processes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use serde_json::Value;

const SAMPLE: &str = include_str!("../../deploy/boston/requests_sample.csv");

/// Runs a replay; gives its exit code, its object and what it said on stderr.
fn replay(arguments: &[&str]) -> (i32, Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_replay"))
        .args(["--output", "json"])
        .args(arguments)
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    let object = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().unwrap_or(-1), object, error)
}

#[test]
fn the_sample_ends_as_the_file_says_though_the_county_is_killed_twice() {
    let (code, report, error) = replay(&["--kills", "2"]);
    assert_eq!(code, 0, "{report} {error}");
    assert_eq!(report["result"], "equal");
    assert_eq!(
        (&report["rows"], &report["accepted"]),
        (&400.into(), &397.into())
    );
    let refused: Vec<(u64, &str, &str)> = report["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["line"].as_u64().unwrap(),
                row["id"].as_str().unwrap(),
                row["code"].as_str().unwrap(),
            )
        })
        .collect();
    let due = "DUE_BEFORE_START";
    assert_eq!(
        refused,
        [
            (109, "101000304444", due),
            (110, "101000304447", due),
            (112, "101000304470", due)
        ]
    );
    assert_eq!(report["compared"]["cases"], 397);
    // One city, 13 counties, 23 townships, 169 villages: as many links as nodes but one.
    assert_eq!(report["compared"]["links"], 205);
    let kills = report["kills"].as_array().unwrap();
    assert_eq!(kills.len(), 2);
    for kill in kills {
        assert!(kill["unacknowledged_from_below"].as_u64().unwrap() > 0);
        assert!(kill["unacknowledged_from_above"].as_u64().unwrap() > 0);
    }
    for tier in report["tiers"].as_array().unwrap() {
        assert!(tier["syncs"].as_u64().unwrap() > 0, "{tier}");
    }
    assert_eq!(report["village_to_city_ms"]["samples"], 397);
}

/// The header and the first rows, without the quoted cells that span lines.
fn few_rows(folder: &tempfile::TempDir) -> String {
    let mut reader = csv::Reader::from_reader(SAMPLE.as_bytes());
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(reader.headers().unwrap()).unwrap();
    reader
        .records()
        .take(24)
        .for_each(|row| writer.write_record(&row.unwrap()).unwrap());
    let path = folder.path().join("few.csv");
    std::fs::write(&path, writer.into_inner().unwrap()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn one_changed_byte_in_one_journal_makes_the_replay_exit_1() {
    let folder = tempfile::tempdir().unwrap();
    let file = few_rows(&folder);
    let (code, report, error) = replay(&[&file]);
    assert_eq!(
        (code, &report["result"]),
        (0, &"equal".into()),
        "{report} {error}"
    );
    let (code, report, error) = replay(&[&file, "--damage"]);
    assert_eq!(
        (code, &report["result"]),
        (1, &"different".into()),
        "{report}"
    );
    assert!(error.contains("DIFFERENT"), "{error}");
    let told = report["compared"]["differences"].to_string();
    assert!(told.contains("JOURNAL_DAMAGED"), "{told}");
}

#[test]
fn a_file_that_is_not_there_or_is_no_such_table_is_refused_before_anything_starts() {
    let (code, _, error) = replay(&["/no/such/file.csv"]);
    assert_eq!(code, 64);
    assert!(error.contains("FILE_UNREADABLE"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.csv");
    std::fs::write(&path, "a,b\n1,2\n").unwrap();
    let (code, _, error) = replay(&[path.to_str().unwrap()]);
    assert_eq!(code, 64);
    assert!(error.contains("MAPPING_COLUMN_MISSING"), "{error}");
}
