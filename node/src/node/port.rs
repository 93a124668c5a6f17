//! A node as its links see it: the port of the link floor, over the inbox and the store.

use std::sync::Arc;

use fengqiao_hub::id::{Hash, NodeId, StoreId};
use fengqiao_proto::v1 as pb;
use tokio::sync::mpsc::UnboundedSender;

use super::{Node, lock};
use crate::engine::{Closed, Input, LaneView};
use crate::link::{Down, Port};
use crate::replication::session::{Code, Event, Identity, LANES, Lanes, Receipt};

/// A node's port. Its own type, so that a link cannot reach around it.
#[derive(Debug, Clone)]
pub(crate) struct NodePort(pub(crate) Arc<Node>);

impl Lanes for LaneView {
    fn received(&self, lane: pb::Lane) -> pb::Cursor {
        or_end(Self::received(self, lane))
    }

    fn last(&self, lane: pb::Lane) -> pb::Cursor {
        or_end(Self::last(self, lane))
    }

    fn hash_at(&self, lane: pb::Lane, sequence: u64) -> Option<Hash> {
        or_end(Self::hash_at(self, lane, sequence))
    }

    fn acknowledged(&self, lane: pb::Lane) -> u64 {
        or_end(Self::acknowledged(self, lane))
    }

    fn load(&self, lane: pb::Lane, from: u64, items_max: usize, bytes_max: usize) -> Vec<pb::Item> {
        or_end(Self::load(self, lane, from, items_max, bytes_max))
    }

    fn is_tentative(&self) -> bool {
        or_end(Self::is_tentative(self))
    }
}

/// A store or journal that does not read is no state to go on in.
fn or_end<T>(result: Result<T, crate::engine::EngineError>) -> T {
    result.unwrap_or_else(|error| {
        tracing::error!(%error, "a lane does not read; the process ends");
        crate::log::exit(1)
    })
}

impl NodePort {
    fn lane_view(&self, link: NodeId) -> LaneView {
        LaneView {
            me: Arc::clone(&self.0.me),
            link,
            store: Arc::clone(self.0.views.store()),
            reader: Arc::clone(self.0.views.reader()),
            vault: Arc::clone(&self.0.vault),
            registry: Arc::clone(&self.0.registry),
        }
    }

    fn answer(&self, link: NodeId, event: Event) {
        self.0.tell(link, event);
    }

    fn in_background(&self, work: impl FnOnce(&Self) + Send + 'static) {
        let port = self.clone();
        tokio::task::spawn_blocking(move || work(&port));
    }
}

impl Port for NodePort {
    fn identity(&self, link: &str) -> Option<Identity> {
        let peer = link.parse::<NodeId>().ok()?;
        let registry = self.0.registry.load();
        let me = &self.0.me;
        // Only the parent can say more of a folder that may be an older copy; a revoked node has nobody to speak to.
        let may_speak = match self.0.closed() {
            None => true,
            Some(Closed::OlderCopy) => self
                .0
                .found_older()
                .is_some_and(|found| found.neighbour != peer && me.at.up(&registry) == Some(peer)),
            Some(Closed::Revoked) => false,
        };
        let linked = may_speak
            && (me.at.up(&registry) == Some(peer)
                || me.at.down(&registry).contains(&peer)
                || me.at.left(&registry).contains(&peer));
        linked.then(|| Identity {
            node: me.at.node,
            peer,
            store: me.store,
            incarnation: me.incarnation,
            boot: self.0.figures.load().counts.boot,
            registry: registry
                .versions()
                .map(|(place, sequence)| pb::RegistryReference {
                    place: place.to_vec(),
                    sequence,
                })
                .collect(),
        })
    }

    fn lanes(&self, link: &str) -> Arc<dyn Lanes> {
        Arc::new(self.lane_view(link.parse().unwrap_or_default()))
    }

    fn opened(&self, link: &str, hello: &pb::Hello, events: UnboundedSender<Event>) {
        let Ok(peer) = link.parse::<NodeId>() else {
            return;
        };
        let now = self.0.clock.now().0;
        for lane in LANES {
            let top_sequence = self.0.at_rest(|engine| engine.top_reached(peer, lane));
            // The receiver is this session's own: it cannot be gone yet.
            let _ = events.send(Event::TopMoved { lane, top_sequence });
        }
        let mut links = lock(&self.0.links);
        let end = links.entry(peer).or_default();
        end.events = Some(events);
        end.down = None;
        end.peer = StoreId::from_bytes(&hello.store).map(|store| (store, hello.incarnation));
        end.heard_ms = now;
        end.skew_ms = hello.wall_time_ms.saturating_sub(now);
        let skew_ms = end.skew_ms;
        drop(links);
        if skew_ms.unsigned_abs() > self.0.clock_skew_warn_ms.unsigned_abs() {
            let detail = format!("{link}: {} s", skew_ms / 1000);
            self.0.submit(Input::Alarm {
                code: "CLOCK_SKEW".to_owned(),
                detail,
            });
        }
        tracing::info!(node = %self.0.me.at.node, link, "a session began");
        self.0.parent_greeted(peer);
    }

    fn closed(&self, link: &str, code: Code) {
        let Ok(peer) = link.parse::<NodeId>() else {
            return;
        };
        if let Some(end) = lock(&self.0.links).get_mut(&peer) {
            end.events = None;
        }
        self.0.note_down(peer, Down::Session(code));
    }

    fn older_copy(&self, link: &str, found: &str) {
        if let Ok(peer) = link.parse::<NodeId>() {
            self.0.hear_older_copy(peer, found);
        }
    }

    fn down(&self, link: &str, why: Down) {
        if let Ok(peer) = link.parse::<NodeId>() {
            self.0.note_down(peer, why);
        }
    }

    fn store(&self, link: &str, lane: pb::Lane, items: Vec<pb::Item>) {
        let Ok(peer) = link.parse::<NodeId>() else {
            return;
        };
        let from = {
            let mut links = lock(&self.0.links);
            let end = links.entry(peer).or_default();
            end.heard_ms = self.0.clock.now().0;
            end.peer
        };
        let Some(from) = from else { return };
        if !self.0.submit(Input::Items {
            link: peer,
            from,
            lane,
            items,
        }) {
            // The peer's credit is spent on these: the session ends, and its cursors say where to go on.
            tracing::warn!(link, "the inbox is full");
            self.answer(
                peer,
                Event::Leave {
                    code: Code::Busy,
                    retry_after_ms: 1_000,
                },
            );
        }
    }

    fn peer_stored(&self, link: &str, receipt: Receipt) {
        let Ok(peer) = link.parse::<NodeId>() else {
            return;
        };
        if let Some(end) = lock(&self.0.links).get_mut(&peer) {
            end.heard_ms = self.0.clock.now().0;
        }
        // Lost when the inbox is full: the next acknowledgement, or the next greeting, says it again.
        self.0.submit(Input::PeerStored {
            link: peer,
            receipt,
        });
    }

    fn compute_digest(&self, link: &str) {
        let Ok(peer) = link.parse::<NodeId>() else {
            return;
        };
        self.in_background(move |port| {
            let digest = port.0.at_rest(|_| {
                let lanes = port.lane_view(peer);
                let ranges = port.0.views.digest_ranges(peer);
                ranges.map(|ranges| pb::Digest {
                    received: LANES
                        .iter()
                        .map(|lane| Lanes::received(&lanes, *lane))
                        .collect(),
                    sent: LANES
                        .iter()
                        .map(|lane| Lanes::last(&lanes, *lane))
                        .collect(),
                    ranges,
                })
            });
            port.answer(peer, Event::DigestComputed(or_end(digest)));
        });
    }

    fn compute_range(&self, link: &str, range: u8) {
        let Ok(peer) = link.parse::<NodeId>() else {
            return;
        };
        self.in_background(move |port| {
            let chains = or_end(port.0.at_rest(|_| port.0.views.digest_range(peer, range)));
            let range = pb::DigestRange {
                range: u32::from(range),
                chains,
            };
            port.answer(peer, Event::RangeComputed(range));
        });
    }

    fn digest_result(&self, link: &str, equal: bool) {
        let Ok(peer) = link.parse::<NodeId>() else {
            return;
        };
        if let Some(end) = lock(&self.0.links).get_mut(&peer) {
            end.digest = Some(equal);
        }
    }

    fn range_differs(&self, link: &str, theirs: pb::DigestRange) {
        let Ok(peer) = link.parse::<NodeId>() else {
            return;
        };
        self.in_background(move |port| {
            let range = u8::try_from(theirs.range).unwrap_or(u8::MAX);
            let ours = or_end(port.0.at_rest(|_| port.0.views.digest_range(peer, range)));
            let differing = theirs
                .chains
                .iter()
                .filter(|chain| !ours.contains(chain))
                .count();
            let detail = format!("{differing} chains differ in range {range} with {peer}");
            port.0.submit(Input::Alarm {
                code: "DIGEST_DIFFERS".to_owned(),
                detail,
            });
        });
    }

    fn unreached(&self, link: &str) -> pb::Unreached {
        let told = link.parse().ok().map(|peer| self.0.unreached_beyond(peer));
        told.unwrap_or_default()
    }

    fn peer_unreached(&self, link: &str, places: &pb::Unreached) {
        if let Ok(peer) = link.parse() {
            self.0.hear_unreached(peer, places);
        }
    }

    fn alarm(&self, link: &str, code: Code, detail: &str) {
        let detail = format!("{link}: {detail}");
        self.0.submit(Input::Alarm {
            code: code.as_str().to_owned(),
            detail,
        });
    }

    fn now_ms(&self) -> i64 {
        self.0.clock.now().0
    }
}
