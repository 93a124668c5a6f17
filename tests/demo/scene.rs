//! The ground the stories are played on: a folder, a clock file, seven processes, a wire between each and its parent.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use fengqiao_hub::clock::Moment;
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit;
use fengqiao_tests::kit::failed::{Done, Failed};
use fengqiao_tests::kit::ports::loopback;
use fengqiao_tests::kit::process::{binary, command};
use fengqiao_tests::kit::wire::Wire;

use super::node::Node;
use super::place::At;
use super::tale::Tale;
use super::until;

/// First morning of the stories.
pub(super) const FIRST_MORNING: &str = "2023-02-16T08:30:00+08:00";
/// Minutes east of UTC at which the stories' moments are written.
const OFFSET_MINUTES: i32 = 480;

/// The ground.
#[derive(Debug)]
pub(super) struct Scene {
    nodes: Vec<Node>,
    clock: PathBuf,
    /// Id of the town's unit of the stories.
    pub(super) town_unit: String,
}

impl Scene {
    /// Makes the deployment of the first place, then each other node by invitation, and starts them all.
    ///
    /// # Errors
    /// A process, a folder or a port fails.
    pub(super) async fn build(folder: &Path, tale: &mut Tale) -> Done<Self> {
        let clock = folder.join("clock.txt");
        let mut scene = Self {
            nodes: Vec::new(),
            clock,
            town_unit: String::new(),
        };
        scene.set_clock(FIRST_MORNING)?;
        for at in At::ALL {
            scene.add(at, folder, tale).await?;
        }
        scene.staff().await?;
        scene.settle().await?;
        Ok(scene)
    }

    async fn add(&mut self, at: At, folder: &Path, tale: &mut Tale) -> Done<()> {
        let mut node = Node::new(at, folder, &self.clock)?;
        let mut made = command(&binary()?);
        made.arg("--data").arg(node.folder());
        match at.parent() {
            None => {
                made.args(["init", "--name", node.name, "--code", at.code()]);
            }
            Some(parent) => {
                let parent = self.node(parent);
                let ports = parent.node.ports;
                let token = parent.invite(at).await?;
                made.args(["join", "--parent", &loopback(ports.enrol)]);
                made.env("FENGQIAO_JOIN_TOKEN", token);
                let target = SocketAddr::from((Ipv4Addr::LOCALHOST, ports.link));
                let wire = Wire::to(target).await.map_err(anyhow::Error::new)?;
                node.node.dial(wire.address().port());
                node.wire = Some(wire);
            }
        }
        made.arg("--clock").arg(&self.clock);
        let made = tokio::process::Command::from(made).output().await;
        let made = made.map_err(|error| {
            Failed::new("DEMO_START", format!("{}: {error}", node.name), "无法启动")
        })?;
        if !made.status.success() {
            let said = String::from_utf8_lossy(&made.stderr).trim().to_owned();
            return Err(Failed::new(
                "DEMO_JOIN",
                format!("{}: {said}", node.name),
                "节点无法建立",
            ));
        }
        node.start().await?;
        tale.joined(at, node.name);
        self.nodes.push(node);
        Ok(())
    }

    /// People at each centre: one who takes in, one who had no hand in a case and visits, one who approves and
    /// decides; and the units of the stories.
    async fn staff(&mut self) -> Done<()> {
        for node in &self.nodes {
            node.add_account("clerk", "", &[pb::Role::Clerk]).await?;
            node.add_account("visitor", "", &[pb::Role::Clerk]).await?;
            node.add_account("leader", "", &[pb::Role::Leader, pb::Role::Approver])
                .await?;
        }
        self.node(At::City)
            .add_unit("市城市管理局", "chengguan")
            .await?;
        self.node(At::City).add_unit("市公安局", "gongan").await?;
        self.town_unit = self
            .node(At::Zhengjiazhai)
            .add_unit("镇综合行政执法队", "zhifa")
            .await?;
        Ok(())
    }

    /// A node.
    pub(super) fn node(&self, at: At) -> &Node {
        // Nodes stand in the order of `At::ALL`, and every one is made before anyone asks for it.
        &self.nodes[at as usize]
    }

    /// A node, to start or end its process.
    pub(super) fn node_mut(&mut self, at: At) -> &mut Node {
        &mut self.nodes[at as usize]
    }

    /// Every node.
    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Sets the clock of every node: RFC 3339. It runs on from there.
    ///
    /// # Errors
    /// The clock file cannot be written.
    pub(super) fn set_clock(&self, moment: &str) -> Done<()> {
        let set = Moment::parse_rfc3339(moment)
            .map_err(anyhow::Error::new)
            .and_then(|at| kit::clock::set(&self.clock, at, OFFSET_MINUTES));
        set.map_err(|error| {
            Failed::new(
                "DEMO_CLOCK",
                format!("{}: {error:#}", self.clock.display()),
                "无法设置时钟",
            )
        })
    }

    /// Cuts the wire from a node to its parent, and waits until the parent has noticed.
    pub(super) async fn cut(&self, at: At) -> Done<()> {
        if let Some(wire) = &self.node(at).wire {
            wire.cut();
        }
        self.await_link(at, false).await
    }

    /// Heals the wire from a node to its parent, and waits for their session.
    pub(super) async fn heal(&self, at: At) -> Done<()> {
        if let Some(wire) = &self.node(at).wire {
            wire.mend();
        }
        self.await_link(at, true).await
    }

    /// Waits until a node's parent sees their link as told.
    pub(super) async fn await_link(&self, at: At, connected: bool) -> Done<()> {
        let Some(parent) = at.parent().map(|parent| self.node(parent)) else {
            return Ok(());
        };
        let name = self.node(at).name;
        let what = format!(
            "{} sees {name} {}",
            parent.name,
            if connected { "connected" } else { "cut off" }
        );
        until(&what, async || {
            let status = parent.status().await.unwrap_or_default();
            let link = status
                .links
                .iter()
                .find(|link| link.direction == "down" && link.name == name);
            Ok(link.filter(|link| link.connected == connected).map(|_| ()))
        })
        .await
    }

    /// Waits until nothing is owed on any link and nothing changes any more.
    pub(super) async fn settle(&self) -> Done<()> {
        let mut before = None;
        until("every link has carried all it owes", async || {
            let seen = self.quiet().await;
            let still = seen.is_some() && seen == before;
            before = seen;
            Ok(still.then_some(()))
        })
        .await
    }

    /// What is stored and carried everywhere, when nothing is owed.
    async fn quiet(&self) -> Option<Vec<u64>> {
        let mut seen = Vec::new();
        for node in &self.nodes {
            let status = node.status().await?;
            let links = status.links.iter();
            let owing = links.clone().any(|link| link.owed > 0 || !link.connected);
            if owing || status.parked > 0 || status.submissions > 0 {
                return None;
            }
            seen.extend([status.entries, status.journal_bytes]);
            seen.extend(links.flat_map(|link| [link.received, link.acknowledged]));
        }
        Some(seen)
    }
}
