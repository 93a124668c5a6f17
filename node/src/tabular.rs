//! Tables that people bring: CSV in whatever encoding their office program writes.
//!
//! Three steps, each of which refuses before anything is changed:
//! [`read_table`] turns bytes into a [`Table`] within [`Limits`]; a [`Mapping`] (a TOML file) says
//! which column is which field; [`map_rows`] checks every row against a [`Schema`] and hands back the
//! good rows and, by line and field, what is wrong with the others.
//!
//! This module never touches a disk or a case, never guesses a value, and never puts a cell's content
//! into an error or into `Debug`: cells hold personal data.

mod errors;
mod mapping;
mod moments;
mod rows;
mod schema;
mod table;
#[cfg(test)]
mod tests;
mod text;

pub use errors::{RowError, RowErrorCode, TabularError};
pub use mapping::{FieldMapping, Mapping, MappingError};
pub use moments::DateStyle;
pub use rows::{KEY_BYTES_MAX, MappedRow, map_rows};
pub use schema::{FieldKind, FieldSpec, InOrder, Need, Schema, Value};
pub use table::{COLUMNS_MAX, HEADER_BYTES_MAX, Limits, Row, Table, read_table};
pub use text::Encoding;
