//! Certificate chain to identity: one pure function.
//!
//! TLS proves that a chain of signatures leads to our root. That is less than
//! it seems: X.509 name constraints bind only the kinds of name they mention,
//! and a TLS library never asks for the name of a *client*. A constrained
//! authority can thus have a certificate accepted that carries no name, a URI,
//! a wildcard, two names, or a foreign common name. [`identify`] closes that:
//! it reads the chain itself, link by link from the root down, and accepts
//! exactly the shape [`super::authority`] issues and nothing wider. The table
//! in its tests shows both verdicts side by side.
//!
//! A chain is given leaf first and ends in the root certificate, known by the
//! SHA-256 of its SubjectPublicKeyInfo. Each authority proves its label by a
//! constraint one label longer than the one above it; the common name is never
//! read for identity. Never asks the network, never reads a clock.

use jiff::{SignedDuration, Timestamp};

use super::keys::{Fingerprint, PublicKey};
use super::name::{AUTHORITY_DEPTH_MAX, IssuingPath, NodeId, NodeName, PlaceId};

mod certificate;
mod error;

use certificate::{Certificate, Name};

pub use error::IdentityError;

/// How long past its end a certificate may still ask for its renewal.
pub(crate) const RENEWAL_GRACE_DAYS: i64 = 365;
/// The longest chain: a leaf, the authorities, the root.
pub(crate) const CHAIN_CERTIFICATES_MAX: usize = AUTHORITY_DEPTH_MAX + 2;

/// What the registry holds about a node's transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// SHA-256 of the SubjectPublicKeyInfo of its transport key.
    pub transport_key: Fingerprint,
    /// The key before it and the instant until which it is still accepted.
    pub previous: Option<(Fingerprint, Timestamp)>,
    /// Whether the node may connect no more.
    pub revoked: bool,
}

impl Pinned {
    /// Pins one key.
    pub const fn to(transport_key: Fingerprint) -> Self {
        Self {
            transport_key,
            previous: None,
            revoked: false,
        }
    }

    fn accepts(&self, key: &Fingerprint, now: Timestamp) -> bool {
        self.transport_key == *key
            || self
                .previous
                .is_some_and(|(previous, until)| previous == *key && now < until)
    }
}

/// The part of the registry that certificates are judged by.
///
/// Asked at every handshake, so that a revocation holds from the next
/// connection on; closing live ones is the link's task.
pub trait Registrar: std::fmt::Debug + Send + Sync {
    /// What is pinned for a node; `None` if it is not registered.
    fn pinned(&self, node: &NodeId) -> Option<Pinned>;

    /// Whether an authority, by its key, may vouch no more.
    fn authority_revoked(&self, key: &Fingerprint) -> bool;
}

/// Who is at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerIdentity {
    /// The node and who issued its certificate (not who its parent is).
    pub name: NodeName,
    /// The transport key it has proven to hold.
    pub transport_key: PublicKey,
    /// The certificate's serial, big-endian.
    pub serial: Vec<u8>,
    /// When the certificate begins; to come only where an early renewal is allowed.
    pub not_before: Timestamp,
    /// When it ends; past only where a late renewal is allowed.
    pub not_after: Timestamp,
}

impl PeerIdentity {
    /// The node.
    pub const fn node(&self) -> NodeId {
        self.name.node
    }

    /// Whether the certificate has ended: nothing but a renewal is then allowed.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now > self.not_after
    }
}

/// Identity of the holder of a chain, leaf first, root last.
///
/// # Errors
///
/// An [`IdentityError`] for the first thing found wrong; a chain is accepted
/// whole or not at all.
pub fn identify<C: AsRef<[u8]>>(
    chain: &[C],
    root: &Fingerprint,
    registrar: &dyn Registrar,
    now: Timestamp,
) -> Result<PeerIdentity, IdentityError> {
    registered(prove(chain, root, now)?, registrar, now)
}

/// As [`identify`], for the enrol port alone: a chain up to [`RENEWAL_GRACE_DAYS`] past its end is judged as of that
/// end, and one that has not begun as of its beginning: it was issued while some clock was ahead.
///
/// The registry is asked as of now: a revoked node renews nothing.
///
/// # Errors
///
/// As [`identify`].
pub(crate) fn identify_for_renewal<C: AsRef<[u8]>>(
    chain: &[C],
    root: &Fingerprint,
    registrar: &dyn Registrar,
    now: Timestamp,
) -> Result<PeerIdentity, IdentityError> {
    let judged_at = judged_at(chain, now)?;
    registered(prove(chain, root, judged_at)?, registrar, now)
}

/// The instant by which a renewal is judged: the nearest to now at which the chain is in its time, if that is no further
/// past than the grace; else now.
pub(crate) fn judged_at<C: AsRef<[u8]>>(
    chain: &[C],
    now: Timestamp,
) -> Result<Timestamp, IdentityError> {
    let (begin, end) = window(chain)?;
    let late = now.duration_since(end);
    Ok(if now < begin {
        begin
    } else if late.is_positive() && late <= SignedDuration::from_hours(24 * RENEWAL_GRACE_DAYS) {
        end
    } else {
        now
    })
}

/// From when to when every certificate of a chain is in its time; proves nothing. The beginning lies behind the end
/// where there is no such time.
pub(crate) fn window<C: AsRef<[u8]>>(chain: &[C]) -> Result<(Timestamp, Timestamp), IdentityError> {
    let mut window: Option<(Timestamp, Timestamp)> = None;
    for (position, der) in chain.iter().enumerate() {
        let certificate = Certificate::parse(der.as_ref(), position)?;
        let (begin, end) = window.unwrap_or((Timestamp::MIN, Timestamp::MAX));
        window = Some((
            begin.max(certificate.not_before),
            end.min(certificate.not_after),
        ));
    }
    window.ok_or(IdentityError::ChainLength(0))
}

/// The fingerprint of a certificate's key; proves nothing.
///
/// # Errors
///
/// [`IdentityError::Malformed`], [`IdentityError::Algorithm`],
/// [`IdentityError::Extension`].
pub(crate) fn fingerprint_of(certificate: &[u8]) -> Result<Fingerprint, IdentityError> {
    Ok(Certificate::parse(certificate, 0)?.fingerprint)
}

/// The key of a certificate; proves nothing.
///
/// # Errors
///
/// As [`fingerprint_of`].
pub(crate) fn key_of(certificate: &[u8]) -> Result<PublicKey, IdentityError> {
    Ok(Certificate::parse(certificate, 0)?.key)
}

fn registered(
    proven: Proven,
    registrar: &dyn Registrar,
    now: Timestamp,
) -> Result<PeerIdentity, IdentityError> {
    let Proven {
        identity,
        authorities,
    } = proven;
    for (place, key) in &authorities {
        if registrar.authority_revoked(key) {
            return Err(IdentityError::AuthorityRevoked(*place));
        }
    }
    let node = identity.node();
    let pinned = registrar
        .pinned(&node)
        .ok_or(IdentityError::Unregistered(node))?;
    if pinned.revoked {
        return Err(IdentityError::Revoked(node));
    }
    if !pinned.accepts(&identity.transport_key.fingerprint(), now) {
        return Err(IdentityError::Key(node));
    }
    Ok(identity)
}

/// What a chain proves by itself, before the registry is asked.
pub(crate) struct Proven {
    pub(crate) identity: PeerIdentity,
    /// Authorities between node and root with their keys, nearest first.
    pub(crate) authorities: Vec<(PlaceId, Fingerprint)>,
}

/// Walks a chain from its root down to the node.
pub(crate) fn prove<C: AsRef<[u8]>>(
    chain: &[C],
    root: &Fingerprint,
    now: Timestamp,
) -> Result<Proven, IdentityError> {
    let (parsed, path) = prove_authorities(chain, 1, root, now)?;
    let leaf = &parsed[0];
    leaf.check_signed_by(&parsed[1])?;
    leaf.check_time(now)?;
    let name = leaf_name(leaf, &path)?;
    let places = path.authorities.iter().copied();
    let keys = parsed[1..].iter().map(|authority| authority.fingerprint);
    Ok(Proven {
        identity: PeerIdentity {
            name,
            transport_key: leaf.key,
            serial: leaf.serial.to_vec(),
            not_before: leaf.not_before,
            not_after: leaf.not_after,
        },
        authorities: places.zip(keys).collect(),
    })
}

/// The path of an authority's own chain, the authority first, root last.
pub(crate) fn prove_authority<C: AsRef<[u8]>>(
    chain: &[C],
    root: &Fingerprint,
    now: Timestamp,
) -> Result<AuthorityProof, IdentityError> {
    let (parsed, path) = prove_authorities(chain, 0, root, now)?;
    let own = &parsed[0];
    Ok(AuthorityProof {
        path,
        key: own.key,
        levels_below: own.path_length().ok_or(IdentityError::PathLength(0))?,
        not_after: own.not_after,
    })
}

/// What an authority's chain proves about it.
pub(crate) struct AuthorityProof {
    pub(crate) path: IssuingPath,
    pub(crate) key: PublicKey,
    pub(crate) levels_below: u8,
    pub(crate) not_after: Timestamp,
}

/// Parses the chain and proves everything from `first` up to the root; the
/// path returned is that of the certificate at `first`.
fn prove_authorities<'a, C: AsRef<[u8]>>(
    chain: &'a [C],
    first: usize,
    root: &Fingerprint,
    now: Timestamp,
) -> Result<(Vec<Certificate<'a>>, IssuingPath), IdentityError> {
    if chain.len() <= first || chain.len() > CHAIN_CERTIFICATES_MAX {
        return Err(IdentityError::ChainLength(chain.len()));
    }
    let parsed = chain
        .iter()
        .enumerate()
        .map(|(position, der)| Certificate::parse(der.as_ref(), position))
        .collect::<Result<Vec<_>, _>>()?;
    let top = &parsed[parsed.len() - 1];
    if top.fingerprint != *root {
        return Err(IdentityError::Root);
    }
    top.check_signed_by(top)?;
    top.check_time(now)?;
    let mut levels_left = top.check_authority()?;
    let mut path = top.root_path()?;
    for position in (first..parsed.len() - 1).rev() {
        let authority = &parsed[position];
        authority.check_signed_by(&parsed[position + 1])?;
        authority.check_time(now)?;
        let levels = authority.check_authority()?;
        if levels >= levels_left {
            return Err(IdentityError::PathLength(position + 1));
        }
        levels_left = levels;
        path = authority.path_below(&path)?;
    }
    Ok((parsed, path))
}

/// The one name of a leaf, directly below its issuer.
fn leaf_name(leaf: &Certificate<'_>, issuer: &IssuingPath) -> Result<NodeName, IdentityError> {
    leaf.check_leaf()?;
    let names = leaf.names.as_deref().unwrap_or_default();
    if names.iter().any(|name| matches!(name, Name::OtherKind)) {
        return Err(IdentityError::NameType);
    }
    let [Name::Dns(text)] = names else {
        return Err(IdentityError::NameCount(names.len()));
    };
    let name: NodeName = text.parse().map_err(IdentityError::NameSyntax)?;
    if name.issued_by != *issuer {
        return Err(IdentityError::NameOutside);
    }
    leaf.check_subject(text)?;
    Ok(name)
}

#[cfg(test)]
mod tests;
