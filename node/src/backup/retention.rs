//! Letting go of old backups: their manifests, and the parts of the journal that no later one names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::copying::{self, failed};
use super::read::list;
use super::{BackupError, Manifest};
use crate::journal::{FolderLock, SystemDisk, disk};

/// What was let go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LetGo {
    /// Backups, oldest first.
    pub backups: Vec<String>,
    /// Files of segments.
    pub segments: usize,
}

/// Keeps the newest `count` sound backups of a folder and lets go of older ones. A manifest that is refused is neither
/// counted nor removed, and while one stands no segment is removed, because nobody knows which it needs.
///
/// Manifests go first: interrupted, it leaves segments that nothing names, and the next call removes them.
///
/// # Errors
/// `Io`, or another backup is being made in the folder.
pub(crate) fn keep_newest(folder: &Path, count: usize) -> Result<LetGo, BackupError> {
    let _one_at_a_time = FolderLock::acquire(folder)?;
    let found = list(folder)?;
    let whole = found.iter().all(|listed| listed.manifest.is_ok());
    let sound: Vec<Manifest> = found
        .into_iter()
        .filter_map(|listed| listed.manifest.ok())
        .collect();
    let (old, kept) = sound.split_at(sound.len().saturating_sub(count));
    let mut gone = LetGo::default();
    for manifest in old {
        disk::remove_file(&SystemDisk, &manifest.path(folder))?;
        gone.backups.push(manifest.name.clone());
    }
    disk::sync_folder(&SystemDisk, folder)?;
    if !whole {
        return Ok(gone);
    }
    let named = kept.iter().flat_map(|manifest| &manifest.segments);
    let named: BTreeSet<PathBuf> = named.map(|segment| segment.path(folder)).collect();
    let segments = folder.join(copying::SEGMENTS);
    for entry in std::fs::read_dir(&segments).map_err(failed("list", &segments))? {
        let path = entry.map_err(failed("list", &segments))?.path();
        if !named.contains(&path) {
            disk::remove_file(&SystemDisk, &path)?;
            gone.segments += 1;
        }
    }
    disk::sync_folder(&SystemDisk, &segments)?;
    Ok(gone)
}
