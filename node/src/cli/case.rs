//! `fengqiao case …`: every move of a case, and looking at cases.

mod actions;
mod import;
mod show;

use clap::{Args, Subcommand};
use fengqiao_proto::v1 as pb;
use serde_json::json;

use super::Context;
use super::failure::{Call, Failure};
use super::json::{self, or_null};
use super::output::list;
use super::words;
use actions::ActionCommand;

/// The life of a case, as `fengqiao case --help` tells it.
pub(super) const LIFE: &str = "\
The life of a case (诉求的一生):
  register            a resident brings it; it gets one number for life        登记
  accept | decline | answer-at-once                                            受理 | 不予受理 | 即时答复
  dispatch            to a unit here, or down to a centre below; clock runs    派单
  sign-for            or: object (a unit), return (a centre below)             签收 | 派单异议 | 退回
  contact, take-action, work-on-site, report-interim                           办理
  draft-reply, approve-reply, send-reply    another person approves            拟稿 把关 回复
  return-visit, rate  by who dispatched, never by who handled                  回访 评价
  close | order-redo                                                           办结 | 重办
Too hard here: escalate. Above: take, or keep-below with an opinion.           上报 | 收件 | 留在下级
  decide, dispatch    carries the decision down again                          批示
Many hands: convene, acknowledge-task, report-task.                            一方召集、多方联动
Done below while taken above: it stands in the annex; adopt or decline it.     附卷

CASE is a number or an id. Texts are kept sealed; give `-` to read one from the standard input.
Exit codes: 0 done, 1 refused, 64 usage, 75 try again.";

/// Arguments of `fengqiao case`.
#[derive(Debug, Args)]
pub struct CaseArgs {
    #[command(subcommand)]
    command: CaseCommand,
}

#[derive(Debug, Subcommand)]
enum CaseCommand {
    #[command(flatten)]
    Act(ActionCommand),
    /// Show one case as this node knows it (查看)
    Show(show::ShowArgs),
    /// Show who was shown the texts of a case (查阅记录)
    Looks(show::LooksArgs),
    /// List open cases by due time (列表)
    List(show::ListArgs),
    /// Bring cases back from an export, for a case that no machine holds any more (从导出文件找回案卷)
    #[command(after_help = import::ABOUT)]
    Import(import::ImportArgs),
}

impl CaseArgs {
    /// Runs it.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.command {
            CaseCommand::Act(command) => act(command, context).await,
            CaseCommand::Show(args) => args.run(context).await,
            CaseCommand::Looks(args) => args.run(context).await,
            CaseCommand::List(args) => args.run(context).await,
            CaseCommand::Import(args) => args.run(context).await,
        }
    }
}

async fn act(command: ActionCommand, context: &Context) -> Result<(), Failure> {
    let request_id = words::request_id(command.request_id.clone())?;
    let (action, texts) = command.request(context)?;
    let request = context.request(pb::ActRequest {
        request_id: request_id.clone(),
        case: command.case.clone(),
        action: Some(action),
        texts,
    })?;
    let mut client = context.casework().await?;
    let call = Call::Write {
        request_id: request_id.clone(),
    };
    let done = context.call(&call, client.act(request)).await?;
    context.answer(|| act_text(&done), || act_json(&done, &request_id))
}

fn act_text(done: &pb::ActResponse) -> String {
    let after = done.after.clone().unwrap_or_default();
    let next = after.next.iter().map(|step| step.name.as_str());
    let mut text = list(&[
        ("number 编号", done.number.clone()),
        ("stage 阶段", show::stage_words(&after.stage)),
        ("custodian 当前责任单位", after.custodian_name.clone()),
        ("due 期限", show::clocks_words(&after.clocks)),
        ("next 下一步", next.collect::<Vec<_>>().join(", ")),
        ("case 诉求", done.case.clone()),
        ("entry 记录", done.entry.clone()),
        ("submission 提交", done.submission.clone()),
        ("secret code 查询码", done.secret_code.clone()),
    ]);
    text.push_str(&show::calendar_words(after.calendar_year_missing));
    if !done.submission.is_empty() {
        text.push_str(
            "Sent to the custodian; it takes effect when adopted there. 已提交当前责任单位，采纳后生效。\n",
        );
    }
    if !done.secret_code.is_empty() {
        text.push_str(
            "Give the secret code to the resident: it is shown only now. 请将查询码交给诉求人，仅显示一次。\n",
        );
    }
    if done.secret_withheld {
        text.push_str(
            "The secret code was shown when the case was first registered and is not kept. \
             查询码已在首次登记时显示，系统不留存。\n",
        );
    }
    text
}

fn act_json(done: &pb::ActResponse, request_id: &str) -> serde_json::Value {
    json!({
        "case": done.case,
        "number": done.number,
        "entry": or_null(&done.entry),
        "submission": or_null(&done.submission),
        "secret_code": or_null(&done.secret_code),
        "after": done.after.as_ref().map(|after| json::shown("CaseView", after)),
        "secret_withheld": done.secret_withheld,
        "request_id": request_id,
    })
}
