//! Text to rows: header, cells and the line each row begins in.

use std::fmt;

use csv::{Reader, ReaderBuilder, StringRecord};

use super::errors::TabularError;
use super::text::{Encoding, decode};

/// Columns a table may have.
pub const COLUMNS_MAX: usize = 256;
/// Bytes of UTF-8 the name of a column may have.
pub const HEADER_BYTES_MAX: usize = 128;

/// A last row of our own: a row that begins before it and ends behind it has an open quotation mark.
const END_ROW: &[u8] = b"\nend-of-table";

/// What a table may cost; all of them inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file as brought.
    pub bytes_max: usize,
    /// Rows below the header.
    pub rows_max: usize,
    /// Bytes of UTF-8 in one cell.
    pub cell_bytes_max: usize,
}

/// One row below the header.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    /// Line of the file where the row begins, from 1.
    pub line: u64,
    /// As many cells as the header has, white space around them removed.
    pub cells: Vec<String>,
}

/// A table as read: every row as wide as the header.
#[derive(Clone, PartialEq, Eq)]
pub struct Table {
    /// How the bytes were read.
    pub encoding: Encoding,
    /// Comma, semicolon or tab, whichever the header line has most of.
    pub delimiter: char,
    /// Names of the columns, none empty, none twice.
    pub headers: Vec<String>,
    /// Rows in order; rows without any content are left out.
    pub rows: Vec<Row>,
}

impl Table {
    /// The number of the column of that name, from 0.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.headers.iter().position(|header| header == name)
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Row {{ line: {}, cells: {} }}",
            self.line,
            self.cells.len()
        )
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Table");
        shown
            .field("encoding", &self.encoding)
            .field("delimiter", &self.delimiter);
        shown
            .field("columns", &self.headers.len())
            .field("rows", &self.rows.len())
            .finish()
    }
}

/// Reads a table of comma, semicolon or tab separated values with a header line.
///
/// Cells may be quoted with `"`, doubled inside; a quoted cell may hold line breaks. A tab inside a cell is text.
///
/// # Errors
/// Every [`TabularError`]; the whole table is refused, since one shifted row casts doubt on all.
pub fn read_table(bytes: &[u8], limits: Limits) -> Result<Table, TabularError> {
    if bytes.len() > limits.bytes_max {
        return Err(TabularError::FileTooLarge {
            bytes: bytes.len(),
            bytes_max: limits.bytes_max,
        });
    }
    let (encoding, text) = decode(bytes)?;
    let delimiter = delimiter_of(&text);
    let mut records = Records::over(&text, delimiter);
    let headers = match records.next_row()? {
        Some(header) => headers_of(header)?,
        None => return Err(TabularError::FileEmpty),
    };
    let mut rows = Vec::new();
    while let Some(row) = records.next_row()? {
        check_row(&row, &headers, limits)?;
        if rows.len() == limits.rows_max {
            return Err(TabularError::RowsTooMany {
                rows_max: limits.rows_max,
            });
        }
        rows.push(row);
    }
    Ok(Table {
        encoding,
        delimiter: char::from(delimiter),
        headers,
        rows,
    })
}

/// Counted over the first line with content, outside quotation marks; a comma where there is none.
fn delimiter_of(text: &str) -> u8 {
    let line = text
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    let outside: String = line.split('"').step_by(2).collect();
    let count = |candidate: u8| outside.bytes().filter(|byte| *byte == candidate).count();
    [b'\t', b';', b',']
        .into_iter()
        .max_by_key(|candidate| count(*candidate))
        .unwrap_or(b',')
}

fn headers_of(Row { line, cells: names }: Row) -> Result<Vec<String>, TabularError> {
    if names.len() > COLUMNS_MAX {
        return Err(TabularError::ColumnsTooMany {
            columns: names.len(),
            columns_max: COLUMNS_MAX,
        });
    }
    for (index, name) in names.iter().enumerate() {
        let number = index + 1;
        if name.is_empty() {
            return Err(TabularError::HeaderEmpty { number });
        }
        if name.len() > HEADER_BYTES_MAX {
            return Err(TabularError::HeaderTooLong {
                number,
                bytes: name.len(),
                bytes_max: HEADER_BYTES_MAX,
            });
        }
        if name.chars().any(char::is_control) {
            return Err(TabularError::ControlCharacter {
                line,
                column: number.to_string(),
            });
        }
        if names.iter().take(index).any(|earlier| earlier == name) {
            return Err(TabularError::HeaderRepeated { number });
        }
    }
    Ok(names)
}

fn check_row(row: &Row, headers: &[String], limits: Limits) -> Result<(), TabularError> {
    let line = row.line;
    if row.cells.len() != headers.len() {
        return Err(TabularError::RowRagged {
            line,
            expected: headers.len(),
            found: row.cells.len(),
        });
    }
    for (cell, header) in row.cells.iter().zip(headers) {
        if cell.len() > limits.cell_bytes_max {
            let column = header.clone();
            let bytes_max = limits.cell_bytes_max;
            return Err(TabularError::CellTooLong {
                line,
                column,
                bytes: cell.len(),
                bytes_max,
            });
        }
        if cell
            .chars()
            .any(|character| character.is_control() && !matches!(character, '\t' | '\n' | '\r'))
        {
            return Err(TabularError::ControlCharacter {
                line,
                column: header.clone(),
            });
        }
    }
    Ok(())
}

/// The rows of a text with content, each with its line.
struct Records<'a> {
    text: &'a str,
    reader: Reader<std::io::Chain<&'a [u8], &'static [u8]>>,
    counted_to: usize,
    line: u64,
}

impl<'a> Records<'a> {
    fn over(text: &'a str, delimiter: u8) -> Self {
        let mut builder = ReaderBuilder::new();
        builder
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true);
        let reader = builder.from_reader(std::io::Read::chain(text.as_bytes(), END_ROW));
        Self {
            text,
            reader,
            counted_to: 0,
            line: 1,
        }
    }

    fn next_row(&mut self) -> Result<Option<Row>, TabularError> {
        let mut record = StringRecord::new();
        loop {
            let start = self.place();
            // The text is UTF-8 and widths are free, so nothing but an end can come of an error here.
            let found = self.reader.read_record(&mut record).unwrap_or(false);
            let line = self.line_of(start);
            if !found || self.counted_to >= self.text.len() {
                return Ok(None);
            }
            let line_break = 1;
            if self.place() > self.text.len() + line_break {
                return Err(TabularError::QuoteUnclosed { line });
            }
            let cells: Vec<String> = record.iter().map(|cell| cell.trim().to_owned()).collect();
            if cells.iter().any(|cell| !cell.is_empty()) {
                return Ok(Some(Row { line, cells }));
            }
        }
    }

    fn place(&self) -> usize {
        usize::try_from(self.reader.position().byte()).unwrap_or(usize::MAX)
    }

    /// The line of the first byte at or after `start` that is no line break: the reader's own count
    /// takes a row's place to be before the breaks it skips.
    fn line_of(&mut self, start: usize) -> u64 {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.counted_to) {
            let is_break = matches!(byte, b'\n' | b'\r');
            if self.counted_to >= start && !is_break {
                break;
            }
            let ends_line = *byte == b'\n'
                || (*byte == b'\r' && bytes.get(self.counted_to + 1) != Some(&b'\n'));
            self.line += u64::from(ends_line);
            self.counted_to += 1;
        }
        self.line
    }
}
