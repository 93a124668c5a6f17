//! Working calendar, due times and lamps.
//!
//! A clock starts at a [`Moment`], runs for a [`Span`] and ends at a [`Due`]: a pure function of
//! start, span and [`Calendar`], so that the same three give the same due at every tier. The result
//! is written once, in the entry that starts the clock; a lamp is computed from it whenever someone
//! looks and is never stored.
//!
//! What each span means:
//!
//! | Span | Due |
//! |---|---|
//! | `CalendarTime` | start plus the minutes, nights and days off included |
//! | `WorkingDays` n | the close (23:59:59.999 local) of the nth working day after the start's own day; the start's day never counts, whatever the hour. n = 0 is the close of the start's day |
//! | `WorkingMinutes` n | the earliest moment by which n minutes of working hours have passed since the start; n = 0 is the start |
//!
//! This module never reads a clock, never guesses silently about a year whose days off it does not
//! know ([`Warning`]), and knows nothing of cases.

mod calendar;
mod lamp;
mod moment;
mod span;
mod suspension;
#[cfg(test)]
mod tests;

pub use calendar::{Calendar, CalendarError, DayKind, LocalTime, Warning, Working, WorkingHours};
pub(crate) use lamp::amber_from;
pub use lamp::{Contact, Lamp, lamp};
pub use moment::{Moment, MomentError};
pub use span::{ClockError, Due, SPAN_DAYS_MAX, Span, SpanError, due};
pub use suspension::{Suspension, SuspensionError, due_after_suspensions};
