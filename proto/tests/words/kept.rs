//! What was once said keeps its meaning: the words kept in `tests/kept/v1.bin` all stand today, unchanged.
//!
//! New fields, values, messages and calls may come at any time. A field may go only if its number and its name are
//! reserved. `make keep` writes today's words over the kept ones, after this test.

use std::collections::BTreeMap;
use std::fs;

use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet,
    ServiceDescriptorProto,
};

use super::here;

/// Everything a peer or an old journal relies on, by where it stands, each with its form in words.
#[derive(Default)]
struct Words {
    said: BTreeMap<String, String>,
    reserved: Vec<String>,
}

impl Words {
    fn of(set: &FileDescriptorSet) -> Self {
        let mut words = Self::default();
        for file in &set.file {
            let package = file.package();
            for message in &file.message_type {
                words.message(package, message);
            }
            for listed in &file.enum_type {
                words.enumeration(package, listed);
            }
            for service in &file.service {
                words.service(package, service);
            }
        }
        words
    }

    fn message(&mut self, scope: &str, message: &DescriptorProto) {
        let name = format!("{scope}.{}", message.name());
        self.said
            .insert(format!("message {name}"), "stands".to_owned());
        for field in &message.field {
            let place = format!("message {name}, field number {}", field.number());
            self.said.insert(place, form(message, field));
        }
        for range in &message.reserved_range {
            for number in range.start()..range.end() {
                self.reserved
                    .push(format!("message {name}, field number {number}"));
            }
        }
        for reserved in &message.reserved_name {
            self.reserved
                .push(format!("message {name}, name {reserved}"));
        }
        for nested in &message.nested_type {
            self.message(&name, nested);
        }
        for listed in &message.enum_type {
            self.enumeration(&name, listed);
        }
    }

    fn enumeration(&mut self, scope: &str, listed: &EnumDescriptorProto) {
        let name = format!("{scope}.{}", listed.name());
        self.said
            .insert(format!("enum {name}"), "stands".to_owned());
        for value in &listed.value {
            let place = format!("enum {name}, number {}", value.number());
            self.said.insert(place, format!("`{}`", value.name()));
        }
    }

    fn service(&mut self, scope: &str, service: &ServiceDescriptorProto) {
        for call in &service.method {
            let stream = |on: bool| if on { "stream " } else { "" };
            let place = format!("call {scope}.{}/{}", service.name(), call.name());
            let form = format!(
                "{}{} -> {}{}",
                stream(call.client_streaming()),
                call.input_type(),
                stream(call.server_streaming()),
                call.output_type()
            );
            self.said.insert(place, form);
        }
    }
}

fn form(message: &DescriptorProto, field: &FieldDescriptorProto) -> String {
    let kind = if field.type_name().is_empty() {
        let plain = field.r#type().as_str_name();
        plain.trim_start_matches("TYPE_").to_lowercase()
    } else {
        field.type_name().to_owned()
    };
    let label = match field.label() {
        Label::Repeated => "repeated ",
        Label::Required => "required ",
        Label::Optional if field.proto3_optional() => "optional ",
        Label::Optional => "",
    };
    let choice = field
        .oneof_index
        .filter(|_| !field.proto3_optional())
        .and_then(|at| message.oneof_decl.get(usize::try_from(at).ok()?))
        .map(|choice| format!(" of oneof {}", choice.name()))
        .unwrap_or_default();
    format!("{label}{kind} `{}`{choice}", field.name())
}

/// What was said once and is not said the same way now, a line each.
fn broken(then: &FileDescriptorSet, now: &FileDescriptorSet) -> Vec<String> {
    let (then, now) = (Words::of(then), Words::of(now));
    let gone_in_order = |place: &str, form: &str| {
        let Some((message, _)) = place.split_once(", field number ") else {
            return false;
        };
        let name = form.split('`').nth(1).unwrap_or_default();
        let reserved = |what: &str| now.reserved.iter().any(|have| have == what);
        reserved(place) && reserved(&format!("{message}, name {name}"))
    };
    then.said
        .iter()
        .filter_map(|(place, form)| match now.said.get(place) {
            Some(same) if same == form => None,
            Some(other) => Some(format!("{place}: was {form}, is {other}")),
            None if gone_in_order(place, form) => None,
            None => Some(format!("{place}: was {form}, is gone")),
        })
        .collect()
}

fn today() -> FileDescriptorSet {
    FileDescriptorSet::decode(fengqiao_proto::FILE_DESCRIPTOR_SET).unwrap()
}

#[test]
fn what_was_kept_is_still_said_the_same_way() {
    let path = here().join("tests/kept/v1.bin");
    let kept = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let broken = broken(&FileDescriptorSet::decode(&kept[..]).unwrap(), &today());
    assert!(
        broken.is_empty(),
        "peers and old journals would misread:\n{}",
        broken.join("\n")
    );
}

/// Finds a message anywhere in the set.
fn message<'a>(set: &'a mut FileDescriptorSet, name: &str) -> &'a mut DescriptorProto {
    let mut messages = set.file.iter_mut().flat_map(|file| &mut file.message_type);
    messages.find(|message| message.name() == name).unwrap()
}

#[test]
fn a_renamed_field_is_found() {
    let mut changed = today();
    message(&mut changed, "Cursor").field[0].name = Some("track".to_owned());
    assert_eq!(
        broken(&today(), &changed),
        [
            "message fengqiao.v1.Cursor, field number 1: was .fengqiao.v1.Lane `lane`, is .fengqiao.v1.Lane `track`"
        ]
    );
}

#[test]
fn a_field_of_another_type_is_found() {
    let mut changed = today();
    message(&mut changed, "Cursor").field[3].r#type = Some(Type::Uint32.into());
    assert_eq!(
        broken(&today(), &changed),
        ["message fengqiao.v1.Cursor, field number 4: was uint64 `sequence`, is uint32 `sequence`"]
    );
}

#[test]
fn a_field_that_vanished_is_found_unless_its_number_and_name_are_reserved() {
    let mut changed = today();
    message(&mut changed, "Cursor").field.remove(4);
    assert_eq!(
        broken(&today(), &changed),
        ["message fengqiao.v1.Cursor, field number 5: was bytes `hash`, is gone"]
    );
    let cursor = message(&mut changed, "Cursor");
    cursor
        .reserved_range
        .push(prost_types::descriptor_proto::ReservedRange {
            start: Some(5),
            end: Some(6),
        });
    assert_eq!(
        broken(&today(), &changed).len(),
        1,
        "the name is still free"
    );
    message(&mut changed, "Cursor")
        .reserved_name
        .push("hash".to_owned());
    assert!(broken(&today(), &changed).is_empty());
}

#[test]
fn a_renumbered_value_and_a_changed_call_are_found() {
    let mut changed = today();
    for file in &mut changed.file {
        for listed in &mut file.enum_type {
            if listed.name() == "Lane" {
                listed.value[3].number = Some(4);
            }
        }
        for service in &mut file.service {
            for call in &mut service.method {
                if call.name() == "Exchange" {
                    call.client_streaming = Some(false);
                }
            }
        }
    }
    let found = broken(&today(), &changed);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("call fengqiao.v1.LinkService/Exchange: was stream "));
    assert_eq!(
        found[1],
        "enum fengqiao.v1.Lane, number 3: was `LANE_BULK`, is gone"
    );
}

#[test]
fn what_is_new_breaks_nothing() {
    let mut changed = today();
    let mut fresh = message(&mut changed, "Cursor").field[3].clone();
    fresh.number = Some(99);
    fresh.name = Some("fresh".to_owned());
    message(&mut changed, "Cursor").field.push(fresh);
    assert!(broken(&today(), &changed).is_empty());
}
