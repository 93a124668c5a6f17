//! Looking at cases.

use clap::Args;
use fengqiao_hub::case::Stage;
use fengqiao_hub::clock::Moment;
use fengqiao_proto::v1 as pb;

use crate::cli::Context;
use crate::cli::failure::{Call, Failure};
use crate::cli::json;
use crate::cli::output::{list, or_dash, table, time};
use crate::cli::words::{calendar_warning, ms, parse_time};

/// Digits of a hash shown to people.
const SHORT_DIGITS: usize = 8;

/// Arguments of `case show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Number or id of the case
    case: String,
    /// Also show the sealed texts; needs a role that handles the case, and is written into the log of looks
    #[arg(long)]
    texts: bool,
}

/// Arguments of `case looks`.
#[derive(Debug, Args)]
pub(crate) struct LooksArgs {
    /// Number or id of the case
    case: String,
}

/// Arguments of `case list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Also cases known by notice only
    #[arg(long)]
    notices: bool,
    /// Also closed cases
    #[arg(long)]
    closed: bool,
    /// Only those of this stage; may be given often (阶段)
    #[arg(long, value_name = "WORD", value_parser = stages())]
    stage: Vec<String>,
    /// Only those with this lamp; may be given often (黄红牌)
    #[arg(long, value_name = "WORD", value_parser = ["green", "amber", "red", "grey", "none"])]
    lamp: Vec<String>,
    /// Only those that this unit leads: id or name (主办单位)
    #[arg(
        long,
        value_name = "UNIT",
        default_value = "",
        hide_default_value = true
    )]
    unit: String,
    /// Only those of this class: id or name (类别)
    #[arg(
        long,
        value_name = "CLASS",
        default_value = "",
        hide_default_value = true
    )]
    class: String,
    /// Only those that this place has, took in or that concern it: id, code or name (地区)
    #[arg(
        long,
        value_name = "PLACE",
        default_value = "",
        hide_default_value = true
    )]
    place: String,
    /// Only the one with this number (编号)
    #[arg(
        long,
        value_name = "NUMBER",
        default_value = "",
        hide_default_value = true
    )]
    number: String,
    /// Only those with this number of another platform (外部编号)
    #[arg(
        long,
        value_name = "NUMBER",
        default_value = "",
        hide_default_value = true
    )]
    external_number: String,
    /// Only those received from then on, RFC 3339 (提出时间起)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    received_from: Option<Moment>,
    /// Only those received before then (提出时间止)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    received_before: Option<Moment>,
    /// Only those due from then on (期限起)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    due_from: Option<Moment>,
    /// Only those due before then (期限止)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    due_before: Option<Moment>,
    /// At most so many, 1 to 500
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    page_size: u32,
    /// Token at the end of the page before
    #[arg(
        long,
        default_value = "",
        hide_default_value = true,
        value_name = "TOKEN"
    )]
    page_token: String,
}

/// The words of the stages.
fn stages() -> [&'static str; Stage::ALL.len()] {
    Stage::ALL.map(Stage::as_str)
}

impl ShowArgs {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let request = context.request(pb::GetCaseRequest {
            case: self.case,
            show_texts: self.texts,
            ..Default::default()
        })?;
        let mut client = context.casework().await?;
        let found = context.call(&Call::Read, client.get_case(request)).await?;
        let view = found.case.unwrap_or_default();
        context.answer(|| case_text(&view), || json::shown("CaseView", &view))
    }
}

impl LooksArgs {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let request = context.request(pb::ListLooksRequest { case: self.case })?;
        let mut client = context.casework().await?;
        let found = context
            .call(&Call::Read, client.list_looks(request))
            .await?;
        context.answer(
            || looks_text(&found.looks),
            || json::shown("ListLooksResponse", &found),
        )
    }
}

fn looks_text(looks: &[pb::LookView]) -> String {
    if looks.is_empty() {
        return "Nobody was shown its texts. 尚无人查看过正文。\n".to_owned();
    }
    let rows: Vec<Vec<String>> = looks
        .iter()
        .map(|look| {
            let purpose = match look.purpose() {
                pb::LookPurpose::Unspecified => "-",
                pb::LookPurpose::Handling => "handling 办理",
                pb::LookPurpose::Export => "export 导出",
            };
            vec![
                time(look.at_ms),
                or_dash(&look.login),
                look.person.clone(),
                or_dash(&look.place_name),
                purpose.to_owned(),
                look.fields.join(" "),
            ]
        })
        .collect();
    let header = [
        "WHEN 时间",
        "LOGIN 账号",
        "PERSON 人员",
        "CENTRE 中心",
        "PURPOSE 用途",
        "SHOWN 所示内容",
    ];
    table(&header, &rows)
}

impl ListArgs {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let request = context.request(pb::ListCasesRequest {
            page_size: self.page_size,
            page_token: self.page_token,
            with_notices: self.notices,
            with_closed: self.closed,
            stages: self.stage,
            lamps: self.lamp,
            unit: self.unit,
            class: self.class,
            place: self.place,
            number: self.number,
            external_number: self.external_number,
            received_from_ms: ms(self.received_from),
            received_before_ms: ms(self.received_before),
            due_from_ms: ms(self.due_from),
            due_before_ms: ms(self.due_before),
        })?;
        let mut client = context.casework().await?;
        let page = context
            .call(&Call::Read, client.list_cases(request))
            .await?;
        context.answer(
            || page_text(&page),
            || json::shown("ListCasesResponse", &page),
        )
    }
}

/// The word of a stage in both languages.
pub(super) fn stage_words(stage: &str) -> String {
    match Stage::of_word(stage) {
        Some(known) => format!("{stage} {}", known.chinese()),
        None => or_dash(stage),
    }
}

fn lamp_words(lamp: &str) -> String {
    match lamp {
        "green" => "green 绿灯".to_owned(),
        "amber" => "amber 黄灯".to_owned(),
        "red" => "red 红灯".to_owned(),
        "grey" => "grey 失联".to_owned(),
        other => or_dash(other),
    }
}

/// The stable word of a standing; `unknown` when it is not said.
fn standing_word(standing: i32) -> &'static str {
    match pb::Standing::try_from(standing).unwrap_or_default() {
        pb::Standing::Unspecified => "unknown",
        pb::Standing::StoredHere => "stored-here",
        pb::Standing::AtParent => "at-parent",
        pb::Standing::AtTop => "at-top",
    }
}

fn standing_words(standing: i32) -> String {
    let word = standing_word(standing);
    match word {
        "stored-here" => format!("{word} 本级已存"),
        "at-parent" => format!("{word} 上级已存"),
        "at-top" => format!("{word} 市级已存"),
        _ => "-".to_owned(),
    }
}

fn short(hash: &str) -> String {
    hash.chars().take(SHORT_DIGITS).collect()
}

fn case_text(view: &pb::CaseView) -> String {
    let offer = view
        .offer
        .as_ref()
        .map(|offer| format!("{} -> {} 待答复", offer.kind, offer.to_name));
    let awaited = if view.awaited_below == 0 {
        String::new()
    } else {
        format!("entries below {}", view.awaited_below)
    };
    let mut text = list(&[
        ("number 编号", view.number.clone()),
        ("case 诉求", view.case.clone()),
        ("class 类别", view.class.clone()),
        ("channel 来源渠道", view.channel.clone()),
        ("urgency 紧急程度", view.urgency.clone()),
        ("external 外部编号", view.external_number.clone()),
        ("received 提出时间", time(view.received_ms)),
        ("place 所属区划", view.place_name.clone()),
        ("stage 阶段", stage_words(&view.stage)),
        ("outcome 结果", view.outcome.clone()),
        (
            "custodian 当前责任单位",
            format!("{} {}", view.custodian_name, view.custodian)
                .trim()
                .to_owned(),
        ),
        ("lead 主办单位", view.lead_name.clone()),
        ("lamp 灯", lamp_words(&view.lamp)),
        ("due 期限", clocks_words(&view.clocks)),
        ("offer 上报", offer.unwrap_or_default()),
        ("owed 应答复", obligations_words(&view.obligations)),
        ("origin 登记地", view.origin_name.clone()),
        ("first receiver 首接单位", view.first_receiver_name.clone()),
        ("rank 层级计数", view.rank.clone()),
        ("standing 存证", standing_words(view.standing)),
        ("awaited 待补", awaited),
        ("pending 待采纳", view.pending_submissions.join(" ")),
        ("next 下一步", next_words(&view.next)),
    ]);
    if view.frozen {
        text.push_str("Two records stand at one place: frozen until a superior takes it; at the first place after `root renew`. 存在冲突记录，已冻结，待上级收件。\n");
    }
    if view.notice_only {
        text.push_str(
            "Only the notice is held here; the record is below. 本级仅有摘要，案卷在下级。\n",
        );
    }
    text.push_str(&calendar_words(view.calendar_year_missing));
    text.push_str(&annex_words(view));
    text.push_str(&tasks_text(&view.tasks));
    text.push_str(&entries_text("Entries 记录", &view.entries));
    text.push_str(&entries_text("Annex 附卷", &view.annex));
    text
}

/// What is to be said of a missing year, or nothing.
pub(super) fn calendar_words(year_missing: u32) -> String {
    calendar_warning(year_missing).unwrap_or_default()
}

/// Which centre owes a reply to which, outermost first.
fn obligations_words(obligations: &[pb::ObligationView]) -> String {
    let words = obligations.iter().map(|owed| {
        let state = if owed.replied {
            "replied 已答复"
        } else {
            "open 未答复"
        };
        format!(
            "{} -> {} {} {state}",
            owed.to_name,
            owed.from_name,
            time(owed.due_ms)
        )
    });
    words.collect::<Vec<_>>().join("; ")
}

/// What the account may do now.
fn next_words(next: &[pb::NextStep]) -> String {
    let words = next.iter().map(|step| format!("{} {}", step.name, step.zh));
    words.collect::<Vec<_>>().join(", ")
}

/// Each clock with its end and who is to act, on one line; the lamp's is the first.
pub(super) fn clocks_words(clocks: &[pb::ClockView]) -> String {
    let words = clocks.iter().map(|running| {
        let clock = match running.clock.as_str() {
            "accept" => "accept 受理",
            "hand-over" => "hand-over 分流",
            "handling" => "handling 办理",
            "answer" => "answer 答复提级",
            "visit" => "visit 回访",
            "task" => "task 会办任务",
            "annex" => "annex 处理附卷",
            other => other,
        };
        let (due, lamp) = (time(running.due_ms), &running.lamp);
        format!("{due} {clock} ({}, {lamp})", running.responsible_name)
    });
    words.collect::<Vec<_>>().join("; ")
}

/// What was overtaken: to its author, and to who is to decide over it.
fn annex_words(view: &pb::CaseView) -> String {
    let mut text = String::new();
    if view.own_overtaken > 0 {
        let number = view.own_overtaken;
        text.push_str(&format!(
            "Overtaken: {number} of this node's records stand no longer; what was decided over them is said in the annex. \
             本级有 {number} 条记录已被上级接管，处理结果见附卷。\n"
        ));
    }
    if view.annex_open > 0 {
        let number = view.annex_open;
        text.push_str(&format!(
            "Annex: {number} records wait to be adopted or declined. 附卷有 {number} 条待采纳或不采纳。\n"
        ));
    }
    text
}

fn tasks_text(tasks: &[pb::TaskView]) -> String {
    if tasks.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = tasks
        .iter()
        .map(|task| {
            vec![
                task.task.to_string(),
                task.party_name.clone(),
                task.state.clone(),
                time(task.due_ms),
            ]
        })
        .collect();
    format!(
        "\nTasks 任务\n{}",
        table(&["#", "PARTY 单位", "STATE 状态", "DUE 期限"], &rows)
    )
}

fn entries_text(title: &str, entries: &[pb::EntryView]) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = entries
        .iter()
        .map(|entry| {
            vec![
                entry.sequence.to_string(),
                entry.r#move.clone(),
                entry.place_name.clone(),
                time(entry.wall_time_ms),
                short(&entry.hash),
                standing_words(entry.standing),
                entry_words(entry),
            ]
        })
        .collect();
    let header = [
        "#",
        "MOVE 动作",
        "PLACE 中心",
        "TIME 时间",
        "HASH",
        "STANDING 存证",
        "",
    ];
    let mut text = format!("\n{title}\n{}", table(&header, &rows));
    for entry in entries {
        for field in &entry.fields {
            text.push_str(&format!(
                "[{} {} {}] {}\n",
                entry.sequence, field.name, field.label_zh, field.zh
            ));
        }
        for private in &entry.texts {
            text.push_str(&format!(
                "\n[{} {}] {}\n",
                entry.sequence, private.role, private.text
            ));
        }
    }
    text
}

fn annex_state_words(entry: &pb::EntryView) -> String {
    let mut words = match entry.annex_state.as_str() {
        "open" if entry.annex_due_ms != 0 => format!("open 待定 {}", time(entry.annex_due_ms)),
        "open" => "open 待定".to_owned(),
        "adopted" => format!("adopted 已采纳 {}", short(&entry.annex_decision)),
        "declined" => format!("declined 不采纳 {}", short(&entry.annex_decision)),
        other => other.to_owned(),
    };
    if entry.lapsed {
        words.push_str(", offer lapsed 上报失效");
    }
    words
}

/// What is to be said of an entry beside its move.
fn entry_words(entry: &pb::EntryView) -> String {
    let mut words = Vec::new();
    if entry.unsettled {
        let who = or_dash(&entry.actor);
        words.push(format!(
            "done before the parent had it, by {who} 上级未确认时作出"
        ));
    }
    if !entry.annex_state.is_empty() {
        words.push(annex_state_words(entry));
        if entry.effect {
            words.push("had effect outside 已对外生效".to_owned());
        }
    }
    words.join(", ")
}

/// What a line of a list adds in its last column.
fn remarks(view: &pb::CaseView) -> String {
    let mut remarks = Vec::new();
    if view.notice_only {
        remarks.push("notice 摘要".to_owned());
    }
    if let Some(offer) = &view.offer {
        remarks.push(format!("offered 已上报 {}", offer.to_name));
    }
    if view.own_overtaken > 0 {
        remarks.push(format!("overtaken 被接管 {}", view.own_overtaken));
    }
    if view.annex_open > 0 {
        remarks.push(format!("annex 附卷 {}", view.annex_open));
    }
    remarks.join(", ")
}

fn page_text(page: &pb::ListCasesResponse) -> String {
    if page.cases.is_empty() {
        return "No cases. 没有诉求。\n".to_owned();
    }
    let rows: Vec<Vec<String>> = page
        .cases
        .iter()
        .map(|view| {
            vec![
                view.number.clone(),
                stage_words(&view.stage),
                lamp_words(&view.lamp),
                time(view.due_ms),
                view.custodian_name.clone(),
                or_dash(&view.lead_name),
                view.class.clone(),
                remarks(view),
            ]
        })
        .collect();
    let header = [
        "NUMBER 编号",
        "STAGE 阶段",
        "LAMP 灯",
        "DUE 期限",
        "CUSTODIAN 责任中心",
        "LEAD 主办",
        "CLASS 类别",
        "",
    ];
    let mut text = table(&header, &rows);
    let mut missing: Vec<u32> = (page.cases.iter())
        .map(|view| view.calendar_year_missing)
        .collect();
    missing.sort_unstable();
    missing.dedup();
    for year in missing {
        text.push_str(&calendar_words(year));
    }
    if !page.next_page_token.is_empty() {
        text.push_str(&format!("More: --page-token {}\n", page.next_page_token));
    }
    text
}
