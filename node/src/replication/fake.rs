//! A node in memory: lanes as vectors, an engine that stores when it is told to sync.

use std::collections::VecDeque;

use fengqiao_hub::id::{Hash, NodeId, StoreId};
use fengqiao_proto::v1 as pb;

use super::session::{Identity, LANES, Lanes, RANGES, Receipt, running_hash};

/// Index of a lane in arrays.
pub(crate) fn index(lane: pb::Lane) -> usize {
    LANES.iter().position(|known| *known == lane).unwrap()
}

/// One end of the one link of a test.
#[derive(Debug, Clone)]
pub(crate) struct FakeNode {
    pub(crate) identity: Identity,
    pub(crate) own: [Vec<(pb::Item, Hash)>; 3],
    pub(crate) got: [Vec<pb::Item>; 3],
    pub(crate) got_cursor: [pb::Cursor; 3],
    pub(crate) acknowledged: [u64; 3],
    pub(crate) top: [u64; 3],
    pub(crate) unsynced: VecDeque<(pb::Lane, Vec<pb::Item>)>,
    pub(crate) peer_store: StoreId,
    pub(crate) peer_incarnation: u32,
    /// Mixed into the digest, to make one differ.
    pub(crate) secret_history: Vec<u8>,
    pub(crate) is_tentative: bool,
    /// What the peer's acknowledgements settled: of our cases, after which of its own.
    pub(crate) settled: Vec<(u64, u64)>,
    is_lower: bool,
}

impl FakeNode {
    /// The lower and the upper node of a link.
    pub(crate) fn pair() -> (Self, Self) {
        (Self::new(true), Self::new(false))
    }

    fn new(is_lower: bool) -> Self {
        let (own, other) = if is_lower { (1, 2) } else { (2, 1) };
        Self {
            identity: Identity {
                node: NodeId([own; 10]),
                peer: NodeId([other; 10]),
                store: StoreId([own; 16]),
                incarnation: 1,
                boot: 1,
                registry: Vec::new(),
            },
            own: Default::default(),
            got: Default::default(),
            got_cursor: LANES.map(|lane| pb::Cursor {
                lane: lane.into(),
                ..pb::Cursor::default()
            }),
            acknowledged: [0; 3],
            top: [0; 3],
            unsynced: VecDeque::new(),
            peer_store: StoreId([other; 16]),
            peer_incarnation: 1,
            secret_history: Vec::new(),
            is_tentative: false,
            settled: Vec::new(),
            is_lower,
        }
    }

    /// Puts one more item on a lane.
    pub(crate) fn owe(&mut self, lane: pb::Lane, payload: Vec<u8>) {
        let own = &mut self.own[index(lane)];
        let item = pb::Item {
            sequence: own.len() as u64 + 1,
            kind: pb::ItemKind::Entry.into(),
            payload,
            secrets: Vec::new(),
        };
        let hash = running_hash(own.last().map(|(_, hash)| *hash), &item);
        own.push((item, hash));
    }

    /// Stores the oldest batch; the lane when something was stored.
    pub(crate) fn sync_one(&mut self) -> Option<pb::Lane> {
        let (lane, items) = self.unsynced.pop_front()?;
        let at = index(lane);
        for item in items {
            let cursor = &mut self.got_cursor[at];
            if item.sequence <= cursor.sequence {
                continue;
            }
            assert_eq!(item.sequence, cursor.sequence + 1, "stored out of order");
            let hash = running_hash(Hash::from_bytes(&cursor.hash), &item);
            cursor.sequence = item.sequence;
            cursor.hash = hash.to_vec();
            cursor.store = self.peer_store.to_vec();
            cursor.incarnation = self.peer_incarnation;
            self.got[at].push(item);
        }
        Some(lane)
    }

    /// What the peer acknowledged goes into the journal.
    pub(crate) fn peer_stored(&mut self, receipt: &Receipt) {
        let (cursor, top_sequence) = (&receipt.cursor, receipt.top_sequence);
        let at = index(cursor.lane());
        assert!(
            cursor.sequence >= self.acknowledged[at],
            "an acknowledgement went back"
        );
        self.acknowledged[at] = cursor.sequence;
        self.top[at] = self.top[at].max(top_sequence);
        let settled = receipt.settles_after.map(|after| (cursor.sequence, after));
        self.settled.extend(settled);
    }

    /// A digest over all items of both directions.
    pub(crate) fn digest(&self) -> pb::Digest {
        let own: Vec<u8> = self
            .own
            .iter()
            .flatten()
            .flat_map(|(_, hash)| hash.0)
            .collect();
        let mut got = Vec::new();
        for items in &self.got {
            let mut hash = None;
            for item in items {
                hash = Some(running_hash(hash, item));
                got.extend(hash.unwrap().0);
            }
        }
        let (low, high) = if self.is_lower {
            (own, got)
        } else {
            (got, own)
        };
        let mut ranges = vec![Vec::new(); RANGES];
        ranges[7] = Hash::of("test", &[&low, &high]).to_vec();
        ranges[200] = Hash::of("test", &[&self.secret_history]).to_vec();
        pb::Digest {
            received: LANES.map(|lane| self.received(lane)).to_vec(),
            sent: LANES.map(|lane| self.last(lane)).to_vec(),
            ranges,
        }
    }

    /// Payloads received on a lane.
    pub(crate) fn payloads(&self, lane: pb::Lane) -> Vec<Vec<u8>> {
        self.got[index(lane)]
            .iter()
            .map(|item| item.payload.clone())
            .collect()
    }

    /// Payloads owed on a lane.
    pub(crate) fn owed(&self, lane: pb::Lane) -> Vec<Vec<u8>> {
        self.own[index(lane)]
            .iter()
            .map(|(item, _)| item.payload.clone())
            .collect()
    }
}

impl Lanes for FakeNode {
    fn received(&self, lane: pb::Lane) -> pb::Cursor {
        self.got_cursor[index(lane)].clone()
    }

    fn last(&self, lane: pb::Lane) -> pb::Cursor {
        let own = &self.own[index(lane)];
        pb::Cursor {
            lane: lane.into(),
            store: self.identity.store.to_vec(),
            incarnation: self.identity.incarnation,
            sequence: own.len() as u64,
            hash: own
                .last()
                .map(|(_, hash)| hash.to_vec())
                .unwrap_or_default(),
        }
    }

    fn hash_at(&self, lane: pb::Lane, sequence: u64) -> Option<Hash> {
        let at = usize::try_from(sequence).unwrap().checked_sub(1)?;
        self.own[index(lane)].get(at).map(|(_, hash)| *hash)
    }

    fn acknowledged(&self, lane: pb::Lane) -> u64 {
        self.acknowledged[index(lane)]
    }

    fn is_tentative(&self) -> bool {
        self.is_tentative
    }

    fn load(&self, lane: pb::Lane, from: u64, items_max: usize, bytes_max: usize) -> Vec<pb::Item> {
        let from = usize::try_from(from).unwrap().saturating_sub(1);
        let mut bytes = 0;
        self.own[index(lane)]
            .iter()
            .skip(from)
            .take(items_max)
            .map(|(item, _)| item.clone())
            .enumerate()
            .take_while(|(position, item)| {
                bytes += item.payload.len();
                *position == 0 || bytes <= bytes_max
            })
            .map(|(_, item)| item)
            .collect()
    }
}
