//! Making a backup of a node that may be running.

use std::path::Path;

use fengqiao_hub::clock::Moment;

use super::case_keys::{self, Passphrase};
use super::copying::{self, Told, failed};
use super::last;
use super::manifest::SegmentFile;
use super::placement::check_placement;
use super::read::list;
use super::{BackupError, Manifest, Progress};
use crate::folder::Glance;
use crate::journal::{Beside, FolderLock, Room, Segment, SystemDisk, disk};
use crate::keystore::Snapshot;
use crate::trust::keys::Fingerprint;
use crate::trust::random::Random;
use crate::trust::seal::{CaseKeyContext, open_case_key};

/// What was made.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    /// The backup.
    pub manifest: Manifest,
    /// Segments that were copied now; the others stood there already.
    pub copied: usize,
    /// Bytes copied.
    pub bytes_copied: u64,
}

/// Copies what the folder `to` lacks of a data folder's journal, and writes a manifest. The node may be running; what it
/// appends meanwhile is the next backup's.
///
/// # Errors
/// A [`BackupError`]; no manifest was written then.
pub(crate) fn create(
    data: &Path,
    to: &Path,
    now: Moment,
    mut progress: Progress<'_>,
) -> Result<Made, BackupError> {
    check_placement(data, to, None)?;
    let glance = Glance::at(data)?;
    let segments = to.join(copying::SEGMENTS);
    disk::make_folder(&SystemDisk, &segments)?;
    let _one_at_a_time = FolderLock::acquire(to)?;
    let made = now.to_rfc3339(0).unwrap_or_default();
    let mut manifest = Manifest::of(&glance, name_of(&made), made);
    let journal = Beside::look(data)?;
    check_neighbours(to, &manifest, &journal)?;
    copying::clear_aside(&segments)?;
    copying::clear_aside(to)?;

    manifest.position = journal.end.0;
    manifest.segments = journal.segments.iter().map(listed).collect();
    if let Some(last) = manifest.segments.last() {
        manifest.chain_hash = last.sha256;
    }
    let wanted: Vec<(&Segment, &SegmentFile)> = journal
        .segments
        .iter()
        .zip(&manifest.segments)
        .filter(|(_, file)| !stands(to, file))
        .collect();
    let total = wanted.iter().map(|(segment, _)| segment.bytes).sum();
    refuse_no_room(to, total)?;
    let mut told = Told {
        done: 0,
        total,
        progress: &mut progress,
    };
    for (segment, file) in &wanted {
        let (from, into) = (&segment.path, file.path(to));
        if !copying::copy(from, &into, segment.bytes, &segment.sha256, &mut told)? {
            return Err(BackupError::SourceDamaged { path: from.clone() });
        }
    }
    disk::sync_folder(&SystemDisk, &segments)?;
    let bytes = manifest
        .sign(&glance.signing)
        .map_err(|error| failed("write", to)(error.into()))?;
    disk::replace(
        &SystemDisk,
        to,
        &format!("{}.manifest", manifest.name),
        &bytes,
    )?;
    // The backup stands, whatever becomes of the note: a folder that cannot be written is backed up all the same.
    if let Err(error) = last::note(data, now) {
        tracing::warn!(%error, "the data folder does not say that it was backed up");
    }
    Ok(Made {
        copied: wanted.len(),
        bytes_copied: total,
        manifest,
    })
}

/// Writes the case keys of a data folder into a file of their own, encrypted; gives how many cases are in it, and how
/// many keys were held in a form that this node cannot open.
///
/// # Errors
/// A [`BackupError`]; nothing was written then.
pub(crate) fn create_keys(
    data: &Path,
    to: &Path,
    passphrase: &Passphrase,
    days: u32,
    now: Moment,
    random: &mut dyn Random,
) -> Result<(usize, usize), BackupError> {
    let glance = Glance::at(data)?;
    let identity = &glance.identity;
    let mut keys = Snapshot::read(data)?;
    let closed = keys.open_sealed(&|case, sealed| {
        let context = CaseKeyContext {
            deployment: identity.deployment,
            case: *case,
            recipient: identity.place,
        };
        let opened = open_case_key(&glance.encryption, &context, sealed).ok()?;
        Some(*opened)
    });
    case_keys::write(to, identity, &keys, passphrase, days, now, random)?;
    Ok((keys.held(), closed))
}

/// `2026-03-01T02:00:00.123Z` as `20260301T020000Z`.
fn name_of(made: &str) -> String {
    let whole = made.split(['.', 'Z', '+']).next().unwrap_or(made);
    format!("{}Z", whole.replace(['-', ':'], ""))
}

fn listed(segment: &Segment) -> SegmentFile {
    SegmentFile {
        first: segment.first.0,
        bytes: segment.bytes,
        sha256: Fingerprint::from_bytes(segment.sha256),
    }
}

fn stands(folder: &Path, file: &SegmentFile) -> bool {
    std::fs::metadata(file.path(folder)).is_ok_and(|found| found.len() == file.bytes)
}

/// One folder for the backups of one place, each at least as far as the one before.
fn check_neighbours(to: &Path, new: &Manifest, journal: &Beside) -> Result<(), BackupError> {
    for manifest in list(to)?
        .into_iter()
        .filter_map(|listed| listed.manifest.ok())
    {
        let same = (manifest.deployment, manifest.place, manifest.unit)
            == (new.deployment, new.place, new.unit);
        if !same {
            return Err(BackupError::OtherPlace {
                path: to.to_owned(),
                held: manifest.place_name,
            });
        }
        if manifest.node == new.node && manifest.end() > journal.end {
            return Err(BackupError::Behind {
                end: journal.end,
                held: manifest.end(),
                name: manifest.name,
            });
        }
    }
    Ok(())
}

fn refuse_no_room(to: &Path, bytes: u64) -> Result<(), BackupError> {
    let room = Room::of(to).map_err(failed("ask for the room at", to))?;
    let room = room.available;
    if room < bytes {
        return Err(BackupError::Disk(format!(
            "the backup needs {bytes} bytes, {} has {room} left",
            to.display()
        )));
    }
    Ok(())
}
