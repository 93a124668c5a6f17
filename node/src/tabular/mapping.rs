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

use serde::Deserialize;
use thiserror::Error;

use super::errors::RowErrorCode;
use super::moments::{DateStyle, offset_minutes};
use super::schema::{FieldKind, FieldSpec, Need, Schema, Value, value_of};
use super::table::Table;

/// Why a mapping was refused: in itself, or with the table and the schema it is used on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MappingError {
    /// Not TOML, or a key that a mapping does not have; counted from 1.
    #[error("mapping file, line {line}, column {column}: {message}")]
    NotReadable {
        /// Line in the mapping file.
        line: usize,
        /// Column in it.
        column: usize,
        /// What does not fit.
        message: String,
    },
    /// A field needs either a column or a constant.
    #[error("field {field:?} needs either `column` or `constant`, not both and not neither")]
    SourceUnclear {
        /// The field.
        field: String,
    },
    /// Not `Z`, `+hh:mm` or `-hh:mm` within 18 hours.
    #[error("field {field:?}: `offset` must be written like +08:00")]
    OffsetUnreadable {
        /// The field.
        field: String,
    },
    /// A format that cannot be read with, or that leads to no instant because no offset is named.
    #[error(
        "field {field:?}: `format` must be a strftime format with date, and `offset` named where it has none"
    )]
    FormatUnusable {
        /// The field.
        field: String,
    },
    /// A field the target does not have.
    #[error("the target has no field {field:?}; it has: {known}")]
    FieldUnknown {
        /// The field as written.
        field: String,
        /// The fields there are.
        known: String,
    },
    /// A required field that the mapping does not fill.
    #[error("required field {field:?} is not mapped")]
    FieldUnmapped {
        /// The field.
        field: String,
    },
    /// A column the table does not have.
    #[error("the table has no column {column:?}, needed for {field:?}")]
    ColumnMissing {
        /// The field that needs it, or `key`.
        field: String,
        /// The column as written.
        column: String,
    },
    /// A constant that its field does not accept.
    #[error("the constant of field {field:?} is not accepted: {}", code.as_str())]
    ConstantRefused {
        /// The field.
        field: String,
        /// Why.
        code: RowErrorCode,
    },
}

impl MappingError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotReadable { .. } => "MAPPING_NOT_READABLE",
            Self::SourceUnclear { .. } => "MAPPING_SOURCE_UNCLEAR",
            Self::OffsetUnreadable { .. } => "MAPPING_OFFSET_UNREADABLE",
            Self::FormatUnusable { .. } => "MAPPING_FORMAT_UNUSABLE",
            Self::FieldUnknown { .. } => "MAPPING_FIELD_UNKNOWN",
            Self::FieldUnmapped { .. } => "MAPPING_FIELD_UNMAPPED",
            Self::ColumnMissing { .. } => "MAPPING_COLUMN_MISSING",
            Self::ConstantRefused { .. } => "MAPPING_CONSTANT_REFUSED",
        }
    }

    /// What a person reads in Chinese.
    #[must_use]
    pub fn message_zh(&self) -> String {
        match self {
            Self::NotReadable {
                line,
                column,
                message,
            } => {
                format!("映射文件第{line}行第{column}列无法读取：{message}")
            }
            Self::SourceUnclear { field } => {
                format!("字段“{field}”必须且只能写column或constant之一")
            }
            Self::OffsetUnreadable { field } => format!("字段“{field}”的offset应写成+08:00的形式"),
            Self::FormatUnusable { field } => {
                format!("字段“{field}”的format应为含日期的strftime格式；格式中没有时区时须写offset")
            }
            Self::FieldUnknown { field, known } => format!("没有字段“{field}”，可用字段：{known}"),
            Self::FieldUnmapped { field } => format!("必填字段“{field}”没有映射"),
            Self::ColumnMissing { field, column } => {
                format!("表中没有“{column}”列（字段“{field}”需要）")
            }
            Self::ConstantRefused { field, code } => {
                format!("字段“{field}”的constant不合要求：{}", code.words().1)
            }
        }
    }
}

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
            };
            table.column(column).ok_or_else(missing)
        };
        let mut fields = Vec::new();
        for (name, source) in &self.fields {
            let spec = schema.fields.iter().copied().find(|spec| spec.name == name);
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
            spec.need == Need::Required && !self.fields.contains_key(spec.name)
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
    let refused = |code| MappingError::ConstantRefused {
        field: spec.name.to_owned(),
        code,
    };
    if constant.is_empty() {
        return Err(refused(RowErrorCode::FieldRequired));
    }
    let kind: FieldKind<'_> = spec.kind;
    value_of(constant, kind, style).map_err(refused)
}

fn unknown(field: &str, schema: &Schema<'_>) -> MappingError {
    let known = schema
        .fields
        .iter()
        .map(|spec| spec.name)
        .collect::<Vec<_>>()
        .join(", ");
    MappingError::FieldUnknown {
        field: field.to_owned(),
        known,
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
