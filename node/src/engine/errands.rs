//! Errands: work that is too much for one record.

use super::EngineError;
use super::group::Group;
use super::requests::Errand;

impl Group<'_> {
    /// The next step of an errand; it asks for the one after it, or is done.
    pub(crate) fn run_errand(&mut self, errand: Errand) -> Result<(), EngineError> {
        match errand {
            Errand::HandOver(link) => self.hand_over(link),
            Errand::PassOn => self.pass_on_some(),
        }
    }
}
