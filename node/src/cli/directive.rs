//! `fengqiao directive …`: what is issued above, read and carried out below.

use clap::{Args, Subcommand};
use fengqiao_hub::clock::Moment;
use fengqiao_hub::private::Private;
use fengqiao_proto::v1 as pb;
use serde_json::json;

use super::Context;
use super::failure::{Call, Failure};
use super::json;
use super::output::{table, time};
use super::words::{self, ms, parse_private, parse_time};
use super::write::WriteArgs;

/// What is done with directives.
#[derive(Debug, Subcommand)]
pub enum DirectiveCommand {
    /// Issue a directive to centres below (下达)
    Issue(IssueArgs),
    /// Acknowledge a directive received: it was read (签收)
    Acknowledge(AnswerArgs),
    /// Report that a directive was carried out (反馈)
    Report(AnswerArgs),
    /// Show directives, and who has not acknowledged (列表)
    List,
}

/// Arguments of `directive issue`.
#[derive(Debug, Args)]
pub struct IssueArgs {
    /// The text, sealed for those addressed; `-` reads it from the standard input
    #[arg(long, value_name = "TEXT", value_parser = parse_private)]
    text: Private<String>,
    /// Place addressed, with all below it: id, code or name; may be repeated; everything below if left out
    #[arg(long = "to", value_name = "PLACE")]
    scope: Vec<String>,
    /// When it is due, RFC 3339
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    due: Option<Moment>,
    /// Ask for a report on execution
    #[arg(long)]
    report_required: bool,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `directive acknowledge` and `directive report`.
#[derive(Debug, Args)]
pub struct AnswerArgs {
    /// Id of the directive
    directive: String,
    #[command(flatten)]
    write: WriteArgs,
}

impl DirectiveCommand {
    /// Runs it.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Issue(args) => args.run(context).await,
            Self::Acknowledge(args) => args.run(context, false).await,
            Self::Report(args) => args.run(context, true).await,
            Self::List => show(context).await,
        }
    }
}

impl IssueArgs {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let (request_id, call) = self.write.begin()?;
        let text = words::read_text(context, "text", self.text.reveal(), &mut false)?;
        let request = context.request(pb::IssueDirectiveRequest {
            request_id: request_id.clone(),
            text,
            scope: self.scope,
            due_ms: ms(self.due),
            report_required: self.report_required,
        })?;
        let mut client = context.casework().await?;
        let issued = context.call(&call, client.issue_directive(request)).await?;
        context.answer(
            || format!("directive 指令  {}\n", issued.directive),
            || json!({ "directive": issued.directive, "request_id": request_id }),
        )
    }
}

impl AnswerArgs {
    async fn run(self, context: &Context, executed: bool) -> Result<(), Failure> {
        let (request_id, call) = self.write.begin()?;
        let request = context.request(pb::AnswerDirectiveRequest {
            request_id: request_id.clone(),
            directive: self.directive.clone(),
            executed,
        })?;
        let mut client = context.casework().await?;
        context
            .call(&call, client.answer_directive(request))
            .await?;
        let word = if executed {
            "reported 已反馈"
        } else {
            "acknowledged 已签收"
        };
        context.answer(
            || format!("{word}  {}\n", self.directive),
            || json!({ "directive": self.directive, "executed": executed, "request_id": request_id }),
        )
    }
}

async fn show(context: &Context) -> Result<(), Failure> {
    let request = context.request(pb::ListDirectivesRequest {})?;
    let mut client = context.casework().await?;
    let found = context
        .call(&Call::Read, client.list_directives(request))
        .await?;
    context.answer(
        || directives_text(&found.directives),
        || json!({ "directives": json::listed("DirectiveView", &found.directives) }),
    )
}

fn directives_text(directives: &[pb::DirectiveView]) -> String {
    if directives.is_empty() {
        return "No directives. 没有指令。\n".to_owned();
    }
    let rows: Vec<Vec<String>> = directives
        .iter()
        .map(|directive| {
            vec![
                directive.directive.clone(),
                directive.issuer.clone(),
                time(directive.due_ms),
                format!("{}/{}", directive.acknowledged, directive.addressed),
                format!("{}/{}", directive.reported, directive.addressed),
            ]
        })
        .collect();
    let header = [
        "DIRECTIVE 指令",
        "ISSUER 下达",
        "DUE 期限",
        "ACKNOWLEDGED 签收",
        "REPORTED 反馈",
    ];
    let mut text = table(&header, &rows);
    for directive in directives {
        if !directive.missing.is_empty() {
            let missing = directive.missing.join(" ");
            text.push_str(&format!(
                "\n{} missing 未签收: {missing}\n",
                directive.directive
            ));
        }
        if !directive.text.is_empty() {
            text.push_str(&format!("\n{}\n{}\n", directive.directive, directive.text));
        }
    }
    text
}
