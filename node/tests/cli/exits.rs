//! One table of exit codes for all commands, and usage errors in the form asked for.

use std::process::{Command, Output};

use clap::CommandFactory as _;
use fengqiao_node::cli::exit::{Exit, table};

fn fengqiao(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fengqiao"));
    for variable in ["FENGQIAO_DATA", "FENGQIAO_LOGIN", "FENGQIAO_CONFIG"] {
        command.env_remove(variable);
    }
    command.args(words).output().unwrap()
}

fn code(output: &Output) -> u8 {
    u8::try_from(output.status.code().unwrap()).unwrap()
}

/// Every command that does something, by the words that name it.
fn commands(of: &clap::Command, named: &[String], found: &mut Vec<Vec<String>>) {
    let below: Vec<&clap::Command> = of
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
        .collect();
    if below.is_empty() {
        found.push(named.to_vec());
    }
    for command in below {
        let mut words = named.to_vec();
        words.push(command.get_name().to_owned());
        commands(command, &words, found);
    }
}

#[test]
fn every_command_exits_by_the_one_table() {
    let mut found = Vec::new();
    commands(
        &fengqiao_node::cli::command::Command::command(),
        &[],
        &mut found,
    );
    assert!(found.len() > 60, "{} commands", found.len());
    for words in found {
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        words.push("--no-such-option");
        let ended = fengqiao(&words);
        assert_eq!(code(&ended), Exit::Usage.code(), "{words:?}");
        words.pop();
        words.push("--help");
        let ended = fengqiao(&words);
        assert_eq!(code(&ended), Exit::Done.code(), "{words:?}");
        assert!(
            ended.stderr.is_empty() && !ended.stdout.is_empty(),
            "{words:?}"
        );
    }
}

#[test]
fn a_command_without_a_node_says_so_in_the_form_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    for (words, exit) in [
        (&["--data", data, "status"][..], Exit::TryAgain),
        (&["--data", data, "case", "list"], Exit::TryAgain),
        (&["case", "list"], Exit::Usage),
        (&["init", "--name", "德州市"], Exit::Usage),
        (&["--data", data, "verify"], Exit::Refused),
        (
            &["config", "check", "--config", "/nowhere.toml"],
            Exit::Usage,
        ),
        (&["case"], Exit::Usage),
        (&[], Exit::Usage),
        (&["case", "vanish"], Exit::Usage),
    ] {
        let ended = fengqiao(words);
        assert_eq!(code(&ended), exit.code(), "{words:?}");
        let mut words = words.to_vec();
        words.extend(["--output", "json"]);
        let ended = fengqiao(&words);
        assert_eq!(code(&ended), exit.code(), "{words:?}");
        let said: serde_json::Value = serde_json::from_slice(&ended.stderr)
            .unwrap_or_else(|error| panic!("{words:?}: {error}: {ended:?}"));
        let error = &said["error"];
        for key in ["code", "english", "chinese"] {
            assert!(
                !error[key].as_str().unwrap_or_default().is_empty(),
                "{words:?} {key}: {said}"
            );
        }
        assert_eq!(error["try_again"], exit == Exit::TryAgain, "{words:?}");
        assert!(ended.stdout.is_empty(), "{words:?}");
    }
    let named = fengqiao(&["--output=json", "case", "accept", "--no-such"]);
    let said: serde_json::Value = serde_json::from_slice(&named.stderr).unwrap();
    assert_eq!(said["error"]["field"], "--no-such");
}

#[test]
fn the_table_is_told_by_help_and_readme() {
    let help = String::from_utf8(fengqiao(&["--help"]).stdout).unwrap();
    let readme = include_str!("../../../README.md");
    assert!(table().lines().count() == Exit::ALL.len() + 1);
    for exit in Exit::ALL {
        let (chinese, _) = exit.words();
        assert!(help.contains(chinese), "{exit:?}");
        assert!(readme.contains(&exit.code().to_string()), "{exit:?}");
    }
}

#[test]
fn completion_pages_and_version_are_given() {
    for shell in ["bash", "zsh", "fish"] {
        let script = String::from_utf8(fengqiao(&["completion", shell]).stdout).unwrap();
        for word in ["doctor", "escalate", "approve-reply"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let page = String::from_utf8(fengqiao(&["man"]).stdout).unwrap();
    assert!(page.contains(".TH fengqiao 1"), "{page}");
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().to_str().unwrap();
    assert_eq!(code(&fengqiao(&["man", "--to", to])), 0);
    for name in [
        "fengqiao.1",
        "fengqiao-case-dispatch.1",
        "fengqiao-backup-create.1",
    ] {
        assert!(folder.path().join(name).exists(), "{name}");
    }
    let absent = fengqiao(&["man", "--to", "/nowhere/at/all"]);
    assert_eq!(code(&absent), Exit::Refused.code());
    let version = String::from_utf8(fengqiao(&["version"]).stdout).unwrap();
    assert!(version.starts_with(concat!("fengqiao ", env!("CARGO_PKG_VERSION"))));
}
