//! Cases in an open form: one JSON line an entry, readable and provable without this program.
//!
//! The form is told in `deploy/export/FORMAT.md`. A file begins with a header, goes on with entries in the order in
//! which they were stored (registries among them, since they prove who may sign), and ends with a line that signs all
//! lines before it. Each entry carries the very bytes that its author signed, and beside them what they say, in the
//! JSON form that protobuf defines. Texts are sealed in those bytes; in clear they stand in a file only when asked for.
//!
//! Reading believes nothing but the root key: it goes through a file as an audit goes through a journal.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fengqiao_hub::id::{DeploymentId, Hash, NodeId, PlaceId};
use serde::{Deserialize, Serialize};

use crate::folder::FolderError;
use crate::journal::JournalError;
use crate::trust::keys::{Fingerprint, PublicKey};

pub(crate) mod access;
mod decoded;
mod read;
mod write;

#[cfg(test)]
mod tests;

pub(crate) use read::read;
pub(crate) use write::{Wanted, write};

/// Version of the form.
pub(crate) const FORMAT: u32 = 1;

const DOMAIN: &[u8] = b"fengqiao/export/1\0";

/// Texts of entries in clear, by the entry's hash: role and words.
pub(crate) type Texts = BTreeMap<Hash, Vec<Text>>;

/// A text in clear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Text {
    /// What it is: `text`, `requester`, `reply`, `reason` and so on.
    pub role: String,
    /// The words.
    pub text: String,
}

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    /// `header`.
    pub record: String,
    /// Version of the form.
    pub format: u32,
    /// Version of the program.
    pub written_by: String,
    /// When, RFC 3339.
    pub made: String,
    /// The deployment.
    pub deployment: DeploymentId,
    /// Its root key.
    pub root_key: PublicKey,
    /// The node that exports.
    pub node: NodeId,
    /// Its place.
    pub place: PlaceId,
    /// Name of that place.
    pub place_name: String,
    /// The node's signing key, which signs the last line.
    pub signing_key: PublicKey,
    /// Whether texts stand in clear.
    pub with_texts: bool,
}

/// The last line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct End {
    /// `end`.
    pub record: String,
    /// Lines between header and end.
    pub entries: u64,
    /// Chains in them.
    pub chains: u64,
    /// SHA-256 of all bytes before this line.
    pub sha256: Fingerprint,
    /// Ed25519 signature of the node over `fengqiao/export/1`, a zero byte and that SHA-256, 128 hex digits.
    pub signature: String,
}

/// What a file holds.
#[derive(Debug, Clone)]
pub(crate) struct Summary {
    /// Its first line.
    pub header: Header,
    /// Entries.
    pub entries: u64,
    /// Chains.
    pub chains: u64,
    /// Cases among them.
    pub cases: u64,
    /// Texts in clear.
    pub texts: u64,
    /// SHA-256 of all but the last line: what names this export.
    pub sha256: Fingerprint,
}

/// Why nothing was exported, or a file is refused.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The file is not what was exported.
    #[error("{} line {line}: {what}; the file was altered or cut short", path.display())]
    Altered {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// What does not hold.
        what: String,
    },
    /// Written by a later version.
    #[error("{} has format {found}: this program is too old for it", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// In the file.
        found: u32,
    },
    /// Another deployment's.
    #[error("{} rests on root key {found}, not on {wanted}", path.display())]
    OtherRoot {
        /// The file.
        path: PathBuf,
        /// In the file.
        found: String,
        /// As asked.
        wanted: String,
    },
    /// Nothing is written over.
    #[error("{} is there already: choose a new name", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The data folder.
    #[error("the data folder")]
    Folder(#[from] FolderError),
    /// The journal.
    #[error("the journal")]
    Journal(#[from] JournalError),
    /// A file cannot be read or written.
    #[error("could not {attempt} {}", path.display())]
    Io {
        /// What was attempted.
        attempt: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl ExportError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Altered { .. } => "EXPORT_ALTERED",
            Self::Newer { .. } => "EXPORT_NEWER",
            Self::OtherRoot { .. } => "EXPORT_OTHER_ROOT",
            Self::Exists { .. } => "FILE_EXISTS",
            Self::Folder(folder) => folder.code(),
            Self::Journal(JournalError::Damaged(_)) => "JOURNAL_DAMAGED",
            Self::Journal(_) => "JOURNAL",
            Self::Io { .. } => "EXPORT_IO",
        }
    }

    /// What to tell a person, in Chinese.
    #[must_use]
    pub fn chinese(&self) -> String {
        match self {
            Self::Altered { path, line, .. } => {
                format!("{} 第 {line} 行不成立：文件被改动或不完整", path.display())
            }
            Self::Newer { found, .. } => format!("导出格式为 {found}：本程序版本过旧"),
            Self::OtherRoot { .. } => "导出文件属于另一个部署（根密钥不同）".to_owned(),
            Self::Exists { path } => format!("{} 已存在：请另取名称", path.display()),
            Self::Folder(folder) => folder.chinese(),
            Self::Journal(_) => "日志不能使用".to_owned(),
            Self::Io { path, .. } => format!("读写 {} 失败", path.display()),
        }
    }
}

fn failed(
    attempt: &'static str,
    path: &std::path::Path,
) -> impl FnOnce(std::io::Error) -> ExportError {
    let path = path.to_owned();
    move |source| ExportError::Io {
        attempt,
        path,
        source,
    }
}

fn signed_bytes(sha256: &[u8; 32]) -> Vec<u8> {
    [DOMAIN, sha256].concat()
}
