//! One way to name and to explain: package, services, calls, enum values, fields; and every one of them has a comment.

use std::collections::BTreeMap;
use std::fs;

use prost_types::field_descriptor_proto::Type;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    ServiceDescriptorProto,
};

use super::here;

const PACKAGE: &str = "fengqiao.v1";
// Numbers of the fields of FileDescriptorProto and below, by which comments are found.
const MESSAGE: i32 = 4;
const ENUM: i32 = 5;
const SERVICE: i32 = 6;
const MESSAGE_FIELD: i32 = 2;
const MESSAGE_NESTED: i32 = 3;
const MESSAGE_ENUM: i32 = 4;
const MESSAGE_ONEOF: i32 = 8;
const ENUM_VALUE: i32 = 2;
const SERVICE_CALL: i32 = 2;

/// What is wrong with one file.
struct Reader {
    file: String,
    comments: BTreeMap<Vec<i32>, String>,
    wrong: Vec<String>,
}

impl Reader {
    fn of(file: &FileDescriptorProto) -> Self {
        let spans = file.source_code_info.iter().flat_map(|info| &info.location);
        let comments = spans
            .map(|at| (at.path.clone(), at.leading_comments().trim().to_owned()))
            .filter(|(_, comment)| !comment.is_empty())
            .collect();
        Self {
            file: file.name().to_owned(),
            comments,
            wrong: Vec::new(),
        }
    }

    fn must(&mut self, holds: bool, what: impl std::fmt::Display) {
        if !holds {
            self.wrong.push(format!("{}: {what}", self.file));
        }
    }

    fn commented(&mut self, path: &[i32], name: &str) {
        let comment = self.comments.get(path).cloned();
        self.must(comment.is_some(), format!("{name} has no comment"));
        if let Some(comment) = comment {
            let sentence = comment.ends_with(['.', '?', ':']);
            self.must(sentence, format!("the comment of {name} is no sentence"));
        }
    }

    fn message(&mut self, path: &[i32], message: &DescriptorProto) {
        let name = message.name();
        self.commented(path, name);
        self.must(is_pascal(name), format!("{name} is not PascalCase"));
        for (at, field) in (0..).zip(&message.field) {
            let full = format!("{name}.{}", field.name());
            self.commented(&below(path, MESSAGE_FIELD, at), &full);
            let snake = is_snake(field.name());
            self.must(snake, format!("{full} is not lower_snake_case"));
            // A map has no order on the wire, and everything signed is bytes as written.
            let map = field.r#type() == Type::Message && field.type_name().ends_with("Entry");
            let map = map && message.nested_type.iter().any(is_map);
            self.must(!map, format!("{full} is a map"));
        }
        for (at, choice) in (0..).zip(&message.oneof_decl) {
            // The compiler makes a hidden choice for each optional field.
            if !choice.name().starts_with('_') {
                let full = format!("{name}.{}", choice.name());
                self.commented(&below(path, MESSAGE_ONEOF, at), &full);
            }
        }
        for (at, nested) in (0..).zip(&message.nested_type) {
            self.message(&below(path, MESSAGE_NESTED, at), nested);
        }
        for (at, listed) in (0..).zip(&message.enum_type) {
            self.enumeration(&below(path, MESSAGE_ENUM, at), listed);
        }
    }

    fn enumeration(&mut self, path: &[i32], listed: &EnumDescriptorProto) {
        let name = listed.name();
        self.commented(path, name);
        let prefix = format!("{}_", screaming(name));
        for (at, value) in (0..).zip(&listed.value) {
            self.commented(&below(path, ENUM_VALUE, at), value.name());
            let begins = value.name().starts_with(&prefix);
            self.must(
                begins,
                format!("{} does not begin with {prefix}", value.name()),
            );
        }
        let zero = listed.value.iter().find(|value| value.number() == 0);
        let unspecified = zero.is_some_and(|zero| zero.name() == format!("{prefix}UNSPECIFIED"));
        self.must(
            unspecified,
            format!("the zero of {name} is not {prefix}UNSPECIFIED"),
        );
    }

    fn service(&mut self, path: &[i32], service: &ServiceDescriptorProto) {
        let name = service.name();
        self.commented(path, name);
        self.must(
            name.ends_with("Service"),
            format!("{name} does not end in Service"),
        );
        for (at, call) in (0..).zip(&service.method) {
            let full = format!("{name}.{}", call.name());
            self.commented(&below(path, SERVICE_CALL, at), &full);
            let request = format!(".{PACKAGE}.{}Request", call.name());
            let response = format!(".{PACKAGE}.{}Response", call.name());
            let takes = call.input_type() == request;
            self.must(takes, format!("{full} does not take {request}"));
            let gives = call.output_type() == response;
            self.must(gives, format!("{full} does not give {response}"));
        }
    }
}

fn is_map(message: &DescriptorProto) -> bool {
    message
        .options
        .as_ref()
        .is_some_and(|options| options.map_entry())
}

fn below(path: &[i32], kind: i32, at: i32) -> Vec<i32> {
    [path, &[kind, at]].concat()
}

fn is_pascal(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric())
}

fn is_snake(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('_')
        && !name.contains("__")
        && name
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
}

/// `KindClass` as `KIND_CLASS`.
fn screaming(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push('_');
        }
        words.push(letter.to_ascii_uppercase());
    }
    words
}

fn wrong_in(set: &FileDescriptorSet) -> Vec<String> {
    let mut wrong = Vec::new();
    let ours = |file: &&FileDescriptorProto| !file.package().starts_with("google.");
    for file in set.file.iter().filter(ours) {
        let mut reader = Reader::of(file);
        reader.must(file.package() == PACKAGE, "the package is not fengqiao.v1");
        for (at, message) in (0..).zip(&file.message_type) {
            reader.message(&[MESSAGE, at], message);
        }
        for (at, listed) in (0..).zip(&file.enum_type) {
            reader.enumeration(&[ENUM, at], listed);
        }
        for (at, service) in (0..).zip(&file.service) {
            reader.service(&[SERVICE, at], service);
        }
        wrong.append(&mut reader.wrong);
    }
    wrong
}

#[test]
fn every_word_is_named_by_the_rule_and_explained() {
    let folder = here().join("fengqiao/v1");
    let mut files: Vec<_> = [folder.clone(), folder.join("casework")]
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|file| file.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    assert!(
        files.len() >= 8,
        "the protocol files are in {}",
        folder.display()
    );
    let wrong = wrong_in(&protox::compile(&files, [here()]).unwrap());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_file_that_breaks_each_rule_is_told_of_each() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"syntax = "proto3";
package fengqiao.v2;
service Desk { rpc Ask(Question) returns (AskResponse); }
// Without an end
message Question { map<string, string> said = 1; string Loud = 2; }
// An answer.
message AskResponse {}
// A colour.
enum Colour {
  // Red.
  RED = 0;
}
"#;
    fs::write(folder.path().join("bad.proto"), text).unwrap();
    let set = protox::compile(["bad.proto"], [folder.path()]).unwrap();
    let wrong = wrong_in(&set).join("\n");
    for told in [
        "the package is not fengqiao.v1",
        "Desk has no comment",
        "Desk does not end in Service",
        "Desk.Ask has no comment",
        "Desk.Ask does not take .fengqiao.v1.AskRequest",
        "the comment of Question is no sentence",
        "Question.said has no comment",
        "Question.said is a map",
        "Question.Loud is not lower_snake_case",
        "RED does not begin with COLOUR_",
        "the zero of Colour is not COLOUR_UNSPECIFIED",
    ] {
        assert!(wrong.contains(told), "not told: {told}\n{wrong}");
    }
}
