//! What the descriptors say of each action: its fields with their labels, references and limits.
//!
//! The command line, the pages and the schema are built from this; nobody lists an action's fields by hand.

use std::sync::LazyLock;

use fengqiao_hub::casework::{Spec, action, spec_of};
use fengqiao_proto::{FILE_DESCRIPTOR_SET, v1 as pb};
use prost::Message as _;
use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, EnumDescriptor, ExtensionDescriptor,
    FieldDescriptor, Kind, MessageDescriptor,
};

/// One action.
#[derive(Debug)]
pub struct ActionType {
    /// What the rules say of it before anybody asks.
    pub spec: &'static Spec,
    /// Its fields.
    pub fields: Vec<Field>,
    /// The action's family, as a field of `Action`.
    family: FieldDescriptor,
    /// The action, as a field of its family.
    inner: FieldDescriptor,
}

/// One field of an action.
#[derive(Debug)]
pub struct Field {
    /// Its descriptor.
    pub descriptor: FieldDescriptor,
    /// Its name, with that of the message it stands in, as `parties.place`.
    pub path: String,
    /// What holds for it.
    pub rule: pb::FieldRule,
    /// Fields of the message it holds, where that is filled by a caller.
    pub fields: Vec<Field>,
}

/// What a field holds, as far as a form or a command line has to know.
#[derive(Debug, Clone, PartialEq)]
pub enum Holds {
    /// A text.
    Text,
    /// A yes or a no.
    Flag,
    /// A number, not negative.
    Number,
    /// A moment, Unix milliseconds.
    Moment,
    /// One of a list of values.
    Choice(Vec<Choice>),
    /// A person.
    Requester,
    /// A message with fields of its own.
    Group,
}

/// One value of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Number on the wire.
    pub number: i32,
    /// Stable word.
    pub word: String,
    /// Chinese and English.
    pub words: pb::Words,
}

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap_or_default());

static TYPES: LazyLock<Vec<ActionType>> = LazyLock::new(read_types);

/// All actions, in the order of the table of the rules.
#[must_use]
pub fn types() -> &'static [ActionType] {
    &TYPES
}

/// The descriptors of all messages.
#[must_use]
pub fn pool() -> &'static DescriptorPool {
    &POOL
}

/// What is known of an action; `None` for one this version does not know.
#[must_use]
pub fn type_of(action: &pb::Action) -> Option<&'static ActionType> {
    named(spec_of(action)?.name)
}

/// An action by its name.
#[must_use]
pub fn named(name: &str) -> Option<&'static ActionType> {
    types().iter().find(|known| known.spec.name == name)
}

impl ActionType {
    /// The message of the action itself.
    #[must_use]
    pub fn message(&self) -> Option<MessageDescriptor> {
        self.inner.kind().as_message().cloned()
    }

    /// Takes the action's own message out of an action; `None` when it is another one.
    #[must_use]
    pub fn unwrap(&self, action: &pb::Action) -> Option<DynamicMessage> {
        let kind = POOL.get_message_by_name("fengqiao.v1.Action")?;
        let whole = DynamicMessage::decode(kind, &action.encode_to_vec()[..]).ok()?;
        let family = whole.get_field(&self.family);
        let family = family.as_message()?;
        if !family.has_field(&self.inner) {
            return None;
        }
        Some(family.get_field(&self.inner).as_message()?.clone())
    }

    /// Puts the action's own message into an action.
    #[must_use]
    pub fn wrap(&self, message: DynamicMessage) -> Option<pb::Action> {
        let mut family = DynamicMessage::new(self.family.kind().as_message()?.clone());
        family.set_field(&self.inner, prost_reflect::Value::Message(message));
        let mut whole = DynamicMessage::new(POOL.get_message_by_name("fengqiao.v1.Action")?);
        whole.set_field(&self.family, prost_reflect::Value::Message(family));
        pb::Action::decode(&whole.encode_to_vec()[..]).ok()
    }

    /// The fields a caller fills in.
    pub fn asked(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| !field.rule.written)
    }
}

impl Field {
    /// What it holds.
    #[must_use]
    pub fn holds(&self) -> Holds {
        match self.descriptor.kind() {
            Kind::Bool => Holds::Flag,
            Kind::Int64 | Kind::Uint64 if self.path.ends_with("_ms") => Holds::Moment,
            Kind::Enum(list) => Holds::Choice(choices(&list)),
            Kind::Message(message) if message.name() == "Requester" => Holds::Requester,
            Kind::Message(_) => Holds::Group,
            Kind::String | Kind::Bytes => Holds::Text,
            Kind::Double
            | Kind::Float
            | Kind::Int32
            | Kind::Int64
            | Kind::Uint32
            | Kind::Uint64
            | Kind::Sint32
            | Kind::Sint64
            | Kind::Fixed32
            | Kind::Fixed64
            | Kind::Sfixed32
            | Kind::Sfixed64 => Holds::Number,
        }
    }

    /// Whether it may stand several times.
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.descriptor.cardinality() == Cardinality::Repeated
    }
}

/// The values of a list that a caller may choose, each with its words.
#[must_use]
pub fn choices(list: &EnumDescriptor) -> Vec<Choice> {
    let words = extension("fengqiao.v1.words");
    let choice = |value: prost_reflect::EnumValueDescriptor| {
        let options = value.options();
        let words = words
            .as_ref()
            .filter(|words| options.has_extension(words))?;
        Some(Choice {
            number: value.number(),
            word: word_of(list, value.number()),
            words: read(&options, words)?,
        })
    };
    list.values().filter_map(choice).collect()
}

/// The stable word of a value of an enumeration; empty for one that was never chosen or is not known.
#[must_use]
pub fn word_of(list: &EnumDescriptor, number: i32) -> String {
    let none = list.default_value();
    let prefix = none.name().trim_end_matches("UNSPECIFIED");
    let value = list.get_value(number).filter(|value| *value != none);
    let word = value.map(|value| value.name().trim_start_matches(prefix).to_ascii_lowercase());
    word.unwrap_or_default().replace('_', "-")
}

fn extension(name: &str) -> Option<ExtensionDescriptor> {
    POOL.get_extension_by_name(name)
}

fn read<M: prost::Message + Default>(
    options: &DynamicMessage,
    extension: &ExtensionDescriptor,
) -> Option<M> {
    let value = options.get_extension(extension);
    M::decode(&value.as_message()?.encode_to_vec()[..]).ok()
}

fn read_types() -> Vec<ActionType> {
    let Some(whole) = POOL.get_message_by_name("fengqiao.v1.Action") else {
        return Vec::new();
    };
    let rule = extension("fengqiao.v1.rule");
    let mut types = Vec::new();
    for family in whole.fields() {
        let Some(message) = family.kind().as_message().cloned() else {
            continue;
        };
        for inner in message.fields() {
            let name = inner.name().replace('_', "-");
            let spec = action::ALL.iter().find(|spec| spec.name == name);
            let fields = inner
                .kind()
                .as_message()
                .map(|message| read_fields(message, "", rule.as_ref()));
            if let (Some(spec), Some(fields)) = (spec, fields) {
                types.push(ActionType {
                    spec,
                    fields,
                    family: family.clone(),
                    inner,
                });
            }
        }
    }
    types
}

fn read_fields(
    message: &MessageDescriptor,
    above: &str,
    rule: Option<&ExtensionDescriptor>,
) -> Vec<Field> {
    let field = |descriptor: FieldDescriptor| {
        let path = format!("{above}{}", descriptor.name());
        let options = descriptor.options();
        let rule_of = rule.filter(|rule| options.has_extension(rule));
        let known: pb::FieldRule = rule_of
            .and_then(|rule| read(&options, rule))
            .unwrap_or_default();
        let fields = if let Kind::Message(inner) = descriptor.kind()
            && !known.written
        {
            read_fields(&inner, &format!("{path}."), rule)
        } else {
            Vec::new()
        };
        Field {
            descriptor,
            path,
            rule: known,
            fields,
        }
    };
    message.fields().map(field).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_action_of_the_rules_has_a_message_of_its_name_and_every_message_its_rules() {
        let known: BTreeSet<_> = types().iter().map(|known| known.spec.name).collect();
        let ruled: BTreeSet<_> = action::ALL.iter().map(|spec| spec.name).collect();
        assert_eq!(known, ruled);
    }

    #[test]
    fn every_field_a_caller_fills_has_labels_in_both_languages() {
        for known in types() {
            for field in known.asked() {
                let label = &field.rule;
                let named = !label.zh.is_ascii() && !label.en.is_empty();
                assert!(named, "{}.{}", known.spec.name, field.path);
                if let Holds::Choice(choices) = field.holds() {
                    assert!(!choices.is_empty(), "{}.{}", known.spec.name, field.path);
                    for choice in choices {
                        assert!(!choice.words.zh.is_ascii() && choice.words.en.is_ascii());
                    }
                }
            }
        }
    }

    #[test]
    fn an_action_is_the_same_after_it_was_unwrapped_and_wrapped() {
        let asked: pb::Action = pb::Dispatch {
            lead: "区城管局".to_owned(),
            due_ms: 7,
            ..Default::default()
        }
        .into();
        let known = type_of(&asked).unwrap();
        assert_eq!(known.spec.name, "dispatch");
        let message = known.unwrap(&asked).unwrap();
        assert_eq!(known.wrap(message).unwrap(), asked);
        assert!(named("accept").unwrap().unwrap(&asked).is_none());
    }
}
