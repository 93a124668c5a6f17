//! What facts are applied to.

use prost::Message as _;

use super::rows::{Family, NUMBERS, Rows};
use crate::engine::record::RecordWriter;
use crate::engine::{Me, State};
use crate::journal::JournalReader;
use crate::store::tables;

/// Applies facts to rows and to the state in memory.
pub(super) struct Projection<'a, 's> {
    pub(super) me: &'a Me,
    pub(super) state: &'a mut State,
    pub(super) rows: &'a mut Rows<'s>,
    pub(super) reader: &'a dyn JournalReader,
    pub(super) record: &'a RecordWriter,
}

impl Projection<'_, '_> {
    /// Keeps the counters with the store.
    pub(super) fn keep_counts(&mut self) {
        let counts = self.state.counts.encode_to_vec();
        self.put(&NUMBERS, tables::named("counts"), counts);
    }

    pub(super) fn put(&mut self, family: &Family, key: Vec<u8>, value: Vec<u8>) {
        self.rows.put(family, key, value);
    }
}
