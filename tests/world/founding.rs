//! How a deployment begins: its root key, its first entry, and who its nodes are.

use ed25519_dalek::SigningKey;
use fengqiao_hub::clock::Moment;
use fengqiao_hub::entry::{Draft, Move};
use fengqiao_hub::id::{ChainId, DeploymentId, Hash, NodeId, PlaceId, StoreId, UnitId};
use fengqiao_hub::rank::Rank;
use fengqiao_node::cli::bundle::shipped;
use fengqiao_node::engine::{AccountChange, Administration, Caller, Input, Me, Request};
use fengqiao_node::replication::route::Standpoint;
use fengqiao_proto::v1 as pb;
use sha2::{Digest as _, Sha256};

/// Every role there is.
pub const EVERY_ROLE: [pb::Role; 5] = [
    pb::Role::Clerk,
    pb::Role::Handler,
    pb::Role::Approver,
    pb::Role::Leader,
    pb::Role::Administrator,
];

/// What all nodes of a deployment share.
#[derive(Debug)]
pub struct Founding {
    /// Everything is drawn from it.
    pub seed: u64,
    /// Deployment.
    pub deployment: DeploymentId,
    /// Key that opens the first place's registry.
    pub root_key: SigningKey,
}

/// Bytes that follow from the seed and a word.
#[must_use]
pub fn derived<const N: usize>(seed: u64, what: &str) -> [u8; N] {
    let hash = Sha256::digest([&seed.to_be_bytes()[..], what.as_bytes()].concat());
    let mut bytes = [0; N];
    bytes.copy_from_slice(&hash[..N]);
    bytes
}

/// What the first node issues first: the rules that ship.
#[must_use]
pub fn first_bundle(place: PlaceId) -> Administration {
    Administration::IssueBundle {
        issued: pb::BundleIssued {
            issuer: place.to_vec(),
            files: shipped(),
            ..Default::default()
        },
        dry_run: false,
    }
}

impl Founding {
    /// A deployment drawn from a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            deployment: DeploymentId(derived(seed, "deployment")),
            root_key: SigningKey::from_bytes(&derived(seed, "root")),
        }
    }

    /// The place of an index.
    #[must_use]
    pub fn place(&self, index: usize) -> PlaceId {
        PlaceId(derived(self.seed, &format!("place {index}")))
    }

    /// The node of an index, as it is before anybody has enrolled it.
    #[must_use]
    pub fn newcomer(&self, index: usize, place: PlaceId, unit: Option<UnitId>) -> Me {
        let node = NodeId(derived(self.seed, &format!("node {index}")));
        Me {
            at: Standpoint { node, place, unit },
            deployment: self.deployment,
            store: StoreId(derived(self.seed, &format!("store {node}"))),
            incarnation: 1,
            generation: 1,
            signing_key: SigningKey::from_bytes(&derived(self.seed, &format!("key {index}"))),
            root_key: self.root_key.verifying_key(),
        }
    }

    /// What the registry is to pin of a node.
    #[must_use]
    pub fn registration(&self, me: &Me) -> pb::NodeEnrolled {
        let node = me.at.node;
        pb::NodeEnrolled {
            node: node.to_vec(),
            place: me.at.place.to_vec(),
            unit: me.at.unit.map(UnitId::to_vec).unwrap_or_default(),
            signing_key: me.signing_key.verifying_key().as_bytes().to_vec(),
            encryption_key: derived::<32>(self.seed, &format!("encryption {node}")).to_vec(),
            transport_key_hash: derived::<32>(self.seed, &format!("transport {node}")).to_vec(),
            incarnation: me.incarnation,
            generation: me.generation,
        }
    }

    /// The first entry of all, signed by the root key.
    #[must_use]
    pub fn genesis(&self, me: &Me, now: Moment) -> Vec<u8> {
        let content = pb::body::Content::from(pb::RootGranted {
            place: Some(pb::PlaceAdded {
                place: me.at.place.to_vec(),
                code: "3714".into(),
                name: "德州市".into(),
                level: 30,
            }),
            node: Some(self.registration(me)),
            root_key: self.root_key.verifying_key().as_bytes().to_vec(),
        });
        let draft = Draft {
            deployment: self.deployment,
            kind: pb::ChainKind::Registry,
            chain: ChainId::of_place(me.at.place),
            rank: Rank::default(),
            sequence: 1,
            previous: None,
            author: me.at.node,
            incarnation: 1,
            author_sequence: 1,
            registry: Vec::new(),
            mv: Move::None,
            submission: None,
            kind_class: pb::KindClass::Opening,
            body: pb::Body {
                schema: 1,
                wall_time_ms: now.0,
                content: Some(content),
                ..Default::default()
            },
            payloads: Vec::new(),
        };
        draft.sign(&self.root_key).bytes()
    }
}

/// An administrative request by an account.
#[must_use]
pub fn administration(ticket: u64, login: &str, what: Administration) -> Input {
    Input::Administer(Box::new(Request {
        ticket,
        request_id: format!("request {ticket}"),
        asked: Hash::default(),
        caller: Caller {
            login: login.into(),
        },
        what,
    }))
}

/// An account with some roles.
#[must_use]
pub fn account(login: &str, roles: &[pb::Role], unit: Option<UnitId>) -> Administration {
    Administration::SetAccount(AccountChange {
        login: login.into(),
        unit: Some(unit),
        roles: roles.iter().map(|role| i32::from(*role)).collect(),
        ..Default::default()
    })
}
