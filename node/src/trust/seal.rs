//! Sealing to a place: what only the holder of its encryption key can open.
//!
//! HPKE in base mode (RFC 9180): X25519, HKDF-SHA256, ChaCha20-Poly1305. What is
//! sealed is the 32-byte key of a case, under a domain of its own. A seal proves
//! to whom, not from whom.
//!
//! Bytes: suite (1), encapsulated key (32), ciphertext and tag (n + 16).

use std::convert::Infallible;

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use thiserror::Error;
use zeroize::Zeroizing;

use super::keys::{EncryptionKey, EncryptionPublicKey};
use super::name::{DeploymentId, PlaceId};
use super::random::{Random, RandomUnavailable};

/// What a seal adds to the bytes it seals.
pub(crate) const SEAL_OVERHEAD_BYTES: usize = 1 + 32 + 16;

const SUITE: u8 = 1;
const CASE_KEY_DOMAIN: &[u8] = b"fengqiao/v1/seal/case-key";

/// Why something was not sealed or not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum SealError {
    /// The recipient's key is no usable point.
    #[error("nothing can be sealed to this encryption key")]
    Recipient,
    /// Too short, or of a suite this version does not know.
    #[error("not a seal of a known suite")]
    Malformed,
    /// Sealed to another key, for another context, or altered.
    #[error("the seal does not open with this key in this context")]
    Refused,
    /// No randomness for the ephemeral key.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
}

/// What a case key is sealed for; must be equal on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CaseKeyContext {
    /// The deployment.
    pub deployment: DeploymentId,
    /// The case, 128 bits.
    pub case: [u8; 16],
    /// The place that is to open it.
    pub recipient: PlaceId,
}

fn bind(deployment: DeploymentId, subject: &[u8; 16], recipient: PlaceId) -> [u8; 36] {
    let mut bytes = [0; 36];
    bytes[..10].copy_from_slice(deployment.as_bytes());
    bytes[10..26].copy_from_slice(subject);
    bytes[26..].copy_from_slice(recipient.as_bytes());
    bytes
}

/// Seals a case's key to a place.
///
/// # Errors
///
/// [`SealError::Recipient`], [`SealError::Random`].
pub(crate) fn seal_case_key(
    to: &EncryptionPublicKey,
    context: &CaseKeyContext,
    key: &[u8; 32],
    random: &mut dyn Random,
) -> Result<Vec<u8>, SealError> {
    let bound = bind(context.deployment, &context.case, context.recipient);
    seal(to, CASE_KEY_DOMAIN, &bound, key, random)
}

/// Opens a case's key.
///
/// # Errors
///
/// [`SealError::Malformed`], also where what was sealed is not 32 bytes;
/// [`SealError::Refused`].
pub(crate) fn open_case_key(
    key: &EncryptionKey,
    context: &CaseKeyContext,
    sealed: &[u8],
) -> Result<Zeroizing<[u8; 32]>, SealError> {
    let bound = bind(context.deployment, &context.case, context.recipient);
    let opened = open(key, CASE_KEY_DOMAIN, &bound, sealed)?;
    let mut case_key = Zeroizing::new([0; 32]);
    if opened.len() != case_key.len() {
        return Err(SealError::Malformed);
    }
    case_key.copy_from_slice(&opened);
    Ok(case_key)
}

fn seal(
    to: &EncryptionPublicKey,
    domain: &[u8],
    bound: &[u8],
    plain: &[u8],
    random: &mut dyn Random,
) -> Result<Vec<u8>, SealError> {
    let to = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(to.as_bytes())
        .map_err(|_| SealError::Recipient)?;
    let mut draws = Draws {
        random,
        failed: None,
    };
    let sealed = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &to,
        domain,
        plain,
        bound,
        &mut draws,
    );
    if let Some(failed) = draws.failed {
        return Err(failed.into());
    }
    let (encapsulated, ciphertext) = sealed.map_err(|_| SealError::Recipient)?;
    let mut bytes = Vec::with_capacity(plain.len() + SEAL_OVERHEAD_BYTES);
    bytes.push(SUITE);
    bytes.extend_from_slice(&encapsulated.to_bytes());
    bytes.extend_from_slice(&ciphertext);
    Ok(bytes)
}

fn open(
    key: &EncryptionKey,
    domain: &[u8],
    bound: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let Some((&SUITE, rest)) = sealed.split_first() else {
        return Err(SealError::Malformed);
    };
    if sealed.len() < SEAL_OVERHEAD_BYTES {
        return Err(SealError::Malformed);
    }
    let (encapsulated, ciphertext) = rest.split_at(32);
    let encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(encapsulated)
        .map_err(|_| SealError::Malformed)?;
    let secret = <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(key.secret())
        .map_err(|_| SealError::Malformed)?;
    hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &secret,
        &encapsulated,
        domain,
        ciphertext,
        bound,
    )
    .map(Zeroizing::new)
    .map_err(|_| SealError::Refused)
}

/// Our randomness in the shape the library asks for. It cannot fail there, so
/// a failure is kept and the result thrown away.
struct Draws<'a> {
    random: &'a mut dyn Random,
    failed: Option<RandomUnavailable>,
}

impl TryRng for Draws<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        if let Err(failed) = self.random.fill(bytes) {
            self.failed = Some(failed);
        }
        Ok(())
    }
}

impl TryCryptoRng for Draws<'_> {}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::trust::random::Seeded;

    struct Empty;
    impl Random for Empty {
        fn fill(&mut self, _: &mut [u8]) -> Result<(), RandomUnavailable> {
            Err(RandomUnavailable)
        }
    }

    fn context() -> CaseKeyContext {
        CaseKeyContext {
            deployment: DeploymentId([1; 10]),
            case: [2; 16],
            recipient: PlaceId([3; 10]),
        }
    }

    #[test]
    fn the_recipient_opens_a_sealed_case_key() {
        let mut random = Seeded::new(1);
        let key = EncryptionKey::generate(&mut random).unwrap();
        let sealed = seal_case_key(key.public(), &context(), &[9; 32], &mut random).unwrap();
        assert_eq!(sealed.len(), 32 + SEAL_OVERHEAD_BYTES);
        assert_eq!(
            *open_case_key(&key, &context(), &sealed).unwrap(),
            [9_u8; 32]
        );
    }

    /// Sealed by hpke 0.13, to a key as it is kept.
    #[test]
    fn a_seal_that_an_earlier_library_made_opens() {
        const KEPT: [&str; 2] = [
            "01e0fc29eae7881ee2bb925da57624551ed41dbefd8af910506654d6e23b09b942",
            "380158491a2aeef74b93326d25b8eafbaf28eb2782b9f0c64d0973fc376e2822f50427e914a0c72967d1b35e1e6f01ef",
        ];
        let key = EncryptionKey::generate(&mut Seeded::new(1)).unwrap();
        let digits = KEPT.concat();
        let sealed: Vec<u8> = (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect();
        let opened = open_case_key(&key, &context(), &sealed).unwrap();
        assert_eq!(*opened, [9_u8; 32]);
    }

    #[test]
    fn another_key_opens_nothing() {
        let mut random = Seeded::new(2);
        let key = EncryptionKey::generate(&mut random).unwrap();
        let other = EncryptionKey::generate(&mut random).unwrap();
        let sealed = seal_case_key(key.public(), &context(), &[9; 32], &mut random).unwrap();
        assert_eq!(
            open_case_key(&other, &context(), &sealed).unwrap_err(),
            SealError::Refused
        );
    }

    #[test]
    fn a_seal_opens_for_no_other_deployment_case_or_place() {
        let mut random = Seeded::new(3);
        let key = EncryptionKey::generate(&mut random).unwrap();
        let sealed = seal_case_key(key.public(), &context(), &[9; 32], &mut random).unwrap();
        let mut others = [context(); 3];
        others[0].deployment = DeploymentId([8; 10]);
        others[1].case = [8; 16];
        others[2].recipient = PlaceId([8; 10]);
        for other in others {
            assert_eq!(
                open_case_key(&key, &other, &sealed).unwrap_err(),
                SealError::Refused
            );
        }
    }

    #[test]
    fn every_flipped_byte_and_every_shorter_seal_is_refused() {
        let mut random = Seeded::new(5);
        let key = EncryptionKey::generate(&mut random).unwrap();
        let sealed = seal_case_key(key.public(), &context(), &[9; 32], &mut random).unwrap();
        for position in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[position] ^= 1;
            assert!(
                open_case_key(&key, &context(), &flipped).is_err(),
                "byte {position}"
            );
            assert!(open_case_key(&key, &context(), &sealed[..position]).is_err());
        }
    }

    #[test]
    fn nothing_is_sealed_without_randomness_or_to_a_point_of_small_order() {
        let mut random = Seeded::new(6);
        let key = EncryptionKey::generate(&mut random).unwrap();
        assert_eq!(
            seal_case_key(key.public(), &context(), &[9; 32], &mut Empty),
            Err(SealError::Random(RandomUnavailable))
        );
        let mut one = [0; 32];
        one[0] = 1;
        let weak = EncryptionPublicKey::from_bytes(&one).unwrap();
        assert_eq!(
            seal_case_key(&weak, &context(), &[9; 32], &mut random),
            Err(SealError::Recipient)
        );
    }
}
