//! The form of a key store's records.
//!
//! The file is a header of 16 bytes (magic 8, format version u32, CRC-32C u32)
//! and records in the form of the journal's, positions counted from the first.
//! Payload: kind u8, case 16, and for a held case: salt 32, flags u8 (1: the key is
//! present, 2: the salt is proven) and key 32 (zeros when absent), wrapped as u16 length and bytes, count of wraps u16,
//! each recipient 10, u16 length, bytes. A later record of a case replaces the
//! earlier one: it holds all of it.

use zeroize::Zeroizing;

use super::{CaseId, CaseSecret, Holdings, KeyStoreError};
use crate::journal::record::{self, RECORD_HEADER_BYTES, Step, Walk, u32_at};

pub(super) const HEADER_BYTES: usize = 16;
const MAGIC: &[u8; 8] = b"FQKEYSTO";
const FORMAT_VERSION: u32 = 1;
const HELD: u8 = 1;
const ERASED: u8 = 2;
const KEY_PRESENT: u8 = 1;
const PROVEN: u8 = 2;

pub(super) fn header() -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    bytes
}

/// Disk bytes of one record at most, to size buffers so that they never move.
pub(super) fn size(secret: Option<&CaseSecret>) -> usize {
    let fixed = RECORD_HEADER_BYTES + 17;
    secret.map_or(fixed, |secret| {
        let wraps = secret.wraps.iter().map(|(_, sealed)| 12 + sealed.len());
        fixed + 69 + secret.wrapped.len() + wraps.sum::<usize>()
    })
}

/// Appends the record of one case; the append began at `start` in the log.
pub(super) fn encode(
    into: &mut Vec<u8>,
    start: u64,
    since: usize,
    case: &CaseId,
    secret: Option<&CaseSecret>,
) {
    let mut payload = Zeroizing::new(Vec::with_capacity(size(secret)));
    payload.push(if secret.is_some() { HELD } else { ERASED });
    payload.extend_from_slice(case);
    if let Some(secret) = secret {
        payload.extend_from_slice(&secret.salt);
        let key_present = if secret.key.is_some() { KEY_PRESENT } else { 0 };
        payload.push(key_present | if secret.proven { PROVEN } else { 0 });
        payload.extend_from_slice(secret.key.as_ref().unwrap_or(&[0; 32]));
        push_sealed(&mut payload, &secret.wrapped);
        payload.extend_from_slice(&short(secret.wraps.len()).to_le_bytes());
        for (recipient, sealed) in &secret.wraps {
            payload.extend_from_slice(recipient);
            push_sealed(&mut payload, sealed);
        }
    }
    let position = start + since as u64;
    // Past 4 GiB in one append a torn tail is taken for damage: the safe side.
    let since = u32::try_from(since).unwrap_or(u32::MAX);
    record::encode(into, position, since, &payload);
}

fn push_sealed(payload: &mut Vec<u8>, sealed: &[u8]) {
    payload.extend_from_slice(&short(sealed.len()).to_le_bytes());
    payload.extend_from_slice(sealed);
}

/// Lengths were checked against limits far below u16::MAX.
fn short(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

/// Everything in the file, and how many of its bytes are sound.
pub(super) fn read(bytes: &[u8]) -> Result<(Holdings, usize), KeyStoreError> {
    let sound_header = bytes.len() >= HEADER_BYTES
        && bytes.starts_with(MAGIC)
        && crc32c::crc32c(&bytes[..12]) == u32_at(bytes, 12);
    if !sound_header {
        return Err(KeyStoreError::Damaged { offset: 0 });
    }
    let found = u32_at(bytes, 8);
    if found != FORMAT_VERSION {
        return Err(KeyStoreError::FormatVersion { found });
    }
    let mut holdings = Holdings::new();
    let mut walk = Walk::new(bytes, HEADER_BYTES as u64, 0);
    let unreadable = |source| KeyStoreError::Io {
        attempt: "read the key store",
        source,
    };
    loop {
        let at = walk.at();
        let offset = HEADER_BYTES as u64 + at;
        match walk.step().map_err(unreadable)? {
            Step::Record { bytes, .. } => {
                let (case, secret) = decode(&bytes[RECORD_HEADER_BYTES..])
                    .ok_or(KeyStoreError::Damaged { offset })?;
                holdings.insert(case, secret);
            }
            Step::Bad => {
                if walk.later_append_after(at).map_err(unreadable)? {
                    return Err(KeyStoreError::Damaged { offset });
                }
                break;
            }
            Step::End => break,
        }
    }
    let sound = HEADER_BYTES as u64 + walk.at();
    Ok((holdings, usize::try_from(sound).unwrap_or(bytes.len())))
}

fn decode(payload: &[u8]) -> Option<(CaseId, Option<Box<CaseSecret>>)> {
    let (kind, rest) = payload.split_first()?;
    let (case, mut rest) = rest.split_first_chunk::<16>()?;
    if *kind == ERASED {
        return rest.is_empty().then_some((*case, None));
    }
    if *kind != HELD {
        return None;
    }
    let mut secret = Box::<CaseSecret>::default();
    secret.salt = *take(&mut rest)?;
    let [flags] = *take::<1>(&mut rest)?;
    let key = take::<32>(&mut rest)?;
    secret.key = (flags & KEY_PRESENT != 0).then_some(*key);
    secret.proven = flags & PROVEN != 0;
    secret.wrapped = take_sealed(&mut rest)?;
    for _ in 0..u16::from_le_bytes(*take(&mut rest)?) {
        let recipient = *take(&mut rest)?;
        secret.wraps.push((recipient, take_sealed(&mut rest)?));
    }
    rest.is_empty().then_some((*case, Some(secret)))
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(head)
}

fn take_sealed(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let length = usize::from(u16::from_le_bytes(*take(rest)?));
    let (sealed, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(sealed.to_vec())
}
