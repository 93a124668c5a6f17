//! One file of the log: its header, its name, its creation.
//!
//! Header of 80 bytes, little-endian: magic 8, format version u32, store id 16,
//! incarnation u64, position of the first record u64, SHA-256 of the whole
//! previous segment file 32 (zeros in the first one), CRC-32C u32 of all before.
//! A segment is built aside and renamed, so one with a bad header is damaged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::JournalError;
use super::disk::{self, Disk, DiskFile};
use super::record::{u32_at, u64_at};

pub(super) const SEGMENT_HEADER_BYTES: usize = 80;
pub(super) const HEADER: u64 = SEGMENT_HEADER_BYTES as u64;

const MAGIC: &[u8; 8] = b"FQJOURNL";
const FORMAT_VERSION: u32 = 1;
const SUFFIX: &str = ".segment";

pub(super) type Hash = [u8; 32];

/// Whose journal it is, and which life of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Random, of this store.
    pub store: [u8; 16],
    /// Rises at every recovery.
    pub incarnation: u64,
}

impl Identity {
    /// Whoever follows writes in a higher incarnation, also under another store.
    pub(super) fn refuse_not_newer(self, next: Self) -> Result<(), JournalError> {
        let (given, newest) = (next.incarnation, self.incarnation);
        if given <= newest {
            return Err(JournalError::IncarnationNotNewer { given, newest });
        }
        Ok(())
    }
}

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) identity: Identity,
    pub(super) first: u64,
    pub(super) previous: Hash,
}

/// Why a header cannot be used.
#[derive(Debug)]
pub(super) enum HeaderFault {
    Damaged,
    Version(u32),
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SEGMENT_HEADER_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.identity.store);
        bytes.extend_from_slice(&self.identity.incarnation.to_le_bytes());
        bytes.extend_from_slice(&self.first.to_le_bytes());
        bytes.extend_from_slice(&self.previous);
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HeaderFault> {
        let sound = bytes.len() == SEGMENT_HEADER_BYTES
            && bytes.starts_with(MAGIC)
            && crc32c::crc32c(&bytes[..76]) == u32_at(bytes, 76);
        if !sound {
            return Err(HeaderFault::Damaged);
        }
        let version = u32_at(bytes, 8);
        if version != FORMAT_VERSION {
            return Err(HeaderFault::Version(version));
        }
        let mut header = Self {
            identity: Identity {
                store: [0; 16],
                incarnation: u64_at(bytes, 28),
            },
            first: u64_at(bytes, 36),
            previous: [0; 32],
        };
        header.identity.store.copy_from_slice(&bytes[12..28]);
        header.previous.copy_from_slice(&bytes[44..76]);
        Ok(header)
    }
}

/// File name of the segment whose first record stands at `first`.
pub(super) fn name(first: u64) -> String {
    format!("{first:020}{SUFFIX}")
}

/// Puts a new, empty segment in place, durably; gives its file and the hash of
/// what it holds so far.
pub(super) fn create(
    disk: &dyn Disk,
    folder: &Path,
    header: &Header,
) -> Result<(Arc<dyn DiskFile>, Sha256), JournalError> {
    let bytes = header.encode();
    let file = disk::replace(disk, folder, &name(header.first), &bytes)?;
    Ok((file, Sha256::new_with_prefix(&bytes)))
}

/// The segments in a folder by the position of their first record; files of other names are none of ours.
pub(super) fn list(disk: &dyn Disk, folder: &Path) -> Result<BTreeMap<u64, PathBuf>, JournalError> {
    let first_of = |name: &str| {
        let first = name.strip_suffix(SUFFIX)?.parse().ok()?;
        (self::name(first) == name).then_some(first)
    };
    let names = names(disk, folder)?;
    let segments = names
        .iter()
        .filter_map(|name| Some((first_of(name)?, folder.join(name))));
    Ok(segments.collect())
}

/// Removes what a crash left aside; for the owner of the folder alone.
pub(super) fn clear_aside(disk: &dyn Disk, folder: &Path) -> Result<(), JournalError> {
    for name in names(disk, folder)? {
        if name.ends_with(disk::ASIDE) {
            disk::remove_file(disk, &folder.join(name))?;
        }
    }
    Ok(())
}

fn names(disk: &dyn Disk, folder: &Path) -> Result<Vec<String>, JournalError> {
    let listed = disk.list(folder);
    Ok(listed.map_err(disk::failed("list the journal folder"))?)
}
