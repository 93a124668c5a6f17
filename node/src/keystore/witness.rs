//! A small file beside the keys that remembers how long they were.
//!
//! Without it the last put, once it has decayed, cannot be told from one that was torn and never acknowledged. Written
//! at opening and whenever the owner of the keys lets it vouch; taken back before keys are erased, since that makes the
//! file shorter. Holds no key. Absent or unreadable it vouches for nothing: the keys have checksums of their own.
//!
//! 24 bytes, little-endian: magic 8, format version u32, durable bytes u64, CRC-32C u32.

use std::io::ErrorKind;
use std::path::Path;

use super::KeyStoreError;
use crate::journal::disk;
use crate::journal::record::{u32_at, u64_at};
use crate::journal::{Disk, FolderLock};

const MAGIC: &[u8; 8] = b"FQKEYWIT";
const FORMAT_VERSION: u32 = 1;
const BYTES: usize = 24;
const CHECKED: usize = BYTES - 4;
const FILE: &str = "keys.witness";

/// Vouches for so many bytes.
pub(super) fn write(lock: &FolderLock, durable: u64) -> Result<(), KeyStoreError> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes.extend_from_slice(&durable.to_le_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    disk::replace(lock.disk().as_ref(), lock.folder(), FILE, &bytes)?;
    Ok(())
}

/// How many bytes are vouched for.
pub(super) fn read(disk: &dyn Disk, folder: &Path) -> Result<u64, KeyStoreError> {
    let failed = disk::failed("read the witness of the keys");
    let file = match disk.open(&folder.join(FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(failed(error).into()),
    };
    let mut bytes = [0; BYTES];
    match disk::read_exact(file.as_ref(), &mut bytes, 0) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
        Err(error) => return Err(failed(error).into()),
    }
    let sound = bytes.starts_with(MAGIC)
        && u32_at(&bytes, 8) == FORMAT_VERSION
        && crc32c::crc32c(&bytes[..CHECKED]) == u32_at(&bytes, CHECKED);
    Ok(if sound { u64_at(&bytes, 12) } else { 0 })
}
