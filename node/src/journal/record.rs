//! The form of a record on disk, and how a file of them is walked.
//!
//! Header, little-endian: payload length u32, CRC-32C u32 over all else, position
//! u64, `since` u32: bytes from the first record of the same append to this one.
//!
//! `since` is what tells a torn tail from damage. One append is one write and one
//! sync, and the next starts only after that sync. A crash during the sync may
//! leave any of its pages on disk and not others, so a bad record may well be
//! followed by sound ones of the *same* append, none of them acknowledged. But a
//! sound record whose append began *after* the bad place proves that the bad
//! place had been durable. So: bad, and later a record with
//! position - since > bad place, is damage; else it is a torn tail.
//! What this cannot see: decay in the very last append after an unclean stop.
//! A neighbour's cursor does; the witness covers everything up to a clean stop.

use std::io;
use std::sync::Arc;

use super::disk::DiskFile;

/// Largest payload of one record.
pub const RECORD_BYTES_MAX: usize = 4 << 20;

/// Bytes before the payload.
pub const RECORD_HEADER_BYTES: usize = 20;

const HEADER: u64 = RECORD_HEADER_BYTES as u64;
const WINDOW_BYTES: usize = 256 << 10;

/// Appends one record in its disk form.
pub(crate) fn encode(into: &mut Vec<u8>, position: u64, since: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    debug_assert!(payload.len() <= RECORD_BYTES_MAX);
    let start = into.len();
    into.extend_from_slice(&length.to_le_bytes());
    into.extend_from_slice(&[0; 4]);
    into.extend_from_slice(&position.to_le_bytes());
    into.extend_from_slice(&since.to_le_bytes());
    into.extend_from_slice(payload);
    let crc = checksum(&into[start..]);
    into[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
}

/// Over the length, then all that follows the checksum.
fn checksum(record: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&record[..4]), &record[8..])
}

/// A header read, not yet believed.
struct Head {
    length: u64,
    position: u64,
    since: u64,
}

impl Head {
    fn parse(bytes: &[u8]) -> Self {
        Self {
            length: u64::from(u32_at(bytes, 0)),
            position: u64_at(bytes, 8),
            since: u64::from(u32_at(bytes, 16)),
        }
    }
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

/// Bytes that can be asked for by offset.
pub(crate) trait Bytes {
    /// `None` when the range is not wholly there.
    fn get(&mut self, offset: u64, length: usize) -> io::Result<Option<&[u8]>>;
    /// Offset after the last byte that counts.
    fn end(&self) -> u64;
}

impl Bytes for &[u8] {
    fn get(&mut self, offset: u64, length: usize) -> io::Result<Option<&[u8]>> {
        let Ok(start) = usize::try_from(offset) else {
            return Ok(None);
        };
        Ok(start
            .checked_add(length)
            .and_then(|end| (**self).get(start..end)))
    }

    fn end(&self) -> u64 {
        self.len() as u64
    }
}

/// A file seen through a buffer of one window or one record, the larger.
pub(crate) struct Window {
    file: Arc<dyn DiskFile>,
    start: u64,
    buffer: Vec<u8>,
    end: u64,
}

impl Window {
    pub(crate) fn new(file: Arc<dyn DiskFile>, end: u64) -> Self {
        Self {
            file,
            start: 0,
            buffer: Vec::new(),
            end,
        }
    }

    fn fill(&mut self, offset: u64, length: usize) -> io::Result<()> {
        let room = usize::try_from(self.end.saturating_sub(offset)).unwrap_or(usize::MAX);
        self.buffer.resize(length.max(WINDOW_BYTES).min(room), 0);
        self.start = offset;
        let mut filled = 0;
        while filled < self.buffer.len() {
            match self
                .file
                .read_at(&mut self.buffer[filled..], offset + filled as u64)
            {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.buffer.clear();
                    return Err(error);
                }
            }
        }
        self.buffer.truncate(filled);
        Ok(())
    }

    fn held(&self, offset: u64, length: usize) -> Option<std::ops::Range<usize>> {
        let start = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        let end = start.checked_add(length)?;
        (end <= self.buffer.len()).then_some(start..end)
    }
}

impl Bytes for Window {
    fn get(&mut self, offset: u64, length: usize) -> io::Result<Option<&[u8]>> {
        if offset.saturating_add(length as u64) > self.end {
            return Ok(None);
        }
        if self.held(offset, length).is_none() {
            self.fill(offset, length)?;
        }
        Ok(self.held(offset, length).map(|range| &self.buffer[range]))
    }

    fn end(&self) -> u64 {
        self.end
    }
}

/// One step of a walk.
pub(crate) enum Step<'a> {
    /// A sound record; the walk stands after it.
    Record {
        position: u64,
        since: u64,
        /// Header and payload.
        bytes: &'a [u8],
    },
    /// No sound record here; the walk stays.
    Bad,
    End,
}

/// A walk over the records of one file.
pub(crate) struct Walk<B> {
    bytes: B,
    /// Bytes of the file before its first record.
    header: u64,
    /// Position of the first record of the file.
    first: u64,
    at: u64,
}

impl<B: Bytes> Walk<B> {
    pub(crate) fn new(bytes: B, header: u64, first: u64) -> Self {
        Self {
            bytes,
            header,
            first,
            at: first,
        }
    }

    pub(crate) fn starting_at(mut self, position: u64) -> Self {
        self.at = position;
        self
    }

    /// Where the walk stands.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// Position after the last byte that counts.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.bytes.end().saturating_sub(self.header)
    }

    pub(crate) fn step(&mut self) -> io::Result<Step<'_>> {
        if self.at >= self.end() {
            return Ok(Step::End);
        }
        let position = self.at;
        let Some((since, size)) = self.sound(position)? else {
            return Ok(Step::Bad);
        };
        self.at += size as u64;
        let offset = self.offset(position);
        match self.bytes.get(offset, size)? {
            Some(bytes) => Ok(Step::Record {
                position,
                since,
                bytes,
            }),
            None => Ok(Step::Bad),
        }
    }

    /// The next sound record at or after `from`.
    pub(crate) fn next_sound(&mut self, from: u64) -> io::Result<Option<u64>> {
        self.search(from, |_| true)
    }

    /// Whether a sound record follows whose append began after `bad`.
    pub(crate) fn later_append_after(&mut self, bad: u64) -> io::Result<bool> {
        Ok(self.search(bad + 1, |start| start > bad)?.is_some())
    }

    /// Every place is tried, because damage may have eaten the lengths that lead
    /// from record to record. `wanted` is given the start of the append.
    fn search(&mut self, from: u64, wanted: impl Fn(u64) -> bool) -> io::Result<Option<u64>> {
        for position in from..self.end() {
            if let Some((since, _)) = self.sound(position)?
                && wanted(position - since)
            {
                return Ok(Some(position));
            }
        }
        Ok(None)
    }

    /// `since` and whole size of the record at `position` when it is sound.
    fn sound(&mut self, position: u64) -> io::Result<Option<(u64, usize)>> {
        let offset = self.offset(position);
        let Some(bytes) = self.bytes.get(offset, RECORD_HEADER_BYTES)? else {
            return Ok(None);
        };
        let head = Head::parse(bytes);
        if head.position != position
            || head.length > RECORD_BYTES_MAX as u64
            || head.since > position - self.first
        {
            return Ok(None);
        }
        let size = RECORD_HEADER_BYTES + usize::try_from(head.length).unwrap_or_default();
        let Some(record) = self.bytes.get(offset, size)? else {
            return Ok(None);
        };
        Ok((u32_at(record, 4) == checksum(record)).then_some((head.since, size)))
    }

    fn offset(&self, position: u64) -> u64 {
        self.header + (position - self.first)
    }
}

/// Bytes a payload takes on disk.
pub(crate) fn size_of(payload: &[u8]) -> u64 {
    HEADER + payload.len() as u64
}
