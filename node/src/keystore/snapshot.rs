//! All keys at one moment, on their way into a backup or out of one.
//!
//! Reads the file of a store that another process may be using, without lock or change. What was sealed to a node's own
//! key is opened on the way out: whoever restores has another key and could not open it any more.

use std::path::Path;

use zeroize::Zeroizing;

use super::file::{KEYS_FILE, read_all, whole_file};
use super::{CaseId, Holdings, KeyStoreError, codec, witness};
use crate::journal::disk::SystemFile;
use crate::journal::{SystemDisk, disk};

/// Erasures that may overtake one reading.
const TRIES_MAX: u32 = 16;

/// Opens what was sealed of a case, where it can.
pub type Open<'a> = &'a dyn Fn(&CaseId, &[u8]) -> Option<[u8; 32]>;

/// What a key store held.
pub struct Snapshot(Holdings);

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Snapshot")
            .field("held", &self.held())
            .field("erased", &self.erased())
            .finish()
    }
}

impl Snapshot {
    /// Reads the store of a data folder; none is an empty one.
    ///
    /// # Errors
    /// `Damaged`, also where less is there than the witness vouches for; `FormatVersion`, `Io`.
    pub fn read(folder: &Path) -> Result<Self, KeyStoreError> {
        let mut damaged = KeyStoreError::Damaged { offset: 0 };
        // An erasure meanwhile takes the witness back, puts a new file in place and wipes the old one.
        for _ in 0..TRIES_MAX {
            let vouched = witness::read(&SystemDisk, folder)?;
            let Some((holdings, sound)) = read_once(&folder.join(KEYS_FILE))? else {
                continue;
            };
            if sound >= vouched {
                return Ok(Self(holdings));
            }
            damaged = KeyStoreError::Damaged { offset: sound };
        }
        Err(damaged)
    }

    /// Of no case at all.
    #[must_use]
    pub fn empty() -> Self {
        Self(Holdings::new())
    }

    /// Reads the bytes of a key store's file.
    ///
    /// # Errors
    /// `Damaged`, `FormatVersion`.
    pub fn of_bytes(bytes: &[u8]) -> Result<Self, KeyStoreError> {
        codec::read(bytes).map(|(holdings, _)| Self(holdings))
    }

    /// The bytes of a file that holds exactly this.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        whole_file(&self.0)
    }

    /// Puts it in the place of a data folder's key store, synced.
    ///
    /// # Errors
    /// `DiskFull`, `ReadOnly`, `Io`.
    pub fn write(&self, folder: &Path) -> Result<(), KeyStoreError> {
        disk::replace(&SystemDisk, folder, KEYS_FILE, &self.to_bytes())?;
        Ok(())
    }

    /// Opens what is only held sealed; says how many would not open, which stay sealed.
    pub fn open_sealed(&mut self, open: Open<'_>) -> usize {
        let mut closed = 0;
        for (case, secret) in &mut self.0 {
            let Some(secret) = secret else { continue };
            if secret.key.is_some() || secret.wrapped.is_empty() {
                continue;
            }
            secret.key = open(case, &secret.wrapped);
            closed += usize::from(secret.key.is_none());
        }
        closed
    }

    /// Cases whose secret is held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.0.values().filter(|secret| secret.is_some()).count()
    }

    /// Cases that were erased.
    #[must_use]
    pub fn erased(&self) -> usize {
        self.0.len() - self.held()
    }

    /// The salt of a case's commitments, where it is proven.
    #[must_use]
    pub fn salt(&self, case: &CaseId) -> Option<[u8; 32]> {
        let secret = self.0.get(case)?.as_ref()?;
        secret.proven.then_some(secret.salt)
    }
}

/// What a file holds and how many of its bytes are sound; nothing where there is none, `None` where it was replaced
/// while it was read.
fn read_once(path: &Path) -> Result<Option<(Holdings, u64)>, KeyStoreError> {
    let reading = || disk::failed("read the key store");
    let file = match SystemFile::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Some((Holdings::new(), 0)));
        }
        Err(error) => return Err(reading()(error).into()),
    };
    let bytes = read_all(&file).map_err(reading())?;
    let read = file.inode().map_err(reading())?;
    let present = SystemFile::open(path).and_then(|present| present.inode());
    let present = present.map_err(reading())?;
    if read != present {
        return Ok(None);
    }
    let (holdings, sound) = codec::read(&bytes)?;
    Ok(Some((holdings, sound as u64)))
}
