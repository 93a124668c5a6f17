//! Every field of every message at its limit and beyond it.

use prost::encoding::{encode_key, encode_varint};

use super::rule::Rule;
use super::tables::{FieldBounds, reached};
use super::*;

/// One field with a value, encoded.
fn field(field: &FieldBounds, value: Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    match value {
        Value::Number(number) => {
            encode_key(field.number, WireType::Varint, &mut bytes);
            encode_varint(number, &mut bytes);
        }
        Value::Bytes(content) => {
            encode_key(field.number, WireType::LengthDelimited, &mut bytes);
            encode_varint(content.len() as u64, &mut bytes);
            bytes.extend_from_slice(&content);
        }
    }
    bytes
}

#[derive(Clone)]
enum Value {
    Number(u64),
    Bytes(Vec<u8>),
}

fn text(text: &str) -> Value {
    Value::Bytes(text.as_bytes().to_vec())
}

/// What a rule lets pass at its limit, and what it refuses just beyond.
fn at_limit_and_beyond(rule: &Rule) -> (Vec<Value>, Vec<(Value, Fault)>) {
    let number = Value::Number;
    match rule {
        Rule::Text { characters_max } => (
            vec![text(&"调".repeat(*characters_max)), text("")],
            vec![
                (text(&"x".repeat(characters_max + 1)), Fault::TooLong),
                (text(&"调".repeat(characters_max + 1)), Fault::TooLong),
                (text(&"x".repeat(1 << 16)), Fault::TooLong),
                (text("a\u{1b}[2J"), Fault::Control),
                (text("a\nERROR"), Fault::Control),
                (text("\u{202e}txt"), Fault::Control),
                (text("\u{2066}a"), Fault::Control),
                (text("a\u{200b}b"), Fault::Control),
                (Value::Bytes(vec![0xff, 0xfe]), Fault::Undecodable),
                (number(1), Fault::Undecodable),
            ],
        ),
        Rule::Bytes { most } => (
            vec![Value::Bytes(vec![7; *most])],
            vec![(Value::Bytes(vec![7; most + 1]), Fault::TooLong)],
        ),
        Rule::Id(lengths) => (
            lengths
                .iter()
                .map(|length| Value::Bytes(vec![7; *length]))
                .collect(),
            [1, 9, 11, 17, 33, 200]
                .into_iter()
                .filter(|length| !lengths.contains(length))
                .map(|length| (Value::Bytes(vec![7; length]), Fault::Length))
                .collect(),
        ),
        Rule::Unsigned(most) => (
            vec![number(0), number(*most)],
            vec![
                (number(most + 1), Fault::Range),
                (number(u64::MAX), Fault::Range),
            ],
        ),
        Rule::Signed(range) => (
            vec![
                number(range.start().cast_unsigned()),
                number(range.end().cast_unsigned()),
            ],
            vec![
                (number((range.start() - 1).cast_unsigned()), Fault::Range),
                (number((range.end() + 1).cast_unsigned()), Fault::Range),
                (number(i64::MIN.cast_unsigned()), Fault::Range),
                (number(i64::MAX.cast_unsigned()), Fault::Range),
            ],
        ),
        Rule::Known(values) => (
            values.iter().map(|value| number(*value)).collect(),
            [1, 55, 61, u64::MAX]
                .map(|value| (number(value), Fault::Range))
                .to_vec(),
        ),
        // Several may be packed into bytes, of which these are none.
        Rule::Any => (
            vec![number(u64::MAX)],
            vec![(Value::Bytes(vec![0x80]), Fault::Undecodable)],
        ),
        Rule::Message(_) => (
            vec![Value::Bytes(Vec::new())],
            vec![(number(1), Fault::Undecodable)],
        ),
    }
}

#[test]
fn every_field_of_every_message_passes_at_its_limit_and_is_refused_beyond_it() {
    let mut fields = 0;
    for shape in reached(&Bounds::ALL.map(Bounds::name)) {
        for known in shape.fields() {
            fields += 1;
            let (passes, refused) = at_limit_and_beyond(&known.rule);
            for value in passes {
                assert_eq!(walk(shape, &field(known, value)), Ok(()), "{}", known.name);
            }
            for (value, fault) in refused {
                let refused = OutOfBounds {
                    field: known.name,
                    fault,
                };
                let said = walk(shape, &field(known, value));
                assert_eq!(said, Err(refused), "{}", known.name);
            }
        }
    }
    assert!(fields > 200, "{fields}: the messages are there");
}

#[test]
fn a_list_has_a_longest_count_and_what_is_no_list_stands_once() {
    for shape in reached(&Bounds::ALL.map(Bounds::name)) {
        for known in shape.fields() {
            let (passes, _) = at_limit_and_beyond(&known.rule);
            let value = if matches!(known.rule, Rule::Text { .. }) {
                text("x")
            } else {
                passes[0].clone()
            };
            if matches!(known.rule, Rule::Bytes { .. }) {
                continue;
            }
            let most = known.count_max.unwrap_or(1);
            let one = field(known, value);
            assert_eq!(walk(shape, &one.repeat(most)), Ok(()), "{}", known.name);
            let said = walk(shape, &one.repeat(most + 1)).unwrap_err();
            let fault = if known.count_max.is_some() {
                Fault::TooLong
            } else {
                Fault::Twice
            };
            assert_eq!((said.field, said.fault), (known.name, fault));
        }
    }
}

#[test]
fn two_moves_of_one_envelope_and_two_contents_of_one_body_are_refused() {
    for name in ["Envelope", "Body"] {
        let shape = message(name);
        let slots: Vec<usize> = shape.fields().iter().map(|field| field.slot).collect();
        let of_one = shape
            .fields()
            .iter()
            .filter(|field| slots.iter().filter(|slot| **slot == field.slot).count() > 1);
        let two: Vec<u8> = of_one
            .take(2)
            .flat_map(|known| field(known, Value::Bytes(Vec::new())))
            .collect();
        assert!(!two.is_empty());
        let said = walk(shape, &two).unwrap_err();
        assert_eq!(said.fault, Fault::Twice);
    }
}

#[test]
fn a_content_of_a_later_version_passes_and_the_message_around_it_is_still_bounded() {
    let mut unknown = Vec::new();
    encode_key(19_999, WireType::LengthDelimited, &mut unknown);
    encode_varint(4, &mut unknown);
    unknown.extend_from_slice(b"\x1b[2J");
    assert_eq!(walk(message("Body"), &unknown), Ok(()));
    let long = unknown.repeat(10_000);
    let said = Bounds::Entry.check(&long).unwrap_err();
    assert_eq!(said.fault, Fault::TooLong);
}

#[test]
fn no_bytes_at_all_make_it_panic() {
    // Every prefix and every bent byte of something that looks like an entry.
    let bytes: Vec<u8> = message("Envelope")
        .fields()
        .iter()
        .flat_map(|known| {
            let (mut passes, _) = at_limit_and_beyond(&known.rule);
            field(known, passes.remove(0))
        })
        .collect();
    for end in 0..bytes.len() {
        let _ = walk(message("Envelope"), &bytes[..end]);
        for bent in [0, 0x7f, 0x80, 0xff] {
            let mut bytes = bytes.clone();
            bytes[end] = bent;
            let _ = walk(message("Envelope"), &bytes);
        }
    }
}
