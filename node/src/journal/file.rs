//! The journal on disk: its writing side.
//!
//! An append never spans segments: one that does not fit seals the segment in use
//! and goes into a new one, which is as long as that append if it must be. So a
//! torn tail can only stand in the last segment. The first failed write or sync
//! poisons the writer, because after it the kernel may call lost pages clean.

use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::disk::{self, DiskFile};
use super::reader::FileReader;
use super::segment::{self, HEADER, Hash, Header, Identity};
use super::witness::Witness;
use super::{
    APPEND_BYTES_MAX, Appended, FolderLock, Journal, JournalError, JournalReader, Position,
    RECORD_BYTES_MAX, record,
};

/// Of a segment file, when nothing else is configured.
pub const SEGMENT_BYTES_DEFAULT: u32 = 16 << 20;

/// The smallest a segment may be configured.
pub const SEGMENT_BYTES_MIN: u32 = 1 << 20;

/// The folder of segments inside a data folder.
pub(super) const SEGMENTS: &str = "journal";

/// Kept for the next append; a larger one gives its memory back.
const BUFFER_KEPT_BYTES: usize = 2 << 20;

/// How a journal is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// When the next append would pass it, a new segment begins. At least
    /// [`SEGMENT_BYTES_MIN`].
    pub segment_bytes: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: SEGMENT_BYTES_DEFAULT,
        }
    }
}

impl Options {
    pub(super) fn check(self) -> Result<Self, JournalError> {
        if self.segment_bytes < SEGMENT_BYTES_MIN {
            return Err(JournalError::SegmentTooSmall {
                bytes: self.segment_bytes,
            });
        }
        Ok(self)
    }
}

/// The segment that takes appends.
pub(super) struct Active {
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) first: u64,
    /// Of the segment before, as its header says.
    pub(super) previous: Hash,
    /// Of all bytes so far.
    pub(super) hash: Sha256,
}

/// The journal as segment files in `<folder>/journal`, with a witness beside it.
///
/// Dropping it is like a crash that loses nothing; [`FileJournal::close`] also
/// tells the witness how far it came.
pub struct FileJournal {
    pub(super) lock: FolderLock,
    pub(super) options: Options,
    pub(super) identity: Identity,
    pub(super) active: Active,
    pub(super) end: u64,
    /// Up to where the witness has seen.
    pub(super) vouched: u64,
    pub(super) reader: Arc<FileReader>,
    pub(super) poisoned: bool,
    pub(super) buffer: Vec<u8>,
}

impl std::fmt::Debug for FileJournal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("FileJournal")
            .field("identity", &self.identity)
            .field("end", &self.end)
            .field("poisoned", &self.poisoned)
            .finish_non_exhaustive()
    }
}

impl FileJournal {
    /// Whose journal it is.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// The reader by its own type, which can also verify.
    pub fn file_reader(&self) -> Arc<FileReader> {
        Arc::clone(&self.reader)
    }

    /// Ends this use and lets the witness vouch for every record.
    ///
    /// # Errors
    /// `Poisoned`, `DiskFull`, `ReadOnly`, `Io`; nothing durable is lost by it.
    pub fn close(mut self) -> Result<(), JournalError> {
        self.vouch()
    }

    /// Seals the segment in use and goes on under a higher incarnation.
    ///
    /// # Errors
    /// `IncarnationNotNewer`, `Poisoned`, `DiskFull`, `ReadOnly`, `Io`.
    pub fn begin_incarnation(&mut self, incarnation: u64) -> Result<(), JournalError> {
        self.begin(Identity {
            incarnation,
            ..self.identity
        })
    }

    /// The same, perhaps as another store.
    pub(super) fn begin(&mut self, identity: Identity) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned);
        }
        self.identity.refuse_not_newer(identity)?;
        let before = std::mem::replace(&mut self.identity, identity);
        let rolled = self.roll();
        if rolled.is_err() {
            self.identity = before;
            self.poisoned = true;
        }
        rolled
    }

    pub(super) fn write_witness(&mut self) -> Result<(), JournalError> {
        Witness {
            identity: self.identity,
            sealed: self.active.first,
            hash: self.active.previous,
            durable: self.end,
        }
        .write(self.lock.disk().as_ref(), self.lock.folder())?;
        self.vouched = self.end;
        Ok(())
    }

    /// Begins a new segment at the end. An empty one is replaced, not sealed: it
    /// has the same first position and so the same name.
    fn roll(&mut self) -> Result<(), JournalError> {
        let previous = if self.end == self.active.first {
            self.active.previous
        } else {
            self.active.hash.clone().finalize().into()
        };
        let header = Header {
            identity: self.identity,
            first: self.end,
            previous,
        };
        let (file, hash) =
            segment::create(self.lock.disk().as_ref(), self.reader.folder(), &header)?;
        self.active = Active {
            file,
            first: self.end,
            previous,
            hash,
        };
        self.reader.segment_begins(self.end);
        self.write_witness()
    }

    /// Room is judged before, sizes are checked before: from here on every
    /// failure poisons.
    fn write(&mut self, payloads: &[Vec<u8>], bytes: usize) -> Result<Appended, JournalError> {
        let used = HEADER + (self.end - self.active.first);
        let fits = used + bytes as u64 <= u64::from(self.options.segment_bytes);
        if !fits && self.end > self.active.first {
            self.roll()?;
        }
        let positions = self.encode(payloads);
        let offset = HEADER + (self.end - self.active.first);
        let file = &self.active.file;
        file.write_at(&self.buffer, offset)
            .map_err(disk::failed("append to the journal"))?;
        file.sync().map_err(disk::failed("sync the journal"))?;
        self.active.hash.update(&self.buffer);
        self.end += self.buffer.len() as u64;
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_KEPT_BYTES);
        self.reader.durable_until(self.end);
        Ok(Appended {
            positions,
            end: Position(self.end),
        })
    }

    fn encode(&mut self, payloads: &[Vec<u8>]) -> Vec<Position> {
        self.buffer.clear();
        let mut positions = Vec::with_capacity(payloads.len());
        for payload in payloads {
            let since = self.buffer.len();
            let position = self.end + since as u64;
            // The sum was checked against APPEND_BYTES_MAX, far below u32::MAX.
            let since = u32::try_from(since).unwrap_or(u32::MAX);
            record::encode(&mut self.buffer, position, since, payload);
            positions.push(Position(position));
        }
        positions
    }
}

impl Journal for FileJournal {
    fn append(
        &mut self,
        expected: Position,
        payloads: &[Vec<u8>],
    ) -> Result<Appended, JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned);
        }
        let bytes = check_append(self.end, expected, payloads)?;
        if payloads.is_empty() {
            return Ok(Appended {
                positions: Vec::new(),
                end: expected,
            });
        }
        let written = self.write(payloads, bytes);
        self.poisoned = written.is_err();
        written
    }

    fn end(&self) -> Position {
        Position(self.end)
    }

    fn vouch(&mut self) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned);
        }
        if self.vouched < self.end {
            self.write_witness()?;
        }
        Ok(())
    }

    fn reader(&self) -> Arc<dyn JournalReader> {
        self.file_reader()
    }
}

/// What every journal refuses before it writes; gives the bytes on disk.
pub(super) fn check_append(
    end: u64,
    expected: Position,
    payloads: &[Vec<u8>],
) -> Result<usize, JournalError> {
    if expected.0 != end {
        return Err(JournalError::Conflict { at: Position(end) });
    }
    let mut bytes = 0_usize;
    for payload in payloads {
        if payload.len() > RECORD_BYTES_MAX {
            return Err(JournalError::RecordTooLarge {
                bytes: payload.len(),
            });
        }
        bytes = bytes.saturating_add(record::RECORD_HEADER_BYTES + payload.len());
    }
    if bytes > APPEND_BYTES_MAX {
        return Err(JournalError::AppendTooLarge { bytes });
    }
    Ok(bytes)
}

/// The folder of segments inside a data folder.
pub(super) fn segments_folder(lock: &FolderLock) -> PathBuf {
    lock.folder().join(SEGMENTS)
}
