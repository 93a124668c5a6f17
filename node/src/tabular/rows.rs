//! Rows to checked values.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use sha2::{Digest, Sha256};

use super::errors::{RowError, RowErrorCode};
use super::mapping::{Bound, BoundField, From, Mapping, MappingError};
use super::schema::{InOrder, Need, Schema, Value, value_of};
use super::table::{Row, Table};

/// Bytes of UTF-8 the key of a row may have.
pub const KEY_BYTES_MAX: usize = 128;

/// A row that passed every check.
#[derive(Clone, PartialEq, Eq)]
pub struct MappedRow {
    /// Line of the file where the row begins, from 1.
    pub line: u64,
    /// What makes it unique: the key column's value, or `sha256:` and the hash of the row in hex.
    pub key: String,
    /// Field to value; optional fields that were empty are absent.
    pub values: BTreeMap<String, Value>,
}

impl fmt::Debug for MappedRow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<_> = self.values.keys().collect();
        formatter
            .debug_struct("MappedRow")
            .field("line", &self.line)
            .field("fields", &fields)
            .finish_non_exhaustive()
    }
}

/// Checks every row; each is either among the good ones or has at least one error, in the order of the file.
///
/// A key counts as seen from its first row on, even if that row is refused: which of two rows is
/// meant is for a person to say.
///
/// # Errors
/// A mapping that does not fit the table or the schema: [`MappingError`].
pub fn map_rows(
    table: &Table,
    mapping: &Mapping,
    schema: &Schema<'_>,
) -> Result<(Vec<MappedRow>, Vec<RowError>), MappingError> {
    let bound = mapping.bind(table, schema)?;
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    let (mut rows, mut errors) = (Vec::new(), Vec::new());
    for row in &table.rows {
        let mut wrong = Vec::new();
        let key = key_of(row, &bound, &mut wrong);
        let values = values_of(row, &bound, &mut wrong);
        wrong.extend(
            schema
                .in_order
                .iter()
                .filter_map(|pair| out_of_order(row, &values, pair)),
        );
        if let Some(key) = &key {
            match seen.get(key) {
                Some(first_line) => {
                    wrong.push(RowError::duplicate(
                        row.line,
                        bound.key.map_or("row", |(name, _)| name),
                        *first_line,
                    ));
                }
                None => {
                    seen.insert(key.clone(), row.line);
                }
            }
        }
        match key {
            Some(key) if wrong.is_empty() => rows.push(MappedRow {
                line: row.line,
                key,
                values,
            }),
            _ => errors.append(&mut wrong),
        }
    }
    Ok((rows, errors))
}

fn key_of(row: &Row, bound: &Bound<'_>, wrong: &mut Vec<RowError>) -> Option<String> {
    let Some((name, column)) = bound.key else {
        return Some(hash_of(row));
    };
    let key = cell(row, column);
    let code = match key.len() {
        0 => RowErrorCode::KeyMissing,
        1..=KEY_BYTES_MAX => return Some(key.to_owned()),
        _ => RowErrorCode::KeyTooLong,
    };
    wrong.push(RowError::new(row.line, name, code));
    None
}

/// Over the length of each cell and the cell, so that no two different rows look alike.
fn hash_of(row: &Row) -> String {
    let mut hash = Sha256::new();
    for cell in &row.cells {
        hash.update((cell.len() as u64).to_be_bytes());
        hash.update(cell);
    }
    hash.finalize()
        .iter()
        .fold("sha256:".to_owned(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn values_of(row: &Row, bound: &Bound<'_>, wrong: &mut Vec<RowError>) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    for field in &bound.fields {
        match field_value(row, field) {
            Ok(Some(value)) => {
                values.insert(field.spec.name.to_owned(), value);
            }
            Ok(None) => {}
            Err(code) => wrong.push(RowError::new(row.line, field.spec.name, code)),
        }
    }
    values
}

fn field_value(row: &Row, field: &BoundField<'_>) -> Result<Option<Value>, RowErrorCode> {
    let column = match &field.from {
        From::Constant(value) => return Ok(Some(value.clone())),
        From::Column(column) => *column,
    };
    let text = field.source.translate(cell(row, column));
    match (text.is_empty(), field.spec.need) {
        (true, Need::Required) => Err(RowErrorCode::FieldRequired),
        (true, Need::Optional) => Ok(None),
        (false, _) => value_of(text, field.spec.kind, &field.style).map(Some),
    }
}

fn out_of_order(
    row: &Row,
    values: &BTreeMap<String, Value>,
    pair: &InOrder<'_>,
) -> Option<RowError> {
    let (Some(Value::Moment(start)), Some(Value::Moment(due))) =
        (values.get(pair.start), values.get(pair.due))
    else {
        return None;
    };
    (due < start).then(|| RowError::new(row.line, pair.due, RowErrorCode::DueBeforeStart))
}

fn cell(row: &Row, column: usize) -> &str {
    row.cells.get(column).map_or("", String::as_str)
}
