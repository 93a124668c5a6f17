//! `fengqiao renew-authority`: the first place's issuing authority anew, by the root key.

use std::path::PathBuf;

use clap::Args;

use super::ground::{Failed, Ground, clock_of, data_of, say};
use crate::enrolment::renew_authority_at_the_top;
use crate::folder::Folder;
use crate::trust::random::OsRandom;

/// `renew-authority`
#[derive(Debug, Args)]
pub(super) struct RenewAuthorityArgs {
    /// File of the deployment's root key, brought back from where it is locked away
    #[arg(long, value_name = "FILE")]
    root_key: PathBuf,
    /// Read the clock from a file instead of the machine (for demonstrations)
    #[arg(long, hide = true)]
    clock: Option<PathBuf>,
}

/// Renews the authority of a folder that is not running, and the node's certificate under it; the key stays, so what it
/// issued goes on.
///
/// # Errors
/// Why it was not done; the present certificates stay then.
pub(super) fn renew_authority(args: &RenewAuthorityArgs, ground: &Ground) -> Result<(), Failed> {
    let data = data_of(ground)?;
    let now = clock_of(args.clock.as_ref()).now();
    let mut folder = Folder::open(&data)?;
    renew_authority_at_the_top(&mut folder, &args.root_key, now, &mut OsRandom)?;
    let until = folder.credentials.own.not_after;
    let object = serde_json::json!({
        "place": folder.identity.place.to_string(), "node": folder.identity.node.to_string(),
        "certificate_until": until.to_string(),
    });
    let text = format!(
        "the authority of {} was renewed, and the node's certificate under it until {until}\n\
         {} 的签发证书已更新，节点证书有效期至 {until}\n\
         Lock the root key away again. 请将根密钥重新妥善保管。\n\
         next: fengqiao run --data {}",
        folder.identity.place_name,
        folder.identity.place_name,
        data.display()
    );
    say(ground.json, &object, &text);
    Ok(())
}
