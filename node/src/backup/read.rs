//! Reading a backup: what is there, and whether it is what was made.

use std::path::{Path, PathBuf};

use super::copying::{self, Told, failed};
use super::{BackupError, Manifest, Progress};
use crate::audit::{Audited, audit};
use crate::journal::{Beside, Position};

/// A backup found in a folder.
#[derive(Debug)]
pub(crate) struct Listed {
    /// Its name.
    pub name: String,
    /// What it says, if it is sound.
    pub manifest: Result<Manifest, BackupError>,
}

/// All backups in a folder, oldest first; none where the folder is none.
///
/// # Errors
/// The folder does not read. A manifest that does not is listed with its error.
pub(crate) fn list(folder: &Path) -> Result<Vec<Listed>, BackupError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("list", folder)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed("list", folder))?;
        let Ok(file) = entry.file_name().into_string() else {
            continue;
        };
        if let Some(name) = Manifest::name_of(&file) {
            found.push(Listed {
                name: name.to_owned(),
                manifest: read_manifest(&entry.path()),
            });
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

fn read_manifest(path: &Path) -> Result<Manifest, BackupError> {
    let bytes = std::fs::read(path).map_err(failed("read", path))?;
    Manifest::parse(path, &bytes)
}

/// One backup in a folder, its manifest signed by the key it names.
#[derive(Debug)]
pub(crate) struct Backup {
    /// Where it stands.
    pub folder: PathBuf,
    /// What it is made of.
    pub manifest: Manifest,
}

impl Backup {
    /// Opens the backup of that name, or the newest.
    ///
    /// # Errors
    /// `None`, `Unknown`, or why its manifest is refused.
    pub(crate) fn open(folder: &Path, name: Option<&str>) -> Result<Self, BackupError> {
        let mut all = list(folder)?;
        let chosen = match name {
            Some(name) => all.into_iter().find(|listed| listed.name == name),
            None => all.pop(),
        };
        let path = folder.to_owned();
        let chosen = chosen.ok_or_else(|| match name {
            Some(name) => BackupError::Unknown {
                path,
                name: name.to_owned(),
            },
            None => BackupError::None { path },
        })?;
        Ok(Self {
            folder: folder.to_owned(),
            manifest: chosen.manifest?,
        })
    }

    /// Compares every file with the manifest.
    ///
    /// # Errors
    /// `Missing`, `Altered`, `Io`.
    pub(crate) fn check_files(&self, mut progress: Progress<'_>) -> Result<(), BackupError> {
        let mut told = Told {
            done: 0,
            total: self.manifest.bytes(),
            progress: &mut progress,
        };
        for segment in &self.manifest.segments {
            let path = segment.path(&self.folder);
            let hash = copying::pass(&path, segment.bytes, &mut told, &mut |_| Ok(()))?;
            let length = std::fs::metadata(&path)
                .map_err(failed("read", &path))?
                .len();
            if hash.as_ref() != Some(segment.sha256.as_bytes()) || length != segment.bytes {
                return Err(BackupError::Altered {
                    path,
                    what: "its hash is not the one in the manifest".to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Checks everything the journal in it says, and that the node which signed the manifest is the one whose journal it
    /// is. Files are to be compared before.
    ///
    /// # Errors
    /// `Altered`, `Signer`, `Journal`, `Io`; what does not hold in the journal is in the answer.
    pub(crate) fn audit(&self, progress: Progress<'_>) -> Result<Audited, BackupError> {
        let segments = self.manifest.segments.iter();
        let segments = segments.map(|file| (Position(file.first), file.path(&self.folder)));
        let journal = Beside::look_at(segments.collect())?;
        check_seen(&self.manifest, &journal, &self.manifest.path(&self.folder))?;
        let key = self.manifest.root_key.verifying_key();
        let audited = audit(&journal.reader(), key, &|_| None, progress)?;
        check_signer(&self.manifest, &audited)?;
        Ok(audited)
    }
}

/// The journal must be the one that was signed, to its end.
pub(super) fn check_seen(
    manifest: &Manifest,
    journal: &Beside,
    path: &Path,
) -> Result<(), BackupError> {
    let signed = manifest.segments.iter();
    let signed = signed.map(|file| (file.first, file.bytes, *file.sha256.as_bytes()));
    let seen = journal.segments.iter();
    let seen = seen.map(|segment| (segment.first.0, segment.bytes, segment.sha256));
    if !signed.eq(seen) || manifest.end() != journal.end {
        return Err(BackupError::Altered {
            path: path.to_owned(),
            what: "the segments are no whole journal".to_owned(),
        });
    }
    Ok(())
}

/// The registry in the journal must pin the key that signed. A journal without any entry proves nobody.
pub(super) fn check_signer(manifest: &Manifest, audited: &Audited) -> Result<(), BackupError> {
    let pinned = audited.registry.node(manifest.node);
    let same = pinned.is_some_and(|node| {
        node.place == manifest.place && node.signing_key == *manifest.signing_key.verifying_key()
    });
    if same {
        return Ok(());
    }
    Err(BackupError::Signer {
        node: manifest.node.to_string(),
    })
}
