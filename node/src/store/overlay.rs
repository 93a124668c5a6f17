//! A batch that is not yet applied, seen as if it were. Never writes to the store beneath.

use std::cmp::Ordering;

use super::{Batch, Read, Row, StoreError, check_key, check_range};

/// A store with a batch laid over it, so that the decisions of one group see each other's effects.
#[derive(Clone)]
pub struct Overlay<'a> {
    base: &'a dyn Read,
    /// What has been decided so far.
    pub batch: Batch,
}

impl std::fmt::Debug for Overlay<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Overlay")
            .field("writes", &self.batch.len())
            .finish_non_exhaustive()
    }
}

impl<'a> Overlay<'a> {
    /// `base` with an empty batch over it.
    #[must_use]
    pub fn new(base: &'a dyn Read) -> Overlay<'a> {
        Overlay {
            base,
            batch: Batch::new(),
        }
    }

    fn merged(&self, lo: &[u8], hi: &[u8], limit: usize, way: Way) -> Result<Vec<Row>, StoreError> {
        if !check_range(lo, hi, limit)? {
            return Ok(Vec::new());
        }
        let mut rows = Vec::new();
        let mut above = way.writes(&self.batch, lo, hi).peekable();
        let mut page = Page::new(lo, hi);
        while rows.len() < limit {
            let below = page.peek(self.base, limit, way)?;
            let order = match (below, above.peek()) {
                (None, None) => break,
                (None, Some(_)) => Ordering::Greater,
                (Some(_), None) => Ordering::Less,
                (Some((key, _)), Some((over, _))) => way.compare(key, over),
            };
            if order == Ordering::Less {
                rows.extend(page.take());
                continue;
            }
            if order == Ordering::Equal {
                page.take();
            }
            if let Some((key, Some(value))) = above.next() {
                rows.push((key.clone(), value.clone()));
            }
        }
        Ok(rows)
    }
}

impl Read for Overlay<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        check_key(key)?;
        match self.batch.get(key) {
            Some(written) => Ok(written.map(<[u8]>::to_vec)),
            None => self.base.get(key),
        }
    }

    fn range(&self, lo: &[u8], hi: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        self.merged(lo, hi, limit, Way::Up)
    }

    fn range_reverse(&self, lo: &[u8], hi: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        self.merged(lo, hi, limit, Way::Down)
    }
}

/// The direction of a walk over keys.
#[derive(Clone, Copy)]
enum Way {
    Up,
    Down,
}

type Writes<'a> = Box<dyn Iterator<Item = (&'a Vec<u8>, &'a Option<Vec<u8>>)> + 'a>;

impl Way {
    fn compare(self, left: &[u8], right: &[u8]) -> Ordering {
        match self {
            Way::Up => left.cmp(right),
            Way::Down => right.cmp(left),
        }
    }

    fn writes<'a>(self, batch: &'a Batch, lo: &'a [u8], hi: &'a [u8]) -> Writes<'a> {
        match self {
            Way::Up => Box::new(batch.between(lo, hi)),
            Way::Down => Box::new(batch.between(lo, hi).rev()),
        }
    }
}

/// The base's rows, fetched a page at a time: the batch may remove any number of them, so how many
/// are needed for `limit` results is not known beforehand.
struct Page {
    lo: Vec<u8>,
    hi: Vec<u8>,
    rows: std::collections::VecDeque<Row>,
    ended: bool,
}

impl Page {
    fn new(lo: &[u8], hi: &[u8]) -> Page {
        Page {
            lo: lo.to_vec(),
            hi: hi.to_vec(),
            rows: std::collections::VecDeque::new(),
            ended: false,
        }
    }

    fn peek(
        &mut self,
        base: &dyn Read,
        limit: usize,
        way: Way,
    ) -> Result<Option<&Row>, StoreError> {
        if self.rows.is_empty() && !self.ended {
            let rows = match way {
                Way::Up => base.range(&self.lo, &self.hi, limit)?,
                Way::Down => base.range_reverse(&self.lo, &self.hi, limit)?,
            };
            self.ended = rows.len() < limit;
            if let Some((last, _)) = rows.last() {
                match way {
                    Way::Up => {
                        self.lo.clone_from(last);
                        self.lo.push(0);
                    }
                    Way::Down => self.hi.clone_from(last),
                }
            }
            self.rows = rows.into();
        }
        Ok(self.rows.front())
    }

    fn take(&mut self) -> Option<Row> {
        self.rows.pop_front()
    }
}
