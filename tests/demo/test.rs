//! The demonstration as a stranger runs it: its processes, its exit code and its one JSON object.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use fengqiao_tests::kit::process::{binary, command};
use serde_json::Value;

fn demo(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_demo"))
        .args(["--once", "--output", "json", "--folder"])
        .arg(folder)
        .args(arguments)
        .output()
        .unwrap()
}

fn told(output: &Output) -> Value {
    let error = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON; {error}"))
}

fn rows<'a>(told: &'a Value, key: &str) -> &'a [Value] {
    told[key].as_array().unwrap()
}

fn case<'a>(told: &'a Value, story: &str, code: &str) -> &'a Value {
    let found = rows(told, "cases")
        .iter()
        .find(|row| row["story"] == story && row["code"] == code);
    found.unwrap_or_else(|| panic!("story {story} at {code}"))
}

#[test]
fn the_stories_hold_and_every_link_agrees_from_both_ends() {
    let folder = tempfile::tempdir().unwrap();
    let output = demo(&folder.path().join("demo"), &[]);
    let told = told(&output);
    assert_eq!(told["differences"], serde_json::json!([]));
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(told["ok"], true);

    let links = rows(&told, "links");
    assert_eq!(links.len(), 6);
    for link in links {
        assert_eq!(link["equal"], true, "{link}");
        assert_eq!(link["digest_lower"], link["digest_upper"]);
        assert_eq!(link["digest_lower"].as_str().unwrap().len(), 64);
    }

    let facts = rows(&told, "facts");
    assert!(facts.len() >= 15 && facts.iter().all(|fact| fact["holds"] == true));

    let track = case(&told, "a", "3714");
    assert_eq!(
        (&track["stage"], &track["outcome"], &track["custodian"]),
        (&"closed".into(), &"solved".into(), &"德州市".into())
    );
    assert_eq!(case(&told, "a", "371402002")["head"], track["head"]);

    assert_eq!(case(&told, "b", "3714")["notice_only"], true);
    assert_eq!(case(&told, "b", "371402")["notice_only"], true);
    assert_eq!(case(&told, "b", "371402002")["sealed"], true);
    assert_eq!(case(&told, "b", "371402002012")["sealed"], false);

    for code in ["3714", "371403", "371403101", "371403101200"] {
        let row = case(&told, "c", code);
        assert_eq!(
            (&row["custodian"], &row["lamp"]),
            (&"郑寨汪家村委会".into(), &"green".into()),
            "{row}"
        );
    }

    let annex = rows(case(&told, "d", "371403101"), "annex");
    assert_eq!(annex.len(), 2);
    assert!(annex.iter().all(|entry| entry["state"] == "adopted"));
}

#[test]
fn one_changed_byte_in_one_journal_makes_it_exit_1() {
    let folder = tempfile::tempdir().unwrap();
    let output = demo(&folder.path().join("demo"), &["--corrupt", "371402"]);
    let told = told(&output);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(told["ok"], false);
    let differences = told["differences"].to_string();
    assert!(
        differences.contains("JOURNAL_DAMAGED") && differences.contains("Decheng"),
        "{differences}"
    );
    let different: Vec<_> = rows(&told, "links")
        .iter()
        .filter(|link| link["equal"] == false)
        .collect();
    assert!(
        different
            .iter()
            .all(|link| link["lower"] == "德城区" || link["upper"] == "德城区")
    );
    assert_eq!(different.len(), 2, "its link up and its link down");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("DEMO_DIFFERS"), "{error}");
}

#[test]
fn a_folder_with_something_in_it_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine"), "mine").unwrap();
    let output = demo(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("FOLDER_UNUSABLE"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_node_of_a_demonstration_ends_with_whoever_started_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("city");
    let fengqiao = || command(&binary().unwrap());
    let made = fengqiao()
        .args(["init", "--name", "德州市", "--data"])
        .arg(&data)
        .output()
        .unwrap();
    assert!(made.status.success());
    let mut running = fengqiao()
        .arg("run")
        .arg("--data")
        .arg(&data)
        .arg("--while-stdin")
        .args(
            ["link", "enrol", "desk", "operations"]
                .map(|port| format!("--set={port}.listen=127.0.0.1:0")),
        )
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It says that it serves before it could hear that nobody is there any more.
    let mut log = BufReader::new(running.stderr.take().unwrap()).lines();
    let serves = log.any(|line| line.unwrap().contains("serving"));
    assert!(serves);
    // What a SIGKILL of the starter does too: the kernel closes its end.
    drop(running.stdin.take());
    assert!(running.wait().unwrap().success(), "drained and ended");
}
