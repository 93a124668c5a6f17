//! Tables that people bring: text in whatever encoding their office program writes, or a workbook. All imports read by
//! this.
//!
//! Three steps, each of which refuses before anything is changed: [`read_table`] turns bytes into a [`Table`] within
//! [`Limits`] and finds its header; a [`Mapping`] (a TOML file, or the names of the columns) says which column is which
//! field; a [`Mapper`] checks one row after the other against a [`Schema`] and hands back values, or what is wrong by
//! line, column and kind, with the form that is expected.
//!
//! This module never touches a disk or a case, never guesses a value, and never puts a cell's content into an error or
//! into `Debug`: cells hold personal data.

mod cells;
mod errors;
mod mapping;
mod moments;
mod plain;
mod quoting;
mod rows;
mod schema;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod workbook;

pub use cells::{COLUMNS_MAX, Cell, CellKind, Limits};
pub use errors::{Column, Problem, RowError, TabularError, Words};
pub use mapping::{FieldMapping, Mapping, MappingError};
pub use moments::DateStyle;
pub use plain::plain_text;
pub use rows::{KEY_BYTES_MAX, MappedRow, Mapper, RefusedRow, map_rows};
pub use schema::{FieldKind, FieldSpec, InOrder, Need, Schema, Value};
pub use table::{
    BadRow, HEADER_BYTES_MAX, PassedOver, Row, Rows, Source, Table, Wanted, read_table,
};
pub use text::Encoding;
