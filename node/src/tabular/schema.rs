//! What the rows of a table must become: fields, kinds and what must come in order.

use std::fmt;

use fengqiao_hub::clock::Moment;

use super::errors::RowErrorCode;
use super::moments::{DateStyle, parse_moment};

/// Characters a code may have.
const CODE_LENGTH_MAX: usize = 64;

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind<'a> {
    /// Free text.
    Text {
        /// Bytes of UTF-8 it may have.
        bytes_max: usize,
    },
    /// Up to 64 ASCII letters, digits, `-`, `_`, `.`.
    Code,
    /// An instant, in the form the mapping names.
    Moment,
    /// One of a list, exactly as written there.
    Choice(&'a [&'a str]),
    /// A whole number of 64 bits.
    Integer,
}

/// Whether a row may leave a field empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// An empty one is an error.
    Required,
    /// An empty one is left out of the row's values.
    Optional,
}

/// One field that a table may fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldSpec<'a> {
    /// Its name in the mapping and in the values of a row.
    pub name: &'a str,
    /// What it holds.
    pub kind: FieldKind<'a>,
    /// Whether it may be empty.
    pub need: Need,
}

/// Two moments of a row that must come in order, where both are given; equal is in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InOrder<'a> {
    /// The field that comes first.
    pub start: &'a str,
    /// The field that must not lie before it.
    pub due: &'a str,
}

/// All that rows are checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema<'a> {
    /// The fields, each name once.
    pub fields: &'a [FieldSpec<'a>],
    /// Pairs of moments in order.
    pub in_order: &'a [InOrder<'a>],
}

/// A checked value.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// Free text, within its bytes.
    Text(String),
    /// A code.
    Code(String),
    /// An instant.
    Moment(Moment),
    /// One of the field's list.
    Choice(String),
    /// A whole number.
    Integer(i64),
}

impl fmt::Debug for Value {
    /// The kind only: values are personal data.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Text(_) => "Text(..)",
            Self::Code(_) => "Code(..)",
            Self::Moment(_) => "Moment(..)",
            Self::Choice(_) => "Choice(..)",
            Self::Integer(_) => "Integer(..)",
        })
    }
}

pub(super) fn value_of(
    text: &str,
    kind: FieldKind<'_>,
    style: &DateStyle,
) -> Result<Value, RowErrorCode> {
    match kind {
        FieldKind::Text { bytes_max } if text.len() > bytes_max => Err(RowErrorCode::TextTooLong),
        FieldKind::Text { .. } => Ok(Value::Text(text.to_owned())),
        FieldKind::Code if is_code(text) => Ok(Value::Code(text.to_owned())),
        FieldKind::Code => Err(RowErrorCode::CodeInvalid),
        FieldKind::Moment => parse_moment(text, style).map(Value::Moment),
        FieldKind::Choice(list) if list.contains(&text) => Ok(Value::Choice(text.to_owned())),
        FieldKind::Choice(_) => Err(RowErrorCode::ChoiceUnknown),
        FieldKind::Integer => text
            .parse()
            .map(Value::Integer)
            .map_err(|_| RowErrorCode::IntegerInvalid),
    }
}

fn is_code(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=CODE_LENGTH_MAX).contains(&text.len()) && text.bytes().all(plain)
}
