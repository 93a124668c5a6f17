//! Four tiers with a wire on each link: 德州市, 德城区, 新华街道, 新华社区, a process and a data folder each.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use fengqiao_tests::kit::desk::Desk;
use fengqiao_tests::kit::node::Node;
use fengqiao_tests::kit::ports::loopback;
use fengqiao_tests::kit::wire::Wire;

use crate::clerks::{await_place, await_status};
use crate::usage::{command, first, node, start};

/// Places below the city: name, level, code.
const BELOW: [(&str, &str, &str); 3] = [
    ("德城区", "county", "371402"),
    ("新华街道", "township", "371402001"),
    ("新华社区", "village", "371402001001"),
];

/// Between two looks while tiers are put together.
const PAUSE: Duration = Duration::from_millis(20);

/// City first, village last.
#[derive(Debug)]
pub(crate) struct Tiers {
    /// Nodes.
    pub(crate) nodes: Vec<Node>,
    /// Wires, the city's first.
    pub(crate) wires: Vec<Wire>,
    /// Desks.
    pub(crate) desks: Vec<Desk>,
    folder: PathBuf,
}

impl Tiers {
    /// Makes, enrols and starts them, and waits until all are linked and know each other.
    pub(crate) async fn start(binary: &Path, folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut city = first(binary, &folder.join("0"))?;
        start(&mut city)?;
        let mut tiers = Self {
            desks: vec![city.desk()],
            nodes: vec![city],
            wires: Vec::new(),
            folder: folder.to_owned(),
        };
        for place in BELOW {
            tiers.add(binary, place).await?;
        }
        for (name, _, _) in BELOW {
            await_place(tiers.city(), PAUSE, name).await?;
        }
        Ok(tiers)
    }

    async fn add(
        &mut self,
        binary: &Path,
        (name, level, code): (&str, &str, &str),
    ) -> anyhow::Result<()> {
        let above = self.nodes.last().context("a parent")?;
        let add = ["place", "add", name, "--level", level, "--code", code];
        command(above, &add)?;
        let invited = command(above, &["invite", name])?;
        let token = invited["token"].as_str().context("a token")?;
        let wire = Wire::to(loopback(above.ports.link).parse()?).await?;
        let mut below = node(binary, &self.folder.join(self.nodes.len().to_string()))?;
        let parent = loopback(above.ports.enrol);
        command(&below, &["join", "--parent", &parent, "--token", token])?;
        below.dial(wire.address().port());
        start(&mut below)?;
        let desk = below.desk();
        await_status(&desk, PAUSE, |status| {
            status.links.iter().any(|link| link.connected)
        })
        .await?;
        self.nodes.push(below);
        self.wires.push(wire);
        self.desks.push(desk);
        Ok(())
    }

    /// The village's process, stopped and started again; how long it took to its socket.
    pub(crate) async fn restart_village(&mut self) -> anyhow::Result<Duration> {
        // A call that stays open would hold the drain up.
        self.desks.pop();
        let village = self.nodes.last_mut().context("a village")?;
        village.stop().await?;
        let started_in = start(village)?;
        self.desks.push(village.desk());
        Ok(started_in)
    }

    /// The city's desk.
    pub(crate) fn city(&self) -> &Desk {
        &self.desks[0]
    }

    /// The village's desk.
    pub(crate) fn village(&self) -> &Desk {
        &self.desks[self.desks.len() - 1]
    }
}
