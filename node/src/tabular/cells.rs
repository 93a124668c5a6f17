//! Cells of a table, and what a table may cost.

use super::moments::DateStyle;

/// Columns a table may have.
pub const COLUMNS_MAX: usize = 256;

/// What a table may cost; all of them inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file as brought, and of a workbook unpacked.
    pub bytes_max: usize,
    /// Rows below the header.
    pub rows_max: usize,
    /// Bytes of UTF-8 in one cell.
    pub cell_bytes_max: usize,
}

/// What a cell is, where the file says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CellKind {
    /// A text, or a number as it would be typed.
    #[default]
    Text,
    /// A date or time, written `2023-02-16T08:40:00`.
    Moment,
    /// A number of more digits than a spreadsheet keeps: the last ones are zeros that nobody typed.
    NumberCutShort,
}

/// One cell.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Cell {
    /// Its text, white space around it removed, each line break one `\n`.
    pub text: String,
    /// What it is.
    pub kind: CellKind,
}

impl Cell {
    /// The cell as a table shows it, in the form of its column where it is a time.
    #[must_use]
    pub fn written(&self, style: Option<&DateStyle>) -> String {
        match self.kind {
            CellKind::Moment => style
                .and_then(|style| style.written(&self.text))
                .unwrap_or_else(|| self.text.replace('T', " ")),
            CellKind::Text | CellKind::NumberCutShort => self.text.clone(),
        }
    }
}
