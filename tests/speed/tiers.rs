//! Four tiers with a proxy on each link: 德州市, 德城区, 新华街道, 新华社区, a process and a data folder each.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use crate::client::Client;
use crate::process::{Process, command};
use crate::proxy::Proxy;

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
    /// Processes.
    pub(crate) nodes: Vec<Process>,
    /// Proxies, the city's first.
    pub(crate) proxies: Vec<Proxy>,
    /// Desks.
    pub(crate) clients: Vec<Client>,
}

impl Tiers {
    /// Makes, enrols and starts them, and waits until all are linked and know each other.
    pub(crate) async fn start(binary: &Path, folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let data = folder.join("0");
        command(
            binary,
            &data,
            &["init", "--name", "德州市", "--code", "3714"],
        )?;
        let city = Process::start(binary, &data, &[])?;
        let mut tiers = Self {
            clients: vec![Client::connect(&city.socket()).await?],
            nodes: vec![city],
            proxies: Vec::new(),
        };
        for place in BELOW {
            tiers.add(binary, folder, place).await?;
        }
        for (name, _, _) in BELOW {
            tiers.clients[0].await_place(PAUSE, name).await?;
        }
        Ok(tiers)
    }

    async fn add(
        &mut self,
        binary: &Path,
        folder: &Path,
        (name, level, code): (&str, &str, &str),
    ) -> anyhow::Result<()> {
        let above = self.nodes.last().context("a parent")?;
        let add = ["place", "add", name, "--level", level, "--code", code];
        command(binary, &above.data, &add)?;
        let invited = command(binary, &above.data, &["invite", name])?;
        let token = invited["token"].as_str().context("a token")?;
        let proxy = Proxy::before(above.link_port).await?;
        let data = folder.join(self.nodes.len().to_string());
        let parent = format!("127.0.0.1:{}", above.enrol_port);
        command(
            binary,
            &data,
            &["join", "--parent", &parent, "--token", token],
        )?;
        let node = Process::start(binary, &data, &[parent_address(&proxy)])?;
        let client = Client::connect(&node.socket()).await?;
        client
            .await_status(PAUSE, |status| {
                status.links.iter().any(|link| link.connected)
            })
            .await?;
        self.nodes.push(node);
        self.proxies.push(proxy);
        self.clients.push(client);
        Ok(())
    }

    /// The village's process, stopped and started again.
    pub(crate) async fn restart_village(&mut self, binary: &Path) -> anyhow::Result<()> {
        // A call that stays open would hold the drain up.
        self.clients.pop();
        let village = self.nodes.pop().context("a village")?;
        let data = village.data.clone();
        village.stop()?;
        let proxy = self.proxies.last().context("a link")?;
        let village = Process::start(binary, &data, &[parent_address(proxy)])?;
        self.clients.push(Client::connect(&village.socket()).await?);
        self.nodes.push(village);
        Ok(())
    }

    /// The city's desk.
    pub(crate) fn city(&self) -> &Client {
        &self.clients[0]
    }

    /// The village's desk.
    pub(crate) fn village(&self) -> &Client {
        &self.clients[self.clients.len() - 1]
    }
}

fn parent_address(proxy: &Proxy) -> String {
    format!("link.parent_address=127.0.0.1:{}", proxy.port)
}
