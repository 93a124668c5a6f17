//! The bytes of a journal record: blobs first, as they come, then the facts that speak of them.
//!
//! A record is a plain `JournalRecord`, so any protobuf tool reads it. It is laid out by hand because a view keeps where
//! a blob stands and reads it back without the record around it.

use fengqiao_proto::v1 as pb;
use prost::Message as _;
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};

use crate::store::tables::Place;

const FACTS: u32 = 1;
const BLOBS: u32 = 2;

/// A record being written.
#[derive(Debug)]
pub struct RecordWriter {
    position: u64,
    payload: Vec<u8>,
    facts: Vec<u8>,
    places: Vec<Place>,
}

/// Why bytes that passed the journal's checksum are not a record of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a journal record does not read as one")]
pub struct NotARecord;

impl RecordWriter {
    /// A record that will stand at `position`.
    #[must_use]
    pub fn at(position: u64) -> Self {
        Self {
            position,
            payload: Vec::new(),
            facts: Vec::new(),
            places: Vec::new(),
        }
    }

    /// Adds a blob; says how facts name it and where it will stand.
    pub fn blob(&mut self, bytes: &[u8]) -> (pb::BlobReference, Place) {
        encode_key(BLOBS, WireType::LengthDelimited, &mut self.payload);
        encode_varint(bytes.len() as u64, &mut self.payload);
        let offset = length(self.payload.len());
        self.payload.extend_from_slice(bytes);
        let place = Place {
            position: self.position,
            offset,
            length: length(bytes.len()),
        };
        self.places.push(place);
        let reference = pb::BlobReference {
            index: length(self.places.len()),
            ..Default::default()
        };
        (reference, place)
    }

    /// Adds a fact.
    pub fn fact(&mut self, fact: pb::fact::Fact) {
        let fact = pb::Fact { fact: Some(fact) };
        encode_key(FACTS, WireType::LengthDelimited, &mut self.facts);
        fact.encode_length_delimited(&mut self.facts)
            .unwrap_or_else(|_| unreachable!("a Vec grows"));
    }

    /// Where the blobs stand, by index from 1.
    #[must_use]
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// A blob added before, when the place is in this record.
    #[must_use]
    pub fn read(&self, at: &Place) -> Option<Vec<u8>> {
        let from = at.offset as usize;
        (at.position == self.position)
            .then(|| self.payload.get(from..from + at.length as usize))
            .flatten()
            .map(<[u8]>::to_vec)
    }

    /// Bytes so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.payload.len() + self.facts.len()
    }

    /// Whether there is nothing to keep.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }

    /// The whole record.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.payload.append(&mut self.facts);
        self.payload
    }
}

/// Reads a record back: its facts, and where each blob stands.
///
/// # Errors
/// [`NotARecord`].
pub fn read_record(
    position: u64,
    payload: &[u8],
) -> Result<(Vec<pb::fact::Fact>, Vec<Place>), NotARecord> {
    let mut rest = payload;
    let (mut facts, mut blobs) = (Vec::new(), Vec::new());
    while !rest.is_empty() {
        let (field, wire) = decode_key(&mut rest).map_err(|_| NotARecord)?;
        let bytes = decode_varint(&mut rest).map_err(|_| NotARecord)?;
        let bytes = usize::try_from(bytes)
            .ok()
            .filter(|bytes| *bytes <= rest.len())
            .ok_or(NotARecord)?;
        let offset = payload.len() - rest.len();
        let (content, after) = rest.split_at(bytes);
        match (field, wire) {
            (FACTS, WireType::LengthDelimited) => {
                let fact = pb::Fact::decode(content).map_err(|_| NotARecord)?;
                facts.extend(fact.fact);
            }
            (BLOBS, WireType::LengthDelimited) => {
                blobs.push(Place {
                    position,
                    offset: length(offset),
                    length: length(bytes),
                });
            }
            _ => return Err(NotARecord),
        }
        rest = after;
    }
    Ok((facts, blobs))
}

/// The place a reference speaks of, in this record or an earlier one.
#[must_use]
pub fn place_of(reference: Option<&pb::BlobReference>, blobs: &[Place]) -> Option<Place> {
    let reference = reference?;
    if reference.index == 0 {
        return Some(Place {
            position: reference.position,
            offset: reference.offset,
            length: reference.length,
        });
    }
    blobs.get(reference.index as usize - 1).copied()
}

/// How a fact names bytes of an earlier record.
#[must_use]
pub fn reference_to(at: &Place) -> pb::BlobReference {
    pb::BlobReference {
        index: 0,
        position: at.position,
        offset: at.offset,
        length: at.length,
    }
}

/// A record is at most 4 MiB, so every length in it fits.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_blob_stands_where_the_record_says() {
        let mut writer = RecordWriter::at(77);
        let (first, _) = writer.blob(b"one");
        let (second, place) = writer.blob(b"second");
        assert_eq!(writer.read(&place).unwrap(), b"second");
        writer.fact(pb::fact::Fact::Entry(pb::EntryStored {
            blob: Some(second),
            ..Default::default()
        }));
        let payload = writer.finish();
        let (facts, blobs) = read_record(77, &payload).unwrap();
        assert_eq!(facts.len(), 1);
        assert_eq!(place_of(Some(&second), &blobs), Some(place));
        let from = place.offset as usize;
        assert_eq!(&payload[from..from + 6], b"second");
        assert_eq!(
            pb::JournalRecord::decode(&payload[..]).unwrap().blobs[first.index as usize - 1],
            b"one"
        );
    }

    #[test]
    fn a_record_cut_short_is_no_record() {
        let mut writer = RecordWriter::at(0);
        let (blob, _) = writer.blob(b"one");
        writer.fact(pb::fact::Fact::Kept(pb::ItemKept {
            blob: Some(blob),
            ..Default::default()
        }));
        let payload = writer.finish();
        for end in 1..payload.len() {
            let whole = read_record(0, &payload[..end]).is_ok_and(|(facts, _)| facts.len() == 1);
            assert!(!whole, "cut at {end}");
        }
    }
}
