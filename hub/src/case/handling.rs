//! Work done on the case, and by whom.

use std::collections::BTreeSet;

use fengqiao_proto::v1 as pb;

use crate::id::PersonId;

/// The handling of a case.
#[derive(Debug, Clone, Default)]
pub struct Handling {
    /// Clock of the custodian's own handling, while it runs.
    pub due: Option<pb::Due>,
    /// Persons who worked on it, drafted, approved or sent a reply: none of them judges the result.
    pub hands: BTreeSet<PersonId>,
}

impl Handling {
    pub(crate) fn by(&mut self, person: Option<PersonId>) {
        self.hands.extend(person);
    }
}
