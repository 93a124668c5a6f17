//! Errands: work that is too much for one record.

use fengqiao_hub::id::NodeId;

use super::EngineError;
use super::group::Group;

/// Work that is done in steps of one record each, so that it holds up nobody and goes on after a crash where it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errand {
    /// Handing over to a neighbour with which this node has a new link.
    HandOver(NodeId),
    /// Passing on what places held that have ended or moved.
    PassOn,
}

impl Group<'_> {
    /// The next step of an errand; it asks for the one after it, or is done.
    pub(crate) fn run_errand(&mut self, errand: Errand) -> Result<(), EngineError> {
        match errand {
            Errand::HandOver(link) => self.hand_over(link),
            Errand::PassOn => self.pass_on_some(),
        }
    }
}
