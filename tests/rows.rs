//! A store beside what its journal says: rebuilt from position 0 and compared row by row.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use data_encoding::HEXLOWER;
use fengqiao_node::engine::{Engine, EngineError, Me};
use fengqiao_node::journal::JournalReader;
use fengqiao_node::store::{MemoryStore, Pages, RANGE_ROWS_MAX, Read, tables};

/// The rows in which a store is not what a journal says, in words: table, key, and how each side has it. Tables of
/// [`tables::NOT_IN_THE_JOURNAL`] are left out.
///
/// # Errors
/// Journal or store do not read.
pub fn differing(
    me: &Me,
    reader: &dyn JournalReader,
    store: &dyn Read,
) -> Result<Vec<String>, EngineError> {
    let rebuilt = Arc::new(MemoryStore::default());
    Engine::rebuild_from_journal(me, reader, &rebuilt)?;
    let (kept, said) = (rows(store)?, rows(rebuilt.as_ref())?);
    let keys: BTreeSet<_> = kept.keys().chain(said.keys()).collect();
    let differing = keys
        .into_iter()
        .filter(|key| kept.get(*key) != said.get(*key));
    Ok(differing
        .map(|key| {
            let (table, rest) = key.split_first().unwrap_or((&0, &[]));
            format!(
                "table {:?}, key {}: kept {}, the journal says {}",
                char::from(*table),
                HEXLOWER.encode(rest),
                told(kept.get(key)),
                told(said.get(key)),
            )
        })
        .collect())
}

fn rows(store: &dyn Read) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, EngineError> {
    let mut pages = Pages::between(vec![0], vec![u8::MAX; 8], RANGE_ROWS_MAX);
    let mut rows = BTreeMap::new();
    loop {
        let page = pages.next(store)?;
        if page.is_empty() {
            return Ok(rows);
        }
        let said = |table: &u8| !tables::NOT_IN_THE_JOURNAL.contains(table);
        rows.extend(
            page.into_iter()
                .filter(|(key, _)| key.first().is_some_and(said)),
        );
    }
}

fn told(value: Option<&Vec<u8>>) -> String {
    value.map_or_else(|| "no row".to_owned(), |value| HEXLOWER.encode(value))
}
