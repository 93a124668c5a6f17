//! README and OPERATIONS played literally: every command of their `sh` blocks, in order, on fresh folders.
//!
//! A block's first word after `sh` is the machine it is typed at; `run` after it keeps the command running, as in a window
//! of its own. Only what two machines cannot share on one is put in the place of what stands there: folders that begin at
//! `/` lie below a folder of the walk, `city.example` is a port of this machine, `CASE` is the number that `register`
//! printed. What the prose tells a person to do by hand is done here: the token goes into a file, the passphrase is chosen,
//! the county is lost.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a walk that cannot go on stops, and says where it is"
)]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use fengqiao_tests::kit::ports::Ports;
use fengqiao_tests::kit::process::{self, Process};
use fengqiao_tests::kit::within;

/// How long a node may take to answer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// A machine of this name takes the place of the one without the word, which is lost.
const SUCCESSOR: &str = "new";
/// Folders that outlive a machine.
const SHARED: [&str; 2] = ["/backup", "/safe"];

/// One block of commands.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    /// Line of its first command.
    line: usize,
    machine: String,
    runs: bool,
    commands: Vec<String>,
}

/// The `sh` blocks of a paper.
fn blocks(paper: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut inside: Option<bool> = None;
    for (at, line) in paper.lines().enumerate() {
        if let Some(info) = line.strip_prefix("```") {
            inside = match inside {
                Some(_) => None,
                None => {
                    let mut words = info.split_whitespace();
                    let plays = words.next() == Some("sh");
                    if plays {
                        let words: Vec<&str> = words.collect();
                        found.push(Block {
                            line: at + 2,
                            machine: words
                                .iter()
                                .find(|word| **word != "run")
                                .map_or_else(String::new, |word| (*word).to_owned()),
                            runs: words.contains(&"run"),
                            commands: Vec::new(),
                        });
                    }
                    Some(plays)
                }
            };
        } else if inside == Some(true)
            && let Some(block) = found.last_mut()
        {
            block.commands.push(line.to_owned());
        }
    }
    found
}

/// One machine of a walk.
struct Machine {
    ports: Ports,
    /// Where its folders that begin at `/` lie.
    root: PathBuf,
    /// Where commands are typed: a copy of what the repository ships.
    desk: PathBuf,
    told: BTreeMap<String, String>,
    process: Option<Process>,
}

struct Walk {
    ground: tempfile::TempDir,
    machines: BTreeMap<String, Machine>,
    case: Option<String>,
}

impl Walk {
    fn new() -> Self {
        let ground = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(ground.path().join("safe")).unwrap();
        let passphrase = ground.path().join("safe/passphrase");
        private(&passphrase, "枫桥经验 2026 backup");
        Self {
            ground,
            machines: BTreeMap::new(),
            case: None,
        }
    }

    /// Plays a paper from its beginning to its end.
    async fn play(&mut self, name: &str) {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let paper = std::fs::read_to_string(repository.join(name)).unwrap();
        let blocks = blocks(&paper);
        assert!(blocks.len() > 2, "{name} has nothing to play");
        for block in blocks {
            self.meet(&block.machine, repository);
            for (at, command) in block.commands.iter().enumerate() {
                let place = format!("{name}:{}", block.line + at);
                eprintln!("{place} [{}] {command}", block.machine);
                if block.runs {
                    self.start(&block.machine, command, &place).await;
                } else {
                    self.type_in(&block.machine, command, &place);
                }
            }
        }
    }

    /// Makes a machine when it is first named. A successor has the address of the lost one.
    fn meet(&mut self, name: &str, repository: &Path) {
        if self.machines.contains_key(name) {
            return;
        }
        let lost = name
            .strip_prefix(SUCCESSOR)
            .and_then(|lost| self.machines.get_mut(lost));
        let ports = match lost {
            Some(lost) => {
                lost.process.take().expect("it ran").kill().unwrap();
                lost.ports
            }
            None => Ports::free().unwrap(),
        };
        let root = self
            .ground
            .path()
            .join(if name.is_empty() { "node" } else { name });
        let desk = root.join("desk");
        std::fs::create_dir_all(&desk).unwrap();
        std::fs::create_dir_all(root.join("var/lib/fengqiao")).unwrap();
        let copied = Command::new("cp")
            .arg("-r")
            .arg(repository.join("deploy"))
            .arg(&desk)
            .status();
        assert!(copied.unwrap().success());
        self.machines.insert(
            name.to_owned(),
            Machine {
                ports,
                root,
                desk,
                told: BTreeMap::new(),
                process: None,
            },
        );
    }

    /// A command as this machine has to be told it.
    fn here(&self, machine: &str, command: &str) -> String {
        let root = self.machines[machine].root.to_str().unwrap();
        let mut told = command.replace("/var/lib/", &format!("{root}/var/lib/"));
        for shared in SHARED {
            told = told.replace(
                &format!(" {shared}"),
                &format!(" {}{shared}", self.ground.path().display()),
            );
        }
        if let Some(city) = self.machines.get("city") {
            told = told.replace(
                "city.example:7444",
                &format!("127.0.0.1:{}", city.ports.enrol),
            );
        }
        if told.split(' ').any(|word| word == "CASE") {
            told = told.replace("CASE", self.case.as_deref().expect("a case was registered"));
        }
        told
    }

    fn command(&self, machine: &str, program: &Path) -> Command {
        let machine = &self.machines[machine];
        let mut command = process::command(program);
        command.current_dir(&machine.desk).envs(&machine.told);
        for setting in machine.ports.settings() {
            let (key, value) = setting.split_once('=').unwrap();
            command.env(
                format!("FENGQIAO__{}", key.replace('.', "__").to_uppercase()),
                value,
            );
        }
        // The walk's disk may be nearly full; a test machine's is nobody's.
        for key in [
            "RESERVE_BYTES",
            "READ_ONLY_BELOW_PERCENT",
            "READ_ONLY_BELOW_BYTES",
        ] {
            command.env(format!("FENGQIAO__JOURNAL__{key}"), "0");
        }
        command
    }

    fn type_in(&mut self, machine: &str, command: &str, place: &str) {
        let told = self.here(machine, command);
        if let Some((key, value)) = told
            .strip_prefix("export ")
            .and_then(|set| set.split_once('='))
        {
            let machine = self.machines.get_mut(machine).unwrap();
            machine.told.insert(key.to_owned(), value.to_owned());
            return;
        }
        let program = told.split(' ').next().unwrap_or_default();
        assert!(
            ["fengqiao", "sed"].contains(&program),
            "{place}: another program"
        );
        let binary = process::binary().unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", binary.parent().unwrap().display());
        let done = self
            .command(machine, Path::new("/bin/sh"))
            .env("PATH", path)
            .args(["-c", told.as_str()])
            .output()
            .unwrap();
        let out = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(
            done.status.success(),
            "{place}: {command}\n{out}{}",
            String::from_utf8_lossy(&done.stderr)
        );
        if command.starts_with("fengqiao case register") {
            self.case = out
                .split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-'))
                .find(|word| is_number(word))
                .map(str::to_owned);
        }
        let token = out.split_whitespace().find(|word| word.starts_with("fq1."));
        if let Some(token) = token {
            // Carried to whoever joins next, by hand.
            for joins in ["county", "newcounty"] {
                let desk = self.ground.path().join(joins).join("desk");
                std::fs::create_dir_all(&desk).unwrap();
                private(&desk.join("token"), token);
            }
        }
    }

    async fn start(&mut self, machine: &str, command: &str, place: &str) {
        let told = self.here(machine, command);
        let words: Vec<&str> = told.split(' ').skip(1).collect();
        let binary = process::binary().unwrap();
        let mut run = self.command(machine, &binary);
        run.args(&words);
        let log = self.machines[machine].root.join("log");
        let started = Process::start(run, process::open_log(&log).unwrap()).unwrap();
        self.machines.get_mut(machine).unwrap().process = Some(started);
        let data = words
            .iter()
            .skip_while(|word| **word != "--data")
            .nth(1)
            .unwrap();
        let answers = within(PATIENCE, async || {
            let mut ask = self.command(machine, &binary);
            let asked = ask.args(["--data", data, "status"]).output().unwrap();
            asked.status.success().then_some(())
        });
        assert!(
            answers.await.is_some(),
            "{place}: {command}\n{}",
            process::log_end(&log)
        );
    }
}

/// Whether a word is the number of a case.
fn is_number(word: &str) -> bool {
    word.split_once('-').is_some_and(|(code, rest)| {
        code.len() >= 4
            && code.bytes().all(|digit| digit.is_ascii_digit())
            && rest.len() >= 9
            && rest.bytes().take(8).all(|digit| digit.is_ascii_digit())
    })
}

fn private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_first_hour_of_the_readme_works_as_it_stands() {
    Walk::new().play("README.md").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_first_hour_of_the_chinese_readme_works_as_it_stands() {
    Walk::new().play("README.zh.md").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn operations_work_as_they_stand_from_the_first_centre_to_a_lost_county() {
    Walk::new().play("deploy/OPERATIONS.md").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn operations_in_chinese_work_as_they_stand() {
    Walk::new().play("deploy/OPERATIONS.zh.md").await;
}

#[test]
fn blocks_are_read_with_their_machine_and_line() {
    let paper = "a\n```sh city\nfengqiao x\nfengqiao y\n```\n```text\nfengqiao z\n```\n```sh run\nfengqiao run\n```\n";
    let block = |line, machine: &str, runs, commands: &[&str]| Block {
        line,
        machine: machine.to_owned(),
        runs,
        commands: commands
            .iter()
            .map(|command| (*command).to_owned())
            .collect(),
    };
    assert_eq!(
        blocks(paper),
        [
            block(3, "city", false, &["fengqiao x", "fengqiao y"]),
            block(10, "", true, &["fengqiao run"]),
        ]
    );
}
