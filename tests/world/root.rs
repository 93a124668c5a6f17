//! What the root key says after the first entry: the node of the first place, pinned anew.

use ed25519_dalek::SigningKey;
use fengqiao_hub::entry::{Draft, Entry, Move, sign_written};
use fengqiao_hub::id::{ChainId, NodeId, StoreId};
use fengqiao_hub::rank::Rank;
use fengqiao_node::engine::Input;
use fengqiao_node::store::tables;
use fengqiao_proto::v1 as pb;

use super::World;

impl World {
    /// The entry by which the root key gives the first place's node a higher generation.
    #[must_use]
    pub fn renewal(&self, top: NodeId, generation: u32) -> Entry {
        self.renewal_signed(top, generation, &self.founding.root_key)
    }

    /// The same signed by whom it may be.
    #[must_use]
    pub fn renewal_signed(&self, top: NodeId, generation: u32, key: &SigningKey) -> Entry {
        let node = &self.nodes[&top];
        let chain = self.chain(top, ChainId::of_place(node.me.at.place));
        let head = chain.tree.head().unwrap();
        let mut again = node.me.clone();
        again.generation = generation;
        let enrolled = self.founding.registration(&again);
        let content = pb::body::Content::from(pb::RootRenewed {
            node: Some(enrolled),
            approved_by: vec![vec![1; 10], vec![2; 10]],
        });
        Draft {
            deployment: self.founding.deployment,
            kind: pb::ChainKind::Registry,
            chain: ChainId::of_place(node.me.at.place),
            rank: Rank::default(),
            sequence: head.sequence + 1,
            previous: Some(head.hash),
            author: top,
            incarnation: 1,
            author_sequence: self.author_sequence(top) + 1,
            registry: Vec::new(),
            mv: Move::None,
            submission: None,
            kind_class: pb::KindClass::Work,
            body: pb::Body {
                schema: 1,
                wall_time_ms: self.now.0,
                content: Some(content),
                ..Default::default()
            },
            payloads: Vec::new(),
        }
        .sign(key)
    }

    fn author_sequence(&self, node: NodeId) -> u64 {
        let row = self.nodes[&node].views.store();
        let row = row.get(&tables::named("author-sequence")).unwrap().unwrap();
        u64::from_be_bytes(row[..].try_into().unwrap())
    }

    /// What the root key signs is signed here.
    #[must_use]
    pub fn sign_by_root(&self, written: pb::SignedEntry) -> Entry {
        Entry::from_signed(&sign_written(written, &self.founding.root_key)).unwrap()
    }

    /// A second entry at the place of a case's head, by the same node: as when a machine was put back and forgot.
    #[must_use]
    pub fn twin_of_head(&self, node: NodeId, case: ChainId) -> Entry {
        let chain = self.chain(node, case);
        let head = &chain.entries[&chain.tree.head().unwrap().hash].0;
        Draft {
            deployment: self.founding.deployment,
            kind: pb::ChainKind::Case,
            chain: case,
            rank: head.rank.clone(),
            sequence: head.sequence,
            previous: head.previous,
            author: node,
            incarnation: head.incarnation,
            author_sequence: head.author_sequence,
            registry: head.registry.clone(),
            mv: Move::None,
            submission: None,
            kind_class: pb::KindClass::Work,
            body: pb::Body {
                schema: 1,
                wall_time_ms: self.now.0 + 1,
                content: Some(pb::body::Content::from(pb::Supplement::default())),
                ..Default::default()
            },
            payloads: Vec::new(),
        }
        .sign(&self.nodes[&node].me.signing_key)
    }

    /// A stranger's link hands an entry to a node.
    pub fn hand_in(&mut self, to: NodeId, entry: &Entry) {
        let item = pb::Item {
            sequence: 1,
            kind: pb::ItemKind::Entry.into(),
            payload: entry.bytes(),
            ..Default::default()
        };
        let input = Input::Items {
            link: NodeId([0x99; 10]),
            from: (StoreId([0x99; 16]), 1),
            lane: pb::Lane::Control,
            items: vec![item],
        };
        self.process(to, vec![input]);
    }
}
