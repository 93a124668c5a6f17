//! Opening and creating the journal on disk.
//!
//! Opening reads every header and walks the last segment; sealed segments are
//! compared by length only, `verify` reads them. It cuts a torn tail and says so;
//! any other difference from what was durable is refused, and nothing is changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::disk::{self, ASIDE, Disk, DiskFile};
use super::file::{Active, segments_folder};
use super::reader::FileReader;
use super::record::{Step, Walk, Window};
use super::segment::{self, HEADER, Header, HeaderFault, SEGMENT_HEADER_BYTES};
use super::witness::{WITNESS_FILE, Witness};
use super::{
    Damage, FileJournal, FileSystem, FolderLock, Identity, JournalError, Options, Position, Wound,
};

/// A journal ready for use, and what its opening found.
#[derive(Debug)]
pub struct Opened {
    /// At its end.
    pub journal: FileJournal,
    /// No record was ever made durable in it.
    pub fresh: bool,
    /// Of a torn tail, never acknowledged, now gone; 0 after a clean stop.
    pub cut_bytes: u64,
    /// Where it stands; ask it whether it deserves a warning.
    pub file_system: FileSystem,
}

impl FileJournal {
    /// Makes a new, empty journal; what an interrupted creation left is removed.
    ///
    /// # Errors
    /// `Exists`; `RolledBack` when a witness remembers a journal that is gone;
    /// `FileSystemRefused`, `SegmentTooSmall`, `DiskFull`, `ReadOnly`, `Io`.
    pub fn create(
        lock: &FolderLock,
        identity: Identity,
        options: Options,
    ) -> Result<Opened, JournalError> {
        lock.disk().file_system(lock.folder())?;
        options.check()?;
        if stands(lock)? {
            return Err(JournalError::Exists);
        }
        refuse_lost_journal(lock)?;
        build(lock, identity)?;
        Self::open(lock, options)
    }

    /// Opens the journal that stands in the folder.
    ///
    /// # Errors
    /// `Absent`; `RolledBack`, `WitnessMissing`, `WitnessDamaged`, `Damaged`,
    /// `Foreign`, `FormatVersion`: nothing was changed, a person decides;
    /// `FileSystemRefused`, `SegmentTooSmall`, `DiskFull`, `ReadOnly`, `Io`.
    pub fn open(lock: &FolderLock, options: Options) -> Result<Opened, JournalError> {
        let witness = Witness::read(lock.disk().as_ref(), lock.folder())?;
        let mut loaded = load(lock, options, Trust::Witness(witness))?;
        let end = loaded.journal.end;
        if witness.is_none_or(|witness| witness.durable != end) {
            loaded.journal.write_witness()?;
        }
        Ok(loaded)
    }

    /// Opens the journal, or creates it when neither it nor a trace of it exists.
    ///
    /// # Errors
    /// As `open` and `create`.
    pub fn open_or_create(
        lock: &FolderLock,
        identity: Identity,
        options: Options,
    ) -> Result<Opened, JournalError> {
        match Self::open(lock, options) {
            Err(JournalError::Absent) => Self::create(lock, identity, options),
            other => other,
        }
    }

    /// Opens a journal put back from a backup, whatever the witness says, and
    /// goes on as `identity`: in a higher incarnation than any in it, as the same
    /// store or another; damage is refused as by `open`. A journal of which only
    /// the witness is left begins again, empty.
    ///
    /// Cut short by a crash, it may be repeated with the same identity.
    ///
    /// # Errors
    /// As `open`, without those of the witness; `IncarnationNotNewer`.
    pub fn recover(
        lock: &FolderLock,
        identity: Identity,
        options: Options,
    ) -> Result<Opened, JournalError> {
        let witness = Witness::read(lock.disk().as_ref(), lock.folder())
            .ok()
            .flatten();
        // A recovery that was cut goes on in the life that it had begun, unless something of that life is missing.
        let begun = witness.filter(|witness| witness.identity == identity);
        if let Some(witness) = witness {
            if begun.is_none_or(|begun| begun.durable > 0 && !stands(lock).unwrap_or(true)) {
                witness.identity.refuse_not_newer(identity)?;
            }
            if !stands(lock)? {
                lock.disk().file_system(lock.folder())?;
                options.check()?;
                build(lock, identity)?;
            }
        }
        let trust = begun.map_or(Trust::Recovery, |begun| Trust::Witness(Some(begun)));
        let mut loaded = load(lock, options, trust).map_err(|error| {
            if !matches!(error, JournalError::RolledBack { .. }) {
                return error;
            }
            JournalError::IncarnationNotNewer {
                given: identity.incarnation,
                newest: identity.incarnation,
            }
        })?;
        let journal = &mut loaded.journal;
        let begun = journal.identity == identity;
        if begun && journal.end == journal.active.first {
            journal.write_witness()?;
        } else {
            journal.begin(identity)?;
        }
        Ok(loaded)
    }
}

/// Builds an empty journal aside and puts it in place.
fn build(lock: &FolderLock, identity: Identity) -> Result<(), JournalError> {
    let disk = lock.disk().as_ref();
    let aside = lock.folder().join(format!("journal{ASIDE}"));
    disk::remove_folder(disk, &aside)?;
    disk::make_folder(disk, &aside)?;
    let header = Header {
        identity,
        first: 0,
        previous: [0; 32],
    };
    segment::create(disk, &aside, &header)?;
    disk::rename(disk, &aside, &segments_folder(lock))?;
    Ok(disk::sync_folder(disk, lock.folder())?)
}

/// Whether a journal stands in the folder.
fn stands(lock: &FolderLock) -> Result<bool, JournalError> {
    let found = lock.disk().exists(&segments_folder(lock));
    Ok(found.map_err(disk::failed("find the journal"))?)
}

/// What the segments are compared with.
#[derive(Clone, Copy)]
enum Trust {
    Witness(Option<Witness>),
    Recovery,
}

fn refuse_lost_journal(lock: &FolderLock) -> Result<(), JournalError> {
    match Witness::read(lock.disk().as_ref(), lock.folder())? {
        Some(witness) => Err(JournalError::RolledBack {
            end: Position(0),
            witnessed: Position(witness.durable),
        }),
        None => Ok(()),
    }
}

fn load(lock: &FolderLock, options: Options, trust: Trust) -> Result<Opened, JournalError> {
    let options = options.check()?;
    let disk = lock.disk();
    let file_system = disk.file_system(lock.folder())?;
    let folder = segments_folder(lock);
    if !stands(lock)? {
        if let Trust::Witness(_) = trust {
            refuse_lost_journal(lock)?;
        }
        return Err(JournalError::Absent);
    }
    segment::clear_aside(disk.as_ref(), &folder)?;
    let survey = Survey::take(disk.as_ref(), &folder)?;
    let durable = match trust {
        Trust::Witness(witness) => survey.compare(witness.as_ref())?,
        Trust::Recovery => 0,
    };
    let last = survey.last();
    let file = disk::open_for_writing(
        disk.as_ref(),
        &folder.join(segment::name(last.header.first)),
    )?;
    let tail = Tail::examine(&file, last, durable)?;
    // Every refusal stands before this line, every change after it.
    tail.settle(file.as_ref(), last, durable)?;
    let header = last.header;
    let firsts = survey.segments.iter().map(|found| found.header.first);
    let reader = FileReader::new(Arc::clone(disk), folder, firsts.collect(), tail.end);
    let journal = FileJournal {
        lock: lock.clone(),
        options,
        identity: header.identity,
        active: Active {
            file,
            first: header.first,
            previous: header.previous,
            hash: tail.hash,
        },
        end: tail.end,
        reader: Arc::new(reader),
        vouched: durable,
        poisoned: false,
        buffer: Vec::new(),
    };
    Ok(Opened {
        fresh: tail.end == 0,
        cut_bytes: last.end() - tail.end,
        journal,
        file_system,
    })
}

/// One segment as found.
pub(super) struct Found {
    pub(super) header: Header,
    file_bytes: u64,
}

impl Found {
    pub(super) fn end(&self) -> u64 {
        self.header.first + (self.file_bytes - HEADER)
    }

    fn damage(&self, wound: Wound, position: u64, length: u64) -> JournalError {
        damaged(self.header.first, wound, position, length)
    }
}

fn damaged(segment: u64, wound: Wound, position: u64, length: u64) -> JournalError {
    JournalError::Damaged(Damage {
        segment: segment::name(segment),
        position: Position(position),
        length,
        wound,
    })
}

/// Every segment's header and length, each fitting its neighbours.
pub(super) struct Survey {
    pub(super) segments: Vec<Found>,
}

impl Survey {
    fn take(disk: &dyn Disk, folder: &Path) -> Result<Self, JournalError> {
        Self::of(disk, &segment::list(disk, folder)?)
    }

    /// Of segments at any places, by the position of the first record.
    pub(super) fn of(
        disk: &dyn Disk,
        files: &BTreeMap<u64, PathBuf>,
    ) -> Result<Self, JournalError> {
        let mut segments: Vec<Found> = Vec::new();
        for (&first, path) in files {
            let found = Self::find(disk, path, first)?;
            let end = segments.last().map_or(0, Found::end);
            if first > end {
                return Err(damaged(end, Wound::Missing, end, first - end));
            }
            if let Some(before) = segments.last() {
                Self::fit(before, &found)?;
            }
            segments.push(found);
        }
        if segments.is_empty() {
            return Err(damaged(0, Wound::Missing, 0, 0));
        }
        Ok(Self { segments })
    }

    fn find(disk: &dyn Disk, path: &Path, first: u64) -> Result<Found, JournalError> {
        let file = disk
            .open(path)
            .map_err(disk::failed("open a journal segment"))?;
        let file_bytes = file
            .len()
            .map_err(disk::failed("read a segment's length"))?;
        let header = read_header(file.as_ref(), file_bytes, first)?;
        Ok(Found { header, file_bytes })
    }

    fn fit(before: &Found, found: &Found) -> Result<(), JournalError> {
        let first = found.header.first;
        if before.end() > first {
            return Err(before.damage(Wound::Length, first, before.end() - first));
        }
        let (old, new) = (before.header.identity, found.header.identity);
        // Another store goes on with a journal by recovery only, and that takes a higher incarnation.
        if old.store != new.store && old.incarnation >= new.incarnation {
            return Err(JournalError::Foreign {
                file: segment::name(first),
            });
        }
        if old.incarnation > new.incarnation {
            return Err(found.damage(Wound::Chain, first, found.file_bytes - HEADER));
        }
        Ok(())
    }

    pub(super) fn last(&self) -> &Found {
        // `take` refuses an empty survey.
        &self.segments[self.segments.len() - 1]
    }

    /// Up to where the witness vouches; 0 for a journal nothing was appended to.
    pub(super) fn compare(&self, witness: Option<&Witness>) -> Result<u64, JournalError> {
        let last = self.last();
        let Some(witness) = witness else {
            // No append returns before the witness is written: creation was
            // interrupted just before its end.
            let untouched = self.segments.len() == 1 && last.file_bytes == HEADER;
            return if untouched {
                Ok(0)
            } else {
                Err(JournalError::WitnessMissing)
            };
        };
        if witness.identity.store != last.header.identity.store {
            return Err(JournalError::Foreign {
                file: WITNESS_FILE.to_owned(),
            });
        }
        if last.end() < witness.sealed
            || last.header.identity.incarnation < witness.identity.incarnation
        {
            return Err(JournalError::RolledBack {
                end: Position(last.end()),
                witnessed: Position(witness.durable),
            });
        }
        let next = self
            .segments
            .iter()
            .find(|found| found.header.first == witness.sealed);
        if next.is_some_and(|found| found.header.previous == witness.hash) {
            return Ok(witness.durable);
        }
        // The last segment may be gone whole, leaving its predecessor's end.
        if next.is_none() && last.end() == witness.sealed {
            return Err(JournalError::RolledBack {
                end: Position(last.end()),
                witnessed: Position(witness.durable),
            });
        }
        let sealed = self
            .segments
            .iter()
            .rfind(|found| found.header.first < witness.sealed)
            .unwrap_or(last);
        let (first, length) = (sealed.header.first, sealed.file_bytes - HEADER);
        Err(sealed.damage(Wound::Chain, first, length))
    }
}

/// The header of the segment that should begin at `first`.
pub(super) fn read_header(
    file: &dyn DiskFile,
    file_bytes: u64,
    first: u64,
) -> Result<Header, JournalError> {
    if file_bytes < HEADER {
        return Err(damaged(first, Wound::Header, first, 0));
    }
    let mut bytes = [0; SEGMENT_HEADER_BYTES];
    disk::read_exact(file, &mut bytes, 0).map_err(disk::failed("read a segment header"))?;
    match Header::decode(&bytes) {
        Ok(header) if header.first == first => Ok(header),
        Ok(_) | Err(HeaderFault::Damaged) => {
            Err(damaged(first, Wound::Header, first, file_bytes - HEADER))
        }
        Err(HeaderFault::Version(found)) => Err(JournalError::FormatVersion {
            file: segment::name(first),
            found,
        }),
    }
}

/// What the last segment holds.
pub(super) struct Tail {
    pub(super) end: u64,
    /// Where the last append began.
    last_append: u64,
    pub(super) hash: Sha256,
}

impl Tail {
    pub(super) fn examine(
        file: &Arc<dyn DiskFile>,
        last: &Found,
        durable: u64,
    ) -> Result<Self, JournalError> {
        let reading = disk::failed;
        let first = last.header.first;
        let mut walk = Walk::new(
            Window::new(Arc::clone(file), last.file_bytes),
            HEADER,
            first,
        );
        let mut hash = Sha256::new_with_prefix(last.header.encode());
        let mut last_append = first;
        loop {
            match walk.step().map_err(reading("read the journal"))? {
                Step::Record {
                    position,
                    since,
                    bytes,
                } => {
                    hash.update(bytes);
                    last_append = position - since;
                }
                Step::Bad => {
                    refuse_damage(&mut walk, last, durable)?;
                    break;
                }
                Step::End => break,
            }
        }
        let end = walk.at();
        if end < durable {
            return Err(JournalError::RolledBack {
                end: Position(end),
                witnessed: Position(durable),
            });
        }
        Ok(Self {
            end,
            last_append,
            hash,
        })
    }

    /// Makes the disk agree with what was judged to stand.
    ///
    /// After a stop that the witness did not see, the last append may stand in
    /// the page cache only: never synced, or its sync failed and the kernel then
    /// called the pages clean. So it is written once more before the sync.
    fn settle(&self, file: &dyn DiskFile, last: &Found, durable: u64) -> Result<(), JournalError> {
        if self.end == durable && self.end == last.end() {
            return Ok(());
        }
        let offset = |position: u64| HEADER + (position - last.header.first);
        if self.end < last.end() {
            file.set_len(offset(self.end))
                .map_err(disk::failed("cut a torn tail"))?;
        }
        let length = usize::try_from(self.end - self.last_append).unwrap_or_default();
        let mut again = vec![0; length];
        disk::read_exact(file, &mut again, offset(self.last_append))
            .map_err(disk::failed("read the last append"))?;
        file.write_at(&again, offset(self.last_append))
            .map_err(disk::failed("write the last append again"))?;
        file.sync_all().map_err(disk::failed("sync the journal"))?;
        Ok(())
    }
}

/// Lets a torn tail pass; see the record module for how it is told from damage.
fn refuse_damage(walk: &mut Walk<Window>, last: &Found, durable: u64) -> Result<(), JournalError> {
    let bad = walk.at();
    let reading = disk::failed;
    let was_durable = bad < durable
        || walk
            .later_append_after(bad)
            .map_err(reading("read the journal"))?;
    if !was_durable {
        return Ok(());
    }
    let next = walk
        .next_sound(bad + 1)
        .map_err(reading("read the journal"))?;
    let length = next.unwrap_or(last.end()) - bad;
    Err(last.damage(Wound::Record, bad, length))
}
