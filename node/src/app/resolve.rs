//! An action as a caller sends it, made into what the rules judge: names become ids, texts are taken out to be sealed,
//! values are checked for their shape.
//!
//! Nothing here asks whether the action is allowed; that is the centre's to say. A refusal names the field and never a
//! word of a text.

use fengqiao_hub::centre;
use fengqiao_hub::custody::Tree;
use fengqiao_hub::id::{ChainId, PlaceId};
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_hub::name;
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_hub::rulebook::Rulebook;
use fengqiao_proto::v1 as pb;
use pb::Reference;
use prost::Message as _;
use prost_reflect::{DynamicMessage, Kind, Value};

use super::actions::{Field, type_of};
use super::texts;

/// Last millisecond of the year 9999: no time on the wire lies later.
pub const TIME_MS_MAX: i64 = 253_402_300_799_999;

const TEXT_CHARACTERS_MAX: usize = 256;
const CLASS_CHARACTERS_MAX: usize = 64;
const ANNEX_DIGITS_MIN: usize = 8;
const HASH_DIGITS: usize = 64;

/// What names in an action are resolved by.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    /// Places and units.
    pub registry: &'a Registry,
    /// Classes.
    pub rulebook: &'a Rulebook,
    /// Centre whose node is called.
    pub place: PlaceId,
    /// Entries of the case, when the action names one of its annex.
    pub tree: Option<&'a Tree>,
    /// Now, Unix milliseconds, for moments left open.
    pub now_ms: i64,
}

/// What the rules judge, and what is sealed beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The action, ids in place of names, without texts.
    pub action: pb::Action,
    /// Texts and requester; `None` when there is nothing to seal.
    pub content: Option<pb::PrivateContent>,
}

/// Whether an action names an annex entry, which only the case can resolve.
#[must_use]
pub fn names_annex(action: &pb::Action) -> bool {
    let names = |field: &Field| field.rule.names() == Reference::AnnexEntry;
    type_of(action).is_some_and(|known| known.asked().any(names))
}

/// Resolves an action; `further` are texts beside its own, or in their place.
///
/// # Errors
/// `FIELD_EMPTY`, `OUT_OF_RANGE`, `MALFORMED`, `FIELD_TOO_LONG`, `CONTROL_CHARACTER`, `UNIT_UNKNOWN`, `PLACE_UNKNOWN`,
/// `CLASS_UNKNOWN`, `ANNEX_UNKNOWN`, each with the field.
pub fn resolve(
    action: &pb::Action,
    further: Vec<pb::PrivateText>,
    names: &Names<'_>,
) -> Result<Resolved, Refusal> {
    let malformed = || Refusal::of(Code::Malformed, "action");
    let known = type_of(action).ok_or(Refusal::of(Code::Empty, "action"))?;
    let mut message = known.unwrap(action).ok_or_else(malformed)?;
    let mut sealed = pb::PrivateContent {
        requester: None,
        texts: further,
    };
    fill(&mut message, &known.fields, names, &mut sealed)?;
    let content = texts::checked(sealed)?;
    let action = known.wrap(message).ok_or_else(malformed)?;
    Ok(Resolved { action, content })
}

fn fill(
    message: &mut DynamicMessage,
    fields: &'static [Field],
    names: &Names<'_>,
    sealed: &mut pb::PrivateContent,
) -> Result<(), Refusal> {
    for field in fields {
        let path = field.path.as_str();
        let given = message.has_field(&field.descriptor);
        if field.rule.written {
            if given {
                return Err(Refusal::of(Code::Malformed, path));
            }
            continue;
        }
        if !field.rule.sealed.is_empty() {
            take_sealed(message, field, sealed)?;
            continue;
        }
        if !given {
            let now = field.rule.now;
            if now {
                message.set_field(&field.descriptor, Value::I64(names.now_ms));
            }
            // A no is written like nothing at all, so a flag cannot be missed.
            let flag = matches!(field.descriptor.kind(), Kind::Bool);
            if field.rule.required && !now && !flag {
                return Err(Refusal::of(Code::Empty, path));
            }
            continue;
        }
        let value = message.get_field_mut(&field.descriptor);
        if let Value::List(values) = value {
            for value in values {
                resolve_value(value, field, names, sealed)?;
            }
        } else {
            resolve_value(value, field, names, sealed)?;
        }
    }
    Ok(())
}

fn resolve_value(
    value: &mut Value,
    field: &'static Field,
    names: &Names<'_>,
    sealed: &mut pb::PrivateContent,
) -> Result<(), Refusal> {
    let path = field.path.as_str();
    match value {
        Value::String(text) => {
            plain(text, path)?;
            *text = names.resolve(text, field.rule.names(), path)?;
        }
        Value::I64(moment) if path.ends_with("_ms") && !(0..=TIME_MS_MAX).contains(moment) => {
            return Err(Refusal::of(Code::OutOfRange, path));
        }
        Value::EnumNumber(number) => {
            if let Kind::Enum(list) = field.descriptor.kind()
                && list.get_value(*number).is_none()
            {
                return Err(Refusal::of(Code::OutOfRange, path).because(number.to_string()));
            }
        }
        Value::U32(number) if field.rule.most > 0 && *number > field.rule.most => {
            let range = format!("1-{}", field.rule.most);
            return Err(Refusal::of(Code::OutOfRange, path).because(range));
        }
        Value::Message(inner) => fill(inner, &field.fields, names, sealed)?,
        Value::Bool(_)
        | Value::I32(_)
        | Value::I64(_)
        | Value::U32(_)
        | Value::U64(_)
        | Value::F32(_)
        | Value::F64(_)
        | Value::Bytes(_)
        | Value::List(_)
        | Value::Map(_) => {}
    }
    Ok(())
}

fn take_sealed(
    message: &mut DynamicMessage,
    field: &'static Field,
    sealed: &mut pb::PrivateContent,
) -> Result<(), Refusal> {
    let given = message.has_field(&field.descriptor);
    if !given {
        let beside = |text: &pb::PrivateText| text.role == field.rule.sealed;
        return if field.rule.required && !sealed.texts.iter().any(beside) {
            Err(Refusal::of(Code::Empty, field.path.as_str()))
        } else {
            Ok(())
        };
    }
    let value = message.get_field(&field.descriptor).into_owned();
    message.clear_field(&field.descriptor);
    if let Value::String(text) = value {
        let role = field.rule.sealed.clone();
        sealed.texts.push(pb::PrivateText { role, text });
    } else if let Value::Message(person) = value {
        sealed.requester = pb::Requester::decode(&person.encode_to_vec()[..]).ok();
    } else {
        return Err(Refusal::of(Code::Malformed, field.path.as_str()));
    }
    Ok(())
}

fn plain(text: &str, path: &'static str) -> Result<(), Refusal> {
    if text.chars().count() > TEXT_CHARACTERS_MAX {
        return Err(Refusal::of(Code::TooLong, path).because(TEXT_CHARACTERS_MAX.to_string()));
    }
    if text.chars().any(char::is_control) {
        return Err(Refusal::of(Code::ControlCharacter, path));
    }
    Ok(())
}

impl Names<'_> {
    fn resolve(&self, text: &str, names: Reference, path: &'static str) -> Result<String, Refusal> {
        Ok(match names {
            Reference::Unspecified => text.to_owned(),
            Reference::Unit => self
                .registry
                .unit_called(text, self.place, path)?
                .to_string(),
            Reference::PlaceBelow => {
                let place = self.registry.place_called(text, self.place, path)?;
                place.to_string()
            }
            Reference::Place => {
                let top = self.registry.root().unwrap_or(self.place);
                self.registry.place_called(text, top, path)?.to_string()
            }
            Reference::Class => {
                let class = name::read(text, CLASS_CHARACTERS_MAX, path)?;
                self.rulebook.class_called(&class)?.id.clone()
            }
            Reference::AnnexEntry => self.annex(text, path)?,
        })
    }

    fn annex(&self, digits: &str, path: &'static str) -> Result<String, Refusal> {
        let hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        if !hexadecimal || !(ANNEX_DIGITS_MIN..=HASH_DIGITS).contains(&digits.len()) {
            let form = format!("{ANNEX_DIGITS_MIN}-{HASH_DIGITS} 0-9a-f");
            return Err(Refusal::of(Code::Malformed, path).because(form));
        }
        let tree = self.tree.ok_or(Refusal::of(Code::CaseUnknown, "case"))?;
        centre::find_annex(tree, digits)
            .map(|entry| entry.to_string())
            .ok_or(Refusal::of(Code::AnnexUnknown, path))
    }
}

/// Reads a case id: 32 hexadecimal digits, or the base32 form; `None` for anything else, which may be a number.
#[must_use]
pub fn case_id(text: &str) -> Option<ChainId> {
    if text.len() != 2 * ChainId::LENGTH {
        return text.parse().ok();
    }
    let mut bytes = [0; ChainId::LENGTH];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |value: u8| char::from(value).to_digit(16);
        let value = digit(pair[0])? * 16 + digit(pair[1])?;
        *byte = u8::try_from(value).ok()?;
    }
    Some(ChainId(bytes))
}
