//! Copying files by their hash, aside first, then in place.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::error::BackupError;
use crate::journal::{SystemDisk, disk};

/// Reports of long work: bytes done, bytes in all.
pub(crate) type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// The folder of segments in a backup.
pub(super) const SEGMENTS: &str = "segments";

const CHUNK_BYTES: usize = 1 << 20;

/// Work done so far, told as it goes on.
pub(super) struct Told<'a, 'p> {
    pub(super) done: u64,
    pub(super) total: u64,
    pub(super) progress: &'a mut Progress<'p>,
}

impl Told<'_, '_> {
    fn add(&mut self, bytes: usize) {
        self.done += bytes as u64;
        (self.progress)(self.done, self.total);
    }
}

pub(super) fn failed<'a>(
    attempt: &'static str,
    path: &'a Path,
) -> impl FnOnce(std::io::Error) -> BackupError + use<'a> {
    move |source| BackupError::Io {
        attempt,
        path: path.to_owned(),
        source,
    }
}

/// Reads the first `bytes` of a file and gives their SHA-256; `each` sees them pass. `None` when there are fewer.
pub(super) fn pass(
    path: &Path,
    bytes: u64,
    told: &mut Told<'_, '_>,
    each: &mut dyn FnMut(&[u8]) -> Result<(), BackupError>,
) -> Result<Option<[u8; 32]>, BackupError> {
    let mut file = File::open(path).map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            return BackupError::Missing {
                path: path.to_owned(),
            };
        }
        failed("open", path)(error)
    })?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut left = bytes;
    while left > 0 {
        let wanted = usize::try_from(left).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
        let read = file
            .read(&mut chunk[..wanted])
            .map_err(failed("read", path))?;
        if read == 0 {
            return Ok(None);
        }
        hash.update(&chunk[..read]);
        each(&chunk[..read])?;
        told.add(read);
        left -= read as u64;
    }
    Ok(Some(hash.finalize().into()))
}

/// Copies the first `bytes` of a file, synced, under its name only once its hash is `sha256`; `false` when it is not.
pub(super) fn copy(
    from: &Path,
    to: &Path,
    bytes: u64,
    sha256: &[u8; 32],
    told: &mut Told<'_, '_>,
) -> Result<bool, BackupError> {
    let mut name = to.as_os_str().to_owned();
    name.push(disk::ASIDE);
    let aside = Path::new(&name);
    let file = disk::create_empty(&SystemDisk, aside)?;
    let mut written = 0;
    let hash = pass(from, bytes, told, &mut |chunk| {
        file.write_at(chunk, written)
            .map_err(failed("write", aside))?;
        written += chunk.len() as u64;
        Ok(())
    })?;
    if hash.as_ref() != Some(sha256) {
        disk::remove_file(&SystemDisk, aside)?;
        return Ok(false);
    }
    file.sync_all().map_err(failed("sync", aside))?;
    disk::rename(&SystemDisk, aside, to)?;
    Ok(true)
}

/// Removes what an interrupted run left aside in a folder.
pub(super) fn clear_aside(folder: &Path) -> Result<(), BackupError> {
    for entry in fs::read_dir(folder).map_err(failed("list", folder))? {
        let entry = entry.map_err(failed("list", folder))?;
        if entry.file_name().to_string_lossy().ends_with(disk::ASIDE) {
            disk::remove_file(&SystemDisk, &entry.path())?;
        }
    }
    Ok(())
}
