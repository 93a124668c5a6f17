//! Facts about what an authority issues and refuses to issue.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use rcgen::KeyPair;

use super::*;
use crate::trust::identity::prove;
use crate::trust::keys::TransportKey;
use crate::trust::random::Seeded;
use crate::trust::testing::{Tree, authority_below, node, place};

fn now() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap()
}

#[test]
fn a_leaf_takes_the_key_of_its_request_and_none_of_its_wishes() {
    let mut tree = Tree::new(1, now());
    let key = TransportKey::generate(&mut tree.random).unwrap();
    let mut wishes = CertificateParams::new(vec!["city.example".to_owned()]).unwrap();
    wishes
        .distinguished_name
        .push(DnType::CommonName, "the city");
    wishes.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    wishes.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    wishes.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    let request = wishes.serialize_request(&key).unwrap();
    let chain = tree
        .county
        .issue_leaf(node(9), request.der(), now(), &mut tree.random)
        .unwrap();
    let own = prove(chain.certificates(), &tree.fingerprint(), now())
        .unwrap()
        .identity;
    assert_eq!(
        own.name.to_string(),
        format!("{}.{}", node(9), tree.county.path())
    );
    assert_eq!(own.transport_key, *key.public());
    let hour = SignedDuration::from_secs(BACKDATED_SECONDS);
    assert_eq!(own.not_before, now() - hour);
    assert_eq!(
        own.not_after,
        now() + SignedDuration::from_hours(24 * LEAF_DAYS)
    );
    let leaf = &chain.certificates()[0];
    for wish in ["city.example", "the city"] {
        let found = leaf
            .windows(wish.len())
            .any(|window| window == wish.as_bytes());
        assert!(!found, "{wish}");
    }
}

#[test]
fn a_request_that_does_not_prove_its_key_is_refused() {
    let mut tree = Tree::new(2, now());
    let key = TransportKey::generate(&mut tree.random).unwrap();
    let mut request = signing_request(&key).unwrap();
    *request.last_mut().unwrap() ^= 1;
    let mut refused = |request: &[u8]| {
        tree.county
            .issue_leaf(node(9), request, now(), &mut tree.random)
            .unwrap_err()
    };
    assert!(matches!(refused(&request), AuthorityError::Possession));
    assert!(matches!(refused(b"nothing"), AuthorityError::Request));
    assert!(matches!(
        refused(&[0x30; REQUEST_BYTES_MAX + 1]),
        AuthorityError::Request
    ));
    let elliptic = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let request = CertificateParams::default()
        .serialize_request(&elliptic)
        .unwrap();
    assert!(matches!(refused(request.der()), AuthorityError::Request));
}

#[test]
fn levels_run_out_and_the_lowest_authority_issues_leaves_only() {
    let mut tree = Tree::new(3, now());
    assert_eq!(tree.root.levels_below(), 2);
    assert_eq!(tree.township.levels_below(), 0);
    let key = AuthorityKey::generate(&mut tree.random).unwrap();
    let request = signing_request(&key).unwrap();
    let error = tree
        .township
        .issue_authority(place(9), &request, 0, now(), &mut tree.random)
        .unwrap_err();
    assert!(matches!(
        error,
        AuthorityError::Levels { asked: 0, left: 0 }
    ));
    let error = tree
        .county
        .issue_authority(place(9), &request, 1, now(), &mut tree.random)
        .unwrap_err();
    assert!(matches!(
        error,
        AuthorityError::Levels { asked: 1, left: 1 }
    ));
    let key = AuthorityKey::generate(&mut tree.random).unwrap();
    let deployment = DeploymentId([1; 10]);
    let error = Authority::init(key, deployment, 7, now(), &mut tree.random).unwrap_err();
    assert!(matches!(
        error,
        AuthorityError::Levels { asked: 7, left: 6 }
    ));
}

#[test]
fn no_certificate_outlives_its_issuer() {
    let mut tree = Tree::new(4, now());
    let near_end = tree.county.not_after() - SignedDuration::from_hours(24 * 10);
    let (_, chain) = tree.enrol(|tree| &tree.county, 9, near_end);
    let own = prove(chain.certificates(), &tree.fingerprint(), near_end).unwrap();
    assert_eq!(own.identity.not_after, tree.county.not_after());
    let key = TransportKey::generate(&mut tree.random).unwrap();
    let request = signing_request(&key).unwrap();
    let over = tree.county.not_after();
    let error = tree
        .county
        .issue_leaf(node(9), &request, over, &mut tree.random)
        .unwrap_err();
    assert!(matches!(error, AuthorityError::Expired));
}

#[test]
fn an_authority_is_read_back_from_pem_and_refused_with_another_key_or_root() {
    let mut random = Seeded::new(5);
    let key = AuthorityKey::generate(&mut random).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authority.pem");
    key.save(&path).unwrap();
    let deployment = DeploymentId([7; 10]);
    let root = Authority::init(key, deployment, 2, now(), &mut random).unwrap();
    let fingerprint = root.public().fingerprint();
    let chain = Chain::from_pem(&root.chain().to_pem()).unwrap();
    assert_eq!(chain, *root.chain());

    let again = |key, root: &Fingerprint| Authority::load(key, chain.clone(), root, now());
    let loaded = again(AuthorityKey::load(&path).unwrap(), &fingerprint).unwrap();
    assert_eq!(loaded.path(), root.path());
    assert_eq!(loaded.levels_below(), 2);
    authority_below(&loaded, 1, 1, now(), &mut random);
    let other = AuthorityKey::generate(&mut random).unwrap();
    assert!(matches!(
        again(other, &fingerprint),
        Err(AuthorityError::OtherKey)
    ));
    let elsewhere = Fingerprint::from_bytes([0; 32]);
    assert!(matches!(
        again(AuthorityKey::load(&path).unwrap(), &elsewhere),
        Err(AuthorityError::Chain(IdentityError::Root))
    ));
    assert!(matches!(
        Chain::from_pem("nothing"),
        Err(AuthorityError::Pem)
    ));
}

#[test]
fn the_same_seed_issues_the_same_bytes_and_serials_never_repeat() {
    let one = Tree::new(6, now()).township.chain().to_pem();
    let two = Tree::new(6, now()).township.chain().to_pem();
    assert_eq!(one, two);
    let mut tree = Tree::new(7, now());
    let key = TransportKey::generate(&mut tree.random).unwrap();
    let request = signing_request(&key).unwrap();
    let mut serials = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let chain = tree
            .county
            .issue_leaf(node(9), &request, now(), &mut tree.random)
            .unwrap();
        let own = prove(chain.certificates(), &tree.fingerprint(), now()).unwrap();
        assert_eq!(own.identity.serial.len(), 16);
        serials.insert(own.identity.serial);
    }
    assert_eq!(serials.len(), 20);
}
