//! The units of the service manager, read key by key, so that a misspelt one is found without it.

use std::collections::BTreeMap;

use super::{File, made_up, nothing_wrong, tree};

/// Keys that the units may use, by section; systemd 252, the one of Debian 12, knows all of them and passes over others
/// with a warning nobody reads.
const KEYS: [(&str, &[&str]); 4] = [
    (
        "Unit",
        &[
            "After",
            "Before",
            "ConditionPathExists",
            "Description",
            "Documentation",
            "RequiresMountsFor",
            "StartLimitIntervalSec",
            "Wants",
        ],
    ),
    (
        "Service",
        &[
            "AmbientCapabilities",
            "CapabilityBoundingSet",
            "EnvironmentFile",
            "ExecReload",
            "ExecStart",
            "Group",
            "IOSchedulingClass",
            "KillSignal",
            "LimitNOFILE",
            "LoadCredential",
            "LockPersonality",
            "MemoryDenyWriteExecute",
            "Nice",
            "NoNewPrivileges",
            "OOMScoreAdjust",
            "PrivateDevices",
            "PrivateTmp",
            "ProtectClock",
            "ProtectControlGroups",
            "ProtectHome",
            "ProtectHostname",
            "ProtectKernelLogs",
            "ProtectKernelModules",
            "ProtectKernelTunables",
            "ProtectProc",
            "ProtectSystem",
            "ReadWritePaths",
            "Restart",
            "RestartPreventExitStatus",
            "RestartSec",
            "RestrictAddressFamilies",
            "RestrictNamespaces",
            "RestrictRealtime",
            "RestrictSUIDSGID",
            "StateDirectory",
            "StateDirectoryMode",
            "SystemCallArchitectures",
            "SystemCallFilter",
            "TimeoutStartSec",
            "TimeoutStopSec",
            "Type",
            "UMask",
            "User",
            "WatchdogSec",
        ],
    ),
    ("Timer", &["OnCalendar", "Persistent", "RandomizedDelaySec"]),
    ("Install", &["WantedBy"]),
];

/// What every service keeps closed.
const HARDENED: [(&str, &str); 12] = [
    ("User", "fengqiao"),
    ("NoNewPrivileges", "yes"),
    ("CapabilityBoundingSet", ""),
    ("ProtectSystem", "strict"),
    ("ProtectHome", "yes"),
    ("PrivateTmp", "yes"),
    ("PrivateDevices", "yes"),
    ("RestrictNamespaces", "yes"),
    ("MemoryDenyWriteExecute", "yes"),
    ("SystemCallArchitectures", "native"),
    ("SystemCallFilter", "@system-service"),
    ("UMask", "0077"),
];

type Unit = BTreeMap<(String, String), String>;

/// A unit's keys by section and name, and what is wrong with it.
fn read(file: &File) -> (Unit, Vec<String>) {
    let (mut unit, mut wrong) = (Unit::new(), Vec::new());
    let mut section = String::new();
    for (at, line) in file.text.lines().enumerate() {
        let mut refuse = |why: &str| wrong.push(format!("{}:{}: {why}", file.path, at + 1));
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            name.clone_into(&mut section);
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            refuse("no key");
            continue;
        };
        let known = KEYS.iter().find(|(name, _)| *name == section);
        if !known.is_some_and(|(_, keys)| keys.contains(&key)) {
            refuse(&format!("no key {key} in [{section}]"));
        }
        let at = (section.clone(), key.to_owned());
        if unit.insert(at, value.to_owned()).is_some() {
            refuse(&format!("{key} stands twice"));
        }
    }
    (unit, wrong)
}

fn units(ending: &str) -> Vec<&'static File> {
    let ours =
        |file: &&File| file.path.starts_with("deploy/systemd/") && file.path.ends_with(ending);
    tree().iter().filter(ours).collect()
}

fn unit(name: &str) -> Unit {
    let path = format!("deploy/systemd/{name}");
    let file = tree().iter().find(|file| file.path == path);
    read(file.expect("the unit is there")).0
}

fn value<'a>(unit: &'a Unit, section: &str, key: &str) -> Option<&'a str> {
    unit.get(&(section.to_owned(), key.to_owned()))
        .map(String::as_str)
}

#[test]
fn every_key_of_a_unit_is_one_the_service_manager_knows() {
    let files = [units(".service"), units(".timer")].concat();
    assert!(files.len() >= 4);
    let wrong: Vec<String> = files.iter().flat_map(|file| read(file).1).collect();
    nothing_wrong("units", &wrong);
}

#[test]
fn a_misspelt_key_and_one_that_stands_twice_are_found() {
    let file = made_up(
        "deploy/systemd/x.service",
        "[Service]\nTypo=notify\nType=a\nType=b\n",
    );
    let (_, wrong) = read(&file);
    assert_eq!(
        wrong,
        [
            "deploy/systemd/x.service:2: no key Typo in [Service]",
            "deploy/systemd/x.service:4: Type stands twice"
        ]
    );
}

#[test]
fn every_service_is_closed_to_what_it_does_not_need() {
    let mut wrong = Vec::new();
    for file in units(".service") {
        let (unit, _) = read(file);
        for (key, wanted) in HARDENED {
            if value(&unit, "Service", key) != Some(wanted) {
                wrong.push(format!("{}: not {key}={wanted}", file.path));
            }
        }
    }
    nothing_wrong("open services", &wrong);
}

#[test]
fn a_node_is_watched_and_started_again_only_where_it_helps() {
    let node = unit("fengqiao.service");
    for (section, key, wanted) in [
        ("Service", "Type", "notify"),
        ("Service", "Restart", "on-failure"),
        // Usage and configuration, in the table of exit codes.
        ("Service", "RestartPreventExitStatus", "64"),
        ("Service", "TimeoutStartSec", "infinity"),
        ("Unit", "StartLimitIntervalSec", "0"),
    ] {
        assert_eq!(value(&node, section, key), Some(wanted), "{key}");
    }
    assert!(value(&node, "Service", "WatchdogSec").is_some());
}

#[test]
fn secrets_reach_a_service_as_credentials_only() {
    for (name, secret) in [
        ("fengqiao-join.service", "invitation"),
        ("fengqiao-backup.service", "passphrase"),
    ] {
        let unit = unit(name);
        let loaded = format!("{secret}:/etc/fengqiao/{secret}");
        assert_eq!(
            value(&unit, "Service", "LoadCredential"),
            Some(loaded.as_str())
        );
        let runs = value(&unit, "Service", "ExecStart").unwrap();
        assert!(
            runs.contains(&format!("${{CREDENTIALS_DIRECTORY}}/{secret}")),
            "{runs}"
        );
    }
}

#[test]
fn accounts_and_folders_are_those_the_units_name() {
    let text = |path: &str| {
        let file = tree().iter().find(|file| file.path == path);
        file.expect("it is there").text.clone()
    };
    let accounts = text("deploy/systemd/sysusers.d/fengqiao.conf");
    assert!(accounts.lines().any(|line| line.starts_with("u fengqiao ")));
    let folders = text("deploy/systemd/tmpfiles.d/fengqiao.conf");
    let made: Vec<&str> = folders
        .lines()
        .filter(|line| line.starts_with("d "))
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    let backup = unit("fengqiao-backup.service");
    for folder in value(&backup, "Service", "ReadWritePaths")
        .unwrap()
        .split(' ')
    {
        assert!(made.contains(&folder), "{folder} is not made");
    }
}
