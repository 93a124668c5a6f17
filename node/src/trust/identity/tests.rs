#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyUsagePurpose, NameConstraints, SanType,
};
use rustls::pki_types::{CertificateDer, UnixTime};

use super::*;
use crate::trust::authority::{Authority, Chain, signing_request};
use crate::trust::keys::{AuthorityKey, TransportKey};
use crate::trust::name::{DeploymentId, PlaceId};
use crate::trust::random::Seeded;

const NOW: i64 = 1_790_000_000;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn place(letter: u8) -> PlaceId {
    PlaceId::from_bytes([letter; 10])
}

fn node(letter: u8) -> NodeId {
    NodeId::from_bytes([letter; 10])
}

#[derive(Debug, Default)]
struct Registry {
    nodes: BTreeMap<NodeId, Pinned>,
    revoked_authorities: Vec<Fingerprint>,
}

impl Registrar for Registry {
    fn pinned(&self, node: &NodeId) -> Option<Pinned> {
        self.nodes.get(node).cloned()
    }

    fn authority_revoked(&self, key: &Fingerprint) -> bool {
        self.revoked_authorities.contains(key)
    }
}

/// A root, two counties and a township of the first, and one node's key.
struct Tree {
    root: Authority,
    county: Authority,
    township: Authority,
    other_county: Authority,
    key: TransportKey,
    random: Seeded,
}

fn below(parent: &Authority, letter: u8, levels: u8, random: &mut Seeded) -> Authority {
    let key = AuthorityKey::generate(random).unwrap();
    let request = signing_request(&key).unwrap();
    let chain = parent
        .issue_authority(place(letter), &request, levels, now(), random)
        .unwrap();
    let root = chain_root(&chain);
    Authority::load(key, chain, &root, now()).unwrap()
}

fn chain_root(chain: &Chain) -> Fingerprint {
    let last = chain.certificates().last().unwrap();
    Certificate::parse(last, 0).unwrap().fingerprint
}

impl Tree {
    fn new(seed: u64) -> Self {
        let mut random = Seeded::new(seed);
        let key = AuthorityKey::generate(&mut random).unwrap();
        let deployment = DeploymentId::from_bytes([7; 10]);
        let root = Authority::init(key, deployment, 2, now(), &mut random).unwrap();
        let county = below(&root, 1, 1, &mut random);
        let township = below(&county, 2, 0, &mut random);
        let other_county = below(&root, 3, 1, &mut random);
        let key = TransportKey::generate(&mut random).unwrap();
        Self {
            root,
            county,
            township,
            other_county,
            key,
            random,
        }
    }

    fn fingerprint(&self) -> Fingerprint {
        self.root.public().fingerprint()
    }

    /// Node 9 with this tree's key, as the registry would hold it.
    fn registry(&self) -> Registry {
        let mut registry = Registry::default();
        let pinned = Pinned::to(self.key.public().fingerprint());
        registry.nodes.insert(node(9), pinned);
        registry
    }

    fn leaf(&mut self, pick: fn(&Self) -> &Authority) -> Chain {
        let request = signing_request(&self.key).unwrap();
        let mut random = Seeded::new(99);
        pick(self)
            .issue_leaf(node(9), &request, now(), &mut random)
            .unwrap()
    }

    /// A leaf of the county with the right key, changed by `edit`.
    fn forge(&mut self, edit: impl FnOnce(&mut CertificateParams)) -> Chain {
        self.county
            .forge(self.key.public(), now(), &mut self.random, edit)
    }

    /// As `forge`, by an authority that the county itself forged.
    fn forge_through(
        &mut self,
        issuer: fn(&Self) -> &Authority,
        authority: impl FnOnce(&mut CertificateParams),
        name: &str,
    ) -> Chain {
        let key = AuthorityKey::generate(&mut self.random).unwrap();
        let mut random = Seeded::new(77);
        let chain = issuer(self).forge(key.public(), now(), &mut random, |forged| {
            forged
                .distinguished_name
                .push(DnType::CommonName, "a forged authority");
            forged.key_usages = vec![KeyUsagePurpose::KeyCertSign];
            forged.extended_key_usages.clear();
            authority(forged);
        });
        let path = self.county.path().clone();
        let pretended = Authority::pretend(key, chain, path);
        pretended.forge(self.key.public(), now(), &mut self.random, |forged| {
            forged.subject_alt_names = vec![dns(name)];
        })
    }
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

fn uri(name: &str) -> SanType {
    SanType::URI(name.try_into().unwrap())
}

fn constrained(subtrees: &[&str]) -> Option<NameConstraints> {
    Some(NameConstraints {
        permitted_subtrees: subtrees
            .iter()
            .map(|subtree| GeneralSubtree::DnsName((*subtree).to_owned()))
            .collect(),
        excluded_subtrees: vec![
            GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0; 4])),
            GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [0; 16])),
        ],
    })
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

struct Row {
    what: &'static str,
    chain: Chain,
    tls_alone: bool,
    identity: Result<(), IdentityError>,
}

const ACCEPTED: bool = true;
const REFUSED: bool = false;

#[allow(clippy::too_many_lines, reason = "one table, one row a certificate")]
fn table(tree: &mut Tree) -> Vec<Row> {
    let county = tree.county.path().to_string();
    let other = tree.other_county.path().to_string();
    let top = tree.root.path().to_string();
    let own = format!("{}.{county}", node(9));
    let foreign = format!("{}.{other}", node(9));
    let mut rows = Vec::new();
    let mut row = |what, tls_alone, identity, chain| {
        rows.push(Row {
            what,
            chain,
            tls_alone,
            identity,
        });
    };
    let syntax_letter = |position| Err(IdentityError::NameSyntax(NameError::Letter { position }));
    let syntax_length = |length| Err(IdentityError::NameSyntax(NameError::Length(length)));

    row(
        "a node of the county",
        ACCEPTED,
        Ok(()),
        tree.leaf(|t| &t.county),
    );
    row(
        "a node of the township",
        ACCEPTED,
        Ok(()),
        tree.leaf(|t| &t.township),
    );
    row(
        "a node of the root",
        ACCEPTED,
        Ok(()),
        tree.leaf(|t| &t.root),
    );
    let chain = tree.forge(|c| {
        c.subject_alt_names = vec![dns(&own)];
        c.distinguished_name.push(DnType::CommonName, own.clone());
    });
    row("own name, equal common name", ACCEPTED, Ok(()), chain);

    let mut named = |what, tls_alone, identity, names: Vec<SanType>| {
        let chain = tree.forge(|c| c.subject_alt_names = names);
        row(what, tls_alone, identity, chain);
    };
    named(
        "foreign name",
        REFUSED,
        Err(IdentityError::NameOutside),
        vec![dns(&foreign)],
    );
    named(
        "label boundary",
        REFUSED,
        syntax_length(17),
        vec![dns(&format!("{}.x{county}", node(9)))],
    );
    named(
        "capitals, own",
        ACCEPTED,
        syntax_letter(4),
        vec![dns(&own.to_uppercase())],
    );
    named(
        "capitals, foreign",
        REFUSED,
        syntax_letter(4),
        vec![dns(&foreign.to_uppercase())],
    );
    named(
        "the authority's own subtree as a name",
        ACCEPTED,
        Err(IdentityError::NameOutside),
        vec![dns(&county)],
    );
    named(
        "the parent's subtree",
        REFUSED,
        Err(IdentityError::NameSyntax(NameError::Suffix)),
        vec![dns(&top)],
    );
    named(
        "a node directly below the root",
        REFUSED,
        Err(IdentityError::NameOutside),
        vec![dns(&format!("{}.{top}", node(9)))],
    );
    named(
        "a node two levels down",
        ACCEPTED,
        Err(IdentityError::NameOutside),
        vec![dns(&format!("{}.{}.{county}", node(9), place(2)))],
    );
    named(
        "wildcard inside",
        ACCEPTED,
        syntax_length(1),
        vec![dns(&format!("*.{county}"))],
    );
    named(
        "wildcard above",
        REFUSED,
        syntax_length(1),
        vec![dns(&format!("*.{top}"))],
    );
    named(
        "two names, one foreign",
        REFUSED,
        Err(IdentityError::NameCount(2)),
        vec![dns(&own), dns(&foreign)],
    );
    named(
        "two own names",
        ACCEPTED,
        Err(IdentityError::NameCount(2)),
        vec![dns(&own), dns(&format!("{}.{county}", node(8)))],
    );
    named(
        "foreign URI alone",
        ACCEPTED,
        Err(IdentityError::NameType),
        vec![uri("spiffe://other/city")],
    );
    named(
        "own name and foreign URI",
        ACCEPTED,
        Err(IdentityError::NameType),
        vec![dns(&own), uri("spiffe://other/city")],
    );
    named(
        "IP address alone",
        REFUSED,
        Err(IdentityError::NameType),
        vec![SanType::IpAddress([127, 0, 0, 1].into())],
    );
    named(
        "own name and IP address",
        REFUSED,
        Err(IdentityError::NameType),
        vec![dns(&own), SanType::IpAddress([127, 0, 0, 1].into())],
    );
    named(
        "own name and mail address",
        ACCEPTED,
        Err(IdentityError::NameType),
        vec![dns(&own), SanType::Rfc822Name("a@b.c".try_into().unwrap())],
    );
    named(
        "a short label",
        ACCEPTED,
        syntax_length(2),
        vec![dns(&format!("v1.{county}"))],
    );

    let chain = tree.forge(|c| {
        c.distinguished_name
            .push(DnType::CommonName, foreign.clone())
    });
    row(
        "no name, foreign common name",
        ACCEPTED,
        Err(IdentityError::NameCount(0)),
        chain,
    );
    let chain = tree.forge(|c| {
        c.subject_alt_names = vec![dns(&own)];
        c.distinguished_name
            .push(DnType::CommonName, foreign.clone());
    });
    row(
        "own name, foreign common name",
        ACCEPTED,
        Err(IdentityError::CommonName),
        chain,
    );
    let chain = tree.forge(|c| {
        c.subject_alt_names = vec![dns(&own)];
        c.distinguished_name
            .push(DnType::OrganizationName, "someone");
    });
    row(
        "own name, an organisation",
        ACCEPTED,
        Err(IdentityError::CommonName),
        chain,
    );

    let mut own_but = |what, tls_alone, identity, edit: &dyn Fn(&mut CertificateParams)| {
        let chain = tree.forge(|c| {
            c.subject_alt_names = vec![dns(&own)];
            edit(c);
        });
        row(what, tls_alone, identity, chain);
    };
    own_but("server only", REFUSED, Err(IdentityError::Usage), &|c| {
        c.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    own_but("client only", ACCEPTED, Err(IdentityError::Usage), &|c| {
        c.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    own_but(
        "no extended usage",
        ACCEPTED,
        Err(IdentityError::Usage),
        &|c| {
            c.extended_key_usages.clear();
        },
    );
    own_but("no usage", ACCEPTED, Err(IdentityError::Usage), &|c| {
        c.key_usages.clear()
    });
    own_but(
        "an authority as a node",
        REFUSED,
        Err(IdentityError::LeafIsAuthority),
        &|c| {
            c.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        },
    );
    own_but("expired", REFUSED, Err(IdentityError::Expired(0)), &|c| {
        c.not_after = time::OffsetDateTime::from_unix_timestamp(NOW - 1).unwrap();
    });
    own_but(
        "not valid yet",
        REFUSED,
        Err(IdentityError::NotYetValid(0)),
        &|c| {
            c.not_before = time::OffsetDateTime::from_unix_timestamp(NOW + 1).unwrap();
        },
    );
    own_but(
        "unknown critical extension",
        REFUSED,
        Err(IdentityError::Extension(0)),
        &|c| {
            let mut unknown = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
            unknown.set_criticality(true);
            c.custom_extensions = vec![unknown];
        },
    );
    own_but("unknown plain extension", ACCEPTED, Ok(()), &|c| {
        c.custom_extensions = vec![CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0])];
    });
    own_but(
        "names twice",
        REFUSED,
        Err(IdentityError::Extension(0)),
        &|c| {
            let names = [&[0x30, 0x05, 0x82, 0x03][..], b"a.b"].concat();
            c.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 17], names)];
        },
    );

    let sub = |subtrees: Option<NameConstraints>, levels| {
        move |c: &mut CertificateParams| {
            c.name_constraints = subtrees;
            c.is_ca = IsCa::Ca(levels);
        }
    };
    let level = BasicConstraints::Constrained;
    let through = format!("{}.{}.{county}", node(9), place(5));
    let inside = format!("{}.{county}", place(5));
    let chain = tree.forge_through(
        |t| &t.county,
        sub(constrained(&[&inside]), level(0)),
        &through,
    );
    row("a sub-authority as it should be", ACCEPTED, Ok(()), chain);
    let chain = tree.forge_through(|t| &t.county, sub(constrained(&[&top]), level(0)), &foreign);
    row(
        "sub-authority that widens",
        REFUSED,
        Err(IdentityError::Constraint(1)),
        chain,
    );
    let chain = tree.forge_through(|t| &t.county, sub(None, level(0)), &through);
    row(
        "unconstrained sub-authority, name inside",
        ACCEPTED,
        Err(IdentityError::Constraint(1)),
        chain,
    );
    let chain = tree.forge_through(|t| &t.county, sub(constrained(&[&county]), level(0)), &own);
    row(
        "sub-authority with its issuer's subtree",
        ACCEPTED,
        Err(IdentityError::Constraint(1)),
        chain,
    );
    let chain = tree.forge_through(
        |t| &t.county,
        sub(constrained(&[&inside, &county]), level(0)),
        &through,
    );
    row(
        "sub-authority with two subtrees",
        ACCEPTED,
        Err(IdentityError::Constraint(1)),
        chain,
    );
    let chain = tree.forge_through(
        |t| &t.county,
        sub(constrained(&[&inside]), BasicConstraints::Unconstrained),
        &through,
    );
    row(
        "sub-authority without a path length",
        ACCEPTED,
        Err(IdentityError::PathLength(1)),
        chain,
    );
    let chain = tree.forge_through(
        |t| &t.county,
        sub(constrained(&[&inside]), level(1)),
        &through,
    );
    row(
        "sub-authority with its issuer's path length",
        ACCEPTED,
        Err(IdentityError::PathLength(2)),
        chain,
    );
    let deep = format!("{}.{}", place(5), tree.township.path());
    let deep_node = format!("{}.{deep}", node(9));
    let chain = tree.forge_through(
        |t| &t.township,
        sub(constrained(&[&deep]), level(0)),
        &deep_node,
    );
    row(
        "path length exceeded",
        REFUSED,
        Err(IdentityError::PathLength(2)),
        chain,
    );
    let chain = tree.forge_through(
        |t| &t.county,
        |c| {
            c.is_ca = IsCa::ExplicitNoCa;
            c.name_constraints = constrained(&[&inside]);
        },
        &through,
    );
    row(
        "a node as an issuer",
        REFUSED,
        Err(IdentityError::NotAuthority(1)),
        chain,
    );

    let mut stranger = Tree::new(1000);
    row(
        "another root of the same names",
        REFUSED,
        Err(IdentityError::Root),
        stranger.leaf(|t| &t.county),
    );
    let sound = tree.leaf(|t| &t.township);
    let certificates = sound.certificates().to_vec();
    let order = |indexes: &[usize]| {
        let picked: Vec<CertificateDer<'_>> = indexes
            .iter()
            .map(|index| certificates[*index].clone())
            .collect();
        Chain::from_der(&picked)
    };
    row(
        "authorities in another order",
        ACCEPTED,
        Err(IdentityError::Issuer(2)),
        order(&[0, 2, 1, 3]),
    );
    row(
        "an authority missing",
        REFUSED,
        Err(IdentityError::Issuer(0)),
        order(&[0, 2, 3]),
    );
    row(
        "the root not sent",
        ACCEPTED,
        Err(IdentityError::Root),
        order(&[0, 1, 2]),
    );
    row(
        "the leaf alone",
        REFUSED,
        Err(IdentityError::ChainLength(1)),
        order(&[0]),
    );
    let mut altered = certificates.clone();
    let mut bytes = altered[0].to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    altered[0] = bytes.into();
    row(
        "a signature altered",
        REFUSED,
        Err(IdentityError::Signature(0)),
        Chain::from_der(&altered),
    );
    let elliptic = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let chain = tree.county.forge(&elliptic, now(), &mut tree.random, |c| {
        c.subject_alt_names = vec![dns(&own)];
    });
    row(
        "a key of another kind",
        ACCEPTED,
        Err(IdentityError::Algorithm(0)),
        chain,
    );
    rows
}

#[test]
fn tls_alone_accepts_what_identity_refuses_row_by_row() {
    let mut tree = Tree::new(1);
    let registry = tree.registry();
    let root = tree.fingerprint();
    let rows = table(&mut tree);
    let mut wrong = Vec::new();
    for row in &rows {
        let alone = tls_alone_accepts(&row.chain, &tree.root);
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
    let mut tree = Tree::new(2);
    let chain = tree.leaf(|t| &t.township);
    let peer = identify(
        chain.certificates(),
        &tree.fingerprint(),
        &tree.registry(),
        now(),
    )
    .unwrap();
    assert_eq!(peer.node(), node(9));
    assert_eq!(peer.name.issued_by.authorities, [place(2), place(1)]);
    assert_eq!(
        peer.name.issued_by.deployment,
        DeploymentId::from_bytes([7; 10])
    );
    assert_eq!(peer.transport_key, *tree.key.public());
    assert_eq!(peer.serial.len(), 16);
    assert!(!peer.is_expired(now()));
}

#[test]
fn the_registry_has_the_last_word() {
    let mut tree = Tree::new(3);
    let chain = tree.leaf(|t| &t.township);
    let root = tree.fingerprint();
    let judge = |registry: &Registry| identify(chain.certificates(), &root, registry, now());

    assert_eq!(
        judge(&Registry::default()),
        Err(IdentityError::Unregistered(node(9)))
    );
    let mut revoked = tree.registry();
    revoked.nodes.get_mut(&node(9)).unwrap().revoked = true;
    assert_eq!(judge(&revoked), Err(IdentityError::Revoked(node(9))));
    let mut other_key = tree.registry();
    let other = Fingerprint::from_bytes([5; 32]);
    other_key.nodes.insert(node(9), Pinned::to(other));
    assert_eq!(judge(&other_key), Err(IdentityError::Key(node(9))));
    let mut authority_revoked = tree.registry();
    authority_revoked
        .revoked_authorities
        .push(tree.county.public().fingerprint());
    assert_eq!(
        judge(&authority_revoked),
        Err(IdentityError::AuthorityRevoked(place(1)))
    );
}

#[test]
fn the_key_before_a_change_is_accepted_until_its_overlap_ends() {
    let mut tree = Tree::new(4);
    let chain = tree.leaf(|t| &t.county);
    let root = tree.fingerprint();
    let judge = |until: i64| {
        let mut registry = Registry::default();
        let mut pinned = Pinned::to(Fingerprint::from_bytes([5; 32]));
        let until = Timestamp::from_second(until).unwrap();
        pinned.previous = Some((tree.key.public().fingerprint(), until));
        registry.nodes.insert(node(9), pinned);
        identify(chain.certificates(), &root, &registry, now())
    };
    assert!(judge(NOW + 1).is_ok());
    assert_eq!(judge(NOW), Err(IdentityError::Key(node(9))));
}

#[test]
fn a_late_certificate_is_known_for_renewal_for_a_year_and_no_longer() {
    let mut tree = Tree::new(5);
    let chain = tree.leaf(|t| &t.county);
    let root = tree.fingerprint();
    let registry = tree.registry();
    let end = identify(chain.certificates(), &root, &registry, now())
        .unwrap()
        .not_after;
    let day = SignedDuration::from_hours(24);
    let renewing = |registry: &Registry, late| {
        identify_for_renewal(chain.certificates(), &root, registry, end + late)
    };
    assert!(renewing(&registry, day * 0).is_ok());
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
    let mut revoked = tree.registry();
    revoked.nodes.get_mut(&node(9)).unwrap().revoked = true;
    assert_eq!(
        renewing(&revoked, day),
        Err(IdentityError::Revoked(node(9)))
    );
}

#[test]
fn no_alteration_of_a_sound_chain_panics_or_passes() {
    let mut tree = Tree::new(6);
    let chain = tree.leaf(|t| &t.county);
    let root = tree.fingerprint();
    let registry = tree.registry();
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
