//! Rows page by page, for whoever goes through more of them than one [`Read::range`] gives.

use super::{RANGE_ROWS_MAX, Read, Row, StoreError, tables};

/// Goes through a range from its first key on. Rows may be written between two pages; those behind it are not seen.
#[derive(Debug, Clone)]
pub struct Pages {
    lo: Vec<u8>,
    hi: Vec<u8>,
    rows_a_page: usize,
}

impl Pages {
    /// All rows below a prefix.
    #[must_use]
    pub fn of(prefix: &[u8], rows_a_page: usize) -> Self {
        let (lo, hi) = tables::prefixed(prefix);
        Self::between(lo, hi, rows_a_page)
    }

    /// The rows with `lo <= key < hi`.
    #[must_use]
    pub fn between(lo: Vec<u8>, hi: Vec<u8>, rows_a_page: usize) -> Self {
        Self {
            lo,
            hi,
            rows_a_page,
        }
    }

    /// The next page; empty when there is no more.
    ///
    /// # Errors
    /// As [`Read::range`].
    pub fn next(&mut self, read: &dyn Read) -> Result<Vec<Row>, StoreError> {
        let rows = read.range(&self.lo, &self.hi, self.rows_a_page)?;
        if let Some((last, _)) = rows.last() {
            self.lo.clone_from(last);
            self.lo.push(0);
        }
        Ok(rows)
    }
}

/// All rows below a prefix at once.
///
/// # Errors
/// As [`Read::range`].
pub fn all_rows(read: &dyn Read, prefix: &[u8]) -> Result<Vec<Row>, StoreError> {
    rows_of(Pages::of(prefix, RANGE_ROWS_MAX), read)
}

/// The next rows, at most `limit`, of several tables in the order given, by the last key that was looked at; from the
/// first one on when that is empty. None when there are no more.
///
/// # Errors
/// As [`Read::range`].
pub fn rows_after(
    read: &dyn Read,
    tables: impl IntoIterator<Item = Vec<u8>>,
    after: &[u8],
    limit: usize,
) -> Result<Vec<Row>, StoreError> {
    let mut reached = after.is_empty();
    for table in tables {
        let (mut lo, hi) = tables::prefixed(&table);
        if after.first() == table.first() {
            reached = true;
            lo = [after, &[0]].concat();
        }
        if !reached {
            continue;
        }
        let rows = read.range(&lo, &hi, limit)?;
        if !rows.is_empty() {
            return Ok(rows);
        }
    }
    Ok(Vec::new())
}

fn rows_of(mut pages: Pages, read: &dyn Read) -> Result<Vec<Row>, StoreError> {
    let mut all = Vec::new();
    loop {
        let rows = pages.next(read)?;
        let is_last = rows.len() < pages.rows_a_page;
        all.extend(rows);
        if is_last {
            return Ok(all);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::{Batch, MemoryStore, Store as _};
    use super::*;

    fn key(number: u32) -> Vec<u8> {
        [b"x".as_slice(), &number.to_be_bytes()].concat()
    }

    fn store(rows: u32) -> MemoryStore {
        let store = MemoryStore::default();
        let mut batch = Batch::default();
        (0..rows).for_each(|number| batch.put(key(number), Vec::new()));
        batch.put(b"w".to_vec(), Vec::new());
        batch.put(b"y".to_vec(), Vec::new());
        store.apply(&batch, 1).unwrap();
        store
    }

    #[test]
    fn every_row_below_a_prefix_comes_once_and_in_order_whatever_a_page_holds() {
        for rows in [0, 1, 6, 7, 8, 21] {
            let store = store(rows);
            let found = rows_of(Pages::of(b"x", 7), &store).unwrap();
            let keys: Vec<Vec<u8>> = found.into_iter().map(|(key, _)| key).collect();
            assert_eq!(keys, (0..rows).map(key).collect::<Vec<_>>());
        }
    }

    #[test]
    fn more_rows_than_one_range_gives_are_all_read() {
        let rows = u32::try_from(RANGE_ROWS_MAX).unwrap() + 1;
        let found = all_rows(&store(rows), b"x").unwrap();
        assert_eq!(found.len(), RANGE_ROWS_MAX + 1);
    }
}
