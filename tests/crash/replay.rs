//! States of a trace, handed to processes that lay each out, open it and answer.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::str::FromStr;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use indicatif::ProgressBar;

use super::check::{Expected, PANICKED, check, records_of};
use super::disk::{Disk, Model};
use super::rot::copy;
use super::trace::{Call, Trace};
use super::work::{Said, read_said};

/// After this a state is said to hang.
const PATIENCE: Duration = Duration::from_secs(120);
/// Failures that are told.
const TOLD_MAX: usize = 5;

/// What is left when everything stops at one point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct State {
    pub(crate) model: Model,
    pub(crate) point: usize,
    pub(crate) seed: u64,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let model = match self.model {
            Model::Kill => "kill",
            Model::Power1 => "power1",
            Model::Power2 => "power2",
        };
        write!(f, "{model}:{}:{}", self.point, self.seed)
    }
}

impl FromStr for State {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let [model, point, seed] = parts[..] else {
            bail!("a state is MODEL:POINT:SEED");
        };
        Ok(Self {
            model: match model {
                "kill" => Model::Kill,
                "power1" => Model::Power1,
                "power2" => Model::Power2,
                other => bail!("no model {other}"),
            },
            point: point.parse()?,
            seed: seed.parse()?,
        })
    }
}

/// `count` states of a model, spread over all points of a trace.
pub(crate) fn spread(model: Model, points: usize, count: usize) -> Vec<State> {
    let mut states: Vec<State> = (0..count)
        .map(|nth| State {
            model,
            point: if count >= points {
                nth % points
            } else {
                nth * points / count
            },
            seed: nth as u64 + 1,
        })
        .collect();
    states.sort();
    states
}

/// How many of which kind there were, and what failed.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) found: BTreeMap<String, usize>,
    pub(crate) failed: Vec<String>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Tally) {
        for (word, count) in other.found {
            *self.found.entry(word).or_default() += count;
        }
        self.failed.extend(other.failed);
    }

    pub(crate) fn count(&self) -> usize {
        self.found.values().sum::<usize>() + self.failed.len()
    }

    /// Told once a state.
    pub(crate) fn take(&mut self, verdict: Result<String, String>) {
        match verdict {
            Ok(word) => *self.found.entry(word).or_default() += 1,
            Err(told) => {
                if self.failed.len() < TOLD_MAX {
                    eprintln!("{told}");
                }
                self.failed.push(told);
            }
        }
    }
}

/// What processes are asked, and how.
pub(crate) struct Asking<'a> {
    /// The role of the process, and what it works on.
    pub(crate) role: [&'a OsStr; 2],
    /// One question a line.
    pub(crate) questions: Vec<String>,
    /// What is told of a question that was answered wrongly.
    pub(crate) told: &'a (dyn Fn(&str, &str) -> String + Sync),
}

/// Checks states of one trace.
pub(crate) fn replay(
    trace: &Path,
    states: &[State],
    scratch: &Path,
    bar: &ProgressBar,
) -> anyhow::Result<Tally> {
    let asking = Asking {
        role: ["worker".as_ref(), trace.as_ref()],
        questions: states.iter().map(State::to_string).collect(),
        told: &|state, why| failing(trace, state, why),
    };
    ask_all(&asking, scratch, bar)
}

/// Asks everything, on every core.
pub(crate) fn ask_all(
    asking: &Asking<'_>,
    scratch: &Path,
    bar: &ProgressBar,
) -> anyhow::Result<Tally> {
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let tally = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        let mut running = Vec::new();
        for worker in 0..workers {
            let folder = scratch.join(format!("worker-{worker}"));
            let tally = &tally;
            running.push(scope.spawn(move || {
                let mut process = None;
                for question in asking.questions.iter().skip(worker).step_by(workers) {
                    let verdict = ask(&mut process, asking.role, &folder, question)?;
                    if verdict.as_deref() == Ok(PANICKED) {
                        process = None;
                    }
                    let verdict = verdict.map_err(|why| (asking.told)(question, &why));
                    tally
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .take(verdict);
                    bar.inc(1);
                }
                anyhow::Ok(())
            }));
        }
        running.into_iter().try_for_each(|worker| {
            worker
                .join()
                .map_err(|_| anyhow::anyhow!("a runner panicked"))?
        })
    })?;
    Ok(tally.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// The line that replays a failing state. Its trace is kept, for no other recording is the same.
fn failing(trace: &Path, state: &str, why: &str) -> String {
    let kept = keep(trace).unwrap_or_else(|_| trace.to_owned());
    let program = std::env::current_exe().unwrap_or_default();
    format!(
        "{why}\n    {} state {} {state}",
        program.display(),
        kept.display()
    )
}

/// Keeps a file or folder beside the program.
pub(crate) fn keep(what: &Path) -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let folder = program.with_file_name("crash-failures");
    fs::create_dir_all(&folder)?;
    let name = what.file_name().context("a name")?.to_string_lossy();
    let kept = folder.join(format!("{}-{name}", std::process::id()));
    if kept.exists() {
        return Ok(kept);
    }
    if what.is_dir() {
        copy(what, &kept)?;
    } else {
        fs::copy(what, &kept)?;
    }
    Ok(kept)
}

/// A process that checks states.
struct Checker {
    process: Child,
    input: ChildStdin,
    answers: Receiver<String>,
}

impl Drop for Checker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn ask(
    checker: &mut Option<Checker>,
    role: [&OsStr; 2],
    folder: &Path,
    question: &str,
) -> anyhow::Result<Result<String, String>> {
    if checker.is_none() {
        *checker = Some(start(role, folder)?);
    }
    let running = checker.as_mut().context("a checker")?;
    let asked = writeln!(running.input, "{question}");
    let answer = asked
        .ok()
        .and_then(|()| running.answers.recv_timeout(PATIENCE).ok());
    let Some(answer) = answer else {
        *checker = None;
        let last = fs::read_to_string(folder.with_extension("err")).unwrap_or_default();
        let last: Vec<&str> = last.lines().rev().take(3).collect();
        return Ok(Err(format!("the process died or hung over it: {last:?}")));
    };
    Ok(match answer.split_once(' ') {
        Some(("ok", word)) => Ok(word.to_owned()),
        Some((_, why)) => Err(why.to_owned()),
        None => Err(answer),
    })
}

fn start(role: [&OsStr; 2], folder: &Path) -> anyhow::Result<Checker> {
    let mut process = Command::new(std::env::current_exe()?)
        .args(role)
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(File::create(folder.with_extension("err"))?)
        .spawn()?;
    let input = process.stdin.take().context("an input")?;
    let output = process.stdout.take().context("an output")?;
    let (sender, answers) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Ok(Checker {
        process,
        input,
        answers,
    })
}

/// Reads states of a trace from standard input, answers each in one line.
pub(crate) fn work(trace: &Path, folder: &Path) -> anyhow::Result<()> {
    let bytes = fs::read(trace)?;
    let trace = Trace::read(&bytes)?;
    let mut bench = Bench::new(&trace, folder)?;
    answer_all(&mut |question| bench.judge(question.parse()?))
}

/// Answers what comes in by standard input, a line each.
pub(crate) fn answer_all(
    judge: &mut dyn FnMut(&str) -> anyhow::Result<&'static str>,
) -> anyhow::Result<()> {
    for question in std::io::stdin().lines() {
        let line = match judge(&question?) {
            Ok(word) => format!("ok {word}\n"),
            Err(error) => format!("bad {}\n", format!("{error:#}").replace('\n', " | ")),
        };
        let mut out = std::io::stdout().lock();
        out.write_all(line.as_bytes())?;
        out.flush()?;
    }
    Ok(())
}

/// One trace, walked forward from state to state.
pub(crate) struct Bench<'t> {
    trace: &'t Trace<'t>,
    folder: PathBuf,
    model: Model,
    disk: Disk<'t>,
    records: Arc<Vec<Vec<u8>>>,
}

impl<'t> Bench<'t> {
    pub(crate) fn new(trace: &'t Trace<'t>, folder: &Path) -> anyhow::Result<Self> {
        let mut disk = Disk::new(Model::Kill);
        for call in &trace.calls {
            disk.take(call)?;
        }
        let end = folder.join("end");
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(&end)?;
        disk.lay_out_live(&end)?;
        let records = Arc::new(records_of(&end.join("data")).context("the end of the trace")?);
        fs::remove_dir_all(&end)?;
        Ok(Self {
            trace,
            folder: folder.to_owned(),
            model: Model::Kill,
            disk: Disk::new(Model::Kill),
            records,
        })
    }

    /// Lays a state out and checks it.
    pub(crate) fn judge(&mut self, state: State) -> anyhow::Result<&'static str> {
        if state.model != self.model || self.disk.calls() > state.point {
            self.disk = Disk::new(state.model);
            self.model = state.model;
        }
        while self.disk.calls() < state.point {
            self.disk.take(&self.trace.calls[self.disk.calls()])?;
        }
        let left = self.folder.join("left");
        let _ = fs::remove_dir_all(&left);
        fs::create_dir_all(&left)?;
        self.disk
            .leave(self.trace.calls.get(state.point), state.seed, &left)?;
        let expected = self.expected(state)?;
        Ok(check(&left.join("data"), &expected)?.word())
    }

    fn expected(&self, state: State) -> anyhow::Result<Expected> {
        let mut said = Vec::new();
        for call in &self.trace.calls[..state.point] {
            if let Call::Said(text) = call {
                said.extend(read_said(text)?);
            }
        }
        let mut boot = String::new();
        for said in &said {
            if let Said::Boot(named) = said {
                boot.clone_from(named);
            }
        }
        let power_cut = state.model != Model::Kill;
        Ok(Expected {
            said,
            boot: if power_cut {
                "after the stop".to_owned()
            } else {
                boot
            },
            power_cut,
            rotten: false,
            records: Some(Arc::clone(&self.records)),
            again: state.seed.is_multiple_of(4),
        })
    }
}
