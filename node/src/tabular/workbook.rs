//! Workbooks (xlsx) to rows. What is unpacked is counted before it is read, so that a small file cannot fill the memory.

use std::io::{Cursor, Read as _};

use calamine::{DataRef, Reader as _, SheetType, SheetVisible, Xlsx};
use jiff::civil::DateTime;

use super::cells::{COLUMNS_MAX, Cell, CellKind, Limits};
use super::errors::TabularError;

const MARK: &[u8] = b"PK\x03\x04";
/// xls, and xlsx under a password.
const OLD_MARK: &[u8] = b"\xd0\xcf\x11\xe0";
/// A spreadsheet keeps this many digits of a number.
const DIGITS_KEPT: f64 = 1e15;

/// Whether bytes say that they are a workbook.
pub(super) fn is_workbook(bytes: &[u8]) -> Result<bool, TabularError> {
    if bytes.starts_with(OLD_MARK) {
        return Err(TabularError::FileIsWorkbook);
    }
    Ok(bytes.starts_with(MARK))
}

/// One sheet: its text once, and where each cell ends in it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Sheet {
    pub(super) name: String,
    /// Other sheets that hold something.
    pub(super) others: Vec<String>,
    text: String,
    cells: Vec<PackedCell>,
    /// Row number, from 1, and the end of its cells.
    rows: Vec<(u32, usize)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct PackedCell {
    column: u16,
    kind: CellKind,
    end: usize,
}

impl Sheet {
    /// Reads the sheet of that name, or the first visible one that holds something.
    pub(super) fn read(
        bytes: &[u8],
        name: Option<&str>,
        limits: Limits,
    ) -> Result<Self, TabularError> {
        let damaged = |_| TabularError::WorkbookDamaged;
        check_unpacked(bytes, limits.bytes_max)?;
        let mut workbook = Xlsx::new(Cursor::new(bytes)).map_err(damaged)?;
        let sheets: Vec<String> = workbook
            .sheets_metadata()
            .iter()
            .filter(|sheet| sheet.typ == SheetType::WorkSheet)
            .filter(|sheet| sheet.visible == SheetVisible::Visible || name == Some(&sheet.name))
            .map(|sheet| sheet.name.clone())
            .collect();
        if let Some(name) = name {
            if !sheets.iter().any(|sheet| sheet == name) {
                return Err(TabularError::SheetUnknown { sheets });
            }
            return sheet(&mut workbook, name, limits);
        }
        let mut chosen: Option<Self> = None;
        for name in &sheets {
            match &mut chosen {
                None => {
                    let read = sheet(&mut workbook, name, limits)?;
                    chosen = (!read.rows.is_empty()).then_some(read);
                }
                Some(chosen) => {
                    if holds_something(&mut workbook, name)? {
                        chosen.others.push(name.clone());
                    }
                }
            }
        }
        chosen.ok_or(TabularError::FileEmpty)
    }

    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// A row: its number, and its cells from the first column on.
    pub(super) fn row(&self, index: usize) -> Option<(u64, Vec<Cell>)> {
        let (line, last) = *self.rows.get(index)?;
        let first = index.checked_sub(1).map_or(0, |before| self.rows[before].1);
        let mut start = first
            .checked_sub(1)
            .map_or(0, |before| self.cells[before].end);
        let mut cells = Vec::new();
        for packed in self.cells.get(first..last).unwrap_or_default() {
            cells.resize(usize::from(packed.column), Cell::default());
            let text = self.text.get(start..packed.end).unwrap_or_default();
            cells.push(Cell {
                text: text.to_owned(),
                kind: packed.kind,
            });
            start = packed.end;
        }
        Some((u64::from(line), cells))
    }
}

type Workbook<'a> = Xlsx<Cursor<&'a [u8]>>;

fn check_unpacked(bytes: &[u8], bytes_max: usize) -> Result<(), TabularError> {
    let mut archive =
        zip::ZipArchive::new(Cursor::new(bytes)).map_err(|_| TabularError::WorkbookDamaged)?;
    let mut left = bytes_max as u64;
    for index in 0..archive.len() {
        let file = archive
            .by_index(index)
            .map_err(|_| TabularError::WorkbookDamaged)?;
        let unpacked = std::io::copy(&mut file.take(left + 1), &mut std::io::sink())
            .map_err(|_| TabularError::WorkbookDamaged)?;
        left = left
            .checked_sub(unpacked)
            .ok_or(TabularError::FileTooLarge { bytes_max })?;
    }
    Ok(())
}

fn holds_something(workbook: &mut Workbook<'_>, name: &str) -> Result<bool, TabularError> {
    let damaged = |_| TabularError::WorkbookDamaged;
    let mut reader = workbook.worksheet_cells_reader(name).map_err(damaged)?;
    while let Some(cell) = reader.next_cell().map_err(damaged)? {
        if *cell.get_value() != DataRef::Empty {
            return Ok(true);
        }
    }
    Ok(false)
}

fn sheet(workbook: &mut Workbook<'_>, name: &str, limits: Limits) -> Result<Sheet, TabularError> {
    let damaged = |_| TabularError::WorkbookDamaged;
    let mut read = Sheet {
        name: name.to_owned(),
        others: Vec::new(),
        text: String::new(),
        cells: Vec::new(),
        rows: Vec::new(),
    };
    let mut reader = workbook.worksheet_cells_reader(name).map_err(damaged)?;
    let mut last: Option<(u32, u32)> = None;
    while let Some(cell) = reader.next_cell().map_err(damaged)? {
        let at = cell.get_position();
        // Cells come in the order of the sheet; a file in which they do not was not written by a spreadsheet program.
        if last.is_some_and(|last| at <= last) {
            return Err(TabularError::WorkbookDamaged);
        }
        last = Some(at);
        let Some((text, kind)) = text_of(cell.get_value()) else {
            continue;
        };
        if text.trim().is_empty() {
            continue;
        }
        let column = usize::try_from(at.1)
            .ok()
            .filter(|column| *column < COLUMNS_MAX);
        let column = column.and_then(|column| u16::try_from(column).ok());
        let column = column.ok_or(TabularError::ColumnsTooMany {
            columns_max: COLUMNS_MAX,
        })?;
        let line = at.0.saturating_add(1);
        if read.rows.last().is_none_or(|(known, _)| *known != line) {
            if read.rows.len() > limits.rows_max {
                return Err(TabularError::RowsTooMany {
                    rows_max: limits.rows_max,
                });
            }
            read.rows.push((line, read.cells.len()));
        }
        read.text.push_str(&text);
        read.cells.push(PackedCell {
            column,
            kind,
            end: read.text.len(),
        });
        if read.text.len() > limits.bytes_max {
            return Err(TabularError::FileTooLarge {
                bytes_max: limits.bytes_max,
            });
        }
        if let Some(row) = read.rows.last_mut() {
            row.1 = read.cells.len();
        }
    }
    Ok(read)
}

/// A cell as text, and what the workbook says it is.
fn text_of(value: &DataRef<'_>) -> Option<(String, CellKind)> {
    let text = |text: &str| {
        Some((
            text.replace("\r\n", "\n").replace('\r', "\n"),
            CellKind::Text,
        ))
    };
    match value {
        DataRef::Empty => None,
        DataRef::String(value) => text(value),
        DataRef::SharedString(value) => text(value),
        DataRef::Int(value) => Some((value.to_string(), CellKind::Text)),
        DataRef::Float(value) => Some(number(*value)),
        DataRef::Bool(value) => text(if *value { "TRUE" } else { "FALSE" }),
        DataRef::Error(error) => text(&error.to_string()),
        DataRef::DateTimeIso(value) => Some(match value.parse::<DateTime>() {
            Ok(moment) => (moment.to_string(), CellKind::Moment),
            Err(_) => (value.clone(), CellKind::Text),
        }),
        DataRef::DurationIso(value) => text(value),
        DataRef::DateTime(value) if value.is_duration() => Some(number(value.as_f64())),
        DataRef::DateTime(value) => {
            let (year, month, day, hour, minute, second, _) = value.to_ymd_hms_milli();
            let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
            Some((text, CellKind::Moment))
        }
    }
}

fn number(value: f64) -> (String, CellKind) {
    let kind = if value.abs() < DIGITS_KEPT {
        CellKind::Text
    } else {
        CellKind::NumberCutShort
    };
    // Neither form ever writes an exponent.
    let text = if value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value}")
    };
    (text, kind)
}
