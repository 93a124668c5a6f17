//! Rows to checked values.

use std::collections::BTreeMap;
use std::fmt;

use fengqiao_hub::id::Hash;
use fengqiao_hub::name::one_spelling;

use super::cells::Cell;
use super::errors::{Column, Problem, RowError, Words};
use super::mapping::{Bound, BoundField, From, Mapping, MappingError};
use super::schema::{
    FieldKind, Need, Schema, Value, plain_text, required, spreadsheet_damage, value_of,
};
use super::table::{BadRow, Row, Rows, Table};

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
    /// Its cells as they stand in the file.
    pub cells: Vec<Cell>,
}

impl MappedRow {
    /// The text of a field, or nothing where the row has none.
    #[must_use]
    pub fn text(&self, field: &str) -> &str {
        self.values.get(field).map_or("", Value::text)
    }
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

/// A row that did not pass.
#[derive(Clone, PartialEq, Eq)]
pub struct RefusedRow {
    /// Line of the file where the row begins, from 1.
    pub line: u64,
    /// Its key as written, or empty where it has none.
    pub key: String,
    /// What is wrong with it, from the first column on.
    pub errors: Vec<RowError>,
    /// Its cells as they stand in the file.
    pub cells: Vec<Cell>,
}

impl fmt::Debug for RefusedRow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RefusedRow")
            .field("line", &self.line)
            .field("errors", &self.errors)
            .finish_non_exhaustive()
    }
}

/// Checks the rows of a table one after the other; each comes as a good one or as a refused one, in the order of the
/// file.
///
/// A key counts as seen from its first row on, even if that row is refused: which of two rows is meant is for a person to
/// say.
pub struct Mapper<'a> {
    rows: Rows<'a>,
    table: &'a Table,
    bound: Bound<'a>,
    schema: Schema<'a>,
    /// Keys as hashes, which take the same room however long they are.
    seen: BTreeMap<Hash, u64>,
}

impl fmt::Debug for Mapper<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Mapper")
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl<'a> Mapper<'a> {
    /// Ties a mapping to a table and what its rows must become.
    ///
    /// # Errors
    /// A mapping that does not fit the table or the schema: [`MappingError`].
    pub fn over(
        table: &'a Table,
        mapping: &'a Mapping,
        schema: Schema<'a>,
    ) -> Result<Self, MappingError> {
        let bound = mapping.bind(table, &schema)?;
        Ok(Self {
            rows: table.rows(),
            table,
            bound,
            schema,
            seen: BTreeMap::new(),
        })
    }

    /// What was passed over so far.
    #[must_use]
    pub fn passed_over(&self) -> &super::table::PassedOver {
        &self.rows.passed_over
    }

    /// The column that a field is read from.
    #[must_use]
    pub fn column_of(&self, field: &str) -> Option<Column> {
        let bound = self.bound.fields.iter();
        let field = bound.clone().find(|bound| bound.spec.name == field)?;
        match &field.from {
            From::Column(column) => Some(self.table.found(*column)),
            From::Constant(_) => None,
        }
    }

    /// The column whose value makes a row unique.
    #[must_use]
    pub fn key_column(&self) -> Option<Column> {
        let (_, column) = self.bound.key.as_ref()?;
        Some(self.table.found(*column))
    }

    fn row(&mut self, row: Row) -> Result<MappedRow, RefusedRow> {
        let mut errors = Vec::new();
        let key = self.key_of(&row, &mut errors);
        let values = self.values_of(&row, &mut errors);
        self.in_order(&row, &values, &mut errors);
        if let Some(key) = &key {
            let column = self
                .bound
                .key
                .as_ref()
                .map(|(_, column)| self.table.found(*column));
            let hash = Hash::of("row key", &[key.as_bytes()]);
            match self.seen.get(&hash) {
                Some(first) => errors.push(RowError {
                    line: row.line,
                    column,
                    kind: None,
                    code: "ROW_DUPLICATE".to_owned(),
                    problem: Words::of(
                        format!("与第{first}行重复"),
                        format!("repeats line {first}"),
                    ),
                }),
                None => {
                    self.seen.insert(hash, row.line);
                }
            }
        }
        errors.sort_by_key(|error| error.column.as_ref().map_or(0, |column| column.number));
        let Row { line, cells } = row;
        match key {
            Some(key) if errors.is_empty() => Ok(MappedRow {
                line,
                key,
                values,
                cells,
            }),
            key => Err(RefusedRow {
                line,
                key: key.unwrap_or_default(),
                errors,
                cells,
            }),
        }
    }

    fn key_of(&self, row: &Row, errors: &mut Vec<RowError>) -> Option<String> {
        let Some((_, column)) = self.bound.key else {
            return Some(hash_of(row));
        };
        let cell = cell(row, column);
        let kind = FieldKind::Reference;
        let key = one_spelling(plain_text(&cell.text, kind));
        let problem = match key.len() {
            0 => Problem::of(
                "KEY_MISSING",
                "唯一键为空，请填写编号",
                "the key of the row is empty; enter its number",
            ),
            1..=KEY_BYTES_MAX => match spreadsheet_damage(&key, cell.kind, kind) {
                Ok(()) => return Some(key),
                Err(problem) => problem,
            },
            _ => Problem::of(
                "KEY_TOO_LONG",
                format!("唯一键超过{KEY_BYTES_MAX}字节"),
                format!("the key of the row is longer than {KEY_BYTES_MAX} bytes"),
            ),
        };
        errors.push(self.error(row.line, column, None, problem));
        None
    }

    fn values_of(&self, row: &Row, errors: &mut Vec<RowError>) -> BTreeMap<String, Value> {
        let mut values = BTreeMap::new();
        for field in &self.bound.fields {
            match field_value(row, field) {
                Ok(Some(value)) => {
                    values.insert(field.spec.name.to_owned(), value);
                }
                Ok(None) => {}
                Err((column, problem)) => {
                    let is_key = self
                        .bound
                        .key
                        .as_ref()
                        .is_some_and(|(_, key)| *key == column);
                    let told = errors.iter().any(|error| error.code == problem.code);
                    // One cell that is key and field is told of once.
                    if !(is_key && told) {
                        let kind = Some(field.spec.kind.words());
                        errors.push(self.error(row.line, column, kind, problem));
                    }
                }
            }
        }
        values
    }

    fn in_order(&self, row: &Row, values: &BTreeMap<String, Value>, errors: &mut Vec<RowError>) {
        for pair in self.schema.in_order {
            let moments = (values.get(pair.start), values.get(pair.due));
            let (Some(Value::Moment(start)), Some(Value::Moment(due))) = moments else {
                continue;
            };
            if due < start {
                errors.push(RowError {
                    line: row.line,
                    column: self.column_of(pair.due),
                    kind: Some(FieldKind::Moment.words()),
                    code: "DUE_BEFORE_START".to_owned(),
                    problem: Words::of("期限早于开始时间", "the due time lies before the start"),
                });
            }
        }
    }

    fn error(&self, line: u64, column: usize, kind: Option<Words>, problem: Problem) -> RowError {
        RowError {
            line,
            column: Some(self.table.found(column)),
            kind,
            code: problem.code.to_owned(),
            problem: problem.words,
        }
    }
}

impl Iterator for Mapper<'_> {
    type Item = Result<MappedRow, RefusedRow>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(match self.rows.next()? {
            Ok(row) => self.row(row),
            Err(BadRow { errors, cells }) => Err(RefusedRow {
                line: errors.first().map_or(0, |error| error.line),
                key: String::new(),
                errors,
                cells: cells
                    .into_iter()
                    .map(|text| Cell {
                        text,
                        ..Cell::default()
                    })
                    .collect(),
            }),
        })
    }
}

/// Checks every row of a table at once.
///
/// # Errors
/// A mapping that does not fit the table or the schema: [`MappingError`].
pub fn map_rows(
    table: &Table,
    mapping: &Mapping,
    schema: Schema<'_>,
) -> Result<(Vec<MappedRow>, Vec<RefusedRow>), MappingError> {
    let (mut rows, mut refused) = (Vec::new(), Vec::new());
    for row in Mapper::over(table, mapping, schema)? {
        match row {
            Ok(row) => rows.push(row),
            Err(row) => refused.push(row),
        }
    }
    Ok((rows, refused))
}

/// Over the length of each cell and the cell, so that no two different rows look alike; empty cells at the end, which a
/// program may write or not, do not count.
fn hash_of(row: &Row) -> String {
    let mut cells: Vec<&str> = row.cells.iter().map(|cell| cell.text.as_str()).collect();
    while cells.last().is_some_and(|cell| cell.is_empty()) {
        cells.pop();
    }
    let mut bytes = Vec::new();
    for cell in cells {
        bytes.extend((cell.len() as u64).to_be_bytes());
        bytes.extend(cell.as_bytes());
    }
    format!("sha256:{}", Hash::of("row", &[&bytes]))
}

fn field_value(row: &Row, field: &BoundField<'_>) -> Result<Option<Value>, (usize, Problem)> {
    let column = match &field.from {
        From::Constant(value) => return Ok(Some(value.clone())),
        From::Column(column) => *column,
    };
    let cell = cell(row, column);
    let text = field
        .source
        .translate(plain_text(&cell.text, field.spec.kind));
    let value = match (text.is_empty(), field.spec.need) {
        (true, Need::Required) => Err(required()),
        (true, Need::Optional) => Ok(None),
        (false, _) => value_of(text, cell.kind, &field.spec, &field.style).map(Some),
    };
    value.map_err(|problem| (column, problem))
}

fn cell(row: &Row, column: usize) -> Cell {
    row.cells.get(column).cloned().unwrap_or_default()
}
