//! Worlds for the tests of the hub: a registry from a city down to its villages, keys, and authors who write chains.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    dead_code,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    reason = "tests; each test file uses a part of this"
)]

pub mod book;
pub mod filling;

use ed25519_dalek::SigningKey;
use fengqiao_hub::clock::Moment;
use fengqiao_hub::custody::Step;
use fengqiao_hub::entry::{Draft, Entry, Move};
use fengqiao_hub::id::{ChainId, DeploymentId, Hash, NodeId, PlaceId, UnitId};
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_hub::rank::level;
use fengqiao_hub::rank::{Level, Rank};
use fengqiao_hub::rulebook::{Rulebook, Sources};
use fengqiao_proto::v1 as pb;
use pb::body::Content;

pub const DEPLOYMENT: DeploymentId = DeploymentId([7; 10]);
pub const CASE: ChainId = ChainId([
    0xca, 0xca, 0xca, 0xca, 0xca, 0xca, 0xca, 0xca, 0xca, 0xca, 0xca, 0xca, 0xca, 0xca, 0xca, 1,
]);
/// 16 February 2023, 08:00 in Shandong.
pub const START: Moment = Moment(1_676_505_600_000);
pub const HOUR_MS: i64 = 3_600_000;

/// The limits that ship.
pub const RULES: &str = include_str!("../../../deploy/rulebook/rules.toml");

/// A list of days off that knows one year.
pub const CALENDAR: &str =
    r#"{"years":{"2023":{"days":[{"name":"元旦","date":"2023-01-02","isOffDay":true}]}}}"#;

pub const CITY: PlaceId = PlaceId([0x30; 10]);
pub const COUNTY: PlaceId = PlaceId([0x40; 10]);
pub const OTHER_COUNTY: PlaceId = PlaceId([0x41; 10]);
pub const TOWNSHIP: PlaceId = PlaceId([0x50; 10]);
pub const NEXT_TOWNSHIP: PlaceId = PlaceId([0x51; 10]);
pub const OTHER_TOWNSHIP: PlaceId = PlaceId([0x52; 10]);
pub const VILLAGE: PlaceId = PlaceId([0x60; 10]);
pub const NEXT_VILLAGE: PlaceId = PlaceId([0x61; 10]);
pub const OTHER_VILLAGE: PlaceId = PlaceId([0x62; 10]);

/// Every place: itself, its parent, its level.
pub const PLACES: [(PlaceId, Option<PlaceId>, Level); 9] = [
    (CITY, None, level::CITY),
    (COUNTY, Some(CITY), level::COUNTY),
    (OTHER_COUNTY, Some(CITY), level::COUNTY),
    (TOWNSHIP, Some(COUNTY), level::TOWNSHIP),
    (NEXT_TOWNSHIP, Some(COUNTY), level::TOWNSHIP),
    (OTHER_TOWNSHIP, Some(OTHER_COUNTY), level::TOWNSHIP),
    (VILLAGE, Some(TOWNSHIP), level::VILLAGE),
    (NEXT_VILLAGE, Some(NEXT_TOWNSHIP), level::VILLAGE),
    (OTHER_VILLAGE, Some(OTHER_TOWNSHIP), level::VILLAGE),
];

/// Departments of the county; the first works on a node of its own too.
pub const ROADS: UnitId = UnitId([0xa1; 10]);
pub const WATER: UnitId = UnitId([0xa2; 10]);
pub const POLICE: UnitId = UnitId([0xa3; 10]);
/// A department of the township.
pub const TOWN_OFFICE: UnitId = UnitId([0xa4; 10]);
/// Every unit and its centre.
pub const UNITS: [(UnitId, PlaceId); 4] = [
    (ROADS, COUNTY),
    (WATER, COUNTY),
    (POLICE, COUNTY),
    (TOWN_OFFICE, TOWNSHIP),
];
/// The node of [`ROADS`].
pub const ROADS_NODE: NodeId = NodeId([0xa1; 10]);

pub struct World {
    pub registry: Registry,
    pub catalogue: Rulebook,
}

/// The signing key of a node is drawn from its id, so that every run writes the same bytes.
pub fn key_of(node: NodeId) -> SigningKey {
    SigningKey::from_bytes(&Hash::of("test/key", &[&node.0]).0)
}

/// The node of a place has the place's own bytes as its id.
pub fn node_of(place: PlaceId) -> NodeId {
    NodeId(place.0)
}

pub fn enrolled(
    node: NodeId,
    place: PlaceId,
    unit: Option<UnitId>,
    generation: u32,
) -> pb::NodeEnrolled {
    pb::NodeEnrolled {
        node: node.to_vec(),
        place: place.to_vec(),
        unit: unit.map(UnitId::to_vec).unwrap_or_default(),
        signing_key: key_of(node).verifying_key().as_bytes().to_vec(),
        encryption_key: vec![1; 32],
        transport_key_hash: vec![2; 32],
        incarnation: 1,
        generation,
    }
}

fn place_added(place: PlaceId, level: Level) -> pb::PlaceAdded {
    pb::PlaceAdded {
        place: place.to_vec(),
        code: String::new(),
        name: format!("place-{:02x}", place.0[0]),
        level,
    }
}

/// What the root key and two persons say of a node of the first place.
pub fn renewed(node: NodeId, generation: u32) -> pb::RootRenewed {
    pb::RootRenewed {
        node: Some(enrolled(node, CITY, None, generation)),
        approved_by: vec![vec![1; 10], vec![2; 10]],
    }
}

impl World {
    pub fn new() -> Self {
        let mut world = Self {
            registry: Registry::default(),
            catalogue: catalogue(),
        };
        let root = pb::RootGranted {
            place: Some(place_added(CITY, level::CITY)),
            node: Some(enrolled(node_of(CITY), CITY, None, 1)),
            root_key: vec![9; 32],
        };
        world.registers(CITY, root);
        for (place, parent, level) in PLACES {
            if let Some(parent) = parent {
                world.registers(parent, place_added(place, level));
                world.registers(parent, enrolled(node_of(place), place, None, 1));
            }
        }
        for (unit, place) in UNITS {
            let added = pb::UnitAdded {
                unit: unit.to_vec(),
                name: format!("unit-{:02x}", unit.0[0]),
                kind: pb::UnitKind::Department.into(),
                presence: pb::UnitPresence::Resident.into(),
            };
            world.registers(place, added);
        }
        world.registers(COUNTY, enrolled(ROADS_NODE, COUNTY, Some(ROADS), 1));
        world
    }

    /// A place writes into its registry chain.
    pub fn registers(&mut self, issuer: PlaceId, content: impl Into<Content>) {
        self.try_registers(issuer, content).unwrap();
    }

    pub fn try_registers(
        &mut self,
        issuer: PlaceId,
        content: impl Into<Content>,
    ) -> Result<(), fengqiao_hub::jurisdiction::RegistryError> {
        self.register(node_of(issuer), issuer, content)
    }

    /// A node writes into the registry chain of a place.
    pub fn registers_by(&mut self, author: NodeId, issuer: PlaceId, content: impl Into<Content>) {
        self.register(author, issuer, content).unwrap();
    }

    fn register(
        &mut self,
        author: NodeId,
        issuer: PlaceId,
        content: impl Into<Content>,
    ) -> Result<(), fengqiao_hub::jurisdiction::RegistryError> {
        let sequence = self.registry.version(issuer) + 1;
        let draft = Draft {
            kind: pb::ChainKind::Registry,
            chain: ChainId::of_place(issuer),
            sequence,
            previous: (sequence > 1).then_some(Hash([1; 32])),
            author,
            ..draft(issuer, content)
        };
        self.registry.apply(&draft.sign(&key_of(author)))
    }

    pub fn clone_registry(&self) -> Registry {
        self.registry.clone()
    }

    pub fn level(&self, place: PlaceId) -> Level {
        self.registry.place(place).unwrap().level
    }

    /// A place writes behind an entry, at the rank of that entry.
    pub fn writes(&self, place: PlaceId, on: &Entry, mv: Move, mark: u64) -> Entry {
        self.writes_at(place, on, mv, on.rank.clone(), mark)
    }

    /// A place takes behind an entry, with the rank a taking gives.
    pub fn takes(&self, place: PlaceId, on: &Entry, answering: Option<&Entry>, mark: u64) -> Entry {
        let generation = self.registry.node(node_of(place)).unwrap().generation;
        let rank = on.rank.raised(self.level(place), generation).unwrap();
        let mv = Move::Taken(answering.map(|offer| offer.hash));
        self.writes_at(place, on, mv, rank, mark)
    }

    pub fn writes_at(&self, place: PlaceId, on: &Entry, mv: Move, rank: Rank, mark: u64) -> Entry {
        Draft {
            rank,
            sequence: on.sequence + 1,
            previous: Some(on.hash),
            author_sequence: mark,
            mv,
            ..draft(place, pb::Supplement::default())
        }
        .sign(&key_of(node_of(place)))
    }
}

/// The first entry of the case.
pub fn opened(place: PlaceId) -> Entry {
    draft(place, registered()).sign(&key_of(node_of(place)))
}

pub fn registered() -> pb::Register {
    pb::Register {
        number: "D-2023-000001".to_owned(),
        channel: pb::Channel::Phone.into(),
        class: "roads".to_owned(),
        urgency: pb::Urgency::Ordinary.into(),
        external_number: String::new(),
        received_ms: START.0,
        secret_hash: vec![5; 32],
        ..Default::default()
    }
}

/// An opening draft by the node of a place; the rest is changed by whoever asks.
pub fn draft(place: PlaceId, content: impl Into<Content>) -> Draft {
    Draft {
        deployment: DEPLOYMENT,
        kind: pb::ChainKind::Case,
        chain: CASE,
        rank: Rank::default(),
        sequence: 1,
        previous: None,
        author: node_of(place),
        incarnation: 1,
        author_sequence: 1,
        registry: vec![(CITY, 1)],
        mv: Move::None,
        submission: None,
        kind_class: pb::KindClass::Work,
        body: pb::Body {
            schema: 1,
            actor: vec![8; 10],
            wall_time_ms: START.0,
            judged_by: None,
            unsettled: false,
            content: Some(content.into()),
        },
        payloads: vec![],
    }
}

/// What custody sees of an entry, its author's place found in its node id.
pub fn step(entry: &Entry) -> Step {
    let place = if entry.author == ROADS_NODE {
        COUNTY
    } else {
        PlaceId(entry.author.0)
    };
    Step::of(entry, place)
}

/// Two classes: one that may go down to a village, one that stays at the county; a day's grace, two returns.
pub fn catalogue() -> Rulebook {
    let text = "id,parent,name_zh,name_en,lead_unit_kind,level_lowest,clock_preset,escalation_grace_minutes,returns_max\n\
        roads,,道路,Roads,urban_management,60,dezhou-333,1440,2\n\
        permits,,许可,Permits,housing,40,shandong-2020,1440,2\n";
    let sources = Sources {
        rules: RULES,
        classes: text,
        calendar: CALENDAR,
    };
    Rulebook::read(&sources, 1).unwrap()
}
