//! Divisions from a CSV file: `code,parent,tier,name`, one row a division, in UTF-8 or GB18030.
//!
//! Only the rows directly below this place are added; each tier adds its own. The whole file is read and judged before
//! anything is sent, and adding what stands already changes nothing, so an import may be repeated.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use fengqiao_hub::jurisdiction::{Code, NAME_CHARACTERS_MAX};
use fengqiao_proto::v1 as pb;
use serde_json::json;

use crate::cli::Context;
use crate::cli::failure::{Call, Failure};
use crate::cli::words::{self, parse_level};

/// Places sent in one request.
const PLACES_A_REQUEST: usize = 500;
/// Largest file read.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Row errors shown; the rest is counted.
const ERRORS_SHOWN_MAX: usize = 20;
const COLUMNS: [&str; 4] = ["code", "parent", "tier", "name"];

/// Arguments of `place import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// CSV file with the columns code, parent, tier, name; UTF-8 or GB18030
    file: PathBuf,
    /// Code the rows to add have as parent; this place's own code if left out
    #[arg(long, value_name = "CODE")]
    parent: Option<String>,
    /// Read and judge the file, ask the node nothing but its code, add nothing
    #[arg(long)]
    dry_run: bool,
}

/// One division of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Division {
    /// Official code.
    pub code: String,
    /// Code of the division above, or empty.
    pub parent: String,
    /// Level.
    pub level: u32,
    /// Name.
    pub name: String,
}

/// A file as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Divisions {
    /// Rows in order.
    pub rows: Vec<Division>,
    /// Whether it was GB18030.
    pub gb18030: bool,
}

/// A row that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RowError {
    /// Line in the file, from 1; 0 for the file itself.
    pub line: u64,
    /// What is wrong, English.
    pub problem: String,
}

/// Reads the bytes of a file of divisions.
///
/// # Errors
/// Every row that is wrong, with its line.
pub(super) fn read(bytes: &[u8]) -> Result<Divisions, Vec<RowError>> {
    let (text, gb18030) = decode(bytes).map_err(|error| vec![error])?;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let columns = columns(&mut reader).map_err(|error| vec![error])?;
    let mut rows = Vec::new();
    let mut errors = Vec::new();
    let mut lines: BTreeMap<String, u64> = BTreeMap::new();
    for record in reader.records() {
        let parsed = record.map_err(csv_error).and_then(|record| {
            let line = record.position().map_or(0, csv::Position::line);
            let row = division(&record, &columns).map_err(|problem| RowError { line, problem })?;
            match lines.insert(row.code.clone(), line) {
                Some(before) => Err(RowError {
                    line,
                    problem: format!("code {} stands already in line {before}", row.code),
                }),
                None => Ok(row),
            }
        });
        match parsed {
            Ok(row) => rows.push(row),
            Err(error) => errors.push(error),
        }
    }
    if rows.is_empty() && errors.is_empty() {
        errors.push(RowError {
            line: 0,
            problem: "no row".to_owned(),
        });
    }
    if errors.is_empty() {
        Ok(Divisions { rows, gb18030 })
    } else {
        Err(errors)
    }
}

fn decode(bytes: &[u8]) -> Result<(String, bool), RowError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok((text.to_owned(), false));
    }
    encoding_rs::GB18030
        .decode_without_bom_handling_and_without_replacement(bytes)
        .map(|text| (text.into_owned(), true))
        .ok_or_else(|| RowError {
            line: 0,
            problem: "neither UTF-8 nor GB18030".to_owned(),
        })
}

fn columns(reader: &mut csv::Reader<&[u8]>) -> Result<Vec<usize>, RowError> {
    let headers = reader.headers().map_err(csv_error)?;
    COLUMNS
        .iter()
        .map(|name| {
            headers
                .iter()
                .position(|header| header.trim() == *name)
                .ok_or_else(|| RowError {
                    line: 1,
                    problem: format!("column {name} is missing"),
                })
        })
        .collect()
}

fn csv_error(error: csv::Error) -> RowError {
    RowError {
        line: error.position().map_or(0, csv::Position::line),
        problem: error.to_string(),
    }
}

fn division(record: &csv::StringRecord, columns: &[usize]) -> Result<Division, String> {
    let cell = |index: usize| {
        let column = columns.get(index).copied().unwrap_or(usize::MAX);
        record.get(column).unwrap_or_default().trim()
    };
    let code: Code = cell(0)
        .parse()
        .map_err(|error: fengqiao_hub::jurisdiction::CodeError| error.to_string())?;
    let level = parse_level(cell(2)).map_err(|accepted| format!("tier is {accepted}"))?;
    let name = cell(3);
    if name.is_empty() {
        return Err("name is empty".to_owned());
    }
    if name.chars().count() > NAME_CHARACTERS_MAX {
        return Err(format!(
            "name is longer than {NAME_CHARACTERS_MAX} characters"
        ));
    }
    if name.chars().any(char::is_control) {
        return Err("name holds control characters".to_owned());
    }
    Ok(Division {
        code: code.as_str().to_owned(),
        parent: cell(1).to_owned(),
        level,
        name: name.to_owned(),
    })
}

impl ImportArgs {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let bytes = read_file(&self.file)?;
        let divisions = read(&bytes).map_err(|errors| refused(&errors))?;
        if divisions.gb18030 {
            context
                .note("the file is GB18030 and was read as such / 文件为 GB18030 编码，已按此读取");
        }
        let parent = match self.parent {
            Some(code) => code,
            None => own_code(context).await?,
        };
        let below: Vec<&Division> = divisions
            .rows
            .iter()
            .filter(|row| row.parent == parent)
            .collect();
        if !self.dry_run {
            add(context, &below).await?;
        }
        let (added, skipped) = (below.len(), divisions.rows.len() - below.len());
        let verb = if self.dry_run {
            "would stand 将有"
        } else {
            "stand 已有"
        };
        context.answer(
            || {
                format!(
                    "{added} places {verb} below {parent}; {skipped} rows are not directly below it 其余各行不是直接下级\n"
                )
            },
            || {
                json!({
                    "parent": parent,
                    "places": added,
                    "rows_not_directly_below": skipped,
                    "gb18030": divisions.gb18030,
                    "dry_run": self.dry_run,
                })
            },
        )
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let shown = path.display();
    let unreadable = |error: std::io::Error| {
        Failure::usage(
            "file",
            format!("{shown} cannot be read: {error}"),
            "文件无法读取",
        )
    };
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(Failure::file(
            "file",
            format!("{shown} is larger than {FILE_BYTES_MAX} bytes"),
            "文件过大",
        ));
    }
    std::fs::read(path).map_err(unreadable)
}

fn refused(errors: &[RowError]) -> Failure {
    let mut problems: Vec<String> = errors
        .iter()
        .take(ERRORS_SHOWN_MAX)
        .map(|error| format!("line {}: {}", error.line, error.problem))
        .collect();
    let more = errors.len().saturating_sub(ERRORS_SHOWN_MAX);
    if more > 0 {
        problems.push(format!("and {more} more"));
    }
    Failure::file(
        "file",
        format!("nothing was added; {}", problems.join("; ")),
        format!("未导入，{} 行有误", errors.len()),
    )
}

/// The official code of this place.
async fn own_code(context: &Context) -> Result<String, Failure> {
    let mut client = context.node().await?;
    let status = context
        .call(
            &Call::Read,
            client.get_status(context.request(pb::GetStatusRequest {})?),
        )
        .await?;
    let known = context
        .call(
            &Call::Read,
            client.list_places(context.request(pb::ListPlacesRequest {})?),
        )
        .await?;
    known
        .places
        .into_iter()
        .find(|place| place.place == status.place)
        .map(|place| place.code)
        .filter(|code| !code.is_empty())
        .ok_or_else(|| {
            Failure::usage(
                "parent",
                "this place has no official code; name the rows' parent with --parent CODE",
                "本地区没有代码，请用 --parent 指明上级代码",
            )
        })
}

async fn add(context: &Context, below: &[&Division]) -> Result<(), Failure> {
    let mut client = context.node().await?;
    for group in below.chunks(PLACES_A_REQUEST) {
        let places = group
            .iter()
            .map(|row| pb::AddPlaceRequest {
                code: row.code.clone(),
                name: row.name.clone(),
                level: row.level,
                ..Default::default()
            })
            .collect();
        let request = context.request(pb::AddPlacesRequest {
            places,
            request_id: words::request_id(None)?,
        })?;
        context
            .call(&Call::repeatable(), client.add_places(request))
            .await?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<(u64, String)> {
        read(text.as_bytes())
            .unwrap_err()
            .into_iter()
            .map(|error| (error.line, error.problem))
            .collect()
    }

    #[test]
    fn the_divisions_of_dezhou_read_whole() {
        let file = include_bytes!("../../../../deploy/dezhou/divisions.csv");
        let divisions = read(file).unwrap();
        assert_eq!(divisions.rows.len(), 5_455);
        assert!(!divisions.gb18030);
        let below = |code: &str| {
            divisions
                .rows
                .iter()
                .filter(|row| row.parent == code)
                .count()
        };
        assert_eq!(below("3714"), 12);
    }

    #[test]
    fn a_gb18030_file_is_read_and_known_as_such() {
        let (bytes, _, _) =
            encoding_rs::GB18030.encode("code,parent,tier,name\n371402,3714,county,德城区\n");
        let divisions = read(&bytes).unwrap();
        assert!(divisions.gb18030);
        assert_eq!(divisions.rows[0].name, "德城区");
    }

    #[test]
    fn bytes_of_no_encoding_are_refused() {
        let error = read(b"code,parent,tier,name\n371402,3714,county,\xff\xff\n").unwrap_err();
        assert_eq!(error[0].problem, "neither UTF-8 nor GB18030");
    }

    #[test]
    fn every_bad_row_is_named_with_its_line() {
        let long = "长".repeat(65);
        let found = problems(&format!(
            "code,parent,tier,name\n37140x,3714,county,a\n3714022,3714,county,a\n371402,3714,hamlet,a\n\
             371402,3714,county,\n371402,3714,county,{long}\n371402,3714,county,a\u{7}\n\
             371402,3714,county,good\n371402,3714,county,twice\n371402,3714\n"
        ));
        let lines: Vec<u64> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6, 7, 9, 10]);
        assert!(found[6].1.contains("line 8"), "{:?}", found[6]);
    }

    #[test]
    fn a_missing_column_and_an_empty_file_are_refused() {
        assert_eq!(
            problems("code,parent,name\n"),
            [(1, "column tier is missing".to_owned())]
        );
        assert_eq!(
            problems("code,parent,tier,name\n"),
            [(0, "no row".to_owned())]
        );
    }
}
