//! One owner for a data folder, in this process and among all of them.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::JournalError;
use super::disk::{self, Disk, SystemDisk};

const LOCK_FILE: &str = "lock";

/// The right to use a data folder: what opens a store there asks for it.
///
/// Held until its last clone is dropped; the kernel lets go when a process dies,
/// so a file left behind locks nothing.
#[derive(Debug, Clone)]
pub struct FolderLock {
    folder: PathBuf,
    disk: Arc<dyn Disk>,
    _file: Option<Arc<File>>,
}

/// How often and how long a lock is waited for that a child not yet started may hold.
const FORK_TRIES_MAX: u32 = 30;
const FORK_PAUSE: std::time::Duration = std::time::Duration::from_millis(10);

impl FolderLock {
    /// Takes the folder, making it when absent.
    ///
    /// # Errors
    /// `Locked` when another owner has it, `DiskFull`, `ReadOnly`, `Io`.
    pub fn acquire(folder: &Path) -> Result<Self, JournalError> {
        disk::make_folder(&SystemDisk, folder)?;
        let path = folder.join(LOCK_FILE);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(disk::at(&path))
            .map_err(disk::failed("open the lock file"))?;
        Self::of(folder, file)
    }

    /// Takes a folder on a file system that takes no writes: whoever reads there only keeps out who reads there too.
    ///
    /// # Errors
    /// `Locked`, `Io`; also where there is no lock file, as no node ever used the folder then.
    pub fn acquire_to_read(folder: &Path) -> Result<Self, JournalError> {
        let path = folder.join(LOCK_FILE);
        let file = File::open(&path)
            .map_err(disk::at(&path))
            .map_err(disk::failed("open the lock file"))?;
        Self::of(folder, file)
    }

    fn of(folder: &Path, file: File) -> Result<Self, JournalError> {
        let take = || match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(disk::failed("lock the data folder")(error)),
        };
        let mut taken = take()?;
        for _ in 0..FORK_TRIES_MAX {
            // A child that another thread has just forked holds a copy of a closed lock until it has become its own
            // program.
            if taken {
                break;
            }
            std::thread::sleep(FORK_PAUSE);
            taken = take()?;
        }
        if !taken {
            return Err(JournalError::Locked);
        }
        Ok(Self {
            folder: folder.to_owned(),
            disk: Arc::new(SystemDisk),
            _file: Some(Arc::new(file)),
        })
    }

    /// A folder on a disk that nobody else can reach: it has one owner without a lock.
    ///
    /// # Errors
    /// `DiskFull`, `ReadOnly`, `Io`.
    pub fn on(disk: Arc<dyn Disk>, folder: &Path) -> Result<Self, JournalError> {
        disk::make_folder(disk.as_ref(), folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            disk,
            _file: None,
        })
    }

    /// What the folder stands on.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// The folder it stands for.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}
