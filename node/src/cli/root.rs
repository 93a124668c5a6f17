//! The root key's word for the first place's node: prepared there, signed here, handed in.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use fengqiao_hub::entry::{Entry, sign_written};
use fengqiao_hub::jurisdiction::registry_change;
use fengqiao_proto::v1 as pb;
use pb::registry_change::Change;
use serde_json::json;

use super::Context;
use super::failure::{Call, Failure};
use super::words;
use crate::trust::AuthorityKey;

/// What the root key does after the beginning.
#[derive(Debug, Subcommand)]
pub enum RootCommand {
    /// Give the first place's node a new generation: it may then take a case of which two records of its own stand at one
    /// place (启用新的代次，解除市级自身记录冲突)
    Renew(RenewArgs),
}

/// Arguments of `root renew`.
#[derive(Debug, Args)]
pub struct RenewArgs {
    /// File of the root key, brought back from where it is locked away
    #[arg(long, value_name = "FILE")]
    authority: PathBuf,
    /// Account of a leader who approves; two of them
    #[arg(long = "approved-by", value_name = "LOGIN", required = true)]
    approved_by: Vec<String>,
}

impl RootCommand {
    /// Runs it.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let Self::Renew(args) = self;
        let key = AuthorityKey::load(&args.authority).map_err(|error| {
            Failure::usage(
                "authority",
                format!("the root key does not read: {error}"),
                "无法读取根密钥文件",
            )
        })?;
        let mut client = context.node().await?;
        let request = context.request(pb::PrepareRootRenewalRequest {
            approved_by: args.approved_by,
            request_id: words::request_id(None)?,
        })?;
        let prepared = context
            .call(&Call::Read, client.prepare_root_renewal(request))
            .await?;
        let prepared = prepared.entry.unwrap_or_default();
        // The key that may do everything signs this one thing and nothing that a node might slip under it.
        let read = Entry::from_signed(&prepared).ok();
        if !read.is_some_and(|entry| {
            matches!(
                registry_change(entry.body.content.as_ref()),
                Some(Change::RootRenewed(_))
            )
        }) {
            return Err(Failure::file(
                "entry",
                "the node asks to sign something else; nothing was signed",
                "节点请求签署其他内容，未予签署",
            ));
        }
        let request = context.request(pb::RenewRootRequest {
            request_id: words::request_id(None)?,
            entry: Some(sign_written(prepared, key.entry_key())),
        })?;
        // Prepared anew it would be another request.
        let call = Call::Write {
            request_id: String::new(),
        };
        let renewed = context.call(&call, client.renew_root(request)).await?;
        context.answer(
            || format!("renewed 已启用新的代次  {}\n", renewed.generation),
            || json!({ "generation": renewed.generation }),
        )?;
        context.note(
            "put the root key back under lock and delete the copy here / 请将根密钥重新离线封存，并删除本机副本",
        );
        Ok(())
    }
}
