//! The families of tables, each with the version of its projector, and how one is built anew alone.
//!
//! A projector that writes something else for the same journal gets a higher version. A store that was written by
//! another version is not set aside for it: the journal is read once into memory, and the family's tables are taken from
//! there. What no journal gives back stays.

use super::recorder::replay;
use super::rows::{CHAINS, Family, NUMBERS, Rows};
use super::{links, parked, registers, submissions};
use crate::engine::{EngineError, Me, State};
use crate::journal::{JournalReader, Position};
use crate::store::{MemoryStore, Pages, Store, tables};

/// Every family that follows from the journal.
pub(super) const FAMILIES: [&Family; 9] = [
    &CHAINS,
    &links::FAMILY,
    &parked::FAMILY,
    &submissions::FAMILY,
    &registers::PEOPLE,
    &registers::ANSWERS,
    &registers::FIGURES,
    &registers::LOOKS,
    &NUMBERS,
];
/// Where the versions themselves stand.
const VERSIONS: Family = Family {
    name: "versions",
    version: 1,
    tables: b"y",
};
/// Rows that are changed at once while a family is built anew.
const ROWS_A_BATCH: usize = 1_000;

/// Builds anew what another version wrote, up to where the store has read. `progress` hears positions: done, total.
///
/// A process that dies over it begins again: the version is taken out first and written last.
pub(crate) fn bring_up(
    me: &Me,
    store: &dyn Store,
    reader: &dyn JournalReader,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), EngineError> {
    let mut stale = Vec::new();
    for family in FAMILIES {
        let row = store.get(&tables::projector(family.name))?;
        if row.as_deref() != Some(&family.version.to_be_bytes()[..]) {
            stale.push(family);
        }
    }
    let applied = store.applied()?;
    if !stale.is_empty() && applied > 0 {
        let names: Vec<_> = stale.iter().map(|family| family.name).collect();
        tracing::info!(families = names.join(" "), "built anew from the journal");
        let mut rows = Rows::over(store);
        for family in &stale {
            rows.remove(&VERSIONS, tables::projector(family.name));
        }
        store.apply(&rows.changes(), applied)?;
        let built = built_anew(me, reader, applied, progress)?;
        for family in &stale {
            take_over(family, &built, store, applied)?;
        }
    }
    let mut rows = Rows::over(store);
    for family in stale {
        let version = family.version.to_be_bytes().to_vec();
        rows.put(&VERSIONS, tables::projector(family.name), version);
    }
    Ok(store.apply(&rows.changes(), applied)?)
}

/// What the journal says up to a position.
fn built_anew(
    me: &Me,
    reader: &dyn JournalReader,
    applied: u64,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<MemoryStore, EngineError> {
    let built = MemoryStore::default();
    let mut state = State::empty(usize::MAX, u64::MAX);
    for record in reader.tail(Position(0)) {
        let record = record?;
        if record.position.0 >= applied {
            break;
        }
        replay(me, &mut state, &built, reader, &record)?;
        progress(record.next.0, applied);
    }
    Ok(built)
}

/// Puts the rows of a family in place of those that stand in a store.
fn take_over(
    family: &Family,
    built: &MemoryStore,
    store: &dyn Store,
    applied: u64,
) -> Result<(), EngineError> {
    for table in family.tables {
        let mut old = Pages::of(&[*table], ROWS_A_BATCH);
        let mut fresh = old.clone();
        while let page @ [_, ..] = &old.next(store)?[..] {
            let mut rows = Rows::over(store);
            page.iter()
                .for_each(|(key, _)| rows.remove(family, key.clone()));
            store.apply(&rows.changes(), applied)?;
        }
        while let page @ [_, ..] = &fresh.next(built)?[..] {
            let mut rows = Rows::over(store);
            page.iter()
                .for_each(|(key, value)| rows.put(family, key.clone(), value.clone()));
            store.apply(&rows.changes(), applied)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The letters of the table of tables, as its document has them.
    fn letters() -> Vec<u8> {
        let document = include_str!("../../store/tables.rs").lines();
        let rows = document.filter_map(|line| line.strip_prefix("//! | `"));
        rows.filter_map(|row| row.bytes().next()).collect()
    }

    #[test]
    fn every_table_is_of_one_family_or_not_in_the_journal() {
        let mut known: Vec<u8> = FAMILIES
            .iter()
            .flat_map(|family| family.tables)
            .copied()
            .collect();
        known.extend(VERSIONS.tables);
        known.extend(tables::NOT_IN_THE_JOURNAL);
        let mut all = letters();
        known.sort_unstable();
        all.sort_unstable();
        assert_eq!(known, all);
    }
}
