//! How keys and values lie in the file: the one table of what stands where. Pure.
//!
//! | First byte | Then | Value |
//! |---|---|---|
//! | 0 | nothing | the format marker |
//! | 1 | prefix | [`Applied`] of the node with that prefix: position 8 bytes, digest 16, CRC-32C of both |
//! | 2 | prefix length, prefix, key | a row: tag 0 and the value, or tag 1 and a [`Split`] |
//! | 3 | prefix length, prefix, key length, key, part (2 bytes) | one part of a split value |
//!
//! Values above [`ROW_BYTES_MAX`] are split: sled moves a page above 128 KiB into a file of its own
//! that it never syncs, a page is up to 17 rows, and with rows of 4 KiB none grows so large.

use super::digest::Digest;

/// Marks the layout of this table; another one is set aside and rebuilt.
pub(super) const FORMAT: &[u8] = b"fengqiao store 3";
/// Where the format marker stands.
pub(super) const FORMAT_KEY: &[u8] = &[0];
/// The longest row in the file, in bytes.
pub(super) const ROW_BYTES_MAX: usize = 4096;

const APPLIED: u8 = 1;
const ROWS: u8 = 2;
const PARTS: u8 = 3;
const TAG_WHOLE: u8 = 0;
const TAG_SPLIT: u8 = 1;

/// What stands in the row of a split value: enough to know whether the parts belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Split {
    pub(super) bytes: u32,
    pub(super) crc: u32,
}

/// A row as it lies in the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stored<'a> {
    Whole(&'a [u8]),
    Split(Split),
}

impl Split {
    /// How many parts the value has.
    pub(super) fn parts(self) -> u16 {
        u16::try_from(
            usize::try_from(self.bytes)
                .unwrap_or(usize::MAX)
                .div_ceil(ROW_BYTES_MAX),
        )
        .unwrap_or(u16::MAX)
    }
}

/// The range of keys in which every applied position stands.
pub(super) fn applied_range() -> ([u8; 1], [u8; 1]) {
    ([APPLIED], [APPLIED + 1])
}

pub(super) fn applied_key(prefix: &[u8]) -> Vec<u8> {
    [&[APPLIED], prefix].concat()
}

/// How far a node has read, and what all its rows come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Applied {
    pub(super) position: u64,
    pub(super) digest: Digest,
}

impl Applied {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut row = self.position.to_be_bytes().to_vec();
        row.extend_from_slice(&self.digest.to_bytes());
        let crc = crc32c::crc32c(&row);
        row.extend_from_slice(&crc.to_be_bytes());
        row
    }

    /// `None` if the row is not one.
    pub(super) fn decode(row: &[u8]) -> Option<Self> {
        let (numbers, crc) = row.split_last_chunk::<4>()?;
        let (position, digest) = numbers.split_first_chunk::<8>()?;
        (crc32c::crc32c(numbers) == u32::from_be_bytes(*crc)).then_some(Self {
            position: u64::from_be_bytes(*position),
            digest: Digest::from_bytes(digest.try_into().ok()?),
        })
    }
}

/// The range of keys in which every row and every part of all nodes stands.
pub(super) fn counted_range() -> ([u8; 1], [u8; 1]) {
    ([ROWS], [PARTS + 1])
}

/// The node whose row or part stands under a key of [`counted_range`].
pub(super) fn prefix_of(key: &[u8]) -> Option<&[u8]> {
    let (length, rest) = key.get(1..)?.split_first()?;
    rest.get(..usize::from(*length))
}

pub(super) fn row_key(prefix: &[u8], key: &[u8]) -> Vec<u8> {
    [&[ROWS, length(prefix)], prefix, key].concat()
}

/// The node's own key in the key of a row.
pub(super) fn own_key<'a>(prefix: &[u8], row_key: &'a [u8]) -> &'a [u8] {
    row_key.get(2 + prefix.len()..).unwrap_or_default()
}

/// Where all parts of a node begin; a node without any needs no look at what a write replaces.
pub(super) fn parts_start(prefix: &[u8]) -> Vec<u8> {
    [&[PARTS, length(prefix)], prefix].concat()
}

pub(super) fn part_key(prefix: &[u8], key: &[u8], part: u16) -> Vec<u8> {
    [
        &[PARTS, length(prefix)],
        prefix,
        &[length(key)],
        key,
        &part.to_be_bytes(),
    ]
    .concat()
}

/// Whether the value is too long for one row.
pub(super) fn needs_split(value: &[u8]) -> bool {
    value.len() >= ROW_BYTES_MAX
}

pub(super) fn encode_whole(value: &[u8]) -> Vec<u8> {
    [&[TAG_WHOLE], value].concat()
}

/// The row that stands for a value whose parts stand elsewhere.
pub(super) fn encode_split(value: &[u8]) -> Vec<u8> {
    let bytes = u32::try_from(value.len()).unwrap_or(u32::MAX);
    [
        &[TAG_SPLIT][..],
        &bytes.to_be_bytes(),
        &crc32c::crc32c(value).to_be_bytes(),
    ]
    .concat()
}

/// Reads a row, or `None` if it is not one.
pub(super) fn decode(row: &[u8]) -> Option<Stored<'_>> {
    let (tag, rest) = row.split_first()?;
    match *tag {
        TAG_WHOLE => Some(Stored::Whole(rest)),
        TAG_SPLIT => {
            let (bytes, crc) = rest.split_first_chunk::<4>()?;
            let crc = u32::from_be_bytes(crc.try_into().ok()?);
            Some(Stored::Split(Split {
                bytes: u32::from_be_bytes(*bytes),
                crc,
            }))
        }
        _ => None,
    }
}

// Prefixes and keys are checked against bounds far below 255 before they come here.
fn length(bytes: &[u8]) -> u8 {
    u8::try_from(bytes.len()).unwrap_or(u8::MAX)
}
