//! Lamps: how a due time looks at a given moment. Computed whenever someone looks, never stored.

use fengqiao_proto::v1 as pb;

use super::calendar::{Calendar, MINUTE_MS, Warning};
use super::moment::Moment;
use super::span::{Span, lead};

/// The colour of an open clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lamp {
    /// There is time.
    Green,
    /// The due time is near.
    Amber,
    /// The due time has passed.
    Red,
    /// Not late as far as is known, but the node responsible has been silent beyond its contact limit.
    Grey,
}

/// What is known of the node responsible for a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact {
    /// This node itself is responsible: no silence to measure.
    Here,
    /// Another node, last heard from then.
    Heard {
        /// When; a moment in the future (a wrong clock) counts as just now.
        last: Moment,
        /// How long it may stay silent, in minutes of plain time.
        limit_minutes: u32,
    },
    /// Another node that was never heard from.
    Never,
}

/// The lamp of a clock at `now`.
///
/// Red from the first red moment of the due time on, whatever is known of the link: both sides of a cut link count on
/// and turn red at the same moment. Otherwise grey if the contact limit has passed, then amber from its first amber
/// moment on (also between a due time and a later red), else green.
#[must_use]
pub fn lamp(due: &pb::Due, now: Moment, contact: Contact) -> Lamp {
    if now > due_at(due) && now.0 >= due.red_ms {
        return Lamp::Red;
    }
    if contact.is_silent(now) {
        return Lamp::Grey;
    }
    let amber = due.amber_ms != 0 && now.0 >= due.amber_ms;
    if amber || now > due_at(due) {
        Lamp::Amber
    } else {
        Lamp::Green
    }
}

fn due_at(due: &pb::Due) -> Moment {
    Moment(due.due_ms)
}

/// The first amber moment: the span before the due time, with what is not known about the days counted; working days
/// keep the due's time of day.
///
/// A lead that cannot be counted (longer than [`super::SPAN_DAYS_MAX`], or out of the calendar) is
/// amber from the beginning of time: too early a warning rather than none.
pub(crate) fn amber_from(
    due: Moment,
    amber_before: Span,
    calendar: &Calendar,
) -> (Moment, Vec<Warning>) {
    match lead(due, amber_before, calendar) {
        Ok(found) => (found.at, found.warnings),
        Err(_) => (Moment::MIN, Vec::new()),
    }
}

impl Contact {
    /// What is known of a node beyond another: nobody hears of it by that one but who hears of that one, so the longer
    /// silence counts.
    #[must_use]
    pub fn beyond(self, further: Self) -> Self {
        match (self, further) {
            (Self::Never, _) | (_, Self::Never) => Self::Never,
            (Self::Here, other) | (other, Self::Here) => other,
            (
                Self::Heard { last: near, .. },
                Self::Heard {
                    last: far,
                    limit_minutes,
                },
            ) => Self::Heard {
                last: near.min(far),
                limit_minutes,
            },
        }
    }

    /// Whether the node has been silent for longer than its contact limit.
    #[must_use]
    pub fn is_silent(self, now: Moment) -> bool {
        match self {
            Self::Here => false,
            Self::Never => true,
            Self::Heard {
                last,
                limit_minutes,
            } => now.0.saturating_sub(last.0) > i64::from(limit_minutes) * MINUTE_MS,
        }
    }
}
