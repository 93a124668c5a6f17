//! The few things the durable files ask of a disk.
//!
//! Files are 0600 and folders 0700 from their first instant. A failure comes
//! back typed; nothing here is tried twice. A [`Disk`] is the seam at which a
//! simulation loses, tears and decays what was not synced.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::JournalError;
use super::file_system::FileSystem;
use super::spare::opened;

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

impl From<DiskError> for JournalError {
    fn from(error: DiskError) -> Self {
        match error {
            DiskError::Full => Self::DiskFull,
            DiskError::ReadOnly => Self::ReadOnly,
            DiskError::Io { attempt, source } => Self::Io { attempt, source },
        }
    }
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

impl FileSystem {
    /// Asks what `folder` stands on.
    ///
    /// # Errors
    /// `FileSystemRefused` for NFS and FUSE, `Io`.
    pub fn check(folder: &Path) -> Result<Self, JournalError> {
        let answer = rustix::fs::statfs(folder)
            .map_err(|error| failed("ask for the file system")(error.into()))?;
        // The kernel's type differs by machine; the numbers fit 32 bits.
        let magic = u64::from(u32::try_from(answer.f_type).unwrap_or_default());
        Self::from_magic(magic).accept()
    }

    pub(super) fn accept(self) -> Result<Self, JournalError> {
        match self {
            Self::Nfs | Self::Fuse => Err(JournalError::FileSystemRefused { kind: self }),
            Self::Ext4 | Self::Xfs | Self::Tmpfs | Self::Overlay | Self::Other(_) => Ok(self),
        }
    }
}

/// An error of the operating system with what is needed to mend it: the file, whose it is, and who may do what.
#[derive(Debug)]
pub(crate) struct AtPath {
    /// The file or folder.
    pub path: PathBuf,
    /// Its owner, group and permission bits, where they can be seen.
    pub owned: Option<(u32, u32, u32)>,
    source: io::Error,
}

impl fmt::Display for AtPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some((owner, group, mode)) = self.owned {
            write!(f, " (owner {owner}:{group}, mode {mode:04o})")?;
        }
        write!(f, ": {}", self.source)
    }
}

impl std::error::Error for AtPath {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.source()
    }
}

/// Adds to an error of the operating system which file it is about. Its kind stays.
pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> io::Error {
    move |source| {
        // Whether a file is there is asked all the time; only what stands there has an owner.
        let absent = source.kind() == ErrorKind::NotFound;
        let found = (!absent).then(|| fs::symlink_metadata(path).ok()).flatten();
        let owned = found.map(|found| (found.uid(), found.gid(), found.mode() & 0o7777));
        let path = path.to_owned();
        io::Error::new(
            source.kind(),
            AtPath {
                path,
                owned,
                source,
            },
        )
    }
}

/// The operating system's own error, where an error comes from one: then nothing was read, and nothing is known to be
/// damaged. A file that is shorter than it says is not such a case.
pub(crate) fn refused_by_the_system<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> Option<&'e io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(refused) = error.downcast_ref::<io::Error>() {
            let short = matches!(
                refused.kind(),
                ErrorKind::UnexpectedEof | ErrorKind::InvalidData
            );
            return (!short).then_some(refused);
        }
        next = error.source();
    }
    None
}

/// What a person is told of an error of the operating system, in Chinese.
pub(crate) fn chinese(error: &io::Error) -> String {
    let at = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<AtPath>());
    let of = at.map_or_else(String::new, |at| {
        let owned = at
            .owned
            .map(|(owner, group, mode)| format!("（属主 {owner}:{group}，权限 {mode:04o}）"));
        format!(" {}{}", at.path.display(), owned.unwrap_or_default())
    });
    let source = at.map_or(error, |at| &at.source);
    if error.kind() == ErrorKind::PermissionDenied {
        format!("无权访问{of}")
    } else {
        format!("操作系统拒绝访问{of}：{source}")
    }
}

/// What the durable files stand on.
///
/// Until `sync` of the file and `sync_folder` of its folder have returned, a
/// power cut may leave any part of what was asked, in any order.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Opens an existing file for reading.
    ///
    /// # Errors
    /// Of the operating system, as for all that follow.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// As `open`.
    fn open_to_write(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Makes a file that did not exist.
    ///
    /// # Errors
    /// `AlreadyExists`, and as `open`.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Puts a file or folder in the place of another.
    ///
    /// # Errors
    /// As `open`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// As `open`.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;

    /// Makes a folder and those above it; standing is fine.
    ///
    /// # Errors
    /// As `open`.
    fn make_folder(&self, path: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// `NotFound`, and as `open`.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes a folder with all in it.
    ///
    /// # Errors
    /// `NotFound`, and as `open`.
    fn remove_folder(&self, path: &Path) -> io::Result<()>;

    /// Names in a folder, those that are text.
    ///
    /// # Errors
    /// As `open`.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;

    /// Whether a file or folder stands there.
    ///
    /// # Errors
    /// As `open`.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// What a folder stands on.
    ///
    /// # Errors
    /// `FileSystemRefused` for those whose syncs promise too little, `Io`.
    fn file_system(&self, folder: &Path) -> Result<FileSystem, JournalError>;
}

/// An open file.
#[expect(
    clippy::len_without_is_empty,
    reason = "a length on a disk, not a collection"
)]
pub trait DiskFile: Send + Sync {
    /// Reads at an offset; 0 at the end.
    ///
    /// # Errors
    /// Of the operating system, as for all that follow.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of it at an offset.
    ///
    /// # Errors
    /// As `read_at`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the file, or lengthens it by zeros.
    ///
    /// # Errors
    /// As `read_at`.
    fn set_len(&self, length: u64) -> io::Result<()>;

    /// Bytes in it.
    ///
    /// # Errors
    /// As `read_at`.
    fn len(&self) -> io::Result<u64>;

    /// Makes what was written durable, and the length needed to read it.
    ///
    /// # Errors
    /// As `read_at`.
    fn sync(&self) -> io::Result<()>;

    /// Makes all of the file durable.
    ///
    /// # Errors
    /// As `read_at`.
    fn sync_all(&self) -> io::Result<()>;
}

/// The operating system's.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        SystemFile::of(opened(|| File::open(path)), path)
    }

    fn open_to_write(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = opened(|| OpenOptions::new().read(true).write(true).open(path));
        SystemFile::of(file, path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let new = || {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)
        };
        SystemFile::of(opened(new), path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to).map_err(at(to))
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let synced = opened(|| File::open(path)).and_then(|folder| folder.sync_all());
        synced.map_err(at(path))
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(at(path))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path).map_err(at(path))
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path).map_err(at(path))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path).map_err(at(path))? {
            names.extend(entry.map_err(at(path))?.file_name().into_string());
        }
        Ok(names)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists().map_err(at(path))
    }

    fn file_system(&self, folder: &Path) -> Result<FileSystem, JournalError> {
        FileSystem::check(folder)
    }
}

/// An open file that knows its name, so that an error says which one it was.
pub(crate) struct SystemFile {
    file: File,
    path: PathBuf,
}

impl SystemFile {
    /// Opens an existing file for reading.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: File::open(path).map_err(at(path))?,
            path: path.to_owned(),
        })
    }

    /// The number by which the file system knows it, whatever its name leads to by now.
    pub(crate) fn inode(&self) -> io::Result<u64> {
        Ok(self.file.metadata().map_err(at(&self.path))?.ino())
    }

    fn of(opened: io::Result<File>, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(Self {
            file: opened.map_err(at(path))?,
            path: path.to_owned(),
        }))
    }
}

impl DiskFile for SystemFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(&self.file, buffer, offset).map_err(at(&self.path))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let written = self.file.write_all_at(bytes, offset);
        written.map_err(at(&self.path))
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length).map_err(at(&self.path))
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata().map_err(at(&self.path))?.len())
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data().map_err(at(&self.path))
    }

    fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all().map_err(at(&self.path))
    }
}

/// Fills a buffer from an offset on.
pub(crate) fn read_exact(file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

pub(crate) fn make_folder(disk: &dyn Disk, path: &Path) -> Result<(), DiskError> {
    disk.make_folder(path).map_err(failed("make a folder"))
}

/// Opens an existing file for reading and writing.
pub(crate) fn open_for_writing(
    disk: &dyn Disk,
    path: &Path,
) -> Result<Arc<dyn DiskFile>, DiskError> {
    disk.open_to_write(path)
        .map_err(failed("open a file for writing"))
}

/// An empty file, whatever stood there before.
pub(crate) fn create_empty(disk: &dyn Disk, path: &Path) -> Result<Arc<dyn DiskFile>, DiskError> {
    // A leftover of another mode would keep that mode.
    remove_file(disk, path)?;
    disk.create(path).map_err(failed("create a file"))
}

/// Puts `bytes` at `folder/name` so that a crash leaves the old file or the new
/// one, whole; returns the new file, open.
pub(crate) fn replace(
    disk: &dyn Disk,
    folder: &Path,
    name: &str,
    bytes: &[u8],
) -> Result<Arc<dyn DiskFile>, DiskError> {
    let aside = folder.join(format!("{name}{ASIDE}"));
    let file = create_empty(disk, &aside)?;
    file.write_at(bytes, 0)
        .map_err(failed("write a new file"))?;
    file.sync_all().map_err(failed("sync a new file"))?;
    rename(disk, &aside, &folder.join(name))?;
    sync_folder(disk, folder)?;
    Ok(file)
}

/// The end of a name not yet in place.
pub(crate) const ASIDE: &str = ".new";

pub(crate) fn rename(disk: &dyn Disk, from: &Path, to: &Path) -> Result<(), DiskError> {
    disk.rename(from, to)
        .map_err(failed("put a new file in place"))
}

pub(crate) fn sync_folder(disk: &dyn Disk, path: &Path) -> Result<(), DiskError> {
    disk.sync_folder(path).map_err(failed("sync a folder"))
}

/// Removes a file; absent is fine.
pub(crate) fn remove_file(disk: &dyn Disk, path: &Path) -> Result<(), DiskError> {
    absent_is_fine(disk.remove_file(path)).map_err(failed("remove a file"))
}

/// Removes a folder with all in it; absent is fine.
pub(crate) fn remove_folder(disk: &dyn Disk, path: &Path) -> Result<(), DiskError> {
    absent_is_fine(disk.remove_folder(path)).map_err(failed("remove a folder"))
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
