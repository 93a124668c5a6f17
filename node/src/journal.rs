//! The journal: the truth of a node, an append-only log of checksummed records.
//!
//! What a node has learned or decided is one record, synced before anything is
//! acknowledged or sent. Everything else a node stores is a view of it.
//! It never interprets a payload, never skips a damaged record, never retries a
//! failed write, and never deletes what was synced.
//!
//! A [`Position`] counts the bytes of records from 0, each record being its
//! header of [`RECORD_HEADER_BYTES`] and its payload; segment headers are not
//! counted, so positions are dense and do not depend on the segment size.

use std::sync::Arc;

mod beside;
mod damage;
pub(crate) mod disk;
mod file;
mod file_system;
mod lock;
mod memory;
mod open;
mod reader;
pub(crate) mod record;
mod segment;
mod space;
mod verify;
mod witness;

#[cfg(test)]
mod tests;

pub use beside::{Beside, Segment};
pub use damage::{Damage, Wound};
pub use disk::{Disk, DiskFile, SystemDisk};
pub use file::{FileJournal, Identity, Options, SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MIN};
pub use file_system::FileSystem;
pub use lock::FolderLock;
pub use memory::MemoryJournal;
pub use open::Opened;
pub use reader::FileReader;
pub use record::{RECORD_BYTES_MAX, RECORD_HEADER_BYTES};
pub use space::{Limits, Reserve, Space, Threshold, reserve_bytes};
pub use verify::{DAMAGE_LISTED_MAX, Verified};

/// Sum of the records of one append, headers included.
pub const APPEND_BYTES_MAX: usize = 16 << 20;

/// Byte offset in the virtual log, see the module for what is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(pub u64);

/// Where a slice of a record's payload stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// Of the record.
    pub position: Position,
    /// Inside the payload, bytes.
    pub offset: u32,
    /// Bytes.
    pub length: u32,
}

/// One record as it was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it begins.
    pub position: Position,
    /// Where the next one begins or will begin.
    pub next: Position,
    /// As given to `append`.
    pub payload: Vec<u8>,
}

/// What an append made durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// One for each payload, in order.
    pub positions: Vec<Position>,
    /// The new end, to be expected by the next append.
    pub end: Position,
}

/// The writing side; one owner.
pub trait Journal: Send {
    /// Appends records at `expected` and makes them durable before returning.
    ///
    /// After a crash a prefix of the payloads of an unreturned call may stand,
    /// each whole. No payloads: only `expected` is compared.
    ///
    /// # Errors
    /// `Conflict` when `expected` is not the end, `RecordTooLarge` and
    /// `AppendTooLarge`: nothing was written, the journal goes on.
    /// `DiskFull`, `ReadOnly`, `Io`: the call may or may not survive a crash,
    /// and every later call is `Poisoned` until the journal is opened again.
    fn append(
        &mut self,
        expected: Position,
        payloads: &[Vec<u8>],
    ) -> Result<Appended, JournalError>;

    /// The end of what is durable.
    fn end(&self) -> Position;

    /// Lets the witness vouch for every record so far, so that from here on none of
    /// them can be taken for a torn tail.
    ///
    /// # Errors
    /// `Poisoned`, `DiskFull`, `ReadOnly`, `Io`; nothing durable is lost by it.
    fn vouch(&mut self) -> Result<(), JournalError> {
        Ok(())
    }

    /// A reader that sees every durable record, also those appended later.
    fn reader(&self) -> Arc<dyn JournalReader>;
}

/// The reading side; shared, concurrent with appends, unharmed by poisoning.
pub trait JournalReader: Send + Sync {
    /// Reads the bytes at a location without checking the record around them:
    /// whoever stored the location checks what comes back (hash, signature).
    ///
    /// # Errors
    /// `NotThere` beyond the durable end or outside the segment, `Io`.
    fn read(&self, location: Location) -> Result<Vec<u8>, JournalError>;

    /// Records from `from` on, in order, each checked for checksum and place.
    ///
    /// Ends at the last durable record; after `None` it may be asked again and
    /// goes on with what was appended meanwhile. After an error it is over.
    ///
    /// # Errors
    /// As items: `NotThere` when `from` lies beyond the end, `NotARecord` when no
    /// record begins there, `Damaged`, `Io`.
    fn tail(&self, from: Position) -> Box<dyn Iterator<Item = Result<Record, JournalError>> + '_>;
}

/// Why the journal refused.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another append came first.
    #[error("the journal ends at {}, not where this append expected", at.0)]
    Conflict {
        /// The end.
        at: Position,
    },
    /// Above [`RECORD_BYTES_MAX`].
    #[error("a record of {bytes} bytes is larger than the journal takes")]
    RecordTooLarge {
        /// Of the payload.
        bytes: usize,
    },
    /// Above [`APPEND_BYTES_MAX`].
    #[error("an append of {bytes} bytes is larger than the journal takes")]
    AppendTooLarge {
        /// Of all its records, headers included.
        bytes: usize,
    },
    /// Below [`SEGMENT_BYTES_MIN`].
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

impl From<disk::DiskError> for JournalError {
    fn from(error: disk::DiskError) -> Self {
        match error {
            disk::DiskError::Full => Self::DiskFull,
            disk::DiskError::ReadOnly => Self::ReadOnly,
            disk::DiskError::Io { attempt, source } => Self::Io { attempt, source },
        }
    }
}
