//! Recording a life: sessions of a real node under the shim, one after the other, into one trace.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use clap::ValueEnum as _;
use fengqiao_node::journal::Room;

use super::disk::{Disk, Model};
use super::trace::Trace;
use super::work::{End, Session};

/// The shim, compiled where it is needed.
const SHIM: &str = include_str!("shim.c");

/// One session of a life.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    session: Session,
    boot: &'static str,
    from: usize,
    rounds: usize,
    end: End,
}

const fn plan(session: Session, boot: &'static str, from: usize, rounds: usize, end: End) -> Plan {
    Plan {
        session,
        boot,
        from,
        rounds,
        end,
    }
}

impl Plan {
    /// A session that makes a folder where none is.
    pub(crate) const fn whole(from: usize, rounds: usize) -> Self {
        plan(Session::Whole, "one", from, rounds, End::Close)
    }

    /// Whether it ends as if killed.
    pub(crate) fn aborts(&self) -> bool {
        self.end == End::Abort
    }
}

/// A life to record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Life {
    /// The folder is made and started for the first time.
    Birth,
    /// Work, kills, reboots, torn tails, stores set aside and rebuilt.
    Work,
    /// Segments are sealed and begun, and replayed into an empty store.
    Turn,
    /// A parent is joined, a child joins; work between the two, kills and reboots.
    Between,
    /// Keys are put and erased.
    Keys,
    /// Some segments, a clean stop, and a session that is killed: not replayed, but left to rot.
    Rot,
}

impl Life {
    /// Those that are replayed.
    pub(crate) const ALL: [Life; 5] = [
        Life::Birth,
        Life::Work,
        Life::Turn,
        Life::Between,
        Life::Keys,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Life::Birth => "birth",
            Life::Work => "work",
            Life::Turn => "turn",
            Life::Between => "between",
            Life::Keys => "keys",
            Life::Rot => "rot",
        }
    }

    pub(crate) fn plans(self) -> Vec<Plan> {
        use End::{Abort, Close};
        match self {
            Life::Birth => vec![
                plan(Session::Init, "one", 0, 0, Close),
                plan(Session::Work, "one", 0, 1, Close),
            ],
            Life::Work => vec![
                plan(Session::Init, "one", 0, 0, Close),
                plan(Session::Work, "one", 0, 8, Close),
                plan(Session::Work, "one", 8, 6, Abort),
                plan(Session::Work, "one", 14, 4, Abort),
                plan(Session::Tear, "one", 0, 0, Close),
                plan(Session::Work, "one", 18, 4, Abort),
                plan(Session::Work, "two", 22, 4, Abort),
                plan(Session::Work, "three", 26, 4, Abort),
                plan(Session::Work, "four", 30, 4, Close),
                plan(Session::Work, "five", 34, 2, Close),
            ],
            Life::Turn => vec![
                plan(Session::Init, "one", 0, 0, Close),
                plan(Session::Work, "one", 0, 1, Close),
                plan(Session::Turn, "one", 1, 10, Abort),
                plan(Session::Turn, "two", 11, 10, Close),
            ],
            Life::Rot => vec![
                plan(Session::Init, "one", 0, 0, Close),
                plan(Session::Turn, "one", 0, 15, Close),
                plan(Session::Work, "one", 15, 8, Close),
                plan(Session::Work, "one", 23, 6, Abort),
            ],
            Life::Between => vec![
                plan(Session::Join, "one", 0, 0, Close),
                plan(Session::Between, "one", 0, 3, Close),
                plan(Session::Between, "one", 3, 2, Abort),
                plan(Session::Between, "two", 5, 2, Abort),
                plan(Session::Between, "three", 7, 2, Close),
            ],
            Life::Keys => vec![
                plan(Session::Keys, "one", 0, 6, Abort),
                plan(Session::Keys, "one", 6, 6, Abort),
                plan(Session::Keys, "two", 12, 6, Close),
            ],
        }
    }
}

/// Where states are laid out: memory where there is some, so that nothing waits for a disk.
pub(crate) fn scratch() -> anyhow::Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    let roomy = Room::of(memory).is_ok_and(|room| room.available > 512 << 20);
    let parent = if roomy {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    };
    let parent = parent.canonicalize()?;
    Ok(tempfile::Builder::new()
        .prefix("fq-crash")
        .tempdir_in(parent)?)
}

/// Compiles the shim.
pub(crate) fn compile(scratch: &Path) -> anyhow::Result<PathBuf> {
    let (source, library) = (scratch.join("shim.c"), scratch.join("shim.so"));
    fs::write(&source, SHIM)?;
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let done = Command::new(&compiler)
        .args(["-O2", "-Wall", "-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .args(["-ldl", "-lpthread"])
        .status()
        .with_context(|| format!("no C compiler {}", compiler.display()))?;
    ensure!(done.success(), "the shim does not compile");
    Ok(library)
}

/// A recording under way: a root below which everything is watched, and the trace.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) root: PathBuf,
    pub(crate) trace: PathBuf,
    shim: PathBuf,
}

impl Recording {
    /// Begins one in a folder of its own.
    pub(crate) fn begin(scratch: &Path, name: &str, shim: &Path) -> anyhow::Result<Self> {
        let root = scratch.join(name);
        fs::create_dir(&root)?;
        Ok(Self {
            root,
            trace: scratch.join(format!("{name}.trace")),
            shim: shim.to_owned(),
        })
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// A session of it, not yet started.
    pub(crate) fn session(&self, plan: &Plan) -> anyhow::Result<Command> {
        let mut command = session(&self.data(), plan)?;
        command
            .env("LD_PRELOAD", &self.shim)
            .env("CRASH_ROOT", &self.root)
            .env("CRASH_TRACE", &self.trace)
            .env_remove("CRASH_FAULT");
        Ok(command)
    }
}

/// A session without the shim.
pub(crate) fn session(data: &Path, plan: &Plan) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("session").arg(data);
    for choice in [
        plan.session.to_possible_value(),
        plan.end.to_possible_value(),
    ] {
        command.arg(choice.context("a choice has a name")?.get_name());
    }
    command
        .args(["--boot", plan.boot])
        .args(["--from", &plan.from.to_string()])
        .args(["--rounds", &plan.rounds.to_string()])
        .stdout(Stdio::null());
    Ok(command)
}

/// Records a life; gives the file of its trace, checked against what the life left.
pub(crate) fn record(life: Life, scratch: &Path, shim: &Path) -> anyhow::Result<PathBuf> {
    let recording = Recording::begin(scratch, life.name(), shim)?;
    for plan in life.plans() {
        let done = recording.session(&plan)?.stderr(Stdio::piped()).output()?;
        let as_planned = done.status.success() || (plan.aborts() && done.status.code().is_none());
        ensure!(
            as_planned,
            "{plan:?} ended with {}: {}",
            done.status,
            String::from_utf8_lossy(&done.stderr)
        );
    }
    compare(&recording).with_context(|| format!("the trace of {}", life.name()))?;
    Ok(recording.trace)
}

/// The trace is whole only if it leads to the very bytes that are there.
fn compare(recording: &Recording) -> anyhow::Result<()> {
    let bytes = fs::read(&recording.trace)?;
    let trace = Trace::read(&bytes)?;
    let mut disk = Disk::new(Model::Kill);
    for call in &trace.calls {
        disk.take(call)?;
    }
    let copy = recording.root.with_extension("copy");
    fs::create_dir(&copy)?;
    disk.lay_out_live(&copy)?;
    let (real, replayed) = (contents(&recording.root)?, contents(&copy)?);
    fs::remove_dir_all(&copy)?;
    let names = real.keys().chain(replayed.keys());
    let different: Vec<_> = names
        .filter(|name| real.get(*name) != replayed.get(*name))
        .collect();
    ensure!(
        different.is_empty(),
        "calls are missing: {different:?} differ from the real folder"
    );
    Ok(())
}

fn contents(root: &Path) -> anyhow::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let files = fengqiao_tests::city::files(root).into_iter();
    files
        .map(|path| Ok((path.strip_prefix(root)?.to_owned(), fs::read(&path)?)))
        .collect()
}
