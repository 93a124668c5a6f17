//! Case keys apart from the journal: one file, encrypted to a passphrase, with an end.
//!
//! A line of JSON says whose keys they are and until when; then the key store follows, sealed with XChaCha20-Poly1305
//! under a key that Argon2id makes of the passphrase and the line's salt. The line is sealed along, so that no byte of
//! the file can be another. After thirty days at most the file opens no more: a case erased since must not come back.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::{DeploymentId, NodeId, PlaceId, UnitId};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::copying::failed;
use super::error::{BackupError, PASSPHRASE_CHARACTERS_MIN};
use super::manifest::{FORMAT, Manifest};
use crate::folder::Identity;
use crate::journal::{SystemDisk, disk};
use crate::keystore::Snapshot;
use crate::tabular::plain_text;
use crate::trust::keys::Fingerprint;
use crate::trust::random::{Random, draw};

/// Days that a file of case keys may be kept, at most.
pub(crate) const KEYS_DAYS_MAX: u32 = 30;

const WHAT: &str = "fengqiao case keys";
const DAY_MS: i64 = 86_400_000;
/// What guessing one passphrase costs. Tests try a thousand.
const MEMORY_KIB: u32 = if cfg!(test) { 64 } else { 64 << 10 };
const PASSES: u32 = 3;
/// What is believed of a file before it has proven itself.
const MEMORY_KIB_MAX: u32 = 1 << 20;
const PASSES_MAX: u32 = 32;
const FILE_BYTES_MAX: u64 = 4 << 30;
const PASSPHRASE_BYTES_MAX: u64 = 4_096;

/// A passphrase from a file; wiped when dropped.
pub(crate) struct Passphrase(Zeroizing<String>);

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Passphrase")
    }
}

impl Passphrase {
    /// Reads the first line of a file that nobody else may read.
    ///
    /// # Errors
    /// `PassphraseOpen`, `PassphraseShort`, `Io`.
    pub(crate) fn read(path: &Path, credentials: Option<&Path>) -> Result<Self, BackupError> {
        let file = File::open(path).map_err(failed("read", path))?;
        let mode = file.metadata().map_err(failed("read", path))?;
        let mode = mode.permissions().mode() & 0o7777;
        // There the service manager lets one account in by an access list, whose mask shows as rights of the group.
        let is_credential = credentials.is_some() && path.parent() == credentials;
        if mode & 0o077 != 0 && !is_credential {
            return Err(BackupError::PassphraseOpen {
                path: path.to_owned(),
                mode,
            });
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(8_192));
        file.take(PASSPHRASE_BYTES_MAX)
            .read_to_end(&mut bytes)
            .map_err(failed("read", path))?;
        let text = Zeroizing::new(plain_text(&bytes).unwrap_or_default());
        let line = Zeroizing::new(text.lines().next().unwrap_or_default().to_owned());
        if line.chars().count() < PASSPHRASE_CHARACTERS_MIN {
            return Err(BackupError::PassphraseShort {
                path: path.to_owned(),
            });
        }
        Ok(Self(line))
    }

    fn key(&self, head: &Head) -> Option<Zeroizing<[u8; 32]>> {
        if head.memory_kib > MEMORY_KIB_MAX || head.passes > PASSES_MAX {
            return None;
        }
        let params = Params::new(head.memory_kib, head.passes, 1, Some(32)).ok()?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(self.0.as_bytes(), head.salt.as_bytes(), key.as_mut())
            .ok()?;
        Some(key)
    }
}

/// What a file says of itself in clear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format: u32,
    what: String,
    deployment: DeploymentId,
    place: PlaceId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unit: Option<UnitId>,
    node: NodeId,
    made: String,
    expires: String,
    cases: usize,
    kdf: String,
    memory_kib: u32,
    passes: u32,
    salt: Fingerprint,
}

/// A file of case keys, not yet opened.
#[derive(Debug)]
pub(crate) struct CaseKeys {
    path: PathBuf,
    head: Head,
    /// As written: what was sealed along.
    line: Vec<u8>,
    sealed: Vec<u8>,
}

impl CaseKeys {
    /// Reads a file, believing nothing of it yet.
    ///
    /// # Errors
    /// `KeysForm`, `Newer`, `Io`.
    pub(crate) fn read(path: &Path) -> Result<Self, BackupError> {
        let form = || BackupError::KeysForm {
            path: path.to_owned(),
        };
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes))
            .map_err(failed("read", path))?;
        let end = bytes
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or_else(form)?;
        let sealed = bytes.split_off(end + 1);
        bytes.truncate(end);
        let head: Head = serde_json::from_slice(&bytes).map_err(|_| form())?;
        if head.what != WHAT {
            return Err(form());
        }
        if head.format > FORMAT {
            return Err(BackupError::Newer {
                path: path.to_owned(),
                found: head.format,
            });
        }
        Ok(Self {
            path: path.to_owned(),
            head,
            line: bytes,
            sealed,
        })
    }

    /// When it expires, RFC 3339; as it says of itself.
    #[must_use]
    pub(crate) fn expires(&self) -> &str {
        &self.head.expires
    }

    /// Opens it for the place a backup is of.
    ///
    /// # Errors
    /// `KeysClosed`, `KeysOther`, `KeysExpired`, `Keys`.
    pub(crate) fn open(
        &self,
        passphrase: &Passphrase,
        backup: &Manifest,
        now: Moment,
    ) -> Result<Snapshot, BackupError> {
        let path = || self.path.clone();
        let closed = || BackupError::KeysClosed { path: path() };
        let key = passphrase.key(&self.head).ok_or_else(closed)?;
        let payload = Payload {
            msg: &self.sealed,
            aad: &self.line,
        };
        let opened = XChaCha20Poly1305::new((&*key).into())
            .decrypt(&nonce(), payload)
            .map_err(|_| closed())?;
        let opened = Zeroizing::new(opened);
        let whose = (self.head.deployment, self.head.place, self.head.unit);
        if whose != (backup.deployment, backup.place, backup.unit) {
            return Err(BackupError::KeysOther { path: path() });
        }
        if self.end().is_none_or(|end| now >= end) {
            return Err(BackupError::KeysExpired {
                path: path(),
                expired: self.head.expires.clone(),
            });
        }
        Ok(Snapshot::of_bytes(&opened)?)
    }

    /// No later than its making allows.
    fn end(&self) -> Option<Moment> {
        let made = Moment::parse_rfc3339(&self.head.made).ok()?;
        let expires = Moment::parse_rfc3339(&self.head.expires).ok()?;
        Some(expires.min(made.checked_add_ms(i64::from(KEYS_DAYS_MAX) * DAY_MS)?))
    }
}

/// Never the same key twice: its salt is drawn for one file.
fn nonce() -> XNonce {
    XNonce::from([0; 24])
}

/// Writes a file of keys in place whole; an older one of its kind gives way.
pub(super) fn write(
    to: &Path,
    identity: &Identity,
    keys: &Snapshot,
    passphrase: &Passphrase,
    days: u32,
    now: Moment,
    random: &mut dyn Random,
) -> Result<(), BackupError> {
    if to.exists() {
        CaseKeys::read(to)?;
    }
    let name = to.file_name().ok_or_else(|| BackupError::KeysForm {
        path: to.to_owned(),
    })?;
    let days = i64::from(days.min(KEYS_DAYS_MAX));
    let expires = now.checked_add_ms(days * DAY_MS).unwrap_or(now);
    let head = Head {
        format: FORMAT,
        what: WHAT.to_owned(),
        deployment: identity.deployment,
        place: identity.place,
        unit: identity.unit,
        node: identity.node,
        made: now.to_rfc3339(0).unwrap_or_default(),
        expires: expires.to_rfc3339(0).unwrap_or_default(),
        cases: keys.held(),
        kdf: "argon2id".to_owned(),
        memory_kib: MEMORY_KIB,
        passes: PASSES,
        salt: Fingerprint::from_bytes(draw(random).map_err(|_| BackupError::Random)?),
    };
    let mut bytes = serde_json::to_vec(&head).map_err(|error| failed("write", to)(error.into()))?;
    let key = passphrase.key(&head).ok_or(BackupError::Random)?;
    let plain = keys.to_bytes();
    let payload = Payload {
        msg: &plain,
        aad: &bytes,
    };
    let sealed = XChaCha20Poly1305::new((&*key).into())
        .encrypt(&nonce(), payload)
        .map_err(|_| BackupError::Random)?;
    bytes.push(b'\n');
    bytes.extend_from_slice(&sealed);
    let folder = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    disk::replace(&SystemDisk, folder, &name.to_string_lossy(), &bytes)?;
    Ok(())
}
