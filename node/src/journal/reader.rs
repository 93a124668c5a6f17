//! The reading side of the journal on disk.
//!
//! Sees only what is durable. Files are opened when asked for and a few kept,
//! since a process may host many journals of many segments.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::disk::{Disk, DiskFile};
use super::record::{Step, Walk, Window};
use super::segment::{self, HEADER};
use super::{
    Damage, JournalError, JournalReader, Location, Position, RECORD_HEADER_BYTES, Record, Wound,
    disk,
};

const FILES_KEPT_MAX: usize = 8;

/// Reads a journal on disk; made by [`super::FileJournal::file_reader`].
pub struct FileReader {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    /// Segments that stand elsewhere or under other names, as in a backup.
    elsewhere: BTreeMap<u64, PathBuf>,
    /// First positions, ascending, never empty.
    firsts: RwLock<Vec<u64>>,
    durable: AtomicU64,
    /// The most recently used last.
    files: Mutex<Vec<(u64, Arc<dyn DiskFile>)>>,
}

impl std::fmt::Debug for FileReader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("FileReader")
            .field("folder", &self.folder)
            .field("durable", &self.durable)
            .finish_non_exhaustive()
    }
}

/// Where a segment's records begin and end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) first: u64,
    /// Where the next begins; of the last one, the durable end.
    pub(super) end: u64,
}

impl FileReader {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        folder: PathBuf,
        firsts: Vec<u64>,
        durable: u64,
    ) -> Self {
        Self {
            disk,
            folder,
            elsewhere: BTreeMap::new(),
            firsts: RwLock::new(firsts),
            durable: AtomicU64::new(durable),
            files: Mutex::new(Vec::new()),
        }
    }

    /// A journal whose segments stand at these places.
    pub(super) fn over(
        disk: Arc<dyn Disk>,
        segments: BTreeMap<u64, PathBuf>,
        durable: u64,
    ) -> Self {
        let firsts = segments.keys().copied().collect();
        Self {
            elsewhere: segments,
            ..Self::new(disk, PathBuf::new(), firsts, durable)
        }
    }

    /// The end of what is durable.
    #[must_use]
    pub fn end(&self) -> Position {
        Position(self.durable())
    }

    fn path(&self, first: u64) -> PathBuf {
        let elsewhere = self.elsewhere.get(&first).cloned();
        elsewhere.unwrap_or_else(|| self.folder.join(segment::name(first)))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    pub(super) fn durable_until(&self, end: u64) {
        self.durable.store(end, Ordering::Release);
    }

    /// A segment was put in place, perhaps over an empty one of the same name.
    pub(super) fn segment_begins(&self, first: u64) {
        let mut firsts = self.firsts.write().unwrap_or_else(PoisonError::into_inner);
        if firsts.last() != Some(&first) {
            firsts.push(first);
        }
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|(kept, _)| *kept != first);
    }

    /// The segment that holds the byte at `position`.
    pub(super) fn extent(&self, position: u64) -> Option<Extent> {
        // Read first: a segment that begins later cannot hold what is durable now.
        let durable = self.durable();
        let firsts = self.firsts.read().unwrap_or_else(PoisonError::into_inner);
        let after = firsts.partition_point(|first| *first <= position);
        let first = *firsts.get(after.checked_sub(1)?)?;
        let end = firsts.get(after).copied().unwrap_or(durable).min(durable);
        (position < end).then_some(Extent { first, end })
    }

    pub(super) fn extents(&self) -> Vec<Extent> {
        let durable = self.durable();
        let firsts = self.firsts.read().unwrap_or_else(PoisonError::into_inner);
        let ends = firsts.iter().skip(1).copied().chain([u64::MAX]);
        firsts
            .iter()
            .zip(ends)
            .filter(|(first, _)| **first <= durable)
            .map(|(first, end)| Extent {
                first: *first,
                end: end.min(durable),
            })
            .collect()
    }

    pub(super) fn file(&self, first: u64) -> Result<Arc<dyn DiskFile>, JournalError> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = files.iter().position(|(kept, _)| *kept == first);
        let entry = match kept {
            Some(at) => files.remove(at),
            None => {
                let file = self
                    .disk
                    .open(&self.path(first))
                    .map_err(disk::failed("open a journal segment"))?;
                (first, file)
            }
        };
        let file = Arc::clone(&entry.1);
        if files.len() >= FILES_KEPT_MAX {
            files.remove(0);
        }
        files.push(entry);
        Ok(file)
    }

    pub(super) fn walk(&self, extent: Extent) -> Result<Walk<Window>, JournalError> {
        let file = self.file(extent.first)?;
        let window = Window::new(file, HEADER + (extent.end - extent.first));
        Ok(Walk::new(window, HEADER, extent.first))
    }

    /// Measures the damage at a place where no sound record stands.
    pub(super) fn damage(&self, extent: Extent, bad: u64) -> Result<Damage, JournalError> {
        let next = self
            .walk(extent)?
            .next_sound(bad + 1)
            .map_err(disk::failed("read the journal"))?;
        Ok(Damage {
            segment: segment::name(extent.first),
            position: Position(bad),
            length: next.unwrap_or(extent.end) - bad,
            wound: Wound::Record,
        })
    }

    /// Why no sound record stands at a place a caller named: a place inside a
    /// record is the caller's error, not damage.
    fn explain(&self, extent: Extent, from: u64) -> JournalError {
        let explained = self.walk(extent).and_then(|mut walk| {
            while walk.at() < from {
                match walk.step().map_err(disk::failed("read the journal"))? {
                    Step::Record { .. } => {}
                    Step::Bad | Step::End => break,
                }
            }
            if walk.at() > from {
                return Ok(JournalError::NotARecord {
                    position: Position(from),
                });
            }
            Ok(JournalError::Damaged(self.damage(extent, walk.at())?))
        });
        explained.unwrap_or_else(|error| error)
    }
}

impl JournalReader for FileReader {
    fn read(&self, location: Location) -> Result<Vec<u8>, JournalError> {
        let position = location.position;
        let not_there = JournalError::NotThere { position };
        let Some(extent) = self.extent(position.0) else {
            return Err(not_there);
        };
        let start = position.0 + RECORD_HEADER_BYTES as u64 + u64::from(location.offset);
        if start + u64::from(location.length) > extent.end {
            return Err(not_there);
        }
        let length = usize::try_from(location.length).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length];
        let file = self.file(extent.first)?;
        disk::read_exact(file.as_ref(), &mut bytes, HEADER + (start - extent.first))
            .map_err(disk::failed("read from the journal"))?;
        Ok(bytes)
    }

    fn tail(&self, from: Position) -> Box<dyn Iterator<Item = Result<Record, JournalError>> + '_> {
        Box::new(Tail {
            reader: self,
            at: from.0,
            started: false,
            over: false,
            walk: None,
        })
    }
}

struct Tail<'a> {
    reader: &'a FileReader,
    at: u64,
    /// A sound record was read, so `at` is known to be a boundary.
    started: bool,
    over: bool,
    walk: Option<(Extent, Walk<Window>)>,
}

impl Tail<'_> {
    fn advance(&mut self) -> Result<Option<Record>, JournalError> {
        let Some(extent) = self.current_extent()? else {
            return Ok(None);
        };
        let Some((_, walk)) = &mut self.walk else {
            return Ok(None);
        };
        let step = walk.step().map_err(disk::failed("read the journal"))?;
        if let Step::Record {
            position, bytes, ..
        } = step
        {
            self.started = true;
            self.at = position + bytes.len() as u64;
            return Ok(Some(Record {
                position: Position(position),
                next: Position(self.at),
                payload: bytes[RECORD_HEADER_BYTES..].to_vec(),
            }));
        }
        Err(if self.started {
            JournalError::Damaged(self.reader.damage(extent, self.at)?)
        } else {
            self.reader.explain(extent, self.at)
        })
    }

    /// Makes sure that the walk covers `at`; `None` at the durable end.
    fn current_extent(&mut self) -> Result<Option<Extent>, JournalError> {
        if let Some((extent, _)) = &self.walk
            && self.at < extent.end
        {
            return Ok(Some(*extent));
        }
        self.walk = None;
        match self.reader.extent(self.at) {
            Some(extent) => {
                let walk = self.reader.walk(extent)?.starting_at(self.at);
                self.walk = Some((extent, walk));
                Ok(Some(extent))
            }
            None if self.at > self.reader.durable() => Err(JournalError::NotThere {
                position: Position(self.at),
            }),
            None => Ok(None),
        }
    }
}

impl Iterator for Tail<'_> {
    type Item = Result<Record, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let item = self.advance().transpose();
        self.over = matches!(item, Some(Err(_)));
        item
    }
}
