//! `fengqiao verify`: everything a folder says is checked from its journal, without believing its store.

use super::command::Ground;
use super::server::{Failed, bar, resting_folder, say};
use crate::audit::{Audited, Problem, audit};
use crate::journal::{FileJournal, Options};
use crate::keystore::{KeyStoreError, Snapshot};

/// Checks the journal's checksums and hash chain, then every chain's hashes, custody, signatures and commitments, and
/// the key store.
///
/// # Errors
/// The folder or journal does not open, or something does not verify.
pub fn verify(ground: &Ground) -> Result<(), Failed> {
    let folder = resting_folder(ground)?;
    let opened =
        FileJournal::open(folder.lock(), Options::default()).map_err(anyhow::Error::new)?;
    let (keys, broken) = match Snapshot::read(folder.path()) {
        Ok(keys) => (keys, None),
        Err(error) => (Snapshot::empty(), Some(error)),
    };
    let bar = bar();
    let mut audited = audit(
        &opened.journal.file_reader(),
        folder.root.key.verifying_key(),
        &|chain| keys.salt(&chain.0),
        &mut |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        },
    )
    .map_err(anyhow::Error::new)?;
    bar.finish_and_clear();
    if let Some(error) = broken {
        audited.add(of_keys(&error));
    }
    report(&audited, ground)
}

fn of_keys(error: &KeyStoreError) -> Problem {
    Problem {
        code: "KEYS_DAMAGED",
        english: format!("{error}"),
        chinese: "密钥库损坏：请从单独的密钥备份恢复".to_owned(),
    }
}

/// Says what an audit found; anything that does not hold is a failure.
///
/// # Errors
/// `VERIFY_FAILED` where anything does not hold.
pub(crate) fn report(audited: &Audited, ground: &Ground) -> Result<(), Failed> {
    let problems = audited.problems.iter();
    let object = serde_json::json!({
        "records": audited.records, "chains": audited.chains, "entries": audited.entries,
        "parked": audited.parked, "payloads": audited.payloads, "problems_total": audited.problems_total,
        "problems": problems.clone().map(|problem| serde_json::json!({
            "code": problem.code, "message": problem.english, "message_zh": problem.chinese,
        })).collect::<Vec<_>>(),
    });
    let listed: Vec<String> = problems
        .map(|problem| {
            format!(
                "{}: {} / {}",
                problem.code, problem.english, problem.chinese
            )
        })
        .collect();
    let text = format!(
        "{} records, {} chains, {} entries, {} sealed texts checked; {} problems\n{}",
        audited.records,
        audited.chains,
        audited.entries,
        audited.payloads,
        audited.problems_total,
        listed.join("\n")
    );
    say(ground.json, &object, text.trim_end());
    if audited.problems_total == 0 {
        return Ok(());
    }
    Err(Failed {
        code: "VERIFY_FAILED".to_owned(),
        english: format!("{} problems found", audited.problems_total),
        chinese: format!("发现 {} 处问题", audited.problems_total),
        exit: 1,
    })
}
