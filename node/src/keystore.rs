//! The key store: case keys and salts, in a small file from which erasing one
//! makes it really gone.
//!
//! The journal keeps every byte for ever, so what must be erasable is encrypted
//! there and its key kept here. Puts merge: a case gains what it lacked, nothing
//! is ever replaced, and an erased case takes nothing again, so no later sync
//! brings it back. Debug output and errors never show key bytes; memory is
//! wiped on drop.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroize;

mod codec;
mod file;
mod memory;
mod snapshot;
mod witness;

#[cfg(test)]
mod tests;

pub use file::{FileKeyStore, OpenedKeys};
pub use memory::MemoryKeyStore;
pub use snapshot::{Open, Snapshot};

/// 128 random bits.
pub type CaseId = [u8; 16];

/// 80 random bits of a place or node.
pub type RecipientId = [u8; 10];

/// Bytes of one sealed copy at most.
pub const SEALED_BYTES_MAX: usize = 1 << 10;

/// Recipients of one case at most.
pub const WRAPS_MAX: usize = 256;

/// What opens one case.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CaseSecret {
    /// Of the payload commitments.
    pub salt: [u8; 32],
    /// Whether the salt was drawn here, or fits what an entry commits to whose author was checked. Until then it is only
    /// what a neighbour said, and gives way to one that fits.
    pub proven: bool,
    /// The case key, when this node may use it.
    pub key: Option<[u8; 32]>,
    /// The case key sealed to this node; may be empty.
    pub wrapped: Vec<u8>,
    /// Sealed copies to hand on, one a recipient.
    pub wraps: Vec<(RecipientId, Vec<u8>)>,
}

impl fmt::Debug for CaseSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CaseSecret")
            .field("key_held", &self.key.is_some())
            .field("wraps", &self.wraps.len())
            .finish_non_exhaustive()
    }
}

impl Drop for CaseSecret {
    fn drop(&mut self) {
        self.salt.zeroize();
        self.key.zeroize();
        self.wrapped.zeroize();
        for (_, sealed) in &mut self.wraps {
            sealed.zeroize();
        }
    }
}

impl CaseSecret {
    /// Of a case whose key is not known yet.
    pub fn with_salt(salt: [u8; 32]) -> Self {
        let mut secret = Self::default();
        secret.salt = salt;
        secret
    }

    /// Adds what is missing from `other`; `true` when anything was.
    ///
    /// Sealed copies differ each time they are made; whoever puts another one knows that the first does not open.
    fn merge(&mut self, case: CaseId, other: &Self) -> Result<bool, KeyStoreError> {
        if self.salt != other.salt {
            if self.proven || !other.proven {
                return Err(KeyStoreError::SaltConflict { case });
            }
            self.clone_from(other);
            return Ok(true);
        }
        let mut added = other.proven && !self.proven;
        self.proven |= other.proven;
        match (&self.key, &other.key) {
            (Some(mine), Some(theirs)) if mine != theirs => {
                return Err(KeyStoreError::KeyConflict { case });
            }
            (None, Some(theirs)) => {
                self.key = Some(*theirs);
                added = true;
            }
            (Some(_), _) | (None, None) => {}
        }
        if !other.wrapped.is_empty() && self.wrapped != other.wrapped {
            self.wrapped.clone_from(&other.wrapped);
            added = true;
        }
        for (recipient, sealed) in &other.wraps {
            if self.wraps.iter().all(|(known, _)| known != recipient) {
                self.wraps.push((*recipient, sealed.clone()));
                added = true;
            }
        }
        Ok(added)
    }

    fn check(&self, case: CaseId) -> Result<(), KeyStoreError> {
        let mut sealed = self.wraps.iter().map(|(_, sealed)| sealed);
        if self.wraps.len() > WRAPS_MAX
            || self.wrapped.len() > SEALED_BYTES_MAX
            || sealed.any(|sealed| sealed.len() > SEALED_BYTES_MAX)
        {
            return Err(KeyStoreError::TooLarge { case });
        }
        Ok(())
    }
}

/// Keys by case.
pub trait KeyStore: Send {
    /// Merges all of them, durable before returning, or none.
    ///
    /// # Errors
    /// `Erased`, `KeyConflict`, `SaltConflict`, `TooLarge`: nothing changed.
    /// `DiskFull`, `ReadOnly`, `Io`: every later change is `Poisoned`.
    fn put_many(&mut self, secrets: &[(CaseId, CaseSecret)]) -> Result<(), KeyStoreError>;

    /// Lets the witness vouch for all that was put so far, so that none of it can be
    /// taken for a torn tail any more.
    ///
    /// # Errors
    /// `Poisoned`, `DiskFull`, `ReadOnly`, `Io`; nothing is lost by it.
    fn vouch(&mut self) -> Result<(), KeyStoreError> {
        Ok(())
    }

    /// What is held for a case.
    fn get(&self, case: &CaseId) -> Option<&CaseSecret>;

    /// Whether a case was erased here.
    fn is_erased(&self, case: &CaseId) -> bool;

    /// Destroys what is held for these cases, for good, known here or not; once
    /// for many, since the whole file is written anew. Again is fine.
    ///
    /// # Errors
    /// `DiskFull`, `ReadOnly`, `Io`: not erased, every later change is `Poisoned`.
    fn erase_many(&mut self, cases: &[CaseId]) -> Result<(), KeyStoreError>;

    /// As `erase_many`, for one.
    ///
    /// # Errors
    /// As `erase_many`.
    fn erase(&mut self, case: CaseId) -> Result<(), KeyStoreError> {
        self.erase_many(&[case])
    }
}

/// Why the key store refused. Never names key bytes.
#[derive(Debug, thiserror::Error)]
pub enum KeyStoreError {
    /// The case was erased and takes nothing again.
    #[error("this case was erased")]
    Erased {
        /// Which.
        case: CaseId,
    },
    /// Another key is held for the case.
    #[error("another key is held for this case")]
    KeyConflict {
        /// Which.
        case: CaseId,
    },
    /// Another salt is held for the case.
    #[error("another salt is held for this case")]
    SaltConflict {
        /// Which.
        case: CaseId,
    },
    /// Above [`SEALED_BYTES_MAX`] or [`WRAPS_MAX`].
    #[error("too many or too large sealed copies for one case")]
    TooLarge {
        /// Which.
        case: CaseId,
    },
    /// Bytes of the file that were durable are not what was written.
    #[error(
        "the key store is damaged at byte {offset}; restore it from the separate key backup \
         （密钥库损坏，请从单独的密钥备份恢复）"
    )]
    Damaged {
        /// In the file.
        offset: u64,
    },
    /// Written by a version this program does not know.
    #[error("the key store has format version {found}, which this program does not know")]
    FormatVersion {
        /// In the file.
        found: u32,
    },
    /// An earlier write failed; the store must be opened again.
    #[error("an earlier write failed; the key store must be opened again")]
    Poisoned,
    /// No room.
    #[error("the disk is full （磁盘已满）")]
    DiskFull,
    /// The file system takes no writes.
    #[error("the file system is read-only （文件系统只读）")]
    ReadOnly,
    /// Anything else of the operating system.
    #[error("{attempt}")]
    Io {
        /// What was attempted.
        attempt: &'static str,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}

impl KeyStoreError {
    /// Whether the key store is sound and refuses what it was given: nothing was written.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Erased { .. }
            | Self::KeyConflict { .. }
            | Self::SaltConflict { .. }
            | Self::TooLarge { .. } => true,
            Self::Damaged { .. }
            | Self::FormatVersion { .. }
            | Self::Poisoned
            | Self::DiskFull
            | Self::ReadOnly
            | Self::Io { .. } => false,
        }
    }
}

impl From<crate::journal::disk::DiskError> for KeyStoreError {
    fn from(error: crate::journal::disk::DiskError) -> Self {
        use crate::journal::disk::DiskError;
        match error {
            DiskError::Full => Self::DiskFull,
            DiskError::ReadOnly => Self::ReadOnly,
            DiskError::Io { attempt, source } => Self::Io { attempt, source },
        }
    }
}

/// What both stores hold in memory: `None` marks an erased case. Boxed, so that
/// the map moving its entries leaves no copies of keys behind.
type Holdings = BTreeMap<CaseId, Option<Box<CaseSecret>>>;

/// The cases that change, as they will be; `holdings` is not touched.
fn merged(
    holdings: &Holdings,
    secrets: &[(CaseId, CaseSecret)],
) -> Result<BTreeMap<CaseId, Box<CaseSecret>>, KeyStoreError> {
    let mut changed: BTreeMap<CaseId, Box<CaseSecret>> = BTreeMap::new();
    for (case, secret) in secrets {
        let case = *case;
        if let Some(pending) = changed.get_mut(&case) {
            pending.merge(case, secret)?;
            pending.check(case)?;
            continue;
        }
        let mut after = match holdings.get(&case) {
            Some(None) => return Err(KeyStoreError::Erased { case }),
            Some(Some(held)) => held.clone(),
            None => {
                secret.check(case)?;
                changed.insert(case, Box::new(secret.clone()));
                continue;
            }
        };
        if after.merge(case, secret)? {
            after.check(case)?;
            changed.insert(case, after);
        }
    }
    Ok(changed)
}
