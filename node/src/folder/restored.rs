//! A folder that was put back from a backup and is nobody yet: `restored.json` in place of `identity.json`.
//!
//! Restoring writes the journal, the key store and this file, and nothing else. The folder runs only after `recover`
//! has given it an identity, with a token from the parent or with the root key; then this file goes (rule 25).

use std::path::Path;

use super::error::FolderError;
use super::files::{put, read};
use super::identity::Restored;
use super::written::{of_json, to_json};
use crate::journal::{SystemDisk, disk};

/// Its name inside the data folder.
pub(super) const RESTORED: &str = "restored.json";

impl Restored {
    /// Reads it; `None` where the folder was not restored, or has its identity already.
    ///
    /// # Errors
    /// [`FolderError::Damaged`], [`FolderError::Newer`], or reading failed.
    pub fn read(folder: &Path) -> Result<Option<Self>, FolderError> {
        match read(folder, RESTORED) {
            Ok(bytes) => of_json(RESTORED, &bytes).map(Some),
            Err(FolderError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes it, synced: the last step of a restore.
    ///
    /// # Errors
    /// The disk refused.
    pub fn write(&self, folder: &Path) -> Result<(), FolderError> {
        put(folder, RESTORED, &to_json(RESTORED, self)?)
    }

    /// Removes it, synced: the last step of a recovery. Absent is fine.
    ///
    /// # Errors
    /// The disk refused.
    pub fn remove(folder: &Path) -> Result<(), FolderError> {
        disk::remove_file(&SystemDisk, &folder.join(RESTORED))?;
        Ok(disk::sync_folder(&SystemDisk, folder)?)
    }
}
