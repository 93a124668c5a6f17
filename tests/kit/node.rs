//! One node on this machine: its folder, ports, clock, settings and process.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use fengqiao_node::config::SOCKET_NAME;

use super::desk::Desk;
use super::ports::{Ports, loopback};
use super::process::{self, Process, Said, log_end};
use super::within;

/// How long a start and a drain may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// A node. Its process ends with it.
#[derive(Debug)]
pub struct Node {
    /// Name of its place.
    pub name: String,
    /// Data folder.
    pub data: PathBuf,
    /// Ports.
    pub ports: Ports,
    /// File its clock is read from; the machine's clock without it.
    pub clock: Option<PathBuf>,
    /// Log, over all starts.
    pub log: PathBuf,
    /// Settings, `KEY=VALUE`.
    pub settings: Vec<String>,
    /// Further words for `run`.
    pub words: Vec<String>,
    /// What its environment says beside the caller's.
    pub environment: Vec<(String, OsString)>,
    /// Folder below the data folder whose node is meant, where one process hosts many; empty for the data folder itself.
    pub hosted: String,
    /// The program.
    pub binary: PathBuf,
    process: Option<Process>,
}

impl Node {
    /// A node whose folder need not be made yet; its log stands beside the folder.
    ///
    /// # Errors
    /// No ports are free, or the program is not built.
    pub fn new(name: &str, data: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            data: data.to_owned(),
            ports: Ports::free()?,
            clock: None,
            log: data.with_extension("log"),
            settings: Vec::new(),
            words: Vec::new(),
            environment: Vec::new(),
            hosted: String::new(),
            binary: process::binary()?,
            process: None,
        })
    }

    /// Has it dial another port of this machine than its parent's.
    pub fn dial(&mut self, port: u16) {
        let address = loopback(port);
        self.settings.push(format!("link.parent_address={address}"));
    }

    /// Folder of the node that is meant.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.data.join(&self.hosted)
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder().join(SOCKET_NAME)
    }

    /// Its desk, by the socket.
    #[must_use]
    pub fn desk(&self) -> Desk {
        Desk::of_socket(self.socket())
    }

    /// Runs a command on its folder.
    ///
    /// # Errors
    /// As for [`process::say`].
    pub fn say(&self, words: &[&str]) -> anyhow::Result<Said> {
        let mut all = vec![OsString::from("--data"), self.data.clone().into()];
        all.extend(words.iter().map(OsString::from));
        process::say_of(&self.binary, &all)
    }

    /// The words with which it runs.
    #[must_use]
    pub fn run_words(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> =
            vec!["--data".into(), self.data.clone().into(), "run".into()];
        if let Some(clock) = &self.clock {
            words.extend(["--clock".into(), clock.clone().into()]);
        }
        for setting in self.ports.settings().iter().chain(&self.settings) {
            words.extend(["--set".into(), setting.into()]);
        }
        words.extend(self.words.iter().map(OsString::from));
        words
    }

    /// Starts its process without waiting.
    ///
    /// # Errors
    /// It runs already, or does not start.
    pub fn spawn(&mut self) -> anyhow::Result<()> {
        self.spawn_saying_to(process::open_log(&self.log)?)
    }

    /// The same, its log going somewhere else than into its file.
    ///
    /// # Errors
    /// It runs already, or does not start.
    pub fn spawn_saying_to(&mut self, log: impl Into<Stdio>) -> anyhow::Result<()> {
        if self.process.is_some() {
            bail!("{} runs already", self.name);
        }
        let mut command = process::command(&self.binary);
        command.args(self.run_words());
        command.envs(self.environment.iter().map(|(key, value)| (key, value)));
        let started = Process::start(command, log);
        self.process = Some(started.with_context(|| self.name.clone())?);
        Ok(())
    }

    /// Starts its process and waits until it answers.
    ///
    /// # Errors
    /// It does not start, ends, or does not answer.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        self.spawn()?;
        self.ready().await
    }

    /// Waits until it answers.
    ///
    /// # Errors
    /// It has ended, or does not answer.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        let desk = self.desk();
        let process = self.process.as_mut().context("it does not run")?;
        let answers = within(PATIENCE, async || match process.ended() {
            Some(status) => Some(Err(status)),
            None => desk.status().await.ok().map(Ok),
        });
        match answers.await {
            Some(Ok(_)) => Ok(()),
            Some(Err(status)) => bail!("{} ended, {status}:\n{}", self.name, log_end(&self.log)),
            None => bail!("{} does not answer:\n{}", self.name, log_end(&self.log)),
        }
    }

    /// Its process, when it was started and not stopped.
    #[must_use]
    pub fn process(&self) -> Option<&Process> {
        self.process.as_ref()
    }

    /// Whether it has ended by itself; then it can be started again.
    pub fn has_ended(&mut self) -> bool {
        let ended = self.process.as_mut().and_then(Process::ended);
        self.process.take_if(|_| ended.is_some()).is_some()
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Errors
    /// It does not run, or does not end.
    pub async fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        let process = self.process.take().context("it does not run")?;
        process.stop(PATIENCE).await
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// It does not run, or does not end.
    pub async fn end(&mut self) -> anyhow::Result<ExitStatus> {
        let process = self.process.take().context("it does not run")?;
        process.end(PATIENCE).await
    }

    /// Kills it, where it runs, as a power cut would.
    ///
    /// # Errors
    /// The system does not let it be killed.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.take().map_or(Ok(()), Process::kill)
    }

    /// What it logged.
    #[must_use]
    pub fn log_text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}
