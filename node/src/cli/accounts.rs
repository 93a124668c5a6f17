//! `fengqiao account list | show`: who works here, beside the logins by which they sign in.

use clap::Args;
use fengqiao_proto::v1 as pb;
use serde_json::json;

use super::Context;
use super::failure::{Call, Failure};
use super::json;
use super::output::{list, or_dash, table};
use super::words::{role_chinese, role_english};

/// Arguments of `account list`.
#[derive(Debug, Args)]
pub struct AccountsArgs {
    /// Closed ones too
    #[arg(long)]
    closed: bool,
}

/// Arguments of `account show`.
#[derive(Debug, Args)]
pub struct AccountArgs {
    /// Sign-in name
    // An id of its own: the parser would take the one of `--as` for the same argument.
    #[arg(id = "account", value_name = "LOGIN")]
    login: String,
}

impl AccountsArgs {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let asked = pb::ListAccountsRequest {
            with_closed: self.closed,
            ..Default::default()
        };
        let accounts = accounts(context, asked).await?;
        context.answer(
            || accounts_text(&accounts),
            || json!({ "accounts": json::listed("AccountView", &accounts) }),
        )
    }
}

impl AccountArgs {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let asked = pb::ListAccountsRequest {
            login: self.login,
            with_closed: true,
        };
        let accounts = accounts(context, asked).await?;
        let account = accounts.into_iter().next().unwrap_or_default();
        context.answer(
            || account_text(context, &account),
            || json::shown("AccountView", &account),
        )
    }
}

async fn accounts(
    context: &Context,
    asked: pb::ListAccountsRequest,
) -> Result<Vec<pb::AccountView>, Failure> {
    let request = context.request(asked)?;
    let mut client = context.node().await?;
    let listed = context.call(&Call::Read, client.list_accounts(request));
    Ok(listed.await?.accounts)
}

fn accounts_text(accounts: &[pb::AccountView]) -> String {
    let rows: Vec<Vec<String>> = accounts
        .iter()
        .map(|account| {
            vec![
                account.login.clone(),
                or_dash(&account.name),
                or_dash(&account.unit_name),
                roles(account, role_chinese),
                state(account).to_owned(),
            ]
        })
        .collect();
    table(
        &[
            "LOGIN 账号",
            "NAME 姓名",
            "UNIT 单位",
            "ROLES 角色",
            "STATE 状态",
        ],
        &rows,
    )
}

fn account_text(context: &Context, account: &pb::AccountView) -> String {
    let token = if account.has_token {
        context.either("有", "yes")
    } else {
        context.either("无", "no")
    };
    let roles = roles(account, |role| {
        context.either(role_chinese(role), role_english(role))
    });
    list(&[
        ("login 账号", account.login.clone()),
        ("name 姓名", account.name.clone()),
        ("person 人员", account.person.clone()),
        ("unit 单位", account.unit_name.clone()),
        ("roles 角色", roles),
        ("state 状态", state(account).to_owned()),
        ("token 访问令牌", token.to_owned()),
    ])
}

fn roles(account: &pb::AccountView, word: impl Fn(pb::Role) -> &'static str) -> String {
    account.roles().map(word).collect::<Vec<_>>().join(" ")
}

fn state(account: &pb::AccountView) -> &'static str {
    if account.closed {
        "closed 已停用"
    } else {
        "open 有效"
    }
}
