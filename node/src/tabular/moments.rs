//! Dates and times as tables write them.

use fengqiao_hub::clock::Moment;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, date};
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::{Offset, TimeZone};

use super::errors::Problem;

/// First year of which a time is taken: before it lie the zeros of programs and mistakes.
const YEAR_MIN: i16 = 1990;
/// First year that is one at all.
const YEAR_WRITTEN_MIN: i16 = 1000;

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

    fn offset(&self) -> Option<Offset> {
        let seconds = self.offset_minutes?.checked_mul(60)?;
        Offset::from_seconds(seconds).ok()
    }

    /// A time of a workbook in the form of the column.
    pub(super) fn written(&self, cell: &str) -> Option<String> {
        let moment: DateTime = cell.parse().ok()?;
        let format = self.format.as_deref()?;
        self.format_with(format, moment)
    }

    fn format_with(&self, format: &str, moment: DateTime) -> Option<String> {
        let offset = self.offset().unwrap_or(Offset::UTC);
        let timestamp = offset.to_timestamp(moment).ok()?;
        strtime::format(
            format,
            &timestamp.to_zoned_datetime(TimeZone::fixed(offset)),
        )
        .ok()
    }

    /// An example of the form, as it would be typed.
    fn example(&self) -> String {
        let sample = date(2023, 2, 16).at(8, 40, 0, 0);
        match (&self.format, self.offset_minutes) {
            (Some(format), _) => self
                .format_with(format, sample)
                .unwrap_or_else(|| format.clone()),
            (None, Some(_)) => "2023-02-16 08:40".to_owned(),
            (None, None) => "2023-02-16T08:40:00+08:00".to_owned(),
        }
    }

    fn unreadable(&self) -> Problem {
        let example = self.example();
        let (mut chinese, mut english) = (
            format!("不是映射文件所写的时间格式，应如 {example}"),
            format!("not a time in the form that the mapping names; write it as {example}"),
        );
        if let Some(format) = &self.format {
            chinese.push_str(&format!("（{format}）"));
            english.push_str(&format!(" ({format})"));
        }
        Problem::of("DATE_UNREADABLE", chinese, english)
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

/// A time that a workbook calls one, seen at the offset of its column.
pub(super) fn moment_of_cell(text: &str, style: &DateStyle) -> Result<Moment, Problem> {
    if is_zero(text) {
        return Err(zero());
    }
    let Ok(moment) = text.parse::<DateTime>() else {
        return Err(does_not_exist());
    };
    at_offset(moment, style).map_err(|found| found.unwrap_or_else(|| style.unreadable()))
}

pub(super) fn parse_moment(text: &str, style: &DateStyle) -> Result<Moment, Problem> {
    if is_zero(text) {
        return Err(zero());
    }
    let read = match &style.format {
        Some(format) => by_format(text, format, style),
        None => plain(text, style),
    };
    read.map_err(|found| found.unwrap_or_else(|| why_unreadable(text, style)))
}

/// Why a time is not taken; `None` is found out from the text.
type Found = Option<Problem>;

fn by_format(text: &str, format: &str, style: &DateStyle) -> Result<Moment, Found> {
    let read = strtime::parse(format, text).map_err(|_| None)?;
    if let (Some(year), Some(month), Some(day)) = (read.year(), read.month(), read.day())
        && Date::new(year, month, day).is_err()
    {
        return Err(Some(does_not_exist()));
    }
    if let Ok(timestamp) = read.to_timestamp() {
        return moment_of(timestamp);
    }
    at_offset(read.to_datetime().map_err(|_| None)?, style)
}

fn plain(text: &str, style: &DateStyle) -> Result<Moment, Found> {
    if let Ok(moment) = Moment::parse_rfc3339(text) {
        let timestamp = Timestamp::from_millisecond(moment.0).map_err(|_| None)?;
        return moment_of(timestamp);
    }
    // The civil parser would skip a zone annotation that the line above did not accept.
    let is_civil = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b':' | b' ' | b'T' | b'.'));
    if !is_civil {
        return Err(None);
    }
    at_offset(text.parse().map_err(|_| None)?, style)
}

fn at_offset(local: DateTime, style: &DateStyle) -> Result<Moment, Found> {
    let offset = style.offset().ok_or(None)?;
    // Two digits where a format wants a year read as one of the first century.
    if local.year() < YEAR_WRITTEN_MIN {
        return Err(None);
    }
    let timestamp = offset.to_timestamp(local).map_err(|_| None)?;
    let moment = moment_of(timestamp)?;
    if local.year() < YEAR_MIN {
        return Err(Some(too_old()));
    }
    Ok(moment)
}

/// By way of text, so that cutting to milliseconds stands in one place.
fn moment_of(timestamp: Timestamp) -> Result<Moment, Found> {
    // A day earlier, so that every offset has its own first of January.
    if Offset::UTC.to_datetime(timestamp).date() < date(YEAR_MIN - 1, 12, 31) {
        return Err(Some(if timestamp == Timestamp::UNIX_EPOCH {
            zero()
        } else {
            too_old()
        }));
    }
    Moment::parse_rfc3339(&timestamp.to_string()).map_err(|_| None)
}

/// A text that begins with year, month and day, of which no calendar has the day, says so.
fn why_unreadable(text: &str, style: &DateStyle) -> Problem {
    let mut numbers = text.split(|character: char| !character.is_ascii_digit());
    let mut next = |lengths: std::ops::RangeInclusive<usize>| {
        let digits = numbers
            .next()
            .filter(|digits| lengths.contains(&digits.len()))?;
        digits.parse::<i16>().ok()
    };
    let (Some(year), Some(month), Some(day)) = (next(4..=4), next(1..=2), next(1..=2)) else {
        return style.unreadable();
    };
    let small = |number: i16| i8::try_from(number).unwrap_or(i8::MAX);
    match Date::new(year, small(month), small(day)) {
        Ok(_) => style.unreadable(),
        Err(_) => does_not_exist(),
    }
}

/// What programs write for no time at all: all zeros, the first day of a calendar or the one before it, Unix time 0.
fn is_zero(text: &str) -> bool {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let only_zeros = digits.len() >= 6 && digits.bytes().all(|byte| byte == b'0');
    let first_days = [
        "00010101", "18991230", "18991231", "19000100", "190010", "19700101",
    ];
    let rest_is_zero = |day: &str| {
        let rest = digits.strip_prefix(day);
        rest.is_some_and(|rest| rest.bytes().all(|byte| byte == b'0'))
    };
    only_zeros || first_days.iter().any(|day| rest_is_zero(day))
}

fn does_not_exist() -> Problem {
    Problem::of(
        "DATE_DOES_NOT_EXIST",
        "日期不存在",
        "the date does not exist",
    )
}

fn zero() -> Problem {
    Problem::of(
        "TIME_ZERO",
        "是程序在没有时间时写的零值，请填写实际时间",
        "what a program writes where there is no time; enter the time itself",
    )
}

fn too_old() -> Problem {
    Problem::of(
        "TIME_TOO_OLD",
        "时间过早，不得早于 1990-01-01",
        "the time is too old; it lies before 1990-01-01",
    )
}
