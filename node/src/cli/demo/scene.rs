//! The ground the stories are played on: a folder, a clock file, seven processes, a wire between each and its parent.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use fengqiao_hub::clock::Moment;
use fengqiao_proto::v1 as pb;

use super::node::{Node, Ports, fengqiao};
use super::place::At;
use super::proxy::Proxy;
use super::tale::Tale;
use super::{Done, failed, until};

/// Ports are looked for here: below those the system hands out by itself, so that a node that starts again finds its own.
const PORTS_FROM: u16 = 20_000;
const PORTS_TO: u16 = 32_000;

/// First morning of the stories.
pub(super) const FIRST_MORNING: &str = "2023-02-16T08:30:00+08:00";

/// The ground.
#[derive(Debug)]
pub(super) struct Scene {
    nodes: Vec<Node>,
    clock: PathBuf,
    ports: PortSearch,
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
            ports: PortSearch::new(),
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
        let data = folder.join(at.folder());
        let name = at.name()?;
        let ports = Ports {
            link: self.ports.free()?,
            enrol: self.ports.free()?,
            desk: self.ports.free()?,
            operations: self.ports.free()?,
        };
        let mut command = fengqiao()?;
        command.arg("--data").arg(&data);
        let wire = match at.parent() {
            None => {
                command.args(["init", "--name", name, "--code", at.code()]);
                None
            }
            Some(parent) => {
                let parent = self.node(parent);
                let token = parent.invite(at).await?;
                command.args(["join", "--parent", &parent.ports.enrol.to_string()]);
                command.env("FENGQIAO_JOIN_TOKEN", token);
                Some(
                    Proxy::start(parent.ports.link)
                        .await
                        .map_err(|error| no_port(&error))?,
                )
            }
        };
        let made = command.arg("--clock").arg(&self.clock).output().await;
        let made =
            made.map_err(|error| failed("DEMO_START", format!("{name}: {error}"), "无法启动"))?;
        if !made.status.success() {
            let said = String::from_utf8_lossy(&made.stderr).trim().to_owned();
            return Err(failed(
                "DEMO_JOIN",
                format!("{name}: {said}"),
                "节点无法建立",
            ));
        }
        let mut node = Node::new(at, name, data, ports, wire, &self.clock);
        node.start().await?;
        self.nodes.push(node);
        tale.joined(at, name);
        Ok(())
    }

    /// People at each centre: one who takes in, one who approves and decides; and the units of the stories.
    async fn staff(&self) -> Done<()> {
        for node in &self.nodes {
            node.add_account("clerk", "", &[pb::Role::Clerk]).await?;
            node.add_account("leader", "", &[pb::Role::Leader, pb::Role::Approver])
                .await?;
        }
        self.node(At::City)
            .add_unit("市城市管理局", "chengguan")
            .await?;
        self.node(At::City).add_unit("市公安局", "gongan").await?;
        self.node(At::Zhengjiazhai)
            .add_unit("镇综合行政执法队", "zhifa")
            .await
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
        let written = || -> std::io::Result<()> {
            let at = Moment::parse_rfc3339(moment).map_err(std::io::Error::other)?;
            let fresh = self.clock.with_extension("new");
            std::fs::write(&fresh, moment)?;
            // Read again when the file's time changes: two settings within one tick of the disk's clock must differ.
            let since = Duration::from_millis(at.0.unsigned_abs());
            std::fs::File::options()
                .write(true)
                .open(&fresh)?
                .set_modified(UNIX_EPOCH + since)?;
            std::fs::rename(&fresh, &self.clock)
        };
        written().map_err(|error| {
            failed(
                "DEMO_CLOCK",
                format!("{}: {error}", self.clock.display()),
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
            wire.heal();
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
            let status = node.status().await.ok()?;
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

fn no_port(error: &std::io::Error) -> crate::cli::server::Failed {
    failed(
        "DEMO_PORT",
        format!("no free port on loopback: {error}"),
        "没有可用端口",
    )
}

/// Looks for free ports on loopback, each given once.
#[derive(Debug)]
struct PortSearch {
    next: u16,
}

impl PortSearch {
    fn new() -> Self {
        // Two demonstrations begin at different places.
        let spread = u16::try_from(std::process::id() % 400).unwrap_or_default() * 30;
        Self {
            next: PORTS_FROM + spread,
        }
    }

    fn free(&mut self) -> Done<SocketAddr> {
        let room = usize::from(PORTS_TO - PORTS_FROM);
        for _ in 0..room {
            let address = SocketAddr::from(([127, 0, 0, 1], self.next));
            self.next = if self.next >= PORTS_TO {
                PORTS_FROM
            } else {
                self.next + 1
            };
            if TcpListener::bind(address).is_ok() {
                return Ok(address);
            }
        }
        Err(no_port(&std::io::ErrorKind::AddrInUse.into()))
    }
}
