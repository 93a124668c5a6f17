//! The rulebook: classes of requests, how low each may go, which clocks run and how long, how often a case may come
//! back, which days are worked.
//!
//! Read from three files that people write (`rules.toml`, `classes.csv`, `calendar.json`). An entry names the version it
//! was judged by, and nobody judges it again (PROTOCOL.md 6). A due time is written with all that a lamp needs
//! ([`pb::Due`]), so that no reader of an entry asks a rulebook, which may be another one by then.

mod bundle;
mod class;
mod definition;
mod diff;
mod finding;
mod limit;
mod problem;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fengqiao_proto::v1 as pb;

pub use bundle::{
    BUNDLE_BYTES_MAX, Bundle, BundleRefused, PassedOver, Rulebooks, Versions, in_parts, issued_in,
    versions_of,
};
pub use class::{CLASSES_MAX, Class};
pub use diff::{Change, changes};
pub use limit::{Kind, Limit, Preset, Red, Step, urgency_word};
pub use problem::{Part, Problem, Unsound};
pub use rules::Grant;

use crate::clock::{self, Calendar, Moment, Span, Warning};
use crate::refusal::{Code, Refusal};
use bundle::{Folding, Layer};
use rules::{DEFAULT, Rules};

/// Where no rule names an amber lead, this share of the time before a due time is amber: one part in so many.
const AMBER_SHARE: i64 = 5;
/// The most of it.
const AMBER_MS_MAX: i64 = 86_400_000;

/// What a due time says of its rule where a person set it.
const BY_HAND: &str = "set by hand";

/// The texts a rulebook is read from.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// Presets, working hours, unit kinds: TOML.
    pub rules: &'a str,
    /// Classes: CSV with a header.
    pub classes: &'a str,
    /// Days off by year: JSON, see [`Calendar`].
    pub calendar: &'a str,
}

/// What is in force for one place at one version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rulebook {
    /// Version of the rules of each place on the way, from the top down.
    pub versions: Versions,
    rules: Arc<Rules>,
    classes: Arc<BTreeMap<String, Class>>,
    calendar: Arc<Calendar>,
    /// Classes that a place below the top added or changed.
    own_below: Arc<BTreeSet<String>>,
    passed_over: Arc<Vec<PassedOver>>,
}

impl Rulebook {
    /// Reads the whole rulebook of one place.
    ///
    /// # Errors
    /// Everything that is wrong with the texts, by file and line.
    pub fn read(sources: &Sources<'_>, calendar_version: u64) -> Result<Self, Unsound> {
        let layer = Layer {
            rules: Some(sources.rules),
            classes: Some(sources.classes),
            lists: vec![sources.calendar],
            listed: calendar_version,
        };
        let folding = Folding::base(&layer).map_err(Unsound)?;
        Ok(folding.book(Versions::new()))
    }

    /// What an entry says it was judged by.
    #[must_use]
    pub fn judged_by(&self) -> Option<pb::JudgedBy> {
        let versions = self.versions.iter();
        let versions: Vec<_> = versions
            .map(|(place, sequence)| pb::RulebookVersion {
                place: place.to_vec(),
                sequence: *sequence,
            })
            .collect();
        (!versions.is_empty()).then_some(pb::JudgedBy {
            versions,
            class: None,
        })
    }

    /// The version for people: the number of each place's rules, from the top down, as 3 or 3.1; empty where there is
    /// none.
    #[must_use]
    pub fn version_text(&self) -> String {
        let versions = self.versions.iter();
        let numbers: Vec<String> = versions.map(|(_, number)| number.to_string()).collect();
        numbers.join(".")
    }

    /// The definition that goes along with a case of a class which the top did not issue.
    #[must_use]
    pub fn definition(&self, class: &str) -> Option<pb::ClassDefinition> {
        let class = self.classes.get(class)?;
        let below = self.own_below.contains(&class.id);
        below.then(|| definition::of_class(class))
    }

    /// Whether a class that came with a case is taken for what it says: one that is not known here; and one that is
    /// known otherwise, where the rules let a place below change it and that place's are not all here.
    fn takes(&self, class: &Class, all_known: bool) -> bool {
        match self.classes.get(&class.id) {
            None => true,
            Some(_) => !all_known && self.rules.below.contains(&Grant::ClassLimits),
        }
    }

    /// The same with a class that came with a case. It goes no deeper than the class it belongs to.
    fn keeping(&self, class: Class) -> Self {
        let parent = self.classes.get(&class.parent);
        let lowest = parent.map_or(class.level_lowest, |parent| parent.level_lowest);
        let class = Class {
            level_lowest: class.level_lowest.min(lowest),
            ..class
        };
        let (mut classes, mut below) = ((*self.classes).clone(), (*self.own_below).clone());
        below.insert(class.id.clone());
        classes.insert(class.id.clone(), class);
        Self {
            classes: Arc::new(classes),
            own_below: Arc::new(below),
            ..self.clone()
        }
    }

    /// What places on the way issued and the rules above do not allow, or what no longer fits them.
    #[must_use]
    pub fn passed_over(&self) -> &[PassedOver] {
        &self.passed_over
    }

    /// Whether it says anything: not before the first bundle has come.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// Judges the change of a case's class: the class it is to be of from now on.
    ///
    /// # Errors
    /// As [`Self::case_class`], and `CLASS_UNCHANGED`.
    pub fn reclassified(&self, from: &str, to: &str) -> Result<&Class, Refusal> {
        if from == to {
            return Err(Refusal::of(Code::ClassUnchanged, "class"));
        }
        self.case_class(to)
    }

    /// A class by its id.
    ///
    /// # Errors
    /// `CLASS_UNKNOWN`, `RULEBOOK_AWAITED` before the first bundle has come.
    pub fn class(&self, id: &str) -> Result<&Class, Refusal> {
        if self.is_empty() {
            return Err(Refusal::of(Code::RulebookAwaited, "class"));
        }
        self.classes.get(id).ok_or_else(|| {
            Refusal::of(Code::ClassUnknown, "class")
                .because(id.chars().take(64).collect::<String>())
        })
    }

    /// A class that a case may be of, by its id or name: one to which no other belongs.
    ///
    /// # Errors
    /// Those of [`Self::class_called`]; `CLASS_TOO_BROAD` with the classes to choose from.
    pub fn case_class(&self, called: &str) -> Result<&Class, Refusal> {
        let class = self.class_called(called)?;
        if !class.is_group {
            return Ok(class);
        }
        let members = self
            .classes
            .values()
            .filter(|member| member.parent == class.id);
        let members: Vec<&str> = members.map(|member| member.id.as_str()).collect();
        Err(Refusal::of(Code::ClassTooBroad, "class").because(members.join(" | ")))
    }

    /// All classes, by id.
    pub fn classes(&self) -> impl Iterator<Item = &Class> {
        self.classes.values()
    }

    /// All presets, by name.
    pub fn presets(&self) -> impl Iterator<Item = &Preset> {
        self.rules.presets.values().map(AsRef::as_ref)
    }

    /// Kinds of unit that may lead, each with its Chinese name.
    #[must_use]
    pub fn unit_kinds(&self) -> &BTreeMap<String, String> {
        &self.rules.unit_kinds
    }

    /// The working calendar.
    #[must_use]
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// What is to be said of the calendar now: the list of this year is missing, or, from October on, that of the next.
    #[must_use]
    pub fn calendar_warning(&self, now: Moment) -> Option<Warning> {
        let warning = self.calendar.warning_at(now);
        warning.filter(|_| !self.is_empty())
    }

    /// Until when a centre accepts or declines what was registered at `start`.
    ///
    /// # Errors
    /// As [`Self::due`].
    pub fn accept_due(
        &self,
        class: &str,
        urgency: pb::Urgency,
        start: Moment,
    ) -> Result<pb::Due, Refusal> {
        self.due(Step::Accept, class, urgency, start)
    }

    /// Until when what was accepted or taken at `start` is handed over to who handles it.
    ///
    /// # Errors
    /// As [`Self::due`].
    pub fn hand_over_due(
        &self,
        class: &str,
        urgency: pb::Urgency,
        start: Moment,
    ) -> Result<pb::Due, Refusal> {
        self.due(Step::HandOver, class, urgency, start)
    }

    /// Until when what is dispatched at `start` is replied to.
    ///
    /// # Errors
    /// As [`Self::due`].
    pub fn handling_due(
        &self,
        class: &str,
        urgency: pb::Urgency,
        start: Moment,
    ) -> Result<pb::Due, Refusal> {
        self.due(Step::Handling, class, urgency, start)
    }

    /// Until when what is to be done again from `start` on is replied to; the clock is that of the handling.
    ///
    /// # Errors
    /// As [`Self::due`].
    pub fn redo_due(
        &self,
        class: &str,
        urgency: pb::Urgency,
        start: Moment,
    ) -> Result<pb::Due, Refusal> {
        let due = self.due(Step::Redo, class, urgency, start)?;
        let clock = Step::Handling.as_str().to_owned();
        Ok(pb::Due { clock, ..due })
    }

    /// Until when the requester is visited whose case was replied to at `start`.
    ///
    /// # Errors
    /// As [`Self::due`].
    pub fn visit_due(
        &self,
        class: &str,
        urgency: pb::Urgency,
        start: Moment,
    ) -> Result<pb::Due, Refusal> {
        self.due(Step::Visit, class, urgency, start)
    }

    /// Until when the parent answers an offer that is made at `start`.
    ///
    /// # Errors
    /// As [`Self::due`].
    pub fn answer_due(
        &self,
        class: &str,
        urgency: pb::Urgency,
        start: Moment,
    ) -> Result<pb::Due, Refusal> {
        self.due(Step::Answer, class, urgency, start)
    }

    /// Until when what does not stand and is held since `start` is adopted or declined.
    ///
    /// # Errors
    /// As [`Self::due`].
    pub fn annex_due(
        &self,
        class: &str,
        urgency: pb::Urgency,
        start: Moment,
    ) -> Result<pb::Due, Refusal> {
        self.due(Step::Annex, class, urgency, start)
    }

    /// Until when what was dispatched at `start` may still be returned; `None` where no rule limits it.
    ///
    /// # Errors
    /// As [`Self::due`], but for a step without a limit.
    pub fn return_due(
        &self,
        class: &str,
        urgency: pb::Urgency,
        start: Moment,
    ) -> Result<Option<pb::Due>, Refusal> {
        let limited = self
            .limit(Step::Return, self.class(class)?, urgency)
            .is_some();
        limited
            .then(|| self.due(Step::Return, class, urgency, start))
            .transpose()
    }

    /// The last due time that extensions together may give to a handling that began at `start`.
    ///
    /// # Errors
    /// As [`Self::due`], and `EXTENSION_NOT_ALLOWED` where the rule grants none.
    pub fn extension_max(
        &self,
        class: &str,
        urgency: pb::Urgency,
        start: Moment,
    ) -> Result<pb::Due, Refusal> {
        let step = Step::Handling;
        let class = self.class(class)?;
        let ruling = self.limit(step, class, urgency).ok_or_else(no_limit)?;
        let more = ruling
            .limit
            .extension_max
            .ok_or(Refusal::of(Code::ExtensionNotAllowed, "due_ms"))?;
        let first = clock::due(start, ruling.limit.within, &self.calendar).map_err(out_of_range)?;
        let last = clock::due(first.at, more, &self.calendar).map_err(out_of_range)?;
        let warnings: Vec<Warning> = first.warnings.into_iter().chain(last.warnings).collect();
        let rule = format!("{} + {more}", ruling.rule());
        let ends = Ends {
            start,
            at: last.at,
            warnings,
        };
        Ok(self.marked(step.as_str(), ends, &ruling.limit, class, rule))
    }

    /// The due time of a step of a case of a class that starts at `start`, with all it was computed from.
    ///
    /// What the class itself says of a step comes first, then its preset, then the preset `default`. What is overtaken
    /// or to be done again is handled as long as a request of its class, unless a rule says otherwise.
    ///
    /// # Errors
    /// `CLASS_UNKNOWN`, `NO_LIMIT` where no rule limits the step, `OUT_OF_RANGE` outside the calendar.
    pub fn due(
        &self,
        step: Step,
        class: &str,
        urgency: pb::Urgency,
        start: Moment,
    ) -> Result<pb::Due, Refusal> {
        let class = self.class(class)?;
        let ruling = self.limit(step, class, urgency).ok_or_else(no_limit)?;
        let end = clock::due(start, ruling.limit.within, &self.calendar).map_err(out_of_range)?;
        let ends = Ends {
            start,
            at: end.at,
            warnings: end.warnings,
        };
        Ok(self.marked(step.as_str(), ends, &ruling.limit, class, ruling.rule()))
    }

    /// The due time of a running clock once its case is of another class, from the clock's own start. One that was set by
    /// hand, or that another rule than the class's own gave, stays as it is.
    ///
    /// # Errors
    /// As [`Self::due`].
    pub fn due_reclassified(
        &self,
        due: &pb::Due,
        step: Step,
        (from, to): (&str, &str),
        urgency: pb::Urgency,
    ) -> Result<pb::Due, Refusal> {
        let start = Moment(due.start_ms);
        let was = self.due(step, from, urgency, start).ok();
        let given_by_class = was.is_none_or(|was| was.rule == due.rule) && due.rule != BY_HAND;
        if !given_by_class {
            return Ok(due.clone());
        }
        self.due(step, to, urgency, start)
    }

    /// A due time a person set, kept with its start. It may lie as far away as any may that is set by hand, or as the
    /// class's own limit with its longest extension.
    ///
    /// # Errors
    /// `DUE_BEFORE_START`, `DUE_TOO_LATE`, `CLASS_UNKNOWN`.
    pub fn set_due(
        &self,
        clock: &str,
        class: &str,
        urgency: pb::Urgency,
        start: Moment,
        due: Moment,
    ) -> Result<pb::Due, Refusal> {
        if due < start {
            return Err(Refusal::of(Code::DueBeforeStart, "due_ms"));
        }
        let furthest = self.by_hand_max(class, urgency, start)?;
        if due > furthest {
            return Err(Refusal::of(Code::DueTooLate, "due_ms").because(furthest.to_string()));
        }
        let class = self.class(class)?;
        let limit = Limit::of(Step::Handling, Span::days(0));
        let ends = Ends {
            start,
            at: due,
            warnings: Vec::new(),
        };
        Ok(self.marked(clock, ends, &limit, class, BY_HAND.to_owned()))
    }

    fn by_hand_max(
        &self,
        class: &str,
        urgency: pb::Urgency,
        start: Moment,
    ) -> Result<Moment, Refusal> {
        let by_hand =
            clock::due(start, self.rules.by_hand_max, &self.calendar).map_err(out_of_range)?;
        let ruled = self
            .extension_max(class, urgency, start)
            .or_else(|_| self.handling_due(class, urgency, start))?;
        Ok(by_hand.at.max(Moment(ruled.due_ms)))
    }

    /// Which limit holds for a step, and which rule says it.
    fn limit<'a>(
        &'a self,
        step: Step,
        class: &'a Class,
        urgency: pb::Urgency,
    ) -> Option<Ruling<'a>> {
        let own = match step {
            Step::Answer => class.answer_within,
            Step::Annex => class.annex_within,
            Step::Accept
            | Step::AnswerAtOnce
            | Step::HandOver
            | Step::Notify
            | Step::Handling
            | Step::Return
            | Step::Visit
            | Step::Redo
            | Step::ReviewRequest
            | Step::ReviewAnswer
            | Step::RecheckRequest
            | Step::RecheckAnswer
            | Step::Confirmation => None,
        };
        if let Some(span) = own {
            return Some(Ruling {
                source: "catalogue",
                limit: Limit::of(step, span),
            });
        }
        let said = |preset: &'a Preset, step: Step| {
            let limit = preset.limit(step, urgency, class.kind)?.clone();
            Some(Ruling {
                source: &preset.name,
                limit,
            })
        };
        let default = self.rules.presets.get(DEFAULT);
        // Who is asked gets as long as who may ask.
        let as_return = step == Step::Answer;
        let said = said(&class.preset, step)
            .or_else(|| {
                as_return
                    .then(|| said(&class.preset, Step::Return))
                    .flatten()
            })
            .or_else(|| said(default?, step));
        let as_handling = matches!(step, Step::Annex | Step::Redo);
        said.or_else(|| {
            as_handling
                .then(|| self.limit(Step::Handling, class, urgency))
                .flatten()
        })
    }

    fn marked(
        &self,
        clock: &str,
        ends: Ends,
        limit: &Limit,
        class: &Class,
        rule: String,
    ) -> pb::Due {
        let Ends {
            start,
            at,
            mut warnings,
        } = ends;
        let amber = match limit.amber_before {
            Some(before) => {
                let (amber, more) = clock::amber_from(at, before, &self.calendar);
                warnings.extend(more);
                amber
            }
            None => Moment(at.0 - ((at.0 - start.0) / AMBER_SHARE).min(AMBER_MS_MAX)),
        };
        let red = match limit.red {
            Red::AtOnce => None,
            Red::FirstLateWorkingDay => self.calendar.working_day_after(at).map(|(red, more)| {
                warnings.extend(more);
                red
            }),
        };
        let late = red.map_or(at, |red| Moment(red.0.saturating_sub(1)));
        let grace_ms = i64::from(class.grace_minutes) * 60_000;
        warnings.sort_unstable();
        pb::Due {
            due_ms: at.0,
            start_ms: start.0,
            clock: clock.to_owned(),
            rule,
            calendar_version: u32::try_from(self.calendar.version()).unwrap_or(u32::MAX),
            // 1 and not 0, which would be never, for a clock of nothing that starts at the epoch.
            amber_ms: amber.0.max(start.0).max(1),
            red_ms: red.map_or(0, |red| red.0),
            grace_ms: late.0.saturating_add(grace_ms),
            calendar_year_missing: warnings.first().map_or(0, |warning| warning.year()),
        }
    }
}

/// The instant after which a tier above may take a case whose clock this is for being late.
#[must_use]
pub fn grace_ends(due: &pb::Due) -> Moment {
    Moment(due.grace_ms.max(due.due_ms))
}

/// What a due time rests on that is not known.
#[must_use]
pub fn warning_of(due: &pb::Due) -> Option<Warning> {
    let year = i16::try_from(due.calendar_year_missing).ok();
    year.filter(|year| *year != 0)
        .map(|year| Warning::CalendarYearMissing { year })
}

struct Ruling<'a> {
    source: &'a str,
    limit: Limit,
}

impl Ruling<'_> {
    fn rule(&self) -> String {
        format!(
            "{} {} {}",
            self.source,
            self.limit.step.as_str(),
            self.limit.within
        )
    }
}

struct Ends {
    start: Moment,
    at: Moment,
    warnings: Vec<Warning>,
}

fn no_limit() -> Refusal {
    Refusal::of(Code::NoLimit, "due_ms")
}

fn out_of_range(_: clock::ClockError) -> Refusal {
    Refusal::of(Code::OutOfRange, "due_ms")
}

fn of_calendar(error: &clock::CalendarError) -> Problem {
    Problem::at(
        Part::Calendar,
        error.line(),
        "",
        error.to_string(),
        error.chinese(),
    )
}
