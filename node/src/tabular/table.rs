//! A table: its header, found below title lines, and its rows one at a time.

use std::collections::BTreeSet;
use std::fmt;

use fengqiao_hub::name::{code_point, is_invisible, one_spelling};

use super::cells::{COLUMNS_MAX, Cell, CellKind, Limits};
use super::errors::{Column, Problem, RowError, TabularError, Words};
use super::quoting::{Misquoted, QuoteFault, Record, Records};
use super::text::{Encoding, decode};
use super::workbook::{Sheet, is_workbook};

/// Bytes of UTF-8 the name of a column may have.
pub const HEADER_BYTES_MAX: usize = 128;
/// Rows with content among which the header is looked for: titles, the office, the date of the print stand above it.
const HEADER_WITHIN_ROWS: usize = 20;
const DELIMITERS: [char; 3] = [',', '\t', ';'];

/// What is looked for in a file.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Names of columns, for each that is needed all it may be called: the row that has most of them is the header.
    pub columns: &'a [Vec<String>],
    /// Sheet of a workbook; the first one that holds something if left out.
    pub sheet: Option<&'a str>,
}

/// One row below the header.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    /// Line of the file where the row begins, from 1.
    pub line: u64,
    /// As many cells as the header has.
    pub cells: Vec<Cell>,
}

/// A row that is not read.
#[derive(Clone, PartialEq, Eq)]
pub struct BadRow {
    /// Why.
    pub errors: Vec<RowError>,
    /// What stands there: its cells, or one text where it cannot be divided.
    pub cells: Vec<String>,
}

/// How a file was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// As text.
    Text {
        /// Encoding.
        encoding: Encoding,
        /// What stands between cells.
        delimiter: char,
    },
    /// As a sheet of a workbook.
    Sheet {
        /// Its name.
        name: String,
    },
}

impl Source {
    /// How it was read, for people.
    #[must_use]
    pub fn words(&self) -> Words {
        match self {
            Self::Text {
                encoding,
                delimiter,
            } => {
                let (chinese, english) = match delimiter {
                    '\t' => ("制表符", "tab"),
                    ';' => ("分号", "semicolon"),
                    _ => ("逗号", "comma"),
                };
                let name = encoding.name();
                Words::of(
                    format!("{name} 编码，以{chinese}分隔"),
                    format!("{name}, separated by {english}"),
                )
            }
            Self::Sheet { name } => {
                Words::of(format!("工作表“{name}”"), format!("sheet \"{name}\""))
            }
        }
    }
}

/// What was in the file and is no row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassedOver {
    /// Lines above the header.
    pub titles: Vec<u64>,
    /// Rows without content.
    pub empty_rows: u64,
    /// Rows that end before the last column; what is missing counts as empty.
    pub short_rows: u64,
    /// Rows that repeat the header.
    pub headers_again: u64,
    /// Numbers of columns without a name.
    pub nameless_columns: Vec<usize>,
    /// Sheets that hold something and were not read.
    pub sheets: Vec<String>,
}

impl PassedOver {
    /// What was passed over, a sentence each.
    #[must_use]
    pub fn words(&self) -> Vec<Words> {
        let mut words = Vec::new();
        let list = |numbers: &[String]| (numbers.join("、"), numbers.join(", "));
        if !self.titles.is_empty() {
            let lines: Vec<String> = self.titles.iter().map(u64::to_string).collect();
            let (zh, en) = list(&lines);
            words.push(Words::of(
                format!("表头上方的第{zh}行不是数据，已跳过"),
                format!("above the header, line {en} holds no row and was passed over"),
            ));
        }
        if self.empty_rows > 0 {
            let count = self.empty_rows;
            words.push(Words::of(
                format!("空行{count}行，已跳过"),
                format!("empty rows passed over: {count}"),
            ));
        }
        if self.short_rows > 0 {
            let count = self.short_rows;
            words.push(Words::of(
                format!("有{count}行没有写满各列，缺少的单元格按空处理"),
                format!("rows that end early, what is missing read as empty: {count}"),
            ));
        }
        if self.headers_again > 0 {
            let count = self.headers_again;
            words.push(Words::of(
                format!("重复的表头{count}行，已跳过"),
                format!("rows that repeat the header passed over: {count}"),
            ));
        }
        if !self.nameless_columns.is_empty() {
            let numbers: Vec<String> = self.nameless_columns.iter().map(usize::to_string).collect();
            let (zh, en) = list(&numbers);
            words.push(Words::of(
                format!("第{zh}列没有名称，未读取"),
                format!("without a name and not read: column {en}"),
            ));
        }
        if !self.sheets.is_empty() {
            let (zh, en) = list(&self.sheets);
            words.push(Words::of(
                format!("其他工作表未读取：{zh}"),
                format!("other sheets not read: {en}"),
            ));
        }
        words
    }
}

/// A table as read: its header; the rows come one at a time from [`Table::rows`].
#[derive(Clone, PartialEq, Eq)]
pub struct Table {
    /// How the bytes were read.
    pub source: Source,
    /// Names of the columns; empty for one that has none.
    pub headers: Vec<String>,
    /// Line of the header.
    pub header_line: u64,
    /// What stands above and beside the rows.
    pub passed_over: PassedOver,
    content: Content,
    limits: Limits,
}

#[derive(Clone, PartialEq, Eq)]
enum Content {
    /// All of the text, and where the rows begin: byte and line.
    Text(String, usize, u64),
    /// The sheet, and its first row below the header.
    Sheet(Sheet, usize),
}

impl Table {
    /// The number of the column of that name, from 0.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        let name = header_of(name);
        let mut headers = self.headers.iter();
        (!name.is_empty()).then(|| headers.position(|header| *header == name))?
    }

    /// Names of the columns that have one, as they are shown.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let names = self.headers.iter().map(String::as_str);
        names.filter(|name| !name.is_empty()).collect()
    }

    /// The rows from the first on.
    #[must_use]
    pub fn rows(&self) -> Rows<'_> {
        let raw = match &self.content {
            Content::Text(text, start, line) => Raw::Text(Records::over(
                text.get(*start..).unwrap_or_default(),
                *line,
                delimiter_of(&self.source),
                self.headers.len(),
            )),
            Content::Sheet(sheet, first) => Raw::Sheet(sheet, *first),
        };
        Rows {
            table: self,
            raw,
            passed_over: self.passed_over.clone(),
            rows: 0,
        }
    }

    pub(super) fn found(&self, column: usize) -> Column {
        Column {
            number: column + 1,
            name: self.headers.get(column).cloned().unwrap_or_default(),
        }
    }
}

impl fmt::Debug for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Cell({:?})", self.kind)
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, cells) = (self.line, self.cells.len());
        write!(formatter, "Row {{ line: {line}, cells: {cells} }}")
    }
}

impl fmt::Debug for BadRow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("BadRow");
        shown.field("errors", &self.errors).finish_non_exhaustive()
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Table");
        shown.field("source", &self.source);
        shown.field("columns", &self.headers.len());
        shown.finish_non_exhaustive()
    }
}

/// Reads a table: text with commas, tabs or semicolons between its cells, or a sheet of a workbook.
///
/// # Errors
/// A file that has no table: [`TabularError`]. What is wrong with a row comes with the row.
pub fn read_table(
    bytes: Vec<u8>,
    limits: Limits,
    wanted: &Wanted<'_>,
) -> Result<Table, TabularError> {
    if bytes.len() > limits.bytes_max {
        return Err(TabularError::FileTooLarge {
            bytes_max: limits.bytes_max,
        });
    }
    let names: Vec<BTreeSet<String>> = wanted
        .columns
        .iter()
        .map(|names| names.iter().map(|name| header_of(name)).collect())
        .collect();
    if is_workbook(&bytes)? {
        let sheet = Sheet::read(&bytes, wanted.sheet, limits)?;
        return table_of_sheet(sheet, &names, limits);
    }
    let (encoding, text) = decode(bytes)?;
    table_of_text(encoding, text, &names, limits)
}

fn table_of_text(
    encoding: Encoding,
    text: String,
    names: &[BTreeSet<String>],
    limits: Limits,
) -> Result<Table, TabularError> {
    let mut text = text;
    if text.starts_with('\u{feff}') {
        // A second mark, put before the first by a program that did not know it.
        text.drain(..'\u{feff}'.len_utf8());
    }
    let separator = separator_line(&text);
    let (start, line) = separator.map_or((0, 1), |(_, length)| (length, 2));
    let body = text.get(start..).unwrap_or_default();
    let delimiters: Vec<char> = match separator {
        Some((delimiter, _)) => vec![delimiter],
        None => DELIMITERS.to_vec(),
    };
    let heads = delimiters.into_iter().map(|delimiter| {
        let head = head_of(body, line, delimiter, names);
        (delimiter, head)
    });
    // The likeliest: most names found, then quotation marks that stand right, then most columns.
    let head = heads
        .filter_map(|(delimiter, head)| Some((delimiter, head?)))
        .max_by_key(|(delimiter, head)| {
            let columns = head.cells.len();
            (
                head.found,
                head.misquoted.is_none(),
                columns,
                *delimiter == ',',
            )
        });
    let Some((delimiter, head)) = head else {
        return Err(TabularError::FileEmpty);
    };
    if let Some(column) = head.misquoted {
        return Err(TabularError::HeaderQuoting {
            line: head.line,
            column: column + 1,
        });
    }
    let mut titles = head.titles;
    if separator.is_some() {
        titles.insert(0, 1);
    }
    let (headers, nameless_columns) = headers_of(&head.cells, names)?;
    let passed_over = PassedOver {
        titles,
        empty_rows: head.empty_rows,
        nameless_columns,
        ..PassedOver::default()
    };
    Ok(Table {
        source: Source::Text {
            encoding,
            delimiter,
        },
        headers,
        header_line: head.line,
        passed_over,
        content: Content::Text(text, start + head.end, head.line_after),
        limits,
    })
}

fn table_of_sheet(
    sheet: Sheet,
    names: &[BTreeSet<String>],
    limits: Limits,
) -> Result<Table, TabularError> {
    let mut best: Option<(usize, usize, u64, Vec<String>)> = None;
    let mut lines = Vec::new();
    for index in 0..sheet.rows().min(HEADER_WITHIN_ROWS) {
        let Some((line, cells)) = sheet.row(index) else {
            break;
        };
        lines.push(line);
        let cells: Vec<String> = cells.into_iter().map(|cell| cell.text).collect();
        let found = names_found(&cells, names);
        if best.as_ref().is_none_or(|(most, ..)| found > *most) {
            best = Some((found, index, line, cells));
        }
    }
    let (_, index, header_line, cells) = best.ok_or(TabularError::FileEmpty)?;
    let (headers, nameless_columns) = headers_of(&cells, names)?;
    let passed_over = PassedOver {
        titles: lines.into_iter().take(index).collect(),
        nameless_columns,
        sheets: sheet.others.clone(),
        ..PassedOver::default()
    };
    Ok(Table {
        source: Source::Sheet {
            name: sheet.name.clone(),
        },
        headers,
        header_line,
        passed_over,
        content: Content::Sheet(sheet, index + 1),
        limits,
    })
}

/// The delimiter that a first line `sep=;` names, and the bytes of that line.
fn separator_line(text: &str) -> Option<(char, usize)> {
    let end = text.find(['\r', '\n'])?;
    let line = text.get(..end)?.trim_matches('"');
    let named = line
        .strip_prefix("sep=")
        .or_else(|| line.strip_prefix("SEP="))?;
    let delimiter = named.chars().next()?;
    let rest = text.get(end..)?;
    let length = if rest.starts_with("\r\n") { 2 } else { 1 };
    DELIMITERS
        .contains(&delimiter)
        .then_some((delimiter, end + length))
}

/// The header of a text, if its cells are divided by one delimiter.
struct Head {
    /// Names found of those wanted.
    found: usize,
    cells: Vec<String>,
    line: u64,
    /// Byte and line behind it.
    end: usize,
    line_after: u64,
    titles: Vec<u64>,
    empty_rows: u64,
    /// Column of a quotation mark that stands wrong in it.
    misquoted: Option<usize>,
}

fn head_of(text: &str, line: u64, delimiter: char, names: &[BTreeSet<String>]) -> Option<Head> {
    let mut records = Records::over(text, line, delimiter, 0);
    let mut best: Option<Head> = None;
    let (mut above, mut empty) = (Vec::new(), 0);
    while above.len() < HEADER_WITHIN_ROWS {
        let Some(read) = records.next() else {
            break;
        };
        let (line, cells, misquoted) = match read {
            Ok(Record { line, cells }) => (line, cells, None),
            Err(Misquoted {
                line, column, text, ..
            }) => {
                // Divided as it looks, so that a header with a wrong mark is told as that.
                let first = text.lines().next().unwrap_or_default();
                let cells = first.split(delimiter).map(str::to_owned).collect();
                (line, cells, Some(column))
            }
        };
        if cells.iter().all(|cell| cell.trim().is_empty()) {
            empty += 1;
            continue;
        }
        let found = names_found(&cells, names);
        if best.as_ref().is_none_or(|best| found > best.found) {
            best = Some(Head {
                found,
                cells,
                line,
                end: text.len() - records.left(),
                line_after: records.line(),
                titles: above.clone(),
                empty_rows: empty,
                misquoted,
            });
        }
        above.push(line);
    }
    best
}

fn names_found(cells: &[String], names: &[BTreeSet<String>]) -> usize {
    let cells: BTreeSet<String> = cells.iter().map(|cell| header_of(cell)).collect();
    let found = names.iter().filter(|names| !names.is_disjoint(&cells));
    found.count()
}

/// The name of a column as it is compared: in one spelling, without what nobody sees.
fn header_of(cell: &str) -> String {
    let seen: String = cell
        .chars()
        .filter(|character| !is_invisible(*character))
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .collect();
    one_spelling(&seen)
}

/// The names of all columns up to the last that has one, and the numbers of those between without.
fn headers_of(
    cells: &[String],
    names: &[BTreeSet<String>],
) -> Result<(Vec<String>, Vec<usize>), TabularError> {
    let mut headers: Vec<String> = cells.iter().map(|cell| header_of(cell)).collect();
    while headers.last().is_some_and(String::is_empty) {
        headers.pop();
    }
    if headers.len() > COLUMNS_MAX {
        return Err(TabularError::ColumnsTooMany {
            columns_max: COLUMNS_MAX,
        });
    }
    let mut nameless = Vec::new();
    for (index, name) in headers.iter().enumerate() {
        let number = index + 1;
        if name.is_empty() {
            nameless.push(number);
        }
        if name.len() > HEADER_BYTES_MAX {
            return Err(TabularError::HeaderTooLong {
                number,
                bytes_max: HEADER_BYTES_MAX,
            });
        }
        let needed = names.iter().any(|names| names.contains(name));
        if needed && headers.iter().take(index).any(|earlier| earlier == name) {
            return Err(TabularError::HeaderRepeated {
                name: name.clone(),
                number,
            });
        }
    }
    Ok((headers, nameless))
}

fn delimiter_of(source: &Source) -> char {
    match source {
        Source::Text { delimiter, .. } => *delimiter,
        Source::Sheet { .. } => ',',
    }
}

/// The rows of a table in order; what is no row is passed over and counted.
pub struct Rows<'a> {
    table: &'a Table,
    raw: Raw<'a>,
    /// What was passed over so far.
    pub passed_over: PassedOver,
    rows: usize,
}

impl fmt::Debug for Rows<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Rows");
        shown.field("rows", &self.rows).finish_non_exhaustive()
    }
}

enum Raw<'a> {
    Text(Records<'a>),
    Sheet(&'a Sheet, usize),
}

impl Raw<'_> {
    fn next(&mut self) -> Option<Result<(u64, Vec<Cell>), Misquoted>> {
        match self {
            Self::Text(records) => {
                let read = records.next()?;
                Some(read.map(|Record { line, cells }| {
                    let cells = cells.into_iter().map(|text| Cell {
                        text: text.trim().to_owned(),
                        kind: CellKind::Text,
                    });
                    (line, cells.collect())
                }))
            }
            Self::Sheet(sheet, at) => {
                let row = sheet.row(*at)?;
                *at += 1;
                let (line, mut cells) = row;
                for cell in &mut cells {
                    cell.text = cell.text.trim().to_owned();
                }
                Some(Ok((line, cells)))
            }
        }
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row, BadRow>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows_max = self.table.limits.rows_max;
        loop {
            if self.rows > rows_max {
                return None;
            }
            let (line, mut cells) = match self.raw.next()? {
                Ok(row) => row,
                Err(misquoted) => {
                    self.rows += 1;
                    return Some(Err(self.misquoted(misquoted)));
                }
            };
            if cells.iter().all(|cell| cell.text.is_empty()) {
                self.passed_over.empty_rows += 1;
                continue;
            }
            while cells.len() > self.table.headers.len()
                && cells.last().is_some_and(|cell| cell.text.is_empty())
            {
                cells.pop();
            }
            if self.repeats_header(&cells) {
                self.passed_over.headers_again += 1;
                continue;
            }
            self.rows += 1;
            return Some(self.row(line, cells));
        }
    }
}

impl Rows<'_> {
    fn repeats_header(&self, cells: &[Cell]) -> bool {
        let headers = &self.table.headers;
        headers.len() > 1
            && cells.len() == headers.len()
            && cells
                .iter()
                .zip(headers)
                .all(|(cell, header)| header_of(&cell.text) == *header)
    }

    fn row(&mut self, line: u64, mut cells: Vec<Cell>) -> Result<Row, BadRow> {
        let expected = self.table.headers.len();
        let mut errors = Vec::new();
        let mut wrong = |column: Option<Column>, problem: Problem| {
            errors.push(RowError {
                line,
                column,
                kind: None,
                code: problem.code.to_owned(),
                problem: problem.words,
            });
        };
        let rows_max = self.table.limits.rows_max;
        if self.rows > rows_max {
            wrong(
                None,
                Problem::of(
                    "ROWS_TOO_MANY",
                    format!("表超过{rows_max}行，请分成几个文件"),
                    format!("the table has more than {rows_max} rows; divide it"),
                ),
            );
        }
        let found = cells.len();
        if found > expected {
            wrong(
                None,
                Problem::of(
                    "ROW_RAGGED",
                    format!("有{found}个单元格，表头只有{expected}列；含有分隔符的内容须加引号"),
                    format!(
                        "{found} cells where the header has {expected}; a text that holds the separator needs quotation marks"
                    ),
                ),
            );
        }
        let bytes_max = self.table.limits.cell_bytes_max;
        for (index, cell) in cells.iter().enumerate() {
            let column = || Some(self.table.found(index));
            let control =
                |character: &char| character.is_control() && !matches!(character, '\t' | '\n');
            if cell.text.len() > bytes_max {
                wrong(
                    column(),
                    Problem::of(
                        "CELL_TOO_LONG",
                        format!("内容超过{bytes_max}字节"),
                        format!("longer than {bytes_max} bytes"),
                    ),
                );
            } else if let Some(character) = cell.text.chars().find(control) {
                let point = code_point(character);
                wrong(
                    column(),
                    Problem::of(
                        "CONTROL_CHARACTER",
                        format!("含有控制字符 {point}，请删除"),
                        format!("holds the control character {point}; delete it"),
                    ),
                );
            } else if cell.text.contains('\u{fffd}') || cell.text.contains("锟斤拷") {
                wrong(
                    column(),
                    Problem::of(
                        "CHARACTER_LOST",
                        "有文字在转换编码时已丢失（显示为 U+FFFD 或“锟斤拷”），请从原系统重新导出",
                        "characters were lost when the file was converted (U+FFFD); export it anew",
                    ),
                );
            }
        }
        if !errors.is_empty() {
            let cells = cells.into_iter().map(|cell| cell.text).collect();
            return Err(BadRow { errors, cells });
        }
        if found < expected && matches!(self.raw, Raw::Text(_)) {
            self.passed_over.short_rows += 1;
        }
        cells.resize(expected, Cell::default());
        Ok(Row { line, cells })
    }

    fn misquoted(&self, misquoted: Misquoted) -> BadRow {
        let Misquoted {
            line,
            line_last,
            column,
            at_line,
            fault,
            text,
        } = misquoted;
        let (code, chinese, english) = match fault {
            QuoteFault::Stray => (
                "QUOTE_STRAY",
                "引号只能包住整个单元格；内容中的引号须写成两个，并用引号包住整个单元格",
                "a quotation mark can only enclose a whole cell; one inside is written twice, in an enclosed cell",
            ),
            QuoteFault::AfterClosing => (
                "QUOTE_STRAY",
                "结束的引号之后还有内容；内容中的引号须写成两个，或前面某处缺少引号",
                "something follows the closing quotation mark; one inside a cell is written twice, or one was lost before",
            ),
            QuoteFault::Unclosed => (
                "QUOTE_UNCLOSED",
                "引号没有结束",
                "a quotation mark opened here is never closed",
            ),
            QuoteFault::Swallowed => (
                "QUOTE_LOST",
                "单元格中含有另一行的内容，可能缺少引号；若确为正文，请去掉其中的换行",
                "the cell holds what looks like another row: a quotation mark may be lost; if it is all one text, take out its line breaks",
            ),
        };
        let mut problem = Words::of(chinese, english);
        if at_line != line {
            problem
                .chinese
                .push_str(&format!("（引号在第{at_line}行）"));
            problem
                .english
                .push_str(&format!(" (the mark stands in line {at_line})"));
        }
        if line_last > line {
            problem
                .chinese
                .push_str(&format!("；第{line}至{line_last}行均未读取"));
            problem
                .english
                .push_str(&format!("; lines {line} to {line_last} were not read"));
        }
        BadRow {
            errors: vec![RowError {
                line,
                column: Some(self.table.found(column)),
                kind: None,
                code: code.to_owned(),
                problem,
            }],
            cells: vec![text],
        }
    }
}
