//! One atomic change of a store, in key order. Never touches a store itself.

use std::collections::BTreeMap;
use std::ops::Bound;

/// Rows to put and rows to remove; a later write to the same key wins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Batch {
        Batch::default()
    }

    /// Sets the row under `key`.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.writes.insert(key.into(), Some(value.into()));
    }

    /// Removes the row under `key`, if there is one.
    pub fn remove(&mut self, key: impl Into<Vec<u8>>) {
        self.writes.insert(key.into(), None);
    }

    /// What this batch says about `key`: nothing, removed (`Some(None)`), or its new value.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        self.writes.get(key).map(Option::as_deref)
    }

    /// The writes in key order; `None` removes.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.writes
            .iter()
            .map(|(key, value)| (key.as_slice(), value.as_deref()))
    }

    /// The writes with `lo <= key < hi`; the caller sees to `lo < hi`.
    pub(super) fn between<'a>(
        &'a self,
        lo: &'a [u8],
        hi: &'a [u8],
    ) -> impl DoubleEndedIterator<Item = (&'a Vec<u8>, &'a Option<Vec<u8>>)> {
        self.writes
            .range::<[u8], _>((Bound::Included(lo), Bound::Excluded(hi)))
    }

    /// Adds the writes of `later`, which win.
    pub fn extend(&mut self, later: Batch) {
        self.writes.extend(later.writes);
    }

    /// Keeps the writes that are as asked; says how many went.
    pub(super) fn retain(&mut self, is_kept: impl Fn(&[u8], Option<&[u8]>) -> bool) -> usize {
        let before = self.len();
        self.writes
            .retain(|key, value| is_kept(key, value.as_deref()));
        before - self.len()
    }

    /// How many keys it writes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Whether it writes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }
}
