//! The binary under test as a process: found, started, frozen, stopped, killed; ended with whoever started it.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};

/// Between two looks at whether a process has ended.
const LOOK_PAUSE: Duration = Duration::from_millis(10);
/// Lines of a log that are shown when its process ends by itself.
const LOG_LINES: usize = 20;

/// The binary `fengqiao` of the profile this program was built in.
///
/// # Errors
/// It was not built.
pub fn binary() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("this program's own path")?;
    // A program stands beside it, a test one folder deeper.
    let beside = own.ancestors().skip(1).take(2);
    let found = beside
        .map(|folder| folder.join("fengqiao"))
        .find(|path| path.is_file());
    found.context(
        "fengqiao is not built: build it first with `cargo build -p fengqiao-node --bin fengqiao`",
    )
}

/// The command line of a binary, without what the caller's environment would tell it, and without an input.
#[must_use]
pub fn command(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    let told = std::env::vars_os().map(|(key, _)| key);
    for key in told.filter(|key| key.to_string_lossy().starts_with("FENGQIAO_")) {
        command.env_remove(key);
    }
    command.stdin(Stdio::null());
    command
}

/// What a command said.
#[derive(Debug, Clone)]
pub struct Said {
    /// Exit code; -1 when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Runs the binary under test to its end.
///
/// # Errors
/// It is not built, does not start, or says something that is no text.
pub fn say<W: AsRef<OsStr>>(words: &[W]) -> anyhow::Result<Said> {
    say_of(&binary()?, words)
}

/// The same with a binary of one's own.
///
/// # Errors
/// It does not start, or says something that is no text.
pub fn say_of<W: AsRef<OsStr>>(binary: &Path, words: &[W]) -> anyhow::Result<Said> {
    let output = command(binary).args(words).output()?;
    Ok(Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout)?,
        err: String::from_utf8(output.stderr)?,
    })
}

/// Opens a log to be added to.
///
/// # Errors
/// The file cannot be opened.
pub fn open_log(log: &Path) -> anyhow::Result<File> {
    let opened = File::options().create(true).append(true).open(log);
    opened.with_context(|| log.display().to_string())
}

/// The last lines of a log.
#[must_use]
pub fn log_end(log: &Path) -> String {
    let log = std::fs::read(log).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}

/// A running process. It is killed when it is dropped, and drains when whoever holds it dies.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Open as long as this program lives, however that ends.
    _leash: Option<ChildStdin>,
}

impl Process {
    /// Starts a command of `run`; what it logs goes to `log`.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(mut command: Command, log: impl Into<Stdio>) -> std::io::Result<Self> {
        use std::os::unix::process::CommandExt as _;
        // A group of its own: Ctrl-C is for this program, which ends its nodes itself.
        let mut child = command
            .arg("--while-stdin")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()?;
        Ok(Self {
            _leash: child.stdin.take(),
            child,
        })
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, when it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends it a signal. After `STOP` it does nothing more until `CONT`, and its neighbours are not told.
    ///
    /// # Errors
    /// It is gone.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw);
        let id = id.context("a process without a number")?;
        kill_process(id, signal).context("the process takes no signal")
    }

    /// Asks it to stop and waits until it has drained.
    ///
    /// # Errors
    /// It is gone already, or does not end within `patience`; then it is killed.
    pub async fn stop(self, patience: Duration) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.end(patience).await
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// It does not end within `patience`; then it is killed.
    pub async fn end(mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        let began = std::time::Instant::now();
        while began.elapsed() < patience {
            if let Some(status) = self.ended() {
                return Ok(status);
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        bail!("the process does not end")
    }

    /// Kills it, as a power failure would, and waits until it is gone.
    ///
    /// # Errors
    /// The system does not let it be killed.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    /// Waits for its end, so that nothing is written into its folder any more.
    fn drop(&mut self) {
        // Both fail only for a process that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
