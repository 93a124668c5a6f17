//! The few things the durable files ask of the operating system.
//!
//! Files are 0600 and folders 0700 from their first instant. A failure comes
//! back typed; nothing here is tried twice.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

/// Why the operating system refused.
#[derive(Debug)]
pub(crate) enum DiskError {
    Full,
    ReadOnly,
    Io {
        attempt: &'static str,
        source: io::Error,
    },
}

/// Turns an I/O error of `attempt` into its typed form.
pub(crate) fn failed(attempt: &'static str) -> impl FnOnce(io::Error) -> DiskError {
    move |source| {
        let kind = source.kind();
        if kind == ErrorKind::StorageFull || kind == ErrorKind::QuotaExceeded {
            DiskError::Full
        } else if kind == ErrorKind::ReadOnlyFilesystem {
            DiskError::ReadOnly
        } else {
            DiskError::Io { attempt, source }
        }
    }
}

/// The writes of an append-only file; a trait so that tests can make them fail.
pub(crate) trait Sink: Send {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;
    fn sync(&mut self) -> io::Result<()>;
}

impl Sink for File {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

pub(crate) fn make_folder(path: &Path) -> Result<(), DiskError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(failed("make a folder"))
}

/// Opens an existing file for reading and writing.
pub(crate) fn open_for_writing(path: &Path) -> Result<File, DiskError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(failed("open a file for writing"))
}

/// An empty file, whatever stood there before.
pub(crate) fn create_empty(path: &Path) -> Result<File, DiskError> {
    // A leftover of another mode would keep that mode.
    remove_file(path)?;
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed("create a file"))
}

/// Puts `bytes` at `folder/name` so that a crash leaves the old file or the new
/// one, whole; returns the new file, open.
pub(crate) fn replace(folder: &Path, name: &str, bytes: &[u8]) -> Result<File, DiskError> {
    let aside = folder.join(format!("{name}{ASIDE}"));
    let mut file = create_empty(&aside)?;
    file.write_all(bytes).map_err(failed("write a new file"))?;
    file.sync_all().map_err(failed("sync a new file"))?;
    rename(&aside, &folder.join(name))?;
    sync_folder(folder)?;
    Ok(file)
}

/// The end of a name not yet in place.
pub(crate) const ASIDE: &str = ".new";

pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), DiskError> {
    fs::rename(from, to).map_err(failed("put a new file in place"))
}

pub(crate) fn sync_folder(path: &Path) -> Result<(), DiskError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(failed("sync a folder"))
}

/// Removes a file; absent is fine.
pub(crate) fn remove_file(path: &Path) -> Result<(), DiskError> {
    absent_is_fine(fs::remove_file(path)).map_err(failed("remove a file"))
}

/// Removes a folder with all in it; absent is fine.
pub(crate) fn remove_folder(path: &Path) -> Result<(), DiskError> {
    absent_is_fine(fs::remove_dir_all(path)).map_err(failed("remove a folder"))
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
