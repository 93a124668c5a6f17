//! What an entry of a case says, as a person reads it: each field with its label, names in place of ids, words in place
//! of numbers. Read from the descriptor, so a new action is shown without a line here.

use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::{PlaceId, UnitId};
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_hub::rulebook::Rulebook;
use fengqiao_proto::v1 as pb;
use pb::Reference;
use prost::Message as _;
use prost_reflect::{DynamicMessage, Kind, ReflectMessage as _, Value};

use super::actions::{Field, choices, type_of};

/// What ids are named by.
#[derive(Debug, Clone, Copy)]
pub struct Naming<'a> {
    /// Places and units.
    pub registry: &'a Registry,
    /// Classes.
    pub rulebook: &'a Rulebook,
}

/// The fields that an action says something in; empty for one this version does not know.
#[must_use]
pub fn fields(action: &pb::Action, naming: &Naming<'_>) -> Vec<pb::FieldView> {
    let Some(known) = type_of(action) else {
        return Vec::new();
    };
    let mut shown = Vec::new();
    if let Some(message) = known.unwrap(action) {
        show(&message, &known.fields, naming, &mut shown);
    }
    shown
}

fn show(
    message: &DynamicMessage,
    fields: &[Field],
    naming: &Naming<'_>,
    shown: &mut Vec<pb::FieldView>,
) {
    for field in fields.iter().filter(|field| !field.rule.zh.is_empty()) {
        let flag = matches!(field.descriptor.kind(), Kind::Bool);
        // A designation or a plain no that the writer filled in is worth a line only when it is a yes.
        let silent = field.rule.written || !field.rule.required;
        if !message.has_field(&field.descriptor) && (!flag || silent) {
            continue;
        }
        let value = message.get_field(&field.descriptor);
        for value in value.as_list().unwrap_or(std::slice::from_ref(&*value)) {
            show_value(value, field, naming, shown);
        }
    }
}

fn show_value(value: &Value, field: &Field, naming: &Naming<'_>, shown: &mut Vec<pb::FieldView>) {
    if let Value::Message(inner) = value {
        match inner.descriptor().name() {
            "Due" => {
                let due = pb::Due::decode(&inner.encode_to_vec()[..]).unwrap_or_default();
                let moment = Moment(due.due_ms).to_string();
                shown.push(line(field, &moment, moment.clone(), moment.clone()));
            }
            _ => show(inner, &field.fields, naming, shown),
        }
        return;
    }
    let (plain, zh, en) = words(value, field, naming);
    shown.push(line(field, &plain, zh, en));
}

fn line(field: &Field, value: &str, zh: String, en: String) -> pb::FieldView {
    pb::FieldView {
        name: field.path.clone(),
        label_zh: field.rule.zh.clone(),
        label_en: field.rule.en.clone(),
        value: value.to_owned(),
        zh,
        en,
    }
}

fn words(value: &Value, field: &Field, naming: &Naming<'_>) -> (String, String, String) {
    let same = |text: String| (text.clone(), text.clone(), text);
    match value {
        Value::Bool(true) => ("yes".to_owned(), "是".to_owned(), "yes".to_owned()),
        Value::Bool(false) => ("no".to_owned(), "否".to_owned(), "no".to_owned()),
        Value::EnumNumber(number) => {
            let Kind::Enum(list) = field.descriptor.kind() else {
                return same(number.to_string());
            };
            let known = choices(&list)
                .into_iter()
                .find(|choice| choice.number == *number);
            known.map_or_else(
                || same(number.to_string()),
                |choice| (choice.word, choice.words.zh, choice.words.en),
            )
        }
        Value::I64(ms) if field.path.ends_with("_ms") => same(Moment(*ms).to_string()),
        Value::String(text) => {
            let name = naming.name(text, field.rule.names());
            (text.clone(), name.0, name.1)
        }
        Value::U32(number) => same(number.to_string()),
        Value::U64(number) => same(number.to_string()),
        Value::I32(number) => same(number.to_string()),
        Value::I64(number) => same(number.to_string()),
        Value::F32(_)
        | Value::F64(_)
        | Value::Bytes(_)
        | Value::Message(_)
        | Value::List(_)
        | Value::Map(_) => same(String::new()),
    }
}

impl Naming<'_> {
    fn name(&self, text: &str, names: Reference) -> (String, String) {
        let same = |text: String| (text.clone(), text);
        match names {
            Reference::Unit => {
                let unit = text.parse::<UnitId>().ok();
                let unit = unit.and_then(|unit| self.registry.unit(unit));
                same(unit.map_or_else(|| text.to_owned(), |unit| unit.name.clone()))
            }
            Reference::Place | Reference::PlaceBelow => {
                let place = text.parse::<PlaceId>().ok();
                same(place.map_or_else(|| text.to_owned(), |place| self.registry.name(place)))
            }
            Reference::Class => match self.rulebook.class(text) {
                Ok(class) => (class.name_zh.clone(), class.name_en.clone()),
                Err(_) => same(text.to_owned()),
            },
            Reference::AnnexEntry | Reference::Unspecified => same(text.to_owned()),
        }
    }
}
