//! `fengqiao join`: a data folder by an invitation from the parent; `recover` takes the same way.

use std::path::{Path, PathBuf};

use clap::Args;

use super::ground::{Failed, Ground, clock_of, data_of, say};
use crate::enrolment::{Authorities, JoinOptions};
use crate::folder::Folder;
use crate::tabular::plain_text;
use crate::trust::random::OsRandom;

/// `join`
#[derive(Debug, Args)]
pub(super) struct JoinArgs {
    /// Enrol port of the parent, host:port
    #[arg(long, value_name = "HOST:PORT")]
    parent: Option<String>,
    /// Invitation; better given by --token-file or FENGQIAO_JOIN_TOKEN
    #[arg(long, env = "FENGQIAO_JOIN_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// File that holds the invitation
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The parent's name in certificates, where its process hosts several nodes
    #[arg(long, value_name = "NAME")]
    parent_name: Option<String>,
    /// Whether this node will enrol others: if-granted, required, none
    #[arg(long, default_value = "if-granted", value_parser = ["if-granted", "required", "none"])]
    enrols: String,
    /// Read the clock from a file instead of the machine (for demonstrations)
    #[arg(long, hide = true)]
    clock: Option<PathBuf>,
}

pub(super) fn join(args: JoinArgs, ground: &Ground) -> Result<(), Failed> {
    let data = data_of(ground)?;
    let folder = join_by(args, &data, false)?;
    let identity = &folder.identity;
    let object = serde_json::json!({
        "node": identity.node.to_string(), "place": identity.place.to_string(), "name": identity.place_name,
    });
    let text = format!(
        "joined: {} is node {} of place {}\nnext: fengqiao run --data {}",
        identity.place_name,
        identity.node,
        identity.place,
        data.display()
    );
    say(ground.json, &object, &text);
    Ok(())
}

/// Redeems an invitation; `recovers` where the folder may be a restored one.
pub(crate) fn join_by(args: JoinArgs, data: &Path, recovers: bool) -> Result<Folder, Failed> {
    let parent = args.parent.ok_or_else(|| {
        Failed::usage(
            "PARENT_MISSING",
            "name the parent's enrol port with --parent HOST:PORT",
            "请用 --parent 指明上级的接入端口",
        )
    })?;
    let token = match (args.token, &args.token_file) {
        (Some(token), _) => token,
        (None, Some(file)) => token_in(file)?,
        (None, None) => {
            return Err(Failed::usage(
                "TOKEN_MISSING",
                "give the invitation with --token-file or --token",
                "请提供邀请码",
            ));
        }
    };
    let authorities = match args.enrols.as_str() {
        "required" => Authorities::Required,
        "none" => Authorities::None,
        _ => Authorities::IfGranted,
    };
    let options = JoinOptions {
        path: data,
        token: token.trim(),
        address: &parent,
        parent_name: args.parent_name.as_deref(),
        authorities,
        recovers,
    };
    let now = clock_of(args.clock.as_ref()).now();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::new)?;
    Ok(runtime.block_on(crate::enrolment::join(&options, now, &mut OsRandom))?)
}

fn token_in(file: &Path) -> Result<String, Failed> {
    let unreadable = |why: String, chinese: &str| {
        let english = format!("cannot read {}: {why}", file.display());
        let chinese = format!("无法读取邀请码文件 {}{chinese}", file.display());
        Failed::usage("TOKEN_UNREADABLE", english, chinese)
    };
    let bytes = std::fs::read(file).map_err(|error| unreadable(error.to_string(), ""))?;
    plain_text(&bytes)
        .ok_or_else(|| unreadable("it is no plain text".to_owned(), "：不是纯文本文件"))
}

impl JoinArgs {
    /// The clock to read, where it is not the machine's.
    pub(crate) fn clock(&self) -> Option<&PathBuf> {
        self.clock.as_ref()
    }
}
