//! Putting a backup back where nothing is. The folder made is nobody: it waits for `recover`.

use std::path::Path;

use fengqiao_hub::clock::Moment;

use super::case_keys::{CaseKeys, Passphrase};
use super::copying::{self, Told};
use super::read::{check_seen, check_signer};
use super::{Backup, BackupError, Manifest, Progress};
use crate::audit::{Audited, audit};
use crate::folder::{Making, Restored};
use crate::journal::{Beside, SystemDisk, disk};
use crate::keystore::Snapshot;
use crate::trust::keys::Fingerprint;

/// What is to be put back.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    /// Folder of backups.
    pub from: &'a Path,
    /// Name of the backup; the newest unless given.
    pub name: Option<&'a str>,
    /// File of case keys, and what opens it.
    pub keys: Option<(&'a Path, &'a Passphrase)>,
    /// The root key that the deployment is known by, where it is known.
    pub root: Option<Fingerprint>,
    /// Now.
    pub now: Moment,
}

/// Writes journal, key store and `restored.json` into a folder where nothing may stand, once everything has proven to be
/// what was backed up.
///
/// # Errors
/// A [`BackupError`]; nothing is left in the folder then.
pub(crate) fn restore(
    wanted: &Wanted<'_>,
    to: &Path,
    mut progress: Progress<'_>,
) -> Result<Restored, BackupError> {
    let backup = Backup::open(wanted.from, wanted.name)?;
    let manifest = &backup.manifest;
    let root = manifest.root_key.fingerprint();
    if let Some(known) = wanted.root.filter(|known| *known != root) {
        return Err(BackupError::OtherRoot {
            found: root.to_string(),
            wanted: known.to_string(),
        });
    }
    let keys = match wanted.keys {
        Some((path, passphrase)) => {
            Some(CaseKeys::read(path)?.open(passphrase, manifest, wanted.now)?)
        }
        None => None,
    };
    let making = Making::begin(to)?;
    copy_segments(&backup, making.aside(), &mut progress)?;
    let audited = check(&backup, making.aside(), keys.as_ref(), progress)?;
    if let Some(first) = audited.problems.first() {
        return Err(BackupError::Unsound {
            problems: audited.problems_total,
            first: first.english.clone(),
        });
    }
    check_signer(manifest, &audited)?;
    let restored = restored(manifest, root, keys.is_some());
    keys.unwrap_or_else(Snapshot::empty).write(making.aside())?;
    making.finish_restored(&restored)?;
    Ok(restored)
}

fn restored(manifest: &Manifest, root: Fingerprint, keys: bool) -> Restored {
    Restored {
        deployment: manifest.deployment,
        place: manifest.place,
        place_name: manifest.place_name.clone(),
        level: manifest.level,
        unit: manifest.unit,
        node: manifest.node,
        root,
        backup_made: manifest.made.clone(),
        position: manifest.position,
        chain_hash: manifest.chain_hash,
        keys,
        enrol_address: manifest.enrol_address.clone(),
    }
}

fn copy_segments(
    backup: &Backup,
    aside: &Path,
    progress: &mut Progress<'_>,
) -> Result<(), BackupError> {
    let journal = aside.join("journal");
    disk::make_folder(&SystemDisk, &journal)?;
    let mut told = Told {
        done: 0,
        total: backup.manifest.bytes(),
        progress,
    };
    for segment in &backup.manifest.segments {
        let from = segment.path(&backup.folder);
        let into = journal.join(format!("{:020}.segment", segment.first));
        let length = std::fs::metadata(&from).map_or(0, |found| found.len());
        let hash = segment.sha256.as_bytes();
        if !copying::copy(&from, &into, segment.bytes, hash, &mut told)? || length != segment.bytes
        {
            return Err(BackupError::Altered {
                path: from,
                what: "its hash is not the one in the manifest".to_owned(),
            });
        }
    }
    Ok(disk::sync_folder(&SystemDisk, &journal)?)
}

fn check(
    backup: &Backup,
    aside: &Path,
    keys: Option<&Snapshot>,
    progress: Progress<'_>,
) -> Result<Audited, BackupError> {
    let manifest = &backup.manifest;
    let journal = Beside::look(aside)?;
    check_seen(manifest, &journal, &manifest.path(&backup.folder))?;
    let salts = |chain: &fengqiao_hub::id::ChainId| keys.and_then(|keys| keys.salt(&chain.0));
    let root = manifest.root_key.verifying_key();
    Ok(audit(&journal.reader(), root, &salts, progress)?)
}
