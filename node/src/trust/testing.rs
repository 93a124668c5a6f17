//! A small deployment for the tests of this floor: a root, two counties, a
//! township of the first, and nodes of each with their keys.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

use super::authority::{Authority, Chain, signing_request};
use super::identity::{Pinned, Registrar};
use super::keys::{AuthorityKey, Fingerprint, TransportKey};
use super::name::{DeploymentId, NodeId, PlaceId};
use super::random::Seeded;

pub(crate) fn place(letter: u8) -> PlaceId {
    PlaceId([letter; 10])
}

pub(crate) fn node(letter: u8) -> NodeId {
    NodeId([letter; 10])
}

/// The registry as a map.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    pub(crate) nodes: Mutex<BTreeMap<NodeId, Pinned>>,
    pub(crate) revoked_authorities: Mutex<Vec<Fingerprint>>,
}

impl Registry {
    pub(crate) fn pin(&self, node: NodeId, key: Fingerprint) {
        self.nodes.lock().unwrap().insert(node, Pinned::to(key));
    }

    pub(crate) fn revoke(&self, node: NodeId) {
        self.nodes.lock().unwrap().get_mut(&node).unwrap().revoked = true;
    }
}

impl Registrar for Registry {
    fn pinned(&self, node: &NodeId) -> Option<Pinned> {
        self.nodes.lock().unwrap().get(node).cloned()
    }

    fn authority_revoked(&self, key: &Fingerprint) -> bool {
        self.revoked_authorities.lock().unwrap().contains(key)
    }
}

/// A clock that stands until it is moved.
#[derive(Debug)]
pub(crate) struct StandingClock(AtomicI64);

impl StandingClock {
    pub(crate) fn new() -> Self {
        Self(AtomicI64::new(1_790_000_000))
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
    }

    pub(crate) fn forward_days(&self, days: i64) {
        let by = SignedDuration::from_hours(24 * days).as_secs();
        self.0.fetch_add(by, Ordering::SeqCst);
    }
}

impl TimeProvider for StandingClock {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.load(Ordering::SeqCst)).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(
            seconds,
        )))
    }
}

/// One deployment.
pub(crate) struct Tree {
    pub(crate) root: Authority,
    pub(crate) county: Authority,
    pub(crate) township: Authority,
    pub(crate) other_county: Authority,
    pub(crate) random: Seeded,
}

impl Tree {
    pub(crate) fn new(seed: u64, now: Timestamp) -> Self {
        let mut random = Seeded::new(seed);
        let key = AuthorityKey::generate(&mut random).unwrap();
        let deployment = DeploymentId([7; 10]);
        let root = Authority::init(key, deployment, 2, now, &mut random).unwrap();
        let county = authority_below(&root, 1, 1, now, &mut random);
        let township = authority_below(&county, 2, 0, now, &mut random);
        let other_county = authority_below(&root, 3, 1, now, &mut random);
        Self {
            root,
            county,
            township,
            other_county,
            random,
        }
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.root.public().fingerprint()
    }

    /// A node with its key and its chain.
    pub(crate) fn enrol(
        &mut self,
        pick: fn(&Self) -> &Authority,
        letter: u8,
        now: Timestamp,
    ) -> (TransportKey, Chain) {
        let key = TransportKey::generate(&mut self.random).unwrap();
        let request = signing_request(&key).unwrap();
        let mut random = Seeded::new(u64::from(letter));
        let chain = pick(self)
            .issue_leaf(node(letter), &request, now, &mut random)
            .unwrap();
        (key, chain)
    }
}

pub(crate) fn authority_below(
    parent: &Authority,
    letter: u8,
    levels: u8,
    now: Timestamp,
    random: &mut Seeded,
) -> Authority {
    let key = AuthorityKey::generate(random).unwrap();
    let request = signing_request(&key).unwrap();
    let chain = parent
        .issue_authority(place(letter), &request, levels, now, random)
        .unwrap();
    let top = chain.certificates().last().unwrap();
    let root = super::identity::fingerprint_of(top).unwrap();
    Authority::load(key, chain, &root, now).unwrap()
}
