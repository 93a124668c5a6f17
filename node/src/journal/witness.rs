//! A small file beside the journal that remembers how far it had come.
//!
//! It lies outside the journal folder, so that a journal put back from an older
//! copy, or lost, is told from a fresh one. Written when the journal is created,
//! opened, at each seal, and whenever its owner lets it vouch; never ahead of what
//! is durable.
//! A copy of the whole data folder takes the witness along: that rollback only
//! the neighbours can see.
//!
//! 88 bytes, little-endian: magic 8, format version u32, store id 16, incarnation
//! u64, end of the last sealed segment u64, its SHA-256 32, durable end u64, CRC.

use std::io::ErrorKind;
use std::path::Path;

use super::JournalError;
use super::disk::{self, Disk};
use super::record::{u32_at, u64_at};
use super::segment::{Hash, Identity};

const MAGIC: &[u8; 8] = b"FQWITNES";
const FORMAT_VERSION: u32 = 1;
const WITNESS_BYTES: usize = 88;
const CHECKED: usize = WITNESS_BYTES - 4;

pub(super) const WITNESS_FILE: &str = "witness";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Witness {
    pub(super) identity: Identity,
    /// End of the last sealed segment: where the segment in use begins.
    pub(super) sealed: u64,
    /// Of the last sealed segment; zeros when none was.
    pub(super) hash: Hash,
    /// The journal was at least this long.
    pub(super) durable: u64,
}

impl Witness {
    pub(super) fn write(&self, disk: &dyn Disk, folder: &Path) -> Result<(), JournalError> {
        let mut bytes = Vec::with_capacity(WITNESS_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.identity.store);
        bytes.extend_from_slice(&self.identity.incarnation.to_le_bytes());
        bytes.extend_from_slice(&self.sealed.to_le_bytes());
        bytes.extend_from_slice(&self.hash);
        bytes.extend_from_slice(&self.durable.to_le_bytes());
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        disk::replace(disk, folder, WITNESS_FILE, &bytes)?;
        Ok(())
    }

    /// `None` when there is no such file.
    pub(super) fn read(disk: &dyn Disk, folder: &Path) -> Result<Option<Self>, JournalError> {
        let failed = disk::failed("read the witness file");
        let file = match disk.open(&folder.join(WITNESS_FILE)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error).into()),
        };
        let mut bytes = [0; WITNESS_BYTES];
        match disk::read_exact(file.as_ref(), &mut bytes, 0).and_then(|()| file.len()) {
            Ok(length) if length == WITNESS_BYTES as u64 => Self::decode(&bytes).map(Some),
            Ok(_) => Err(JournalError::WitnessDamaged),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                Err(JournalError::WitnessDamaged)
            }
            Err(error) => Err(failed(error).into()),
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, JournalError> {
        let sound = bytes.len() == WITNESS_BYTES
            && bytes.starts_with(MAGIC)
            && crc32c::crc32c(&bytes[..CHECKED]) == u32_at(bytes, CHECKED);
        if !sound {
            return Err(JournalError::WitnessDamaged);
        }
        let found = u32_at(bytes, 8);
        if found != FORMAT_VERSION {
            return Err(JournalError::FormatVersion {
                file: WITNESS_FILE.to_owned(),
                found,
            });
        }
        let mut witness = Self {
            identity: Identity {
                store: [0; 16],
                incarnation: u64_at(bytes, 28),
            },
            sealed: u64_at(bytes, 36),
            hash: [0; 32],
            durable: u64_at(bytes, 76),
        };
        witness.identity.store.copy_from_slice(&bytes[12..28]);
        witness.hash.copy_from_slice(&bytes[44..76]);
        Ok(witness)
    }
}
