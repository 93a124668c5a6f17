//! What can be wrong with a table, a mapping or a row: a code, the place, words in two languages.

use std::fmt;

use fengqiao_hub::refusal::Refusal;

/// The same thing said in both languages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// Chinese.
    pub chinese: String,
    /// English.
    pub english: String,
}

impl Words {
    /// Puts two sentences together.
    pub fn of(chinese: impl Into<String>, english: impl Into<String>) -> Self {
        Self {
            chinese: chinese.into(),
            english: english.into(),
        }
    }
}

/// Why a whole table was refused. Lines and columns count from 1; no variant carries a cell's content, but the names of
/// columns, which are no personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TabularError {
    /// More bytes than allowed, packed or unpacked.
    FileTooLarge {
        /// Bytes accepted.
        bytes_max: usize,
    },
    /// Nothing in it, not even a header.
    FileEmpty,
    /// A workbook of another kind than xlsx, or one under a password.
    FileIsWorkbook,
    /// It says that it is a workbook and does not read as one.
    WorkbookDamaged,
    /// The workbook has no sheet of that name.
    SheetUnknown {
        /// Sheets it has.
        sheets: Vec<String>,
    },
    /// Neither UTF-8, UTF-16 nor GB18030; the place is where the likeliest of them stops.
    EncodingUnknown {
        /// Line of the first byte that does not fit.
        line: u64,
        /// Its offset in the file, from 0.
        byte: usize,
        /// Encoding that the rest of the file has.
        likely: &'static str,
    },
    /// The quotation marks of the header do not close where they should.
    HeaderQuoting {
        /// Line of the header.
        line: u64,
        /// Column of the quotation mark.
        column: usize,
    },
    /// Two columns of one name, and the name is needed.
    HeaderRepeated {
        /// The name.
        name: String,
        /// The number of the second one.
        number: usize,
    },
    /// The name of a column is too long: most likely the header is missing.
    HeaderTooLong {
        /// The column's number.
        number: usize,
        /// Bytes accepted.
        bytes_max: usize,
    },
    /// More columns than allowed.
    ColumnsTooMany {
        /// Columns accepted.
        columns_max: usize,
    },
    /// More rows than allowed.
    RowsTooMany {
        /// Rows accepted.
        rows_max: usize,
    },
}

impl TabularError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::FileTooLarge { .. } => "FILE_TOO_LARGE",
            Self::FileEmpty => "FILE_EMPTY",
            Self::FileIsWorkbook => "FILE_IS_WORKBOOK",
            Self::WorkbookDamaged => "WORKBOOK_DAMAGED",
            Self::SheetUnknown { .. } => "SHEET_UNKNOWN",
            Self::EncodingUnknown { .. } => "ENCODING_UNKNOWN",
            Self::HeaderQuoting { .. } => "HEADER_QUOTING",
            Self::HeaderRepeated { .. } => "HEADER_REPEATED",
            Self::HeaderTooLong { .. } => "HEADER_TOO_LONG",
            Self::ColumnsTooMany { .. } => "COLUMNS_TOO_MANY",
            Self::RowsTooMany { .. } => "ROWS_TOO_MANY",
        }
    }

    /// What a person reads.
    #[must_use]
    pub fn words(&self) -> Words {
        match self {
            Self::FileTooLarge { bytes_max } => Words::of(
                format!("文件超过{bytes_max}字节，请分成几个文件"),
                format!("the file is larger than {bytes_max} bytes; divide it"),
            ),
            Self::FileEmpty => Words::of("文件是空的", "the file is empty"),
            Self::FileIsWorkbook => Words::of(
                "这是旧格式或加密的工作簿，请另存为 xlsx 或 CSV（UTF-8），不设密码",
                "the file is a workbook of an older kind or under a password: save it as xlsx or CSV (UTF-8), without a password",
            ),
            Self::WorkbookDamaged => Words::of(
                "工作簿无法读取，请重新另存为 xlsx 或 CSV（UTF-8）",
                "the workbook does not read: save it anew as xlsx or CSV (UTF-8)",
            ),
            Self::SheetUnknown { sheets } => Words::of(
                format!("没有这个工作表，现有：{}", sheets.join("、")),
                format!("no sheet of that name; there are: {}", sheets.join(", ")),
            ),
            Self::EncodingUnknown { line, byte, likely } => Words::of(
                format!(
                    "第{line}行（文件第{byte}字节处）的文字不是有效的{likely}编码，文件可能已损坏，请从原系统重新导出"
                ),
                format!(
                    "line {line}, byte {byte} of the file is not {likely} as the rest is; the file may be damaged, export it anew"
                ),
            ),
            Self::HeaderQuoting { line, column } => Words::of(
                format!("第{line}行（表头）第{column}列的引号位置不对"),
                format!(
                    "a quotation mark in line {line} (the header), column {column}, does not stand where one can"
                ),
            ),
            Self::HeaderRepeated { name, number } => Words::of(
                format!("表头第{number}列“{name}”与前面的列重名"),
                format!("column {number}, \"{name}\", repeats the name of an earlier column"),
            ),
            Self::HeaderTooLong { number, bytes_max } => Words::of(
                format!("表头第{number}列的名称超过{bytes_max}字节，可能缺少表头行"),
                format!(
                    "the name of column {number} is longer than {bytes_max} bytes; the header may be missing"
                ),
            ),
            Self::ColumnsTooMany { columns_max } => Words::of(
                format!("表超过{columns_max}列"),
                format!("the table has more than {columns_max} columns"),
            ),
            Self::RowsTooMany { rows_max } => Words::of(
                format!("表超过{rows_max}行，请分成几个文件"),
                format!("the table has more than {rows_max} rows; divide it"),
            ),
        }
    }
}

impl fmt::Display for TabularError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.words().english)
    }
}

impl std::error::Error for TabularError {}

/// A column of the table, as a person finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its number, from 1.
    pub number: usize,
    /// Its name in the header, or empty.
    pub name: String,
}

/// One thing wrong with one row; without the content of the cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    /// Line of the file where the row begins, from 1; row of the sheet in a workbook.
    pub line: u64,
    /// The column, where it is about one.
    pub column: Option<Column>,
    /// What the column holds, where it is about a value.
    pub kind: Option<Words>,
    /// Stable code.
    pub code: String,
    /// What is wrong and what is expected.
    pub problem: Words,
}

impl RowError {
    /// What a person reads: line, column, what the value is, what is wrong with it.
    #[must_use]
    pub fn words(&self) -> Words {
        let mut words = Words::of(format!("第{}行", self.line), format!("line {}", self.line));
        if let Some(Column { number, name }) = &self.column {
            words.chinese.push_str(&format!("第{number}列"));
            words.english.push_str(&format!(", column {number}"));
            if !name.is_empty() {
                words.chinese.push_str(&format!("“{name}”"));
                words.english.push_str(&format!(" \"{name}\""));
            }
        }
        if let Some(kind) = &self.kind {
            words.chinese.push_str(&format!("（{}）", kind.chinese));
            words.english.push_str(&format!(" ({})", kind.english));
        }
        words
            .chinese
            .push_str(&format!("：{}", self.problem.chinese));
        words
            .english
            .push_str(&format!(": {}", self.problem.english));
        words
    }
}

/// Why a value is not taken: a stable code, and words that name the expected form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Stable code.
    pub code: &'static str,
    /// What is wrong and what is expected.
    pub words: Words,
}

impl Problem {
    pub(super) fn of(
        code: &'static str,
        chinese: impl Into<String>,
        english: impl Into<String>,
    ) -> Self {
        Self {
            code,
            words: Words::of(chinese, english),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self {
            code: refusal.code.as_str(),
            words: Words::of(refusal.chinese(), refusal.english()),
        }
    }
}
