//! The reply on its way: drafted, approved, sent.

use fengqiao_proto::v1 as pb;

use crate::id::PersonId;

/// A drafted reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draft {
    /// Who drafted it.
    pub by: Option<PersonId>,
    /// Another person approved it.
    pub approved: bool,
}

/// The reply of the custodian, or the one it took from below.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// A draft under way.
    pub draft: Option<Draft>,
    /// A reply was sent, here or from below.
    pub sent: bool,
    /// Whether the drafter holds the demand reasonable.
    pub reasonable: Option<bool>,
    /// The clock of the own handling that the reply stopped; it goes on when the reply is not taken.
    pub stopped: Option<pb::Due>,
}

impl Reply {
    /// The reply that the dispatcher took.
    pub(super) fn arrived() -> Self {
        Self {
            sent: true,
            ..Self::default()
        }
    }
}
