//! The keys of a node and what may be known of them.
//!
//! One type a purpose, so that a transport key cannot sign an entry by
//! mistake. Private halves are wiped when dropped and print as their purpose
//! only; they are written once, readable by their owner alone, and refused
//! when anyone else could have read them ([`mod@file`]).

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes};
use ed25519_dalek::{Signer, VerifyingKey};
use hpke::{Deserializable, Kem, Serializable};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use super::random::{Random, RandomUnavailable};

pub(crate) mod file;

pub(crate) use file::KeyFileError;

/// DER of an Ed25519 SubjectPublicKeyInfo up to the key itself (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// A public key or a signature that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Not 32 bytes of a sound point, or one of the few weak points.
    #[error("the public key is not a sound point")]
    Point,
    /// The signature is not this key's over these bytes.
    #[error("the signature does not hold")]
    Signature,
}

/// SHA-256 of a SubjectPublicKeyInfo, spelled in 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Takes the digest as it is.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Digests the DER of a SubjectPublicKeyInfo.
    pub fn of_spki(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }

    /// The digest.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        HEXLOWER.encode_write(&self.0, formatter)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Fingerprint({self})")
    }
}

/// A text that is not a whole lower-case hex spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not 64 lower-case hex digits")]
pub struct HexError;

impl FromStr for Fingerprint {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        read_hex(text).map(Self)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Reads 32 bytes from exactly 64 lower-case hex digits.
fn read_hex(text: &str) -> Result<[u8; 32], HexError> {
    let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| HexError)?;
    bytes.try_into().map_err(|_| HexError)
}

/// The first 8 bytes of SHA-256 of a public key: how an envelope names it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 8]);

impl KeyId {
    /// The eight bytes.
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        HEXLOWER.encode_write(&self.0, formatter)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyId({self})")
    }
}

fn key_id(public: &[u8; 32]) -> KeyId {
    let digest: [u8; 32] = Sha256::digest(public).into();
    let mut id = [0; 8];
    id.copy_from_slice(&digest[..8]);
    KeyId(id)
}

/// An Ed25519 public key: a sound, strong point.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads 32 bytes.
    ///
    /// # Errors
    ///
    /// `KeyError::Point` if they are no point, or a weak one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes: &[u8; 32] = bytes.try_into().map_err(|_| KeyError::Point)?;
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::Point)?;
        if key.is_weak() {
            return Err(KeyError::Point);
        }
        Ok(Self(key))
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// How an envelope names this key.
    pub fn key_id(&self) -> KeyId {
        key_id(self.as_bytes())
    }

    /// The key as the hub's chains take it.
    pub const fn verifying_key(&self) -> &VerifyingKey {
        &self.0
    }

    /// SHA-256 of this key's SubjectPublicKeyInfo.
    pub fn fingerprint(&self) -> Fingerprint {
        let digest = Sha256::new()
            .chain_update(SPKI_PREFIX)
            .chain_update(self.as_bytes())
            .finalize();
        Fingerprint(digest.into())
    }

    /// Checks a signature by the strict rules of PROTOCOL.md 3.
    ///
    /// # Errors
    ///
    /// `KeyError::Signature` if it is malformed or does not hold.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), KeyError> {
        let signature =
            ed25519_dalek::Signature::from_slice(signature).map_err(|_| KeyError::Signature)?;
        self.0
            .verify_strict(message, &signature)
            .map_err(|_| KeyError::Signature)
    }
}

/// Spelled in 64 lower-case hex digits.
impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Fingerprint::from_bytes(*self.as_bytes()))
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes =
            read_hex(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)?;
        Self::from_bytes(&bytes).map_err(serde::de::Error::custom)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PublicKey({})", self.key_id())
    }
}

impl rcgen::PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        self.as_bytes()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ED25519
    }
}

/// What a private key is for.
pub trait Purpose {
    /// A word for file names and messages.
    const WORD: &'static str;
}

/// Signs entries.
#[derive(Debug)]
pub enum Signing {}
/// Opens connections.
#[derive(Debug)]
pub enum Transport {}
/// Signs certificates.
#[derive(Debug)]
pub enum Issuing {}

impl Purpose for Signing {
    const WORD: &'static str = "signing";
}
impl Purpose for Transport {
    const WORD: &'static str = "transport";
}
impl Purpose for Issuing {
    const WORD: &'static str = "authority";
}

/// The key that signs a node's entries; pinned by the registry.
pub type SigningKey = PrivateKey<Signing>;
/// The key in a node's certificate.
pub type TransportKey = PrivateKey<Transport>;
/// The key of a root or of an issuing authority.
pub type AuthorityKey = PrivateKey<Issuing>;

/// An Ed25519 private key for one purpose; wiped when dropped.
pub struct PrivateKey<P> {
    key: ed25519_dalek::SigningKey,
    public: PublicKey,
    purpose: PhantomData<fn() -> P>,
}

impl<P: Purpose> PrivateKey<P> {
    /// Makes a fresh key.
    ///
    /// # Errors
    ///
    /// [`RandomUnavailable`] if the source cannot answer.
    pub fn generate(random: &mut dyn Random) -> Result<Self, RandomUnavailable> {
        let mut seed = Zeroizing::new([0; 32]);
        random.fill(seed.as_mut())?;
        Ok(Self::from_key(ed25519_dalek::SigningKey::from_bytes(&seed)))
    }

    fn from_key(key: ed25519_dalek::SigningKey) -> Self {
        let public = PublicKey(key.verifying_key());
        Self {
            key,
            public,
            purpose: PhantomData,
        }
    }

    /// The public half.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs the bytes; what they mean (a domain string first) is the caller's.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }

    /// Writes the key as a new PKCS8 PEM file of mode 0600, synced.
    ///
    /// # Errors
    ///
    /// [`KeyFileError::Write`], also where the file is already there.
    pub fn save(&self, path: &Path) -> Result<(), KeyFileError> {
        let pem = self
            .pkcs8()
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|_| KeyFileError::malformed(path, P::WORD))?;
        file::write_new(path, pem.as_bytes())
    }

    /// Reads a key that [`PrivateKey::save`] wrote.
    ///
    /// # Errors
    ///
    /// [`KeyFileError::Read`], [`KeyFileError::TooOpen`] where others may read
    /// it, [`KeyFileError::Malformed`] where it is no Ed25519 key.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        let bytes = file::read(path)?;
        std::str::from_utf8(&bytes)
            .ok()
            .and_then(|text| ed25519_dalek::SigningKey::from_pkcs8_pem(text).ok())
            .map(Self::from_key)
            .ok_or_else(|| KeyFileError::malformed(path, P::WORD))
    }

    /// PKCS8 version 1, without the public key: OpenSSL reads no other.
    fn pkcs8(&self) -> KeypairBytes {
        KeypairBytes {
            secret_key: self.key.to_bytes(),
            public_key: None,
        }
    }
}

impl PrivateKey<Signing> {
    /// The key as the hub's chains take it; its clones wipe themselves too.
    pub const fn entry_key(&self) -> &ed25519_dalek::SigningKey {
        &self.key
    }
}

impl PrivateKey<Issuing> {
    /// The key of a root as the hub's chains take it: it signs a deployment's
    /// first entry.
    pub const fn entry_key(&self) -> &ed25519_dalek::SigningKey {
        &self.key
    }
}

impl PrivateKey<Transport> {
    /// The key as TLS wants it.
    pub(crate) fn pkcs8_der(&self) -> Option<Zeroizing<Vec<u8>>> {
        self.pkcs8()
            .to_pkcs8_der()
            .ok()
            .map(|document| Zeroizing::new(document.as_bytes().to_vec()))
    }
}

impl<P: Purpose> fmt::Debug for PrivateKey<P> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PrivateKey({})", P::WORD)
    }
}

impl<P> rcgen::PublicKeyData for PrivateKey<P> {
    fn der_bytes(&self) -> &[u8] {
        self.public.as_bytes()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ED25519
    }
}

impl<P> rcgen::SigningKey for PrivateKey<P> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.key.sign(message).to_bytes().to_vec())
    }
}

type X25519 = hpke::kem::X25519HkdfSha256;

/// The key that opens what is sealed to a place; X25519, wiped when dropped.
pub struct EncryptionKey {
    secret: Zeroizing<[u8; 32]>,
    public: EncryptionPublicKey,
}

impl EncryptionKey {
    /// Makes a fresh key.
    ///
    /// # Errors
    ///
    /// [`RandomUnavailable`] if the source cannot answer.
    pub fn generate(random: &mut dyn Random) -> Result<Self, RandomUnavailable> {
        let mut secret = Zeroizing::new([0; 32]);
        random.fill(secret.as_mut())?;
        Self::from_secret(secret).ok_or(RandomUnavailable)
    }

    fn from_secret(secret: Zeroizing<[u8; 32]>) -> Option<Self> {
        let private = <X25519 as Kem>::PrivateKey::from_bytes(secret.as_ref()).ok()?;
        let public = X25519::sk_to_pk(&private).to_bytes().into();
        Some(Self {
            secret,
            public: EncryptionPublicKey(public),
        })
    }

    /// The public half.
    pub const fn public(&self) -> &EncryptionPublicKey {
        &self.public
    }

    pub(crate) fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// Writes the key as a new file of 64 hex digits, mode 0600, synced.
    ///
    /// # Errors
    ///
    /// `KeyFileError::Write`, also where the file is already there.
    pub fn save(&self, path: &Path) -> Result<(), KeyFileError> {
        struct Hex<'a>(&'a [u8; 32]);
        impl fmt::Display for Hex<'_> {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                HEXLOWER.encode_write(self.0, formatter)
            }
        }
        let text = Zeroizing::new(format!("{}\n", Hex(&self.secret)));
        file::write_new(path, text.as_bytes())
    }

    /// Reads a key that [`EncryptionKey::save`] wrote.
    ///
    /// # Errors
    ///
    /// As `PrivateKey::load`.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        let bytes = file::read(path)?;
        std::str::from_utf8(&bytes)
            .ok()
            .and_then(|text| read_hex(text.trim_end()).ok())
            .and_then(|secret| Self::from_secret(Zeroizing::new(secret)))
            .ok_or_else(|| KeyFileError::malformed(path, Self::WORD))
    }
}

impl Purpose for EncryptionKey {
    const WORD: &'static str = "encryption";
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("EncryptionKey")
    }
}

/// Where sealed things are sent: an X25519 public key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EncryptionPublicKey([u8; 32]);

impl EncryptionPublicKey {
    /// Reads 32 bytes.
    ///
    /// # Errors
    ///
    /// `KeyError::Point` for another length or the all-zero point. The other
    /// points of small order are refused when something is sealed to them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| KeyError::Point)?;
        if bool::from(bytes.ct_eq(&[0; 32])) {
            return Err(KeyError::Point);
        }
        Ok(Self(bytes))
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// How this key is named.
    pub fn key_id(&self) -> KeyId {
        key_id(&self.0)
    }
}

impl fmt::Debug for EncryptionPublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "EncryptionPublicKey({})", self.key_id())
    }
}

#[cfg(test)]
mod tests;
