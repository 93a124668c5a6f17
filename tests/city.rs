//! A city of real processes: `fengqiao` started from the target folder, each node in a folder of its own, reached as a
//! person or a program reaches it. Links may run through a wire that can be cut; every clock can be moved.
//!
//! Nothing here looks into a node: what a test learns, it learns by the command line, the desk, or the bytes on disk.
//! Waiting is for a condition that can be seen, with an end; never for a time to pass.

pub mod desk;
pub mod intruder;
pub mod process;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use fengqiao_hub::clock::Moment;
use tempfile::TempDir;

use desk::Desk;
use process::{Node, Said};

use crate::kit;
use crate::kit::ports::loopback;
pub use crate::kit::wire::Wire;
pub use crate::kit::within;

/// Levels of the four tiers.
pub const CITY: u32 = 30;
/// A county.
pub const COUNTY: u32 = 40;
/// A township.
pub const TOWNSHIP: u32 = 50;
/// A village.
pub const VILLAGE: u32 = 60;

/// A day of milliseconds.
pub const DAY_MS: i64 = 86_400_000;
/// When every city begins.
const BEGINNING: &str = "2023-02-16T09:00:00+08:00";
/// How long anything that should happen may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until `probe` finds what it looks for.
///
/// # Panics
/// When it is not there after a long time: then it will not come.
pub async fn until<T>(what: &str, probe: impl AsyncFnMut() -> Option<T>) -> T {
    match within(PATIENCE, probe).await {
        Some(found) => found,
        None => panic!("did not come to be: {what}"),
    }
}

/// The time of a city: it runs as the machine's does, from its own beginning, and can be moved on.
#[derive(Debug)]
pub struct Time {
    beginning: Moment,
    began: Instant,
    moved_ms: AtomicI64,
}

impl Time {
    /// Now, with what one node's clock is off.
    #[must_use]
    pub fn now(&self, off_ms: i64) -> Moment {
        let passed = i64::try_from(self.began.elapsed().as_millis()).unwrap();
        Moment(self.beginning.0 + passed + self.moved_ms.load(Ordering::Relaxed) + off_ms)
    }

    /// Moves every clock that is read again from here on.
    pub fn advance(&self, ms: i64) {
        self.moved_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

/// A deployment of processes. Everything is killed and deleted when it goes.
#[derive(Debug)]
pub struct City {
    root: TempDir,
    /// Its time.
    pub time: Arc<Time>,
    /// Settings of every node made from here on, `KEY=VALUE`.
    pub settings: Vec<String>,
}

impl Default for City {
    fn default() -> Self {
        Self::new()
    }
}

impl City {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        let beginning = Moment::parse_rfc3339(BEGINNING).unwrap();
        let time = Time {
            beginning,
            began: Instant::now(),
            moved_ms: AtomicI64::new(0),
        };
        Self {
            root: tempfile::Builder::new().prefix("fq").tempdir().unwrap(),
            time: Arc::new(time),
            settings: Vec::new(),
        }
    }

    /// The folder in which all data folders stand.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// A path for something of a test's own.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// A node's place on this machine, before any folder is made: clock, ports, log.
    #[must_use]
    pub fn ground(&self, name: &str) -> Node {
        let mut node = Node::new(self.root.path(), name, &self.time);
        node.settings.extend(self.settings.iter().cloned());
        node
    }

    /// Makes a deployment without starting it.
    #[must_use]
    pub fn init(&self, name: &str) -> Node {
        let node = self.ground(name);
        let made = node.machine(&["init", "--name", name, "--code", "3714"]);
        assert_eq!(made.code, 0, "{}", made.err);
        node
    }

    /// Makes a deployment and starts its first node.
    pub async fn found(&self, name: &str) -> Node {
        let mut node = self.init(name);
        node.start().await;
        node
    }

    /// Adds a place below a running node and redeems its invitation, without starting the new node.
    pub async fn enrol(&self, parent: &Node, name: &str, level: u32) -> Node {
        let token = parent.desk().invite_place(name, level).await;
        let node = self.ground(name);
        self.redeem(parent, &node, &token);
        node
    }

    /// Redeems an invitation.
    pub fn redeem(&self, parent: &Node, node: &Node, token: &str) {
        let joined = self.try_redeem(parent, node, token);
        assert_eq!(joined.code, 0, "{}", joined.err);
    }

    /// Tries to redeem an invitation.
    #[must_use]
    pub fn try_redeem(&self, parent: &Node, node: &Node, token: &str) -> Said {
        let address = loopback(parent.ports.enrol);
        node.machine(&["join", "--parent", &address, "--token", token])
    }

    /// Adds a place with a node of its own and starts it.
    pub async fn join(&self, parent: &Node, name: &str, level: u32) -> Node {
        let mut node = self.enrol(parent, name, level).await;
        node.start().await;
        node
    }

    /// The same over a wire that can be cut.
    pub async fn join_by_wire(&self, parent: &Node, name: &str, level: u32) -> (Node, Wire) {
        let target = loopback(parent.ports.link).parse().unwrap();
        let wire = Wire::to(target).await.unwrap();
        let mut node = self.enrol(parent, name, level).await;
        node.dial(wire.address().port());
        node.start().await;
        (node, wire)
    }

    /// Runs the binary on its own.
    #[must_use]
    pub fn say(&self, words: &[&str]) -> Said {
        kit::process::say(words).unwrap()
    }
}

/// The nodes of a plain city of four tiers.
#[derive(Debug)]
pub struct FourTiers {
    /// The city.
    pub city: Node,
    /// A county.
    pub county: Node,
    /// A township.
    pub township: Node,
    /// A village.
    pub village: Node,
    /// Wires of county, township and village to the tier above.
    pub wires: [Wire; 3],
}

impl FourTiers {
    /// Founds one.
    pub async fn found(ground: &City) -> Self {
        let city = ground.found("德州市").await;
        let (county, first) = ground.join_by_wire(&city, "德城区", COUNTY).await;
        let (township, second) = ground.join_by_wire(&county, "新华街道", TOWNSHIP).await;
        let (village, third) = ground.join_by_wire(&township, "新华社区", VILLAGE).await;
        Self {
            city,
            county,
            township,
            village,
            wires: [first, second, third],
        }
    }

    /// All nodes, top first.
    #[must_use]
    pub fn all(&self) -> [&Node; 4] {
        [&self.city, &self.county, &self.township, &self.village]
    }
}

/// Waits until every link between these nodes runs, owes nothing, and both ends compute the same digest from their
/// journals.
///
/// # Panics
/// When they do not come to agree, with what differs.
pub async fn agree(nodes: &[&Node]) {
    let mut last = String::new();
    let agreed = within(PATIENCE, async || {
        last = disagreement(nodes).await?;
        last.is_empty().then_some(())
    })
    .await;
    assert!(agreed.is_some(), "links do not agree: {last}");
}

/// What keeps these nodes from agreeing; empty when nothing does, `None` when a node does not answer.
async fn disagreement(nodes: &[&Node]) -> Option<String> {
    let mut desks: BTreeMap<String, Desk> = BTreeMap::new();
    for node in nodes {
        let desk = node.desk();
        let status = desk.try_status().await?;
        desks.insert(status.node.clone(), desk);
    }
    for (id, desk) in &desks {
        let status = desk.try_status().await?;
        for link in status
            .links
            .iter()
            .filter(|link| desks.contains_key(&link.link))
        {
            if !link.connected || link.owed > 0 {
                return Some(format!(
                    "{} owes {} to {} (connected: {}), {id}",
                    status.name, link.owed, link.name, link.connected
                ));
            }
        }
    }
    let mut ends: BTreeMap<(String, String), (String, u64)> = BTreeMap::new();
    for (id, desk) in &desks {
        for link in desk.try_digest().await?.links {
            ends.insert((id.clone(), link.link), (link.hash, link.chains));
        }
    }
    for ((here, there), end) in &ends {
        if let Some(other) = ends.get(&(there.clone(), here.clone()))
            && other != end
        {
            return Some(format!("{here} {end:?} - {there} {other:?}"));
        }
    }
    Some(String::new())
}

/// All files below a folder, in the order of their names.
#[must_use]
pub fn files(folder: &Path) -> Vec<PathBuf> {
    kit::folder::files(folder).unwrap()
}
