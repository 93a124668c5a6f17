//! `fengqiao recover`: a lost machine's place gets its next node, with what a backup holds or with nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use fengqiao_hub::id::{ChainId, PersonId, StoreId};
use fengqiao_proto::v1 as pb;
use prost::Message as _;

use super::ground::{Failed, Ground, clock_of, data_of, say};
use super::join::{JoinArgs, join_by};
use crate::engine::Me;
use crate::enrolment::{TopRecovery, introduce, recover_at_the_top};
use crate::folder::{Folder, Restored};
use crate::journal::{Beside, JournalReader};
use crate::node::opening::registry_and_views;
use crate::replication::route::Standpoint;
use crate::trust::AuthorityKey;
use crate::trust::keys::PublicKey;
use crate::trust::random::OsRandom;

/// `recover`
#[derive(Debug, Args)]
pub(super) struct RecoverArgs {
    #[command(flatten)]
    by_parent: JoinArgs,
    /// At the top, in place of --parent and an invitation: file of the deployment's root key
    #[arg(long, value_name = "FILE", conflicts_with = "parent")]
    root_key: Option<PathBuf>,
    /// At the top: id of a person who approves; two are needed
    #[arg(long, value_name = "PERSON", requires = "root_key")]
    approved_by: Vec<String>,
    /// At the top: enrol port of a node below, which knows the registry as it was last; may be given often
    #[arg(long, value_name = "HOST:PORT", requires = "root_key")]
    witness: Vec<String>,
}

/// Gives a restored folder its new identity, or makes a new one for a lost node's place.
///
/// # Errors
/// Why it was not done; a restored folder is as it was then.
pub(super) fn recover(args: RecoverArgs, ground: &Ground) -> Result<(), Failed> {
    let data = data_of(ground)?;
    let folder = match &args.root_key {
        Some(root_key) => at_the_top(&args, root_key, &data)?,
        None => join_by(args.by_parent, &data, true)?,
    };
    let identity = &folder.identity;
    let object = serde_json::json!({
        "node": identity.node.to_string(), "place": identity.place.to_string(), "name": identity.place_name,
        "incarnation": identity.incarnation, "generation": identity.generation,
    });
    let text = format!(
        "recovered: {} goes on as node {}, generation {}\n\
         Cases begun before wait until the neighbours have said what they hold; new ones may be registered at once.\n\
         恢复前的案件须等上下级节点说明所存后方可继续办理；新诉求可以立即登记。\n\
         next: fengqiao run --data {}, then fengqiao status",
        identity.place_name,
        identity.node,
        identity.generation,
        data.display()
    );
    say(ground.json, &object, &text);
    Ok(())
}

fn at_the_top(args: &RecoverArgs, root_key: &Path, data: &Path) -> Result<Folder, Failed> {
    let [first, second] = &args.approved_by[..] else {
        return Err(two_persons(
            "two persons must approve: give --approved-by twice",
        ));
    };
    let person = |text: &String| {
        text.parse::<PersonId>()
            .map_err(|_| two_persons("approved-by: not a person's id, as `account list` shows it"))
    };
    let approved_by = [person(first)?, person(second)?];
    if first == second {
        return Err(two_persons("approved-by: the same person twice"));
    }
    let now = clock_of(args.by_parent.clock()).now();
    let key = *AuthorityKey::load(root_key)
        .map_err(crate::folder::FolderError::from)?
        .public();
    let mut known = Vec::new();
    if let Some(restored) = Restored::read(data)? {
        known.push(of_backup(data, &restored, &key)?);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::new)?;
    for address in &args.witness {
        let told =
            runtime.block_on(introduce(address, None, Vec::new(), key.fingerprint(), now))?;
        let read = |bytes: &Vec<u8>| pb::SignedEntry::decode(&bytes[..]);
        let entries: Result<Vec<_>, _> = told.registry.iter().map(read).collect();
        known.push(entries.map_err(anyhow::Error::new)?);
    }
    let recovery = TopRecovery {
        path: data,
        root_key_file: root_key,
        known,
        approved_by,
    };
    Ok(recover_at_the_top(&recovery, now, &mut OsRandom)?)
}

fn two_persons(english: &str) -> Failed {
    Failed::usage(
        "RECOVER_APPROVAL",
        english,
        "须由两名不同人员批准（--approved-by 两次）",
    )
}

/// The first place's registry as a restored journal tells it.
fn of_backup(
    data: &Path,
    restored: &Restored,
    root_key: &PublicKey,
) -> Result<Vec<pb::SignedEntry>, Failed> {
    let reader: Arc<dyn JournalReader> = Beside::look(data).map_err(anyhow::Error::new)?.reader();
    // Whoever reads a journal from its beginning does so as the node that wrote it; nothing is signed here.
    let me = Me {
        at: Standpoint {
            node: restored.node,
            place: restored.place,
            unit: restored.unit,
        },
        deployment: restored.deployment,
        store: StoreId::default(),
        incarnation: 1,
        generation: 1,
        signing_key: ed25519_dalek::SigningKey::from_bytes(&[0; 32]),
        root_key: *root_key.verifying_key(),
    };
    let (registry, views, _) =
        registry_and_views(data, &me, &reader).map_err(anyhow::Error::new)?;
    let chain = views.chain(&registry, ChainId::of_place(restored.place));
    let standing = chain.map_err(anyhow::Error::new)?.standing();
    Ok(standing
        .iter()
        .map(|(entry, _)| entry.signed.clone())
        .collect())
}
