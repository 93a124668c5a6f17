//! The data folder of a node as a disk keeps it, looked at and damaged behind the node's back.

use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use memchr::memmem;

/// All files below a folder, in the order of their names.
///
/// # Errors
/// A folder cannot be read.
pub fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Bytes of all files below a folder as the disk keeps them.
///
/// # Errors
/// A folder cannot be read.
pub fn disk_bytes(folder: &Path) -> std::io::Result<u64> {
    files(folder)?
        .iter()
        .map(|file| Ok(std::fs::metadata(file)?.blocks() * 512))
        .sum()
}

/// Files at or below a path that hold some bytes. A running node may rename and remove its own meanwhile.
///
/// # Errors
/// A file is there and cannot be read.
pub fn holding(path: &Path, bytes: &[u8]) -> std::io::Result<Vec<PathBuf>> {
    let is_gone = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
    let mut found = Vec::new();
    let mut waiting = vec![path.to_owned()];
    while let Some(path) = waiting.pop() {
        let kind = match std::fs::symlink_metadata(&path) {
            Err(error) if is_gone(&error) => continue,
            other => other?.file_type(),
        };
        if kind.is_dir() {
            for entry in std::fs::read_dir(&path)? {
                waiting.push(entry?.path());
            }
        } else if kind.is_file() {
            match std::fs::read(&path) {
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error),
                Ok(content) => found.extend(memmem::find(&content, bytes).map(|_| path)),
            }
        }
    }
    Ok(found)
}

/// Changes one bit in the middle of what the fullest segment of a journal holds.
///
/// # Errors
/// There is no segment, or it cannot be changed.
pub fn damage_journal(data: &Path) -> std::io::Result<()> {
    let mut segments = Vec::new();
    for path in files(&data.join("journal"))? {
        let content = std::fs::read(&path)?;
        // What was reserved and not yet written is zero.
        let written = content.iter().rposition(|byte| *byte != 0).unwrap_or(0);
        segments.push((written, path, content));
    }
    let fullest = segments.into_iter().max_by_key(|(written, ..)| *written);
    let (written, path, content) = fullest.ok_or(std::io::ErrorKind::NotFound)?;
    let at = written / 2;
    let file = std::fs::File::options().write(true).open(path)?;
    file.write_all_at(&[content[at] ^ 1], at as u64)
}
