//! `fengqiao verify`: everything a folder says is checked from its journal; its store must say the same.

use std::path::Path;
use std::sync::Arc;

use ed25519_dalek::VerifyingKey;

use super::exit::Exit;
use super::ground::{Failed, Ground, bar, data_of, say};
use crate::audit::{Audited, Problem, audit};
use crate::desk::digest_of;
use crate::folder::{Folder, FolderError, Glance, locking};
use crate::journal::disk::{self, refused_by_the_system};
use crate::journal::{
    Beside, FileJournal, FileReader, FolderLock, JournalError, JournalReader, Options,
};
use crate::keystore::Snapshot;
use crate::node::opening::{me_of, registry_and_views};
use crate::store::{Opening, Settings, Store, StoreError, boot_id, is_believed, open_guarded};
use crate::trust::keys::PublicKey;

/// Cache while the store is compared.
const STORE_CACHE_BYTES: u64 = 4 << 20;

/// Checks the journal's checksums and hash chain, then every chain's hashes, custody, signatures and commitments, the key
/// store, the store against the journal, and the log of texts taken out. Where the file system takes no writes, it reads
/// all the same; only the store, which cannot be opened there, is left out.
///
/// # Errors
/// The folder does not open, or something does not hold.
pub(super) fn verify(ground: &Ground) -> Result<(), Failed> {
    let data = data_of(ground)?;
    match Folder::open(&data) {
        Ok(folder) => {
            let opened = FileJournal::open(folder.lock(), Options::default());
            let reader = opened.map(|opened| opened.journal.file_reader());
            let subject = Subject {
                folder: &data,
                root: folder.root.key.verifying_key(),
                signing: folder.keys.signing.public(),
                resting: Some(&folder),
            };
            subject.verify(reader, ground)
        }
        Err(FolderError::ReadOnly) => {
            let _kept_out = FolderLock::acquire_to_read(&data).map_err(locking)?;
            let glance = Glance::at(&data)?;
            let reader = Beside::look_witnessed(&data).map(|seen| seen.reader());
            let subject = Subject {
                folder: &data,
                root: glance.root.key.verifying_key(),
                signing: glance.signing.public(),
                resting: None,
            };
            subject.verify(reader, ground)
        }
        Err(error) => Err(error.into()),
    }
}

/// What is verified, and by what it is believed.
struct Subject<'a> {
    folder: &'a Path,
    root: &'a VerifyingKey,
    signing: &'a PublicKey,
    /// Where it may be written: the folder, opened.
    resting: Option<&'a Folder>,
}

impl Subject<'_> {
    fn verify(
        &self,
        journal: Result<Arc<FileReader>, JournalError>,
        ground: &Ground,
    ) -> Result<(), Failed> {
        let mut found = Found::default();
        let keys = Snapshot::read(self.folder).unwrap_or_else(|error| {
            match refused_by_the_system(&error) {
                Some(refused) => found.unread(refused),
                None => found.add("KEYS_DAMAGED", &error, KEYS_ZH),
            }
            Snapshot::empty()
        });
        let bar = bar();
        let reader = journal.or_else(|error| {
            match refused_by_the_system(&error) {
                Some(refused) => found.unread(refused),
                None => found.journal(&error),
            }
            // What cannot be opened to go on may still be read as far as it is whole.
            Beside::look(self.folder).map(|seen| seen.reader())
        });
        let reader = reader.ok();
        let mut audited = match &reader {
            Some(reader) => audit(
                reader,
                self.root,
                &|chain| keys.salt(&chain.0),
                &mut |done, total| {
                    bar.set_length(total);
                    bar.set_position(done);
                },
            )
            .map_err(anyhow::Error::new)?,
            None => Audited::default(),
        };
        bar.finish_and_clear();
        let sound = found.0.is_empty() && audited.problems.is_empty();
        if let (Some(reader), Some(folder), true) = (&reader, self.resting, sound) {
            found.store(folder, reader);
        }
        if let Err(error) = crate::export::access::check(self.folder, self.signing) {
            found.add(
                "ACCESSES_ALTERED",
                &error,
                "取出正文的记录（accesses.jsonl）被改动",
            );
        }
        found.0.into_iter().for_each(|problem| audited.add(problem));
        report(&audited, ground)
    }
}

const KEYS_ZH: &str = "密钥库损坏：请从单独的密钥备份恢复";
const JOURNAL_ZH: &str = "日志损坏，或被换成了旧副本：请将备份恢复到新目录并执行 recover";
const STORE_ZH: &str = "视图与日志不一致：停机后删除 store 目录，下次启动时由日志重建";

/// Problems beside those of the audit.
#[derive(Default)]
struct Found(Vec<Problem>);

impl Found {
    fn add(&mut self, code: &'static str, english: &dyn std::fmt::Display, chinese: &str) {
        self.0.push(Problem {
            code,
            english: english.to_string(),
            chinese: chinese.to_owned(),
        });
    }

    /// Nothing was read, so nothing is said of the bytes.
    fn unread(&mut self, refused: &std::io::Error) {
        self.add("UNREAD", refused, &disk::chinese(refused));
    }

    fn journal(&mut self, error: &JournalError) {
        let mend = "restore a backup into a new folder and `fengqiao recover` it";
        self.add("JOURNAL", &format!("{error}; mend: {mend}"), JOURNAL_ZH);
    }

    /// A store that would be believed at the next start has to say what the journal says.
    fn store(&mut self, folder: &Folder, reader: &Arc<FileReader>) {
        let differs = match compare(folder, reader) {
            Ok(differs) => differs,
            Err(error) => Some(format!("{error:#}")),
        };
        if let Some(what) = differs {
            let mend =
                "delete the folder `store`: it is rebuilt from the journal at the next start";
            self.add("STORE", &format!("{what}; mend: {mend}"), STORE_ZH);
        }
    }
}

/// What differs between store and journal by digest; `None` where nothing does, or where there is nothing to compare: no
/// store, one that the next start rebuilds, or one that it first brings up to the journal.
fn compare(folder: &Folder, reader: &Arc<FileReader>) -> anyhow::Result<Option<String>> {
    let path = folder.path().join("store");
    let boot_id = boot_id().unwrap_or_default();
    if is_believed(&path, &boot_id)? != Some(true) {
        return Ok(None);
    }
    let store = open(&path, boot_id)?;
    let end = reader.end();
    if store.applied()? > end.0 {
        return Ok(Some("the store is ahead of the journal".to_owned()));
    }
    if store.applied()? < end.0 {
        return Ok(None);
    }
    let me = me_of(folder);
    let reader: Arc<dyn JournalReader> = Arc::clone(reader) as Arc<dyn JournalReader>;
    let (registry, views, records) = registry_and_views(folder.path(), &me, &reader)?;
    let said = digest_of(&me.at, &registry, &views, records)?;
    let kept = digest_of(&me.at, &registry, &views.over(store), records)?;
    let same = said.cases == kept.cases && said.links == kept.links && said.heads == kept.heads;
    Ok((!same).then(|| "the store does not say what the journal says".to_owned()))
}

fn open(path: &Path, boot_id: String) -> Result<Arc<dyn Store>, StoreError> {
    let settings = Settings {
        cache_bytes: STORE_CACHE_BYTES,
    };
    let opening = Opening { unix_s: 0, boot_id };
    Ok(Arc::new(open_guarded(path, settings, &opening)?.store))
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
            "code": problem.code, "english": problem.english, "chinese": problem.chinese,
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
        exit: Exit::Refused.code(),
    })
}
