//! Why a data folder is refused.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use thiserror::Error;

use super::identity::Restored;
use crate::config::SOCKET_PATH_BYTES_MAX;
use crate::journal::JournalError;
use crate::journal::disk::{self, DiskError};
use crate::trust::keys::KeyFileError;

/// Why a data folder cannot be made or used. Nothing was changed.
#[derive(Debug, Error)]
pub enum FolderError {
    /// No data folder stands there.
    #[error("{} is no data folder: make one with `fengqiao init` or `fengqiao join`", path.display())]
    Absent {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// It was put back from a backup and has no identity yet.
    #[error(
        "{} holds {} as it was backed up at {}, and no identity: it does not run before `{}`",
        path.display(), restored.place_name, restored.backup_made, restored.next_command(path)
    )]
    Restored {
        /// The folder.
        path: PathBuf,
        /// Where it comes from.
        restored: Box<Restored>,
    },
    /// Something stands there already.
    #[error("{} is not empty: choose a new folder", path.display())]
    Exists {
        /// Where the folder was to be.
        path: PathBuf,
    },
    /// A path without a last part, such as `/` or `..`.
    #[error("{} is no name for a new folder", path.display())]
    Name {
        /// As given.
        path: PathBuf,
    },
    /// The node's socket would have too long a path for the system.
    #[error(
        "{} is too long a path: with the socket in it {bytes} bytes, and the system allows {SOCKET_PATH_BYTES_MAX}; choose a shorter one",
        path.display()
    )]
    PathTooLong {
        /// Where the folder was to be.
        path: PathBuf,
        /// Of the socket's path.
        bytes: usize,
    },
    /// Written by a later version of this program.
    #[error(
        "the data folder has format {format}, written by version {written_by}: this program is too old for it"
    )]
    Newer {
        /// In the folder.
        format: u32,
        /// The version that wrote it.
        written_by: String,
    },
    /// A part of the folder is not there.
    #[error("the data folder lacks {file}: put it back from where it was taken")]
    Missing {
        /// Its name inside the folder.
        file: &'static str,
    },
    /// A part of the folder cannot be read as what it should be.
    #[error("{file} in the data folder is damaged or does not belong here")]
    Damaged {
        /// Its name inside the folder.
        file: &'static str,
        /// What is wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Others may read a private key.
    #[error(
        "{} may be read or written by others (mode {mode:04o}); if it never left this machine: chmod 600 {}",
        path.display(), path.display()
    )]
    KeyTooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Another process, or another part of this one, has the folder.
    #[error("another process uses this data folder")]
    InUse,
    /// No room.
    #[error("the disk is full")]
    DiskFull,
    /// The file system takes no writes.
    #[error("the file system is read-only")]
    ReadOnly,
    /// Anything else of the operating system.
    #[error("could not {attempt}")]
    Io {
        /// What was attempted.
        attempt: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl FolderError {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Absent { .. } => "FOLDER_ABSENT",
            Self::Restored { .. } => "FOLDER_RESTORED",
            Self::Exists { .. } => "FOLDER_EXISTS",
            Self::Name { .. } => "FOLDER_NAME",
            Self::PathTooLong { .. } => "FOLDER_PATH_LONG",
            Self::Newer { .. } => "FOLDER_NEWER",
            Self::Missing { .. } => "FOLDER_INCOMPLETE",
            Self::Damaged { .. } => "FOLDER_DAMAGED",
            Self::KeyTooOpen { .. } => "FOLDER_KEY_OPEN",
            Self::InUse => "FOLDER_IN_USE",
            Self::DiskFull => "DISK_FULL",
            Self::ReadOnly => "DISK_READ_ONLY",
            Self::Io { .. } => "FOLDER_IO",
        }
    }

    /// What to tell a person, in Chinese; the English words are its `Display`.
    pub fn chinese(&self) -> String {
        match self {
            Self::Absent { path } => format!(
                "{} 不是数据目录：请先执行 fengqiao init 或 fengqiao join",
                path.display()
            ),
            Self::Restored { path, restored } => format!(
                "{} 由 {} 于 {} 的备份恢复而来，尚无身份：请先执行 {}，再运行",
                path.display(),
                restored.place_name,
                restored.backup_made,
                restored.next_command(path)
            ),
            Self::Exists { path } => {
                format!("{} 不是空目录：请换一个新目录", path.display())
            }
            Self::Name { path } => format!("{} 不能作为新目录的名称", path.display()),
            Self::PathTooLong { path, bytes } => format!(
                "{} 路径过长：连同其中的套接字共 {bytes} 字节，系统只允许 {SOCKET_PATH_BYTES_MAX} 字节，请换一个较短的路径",
                path.display()
            ),
            Self::Newer { format, written_by } => format!(
                "数据目录的格式为 {format}，由 {written_by} 版写成：本程序版本过旧，不能使用"
            ),
            Self::Missing { file } => format!("数据目录缺少 {file}：请从取走之处放回"),
            Self::Damaged { file, .. } => format!("数据目录中的 {file} 已损坏或不属于此处"),
            Self::KeyTooOpen { path, mode } => format!(
                "{} 可被他人读写（权限 {mode:04o}）；如从未离开本机，请执行 chmod 600",
                path.display()
            ),
            Self::InUse => "数据目录正被另一进程使用".to_owned(),
            Self::DiskFull => "磁盘已满".to_owned(),
            Self::ReadOnly => "文件系统只读".to_owned(),
            Self::Io { source, .. } => disk::chinese(source),
        }
    }
}

impl From<KeyFileError> for FolderError {
    fn from(error: KeyFileError) -> Self {
        match error {
            KeyFileError::Read { path, source } => {
                disk::failed("read a key")(disk::at(&path)(source)).into()
            }
            KeyFileError::Write { path, source } => {
                disk::failed("write a key")(disk::at(&path)(source)).into()
            }
            KeyFileError::TooOpen { path, mode } => Self::KeyTooOpen { path, mode },
            malformed @ KeyFileError::Malformed { .. } => Self::Damaged {
                file: "a key",
                source: malformed.into(),
            },
        }
    }
}

impl From<DiskError> for FolderError {
    fn from(error: DiskError) -> Self {
        match error {
            DiskError::Full => Self::DiskFull,
            DiskError::ReadOnly => Self::ReadOnly,
            DiskError::Io { attempt, source } => Self::Io { attempt, source },
        }
    }
}

pub(super) fn key_error(file: &'static str, error: KeyFileError) -> FolderError {
    match error {
        KeyFileError::Read { source, .. } if source.kind() == ErrorKind::NotFound => {
            FolderError::Missing { file }
        }
        malformed @ KeyFileError::Malformed { .. } => damaged(file)(malformed),
        other @ (KeyFileError::Read { .. }
        | KeyFileError::Write { .. }
        | KeyFileError::TooOpen { .. }) => other.into(),
    }
}

/// What the lock of a folder was refused for.
pub(crate) fn locking(error: JournalError) -> FolderError {
    locking_or(error, "lock")
}

/// What the journal's floor said, about a part of the folder.
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "the few that are named are the disk's; the rest is about the part"
)]
pub(super) fn locking_or(error: JournalError, part: &'static str) -> FolderError {
    match error {
        JournalError::Locked => FolderError::InUse,
        JournalError::DiskFull => FolderError::DiskFull,
        JournalError::ReadOnly => FolderError::ReadOnly,
        JournalError::Io { attempt, source } => FolderError::Io { attempt, source },
        other => damaged(part)(other),
    }
}

pub(super) fn damaged<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    file: &'static str,
) -> impl FnOnce(E) -> FolderError {
    move |source| FolderError::Damaged {
        file,
        source: source.into(),
    }
}
