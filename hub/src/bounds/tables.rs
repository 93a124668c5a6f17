//! The shapes of all messages, made once from their descriptors and from the limits that are named.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};

use super::limits;
use super::rule::Rule;

#[derive(Debug)]
pub(super) struct FieldBounds {
    pub(super) number: u32,
    /// Message and field.
    pub(super) name: &'static str,
    pub(super) rule: Rule,
    /// Most values, when there may be several.
    pub(super) count_max: Option<usize>,
    /// Where its values are counted; members of a `oneof` share one.
    pub(super) slot: usize,
}

#[derive(Debug)]
pub(super) struct MessageBounds {
    pub(super) name: &'static str,
    pub(super) slots: usize,
    fields: Vec<FieldBounds>,
}

impl MessageBounds {
    pub(super) fn field(&self, number: u32) -> Option<&FieldBounds> {
        let at = self
            .fields
            .binary_search_by_key(&number, |field| field.number);
        at.ok().map(|at| &self.fields[at])
    }
}

static MESSAGES: LazyLock<BTreeMap<&'static str, MessageBounds>> = LazyLock::new(|| {
    let set = FileDescriptorSet::decode(fengqiao_proto::FILE_DESCRIPTOR_SET)
        .unwrap_or_else(|_| unreachable!("the descriptors are built in"));
    let files = set
        .file
        .into_iter()
        .filter(|file| file.package() == "fengqiao.v1");
    let messages = files.flat_map(|file| file.message_type);
    messages
        .map(|message| shape_of(&message))
        .map(|shape| (shape.name, shape))
        .collect()
});

/// The shape of a message by its short name.
pub(super) fn message(name: &str) -> &'static MessageBounds {
    MESSAGES
        .get(name)
        .unwrap_or_else(|| unreachable!("{name} is no message"))
}

/// A name that lives as long as the process: there is one set of descriptors.
fn kept(name: String) -> &'static str {
    Box::leak(name.into_boxed_str())
}

fn shape_of(message: &DescriptorProto) -> MessageBounds {
    let name = kept(message.name().to_owned());
    let mut oneofs = BTreeMap::new();
    let mut slots = 0;
    let mut next = || {
        slots += 1;
        slots - 1
    };
    let mut fields: Vec<FieldBounds> = message
        .field
        .iter()
        .map(|field| FieldBounds {
            number: u32::try_from(field.number()).unwrap_or_default(),
            name: kept(format!("{name}.{}", field.name())),
            rule: rule_of(name, field),
            count_max: (field.label() == Label::Repeated)
                .then(|| limits::count_max(name, field.name())),
            slot: match field.oneof_index {
                Some(oneof) => *oneofs.entry(oneof).or_insert_with(&mut next),
                None => next(),
            },
        })
        .collect();
    fields.sort_unstable_by_key(|field| field.number);
    MessageBounds {
        name,
        slots,
        fields,
    }
}

fn rule_of(message: &str, field: &FieldDescriptorProto) -> Rule {
    let name = field.name();
    match field.r#type() {
        Type::String => Rule::Text {
            characters_max: limits::characters_max(message, name),
        },
        Type::Bytes => limits::bytes(message, name),
        Type::Uint32 => limits::unsigned(message, name, limits::UINT32_MAX),
        Type::Uint64 => limits::unsigned(message, name, limits::UINT64_MAX),
        Type::Int32 => Rule::Signed(limits::INT32),
        Type::Int64 => Rule::Signed(limits::TIMES_MS),
        Type::Bool | Type::Enum => Rule::Any,
        Type::Message => {
            let short = field.type_name().rsplit('.').next().unwrap_or_default();
            Rule::Message(kept(short.to_owned()))
        }
        Type::Double
        | Type::Float
        | Type::Fixed32
        | Type::Fixed64
        | Type::Sfixed32
        | Type::Sfixed64
        | Type::Sint32
        | Type::Sint64
        | Type::Group => unreachable!("{message}.{name} is of a kind the words do not use"),
    }
}

#[cfg(test)]
impl MessageBounds {
    pub(super) fn fields(&self) -> &[FieldBounds] {
        &self.fields
    }
}

/// The messages of these names and all that stand in them.
#[cfg(test)]
pub(super) fn reached(names: &[&'static str]) -> Vec<&'static MessageBounds> {
    let mut open = names.to_vec();
    let mut reached = BTreeMap::new();
    while let Some(name) = open.pop() {
        let shape = message(name);
        if reached.insert(name, shape).is_none() {
            open.extend(shape.fields.iter().filter_map(|field| {
                if let Rule::Message(name) = field.rule {
                    Some(name)
                } else {
                    None
                }
            }));
        }
    }
    reached.into_values().collect()
}
