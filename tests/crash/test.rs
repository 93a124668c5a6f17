//! A hundredth of the crash replayer's numbers; `make crash` runs all of them.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::Command;

/// Runs parts of the replayer; what it says of failing states is what this test says.
fn a_hundredth_of(parts: &str) {
    let done = Command::new(env!("CARGO_BIN_EXE_crash"))
        .args(["all", "--share", "100", "--only", parts])
        .env_remove("RUST_BACKTRACE")
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

#[test]
fn a_killed_node_keeps_everything_it_acknowledged() {
    a_hundredth_of("kill");
}

#[test]
fn a_power_cut_takes_nothing_that_was_acknowledged() {
    a_hundredth_of("power1,power2");
}

#[test]
fn a_folder_whose_making_was_cut_is_whole_or_made_again() {
    a_hundredth_of("birth");
}

#[test]
fn a_rotten_store_is_noticed_and_built_again() {
    a_hundredth_of("store-rot");
}

#[test]
fn rot_in_journal_and_keys_is_refused_where_it_is() {
    a_hundredth_of("journal-rot,keys-rot");
}

#[test]
fn a_disk_that_refuses_or_is_full_makes_nobody_acknowledge_falsely() {
    a_hundredth_of("refusals,room");
}

#[test]
fn a_process_killed_in_earnest_keeps_everything_it_acknowledged() {
    a_hundredth_of("kills");
}
