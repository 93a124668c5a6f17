//! Whoever holds a node's keys and says what that node never would: every signature is sound.

use std::sync::Arc;

use fengqiao_hub::entry::{Draft, Entry, Move};
use fengqiao_hub::id::{ChainId, NodeId, PlaceId};
use fengqiao_hub::rank::Rank;
use fengqiao_hub::signed::{self, Said};
use fengqiao_node::engine::record::RecordWriter;
use fengqiao_node::engine::{Input, Me};
use fengqiao_node::journal::{Journal as _, MemoryJournal, Position};
use fengqiao_node::replication::session::{item_hash, lane_hash};
use fengqiao_node::store::MemoryStore;
use fengqiao_proto::v1 as pb;
use pb::body::Content;

use super::World;

/// The keys of a node in other hands.
#[derive(Debug, Clone)]
pub struct Forger {
    /// Whose keys they are.
    pub me: Me,
    /// Last author sequence used.
    pub author_sequence: u64,
    registry: Vec<(PlaceId, u64)>,
    now_ms: i64,
}

impl Forger {
    /// What begins a chain.
    pub fn opening(&mut self, chain: ChainId, content: impl Into<Content>) -> Draft {
        self.author_sequence += 1;
        Draft {
            deployment: self.me.deployment,
            kind: chain.kind().unwrap(),
            chain,
            rank: Rank::default(),
            sequence: 1,
            previous: None,
            author: self.me.at.node,
            incarnation: self.me.incarnation,
            author_sequence: self.author_sequence,
            registry: self.registry.clone(),
            mv: Move::None,
            submission: None,
            kind_class: pb::KindClass::Work,
            body: pb::Body {
                schema: 1,
                wall_time_ms: self.now_ms,
                content: Some(content.into()),
                ..Default::default()
            },
            payloads: Vec::new(),
        }
    }

    /// What follows an entry.
    pub fn following(&mut self, before: &Entry, content: impl Into<Content>) -> Draft {
        Draft {
            rank: before.rank.clone(),
            sequence: before.sequence + 1,
            previous: Some(before.hash),
            ..self.opening(before.chain, content)
        }
    }

    /// Signs it.
    #[must_use]
    pub fn sign(&self, draft: Draft) -> Entry {
        draft.sign(&self.me.signing_key)
    }

    /// Signs something that is no entry.
    #[must_use]
    pub fn say<S: Said>(&self, said: &S) -> Vec<u8> {
        signed::sign(said, &self.me.signing_key)
    }
}

/// An entry as an item.
#[must_use]
pub fn item(entry: &Entry) -> pb::Item {
    bytes(pb::ItemKind::Entry, entry.bytes())
}

/// Bytes as an item.
#[must_use]
pub fn bytes(kind: pb::ItemKind, payload: Vec<u8>) -> pb::Item {
    pb::Item {
        kind: kind.into(),
        payload,
        ..Default::default()
    }
}

/// How a case begins.
#[must_use]
pub fn registered(number: &str, class: &str) -> pb::Register {
    pb::Register {
        number: number.to_owned(),
        channel: pb::Channel::Window.into(),
        class: class.to_owned(),
        urgency: pb::Urgency::Ordinary.into(),
        secret_hash: vec![5; 32],
        ..Default::default()
    }
}

impl World {
    /// The keys of a node, with what it would name of the registry.
    #[must_use]
    pub fn forger(&self, node: NodeId) -> Forger {
        let node = &self.nodes[&node];
        let registry = node.engine.registry();
        let pinned = registry.node(node.me.at.node).unwrap().pinned_at;
        let moves = registry.moves_known_at(node.me.at.place);
        Forger {
            author_sequence: node.engine.author_sequence(),
            registry: std::iter::once(pinned).chain(moves).collect(),
            me: node.me.clone(),
            now_ms: self.now.0,
        }
    }

    /// Hands items to a node as the next ones of a neighbour's lane of cases.
    pub fn hand(&mut self, at: NodeId, from: NodeId, items: Vec<pb::Item>) {
        self.hand_by_lane(at, from, pb::Lane::Cases, items);
    }

    /// The same in a lane. Whoever holds the neighbour's keys holds its outbox too, so the lane goes on behind them.
    pub fn hand_by_lane(&mut self, at: NodeId, from: NodeId, lane: pb::Lane, items: Vec<pb::Item>) {
        self.settle();
        let row = self.nodes[&from].views.lane(at, lane).unwrap();
        let (mut sequence, mut hash) = (row.owed, row.owed_hash);
        let mut sent = Vec::new();
        self.restart_behind(from, |record| {
            for item in items {
                let (blob, _) = record.blob(&item.payload);
                sequence += 1;
                hash = lane_hash(&hash, item_hash(item.kind(), &item.payload)).to_vec();
                record.fact(pb::fact::Fact::Owed(pb::ItemOwed {
                    link: at.to_string(),
                    lane: lane.into(),
                    sequence,
                    hash: hash.clone(),
                    kind: item.kind,
                    blob: Some(blob),
                    ..Default::default()
                }));
                sent.push(pb::Item { sequence, ..item });
            }
        });
        let me = &self.nodes[&from].me;
        let input = Input::Items {
            link: from,
            from: (me.store, me.incarnation),
            lane,
            items: sent,
        };
        self.process(at, vec![input]);
        self.settle();
    }

    /// Starts a node again behind a record with these entries as applied, which it would not write today.
    pub fn restart_behind_entries(&mut self, node: NodeId, entries: &[Vec<u8>]) {
        self.restart_behind(node, |record| {
            for bytes in entries {
                let (blob, _) = record.blob(bytes);
                record.fact(pb::fact::Fact::Entry(pb::EntryStored {
                    blob: Some(blob),
                    verdict: pb::EntryVerdict::Applied.into(),
                    ..Default::default()
                }));
            }
        });
    }

    /// Starts a node again behind one more record.
    fn restart_behind(&mut self, node: NodeId, write: impl FnOnce(&mut RecordWriter)) {
        let old = self.nodes.remove(&node).unwrap();
        let mut journal = MemoryJournal::new();
        for record in old.views.reader().tail(Position(0)) {
            let payload = record.unwrap().payload;
            journal.append(journal.end(), &[payload]).unwrap();
        }
        let mut record = RecordWriter::at(journal.end().0);
        write(&mut record);
        journal.append(journal.end(), &[record.finish()]).unwrap();
        self.open(old.me, journal, old.vault, Arc::new(MemoryStore::default()));
        self.process(node, vec![Input::Started]);
    }
}
