//! What a program reads: every command answers in the one form that `deploy/json.md` describes.

use std::collections::BTreeSet;

use clap::CommandFactory as _;
use fengqiao_hub::clock::Moment;
use fengqiao_node::app::actions;
use fengqiao_node::cli::command::Command;
use fengqiao_tests::city::process::{Node, Said};
use fengqiao_tests::city::{COUNTY, City, agree};
use serde_json::Value;

/// Commands that give no answer of their own, or one that another command of the list gives by the same code.
const NOT_PLAYED: [&str; 11] = [
    // These go on until they are stopped, or write what a shell or a reader of manuals reads.
    "run",
    "completion",
    "man",
    // They need a machine that was lost, a key that lies locked away, or the place's end.
    "recover",
    "renew-authority",
    "restore",
    "root renew",
    "waive",
    "revoke",
    // They need three tiers; their answers are the names that were typed.
    "place move",
    // `ground.join` runs it.
    "join",
];

/// Keys of moments: whatever stands there is RFC 3339 or null.
const MOMENTS: [&str; 12] = [
    "due",
    "wall_time",
    "annex_due",
    "expires",
    "effective",
    "issued",
    "since",
    "heard",
    "awaited_since",
    "made",
    "until",
    "at",
];

/// Every command of the line that does something, as words.
fn leaves(command: &clap::Command, above: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for below in command
        .get_subcommands()
        .filter(|below| below.get_name() != "help")
    {
        let name = format!("{above} {}", below.get_name()).trim().to_owned();
        if below.has_subcommands() {
            found.extend(leaves(below, &name));
        } else {
            found.insert(name);
        }
    }
    found
}

/// Looks through an answer for what the form does not allow.
fn look(command: &str, at: &str, value: &Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let at = format!("{at}.{key}");
                let is_span = ["skew_ms", "retry_after_ms"].contains(&key.as_str());
                // A setting is named as in the configuration file, where a span says its unit.
                let is_setting = command.starts_with("config ");
                assert!(
                    !key.ends_with("_ms") || is_span || is_setting,
                    "{command}: {at} is no RFC 3339"
                );
                assert!(
                    key.chars().all(|each| each.is_ascii_lowercase()
                        || each.is_ascii_digit()
                        || each == '_'),
                    "{command}: {at}"
                );
                if MOMENTS.contains(&key.as_str()) && !is_setting {
                    let text = value.as_str();
                    let is_moment = text.is_some_and(|text| Moment::parse_rfc3339(text).is_ok());
                    assert!(value.is_null() || is_moment, "{command}: {at}: {value}");
                }
                look(command, &at, value);
            }
        }
        Value::Array(items) => {
            for (nth, item) in items.iter().enumerate() {
                look(command, &format!("{at}[{nth}]"), item);
            }
        }
        Value::String(text) => assert!(!text.is_empty(), "{command}: {at} is empty, not null"),
        // So large are only moments in milliseconds.
        Value::Number(number) => assert!(
            number.as_f64().is_some_and(|number| number < 1e11),
            "{command}: {at}: {number}"
        ),
        Value::Null | Value::Bool(_) => {}
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The first line of a table of classes.
fn shipped_header() -> String {
    let files = fengqiao_node::cli::bundle::shipped();
    let classes = files
        .iter()
        .find(|file| file.name == "classes.csv")
        .unwrap();
    let text = String::from_utf8(classes.content.clone()).unwrap();
    format!("{}\n", text.lines().next().unwrap())
}

/// Plays commands and remembers which.
struct Reader {
    played: BTreeSet<String>,
    known: BTreeSet<String>,
}

impl Reader {
    fn note(&mut self, words: &[&str]) -> String {
        let called = (1..=words.len().min(3))
            .rev()
            .map(|count| words[..count].join(" "));
        let name = called.into_iter().find(|name| self.known.contains(name));
        let name = name.unwrap_or_else(|| panic!("no command is called {words:?}"));
        self.played.insert(name.clone());
        name
    }

    fn answer(&mut self, words: &[&str], said: &Said) -> Value {
        let name = self.note(words);
        assert_eq!(said.code, 0, "{name}: {said:?}");
        let value: Value = serde_json::from_str(&said.out)
            .unwrap_or_else(|error| panic!("{name}: {error}: {said:?}"));
        assert!(value.is_object(), "{name}: {value}");
        look(&name, "", &value);
        value
    }

    /// Asks a running node; the words stand apart by spaces.
    fn asks(&mut self, node: &Node, words: &str) -> Value {
        let words: Vec<&str> = words.split(' ').collect();
        self.answer(&words, &node.cli(&words))
    }

    /// The same of its machine.
    fn asks_machine(&mut self, node: &Node, words: &str) -> Value {
        let words: Vec<&str> = words.split(' ').collect();
        self.answer(&words, &node.machine(&words))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_command_answers_in_one_form() {
    let ground = City::new();
    let known = leaves(&Command::command(), "");
    let mut reader = Reader {
        played: BTreeSet::new(),
        known,
    };
    let mut city = ground.ground("德州市");
    reader.asks_machine(&city, "init --name 德州市 --code 3714");
    city.start().await;
    let at = |name: &str| ground.path(name).to_str().unwrap().to_owned();
    let write = |name: &str, text: &str| {
        std::fs::write(ground.path(name), text).unwrap();
        at(name)
    };

    // Places, units, people.
    reader.asks(&city, "place add 德城区 --level 50 --code 371402");
    reader.asks(&city, "place add 齐河县 --level 50 --code 371425");
    reader.asks(&city, "place rename 齐河县 --name 齐河");
    reader.asks(&city, "place end 齐河 --successor 德城区");
    let places = write(
        "places.csv",
        "code,name,tier,parent\n371426,平原县,县,3714\n",
    );
    reader.asks(&city, &format!("place import {places} --parent 3714"));
    reader.asks(&city, "place list");
    reader.asks(&city, "unit add 城管局 --kind department");
    reader.asks(&city, "unit add 住建局 --kind department");
    reader.asks(&city, "unit rename 住建局 住房和城乡建设局");
    reader.asks(&city, "unit end 住房和城乡建设局");
    reader.asks(&city, "unit list");
    reader.asks(&city, "account set wang --role clerk --name 王");
    reader.asks(&city, "account show wang");
    reader.asks(&city, "account list");
    reader.asks(&city, "account link wang");
    reader.asks(&city, "account token rotate wang");
    reader.asks(&city, "account token revoke wang");
    reader.asks(&city, "account close wang");
    reader.asks(&city, "account reopen wang");

    // A neighbour.
    let invited = reader.asks(&city, "invite 平原县");
    assert!(invited["token"].is_string());
    let listed = reader.asks(&city, "invitation list");
    let open = text_of(&listed["invitations"][0]["invitation"]);
    reader.asks(&city, &format!("invitation revoke {open}"));
    let county = ground.join(&city, "夏津县", COUNTY).await;

    // Cases.
    let class = "disputes-neighbours";
    let register = format!("case register --class {class} --channel window --text 邻居装修噪声");
    let case = text_of(&reader.asks(&county, &register)["case"]);
    let show = format!("case show {case}");
    reader.asks(&county, &show);
    reader.asks(&county, &format!("{show} --texts"));
    reader.asks(&county, &format!("case looks {case}"));
    reader.asks(&county, "case list");
    agree(&[&city, &county]).await;
    reader.asks(&city, &show);
    let exported = at("cases.jsonl");
    reader.asks_machine(&county, &format!("export create --to {exported}"));
    reader.asks_machine(&county, &format!("export verify {exported}"));
    reader.asks(
        &city,
        &format!("case import {exported} --reason 核对 --as admin"),
    );
    reader.asks(&city, "tally");
    reader.asks(&city, "digest --heads");
    reader.asks(&city, "status");
    let mapping = write(
        "mapping.toml",
        include_str!("../../deploy/import/mapping.toml"),
    );
    let sample = include_str!("../../deploy/import/requests_sample.csv");
    let first: String = sample.split_inclusive('\n').take(2).collect();
    let rows = write("rows.csv", &first);
    reader.asks(&county, &format!("import {rows} --mapping {mapping}"));

    // Directives and rules.
    let issued = reader.asks(&city, "directive issue --text 汛期值守 --report-required");
    let directive = text_of(&issued["directive"]);
    agree(&[&city, &county]).await;
    reader.asks(&county, &format!("directive acknowledge {directive}"));
    reader.asks(&county, &format!("directive report {directive}"));
    reader.asks(&city, "directive list");
    let classes = shipped_header()
        + "urban-cats,urban,流浪猫,Stray cats,urban_management,50,dezhou-333,1440,2\n";
    let bundle = write("classes.csv", &classes);
    reader.asks(&county, &format!("bundle check {bundle}"));
    reader.asks(&county, &format!("bundle diff {bundle}"));
    reader.asks(&county, &format!("bundle issue {bundle} --note 增设"));
    reader.asks(&county, "bundle show");
    reader.asks(&county, "bundle classes");

    // The machine.
    reader.asks_machine(&city, "config defaults");
    reader.asks_machine(&city, "config show");
    let kept = at("backups");
    reader.asks_machine(&city, &format!("backup create --to {kept}"));
    reader.asks_machine(&city, &format!("backup list {kept}"));
    reader.asks_machine(&city, &format!("backup verify {kept}"));
    reader.asks_machine(&city, "doctor");
    reader.asks(&city, "version");
    assert!(city.stop().await.success());
    reader.asks_machine(&city, "verify");
    // The ports it has just given back: those of the defaults may be in other hands on this machine.
    let ports = [
        ("link", "listen", city.ports.link),
        ("enrol", "listen", city.ports.enrol),
        ("desk", "listen", city.ports.desk),
        ("operations", "listen", city.ports.operations),
        ("pages", "listen", city.ports.pages),
        ("pages", "redirect", city.ports.redirect),
    ];
    let settings =
        ports.map(|(section, key, port)| format!("{section}.{key} = \"127.0.0.1:{port}\"\n"));
    let config = write("fengqiao.toml", &settings.concat());
    reader.asks_machine(&city, &format!("config check --config {config}"));

    let acts = |name: &String| {
        let act = name.strip_prefix("case ").and_then(actions::named);
        // An act upon a case answers as the first one does.
        act.is_some()
    };
    let missing: Vec<_> = reader
        .known
        .iter()
        .filter(|name| !reader.played.contains(*name) && !acts(name))
        .filter(|name| !NOT_PLAYED.contains(&name.as_str()))
        .collect();
    assert!(missing.is_empty(), "not played: {missing:?}");
}

#[test]
fn every_failure_is_told_in_one_form() {
    let ground = City::new();
    let node = ground.init("德州市");
    let nowhere = ground.path("nowhere");
    let words: [&[&str]; 6] = [
        &["case", "shwo"],
        &["case", "list", "--page-size", "many"],
        &["status"],
        &["export", "verify", nowhere.to_str().unwrap()],
        &["config", "check", "--config", nowhere.to_str().unwrap()],
        &["backup", "verify", nowhere.to_str().unwrap()],
    ];
    let data = node.folder();
    let keys: [&str; 8] = [
        "applied",
        "chinese",
        "code",
        "english",
        "field",
        "request_id",
        "retry_after_ms",
        "try_again",
    ];
    for words in words {
        let mut all = vec!["--data", data.to_str().unwrap(), "--output", "json"];
        all.extend(words);
        let said = ground.say(&all);
        assert_ne!(said.code, 0, "{words:?}");
        assert_eq!(said.out, "", "{words:?}: an answer beside an error");
        let told: Value = serde_json::from_str(&said.err)
            .unwrap_or_else(|error| panic!("{words:?}: {error}: {said:?}"));
        let error = told["error"].as_object().unwrap();
        let told: Vec<&str> = error.keys().map(String::as_str).collect();
        assert_eq!(told, keys, "{words:?}");
        assert!(
            !error["chinese"].as_str().unwrap().is_empty(),
            "{words:?}: {error:?}"
        );
    }
}
