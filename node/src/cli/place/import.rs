//! `fengqiao place import`: the divisions directly below this place, from the table of a whole city.
//!
//! The table is compared with what stands, by the node that would write it: what is new is added, what has another name
//! or code is changed, and what stands so, has ended or was moved by a superior is left. Each tier adds its own; rows of
//! other tiers are only looked at to tell a parent that is not named anywhere from one that stands elsewhere.

use std::collections::BTreeSet;

use clap::Args;
use fengqiao_hub::jurisdiction::NAME_CHARACTERS_MAX;
use fengqiao_hub::name::{half_width, nearest, one_spelling};
use fengqiao_hub::rank::level;
use fengqiao_proto::v1 as pb;
use serde_json::{Value, json};

use crate::cli::Context;
use crate::cli::failure::{Call, Failure};
use crate::cli::json::or_null;
use crate::cli::language::Language;
use crate::cli::table::{Refused, TableArgs, not_mapped, note_source, progress, source_json};
use crate::tabular::{
    FieldKind, FieldSpec, MappedRow, Mapper, Mapping, Need, RefusedRow, RowError, Schema, Table,
    Words,
};

/// Changes shown at most; the rest is counted.
const CHANGES_SHOWN_MAX: usize = 50;

/// What the columns may be called, by field.
const COLUMNS: [(&str, &[&str]); 4] = [
    (
        "code",
        &["code", "代码", "区划代码", "行政区划代码", "统计用区划代码"],
    ),
    (
        "parent",
        &["parent", "上级", "上级代码", "父级代码", "上级区划代码"],
    ),
    ("tier", &["tier", "level", "层级", "级别"]),
    ("name", &["name", "名称", "地区名称", "区划名称"]),
];

/// Tiers, each with the words that stand for it.
const TIERS: [(&str, &[&str]); 6] = [
    ("province", &["省", "自治区", "直辖市", "省级", "20"]),
    (
        "city",
        &["市", "地级市", "自治州", "盟", "地级", "市级", "30"],
    ),
    (
        "county",
        &[
            "县",
            "区",
            "县级市",
            "市辖区",
            "自治县",
            "旗",
            "县级",
            "县（市、区）",
            "区县",
            "40",
        ],
    ),
    ("area", &["片区", "管区", "45"]),
    (
        "township",
        &[
            "乡",
            "镇",
            "街道",
            "乡镇",
            "乡级",
            "乡镇（街道）",
            "乡镇街道",
            "镇街",
            "50",
        ],
    ),
    (
        "village",
        &[
            "村",
            "社区",
            "村级",
            "村（社区）",
            "村居",
            "行政村",
            "居委会",
            "村委会",
            "60",
        ],
    ),
];
const LEVELS: [u32; 6] = [
    level::PROVINCE,
    level::CITY,
    level::COUNTY,
    level::AREA,
    level::TOWNSHIP,
    level::VILLAGE,
];

const SCHEMA: Schema<'static> = Schema {
    fields: &[
        FieldSpec::new("code", "代码", FieldKind::DivisionCode, Need::Required),
        FieldSpec::new("parent", "上级", FieldKind::Reference, Need::Optional),
        FieldSpec::new("tier", "层级", FieldKind::Choice(&TIERS), Need::Required),
        FieldSpec::new(
            "name",
            "名称",
            FieldKind::Name {
                characters_max: NAME_CHARACTERS_MAX,
            },
            Need::Required,
        ),
    ],
    in_order: &[],
};

/// Arguments of `place import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    #[command(flatten)]
    table: TableArgs,
    /// Code or name that the rows to add have as parent; this place's own code or name if left out
    #[arg(long, value_name = "CODE")]
    parent: Option<String>,
}

/// What parents may be called.
#[derive(Debug, Default)]
struct Parents {
    /// This place's code and name, or what stands for them.
    own: BTreeSet<String>,
    /// This place's own code, which its own row has.
    own_code: String,
    /// This place's own level.
    own_level: u32,
    /// Codes of all rows, and codes and names of all places known here.
    known: BTreeSet<String>,
}

/// What came of the rows directly below.
#[derive(Debug, Default)]
struct Outcome {
    new: Vec<String>,
    changed: Vec<(String, String)>,
    passed_over: Vec<(String, Words)>,
    known: u64,
    elsewhere: u64,
    rows: u64,
}

impl ImportArgs {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let columns: Vec<Vec<String>> = COLUMNS
            .iter()
            .map(|(_, names)| names.iter().map(|name| (*name).to_owned()).collect())
            .collect();
        let table = self.table.read(&columns)?;
        let mapping = Mapping::by_names(&table, "code", &COLUMNS);
        let language = context.language();
        let mut mapper =
            Mapper::over(&table, &mapping, SCHEMA).map_err(|error| not_mapped(&error))?;
        let mut refused = Refused::of(&self.table, &table, language)?;
        let mut rows = Vec::new();
        for row in mapper.by_ref() {
            match row {
                Ok(row) => rows.push(row),
                Err(row) => refused.take(row, &table, &mapping, language)?,
            }
        }
        let passed_over = mapper.passed_over().clone();
        let mut outcome = Outcome {
            rows: rows.len() as u64 + refused.rows(),
            ..Outcome::default()
        };
        let parents = self.parents(context, &table, &mapping).await?;
        let mut below = Vec::new();
        for row in rows {
            match parents.place(&row) {
                Ok(true) => below.push(row),
                Ok(false) => outcome.elsewhere += 1,
                Err(problem) => {
                    let error = row_error(&row, &mapper, "parent", "PARENT_UNKNOWN", problem);
                    refused.take(refused_row(row, error), &table, &mapping, language)?;
                }
            }
        }
        let verdicts = ask(context, &below, true, self.table.partial).await?.rows;
        for (row, verdict) in below.iter().zip(&verdicts) {
            outcome.take(row, verdict);
            if verdict.outcome() == pb::RowOutcome::Refused {
                let error = judged_error(row, verdict, &mapper, parents.own_level);
                refused.take(refused_row(row.clone(), error), &table, &mapping, language)?;
            }
        }
        refused.finish()?;
        note_source(context, &table, outcome.rows, &passed_over);
        let writes = !self.table.dry_run && (refused.rows() == 0 || self.table.partial);
        if writes {
            let sound: Vec<MappedRow> = below
                .into_iter()
                .filter(|row| !refused.has(row.line))
                .collect();
            let partial = self.table.partial;
            let changed_since = write(context, &sound, &outcome, partial).await?;
            // This place has changed since the rows were judged.
            for (row, verdict) in changed_since {
                outcome.untake(&row);
                let error = judged_error(&row, &verdict, &mapper, parents.own_level);
                refused.take(refused_row(row, error), &table, &mapping, language)?;
            }
            refused.finish()?;
        }
        report(
            context,
            &self,
            &outcome,
            &refused,
            writes,
            source_json(&table, &passed_over),
        )?;
        if refused.rows() == 0 {
            return Ok(());
        }
        Err(refused.failure(!writes))
    }

    /// What this place is called, and every parent that a row may name.
    async fn parents(
        &self,
        context: &Context,
        table: &Table,
        mapping: &Mapping,
    ) -> Result<Parents, Failure> {
        let mut client = context.node().await?;
        let request = context.request(pb::GetStatusRequest {})?;
        let status = context
            .call(&Call::Read, client.get_status(request))
            .await?;
        let request = context.request(pb::ListPlacesRequest {})?;
        let known = context
            .call(&Call::Read, client.list_places(request))
            .await?;
        let mut parents = Parents::default();
        if let Some(own) = known
            .places
            .iter()
            .find(|place| place.place == status.place)
        {
            parents.own_code.clone_from(&own.code);
            parents.own_level = own.level;
            parents.own.extend([own.code.clone(), own.name.clone()]);
        }
        if let Some(parent) = &self.parent {
            parents.own = [half_width(parent), one_spelling(parent)].into();
        }
        parents.own.remove("");
        if parents.own.is_empty() {
            return Err(Failure::usage(
                "parent",
                "this place has neither code nor name here; name the rows' parent with --parent CODE",
                "本地区没有代码，请用 --parent 指明上级代码",
            ));
        }
        for place in known.places {
            parents.known.extend([place.code, place.name]);
        }
        let column = mapping.key.as_deref().and_then(|key| table.column(key));
        for row in table.rows().flatten() {
            let cell = column.and_then(|column| row.cells.get(column));
            parents
                .known
                .extend(cell.map(|cell| half_width(&cell.text)));
        }
        parents.known.remove("");
        Ok(parents)
    }
}

impl Parents {
    /// Whether a row stands directly below this place; or that its parent stands nowhere.
    fn place(&self, row: &MappedRow) -> Result<bool, Words> {
        let code = row.text("code");
        let parent = row.text("parent");
        let called = [half_width(parent), one_spelling(parent)];
        if called.iter().any(|called| self.own.contains(called)) {
            return Ok(true);
        }
        // A row of this place itself, or of the top of the table, has a parent that the table does not hold.
        let is_own = !self.own_code.is_empty() && self.own_code.starts_with(code);
        let by_code = half_width(parent);
        let above = !by_code.is_empty()
            && by_code.bytes().all(|byte| byte.is_ascii_digit())
            && code.len() > by_code.len()
            && code.starts_with(&by_code);
        if is_own || above || called.iter().any(|called| self.known.contains(called)) {
            return Ok(false);
        }
        if parent.is_empty() {
            return Err(Words::of(
                "上级为空，请填写上级的代码或名称",
                "the parent is empty; enter its code or name",
            ));
        }
        let mut words = Words::of(
            "表中和本级均没有此上级；应为上级的区划代码（如 3714）或名称",
            "neither the table nor this place knows such a parent; write its division code, as 3714, or its name",
        );
        let names = self.own.iter().chain(&self.known).map(String::as_str);
        let names = names.filter(|name| !name.bytes().all(|byte| byte.is_ascii_digit()));
        if let Some(near) = nearest(parent, names).first() {
            words.chinese.push_str(&format!("；是不是 {near}？"));
            words.english.push_str(&format!("; did you mean {near}?"));
        }
        Err(words)
    }
}

impl Outcome {
    fn take(&mut self, row: &MappedRow, verdict: &pb::RowVerdict) {
        let told = format!("{} {}", row.text("name"), row.text("code"));
        let words = || Words::of(verdict.chinese.clone(), verdict.english.clone());
        match verdict.outcome() {
            pb::RowOutcome::New => self.new.push(told),
            pb::RowOutcome::Changed => self.changed.push((verdict.name.clone(), told)),
            pb::RowOutcome::PassedOver => self.passed_over.push((told, words())),
            pb::RowOutcome::Known => self.known += 1,
            pb::RowOutcome::Refused | pb::RowOutcome::Unspecified => {}
        }
    }

    /// Takes back what a row was to come to, since it is refused after all.
    fn untake(&mut self, row: &MappedRow) {
        let told = format!("{} {}", row.text("name"), row.text("code"));
        self.new.retain(|new| *new != told);
        self.changed.retain(|(_, after)| *after != told);
    }
}

/// Why the node refuses a row, by the column that it is about.
fn judged_error(
    row: &MappedRow,
    verdict: &pb::RowVerdict,
    mapper: &Mapper<'_>,
    own_level: u32,
) -> RowError {
    let field = if verdict.field == "level" {
        "tier"
    } else {
        &verdict.field
    };
    let mut words = Words::of(verdict.chinese.clone(), verdict.english.clone());
    if verdict.field == "level" && verdict.code == "OUT_OF_RANGE" {
        // The node speaks of levels, the table of tiers.
        let below = || {
            TIERS
                .iter()
                .zip(LEVELS)
                .filter(|(_, level)| *level > own_level)
        };
        let chinese = below().filter_map(|((_, words), _)| words.first().copied());
        let english = below().map(|((tier, _), _)| *tier);
        words = Words::of(
            format!("层级应低于本级：{}", chinese.collect::<Vec<_>>().join("、")),
            format!(
                "the tier is to be one below this place's: {}",
                english.collect::<Vec<_>>().join(", ")
            ),
        );
    }
    row_error(row, mapper, field, &verdict.code, words)
}

fn row_error(
    row: &MappedRow,
    mapper: &Mapper<'_>,
    field: &str,
    code: &str,
    problem: Words,
) -> RowError {
    let spec = SCHEMA.fields.iter().find(|spec| spec.name == field);
    RowError {
        line: row.line,
        column: mapper.column_of(field).or_else(|| mapper.key_column()),
        kind: spec.map(|spec| spec.kind.words()),
        code: code.to_owned(),
        problem,
    }
}

fn refused_row(row: MappedRow, error: RowError) -> RefusedRow {
    RefusedRow {
        line: row.line,
        key: row.key,
        errors: vec![error],
        cells: row.cells,
    }
}

async fn ask(
    context: &Context,
    rows: &[MappedRow],
    judge_only: bool,
    partial: bool,
) -> Result<pb::ImportPlacesResponse, Failure> {
    let rows = rows.iter().map(|row| {
        let tier = TIERS.iter().position(|(tier, _)| *tier == row.text("tier"));
        pb::DivisionRow {
            code: row.text("code").to_owned(),
            name: row.text("name").to_owned(),
            level: tier.and_then(|tier| LEVELS.get(tier).copied()).unwrap_or(0),
        }
    });
    let request = context.request(pb::ImportPlacesRequest {
        rows: rows.collect(),
        judge_only,
        partial,
    })?;
    let mut client = context.imports().await?;
    let call = if judge_only {
        Call::Read
    } else {
        Call::repeatable()
    };
    context.call(&call, client.import_places(request)).await
}

/// Writes what is new or changed, a record at a time; hands back the rows that the node refuses by now.
///
/// # Errors
/// The node did not answer, or those rows stop the others; it is said how far it came.
async fn write(
    context: &Context,
    rows: &[MappedRow],
    outcome: &Outcome,
    partial: bool,
) -> Result<Vec<(MappedRow, pb::RowVerdict)>, Failure> {
    let all = (outcome.new.len() + outcome.changed.len()) as u64;
    let bar = progress(context, all, "写入", "writing");
    let mut left = all;
    loop {
        let how_far = |failure: Failure| {
            let done = all.saturating_sub(left);
            failure.cut_short(&Words::of(
                format!("已写入{done}处，共{all}处；再次执行同一命令即可继续"),
                format!("{done} of {all} changes are written; the same command goes on"),
            ))
        };
        let answer = match ask(context, rows, false, partial).await {
            Ok(answer) => answer,
            Err(failure) => {
                bar.abandon();
                return Err(how_far(failure));
            }
        };
        let verdicts = rows.iter().cloned().zip(answer.rows);
        let refused: Vec<_> = verdicts
            .filter(|(_, verdict)| verdict.outcome() == pb::RowOutcome::Refused)
            .collect();
        let remaining = u64::from(answer.remaining);
        // Nothing was written: rows that were sound are refused by now, and only all of them are wanted.
        if remaining > 0 && remaining >= left {
            bar.abandon();
            let changed = Failure::file_of(
                "ROWS_REFUSED",
                "file",
                "this place has changed since the rows were judged",
                "检查之后本地区有变化",
            );
            return Err(how_far(changed));
        }
        bar.set_position(all.saturating_sub(remaining));
        if remaining == 0 {
            bar.finish_and_clear();
            return Ok(refused);
        }
        left = remaining;
    }
}

fn report(
    context: &Context,
    args: &ImportArgs,
    outcome: &Outcome,
    refused: &Refused,
    written: bool,
    source: Value,
) -> Result<(), Failure> {
    context.answer(
        || text(context, outcome, refused, written),
        || {
            json!({
                "rows": outcome.rows,
                "new": outcome.new.len(),
                "known": outcome.known,
                "changed": outcome.changed.iter().map(|(before, after)| json!({
                    "before": or_null(before), "after": after,
                })).collect::<Vec<_>>(),
                "passed_over": outcome.passed_over.iter().map(|(row, words)| json!({
                    "row": row, "english": words.english, "chinese": words.chinese,
                })).collect::<Vec<_>>(),
                "rows_not_directly_below": outcome.elsewhere,
                "refused_rows": refused.rows(),
                "refused": refused.json(),
                "written": written,
                "dry_run": args.table.dry_run,
                "rejects": refused.rejects(),
                "source": source,
            })
        },
    )
}

fn text(context: &Context, outcome: &Outcome, refused: &Refused, written: bool) -> String {
    let (new, known, changed) = (outcome.new.len(), outcome.known, outcome.changed.len());
    let (left, bad, elsewhere) = (outcome.passed_over.len(), refused.rows(), outcome.elsewhere);
    let mut text = match (context.language(), written) {
        (Language::Zh, true) => format!(
            "新增{new}个，更名改码{changed}个，已有且无变化{known}个，跳过{left}个，未通过{bad}行；其余{elsewhere}行不是直接下级\n"
        ),
        (Language::Zh, false) => format!(
            "可新增{new}个，可更名改码{changed}个，已有且无变化{known}个，跳过{left}个，未通过{bad}行；其余{elsewhere}行不是直接下级；未写入\n"
        ),
        (Language::En, true) => format!(
            "{new} places added, {changed} changed, {known} stand so, {left} passed over, {bad} rows refused; {elsewhere} rows are not directly below this place\n"
        ),
        (Language::En, false) => format!(
            "{new} places would be added, {changed} changed, {known} stand so, {left} passed over, {bad} rows refused; {elsewhere} rows are not directly below this place; nothing was written\n"
        ),
    };
    for (before, after) in outcome.changed.iter().take(CHANGES_SHOWN_MAX) {
        text.push_str(&format!("{before} -> {after}\n"));
    }
    for (row, words) in outcome.passed_over.iter().take(CHANGES_SHOWN_MAX) {
        let colon = context.either("：", ": ");
        text.push_str(&format!("{row}{colon}{}\n", context.say(words)));
    }
    text.push_str(&refused.text(context));
    text
}
