//! What signed bytes say, as JSON.

use std::sync::LazyLock;

use data_encoding::BASE64;
use fengqiao_hub::casework::name_of;
use fengqiao_hub::entry::{Entry, Move};
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_proto::{FILE_DESCRIPTOR_SET, v1 as pb};
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::{Map, Value, json};

use super::Text;

static WORDS: LazyLock<Option<DescriptorPool>> =
    LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).ok());

/// The line of one entry.
pub(super) fn line_of(entry: &Entry, registry: &Registry, bytes: &[u8], texts: &[Text]) -> Value {
    let mut line = Map::new();
    let mut put = |key: &str, value: Value| line.insert(key.to_owned(), value);
    put("record", json!("entry"));
    put("kind", json!(kind_of(entry)));
    put("chain", json!(entry.chain));
    put("sequence", json!(entry.sequence));
    put("hash", json!(entry.hash.to_string()));
    put(
        "previous",
        json!(entry.previous.map(|hash| hash.to_string())),
    );
    put("rank", json!(entry.rank.to_string()));
    put("author", json!(entry.author));
    put("move", json!(name_of(entry.body.content.as_ref())));
    put("custody", custody_of(entry));
    let place = registry.node(entry.author).map(|node| node.place);
    put("place", json!(place));
    put("place_name", json!(place.map(|place| registry.name(place))));
    put("sealed_payloads", json!(entry.signed.payloads.len()));
    put(
        "envelope",
        decoded("fengqiao.v1.Envelope", &entry.signed.envelope),
    );
    put("body", decoded("fengqiao.v1.Body", &entry.signed.body));
    put("signed", json!(BASE64.encode(bytes)));
    if !texts.is_empty() {
        put("texts", json!(texts));
    }
    Value::Object(line)
}

/// The JSON form that protobuf defines; null for what does not decode, as of a later version.
fn decoded(message: &str, bytes: &[u8]) -> Value {
    let decode = || {
        let kind = WORDS.as_ref()?.get_message_by_name(message)?;
        let message = DynamicMessage::decode(kind, bytes).ok()?;
        serde_json::to_value(message).ok()
    };
    decode().unwrap_or(Value::Null)
}

fn kind_of(entry: &Entry) -> &'static str {
    match entry.kind {
        pb::ChainKind::Case => "case",
        pb::ChainKind::Registry => "registry",
        pb::ChainKind::Directive => "directive",
        pb::ChainKind::Rulebook => "rulebook",
        pb::ChainKind::Supervision => "supervision",
        pb::ChainKind::Administration => "administration",
        pb::ChainKind::Access => "access",
        pb::ChainKind::Unspecified => "unknown",
    }
}

fn custody_of(entry: &Entry) -> Value {
    match entry.mv {
        Move::None => Value::Null,
        Move::Dispatched(to) => json!({ "dispatched_to": to }),
        Move::Offered(to) => json!({ "offered_to": to }),
        Move::Taken(answers) => json!({ "taken": answers.map(|hash| hash.to_string()) }),
    }
}
