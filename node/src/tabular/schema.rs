//! What the rows of a table must become: fields, kinds and what must come in order.

use std::fmt;

use fengqiao_hub::clock::Moment;
use fengqiao_hub::jurisdiction::Code as DivisionCode;
use fengqiao_hub::name::{self, half_width, nearest, one_spelling};
use fengqiao_hub::shape::{self, Damage};

use super::cells::CellKind;
use super::errors::{Problem, Words};
use super::moments::{DateStyle, moment_of_cell, parse_moment};

/// Characters a code may have.
const CODE_LENGTH_MAX: usize = 64;
/// Values of a choice shown at most.
const CHOICES_SHOWN_MAX: usize = 12;

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind<'a> {
    /// Free text.
    Text,
    /// A name of a person, place or unit, in one spelling.
    Name {
        /// Characters it may have.
        characters_max: usize,
    },
    /// Up to 64 ASCII letters, digits, `-`, `_`, `.`.
    Code,
    /// What another platform or the catalogue calls something: a code or a name.
    Reference,
    /// An official division code.
    DivisionCode,
    /// One or more telephone numbers.
    Telephone,
    /// A resident identity number.
    IdentityNumber,
    /// An instant, in the form the mapping names.
    Moment,
    /// One of a list: each value with the words that stand for it too.
    Choice(&'a [(&'a str, &'a [&'a str])]),
    /// A whole number of 64 bits.
    Integer,
}

impl FieldKind<'_> {
    /// What it is called.
    #[must_use]
    pub fn words(self) -> Words {
        let (chinese, english) = match self {
            Self::Text => ("文字", "text"),
            Self::Name { .. } => ("名称", "name"),
            Self::Code => ("代码", "code"),
            Self::Reference => ("编号或名称", "code or name"),
            Self::DivisionCode => ("区划代码", "division code"),
            Self::Telephone => ("电话", "telephone"),
            Self::IdentityNumber => ("身份证号码", "identity number"),
            Self::Moment => ("时间", "time"),
            Self::Choice(_) => ("选项", "choice"),
            Self::Integer => ("整数", "number"),
        };
        Words::of(chinese, english)
    }
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
    /// Its Chinese name, which a mapping may use too; may be empty.
    pub chinese: &'a str,
    /// What it holds.
    pub kind: FieldKind<'a>,
    /// Whether it may be empty.
    pub need: Need,
}

impl<'a> FieldSpec<'a> {
    /// A field by its two names, what it holds, and whether it may be empty.
    #[must_use]
    pub const fn new(name: &'a str, chinese: &'a str, kind: FieldKind<'a>, need: Need) -> Self {
        Self {
            name,
            chinese,
            kind,
            need,
        }
    }
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
    /// Text, name, code, telephone, identity number, or a value of the field's list.
    Text(String),
    /// An instant.
    Moment(Moment),
    /// A whole number.
    Integer(i64),
}

impl Value {
    /// The text, or nothing where it is none.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Moment(_) | Self::Integer(_) => "",
        }
    }
}

impl fmt::Debug for Value {
    /// The kind only: values are personal data.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Text(_) => "Text(..)",
            Self::Moment(_) => "Moment(..)",
            Self::Integer(_) => "Integer(..)",
        })
    }
}

/// What stands in a cell, taken out of what keeps a spreadsheet from reading it as a number.
pub(super) fn plain_text<'a>(text: &'a str, kind: FieldKind<'_>) -> &'a str {
    let unwrapped = shape::unwrapped(text);
    // An apostrophe before a digit may begin a text; a formula with nothing but a text in it is always one.
    let unwrapped = unwrapped.filter(|_| kind != FieldKind::Text || text.starts_with('='));
    unwrapped.map_or(text, str::trim)
}

/// What a spreadsheet program has made of a cell, told by name.
pub(super) fn spreadsheet_damage(
    text: &str,
    cell: CellKind,
    kind: FieldKind<'_>,
) -> Result<(), Problem> {
    let numeric = kind != FieldKind::Text;
    if cell == CellKind::NumberCutShort && numeric {
        return Err(Problem::of(
            "DIGITS_LOST",
            "表格软件只保留了前15位数字，其余已变为零；请把该列设为文本后重新填写",
            "a spreadsheet kept fifteen digits and made zeros of the rest; make the column text and enter them anew",
        ));
    }
    match shape::damage(text) {
        Some(Damage::ColumnTooNarrow) => Err(Problem::of(
            "COLUMN_TOO_NARROW",
            "导出时列宽不够，只剩井号；请加宽该列后重新导出",
            "the column was too narrow when it was exported; widen it and export anew",
        )),
        Some(Damage::FormulaError) => Err(Problem::of(
            "FORMULA_ERROR",
            "是公式的错误值，请填写实际内容",
            "the error of a formula; enter the value itself",
        )),
        Some(Damage::ScientificNotation) if numeric => Err(Problem::of(
            "SCIENTIFIC_NOTATION",
            "数字已被改成科学计数法；请把该列设为文本后重新填写",
            "the digits were written in scientific notation; make the column text and enter them anew",
        )),
        Some(Damage::Formula) if numeric => Err(Problem::of(
            "FORMULA",
            "是公式而不是结果，请填写实际内容",
            "a formula and not its result; enter the value itself",
        )),
        Some(Damage::ScientificNotation | Damage::Formula) | None => Ok(()),
    }
}

pub(super) fn value_of(
    text: &str,
    cell: CellKind,
    spec: &FieldSpec<'_>,
    style: &DateStyle,
) -> Result<Value, Problem> {
    let kind = spec.kind;
    let text = plain_text(text, kind);
    spreadsheet_damage(text, cell, kind)?;
    match kind {
        FieldKind::Text => Ok(Value::Text(text.to_owned())),
        FieldKind::Name { characters_max } => {
            let name = name::read(text, characters_max, "").map_err(Problem::from)?;
            Ok(Value::Text(name))
        }
        FieldKind::Code => code(text).map(Value::Text),
        FieldKind::Reference => {
            let name = name::read(text, CODE_LENGTH_MAX, "").map_err(Problem::from)?;
            Ok(Value::Text(name))
        }
        FieldKind::DivisionCode => division_code(text).map(Value::Text),
        FieldKind::Telephone => {
            let number = shape::telephone(text, "").map_err(Problem::from)?;
            Ok(Value::Text(number))
        }
        FieldKind::IdentityNumber => {
            let number = shape::identity_number(text, "").map_err(Problem::from)?;
            Ok(Value::Text(number))
        }
        FieldKind::Moment if cell == CellKind::Moment => {
            moment_of_cell(text, style).map(Value::Moment)
        }
        FieldKind::Moment => parse_moment(text, style).map(Value::Moment),
        FieldKind::Choice(list) => choice(text, list).map(Value::Text),
        FieldKind::Integer => half_width(text).parse().map(Value::Integer).map_err(|_| {
            Problem::of(
                "INTEGER_INVALID",
                "不是整数，应如 12",
                "not a whole number; write it as 12",
            )
        }),
    }
}

/// A field is empty that must not be.
pub(super) fn required() -> Problem {
    Problem::of(
        "FIELD_REQUIRED",
        "必填，不能为空",
        "required, and empty here",
    )
}

fn code(text: &str) -> Result<String, Problem> {
    let code = half_width(text);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if (1..=CODE_LENGTH_MAX).contains(&code.len()) && code.bytes().all(plain) {
        return Ok(code);
    }
    Err(Problem::of(
        "CODE_INVALID",
        "代码只能由字母、数字、-、_、.组成，最多64位",
        "a code takes up to 64 letters, digits, - _ .",
    ))
}

fn division_code(text: &str) -> Result<String, Problem> {
    let code = half_width(text);
    match code.parse::<DivisionCode>() {
        Ok(code) => Ok(code.as_str().to_owned()),
        Err(_) => Err(Problem::of(
            "CODE_INVALID",
            "区划代码应为2、4、6、9或12位数字，如 371402",
            "a division code has 2, 4, 6, 9 or 12 digits, as 371402",
        )),
    }
}

fn choice(text: &str, list: &[(&str, &[&str])]) -> Result<String, Problem> {
    let written = half_width(&one_spelling(text)).to_lowercase();
    let stands = |word: &str| half_width(word).to_lowercase() == written;
    let found = list
        .iter()
        .find(|(value, words)| stands(value) || words.iter().any(|word| stands(word)));
    if let Some((value, _)) = found {
        return Ok((*value).to_owned());
    }
    let shown: Vec<&str> = list
        .iter()
        .map(|(value, words)| words.first().copied().unwrap_or(value))
        .take(CHOICES_SHOWN_MAX)
        .collect();
    let values: Vec<&str> = list.iter().map(|(value, _)| *value).collect();
    let words = list.iter().flat_map(|(_, words)| words.iter().copied());
    let near = nearest(text, words.chain(values.iter().copied()));
    let (mut chinese, mut english) = (
        format!("不在可选值之中，应为：{}", shown.join("、")),
        format!("not one of the values of this field: {}", values.join(", ")),
    );
    if let Some(near) = near.first() {
        chinese.push_str(&format!("；是不是 {near}？"));
        english.push_str(&format!("; did you mean {near}?"));
    }
    Err(Problem::of("CHOICE_UNKNOWN", chinese, english))
}
