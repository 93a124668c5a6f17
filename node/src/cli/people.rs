//! Accounts of people, invitations and revocations of nodes. Secrets are shown once and never logged.

use clap::{Args, Subcommand};
use fengqiao_proto::v1 as pb;
use serde_json::json;

use super::Context;
use super::failure::{Call, Failure};
use super::json::{self, or_null};
use super::output::{list, or_dash, table, time};
use super::words::Role;
use super::write::WriteArgs;
use crate::node::clock::Clock;
use crate::pages::entrance::links;

/// What is done with accounts.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Open an account or change what is named of it (开设、变更)
    Set(SetArgs),
    /// Close an account and end its token for good; what its person did stays on record (停用)
    Close(LoginArgs),
    /// List the accounts of this centre with the names of their people (列表)
    List(super::accounts::AccountsArgs),
    /// Show one account (查看)
    Show(super::accounts::AccountArgs),
    /// Open a closed account again, with a new token (重新启用)
    Reopen(LoginArgs),
    /// Make a link by which the account sets its password for the pages; it works once (登录链接)
    Link(LinkArgs),
    /// The access token of an account (访问令牌)
    #[command(subcommand)]
    Token(TokenCommand),
}

/// Arguments of `account link`.
#[derive(Debug, Args)]
pub struct LinkArgs {
    /// Sign-in name
    #[arg(id = "account", value_name = "LOGIN")]
    login: String,
}

/// What is done with an access token.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Give the account a new token; the one before is good for nothing from now on (更换)
    Rotate(LoginArgs),
    /// End the account's token; it acts by none until it gets a new one (吊销)
    Revoke(LoginArgs),
}

/// Arguments of `account set`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("named").required(true).multiple(true))]
pub struct SetArgs {
    #[command(flatten)]
    account: LoginArgs,
    /// Role; may be repeated, and stands for all roles the account has; as before if left out
    #[arg(long = "role", value_enum, group = "named")]
    roles: Vec<Role>,
    /// Unit of this centre: id or name; as before if left out
    #[arg(long, group = "named")]
    unit: Option<String>,
    /// Name of the person, 1 to 64 characters, or "" for none; as before if left out
    #[arg(long, group = "named")]
    name: Option<String>,
    /// No unit: the centre's own staff
    #[arg(long, group = "named", conflicts_with = "unit")]
    no_unit: bool,
}

/// One account.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// Sign-in name, 1 to 32 of a-z, 0-9, dot and hyphen
    // An id of its own: the parser would take the one of `--as` for the same argument.
    #[arg(id = "account", value_name = "LOGIN")]
    login: String,
    #[command(flatten)]
    write: WriteArgs,
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
    #[command(flatten)]
    write: WriteArgs,
}

/// What is done with invitations.
#[derive(Debug, Subcommand)]
pub enum InvitationCommand {
    /// List the invitations made here, and who came by them (列表)
    List,
    /// Withdraw an invitation that nobody has used (撤回)
    Revoke(InvitationArgs),
}

/// Arguments of `invitation revoke`.
#[derive(Debug, Args)]
pub struct InvitationArgs {
    /// Its id, as the list shows it
    invitation: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `revoke`.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// Id of the node, as in `fengqiao place list`
    node: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `waive`.
#[derive(Debug, Args)]
pub struct WaiveArgs {
    /// Id of the neighbour's node, as in `fengqiao status`
    node: String,
    #[command(flatten)]
    write: WriteArgs,
}

impl AccountCommand {
    /// Runs it.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Set(args) => {
                let unit = args.unit.or(args.no_unit.then(String::new));
                let change = pb::SetAccountRequest {
                    unit,
                    name: args.name,
                    roles: args.roles.into_iter().map(i32::from).collect(),
                    ..Default::default()
                };
                args.account.set(context, change).await
            }
            Self::Link(link) => link.make(context),
            Self::List(args) => args.run(context).await,
            Self::Show(args) => args.run(context).await,
            Self::Close(account) => account.set(context, closed(true)).await,
            Self::Reopen(account) => account.set(context, closed(false)).await,
            Self::Token(TokenCommand::Rotate(account)) => account.rotate(context).await,
            Self::Token(TokenCommand::Revoke(account)) => account.revoke(context).await,
        }
    }
}

impl LinkArgs {
    /// Made in the data folder: no node need run, and whoever may write there may act as anybody anyway.
    fn make(self, context: &Context) -> Result<(), Failure> {
        let data = context.data()?;
        let path = links::make(&data, &self.login, Clock::System.now()).map_err(|error| {
            Failure::usage("data", format!("{error:#}"), "无法在数据目录中保存登录链接")
        })?;
        let link = links::address(&path);
        context.answer(
            || {
                format!(
                    "{}Give it to the person; it is good for 72 hours and once. If the pages have another name or \
                     port, put that in its place. 请交给本人，72 小时内有效，仅可使用一次；网页地址或端口不同时请替换。\n",
                    list(&[("login 账号", self.login.clone()), ("link 登录链接", link.clone())])
                )
            },
            || json!({ "login": self.login, "link": link, "path": path }),
        )
    }
}

fn closed(closed: bool) -> pb::SetAccountRequest {
    pb::SetAccountRequest {
        closed: Some(closed),
        ..Default::default()
    }
}

impl LoginArgs {
    async fn set(self, context: &Context, change: pb::SetAccountRequest) -> Result<(), Failure> {
        let (request_id, call) = self.write.begin()?;
        let closed = change.closed == Some(true);
        let request = context.request(pb::SetAccountRequest {
            login: self.login.clone(),
            request_id,
            ..change
        })?;
        let mut client = context.node().await?;
        let stands = context.call(&call, client.set_account(request)).await?;
        context.answer(
            || account_text(&self.login, closed, &stands),
            || {
                json!({
                    "login": self.login,
                    "person": stands.person,
                    "token": or_null(&stands.token),
                    "secret_withheld": stands.secret_withheld,
                    "closed": closed,
                })
            },
        )
    }

    async fn rotate(self, context: &Context) -> Result<(), Failure> {
        let (request_id, call) = self.write.begin()?;
        let request = context.request(pb::RotateTokenRequest {
            login: self.login.clone(),
            request_id,
        })?;
        let mut client = context.node().await?;
        let rotated = context.call(&call, client.rotate_token(request)).await?;
        context.answer(
            || {
                let mut text = list(&[
                    ("login 账号", self.login.clone()),
                    ("token 访问令牌", rotated.token.clone()),
                ]);
                text.push_str(token_note(&rotated.token, rotated.secret_withheld));
                text
            },
            || {
                json!({
                    "login": self.login,
                    "token": or_null(&rotated.token),
                    "secret_withheld": rotated.secret_withheld,
                })
            },
        )
    }

    async fn revoke(self, context: &Context) -> Result<(), Failure> {
        let (request_id, call) = self.write.begin()?;
        let request = context.request(pb::RevokeTokenRequest {
            login: self.login.clone(),
            request_id,
        })?;
        let mut client = context.node().await?;
        context.call(&call, client.revoke_token(request)).await?;
        context.answer(
            || format!("token revoked 访问令牌已吊销  {}\n", self.login),
            || json!({ "login": self.login, "revoked": true }),
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
        ("token 访问令牌", stands.token.clone()),
    ]);
    text.push_str(token_note(&stands.token, stands.secret_withheld));
    text
}

/// What to know of a token that is shown, or is not shown again.
fn token_note(token: &str, withheld: bool) -> &'static str {
    if withheld {
        return "The token was shown when this was first done and is not kept; `fengqiao account token rotate` gives a \
                new one. 访问令牌已在首次执行时显示，系统不留存；如已遗失，请用 account token rotate 更换。\n";
    }
    if token.is_empty() {
        return "";
    }
    "The token is shown only now; keep it secret. 访问令牌仅显示一次，请妥善保管。\n"
}

impl InviteArgs {
    /// Runs it.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let (request_id, call) = self.write.begin()?;
        let successor = self.successor;
        let request = context.request(pb::InviteRequest {
            request_id,
            place: self.place,
            unit: self.unit,
            hours: self.hours,
            successor: self.successor,
        })?;
        let mut client = context.node().await?;
        let invitation = context.call(&call, client.invite(request)).await?;
        context.answer(
            || {
                list(&[
                    ("token 邀请码", invitation.token.clone()),
                    ("expires 有效至", time(invitation.expires_ms)),
                ])
            },
            || {
                json!({
                    "token": or_null(&invitation.token),
                    "expires": json::moment(invitation.expires_ms),
                    "secret_withheld": invitation.secret_withheld,
                })
            },
        )?;
        if invitation.secret_withheld {
            context.note(
                "the token was shown when this was first done and is not kept; invite again for a new one / \
                 邀请码已在首次执行时显示，系统不留存；如已遗失，请重新邀请",
            );
            return Ok(());
        }
        let next = if successor { "recover" } else { "join" };
        context.note(&format!(
            "shown only now and good once; put it into a file that only you can read, and on the new machine: \
             fengqiao {next} --data FOLDER --parent HOST:7444 --token-file FILE / \
             仅显示一次、仅可使用一次；请存入仅本人可读的文件，在新机器上执行 \
             fengqiao {next} --data 目录 --parent 本机地址:7444 --token-file 文件"
        ));
        Ok(())
    }
}

impl InvitationCommand {
    /// Runs it.
    ///
    /// # Errors
    /// Why it was not done.
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let mut client = context.node().await?;
        match self {
            Self::List => {
                let request = context.request(pb::ListInvitationsRequest {})?;
                let listed = context
                    .call(&Call::Read, client.list_invitations(request))
                    .await?;
                context.answer(
                    || invitations_text(&listed.invitations),
                    || json!({ "invitations": json::listed("InvitationView", &listed.invitations) }),
                )
            }
            Self::Revoke(InvitationArgs { invitation, write }) => {
                let (request_id, call) = write.begin()?;
                let request = context.request(pb::RevokeInvitationRequest {
                    invitation: invitation.clone(),
                    request_id,
                })?;
                context
                    .call(&call, client.revoke_invitation(request))
                    .await?;
                context.answer(
                    || format!("withdrawn 已撤回  {invitation}\n"),
                    || json!({ "invitation": invitation, "revoked": true }),
                )
            }
        }
    }
}

fn standing_words(invitation: &pb::InvitationView) -> (&'static str, &'static str) {
    match invitation.standing() {
        pb::InvitationStanding::Unspecified => ("", ""),
        pb::InvitationStanding::Open => ("open", "未使用"),
        pb::InvitationStanding::Expired => ("expired", "已过期"),
        pb::InvitationStanding::Used => ("used", "已使用"),
        pb::InvitationStanding::Revoked => ("revoked", "已撤回"),
    }
}

fn invitations_text(invitations: &[pb::InvitationView]) -> String {
    let rows: Vec<Vec<String>> = invitations
        .iter()
        .map(|invitation| {
            let (english, chinese) = standing_words(invitation);
            vec![
                invitation.invitation.clone(),
                format!("{} {}", invitation.place_name, invitation.unit_name)
                    .trim_end()
                    .to_owned(),
                format!("{english} {chinese}"),
                time(invitation.expires_ms),
                or_dash(&invitation.succeeds),
                or_dash(&invitation.node),
            ]
        })
        .collect();
    let header = [
        "ID 编号",
        "FOR 地区或单位",
        "STATE 状态",
        "GOOD UNTIL 有效至",
        "SUCCEEDS 接替节点",
        "JOINED 已接入节点",
    ];
    table(&header, &rows)
}

impl RevokeArgs {
    /// Runs it.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let (request_id, call) = self.write.begin()?;
        let request = context.request(pb::RevokeNodeRequest {
            request_id,
            node: self.node.clone(),
        })?;
        let mut client = context.node().await?;
        context.call(&call, client.revoke_node(request)).await?;
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
        let (request_id, call) = self.write.begin()?;
        let request = context.request(pb::WaiveNeighbourRequest {
            request_id,
            node: self.node.clone(),
        })?;
        let mut client = context.node().await?;
        context.call(&call, client.waive_neighbour(request)).await?;
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
