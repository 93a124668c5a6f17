//! Looking at a journal that another process may be writing.
//!
//! Takes no lock and changes nothing. Sealed segments never change again; of the
//! segment in use, whole records are seen, and synced before they are counted, so
//! that nothing is handed on which the writer might still lose.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::Digest;

use super::disk::{self, Disk as _, SystemDisk};
use super::open::{Survey, Tail};
use super::reader::FileReader;
use super::segment::{self, HEADER};
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
    /// Looks at the journal in a data folder.
    ///
    /// # Errors
    /// `Absent`, `Damaged`, `Foreign`, `FormatVersion`, `Io`.
    pub fn look(data_folder: &Path) -> Result<Self, JournalError> {
        Self::look_at(&data_folder.join(super::file::SEGMENTS))
    }

    /// Looks at a folder of segments.
    ///
    /// # Errors
    /// As [`Beside::look`].
    pub fn look_at(folder: &Path) -> Result<Self, JournalError> {
        if !folder.exists() {
            return Err(JournalError::Absent);
        }
        let survey = Survey::take(&SystemDisk, folder)?;
        let last = survey.last();
        let file = SystemDisk
            .open(&folder.join(segment::name(last.header.first)))
            .map_err(disk::failed("open a journal segment"))?;
        let tail = Tail::examine(&file, last, 0)?;
        file.sync().map_err(disk::failed("sync the journal"))?;
        let ends = survey.segments.iter().skip(1).map(|next| {
            let header = &next.header;
            (header.first, header.previous)
        });
        let ends = ends.chain([(tail.end, tail.hash.finalize().into())]);
        let segments = survey.segments.iter().zip(ends);
        let segments = segments
            .map(|(found, (end, sha256))| Segment {
                path: folder.join(segment::name(found.header.first)),
                first: Position(found.header.first),
                bytes: HEADER + (end - found.header.first),
                sha256,
            })
            .collect();
        let firsts = survey.segments.iter().map(|found| found.header.first);
        let reader = FileReader::new(
            Arc::new(SystemDisk),
            folder.to_owned(),
            firsts.collect(),
            tail.end,
        );
        Ok(Self {
            identity: last.header.identity,
            end: Position(tail.end),
            segments,
            reader: Arc::new(reader),
        })
    }

    /// Reads and verifies what was there at that moment.
    #[must_use]
    pub fn reader(&self) -> Arc<FileReader> {
        Arc::clone(&self.reader)
    }
}
