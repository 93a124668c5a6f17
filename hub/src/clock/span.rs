//! Spans of time and the due times they lead to.

use std::collections::BTreeSet;

use jiff::civil::Date;
use thiserror::Error;

use super::calendar::{Calendar, DayKind, MINUTE_MS, Warning, Working};
use super::moment::Moment;

/// No clock runs longer than this many days, days off included: the bound of every walk through the calendar.
pub const SPAN_DAYS_MAX: u32 = 3_660;

/// How long a clock runs, in its own unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Span {
    /// Plain time, nights and days off included.
    CalendarTime {
        /// Minutes.
        minutes: u32,
    },
    /// Whole working days after the day of the start.
    WorkingDays {
        /// Days.
        n: u32,
    },
    /// Time within working hours of working days.
    WorkingMinutes {
        /// Minutes.
        n: u32,
    },
}

impl Span {
    /// So many hours of plain time.
    #[must_use]
    pub const fn hours(n: u32) -> Self {
        Self::CalendarTime {
            minutes: n.saturating_mul(60),
        }
    }

    /// So many times 24 hours of plain time.
    #[must_use]
    pub const fn days(n: u32) -> Self {
        Self::CalendarTime {
            minutes: n.saturating_mul(24 * 60),
        }
    }

    /// Whether it is surely longer than another: both of one unit, or plain time beyond as many working days.
    #[must_use]
    pub const fn longer_than(self, other: Self) -> bool {
        match (self, other) {
            (Self::CalendarTime { minutes: a }, Self::CalendarTime { minutes: b })
            | (Self::WorkingDays { n: a }, Self::WorkingDays { n: b })
            | (Self::WorkingMinutes { n: a }, Self::WorkingMinutes { n: b }) => a > b,
            (Self::WorkingDays { n }, Self::CalendarTime { minutes }) => {
                n.saturating_mul(24 * 60) > minutes
            }
            (Self::WorkingMinutes { n }, Self::CalendarTime { minutes }) => n > minutes,
            (Self::CalendarTime { .. } | Self::WorkingDays { .. }, Self::WorkingMinutes { .. })
            | (Self::CalendarTime { .. } | Self::WorkingMinutes { .. }, Self::WorkingDays { .. }) => {
                false
            }
        }
    }

    /// So many working days.
    #[must_use]
    pub const fn working_days(n: u32) -> Self {
        Self::WorkingDays { n }
    }
}

/// Why a text is no span.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "not a span: a number of min, h, days, working days, working h or working min, such as \"2 working days\""
)]
pub struct SpanError;

impl std::str::FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let (number, unit) = text.trim().split_once(' ').ok_or(SpanError)?;
        let n: u32 = number.parse().map_err(|_| SpanError)?;
        let span = match unit.trim() {
            "min" => Self::CalendarTime { minutes: n },
            "h" => Self::hours(n),
            "day" | "days" => Self::days(n),
            "working day" | "working days" => Self::working_days(n),
            "working min" => Self::WorkingMinutes { n },
            "working h" => Self::WorkingMinutes {
                n: n.saturating_mul(60),
            },
            _ => return Err(SpanError),
        };
        let days = match span {
            Self::CalendarTime { minutes } => minutes / (24 * 60),
            Self::WorkingDays { n } => n,
            Self::WorkingMinutes { n } => n / 60,
        };
        (days <= SPAN_DAYS_MAX).then_some(span).ok_or(SpanError)
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counted = |f: &mut std::fmt::Formatter<'_>, n: u32, unit: &str| match n {
            1 => write!(f, "1 {unit}"),
            _ => write!(f, "{n} {unit}s"),
        };
        match *self {
            Self::CalendarTime { minutes } if minutes % (24 * 60) == 0 && minutes > 0 => {
                counted(f, minutes / (24 * 60), "day")
            }
            Self::CalendarTime { minutes } if minutes % 60 == 0 && minutes > 0 => {
                write!(f, "{} h", minutes / 60)
            }
            Self::CalendarTime { minutes } => write!(f, "{minutes} min"),
            Self::WorkingDays { n } => counted(f, n, "working day"),
            Self::WorkingMinutes { n } if n % 60 == 0 && n > 0 => write!(f, "{} working h", n / 60),
            Self::WorkingMinutes { n } => write!(f, "{n} working min"),
        }
    }
}

/// When a clock ends, and what that rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The last moment that is still on time.
    pub at: Moment,
    /// What is not known about the days counted, in order, each once.
    pub warnings: Vec<Warning>,
}

/// Why no due time can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ClockError {
    /// The span is longer than [`SPAN_DAYS_MAX`] days.
    #[error("a clock of more than {SPAN_DAYS_MAX} days is refused")]
    SpanTooLong,
    /// Start or due lie outside the years -9999 to 9999.
    #[error("the time lies outside the calendar")]
    OutOfRange,
}

/// The due time of a span that starts at `start`; see the table in [`super`] for what each span means.
///
/// Never earlier than the start, and never earlier for a later start or a longer span of one unit.
///
/// # Errors
/// `SpanTooLong`, `OutOfRange`.
pub fn due(start: Moment, span: Span, calendar: &Calendar) -> Result<Due, ClockError> {
    let mut walk = Walk::from(start, calendar)?;
    let at = match span {
        Span::CalendarTime { minutes } => later_by(start, minutes)?,
        Span::WorkingDays { n } => walk.close_of_working_day(n)?,
        Span::WorkingMinutes { n } => walk.after_working_minutes(start, n)?,
    };
    Ok(Due {
        at,
        warnings: walk.warnings.into_iter().collect(),
    })
}

/// The moment a span before `end`, the mirror of [`due`]: working days keep the time of day of `end`.
pub(super) fn lead(end: Moment, span: Span, calendar: &Calendar) -> Result<Due, ClockError> {
    let mut walk = Walk::from(end, calendar)?;
    let at = match span {
        Span::CalendarTime { minutes } => earlier_by(end, minutes)?,
        Span::WorkingDays { n } => walk.working_days_back(end, n)?,
        Span::WorkingMinutes { n } => walk.working_minutes_back(end, n)?,
    };
    Ok(Due {
        at,
        warnings: walk.warnings.into_iter().collect(),
    })
}

fn plain_ms(minutes: u32) -> Result<i64, ClockError> {
    let within = minutes <= SPAN_DAYS_MAX * 24 * 60;
    if within {
        Ok(i64::from(minutes) * MINUTE_MS)
    } else {
        Err(ClockError::SpanTooLong)
    }
}

fn later_by(start: Moment, minutes: u32) -> Result<Moment, ClockError> {
    start
        .checked_add_ms(plain_ms(minutes)?)
        .ok_or(ClockError::OutOfRange)
}

fn earlier_by(end: Moment, minutes: u32) -> Result<Moment, ClockError> {
    end.checked_sub_ms(plain_ms(minutes)?)
        .ok_or(ClockError::OutOfRange)
}

/// A walk from day to day that remembers which answers were guesses, and ends.
struct Walk<'a> {
    calendar: &'a Calendar,
    date: Date,
    steps: u32,
    warnings: BTreeSet<Warning>,
}

impl<'a> Walk<'a> {
    fn from(moment: Moment, calendar: &'a Calendar) -> Result<Self, ClockError> {
        let date = calendar.date_of(moment).ok_or(ClockError::OutOfRange)?;
        Ok(Self {
            calendar,
            date,
            steps: 0,
            warnings: BTreeSet::new(),
        })
    }

    fn forth(&mut self) -> Result<(), ClockError> {
        self.count_step()?;
        self.date = self.date.tomorrow().map_err(|_| ClockError::OutOfRange)?;
        Ok(())
    }

    fn back(&mut self) -> Result<(), ClockError> {
        self.count_step()?;
        self.date = self.date.yesterday().map_err(|_| ClockError::OutOfRange)?;
        Ok(())
    }

    fn count_step(&mut self) -> Result<(), ClockError> {
        self.steps += 1;
        if self.steps > SPAN_DAYS_MAX {
            Err(ClockError::SpanTooLong)
        } else {
            Ok(())
        }
    }

    fn kind(&mut self) -> DayKind {
        match self.calendar.is_working_day(self.date) {
            Working::Day => DayKind::Working,
            Working::Off => DayKind::Off,
            Working::Unknown {
                by_weekend,
                warning,
            } => {
                self.warnings.insert(warning);
                by_weekend
            }
        }
    }

    fn close_of_working_day(&mut self, n: u32) -> Result<Moment, ClockError> {
        let mut left = n;
        while left > 0 {
            self.forth()?;
            if self.kind() == DayKind::Working {
                left -= 1;
            }
        }
        self.calendar
            .close_of(self.date)
            .ok_or(ClockError::OutOfRange)
    }

    fn working_days_back(&mut self, end: Moment, n: u32) -> Result<Moment, ClockError> {
        let midnight = self.midnight()?;
        let mut left = n;
        while left > 0 {
            self.back()?;
            if self.kind() == DayKind::Working {
                left -= 1;
            }
        }
        Ok(Moment(self.midnight()?.0 + (end.0 - midnight.0)))
    }

    fn after_working_minutes(&mut self, start: Moment, n: u32) -> Result<Moment, ClockError> {
        let mut left_ms = i64::from(n) * MINUTE_MS;
        if left_ms == 0 {
            return Ok(start);
        }
        loop {
            for (from, until) in self.intervals()? {
                let from = from.max(start.0);
                let worked_ms = (until - from).max(0);
                if left_ms <= worked_ms {
                    return Ok(Moment(from + left_ms));
                }
                left_ms -= worked_ms;
            }
            self.forth()?;
        }
    }

    fn working_minutes_back(&mut self, end: Moment, n: u32) -> Result<Moment, ClockError> {
        let mut left_ms = i64::from(n) * MINUTE_MS;
        if left_ms == 0 {
            return Ok(end);
        }
        loop {
            for (from, until) in self.intervals()?.into_iter().rev() {
                let until = until.min(end.0);
                let worked_ms = (until - from).max(0);
                if left_ms <= worked_ms {
                    return Ok(Moment(until - left_ms));
                }
                left_ms -= worked_ms;
            }
            self.back()?;
        }
    }

    fn midnight(&self) -> Result<Moment, ClockError> {
        self.calendar
            .start_of(self.date)
            .ok_or(ClockError::OutOfRange)
    }

    fn intervals(&mut self) -> Result<Vec<(i64, i64)>, ClockError> {
        if self.kind() == DayKind::Off {
            return Ok(Vec::new());
        }
        let midnight = self.midnight()?.0;
        let at = |minute: u16| midnight + i64::from(minute) * MINUTE_MS;
        let hours = &self.calendar.local().hours;
        Ok(hours
            .iter()
            .map(|interval| (at(interval.from_minute), at(interval.until_minute)))
            .collect())
    }
}
