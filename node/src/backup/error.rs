//! Why a backup is refused, in both languages.

use std::path::PathBuf;

use crate::folder::FolderError;
use crate::journal::disk::DiskError;
use crate::journal::{JournalError, Position};
use crate::keystore::KeyStoreError;

/// Characters of a passphrase, at least.
pub(super) const PASSPHRASE_CHARACTERS_MIN: usize = 12;

/// Why a backup was not made, read or put back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The folder is no backup.
    #[error("{} holds no finished backup", path.display())]
    None {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// No backup of that name.
    #[error("{} holds no backup named {name}; `fengqiao backup list` shows those it holds", path.display())]
    Unknown {
        /// Where it was looked for.
        path: PathBuf,
        /// As asked.
        name: String,
    },
    /// A file of the backup is not there.
    #[error("the backup lacks {}: take another copy of it", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Bytes are not those that were signed.
    #[error("{} was altered or decayed after the backup was made: {what}; take another copy, or another backup", path.display())]
    Altered {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: String,
    },
    /// Written by a later version of this program.
    #[error("{} has format {found}: this program is too old for it", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// In the file.
        found: u32,
    },
    /// The folder holds backups of another place.
    #[error("{} holds backups of {held}: choose another folder for this node", path.display())]
    OtherPlace {
        /// The folder.
        path: PathBuf,
        /// Name of that place.
        held: String,
    },
    /// The registry in the journal does not name the key that signed the manifest.
    #[error(
        "the backup is signed by a key that the registry in it does not name for node {node}: it was not made by that node"
    )]
    Signer {
        /// As the manifest says.
        node: String,
    },
    /// Made in a deployment with another root key than asked for.
    #[error("the backup rests on root key {found}, not on {wanted}: it is another deployment's")]
    OtherRoot {
        /// In the backup.
        found: String,
        /// As asked.
        wanted: String,
    },
    /// What the journal says does not hold.
    #[error("{problems} things in the journal do not hold, the first: {first}")]
    Unsound {
        /// How many.
        problems: u64,
        /// The first of them.
        first: String,
    },
    /// A segment changed under the copy, or is damaged at its source.
    #[error(
        "journal segment {} is not what its successor says: run `fengqiao verify` on the stopped node", path.display()
    )]
    SourceDamaged {
        /// The file.
        path: PathBuf,
    },
    /// The journal ends before what an earlier backup of this node holds.
    #[error(
        "the journal ends at {}, but {name} holds it up to {}: an older copy was put in place; recover the node, or \
         choose another folder", end.0, held.0
    )]
    Behind {
        /// Of the journal.
        end: Position,
        /// Of the backup.
        held: Position,
        /// The backup.
        name: String,
    },
    /// The backup would stand inside the folder that it is to protect.
    #[error(
        "{} lies inside the data folder {}: a backup there is lost with it; choose another disk, best another machine",
        to.display(), data.display()
    )]
    InsideData {
        /// Where the backup was to be.
        to: PathBuf,
        /// What it is of.
        data: PathBuf,
    },
    /// The case keys would lie where the backup is, or where they are anyway.
    #[error(
        "{} lies beside what it opens ({}): whoever takes one takes both; keep the case keys apart",
        keys.display(), beside.display()
    )]
    KeysBeside {
        /// Where the keys were to be.
        keys: PathBuf,
        /// The backup or the data folder.
        beside: PathBuf,
    },
    /// Case keys that are too old.
    #[error(
        "the case keys in {} expired on {expired}: keys that may have been erased since do not come back; restore \
         without them, neighbours send what they still hold", path.display()
    )]
    KeysExpired {
        /// The file.
        path: PathBuf,
        /// When.
        expired: String,
    },
    /// The key file does not open.
    #[error("{} does not open: the passphrase is another one, or the file was altered", path.display())]
    KeysClosed {
        /// The file.
        path: PathBuf,
    },
    /// The key file is another place's.
    #[error("{} holds case keys of another place or deployment", path.display())]
    KeysOther {
        /// The file.
        path: PathBuf,
    },
    /// No file of case keys.
    #[error("{} is no file of case keys", path.display())]
    KeysForm {
        /// The file.
        path: PathBuf,
    },
    /// The passphrase is too short.
    #[error("the passphrase in {} has fewer than {} characters", path.display(), PASSPHRASE_CHARACTERS_MIN)]
    PassphraseShort {
        /// The file.
        path: PathBuf,
    },
    /// Others may read the passphrase.
    #[error("{} may be read by others (mode {mode:04o}): chmod 600 {}", path.display(), path.display())]
    PassphraseOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// No randomness.
    #[error("the source of randomness is unavailable")]
    Random,
    /// The data folder.
    #[error("the data folder")]
    Folder(#[from] FolderError),
    /// The journal.
    #[error("the journal")]
    Journal(#[from] JournalError),
    /// The key store.
    #[error("the key store")]
    Keys(#[from] KeyStoreError),
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
    /// The operating system refused.
    #[error("{0}")]
    Disk(String),
}

impl BackupError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::None { .. } => "BACKUP_NONE",
            Self::Unknown { .. } => "BACKUP_UNKNOWN",
            Self::Missing { .. } => "BACKUP_INCOMPLETE",
            Self::Altered { .. } => "BACKUP_ALTERED",
            Self::Newer { .. } => "BACKUP_NEWER",
            Self::OtherPlace { .. } => "BACKUP_OTHER_PLACE",
            Self::Signer { .. } => "BACKUP_SIGNER",
            Self::OtherRoot { .. } => "BACKUP_OTHER_ROOT",
            Self::Unsound { .. } => "BACKUP_UNSOUND",
            Self::SourceDamaged { .. } => "JOURNAL_DAMAGED",
            Self::Behind { .. } => "BACKUP_BEHIND",
            Self::KeysExpired { .. } => "KEYS_EXPIRED",
            Self::KeysClosed { .. } => "KEYS_CLOSED",
            Self::KeysOther { .. } => "KEYS_OTHER",
            Self::KeysForm { .. } => "KEYS_FORM",
            Self::InsideData { .. } => "BACKUP_INSIDE_DATA",
            Self::KeysBeside { .. } => "BACKUP_KEYS_BESIDE",
            Self::PassphraseShort { .. } => "PASSPHRASE_SHORT",
            Self::PassphraseOpen { .. } => "PASSPHRASE_OPEN",
            Self::Random => "RANDOM",
            Self::Folder(folder) => folder.code(),
            Self::Journal(JournalError::Damaged(_)) => "JOURNAL_DAMAGED",
            Self::Journal(_) => "JOURNAL",
            Self::Keys(KeyStoreError::Damaged { .. }) => "KEYS_DAMAGED",
            Self::Keys(_) => "KEYS",
            Self::Io { .. } | Self::Disk(_) => "BACKUP_IO",
        }
    }

    /// What to tell a person, in Chinese; the English words are its `Display`.
    #[must_use]
    pub fn chinese(&self) -> String {
        match self {
            Self::None { path } => format!("{} 中没有完整的备份", path.display()),
            Self::Unknown { name, .. } => {
                format!("没有名为 {name} 的备份；可用 fengqiao backup list 查看")
            }
            Self::Missing { path } => format!("备份缺少 {}：请换用另一份副本", path.display()),
            Self::Altered { path, .. } => format!(
                "{} 在备份之后被改动或损坏：请换用另一份副本或另一次备份",
                path.display()
            ),
            Self::Newer { path, found } => {
                format!("{} 的格式为 {found}：本程序版本过旧", path.display())
            }
            Self::OtherPlace { held, .. } => {
                format!("该目录存放的是 {held} 的备份：请为本节点另选目录")
            }
            Self::Signer { node } => {
                format!("备份的签名密钥不是登记簿中节点 {node} 的密钥：不是该节点所做")
            }
            Self::OtherRoot { .. } => "备份属于另一个部署（根密钥不同）".to_owned(),
            Self::Unsound { problems, .. } => format!("日志内容有 {problems} 处不成立"),
            Self::SourceDamaged { path } => format!(
                "日志段 {} 已损坏：请停机后执行 fengqiao verify",
                path.display()
            ),
            Self::Behind { .. } => {
                "日志比已有备份还旧：可能放回了旧副本，请先 recover，或另选目录".to_owned()
            }
            Self::KeysExpired { expired, .. } => format!(
                "案件密钥已于 {expired} 过期，不再恢复：请不带密钥恢复，相邻节点会补回仍持有的密钥"
            ),
            Self::KeysClosed { .. } => "密钥文件打不开：口令不对，或文件被改动".to_owned(),
            Self::KeysOther { .. } => "密钥文件属于另一个地区或部署".to_owned(),
            Self::KeysForm { path } => format!("{} 不是案件密钥文件", path.display()),
            Self::InsideData { to, data } => format!(
                "{} 位于数据目录 {} 之内，会随其一同丢失：请备份到另一块磁盘，最好是另一台机器",
                to.display(),
                data.display()
            ),
            Self::KeysBeside { keys, beside } => format!(
                "{} 与其所开启的内容（{}）放在一处，取得一个便取得全部：请将诉求件密钥分开保管",
                keys.display(),
                beside.display()
            ),
            Self::PassphraseShort { .. } => {
                format!("口令不足 {} 个字符", PASSPHRASE_CHARACTERS_MIN)
            }
            Self::PassphraseOpen { path, .. } => {
                format!("口令文件可被他人读取：请执行 chmod 600 {}", path.display())
            }
            Self::Random => "随机数源不可用".to_owned(),
            Self::Folder(folder) => folder.chinese(),
            Self::Journal(_) => "日志不能使用".to_owned(),
            Self::Keys(_) => "密钥库不能使用".to_owned(),
            Self::Io { path, .. } => format!("读写 {} 失败", path.display()),
            Self::Disk(_) => "操作系统拒绝了操作".to_owned(),
        }
    }
}

impl From<DiskError> for BackupError {
    fn from(error: DiskError) -> Self {
        match error {
            DiskError::Full => Self::Disk("the disk is full".to_owned()),
            DiskError::ReadOnly => Self::Disk("the file system is read-only".to_owned()),
            DiskError::Io { attempt, source } => {
                Self::Disk(format!("could not {attempt}: {source}"))
            }
        }
    }
}
