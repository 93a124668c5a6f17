//! The mapping file: which column is which field.
//!
//! ```toml
//! key = "id"                        # the column whose value makes a row unique; without it, the whole row does
//!
//! [fields.opened_at]
//! column = "created_at"
//! format = "%Y/%m/%d %H:%M"         # strftime; RFC 3339 without it
//! offset = "+08:00"                 # for times that name no offset themselves
//!
//! [fields.channel]
//! column = "source"
//! values = { "Constituent Call" = "phone", "Self Service" = "web" }
//!
//! [fields.ward]
//! column = "ward"
//! strip_prefix = "Ward "            # before `values` are looked up
//!
//! [fields.origin]
//! constant = "boston-311"
//! ```

use std::collections::BTreeMap;
use std::fmt;

use fengqiao_hub::name::nearest;
use serde::Deserialize;

use super::cells::CellKind;
use super::errors::{Problem, TabularError, Words};
use super::moments::{DateStyle, offset_minutes};
use super::schema::{FieldSpec, Need, Schema, Value, required, value_of};
use super::table::Table;
use super::text::decode;

/// Why a mapping was refused: in itself, or with the table and the schema it is used on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MappingError {
    /// Its bytes are no text.
    NotText(TabularError),
    /// Not TOML, or a key that a mapping does not have; counted from 1.
    NotReadable {
        /// Line in the mapping file.
        line: usize,
        /// Column in it.
        column: usize,
        /// What does not fit, in the words of the TOML reader.
        message: String,
    },
    /// A field needs either a column or a constant.
    SourceUnclear {
        /// The field.
        field: String,
    },
    /// Not `Z`, `+hh:mm` or `-hh:mm` within 18 hours.
    OffsetUnreadable {
        /// The field.
        field: String,
    },
    /// A format that cannot be read with, or that leads to no instant because no offset is named.
    FormatUnusable {
        /// The field.
        field: String,
    },
    /// A field the target does not have.
    FieldUnknown {
        /// The field as written.
        field: String,
        /// The fields there are, each with its Chinese name.
        known: Vec<String>,
    },
    /// A required field that the mapping does not fill.
    FieldUnmapped {
        /// The field.
        field: String,
    },
    /// A column the table does not have.
    ColumnMissing {
        /// The field that needs it, or `key`.
        field: String,
        /// The column as written.
        column: String,
        /// The columns there are.
        there: Vec<String>,
        /// Line in which they stand.
        line: u64,
    },
    /// A constant that its field does not accept.
    ConstantRefused {
        /// The field.
        field: String,
        /// Why.
        problem: Problem,
    },
}

impl MappingError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotText(_) | Self::NotReadable { .. } => "MAPPING_NOT_READABLE",
            Self::SourceUnclear { .. } => "MAPPING_SOURCE_UNCLEAR",
            Self::OffsetUnreadable { .. } => "MAPPING_OFFSET_UNREADABLE",
            Self::FormatUnusable { .. } => "MAPPING_FORMAT_UNUSABLE",
            Self::FieldUnknown { .. } => "MAPPING_FIELD_UNKNOWN",
            Self::FieldUnmapped { .. } => "MAPPING_FIELD_UNMAPPED",
            Self::ColumnMissing { .. } => "MAPPING_COLUMN_MISSING",
            Self::ConstantRefused { .. } => "MAPPING_CONSTANT_REFUSED",
        }
    }

    /// What a person reads.
    #[must_use]
    pub fn words(&self) -> Words {
        match self {
            Self::NotText(error) => {
                let Words { chinese, english } = error.words();
                Words::of(
                    format!("映射文件：{chinese}"),
                    format!("the mapping file: {english}"),
                )
            }
            Self::NotReadable {
                line,
                column,
                message,
            } => Words::of(
                format!(
                    "映射文件第{line}行第{column}列不符合 TOML 格式：引号、等号须为半角，键名须拼写正确，中文键名须加引号"
                ),
                format!("mapping file, line {line}, column {column}: {message}"),
            ),
            Self::SourceUnclear { field } => Words::of(
                format!("字段“{field}”必须且只能写 column（列）或 constant（固定值）之一"),
                format!(
                    "field \"{field}\" needs either `column` or `constant`, not both and not neither"
                ),
            ),
            Self::OffsetUnreadable { field } => Words::of(
                format!("字段“{field}”的 offset（时区）应写成 +08:00 的形式"),
                format!("field \"{field}\": write `offset` as +08:00"),
            ),
            Self::FormatUnusable { field } => Words::of(
                format!(
                    "字段“{field}”的 format（格式）应含日期，如 %Y-%m-%d %H:%M；其中没有时区时须写 offset（时区），如 +08:00"
                ),
                format!(
                    "field \"{field}\": `format` is a strftime format with a date, as %Y-%m-%d %H:%M; where it names no offset, `offset` does, as +08:00"
                ),
            ),
            Self::FieldUnknown { field, known } => {
                let near = nearest(field, known.iter().flat_map(|known| known.split(' ')));
                let (mut chinese, mut english) = (
                    format!("没有字段“{field}”，可用字段：{}", known.join("、")),
                    format!(
                        "there is no field \"{field}\"; there are: {}",
                        known.join(", ")
                    ),
                );
                if let Some(near) = near.first() {
                    chinese.push_str(&format!("；是不是 {near}？"));
                    english.push_str(&format!("; did you mean {near}?"));
                }
                Words::of(chinese, english)
            }
            Self::FieldUnmapped { field } => Words::of(
                format!("必填字段“{field}”没有映射，请在映射文件中写明它来自哪一列"),
                format!(
                    "required field \"{field}\" is not mapped; say in the mapping file which column it is"
                ),
            ),
            Self::ColumnMissing {
                field,
                column,
                there,
                line,
            } => {
                let near = nearest(column, there.iter().map(String::as_str));
                let (mut chinese, mut english) = (
                    format!(
                        "表中没有“{column}”列（字段“{field}”需要）；第{line}行的列有：{}",
                        there.join("、")
                    ),
                    format!(
                        "the table has no column \"{column}\", needed for \"{field}\"; in line {line} there are: {}",
                        there.join(", ")
                    ),
                );
                if let Some(near) = near.first() {
                    chinese.push_str(&format!("；是不是 {near}？"));
                    english.push_str(&format!("; did you mean {near}?"));
                }
                Words::of(chinese, english)
            }
            Self::ConstantRefused { field, problem } => Words::of(
                format!(
                    "字段“{field}”的 constant（固定值）不合要求：{}",
                    problem.words.chinese
                ),
                format!(
                    "the constant of field \"{field}\" is not accepted: {}",
                    problem.words.english
                ),
            ),
        }
    }
}

impl fmt::Display for MappingError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.words().english)
    }
}

impl std::error::Error for MappingError {}

/// Where one field comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldMapping {
    /// The column it is read from.
    pub column: Option<String>,
    /// The value every row has instead.
    pub constant: Option<String>,
    /// Taken off the front of the cell where it stands there.
    pub strip_prefix: Option<String>,
    /// Cell to value; a cell that is not named stays as it is.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
    /// strftime format of a moment.
    pub format: Option<String>,
    /// Offset of moments that name none, such as `+08:00`.
    pub offset: Option<String>,
}

/// Which column is which field.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// The column whose value makes a row unique; without it the content of the whole row does.
    pub key: Option<String>,
    /// Target field to its source.
    pub fields: BTreeMap<String, FieldMapping>,
}

impl Mapping {
    /// Reads the bytes of a mapping file, in any encoding that tables come in.
    ///
    /// # Errors
    /// `NotText`, and those of [`Mapping::parse`].
    pub fn read(bytes: Vec<u8>) -> Result<Self, MappingError> {
        let (_, text) = decode(bytes).map_err(MappingError::NotText)?;
        Self::parse(&text)
    }

    /// A mapping by the names of the columns: for each field whichever of its names the table has. Fields that the table
    /// has not are left out, but for those that are needed.
    #[must_use]
    pub fn by_names(table: &Table, key: &str, names: &[(&str, &[&str])]) -> Self {
        let mut fields = BTreeMap::new();
        for (field, called) in names {
            let there = called.iter().find(|name| table.column(name).is_some());
            let mapped = FieldMapping {
                column: Some((*there.unwrap_or(&called[0])).to_owned()),
                ..FieldMapping::default()
            };
            fields.insert((*field).to_owned(), mapped);
        }
        let key = fields.get(key).and_then(|field| field.column.clone());
        Self { key, fields }
    }

    /// The names of all columns it needs.
    #[must_use]
    pub fn columns(&self) -> Vec<Vec<String>> {
        let columns = self
            .fields
            .values()
            .filter_map(|field| field.column.clone());
        let mut columns: Vec<String> = columns.chain(self.key.clone()).collect();
        columns.sort_unstable();
        columns.dedup();
        columns.into_iter().map(|column| vec![column]).collect()
    }

    /// How the times of a column are written, if it holds some.
    #[must_use]
    pub fn style_of(&self, column: &str) -> Option<DateStyle> {
        let of_column = |field: &&FieldMapping| field.column.as_deref() == Some(column);
        let field = self.fields.values().find(of_column)?;
        field.style("").ok()
    }

    /// Reads a mapping file.
    ///
    /// # Errors
    /// `NotReadable`, `SourceUnclear`, `OffsetUnreadable`, `FormatUnusable`.
    pub fn parse(toml_text: &str) -> Result<Self, MappingError> {
        let mapping: Self =
            toml::from_str(toml_text).map_err(|error| not_readable(toml_text, &error))?;
        for (field, source) in &mapping.fields {
            source.style(field)?;
            if source.column.is_some() == source.constant.is_some() {
                return Err(MappingError::SourceUnclear {
                    field: field.clone(),
                });
            }
        }
        Ok(mapping)
    }

    /// Ties every field to its column in this table.
    pub(super) fn bind<'a>(
        &'a self,
        table: &Table,
        schema: &Schema<'a>,
    ) -> Result<Bound<'a>, MappingError> {
        let column_of = |field: &str, column: &str| {
            let missing = || MappingError::ColumnMissing {
                field: field.to_owned(),
                column: column.to_owned(),
                there: table.names().into_iter().map(str::to_owned).collect(),
                line: table.header_line,
            };
            table.column(column).ok_or_else(missing)
        };
        let mut fields = Vec::new();
        for (name, source) in &self.fields {
            let is_called = |spec: &FieldSpec<'_>| spec.name == name || spec.chinese == name;
            let spec = schema.fields.iter().copied().find(is_called);
            let spec = spec.ok_or_else(|| unknown(name, schema))?;
            let style = source.style(name)?;
            let from = match (&source.column, &source.constant) {
                (Some(column), None) => From::Column(column_of(name, column)?),
                (None, Some(constant)) => From::Constant(accepted(spec, constant, &style)?),
                _ => {
                    return Err(MappingError::SourceUnclear {
                        field: name.clone(),
                    });
                }
            };
            fields.push(BoundField {
                spec,
                source,
                style,
                from,
            });
        }
        let unmapped = |spec: &&FieldSpec<'_>| {
            spec.need == Need::Required
                && !self.fields.contains_key(spec.name)
                && !self.fields.contains_key(spec.chinese)
        };
        if let Some(spec) = schema.fields.iter().find(unmapped) {
            return Err(MappingError::FieldUnmapped {
                field: spec.name.to_owned(),
            });
        }
        let key = self
            .key
            .as_deref()
            .map(|column| Ok((column, column_of("key", column)?)))
            .transpose()?;
        Ok(Bound { key, fields })
    }
}

impl FieldMapping {
    fn style(&self, field: &str) -> Result<DateStyle, MappingError> {
        let unreadable = || MappingError::OffsetUnreadable {
            field: field.to_owned(),
        };
        let offset = self
            .offset
            .as_deref()
            .map(|text| offset_minutes(text).ok_or_else(unreadable));
        let style = DateStyle {
            format: self.format.clone(),
            offset_minutes: offset.transpose()?,
        };
        if style.is_sound() {
            Ok(style)
        } else {
            Err(MappingError::FormatUnusable {
                field: field.to_owned(),
            })
        }
    }

    /// The cell after prefix and translation.
    pub(super) fn translate<'a>(&'a self, cell: &'a str) -> &'a str {
        let prefix = self.strip_prefix.as_deref().unwrap_or_default();
        let bare = cell.strip_prefix(prefix).unwrap_or(cell).trim();
        self.values.get(bare).map_or(bare, String::as_str)
    }
}

/// A mapping tied to one table and one schema.
pub(super) struct Bound<'a> {
    /// Name and number of the key column.
    pub(super) key: Option<(&'a str, usize)>,
    pub(super) fields: Vec<BoundField<'a>>,
}

pub(super) struct BoundField<'a> {
    pub(super) spec: FieldSpec<'a>,
    pub(super) source: &'a FieldMapping,
    pub(super) style: DateStyle,
    pub(super) from: From,
}

pub(super) enum From {
    Column(usize),
    Constant(Value),
}

fn accepted(spec: FieldSpec<'_>, constant: &str, style: &DateStyle) -> Result<Value, MappingError> {
    let refused = |problem| MappingError::ConstantRefused {
        field: spec.name.to_owned(),
        problem,
    };
    if constant.is_empty() {
        return Err(refused(required()));
    }
    value_of(constant, CellKind::Text, &spec, style).map_err(refused)
}

fn unknown(field: &str, schema: &Schema<'_>) -> MappingError {
    let known = schema.fields.iter();
    let known = known.map(|spec| format!("{} {}", spec.name, spec.chinese).trim().to_owned());
    MappingError::FieldUnknown {
        field: field.to_owned(),
        known: known.collect(),
    }
}

fn not_readable(text: &str, error: &toml::de::Error) -> MappingError {
    let place = error.span().map_or(0, |span| span.start);
    let before = text.get(..place).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    MappingError::NotReadable {
        line,
        column,
        message: error.message().to_owned(),
    }
}
