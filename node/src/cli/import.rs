//! `fengqiao import`: requests from a table that people bring, registered at this centre.
//!
//! The whole file is read and judged first. Each row is one registration under a request id made from its key, so that
//! an import that was cut short, or is run again, registers nothing twice.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use fengqiao_hub::id::Hash;
use fengqiao_proto::v1 as pb;
use serde_json::json;

use super::Context;
use super::failure::{Call, Failure};
use crate::tabular::{
    FieldKind, FieldSpec, InOrder, Limits, MappedRow, Mapping, Need, RowError, Schema, Table,
    Value, map_rows, read_table,
};

const CHANNELS: [&str; 7] = [
    "phone",
    "window",
    "web",
    "app",
    "letter",
    "grid-worker",
    "transferred",
];
const URGENCIES: [&str; 3] = ["ordinary", "urgent", "emergency"];
const ERRORS_SHOWN_MAX: usize = 50;

/// What a table of requests may fill. `received` and `due` must come in order; `due` is only checked, since a clock
/// starts at the dispatch.
const SCHEMA: Schema<'static> = Schema {
    fields: &[
        FieldSpec {
            name: "external_number",
            kind: FieldKind::Code,
            need: Need::Optional,
        },
        FieldSpec {
            name: "channel",
            kind: FieldKind::Choice(&CHANNELS),
            need: Need::Required,
        },
        FieldSpec {
            name: "class",
            kind: FieldKind::Code,
            need: Need::Required,
        },
        FieldSpec {
            name: "urgency",
            kind: FieldKind::Choice(&URGENCIES),
            need: Need::Optional,
        },
        FieldSpec {
            name: "received",
            kind: FieldKind::Moment,
            need: Need::Required,
        },
        FieldSpec {
            name: "due",
            kind: FieldKind::Moment,
            need: Need::Optional,
        },
        FieldSpec {
            name: "text",
            kind: FieldKind::Text { bytes_max: 20_000 },
            need: Need::Required,
        },
        FieldSpec {
            name: "name",
            kind: FieldKind::Text { bytes_max: 256 },
            need: Need::Optional,
        },
        FieldSpec {
            name: "phone",
            kind: FieldKind::Text { bytes_max: 64 },
            need: Need::Optional,
        },
        FieldSpec {
            name: "address",
            kind: FieldKind::Text { bytes_max: 1_024 },
            need: Need::Optional,
        },
    ],
    in_order: &[InOrder {
        start: "received",
        due: "due",
    }],
};

const LIMITS: Limits = Limits {
    bytes_max: 256 << 20,
    rows_max: 1_000_000,
    cell_bytes_max: 64 << 10,
};

/// Arguments of `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Table of requests: CSV or tab-separated, UTF-8 or GB18030
    file: PathBuf,
    /// Mapping file: which column is which field (see deploy/import/mapping.toml)
    #[arg(long, value_name = "FILE")]
    mapping: PathBuf,
    /// Read and judge every row, register nothing
    #[arg(long)]
    dry_run: bool,
    /// Register the good rows even if others are refused
    #[arg(long)]
    partial: bool,
}

#[derive(Debug, Default)]
struct Outcome {
    registered: u64,
    refused: Vec<(u64, String, String)>,
}

impl ImportArgs {
    /// Runs it.
    ///
    /// # Errors
    /// The file, the mapping, or the rows are not sound; or the node refused rows.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let (table, rows, errors) = self.read()?;
        context.note(&format!(
            "{:?}, {} rows / 共 {} 行",
            table.encoding,
            table.rows.len(),
            table.rows.len()
        ));
        if !errors.is_empty() && !self.partial && !self.dry_run {
            return Err(rows_refused(&errors));
        }
        let mut outcome = Outcome {
            registered: 0,
            refused: errors
                .iter()
                .map(|error| {
                    (
                        error.line,
                        error.code.as_str().to_owned(),
                        error.message_en.clone(),
                    )
                })
                .collect(),
        };
        if !self.dry_run {
            register_all(context, &rows, &mut outcome).await?;
        }
        self.report(context, &table, rows.len(), &outcome)?;
        if outcome.refused.is_empty() {
            return Ok(());
        }
        let count = outcome.refused.len();
        Err(Failure::file(
            "file",
            format!("{count} rows were refused"),
            format!("{count} 行未通过"),
        ))
    }

    fn read(&self) -> Result<(Table, Vec<MappedRow>, Vec<RowError>), Failure> {
        let unreadable = |path: &PathBuf, error: std::io::Error| {
            Failure::usage(
                "file",
                format!("{} cannot be read: {error}", path.display()),
                "文件无法读取",
            )
        };
        let bytes = std::fs::read(&self.file).map_err(|error| unreadable(&self.file, error))?;
        let mapping = std::fs::read_to_string(&self.mapping)
            .map_err(|error| unreadable(&self.mapping, error))?;
        let table = read_table(&bytes, LIMITS).map_err(|error| {
            Failure::file(
                "file",
                format!("{}: {error}", error.code()),
                error.message_zh(),
            )
        })?;
        let refused = |error: crate::tabular::MappingError| {
            Failure::usage(
                "mapping",
                format!("{}: {error}", error.code()),
                error.message_zh(),
            )
        };
        let mapping = Mapping::parse(&mapping).map_err(refused)?;
        let (rows, errors) = map_rows(&table, &mapping, &SCHEMA).map_err(refused)?;
        Ok((table, rows, errors))
    }

    fn report(
        &self,
        context: &Context,
        table: &Table,
        good: usize,
        outcome: &Outcome,
    ) -> Result<(), Failure> {
        let encoding = format!("{:?}", table.encoding).to_ascii_lowercase();
        context.answer(
            || {
                let mut text = format!(
                    "{good} of {} rows are sound; {} registered\n",
                    table.rows.len(),
                    outcome.registered
                );
                for (line, code, message) in outcome.refused.iter().take(ERRORS_SHOWN_MAX) {
                    text.push_str(&format!("line {line}: {code}: {message}\n"));
                }
                let more = outcome.refused.len().saturating_sub(ERRORS_SHOWN_MAX);
                if more > 0 {
                    text.push_str(&format!("and {more} more\n"));
                }
                text
            },
            || {
                json!({
                    "rows": table.rows.len(),
                    "encoding": encoding,
                    "sound": good,
                    "registered": outcome.registered,
                    "dry_run": self.dry_run,
                    "refused": outcome.refused.iter().map(|(line, code, message)| json!({
                        "line": line, "code": code, "message": message,
                    })).collect::<Vec<_>>(),
                })
            },
        )
    }
}

async fn register_all(
    context: &Context,
    rows: &[MappedRow],
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let mut client = context.casework().await?;
    let bar = indicatif::ProgressBar::new(rows.len() as u64);
    for row in rows {
        let request = request_of(row);
        let call = Call::Write {
            request_id: request.request_id.clone(),
        };
        match client.act(context.request(request)?).await {
            Ok(_) => outcome.registered += 1,
            Err(status) => {
                let failure = Failure::of(&status, &call);
                let Failure::Refused(told) = failure else {
                    // Nothing is lost: the same command goes on where this one stopped.
                    return Err(failure);
                };
                outcome
                    .refused
                    .push((row.line, told.code.clone(), told.english.clone()));
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

fn request_of(row: &MappedRow) -> pb::ActRequest {
    let text = |field: &str| match row.values.get(field) {
        Some(Value::Text(text) | Value::Code(text) | Value::Choice(text)) => text.clone(),
        Some(Value::Moment(_) | Value::Integer(_)) | None => String::new(),
    };
    let received_ms = match row.values.get("received") {
        Some(Value::Moment(moment)) => moment.0,
        _ => 0,
    };
    let place_in = |names: &[&str], value: &str| names.iter().position(|name| *name == value);
    let number = |position: Option<usize>| {
        i32::try_from(position.map_or(0, |position| position + 1)).unwrap_or(0)
    };
    let requester = pb::Requester {
        name: text("name"),
        phone: text("phone"),
        address: text("address"),
    };
    let known = requester != pb::Requester::default();
    let key = Hash::of("fengqiao/import/1", &[row.key.as_bytes()]).to_string();
    pb::ActRequest {
        request_id: format!("import-{}", &key[..40]),
        case: String::new(),
        action: Some(pb::Action::from(pb::Register {
            channel: number(place_in(&CHANNELS, &text("channel"))),
            class: text("class"),
            urgency: number(place_in(&URGENCIES, &text("urgency"))),
            external_number: text("external_number"),
            received_ms,
            requester: known.then_some(requester),
            text: text("text"),
            ..Default::default()
        })),
        texts: Vec::new(),
    }
}

fn rows_refused(errors: &[RowError]) -> Failure {
    let mut by_code: BTreeMap<&str, u64> = BTreeMap::new();
    errors
        .iter()
        .for_each(|error| *by_code.entry(error.code.as_str()).or_default() += 1);
    let mut lines: Vec<String> = errors
        .iter()
        .take(ERRORS_SHOWN_MAX)
        .map(|error| {
            format!(
                "line {}: {}: {}",
                error.line,
                error.code.as_str(),
                error.message_en
            )
        })
        .collect();
    if errors.len() > ERRORS_SHOWN_MAX {
        lines.push(format!("and {} more", errors.len() - ERRORS_SHOWN_MAX));
    }
    Failure::file(
        "file",
        format!(
            "nothing was registered; {} rows are refused {by_code:?}\n{}",
            errors.len(),
            lines.join("\n")
        ),
        format!("未登记任何一行；{} 行有误", errors.len()),
    )
}
