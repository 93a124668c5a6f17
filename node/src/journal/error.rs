//! Why the journal refused.

use super::damage::Damage;
use super::file_system::FileSystem;
use super::position::Position;

/// Why the journal refused.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another append came first.
    #[error("the journal ends at {}, not where this append expected", at.0)]
    Conflict {
        /// The end.
        at: Position,
    },
    /// Above [`super::RECORD_BYTES_MAX`].
    #[error("a record of {bytes} bytes is larger than the journal takes")]
    RecordTooLarge {
        /// Of the payload.
        bytes: usize,
    },
    /// Above [`super::APPEND_BYTES_MAX`].
    #[error("an append of {bytes} bytes is larger than the journal takes")]
    AppendTooLarge {
        /// Of all its records, headers included.
        bytes: usize,
    },
    /// Below [`super::SEGMENT_BYTES_MIN`].
    #[error("a segment of {bytes} bytes is smaller than the journal can use")]
    SegmentTooSmall {
        /// As configured.
        bytes: u32,
    },
    /// Bytes that were durable are not what was written.
    #[error("{0}")]
    Damaged(Damage),
    /// The journal is older than its own witness.
    #[error(
        "the journal ends at {} but its witness has seen {}: an older copy was put in place; \
         run recover with a token from the parent \
         （日志比见证文件旧：可能放回了旧副本，请凭上级令牌执行 recover）",
        end.0, witnessed.0
    )]
    RolledBack {
        /// Where the journal found ends.
        end: Position,
        /// What was durable before.
        witnessed: Position,
    },
    /// The witness file is absent beside a journal that holds records.
    #[error(
        "the journal holds records but its witness file is missing; \
         run recover with a token from the parent （缺少见证文件，请凭上级令牌执行 recover）"
    )]
    WitnessMissing,
    /// The witness file is not readable as one.
    #[error(
        "the witness file is damaged; run recover with a token from the parent \
         （见证文件损坏，请凭上级令牌执行 recover）"
    )]
    WitnessDamaged,
    /// The folder holds bytes of another store.
    #[error("{file} belongs to another store （{file} 属于另一个节点）")]
    Foreign {
        /// Name inside the folder.
        file: String,
    },
    /// Written by a version this program does not know.
    #[error("{file} has format version {found}, which this program does not know")]
    FormatVersion {
        /// Name inside the folder.
        file: String,
        /// In the file.
        found: u32,
    },
    /// A new incarnation must be above every earlier one.
    #[error("incarnation {given} is not above {newest}")]
    IncarnationNotNewer {
        /// Asked for.
        given: u64,
        /// In the journal.
        newest: u64,
    },
    /// No journal stands in the folder.
    #[error("no journal stands in this folder")]
    Absent,
    /// A journal already stands in the folder.
    #[error("a journal already stands in this folder")]
    Exists,
    /// An earlier write or sync failed: what is on the disk is only known after
    /// the journal is opened again.
    #[error("an earlier write failed; the journal must be opened again")]
    Poisoned,
    /// No room.
    #[error("the disk is full （磁盘已满）")]
    DiskFull,
    /// The file system takes no writes.
    #[error("the file system is read-only （文件系统只读）")]
    ReadOnly,
    /// Another process, or another owner in this one, has the folder.
    #[error("another process uses this data folder （数据目录正被另一进程使用）")]
    Locked,
    /// NFS or FUSE: their syncs do not promise what the journal needs.
    #[error("a journal cannot stand on {kind:?} （日志不能放在此类文件系统上）")]
    FileSystemRefused {
        /// What was found.
        kind: FileSystem,
    },
    /// Beyond the durable end, or outside its segment.
    #[error("nothing stands at {}", position.0)]
    NotThere {
        /// As asked.
        position: Position,
    },
    /// Inside the log, but no record begins there.
    #[error("no record begins at {}", position.0)]
    NotARecord {
        /// As asked.
        position: Position,
    },
    /// Anything else of the operating system.
    #[error("{attempt}")]
    Io {
        /// What was attempted.
        attempt: &'static str,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}
