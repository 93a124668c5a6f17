//! Sealed payloads: requester, parties and every free text, detached from the chain from the first entry on.
//!
//! The chain holds only a commitment; keys and salts stand in a key store of their own, so that erasing them erases what
//! they open without touching the chain (PROTOCOL.md 16). Who asks and what is said are two parts with a key and a salt
//! each, so that either can be erased or withheld without the other. Nothing here draws randomness: nonces are arguments.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use fengqiao_proto::v1 as pb;
use prost::Message as _;
use zeroize::Zeroize as _;

use crate::id::{ChainId, Hash};

const NONCE_BYTES: usize = 24;

/// What of an entry's private content is sealed together, under a key of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// What is said: free texts.
    Text,
    /// Who asks.
    Person,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Text, Self::Person];

    /// What a sealed payload holds, by its first byte; `None` for one that a newer version sealed.
    #[must_use]
    pub fn of(sealed: &[u8]) -> Option<Self> {
        let first = sealed.first()?;
        Self::ALL.into_iter().find(|part| part.byte() == *first)
    }

    /// As it is written.
    #[must_use]
    pub fn to_wire(self) -> pb::PayloadPart {
        match self {
            Self::Text => pb::PayloadPart::Text,
            Self::Person => pb::PayloadPart::Person,
        }
    }

    fn byte(self) -> u8 {
        self.to_wire() as u8
    }

    /// Under which name a key store keeps the secret of this part of a chain.
    #[must_use]
    pub fn secret_id(self, chain: ChainId) -> ChainId {
        match self {
            Self::Text => chain,
            Self::Person => {
                let id = Hash::of("fengqiao/person-secret/1", &[&chain.0]);
                ChainId::from_bytes(&id.0[..16]).unwrap_or_default()
            }
        }
    }

    fn take(self, content: &pb::PrivateContent) -> pb::PrivateContent {
        match self {
            Self::Text => pb::PrivateContent {
                requester: None,
                texts: content.texts.clone(),
            },
            Self::Person => pb::PrivateContent {
                requester: content.requester.clone(),
                texts: Vec::new(),
            },
        }
    }
}

/// The parts of a content that say anything, each alone.
pub fn parts(content: &pb::PrivateContent) -> impl Iterator<Item = (Part, pb::PrivateContent)> {
    let parts = Part::ALL.map(|part| (part, part.take(content)));
    parts
        .into_iter()
        .filter(|(_, content)| *content != pb::PrivateContent::default())
}

/// Key and salt of one part of a chain. Prints nothing, wipes itself.
#[derive(Clone, PartialEq, Eq)]
pub struct ChainKey {
    /// Key of XChaCha20-Poly1305.
    pub key: [u8; 32],
    /// Salt from which the salt of every commitment is derived.
    pub salt: [u8; 32],
}

impl std::fmt::Debug for ChainKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChainKey")
    }
}

impl Drop for ChainKey {
    fn drop(&mut self) {
        self.key.zeroize();
        self.salt.zeroize();
    }
}

/// Why a payload does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Shorter than nonce and tag.
    #[error("sealed payload is too short")]
    Short,
    /// Wrong key, wrong chain, or altered bytes.
    #[error("sealed payload does not open with this key")]
    Sealed,
    /// Opened, but not a private content.
    #[error("opened payload is not readable")]
    Unreadable,
}

/// What a sealed payload is bound to, so that it opens nowhere else.
fn bound_to(part: Part, chain: ChainId) -> [u8; 17] {
    let mut bound = [part.byte(); 17];
    bound[1..].copy_from_slice(&chain.0);
    bound
}

/// Seals a part of a chain. The result is its byte, nonce and ciphertext; the nonce must never repeat under one key.
///
/// # Errors
/// `Sealed` when the cipher refuses the length.
pub fn seal(
    key: &ChainKey,
    (part, chain): (Part, ChainId),
    nonce: [u8; NONCE_BYTES],
    content: &pb::PrivateContent,
) -> Result<Vec<u8>, PayloadError> {
    let cipher = XChaCha20Poly1305::new(&key.key.into());
    let message = content.encode_to_vec();
    let sealed = cipher
        .encrypt(
            &XNonce::from(nonce),
            Payload {
                msg: &message,
                aad: &bound_to(part, chain),
            },
        )
        .map_err(|_| PayloadError::Sealed)?;
    Ok([&[part.byte()][..], &nonce, &sealed].concat())
}

/// Opens a sealed payload with the key of its part.
///
/// # Errors
/// `Short`, `Sealed` or `Unreadable`.
pub fn open(
    key: &ChainKey,
    chain: ChainId,
    sealed: &[u8],
) -> Result<pb::PrivateContent, PayloadError> {
    let part = Part::of(sealed).ok_or(PayloadError::Unreadable)?;
    let (nonce, ciphertext) = sealed[1..]
        .split_at_checked(NONCE_BYTES)
        .ok_or(PayloadError::Short)?;
    let nonce = <[u8; NONCE_BYTES]>::try_from(nonce).map_err(|_| PayloadError::Short)?;
    let cipher = XChaCha20Poly1305::new(&key.key.into());
    let message = cipher
        .decrypt(
            &XNonce::from(nonce),
            Payload {
                msg: ciphertext,
                aad: &bound_to(part, chain),
            },
        )
        .map_err(|_| PayloadError::Sealed)?;
    pb::PrivateContent::decode(&message[..]).map_err(|_| PayloadError::Unreadable)
}

/// The commitment that stands in the envelope: over a salt of its own, derived from the part's salt and the nonce, and
/// the sealed bytes. Without the salt it says nothing about the bytes.
#[must_use]
pub fn commitment(salt: &[u8; 32], sealed: &[u8]) -> Hash {
    let nonce = sealed.get(..=NONCE_BYTES).unwrap_or(sealed);
    let own_salt = Hash::of("fengqiao/payload-salt/1", &[salt, nonce]);
    Hash::of("fengqiao/payload/1", &[&own_salt.0, sealed])
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const CHAIN: ChainId = ChainId([5; 16]);
    const KEY: ChainKey = ChainKey {
        key: [1; 32],
        salt: [2; 32],
    };

    fn content() -> pb::PrivateContent {
        pb::PrivateContent {
            requester: Some(pb::Requester {
                name: "张三".into(),
                ..Default::default()
            }),
            texts: vec![pb::PrivateText {
                role: "text".into(),
                text: "信河路废弃铁轨".into(),
            }],
        }
    }

    #[test]
    fn who_asks_and_what_is_said_are_parts_of_their_own() {
        let apart: Vec<_> = parts(&content()).collect();
        let who = pb::PrivateContent {
            texts: Vec::new(),
            ..content()
        };
        let what = pb::PrivateContent {
            requester: None,
            ..content()
        };
        assert_eq!(apart, [(Part::Text, what.clone()), (Part::Person, who)]);
        assert_eq!(parts(&what).count(), 1);
        let ids = Part::ALL.map(|part| part.secret_id(CHAIN));
        assert_ne!(ids[0], ids[1]);
    }

    #[test]
    fn a_payload_opens_with_its_key_as_its_part_in_its_chain_only() {
        let other = ChainKey {
            key: [3; 32],
            salt: [2; 32],
        };
        let sealed = seal(&KEY, (Part::Text, CHAIN), [9; 24], &content()).unwrap();
        let message = content().encode_to_vec();
        assert!(!sealed.windows(message.len()).any(|part| part == message));
        assert_eq!(open(&KEY, CHAIN, &sealed).unwrap(), content());
        assert_eq!(open(&other, CHAIN, &sealed), Err(PayloadError::Sealed));
        assert_eq!(
            open(&KEY, ChainId([6; 16]), &sealed),
            Err(PayloadError::Sealed)
        );
        let mut as_person = sealed.clone();
        as_person[0] = Part::Person.byte();
        assert_eq!(open(&KEY, CHAIN, &as_person), Err(PayloadError::Sealed));
        let mut as_another = sealed;
        as_another[0] = 9;
        assert_eq!(
            open(&KEY, CHAIN, &as_another),
            Err(PayloadError::Unreadable)
        );
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let sealed = seal(&KEY, (Part::Text, CHAIN), [9; 24], &content()).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut bent = sealed.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&KEY, CHAIN, &bent).is_err());
            assert_ne!(commitment(&KEY.salt, &bent), commitment(&KEY.salt, &sealed));
        }
    }
}
