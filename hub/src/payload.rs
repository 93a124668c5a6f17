//! Sealed payloads: requester, parties and every free text, detached from the chain from the first entry on.
//!
//! The chain holds only a commitment; key and salt stand in a key store of their own, so that erasing them erases the
//! text without touching the chain (PROTOCOL.md 16). Nothing here draws randomness: nonces are arguments.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use fengqiao_proto::v1 as pb;
use prost::Message as _;
use zeroize::Zeroize as _;

use crate::id::{ChainId, Hash};

const NONCE_BYTES: usize = 24;

/// Key and salt of one chain. Prints nothing, wipes itself.
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

/// Seals a content for a chain. The result is nonce and ciphertext; the nonce must never repeat under one key.
///
/// # Errors
/// `Sealed` when the cipher refuses the length.
pub fn seal(
    key: &ChainKey,
    chain: ChainId,
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
                aad: &chain.0,
            },
        )
        .map_err(|_| PayloadError::Sealed)?;
    Ok([&nonce[..], &sealed].concat())
}

/// Opens a sealed payload.
///
/// # Errors
/// `Short`, `Sealed` or `Unreadable`.
pub fn open(
    key: &ChainKey,
    chain: ChainId,
    sealed: &[u8],
) -> Result<pb::PrivateContent, PayloadError> {
    let (nonce, ciphertext) = sealed
        .split_at_checked(NONCE_BYTES)
        .ok_or(PayloadError::Short)?;
    let nonce = <[u8; NONCE_BYTES]>::try_from(nonce).map_err(|_| PayloadError::Short)?;
    let cipher = XChaCha20Poly1305::new(&key.key.into());
    let message = cipher
        .decrypt(
            &XNonce::from(nonce),
            Payload {
                msg: ciphertext,
                aad: &chain.0,
            },
        )
        .map_err(|_| PayloadError::Sealed)?;
    pb::PrivateContent::decode(&message[..]).map_err(|_| PayloadError::Unreadable)
}

/// The commitment that stands in the envelope: over a salt of its own, derived from the chain's salt and the nonce,
/// and the sealed bytes. Without the salt it says nothing about the bytes.
#[must_use]
pub fn commitment(salt: &[u8; 32], sealed: &[u8]) -> Hash {
    let nonce = sealed.get(..NONCE_BYTES).unwrap_or(sealed);
    let own_salt = Hash::of("fengqiao/payload-salt/1", &[salt, nonce]);
    Hash::of("fengqiao/payload/1", &[&own_salt.0, sealed])
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn content() -> pb::PrivateContent {
        pb::PrivateContent {
            requester: None,
            texts: vec![pb::PrivateText {
                role: "text".into(),
                text: "信河路废弃铁轨".into(),
            }],
        }
    }

    #[test]
    fn a_payload_opens_with_its_key_in_its_chain_only() {
        let key = ChainKey {
            key: [1; 32],
            salt: [2; 32],
        };
        let other = ChainKey {
            key: [3; 32],
            salt: [2; 32],
        };
        let chain = ChainId([5; 16]);
        let sealed = seal(&key, chain, [9; 24], &content()).unwrap();
        let message = content().encode_to_vec();
        assert!(!sealed.windows(message.len()).any(|part| part == message));
        assert_eq!(open(&key, chain, &sealed).unwrap(), content());
        assert_eq!(open(&other, chain, &sealed), Err(PayloadError::Sealed));
        assert_eq!(
            open(&key, ChainId([6; 16]), &sealed),
            Err(PayloadError::Sealed)
        );
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let key = ChainKey {
            key: [1; 32],
            salt: [2; 32],
        };
        let chain = ChainId([5; 16]);
        let sealed = seal(&key, chain, [9; 24], &content()).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut bent = sealed.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&key, chain, &bent).is_err());
            assert_ne!(commitment(&key.salt, &bent), commitment(&key.salt, &sealed));
        }
    }
}
