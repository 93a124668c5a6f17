//! A world of engines in one thread: the code that ships, on journals and stores in memory, with links that carry items
//! only when told to.

pub mod forger;
mod founding;
mod losing;
mod root;
mod seals;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fengqiao_hub::clock::{Contact, Moment};
use fengqiao_hub::id::{ChainId, Hash, NodeId, PlaceId, UnitId};
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_hub::payload::Part;
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_node::engine::vault::Vault;
use fengqiao_node::engine::{
    Administration, Caller, CaseMove, Engine, Input, LaneView, Me, Output, PARKED_MAX, Parts,
    Request, Views,
};
use fengqiao_node::journal::{Journal as _, MemoryJournal, Position};
use fengqiao_node::keystore::MemoryKeyStore;
pub use fengqiao_node::replication::session::LANES;
use fengqiao_node::replication::session::Lanes;
use fengqiao_node::replication::session::Receipt;
use fengqiao_node::store::{MemoryStore, Store, tables};
use fengqiao_proto::v1 as pb;
use prost::Message as _;

use crate::rows;

pub use founding::{EVERY_ROLE, Founding, account, administration, derived, first_bundle};
pub use losing::Backup;
pub use seals::SeededSeals;

/// One node of the world.
#[expect(missing_debug_implementations, reason = "holds an engine")]
pub struct Node {
    /// Engine.
    pub engine: Engine,
    /// Reading side.
    pub views: Views,
    /// Keys.
    pub vault: Arc<Vault>,
    /// Identity.
    pub me: Me,
    registry: Arc<arc_swap::ArcSwap<Registry>>,
}

/// The world.
#[expect(missing_debug_implementations, reason = "holds engines")]
pub struct World {
    /// Nodes by id.
    pub nodes: BTreeMap<NodeId, Node>,
    /// Links that are cut, by lower node.
    pub cut: BTreeSet<NodeId>,
    /// Now, for every node.
    pub now: Moment,
    /// What waits of one neighbour before its link pauses, for a node that starts from now on.
    pub parked_max: u64,
    /// Whether an engine may meet what nobody has foreseen.
    pub faults_expected: bool,
    requests: u64,
    founding: Founding,
}

/// Why entries wait at a node.
#[must_use]
pub fn parked(views: &Views) -> Vec<String> {
    let (lo, hi) = tables::prefixed(&tables::parked_all());
    let rows = views.store().range(&lo, &hi, 100).unwrap();
    let row = |value: &[u8]| tables::ParkedRow::decode(value).unwrap();
    rows.iter()
        .map(|(key, value)| {
            format!(
                "{} of {}",
                row(value).reason,
                ChainId::from_bytes(&key[1..17]).unwrap()
            )
        })
        .collect()
}

impl World {
    /// A world of one city, with an administrator's account.
    #[must_use]
    pub fn new(seed: u64) -> (Self, NodeId) {
        let mut world = Self {
            nodes: BTreeMap::new(),
            cut: BTreeSet::new(),
            now: Moment::parse_rfc3339("2023-02-16T09:00:00+08:00").unwrap(),
            requests: 0,
            faults_expected: false,
            parked_max: PARKED_MAX,
            founding: Founding::new(seed),
        };
        let me = world.founding.newcomer(0, world.founding.place(0), None);
        let node = me.at.node;
        let genesis = world.founding.genesis(&me, world.now);
        let place = me.at.place;
        world.start(me, &[genesis]);
        world
            .administer(node, "admin", first_bundle(place))
            .unwrap();
        (world, node)
    }

    fn start(&mut self, me: Me, bootstrap: &[Vec<u8>]) {
        let at = me.at;
        let vault = self.vault(at.node);
        let store = Arc::new(MemoryStore::default());
        self.open(me, MemoryJournal::new(), vault, store);
        self.administer(at.node, "", Administration::Bootstrap(bootstrap.to_vec()))
            .unwrap();
        for login in ["admin", "second", "third"] {
            self.add_account(at.node, login);
        }
    }

    /// An empty key store, with a node's own randomness.
    fn vault(&self, node: NodeId) -> Arc<Vault> {
        Arc::new(Vault::new(
            Box::new(MemoryKeyStore::default()),
            Box::new(SeededSeals::new(self.founding.seed, 0, node)),
        ))
    }

    /// A process over a journal, its store brought up to it.
    fn open(&mut self, me: Me, journal: MemoryJournal, vault: Arc<Vault>, store: Arc<dyn Store>) {
        let parts = Parts {
            me: me.clone(),
            zone_offset_minutes: 480,
            journal: Box::new(journal),
            store,
            vault: Arc::clone(&vault),
            enroller: None,
            chains_held_max: 64,
            parked_max: self.parked_max,
        };
        let engine = Engine::open(parts, &mut |_, _| {}).unwrap();
        let node = Node {
            views: engine.views(),
            registry: Arc::new(arc_swap::ArcSwap::from(engine.registry())),
            engine,
            vault,
            me,
        };
        self.nodes.insert(node.me.at.node, node);
    }

    /// An account with every role.
    pub fn add_account(&mut self, node: NodeId, login: &str) {
        self.administer(node, "admin", account(login, &EVERY_ROLE, None))
            .unwrap();
    }

    /// Adds a place below a node's, with a node of its own.
    pub fn add(&mut self, above: NodeId, name: &str, level: u32) -> NodeId {
        let index = self.nodes.len();
        let place = self.founding.place(index);
        let wanted = pb::AddPlaceRequest {
            name: name.into(),
            level,
            place: place.to_string(),
            ..Default::default()
        };
        self.administer(above, "admin", Administration::AddPlaces(vec![wanted]))
            .unwrap();
        self.enrol(above, place, None)
    }

    /// Adds a unit to a centre.
    pub fn add_unit(&mut self, node: NodeId, name: &str) -> UnitId {
        let unit = pb::AddUnitRequest {
            name: name.into(),
            kind: pb::UnitKind::Department.into(),
            presence: pb::UnitPresence::Resident.into(),
            ..Default::default()
        };
        let answer = self
            .administer(node, "admin", Administration::AddUnit(unit))
            .unwrap();
        pb::AddUnitResponse::decode(&answer[..])
            .unwrap()
            .unit
            .parse()
            .unwrap()
    }

    /// Gives a unit a node of its own, linked to its centre.
    pub fn add_department(&mut self, centre: NodeId, unit: UnitId) -> NodeId {
        let place = self.nodes[&centre].me.at.place;
        self.enrol(centre, place, Some(unit))
    }

    fn enrol(&mut self, above: NodeId, place: PlaceId, unit: Option<UnitId>) -> NodeId {
        let me = self.founding.newcomer(self.nodes.len(), place, unit);
        let node = me.at.node;
        let registration = self.founding.registration(&me);
        let input = Input::Enrol { registration };
        self.process(above, vec![input]);
        let registry = self.nodes[&above].engine.registry();
        let way = registry.named_on_way_down(self.nodes[&above].me.at.place);
        let mut bootstrap = Vec::new();
        let registries = way.iter().copied().map(ChainId::of_place);
        for id in registries.chain(way.iter().copied().map(ChainId::rulebook_of)) {
            let chain = self.nodes[&above].views.chain(&registry, id).unwrap();
            bootstrap.extend(chain.standing().iter().map(|(entry, _)| entry.bytes()));
        }
        self.start(me, &bootstrap);
        self.settle();
        node
    }

    /// Ends a node's process and starts it again: its journal and keys are what is left, its store is rebuilt.
    pub fn restart(&mut self, node: NodeId) {
        self.start_over(node, Arc::new(MemoryStore::default()));
    }

    /// The same over a store that was left.
    pub fn start_over(&mut self, node: NodeId, store: Arc<dyn Store>) {
        let old = self.nodes.remove(&node).unwrap();
        let mut journal = MemoryJournal::new();
        for record in old.views.reader().tail(Position(0)) {
            let payload = record.unwrap().payload;
            journal.append(journal.end(), &[payload]).unwrap();
        }
        self.open(old.me, journal, old.vault, store);
        self.process(node, vec![Input::Started]);
    }

    /// What an account manages.
    ///
    /// # Errors
    /// The refusal.
    pub fn administer(
        &mut self,
        node: NodeId,
        login: &str,
        what: Administration,
    ) -> Result<Vec<u8>, Refusal> {
        self.requests += 1;
        self.answer(node, administration(self.requests, login, what))
    }

    /// An action by the account `admin`, or `second` and `third` where other persons are needed.
    ///
    /// # Errors
    /// The refusal.
    pub fn act(
        &mut self,
        node: NodeId,
        login: &str,
        case: Option<ChainId>,
        action: pb::Action,
        texts: &[(&str, &str)],
    ) -> Result<pb::ActResponse, Refusal> {
        let content = (!texts.is_empty()).then(|| pb::PrivateContent {
            requester: None,
            texts: texts
                .iter()
                .map(|(role, text)| pb::PrivateText {
                    role: (*role).into(),
                    text: (*text).into(),
                })
                .collect(),
        });
        self.act_with(node, login, case, action, content)
    }

    /// The same with a private content.
    ///
    /// # Errors
    /// As [`Self::act`].
    pub fn act_with(
        &mut self,
        node: NodeId,
        login: &str,
        case: Option<ChainId>,
        action: pb::Action,
        content: Option<pb::PrivateContent>,
    ) -> Result<pb::ActResponse, Refusal> {
        self.requests += 1;
        let request = Request {
            ticket: self.requests,
            request_id: format!("request {}", self.requests),
            asked: Hash::default(),
            caller: Caller {
                login: login.into(),
            },
            what: CaseMove {
                case,
                action,
                content,
                linked: !self.cut.contains(&node),
                contact: Contact::Never,
            },
        };
        let answer = self.answer(node, Input::Act(Box::new(request)))?;
        Ok(pb::ActResponse::decode(&answer[..]).unwrap())
    }

    /// A directive to everything below a node.
    ///
    /// # Errors
    /// The refusal.
    pub fn direct(&mut self, node: NodeId) -> Result<Vec<u8>, Refusal> {
        let issued = pb::DirectiveIssued {
            issuer: self.nodes[&node].me.at.place.to_vec(),
            ..Default::default()
        };
        self.administer(node, "admin", Administration::IssueDirective(issued, None))
    }

    fn answer(&mut self, node: NodeId, input: Input) -> Result<Vec<u8>, Refusal> {
        let outputs = self.process(node, vec![input]);
        outputs
            .into_iter()
            .find_map(|output| {
                if let Output::Answer(_, answer) = output {
                    Some(answer)
                } else {
                    None
                }
            })
            .unwrap()
    }

    /// Gives a node a group of inputs.
    pub fn process(&mut self, node: NodeId, inputs: Vec<Input>) -> Vec<Output> {
        let now = self.now;
        let node = self.nodes.get_mut(&node).unwrap();
        let mut outputs = node.engine.process(now, inputs).unwrap();
        let mut step = 0;
        while let Some(output) = outputs.get(step) {
            if let Output::Errand(errand) = *output {
                let next = node.engine.process(now, vec![Input::Errand(errand)]);
                outputs.extend(next.unwrap());
            }
            step += 1;
        }
        let faults = node.engine.faults();
        let alarms = node.engine.alarms();
        assert!(
            self.faults_expected || faults == 0,
            "{faults} faults: {alarms:?}"
        );
        node.registry.store(node.engine.registry());
        outputs
    }

    /// Carries everything owed until nothing is owed any more, over links that are not cut.
    pub fn settle(&mut self) {
        while self.carry_once() {}
    }

    /// Carries one batch over each link and lane, both ways; says whether anything moved.
    pub fn carry_once(&mut self) -> bool {
        let mut moved = false;
        let links: Vec<(NodeId, NodeId)> = self
            .nodes
            .values()
            .filter(|node| !self.cut.contains(&node.me.at.node))
            .filter_map(|node| {
                let up = node.me.at.up(&node.engine.registry())?;
                Some((node.me.at.node, up))
            })
            .collect();
        for (lower, upper) in links {
            for lane in LANES {
                moved |= self.carry(lower, upper, lane);
                moved |= self.carry(upper, lower, lane);
            }
        }
        moved
    }

    /// Carries one batch of a lane, with its acknowledgement.
    pub fn carry(&mut self, from: NodeId, to: NodeId, lane: pb::Lane) -> bool {
        self.carry_at_most(64, from, to, lane)
    }

    /// Carries the next items of a lane, with their acknowledgement.
    pub fn carry_at_most(
        &mut self,
        count: usize,
        from: NodeId,
        to: NodeId,
        lane: pb::Lane,
    ) -> bool {
        let start = self.lanes(to, from).received(lane).unwrap().sequence + 1;
        let items = self
            .lanes(from, to)
            .load(lane, start, count, 1 << 20)
            .unwrap();
        if items.is_empty() {
            return self.acknowledge(from, to, lane);
        }
        let sender = &self.nodes[&from].me;
        let input = Input::Items {
            link: from,
            from: (sender.store, sender.incarnation),
            lane,
            items,
        };
        self.process(to, vec![input]);
        self.acknowledge(from, to, lane);
        true
    }

    fn acknowledge(&mut self, from: NodeId, to: NodeId, lane: pb::Lane) -> bool {
        let cursor = self.lanes(to, from).received(lane).unwrap();
        let top = self.nodes[&to].engine.top_reached(from, lane);
        let settles_after = Lanes::settles_after(&self.lanes(to, from));
        let settles_after = settles_after.filter(|_| lane == pb::Lane::Cases);
        let row = self.nodes[&from].views.receipt(to, lane).unwrap();
        let noted = row.settled >= cursor.sequence || !row.settling.is_empty();
        let is_known = row.acknowledged >= cursor.sequence && row.top >= top;
        if is_known && (noted || settles_after.is_none()) || cursor.sequence == 0 {
            return false;
        }
        let receipt = Receipt {
            cursor,
            top_sequence: top,
            settles_after,
        };
        self.process(from, vec![Input::PeerStored { link: to, receipt }]);
        true
    }

    /// Whether a node compares nothing on a link: something that came by it waits, or the node recovers.
    #[must_use]
    pub fn is_tentative(&self, node: NodeId, link: NodeId) -> bool {
        self.lanes(node, link).is_tentative().unwrap()
    }

    fn lanes(&self, node: NodeId, link: NodeId) -> LaneView {
        let node = &self.nodes[&node];
        LaneView {
            me: Arc::clone(node.views.me()),
            link,
            store: Arc::clone(node.views.store()),
            reader: Arc::clone(node.views.reader()),
            vault: Arc::clone(&node.vault),
            registry: Arc::clone(&node.registry),
        }
    }

    /// A case's chain as a node knows it.
    #[must_use]
    pub fn chain(&self, node: NodeId, case: ChainId) -> fengqiao_node::engine::chains::Chain {
        let node = &self.nodes[&node];
        node.views.chain(&node.engine.registry(), case).unwrap()
    }

    /// Whether a node can read the first text of a case.
    #[must_use]
    pub fn can_open(&self, node: NodeId, case: ChainId) -> bool {
        self.nodes[&node].vault.key(case, Part::Text).is_some()
    }

    /// What a node holds of a case, in one line.
    fn told(&self, node: NodeId, case: ChainId) -> String {
        let chain = self.chain(node, case);
        let head = chain
            .tree
            .head()
            .map(|head| format!("{}@{} {}", head.sequence, head.rank, head.hash.short()));
        let notice = self.nodes[&node]
            .views
            .notice(case)
            .unwrap()
            .map(|notice| notice.sequence);
        format!(
            "{head:?} annex {} of {} notice {notice:?}",
            chain.tree.annex().len(),
            chain.tree.len()
        )
    }

    /// Asserts that both ends of every link know the same of all they carried.
    pub fn assert_links_agree(&self) {
        for node in self.nodes.values() {
            let Some(up) = node.me.at.up(&node.engine.registry()) else {
                continue;
            };
            let above = &self.nodes[&up].views;
            let lower = node.me.at.node;
            for range in 0..=u8::MAX {
                let ours = node.views.digest_range(up, range).unwrap();
                let theirs = above.digest_range(lower, range).unwrap();
                let chains: Vec<String> = ours
                    .iter()
                    .filter(|chain| !theirs.contains(chain))
                    .chain(theirs.iter().filter(|chain| !ours.contains(chain)))
                    .map(|chain| ChainId::from_bytes(&chain.chain).unwrap())
                    .map(|id| {
                        format!(
                            "{id} below {} above {}",
                            self.told(lower, id),
                            self.told(up, id)
                        )
                    })
                    .collect();
                assert!(
                    chains.is_empty(),
                    "link {lower} - {up}: {} differ; parked below {:?}, above {:?}; alarms {:?} {:?}",
                    chains.join("\n"),
                    parked(&node.views),
                    parked(above),
                    node.engine.alarms(),
                    self.nodes[&up].engine.alarms(),
                );
            }
        }
    }

    /// Asserts that what the journal says, replayed from nothing, is what the store says, row by row.
    pub fn assert_stores_follow_their_journals(&self) {
        for node in self.nodes.values() {
            let store = node.views.store().as_ref();
            let differing = rows::differing(&node.me, node.views.reader().as_ref(), store).unwrap();
            assert_eq!(differing, [""; 0], "{}", node.me.at.node);
        }
    }

    /// The refusal code of a result.
    #[must_use]
    pub fn code<T>(result: &Result<T, Refusal>) -> Option<Code> {
        result.as_ref().err().map(|refusal| refusal.code)
    }
}
