//! What changes from one rulebook to another, in words, for whoever is to issue it.

use std::collections::{BTreeMap, BTreeSet};

use super::Rulebook;
use super::class::Class;
use super::limit::{Limit, Preset, urgency_word};
use super::problem::Part;
use crate::clock::{Calendar, DayKind, LocalTime, Span};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// File it is of.
    pub part: Part,
    /// What it is about: the name of a class, preset or year, or of a section.
    pub of: String,
    /// In English.
    pub english: String,
    /// In Chinese.
    pub chinese: String,
}

/// Everything that differs, in the order of the files and of names.
#[must_use]
pub fn changes(before: &Rulebook, after: &Rulebook) -> Vec<Change> {
    let mut found = Vec::new();
    let (old, new) = (&before.rules, &after.rules);
    if !before.is_empty() && old.local != new.local {
        found.push(change(
            Part::Rules,
            "local",
            (&hours(&old.local), &hours(&new.local)),
        ));
    }
    if !before.is_empty() && old.by_hand_max != new.by_hand_max {
        let spans = (&old.by_hand_max.to_string(), &new.by_hand_max.to_string());
        found.push(change(Part::Rules, "by_hand", (spans.0, spans.1)));
    }
    if old.below != new.below {
        let words = |book: &Rulebook| {
            let words: Vec<&str> = book
                .rules
                .below
                .iter()
                .map(|grant| grant.as_str())
                .collect();
            words.join(" ")
        };
        let (old, new) = (words(before), words(after));
        found.push(change(Part::Rules, "below", (&old, &new)));
    }
    for (name, old, new) in pairs(&old.presets, &new.presets) {
        let old = old.map(|preset| limits(preset)).unwrap_or_default();
        let new = new.map(|preset| limits(preset)).unwrap_or_default();
        differing(&mut found, Part::Rules, name, &old, &new);
    }
    for (name, old, new) in pairs(&old.unit_kinds, &new.unit_kinds) {
        one(
            &mut found,
            (Part::Rules, name),
            old.map(String::as_str),
            new.map(String::as_str),
        );
    }
    for (id, old, new) in pairs(&before.classes, &after.classes) {
        match (old, new) {
            (Some(old), Some(new)) => {
                differing(&mut found, Part::Classes, id, &fields(old), &fields(new));
            }
            (old, new) => one(
                &mut found,
                (Part::Classes, id),
                old.map(|class| class.name_zh.as_str()),
                new.map(|class| class.name_zh.as_str()),
            ),
        }
    }
    years(&mut found, &before.calendar, &after.calendar);
    found
}

fn years(found: &mut Vec<Change>, before: &Calendar, after: &Calendar) {
    let all: BTreeSet<i16> = before.years().union(&after.years()).copied().collect();
    for year in all {
        let (old, new) = (days(before, year), days(after, year));
        let name = year.to_string();
        match (old.is_empty(), new.is_empty()) {
            (true, false) => {
                let off = new.values().filter(|kind| **kind == "off").count();
                let worked = new.len() - off;
                found.push(Change {
                    part: Part::Calendar,
                    of: name,
                    english: format!("new: {off} days off, {worked} make-up working days"),
                    chinese: format!("新增：放假{off}天，调休上班{worked}天"),
                });
            }
            (_, _) => {
                let old: BTreeMap<String, String> = texts(&old);
                differing(found, Part::Calendar, &name, &old, &texts(&new));
            }
        }
    }
}

fn texts(days: &BTreeMap<String, &'static str>) -> BTreeMap<String, String> {
    days.iter()
        .map(|(day, kind)| (day.clone(), (*kind).to_owned()))
        .collect()
}

fn days(calendar: &Calendar, year: i16) -> BTreeMap<String, &'static str> {
    calendar
        .listed(year)
        .map(|(date, kind, _)| {
            let kind = match kind {
                DayKind::Off => "off",
                DayKind::Working => "worked",
            };
            (date.to_string(), kind)
        })
        .collect()
}

fn hours(local: &LocalTime) -> String {
    let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    let hours: Vec<String> = local
        .hours
        .iter()
        .map(|interval| {
            format!(
                "{}-{}",
                clock(interval.from_minute),
                clock(interval.until_minute)
            )
        })
        .collect();
    let sign = if local.offset_minutes < 0 { '-' } else { '+' };
    let offset = local.offset_minutes.unsigned_abs();
    format!(
        "UTC{sign}{:02}:{:02} {}",
        offset / 60,
        offset % 60,
        hours.join(" ")
    )
}

/// What a class says, field by field, as in its table.
fn fields(class: &Class) -> BTreeMap<String, String> {
    let span = |span: Option<Span>| span.map(|span| span.to_string()).unwrap_or_default();
    [
        ("parent", class.parent.clone()),
        ("name_zh", class.name_zh.clone()),
        ("name_en", class.name_en.clone()),
        ("lead_unit_kind", class.lead_unit_kind.clone()),
        ("kind", class.kind.as_str().to_owned()),
        ("level_lowest", class.level_lowest.to_string()),
        ("clock_preset", class.preset.name.clone()),
        ("escalation_grace_minutes", class.grace_minutes.to_string()),
        ("returns_max", class.returns_max.to_string()),
        ("answer_within", span(class.answer_within)),
        ("annex_within", span(class.annex_within)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// What a preset says, limit by limit.
fn limits(preset: &Preset) -> BTreeMap<String, String> {
    let name = |limit: &Limit| {
        let urgency = limit.urgency.map(urgency_word);
        let kind = limit.kind.map(|kind| kind.as_str());
        let words = [Some(limit.step.as_str()), urgency, kind];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    let value = |limit: &Limit| {
        let mut words = vec![limit.within.to_string()];
        if let Some(span) = limit.amber_before {
            words.push(format!("amber_before {span}"));
        }
        if let Some(span) = limit.extension_max {
            words.push(format!("extension_max {span}"));
        }
        words.push(limit.red.as_str().to_owned());
        words.join(", ")
    };
    let limits = preset.limits.iter();
    limits.map(|limit| (name(limit), value(limit))).collect()
}

fn differing(
    found: &mut Vec<Change>,
    part: Part,
    of: &str,
    old: &BTreeMap<String, String>,
    new: &BTreeMap<String, String>,
) {
    for (field, old, new) in pairs(old, new) {
        let of = format!("{of} {field}");
        one(
            found,
            (part, &of),
            old.map(String::as_str).filter(|text| !text.is_empty()),
            new.map(String::as_str).filter(|text| !text.is_empty()),
        );
    }
}

fn one(found: &mut Vec<Change>, (part, of): (Part, &str), old: Option<&str>, new: Option<&str>) {
    let (english, chinese) = match (old, new) {
        (None, None) => return,
        (Some(old), Some(new)) if old == new => return,
        (Some(old), Some(new)) => return found.push(change(part, of, (old, new))),
        (None, Some(new)) => (format!("new: {new}"), format!("新增：{new}")),
        (Some(old), None) => (format!("gone: {old}"), format!("取消：{old}")),
    };
    found.push(Change {
        part,
        of: of.to_owned(),
        english,
        chinese,
    });
}

fn change(part: Part, of: &str, (old, new): (&str, &str)) -> Change {
    let words = format!("{old} -> {new}");
    Change {
        part,
        of: of.to_owned(),
        english: words.clone(),
        chinese: words.replace("->", "→"),
    }
}

/// Every name of two tables with what each says of it.
fn pairs<'a, V>(
    old: &'a BTreeMap<String, V>,
    new: &'a BTreeMap<String, V>,
) -> impl Iterator<Item = (&'a str, Option<&'a V>, Option<&'a V>)> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names
        .into_iter()
        .map(|name| (name.as_str(), old.get(name), new.get(name)))
}
