//! Facts about certificate chains and the identities they give.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use rcgen::{CertificateParams, DnType, KeyUsagePurpose, SanType};
use rustls::pki_types::UnixTime;

use super::*;
use crate::trust::authority::{Authority, Chain, signing_request};
use crate::trust::keys::{AuthorityKey, TransportKey};
use crate::trust::name::DeploymentId;
use crate::trust::random::Seeded;
use crate::trust::testing::{Registry, Tree, node, place};

mod table;

use table::table;

const NOW: i64 = 1_790_000_000;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

/// A deployment with one node's key, and what a compromised authority of it
/// could sign for that key.
struct Forgery {
    tree: Tree,
    key: TransportKey,
}

impl Forgery {
    fn new(seed: u64) -> Self {
        let mut tree = Tree::new(seed, now());
        let key = TransportKey::generate(&mut tree.random).unwrap();
        Self { tree, key }
    }

    fn fingerprint(&self) -> Fingerprint {
        self.tree.fingerprint()
    }

    /// Node 9 with its key, as the registry would hold it.
    fn registry(&self) -> Registry {
        let registry = Registry::default();
        registry.pin(node(9), self.key.public().fingerprint());
        registry
    }

    /// A sound leaf of node 9.
    fn leaf(&mut self, pick: fn(&Tree) -> &Authority) -> Chain {
        let request = signing_request(&self.key).unwrap();
        let mut random = Seeded::new(99);
        pick(&self.tree)
            .issue_leaf(node(9), &request, now(), &mut random)
            .unwrap()
    }

    /// A leaf of the county with the right key, changed by `edit`.
    fn forge(&mut self, edit: impl FnOnce(&mut CertificateParams)) -> Chain {
        let Tree { county, random, .. } = &mut self.tree;
        county.forge(self.key.public(), now(), random, edit)
    }

    /// A leaf of an authority that `issuer` forged.
    fn forge_through(
        &mut self,
        issuer: fn(&Tree) -> &Authority,
        authority: impl FnOnce(&mut CertificateParams),
        name: &str,
    ) -> Chain {
        let key = AuthorityKey::generate(&mut self.tree.random).unwrap();
        let mut random = Seeded::new(77);
        let chain = issuer(&self.tree).forge(key.public(), now(), &mut random, |forged| {
            forged
                .distinguished_name
                .push(DnType::CommonName, "a forged authority");
            forged.key_usages = vec![KeyUsagePurpose::KeyCertSign];
            forged.extended_key_usages.clear();
            authority(forged);
        });
        let path = self.tree.county.path().clone();
        let pretended = Authority::pretend(key, chain, path);
        let random = &mut self.tree.random;
        pretended.forge(self.key.public(), now(), random, |forged| {
            forged.subject_alt_names = vec![dns(name)];
        })
    }
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

/// What rustls' own path check says about a client, as a server would ask it.
fn tls_alone_accepts(chain: &Chain, root: &Authority) -> bool {
    let anchor_der = root.chain().certificates()[0].clone();
    let anchor = webpki::anchor_from_trusted_cert(&anchor_der).unwrap();
    let certificates = chain.certificates();
    let Ok(leaf) = webpki::EndEntityCert::try_from(&certificates[0]) else {
        return false;
    };
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(NOW.unsigned_abs()));
    leaf.verify_for_usage(
        &[webpki::ring::ED25519],
        &[anchor],
        &certificates[1..],
        at,
        webpki::KeyUsage::client_auth(),
        None,
        None,
    )
    .is_ok()
}

#[test]
fn tls_alone_accepts_what_identity_refuses_row_by_row() {
    let mut forgery = Forgery::new(1);
    let registry = forgery.registry();
    let root = forgery.fingerprint();
    let rows = table(&mut forgery);
    let mut wrong = Vec::new();
    for row in &rows {
        let alone = tls_alone_accepts(&row.chain, &forgery.tree.root);
        let found = identify(row.chain.certificates(), &root, &registry, now()).map(|_| ());
        if alone != row.tls_alone || found != row.identity {
            wrong.push(format!(
                "{}: TLS alone {alone}, identity {found:?}",
                row.what
            ));
        }
        assert!(
            alone || found.is_err(),
            "identity is never wider than TLS: {}",
            row.what
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rows.len() >= 23);
    let caught = rows
        .iter()
        .filter(|row| row.tls_alone && row.identity.is_err())
        .count();
    assert!(caught >= 9, "only {caught} rows need this function at all");
}

#[test]
fn a_sound_chain_says_who_it_is_and_who_issued() {
    let mut forgery = Forgery::new(2);
    let chain = forgery.leaf(|t| &t.township);
    let peer = identify(
        chain.certificates(),
        &forgery.fingerprint(),
        &forgery.registry(),
        now(),
    )
    .unwrap();
    assert_eq!(peer.node(), node(9));
    assert_eq!(peer.name.issued_by.authorities, [place(2), place(1)]);
    assert_eq!(peer.name.issued_by.deployment, DeploymentId([7; 10]));
    assert_eq!(peer.transport_key, *forgery.key.public());
    assert_eq!(peer.serial.len(), 16);
    assert!(!peer.is_expired(now()));
}

#[test]
fn the_registry_has_the_last_word() {
    let mut forgery = Forgery::new(3);
    let chain = forgery.leaf(|t| &t.township);
    let root = forgery.fingerprint();
    let judge = |registry: &Registry| identify(chain.certificates(), &root, registry, now());

    assert_eq!(
        judge(&Registry::default()),
        Err(IdentityError::Unregistered(node(9)))
    );
    let revoked = forgery.registry();
    revoked.revoke(node(9));
    assert_eq!(judge(&revoked), Err(IdentityError::Revoked(node(9))));
    let other_key = forgery.registry();
    let other = Fingerprint::from_bytes([5; 32]);
    other_key.pin(node(9), other);
    assert_eq!(judge(&other_key), Err(IdentityError::Key(node(9))));
    let authority_revoked = forgery.registry();
    authority_revoked
        .revoked_authorities
        .lock()
        .unwrap()
        .push(forgery.tree.county.public().fingerprint());
    assert_eq!(
        judge(&authority_revoked),
        Err(IdentityError::AuthorityRevoked(place(1)))
    );
}

#[test]
fn the_key_before_a_change_is_accepted_until_its_overlap_ends() {
    let mut forgery = Forgery::new(4);
    let chain = forgery.leaf(|t| &t.county);
    let root = forgery.fingerprint();
    let judge = |until: i64| {
        let registry = Registry::default();
        let mut pinned = Pinned::to(Fingerprint::from_bytes([5; 32]));
        let until = Timestamp::from_second(until).unwrap();
        pinned.previous = Some((forgery.key.public().fingerprint(), until));
        registry.nodes.lock().unwrap().insert(node(9), pinned);
        identify(chain.certificates(), &root, &registry, now())
    };
    assert!(judge(NOW + 1).is_ok());
    assert_eq!(judge(NOW), Err(IdentityError::Key(node(9))));
}

#[test]
fn a_late_certificate_is_known_for_renewal_for_a_year_and_no_longer() {
    let mut forgery = Forgery::new(5);
    let chain = forgery.leaf(|t| &t.county);
    let root = forgery.fingerprint();
    let registry = forgery.registry();
    let end = identify(chain.certificates(), &root, &registry, now())
        .unwrap()
        .not_after;
    let day = SignedDuration::from_hours(24);
    let renewing = |registry: &Registry, late| {
        identify_for_renewal(chain.certificates(), &root, registry, end + late)
    };
    assert!(renewing(&registry, SignedDuration::ZERO).is_ok());
    let late = renewing(&registry, day * 365).unwrap();
    assert!(late.is_expired(end + day));
    assert_eq!(
        renewing(&registry, day * 365 + SignedDuration::from_secs(1)),
        Err(IdentityError::Expired(0))
    );
    assert_eq!(
        identify(chain.certificates(), &root, &registry, end + day),
        Err(IdentityError::Expired(0))
    );
    let revoked = forgery.registry();
    revoked.revoke(node(9));
    assert_eq!(
        renewing(&revoked, day),
        Err(IdentityError::Revoked(node(9)))
    );
}

#[test]
fn no_alteration_of_a_sound_chain_panics_or_passes() {
    let mut forgery = Forgery::new(6);
    let chain = forgery.leaf(|t| &t.county);
    let root = forgery.fingerprint();
    let registry = forgery.registry();
    for position in 0..chain.certificates().len() {
        for index in 0..chain.certificates()[position].len() {
            let mut certificates = chain.certificates().to_vec();
            let mut bytes = certificates[position].to_vec();
            bytes[index] ^= 0x20;
            certificates[position] = bytes.into();
            let found = identify(&certificates, &root, &registry, now());
            assert!(found.is_err(), "certificate {position}, byte {index}");
        }
    }
}
