//! Suspensions: they move a due time by their length and never reset a clock.

use thiserror::Error;

use super::moment::Moment;

/// A stretch of time during which a clock stood still, with a ground recorded elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Suspension {
    from: Moment,
    until: Moment,
}

/// Why a suspension was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SuspensionError {
    /// It ends before it begins.
    #[error("a suspension cannot end before it begins")]
    EndsBeforeItBegins,
    /// The moved due time lies beyond what a number can hold.
    #[error("the suspended due time lies outside the calendar")]
    OutOfRange,
}

impl Suspension {
    /// From the first moment the clock stands still to the moment it goes on.
    ///
    /// # Errors
    /// `EndsBeforeItBegins`.
    pub fn new(from: Moment, until: Moment) -> Result<Self, SuspensionError> {
        if until < from {
            Err(SuspensionError::EndsBeforeItBegins)
        } else {
            Ok(Self { from, until })
        }
    }

    /// When the clock stopped.
    #[must_use]
    pub fn from(self) -> Moment {
        self.from
    }

    /// When it goes on.
    #[must_use]
    pub fn until(self) -> Moment {
        self.until
    }
}

/// The due time after suspensions, in whatever order they are given.
///
/// Time covered twice counts once. A suspension that begins after the due time it meets moves
/// nothing: what is late stays late.
///
/// # Errors
/// `OutOfRange`.
pub fn due_after_suspensions(
    due: Moment,
    suspensions: &[Suspension],
) -> Result<Moment, SuspensionError> {
    let mut in_order = suspensions.to_vec();
    in_order.sort_unstable();
    let mut moved = due;
    let mut covered_until = Moment::MIN;
    for Suspension { from, until } in in_order {
        let from = from.max(covered_until);
        if from > moved || until <= from {
            continue;
        }
        let length_ms = until
            .checked_ms_since(from)
            .ok_or(SuspensionError::OutOfRange)?;
        moved = moved
            .checked_add_ms(length_ms)
            .ok_or(SuspensionError::OutOfRange)?;
        covered_until = until;
    }
    Ok(moved)
}
