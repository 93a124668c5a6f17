//! From rows back into memory: chains when they are needed, the registry when a node opens.

use std::sync::Arc;

use fengqiao_hub::entry::Entry;
use fengqiao_hub::id::{ChainId, Hash, PlaceId};
use fengqiao_proto::v1 as pb;
use prost::Message as _;

use super::chains::{Chain, author_place};
use super::record::RecordWriter;
use super::{EngineError, State};
use crate::journal::{JournalReader, Location, Position};
use crate::store::tables::{self, EntryRow, Place};
use crate::store::{Read, Row, all_rows};

/// Bytes of this record or an earlier one.
pub(crate) fn read_bytes(
    record: &RecordWriter,
    reader: &dyn JournalReader,
    at: &Place,
) -> Result<Vec<u8>, EngineError> {
    if let Some(bytes) = record.read(at) {
        return Ok(bytes);
    }
    let location = Location {
        position: Position(at.position),
        offset: at.offset,
        length: at.length,
    };
    Ok(reader.read(location)?)
}

/// Brings a chain into memory; a chain nobody knows becomes an empty one.
pub(crate) fn load_chain(
    read: &dyn Read,
    reader: &dyn JournalReader,
    record: &RecordWriter,
    state: &mut State,
    id: ChainId,
) -> Result<(), EngineError> {
    if state.chains.touch(id) {
        return Ok(());
    }
    let chain = read_chain(read, reader, record, &state.registry, id)?;
    state.chains.keep(id, chain);
    Ok(())
}

/// The entry of a row. The journal gives what stands at a place and does not look at the record around it: an entry
/// that has decayed there would be another one, and its chain would go on without it.
fn read_entry(
    reader: &dyn JournalReader,
    record: &RecordWriter,
    (key, value): &Row,
) -> Result<Entry, EngineError> {
    let row = EntryRow::decode(&value[..]).map_err(|_| EngineError::Unreadable("an entry row"))?;
    let at = row.at.ok_or(EngineError::Unreadable("an entry row"))?;
    let bytes = read_bytes(record, reader, &at)?;
    let entry = Entry::parse(&bytes).map_err(|_| EngineError::Unreadable("an entry"))?;
    if *key != tables::entry(entry.chain, entry.sequence, entry.hash) {
        return Err(EngineError::Unreadable("an entry"));
    }
    Ok(entry)
}

/// Reads a whole chain from its rows.
pub(crate) fn read_chain(
    read: &dyn Read,
    reader: &dyn JournalReader,
    record: &RecordWriter,
    registry: &fengqiao_hub::jurisdiction::Registry,
    id: ChainId,
) -> Result<Chain, EngineError> {
    let mut chain = Chain::default();
    for row in &all_rows(read, &tables::entries(id))? {
        let entry = read_entry(reader, record, row)?;
        let place = author_place(registry, &entry).ok_or(EngineError::Unreadable("an author"))?;
        chain.insert(Arc::new(entry), place, registry);
    }
    if !chain.tree.annex().is_empty() {
        for (key, value) in all_rows(read, &tables::annexed_of(id))? {
            let due = pb::Due::decode(&value[..]).ok();
            let entry = key.get(17..).and_then(Hash::from_bytes);
            chain.annex_due.extend(entry.zip(due));
        }
    }
    Ok(chain)
}

/// Folds every registry chain in the store. A chain is written for children of its place, so parents come first.
pub(crate) fn load_registry(
    read: &dyn Read,
    reader: &dyn JournalReader,
    state: &mut State,
) -> Result<(), EngineError> {
    let mut waiting: Vec<ChainId> = all_rows(read, &tables::registries())?
        .iter()
        .filter_map(|(key, _)| ChainId::from_bytes(&key[1..]))
        .collect();
    let writer = RecordWriter::at(u64::MAX);
    while !waiting.is_empty() {
        let before = waiting.len();
        let mut later = Vec::new();
        for id in waiting {
            if !load_registry_chain(read, reader, &writer, state, id)? {
                later.push(id);
            }
        }
        if later.len() == before {
            return Err(EngineError::Unreadable(
                "a registry chain without its parent",
            ));
        }
        waiting = later;
    }
    Ok(())
}

/// Folds every rulebook chain in the store, for a place.
pub(crate) fn load_rulebooks(
    read: &dyn Read,
    reader: &dyn JournalReader,
    state: &mut State,
    place: PlaceId,
) -> Result<(), EngineError> {
    let writer = RecordWriter::at(u64::MAX);
    let rulebooks = Arc::make_mut(&mut state.rulebooks);
    for (key, _) in all_rows(read, &tables::rulebooks())? {
        let id = ChainId::from_bytes(&key[1..]).ok_or(EngineError::Unreadable("a chain"))?;
        for row in &all_rows(read, &tables::entries(id))? {
            let entry = read_entry(reader, &writer, row)?;
            if let Some(issuer) = author_place(&state.registry, &entry) {
                rulebooks.apply(&entry, issuer);
            }
        }
    }
    rulebooks.stand_at(place, &state.registry);
    Ok(())
}

fn load_registry_chain(
    read: &dyn Read,
    reader: &dyn JournalReader,
    writer: &RecordWriter,
    state: &mut State,
    id: ChainId,
) -> Result<bool, EngineError> {
    let mut entries = Vec::new();
    for row in &all_rows(read, &tables::entries(id))? {
        entries.push(read_entry(reader, writer, row)?);
    }
    let known = entries
        .first()
        .is_some_and(|first| author_place(&state.registry, first).is_some());
    if known {
        let registry = Arc::make_mut(&mut state.registry);
        for entry in &entries {
            registry
                .apply(entry)
                .map_err(|_| EngineError::Unreadable("a registry entry"))?;
        }
    }
    Ok(known)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use fengqiao_hub::entry::{Draft, Move};
    use fengqiao_hub::id::{DeploymentId, NodeId};
    use fengqiao_hub::rank::Rank;

    use super::*;
    use crate::journal::{Journal as _, MemoryJournal};

    fn entry(author_sequence: u64) -> Entry {
        let draft = Draft {
            deployment: DeploymentId([1; 10]),
            kind: pb::ChainKind::Case,
            chain: ChainId::drawn(pb::ChainKind::Case, [2; 15]),
            rank: Rank::default(),
            sequence: 1,
            previous: None,
            author: NodeId([3; 10]),
            incarnation: 1,
            author_sequence,
            registry: Vec::new(),
            mv: Move::None,
            submission: None,
            kind_class: pb::KindClass::Opening,
            body: pb::Body::default(),
            payloads: Vec::new(),
        };
        draft.sign(&ed25519_dalek::SigningKey::from_bytes(&[4; 32]))
    }

    #[test]
    fn an_entry_that_decayed_into_another_is_not_read_as_the_one_its_row_names() {
        let (written, decayed) = (entry(8), entry(9));
        let mut journal = MemoryJournal::new();
        let bytes = decayed.bytes();
        let length = u32::try_from(bytes.len()).unwrap();
        journal.append(Position(0), &[bytes]).unwrap();
        let at = Place {
            position: 0,
            offset: 0,
            length,
        };
        let row = EntryRow {
            at: Some(at),
            ..Default::default()
        };
        let read = |named: &Entry| {
            let key = tables::entry(named.chain, named.sequence, named.hash);
            let row = (key, row.encode_to_vec());
            read_entry(journal.reader().as_ref(), &RecordWriter::at(u64::MAX), &row)
        };
        assert_eq!(read(&decayed).unwrap().hash, decayed.hash);
        assert!(matches!(read(&written), Err(EngineError::Unreadable(_))));
    }
}
