//! Room on the disk: a reserve kept for recovery, and when to stop taking more.
//!
//! One reserve a file system, wherever the process is told to keep it.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use super::{JournalError, disk};

const RESERVE_BYTES_MAX: u64 = 128 << 20;
const RESERVE_SHARE: u64 = 50;

/// Room of a file system, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// What this user may still write.
    pub available: u64,
    /// All of it.
    pub total: u64,
}

impl Room {
    /// Asks the file system under a path.
    ///
    /// # Errors
    /// The path is not there, or cannot be asked.
    pub fn of(path: &Path) -> std::io::Result<Self> {
        let found = statvfs(path)?;
        Ok(Self {
            available: found.f_frsize.saturating_mul(found.f_bavail),
            total: found.f_frsize.saturating_mul(found.f_blocks),
        })
    }
}

/// The smaller of 128 MiB and 2 % of a file system of `total` bytes.
pub fn reserve_bytes(total: u64) -> u64 {
    RESERVE_BYTES_MAX.min(total / RESERVE_SHARE)
}

/// A file of real blocks, given back only to get a full disk going again.
#[derive(Debug)]
pub struct Reserve {
    path: PathBuf,
}

impl Reserve {
    /// Makes sure that `path` holds `bytes` allocated bytes.
    ///
    /// # Errors
    /// `DiskFull` when there is no room for it, `ReadOnly`, `Io`, also when the
    /// file system cannot allocate; no reserve is held then.
    pub fn hold(path: &Path, bytes: u64) -> Result<Self, JournalError> {
        let reserve = Self {
            path: path.to_owned(),
        };
        if reserve.held_bytes() == bytes {
            return Ok(reserve);
        }
        disk::remove_file(&disk::SystemDisk, path)?;
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(disk::at(path))
            .map_err(disk::failed("create a file"))?;
        let held = fallocate(&file, FallocateFlags::empty(), 0, bytes)
            .map_err(std::io::Error::from)
            .and_then(|()| file.sync_all())
            .map_err(disk::failed("allocate the reserve"));
        if let Err(error) = held {
            // Half a reserve would eat the room that is short.
            disk::remove_file(&disk::SystemDisk, path)?;
            return Err(error.into());
        }
        Ok(reserve)
    }

    /// Gives the room back; the next `hold` takes it again.
    ///
    /// # Errors
    /// `ReadOnly`, `Io`.
    pub fn release(self) -> Result<(), JournalError> {
        Ok(disk::remove_file(&disk::SystemDisk, &self.path)?)
    }

    fn held_bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |found| found.len())
    }
}

/// Reached when less than either is available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threshold {
    /// Of the whole file system, 0-100.
    pub percent: u8,
    /// Absolute.
    pub bytes: u64,
}

impl Threshold {
    fn reached(self, available: u64, total: u64) -> bool {
        let share = u128::from(total) * u128::from(self.percent);
        available < self.bytes || u128::from(available) * 100 < share
    }
}

/// From where on to take less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// No attachments below.
    pub attachments: Threshold,
    /// No writes at all below.
    pub read_only: Threshold,
}

/// What the room left allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Space {
    /// Everything.
    Ok,
    /// Everything but attachments.
    NoAttachments,
    /// Reading.
    ReadOnly,
}

impl Space {
    /// Judges `available` of `total` bytes.
    pub fn judge(available: u64, total: u64, limits: &Limits) -> Self {
        if limits.read_only.reached(available, total) {
            Self::ReadOnly
        } else if limits.attachments.reached(available, total) {
            Self::NoAttachments
        } else {
            Self::Ok
        }
    }

    /// Judges the file system under `folder`, by what is open to this user.
    ///
    /// # Errors
    /// `Io`.
    pub fn measure(folder: &Path, limits: &Limits) -> Result<Self, JournalError> {
        let room = Room::of(folder).map_err(disk::failed("ask for the free space"))?;
        Ok(Self::judge(room.available, room.total, limits))
    }
}
