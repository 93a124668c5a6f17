//! What can be wrong with a table, a mapping or a row: a code, the place, words in two languages.

use thiserror::Error;

/// Why a whole table was refused. Lines and columns count from 1; no variant carries a cell's content.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TabularError {
    /// More bytes than allowed.
    #[error("the file has {bytes} bytes, at most {bytes_max} are accepted")]
    FileTooLarge {
        /// Bytes given.
        bytes: usize,
        /// Bytes accepted.
        bytes_max: usize,
    },
    /// Nothing in it, not even a header.
    #[error("the file is empty")]
    FileEmpty,
    /// An Excel workbook or another packed file, not text.
    #[error("the file is a workbook, not text: save it as CSV (UTF-8)")]
    FileIsWorkbook,
    /// Neither UTF-8 nor GB18030; the place is where the likelier of the two stops.
    #[error("the text is neither UTF-8 nor GB18030: line {line}, byte {byte} of the file")]
    EncodingUnknown {
        /// Line of the first byte that does not fit.
        line: u64,
        /// Its offset in the file, from 0.
        byte: usize,
    },
    /// A control character other than a tab or a line break inside a cell.
    #[error("control character in line {line}, column {column:?}")]
    ControlCharacter {
        /// Line where the row begins.
        line: u64,
        /// Name of the column; its number where the name itself is at fault.
        column: String,
    },
    /// A quotation mark was opened and never closed.
    #[error("a quotation mark opened in the row of line {line} is never closed")]
    QuoteUnclosed {
        /// Line where that row begins.
        line: u64,
    },
    /// A column without a name.
    #[error("column {number} has no name in the header")]
    HeaderEmpty {
        /// The column's number.
        number: usize,
    },
    /// Two columns of one name.
    #[error("column {number} repeats the name of an earlier column")]
    HeaderRepeated {
        /// The number of the second one.
        number: usize,
    },
    /// A column's name is too long.
    #[error("the name of column {number} has {bytes} bytes, at most {bytes_max} are accepted")]
    HeaderTooLong {
        /// The column's number.
        number: usize,
        /// Bytes it has.
        bytes: usize,
        /// Bytes accepted.
        bytes_max: usize,
    },
    /// More columns than allowed.
    #[error("the table has {columns} columns, at most {columns_max} are accepted")]
    ColumnsTooMany {
        /// Columns it has.
        columns: usize,
        /// Columns accepted.
        columns_max: usize,
    },
    /// More rows than allowed.
    #[error("the table has more than {rows_max} rows")]
    RowsTooMany {
        /// Rows accepted.
        rows_max: usize,
    },
    /// A row with more or fewer cells than the header.
    #[error("line {line} has {found} cells, the header has {expected}")]
    RowRagged {
        /// Line where the row begins.
        line: u64,
        /// Cells the header has.
        expected: usize,
        /// Cells the row has.
        found: usize,
    },
    /// A cell longer than allowed.
    #[error("line {line}, column {column:?}: {bytes} bytes, at most {bytes_max} are accepted")]
    CellTooLong {
        /// Line where the row begins.
        line: u64,
        /// Name of the column.
        column: String,
        /// Bytes it has.
        bytes: usize,
        /// Bytes accepted.
        bytes_max: usize,
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
            Self::EncodingUnknown { .. } => "ENCODING_UNKNOWN",
            Self::ControlCharacter { .. } => "CONTROL_CHARACTER",
            Self::QuoteUnclosed { .. } => "QUOTE_UNCLOSED",
            Self::HeaderEmpty { .. } => "HEADER_EMPTY",
            Self::HeaderRepeated { .. } => "HEADER_REPEATED",
            Self::HeaderTooLong { .. } => "HEADER_TOO_LONG",
            Self::ColumnsTooMany { .. } => "COLUMNS_TOO_MANY",
            Self::RowsTooMany { .. } => "ROWS_TOO_MANY",
            Self::RowRagged { .. } => "ROW_RAGGED",
            Self::CellTooLong { .. } => "CELL_TOO_LONG",
        }
    }

    /// What a person reads in Chinese.
    #[must_use]
    pub fn message_zh(&self) -> String {
        match self {
            Self::FileTooLarge { bytes, bytes_max } => {
                format!("文件有{bytes}字节，最多接受{bytes_max}字节")
            }
            Self::FileEmpty => "文件是空的".to_owned(),
            Self::FileIsWorkbook => "这是Excel工作簿，不是文本：请另存为CSV（UTF-8）".to_owned(),
            Self::EncodingUnknown { line, byte } => {
                format!("文字编码既不是UTF-8也不是GB18030：第{line}行，文件第{byte}字节处")
            }
            Self::ControlCharacter { line, column } => {
                format!("第{line}行“{column}”列含有控制字符")
            }
            Self::QuoteUnclosed { line } => format!("第{line}行开始的引号没有结束"),
            Self::HeaderEmpty { number } => format!("表头第{number}列没有名称"),
            Self::HeaderRepeated { number } => format!("表头第{number}列与前面的列重名"),
            Self::HeaderTooLong {
                number,
                bytes,
                bytes_max,
            } => {
                format!("表头第{number}列的名称有{bytes}字节，最多接受{bytes_max}字节")
            }
            Self::ColumnsTooMany {
                columns,
                columns_max,
            } => format!("表有{columns}列，最多接受{columns_max}列"),
            Self::RowsTooMany { rows_max } => format!("表的行数超过{rows_max}行"),
            Self::RowRagged {
                line,
                expected,
                found,
            } => {
                format!("第{line}行有{found}个单元格，表头有{expected}个")
            }
            Self::CellTooLong {
                line,
                column,
                bytes,
                bytes_max,
            } => {
                format!("第{line}行“{column}”列有{bytes}字节，最多接受{bytes_max}字节")
            }
        }
    }
}

/// What is wrong with one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowErrorCode {
    /// A required field is empty.
    FieldRequired,
    /// A text is longer than its field allows.
    TextTooLong,
    /// A code holds something other than ASCII letters, digits, `-`, `_`, `.`, or more than 64 of them.
    CodeInvalid,
    /// Not a whole number of 64 bits.
    IntegerInvalid,
    /// A value that the list of the field does not have.
    ChoiceUnknown,
    /// Not a time in the form the mapping names.
    DateUnreadable,
    /// A day that no calendar has, such as 30 February.
    DateDoesNotExist,
    /// A later time lies before the one it must follow.
    DueBeforeStart,
    /// The idempotency key is empty.
    KeyMissing,
    /// The idempotency key is longer than [`super::KEY_BYTES_MAX`].
    KeyTooLong,
    /// The row, or its key, has come before in this table.
    RowDuplicate,
}

impl RowErrorCode {
    /// The stable code.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.words().0
    }

    pub(super) fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::FieldRequired => ("FIELD_REQUIRED", "必填项为空", "a required field is empty"),
            Self::TextTooLong => ("TEXT_TOO_LONG", "文字过长", "the text is too long"),
            Self::CodeInvalid => (
                "CODE_INVALID",
                "代码只能由字母、数字、-、_、.组成，最多64位",
                "a code takes up to 64 letters, digits, - _ .",
            ),
            Self::IntegerInvalid => ("INTEGER_INVALID", "不是整数", "not a whole number"),
            Self::ChoiceUnknown => (
                "CHOICE_UNKNOWN",
                "不在可选值之中",
                "not one of the values of this field",
            ),
            Self::DateUnreadable => (
                "DATE_UNREADABLE",
                "时间格式与映射文件不符",
                "not a time in the form that the mapping names",
            ),
            Self::DateDoesNotExist => (
                "DATE_DOES_NOT_EXIST",
                "日期不存在",
                "the date does not exist",
            ),
            Self::DueBeforeStart => (
                "DUE_BEFORE_START",
                "期限早于开始时间",
                "the due time lies before the start",
            ),
            Self::KeyMissing => ("KEY_MISSING", "唯一键为空", "the key of the row is empty"),
            Self::KeyTooLong => (
                "KEY_TOO_LONG",
                "唯一键过长",
                "the key of the row is too long",
            ),
            Self::RowDuplicate => ("ROW_DUPLICATE", "重复行", "the row repeats an earlier one"),
        }
    }
}

/// One thing wrong with one row; without the content of the cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    /// Line of the file where the row begins, from 1.
    pub line: u64,
    /// The target field; the key column or `row` where the row as a whole is meant.
    pub field: String,
    /// What is wrong.
    pub code: RowErrorCode,
    /// What a person reads in Chinese.
    pub message_zh: String,
    /// What a person reads in English.
    pub message_en: String,
}

impl RowError {
    pub(super) fn new(line: u64, field: &str, code: RowErrorCode) -> Self {
        let (_, zh, en) = code.words();
        let message_zh = format!("第{line}行“{field}”：{zh}");
        let message_en = format!("line {line}, {field}: {en}");
        Self {
            line,
            field: field.to_owned(),
            code,
            message_zh,
            message_en,
        }
    }

    pub(super) fn duplicate(line: u64, field: &str, first_line: u64) -> Self {
        let mut error = Self::new(line, field, RowErrorCode::RowDuplicate);
        error
            .message_zh
            .push_str(&format!("（首次出现在第{first_line}行）"));
        error
            .message_en
            .push_str(&format!(" (first in line {first_line})"));
        error
    }
}
