//! What a node has synced: its lane, what it applied of the other's, and the cursor, as views of a journal.

use fengqiao_hub::id::{Hash, StoreId};
use fengqiao_node::replication::session::{Lanes, running_hash};
use fengqiao_proto::v1 as pb;
use prost::Message as _;

/// The one lane that is modelled; the others stay empty.
pub(crate) const LANE: pb::Lane = pb::Lane::Cases;

/// Store and incarnation.
pub(crate) type Names = (u8, u32);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Disk {
    pub(crate) store: u8,
    pub(crate) incarnation: u32,
    /// Owed to the peer.
    pub(crate) lane: Vec<u8>,
    /// Of the peer's lane: from which store, under which sequence, what.
    pub(crate) applied: Vec<(u8, u64, u8)>,
    pub(crate) cursor: pb::Cursor,
    /// A cursor shown before it is synced; only under a broken rule.
    pub(crate) promised: Option<pb::Cursor>,
    /// The highest sequence of ours the peer acknowledged.
    pub(crate) acknowledged: u64,
}

/// How a batch is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    AsBuilt,
    /// The machine stopped between two records.
    WithoutCursor,
    /// Whose store it is of is not looked at.
    OfAnyStore,
}

/// Nothing received.
pub(crate) fn zero() -> pb::Cursor {
    pb::Cursor {
        lane: LANE.into(),
        ..pb::Cursor::default()
    }
}

impl Disk {
    pub(crate) fn new(store: u8) -> Self {
        Self {
            store,
            incarnation: 1,
            lane: vec![],
            applied: vec![],
            cursor: zero(),
            promised: None,
            acknowledged: 0,
        }
    }

    pub(crate) fn names(&self) -> Names {
        (self.store, self.incarnation)
    }

    /// Whose lane the cursor points into.
    pub(crate) fn came_from(&self) -> Names {
        came_from(&self.cursor)
    }

    /// A node put back goes on as another store, in the next incarnation.
    pub(crate) fn renew(&mut self) {
        self.store += 10;
        self.incarnation += 1;
        self.acknowledged = 0;
    }

    pub(crate) fn owe(&mut self, what: u8) {
        self.lane.push(what);
    }

    fn item(&self, sequence: u64) -> pb::Item {
        let at = usize::try_from(sequence).unwrap() - 1;
        pb::Item {
            sequence,
            kind: pb::ItemKind::Entry.into(),
            payload: vec![self.lane[at]],
            secrets: Vec::new(),
        }
    }

    fn length(&self) -> u64 {
        self.lane.len() as u64
    }

    /// The running hash of the own lane at a sequence.
    pub(crate) fn hash_of(&self, sequence: u64) -> Option<Hash> {
        (1..=self.length().min(sequence))
            .fold(None, |hash, at| Some(running_hash(hash, &self.item(at))))
            .filter(|_| sequence <= self.length())
    }

    /// A batch and its cursor, in one record; the batch alone when the record was made two and the second is missing.
    pub(crate) fn keep(&mut self, taken: &[(Names, Vec<u8>)], how: Keeping) {
        let mut cursor = self.cursor.clone();
        self.promised = None;
        for (sender, item) in taken.iter().map(read) {
            let other = cursor.sequence > 0 && came_from(&cursor) != *sender;
            // The batch of a session before may have been stored meanwhile.
            let follows = item.sequence == cursor.sequence + 1;
            if !follows || other && how != Keeping::OfAnyStore {
                continue;
            }
            self.applied
                .push((sender.0, item.sequence, item.payload[0]));
            advance(&mut cursor, *sender, &item);
        }
        if how != Keeping::WithoutCursor {
            self.cursor = cursor;
        }
    }

    /// Shows a cursor as if what was taken were synced.
    pub(crate) fn promise(&mut self, taken: &[(Names, Vec<u8>)]) {
        let mut cursor = self.cursor.clone();
        for (sender, item) in taken.iter().map(read) {
            advance(&mut cursor, *sender, &item);
        }
        self.promised = Some(cursor);
    }
}

fn came_from(cursor: &pb::Cursor) -> Names {
    (
        cursor.store.first().copied().unwrap_or(0),
        cursor.incarnation,
    )
}

fn read((sender, bytes): &(Names, Vec<u8>)) -> (&Names, pb::Item) {
    (sender, pb::Item::decode(&bytes[..]).unwrap())
}

fn advance(cursor: &mut pb::Cursor, (store, incarnation): Names, item: &pb::Item) {
    cursor.hash = running_hash(Hash::from_bytes(&cursor.hash), item).to_vec();
    cursor.sequence = item.sequence;
    cursor.store = StoreId([store; 16]).to_vec();
    cursor.incarnation = incarnation;
}

impl Lanes for Disk {
    fn received(&self, lane: pb::Lane) -> pb::Cursor {
        if lane != LANE {
            return empty(lane);
        }
        self.promised.clone().unwrap_or_else(|| self.cursor.clone())
    }

    fn last(&self, lane: pb::Lane) -> pb::Cursor {
        if lane != LANE || self.lane.is_empty() {
            return empty(lane);
        }
        pb::Cursor {
            lane: lane.into(),
            store: StoreId([self.store; 16]).to_vec(),
            incarnation: self.incarnation,
            sequence: self.length(),
            hash: self
                .hash_of(self.length())
                .map(Hash::to_vec)
                .unwrap_or_default(),
        }
    }

    fn hash_at(&self, lane: pb::Lane, sequence: u64) -> Option<Hash> {
        (lane == LANE).then(|| self.hash_of(sequence)).flatten()
    }

    fn acknowledged(&self, lane: pb::Lane) -> u64 {
        if lane == LANE { self.acknowledged } else { 0 }
    }

    /// One item a frame, so that frames can overtake each other.
    fn load(&self, lane: pb::Lane, from: u64, _: usize, _: usize) -> Vec<pb::Item> {
        let there = lane == LANE && (1..=self.length()).contains(&from);
        there.then(|| self.item(from)).into_iter().collect()
    }
}

fn empty(lane: pb::Lane) -> pb::Cursor {
    pb::Cursor {
        lane: lane.into(),
        ..pb::Cursor::default()
    }
}
