//! A store in memory, for tests and simulation. Forgets everything when dropped.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use super::{Batch, Read, Row, Store, StoreError, check_batch, check_key, check_range};

/// Rows and position behind one lock; a range is a snapshot.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    applied: u64,
}

impl MemoryStore {
    /// An empty store at position 0.
    #[must_use]
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    /// The same rows at the same position, from now on apart.
    #[must_use]
    pub fn copy(&self) -> MemoryStore {
        let state = self.state();
        let copy = State {
            rows: state.rows.clone(),
            applied: state.applied,
        };
        drop(state);
        MemoryStore {
            state: RwLock::new(copy),
        }
    }

    // A writer panics, if at all, before it changes anything: the state behind a poisoned lock is whole.
    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read for MemoryStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        check_key(key)?;
        Ok(self.state().rows.get(key).cloned())
    }

    fn range(&self, lo: &[u8], hi: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        if !check_range(lo, hi, limit)? {
            return Ok(Vec::new());
        }
        let bounds = (Bound::Included(lo), Bound::Excluded(hi));
        let state = self.state();
        Ok(state
            .rows
            .range::<[u8], _>(bounds)
            .take(limit)
            .map(owned)
            .collect())
    }

    fn range_reverse(&self, lo: &[u8], hi: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        if !check_range(lo, hi, limit)? {
            return Ok(Vec::new());
        }
        let bounds = (Bound::Included(lo), Bound::Excluded(hi));
        let state = self.state();
        Ok(state
            .rows
            .range::<[u8], _>(bounds)
            .rev()
            .take(limit)
            .map(owned)
            .collect())
    }
}

impl Store for MemoryStore {
    fn apply(&self, batch: &Batch, applied: u64) -> Result<(), StoreError> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        check_batch(batch, state.applied, applied)?;
        for (key, value) in batch.iter() {
            match value {
                Some(value) => state.rows.insert(key.to_vec(), value.to_vec()),
                None => state.rows.remove(key),
            };
        }
        state.applied = applied;
        Ok(())
    }

    fn applied(&self) -> Result<u64, StoreError> {
        Ok(self.state().applied)
    }
}

fn owned((key, value): (&Vec<u8>, &Vec<u8>)) -> Row {
    (key.clone(), value.clone())
}
