//! The form of an action, made from its descriptor: what is asked, with labels, lists and limits, and what was typed read
//! back into the action.
//!
//! Nobody lists an action's fields here. What a field names decides how it is asked for: a unit or a place below by a list
//! to choose from, any place or class by a line that proposes as one types, also by the first letters of its pinyin.

use std::collections::BTreeMap;

use fengqiao_hub::jurisdiction::Registry;
use fengqiao_proto::v1 as pb;
use pb::Reference;
use prost_reflect::{DynamicMessage, Kind, Value};

use super::visit::Visit;
use super::words;
use crate::app::actions::{ActionType, Field, Holds};

/// A list from which one chooses is shown whole up to here; a longer one proposes as one types.
const CHOICES_MAX: usize = 300;
/// Proposals of one line.
const PROPOSALS_MAX: usize = 1_500;
/// Rows of a group, such as the parties of a meeting.
const ROWS: usize = 6;
/// Parts of the one who asks.
const PERSON: [(&str, &str, &str); 3] = [
    ("name", "姓名", "Name"),
    ("phone", "电话", "Telephone"),
    ("address", "住址", "Address"),
];

/// What was typed, by field; a field may come often.
#[derive(Debug, Default, Clone)]
pub(super) struct Typed(BTreeMap<String, Vec<String>>);

impl Typed {
    pub(super) fn of(pairs: Vec<(String, String)>) -> Self {
        let mut typed = BTreeMap::<String, Vec<String>>::new();
        for (name, value) in pairs {
            // Browsers end lines of a text as in a letter of 1982.
            typed
                .entry(name)
                .or_default()
                .push(value.replace("\r\n", "\n"));
        }
        Self(typed)
    }

    /// What stands in a field, or nothing.
    pub(super) fn one(&self, name: &str) -> &str {
        self.all(name).first().map_or("", String::as_str)
    }

    fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), vec![value.to_owned()]);
    }

    /// With a value where nothing was typed.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        if self.one(name).is_empty() {
            self.set(name, value);
        }
        self
    }
}

/// One value to choose.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    /// What is sent.
    pub value: String,
    /// What is read.
    pub words: String,
    /// It was chosen.
    pub chosen: bool,
}

/// How a field is asked for.
#[derive(Debug)]
pub(super) enum Control {
    /// A line.
    Line,
    /// A line that proposes: values with what else they are found by.
    Proposing(Vec<(String, String)>),
    /// Many lines.
    Text,
    /// One of few.
    Radios(Vec<Choice>),
    /// One of many.
    List(Vec<Choice>),
    /// Any of a list.
    Boxes(Vec<Choice>),
    /// Day and hour.
    Moment,
    /// Who asks, or rows of a group: fields of their own.
    Rows(Vec<Vec<Asked>>),
}

/// A field as a page asks for it.
#[derive(Debug)]
pub(super) struct Asked {
    /// Name in the form.
    pub name: String,
    /// Its label.
    pub label: String,
    /// Whether it must be filled.
    pub required: bool,
    /// One of several of which exactly one is filled.
    pub one_of: bool,
    /// What stands in it.
    pub value: String,
    /// How it is asked for.
    pub control: Control,
    /// What is wrong with it.
    pub wrong: String,
}

impl Asked {
    /// Asked of residents, who know no list by heart: what would be proposed is a list to choose from.
    pub(super) fn plainly(mut self) -> Self {
        if let Control::Proposing(proposals) = self.control {
            let choice = |(value, words): (String, String)| Choice {
                chosen: value == self.value,
                words: if value.is_ascii() {
                    words
                } else {
                    value.clone()
                },
                value,
            };
            self.control = Control::List(proposals.into_iter().map(choice).collect());
        }
        self
    }

    /// Whether it is a line of its own kind; templates cannot match on what holds data well.
    pub(super) fn is(&self, kind: &str) -> bool {
        let is = match self.control {
            Control::Line => "line",
            Control::Proposing(_) => "proposing",
            Control::Text => "text",
            Control::Radios(_) => "radios",
            Control::List(_) => "list",
            Control::Boxes(_) => "boxes",
            Control::Moment => "moment",
            Control::Rows(_) => "rows",
        };
        is == kind
    }

    /// Values to choose from.
    pub(super) fn choices(&self) -> &[Choice] {
        if let Control::Radios(choices) | Control::List(choices) | Control::Boxes(choices) =
            &self.control
        {
            choices
        } else {
            &[]
        }
    }

    /// Proposals.
    pub(super) fn proposals(&self) -> &[(String, String)] {
        if let Control::Proposing(proposals) = &self.control {
            proposals
        } else {
            &[]
        }
    }

    /// Rows of fields.
    pub(super) fn rows(&self) -> &[Vec<Asked>] {
        if let Control::Rows(rows) = &self.control {
            rows
        } else {
            &[]
        }
    }
}

/// What is wrong with what was typed: the field, and the words in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub field: String,
    pub zh: String,
    pub en: String,
}

/// What a form is made with.
#[derive(Clone, Copy)]
pub(super) struct Making<'a> {
    pub visit: &'a Visit,
    pub typed: &'a Typed,
    pub wrong: &'a [Wrong],
    /// Entries of the annex that wait for a decision: what is sent, what is read.
    pub annex: &'a [(String, String)],
}

/// The fields of an action, as a page asks for them.
pub(super) fn asked(known: &'static ActionType, making: &Making<'_>) -> Vec<Asked> {
    known
        .asked()
        .map(|field| ask(field, &field.path, making))
        .collect()
}

fn ask(field: &'static Field, name: &str, making: &Making<'_>) -> Asked {
    let visit = making.visit;
    let value = making.typed.one(name).to_owned();
    // A refusal names a sealed text by its role.
    let sealed = &field.rule.sealed;
    let is_here = |wrong: &&Wrong| {
        let named = wrong.field == name || wrong.field == field.path;
        named || (!sealed.is_empty() && wrong.field == *sealed)
    };
    let wrong = making.wrong.iter().find(is_here);
    Asked {
        name: name.to_owned(),
        label: visit.label(&field.rule.zh, &field.rule.en).to_owned(),
        required: field.rule.required && !field.rule.now,
        one_of: !field.rule.one_of.is_empty(),
        control: control(field, name, making),
        wrong: wrong.map_or_else(String::new, |wrong| {
            visit.say(&wrong.zh, &wrong.en).to_owned()
        }),
        value,
    }
}

fn control(field: &'static Field, name: &str, making: &Making<'_>) -> Control {
    let visit = making.visit;
    let chosen = |value: &str| making.typed.all(name).iter().any(|typed| typed == value);
    let choice = |value: String, words: String| Choice {
        chosen: chosen(&value),
        value,
        words,
    };
    match field.holds() {
        Holds::Flag => Control::Radios(vec![
            choice("yes".to_owned(), visit.say("是", "yes").to_owned()),
            choice("no".to_owned(), visit.say("否", "no").to_owned()),
        ]),
        Holds::Number if (1..=10).contains(&field.rule.most) => {
            let numbers = 1..=field.rule.most;
            Control::Radios(
                numbers
                    .map(|number| choice(number.to_string(), number.to_string()))
                    .collect(),
            )
        }
        Holds::Number => Control::Line,
        Holds::Moment => Control::Moment,
        Holds::Choice(choices) => {
            let choices: Vec<Choice> = choices
                .into_iter()
                .map(|known| {
                    let words = visit.say(&known.words.zh, &known.words.en).to_owned();
                    choice(known.word, words)
                })
                .collect();
            if choices.len() <= 7 {
                Control::Radios(choices)
            } else {
                Control::List(choices)
            }
        }
        Holds::Requester => Control::Rows(vec![person(name, making)]),
        Holds::Group => {
            let row = |row: usize| {
                let inner = field.fields.iter().filter(|inner| !inner.rule.written);
                inner
                    .map(|inner| ask(inner, &in_row(&inner.path, row), making))
                    .collect()
            };
            Control::Rows((0..ROWS).map(row).collect())
        }
        Holds::Text if !field.rule.sealed.is_empty() && field.rule.sealed != "place" => {
            Control::Text
        }
        Holds::Text => named(field, &choice, making),
    }
}

/// A text that names something.
fn named(field: &Field, choice: &dyn Fn(String, String) -> Choice, making: &Making<'_>) -> Control {
    let house = &making.visit.house;
    let node = house.node();
    let (registry, here) = (node.registry.load(), node.me.at.place);
    match field.rule.names() {
        Reference::Unspecified => Control::Line,
        Reference::Unit => {
            let units = registry.units_of(here);
            let choices: Vec<Choice> = units
                .map(|unit| choice(unit.id.to_string(), unit.name.clone()))
                .collect();
            match (field.is_list(), choices.len()) {
                (_, 0) => Control::Line,
                (true, _) => Control::Boxes(choices),
                (false, ..=CHOICES_MAX) => Control::List(choices),
                (false, _) => {
                    Control::Proposing(proposals(choices.into_iter().map(|choice| choice.words)))
                }
            }
        }
        Reference::PlaceBelow => {
            let below = registry.children(here).iter();
            let choices: Vec<Choice> = below
                .map(|place| choice(place.to_string(), registry.name(*place)))
                .collect();
            match choices.len() {
                1..=CHOICES_MAX => Control::List(choices),
                _ => Control::Proposing(places(&registry, here)),
            }
        }
        Reference::Place => Control::Proposing(places(&registry, here)),
        Reference::Class => {
            let rules = node.rules();
            let classes = rules.classes().filter(|class| !class.is_group);
            let english = making.visit.english;
            let line = |class: &fengqiao_hub::rulebook::Class| {
                if english {
                    (class.id.clone(), class.name_en.clone())
                } else {
                    let found_by = format!("{} {}", initials(&class.name_zh), class.id);
                    (class.name_zh.clone(), found_by)
                }
            };
            Control::Proposing(classes.take(PROPOSALS_MAX).map(line).collect())
        }
        Reference::AnnexEntry => {
            let entries = making.annex.iter();
            Control::List(
                entries
                    .map(|(value, words)| choice(value.clone(), words.clone()))
                    .collect(),
            )
        }
    }
}

/// Places of a centre and below it, the nearest first.
fn places(registry: &Registry, here: fengqiao_hub::id::PlaceId) -> Vec<(String, String)> {
    let mut found = vec![here];
    let mut next = 0;
    while let Some(place) = found.get(next).copied() {
        if found.len() > PROPOSALS_MAX {
            break;
        }
        found.extend_from_slice(registry.children(place));
        next += 1;
    }
    found.truncate(PROPOSALS_MAX);
    proposals(found.into_iter().map(|place| registry.name(place)))
}

fn proposals(names: impl Iterator<Item = String>) -> Vec<(String, String)> {
    names.map(|name| (name.clone(), initials(&name))).collect()
}

/// First letters of a name's pinyin, as people type them.
fn initials(name: &str) -> String {
    use pinyin::ToPinyin as _;
    name.to_pinyin()
        .flatten()
        .filter_map(|pinyin| pinyin.first_letter().chars().next())
        .collect()
}

fn person(name: &str, making: &Making<'_>) -> Vec<Asked> {
    let part = |(part, zh, en): (&str, &str, &str)| {
        let name = format!("{name}.{part}");
        let wrong = making.wrong.iter().find(|wrong| wrong.field == name);
        Asked {
            label: making.visit.say(zh, en).to_owned(),
            required: false,
            one_of: false,
            value: making.typed.one(&name).to_owned(),
            control: Control::Line,
            wrong: wrong.map_or_else(String::new, |wrong| {
                making.visit.say(&wrong.zh, &wrong.en).to_owned()
            }),
            name,
        }
    };
    PERSON.into_iter().map(part).collect()
}

/// Name of a field in a row of a group: `parties.2.place`.
fn in_row(path: &str, row: usize) -> String {
    match path.rsplit_once('.') {
        Some((group, field)) => format!("{group}.{row}.{field}"),
        None => format!("{path}.{row}"),
    }
}

/// Reads what was typed into the action.
///
/// # Errors
/// Each field whose value cannot be read; what is missing or not allowed is the desk's to say.
pub(super) fn read(
    known: &'static ActionType,
    typed: &Typed,
    zone_minutes: i32,
) -> Result<pb::Action, Vec<Wrong>> {
    let mut wrong = Vec::new();
    let message = known.message().map(|kind| {
        let fields = known.asked().collect::<Vec<_>>();
        fill(
            kind,
            &fields,
            &|field: &Field| field.path.clone(),
            typed,
            zone_minutes,
            &mut wrong,
        )
        .0
    });
    if !wrong.is_empty() {
        return Err(wrong);
    }
    message
        .and_then(|message| known.wrap(message))
        .ok_or_else(Vec::new)
}

/// Fills a message; whether anything was typed for it.
fn fill(
    kind: prost_reflect::MessageDescriptor,
    fields: &[&'static Field],
    name: &dyn Fn(&Field) -> String,
    typed: &Typed,
    zone: i32,
    wrong: &mut Vec<Wrong>,
) -> (DynamicMessage, bool) {
    let mut message = DynamicMessage::new(kind);
    let mut any = false;
    for field in fields {
        let name = name(field);
        let value = match (field.holds(), field.descriptor.kind()) {
            (Holds::Group, Kind::Message(inner)) => group(field, &inner, typed, zone, wrong),
            (Holds::Requester, Kind::Message(inner)) => requester(&inner, &name, typed),
            _ if field.is_list() => {
                let texts = typed
                    .all(&name)
                    .iter()
                    .filter(|text| !text.trim().is_empty());
                let values: Vec<Value> = texts
                    .map(|text| Value::String(text.trim().to_owned()))
                    .collect();
                (!values.is_empty()).then_some(Value::List(values))
            }
            (holds, _) => {
                let text = typed.one(&name);
                if text.trim().is_empty() {
                    // On the wire a no is written like nothing, so that whoever forgets to choose would say no.
                    if holds == Holds::Flag && field.rule.required {
                        wrong.push(unreadable(&name, &holds));
                    }
                    None
                } else {
                    let value = value(&holds, text, zone);
                    if value.is_none() {
                        wrong.push(unreadable(&name, &holds));
                    }
                    value
                }
            }
        };
        if let Some(value) = value {
            any = true;
            message.set_field(&field.descriptor, value);
        }
    }
    (message, any)
}

fn value(holds: &Holds, text: &str, zone: i32) -> Option<Value> {
    match holds {
        Holds::Flag => match text {
            "yes" => Some(Value::Bool(true)),
            "no" => Some(Value::Bool(false)),
            _ => None,
        },
        Holds::Number => text.trim().parse().ok().map(Value::U32),
        Holds::Moment => words::read_field_time(text, zone).map(Value::I64),
        Holds::Choice(choices) => {
            let choice = choices.iter().find(|choice| choice.word == text)?;
            Some(Value::EnumNumber(choice.number))
        }
        Holds::Text => Some(Value::String(text.to_owned())),
        Holds::Requester | Holds::Group => None,
    }
}

fn unreadable(name: &str, holds: &Holds) -> Wrong {
    let (zh, en) = match holds {
        Holds::Moment => (
            "时间无法识别，请按“2026-03-01 17:30”填写。",
            "This is no time. Write it as 2026-03-01 17:30.",
        ),
        Holds::Number => ("请填写数字。", "Write a number."),
        Holds::Flag | Holds::Choice(_) | Holds::Text | Holds::Requester | Holds::Group => {
            ("请从列出的选项中选择。", "Choose one of the list.")
        }
    };
    Wrong {
        field: name.to_owned(),
        zh: zh.to_owned(),
        en: en.to_owned(),
    }
}

fn group(
    field: &'static Field,
    kind: &prost_reflect::MessageDescriptor,
    typed: &Typed,
    zone: i32,
    wrong: &mut Vec<Wrong>,
) -> Option<Value> {
    let fields: Vec<&'static Field> = field
        .fields
        .iter()
        .filter(|inner| !inner.rule.written)
        .collect();
    let mut rows = Vec::new();
    for row in 0..ROWS {
        let name = |inner: &Field| in_row(&inner.path, row);
        let (message, any) = fill(kind.clone(), &fields, &name, typed, zone, wrong);
        if any {
            rows.push(Value::Message(message));
        }
    }
    (!rows.is_empty()).then_some(Value::List(rows))
}

fn requester(kind: &prost_reflect::MessageDescriptor, name: &str, typed: &Typed) -> Option<Value> {
    let mut person = DynamicMessage::new(kind.clone());
    let mut any = false;
    for (part, _, _) in PERSON {
        let text = typed.one(&format!("{name}.{part}")).trim();
        if !text.is_empty() {
            person.set_field_by_name(part, Value::String(text.to_owned()));
            any = true;
        }
    }
    any.then_some(Value::Message(person))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::app::actions::named;

    fn typed(pairs: &[(&str, &str)]) -> Typed {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Typed::of(pairs.iter().map(own).collect())
    }

    fn read_as(action: &str, pairs: &[(&str, &str)]) -> Result<pb::Action, Vec<Wrong>> {
        read(named(action).unwrap(), &typed(pairs), 480)
    }

    #[test]
    fn a_registration_reads_whole() {
        let read = read_as(
            "register",
            &[
                ("channel", "phone"),
                ("class", "道路与桥梁"),
                ("received_ms", "2023-02-16T08:12"),
                ("requester.name", "冯先生"),
                ("requester.phone", "13800000000"),
                ("text", "铁轨横在路面\r\n冬天结冰"),
                ("where", "新河路"),
                ("request_id", "beside it"),
            ],
        );
        let expected: pb::Action = pb::Register {
            channel: pb::Channel::Phone.into(),
            class: "道路与桥梁".to_owned(),
            received_ms: 1_676_506_320_000,
            requester: Some(pb::Requester {
                name: "冯先生".to_owned(),
                phone: "13800000000".to_owned(),
                address: String::new(),
            }),
            text: "铁轨横在路面\n冬天结冰".to_owned(),
            r#where: "新河路".to_owned(),
            ..Default::default()
        }
        .into();
        assert_eq!(read.unwrap(), expected);
    }

    #[test]
    fn the_parties_of_a_meeting_are_the_rows_that_were_filled() {
        let read = read_as(
            "convene",
            &[
                ("meeting_ms", "2023-02-16 09:30"),
                ("parties.0.unit", "市城市管理局"),
                ("parties.0.due_ms", "2023-03-01T20:00"),
                ("parties.1.unit", ""),
                ("parties.3.place", "德城区"),
                ("parties.3.due_ms", "2023-03-01T20:00"),
            ],
        );
        let due_ms = 1_677_672_000_000;
        let expected: pb::Action = pb::Convene {
            meeting_ms: 1_676_511_000_000,
            parties: vec![
                pb::Party {
                    unit: "市城市管理局".to_owned(),
                    due_ms,
                    ..Default::default()
                },
                pb::Party {
                    place: "德城区".to_owned(),
                    due_ms,
                    ..Default::default()
                },
            ],
        }
        .into();
        assert_eq!(read.unwrap(), expected);
    }

    #[test]
    fn what_does_not_read_is_said_at_its_field() {
        for (action, name, value) in [
            ("dispatch", "due_ms", "tomorrow"),
            ("rate", "score", "many"),
            ("register", "channel", "pigeon"),
            ("draft-reply", "reasonable", "perhaps"),
            ("convene", "parties.2.due_ms", "soon"),
        ] {
            let wrong = read_as(action, &[(name, value)]).unwrap_err();
            assert_eq!(wrong[0].field, name, "{action}");
            assert!(!wrong[0].zh.is_ascii() && wrong[0].en.is_ascii());
        }
    }

    #[test]
    fn a_no_is_an_answer_and_silence_is_none() {
        let no = read_as("decide-objection", &[("upheld", "no")]).unwrap();
        assert_eq!(no, pb::DecideObjection::default().into());
        let silent = read_as("decide-objection", &[]).unwrap_err();
        assert_eq!(silent[0].field, "upheld");
        assert_eq!(initials("新华街道"), "xhjd");
        assert_eq!(initials("A区3号"), "qh");
    }
}
