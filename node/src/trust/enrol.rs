//! Joining and renewing, as pure functions over values.
//!
//! A joiner makes its keys itself and sends only public halves, each with a
//! proof of possession bound to this invitation and to the other keys. The
//! inviter checks everything before it uses the invitation, so a broken
//! request costs nobody theirs; what is returned must be stored (book and
//! registration in one record) before the answer leaves. A repeat of the same
//! request, whose answer was lost, gets the same node and a fresh certificate.
//! Nothing here sends, stores or limits rates.

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::authority::{Authority, AuthorityError, Chain, requested_key, signing_request};
use super::identity::{IdentityError, PeerIdentity, prove, prove_authority};
use super::invitation::{Claim, Invitation, InvitationBook, RedeemError, Secret, Standing};
use super::keys::{
    AuthorityKey, EncryptionPublicKey, Fingerprint, KeyError, PublicKey, SigningKey, TransportKey,
};
use super::name::{InvitationId, NodeId, PlaceId};
use super::random::{Random, RandomUnavailable, draw};

const JOIN_DOMAIN: &[u8] = b"fengqiao/v1/enrol/join";
const RENEW_DOMAIN: &[u8] = b"fengqiao/v1/enrol/renew";
const REQUEST_DOMAIN: &[u8] = b"fengqiao/v1/enrol/request";

/// What a new node sends its inviter, once, over a connection whose other end
/// it has proven by the invitation. May come twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JoinRequest {
    /// Which invitation.
    pub invitation: InvitationId,
    /// The place the node is for.
    pub place: PlaceId,
    /// The invitation's secret.
    pub secret: Secret,
    /// Signing request (DER) for the transport key.
    pub transport_request: Vec<u8>,
    /// Signing request (DER) for an authority of its own, if it enrols others.
    pub authority_request: Option<Vec<u8>>,
    /// The key that will sign entries.
    pub signing_key: [u8; 32],
    /// The key things are sealed to.
    pub encryption_key: [u8; 32],
    /// By the signing key, over all of the above but the secret.
    pub signing_proof: [u8; 64],
}

/// What a node sends, over a connection it opened with the certificate that is
/// to be renewed. May come twice: the second answer carries another serial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RenewRequest {
    /// Signing request (DER) for the transport key, the same or a new one.
    pub transport_request: Vec<u8>,
    /// Signing request (DER) for its authority, where that is to be renewed.
    pub authority_request: Option<Vec<u8>>,
    /// By the transport key in the present certificate.
    pub transport_proof: [u8; 64],
    /// By the signing key: a stolen transport key alone renews nothing.
    pub signing_proof: [u8; 64],
}

/// What the issuer answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Issued {
    /// The node's certificate up to the root.
    pub node: Chain,
    /// Its authority's, where one was asked for.
    pub authority: Option<Chain>,
}

/// What the registry is to hold of a node that joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registration {
    /// The node.
    pub node: NodeId,
    /// The place it is for.
    pub place: PlaceId,
    /// Its pinned transport key.
    pub transport_key: Fingerprint,
    /// The key its entries are judged by.
    pub signing_key: PublicKey,
    /// The key things are sealed to.
    pub encryption_key: EncryptionPublicKey,
    /// The key of its authority, where it has one.
    pub authority_key: Option<Fingerprint>,
    /// Levels of authorities it may have below; `None` if it enrols nobody.
    pub authority_levels: Option<u8>,
}

/// A join that was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Joined {
    /// To be sent.
    pub issued: Issued,
    /// To be stored first.
    pub registration: Registration,
    /// Whether this is the repeat of a request granted before.
    pub repeated: bool,
}

/// Why a join or a renewal is refused; nothing was changed.
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    /// The invitation is not honoured.
    #[error("the invitation is not honoured")]
    Invitation(#[source] RedeemError),
    /// A signing request that is none, or does not prove its key.
    #[error("the signing request")]
    Request(#[source] AuthorityError),
    /// The signing key or its proof.
    #[error("the signing key or its proof")]
    SigningProof(#[source] KeyError),
    /// The proof by the present transport key.
    #[error("the proof by the present transport key")]
    TransportProof(#[source] KeyError),
    /// The encryption key.
    #[error("the encryption key")]
    EncryptionKey(#[source] KeyError),
    /// The same key for two purposes.
    #[error("one key is offered for two purposes")]
    KeyTwice,
    /// An authority was asked for that was not granted.
    #[error("no authority was granted to this place")]
    AuthorityNotGranted,
    /// A node of another deployment.
    #[error("the node is of another deployment")]
    OtherDeployment,
    /// The issuer cannot issue: its own certificate ended, or no level is left.
    #[error("the issuer cannot issue")]
    Issuer(#[source] AuthorityError),
    /// No randomness; ask again.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
}

/// The keys a node brings when it joins.
#[derive(Debug)]
pub(crate) struct NewKeys<'a> {
    /// For its certificate.
    pub transport: &'a TransportKey,
    /// For its entries.
    pub signing: &'a SigningKey,
    /// For what is sealed to it.
    pub encryption: &'a EncryptionPublicKey,
    /// For its authority, if it enrols others.
    pub authority: Option<&'a AuthorityKey>,
}

impl JoinRequest {
    /// Composes the request of a node that was invited. Holds the secret: to be
    /// sent only where [`super::tls::FirstContact`] has proven the other end.
    ///
    /// # Errors
    ///
    /// [`AuthorityError::Encode`].
    pub(crate) fn compose(
        invitation: &Invitation,
        keys: &NewKeys<'_>,
    ) -> Result<Self, AuthorityError> {
        let mut request = Self {
            invitation: invitation.id,
            place: invitation.place,
            secret: invitation.secret.clone(),
            transport_request: signing_request(keys.transport)?,
            authority_request: keys.authority.map(signing_request).transpose()?,
            signing_key: *keys.signing.public().as_bytes(),
            encryption_key: *keys.encryption.as_bytes(),
            signing_proof: [0; 64],
        };
        request.signing_proof = keys.signing.sign(&request.proven(&invitation.root));
        Ok(request)
    }

    /// What the signing key signs.
    fn proven(&self, root: &Fingerprint) -> Vec<u8> {
        let mut bytes = JOIN_DOMAIN.to_vec();
        bytes.extend_from_slice(root.as_bytes());
        bytes.extend_from_slice(self.invitation.as_bytes());
        bytes.extend_from_slice(self.place.as_bytes());
        bytes.extend_from_slice(&digest(&self.transport_request));
        bytes.extend_from_slice(&optional_digest(self.authority_request.as_deref()));
        bytes.extend_from_slice(&self.signing_key);
        bytes.extend_from_slice(&self.encryption_key);
        bytes
    }

    /// By what a repeat is known: all keys, not the encoding of the proof.
    fn digest(&self, root: &Fingerprint) -> Fingerprint {
        let digest = Sha256::new()
            .chain_update(REQUEST_DOMAIN)
            .chain_update(self.proven(root))
            .finalize();
        Fingerprint::from_bytes(digest.into())
    }

    fn claim(&self) -> Claim {
        Claim {
            id: self.invitation,
            place: self.place,
            secret: self.secret.clone(),
        }
    }
}

/// Judges a join, issues, and marks the invitation used.
///
/// The node's id is drawn here, unless this is the repeat of a request.
///
/// # Errors
///
/// A [`Refusal`]; the book is then as it was.
pub(crate) fn join(
    authority: &Authority,
    root: &Fingerprint,
    book: &mut InvitationBook,
    request: &JoinRequest,
    now: Timestamp,
    random: &mut dyn Random,
) -> Result<Joined, Refusal> {
    let digest = request.digest(root);
    let claim = request.claim();
    let standing = book
        .check(&claim, &digest, now)
        .map_err(Refusal::Invitation)?;
    let (node, authority_levels, repeated) = match standing {
        Standing::First { authority_levels } => (NodeId(draw(random)?), authority_levels, false),
        Standing::Again {
            node,
            authority_levels,
        } => (node, authority_levels, true),
    };
    let signing_key = PublicKey::from_bytes(&request.signing_key).map_err(Refusal::SigningProof)?;
    signing_key
        .verify(&request.proven(root), &request.signing_proof)
        .map_err(Refusal::SigningProof)?;
    let encryption_key =
        EncryptionPublicKey::from_bytes(&request.encryption_key).map_err(Refusal::EncryptionKey)?;
    let wanted = Wanted {
        node,
        place: request.place,
        transport_request: &request.transport_request,
        authority_request: request.authority_request.as_deref(),
        authority_levels,
        signing_key,
    };
    let (issued, transport_key, authority_key) = wanted.issue(authority, now, random)?;
    book.redeem(&claim, &digest, node, now)
        .map_err(Refusal::Invitation)?;
    Ok(Joined {
        issued,
        registration: Registration {
            node,
            place: request.place,
            transport_key,
            signing_key,
            encryption_key,
            authority_key,
            authority_levels,
        },
        repeated,
    })
}

impl RenewRequest {
    /// Composes a renewal: `present` is the key in the certificate that is to be
    /// renewed, `next` the key of the new one (may be the same).
    ///
    /// # Errors
    ///
    /// [`AuthorityError::Encode`].
    pub(crate) fn compose(
        peer: &PeerIdentity,
        present: &TransportKey,
        next: &TransportKey,
        signing: &SigningKey,
        authority: Option<&AuthorityKey>,
    ) -> Result<Self, AuthorityError> {
        let mut request = Self {
            transport_request: signing_request(next)?,
            authority_request: authority.map(signing_request).transpose()?,
            transport_proof: [0; 64],
            signing_proof: [0; 64],
        };
        let proven = request.proven(peer);
        request.transport_proof = present.sign(&proven);
        request.signing_proof = signing.sign(&proven);
        Ok(request)
    }

    /// Bound to the certificate by its serial, so that an old request cannot
    /// be played against a newer certificate.
    fn proven(&self, peer: &PeerIdentity) -> Vec<u8> {
        let mut bytes = RENEW_DOMAIN.to_vec();
        bytes.extend_from_slice(peer.name.issued_by.deployment.as_bytes());
        bytes.extend_from_slice(peer.node().as_bytes());
        bytes.extend_from_slice(&digest(&peer.serial));
        bytes.extend_from_slice(&digest(&self.transport_request));
        bytes.extend_from_slice(&optional_digest(self.authority_request.as_deref()));
        bytes
    }
}

/// What the registry holds of a node that renews.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Registered {
    /// The place it is for.
    pub place: PlaceId,
    /// The key its entries are judged by.
    pub signing_key: PublicKey,
    /// As [`Registration::authority_levels`].
    pub authority_levels: Option<u8>,
}

/// A renewal that was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Renewed {
    /// To be sent.
    pub issued: Issued,
    /// To be pinned before that; where it is new, the one before stays for an
    /// overlap ([`super::identity::Pinned::previous`]).
    pub transport_key: Fingerprint,
    /// To be noted, where an authority was renewed.
    pub authority_key: Option<Fingerprint>,
}

/// Judges a renewal of the node at the other end of a connection, as
/// [`super::identity::identify_for_renewal`] found it: registered, not revoked,
/// not too late.
///
/// # Errors
///
/// A [`Refusal`].
pub(crate) fn renew(
    authority: &Authority,
    peer: &PeerIdentity,
    registered: &Registered,
    request: &RenewRequest,
    now: Timestamp,
    random: &mut dyn Random,
) -> Result<Renewed, Refusal> {
    if peer.name.issued_by.deployment != authority.path().deployment {
        return Err(Refusal::OtherDeployment);
    }
    let proven = request.proven(peer);
    peer.transport_key
        .verify(&proven, &request.transport_proof)
        .map_err(Refusal::TransportProof)?;
    registered
        .signing_key
        .verify(&proven, &request.signing_proof)
        .map_err(Refusal::SigningProof)?;
    let wanted = Wanted {
        node: peer.node(),
        place: registered.place,
        transport_request: &request.transport_request,
        authority_request: request.authority_request.as_deref(),
        authority_levels: registered.authority_levels,
        signing_key: registered.signing_key,
    };
    let (issued, transport_key, authority_key) = wanted.issue(authority, now, random)?;
    Ok(Renewed {
        issued,
        transport_key,
        authority_key,
    })
}

impl Issued {
    /// What a node checks before it replaces its certificate: that the answer
    /// proves it, by this key, under this root.
    ///
    /// # Errors
    ///
    /// An [`IdentityError`]; [`IdentityError::OtherNode`] for another key.
    pub(crate) fn check(
        &self,
        transport: &PublicKey,
        authority: Option<&PublicKey>,
        root: &Fingerprint,
        now: Timestamp,
    ) -> Result<PeerIdentity, IdentityError> {
        let own = prove(self.node.certificates(), root, now)?.identity;
        if own.transport_key != *transport {
            return Err(IdentityError::OtherNode);
        }
        match (&self.authority, authority) {
            (None, None) => Ok(own),
            (Some(chain), Some(key)) => {
                let proof = prove_authority(chain.certificates(), root, now)?;
                if proof.key == *key {
                    Ok(own)
                } else {
                    Err(IdentityError::OtherNode)
                }
            }
            (None, Some(_)) | (Some(_), None) => Err(IdentityError::NotAuthority(0)),
        }
    }
}

/// Everything that decides what is issued.
struct Wanted<'a> {
    node: NodeId,
    place: PlaceId,
    transport_request: &'a [u8],
    authority_request: Option<&'a [u8]>,
    authority_levels: Option<u8>,
    signing_key: PublicKey,
}

impl Wanted<'_> {
    fn issue(
        &self,
        authority: &Authority,
        now: Timestamp,
        random: &mut dyn Random,
    ) -> Result<(Issued, Fingerprint, Option<Fingerprint>), Refusal> {
        let transport_key = requested_key(self.transport_request).map_err(Refusal::Request)?;
        let authority_key = self
            .authority_request
            .map(requested_key)
            .transpose()
            .map_err(Refusal::Request)?;
        let twice = transport_key == self.signing_key
            || authority_key.is_some_and(|key| key == transport_key || key == self.signing_key);
        if twice {
            return Err(Refusal::KeyTwice);
        }
        let node = authority
            .issue_leaf(self.node, self.transport_request, now, random)
            .map_err(Refusal::Issuer)?;
        let own_authority = match (self.authority_request, self.authority_levels) {
            (None, _) => None,
            (Some(_), None) => return Err(Refusal::AuthorityNotGranted),
            (Some(request), Some(levels)) => Some(
                authority
                    .issue_authority(self.place, request, levels, now, random)
                    .map_err(Refusal::Issuer)?,
            ),
        };
        let issued = Issued {
            node,
            authority: own_authority,
        };
        let authority_key = authority_key.map(|key| key.fingerprint());
        Ok((issued, transport_key.fingerprint(), authority_key))
    }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Zeros where there is nothing: no request has that digest.
fn optional_digest(bytes: Option<&[u8]>) -> [u8; 32] {
    bytes.map_or([0; 32], digest)
}

#[cfg(test)]
mod tests;
