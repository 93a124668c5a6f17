//! Instants as they are stored: UTC, whole milliseconds.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::Offset;
use thiserror::Error;

/// An instant in milliseconds since 1970-01-01T00:00:00Z; earlier ones are negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub i64);

/// Why a text is no moment, or a moment no text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MomentError {
    /// The text is not `YYYY-MM-DDThh:mm:ss[.fff]` with `Z` or an offset, or names a day or hour that does not exist.
    #[error("not an RFC 3339 time with its offset from UTC")]
    NotRfc3339,
    /// Outside the years -9999 to 9999, or an offset beyond a day.
    #[error("the time lies outside the years that can be written")]
    OutOfRange,
}

impl Moment {
    /// The earliest moment a number can hold.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest moment a number can hold.
    pub const MAX: Self = Self(i64::MAX);

    /// Reads RFC 3339 with any offset; what is finer than a millisecond is cut off.
    ///
    /// Near relatives are read too: a space for the `T`, no seconds, an offset of hours only. A leap
    /// second is the second before it.
    ///
    /// # Errors
    /// `NotRfc3339` for anything else, a local time without offset included.
    pub fn parse_rfc3339(text: &str) -> Result<Self, MomentError> {
        // The parser also takes a zone annotation in brackets, which would be read and then forgotten.
        if text.contains('[') {
            return Err(MomentError::NotRfc3339);
        }
        let parsed: Timestamp = text.parse().map_err(|_| MomentError::NotRfc3339)?;
        Ok(Self::from_timestamp(parsed))
    }

    /// Writes RFC 3339 as seen at an offset of so many minutes east of UTC, with milliseconds only where there are any.
    ///
    /// # Errors
    /// `OutOfRange` outside the years -9999 to 9999, or for an offset beyond a day.
    pub fn to_rfc3339(self, offset_minutes: i32) -> Result<String, MomentError> {
        let offset = offset_of(offset_minutes)?;
        Ok(self.timestamp()?.display_with_offset(offset).to_string())
    }

    /// The moment so many milliseconds later (earlier if negative), or nothing where a number ends.
    #[must_use]
    pub fn checked_add_ms(self, milliseconds: i64) -> Option<Self> {
        self.0.checked_add(milliseconds).map(Self)
    }

    /// The moment so many milliseconds earlier, or nothing where a number ends.
    #[must_use]
    pub fn checked_sub_ms(self, milliseconds: i64) -> Option<Self> {
        self.0.checked_sub(milliseconds).map(Self)
    }

    /// Milliseconds from an earlier moment to this one; negative if that one is later, nothing where a number ends.
    #[must_use]
    pub fn checked_ms_since(self, earlier: Self) -> Option<i64> {
        self.0.checked_sub(earlier.0)
    }

    pub(super) fn timestamp(self) -> Result<Timestamp, MomentError> {
        Timestamp::from_millisecond(self.0).map_err(|_| MomentError::OutOfRange)
    }

    pub(super) fn from_timestamp(timestamp: Timestamp) -> Self {
        // Floor, also before 1970, so that cutting off never moves a time later.
        let whole = timestamp.as_millisecond();
        let cut_towards_zero = timestamp.subsec_nanosecond() % 1_000_000 < 0;
        Self(if cut_towards_zero { whole - 1 } else { whole })
    }
}

pub(super) fn offset_of(offset_minutes: i32) -> Result<Offset, MomentError> {
    offset_minutes
        .checked_mul(60)
        .and_then(|seconds| Offset::from_seconds(seconds).ok())
        .ok_or(MomentError::OutOfRange)
}

impl fmt::Display for Moment {
    /// RFC 3339 in UTC; a moment that has no such text is `unix-ms:<number>`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.timestamp() {
            Ok(timestamp) => write!(formatter, "{timestamp}"),
            Err(_) => write!(formatter, "unix-ms:{}", self.0),
        }
    }
}
