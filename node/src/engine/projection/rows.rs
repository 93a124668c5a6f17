//! The rows of a store as a group or a replayed record leaves them. The whole engine reads them; the projection alone
//! writes to them, for `put` and `remove` can be called from its files only.

use fengqiao_hub::id::NodeId;
use fengqiao_proto::v1 as pb;
use prost::Message as _;

use crate::engine::EngineError;
use crate::store::{Batch, Overlay, Read, Row, Store, StoreError, tables};

/// Tables that one projector writes, with the version of what it writes there. A store in which another version stands
/// has these tables built anew from the journal, and no others.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Family {
    /// Names the row in which the version stands.
    pub(crate) name: &'static str,
    /// Rises whenever what is written for the same journal changes.
    pub(crate) version: u64,
    /// First bytes of keys.
    pub(crate) tables: &'static [u8],
}

/// Chains and notices. What goes up is noted in the rows of entries too.
pub(super) const CHAINS: Family = Family {
    name: "chains",
    version: 2,
    tables: b"ehgjnawv",
};
/// Named numbers: what several projectors count.
pub(super) const NUMBERS: Family = Family {
    name: "numbers",
    version: 1,
    tables: b"m",
};

impl Family {
    fn expect_key(&self, key: &[u8]) {
        let is_own = key.first().is_some_and(|table| self.tables.contains(table));
        debug_assert!(is_own, "{} writes {:?}", self.name, key.first());
    }
}

/// A store, and over it the rows that are changed and not yet applied.
pub(crate) struct Rows<'s> {
    overlay: Overlay<'s>,
}

impl<'s> Rows<'s> {
    /// The rows of a store, none of them changed.
    pub(crate) fn over(store: &'s dyn Store) -> Self {
        Self {
            overlay: Overlay::new(store),
        }
    }

    pub(super) fn put(&mut self, family: &Family, key: Vec<u8>, value: Vec<u8>) {
        family.expect_key(&key);
        self.overlay.batch.put(key, value);
    }

    pub(super) fn remove(&mut self, family: &Family, key: Vec<u8>) {
        family.expect_key(&key);
        self.overlay.batch.remove(key);
    }

    /// All changes, to be applied at once.
    pub(crate) fn changes(self) -> Batch {
        self.overlay.batch
    }
}

impl Read for Rows<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.overlay.get(key)
    }

    fn range(&self, lo: &[u8], hi: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        self.overlay.range(lo, hi, limit)
    }

    fn range_reverse(&self, lo: &[u8], hi: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        self.overlay.range_reverse(lo, hi, limit)
    }
}

/// Where a lane ends, both directions.
pub(crate) fn lane_row(
    read: &dyn Read,
    link: NodeId,
    lane: pb::Lane,
) -> Result<tables::LaneRow, EngineError> {
    let row = read.get(&tables::lane(link, lane))?;
    row.map_or(Ok(tables::LaneRow::default()), |row| {
        tables::LaneRow::decode(&row[..]).map_err(|_| EngineError::Unreadable("a lane"))
    })
}

/// What the other side says it has stored of a lane.
pub(crate) fn receipt_row(
    read: &dyn Read,
    link: NodeId,
    lane: pb::Lane,
) -> Result<tables::ReceiptRow, EngineError> {
    let row = read.get(&tables::receipt(link, lane))?;
    row.map_or(Ok(tables::ReceiptRow::default()), |row| {
        tables::ReceiptRow::decode(&row[..]).map_err(|_| EngineError::Unreadable("a receipt"))
    })
}

/// Whether entries of a neighbour wait here.
pub(crate) fn is_waiting(read: &dyn Read, link: NodeId) -> Result<bool, EngineError> {
    Ok(count(read, &entries_waiting(link))? > 0)
}

/// How much of a neighbour's waits here: entries and other items.
pub(crate) fn waiting_count(read: &dyn Read, link: NodeId) -> Result<u64, EngineError> {
    Ok(count(read, &entries_waiting(link))? + count(read, &items_waiting(link))?)
}

/// A number kept in a row of its own, which is not there when it is zero.
pub(super) fn count(read: &dyn Read, key: &[u8]) -> Result<u64, EngineError> {
    let row = read.get(key)?;
    let row = row.and_then(|row| <[u8; 8]>::try_from(&row[..]).ok());
    Ok(row.map_or(0, u64::from_be_bytes))
}

pub(super) fn entries_waiting(link: NodeId) -> Vec<u8> {
    tables::named(&format!("waiting {link}"))
}

pub(super) fn items_waiting(link: NodeId) -> Vec<u8> {
    tables::named(&format!("waiting items {link}"))
}
