//! One link of a chain: envelope, body, hash, signature.
//!
//! The bytes of an envelope are written once, by its author. They are hashed, checked, kept and forwarded as they are;
//! nothing here encodes an envelope that came from elsewhere (PROTOCOL.md 3).

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use fengqiao_proto::v1 as pb;
use prost::Message as _;
use sha2::{Digest as _, Sha256};

use crate::bounds::{Bounds, OutOfBounds};
use crate::id::{ChainId, DeploymentId, Hash, NodeId, PlaceId, SubmissionId};
use crate::payload::{Part, commitment};
use crate::rank::Rank;

/// Ed25519 (strict) with SHA-256.
pub const SUITE: u32 = 1;
/// Bytes of one entry as kept, payloads included.
pub const ENTRY_BYTES_MAX: usize = 64 * 1024;

const SIGNATURE_DOMAIN: &[u8] = b"fengqiao/entry-signature/1\0";
const HASH_DOMAIN: &str = "fengqiao/entry/1";
const BODY_DOMAIN: &str = "fengqiao/body/1";

/// Why bytes are not an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Longer than [`ENTRY_BYTES_MAX`].
    #[error("entry is larger than {ENTRY_BYTES_MAX} bytes")]
    TooLarge,
    /// A field is longer, larger or of another form than any may be.
    #[error("{0}")]
    OutOfBounds(#[from] OutOfBounds),
    /// Not a `SignedEntry`, or its envelope is no `Envelope`.
    #[error("entry does not decode")]
    Undecodable,
    /// A field of the envelope has a wrong length or value.
    #[error("envelope field {0} is malformed")]
    Malformed(&'static str),
    /// Written with algorithms this version does not know.
    #[error("entry uses suite {0}")]
    UnknownSuite(u32),
    /// The body is not the one the envelope speaks of.
    #[error("body does not match its hash")]
    BodyHash,
    /// The signature is not the author's.
    #[error("signature does not verify")]
    Signature,
}

/// What an entry does to custody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// Nothing.
    None,
    /// Down, to a place below the author's.
    Dispatched(PlaceId),
    /// Offered to the parent.
    Offered(PlaceId),
    /// Taken by an ancestor, answering an offer or not.
    Taken(Option<Hash>),
}

/// A whole entry, structurally sound; its signature is checked apart, with the key the registry pins.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Hash of the envelope: the entry's identity.
    pub hash: Hash,
    /// Deployment.
    pub deployment: DeploymentId,
    /// What the chain is about.
    pub kind: pb::ChainKind,
    /// Chain.
    pub chain: ChainId,
    /// Rank of the chain here.
    pub rank: Rank,
    /// From 1.
    pub sequence: u64,
    /// Hash of the entry before; `None` in the first.
    pub previous: Option<Hash>,
    /// Node that wrote it.
    pub author: NodeId,
    /// That node's incarnation.
    pub incarnation: u32,
    /// Gap-free in that incarnation.
    pub author_sequence: u64,
    /// Key id.
    pub key: [u8; 8],
    /// Registry versions relied on.
    pub registry: Vec<(PlaceId, u64)>,
    /// Custody.
    pub mv: Move,
    /// Submission adopted.
    pub submission: Option<SubmissionId>,
    /// Coarse class.
    pub kind_class: pb::KindClass,
    /// Commitments to the sealed payloads.
    pub commitments: Vec<Hash>,
    /// Body, decoded for the view; an unknown content is `None`.
    pub body: pb::Body,
    /// The bytes as written.
    pub signed: pb::SignedEntry,
}

/// What the author of an entry decides about it; the rest follows from the chain and the node.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Deployment.
    pub deployment: DeploymentId,
    /// What the chain is about.
    pub kind: pb::ChainKind,
    /// Chain.
    pub chain: ChainId,
    /// Rank after this entry.
    pub rank: Rank,
    /// From 1.
    pub sequence: u64,
    /// Entry before.
    pub previous: Option<Hash>,
    /// Node that writes.
    pub author: NodeId,
    /// Its incarnation.
    pub incarnation: u32,
    /// Gap-free in that incarnation.
    pub author_sequence: u64,
    /// Registry versions relied on.
    pub registry: Vec<(PlaceId, u64)>,
    /// Custody.
    pub mv: Move,
    /// Submission adopted.
    pub submission: Option<SubmissionId>,
    /// Coarse class.
    pub kind_class: pb::KindClass,
    /// Body.
    pub body: pb::Body,
    /// Sealed payloads with their commitments.
    pub payloads: Vec<(Vec<u8>, Hash)>,
}

/// First eight bytes of the SHA-256 of a signing key.
#[must_use]
pub fn key_id(key: &VerifyingKey) -> [u8; 8] {
    let hash = Sha256::digest(key.as_bytes());
    let mut id = [0; 8];
    id.copy_from_slice(&hash[..8]);
    id
}

impl Draft {
    /// Writes the envelope, once, and signs it.
    #[must_use]
    pub fn sign(self, key: &SigningKey) -> Entry {
        let signed = sign_written(self.written(&key.verifying_key()), key);
        Entry {
            hash: hash_of(&signed.envelope),
            deployment: self.deployment,
            kind: self.kind,
            chain: self.chain,
            rank: self.rank,
            sequence: self.sequence,
            previous: self.previous,
            author: self.author,
            incarnation: self.incarnation,
            author_sequence: self.author_sequence,
            key: key_id(&key.verifying_key()),
            registry: self.registry,
            mv: self.mv,
            submission: self.submission,
            kind_class: self.kind_class,
            commitments: commitments(&self.payloads),
            body: self.body,
            signed,
        }
    }

    /// Writes the envelope, once, for a key that lies elsewhere; its signature is empty.
    #[must_use]
    pub fn written(&self, key: &VerifyingKey) -> pb::SignedEntry {
        let body = self.body.encode_to_vec();
        let envelope = pb::Envelope {
            suite: SUITE,
            deployment: self.deployment.to_vec(),
            chain_kind: self.kind.into(),
            chain: self.chain.to_vec(),
            rank: self.rank.to_wire(),
            sequence: self.sequence,
            previous: self.previous.map(Hash::to_vec).unwrap_or_default(),
            author: self.author.to_vec(),
            incarnation: self.incarnation,
            author_sequence: self.author_sequence,
            key: key_id(key).to_vec(),
            registry: self
                .registry
                .iter()
                .map(|(place, sequence)| pb::RegistryReference {
                    place: place.to_vec(),
                    sequence: *sequence,
                })
                .collect(),
            r#move: move_to_wire(self.mv),
            submission: self
                .submission
                .map(SubmissionId::to_vec)
                .unwrap_or_default(),
            kind_class: self.kind_class.into(),
            body_hash: Hash::of(BODY_DOMAIN, &[&body]).to_vec(),
            commitments: commitments(&self.payloads)
                .iter()
                .map(|commitment| commitment.to_vec())
                .collect(),
        };
        pb::SignedEntry {
            envelope: envelope.encode_to_vec(),
            signature: Vec::new(),
            body,
            payloads: self
                .payloads
                .iter()
                .map(|(sealed, _)| sealed.clone())
                .collect(),
        }
    }
}

fn commitments(payloads: &[(Vec<u8>, Hash)]) -> Vec<Hash> {
    payloads.iter().map(|(_, commitment)| *commitment).collect()
}

/// The identity of an entry by its envelope's bytes.
#[must_use]
pub fn hash_of(envelope: &[u8]) -> Hash {
    Hash::of(HASH_DOMAIN, &[envelope])
}

/// Signs an entry as it was written.
#[must_use]
pub fn sign_written(mut written: pb::SignedEntry, key: &SigningKey) -> pb::SignedEntry {
    let signature = key.sign(&signed_bytes(&written.envelope));
    written.signature = signature.to_bytes().to_vec();
    written
}

impl Entry {
    /// Reads an entry from the bytes it is kept and carried in.
    ///
    /// # Errors
    /// Every way in which the bytes are not a structurally sound entry; the signature is not looked at.
    pub fn parse(bytes: &[u8]) -> Result<Self, EntryError> {
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(EntryError::TooLarge);
        }
        Bounds::Entry.check(bytes)?;
        let signed = pb::SignedEntry::decode(bytes).map_err(|_| EntryError::Undecodable)?;
        Self::read(signed)
    }

    /// Reads an entry from its decoded outer message.
    ///
    /// # Errors
    /// As [`Entry::parse`].
    pub fn from_signed(signed: &pb::SignedEntry) -> Result<Self, EntryError> {
        Self::parse(&signed.encode_to_vec())
    }

    fn read(signed: pb::SignedEntry) -> Result<Self, EntryError> {
        let envelope =
            pb::Envelope::decode(&signed.envelope[..]).map_err(|_| EntryError::Undecodable)?;
        if envelope.suite != SUITE {
            return Err(EntryError::UnknownSuite(envelope.suite));
        }
        if envelope.body_hash != Hash::of(BODY_DOMAIN, &[&signed.body]).0 {
            return Err(EntryError::BodyHash);
        }
        if !signed.payloads.is_empty() && signed.payloads.len() != envelope.commitments.len() {
            return Err(EntryError::Malformed("commitments"));
        }
        let kind = envelope.chain_kind();
        let kind_class = envelope.kind_class();
        let chain = field(ChainId::from_bytes(&envelope.chain), "chain")?;
        // So no chain can stand where a place's own will, nor be taken for another kind.
        if chain.kind() != Some(kind) {
            return Err(EntryError::Malformed("chain_kind"));
        }
        if envelope.sequence == 0 || (envelope.sequence == 1) != envelope.previous.is_empty() {
            return Err(EntryError::Malformed("sequence"));
        }
        if envelope.incarnation == 0 || envelope.author_sequence == 0 {
            return Err(EntryError::Malformed("author_sequence"));
        }
        Ok(Self {
            hash: hash_of(&signed.envelope),
            deployment: field(DeploymentId::from_bytes(&envelope.deployment), "deployment")?,
            kind,
            chain,
            rank: field(Rank::from_wire(&envelope.rank), "rank")?,
            sequence: envelope.sequence,
            previous: optional(&envelope.previous, Hash::from_bytes, "previous")?,
            author: field(NodeId::from_bytes(&envelope.author), "author")?,
            incarnation: envelope.incarnation,
            author_sequence: envelope.author_sequence,
            key: field(<[u8; 8]>::try_from(&envelope.key[..]).ok(), "key")?,
            registry: envelope
                .registry
                .iter()
                .map(|reference| {
                    PlaceId::from_bytes(&reference.place).map(|place| (place, reference.sequence))
                })
                .collect::<Option<Vec<_>>>()
                .ok_or(EntryError::Malformed("registry"))?,
            mv: move_from_wire(envelope.r#move.as_ref())?,
            submission: optional(&envelope.submission, SubmissionId::from_bytes, "submission")?,
            kind_class,
            commitments: envelope
                .commitments
                .iter()
                .map(|commitment| Hash::from_bytes(commitment))
                .collect::<Option<Vec<_>>>()
                .ok_or(EntryError::Malformed("commitments"))?,
            body: pb::Body::decode(&signed.body[..]).map_err(|_| EntryError::Malformed("body"))?,
            signed,
        })
    }

    /// Checks the signature, strictly, with the key the registry pins for the author.
    ///
    /// # Errors
    /// `Signature` when it is not that key's.
    pub fn check_signature(&self, key: &VerifyingKey) -> Result<(), EntryError> {
        let signature =
            Signature::from_slice(&self.signed.signature).map_err(|_| EntryError::Signature)?;
        key.verify_strict(&signed_bytes(&self.signed.envelope), &signature)
            .map_err(|_| EntryError::Signature)
    }

    /// The sealed payloads of one part, each with its commitment. An entry whose payloads were erased has none.
    pub fn payloads_of(&self, part: Part) -> impl Iterator<Item = (&[u8], Hash)> {
        let payloads = self.signed.payloads.iter().zip(&self.commitments);
        payloads
            .filter(move |(sealed, _)| Part::of(sealed) == Some(part))
            .map(|(sealed, commitment)| (&sealed[..], *commitment))
    }

    /// Checks the sealed payloads of one part against their commitments. An entry whose payloads were erased passes.
    ///
    /// # Errors
    /// `Malformed("commitments")` when one differs.
    pub fn check_payloads(&self, part: Part, salt: &[u8; 32]) -> Result<(), EntryError> {
        let mut payloads = self.payloads_of(part);
        payloads
            .all(|(sealed, committed)| commitment(salt, sealed) == committed)
            .then_some(())
            .ok_or(EntryError::Malformed("commitments"))
    }

    /// The bytes as they are kept and carried.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.signed.encode_to_vec()
    }
}

/// Signs bytes that are no entry (a notice, a tally, a submission) under a domain of their own.
#[must_use]
pub fn sign_under(domain: &str, key: &SigningKey, bytes: &[u8]) -> Vec<u8> {
    key.sign(&Hash::of(domain, &[bytes]).0).to_bytes().to_vec()
}

/// Checks a signature made by [`sign_under`], strictly.
///
/// # Errors
/// `Signature`.
pub fn check_under(
    domain: &str,
    key: &VerifyingKey,
    bytes: &[u8],
    signature: &[u8],
) -> Result<(), EntryError> {
    let signature = Signature::from_slice(signature).map_err(|_| EntryError::Signature)?;
    key.verify_strict(&Hash::of(domain, &[bytes]).0, &signature)
        .map_err(|_| EntryError::Signature)
}

fn signed_bytes(envelope: &[u8]) -> Vec<u8> {
    [SIGNATURE_DOMAIN, envelope].concat()
}

fn field<T>(value: Option<T>, name: &'static str) -> Result<T, EntryError> {
    value.ok_or(EntryError::Malformed(name))
}

fn optional<T>(
    bytes: &[u8],
    read: fn(&[u8]) -> Option<T>,
    name: &'static str,
) -> Result<Option<T>, EntryError> {
    if bytes.is_empty() {
        Ok(None)
    } else {
        field(read(bytes), name).map(Some)
    }
}

fn move_to_wire(mv: Move) -> Option<pb::envelope::Move> {
    match mv {
        Move::None => None,
        Move::Dispatched(place) => Some(pb::envelope::Move::DispatchedTo(pb::DispatchedTo {
            place: place.to_vec(),
        })),
        Move::Offered(place) => Some(pb::envelope::Move::OfferedTo(pb::OfferedTo {
            place: place.to_vec(),
        })),
        Move::Taken(answering) => Some(pb::envelope::Move::TakenFrom(pb::TakenFrom {
            answering: answering.map(Hash::to_vec).unwrap_or_default(),
        })),
    }
}

fn move_from_wire(mv: Option<&pb::envelope::Move>) -> Result<Move, EntryError> {
    Ok(match mv {
        None => Move::None,
        Some(pb::envelope::Move::DispatchedTo(to)) => {
            Move::Dispatched(field(PlaceId::from_bytes(&to.place), "dispatched_to")?)
        }
        Some(pb::envelope::Move::OfferedTo(to)) => {
            Move::Offered(field(PlaceId::from_bytes(&to.place), "offered_to")?)
        }
        Some(pb::envelope::Move::TakenFrom(from)) => {
            Move::Taken(optional(&from.answering, Hash::from_bytes, "taken_from")?)
        }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn draft() -> Draft {
        Draft {
            deployment: DeploymentId([1; 10]),
            kind: pb::ChainKind::Case,
            chain: ChainId::drawn(pb::ChainKind::Case, [2; 15]),
            rank: Rank::default(),
            sequence: 1,
            previous: None,
            author: NodeId([3; 10]),
            incarnation: 1,
            author_sequence: 1,
            registry: vec![(PlaceId([4; 10]), 1)],
            mv: Move::None,
            submission: None,
            kind_class: pb::KindClass::Opening,
            body: pb::Body {
                schema: 1,
                ..Default::default()
            },
            payloads: vec![],
        }
    }

    #[test]
    fn an_entry_reads_back_with_its_hash_and_signature() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let entry = draft().sign(&key);
        let read = Entry::parse(&entry.bytes()).unwrap();
        assert_eq!(read.hash, entry.hash);
        read.check_signature(&key.verifying_key()).unwrap();
        assert_eq!(
            read.check_signature(&SigningKey::from_bytes(&[8; 32]).verifying_key()),
            Err(EntryError::Signature)
        );
    }

    #[test]
    fn no_flipped_bit_of_an_entry_is_accepted_as_the_same_entry() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let entry = draft().sign(&key);
        let bytes = entry.bytes();
        for bit in 0..bytes.len() * 8 {
            let mut bent = bytes.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            let accepted = Entry::parse(&bent)
                .ok()
                .filter(|read| read.check_signature(&key.verifying_key()).is_ok())
                .filter(|read| read.hash != entry.hash || read.signed != entry.signed);
            assert!(accepted.is_none(), "bit {bit}");
        }
    }

    #[test]
    fn a_signature_for_another_purpose_does_not_pass() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let signature = sign_under("fengqiao/notice/1", &key, b"x");
        assert!(check_under("fengqiao/notice/1", &key.verifying_key(), b"x", &signature).is_ok());
        assert!(check_under("fengqiao/tally/1", &key.verifying_key(), b"x", &signature).is_err());
    }
}
