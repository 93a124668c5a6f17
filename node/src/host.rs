//! One process: it opens the nodes of its folders, keeps their links, listens, watches clocks and disk, and drains.

mod enrolling;
mod renewal;
mod stores;
mod supervisor;
mod upward;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fengqiao_hub::id::NodeId;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::desk::calls::Calls;
use crate::engine::Closed;
use crate::enrolment::{EnrolDesk, EnrolServer};
use crate::folder::Folder;
use crate::journal::{Limits as SpaceLimits, Reserve, Room, Space, Threshold, reserve_bytes};
use crate::link::{Admit, Admitted, Draw, Limits, Listener, Port as _, Refused, Seats};
use crate::node::Node;
use crate::node::clock::{Clock, timestamp};
use crate::node::hosted::{Hosted, stopped};
use crate::node::opening::{Opener, OpeningError};
use crate::node::port::NodePort;
use crate::pages::operations;
use crate::ports::Ports;
use crate::replication::session;
use crate::store::SharedSled;
use crate::trust::identity::{Pinned, Registrar};
use crate::trust::keys::Fingerprint;
use crate::trust::random::{OsRandom, Random as _};
use crate::trust::tls::{HostedNodes, Port, Presented, Trust};
use enrolling::HostDesk;
use stores::Stores;

/// Ticks an engine may miss, and what a disk may take on top, before it is held to hang.
const TICKS_MISSED: u64 = 6;
const TICK_GRACE: Duration = Duration::from_secs(60);
/// How long a drain may take.
const DRAIN: Duration = Duration::from_secs(10);

/// Reports of long work to whoever watches the start: what, done, total.
pub(crate) type Progress<'a> = &'a mut dyn FnMut(&str, u64, u64);

/// A process with its nodes.
pub(crate) struct Host {
    /// Nodes in the order of their folders.
    pub hosted: Vec<Arc<Hosted>>,
    trust: Trust,
    names: Arc<HostedNodes>,
    seats: Arc<Seats>,
    ports: Ports,
    clock: Clock,
    config: Arc<Config>,
    limits: Limits,
    /// As the configuration names it now.
    parent_address: watch::Sender<Option<String>>,
    shared: Option<SharedSled>,
    _reserve: Option<Reserve>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host")
            .field("hosted", &self.hosted.len())
            .finish_non_exhaustive()
    }
}

/// What every hosted node believes of others, together.
#[derive(Debug, Default)]
struct Registrars(Mutex<Vec<Arc<Node>>>);

impl Registrars {
    fn all(&self) -> Vec<Arc<Node>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Registrar for Registrars {
    fn pinned(&self, node: &NodeId) -> Option<Pinned> {
        let mut found: Option<Pinned> = None;
        for hosted in self.all() {
            if let Some(pinned) = hosted.registrar.pinned(node)
                && found.as_ref().is_none_or(|known| !known.revoked)
            {
                found = Some(pinned);
            }
        }
        found
    }

    fn authority_revoked(&self, key: &Fingerprint) -> bool {
        self.all()
            .iter()
            .any(|hosted| hosted.registrar.authority_revoked(key))
    }
}

impl Host {
    /// Opens all folders of a configuration.
    ///
    /// # Errors
    /// Whatever keeps one of them from being opened; none is served then.
    pub(crate) fn open(
        config: Config,
        opener: &Opener,
        progress: Progress<'_>,
    ) -> anyhow::Result<Self> {
        let folders = folders_of(&config);
        let opened = folders
            .iter()
            .map(|path| Folder::open(path))
            .collect::<Result<Vec<_>, _>>()?;
        let gave_way = let_reserve_give_way(&config)?;
        let stores = Stores::open(&config, &opener.clock)?;
        let registrars = Arc::new(Registrars::default());
        let root = opened.first().map(|folder| folder.root.certificate.clone());
        let root = root.ok_or_else(|| anyhow::anyhow!("no folder is configured"))?;
        let believed: Arc<dyn Registrar> = Arc::clone(&registrars) as Arc<dyn Registrar>;
        let trust = Trust::new(&root, believed, Arc::new(opener.clock.clone()))?;
        let names = Arc::new(HostedNodes::default());
        let mut hosted = Vec::new();
        for folder in opened {
            let store = stores.of(&folder)?;
            let what = folder.identity.place_name.clone();
            let node = opener.open(&folder, &config, store, &mut |done, total| {
                progress(&what, done, total)
            })?;
            names.install(&folder.credentials);
            registrars
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(Arc::clone(&node));
            hosted.push(Arc::new(Hosted {
                node,
                presented: Arc::new(Presented::new(&folder.credentials)),
                name: folder.credentials.own.name.to_string(),
                parent: watch::Sender::new(folder.identity.parent.clone()),
                folder: tokio::sync::Mutex::new(folder),
            }));
        }
        let reserve = if gave_way {
            None
        } else {
            hold_reserve(&config)?
        };
        Ok(Self {
            hosted,
            trust,
            names,
            seats: Arc::new(Seats::default()),
            ports: Ports::of_process(folders.len()),
            clock: opener.clock.clone(),
            limits: limits_of(&config),
            parent_address: watch::Sender::new(config.link.parent_address.clone()),
            config: Arc::new(config),
            shared: stores.shared,
            _reserve: reserve,
        })
    }

    /// What it was opened by.
    #[must_use]
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Dials the parent at another address from now on; `None` is the one that was learnt.
    pub(crate) fn dial_parent_at(&self, address: Option<String>) {
        self.parent_address.send_if_modified(|now| {
            let changed = *now != address;
            *now = address;
            changed
        });
    }

    /// Serves until `stop` changes, then drains: sessions say goodbye, stores are closed.
    ///
    /// # Errors
    /// A port cannot be listened on.
    pub(crate) async fn serve(self: Arc<Self>, stop: watch::Receiver<bool>) -> anyhow::Result<()> {
        let mut tasks = JoinSet::new();
        let enrols = self
            .hosted
            .iter()
            .any(|hosted| hosted.parent.borrow().is_none() || hosted.node.me.at.unit.is_none());
        if enrols {
            let link = listen(self.config.link.listen, "link.listen").await?;
            let enrol = listen(self.config.enrol.listen, "enrol.listen").await?;
            tracing::info!(address = %link.local_addr()?, "links are taken");
            tracing::info!(address = %enrol.local_addr()?, "joins are taken");
            tasks.spawn(self.listener()?.run(link, stopped(stop.clone())));
            let (server, desk) = (self.enrol_server(), self.enrol_desk());
            let until = stopped(stop.clone());
            tasks.spawn(async move {
                if let Err(error) = server.serve(enrol, desk, until).await {
                    tracing::error!(%error, "the enrol port is not served");
                }
            });
        }
        for hosted in &self.hosted {
            self.keep_link_up(hosted, &stop, &mut tasks);
            self.watch_parent(hosted, &stop, &mut tasks);
            self.watch_registry(hosted, &stop, &mut tasks);
        }
        let calls = Calls::default();
        if let Some(first) = self.hosted.first() {
            let tls = crate::pages::tls(first, &self.config)?;
            let desk = listen(self.config.desk.listen, "desk.listen").await?;
            tracing::info!(address = %desk.local_addr()?, "the desk is open");
            let places = self.ports.port(crate::desk::server::PLACES);
            crate::desk::server::serve_tcp(
                Arc::clone(first),
                desk,
                places,
                tls.clone(),
                calls.clone(),
                stop.clone(),
                &mut tasks,
            );
            self.open_pages(first, tls, &stop, &mut tasks).await?;
        }
        let port = listen(self.config.operations.listen, "operations.listen").await?;
        tracing::info!(address = %port.local_addr()?, "the operations port is open");
        let patience = self.patience();
        let hosted = self.hosted.clone();
        let places = self.ports.port(operations::PLACES);
        operations::serve(
            hosted,
            port,
            places,
            stop.clone(),
            patience,
            calls.clone(),
            &mut tasks,
        );
        // Last: whoever is answered on the socket finds every port open.
        for hosted in &self.hosted {
            crate::desk::server::serve_socket(
                Arc::clone(hosted),
                self.socket_of(hosted),
                self.ports.port(crate::desk::server::PLACES),
                calls.clone(),
                stop.clone(),
                &mut tasks,
            )?;
        }
        self.tick(&stop, &mut tasks);
        self.renew(&stop, &mut tasks);
        for hosted in &self.hosted {
            let node = hosted.node.me.at.node;
            tracing::info!(%node, name = hosted.name, "serving");
            if let Some(closed) = hosted.node.closed() {
                let refusal = closed.refusal();
                let (code, english, chinese) =
                    (refusal.code.as_str(), refusal.english(), refusal.chinese());
                tracing::error!(%node, code, english, chinese, "nothing is taken in");
            }
        }
        supervisor::ready(self.hosted.clone(), patience, stop.clone(), &mut tasks);
        stopped(stop).await;
        tracing::info!("draining");
        supervisor::stopping();
        let drained = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!("not everything drained in time");
            tasks.abort_all();
        }
        self.hosted.iter().for_each(|hosted| hosted.node.vouch());
        if let Some(shared) = &self.shared {
            shared.checkpoint()?;
        }
        Ok(())
    }

    /// Opens the pages of the first node.
    async fn open_pages(
        &self,
        first: &Arc<Hosted>,
        tls: rustls::ServerConfig,
        stop: &watch::Receiver<bool>,
        tasks: &mut JoinSet<()>,
    ) -> anyhow::Result<()> {
        let pages = listen(self.config.pages.listen, "pages.listen").await?;
        let redirect = listen(self.config.pages.redirect, "pages.redirect").await?;
        tracing::info!(address = %pages.local_addr()?, "the pages are open");
        let ports = (
            (pages, self.ports.port(crate::pages::PLACES)),
            (redirect, self.ports.port(crate::pages::PLACES)),
        );
        crate::pages::serve(Arc::clone(first), &self.config, ports, tls, stop, tasks)
    }

    /// How long an engine may take for a tick before it is held to hang.
    fn patience(&self) -> Duration {
        Duration::from_millis(self.config.time.tick_ms.saturating_mul(TICKS_MISSED)) + TICK_GRACE
    }

    fn listener(&self) -> anyhow::Result<Listener> {
        let config = self
            .trust
            .server_config(Port::Link, &self.names, self.fallback())?;
        Ok(Listener {
            tls: Arc::new(arc_swap::ArcSwap::from_pointee(config)),
            admit: self.admit(),
            seats: Arc::clone(&self.seats),
            places: self.ports.port(crate::link::PLACES),
            draw: draw(),
            limits: self.limits.clone(),
        })
    }

    /// Whom a connection that names no hosted node means.
    fn fallback(&self) -> Option<String> {
        self.hosted
            .first()
            .filter(|_| self.hosted.len() == 1)
            .map(|hosted| hosted.name.clone())
    }

    /// The one identity check, for a dialled link and for one inside the process.
    fn admit(&self) -> Admit {
        let by_name: BTreeMap<String, Arc<Hosted>> = self
            .hosted
            .iter()
            .map(|hosted| (hosted.name.clone(), Arc::clone(hosted)))
            .collect();
        let only = self.fallback();
        let (trust, clock) = (self.trust.clone(), self.clock.clone());
        Arc::new(move |chain, name| {
            let peer = trust.peer(Port::Link, Some(chain), timestamp(clock.now()));
            let peer = peer.map_err(|error| Refused(Box::new(error)))?;
            let peer = peer.ok_or_else(|| Refused("no certificate was presented".into()))?;
            let named = name.map(str::to_owned).or_else(|| only.clone());
            let hosted = named.and_then(|name| by_name.get(&name));
            let hosted =
                hosted.ok_or_else(|| Refused("no node of that name is hosted here".into()))?;
            let port = NodePort(Arc::clone(&hosted.node));
            let link = peer.node().to_string();
            if port.identity(&link).is_none() {
                return Err(Refused("the registry knows no link to this node".into()));
            }
            Ok(Admitted {
                port: Arc::new(port),
                link,
            })
        })
    }

    /// A node revoked while its session runs is cut off.
    fn watch_registry(
        &self,
        hosted: &Arc<Hosted>,
        stop: &watch::Receiver<bool>,
        tasks: &mut JoinSet<()>,
    ) {
        let (node, seats) = (Arc::clone(&hosted.node), Arc::clone(&self.seats));
        let mut changes = node.registry_changes();
        let until = stopped(stop.clone());
        tasks.spawn(async move {
            tokio::pin!(until);
            loop {
                tokio::select! {
                    () = &mut until => return,
                    changed = changes.changed() => if changed.is_err() { return },
                }
                let port = NodePort(Arc::clone(&node));
                for peer in node.link_ends().keys() {
                    if port.identity(&peer.to_string()).is_none() {
                        let code = match node.closed() {
                            Some(Closed::OlderCopy) => session::Code::CursorAhead,
                            Some(Closed::Revoked) | None => session::Code::Revoked,
                        };
                        seats.drop_link(node.me.at.node, &peer.to_string(), code);
                    }
                }
            }
        });
    }

    fn tick(&self, stop: &watch::Receiver<bool>, tasks: &mut JoinSet<()>) {
        let nodes: Vec<Arc<Node>> = self
            .hosted
            .iter()
            .map(|hosted| Arc::clone(&hosted.node))
            .collect();
        let limits = space_limits(&self.config);
        let folder = self.config.data.folder.clone();
        let every = Duration::from_millis(self.config.time.tick_ms);
        let until = stopped(stop.clone());
        tasks.spawn(async move {
            let mut interval = tokio::time::interval(every);
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            tokio::pin!(until);
            let mut was_read_only = false;
            loop {
                tokio::select! {
                    () = &mut until => return,
                    _ = interval.tick() => {}
                }
                let space = Space::measure(&folder, &limits).unwrap_or(Space::Ok);
                let read_only = space == Space::ReadOnly;
                if read_only != was_read_only {
                    tracing::warn!(read_only, "the room on the disk has changed");
                }
                was_read_only = read_only;
                nodes.iter().for_each(|node| node.tick(read_only));
            }
        });
    }

    fn enrol_server(&self) -> EnrolServer {
        EnrolServer {
            trust: self.trust.clone(),
            hosted: Arc::clone(&self.names),
            fallback: self.hosted.first().map(|hosted| hosted.name.clone()),
            places: self.ports.port(crate::enrolment::PLACES),
            time: Arc::new(self.clock.clone()),
        }
    }

    fn enrol_desk(&self) -> Arc<dyn EnrolDesk> {
        Arc::new(HostDesk {
            hosted: self.hosted.clone(),
            link_address: self.config.link.listen.to_string(),
        })
    }

    fn socket_of(&self, hosted: &Hosted) -> PathBuf {
        if self.config.places.host.is_empty() {
            return self.config.desk.socket.clone();
        }
        hosted.node.folder.join(crate::config::SOCKET_NAME)
    }
}

/// The data folders of a configuration.
#[must_use]
pub(crate) fn folders_of(config: &Config) -> Vec<PathBuf> {
    if config.places.host.is_empty() {
        return vec![config.data.folder.clone()];
    }
    config
        .places
        .host
        .iter()
        .map(|name| config.data.folder.join(name))
        .collect()
}

/// When room on the disk is short.
#[must_use]
pub(crate) fn space_limits(config: &Config) -> SpaceLimits {
    SpaceLimits {
        attachments: Threshold {
            percent: 10,
            bytes: 2 << 30,
        },
        read_only: Threshold {
            percent: u8::try_from(config.journal.read_only_below_percent).unwrap_or(5),
            bytes: config.journal.read_only_below_bytes,
        },
    }
}

/// On a full disk the reserve gives way, so that what stands there can be opened and read; says whether it did. The
/// next start with room takes it again.
fn let_reserve_give_way(config: &Config) -> anyhow::Result<bool> {
    let path = config.data.folder.join("reserve");
    let Ok(held) = std::fs::metadata(&path) else {
        return Ok(false);
    };
    if Room::of(&config.data.folder)?.available >= held.len() {
        return Ok(false);
    }
    tracing::warn!(
        bytes = held.len(),
        "the disk is full; the reserve gives way"
    );
    Reserve::hold(&path, held.len())?.release()?;
    Ok(true)
}

fn hold_reserve(config: &Config) -> anyhow::Result<Option<Reserve>> {
    let total = Room::of(&config.data.folder)?.total;
    let bytes = reserve_bytes(total).min(config.journal.reserve_bytes);
    // On a disk too full for the reserve the node still opens, and then only reads.
    Ok(Reserve::hold(&config.data.folder.join("reserve"), bytes)
        .inspect_err(|error| tracing::warn!(%error, "no reserve is held on the disk"))
        .ok())
}

fn limits_of(config: &Config) -> Limits {
    let link = &config.link;
    let milliseconds = Duration::from_millis;
    Limits {
        session: session::Limits {
            frame_bytes_max: usize::try_from(link.frame_bytes_max).unwrap_or(1 << 20),
            window_items: link.credit_items,
            unstored_bytes_max: usize::try_from(link.credit_bytes).unwrap_or(4 << 20),
            ..session::Limits::default()
        },
        keepalive_interval: milliseconds(link.keepalive_interval_ms),
        keepalive_timeout: milliseconds(link.keepalive_timeout_ms),
        connect_timeout: milliseconds(link.connect_timeout_ms),
        handshake_timeout: milliseconds(link.handshake_timeout_ms),
        retry_ms_min: link.retry_ms_min,
        retry_ms_max: link.retry_ms_max,
        connection_age: Duration::from_secs(link.connection_age_s),
        streams_max: u32::try_from(link.streams_max).unwrap_or(8),
    }
}

async fn listen(address: std::net::SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        anyhow::Error::new(error)
            .context(format!("PORT_IN_USE: cannot listen on {address} ({key})"))
    })
}

fn draw() -> Draw {
    Arc::new(|| {
        let mut bytes = [0; 8];
        if OsRandom.fill(&mut bytes).is_err() {
            tracing::error!("the source of randomness is unavailable; the process ends");
            crate::log::exit(1);
        }
        u64::from_be_bytes(bytes)
    })
}

/// Names the kinds of failure of [`Host::open`] that have a stable code.
#[must_use]
pub(crate) fn code_of(error: &anyhow::Error) -> Option<&'static str> {
    for cause in error.chain() {
        if let Some(folder) = cause.downcast_ref::<crate::folder::FolderError>() {
            return Some(folder.code());
        }
        if let Some(OpeningError::Folder(folder)) = cause.downcast_ref::<OpeningError>() {
            return Some(folder.code());
        }
    }
    None
}
