//! What all imports of tables have in common: the file and how it is read, rows that are refused, the tables that come
//! back.
//!
//! Tables that come back hold what the file held, and codes that are shown once: they are made for their owner alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::Context;
use super::failure::Failure;
use super::language::Language;
use crate::tabular::{
    Cell, Limits, Mapping, PassedOver, RefusedRow, RowError, Table, TabularError, Wanted, Words,
    read_table,
};

/// What a table may cost.
pub(super) const LIMITS: Limits = Limits {
    bytes_max: 256 << 20,
    rows_max: 1_000_000,
    cell_bytes_max: 64 << 10,
};
/// Refused rows shown at a terminal; the rest is counted, and stands in the table of rejects.
const SHOWN_MAX: usize = 50;
/// Refused rows told to a program.
const TOLD_MAX: usize = 1_000;
/// So that a spreadsheet program reads Chinese.
const MARK: &str = "\u{feff}";
const OWNER_ONLY: u32 = 0o600;

/// The file of an import and what is done with its rows.
#[derive(Debug, Args)]
pub(super) struct TableArgs {
    /// The table: xlsx, or text with commas, tabs or semicolons in UTF-8, UTF-16 or GB18030
    pub(super) file: PathBuf,
    /// Sheet of a workbook; the first one that holds something if left out
    #[arg(long, value_name = "NAME")]
    sheet: Option<String>,
    /// Judge every row as the import would, and write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Write the sound rows even if others are refused; those come back as a table to mend
    #[arg(long)]
    pub(super) partial: bool,
    /// Table to mend: the refused rows with what is wrong with each [default: FILE.rejects.csv with --partial]
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
}

impl TableArgs {
    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read, or holds no table.
    pub(super) fn read(&self, columns: &[Vec<String>]) -> Result<Table, Failure> {
        let bytes = read_file(&self.file)?;
        let wanted = Wanted {
            columns,
            sheet: self.sheet.as_deref(),
        };
        read_table(bytes, LIMITS, &wanted).map_err(|error| not_read(&error))
    }

    /// Where refused rows come back, if they do.
    fn rejects_path(&self) -> Option<PathBuf> {
        let beside = || self.partial.then(|| beside(&self.file, "rejects"));
        let named = self.rejects.clone().or_else(beside);
        named.filter(|_| !self.dry_run || self.rejects.is_some())
    }
}

/// Refuses to put a table to mend in the place of anything but an older one.
fn spare(path: &Path) -> Result<(), Failure> {
    if std::fs::symlink_metadata(path).is_err() {
        return Ok(());
    }
    let columns: Vec<Vec<String>> = TO_MEND
        .iter()
        .zip(TO_MEND_ZH)
        .map(|(name, chinese)| vec![(*name).to_owned(), chinese.to_owned()])
        .collect();
    let wanted = Wanted {
        columns: &columns,
        sheet: None,
    };
    let standing = std::fs::read(path).ok();
    let standing = standing.and_then(|bytes| read_table(bytes, LIMITS, &wanted).ok());
    let is_older = standing.is_some_and(|table| {
        table.headers.ends_with(&TO_MEND.map(str::to_owned))
            || table.headers.ends_with(&TO_MEND_ZH.map(str::to_owned))
    });
    if is_older {
        return Ok(());
    }
    let shown = path.display();
    Err(Failure::usage(
        "rejects",
        format!(
            "{shown} stands already and is no table of rows to mend; name another with --rejects"
        ),
        format!("文件 {shown} 已存在且不是待修改行的表，请用 --rejects 另行指定"),
    ))
}

/// A file of that kind beside a table: `requests.xlsx` has `requests.rejects.csv`.
pub(super) fn beside(file: &Path, kind: &str) -> PathBuf {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!("{stem}.{kind}.csv"))
}

/// Reads a file of the command line.
///
/// # Errors
/// Why it cannot be read, with its path.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: io::Error| {
        let shown = path.display();
        Failure::usage(
            "file",
            format!("{shown} cannot be read: {error}"),
            format!("文件 {shown} 无法读取，请检查路径和权限"),
        )
    };
    let bytes_max = LIMITS.bytes_max as u64;
    if std::fs::metadata(path).map_err(unreadable)?.len() > bytes_max {
        return Err(not_read(&TabularError::FileTooLarge {
            bytes_max: LIMITS.bytes_max,
        }));
    }
    std::fs::read(path).map_err(unreadable)
}

fn not_read(error: &TabularError) -> Failure {
    let words = error.words();
    Failure::file_of(error.code(), "file", words.english, words.chinese)
}

/// A mapping that does not fit, as a failure.
pub(super) fn not_mapped(error: &crate::tabular::MappingError) -> Failure {
    let words = error.words();
    Failure::file_of(error.code(), "mapping", words.english, words.chinese)
}

/// Columns added to a table of rows to mend.
const TO_MEND: [&str; 2] = ["line", "problem"];
const TO_MEND_ZH: [&str; 2] = ["行号", "问题"];

/// Rows that were refused: counted, some of them kept to be shown, all of them written to the table to mend.
#[derive(Debug)]
pub(super) struct Refused {
    rows: u64,
    /// Each with the key of its row.
    kept: Vec<(String, RowError)>,
    kept_rows: usize,
    by_code: BTreeMap<String, u64>,
    lines: BTreeSet<u64>,
    rejects: Option<Rejects>,
}

#[derive(Debug)]
struct Rejects {
    path: PathBuf,
    table: OutputTable,
    columns: usize,
}

impl Refused {
    /// Nothing refused yet; makes the table to mend when one is asked for.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) fn of(args: &TableArgs, table: &Table, language: Language) -> Result<Self, Failure> {
        let rejects = match args.rejects_path() {
            None => None,
            Some(path) => {
                spare(&path)?;
                let mut header: Vec<&str> = table.headers.iter().map(String::as_str).collect();
                header.extend(match language {
                    Language::Zh => TO_MEND_ZH,
                    Language::En => TO_MEND,
                });
                Some(Rejects {
                    table: OutputTable::create(&path, &header)?,
                    columns: table.headers.len(),
                    path,
                })
            }
        };
        Ok(Self {
            rows: 0,
            kept: Vec::new(),
            kept_rows: 0,
            by_code: BTreeMap::new(),
            lines: BTreeSet::new(),
            rejects,
        })
    }

    /// Rows refused so far.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Whether the row of that line was refused.
    pub(super) fn has(&self, line: u64) -> bool {
        self.lines.contains(&line)
    }

    /// Takes a refused row.
    ///
    /// # Errors
    /// The table to mend cannot be written.
    pub(super) fn take(
        &mut self,
        row: RefusedRow,
        table: &Table,
        mapping: &Mapping,
        language: Language,
    ) -> Result<(), Failure> {
        self.rows += 1;
        self.lines.insert(row.line);
        if let Some(rejects) = &mut self.rejects {
            let mut cells = written(&row.cells, table, mapping);
            cells.resize(rejects.columns, String::new());
            cells.push(row.line.to_string());
            let problems = row
                .errors
                .iter()
                .map(|error| in_language(&error.words(), language));
            cells.push(problems.collect::<Vec<_>>().join("; "));
            rejects.table.write(&cells)?;
        }
        for error in &row.errors {
            *self.by_code.entry(error.code.clone()).or_default() += 1;
        }
        if self.kept_rows < TOLD_MAX {
            self.kept_rows += 1;
            let key = row.key;
            let errors = row.errors.into_iter();
            self.kept.extend(errors.map(|error| (key.clone(), error)));
        }
        Ok(())
    }

    /// Makes the table to mend durable.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        match &mut self.rejects {
            Some(rejects) if self.rows > 0 => rejects.table.sync(),
            Some(rejects) => {
                // A table without a row says that there is something to mend.
                let _ = std::fs::remove_file(&rejects.path);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The rows for a person, a line each.
    pub(super) fn text(&self, context: &Context) -> String {
        let mut text = String::new();
        for (_, error) in self.kept.iter().take(SHOWN_MAX) {
            text.push_str(&format!(
                "{} [{}]\n",
                context.say(&error.words()),
                error.code
            ));
        }
        let errors: u64 = self.by_code.values().sum();
        let more = errors.saturating_sub(SHOWN_MAX as u64);
        if more > 0 {
            let by_code: Vec<String> = self
                .by_code
                .iter()
                .map(|(code, count)| format!("{code} {count}"))
                .collect();
            let by_code = by_code.join(", ");
            text.push_str(&match context.language() {
                Language::Zh => format!("另有{more}处；各类合计：{by_code}\n"),
                Language::En => format!("and {more} more; by code: {by_code}\n"),
            });
        }
        if let Some(rejects) = self.rejects.as_ref().filter(|_| self.rows > 0) {
            let path = rejects.path.display();
            text.push_str(&match context.language() {
                Language::Zh => format!("待修改的行已写入 {path}，改好后可直接导入该文件\n"),
                Language::En => {
                    format!("rows to mend are in {path}; import that file when they are mended\n")
                }
            });
        }
        text
    }

    /// The rows for a program.
    pub(super) fn json(&self) -> Value {
        let rows = self.kept.iter().map(|(key, error)| {
            let words = error.words();
            json!({
                "line": error.line,
                "key": key,
                "column": error.column.as_ref().map(|column| column.number),
                "column_name": error.column.as_ref().map(|column| column.name.clone()),
                "kind": error.kind.as_ref().map(|kind| kind.english.clone()),
                "code": error.code,
                "english": words.english,
                "chinese": words.chinese,
            })
        });
        Value::Array(rows.collect())
    }

    /// Where the table to mend stands, if there is something to mend.
    pub(super) fn rejects(&self) -> Option<String> {
        let rejects = self.rejects.as_ref().filter(|_| self.rows > 0)?;
        Some(rejects.path.display().to_string())
    }

    /// What ends a command of which rows were refused.
    pub(super) fn failure(&self, nothing_written: bool) -> Failure {
        let rows = self.rows;
        let (english, chinese) = if nothing_written {
            (
                format!(
                    "{rows} rows are refused and nothing was written; mend them, or give --partial"
                ),
                format!(
                    "有{rows}行未通过，未写入任何内容；请修改后重新导入，或用 --partial 只导入其余各行"
                ),
            )
        } else {
            (
                format!("{rows} rows are refused; the others were written"),
                format!("有{rows}行未通过，其余各行已写入"),
            )
        };
        Failure::file_of("ROWS_REFUSED", "file", english, chinese)
    }
}

/// Says how a table was read and what was passed over.
pub(super) fn note_source(context: &Context, table: &Table, rows: u64, passed_over: &PassedOver) {
    let source = table.source.words();
    context.note(&match context.language() {
        Language::Zh => format!("{}，共{rows}行", source.chinese),
        Language::En => format!("{}; {rows} rows", source.english),
    });
    for words in passed_over.words() {
        context.note(context.say(&words));
    }
}

/// The same for a program.
pub(super) fn source_json(table: &Table, passed_over: &PassedOver) -> Value {
    let words = passed_over.words();
    json!({
        "read_as": table.source.words().english,
        "passed_over": words.iter().map(|words| json!({
            "english": words.english, "chinese": words.chinese,
        })).collect::<Vec<_>>(),
    })
}

/// A progress bar on the error stream, seen by people at a terminal only.
pub(super) fn progress(
    context: &Context,
    rows: u64,
    chinese: &str,
    english: &str,
) -> indicatif::ProgressBar {
    if context.output() == super::output::Output::Json {
        return indicatif::ProgressBar::hidden();
    }
    let bar = indicatif::ProgressBar::new(rows);
    let style = indicatif::ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.set_message(context.either(chinese, english).to_owned());
    bar
}

fn in_language(words: &Words, language: Language) -> String {
    match language {
        Language::Zh => words.chinese.clone(),
        Language::En => words.english.clone(),
    }
}

/// The cells of a row as the file has them; times of a workbook in the form that the mapping reads.
fn written(cells: &[Cell], table: &Table, mapping: &Mapping) -> Vec<String> {
    let cells = cells.iter().enumerate().map(|(index, cell)| {
        let style = table
            .headers
            .get(index)
            .and_then(|column| mapping.style_of(column));
        cell.written(style.as_ref())
    });
    cells.collect()
}

/// A table that is written for its owner alone.
pub(super) struct OutputTable {
    path: PathBuf,
    writer: csv::Writer<File>,
}

impl std::fmt::Debug for OutputTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutputTable")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl OutputTable {
    /// Makes a new one, in place of an older one.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) fn create(path: &Path, header: &[&str]) -> Result<Self, Failure> {
        // Removed first: what stands there may belong to others or be a link.
        if let Err(error) = std::fs::remove_file(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(not_written(path, &error));
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(OWNER_ONLY);
        let mut file = options
            .open(path)
            .map_err(|error| not_written(path, &error))?;
        file.write_all(MARK.as_bytes())
            .map_err(|error| not_written(path, &error))?;
        let mut table = Self {
            path: path.to_owned(),
            writer: csv::Writer::from_writer(file),
        };
        let header: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
        table.write(&header)?;
        Ok(table)
    }

    /// Goes on with one that stands.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(super) fn append(path: &Path) -> Result<Self, Failure> {
        let file = OpenOptions::new().append(true).open(path);
        let file = file.map_err(|error| not_written(path, &error))?;
        Ok(Self {
            path: path.to_owned(),
            writer: csv::Writer::from_writer(file),
        })
    }

    /// Writes a row.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn write(&mut self, cells: &[String]) -> Result<(), Failure> {
        let written = self.writer.write_record(cells);
        written.map_err(|error| not_written(&self.path, &io::Error::other(error)))
    }

    /// Makes what was written durable.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn sync(&mut self) -> Result<(), Failure> {
        let flushed = self.writer.flush();
        let synced = flushed.and_then(|()| self.writer.get_ref().sync_data());
        synced.map_err(|error| not_written(&self.path, &error))
    }
}

pub(super) fn not_written(path: &Path, error: &io::Error) -> Failure {
    let shown = path.display();
    Failure::usage(
        "file",
        format!("{shown} cannot be written: {error}"),
        format!("文件 {shown} 无法写入，请检查文件夹和权限"),
    )
}
