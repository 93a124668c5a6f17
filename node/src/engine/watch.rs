//! What the engine notes of the items it applies, and whom it suspects: see [`super::attempts`].

use fengqiao_hub::id::NodeId;

use super::attempts::{Attempt, Attempts, Unread};
use super::projection::lane_row;
use super::{Engine, EngineError, Input};

/// Deaths at one item after which it is parked unread.
const DEATHS_MAX: u32 = 3;

impl Engine {
    /// From now on notes what is applied; what was begun before and never finished is suspected.
    ///
    /// # Errors
    /// The store does not read.
    pub fn watch(&mut self, attempts: Box<dyn Attempts>) -> Result<(), EngineError> {
        self.suspicion.suspects = attempts.last().attempts;
        self.suspicion.attempts = Some(attempts);
        self.acquit()
    }

    /// Notes what is about to be applied; gives the items of it at which the process died too often.
    pub(super) fn begin(&mut self, inputs: &[Input]) -> Unread {
        let attempts: Vec<Attempt> = inputs
            .iter()
            .filter_map(|input| self.suspicion.attempt(input))
            .collect();
        if attempts.is_empty() {
            return Unread::new();
        }
        let unread = attempts
            .iter()
            .filter(|attempt| attempt.begun > DEATHS_MAX && attempt.first == attempt.last)
            .filter_map(|attempt| {
                Some((
                    NodeId::from_bytes(&attempt.link)?,
                    attempt.lane,
                    attempt.first,
                ))
            })
            .collect();
        self.suspicion.note(attempts);
        unread
    }

    /// Where disk, store or keys failed, it was not the items.
    pub(super) fn end<T>(&mut self, ended: Result<T, EngineError>) -> Result<T, EngineError> {
        if let Err(error) = &ended
            && error.is_of_machine()
        {
            self.suspicion.note(Vec::new());
        }
        ended
    }

    /// What has been stored is suspected no longer.
    pub(super) fn acquit(&mut self) -> Result<(), EngineError> {
        let mut suspects = std::mem::take(&mut self.suspicion.suspects);
        let mut failed = None;
        suspects.retain(|suspect| {
            let Some(link) = NodeId::from_bytes(&suspect.link) else {
                return false;
            };
            match lane_row(self.store.as_ref(), link, suspect.lane()) {
                Ok(row) => row.stored() < suspect.last,
                Err(error) => {
                    failed = Some(error);
                    true
                }
            }
        });
        self.suspicion.suspects = suspects;
        failed.map_or(Ok(()), Err)
    }
}
