//! Dates and times as tables write them.

use fengqiao_hub::clock::Moment;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::Offset;

use super::errors::RowErrorCode;

/// How a column writes its moments.
///
/// Neither format nor offset: RFC 3339. An offset alone: RFC 3339, or `YYYY-MM-DD[ hh:mm[:ss]]` seen
/// at that offset. A date without a time of day is its local midnight.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DateStyle {
    /// A strftime format, such as `%Y/%m/%d %H:%M`.
    pub format: Option<String>,
    /// Minutes east of UTC for texts that name no offset themselves.
    pub offset_minutes: Option<i32>,
}

impl DateStyle {
    /// Whether the format is one that times can be read with and that leads to an instant.
    pub(super) fn is_sound(&self) -> bool {
        let Some(format) = &self.format else {
            return true;
        };
        let sample = BrokenDownTime::from(Timestamp::default());
        let Ok(written) = sample.to_string(format) else {
            return false;
        };
        let Ok(read) = strtime::parse(format, &written) else {
            return false;
        };
        let names_offset = read.offset().is_some() || read.timestamp().is_some();
        names_offset || (self.offset_minutes.is_some() && read.to_datetime().is_ok())
    }
}

/// `+08:00`, `-04:00` or `Z` in minutes east of UTC.
pub(super) fn offset_minutes(text: &str) -> Option<i32> {
    if text == "Z" {
        return Some(0);
    }
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = digits.split_once(':')?;
    let two_digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !two_digits(hours) || !two_digits(minutes) {
        return None;
    }
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 18 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

pub(super) fn parse_moment(text: &str, style: &DateStyle) -> Result<Moment, RowErrorCode> {
    let read = match &style.format {
        Some(format) => by_format(text, format, style.offset_minutes),
        None => plain(text, style.offset_minutes),
    };
    read.map_err(|found| found.unwrap_or_else(|| why_unreadable(text)))
}

fn by_format(
    text: &str,
    format: &str,
    offset: Option<i32>,
) -> Result<Moment, Option<RowErrorCode>> {
    let read = strtime::parse(format, text).map_err(|_| None)?;
    if let (Some(year), Some(month), Some(day)) = (read.year(), read.month(), read.day())
        && Date::new(year, month, day).is_err()
    {
        return Err(Some(RowErrorCode::DateDoesNotExist));
    }
    if let Ok(timestamp) = read.to_timestamp() {
        return moment_of(timestamp);
    }
    at_offset(read.to_datetime().map_err(|_| None)?, offset)
}

fn plain(text: &str, offset: Option<i32>) -> Result<Moment, Option<RowErrorCode>> {
    if let Ok(moment) = Moment::parse_rfc3339(text) {
        return Ok(moment);
    }
    // The civil parser would skip a zone annotation that the line above did not accept.
    let is_civil = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b':' | b' ' | b'T' | b'.'));
    if !is_civil {
        return Err(None);
    }
    at_offset(text.parse().map_err(|_| None)?, offset)
}

fn at_offset(local: DateTime, offset: Option<i32>) -> Result<Moment, Option<RowErrorCode>> {
    let offset = offset
        .and_then(|minutes| Offset::from_seconds(minutes * 60).ok())
        .ok_or(None)?;
    let timestamp = offset.to_timestamp(local).map_err(|_| None)?;
    moment_of(timestamp)
}

/// By way of text, so that cutting to milliseconds stands in one place.
fn moment_of(timestamp: Timestamp) -> Result<Moment, Option<RowErrorCode>> {
    Moment::parse_rfc3339(&timestamp.to_string()).map_err(|_| None)
}

/// A text that begins with year, month and day, of which no calendar has the day, says so.
fn why_unreadable(text: &str) -> RowErrorCode {
    let mut numbers = text.split(|character: char| !character.is_ascii_digit());
    let mut next = |lengths: std::ops::RangeInclusive<usize>| {
        let digits = numbers
            .next()
            .filter(|digits| lengths.contains(&digits.len()))?;
        digits.parse::<i16>().ok()
    };
    let (Some(year), Some(month), Some(day)) = (next(4..=4), next(1..=2), next(1..=2)) else {
        return RowErrorCode::DateUnreadable;
    };
    let small = |number: i16| i8::try_from(number).unwrap_or(i8::MAX);
    match Date::new(year, small(month), small(day)) {
        Ok(_) => RowErrorCode::DateUnreadable,
        Err(_) => RowErrorCode::DateDoesNotExist,
    }
}
