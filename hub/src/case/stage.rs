//! The stages of a case, with their words.

/// Where a case stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Taken in.
    Registered,
    /// Taken on.
    Accepted,
    /// Not taken on.
    Declined,
    /// Answered at once.
    Answered,
    /// On its way to who is to handle it.
    Dispatched,
    /// Being handled.
    Handling,
    /// The lead says: not ours.
    Objected,
    /// A reply is drafted.
    Drafted,
    /// The draft may leave.
    Approved,
    /// Replied; the dispatching side visits.
    Replied,
    /// In the hands of a centre that took it or got it back.
    InHand,
    /// Decided by its custodian.
    Decided,
    /// The requester was visited.
    Visited,
    /// To be done again.
    Redo,
    /// Closed.
    Closed,
}

impl Stage {
    /// Stable word, as it is sent and shown to programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::Answered => "answered",
            Self::Dispatched => "dispatched",
            Self::Handling => "handling",
            Self::Objected => "objected",
            Self::Drafted => "drafted",
            Self::Approved => "approved",
            Self::Replied => "replied",
            Self::InHand => "in-hand",
            Self::Decided => "decided",
            Self::Visited => "visited",
            Self::Redo => "redo",
            Self::Closed => "closed",
        }
    }

    /// The field's word.
    #[must_use]
    pub fn chinese(self) -> &'static str {
        match self {
            Self::Registered => "已登记",
            Self::Accepted => "已受理",
            Self::Declined => "不予受理",
            Self::Answered => "即时答复",
            Self::Dispatched => "已派单",
            Self::Handling => "办理中",
            Self::Objected => "派单异议",
            Self::Drafted => "已拟回复",
            Self::Approved => "已把关",
            Self::Replied => "已回复",
            Self::InHand => "已收件",
            Self::Decided => "已批示",
            Self::Visited => "已回访",
            Self::Redo => "重办",
            Self::Closed => "已办结",
        }
    }

    /// Whether no more work is owed.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Closed | Self::Declined)
    }
}
