//! What a node knows: an index of its journal.
//!
//! The journal is the truth. A store holds the views that are read from it (cases, due times,
//! cursors, worklists) together with the journal position up to which it has read, in one atomic
//! batch a record. So a store never has to be durable: one that is behind is caught up by replay,
//! and one that is in doubt is set aside and rebuilt from position 0.
//!
//! Three kinds implement [`Store`]: [`SledStore`] on disk, alone in its file or sharing one
//! [`SharedSled`] with the other nodes of a process, and [`MemoryStore`] for tests and simulation.
//! An [`Overlay`] lays a batch that is not yet applied over any of them.
//!
//! A store never decides what a row means (the tables of keys stand elsewhere), never syncs on the
//! way of a write, and holds no text about a person in clear. sled is named in `store/engine.rs`
//! only.

mod batch;
mod digest;
mod engine;
mod guard;
mod marker;
mod memory;
mod overlay;
mod pages;
mod rows;
mod shared;
pub mod tables;

use std::io;
use std::path::PathBuf;

pub use batch::Batch;
pub use guard::{
    OPENING_THREAD_NAME, Opened, Opening, QUARANTINE_KEPT_MAX, Quarantined, Reason, open_guarded,
};
pub use marker::{boot_id, is_believed};
pub use memory::MemoryStore;
pub use overlay::Overlay;
pub use pages::{Pages, all_rows, rows_after};
pub use shared::{Settings, SharedSled, SledStore};

/// The longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 128;
/// The longest value, in bytes. Larger things stay in the journal or in a file of their own.
pub const VALUE_BYTES_MAX: usize = 1 << 20;
/// The most rows one [`Read::range`] may ask for.
pub const RANGE_ROWS_MAX: usize = 10_000;
/// The longest prefix that names a node in a [`SharedSled`], in bytes.
pub const PREFIX_BYTES_MAX: usize = 32;

/// One row: key and value.
pub type Row = (Vec<u8>, Vec<u8>);

/// The reading side, shared by every [`Store`] and by the [`Overlay`].
pub trait Read: Send + Sync {
    /// The value under `key`, whole, or `None`.
    ///
    /// # Errors
    /// [`StoreError::KeyLength`], or the store could not be read.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// The rows with `lo <= key < hi`, in key order, at most `limit` of them; none if `lo >= hi`.
    ///
    /// [`Pages`] go on where one answer ends. Every row is
    /// whole, but a batch applied meanwhile may show in the later rows and not in the earlier.
    ///
    /// # Errors
    /// [`StoreError::LimitTooLarge`] above [`RANGE_ROWS_MAX`], or the store could not be read.
    fn range(&self, lo: &[u8], hi: &[u8], limit: usize) -> Result<Vec<Row>, StoreError>;

    /// The same rows from the top: the greatest key below `hi` first.
    ///
    /// A caller pages by asking again with the last key as `hi`.
    ///
    /// # Errors
    /// As [`Read::range`].
    fn range_reverse(&self, lo: &[u8], hi: &[u8], limit: usize) -> Result<Vec<Row>, StoreError>;
}

/// An index of a journal that remembers how far it has read.
pub trait Store: Read {
    /// Applies one batch and the position it brings the store to, both or neither.
    ///
    /// Not durable by itself: after a power cut the store may be set aside and rebuilt. A position
    /// may stand still (a view rebuilt in place) but never goes back.
    ///
    /// # Errors
    /// [`StoreError::PositionGoesBack`], [`StoreError::KeyLength`], [`StoreError::ValueTooLong`]:
    /// nothing was applied. [`StoreError::Engine`]: it may have been applied; the store is broken
    /// from then on, and the process should end and open it anew.
    fn apply(&self, batch: &Batch, applied: u64) -> Result<(), StoreError>;

    /// The journal position of the last batch; 0 for an empty store.
    ///
    /// # Errors
    /// [`StoreError::Broken`] after a failed [`Store::apply`].
    fn applied(&self) -> Result<u64, StoreError>;
}

/// Why a store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A key is empty or longer than [`KEY_BYTES_MAX`].
    #[error("a key of {0} bytes: 1 to {KEY_BYTES_MAX} are allowed")]
    KeyLength(usize),
    /// A value is longer than [`VALUE_BYTES_MAX`].
    #[error("a value of {0} bytes: up to {VALUE_BYTES_MAX} are allowed")]
    ValueTooLong(usize),
    /// A range asks for more rows than [`RANGE_ROWS_MAX`].
    #[error("a range of {0} rows: up to {RANGE_ROWS_MAX} are allowed")]
    LimitTooLarge(usize),
    /// The prefix of a node is longer than [`PREFIX_BYTES_MAX`].
    #[error("a node's prefix of {0} bytes: up to {PREFIX_BYTES_MAX} are allowed")]
    PrefixTooLong(usize),
    /// A batch would bring the store back to an earlier position.
    #[error("position {asked} is before position {applied}, which is applied")]
    PositionGoesBack {
        /// The position the store is at.
        applied: u64,
        /// The position that was asked for.
        asked: u64,
    },
    /// An earlier write failed half way, so nothing more is written or believed.
    #[error("an earlier write failed: the store must be opened again")]
    Broken,
    /// A row does not read as what was written.
    #[error("a row is damaged: {0}")]
    Damaged(&'static str),
    /// Another process, or another part of this one, has the store open.
    #[error("{} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// A store is closed while somebody still holds a node of it.
    #[error("the store is still held by {0} others")]
    StillHeld(usize),
    /// The files of the store could not be read or written.
    #[error("could not {action} {}", .path.display())]
    Files {
        /// What was attempted.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The storage engine refused or failed.
    #[error("the storage engine could not {action}")]
    Engine {
        /// What was attempted.
        action: &'static str,
        /// What the engine said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// Whether the store is sound and refuses what it was given: nothing was written.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::KeyLength(_)
            | Self::ValueTooLong(_)
            | Self::LimitTooLarge(_)
            | Self::PrefixTooLong(_) => true,
            Self::PositionGoesBack { .. }
            | Self::Broken
            | Self::Damaged(_)
            | Self::InUse(_)
            | Self::StillHeld(_)
            | Self::Files { .. }
            | Self::Engine { .. } => false,
        }
    }
}

/// Refuses a key that no store would keep.
fn check_key(key: &[u8]) -> Result<(), StoreError> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(StoreError::KeyLength(key.len()));
    }
    Ok(())
}

/// Refuses a batch that no store would keep, before anything of it is written.
fn check_batch(batch: &Batch, applied: u64, asked: u64) -> Result<(), StoreError> {
    if asked < applied {
        return Err(StoreError::PositionGoesBack { applied, asked });
    }
    check_rows(batch)
}

/// Refuses rows that no store would take.
///
/// # Errors
/// [`StoreError::KeyLength`], [`StoreError::ValueTooLong`].
pub fn check_rows(batch: &Batch) -> Result<(), StoreError> {
    batch
        .iter()
        .try_for_each(|(key, value)| check_row(key, value))
}

/// Leaves out the rows that no store would take; says how many.
pub fn retain_fitting(batch: &mut Batch) -> usize {
    batch.retain(|key, value| check_row(key, value).is_ok())
}

fn check_row(key: &[u8], value: Option<&[u8]>) -> Result<(), StoreError> {
    check_key(key)?;
    match value {
        Some(value) if value.len() > VALUE_BYTES_MAX => Err(StoreError::ValueTooLong(value.len())),
        Some(_) | None => Ok(()),
    }
}

/// Refuses a range without a bound; says whether there is anything to look for.
fn check_range(lo: &[u8], hi: &[u8], limit: usize) -> Result<bool, StoreError> {
    if limit > RANGE_ROWS_MAX {
        return Err(StoreError::LimitTooLarge(limit));
    }
    Ok(lo < hi && limit > 0)
}

#[cfg(test)]
mod tests;
