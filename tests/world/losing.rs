//! Machines that are lost: with nothing left, or with a backup of some age.

use std::sync::Arc;

use fengqiao_hub::entry::{Draft, Move};
use fengqiao_hub::id::{ChainId, NodeId, PlaceId};
use fengqiao_hub::rank::Rank;
use fengqiao_hub::refusal::Refusal;
use fengqiao_node::engine::{Administration, Input, Me};
use fengqiao_node::journal::{Journal as _, MemoryJournal, Position};
use fengqiao_node::store::MemoryStore;
use fengqiao_proto::v1 as pb;

use super::{Node, World};

/// Indices of nodes that succeed others, apart from those of the first ones.
const SUCCESSORS_FROM: usize = 1_000_000;

/// What a backup holds of a node: its records. Keys of cases come back from the neighbours.
#[derive(Debug, Clone, Default)]
pub struct Backup {
    records: Vec<Vec<u8>>,
}

impl Backup {
    /// Its records.
    #[must_use]
    pub fn records(&self) -> &[Vec<u8>] {
        &self.records
    }
}

impl World {
    /// A node's records as they are now.
    #[must_use]
    pub fn backup(&self, node: NodeId) -> Backup {
        let records = self.nodes[&node].views.reader().tail(Position(0));
        Backup {
            records: records.map(|record| record.unwrap().payload).collect(),
        }
    }

    /// A node's machine is lost for good.
    pub fn lose(&mut self, node: NodeId) {
        self.nodes.remove(&node);
    }

    /// The parent enrols a new node for the place of a lost one, which begins with what the backup holds. Nobody but
    /// the parent knows it yet.
    pub fn recover(&mut self, lost: NodeId, backup: &Backup) -> NodeId {
        let me = self.successor(lost);
        let above = self.parent_of(lost);
        let registration = self.founding.registration(&me);
        self.process(above, vec![Input::Enrol { registration }]);
        self.begin_again(above, me, backup)
    }

    /// The root key pins a new node for the first place, after the newest registry known to `witness`.
    pub fn recover_top(&mut self, lost: NodeId, backup: &Backup, witness: NodeId) -> NodeId {
        let mut me = self.successor(lost);
        let at = me.at;
        let id = ChainId::of_place(at.place);
        let registry = self.nodes[&witness].engine.registry();
        let before = registry.last_node_of(at.place, None).unwrap();
        me.incarnation = before.incarnation + 1;
        me.generation = before.generation + 1;
        let chain = self.chain(witness, id);
        let head = chain.tree.head().unwrap();
        let renewed = pb::body::Content::from(pb::RootRenewed {
            node: Some(self.founding.registration(&me)),
            approved_by: vec![vec![1; 10], vec![2; 10]],
        });
        let entry = Draft {
            deployment: self.founding.deployment,
            kind: pb::ChainKind::Registry,
            chain: id,
            rank: Rank::default(),
            sequence: head.sequence + 1,
            previous: Some(head.hash),
            author: at.node,
            incarnation: me.incarnation,
            author_sequence: 1,
            registry: Vec::new(),
            mv: Move::None,
            submission: None,
            kind_class: pb::KindClass::Work,
            body: pb::Body {
                schema: 1,
                wall_time_ms: self.now.0,
                content: Some(renewed),
                ..Default::default()
            },
            payloads: Vec::new(),
        }
        .sign(&self.founding.root_key);
        self.process(witness, vec![Input::Introduced(vec![entry.bytes()])]);
        self.begin_again(witness, me, backup)
    }

    /// What a parent's new node would show its children when they ask; one that it does not know tells it of itself.
    pub fn introduce(&mut self, parent: NodeId, child: NodeId) {
        let way = self.way_to(parent, self.nodes[&parent].me.at.place);
        self.process(child, vec![Input::Introduced(way)]);
        let above = &self.nodes[&parent];
        let is_known = above.engine.registry().node(child).is_some();
        if !is_known && above.me.is_successor() {
            let known = self.way_to(child, self.nodes[&child].me.at.place);
            self.process(parent, vec![Input::Introduced(known)]);
        }
    }

    /// A leader of a recovering node goes on without a neighbour.
    ///
    /// # Errors
    /// The refusal.
    pub fn waive(&mut self, node: NodeId, neighbour: NodeId) -> Result<(), Refusal> {
        self.administer(node, "admin", Administration::Waive(neighbour))?;
        Ok(())
    }

    fn parent_of(&self, lost: NodeId) -> NodeId {
        let parent = |node: &&Node| {
            let registry = node.engine.registry();
            node.me.at.down(&registry).contains(&lost)
        };
        self.nodes.values().find(parent).unwrap().me.at.node
    }

    /// A fresh node for the place a lost one served.
    fn successor(&mut self, lost: NodeId) -> Me {
        self.requests += 1;
        let known = self.nodes.values().find_map(|node| {
            let registry = node.engine.registry();
            registry.node(lost).map(|lost| (lost.place, lost.unit))
        });
        let (place, unit) = known.unwrap();
        let index = usize::try_from(self.requests).unwrap();
        self.founding.newcomer(SUCCESSORS_FROM + index, place, unit)
    }

    /// Registry entries that name the nodes on the way down to a place, as a node knows them, in order.
    fn way_to(&self, node: NodeId, place: PlaceId) -> Vec<Vec<u8>> {
        let known = &self.nodes[&node];
        let registry = known.engine.registry();
        let way = registry.named_on_way_down(place);
        let told = known.me.at.place;
        way.into_iter()
            .filter(|named| *named == told || *named != place)
            .flat_map(|place| self.chain(node, ChainId::of_place(place)).standing())
            .map(|(entry, _)| entry.bytes())
            .collect()
    }

    fn begin_again(&mut self, told_by: NodeId, mut me: Me, backup: &Backup) -> NodeId {
        let registry = self.nodes[&told_by].engine.registry();
        let pinned = registry.node(me.at.node).unwrap();
        (me.incarnation, me.generation) = (pinned.incarnation, pinned.generation);
        let node = me.at.node;
        let mut journal = MemoryJournal::new();
        for record in &backup.records {
            journal
                .append(journal.end(), std::slice::from_ref(record))
                .unwrap();
        }
        let vault = self.vault(node);
        self.open(me, journal, vault, Arc::new(MemoryStore::default()));
        // The first place is told by one below it, everybody else by the parent.
        let told_for = match registry.root() == Some(self.nodes[&node].me.at.place) {
            true => self.nodes[&told_by].me.at.place,
            false => self.nodes[&node].me.at.place,
        };
        let way = self.way_to(told_by, told_for);
        self.process(node, vec![Input::Introduced(way), Input::Started]);
        node
    }
}
