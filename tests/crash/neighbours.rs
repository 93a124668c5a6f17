//! The parent and a child of the node that is watched: nodes in folders beside it, of which no call is written down. The
//! watched node joins by its parent's invitation, and the child by its own; what is owed is carried between them here.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use fengqiao_hub::id::NodeId;
use fengqiao_node::engine::{Administration, Input, LaneView};
use fengqiao_node::enrolment::{
    Authorities, EnrolDesk, EnrolRefusal, EnrolServer, JoinOptions, join, places_of_its_own,
};
use fengqiao_node::node::Node;
use fengqiao_node::node::clock::Clock;
use fengqiao_node::replication::session::{LANES, Lanes, Receipt};
use fengqiao_node::trust::PeerIdentity;
use fengqiao_node::trust::random::OsRandom;
use fengqiao_node::trust::tls::{HostedNodes, Trust};
use fengqiao_proto::v1 as pb;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::stand::{Standing, make, runtime};

/// Neighbours never see a reboot.
const BOOT: &str = "beside";
/// After this, what was handed to a node is said to have been lost.
const PATIENCE: Duration = Duration::from_secs(60);
const ITEMS_MAX: usize = 64;

/// The neighbours of a watched node, open.
pub(crate) struct Neighbours {
    pub(crate) above: Standing,
    pub(crate) below: Standing,
}

/// Where the parent and the child have their folders: beside the root below which everything is watched.
fn folders(watched: &Path) -> anyhow::Result<[PathBuf; 2]> {
    let root = watched.parent().context("a watched root")?;
    Ok(["above", "below"].map(|side| root.with_extension(side)))
}

/// Makes the parent's folder, and the watched one by joining it.
pub(crate) fn join_above(watched: &Path) -> anyhow::Result<()> {
    let [above, _] = folders(watched)?;
    make(&above)?;
    let above = Standing::open(&above, BOOT)?;
    join_to(&above, "新华街道", 50, watched)?;
    above.close()
}

/// Makes the child's folder by joining the watched node.
pub(crate) fn join_below(watched: &Path, standing: &Standing) -> anyhow::Result<()> {
    let [_, below] = folders(watched)?;
    join_to(standing, "东风社区", 60, &below)
}

impl Neighbours {
    pub(crate) fn open(watched: &Path) -> anyhow::Result<Self> {
        let [above, below] = folders(watched)?;
        Ok(Self {
            above: Standing::open(&above, BOOT)?,
            below: Standing::open(&below, BOOT)?,
        })
    }

    /// Carries everything owed on both links until nothing is owed any more.
    pub(crate) fn carry(&self, watched: &Standing) -> anyhow::Result<()> {
        let links = [
            (&self.below.node, &watched.node),
            (&watched.node, &self.above.node),
        ];
        loop {
            let mut moved = false;
            for (lower, upper) in links {
                for lane in LANES {
                    moved |= carry(lower, upper, lane)?;
                    moved |= carry(upper, lower, lane)?;
                }
            }
            if !moved {
                return Ok(());
            }
        }
    }

    pub(crate) fn close(self) -> anyhow::Result<()> {
        self.above.close()?;
        self.below.close()
    }
}

/// Carries the next items of a lane, with their acknowledgement; says whether anything moved.
fn carry(from: &Arc<Node>, to: &Arc<Node>, lane: pb::Lane) -> anyhow::Result<bool> {
    let (sender, receiver) = (from.me.at.node, to.me.at.node);
    let start = lanes(to, sender).received(lane)?.sequence + 1;
    let items = lanes(from, receiver).load(lane, start, ITEMS_MAX, 1 << 20)?;
    let last = items.last().map(|item| item.sequence);
    if let Some(last) = last {
        let input = Input::Items {
            link: sender,
            from: (from.me.store, from.me.incarnation),
            lane,
            items,
        };
        ensure!(to.submit(input), "an inbox is full");
        until(|| Ok(lanes(to, sender).received(lane)?.sequence >= last))?;
    }
    let cursor = lanes(to, sender).received(lane)?;
    let before = from.views.receipt(receiver, lane)?;
    if before.acknowledged >= cursor.sequence {
        return Ok(last.is_some());
    }
    let settles_after = Lanes::settles_after(&lanes(to, sender));
    let receipt = Receipt {
        top_sequence: 0,
        settles_after: settles_after.filter(|_| lane == pb::Lane::Cases),
        cursor: cursor.clone(),
    };
    let told = Input::PeerStored {
        link: receiver,
        receipt,
    };
    ensure!(from.submit(told), "an inbox is full");
    until(|| Ok(from.views.receipt(receiver, lane)?.acknowledged >= cursor.sequence))?;
    Ok(true)
}

fn lanes(node: &Arc<Node>, link: NodeId) -> LaneView {
    LaneView {
        me: Arc::clone(&node.me),
        link,
        store: Arc::clone(node.views.store()),
        reader: Arc::clone(node.views.reader()),
        vault: Arc::clone(&node.vault),
        registry: Arc::clone(&node.registry),
    }
}

/// Waits for a worker that has something to do.
fn until(is_so: impl Fn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let began = Instant::now();
    while !is_so()? {
        ensure!(
            began.elapsed() < PATIENCE,
            "a node does not take what it was handed"
        );
        std::thread::yield_now();
    }
    Ok(())
}

/// Adds a place below a node, invites its node, and has it join into a folder.
fn join_to(parent: &Standing, name: &str, level: u32, folder: &Path) -> anyhow::Result<()> {
    let wanted = pb::AddPlaceRequest {
        name: name.to_owned(),
        level,
        ..Default::default()
    };
    parent.administer(Administration::AddPlaces(vec![wanted]))?;
    let registry = parent.node.registry.load_full();
    let children = registry.children(parent.node.me.at.place);
    let place = *children.first().context("the place that was added")?;
    let invited = parent.administer(Administration::Invite {
        place,
        unit: None,
        hours: 24,
        successor: false,
    })?;
    let invited = pb::InviteResponse::decode(&invited[..])?;
    runtime()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let own = parent.folder();
        let hosted = Arc::new(HostedNodes::default());
        hosted.install(&own.credentials);
        let time = Arc::new(Clock::System);
        let registrar = Arc::clone(&parent.node.registrar);
        let server = EnrolServer {
            trust: Trust::new(&own.root.certificate, registrar, time.clone())?,
            hosted,
            fallback: Some(own.credentials.own.name.to_string()),
            places: places_of_its_own(),
            time,
        };
        let desk = Arc::new(Desk {
            node: Arc::clone(&parent.node),
            name: own.credentials.own.name.to_string(),
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(server.serve(listener, desk, async {
            let _ = stopped.await;
        }));
        let options = JoinOptions {
            path: folder,
            token: &invited.token,
            address: &address,
            parent_name: None,
            authorities: Authorities::IfGranted,
            recovers: false,
        };
        let joined = join(&options, Clock::System.now(), &mut OsRandom).await;
        drop(stop);
        serving.await??;
        // Its last connections hold the parent, which cannot be closed before they are gone.
        while Arc::strong_count(&parent.node) > 1 {
            tokio::task::yield_now().await;
        }
        joined?;
        Ok(())
    })
}

/// The enrol port of one node.
struct Desk {
    node: Arc<Node>,
    name: String,
}

#[tonic::async_trait]
impl EnrolDesk for Desk {
    async fn join(&self, request: pb::JoinRequest) -> Result<pb::JoinResponse, EnrolRefusal> {
        let mut response = self.node.join(request).await?;
        response.parent_name.clone_from(&self.name);
        response.link_address = "127.0.0.1:7443".to_owned();
        Ok(*response)
    }

    async fn renew(
        &self,
        _: PeerIdentity,
        _: pb::RenewRequest,
    ) -> Result<pb::RenewResponse, EnrolRefusal> {
        Err(EnrolRefusal::NOT_ENROLLED_HERE)
    }

    fn introduce(&self, _: &pb::IntroduceRequest) -> Result<pb::IntroduceResponse, EnrolRefusal> {
        Err(EnrolRefusal::NOT_ENROLLED_HERE)
    }
}
