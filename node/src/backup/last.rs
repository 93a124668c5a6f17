//! When a data folder was last backed up: a word beside the journal, for whoever watches the node.

use std::path::Path;

use fengqiao_hub::clock::Moment;

use super::error::BackupError;
use crate::journal::{SystemDisk, disk};

const NAME: &str = "last_backup";

/// Notes in a data folder that a backup of it was made.
///
/// # Errors
/// `Disk`.
pub(super) fn note(data: &Path, made: Moment) -> Result<(), BackupError> {
    disk::replace(&SystemDisk, data, NAME, made.0.to_string().as_bytes())?;
    Ok(())
}

/// When the last backup of a data folder was made, by the clock of this machine; `None` before the first.
#[must_use]
pub(crate) fn last_backup(data: &Path) -> Option<Moment> {
    let text = std::fs::read_to_string(data.join(NAME)).ok()?;
    text.trim().parse().ok().map(Moment)
}
