//! A folder that was put back from a backup and is nobody yet: `restored.json` in place of `identity.json`.
//!
//! Restoring writes the journal, the key store and this file, and nothing else. The folder runs only after `recover`
//! has given it an identity, with a token from the parent or with the root key; then this file goes (rule 25).

use std::path::Path;

use fengqiao_hub::id::{DeploymentId, NodeId, PlaceId, UnitId};
use serde::{Deserialize, Serialize};

use super::{Folder, FolderError, damaged, put, to_json};
use crate::journal::{Beside, SystemDisk, disk};
use crate::trust::keys::Fingerprint;

/// Its name inside the data folder.
pub const RESTORED: &str = "restored.json";

/// Where a restored folder comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restored {
    /// The deployment.
    pub deployment: DeploymentId,
    /// The place its node served.
    pub place: PlaceId,
    /// Official name of that place, as it was when that node's folder was made.
    pub place_name: String,
    /// Level of that place, as it was then.
    pub level: u32,
    /// The unit that node served, when it was a department's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<UnitId>,
    /// The node whose journal it is. The folder's next node is another one.
    pub node: NodeId,
    /// Fingerprint of the deployment's root key that the registry in the journal rests on: the token's must be equal.
    pub root: Fingerprint,
    /// When the backup was made, RFC 3339, by the clock of the machine that made it.
    pub backup_made: String,
    /// Where the journal ends.
    pub position: u64,
    /// SHA-256 of the journal's last segment, which stands for all before it; 64 hex digits.
    pub chain_hash: Fingerprint,
    /// Whether case keys were put back too. Without them texts are unreadable until neighbours send the keys again.
    pub keys: bool,
}

impl Restored {
    /// Reads it; `None` where the folder was not restored, or has its identity already.
    ///
    /// # Errors
    /// [`FolderError::Damaged`], [`FolderError::Newer`], or reading failed.
    pub fn read(folder: &Path) -> Result<Option<Self>, FolderError> {
        match super::read(folder, RESTORED) {
            Ok(bytes) => super::of_json(RESTORED, &bytes).map(Some),
            Err(FolderError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What a folder with an identity would say, were it a backup of itself: an older copy that was put back.
    ///
    /// # Errors
    /// [`FolderError::Damaged`] where the journal does not read.
    pub fn of_folder(folder: &Folder) -> Result<Self, FolderError> {
        let identity = &folder.identity;
        let journal = Beside::look(folder.path()).map_err(damaged("journal"))?;
        let last = journal.segments.last();
        Ok(Self {
            deployment: identity.deployment,
            place: identity.place,
            place_name: identity.place_name.clone(),
            level: identity.level,
            unit: identity.unit,
            node: identity.node,
            root: folder.root.fingerprint(),
            backup_made: String::new(),
            position: journal.end.0,
            chain_hash: Fingerprint::from_bytes(last.map_or([0; 32], |segment| segment.sha256)),
            keys: true,
        })
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
