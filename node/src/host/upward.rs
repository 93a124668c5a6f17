//! The link upwards: kept to the parent as the folder names it, and moved when the parent is another machine or the
//! place stands below another one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::PlaceId;
use rustls::pki_types::ServerName;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Host, Hosted, NodePort, draw, stopped};
use crate::engine::Input;
use crate::enrolment::introduce;
use crate::folder::Parent;
use crate::link::{Dialer, LocalLink, Otherwise, Port as _, Presenting};
use crate::trust::tls::Trust;

/// The longest between two questions who stands at the parent's address while its link is down.
const ASK_AGAIN_MS_MAX: u64 = 60_000;
/// How long the registry may take to store what it was told.
const STORED_WITHIN: Duration = Duration::from_secs(10);

impl Host {
    /// Keeps a node's link upwards until the process stops, to whichever node the folder names.
    pub(super) fn keep_link_up(
        self: &Arc<Self>,
        hosted: &Arc<Hosted>,
        stop: &watch::Receiver<bool>,
        tasks: &mut JoinSet<()>,
    ) {
        if hosted.parent.borrow().is_none() {
            return;
        }
        let (host, hosted, stop) = (Arc::clone(self), Arc::clone(hosted), stop.clone());
        tasks.spawn(async move {
            let mut parents = hosted.parent.subscribe();
            let mut addresses = host.parent_address.subscribe();
            let mut registry = hosted.node.registry_changes();
            let port = NodePort(Arc::clone(&hosted.node));
            while !*stop.borrow() {
                let parent = parents.borrow_and_update().clone();
                let Some(parent) = parent else { return };
                let configured = addresses.borrow_and_update().clone();
                registry.mark_unchanged();
                // A node that is closed has nothing to say, and the reason stands where it was found.
                let silent = || {
                    hosted.node.closed().is_some()
                        && port.identity(&parent.node.to_string()).is_none()
                };
                let until = async {
                    tokio::select! {
                        () = stopped(stop.clone()) => {}
                        changed = parents.changed() => drop(changed),
                        changed = addresses.changed() => drop(changed),
                        () = changes_to(&mut registry, !silent(), || !silent()) => {}
                    }
                };
                if silent() {
                    until.await;
                    continue;
                }
                if let Err(error) = host.link_to(&hosted, &parent, configured, until).await {
                    tracing::error!(%error, "the link upwards cannot be kept");
                    return;
                }
            }
        });
    }

    async fn link_to(
        &self,
        hosted: &Arc<Hosted>,
        parent: &Parent,
        configured: Option<String>,
        until: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        let port = Arc::new(NodePort(Arc::clone(&hosted.node)));
        let link = parent.node.to_string();
        let name = parent.name.to_string();
        if self.hosted.iter().any(|other| other.name == name) {
            let own = Arc::clone(hosted);
            let local = LocalLink {
                port,
                link,
                presented: Arc::new(move || (own.presented.chain(), name.clone())),
                admit: self.admit(),
                seats: Arc::clone(&self.seats),
                draw: draw(),
                limits: self.limits.clone(),
            };
            local.run(until).await;
            return Ok(());
        }
        let config = Arc::new(self.trust.client_config(&hosted.presented)?);
        let server = ServerName::try_from(name)?;
        let own = Arc::clone(hosted);
        let (address, otherwise) = where_to_dial(hosted, parent, configured);
        let dialer = Dialer {
            address,
            otherwise,
            link,
            port,
            seats: Arc::clone(&self.seats),
            credentials: Arc::new(move || Presenting {
                config: Arc::clone(&config),
                name: server.clone(),
                valid_ms: own.presented.valid_ms(),
            }),
            draw: draw(),
            limits: self.limits.clone(),
        };
        dialer.run(until).await;
        Ok(())
    }

    /// While a link upwards is down, asks now and then who stands at the parent's address.
    pub(super) fn watch_parent(
        &self,
        hosted: &Arc<Hosted>,
        stop: &watch::Receiver<bool>,
        tasks: &mut JoinSet<()>,
    ) {
        if hosted.parent.borrow().is_none() {
            return;
        }
        let (hosted, trust, clock) = (Arc::clone(hosted), self.trust.clone(), self.clock.clone());
        let every = self.limits.retry_ms_max.clamp(1, ASK_AGAIN_MS_MAX);
        let until = stopped(stop.clone());
        let configured = self.parent_address.subscribe();
        let mut downs = hosted.node.downs();
        tasks.spawn(async move {
            tokio::pin!(until);
            loop {
                tokio::select! {
                    () = &mut until => return,
                    () = tokio::time::sleep(Duration::from_millis(every)) => {}
                    // At once where the other end proved to be another node, or says that this one is revoked.
                    () = found_another(&hosted, &mut downs) => {}
                }
                let configured = configured.borrow().clone();
                if let Err(error) = ask(&hosted, &trust, configured, clock.now()).await {
                    tracing::debug!(%error, node = %hosted.node.me.at.node, "the parent did not say who it is");
                }
            }
        });
    }
}

/// Resolves when what is said of the registry changes from `was`.
async fn changes_to(registry: &mut watch::Receiver<u64>, was: bool, now: impl Fn() -> bool) {
    while now() == was {
        if registry.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// Resolves when the link upwards is down for a reason that the parent's enrol port may explain.
async fn found_another(hosted: &Hosted, downs: &mut watch::Receiver<u64>) {
    loop {
        if downs.changed().await.is_err() {
            return std::future::pending().await;
        }
        let parent = hosted.parent.borrow().as_ref().map(|parent| parent.node);
        let down = parent.and_then(|parent| hosted.node.down(parent));
        if down.is_some_and(|down| down.is_another_node() || down.says_revoked()) {
            return;
        }
    }
}

/// Where the parent is dialled, and where else it may be. What the configuration names goes before what was learnt: a
/// link may have a way of its own. But it does not survive a move, and may be older than the join.
fn where_to_dial(
    hosted: &Arc<Hosted>,
    parent: &Parent,
    configured: Option<String>,
) -> (String, Option<Otherwise>) {
    let learnt = parent.link_address.clone();
    let Some(configured) = configured.filter(|configured| *configured != learnt) else {
        return (learnt, None);
    };
    let detail = format!(
        "link.parent_address {configured} leads to another node than the parent, which is at {learnt}"
    );
    if parent.overtaken_address.as_ref() == Some(&configured) {
        say_overtaken(hosted, &detail);
        return (learnt, None);
    }
    let (own, said) = (Arc::clone(hosted), AtomicBool::new(false));
    let needed = move || {
        if !said.swap(true, Ordering::Relaxed) {
            say_overtaken(&own, &detail);
        }
    };
    let otherwise = Otherwise {
        address: learnt,
        needed: Arc::new(needed),
    };
    (configured, Some(otherwise))
}

fn say_overtaken(hosted: &Hosted, detail: &str) {
    hosted.node.submit(Input::Alarm {
        code: "PARENT_ADDRESS".to_owned(),
        detail: detail.to_owned(),
    });
}

/// Asks once; dials another node from then on when the registry knows it as the parent's.
async fn ask(
    hosted: &Hosted,
    trust: &Trust,
    configured: Option<String>,
    now: Moment,
) -> anyhow::Result<()> {
    let Some(parent) = hosted.parent.borrow().clone() else {
        return Ok(());
    };
    let node = &hosted.node;
    let Some((place, address)) = above(hosted, &parent) else {
        return Ok(());
    };
    let ends = node.link_ends();
    let connected = ends.get(&parent.node).is_some_and(|end| end.is_connected());
    if connected
        && node
            .registry
            .load()
            .node(parent.node)
            .map(|node| node.place)
            == Some(place)
    {
        return Ok(());
    }
    let mut folder = hosted.folder.lock().await;
    let root = folder.root.fingerprint();
    let mut told = introduce(&address, Some(place), Vec::new(), root, now).await?;
    if !told.knows(node.me.at.node) {
        told = introduce(&address, Some(place), node.way_down()?, root, now).await?;
    }
    if told.node.node() == parent.node {
        // Why it refuses this node stands in its registry, which proves itself.
        if node
            .down(parent.node)
            .is_some_and(|down| down.says_revoked())
        {
            node.submit(Input::Introduced(told.registry));
        }
        return Ok(());
    }
    let mut changes = node.registry_changes();
    node.submit(Input::Introduced(told.registry));
    let known = || {
        let registry = node.registry.load();
        let serves = registry.node_of(place).map(|record| record.id) == Some(told.node.node());
        serves && trust.is_pinned(&told.node)
    };
    let learnt = async {
        while !known() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(STORED_WITHIN, learnt).await?;
    let moved = address != parent.enrol_address;
    let next = Parent {
        node: told.node.node(),
        name: told.node.name,
        link_address: if moved {
            told.link_address
        } else {
            parent.link_address
        },
        enrol_address: address,
        overtaken_address: if moved {
            configured
        } else {
            parent.overtaken_address
        },
    };
    tracing::info!(node = %node.me.at.node, parent = %next.node, "another machine is dialled from now on");
    folder.replace_parent(next.clone())?;
    hosted.parent.send_replace(Some(next));
    Ok(())
}

/// The place this node dials, its parent's or for a department's node its centre's, and where that is enrolled at: once
/// the place has moved, where the move says.
fn above(hosted: &Hosted, parent: &Parent) -> Option<(PlaceId, String)> {
    let at = hosted.node.me.at;
    let registry = hosted.node.registry.load();
    let place = match at.unit {
        Some(_) => at.place,
        None => registry.place(at.place)?.parent?,
    };
    let dialled = registry.node(parent.node).map(|node| node.place);
    let address = registry.address_above(at.place);
    let moved = at.unit.is_none() && dialled != Some(place) && !address.is_empty();
    let address = if moved {
        address
    } else {
        &parent.enrol_address
    };
    Some((place, address.to_owned()))
}
