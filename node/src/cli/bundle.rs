//! `fengqiao bundle …`: the rules, as files that people write, judged and issued as signed bundles.

mod files;

use clap::{Args, Subcommand};
use fengqiao_hub::clock::Moment;
use fengqiao_hub::rulebook::{Rulebook, Unsound, changes};
use fengqiao_proto::v1 as pb;
use serde_json::{Value, json};

use super::Context;
use super::failure::{Call, Failure};
use super::json::{self, or_null};
use super::output::{table, time};
use super::words::{self, ms, parse_time};
pub use files::{FilesError, read_files, shipped, whole};

/// What is done with bundles.
#[derive(Debug, Subcommand)]
pub enum BundleCommand {
    /// Say all that is wrong with the files of a bundle (检查)
    Check(CheckArgs),
    /// Say what the files of a bundle would change (比对)
    Diff(CheckArgs),
    /// Issue a bundle for this place and all below it (下发)
    Issue(IssueArgs),
    /// Show the bundles in force here, or write out the files of one (查看)
    Show(ShowArgs),
    /// List the classes in force here (类别)
    Classes(ClassesArgs),
}

/// Arguments of `bundle classes`.
#[derive(Debug, Args)]
pub struct ClassesArgs {}

/// Arguments of `bundle check` and `bundle diff`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Folder with rules.toml, classes.csv, calendar.json, or some of them; or one such file
    #[arg(value_name = "FOLDER|FILE")]
    path: std::path::PathBuf,
    /// Judge the files by themselves, as the first bundle of a deployment, without a running node
    #[arg(long)]
    offline: bool,
}

/// Arguments of `bundle issue`.
#[derive(Debug, Args)]
pub struct IssueArgs {
    /// Folder with rules.toml, classes.csv, calendar.json, or some of them; or one such file
    #[arg(value_name = "FOLDER|FILE")]
    path: std::path::PathBuf,
    /// From when its rules and classes are effective, RFC 3339; at once if left out. Days off are known at once
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    effective: Option<Moment>,
    /// What changes and why, one line
    #[arg(long, default_value = "")]
    note: String,
    /// Id of this request: repeated with the same id it happens once
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

/// Arguments of `bundle show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Place whose files are written out, on the way from the top to this one: id, code or name
    #[arg(long, value_name = "PLACE", default_value = "")]
    place: String,
    /// Version whose files are written out; those in force if left out
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    version: u64,
    /// Folder into which the files are written
    #[arg(long, value_name = "FOLDER")]
    files: Option<std::path::PathBuf>,
}

impl BundleCommand {
    /// Runs it.
    ///
    /// # Errors
    /// Why it was not done; also when `check` finds something wrong.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Check(args) => args.run(context, false).await,
            Self::Diff(args) => args.run(context, true).await,
            Self::Issue(args) => args.run(context).await,
            Self::Show(args) => args.run(context).await,
            Self::Classes(ClassesArgs {}) => classes(context).await,
        }
    }
}

async fn classes(context: &Context) -> Result<(), Failure> {
    let request = context.request(pb::ListClassesRequest {})?;
    let mut client = context.rulebook().await?;
    let listed = context
        .call(&Call::Read, client.list_classes(request))
        .await?;
    let rows = listed.classes.iter().map(|class| {
        vec![
            class.class.clone(),
            class.name_zh.clone(),
            class.name_en.clone(),
            class.lead_unit_kind.clone(),
            class.level_lowest.to_string(),
        ]
    });
    let heads = [
        "class 类别",
        "chinese 中文",
        "english 英文",
        "leads 主办",
        "lowest 最低层级",
    ];
    context.answer(
        || table(&heads, &rows.collect::<Vec<_>>()),
        || json::shown("ListClassesResponse", &listed),
    )
}

impl CheckArgs {
    async fn run(self, context: &Context, differences: bool) -> Result<(), Failure> {
        let files = read(&self.path)?;
        let judged = if self.offline {
            offline(&files)
        } else {
            judge(context, files, 0, "").await?
        };
        if !judged.problems.is_empty() {
            return Err(unsound(&judged.problems));
        }
        let count = judged.changes.len();
        context.answer(
            || {
                if differences {
                    changes_text(&judged.changes)
                } else {
                    format!("sound, {count} changes 无误，{count}处变化\n")
                }
            },
            || json!({ "sound": true, "changes": changes_json(&judged.changes) }),
        )
    }
}

impl IssueArgs {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let files = read(&self.path)?;
        let request_id = words::request_id(self.request_id)?;
        let effective_ms = ms(self.effective);
        let judged = judge(context, files.clone(), effective_ms, &self.note).await;
        // Repeated with its own id after it was issued, it changes nothing and is answered as it was.
        if let Ok(judged) = &judged
            && !judged.problems.is_empty()
        {
            return Err(unsound(&judged.problems));
        }
        let request = context.request(pb::IssueBundleRequest {
            request_id: request_id.clone(),
            files,
            effective_ms,
            note: self.note,
            dry_run: false,
        })?;
        let call = Call::Write {
            request_id: request_id.clone(),
        };
        let mut client = context.rulebook().await?;
        let issued = context.call(&call, client.issue_bundle(request)).await?;
        context.answer(
            || {
                format!(
                    "issued 已下发  {}  {}\n{}",
                    issued.sequence,
                    time(issued.effective_ms),
                    changes_text(&issued.changes)
                )
            },
            || {
                json!({
                    "version": issued.sequence, "effective": json::moment(issued.effective_ms),
                    "changes": changes_json(&issued.changes), "request_id": request_id,
                })
            },
        )
    }
}

impl ShowArgs {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let request = context.request(pb::GetRulebookRequest {
            place: self.place,
            sequence: self.version,
            files: self.files.is_some(),
        })?;
        let mut client = context.rulebook().await?;
        let book = context
            .call(&Call::Read, client.get_rulebook(request))
            .await?;
        if let Some(folder) = &self.files {
            files::write_files(folder, &book.files)
                .map_err(|error| failed("BUNDLE_UNWRITABLE", &error))?;
        }
        context.answer(|| shown(&book), || book_json(&book))
    }
}

fn read(path: &std::path::Path) -> Result<Vec<pb::BundleFile>, Failure> {
    read_files(path).map_err(|error| failed("BUNDLE_UNREADABLE", &error))
}

fn failed(code: &str, error: &FilesError) -> Failure {
    Failure::file_of(code, "path", error.to_string(), error.chinese())
}

async fn judge(
    context: &Context,
    files: Vec<pb::BundleFile>,
    effective_ms: i64,
    note: &str,
) -> Result<pb::IssueBundleResponse, Failure> {
    let request = context.request(pb::IssueBundleRequest {
        request_id: words::request_id(None)?,
        files,
        effective_ms,
        note: note.to_owned(),
        dry_run: true,
    })?;
    let mut client = context.rulebook().await?;
    context
        .call(&Call::Read, client.issue_bundle(request))
        .await
}

/// Judges files as the first bundle of a deployment.
fn offline(files: &[pb::BundleFile]) -> pb::IssueBundleResponse {
    match whole(files) {
        Ok(book) => pb::IssueBundleResponse {
            changes: changes(&Rulebook::default(), &book)
                .iter()
                .map(crate::engine::change_view)
                .collect(),
            ..Default::default()
        },
        Err(Unsound(problems)) => pb::IssueBundleResponse {
            problems: problems.iter().map(crate::engine::problem_view).collect(),
            ..Default::default()
        },
    }
}

fn unsound(problems: &[pb::RuleProblem]) -> Failure {
    let each = |text: &dyn Fn(&pb::RuleProblem) -> String| {
        let lines: Vec<String> = problems.iter().map(text).collect();
        lines.join("\n")
    };
    let english = each(&|problem| format!("{}: {}", spot(problem, "line "), problem.english));
    let chinese = each(&|problem| format!("{}：{}", spot(problem, ""), problem.chinese));
    Failure::file_of("BUNDLE_UNSOUND", "files", english, chinese)
}

fn spot(problem: &pb::RuleProblem, line: &str) -> String {
    let mut spot = problem.file.clone();
    if problem.line != 0 {
        spot.push_str(&format!(" {line}{}", problem.line));
    }
    if !problem.field.is_empty() {
        spot.push_str(&format!(" {}", problem.field));
    }
    spot
}

fn changes_text(changes: &[pb::RuleChange]) -> String {
    if changes.is_empty() {
        return "no changes 无变化\n".to_owned();
    }
    let rows = changes.iter().map(|change| {
        vec![
            change.file.clone(),
            change.of.clone(),
            change.english.clone(),
            change.chinese.clone(),
        ]
    });
    table(
        &["file 文件", "of 事项", "change", "变化"],
        &rows.collect::<Vec<_>>(),
    )
}

fn changes_json(changes: &[pb::RuleChange]) -> Value {
    changes
        .iter()
        .map(|change| {
            json!({
                "file": change.file, "of": change.of, "english": change.english,
                "chinese": change.chinese,
            })
        })
        .collect()
}

fn shown(book: &pb::GetRulebookResponse) -> String {
    let rows = book.bundles.iter().map(|bundle| {
        vec![
            bundle.place_name.clone(),
            bundle.sequence.to_string(),
            time(bundle.effective_ms),
            bundle.files.join(" "),
            if bundle.in_force { "*" } else { "" }.to_owned(),
            bundle.note.clone(),
        ]
    });
    let mut text = table(
        &[
            "place 地区",
            "version 版本",
            "effective 生效",
            "files 文件",
            "in force 现行",
            "note 说明",
        ],
        &rows.collect::<Vec<_>>(),
    );
    let years: Vec<String> = book.years.iter().map(u32::to_string).collect();
    text.push_str(&format!(
        "classes 类别  {}\nyears 放假安排  {}\n",
        book.classes,
        years.join(" ")
    ));
    if let Some(warning) = words::calendar_warning(book.calendar_year_missing) {
        text.push_str(&warning);
    }
    for problem in &book.passed_over {
        text.push_str(&format!(
            "passed over 未采用  {}  {}: {} {}\n",
            problem.place_name,
            spot(problem, ""),
            problem.english,
            problem.chinese
        ));
    }
    text
}

fn book_json(book: &pb::GetRulebookResponse) -> Value {
    let bundles: Value = book
        .bundles
        .iter()
        .map(|bundle| {
            json!({
                "place": bundle.place, "place_name": bundle.place_name,
                "version": bundle.sequence, "effective": json::moment(bundle.effective_ms),
                "issued": json::moment(bundle.issued_ms), "note": or_null(&bundle.note), "files": bundle.files,
                "in_force": bundle.in_force,
            })
        })
        .collect();
    let passed_over: Value = book
        .passed_over
        .iter()
        .map(|problem| {
            json!({
                "place_name": problem.place_name, "file": problem.file, "line": problem.line,
                "field": or_null(&problem.field), "english": problem.english, "chinese": problem.chinese,
            })
        })
        .collect();
    json!({
        "bundles": bundles, "years": book.years, "classes": book.classes,
        "calendar_year_missing": (book.calendar_year_missing != 0).then_some(book.calendar_year_missing), "passed_over": passed_over,
    })
}
