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
mod error;
mod file;
mod file_system;
mod lock;
mod memory;
mod open;
mod position;
mod reader;
pub(crate) mod record;
mod segment;
mod space;
mod spare;
mod verify;
mod witness;

#[cfg(test)]
mod tests;

pub use beside::{Beside, Segment};
pub use damage::{Damage, Wound};
pub use disk::{Disk, DiskFile, SystemDisk};
pub use error::JournalError;
pub use file::{FileJournal, Options, SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MIN};
pub use file_system::FileSystem;
pub use lock::FolderLock;
pub use memory::MemoryJournal;
pub use open::Opened;
pub use position::{Location, Position};
pub use reader::FileReader;
pub use record::{RECORD_BYTES_MAX, RECORD_HEADER_BYTES};
pub use segment::Identity;
pub use space::{Limits, Reserve, Room, Space, Threshold, reserve_bytes};
pub use verify::{DAMAGE_LISTED_MAX, Verified};

/// Sum of the records of one append, headers included.
pub const APPEND_BYTES_MAX: usize = 16 << 20;

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
