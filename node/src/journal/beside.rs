//! Looking at a journal that another process may be writing.
//!
//! Takes no lock and changes nothing. Sealed segments never change again; of the
//! segment in use, whole records are seen, and synced before they are counted, so
//! that nothing is handed on which the writer might still lose.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::Digest;

use super::disk::{self, Disk as _, SystemDisk};
use super::open::{Survey, Tail};
use super::reader::FileReader;
use super::segment::{self, HEADER};
use super::witness::Witness;
use super::{Identity, JournalError, Position};

/// A journal as it stood at one moment.
#[derive(Debug)]
pub struct Beside {
    /// Whose it was last, and in which life.
    pub identity: Identity,
    /// Where the next record would begin.
    pub end: Position,
    /// Its files, oldest first; never empty.
    pub segments: Vec<Segment>,
    reader: Arc<FileReader>,
}

/// One file of the log, up to where it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Where it stands.
    pub path: PathBuf,
    /// Position of its first record.
    pub first: Position,
    /// Of the file, header included; more may be there by now.
    pub bytes: u64,
    /// SHA-256 of these bytes, as the next segment or the look at the records says.
    pub sha256: [u8; 32],
}

impl Beside {
    /// Looks at the journal in a data folder, and syncs it as far as it is seen.
    ///
    /// # Errors
    /// `Absent`, `Damaged`, `Foreign`, `FormatVersion`, `Io`.
    pub fn look(data_folder: &Path) -> Result<Self, JournalError> {
        let folder = data_folder.join(super::file::SEGMENTS);
        if !folder.exists() {
            return Err(JournalError::Absent);
        }
        Self::see(segment::list(&SystemDisk, &folder)?, true)
    }

    /// The same, compared with the witness beside it: an older copy put in its place is refused.
    ///
    /// # Errors
    /// As [`Beside::look`]; `RolledBack`, `WitnessMissing`, `WitnessDamaged`.
    pub fn look_witnessed(data_folder: &Path) -> Result<Self, JournalError> {
        // Read before the journal: whoever writes both only adds to what is read after.
        let witness = Witness::read(&SystemDisk, data_folder)?;
        let folder = data_folder.join(super::file::SEGMENTS);
        if !folder.exists() {
            return Err(JournalError::Absent);
        }
        let durable = Survey::of(&SystemDisk, &segment::list(&SystemDisk, &folder)?)?
            .compare(witness.as_ref())?;
        let seen = Self::look(data_folder)?;
        if seen.end.0 < durable {
            return Err(JournalError::RolledBack {
                end: seen.end,
                witnessed: Position(durable),
            });
        }
        Ok(seen)
    }

    /// Looks at segments at any places, by the position of their first record: a journal at rest.
    ///
    /// # Errors
    /// As [`Beside::look`].
    pub fn look_at(segments: BTreeMap<Position, PathBuf>) -> Result<Self, JournalError> {
        let segments = segments.into_iter().map(|(first, path)| (first.0, path));
        Self::see(segments.collect(), false)
    }

    fn see(files: BTreeMap<u64, PathBuf>, sync: bool) -> Result<Self, JournalError> {
        let survey = Survey::of(&SystemDisk, &files)?;
        let last = survey.last();
        let path = files.get(&last.header.first).ok_or(JournalError::Absent)?;
        let file = SystemDisk
            .open(path)
            .map_err(disk::failed("open a journal segment"))?;
        let tail = Tail::examine(&file, last, 0)?;
        if sync {
            file.sync().map_err(disk::failed("sync the journal"))?;
        }
        let ends = survey.segments.iter().skip(1).map(|next| {
            let header = &next.header;
            (header.first, header.previous)
        });
        let ends = ends.chain([(tail.end, tail.hash.finalize().into())]);
        let segments = files.iter().zip(ends);
        let segments = segments
            .map(|((first, path), (end, sha256))| Segment {
                path: path.clone(),
                first: Position(*first),
                bytes: HEADER + (end - first),
                sha256,
            })
            .collect();
        Ok(Self {
            identity: last.header.identity,
            end: Position(tail.end),
            segments,
            reader: Arc::new(FileReader::over(Arc::new(SystemDisk), files, tail.end)),
        })
    }

    /// Reads and verifies what was there at that moment.
    #[must_use]
    pub fn reader(&self) -> Arc<FileReader> {
        Arc::clone(&self.reader)
    }
}
