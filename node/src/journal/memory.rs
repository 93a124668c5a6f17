//! The journal in memory, with the same positions and refusals as the one on disk.
//!
//! For tests and simulation: it keeps nothing when dropped and never fails.

use std::sync::{Arc, PoisonError, RwLock};

use super::file::check_append;
use super::{Appended, Journal, JournalError, JournalReader, Location, Position, Record, record};

/// Records that live as long as this and its readers.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    log: Arc<MemoryLog>,
}

#[derive(Debug, Default)]
struct MemoryLog(RwLock<Vec<Record>>);

impl MemoryJournal {
    /// Empty, at position 0.
    pub fn new() -> Self {
        Self::default()
    }
}

impl MemoryLog {
    fn end(&self) -> Position {
        let records = self.0.read().unwrap_or_else(PoisonError::into_inner);
        records.last().map_or(Position(0), |last| last.next)
    }

    /// The first record at or after `from`, and the end, at one instant.
    fn look(&self, from: Position) -> (Option<Record>, Position) {
        let records = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let index = records.partition_point(|record| record.position < from);
        let end = records.last().map_or(Position(0), |last| last.next);
        (records.get(index).cloned(), end)
    }
}

impl Journal for MemoryJournal {
    fn append(
        &mut self,
        expected: Position,
        payloads: &[Vec<u8>],
    ) -> Result<Appended, JournalError> {
        let mut end = self.end();
        check_append(end.0, expected, payloads)?;
        let mut records = self.log.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut positions = Vec::with_capacity(payloads.len());
        for payload in payloads {
            let position = end;
            end = Position(position.0 + record::size_of(payload));
            positions.push(position);
            records.push(Record {
                position,
                next: end,
                payload: payload.clone(),
            });
        }
        Ok(Appended { positions, end })
    }

    fn end(&self) -> Position {
        self.log.end()
    }

    fn reader(&self) -> Arc<dyn JournalReader> {
        Arc::<MemoryLog>::clone(&self.log)
    }
}

impl JournalReader for MemoryLog {
    fn read(&self, location: Location) -> Result<Vec<u8>, JournalError> {
        let position = location.position;
        let not_there = JournalError::NotThere { position };
        let (found, _) = self.look(position);
        let Some(record) = found.filter(|record| record.position == position) else {
            return Err(not_there);
        };
        let start = usize::try_from(location.offset).unwrap_or(usize::MAX);
        let length = usize::try_from(location.length).unwrap_or(usize::MAX);
        let slice = record.payload.get(start..start.saturating_add(length));
        slice.map(<[u8]>::to_vec).ok_or(not_there)
    }

    fn tail(&self, from: Position) -> Box<dyn Iterator<Item = Result<Record, JournalError>> + '_> {
        let mut at = from;
        let mut over = false;
        Box::new(std::iter::from_fn(move || {
            if over {
                return None;
            }
            let (found, end) = self.look(at);
            let refusal = match &found {
                Some(record) if record.position == at => None,
                Some(_) => Some(JournalError::NotARecord { position: at }),
                None if at > end => Some(JournalError::NotThere { position: at }),
                None if at < end => Some(JournalError::NotARecord { position: at }),
                None => None,
            };
            if let Some(refusal) = refusal {
                over = true;
                return Some(Err(refusal));
            }
            let record = found?;
            at = record.next;
            Some(Ok(record))
        }))
    }
}
