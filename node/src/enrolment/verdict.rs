//! What a joiner checks of the answer before it believes any of it.
//!
//! Pure: the answer and what was asked in, what may be written down out. The
//! registry handed over is proven from the root key that the invitation names
//! down to the entry that pins the joiner's own keys.

use std::collections::BTreeMap;

use ed25519_dalek::VerifyingKey;
use fengqiao_hub::entry::{Entry, EntryError};
use fengqiao_hub::id::{ChainId, DeploymentId, Hash, NodeId, PlaceId, UnitId};
use fengqiao_hub::jurisdiction::{Registry, RegistryError, is_by_root_key, issuer};
use fengqiao_proto::v1 as pb;
use jiff::Timestamp;
use thiserror::Error;

use crate::folder::{NodeKeys, Root};
use crate::trust::authority::{AuthorityError, Chain};
use crate::trust::enrol::Issued;
use crate::trust::identity::IdentityError;
use crate::trust::keys::PublicKey;
use crate::trust::{Authority, AuthorityKey, Invitation, NodeName, PeerIdentity};

/// Why an answer is not believed; nothing of it was kept.
#[derive(Debug, Error)]
pub enum AnswerError {
    /// A field that is not what it should be.
    #[error("field {0} is not what was asked for")]
    Field(&'static str),
    /// It comes from, or speaks for, another node than the one that invited.
    #[error("it names another parent than the node that invited")]
    OtherParent,
    /// Not certificates in PEM, or an authority's that are another's.
    #[error("the certificates")]
    Chain(#[source] AuthorityError),
    /// The certificates do not prove this node.
    #[error("the certificates prove something else")]
    Identity(#[source] IdentityError),
    /// An entry of the registry cannot be read or is not signed as it should be.
    #[error("registry entry {position}")]
    Entry {
        /// From 1.
        position: usize,
        /// What is wrong with it.
        #[source]
        source: EntryError,
    },
    /// An entry of the registry does not follow from those before.
    #[error("registry entry {position}")]
    Registry {
        /// From 1.
        position: usize,
        /// What is wrong with it.
        #[source]
        source: RegistryError,
    },
    /// An entry of the registry does not continue its chain, or was written by
    /// a node that may not write there.
    #[error("registry entry {0} is out of its chain")]
    OutOfChain(usize),
    /// The registry does not pin this node with its keys.
    #[error("the registry does not hold this node with its keys")]
    NotRegistered,
}

/// What was asked, and of whom.
pub(super) struct Asked<'a> {
    pub(super) invitation: &'a Invitation,
    pub(super) parent: &'a PeerIdentity,
    pub(super) keys: &'a NodeKeys,
    pub(super) authority: Option<&'a AuthorityKey>,
    pub(super) now: Timestamp,
}

/// An answer that holds.
pub(super) struct Verdict {
    pub(super) node: NodeId,
    pub(super) unit: Option<UnitId>,
    pub(super) deployment: DeploymentId,
    pub(super) place_name: String,
    pub(super) level: u32,
    pub(super) incarnation: u32,
    pub(super) generation: u32,
    pub(super) parent_name: NodeName,
    pub(super) chain: Chain,
    pub(super) authority: Option<Chain>,
    pub(super) root: Root,
}

impl Asked<'_> {
    pub(super) fn judge(&self, answer: &pb::JoinResponse) -> Result<Verdict, AnswerError> {
        let place = self.invitation.place;
        if answer.place.parse() != Ok(place) {
            return Err(AnswerError::Field("place"));
        }
        if answer.parent_node.parse() != Ok(self.parent.node())
            || answer.parent_name.parse().as_ref() != Ok(&self.parent.name)
        {
            return Err(AnswerError::OtherParent);
        }
        let unit = match answer.unit.as_str() {
            "" => None,
            unit => Some(unit.parse().map_err(|_| AnswerError::Field("unit"))?),
        };
        let issued = Issued {
            node: Chain::from_pem(&answer.certificate_chain).map_err(AnswerError::Chain)?,
            authority: match answer.authority_chain.as_str() {
                "" => None,
                pem => Some(Chain::from_pem(pem).map_err(AnswerError::Chain)?),
            },
        };
        let own = self.check_certificates(&issued)?;
        let deployment = own.name.issued_by.deployment;
        if answer.node.parse() != Ok(own.node()) {
            return Err(AnswerError::Field("node"));
        }
        if answer.deployment.parse() != Ok(deployment) {
            return Err(AnswerError::Field("deployment"));
        }
        let root = Root::of_chain(&issued.node).map_err(AnswerError::Identity)?;
        let registry = prove_registry(&answer.registry, &root.key, deployment)?;
        self.check_registered(&registry, own.node(), unit, answer)?;
        let known = registry.place(place).ok_or(AnswerError::NotRegistered)?;
        Ok(Verdict {
            node: own.node(),
            unit,
            deployment,
            place_name: known.name.clone(),
            level: known.level,
            incarnation: answer.incarnation,
            generation: answer.generation,
            parent_name: self.parent.name.clone(),
            chain: issued.node,
            authority: issued.authority,
            root,
        })
    }

    fn check_certificates(&self, issued: &Issued) -> Result<PeerIdentity, AnswerError> {
        issued
            .check(
                self.keys.transport.public(),
                self.authority.map(AuthorityKey::public),
                &self.invitation.root,
                self.now,
            )
            .map_err(AnswerError::Identity)
    }

    fn check_registered(
        &self,
        registry: &Registry,
        node: NodeId,
        unit: Option<UnitId>,
        answer: &pb::JoinResponse,
    ) -> Result<(), AnswerError> {
        let record = registry.node(node).ok_or(AnswerError::NotRegistered)?;
        let keys = self.keys;
        let transport = keys.transport.public().fingerprint();
        let same = record.place == self.invitation.place
            && record.unit == unit
            && record.revoked.is_none()
            && record.signing_key == *keys.signing.public().verifying_key()
            && record.encryption_key == *keys.encryption.public().as_bytes()
            && record.transport_key_hash.0 == *transport.as_bytes()
            && (record.incarnation, record.generation) == (answer.incarnation, answer.generation);
        same.then_some(()).ok_or(AnswerError::NotRegistered)
    }
}

/// An authority that was issued, with its key, for exactly this place.
pub(super) fn authority_of(
    key: AuthorityKey,
    chain: Chain,
    root: &Root,
    place: PlaceId,
    now: Timestamp,
) -> Result<Authority, AnswerError> {
    let authority =
        Authority::load(key, chain, &root.fingerprint(), now).map_err(AnswerError::Chain)?;
    if authority.path().authorities.first() == Some(&place) {
        Ok(authority)
    } else {
        Err(AnswerError::Field("authority_chain"))
    }
}

/// Folds registry chains from the genesis on: each entry signed by a key pinned
/// before it, each chain without a gap, each written by its own centre.
pub(super) fn prove_registry(
    entries: &[pb::SignedEntry],
    root: &PublicKey,
    deployment: DeploymentId,
) -> Result<Registry, AnswerError> {
    let mut registry = Registry::default();
    let mut heads: BTreeMap<ChainId, (u64, Hash)> = BTreeMap::new();
    // A centre that recovered wrote its older entries with an older key.
    let mut keys: BTreeMap<NodeId, Vec<VerifyingKey>> = BTreeMap::new();
    for (index, signed) in entries.iter().enumerate() {
        let position = index + 1;
        let bad = |source| AnswerError::Entry { position, source };
        let entry = Entry::from_signed(signed).map_err(bad)?;
        let head = heads.insert(entry.chain, (entry.sequence, entry.hash));
        let follows = match head {
            None => entry.sequence == 1,
            Some((sequence, hash)) => {
                entry.sequence == sequence + 1 && entry.previous == Some(hash)
            }
        };
        if !follows || entry.deployment != deployment {
            return Err(AnswerError::OutOfChain(position));
        }
        let signers = if is_by_root_key(&entry) {
            vec![*root.verifying_key()]
        } else {
            let author = registry.node(entry.author);
            let writes = author.map(|author| (author.place, author.unit));
            let owner = if entry.kind == pb::ChainKind::Rulebook {
                entry.chain.place()
            } else {
                issuer(&entry)
            };
            if writes != owner.map(|place| (place, None)) {
                return Err(AnswerError::OutOfChain(position));
            }
            keys.get(&entry.author).cloned().unwrap_or_default()
        };
        let verified = signers.iter().any(|key| entry.check_signature(key).is_ok());
        if !verified {
            return Err(bad(EntryError::Signature));
        }
        if entry.kind == pb::ChainKind::Rulebook {
            continue;
        }
        registry
            .apply(&entry)
            .map_err(|source| AnswerError::Registry { position, source })?;
        note_keys(&mut keys, &registry);
    }
    Ok(registry)
}

fn note_keys(keys: &mut BTreeMap<NodeId, Vec<VerifyingKey>>, registry: &Registry) {
    for record in registry.nodes() {
        let known = keys.entry(record.id).or_default();
        if !known.contains(&record.signing_key) {
            known.push(record.signing_key);
        }
    }
}
