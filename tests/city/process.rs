//! One node of a city: a node of the kit by the city's time. What should work and does not, panics.

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use fengqiao_hub::clock::Moment;

use super::desk::Desk;
use super::{Time, until};
use crate::kit;

pub use crate::kit::process::{Said, Signal};

/// Minutes east of UTC at which clocks are written.
const OFFSET_MINUTES: i32 = 480;
/// Many nodes share a machine here: waits are short, and what a real disk keeps back is not.
const SETTINGS: [&str; 6] = [
    "link.retry_ms_min=30",
    "link.retry_ms_max=300",
    "time.tick_ms=200",
    "journal.reserve_bytes=0",
    "journal.read_only_below_percent=0",
    "journal.read_only_below_bytes=0",
];

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

/// A node on this machine.
#[derive(Debug)]
pub struct Node {
    node: kit::node::Node,
    off_ms: i64,
    time: Arc<Time>,
}

impl Deref for Node {
    type Target = kit::node::Node;

    fn deref(&self) -> &Self::Target {
        &self.node
    }
}

impl DerefMut for Node {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.node
    }
}

impl Node {
    pub(super) fn new(root: &Path, name: &str, time: &Arc<Time>) -> Self {
        let mut node = kit::node::Node::new(name, &root.join(name)).unwrap();
        node.clock = Some(root.join(format!("{name}.clock")));
        node.settings = SETTINGS.map(str::to_owned).to_vec();
        Self {
            node,
            off_ms: 0,
            time: Arc::clone(time),
        }
    }

    /// Writes the clock file anew.
    pub fn set_clock(&self) {
        kit::clock::set(self.clock_file(), self.now(), OFFSET_MINUTES).unwrap();
    }

    /// Now, by its clock.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.time.now(self.off_ms)
    }

    /// The file its clock is read from.
    #[must_use]
    pub fn clock_file(&self) -> &Path {
        self.clock.as_deref().unwrap()
    }

    /// Sets this node's clock off by so much.
    pub fn put_clock_off(&mut self, ms: i64) {
        self.off_ms = ms;
        self.set_clock();
    }

    /// Runs a command of this machine with this node's folder and clock, answers as JSON.
    #[must_use]
    pub fn machine(&self, words: &[&str]) -> Said {
        self.set_clock();
        let mut all = vec!["--output", "json"];
        all.extend(words);
        let reads_no_clock = matches!(words, ["verify" | "config", ..])
            || matches!(words, ["backup" | "export", "verify" | "list", ..]);
        if !reads_no_clock {
            all.extend(["--clock", self.clock_file().to_str().unwrap()]);
        }
        self.say(&all).unwrap()
    }

    /// Runs a command against the running node, answers as JSON.
    #[must_use]
    pub fn cli(&self, words: &[&str]) -> Said {
        let data = self.folder();
        let mut all = vec!["--data", data.to_str().unwrap(), "--output", "json"];
        all.extend(words);
        kit::process::say(&all).unwrap()
    }

    /// Runs it where it is expected to refuse.
    #[must_use]
    pub fn fail_to_run(&self) -> Said {
        self.set_clock();
        let mut words = self.run_words();
        words.extend(["--output".into(), "json".into()]);
        kit::process::say(&words).unwrap()
    }

    /// Starts it without waiting.
    pub fn spawn(&mut self) {
        self.set_clock();
        self.node.spawn().unwrap();
    }

    /// Starts it without waiting, its log going somewhere else than into its file.
    pub fn spawn_saying_to(&mut self, log: impl Into<Stdio>) {
        self.set_clock();
        self.node.spawn_saying_to(log).unwrap();
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        self.process().unwrap().signal(signal).unwrap();
    }

    /// Starts it and waits until it answers.
    pub async fn start(&mut self) {
        self.spawn();
        self.ready().await;
    }

    /// Waits until it answers.
    pub async fn ready(&mut self) {
        self.node.ready().await.unwrap();
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(&mut self) -> ExitStatus {
        self.node.stop().await.unwrap()
    }

    /// Kills it, as a power cut would.
    pub fn kill(&mut self) {
        self.node.kill().unwrap();
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        self.node.end().await.unwrap()
    }

    /// The number of its process.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process().unwrap().id()
    }

    /// Its desk by the local socket.
    #[must_use]
    pub fn desk(&self) -> Desk {
        self.node.desk().into()
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
}
