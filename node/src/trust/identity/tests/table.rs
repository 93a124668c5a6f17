//! Sound and unsound certificates, and for each what TLS alone says and what
//! identity says.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyUsagePurpose, NameConstraints, SanType,
};
use rustls::pki_types::CertificateDer;

use super::{Forgery, NOW, dns, now};
use crate::trust::authority::Chain;
use crate::trust::identity::IdentityError;
use crate::trust::name::NameError;
use crate::trust::testing::{node, place};

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

/// One certificate and the two verdicts on it.
pub(super) struct Row {
    pub(super) what: &'static str,
    pub(super) chain: Chain,
    pub(super) tls_alone: bool,
    pub(super) identity: Result<(), IdentityError>,
}

const ACCEPTED: bool = true;
const REFUSED: bool = false;

#[allow(clippy::too_many_lines, reason = "one table, one row a certificate")]
pub(super) fn table(forgery: &mut Forgery) -> Vec<Row> {
    let county = forgery.tree.county.path().to_string();
    let other = forgery.tree.other_county.path().to_string();
    let top = forgery.tree.root.path().to_string();
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
    let no_id = || {
        let error = fengqiao_hub::id::IdError { expected: 16 };
        Err(IdentityError::NameSyntax(NameError::Id(error)))
    };

    row(
        "a node of the county",
        ACCEPTED,
        Ok(()),
        forgery.leaf(|t| &t.county),
    );
    row(
        "a node of the township",
        ACCEPTED,
        Ok(()),
        forgery.leaf(|t| &t.township),
    );
    row(
        "a node of the root",
        ACCEPTED,
        Ok(()),
        forgery.leaf(|t| &t.root),
    );
    let chain = forgery.forge(|c| {
        c.subject_alt_names = vec![dns(&own)];
        c.distinguished_name.push(DnType::CommonName, own.clone());
    });
    row("own name, equal common name", ACCEPTED, Ok(()), chain);

    let mut named = |what, tls_alone, identity, names: Vec<SanType>| {
        let chain = forgery.forge(|c| c.subject_alt_names = names);
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
        no_id(),
        vec![dns(&format!("{}.x{county}", node(9)))],
    );
    named(
        "capitals, own",
        ACCEPTED,
        no_id(),
        vec![dns(&own.to_uppercase())],
    );
    named(
        "capitals, foreign",
        REFUSED,
        no_id(),
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
        no_id(),
        vec![dns(&format!("*.{county}"))],
    );
    named(
        "wildcard above",
        REFUSED,
        no_id(),
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
        no_id(),
        vec![dns(&format!("v1.{county}"))],
    );

    let chain = forgery.forge(|c| {
        c.distinguished_name
            .push(DnType::CommonName, foreign.clone())
    });
    row(
        "no name, foreign common name",
        ACCEPTED,
        Err(IdentityError::NameCount(0)),
        chain,
    );
    let chain = forgery.forge(|c| {
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
    let chain = forgery.forge(|c| {
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
        let chain = forgery.forge(|c| {
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
    let chain = forgery.forge_through(
        |t| &t.county,
        sub(constrained(&[&inside]), level(0)),
        &through,
    );
    row("a sub-authority as it should be", ACCEPTED, Ok(()), chain);
    let chain = forgery.forge_through(|t| &t.county, sub(constrained(&[&top]), level(0)), &foreign);
    row(
        "sub-authority that widens",
        REFUSED,
        Err(IdentityError::Constraint(1)),
        chain,
    );
    let chain = forgery.forge_through(|t| &t.county, sub(None, level(0)), &through);
    row(
        "unconstrained sub-authority, name inside",
        ACCEPTED,
        Err(IdentityError::Constraint(1)),
        chain,
    );
    let chain = forgery.forge_through(|t| &t.county, sub(constrained(&[&county]), level(0)), &own);
    row(
        "sub-authority with its issuer's subtree",
        ACCEPTED,
        Err(IdentityError::Constraint(1)),
        chain,
    );
    let chain = forgery.forge_through(
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
    let chain = forgery.forge_through(
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
    let chain = forgery.forge_through(
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
    let deep = format!("{}.{}", place(5), forgery.tree.township.path());
    let deep_node = format!("{}.{deep}", node(9));
    let chain = forgery.forge_through(
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
    let chain = forgery.forge_through(
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

    let chain = forgery.forge_through(
        |t| &t.county,
        |c| {
            sub(constrained(&[&inside]), level(0))(c);
            c.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        },
        &through,
    );
    row(
        "sub-authority not meant to sign certificates",
        ACCEPTED,
        Err(IdentityError::NotAuthority(1)),
        chain,
    );
    let open = constrained(&[&inside]).map(|names| NameConstraints {
        excluded_subtrees: vec![
            GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0; 4])),
            GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [255; 16])),
        ],
        ..names
    });
    let chain = forgery.forge_through(|t| &t.county, sub(open, level(0)), &through);
    row(
        "sub-authority that leaves addresses open",
        ACCEPTED,
        Err(IdentityError::Constraint(1)),
        chain,
    );

    let mut stranger = Forgery::new(1000);
    row(
        "another root of the same names",
        REFUSED,
        Err(IdentityError::Root),
        stranger.leaf(|t| &t.county),
    );
    let sound = forgery.leaf(|t| &t.township);
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
    let chain = forgery
        .tree
        .county
        .forge(&elliptic, now(), &mut forgery.tree.random, |c| {
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
