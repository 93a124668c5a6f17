//! Stores on disk: one sled file, one node in it or all nodes of a process.
//!
//! A sled of its own costs 6 to 10 MB of memory however small its cache, so 148 of them take 0.9 to
//! 1.5 GB and a second to open; in one shared file the same 148 take 5 to 100 MB and open in 25 ms.
//! The price: what falls ill falls ill together, and is rebuilt together. Each node has its own rows
//! and its own applied position under its prefix.
//!
//! Writes of one node are one after another; those of different nodes may come together.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::digest::Digest;
use super::engine::{Engine, PhysicalRow, Write};
use super::marker::{Marker, Places, Positions, State, files, sync_folder};
use super::rows::{self, Applied, Split, Stored};
use super::{
    Batch, PREFIX_BYTES_MAX, Read, Row, Store, StoreError, check_batch, check_key, check_range,
};

// A value is torn only if a batch replaced it between the reading of two of its parts.
const REREADS_MAX: usize = 16;

/// How a sled file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Pages kept in memory, in bytes: 1-4 MiB for a village or township, 64 MiB for a city.
    pub cache_bytes: u64,
}

/// One sled file that holds the stores of one or many nodes.
#[derive(Debug, Clone)]
pub struct SharedSled {
    inner: Arc<Shared>,
}

/// The store of one node in a sled file.
#[derive(Debug, Clone)]
pub struct SledStore {
    shared: Arc<Shared>,
    node: Arc<NodeState>,
}

/// What is known of one node, shared by all its handles.
#[derive(Debug)]
struct NodeState {
    prefix: Vec<u8>,
    applied: Mutex<Applied>,
    /// Whether any value was ever split: until then a write need not look at what it replaces.
    has_parts: AtomicBool,
}

struct Shared {
    // None only while closing.
    engine: Option<Engine>,
    places: Places,
    boot_id: String,
    /// Whether the marker says clean. Writers hold it for reading, a checkpoint for writing.
    marked_clean: RwLock<bool>,
    broken: AtomicBool,
    nodes: Mutex<BTreeMap<Vec<u8>, Arc<NodeState>>>,
    // Released with the last handle.
    _lock: File,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Shared")
            .field("root", &self.places.root)
            .finish_non_exhaustive()
    }
}

impl SharedSled {
    /// Takes over an engine that the guard has opened, checked and marked as open.
    pub(super) fn new(engine: Engine, places: Places, boot_id: String, lock: File) -> SharedSled {
        SharedSled {
            inner: Arc::new(Shared {
                engine: Some(engine),
                places,
                boot_id,
                marked_clean: RwLock::new(false),
                broken: AtomicBool::new(false),
                nodes: Mutex::default(),
                _lock: lock,
            }),
        }
    }

    /// The store of the node with this prefix, empty if it was never written.
    ///
    /// Two calls with one prefix give two handles of the same store.
    ///
    /// # Errors
    /// [`StoreError::PrefixTooLong`]; [`StoreError::Damaged`] if the applied row does not read; the
    /// file could not be read.
    pub fn node(&self, prefix: &[u8]) -> Result<SledStore, StoreError> {
        if prefix.len() > PREFIX_BYTES_MAX {
            return Err(StoreError::PrefixTooLong(prefix.len()));
        }
        let shared = Arc::clone(&self.inner);
        let mut nodes = shared.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let node = match nodes.get(prefix) {
            Some(node) => Arc::clone(node),
            None => {
                let node = Arc::new(shared.load(prefix)?);
                nodes.insert(prefix.to_vec(), Arc::clone(&node));
                node
            }
        };
        drop(nodes);
        Ok(SledStore { shared, node })
    }

    /// Makes everything written so far durable and marks the store clean until the next write.
    ///
    /// Worth its price (a sync of every file) when a node has nothing to do: a power cut at rest
    /// then costs no rebuild. Writers wait meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Broken`]; the files could not be flushed or synced: the store is not marked.
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        self.inner.checkpoint()
    }

    /// Closes the file cleanly: the same as dropping the last handle, but failures are told.
    ///
    /// # Errors
    /// [`StoreError::StillHeld`] if a node of it is in use, and then the last handle closes it;
    /// else as [`SharedSled::checkpoint`].
    pub fn close(self) -> Result<(), StoreError> {
        match Arc::try_unwrap(self.inner) {
            Ok(mut shared) => shared.finish(),
            Err(shared) => Err(StoreError::StillHeld(Arc::strong_count(&shared) - 1)),
        }
    }
}

impl SledStore {
    /// As [`SharedSled::checkpoint`], for the whole file.
    ///
    /// # Errors
    /// As there.
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        self.shared.checkpoint()
    }

    /// As [`SharedSled::close`].
    ///
    /// # Errors
    /// As there.
    pub fn close(self) -> Result<(), StoreError> {
        let SledStore { shared, node } = self;
        drop(node);
        SharedSled { inner: shared }.close()
    }

    /// Hands everything to the kernel, as sled does by itself a little later.
    #[cfg(test)]
    pub(super) fn shared_flush(&self) {
        if let Some(engine) = &self.shared.engine {
            let _ = engine.flush();
        }
    }

    /// Writes beneath the store, as decay would.
    #[cfg(test)]
    pub(super) fn tamper(&self, writes: Vec<Write>) {
        if let Some(engine) = &self.shared.engine {
            let _ = engine.apply(writes);
        }
    }

    fn collect(
        &self,
        rows: impl Iterator<Item = Result<PhysicalRow, StoreError>>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let mut found = Vec::new();
        for row in rows {
            let (physical, stored) = row?;
            let key = rows::own_key(&self.node.prefix, &physical);
            let value = match rows::decode(&stored) {
                Some(Stored::Whole(value)) => Some(value.to_vec()),
                Some(Stored::Split(_)) => self.get(key)?,
                None => return Err(StoreError::Damaged("a row has no known tag")),
            };
            if let Some(value) = value {
                found.push((key.to_vec(), value));
            }
            if found.len() == limit {
                break;
            }
        }
        Ok(found)
    }

    /// The parts of a split value joined, or `None` if they do not belong together.
    fn join(&self, key: &[u8], split: Split) -> Result<Option<Vec<u8>>, StoreError> {
        let mut value = Vec::new();
        for part in 0..split.parts() {
            let part = rows::part_key(&self.node.prefix, key, part);
            match self.shared.engine()?.get(&part)? {
                Some(part) => value.extend_from_slice(&part),
                None => return Ok(None),
            }
        }
        Ok((crc32c::crc32c(&value) == split.crc).then_some(value))
    }

    /// The physical writes of one row: its parts, those of its predecessor removed.
    fn write(
        &self,
        writes: &mut Vec<Write>,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        let prefix = &self.node.prefix;
        let row_key = rows::row_key(prefix, key);
        let split = value.filter(|value| rows::needs_split(value));
        let parts: Vec<&[u8]> = split
            .map(|value| value.chunks(rows::ROW_BYTES_MAX).collect())
            .unwrap_or_default();
        if self.node.has_parts.load(Ordering::Relaxed)
            && let Some(old) = self.shared.engine()?.get(&row_key)?
            && let Some(Stored::Split(old)) = rows::decode(&old)
        {
            let kept = u16::try_from(parts.len()).unwrap_or(u16::MAX);
            writes
                .extend((kept..old.parts()).map(|part| (rows::part_key(prefix, key, part), None)));
        }
        for (number, part) in (0_u16..).zip(&parts) {
            writes.push((rows::part_key(prefix, key, number), Some(part.to_vec())));
        }
        let row = value.map(|value| match split {
            Some(value) => rows::encode_split(value),
            None => rows::encode_whole(value),
        });
        writes.push((row_key, row));
        Ok(())
    }

    fn state(&self) -> Result<MutexGuard<'_, Applied>, StoreError> {
        let applied = self
            .node
            .applied
            .lock()
            .map_err(|_poisoned| StoreError::Broken)?;
        if self.shared.broken.load(Ordering::SeqCst) {
            return Err(StoreError::Broken);
        }
        Ok(applied)
    }
}

impl Read for SledStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        check_key(key)?;
        let row_key = rows::row_key(&self.node.prefix, key);
        for _attempt in 0..REREADS_MAX {
            let Some(row) = self.shared.engine()?.get(&row_key)? else {
                return Ok(None);
            };
            match rows::decode(&row) {
                Some(Stored::Whole(value)) => return Ok(Some(value.to_vec())),
                Some(Stored::Split(split)) => {
                    if let Some(value) = self.join(key, split)? {
                        return Ok(Some(value));
                    }
                }
                None => return Err(StoreError::Damaged("a row has no known tag")),
            }
        }
        Err(StoreError::Damaged(
            "the parts of a value do not belong together",
        ))
    }

    fn range(&self, lo: &[u8], hi: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        if !check_range(lo, hi, limit)? {
            return Ok(Vec::new());
        }
        let (lo, hi) = (
            rows::row_key(&self.node.prefix, lo),
            rows::row_key(&self.node.prefix, hi),
        );
        self.collect(self.shared.engine()?.walk(&lo, &hi), limit)
    }

    fn range_reverse(&self, lo: &[u8], hi: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        if !check_range(lo, hi, limit)? {
            return Ok(Vec::new());
        }
        let (lo, hi) = (
            rows::row_key(&self.node.prefix, lo),
            rows::row_key(&self.node.prefix, hi),
        );
        self.collect(self.shared.engine()?.walk(&lo, &hi).rev(), limit)
    }
}

impl Store for SledStore {
    fn apply(&self, batch: &Batch, applied: u64) -> Result<(), StoreError> {
        let mut state = self.state()?;
        check_batch(batch, state.position, applied)?;
        if batch
            .iter()
            .any(|(_, value)| value.is_some_and(rows::needs_split))
        {
            self.node.has_parts.store(true, Ordering::Relaxed);
        }
        let mut writes = Vec::with_capacity(batch.len() + 1);
        for (key, value) in batch.iter() {
            self.write(&mut writes, key, value)?;
        }
        let after = Applied {
            position: applied,
            digest: self.shared.digest_after(state.digest, &writes)?,
        };
        writes.push((rows::applied_key(&self.node.prefix), Some(after.encode())));
        self.shared.apply(writes)?;
        *state = after;
        Ok(())
    }

    fn applied(&self) -> Result<u64, StoreError> {
        self.state().map(|state| state.position)
    }
}

impl Shared {
    fn engine(&self) -> Result<&Engine, StoreError> {
        self.engine.as_ref().ok_or(StoreError::Broken)
    }

    fn load(&self, prefix: &[u8]) -> Result<NodeState, StoreError> {
        let engine = self.engine()?;
        let applied = match engine.get(&rows::applied_key(prefix))? {
            Some(row) => Applied::decode(&row).ok_or(StoreError::Damaged("applied row"))?,
            None => Applied::default(),
        };
        let start = rows::parts_start(prefix);
        let has_parts = engine
            .walk(&start, &[&start[..], &[u8::MAX; 1]].concat())
            .next()
            .is_some();
        Ok(NodeState {
            prefix: prefix.to_vec(),
            applied: Mutex::new(applied),
            has_parts: AtomicBool::new(has_parts),
        })
    }

    /// What a node's rows come to after these writes, of which no two have one key.
    fn digest_after(&self, mut digest: Digest, writes: &[Write]) -> Result<Digest, StoreError> {
        let engine = self.engine()?;
        for (key, value) in writes {
            if let Some(before) = engine.get(key)? {
                digest.remove(key, &before);
            }
            if let Some(value) = value {
                digest.add(key, value);
            }
        }
        Ok(digest)
    }

    fn apply(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        let mut gate = self
            .marked_clean
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        while *gate {
            drop(gate);
            self.mark_open()?;
            gate = self
                .marked_clean
                .read()
                .unwrap_or_else(PoisonError::into_inner);
        }
        let outcome = self.engine()?.apply(writes);
        if outcome.is_err() {
            self.broken.store(true, Ordering::SeqCst);
        }
        outcome
    }

    /// Takes back the clean mark, durably, before the first write after a checkpoint.
    fn mark_open(&self) -> Result<(), StoreError> {
        let mut clean = self
            .marked_clean
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if *clean {
            let state = State::Open {
                boot_id: self.boot_id.clone(),
            };
            let positions = positions(self.engine()?)?;
            Marker { state, positions }.write(&self.places.marker())?;
            *clean = false;
        }
        Ok(())
    }

    fn checkpoint(&self) -> Result<(), StoreError> {
        let mut clean = self
            .marked_clean
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if self.broken.load(Ordering::SeqCst) {
            return Err(StoreError::Broken);
        }
        if !*clean {
            let engine = self.engine()?;
            engine.flush()?;
            let positions = positions(engine)?;
            sync_files(&self.places.root.join("sled"))?;
            Marker {
                state: State::Clean,
                positions,
            }
            .write(&self.places.marker())?;
            *clean = true;
        }
        Ok(())
    }

    /// Closes sled first and marks after: closing writes too.
    fn finish(&mut self) -> Result<(), StoreError> {
        let Some(engine) = self.engine.take() else {
            return Ok(());
        };
        if self.broken.load(Ordering::SeqCst) {
            return Err(StoreError::Broken);
        }
        engine.flush()?;
        let positions = positions(&engine)?;
        drop(engine);
        sync_files(&self.places.sled())?;
        Marker {
            state: State::Clean,
            positions,
        }
        .write(&self.places.marker())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Err(error) = self.finish() {
            tracing::warn!(root = %self.places.root.display(), %error, "store not closed cleanly");
        }
    }
}

/// The applied position of every node in the file.
pub(super) fn positions(engine: &Engine) -> Result<Positions, StoreError> {
    let applied = applied(engine)?.into_iter();
    Ok(applied
        .map(|(prefix, applied)| (prefix, applied.position))
        .collect())
}

/// What every node in the file says of itself.
fn applied(engine: &Engine) -> Result<BTreeMap<Vec<u8>, Applied>, StoreError> {
    let (lo, hi) = rows::applied_range();
    let mut found = BTreeMap::new();
    for row in engine.walk(&lo, &hi) {
        let (key, value) = row?;
        let applied = Applied::decode(&value).ok_or(StoreError::Damaged("applied row"))?;
        found.insert(key.get(1..).unwrap_or_default().to_vec(), applied);
    }
    Ok(found)
}

/// Whether the rows of every node come to what they came to when they were written. Reads all of them.
pub(super) fn is_complete(engine: &Engine) -> Result<bool, StoreError> {
    let mut found: BTreeMap<Vec<u8>, Digest> = BTreeMap::new();
    let (lo, hi) = rows::counted_range();
    for row in engine.walk(&lo, &hi) {
        let (key, value) = row?;
        let prefix = rows::prefix_of(&key).ok_or(StoreError::Damaged("a key"))?;
        match found.get_mut(prefix) {
            Some(digest) => digest.add(&key, &value),
            None => {
                let mut digest = Digest::default();
                digest.add(&key, &value);
                found.insert(prefix.to_vec(), digest);
            }
        }
    }
    for (prefix, applied) in applied(engine)? {
        if found.remove(&prefix).unwrap_or_default() != applied.digest {
            return Ok(false);
        }
    }
    Ok(found.is_empty())
}

/// Syncs every file below a folder, and the names of all of them.
pub(super) fn sync_files(folder: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(folder).map_err(|error| files("list", folder, error))? {
        let path = entry.map_err(|error| files("list", folder, error))?.path();
        if path.is_dir() {
            sync_files(&path)?;
        } else {
            sync_folder(&path)?;
        }
    }
    sync_folder(folder)
}
