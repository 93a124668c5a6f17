//! `fengqiao verify`: everything a folder says is checked from its journal, without believing its store.

use std::sync::Arc;

use fengqiao_hub::entry::Entry;
use fengqiao_hub::id::ChainId;
use fengqiao_hub::jurisdiction::{Registry, is_by_root_key};

use super::command::Ground;
use super::server::{Failed, resting_folder, say};
use crate::engine::Views;
use crate::engine::chains::Chain;
use crate::journal::{FileJournal, Journal as _, JournalReader, Options};
use crate::node::opening::{me_of, registry_and_views};

/// What was checked.
#[derive(Debug, Default)]
struct Checked {
    records: u64,
    chains: u64,
    entries: u64,
    problems: Vec<String>,
}

/// Checks the journal's checksums and hash chain, then every chain's hashes, custody and signatures.
///
/// # Errors
/// The folder or journal does not open, or something does not verify.
pub fn verify(ground: &Ground) -> Result<(), Failed> {
    let folder = resting_folder(ground)?;
    let opened =
        FileJournal::open(folder.lock(), Options::default()).map_err(anyhow::Error::new)?;
    let scrubbed = opened
        .journal
        .file_reader()
        .verify(&mut |_, _| {})
        .map_err(anyhow::Error::new)?;
    let mut checked = Checked {
        records: scrubbed.records,
        ..Default::default()
    };
    checked.problems.extend(
        scrubbed
            .damages
            .iter()
            .map(|damage| format!("JOURNAL_DAMAGED: {damage}")),
    );
    if checked.problems.is_empty() {
        let me = me_of(&folder);
        let reader: Arc<dyn JournalReader> = opened.journal.reader();
        let (registry, views, _) =
            registry_and_views(folder.path(), &me, &reader).map_err(anyhow::Error::new)?;
        check_chains(&registry, &views, &me.root_key, &mut checked).map_err(anyhow::Error::new)?;
    }
    let object = serde_json::json!({
        "records": checked.records, "chains": checked.chains, "entries": checked.entries,
        "problems": checked.problems,
    });
    let text = format!(
        "{} records, {} chains, {} entries checked; {} problems\n{}",
        checked.records,
        checked.chains,
        checked.entries,
        checked.problems.len(),
        checked.problems.join("\n")
    );
    say(ground.json, &object, text.trim_end());
    if checked.problems.is_empty() {
        return Ok(());
    }
    Err(Failed {
        code: "VERIFY_FAILED".to_owned(),
        english: format!("{} problems found", checked.problems.len()),
        chinese: format!("发现 {} 处问题", checked.problems.len()),
        exit: 1,
    })
}

fn check_chains(
    registry: &Registry,
    views: &Views,
    root_key: &ed25519_dalek::VerifyingKey,
    checked: &mut Checked,
) -> Result<(), crate::engine::EngineError> {
    for id in views.chain_ids()? {
        let chain = views.chain(registry, id)?;
        checked.chains += 1;
        check_chain(registry, id, &chain, root_key, checked);
    }
    Ok(())
}

fn check_chain(
    registry: &Registry,
    id: ChainId,
    chain: &Chain,
    root_key: &ed25519_dalek::VerifyingKey,
    checked: &mut Checked,
) {
    for (hash, (entry, _)) in &chain.entries {
        checked.entries += 1;
        // Read again from its own bytes: hash and body must be those of the envelope as written.
        let again = Entry::from_signed(entry.signed.clone());
        let sound = again.is_ok_and(|again| again.hash == *hash);
        let key = if is_by_root_key(entry) {
            Some(*root_key)
        } else {
            registry.node(entry.author).map(|node| node.signing_key)
        };
        let signed = key.is_some_and(|key| entry.check_signature(&key).is_ok());
        if !sound || !signed {
            checked.problems.push(format!(
                "ENTRY: chain {id} sequence {} {}",
                entry.sequence,
                hash.short()
            ));
        }
    }
}
