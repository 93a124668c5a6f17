//! Which days and hours are working time in one place.
//!
//! Source of the days: the yearly notices of the State Council in the JSON shape
//! `{"years":{"2023":{"days":[{"name","date","isOffDay"}]}}}`. A listed day with `isOffDay` true is
//! off, false is a make-up working day; every other day follows the weekend. The list of a year may
//! also move December days of the year before.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, Weekday};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::moment::{Moment, offset_of};

/// Minutes in a day.
pub(super) const DAY_MINUTES: u16 = 1440;
/// Milliseconds in a minute.
pub(super) const MINUTE_MS: i64 = 60_000;
/// Milliseconds in a day of a fixed offset.
pub(super) const DAY_MS: i64 = 86_400_000;
/// From this December day on, the next year's list may move a day: the notice for 2019 reached back to
/// 29 December, that for 2023 to the 31st; a margin of one day is added.
const YEAR_END_OPEN_FROM: i8 = 28;

/// From this month on, the next year's list is missed: due times begin to reach into it, and the notice is out by November.
const NEXT_LIST_FROM_MONTH: i8 = 10;

/// Why a calendar was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CalendarError {
    /// The text is not JSON of the expected shape; line and column count from 1.
    #[error("the calendar is not of the expected shape, line {line}, column {column}")]
    NotReadable {
        /// Line of the first thing that does not fit.
        line: usize,
        /// Column in it.
        column: usize,
    },
    /// The key of a list is not a year between 1949 and 9998.
    #[error("{key:?} is not a year")]
    NotAYear {
        /// The key as written.
        key: String,
    },
    /// A list without days: read as "no holidays", it would be a silent weekend rule.
    #[error("the list of {year} names no day")]
    YearEmpty {
        /// The year of the list.
        year: i16,
    },
    /// A date that does not exist or is not written `YYYY-MM-DD`.
    #[error("{date:?} in the list of {year} is not a date")]
    NotADate {
        /// The year of the list.
        year: i16,
        /// The date as written.
        date: String,
    },
    /// A date that is neither in the list's year nor in the December before it.
    #[error("{date} does not belong into the list of {year}")]
    ForeignDate {
        /// The year of the list.
        year: i16,
        /// The date.
        date: Date,
    },
    /// One list calls one date both off and working.
    #[error("the list of {year} says two things of {date}")]
    Contradiction {
        /// The year of the list.
        year: i16,
        /// The date.
        date: Date,
    },
    /// Working hours are empty, out of order, overlapping, or beyond the day.
    #[error("working hours must be intervals in order that do not overlap, within 00:00 to 24:00")]
    WorkingHours,
    /// The offset from UTC is beyond 18 hours.
    #[error("an offset of {offset_minutes} minutes from UTC is out of range")]
    Offset {
        /// The offset as given.
        offset_minutes: i32,
    },
}

impl CalendarError {
    /// The line it is about, from 1; 0 where it is about the whole text.
    #[must_use]
    pub fn line(&self) -> u64 {
        match self {
            Self::NotReadable { line, .. } => u64::try_from(*line).unwrap_or(u64::MAX),
            Self::NotAYear { .. }
            | Self::YearEmpty { .. }
            | Self::NotADate { .. }
            | Self::ForeignDate { .. }
            | Self::Contradiction { .. }
            | Self::WorkingHours
            | Self::Offset { .. } => 0,
        }
    }

    /// What is wrong, in Chinese.
    #[must_use]
    pub fn chinese(&self) -> String {
        match self {
            Self::NotReadable { line, column } => {
                format!("第{line}行第{column}列起不合规定格式")
            }
            Self::NotAYear { key } => format!("“{key}”不是年份"),
            Self::YearEmpty { year } => format!("{year}年放假安排中没有日期"),
            Self::NotADate { year, date } => format!("{year}年放假安排中的“{date}”不是日期"),
            Self::ForeignDate { year, date } => format!("{date}不属于{year}年放假安排"),
            Self::Contradiction { year, date } => {
                format!("{year}年放假安排对{date}的说法前后矛盾")
            }
            Self::WorkingHours => "工作时间须按先后排列、互不重叠，在0时至24时之间".to_owned(),
            Self::Offset { offset_minutes } => format!("时区偏移{offset_minutes}分钟超出范围"),
        }
    }
}

/// One interval of working hours: minutes after local midnight, the end not included; 1440 is midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkingHours {
    /// First working minute of the interval, 0 to 1439.
    pub from_minute: u16,
    /// First minute after it, 1 to 1440.
    pub until_minute: u16,
}

/// The local clock of a place: a fixed offset and its working hours.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct LocalTime {
    /// Minutes east of UTC; China is 480.
    pub offset_minutes: i32,
    /// Intervals in order, not overlapping, at least one.
    pub hours: Vec<WorkingHours>,
}

impl LocalTime {
    /// China: +08:00, 08:30 to 12:00 and 13:30 to 17:30.
    #[must_use]
    pub fn china() -> Self {
        let morning = WorkingHours {
            from_minute: 510,
            until_minute: 720,
        };
        let afternoon = WorkingHours {
            from_minute: 810,
            until_minute: 1050,
        };
        Self {
            offset_minutes: 480,
            hours: vec![morning, afternoon],
        }
    }

    pub(crate) fn check(&self) -> Result<(), CalendarError> {
        if self.offset_minutes.abs() > 18 * 60 {
            return Err(CalendarError::Offset {
                offset_minutes: self.offset_minutes,
            });
        }
        let mut free_from = 0;
        for interval in &self.hours {
            let in_order =
                free_from <= interval.from_minute && interval.from_minute < interval.until_minute;
            if !in_order || interval.until_minute > DAY_MINUTES {
                return Err(CalendarError::WorkingHours);
            }
            free_from = interval.until_minute;
        }
        if self.hours.is_empty() {
            Err(CalendarError::WorkingHours)
        } else {
            Ok(())
        }
    }
}

/// Whether a day is worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DayKind {
    /// A working day, make-up days included.
    Working,
    /// A day off.
    Off,
}

/// Something a due time rests on that is not known; shown wherever that due time is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Warning {
    /// The list of this year is missing; days it may name were taken by the weekend alone.
    CalendarYearMissing {
        /// The year whose list is missing.
        year: i16,
    },
}

impl Warning {
    /// The year whose list is missing.
    #[must_use]
    pub fn year(self) -> u32 {
        match self {
            Self::CalendarYearMissing { year } => u32::try_from(year).unwrap_or_default(),
        }
    }

    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::CalendarYearMissing { .. } => "CALENDAR_YEAR_MISSING",
        }
    }

    /// What a clerk reads in Chinese.
    #[must_use]
    pub fn message_zh(self) -> String {
        match self {
            Self::CalendarYearMissing { year } => {
                format!("日历缺少{year}年放假安排，期限暂按周末推算，导入后请核对")
            }
        }
    }

    /// What a clerk reads in English.
    #[must_use]
    pub fn message_en(self) -> String {
        match self {
            Self::CalendarYearMissing { year } => {
                format!(
                    "the calendar has no list of days off for {year}: the due time assumes plain weekends"
                )
            }
        }
    }
}

/// What the calendar says of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Working {
    /// Known to be a working day.
    Day,
    /// Known to be off.
    Off,
    /// Not known: what the weekend alone would say, and why that is not enough.
    Unknown {
        /// What the weekend alone says.
        by_weekend: DayKind,
        /// What is missing.
        warning: Warning,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    name: String,
    kind: DayKind,
}

/// The working calendar of one place at one version.
///
/// Equal calendars give equal due times; [`Calendar::fingerprint`] lets two tiers see that equal
/// version numbers really mean equal calendars.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Calendar {
    version: u64,
    local: LocalTime,
    lists: BTreeMap<i16, BTreeMap<Date, Listed>>,
    /// All lists as one; where two name one date, the later year's stands.
    days: BTreeMap<Date, Listed>,
}

#[derive(Deserialize)]
struct WrittenCalendar {
    years: BTreeMap<String, WrittenYear>,
}

#[derive(Deserialize)]
struct WrittenYear {
    days: Vec<WrittenDay>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenDay {
    name: String,
    date: String,
    is_off_day: bool,
}

impl Calendar {
    /// A calendar that knows no year.
    ///
    /// # Errors
    /// `WorkingHours`, `Offset`.
    pub fn unknown(version: u64, local: LocalTime) -> Result<Self, CalendarError> {
        local.check()?;
        Ok(Self {
            version,
            local,
            lists: BTreeMap::new(),
            days: BTreeMap::new(),
        })
    }

    /// Reads the lists of some years at once; where two lists name one date, the later year's stands.
    ///
    /// # Errors
    /// Every [`CalendarError`]; nothing is taken over from a refused text.
    pub fn parse(json: &str, version: u64, local: LocalTime) -> Result<Self, CalendarError> {
        Self::unknown(version, local)?.with_lists(json)
    }

    /// The same with the lists of further years; a year that it holds already is replaced whole.
    ///
    /// # Errors
    /// Every [`CalendarError`] of a text.
    pub fn with_lists(mut self, json: &str) -> Result<Self, CalendarError> {
        let written: WrittenCalendar =
            serde_json::from_str(json).map_err(|error| CalendarError::NotReadable {
                line: error.line(),
                column: error.column(),
            })?;
        for (key, list) in written.years {
            let year = year_of(&key)?;
            self.lists.insert(year, days_of(year, list.days)?);
        }
        self.days = self.lists.values().flatten().map(cloned).collect();
        Ok(self)
    }

    /// The same under a version.
    #[must_use]
    pub(crate) fn at_version(self, version: u64) -> Self {
        Self { version, ..self }
    }

    /// The version this calendar was issued under.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The local clock it counts by.
    #[must_use]
    pub fn local(&self) -> &LocalTime {
        &self.local
    }

    /// The years whose lists it holds.
    #[must_use]
    pub fn years(&self) -> BTreeSet<i16> {
        self.lists.keys().copied().collect()
    }

    /// The days that the list of a year names: off or made up, with their names.
    pub fn listed(&self, year: i16) -> impl Iterator<Item = (Date, DayKind, &str)> {
        let list = self.lists.get(&year).into_iter().flatten();
        list.map(|(date, listed)| (*date, listed.kind, listed.name.as_str()))
    }

    /// SHA-256 over everything that a due time depends on; the version and the names of days are not part of it.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(b"fengqiao/calendar/1\0");
        hash.update(self.local.offset_minutes.to_be_bytes());
        hash.update([u8::try_from(self.local.hours.len()).unwrap_or(u8::MAX)]);
        for interval in &self.local.hours {
            hash.update(interval.from_minute.to_be_bytes());
            hash.update(interval.until_minute.to_be_bytes());
        }
        for year in self.lists.keys() {
            hash.update(b"y");
            hash.update(year.to_be_bytes());
        }
        for (date, listed) in &self.days {
            hash.update(if listed.kind == DayKind::Working {
                b"w"
            } else {
                b"o"
            });
            hash.update(date.to_string());
        }
        hash.finalize().into()
    }

    /// Whether a local date is worked.
    #[must_use]
    pub fn is_working_day(&self, date: Date) -> Working {
        if let Some(listed) = self.days.get(&date) {
            return match listed.kind {
                DayKind::Working => Working::Day,
                DayKind::Off => Working::Off,
            };
        }
        let by_weekend = match date.weekday() {
            Weekday::Saturday | Weekday::Sunday => DayKind::Off,
            Weekday::Monday
            | Weekday::Tuesday
            | Weekday::Wednesday
            | Weekday::Thursday
            | Weekday::Friday => DayKind::Working,
        };
        match (self.missing_list(date), by_weekend) {
            (Some(year), _) => Working::Unknown {
                by_weekend,
                warning: Warning::CalendarYearMissing { year },
            },
            (None, DayKind::Working) => Working::Day,
            (None, DayKind::Off) => Working::Off,
        }
    }

    /// The name of the holiday a date belongs to, as a day off or as its make-up day.
    #[must_use]
    pub fn holiday_name(&self, date: Date) -> Option<&str> {
        self.days.get(&date).map(|listed| listed.name.as_str())
    }

    /// The local date of a moment, or nothing outside the years -9999 to 9999.
    #[must_use]
    pub fn date_of(&self, moment: Moment) -> Option<Date> {
        let offset = offset_of(self.local.offset_minutes).ok()?;
        Some(offset.to_datetime(moment.timestamp().ok()?).date())
    }

    /// Local midnight at the start of a date, or nothing outside the years -9999 to 9999.
    #[must_use]
    pub fn start_of(&self, date: Date) -> Option<Moment> {
        let offset = offset_of(self.local.offset_minutes).ok()?;
        offset
            .to_timestamp(date.at(0, 0, 0, 0))
            .ok()
            .map(Moment::from_timestamp)
    }

    /// The last millisecond of a local date.
    #[must_use]
    pub fn close_of(&self, date: Date) -> Option<Moment> {
        self.start_of(date)?.checked_add_ms(DAY_MS - 1)
    }

    /// The start of the first working day after the day of a moment, with what is not known about the days passed over.
    pub(crate) fn working_day_after(&self, moment: Moment) -> Option<(Moment, Vec<Warning>)> {
        let mut date = self.date_of(moment)?;
        let mut warnings = Vec::new();
        for _ in 0..super::SPAN_DAYS_MAX {
            date = date.tomorrow().ok()?;
            let kind = match self.is_working_day(date) {
                Working::Day => DayKind::Working,
                Working::Off => DayKind::Off,
                Working::Unknown {
                    by_weekend,
                    warning,
                } => {
                    warnings.push(warning);
                    by_weekend
                }
            };
            if kind == DayKind::Working {
                return Some((self.start_of(date)?, warnings));
            }
        }
        None
    }

    /// What is missing now: the list of this year, or, from October on, that of the next.
    #[must_use]
    pub fn warning_at(&self, now: Moment) -> Option<Warning> {
        let today = self.date_of(now)?;
        let this = today.year();
        let next = (today.month() >= NEXT_LIST_FROM_MONTH).then_some(this + 1);
        let mut wanted = [Some(this), next].into_iter().flatten();
        let year = wanted.find(|year| !self.lists.contains_key(year))?;
        Some(Warning::CalendarYearMissing { year })
    }

    fn missing_list(&self, date: Date) -> Option<i16> {
        let year = date.year();
        if !self.lists.contains_key(&year) {
            return Some(year);
        }
        let next = year.checked_add(1)?;
        let open = date.month() == 12
            && date.day() >= YEAR_END_OPEN_FROM
            && !self.lists.contains_key(&next);
        open.then_some(next)
    }
}

fn cloned((date, listed): (&Date, &Listed)) -> (Date, Listed) {
    (*date, listed.clone())
}

fn year_of(key: &str) -> Result<i16, CalendarError> {
    let year = key
        .parse()
        .ok()
        .filter(|year| (1949..=9998).contains(year) && key.len() == 4);
    year.ok_or_else(|| CalendarError::NotAYear {
        key: key.to_owned(),
    })
}

fn days_of(year: i16, list: Vec<WrittenDay>) -> Result<BTreeMap<Date, Listed>, CalendarError> {
    if list.is_empty() {
        return Err(CalendarError::YearEmpty { year });
    }
    let mut days: BTreeMap<Date, Listed> = BTreeMap::new();
    for WrittenDay {
        name,
        date: text,
        is_off_day,
    } in list
    {
        let parsed = text
            .parse()
            .ok()
            .filter(|_| text.len() == "YYYY-MM-DD".len());
        let date: Date = parsed.ok_or(CalendarError::NotADate { year, date: text })?;
        let of_december_before = date.month() == 12 && date.year() == year - 1;
        if date.year() != year && !of_december_before {
            return Err(CalendarError::ForeignDate { year, date });
        }
        let kind = if is_off_day {
            DayKind::Off
        } else {
            DayKind::Working
        };
        if days.get(&date).is_some_and(|known| known.kind != kind) {
            return Err(CalendarError::Contradiction { year, date });
        }
        days.insert(date, Listed { name, kind });
    }
    Ok(days)
}
