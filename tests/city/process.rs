//! One node as a process: started, stopped, killed, spoken to by its command line.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

use super::desk::Desk;
use super::{Time, free_port, until};

/// What a command said.
#[derive(Debug, Clone)]
pub struct Said {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Said {
    /// The output as JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The stable code of the error, from its JSON form or its words.
    #[must_use]
    pub fn error_code(&self) -> String {
        let last = self.err.find('{').map_or("", |at| &self.err[at..]);
        if let Ok(error) = serde_json::from_str::<serde_json::Value>(last) {
            return error["error"]["code"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
        }
        let after = self.err.split("error: ").nth(1).unwrap_or_default();
        after.split(':').next().unwrap_or_default().to_owned()
    }
}

/// The binary under test.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn binary() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let profile = own.ancestors().nth(2).unwrap();
    let path = profile.join("fengqiao");
    assert!(
        path.is_file(),
        "{} is not there: build it first with `cargo build -p fengqiao-node --bin fengqiao`",
        path.display()
    );
    path
}

fn command() -> Command {
    let mut command = Command::new(binary());
    for (key, _) in std::env::vars().filter(|(key, _)| key.starts_with("FENGQIAO_")) {
        command.env_remove(key);
    }
    command.stdin(Stdio::null());
    command
}

/// Runs the binary to its end.
#[must_use]
pub fn say(words: &[&str]) -> Said {
    let output = command().args(words).output().unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A node on this machine.
#[derive(Debug)]
pub struct Node {
    /// Name of its place.
    pub name: String,
    /// Data folder.
    pub data: PathBuf,
    /// Link port.
    pub link: u16,
    /// Enrol port.
    pub enrol: u16,
    /// Desk port.
    pub desk: u16,
    /// Operations port.
    pub operations: u16,
    /// Log, over all starts.
    pub log: PathBuf,
    /// Further settings, `KEY=VALUE`.
    pub settings: Vec<String>,
    /// Further words for `run`.
    pub words: Vec<String>,
    /// Folder below the data folder whose socket is meant; empty for the data folder itself.
    pub hosted: String,
    clock: PathBuf,
    off_ms: i64,
    time: Arc<Time>,
    process: Option<Child>,
}

impl Node {
    pub(super) fn new(root: &Path, name: &str, time: &Arc<Time>) -> Self {
        let settings = [
            // Many nodes share a machine here: waits are short, and what a real disk keeps back is not.
            "link.retry_ms_min=30",
            "link.retry_ms_max=300",
            "time.tick_ms=200",
            "journal.reserve_bytes=0",
            "journal.read_only_below_percent=0",
            "journal.read_only_below_bytes=0",
        ];
        Self {
            name: name.to_owned(),
            data: root.join(name),
            link: free_port(),
            enrol: free_port(),
            desk: free_port(),
            operations: free_port(),
            log: root.join(format!("{name}.log")),
            settings: settings.map(str::to_owned).to_vec(),
            words: Vec::new(),
            hosted: String::new(),
            clock: root.join(format!("{name}.clock")),
            off_ms: 0,
            time: Arc::clone(time),
            process: None,
        }
    }

    /// Writes the clock file anew.
    pub fn set_clock(&self) {
        let text = self.time.now(self.off_ms).to_rfc3339(480).unwrap();
        let aside = self.clock.with_extension("next");
        std::fs::write(&aside, text).unwrap();
        std::fs::rename(&aside, &self.clock).unwrap();
    }

    /// Now, by its clock.
    #[must_use]
    pub fn now(&self) -> fengqiao_hub::clock::Moment {
        self.time.now(self.off_ms)
    }

    /// The file its clock is read from.
    #[must_use]
    pub fn clock_file(&self) -> &Path {
        &self.clock
    }

    /// Sets this node's clock off by so much.
    pub fn put_clock_off(&mut self, ms: i64) {
        self.off_ms = ms;
        self.set_clock();
    }

    /// Has it dial another port of this machine than its parent's.
    pub fn dial(&mut self, port: u16) {
        self.settings
            .push(format!("link.parent_address=127.0.0.1:{port}"));
    }

    /// Runs a command of this machine with this node's folder and clock, answers as JSON.
    #[must_use]
    pub fn machine(&self, words: &[&str]) -> Said {
        self.set_clock();
        let (data, clock) = (self.data.to_str().unwrap(), self.clock.to_str().unwrap());
        let mut all = vec!["--data", data, "--output", "json"];
        all.extend(words);
        let reads_no_clock = matches!(words, ["verify" | "config", ..])
            || matches!(words, ["backup" | "export", "verify" | "list", ..]);
        if !reads_no_clock {
            all.extend(["--clock", clock]);
        }
        say(&all)
    }

    /// Runs a command against the running node, answers as JSON.
    #[must_use]
    pub fn cli(&self, words: &[&str]) -> Said {
        let data = self.data.join(&self.hosted);
        let mut all = vec!["--data", data.to_str().unwrap(), "--output", "json"];
        all.extend(words);
        say(&all)
    }

    /// The words with which it runs.
    #[must_use]
    pub fn run_words(&self) -> Vec<String> {
        let mut words: Vec<String> = ["--data", self.data.to_str().unwrap(), "run", "--clock"]
            .map(str::to_owned)
            .to_vec();
        words.push(self.clock.to_str().unwrap().to_owned());
        let ports = [
            ("link", self.link),
            ("enrol", self.enrol),
            ("desk", self.desk),
            ("operations", self.operations),
        ];
        let ports = ports.map(|(section, port)| format!("{section}.listen=127.0.0.1:{port}"));
        for setting in ports.iter().chain(&self.settings) {
            words.extend(["--set".to_owned(), setting.clone()]);
        }
        words.extend(self.words.iter().cloned());
        words
    }

    /// Runs it where it is expected to refuse.
    #[must_use]
    pub fn fail_to_run(&self) -> Said {
        self.set_clock();
        let words = self.run_words();
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        words.extend(["--output", "json"]);
        say(&words)
    }

    /// Starts it without waiting.
    pub fn spawn(&mut self) {
        assert!(self.process.is_none(), "{} runs already", self.name);
        self.set_clock();
        let mut log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .unwrap();
        writeln!(log, "--- start").unwrap();
        self.spawn_saying_to(log.into());
    }

    /// Starts it without waiting, its log going somewhere else than into its file.
    pub fn spawn_saying_to(&mut self, log: Stdio) {
        self.set_clock();
        let child = command()
            .args(self.run_words())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(child);
    }

    /// Sends it a signal by its name, such as `HUP`.
    pub fn signal(&self, name: &str) {
        let id = self.process_id().to_string();
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &id])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Starts it and waits until it answers.
    pub async fn start(&mut self) {
        self.spawn();
        self.ready().await;
    }

    /// Waits until it answers.
    pub async fn ready(&mut self) {
        let what = format!("{} answers", self.name);
        until(&what, async || {
            let ended = self
                .process
                .as_mut()
                .and_then(|child| child.try_wait().unwrap());
            assert!(ended.is_none(), "{} ended: {}", self.name, self.log_text());
            self.desk().try_status().await.map(|_| ())
        })
        .await;
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    /// Kills it, as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.process.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut child = self.process.take().unwrap();
        until("the process ends", async || child.try_wait().unwrap()).await
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        let ended = self
            .process
            .as_mut()
            .is_some_and(|child| child.try_wait().unwrap().is_some());
        if ended {
            self.process = None;
        }
        ended
    }

    /// Its process.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// Its desk by the local socket.
    #[must_use]
    pub fn desk(&self) -> Desk {
        Desk::of_socket(self.data.join(&self.hosted).join("fengqiao.sock"))
    }

    /// Waits until a line of its log holds all these words.
    pub async fn logs(&self, words: &[&str]) {
        let holds = |line: &str| words.iter().all(|word| line.contains(word));
        let what = format!("{} logs {words:?}", self.name);
        until(&what, async || {
            self.log_text().lines().any(holds).then_some(())
        })
        .await;
    }

    /// What it logged.
    #[must_use]
    pub fn log_text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}
