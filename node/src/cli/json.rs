//! How the answers of a node are written as JSON: one rule for all, by their descriptors.
//!
//! A key is the field's name. A moment is RFC 3339 in UTC, and its key goes without `_ms`; a span keeps its `_ms` and
//! stays a number. A value of an enumeration is its word, in small letters with hyphens. What is not there is null: an
//! empty text, a moment of zero, a message that was not sent. Lists are there though they are empty.

use fengqiao_hub::clock::Moment;
use prost::Message;
use prost_reflect::{
    Cardinality, DynamicMessage, FieldDescriptor, ReflectMessage as _, Value as Field,
};
use serde_json::{Map, Value};

use crate::app::actions::{pool, word_of};

/// Fields in milliseconds that are no moments.
const SPANS: [&str; 1] = ["skew_ms"];
/// Numbers whose zero says that there is none.
const NONE_AT_ZERO: [&str; 1] = ["calendar_year_missing"];

/// An answer, or a part of one, that is called so in the package of the protocol.
///
/// # Panics
/// When no message is called so: a mistake in this program that its first use shows.
pub(super) fn shown(name: &str, message: &impl Message) -> Value {
    let kind = pool().get_message_by_name(&format!("fengqiao.v1.{name}"));
    let message = kind.map(|kind| DynamicMessage::decode(kind, &message.encode_to_vec()[..]));
    match message {
        Some(Ok(message)) => object(&message),
        Some(Err(_)) | None => panic!("no message is called {name}"),
    }
}

/// Many of them.
pub(super) fn listed(name: &str, messages: &[impl Message]) -> Value {
    messages
        .iter()
        .map(|message| shown(name, message))
        .collect()
}

/// A moment in Unix milliseconds; null where 0 stands for none.
pub(super) fn moment(ms: i64) -> Value {
    let text = Moment(ms).to_rfc3339(0).ok();
    text.filter(|_| ms != 0).map_or(Value::Null, Value::from)
}

fn object(message: &DynamicMessage) -> Value {
    let kind = message.descriptor();
    let fields = kind.fields().map(|field| {
        let name = field.name().to_owned();
        let value = value(&field, message);
        if is_moment(&field) {
            (name.trim_end_matches("_ms").to_owned(), value)
        } else {
            (name, value)
        }
    });
    Value::Object(fields.collect::<Map<_, _>>())
}

fn is_moment(field: &FieldDescriptor) -> bool {
    field.name().ends_with("_ms") && !SPANS.contains(&field.name())
}

fn value(field: &FieldDescriptor, message: &DynamicMessage) -> Value {
    let held = message.get_field(field);
    if field.cardinality() == Cardinality::Repeated {
        let items = held.as_list().unwrap_or_default();
        return items.iter().map(|item| one(field, item)).collect();
    }
    if field.supports_presence() && !message.has_field(field) {
        return Value::Null;
    }
    one(field, &held)
}

fn one(field: &FieldDescriptor, held: &Field) -> Value {
    match held {
        Field::Bool(set) => Value::from(*set),
        Field::I32(number) => Value::from(*number),
        Field::I64(ms) if is_moment(field) => moment(*ms),
        Field::I64(number) => Value::from(*number),
        Field::U32(0) if NONE_AT_ZERO.contains(&field.name()) => Value::Null,
        Field::U32(number) => Value::from(*number),
        Field::U64(number) => Value::from(*number),
        Field::F32(number) => Value::from(*number),
        Field::F64(number) => Value::from(*number),
        Field::String(text) => or_null(text),
        Field::EnumNumber(number) => field
            .kind()
            .as_enum()
            .map_or(Value::Null, |list| or_null(&word_of(list, *number))),
        Field::Message(message) => object(message),
        Field::Bytes(bytes) => Value::from(data_encoding::HEXLOWER.encode(bytes)),
        Field::List(_) | Field::Map(_) => Value::Null,
    }
}

/// A text, or null where it is empty.
#[must_use]
pub fn or_null(text: &str) -> Value {
    if text.is_empty() {
        Value::Null
    } else {
        Value::from(text)
    }
}
