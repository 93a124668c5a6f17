//! Reading everything to see whether it is what was written.
//!
//! Changes nothing and runs beside appends: it covers what was durable when it
//! began.

use sha2::{Digest, Sha256};

use super::open::read_header;
use super::reader::{Extent, FileReader};
use super::record::Step;
use super::segment::{HEADER, Hash, SEGMENT_HEADER_BYTES, name};
use super::{Damage, JournalError, Position, Wound, disk};

/// Damages listed by one verification; it stops there.
pub const DAMAGE_LISTED_MAX: usize = 1_000;

const REPORT_EVERY_BYTES: u64 = 1 << 20;

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// Sound records.
    pub records: u64,
    /// Read, headers included.
    pub bytes: u64,
    /// In order; empty when all is well.
    pub damages: Vec<Damage>,
}

impl FileReader {
    /// Checks every header, every record and the hash chain between segments.
    ///
    /// `progress` is told (bytes done, bytes in all) about every MiB and at the end.
    ///
    /// # Errors
    /// `Io`, `FormatVersion`; damage is no error here, it is the answer.
    pub fn verify(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Verified, JournalError> {
        let extents = self.extents();
        let total = extents
            .iter()
            .map(|extent| HEADER + (extent.end - extent.first))
            .sum();
        let mut pass = Pass {
            reader: self,
            found: Verified::default(),
            sealed: Some([0; 32]),
            before: Extent { first: 0, end: 0 },
            reported: 0,
            total,
            progress,
        };
        for extent in extents {
            pass.segment(extent)?;
            if pass.found.damages.len() >= DAMAGE_LISTED_MAX {
                break;
            }
        }
        Ok(pass.found)
    }
}

struct Pass<'a> {
    reader: &'a FileReader,
    found: Verified,
    /// Hash of the segment before; `None` when that one is damaged anyway.
    sealed: Option<Hash>,
    before: Extent,
    reported: u64,
    total: u64,
    progress: &'a mut dyn FnMut(u64, u64),
}

impl Pass<'_> {
    fn segment(&mut self, extent: Extent) -> Result<(), JournalError> {
        let header = self.header(extent)?;
        let damages_before = self.found.damages.len();
        let mut hash = Sha256::new_with_prefix(header.unwrap_or([0; SEGMENT_HEADER_BYTES]));
        self.records(extent, &mut hash)?;
        let sound = header.is_some() && self.found.damages.len() == damages_before;
        self.sealed = sound.then(|| hash.finalize().into());
        self.before = extent;
        self.report(true);
        Ok(())
    }

    /// The header's bytes when sound, compared with what its predecessor turned
    /// out to be.
    fn header(
        &mut self,
        extent: Extent,
    ) -> Result<Option<[u8; SEGMENT_HEADER_BYTES]>, JournalError> {
        let file = self.reader.file(extent.first)?;
        let file_bytes = file
            .len()
            .map_err(disk::failed("read a segment's length"))?;
        self.found.bytes += HEADER;
        let header = match read_header(file.as_ref(), file_bytes, extent.first) {
            Ok(header) => header,
            Err(JournalError::Damaged(damage)) => {
                self.found.damages.push(damage);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        if self.sealed.is_some_and(|sealed| sealed != header.previous) {
            self.wound(self.before, Wound::Chain);
        }
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        disk::read_exact(file.as_ref(), &mut bytes, 0)
            .map_err(disk::failed("read a segment header"))?;
        Ok(Some(bytes))
    }

    fn records(&mut self, extent: Extent, hash: &mut Sha256) -> Result<(), JournalError> {
        let mut walk = self.reader.walk(extent)?;
        loop {
            let bad = walk.at();
            match walk.step().map_err(disk::failed("read the journal"))? {
                Step::Record { bytes, .. } => {
                    hash.update(bytes);
                    self.found.records += 1;
                    self.found.bytes += bytes.len() as u64;
                }
                Step::Bad => {
                    let damage = self.reader.damage(extent, bad)?;
                    let next = bad + damage.length;
                    self.found.bytes += damage.length;
                    self.found.damages.push(damage);
                    walk = walk.starting_at(next);
                }
                Step::End => return Ok(()),
            }
            self.report(false);
            if self.found.damages.len() >= DAMAGE_LISTED_MAX {
                return Ok(());
            }
        }
    }

    fn wound(&mut self, extent: Extent, wound: Wound) {
        self.found.damages.push(Damage {
            segment: name(extent.first),
            position: Position(extent.first),
            length: extent.end - extent.first,
            wound,
        });
    }

    fn report(&mut self, at_once: bool) {
        if at_once || self.found.bytes - self.reported >= REPORT_EVERY_BYTES {
            self.reported = self.found.bytes;
            (self.progress)(self.found.bytes, self.total);
        }
    }
}
