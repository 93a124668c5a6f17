//! `fengqiao import`: requests from a table that people bring, registered at this centre.
//!
//! The node judges every row, by the code that registers it, before it writes one: a dry run is that judgement and
//! nothing more. Each row is one registration under a request id made from its key, so that an import that was cut short,
//! or is run again, registers nothing twice. The numbers given, and once the residents' codes, go into a table beside
//! the file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use fengqiao_hub::id::Hash;
use fengqiao_proto::v1 as pb;
use pb::import_service_client::ImportServiceClient;
use prost::Message as _;
use serde_json::json;
use tonic::transport::Channel;

use super::Context;
use super::failure::{Call, Failure};
use super::language::Language;
use super::table::{
    OutputTable, Refused, TableArgs, beside, not_mapped, note_source, progress, read_file,
    source_json,
};
use crate::tabular::{
    FieldKind, FieldSpec, InOrder, MappedRow, Mapper, Mapping, Need, PassedOver, RefusedRow,
    RowError, Schema, Table, Value, Wanted, Words, read_table,
};

/// Channels, each with the words that stand for it.
const CHANNELS: [(&str, &[&str]); 7] = [
    ("phone", &["电话", "热线"]),
    ("window", &["窗口", "来访"]),
    ("web", &["网页", "网站", "网络"]),
    ("app", &["移动端", "手机应用"]),
    ("letter", &["来信", "信件"]),
    ("grid-worker", &["网格员", "网格上报"]),
    ("transferred", &["上级（部门）转办", "转办", "转交"]),
];
const URGENCIES: [(&str, &[&str]); 4] = [
    ("ordinary", &["一般", "普通"]),
    ("urgent", &["紧急"]),
    ("emergency", &["特急"]),
    ("low", &["可缓办"]),
];
/// Rows judged or written by one call, at most.
const ROWS_A_CALL: usize = 200;
/// Their bytes together, at most.
const BYTES_A_CALL: usize = 512 << 10;
/// How often rows are sent again without those that were refused meanwhile.
const ATTEMPTS_MAX: usize = 3;
const PERSON_CHARACTERS_MAX: usize = 64;

/// Header of the table of results.
const RESULTS: [&str; 6] = ["line", "key", "outcome", "number", "code", "case"];
const RESULTS_ZH: [&str; 6] = ["行号", "唯一键", "结果", "编号", "查询码", "标识"];

/// What a table of requests may fill. `received` and `due` must come in order; `due` is only checked, since a clock
/// starts at the dispatch.
const SCHEMA: Schema<'static> = Schema {
    fields: &[
        FieldSpec::new(
            "external_number",
            "外部编号",
            FieldKind::Reference,
            Need::Optional,
        ),
        FieldSpec::new(
            "channel",
            "渠道",
            FieldKind::Choice(&CHANNELS),
            Need::Required,
        ),
        FieldSpec::new("class", "类别", FieldKind::Reference, Need::Required),
        FieldSpec::new(
            "urgency",
            "紧急程度",
            FieldKind::Choice(&URGENCIES),
            Need::Optional,
        ),
        FieldSpec::new("received", "来件时间", FieldKind::Moment, Need::Required),
        FieldSpec::new("due", "期限", FieldKind::Moment, Need::Optional),
        FieldSpec::new("text", "正文", FieldKind::Text, Need::Required),
        FieldSpec::new(
            "name",
            "姓名",
            FieldKind::Name {
                characters_max: PERSON_CHARACTERS_MAX,
            },
            Need::Optional,
        ),
        FieldSpec::new("phone", "电话", FieldKind::Telephone, Need::Optional),
        FieldSpec::new("address", "地址", FieldKind::Text, Need::Optional),
        FieldSpec::new("where", "具体地点", FieldKind::Text, Need::Optional),
        FieldSpec::new("place", "所属区划", FieldKind::Reference, Need::Optional),
    ],
    in_order: &[InOrder {
        start: "received",
        due: "due",
    }],
};

/// Fields of a registration that a node refuses by, each with the field of the table it comes from.
const FIELDS_OF_REFUSALS: [(&str, &str); 11] = [
    ("external_number", "external_number"),
    ("channel", "channel"),
    ("class", "class"),
    ("urgency", "urgency"),
    ("received_ms", "received"),
    ("text", "text"),
    ("where", "where"),
    ("place", "place"),
    ("requester.name", "name"),
    ("requester.phone", "phone"),
    ("requester.address", "address"),
];

/// Arguments of `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    #[command(flatten)]
    table: TableArgs,
    /// Mapping file: which column is which field (see deploy/import/mapping.toml)
    #[arg(long, value_name = "FILE")]
    mapping: PathBuf,
    /// Put before each key: for a series that counts from one again, such as each month's table
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    key_prefix: String,
    /// Table of the numbers given and, once, of the residents' codes [default: FILE.results.csv]
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
}

/// Rows that go to the node in one call.
#[derive(Debug, Default)]
struct Batch {
    rows: Vec<MappedRow>,
    requests: Vec<pb::ActRequest>,
    bytes: usize,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.rows.len() >= ROWS_A_CALL || self.bytes >= BYTES_A_CALL
    }

    fn add(&mut self, row: MappedRow, key_prefix: &str) {
        let request = registration(&row, key_prefix);
        self.bytes += request.encoded_len();
        self.requests.push(request);
        self.rows.push(row);
    }
}

/// What became of the sound rows.
#[derive(Debug, Default)]
struct Outcome {
    rows: u64,
    new: u64,
    known: u64,
}

/// One import while it runs.
struct Import<'a> {
    context: &'a Context,
    args: &'a ImportArgs,
    table: &'a Table,
    mapping: &'a Mapping,
    client: ImportServiceClient<Channel>,
    language: Language,
    refused: Refused,
}

impl ImportArgs {
    /// Runs it.
    ///
    /// # Errors
    /// The file, the mapping, or the rows are not sound; or the node could not be asked.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let mapping = Mapping::read(read_file(&self.mapping)?);
        let mapping = mapping.map_err(|error| not_mapped(&error))?;
        let table = self.table.read(&mapping.columns())?;
        Mapper::over(&table, &mapping, SCHEMA).map_err(|error| not_mapped(&error))?;
        let language = context.language();
        let mut import = Import {
            context,
            args: &self,
            table: &table,
            mapping: &mapping,
            client: context.imports().await?,
            language,
            refused: Refused::of(&self.table, &table, language)?,
        };
        let (judged, passed_over) = import.judge().await?;
        import.refused.finish()?;
        note_source(context, &table, judged.rows, &passed_over);
        let stops = self.table.dry_run || import.refused.rows() > 0 && !self.table.partial;
        let results = self.results.clone();
        let results = results.unwrap_or_else(|| beside(&self.table.file, "results"));
        let done = if stops {
            None
        } else {
            Some(import.write(&judged, &results).await?)
        };
        import.refused.finish()?;
        let refused = &import.refused;
        report(
            context,
            &self,
            (&judged, done.as_ref()),
            refused,
            (&table, &passed_over),
            &results,
        )?;
        if refused.rows() == 0 {
            return Ok(());
        }
        Err(refused.failure(done.is_none()))
    }
}

impl Import<'_> {
    /// Has every row judged; nothing is written.
    async fn judge(&mut self) -> Result<(Outcome, PassedOver), Failure> {
        let rows = self.table.rows().count() as u64;
        let bar = progress(self.context, rows, "检查", "judging");
        let mut outcome = Outcome::default();
        let mut mapper =
            Mapper::over(self.table, self.mapping, SCHEMA).map_err(|error| not_mapped(&error))?;
        let mut batch = Batch::default();
        let mut more = true;
        while more {
            match mapper.next() {
                None => more = false,
                Some(Ok(row)) => {
                    outcome.rows += 1;
                    batch.add(row, &self.args.key_prefix);
                }
                Some(Err(row)) => {
                    outcome.rows += 1;
                    self.refused
                        .take(row, self.table, self.mapping, self.language)?;
                }
            }
            if batch.is_full() || !more && !batch.rows.is_empty() {
                let full = std::mem::take(&mut batch);
                bar.set_position(outcome.rows);
                let verdicts = self.ask(full.requests, true).await?;
                for (row, verdict) in full.rows.into_iter().zip(verdicts) {
                    match verdict.outcome() {
                        pb::RowOutcome::New => outcome.new += 1,
                        pb::RowOutcome::Known => outcome.known += 1,
                        pb::RowOutcome::Changed
                        | pb::RowOutcome::Refused
                        | pb::RowOutcome::PassedOver
                        | pb::RowOutcome::Unspecified => self.refuse(row, &verdict, &mapper)?,
                    }
                }
            }
        }
        bar.finish_and_clear();
        let passed_over = mapper.passed_over().clone();
        Ok((outcome, passed_over))
    }

    /// Writes the rows that were not refused. What was written by an earlier run is known again.
    async fn write(&mut self, judged: &Outcome, results: &Path) -> Result<Outcome, Failure> {
        let mut written = Results::open(results, self.language)?;
        let bar = progress(self.context, judged.rows, "登记", "registering");
        let mut done = Outcome::default();
        let mut mapper =
            Mapper::over(self.table, self.mapping, SCHEMA).map_err(|error| not_mapped(&error))?;
        let mut batch = Batch::default();
        let mut more = true;
        let stop = Arc::new(AtomicBool::new(false));
        let heard = Arc::clone(&stop);
        // What is under way comes to its end, so that no code is lost that is shown once.
        let listening = tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                heard.store(true, Ordering::Relaxed);
            }
        });
        while more {
            match mapper.next() {
                None => more = false,
                Some(Ok(row)) if !self.refused.has(row.line) => {
                    batch.add(row, &self.args.key_prefix);
                }
                Some(Ok(_) | Err(_)) => {}
            }
            if batch.is_full() || !more && !batch.rows.is_empty() {
                let full = std::mem::take(&mut batch);
                let sent = self
                    .write_batch(full, &mut done, &mut written, &mapper)
                    .await;
                let stopped = more && stop.load(Ordering::Relaxed);
                if let Err(failure) =
                    sent.and_then(|()| if stopped { Err(interrupted()) } else { Ok(()) })
                {
                    bar.abandon();
                    return Err(failure.cut_short(&how_far(&done, judged, results)));
                }
                bar.set_position(done.rows);
            }
        }
        listening.abort();
        bar.finish_and_clear();
        Ok(done)
    }

    async fn write_batch(
        &mut self,
        mut batch: Batch,
        done: &mut Outcome,
        written: &mut Results,
        mapper: &Mapper<'_>,
    ) -> Result<(), Failure> {
        for _ in 0..ATTEMPTS_MAX {
            let verdicts = self.ask(batch.requests.clone(), false).await?;
            let is_sound = |verdict: &pb::RowVerdict| {
                let outcome = verdict.outcome();
                matches!(outcome, pb::RowOutcome::New | pb::RowOutcome::Known)
            };
            if verdicts.iter().all(is_sound) {
                for (row, verdict) in batch.rows.iter().zip(&verdicts) {
                    let is_new = verdict.outcome() == pb::RowOutcome::New;
                    done.rows += 1;
                    done.new += u64::from(is_new);
                    done.known += u64::from(!is_new);
                    written.add(row, &self.args.key_prefix, verdict)?;
                }
                return written.sync();
            }
            // The centre has changed since the rows were judged: those that it refuses now are left out.
            let mut left = Batch::default();
            for (row, verdict) in batch.rows.into_iter().zip(verdicts) {
                if is_sound(&verdict) {
                    left.add(row, &self.args.key_prefix);
                } else {
                    self.refuse(row, &verdict, mapper)?;
                }
            }
            if !self.args.table.partial {
                return Err(self.refused.failure(done.rows == 0));
            }
            if left.rows.is_empty() {
                return Ok(());
            }
            batch = left;
        }
        Err(Failure::no_answer(&Call::repeatable()))
    }

    async fn ask(
        &mut self,
        rows: Vec<pb::ActRequest>,
        judge_only: bool,
    ) -> Result<Vec<pb::RowVerdict>, Failure> {
        // Sent again, it writes nothing twice.
        let call = if judge_only {
            Call::Read
        } else {
            Call::Write {
                request_id: String::new(),
            }
        };
        let request = self
            .context
            .request(pb::ImportCasesRequest { rows, judge_only })?;
        let answer = self
            .context
            .call(&call, self.client.import_cases(request))
            .await?;
        Ok(answer.rows)
    }

    fn refuse(
        &mut self,
        row: MappedRow,
        verdict: &pb::RowVerdict,
        mapper: &Mapper<'_>,
    ) -> Result<(), Failure> {
        let field = FIELDS_OF_REFUSALS
            .iter()
            .find(|(of, _)| *of == verdict.field);
        let spec =
            field.and_then(|(_, field)| SCHEMA.fields.iter().find(|spec| spec.name == *field));
        let column = spec.and_then(|spec| mapper.column_of(spec.name));
        let mut problem = Words::of(verdict.chinese.clone(), verdict.english.clone());
        if verdict.outcome() == pb::RowOutcome::Changed {
            let key = format!("{}{}", self.args.key_prefix, row.key);
            problem.chinese.push_str(&format!("；唯一键为：{key}"));
            problem.english.push_str(&format!("; the key is: {key}"));
        }
        let error = RowError {
            line: row.line,
            column: column.or_else(|| mapper.key_column()),
            kind: spec.map(|spec| spec.kind.words()),
            code: verdict.code.clone(),
            problem,
        };
        let row = RefusedRow {
            line: row.line,
            key: row.key,
            errors: vec![error],
            cells: row.cells,
        };
        self.refused
            .take(row, self.table, self.mapping, self.language)
    }
}

/// A row as the registration it stands for.
fn registration(row: &MappedRow, key_prefix: &str) -> pb::ActRequest {
    let text = |field: &str| row.text(field).to_owned();
    let received_ms = match row.values.get("received") {
        Some(Value::Moment(moment)) => moment.0,
        Some(Value::Text(_) | Value::Integer(_)) | None => 0,
    };
    let number = |list: &[(&str, &[&str])], value: &str| {
        let position = list.iter().position(|(name, _)| *name == value);
        i32::try_from(position.map_or(0, |position| position + 1)).unwrap_or(0)
    };
    let requester = pb::Requester {
        name: text("name"),
        phone: text("phone"),
        address: text("address"),
    };
    let known = requester != pb::Requester::default();
    let key = Hash::of(
        "fengqiao/import/1",
        &[key_prefix.as_bytes(), row.key.as_bytes()],
    );
    let key = key.to_string();
    pb::ActRequest {
        request_id: format!("import-{}", key.get(..40).unwrap_or(&key)),
        case: String::new(),
        action: Some(pb::Action::from(pb::Register {
            channel: number(&CHANNELS, row.text("channel")),
            class: text("class"),
            urgency: number(&URGENCIES, row.text("urgency")),
            external_number: text("external_number"),
            received_ms,
            requester: known.then_some(requester),
            text: text("text"),
            r#where: text("where"),
            place: text("place"),
            ..Default::default()
        })),
        texts: Vec::new(),
    }
}

/// The table of what rows came to. It is gone on with and never written anew, since codes stand in it that are shown
/// once; a row that stands in it is not written again.
struct Results {
    table: OutputTable,
    keys: BTreeSet<Hash>,
    language: Language,
}

impl Results {
    fn open(path: &Path, language: Language) -> Result<Self, Failure> {
        let mut keys = BTreeSet::new();
        if std::fs::symlink_metadata(path).is_err() {
            let header = match language {
                Language::Zh => RESULTS_ZH,
                Language::En => RESULTS,
            };
            let mut table = OutputTable::create(path, &header)?;
            table.sync()?;
            return Ok(Self {
                table,
                keys,
                language,
            });
        }
        let columns: Vec<Vec<String>> = RESULTS
            .iter()
            .zip(RESULTS_ZH)
            .map(|(name, chinese)| vec![(*name).to_owned(), chinese.to_owned()])
            .collect();
        let wanted = Wanted {
            columns: &columns,
            sheet: None,
        };
        let standing = read_table(read_file(path)?, super::table::LIMITS, &wanted).ok();
        let standing =
            standing.filter(|table| table.headers == RESULTS || table.headers == RESULTS_ZH);
        let Some(standing) = standing else {
            let shown = path.display();
            return Err(Failure::usage(
                "results",
                format!(
                    "{shown} stands already and is no table of results; name another with --results"
                ),
                format!("文件 {shown} 已存在且不是导入结果表，请用 --results 另行指定"),
            ));
        };
        for row in standing.rows().flatten() {
            if let Some(key) = row.cells.get(1) {
                keys.insert(Hash::of("row key", &[key.text.as_bytes()]));
            }
        }
        Ok(Self {
            table: OutputTable::append(path)?,
            keys,
            language,
        })
    }

    fn add(
        &mut self,
        row: &MappedRow,
        key_prefix: &str,
        verdict: &pb::RowVerdict,
    ) -> Result<(), Failure> {
        let key = format!("{key_prefix}{}", row.key);
        if !self.keys.insert(Hash::of("row key", &[key.as_bytes()])) {
            return Ok(());
        }
        let outcome = match (verdict.outcome() == pb::RowOutcome::New, self.language) {
            (true, Language::Zh) => "新登记",
            (true, Language::En) => "new",
            (false, Language::Zh) => "此前已登记",
            (false, Language::En) => "known",
        };
        self.table.write(&[
            row.line.to_string(),
            key,
            outcome.to_owned(),
            verdict.name.clone(),
            verdict.secret_code.clone(),
            verdict.id.clone(),
        ])
    }

    fn sync(&mut self) -> Result<(), Failure> {
        self.table.sync()
    }
}

fn interrupted() -> Failure {
    Failure::usage("", "interrupted", "已中断")
}

/// How far an import came that was cut short, and what goes on with it.
fn how_far(done: &Outcome, judged: &Outcome, results: &Path) -> Words {
    let (rows, all) = (done.rows, judged.new + judged.known);
    let results = results.display();
    Words::of(
        format!(
            "已处理{rows}行，共{all}行，结果见 {results}；再次执行同一命令即可继续，不会重复登记"
        ),
        format!(
            "{rows} of {all} rows are registered, see {results}; the same command goes on and registers nothing twice"
        ),
    )
}

fn report(
    context: &Context,
    args: &ImportArgs,
    (judged, done): (&Outcome, Option<&Outcome>),
    refused: &Refused,
    (table, passed_over): (&Table, &PassedOver),
    results: &Path,
) -> Result<(), Failure> {
    let counted = done.unwrap_or(judged);
    context.answer(
        || {
            let (rows, new, known, bad) = (judged.rows, counted.new, counted.known, refused.rows());
            let mut text = match (context.language(), done.is_some()) {
                (Language::Zh, true) => format!("共{rows}行：新登记{new}件，此前已登记{known}件，未通过{bad}行\n"),
                (Language::Zh, false) => format!("共{rows}行：可新登记{new}件，此前已登记{known}件，未通过{bad}行；未写入\n"),
                (Language::En, true) => format!("{rows} rows: {new} new, {known} known, {bad} refused\n"),
                (Language::En, false) => format!("{rows} rows: {new} would be new, {known} known, {bad} refused; nothing was written\n"),
            };
            if done.is_some() && counted.new + counted.known > 0 {
                let results = results.display();
                text.push_str(&match context.language() {
                    Language::Zh => format!("编号和查询码见 {results}（仅本人可读，查询码只给出一次，请妥善保管）\n"),
                    Language::En => format!("numbers and residents' codes are in {results}, readable by you alone; codes are given once\n"),
                });
            }
            text.push_str(&refused.text(context));
            text
        },
        || {
            json!({
                "rows": judged.rows,
                "new": counted.new,
                "known": counted.known,
                "refused_rows": refused.rows(),
                "refused": refused.json(),
                "written": done.is_some(),
                "dry_run": args.table.dry_run,
                "results": done.map(|_| results.display().to_string()),
                "rejects": refused.rejects(),
                "source": source_json(table, passed_over),
            })
        },
    )
}
