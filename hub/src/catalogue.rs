//! The dispatch catalogue: classes of requests, how low each may go, which clock runs, how often it may come back.
//!
//! Versioned; an entry names the version it was judged by, and nobody judges it again (PROTOCOL.md 6).

use std::collections::BTreeMap;

use fengqiao_proto::v1 as pb;

use crate::clock::{self, Calendar, ClockPreset, Contact, Lamp, Moment, Span, preset};
use crate::jurisdiction::level;
use crate::rank::Level;
use crate::refusal::{Code, Refusal};

/// One class.
#[derive(Debug, Clone)]
pub struct Class {
    /// Stable name.
    pub id: String,
    /// Class it belongs to, or empty.
    pub parent: String,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English.
    pub name_en: String,
    /// Deepest level a case of this class may be dispatched to.
    pub level_lowest: Level,
    /// Clock.
    pub preset: &'static ClockPreset,
    /// How long past its due time a case may stay before the tier above may take it, minutes.
    pub grace_minutes: u32,
    /// How often a case may be returned before a unit must be designated.
    pub returns_max: u32,
    /// How long the parent may take to answer an offer, where the catalogue says so.
    pub answer_within: Option<Span>,
    /// How long an annex entry may wait to be adopted or declined, where the catalogue says so.
    pub annex_within: Option<Span>,
}

/// Classes, clocks and calendar of one version.
#[derive(Debug, Clone)]
pub struct Catalogue {
    /// Version, from 1.
    pub version: u32,
    classes: BTreeMap<String, Class>,
    calendar: Calendar,
}

/// Why a catalogue file is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// A row or its header is not readable.
    #[error("catalogue line {line}: {problem}")]
    Row {
        /// Line of the file, from 1.
        line: u64,
        /// What is wrong.
        problem: String,
    },
    /// No class at all.
    #[error("the catalogue has no class")]
    Empty,
}

const COLUMNS: [&str; 9] = [
    "id",
    "parent",
    "name_zh",
    "name_en",
    "lead_unit_kind",
    "level_lowest",
    "clock_preset",
    "escalation_grace_minutes",
    "returns_max",
];

/// Columns that may be missing, and whose cells may be empty.
const COLUMNS_OPTIONAL: [&str; 2] = ["answer_within", "annex_within"];

/// How long a parent may take to answer an offer where no rule of the class says so.
const ANSWER_WITHIN: Span = Span::working_days(2);

impl Catalogue {
    /// Reads the CSV form: one row a class, the columns of `deploy/catalogue/classes.csv`.
    ///
    /// # Errors
    /// The line and what is wrong with it.
    pub fn parse(text: &str, version: u32, calendar: Calendar) -> Result<Self, CatalogueError> {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let headers = reader
            .headers()
            .map_err(|error| row_error(1, error.to_string()))?
            .clone();
        let columns = COLUMNS
            .iter()
            .map(|name| {
                headers
                    .iter()
                    .position(|header| header == *name)
                    .ok_or(*name)
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|name| row_error(1, format!("column {name} is missing")))?;
        let optional =
            COLUMNS_OPTIONAL.map(|name| headers.iter().position(|header| header == name));
        let mut classes = BTreeMap::new();
        for record in reader.records() {
            let record = record.map_err(|error| {
                row_error(
                    error.position().map_or(0, csv::Position::line),
                    error.to_string(),
                )
            })?;
            let line = record.position().map_or(0, csv::Position::line);
            let cell = |index: usize| record.get(columns[index]).unwrap_or_default().trim();
            let more = |index: usize| {
                let cell = optional[index].and_then(|column| record.get(column));
                cell.unwrap_or_default().trim()
            };
            let class = read_class(cell, more).map_err(|problem| row_error(line, problem))?;
            if classes.insert(class.id.clone(), class).is_some() {
                return Err(row_error(line, "class stands twice".to_owned()));
            }
        }
        if classes.is_empty() {
            return Err(CatalogueError::Empty);
        }
        Ok(Self {
            version,
            classes,
            calendar,
        })
    }

    /// A class by its name.
    ///
    /// # Errors
    /// `CLASS_UNKNOWN`.
    pub fn class(&self, id: &str) -> Result<&Class, Refusal> {
        self.classes.get(id).ok_or_else(|| {
            Refusal::of(Code::ClassUnknown, "class")
                .because(id.chars().take(64).collect::<String>())
        })
    }

    /// All classes, by name.
    pub fn classes(&self) -> impl Iterator<Item = &Class> {
        self.classes.values()
    }

    /// The working calendar.
    #[must_use]
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// The due time of the handling clock of a class that starts now, with all it was computed from.
    ///
    /// # Errors
    /// `CLASS_UNKNOWN`, or `OUT_OF_RANGE` when the start lies outside the calendar.
    pub fn handling_due(
        &self,
        class: &str,
        _urgency: pb::Urgency,
        start: Moment,
    ) -> Result<pb::Due, Refusal> {
        let preset = self.class(class)?.preset;
        let stage = preset
            .stage(preset.dispatch_stage)
            .map_err(|_| Refusal::of(Code::OutOfRange, "due_ms"))?;
        let rule = format!("{} {} {}", preset.name, stage.name, stage.span);
        self.due("handling", start, stage.span, rule)
    }

    /// Until when the parent answers an offer of a case of a class that is made now. The catalogue may say so for the
    /// class. Where it does not, who is asked gets as long as who may ask: the preset's limit for a return, or that of
    /// `shandong-2020`, the one rule that names a time for what goes from a lower centre to the one above.
    ///
    /// # Errors
    /// `CLASS_UNKNOWN`, or `OUT_OF_RANGE` when the start lies outside the calendar.
    pub fn answer_due(&self, class: &str, start: Moment) -> Result<pb::Due, Refusal> {
        let class = self.class(class)?;
        let (span, rule) = match (class.answer_within, class.preset.return_within) {
            (Some(span), _) => (span, "catalogue answer_within"),
            (None, Some(span)) => (span, class.preset.name),
            (None, None) => (ANSWER_WITHIN, "shandong-2020"),
        };
        self.due("answer", start, span, format!("{rule} {span}"))
    }

    /// Until when what does not stand is adopted or declined once it is held. The catalogue may say so for the class;
    /// else it is handled as long as a request of its class: nobody knew of it before.
    ///
    /// # Errors
    /// `CLASS_UNKNOWN`, or `OUT_OF_RANGE` when the start lies outside the calendar.
    pub fn annex_due(&self, class: &str, start: Moment) -> Result<pb::Due, Refusal> {
        match self.class(class)?.annex_within {
            Some(span) => self.due(
                "annex",
                start,
                span,
                format!("catalogue annex_within {span}"),
            ),
            None => {
                let clock = "annex".to_owned();
                let handling = self.handling_due(class, pb::Urgency::Ordinary, start)?;
                Ok(pb::Due { clock, ..handling })
            }
        }
    }

    /// Until when a request is accepted.
    ///
    /// # Errors
    /// `CLASS_UNKNOWN`, `OUT_OF_RANGE`.
    pub fn accept_due(
        &self,
        class: &str,
        _urgency: pb::Urgency,
        start: Moment,
    ) -> Result<pb::Due, Refusal> {
        self.class(class)?;
        self.due("accept", start, Span::hours(24), "accept 24 h".to_owned())
    }

    /// Until when a case is handed to who handles it.
    ///
    /// # Errors
    /// `CLASS_UNKNOWN`, `OUT_OF_RANGE`.
    pub fn hand_over_due(
        &self,
        class: &str,
        _urgency: pb::Urgency,
        start: Moment,
    ) -> Result<pb::Due, Refusal> {
        self.class(class)?;
        self.due(
            "hand-over",
            start,
            Span::working_days(1),
            "hand-over 1 wd".to_owned(),
        )
    }

    /// Until when the requester is visited.
    ///
    /// # Errors
    /// `CLASS_UNKNOWN`, `OUT_OF_RANGE`.
    pub fn visit_due(
        &self,
        class: &str,
        _urgency: pb::Urgency,
        start: Moment,
    ) -> Result<pb::Due, Refusal> {
        self.class(class)?;
        self.due(
            "visit",
            start,
            Span::working_days(5),
            "visit 5 wd".to_owned(),
        )
    }

    /// The latest due time that may be set by hand for the handling.
    ///
    /// # Errors
    /// `CLASS_UNKNOWN`, `OUT_OF_RANGE`.
    pub fn handling_due_max(
        &self,
        class: &str,
        urgency: pb::Urgency,
        start: Moment,
    ) -> Result<pb::Due, Refusal> {
        self.handling_due(class, urgency, start)
    }

    /// The latest due time of a convened task.
    #[must_use]
    pub fn task_due_max(&self, start: Moment) -> Moment {
        Moment(start.0.saturating_add(366 * 86_400_000))
    }

    fn due(
        &self,
        clock: &str,
        start: Moment,
        span: Span,
        rule: String,
    ) -> Result<pb::Due, Refusal> {
        let due = clock::due(start, span, &self.calendar)
            .map_err(|_| Refusal::of(Code::OutOfRange, "due_ms"))?;
        Ok(pb::Due {
            due_ms: due.at.0,
            start_ms: start.0,
            clock: clock.to_owned(),
            rule,
            calendar_version: u32::try_from(self.calendar.version()).unwrap_or(u32::MAX),
        })
    }

    /// A due time a person set, kept with its start.
    ///
    /// # Errors
    /// `DUE_BEFORE_START`.
    pub fn set_due(&self, clock: &str, start: Moment, due: Moment) -> Result<pb::Due, Refusal> {
        if due < start {
            return Err(Refusal::of(Code::DueBeforeStart, "due_ms"));
        }
        Ok(pb::Due {
            due_ms: due.0,
            start_ms: start.0,
            clock: clock.to_owned(),
            rule: "set by hand".to_owned(),
            calendar_version: u32::try_from(self.calendar.version()).unwrap_or(u32::MAX),
        })
    }

    /// The lamp of a due time now.
    #[must_use]
    pub fn lamp(&self, class: &str, due: Moment, now: Moment, contact: Contact) -> Lamp {
        let amber = self
            .classes
            .get(class)
            .and_then(|class| class.preset.stage(class.preset.dispatch_stage).ok())
            .map_or(Span::hours(24), |stage| stage.amber_before);
        clock::lamp(due, amber, now, contact, &self.calendar)
    }

    /// The instant from which the tier above may take an overdue case.
    #[must_use]
    pub fn grace_ends(&self, class: &str, due: Moment) -> Moment {
        let minutes = self
            .classes
            .get(class)
            .map_or(0, |class| class.grace_minutes);
        Moment(due.0.saturating_add(i64::from(minutes) * 60_000))
    }

    /// Whether a return within the class's limit is still possible; a class without a limit always allows it.
    #[must_use]
    pub fn may_return_until(&self, class: &str, dispatched: Moment) -> Option<Moment> {
        let span = self.classes.get(class)?.preset.return_within?;
        clock::due(dispatched, span, &self.calendar)
            .ok()
            .map(|due| due.at)
    }
}

fn row_error(line: u64, problem: String) -> CatalogueError {
    CatalogueError::Row { line, problem }
}

fn read_class<'a>(
    cell: impl Fn(usize) -> &'a str,
    more: impl Fn(usize) -> &'a str,
) -> Result<Class, String> {
    let span = |index: usize| match more(index) {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|error: clock::SpanError| format!("{}: {error}", COLUMNS_OPTIONAL[index])),
    };
    let number = |index: usize| {
        cell(index)
            .parse::<u32>()
            .map_err(|_| format!("{} is not a number", COLUMNS[index]))
    };
    let id = cell(0);
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if id.is_empty() || id.len() > 64 || !id.bytes().all(plain) {
        return Err("id is 1 to 64 of a-z, 0-9 and hyphen".to_owned());
    }
    let level_lowest = number(5)?;
    if !(level::PROVINCE..=level::VILLAGE).contains(&level_lowest) {
        return Err("level_lowest is 20 to 60".to_owned());
    }
    Ok(Class {
        id: id.to_owned(),
        parent: cell(1).to_owned(),
        name_zh: cell(2).to_owned(),
        name_en: cell(3).to_owned(),
        level_lowest,
        preset: preset(cell(6)).map_err(|error| error.to_string())?,
        grace_minutes: number(7)?,
        returns_max: number(8)?,
        answer_within: span(0)?,
        annex_within: span(1)?,
    })
}
