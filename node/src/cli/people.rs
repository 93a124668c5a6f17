//! Accounts of people, invitations and revocations of nodes. Secrets are shown once and never logged.

use clap::{Args, Subcommand};
use fengqiao_proto::v1 as pb;
use serde_json::json;

use super::Context;
use super::failure::{Call, Failure};
use super::output::{list, or_null, time};
use super::words::Role;

/// A write without a request id: the call is safe to repeat once one has looked.
fn unnumbered() -> Call {
    Call::Write {
        request_id: String::new(),
    }
}

/// What is done with accounts.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Open an account or change its unit and roles (开设、变更)
    Set(SetArgs),
    /// Close an account; what its person did stays on record (停用)
    Close {
        /// Sign-in name
        // An id of its own: the parser would take the one of `--as` for the same argument.
        #[arg(id = "account", value_name = "LOGIN")]
        login: String,
    },
}

/// Arguments of `account set`.
#[derive(Debug, Args)]
pub struct SetArgs {
    /// Sign-in name, 1 to 32 of a-z, 0-9, dot and hyphen
    #[arg(id = "account", value_name = "LOGIN")]
    login: String,
    /// Role; may be repeated
    #[arg(long = "role", value_enum, required = true)]
    roles: Vec<Role>,
    /// Unit of this centre: id or name; the centre's own staff if left out
    #[arg(long, default_value = "", hide_default_value = true)]
    unit: String,
}

/// Arguments of `invite`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("whom").required(true).multiple(true))]
pub struct InviteArgs {
    /// Place below: id, code or name; this place when a unit is invited
    #[arg(group = "whom", default_value = "", hide_default_value = true)]
    place: String,
    /// Unit of this centre with a node of its own: id or name
    #[arg(long, group = "whom", default_value = "", hide_default_value = true)]
    unit: String,
    /// Hours the invitation is good for, 1 to 720
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=720))]
    hours: u32,
    /// For a new machine in place of a lost one: the lost one may write and connect no more
    #[arg(long)]
    successor: bool,
}

/// Arguments of `revoke`.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// Id of the node, as in `fengqiao place list`
    node: String,
}

/// Arguments of `waive`.
#[derive(Debug, Args)]
pub struct WaiveArgs {
    /// Id of the neighbour's node, as in `fengqiao status`
    node: String,
}

impl AccountCommand {
    /// Runs it.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let message = match self {
            Self::Set(args) => pb::SetAccountRequest {
                login: args.login,
                unit: args.unit,
                roles: args.roles.into_iter().map(i32::from).collect(),
                closed: false,
            },
            Self::Close { login } => pb::SetAccountRequest {
                login,
                closed: true,
                ..Default::default()
            },
        };
        let (login, closed) = (message.login.clone(), message.closed);
        let request = context.request(message)?;
        let mut client = context.node().await?;
        let stands = context
            .call(&unnumbered(), client.set_account(request))
            .await?;
        context.answer(
            || account_text(&login, closed, &stands),
            || {
                json!({
                    "login": login,
                    "person": stands.person,
                    "token": or_null(&stands.token),
                    "closed": closed,
                })
            },
        )
    }
}

fn account_text(login: &str, closed: bool, stands: &pb::SetAccountResponse) -> String {
    let state = if closed {
        "closed 已停用"
    } else {
        "open 有效"
    };
    let mut text = list(&[
        ("login 账号", login.to_owned()),
        ("person 人员", stands.person.clone()),
        ("account 状态", state.to_owned()),
        ("token 令牌", stands.token.clone()),
    ]);
    if !stands.token.is_empty() {
        text.push_str(
            "The token is shown only now; keep it secret. 令牌仅显示一次，请妥善保管。\n",
        );
    }
    text
}

impl InviteArgs {
    /// Runs it.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let request = context.request(pb::InviteRequest {
            place: self.place,
            unit: self.unit,
            hours: self.hours,
            successor: self.successor,
        })?;
        let mut client = context.node().await?;
        let invitation = context.call(&unnumbered(), client.invite(request)).await?;
        context.answer(
            || {
                list(&[
                    ("token 邀请码", invitation.token.clone()),
                    ("expires 有效至", time(invitation.expires_ms)),
                ])
            },
            || json!({ "token": invitation.token, "expires_ms": invitation.expires_ms }),
        )?;
        context.note(
            "shown only now and good once: give it to `fengqiao join` on the new machine / \
             仅显示一次、仅可使用一次，请在新机器上用于 fengqiao join",
        );
        Ok(())
    }
}

impl RevokeArgs {
    /// Runs it.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let request = context.request(pb::RevokeNodeRequest {
            node: self.node.clone(),
        })?;
        let mut client = context.node().await?;
        context
            .call(&unnumbered(), client.revoke_node(request))
            .await?;
        context.answer(
            || format!("revoked 已吊销  {}\n", self.node),
            || json!({ "node": self.node, "revoked": true }),
        )
    }
}

impl WaiveArgs {
    /// Runs it.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let request = context.request(pb::WaiveNeighbourRequest {
            node: self.node.clone(),
        })?;
        let mut client = context.node().await?;
        context
            .call(&unnumbered(), client.waive_neighbour(request))
            .await?;
        context.answer(
            || format!("waived 不再等待  {}\n", self.node),
            || json!({ "node": self.node, "waived": true }),
        )?;
        context.note(
            "what that node turns out to hold may move to the annex / 该节点日后交来的记录可能转入附卷",
        );
        Ok(())
    }
}
