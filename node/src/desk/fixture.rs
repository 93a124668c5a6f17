//! A small deployment for the tests of the desk: a city, a county, two communities of one name, two units.

#![allow(clippy::unwrap_used, reason = "tests")]

use ed25519_dalek::SigningKey;
use fengqiao_hub::entry::{Draft, Entry, Move};
use fengqiao_hub::id::{ChainId, DeploymentId, Hash, NodeId, PlaceId, UnitId};
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_hub::rank::Rank;
use fengqiao_proto::v1 as pb;
use pb::body::Content;

pub(crate) const CITY: PlaceId = PlaceId([1; 10]);
pub(crate) const COUNTY: PlaceId = PlaceId([2; 10]);
pub(crate) const VILLAGE: PlaceId = PlaceId([3; 10]);
pub(crate) const TWIN: PlaceId = PlaceId([4; 10]);
pub(crate) const UNIT: UnitId = UnitId([7; 10]);
pub(crate) const COUNTY_UNIT: UnitId = UnitId([8; 10]);
pub(crate) const CASE: ChainId = ChainId([9; 16]);
pub(crate) const RECEIVED_MS: i64 = 1_676_505_600_000;

fn node_of(place: PlaceId) -> NodeId {
    NodeId(place.0)
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[5; 32])
}

fn draft(author: PlaceId, sequence: u64, previous: Option<Hash>, content: Content) -> Draft {
    Draft {
        deployment: DeploymentId([6; 10]),
        kind: pb::ChainKind::Case,
        chain: CASE,
        rank: Rank::default(),
        sequence,
        previous,
        author: node_of(author),
        incarnation: 1,
        author_sequence: sequence,
        registry: vec![],
        mv: Move::None,
        submission: None,
        kind_class: pb::KindClass::Work,
        body: pb::Body {
            schema: 1,
            wall_time_ms: RECEIVED_MS,
            content: Some(content),
            ..Default::default()
        },
        payloads: vec![],
    }
}

/// An entry of the case.
pub(crate) fn case_entry(
    sequence: u64,
    previous: Option<Hash>,
    author: PlaceId,
    rank: Rank,
    mv: Move,
    content: Content,
) -> Entry {
    let draft = draft(author, sequence, previous, content);
    Draft { rank, mv, ..draft }.sign(&key())
}

/// The first entry of the case, written at the village.
pub(crate) fn registered() -> Entry {
    let content = Content::from(pb::Register {
        number: "371402-2023-1".to_owned(),
        channel: pb::Channel::Phone.into(),
        class: "urban-roads".to_owned(),
        received_ms: RECEIVED_MS,
        ..Default::default()
    });
    draft(VILLAGE, 1, None, content).sign(&key())
}

/// The registry of the deployment.
pub(crate) fn registry() -> Registry {
    let place = |id: PlaceId, code: &str, name: &str, level| pb::PlaceAdded {
        place: id.to_vec(),
        code: code.to_owned(),
        name: name.to_owned(),
        level,
    };
    let unit = |id: UnitId, name: &str| {
        Content::from(pb::UnitAdded {
            unit: id.to_vec(),
            name: name.to_owned(),
            kind: pb::UnitKind::Department.into(),
            presence: pb::UnitPresence::Resident.into(),
        })
    };
    let node = |place: PlaceId| pb::NodeEnrolled {
        node: node_of(place).to_vec(),
        place: place.to_vec(),
        signing_key: key().verifying_key().to_bytes().to_vec(),
        encryption_key: vec![1; 32],
        transport_key_hash: vec![1; 32],
        incarnation: 1,
        generation: 1,
        ..Default::default()
    };
    let granted = pb::RootGranted {
        place: Some(place(CITY, "3714", "德州市", 30)),
        node: Some(node(CITY)),
        ..Default::default()
    };
    let added = |added: pb::PlaceAdded| Content::from(added);
    let chain = [
        (CITY, Content::from(granted)),
        (CITY, added(place(COUNTY, "371402", "德城区", 40))),
        (CITY, Content::from(node(COUNTY))),
        (CITY, unit(UNIT, "市城管局")),
        (
            COUNTY,
            added(place(VILLAGE, "371402001001", "和平社区", 60)),
        ),
        (COUNTY, added(place(TWIN, "371402002001", "和平社区", 60))),
        (COUNTY, unit(COUNTY_UNIT, "区城管局")),
    ];
    let mut registry = Registry::default();
    let mut sequence = 0;
    for (issuer, content) in chain {
        sequence += 1;
        let entry = Draft {
            kind: pb::ChainKind::Registry,
            chain: ChainId::of_place(issuer),
            ..draft(
                issuer,
                sequence,
                (sequence > 1).then_some(Hash([1; 32])),
                content,
            )
        };
        registry.apply(&entry.sign(&key())).unwrap();
    }
    registry
}
