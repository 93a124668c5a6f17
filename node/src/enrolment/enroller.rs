//! The judge of joins and renewals at a centre that enrols.
//!
//! Takes what stands and gives what is to stand; stores and sends nothing. What
//! it returns goes into one journal record before anything is answered, so a
//! crash either leaves the invitation open or lets the repeat be answered.

use std::collections::BTreeMap;

use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::{NodeId, PlaceId, UnitId};
use fengqiao_hub::jurisdiction::NodeRecord;
use fengqiao_proto::v1 as pb;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{EnrolRefusal, moment, timestamp};
use crate::folder::{Folder, FolderError, Root};
use crate::trust::authority::{Chain, requested_key};
use crate::trust::enrol::{self, JoinRequest, Registered, Registration, RenewRequest};
use crate::trust::identity::{judged_at, prove_authority};
use crate::trust::invitation::{INVITATION_HOURS, InvitationEntry, InvitationState, Secret};
use crate::trust::keys::PublicKey;
use crate::trust::{
    Authority, Code, Invitation, InvitationBook, InvitationId, PeerIdentity, Random,
};

/// The longest an invitation may hold.
pub(super) const INVITATION_HOURS_MAX: u32 = 720;

/// Issues certificates for a centre. Pure but for randomness; the engine stores
/// what it returns in one record before anything is answered.
pub trait Enroller: Send {
    /// A new invitation for a place directly below this centre's, or for a unit
    /// of it. `authority_levels`: whether its node may enrol others, and how
    /// many levels at most below it; cut down to what this centre can give. 0
    /// hours are 24. `succeeds`: the node whose place the joiner takes over; it
    /// is honoured only as long as that one serves.
    ///
    /// # Errors
    /// [`EnrolRefusal::LEVELS`], [`EnrolRefusal::HOURS`], or no randomness.
    fn mint(
        &mut self,
        place: PlaceId,
        unit: Option<UnitId>,
        authority_levels: Option<u8>,
        hours: u32,
        succeeds: Option<NodeId>,
        now: Moment,
    ) -> Result<Minted, EnrolRefusal>;

    /// Judges a join against the invitations as they stand (id -> stored form).
    ///
    /// # Errors
    /// An [`EnrolRefusal`]; nothing is to be stored then.
    fn join(
        &mut self,
        book: &BTreeMap<String, String>,
        request: &pb::JoinRequest,
        now: Moment,
    ) -> Result<Enrolled, EnrolRefusal>;

    /// Judges a renewal of the node at the other end of a connection, which the
    /// enrol port has identified. The registered transport key stays, so there
    /// is nothing to store.
    ///
    /// # Errors
    /// An [`EnrolRefusal`].
    fn renew(
        &mut self,
        peer: &PeerIdentity,
        registered: &NodeRecord,
        request: &pb::RenewRequest,
        now: Moment,
    ) -> Result<pb::RenewResponse, EnrolRefusal>;
}

/// A new invitation.
pub struct Minted {
    /// Its id.
    pub id: String,
    /// To be stored: JSON, with a digest of the secret only.
    pub stored: String,
    /// To be shown once and kept nowhere.
    pub token: Zeroizing<String>,
    /// When it ends.
    pub expires: Moment,
}

impl std::fmt::Debug for Minted {
    /// Without the token, which is a secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Minted")
            .field("id", &self.id)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// A join that was granted.
#[derive(Debug, Clone, PartialEq)]
pub struct Enrolled {
    /// Invitation id, and its stored form now.
    pub invitation: (String, String),
    /// The node it may take over from; `None` where none may serve yet.
    pub succeeds: Option<NodeId>,
    /// To be written into the registry, unless this is a repeat; incarnation 1,
    /// generation 1.
    pub registration: pb::NodeEnrolled,
    /// The node's certificate up to the root, PEM.
    pub certificate_chain: String,
    /// Its authority's, PEM; empty when none was asked for.
    pub authority_chain: String,
    /// Root certificate, PEM.
    pub root: String,
    /// Whether the same request was granted before: the registry holds it.
    pub repeated: bool,
}

/// Where the answering centre is found, as the joiner is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParentAddress {
    /// Its node.
    pub node: NodeId,
    /// Its name in certificates.
    pub name: String,
    /// `host:port` of its link port, or empty.
    pub link_address: String,
}

impl Enrolled {
    /// The answer to the joiner, once everything is stored. `registry` holds
    /// the chains from the first place down to the parent's, in order, the
    /// registration included.
    pub fn response(
        &self,
        deployment: fengqiao_hub::id::DeploymentId,
        parent: &ParentAddress,
        registry: Vec<pb::SignedEntry>,
    ) -> pb::JoinResponse {
        let id = fengqiao_hub::id::base32;
        pb::JoinResponse {
            node: id(&self.registration.node),
            deployment: deployment.to_string(),
            certificate_chain: self.certificate_chain.clone(),
            authority_chain: self.authority_chain.clone(),
            root: self.root.clone(),
            registry,
            incarnation: self.registration.incarnation,
            generation: self.registration.generation,
            unit: id(&self.registration.unit),
            parent_node: parent.node.to_string(),
            parent_name: parent.name.clone(),
            link_address: parent.link_address.clone(),
            place: id(&self.registration.place),
        }
    }
}

/// An invitation as the engine stores it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    entry: InvitationEntry,
    unit: Option<UnitId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    succeeds: Option<NodeId>,
}

impl Stored {
    fn to_json(&self) -> Result<String, EnrolRefusal> {
        serde_json::to_string(self).map_err(|_| EnrolRefusal::STORED)
    }
}

/// The enroller of a centre with an authority of its own.
pub struct Issuer {
    authority: Authority,
    root: Root,
    node: NodeId,
    place: PlaceId,
    random: Box<dyn Random + Send>,
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Issuer")
            .field("node", &self.node)
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

impl Issuer {
    /// The enroller of a data folder; `None` where it has no authority. To be
    /// made anew after its authority was renewed.
    ///
    /// # Errors
    /// As [`Folder::authority`].
    pub fn of_folder(
        folder: &Folder,
        random: Box<dyn Random + Send>,
    ) -> Result<Option<Self>, FolderError> {
        Ok(folder.authority()?.map(|authority| Self {
            authority,
            root: folder.root.clone(),
            node: folder.identity.node,
            place: folder.identity.place,
            random,
        }))
    }

    /// The present chain of an authority that is to be renewed says how many
    /// levels it was granted; it must be the very authority of that place.
    fn levels_granted(
        &self,
        place: PlaceId,
        request: &pb::RenewRequest,
        now: Moment,
    ) -> Result<Option<u8>, EnrolRefusal> {
        if request.authority_request.is_empty() {
            return Ok(None);
        }
        let refused = |_| EnrolRefusal::from(Code::AuthorityNotGranted);
        let chain = Chain::from_pem(&request.authority_chain)
            .map_err(|_| EnrolRefusal::from(Code::RequestMalformed))?;
        let root = self.root.fingerprint();
        // As the node's own certificate: out of its time it proves what it was granted all the same.
        let judged_at = judged_at(chain.certificates(), timestamp(now)).map_err(refused)?;
        let proof = prove_authority(chain.certificates(), &root, judged_at).map_err(refused)?;
        let key = requested_key(&request.authority_request)
            .map_err(|_| EnrolRefusal::from(Code::RequestMalformed))?;
        if proof.key != key || proof.path.authorities.first() != Some(&place) {
            return Err(Code::AuthorityNotGranted.into());
        }
        Ok(Some(proof.levels_below))
    }
}

impl Enroller for Issuer {
    fn mint(
        &mut self,
        place: PlaceId,
        unit: Option<UnitId>,
        authority_levels: Option<u8>,
        hours: u32,
        succeeds: Option<NodeId>,
        now: Moment,
    ) -> Result<Minted, EnrolRefusal> {
        let hours = match hours {
            0 => INVITATION_HOURS,
            1..=INVITATION_HOURS_MAX => i64::from(hours),
            _ => return Err(EnrolRefusal::HOURS),
        };
        let left = self.authority.levels_below();
        let authority_levels = match authority_levels.filter(|_| unit.is_none()) {
            Some(_) if left == 0 => return Err(EnrolRefusal::LEVELS),
            Some(levels) => Some(levels.min(left - 1)),
            None => None,
        };
        let root = self.root.fingerprint();
        let invitation = Invitation::mint(root, place, self.node, self.random.as_mut())
            .map_err(|_| EnrolRefusal::from(Code::TryAgain))?;
        let entry = InvitationEntry::new(&invitation, authority_levels, hours, timestamp(now));
        let expires = moment(entry.expires_at_seconds);
        Ok(Minted {
            id: invitation.id.to_string(),
            stored: Stored {
                entry,
                unit,
                succeeds,
            }
            .to_json()?,
            token: invitation.to_token(),
            expires,
        })
    }

    fn join(
        &mut self,
        book: &BTreeMap<String, String>,
        request: &pb::JoinRequest,
        now: Moment,
    ) -> Result<Enrolled, EnrolRefusal> {
        let asked = join_request(request)?;
        let id = asked.invitation;
        let stored = book
            .get(&id.to_string())
            .ok_or(EnrolRefusal::from(Code::TokenUnknown))?;
        let Stored {
            entry,
            unit,
            succeeds,
        } = serde_json::from_str(stored).map_err(|_| EnrolRefusal::STORED)?;
        let mut one = InvitationBook::default();
        one.add(id, entry).map_err(|_| EnrolRefusal::STORED)?;
        let joined = enrol::join(
            &self.authority,
            &self.root.fingerprint(),
            &mut one,
            &asked,
            timestamp(now),
            self.random.as_mut(),
        )
        .map_err(|refusal| EnrolRefusal::from(refusal.code()))?;
        let (_, entry) = one.entries().next().ok_or(EnrolRefusal::STORED)?;
        let entry = entry.clone();
        let authority = joined.issued.authority.as_ref();
        Ok(Enrolled {
            succeeds,
            invitation: (
                id.to_string(),
                Stored {
                    entry,
                    unit,
                    succeeds,
                }
                .to_json()?,
            ),
            registration: registration(&joined.registration, unit),
            certificate_chain: joined.issued.node.to_pem(),
            authority_chain: authority.map(Chain::to_pem).unwrap_or_default(),
            root: self.root.chain().to_pem(),
            repeated: joined.repeated,
        })
    }

    fn renew(
        &mut self,
        peer: &PeerIdentity,
        registered: &NodeRecord,
        request: &pb::RenewRequest,
        now: Moment,
    ) -> Result<pb::RenewResponse, EnrolRefusal> {
        if registered.id != peer.node() || registered.pinned_at.0 != self.place {
            return Err(EnrolRefusal::NOT_ENROLLED_HERE);
        }
        if registered.revoked.is_some() {
            return Err(Code::CertificateRevoked.into());
        }
        let malformed = || EnrolRefusal::from(Code::RequestMalformed);
        let key = requested_key(&request.certificate_request).map_err(|_| malformed())?;
        if *key.fingerprint().as_bytes() != registered.transport_key_hash.0 {
            return Err(EnrolRefusal::OTHER_KEY);
        }
        let authority_levels = self.levels_granted(registered.place, request, now)?;
        let asked = RenewRequest {
            transport_request: request.certificate_request.clone(),
            authority_request: some(&request.authority_request),
            transport_proof: fixed(&request.transport_proof).ok_or_else(malformed)?,
            signing_proof: fixed(&request.signing_proof).ok_or_else(malformed)?,
        };
        let known = Registered {
            place: registered.place,
            signing_key: PublicKey::from_bytes(registered.signing_key.as_bytes())
                .map_err(|_| EnrolRefusal::from(Code::KeyProof))?,
            authority_levels,
        };
        let renewed = enrol::renew(
            &self.authority,
            peer,
            &known,
            &asked,
            timestamp(now),
            self.random.as_mut(),
        )
        .map_err(|refusal| EnrolRefusal::from(refusal.code()))?;
        let authority = renewed.issued.authority.as_ref();
        Ok(pb::RenewResponse {
            certificate_chain: renewed.issued.node.to_pem(),
            authority_chain: authority.map(Chain::to_pem).unwrap_or_default(),
        })
    }
}

/// An invitation as its inviter's administrators see it: nothing of its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitationView {
    /// The place whose node may join.
    pub place: PlaceId,
    /// The unit, where it is for a department's node.
    pub unit: Option<UnitId>,
    /// The node whose place the joiner takes over.
    pub succeeds: Option<NodeId>,
    /// When it ends.
    pub expires: Moment,
    /// Used, withdrawn, or neither.
    pub state: InvitationState,
}

/// What an invitation in its stored form says; `None` where it cannot be read.
#[must_use]
pub fn invitation_view(stored: &str) -> Option<InvitationView> {
    let stored: Stored = serde_json::from_str(stored).ok()?;
    Some(InvitationView {
        place: stored.entry.place,
        unit: stored.unit,
        succeeds: stored.succeeds,
        expires: moment(stored.entry.expires_at_seconds),
        state: stored.entry.state,
    })
}

/// The stored form of an invitation that is good no more; `None` where it was used or withdrawn before.
#[must_use]
pub fn revoked(stored: &str, now: Moment) -> Option<String> {
    let mut stored: Stored = serde_json::from_str(stored).ok()?;
    if stored.entry.state != InvitationState::Open {
        return None;
    }
    stored.entry.state = InvitationState::Revoked {
        at_seconds: timestamp(now).as_second(),
    };
    stored.to_json().ok()
}

/// Whether an invitation in its stored form is used, and by which node; `None`
/// where it cannot be read.
#[cfg(test)]
pub(crate) fn used_by(stored: &str) -> Option<Option<NodeId>> {
    use crate::trust::invitation::InvitationState;

    let stored: Stored = serde_json::from_str(stored).ok()?;
    Some(match stored.entry.state {
        InvitationState::Used { node, .. } => Some(node),
        InvitationState::Open | InvitationState::Revoked { .. } => None,
    })
}

fn join_request(request: &pb::JoinRequest) -> Result<JoinRequest, EnrolRefusal> {
    let malformed = || EnrolRefusal::from(Code::RequestMalformed);
    let token = |_| EnrolRefusal::from(Code::TokenMalformed);
    Ok(JoinRequest {
        invitation: request.invitation.parse::<InvitationId>().map_err(token)?,
        place: request.place.parse().map_err(token)?,
        secret: Secret::from_bytes(fixed(&request.secret).ok_or(Code::TokenMalformed)?),
        transport_request: request.certificate_request.clone(),
        authority_request: some(&request.authority_request),
        signing_key: fixed(&request.signing_key).ok_or_else(malformed)?,
        encryption_key: fixed(&request.encryption_key).ok_or_else(malformed)?,
        signing_proof: fixed(&request.signing_proof).ok_or_else(malformed)?,
    })
}

fn registration(joined: &Registration, unit: Option<UnitId>) -> pb::NodeEnrolled {
    pb::NodeEnrolled {
        node: joined.node.to_vec(),
        place: joined.place.to_vec(),
        unit: unit.map(UnitId::to_vec).unwrap_or_default(),
        signing_key: joined.signing_key.as_bytes().to_vec(),
        encryption_key: joined.encryption_key.as_bytes().to_vec(),
        transport_key_hash: joined.transport_key.as_bytes().to_vec(),
        incarnation: 1,
        generation: 1,
    }
}

fn fixed<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

fn some(bytes: &[u8]) -> Option<Vec<u8>> {
    (!bytes.is_empty()).then(|| bytes.to_vec())
}
