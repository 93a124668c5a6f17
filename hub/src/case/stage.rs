//! Where a case stands, in one word for lists and notices.
//!
//! Derived from the parts; no rule asks it what a part knows better.

use super::Case;

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
    /// Every stage.
    pub const ALL: [Self; 15] = [
        Self::Registered,
        Self::Accepted,
        Self::Declined,
        Self::Answered,
        Self::Dispatched,
        Self::Handling,
        Self::Objected,
        Self::Drafted,
        Self::Approved,
        Self::Replied,
        Self::InHand,
        Self::Decided,
        Self::Visited,
        Self::Redo,
        Self::Closed,
    ];

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

    /// The stage that a stable word names; `None` for one that only a newer version knows.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == word)
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
            Self::Drafted => "已拟稿",
            Self::Approved => "已审核",
            Self::Replied => "已答复",
            Self::InHand => "已接办",
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

impl Case {
    /// Where the case stands.
    #[must_use]
    pub fn stage(&self) -> Stage {
        let dispatching = &self.dispatching;
        let draft = self.reply.draft.map(|draft| draft.approved);
        if self.visit.closed {
            Stage::Closed
        } else if self.intake.declined {
            Stage::Declined
        } else if self.visit.visited.is_some() {
            Stage::Visited
        } else if let Some(approved) = draft {
            if approved {
                Stage::Approved
            } else {
                Stage::Drafted
            }
        } else if self.reply.sent {
            Stage::Replied
        } else if dispatching.objection.is_some() {
            Stage::Objected
        } else if dispatching.to_be_signed {
            Stage::Dispatched
        } else if self.decided {
            Stage::Decided
        } else if dispatching.signed {
            Stage::Handling
        } else if self.visit.redo {
            Stage::Redo
        } else if self.custody.in_hand {
            Stage::InHand
        } else if self.intake.answered.is_some() {
            Stage::Answered
        } else if self.intake.accepted {
            Stage::Accepted
        } else {
            Stage::Registered
        }
    }
}
