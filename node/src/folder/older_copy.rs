//! What neighbours said of a folder that may be an older copy of itself: `older-copy.json`.
//!
//! A copy of a whole folder takes its witnesses along, so only a neighbour can tell: it holds work of this node that the
//! folder does not have. What it said is kept, so that the folder stays closed also where that neighbour is not reached.
//! Recovering the folder removes it.

use std::path::Path;

use fengqiao_hub::id::NodeId;
use serde::{Deserialize, Serialize};

use super::error::FolderError;
use super::files::{OLDER_COPY, put, read};
use super::written::{of_json, to_json};

/// What neighbours said of a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OlderCopy {
    /// By whom and by what it was found to be an older copy; `None` where it may be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Found>,
    /// Neighbours that a leader does not believe in this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disbelieved: Vec<NodeId>,
}

/// How a folder was found to be an older copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// The neighbour that holds more.
    pub neighbour: NodeId,
    /// What it holds, without personal data.
    pub what: String,
    /// When, Unix milliseconds by this machine's clock.
    pub at_ms: i64,
}

impl OlderCopy {
    /// Reads it; nothing was said of a folder without the file.
    ///
    /// # Errors
    /// [`FolderError::Damaged`], [`FolderError::Newer`], or reading failed.
    pub fn read(folder: &Path) -> Result<Self, FolderError> {
        match read(folder, OLDER_COPY) {
            Ok(bytes) => of_json(OLDER_COPY, &bytes),
            Err(FolderError::Missing { .. }) => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Writes it, synced.
    ///
    /// # Errors
    /// The disk refused.
    pub fn write(&self, folder: &Path) -> Result<(), FolderError> {
        put(folder, OLDER_COPY, &to_json(OLDER_COPY, self)?)
    }
}
