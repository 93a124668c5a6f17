//! Invitations: one string by which one node of one place may join once.
//!
//! `fq1.<sha256 of the root's key>.<place>.<id>.<secret>` (PROTOCOL.md 27).
//! The joiner learns from it whom to believe before the secret leaves: the
//! root by its fingerprint, and the inviting node by the id, which is not
//! drawn but computed over that node's id and the secret. So another node of
//! the same deployment, however well certified, cannot collect secrets. The
//! inviter keeps a digest of the secret only. The book is a value: the caller
//! stores its entries and asks again after a restart.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use fengqiao_hub::id::{IdError, base32};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use super::keys::{Fingerprint, HexError};
use super::name::{InvitationId, NodeId, PlaceId, read_base32};
use super::random::{Random, RandomUnavailable};

/// How long an invitation holds where nobody says otherwise.
pub(crate) const INVITATION_HOURS: i64 = 24;
/// The most invitations a book keeps, used ones included.
pub(crate) const INVITATIONS_MAX: usize = 10_000;

const PREFIX: &str = "fq1";
const ID_DOMAIN: &[u8] = b"fengqiao/v1/invitation/id";
const STORED_DOMAIN: &[u8] = b"fengqiao/v1/invitation/stored";

/// Which part of an invitation cannot be read. Never repeats the text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvitationError {
    /// Does not begin with `fq1.`
    #[error("an invitation begins with {PREFIX}.")]
    Prefix,
    /// Not five parts.
    #[error("an invitation has five parts, not {0}")]
    Parts(usize),
    /// The second part.
    #[error("the fingerprint of the root (part 2)")]
    Root(#[source] HexError),
    /// The third part.
    #[error("the place (part 3)")]
    Place(#[source] IdError),
    /// The fourth part.
    #[error("the id (part 4)")]
    Id(#[source] IdError),
    /// The fifth part.
    #[error("the secret (part 5)")]
    Secret(#[source] IdError),
}

/// The 128 secret bits; wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<[u8; 16]>);

impl Secret {
    /// Takes the bytes as they came over the wire.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, to be sent to the inviter and to nobody else.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    fn stored(&self, id: &InvitationId) -> Fingerprint {
        let digest = Sha256::new()
            .chain_update(STORED_DOMAIN)
            .chain_update(id.as_bytes())
            .chain_update(self.0.as_ref())
            .finalize();
        Fingerprint::from_bytes(digest.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

/// An invitation with its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// SHA-256 of the root's SubjectPublicKeyInfo.
    pub root: Fingerprint,
    /// The place whose node may join.
    pub place: PlaceId,
    /// Which invitation.
    pub id: InvitationId,
    /// What proves that one was invited.
    pub secret: Secret,
}

impl Invitation {
    /// Draws a new invitation of `inviter`.
    ///
    /// # Errors
    ///
    /// [`RandomUnavailable`] if the source cannot answer.
    pub fn mint(
        root: Fingerprint,
        place: PlaceId,
        inviter: NodeId,
        random: &mut dyn Random,
    ) -> Result<Self, RandomUnavailable> {
        let mut bytes = Zeroizing::new([0; 16]);
        random.fill(bytes.as_mut())?;
        let secret = Secret(bytes);
        let id = commit(&root, place, inviter, &secret);
        Ok(Self {
            root,
            place,
            id,
            secret,
        })
    }

    /// Whether `node` is the one that issued this invitation.
    pub fn is_from(&self, node: NodeId) -> bool {
        commit(&self.root, self.place, node, &self.secret) == self.id
    }

    /// The string to hand over; wiped when dropped.
    pub fn to_token(&self) -> Zeroizing<String> {
        let secret = Zeroizing::new(base32(self.secret.as_bytes()));
        Zeroizing::new(format!(
            "{PREFIX}.{}.{}.{}.{}",
            self.root,
            self.place,
            self.id,
            secret.as_str()
        ))
    }
}

fn commit(root: &Fingerprint, place: PlaceId, inviter: NodeId, secret: &Secret) -> InvitationId {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(ID_DOMAIN)
        .chain_update(root.as_bytes())
        .chain_update(place.as_bytes())
        .chain_update(inviter.as_bytes())
        .chain_update(secret.as_bytes())
        .finalize()
        .into();
    let mut id = [0; 10];
    id.copy_from_slice(&digest[..10]);
    InvitationId::from_bytes(id)
}

impl FromStr for Invitation {
    type Err = InvitationError;

    /// Reads a token; space around it is forgiven, nothing else.
    fn from_str(text: &str) -> Result<Self, InvitationError> {
        let parts: Vec<&str> = text.trim().split('.').collect();
        if parts.first() != Some(&PREFIX) {
            return Err(InvitationError::Prefix);
        }
        let [_, root, place, id, secret] = parts[..] else {
            return Err(InvitationError::Parts(parts.len()));
        };
        Ok(Self {
            root: root.parse().map_err(InvitationError::Root)?,
            place: place.parse().map_err(InvitationError::Place)?,
            id: id.parse().map_err(InvitationError::Id)?,
            secret: Secret(Zeroizing::new(
                read_base32(secret).map_err(InvitationError::Secret)?,
            )),
        })
    }
}

/// Where an invitation stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvitationState {
    /// May be used.
    Open,
    /// Was used by one request.
    Used {
        /// Unix seconds.
        at_seconds: i64,
        /// The node that joined.
        node: NodeId,
        /// SHA-256 of the request, by which its repeat is known.
        request: Fingerprint,
    },
    /// Was withdrawn.
    Revoked {
        /// Unix seconds.
        at_seconds: i64,
    },
}

/// One invitation as the inviter keeps it: without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvitationEntry {
    /// The place whose node may join.
    pub place: PlaceId,
    /// Digest of id and secret.
    pub stored: Fingerprint,
    /// Levels of authorities the place may have below its own; `None` if it
    /// enrols nobody.
    pub authority_levels: Option<u8>,
    /// Unix seconds; at this instant it is over.
    pub expires_at_seconds: i64,
    /// Where it stands.
    pub state: InvitationState,
}

impl InvitationEntry {
    /// The entry of a new invitation that holds for `hours` from now.
    pub fn new(
        invitation: &Invitation,
        authority_levels: Option<u8>,
        hours: i64,
        now: Timestamp,
    ) -> Self {
        let expires_at = now
            .saturating_add(SignedDuration::from_hours(hours))
            .unwrap_or(Timestamp::MAX);
        Self {
            place: invitation.place,
            stored: invitation.secret.stored(&invitation.id),
            authority_levels,
            expires_at_seconds: expires_at.as_second(),
            state: InvitationState::Open,
        }
    }
}

/// What a joiner shows of its invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Which invitation.
    pub id: InvitationId,
    /// The place it wants to join for.
    pub place: PlaceId,
    /// The secret.
    pub secret: Secret,
}

/// Why an invitation is not honoured. Only who has the secret learns more than
/// [`RedeemError::Unknown`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RedeemError {
    /// No such invitation, or another secret.
    #[error("no such invitation")]
    Unknown,
    /// Past its time.
    #[error("the invitation has expired")]
    Expired,
    /// Used by another request.
    #[error("the invitation was used")]
    Used,
    /// Withdrawn.
    #[error("the invitation was withdrawn")]
    Revoked,
    /// For another place.
    #[error("the invitation is for another place")]
    WrongPlace,
}

/// The book is full or holds that id already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BookError {
    /// [`INVITATIONS_MAX`] reached; forget some that are over.
    #[error("the book holds {INVITATIONS_MAX} invitations")]
    Full,
    /// The id stands in the book.
    #[error("the invitation stands in the book")]
    Present,
    /// No such open invitation.
    #[error("no such open invitation")]
    Unknown,
}

/// What a claim opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The first use.
    First {
        /// As [`InvitationEntry::authority_levels`].
        authority_levels: Option<u8>,
    },
    /// The very request that used it, again: its answer was lost on the way.
    Again {
        /// The node that joined.
        node: NodeId,
        /// As [`InvitationEntry::authority_levels`].
        authority_levels: Option<u8>,
    },
}

/// The invitations of one node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InvitationBook {
    entries: BTreeMap<InvitationId, InvitationEntry>,
}

impl InvitationBook {
    /// Notes an invitation.
    ///
    /// # Errors
    ///
    /// `BookError::Full`, `BookError::Present`.
    pub fn add(&mut self, id: InvitationId, entry: InvitationEntry) -> Result<(), BookError> {
        if self.entries.contains_key(&id) {
            return Err(BookError::Present);
        }
        if self.entries.len() >= INVITATIONS_MAX {
            return Err(BookError::Full);
        }
        self.entries.insert(id, entry);
        Ok(())
    }

    /// Every invitation, by id.
    pub fn entries(&self) -> impl Iterator<Item = (&InvitationId, &InvitationEntry)> {
        self.entries.iter()
    }

    /// Says what a claim opens, and changes nothing. `request` is the digest of
    /// the request it came with.
    ///
    /// # Errors
    ///
    /// A `RedeemError`; all but `RedeemError::Unknown` to the holder of the
    /// secret alone.
    pub fn check(
        &self,
        claim: &Claim,
        request: &Fingerprint,
        now: Timestamp,
    ) -> Result<Standing, RedeemError> {
        let entry = self.entries.get(&claim.id).ok_or(RedeemError::Unknown)?;
        let shown = claim.secret.stored(&claim.id);
        if !bool::from(shown.as_bytes().ct_eq(entry.stored.as_bytes())) {
            return Err(RedeemError::Unknown);
        }
        if entry.place != claim.place {
            return Err(RedeemError::WrongPlace);
        }
        let authority_levels = entry.authority_levels;
        let standing = match &entry.state {
            InvitationState::Revoked { .. } => return Err(RedeemError::Revoked),
            InvitationState::Used {
                node,
                request: used_by,
                ..
            } if used_by == request => Standing::Again {
                node: *node,
                authority_levels,
            },
            InvitationState::Used { .. } => return Err(RedeemError::Used),
            InvitationState::Open => Standing::First { authority_levels },
        };
        // Whoever has used it in time may hear the answer again later: it has the keys, and the place is taken by it.
        let is_late = now.as_second() >= entry.expires_at_seconds;
        if is_late && matches!(standing, Standing::First { .. }) {
            return Err(RedeemError::Expired);
        }
        Ok(standing)
    }

    /// Uses an invitation for `node`. A repeat of the same request changes
    /// nothing and answers as before.
    ///
    /// # Errors
    ///
    /// As [`InvitationBook::check`].
    pub fn redeem(
        &mut self,
        claim: &Claim,
        request: &Fingerprint,
        node: NodeId,
        now: Timestamp,
    ) -> Result<Standing, RedeemError> {
        let standing = self.check(claim, request, now)?;
        if let (Standing::First { .. }, Some(entry)) = (standing, self.entries.get_mut(&claim.id)) {
            entry.state = InvitationState::Used {
                at_seconds: now.as_second(),
                node,
                request: *request,
            };
        }
        Ok(standing)
    }

    /// Withdraws an open invitation.
    ///
    /// # Errors
    ///
    /// `BookError::Unknown` where it is not open.
    pub fn revoke(&mut self, id: &InvitationId, now: Timestamp) -> Result<(), BookError> {
        match self.entries.get_mut(id) {
            Some(entry) if entry.state == InvitationState::Open => {
                entry.state = InvitationState::Revoked {
                    at_seconds: now.as_second(),
                };
                Ok(())
            }
            _ => Err(BookError::Unknown),
        }
    }

    /// Drops what expired before `instant`; returns how many.
    pub fn forget_before(&mut self, instant: Timestamp) -> usize {
        let before = self.entries.len();
        self.entries
            .retain(|_, entry| entry.expires_at_seconds >= instant.as_second());
        before - self.entries.len()
    }
}

#[cfg(test)]
mod tests;
