//! Making a data folder: aside first, then in place by one rename.
//!
//! A folder that was restored gets its identity where it stands: `identity.json` is written last, and without it a folder
//! is none. What an interrupted recovery left is cleared away; the journal and the key store never are.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use fengqiao_hub::id::{NodeId, StoreId};
use fengqiao_proto::v1 as pb;
use prost::Message as _;
use serde::{Deserialize, Serialize};

use super::error::{FolderError, key_error, locking, locking_or};
use super::files::{
    AUTHORITY_CHAIN, AUTHORITY_KEY, CHAIN, ENCRYPTION_KEY, GENESIS, IDENTITY, KEPT,
    KEPT_AUTHORITY_KEY, KEPT_ENCRYPTION_KEY, KEPT_SIGNING_KEY, KEPT_TRANSPORT_KEY, OLDER_COPY,
    PURPOSE, REGISTRY, ROOM, ROOT, ROOT_KEY, RULEBOOK, SIGNING_KEY, TRANSPORT_KEY, put, read,
};
use super::identity::{Identity, Restored};
use super::written::{of_json, to_json};
use super::{Folder, NodeKeys, Root, key, write_identity};
use crate::config::{SOCKET_NAME, SOCKET_PATH_BYTES_MAX};
use crate::journal::{
    Beside, FileJournal, FolderLock, JournalError, Options, Reserve, SystemDisk, disk,
};
use crate::trust::authority::Chain;
use crate::trust::keys::{EncryptionKey, Fingerprint};
use crate::trust::{Authority, AuthorityKey, SigningKey, TransportKey};

/// What a making writes at the top of a folder, besides who the node is.
const MADE: [&str; 7] = [
    "private", "trust", "root", GENESIS, REGISTRY, RULEBOOK, OLDER_COPY,
];

/// Everything a new folder holds.
#[derive(Debug)]
pub struct NewFolder<'a> {
    /// Who the node is.
    pub identity: &'a Identity,
    /// Its keys.
    pub keys: &'a NodeKeys,
    /// Its certificate up to the root.
    pub chain: &'a Chain,
    /// Its issuing authority, if it enrols others.
    pub authority: Option<&'a Authority>,
    /// The root it believes.
    pub root: &'a Root,
    /// The root's authority, where the deployment is made here.
    pub root_authority: Option<&'a Authority>,
    /// What the engine is to store first: the genesis alone where the
    /// deployment is made here, else the registry as it was handed over.
    pub first_entries: &'a [pb::SignedEntry],
    /// The rules that the node is to issue at its first run, where the deployment is made here.
    pub rulebook: &'a [pb::BundleFile],
}

/// Room that is taken before an invitation is used, for what its answer brings.
const ROOM_BYTES: u64 = 8 << 20;

/// What the keys that are kept while an answer is waited for were made for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Purpose {
    /// The invitation, or a word for what needs none.
    pub by: String,
    /// The store of the folder to be.
    pub store: StoreId,
    /// The node to be, where it is drawn here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
}

/// Keys that an interrupted making had drawn, and may have been granted something for.
#[derive(Debug)]
pub struct Kept {
    /// What they are for.
    pub purpose: Purpose,
    /// The node's.
    pub keys: NodeKeys,
    /// Its authority's, where it asks to enrol others.
    pub authority: Option<AuthorityKey>,
}

/// A folder that is being made; gone when dropped unfinished, unless what was asked for may have been granted.
#[derive(Debug)]
pub struct Making {
    path: PathBuf,
    parent: PathBuf,
    /// Where it is written; the very path when a restored folder gets its identity.
    aside: PathBuf,
    restored: Option<Restored>,
    /// The folder has an identity until the new one is granted.
    stands: bool,
    /// Whether the keys stay when it is dropped.
    may_be_granted: bool,
    lock: Option<FolderLock>,
}

impl Folder {
    /// Makes a folder where nothing is, and opens it.
    ///
    /// # Errors
    /// A [`FolderError`]; nothing is left then.
    pub fn create(path: &Path, new: &NewFolder<'_>) -> Result<Self, FolderError> {
        Making::begin(path)?.finish(new)
    }
}

impl Making {
    /// Makes room beside `path`, where nothing or an empty folder may stand.
    ///
    /// What an interrupted making left there is cleared away.
    ///
    /// # Errors
    /// [`FolderError::Exists`], [`FolderError::InUse`] where another process is
    /// making the same, [`FolderError::Name`], [`FolderError::PathTooLong`], or
    /// the disk refused.
    pub fn begin(path: &Path) -> Result<Self, FolderError> {
        refuse_long(path)?;
        let name = path.file_name().ok_or_else(|| FolderError::Name {
            path: path.to_owned(),
        })?;
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            Some(_) | None => Path::new("."),
        };
        refuse_present(path)?;
        let aside = parent.join(format!(".{}{}", name.to_string_lossy(), disk::ASIDE));
        let lock = FolderLock::acquire(&aside).map_err(locking)?;
        let making = Self {
            path: path.to_owned(),
            parent: parent.to_owned(),
            aside,
            restored: None,
            stands: false,
            may_be_granted: false,
            lock: Some(lock),
        };
        making.take_keys_back()?;
        making.clear()?;
        Ok(making)
    }

    /// Makes room in a folder that was put back from a backup, or that is an older copy of itself and has an identity
    /// that must not write any more; where nothing stands, as [`Making::begin`].
    ///
    /// # Errors
    /// As [`Making::begin`] and [`Folder::open`]; [`FolderError::Damaged`], [`FolderError::Newer`] for what says where
    /// it comes from.
    pub fn begin_recovery(path: &Path) -> Result<Self, FolderError> {
        let (restored, stands) = match Restored::read(path)? {
            Some(restored) if !path.join(IDENTITY).exists() => (restored, false),
            _ if path.join(IDENTITY).exists() => (restored_of(&Folder::open(path)?)?, true),
            _ => return Self::begin(path),
        };
        let lock = FolderLock::acquire(path).map_err(locking)?;
        let making = Self {
            path: path.to_owned(),
            parent: path.to_owned(),
            aside: path.to_owned(),
            restored: Some(restored),
            stands,
            may_be_granted: false,
            lock: Some(lock),
        };
        if !stands {
            making.take_keys_back()?;
            making.clear()?;
        }
        Ok(making)
    }

    /// Keys that an interrupted making for the same purpose had drawn; others are forgotten.
    ///
    /// # Errors
    /// A [`FolderError`] for what stands there and does not read.
    pub fn kept(&self, by: &str) -> Result<Option<Kept>, FolderError> {
        let at = self.aside.join(KEPT);
        if !at.join(PURPOSE).exists() {
            return Ok(None);
        }
        let purpose: Purpose = of_json(PURPOSE, &read(&at, PURPOSE)?)?;
        if purpose.by != by {
            disk::remove_folder(&SystemDisk, &at)?;
            return Ok(None);
        }
        let authority = at.join(KEPT_AUTHORITY_KEY);
        let authority = authority
            .exists()
            .then(|| AuthorityKey::load(&authority))
            .transpose()
            .map_err(|error| key_error(AUTHORITY_KEY, error))?;
        Ok(Some(Kept {
            purpose,
            keys: NodeKeys {
                signing: key(&at, KEPT_SIGNING_KEY, SigningKey::load)?,
                transport: key(&at, KEPT_TRANSPORT_KEY, TransportKey::load)?,
                encryption: key(&at, KEPT_ENCRYPTION_KEY, EncryptionKey::load)?,
            },
            authority,
        }))
    }

    /// Keeps keys, and takes room for the answer, before anything is asked that cannot be taken back: where it is cut
    /// from here on, the same command goes on with the same keys.
    ///
    /// # Errors
    /// The disk refused, or has no room; nothing was asked then.
    pub fn keep(&mut self, kept: &Kept) -> Result<(), FolderError> {
        let at = self.aside.join(KEPT);
        disk::remove_folder(&SystemDisk, &at)?;
        disk::make_folder(&SystemDisk, &at)?;
        save(&at, KEPT_SIGNING_KEY, |path| kept.keys.signing.save(path))?;
        save(&at, KEPT_TRANSPORT_KEY, |path| {
            kept.keys.transport.save(path)
        })?;
        save(&at, KEPT_ENCRYPTION_KEY, |path| {
            kept.keys.encryption.save(path)
        })?;
        if let Some(authority) = &kept.authority {
            save(&at, KEPT_AUTHORITY_KEY, |path| authority.save(path))?;
        }
        put(&at, PURPOSE, &to_json(PURPOSE, &kept.purpose)?)?;
        disk::sync_folder(&SystemDisk, &self.aside)?;
        self.take_room()
    }

    /// Takes room for what the answer brings.
    ///
    /// # Errors
    /// The disk refused, or has no room.
    pub fn take_room(&mut self) -> Result<(), FolderError> {
        Reserve::hold(&self.aside.join(ROOM), ROOM_BYTES)
            .map_err(|error| locking_or(error, ROOM))?;
        Ok(())
    }

    /// No authority is asked for any more.
    ///
    /// # Errors
    /// The disk refused.
    pub fn keep_no_authority(&mut self) -> Result<(), FolderError> {
        let at = self.aside.join(KEPT);
        disk::remove_file(&SystemDisk, &at.join(KEPT_AUTHORITY_KEY))?;
        Ok(disk::sync_folder(&SystemDisk, &at)?)
    }

    /// Whether what is asked for may have been granted: then the keys stay where this ends without an answer.
    pub const fn may_be_granted(&mut self, so: bool) {
        self.may_be_granted = so;
    }

    /// A making that was cut after its keys were in place and before the folder had an identity has them aside again.
    fn take_keys_back(&self) -> Result<(), FolderError> {
        let (placed, at) = (self.aside.join("private"), self.aside.join(KEPT));
        if placed.join(PURPOSE).exists() && !at.join(PURPOSE).exists() {
            disk::remove_folder(&SystemDisk, &at)?;
            disk::rename(&SystemDisk, &placed, &at)?;
            disk::sync_folder(&SystemDisk, &self.aside)?;
        }
        Ok(())
    }

    /// Puts the keys in place: those given, which may be the ones that were kept. What an attempt at something else has
    /// kept is gone then.
    fn place_keys(&self, new: &NewFolder<'_>) -> Result<(), FolderError> {
        let at = self.aside.join(KEPT);
        if !at.join(PURPOSE).exists() {
            return self.write_keys(new);
        }
        let kept = key(&at, KEPT_TRANSPORT_KEY, TransportKey::load)?;
        if kept.public() != new.keys.transport.public() {
            disk::remove_folder(&SystemDisk, &at)?;
            disk::remove_folder(&SystemDisk, &self.aside.join("private"))?;
            return self.write_keys(new);
        }
        if new.authority.is_none() {
            disk::remove_file(&SystemDisk, &at.join(KEPT_AUTHORITY_KEY))?;
        } else if !at.join(KEPT_AUTHORITY_KEY).exists()
            && let Some(authority) = new.authority
        {
            save(&at, KEPT_AUTHORITY_KEY, |path| authority.key().save(path))?;
        }
        disk::remove_folder(&SystemDisk, &self.aside.join("private"))?;
        disk::rename(&SystemDisk, &at, &self.aside.join("private"))?;
        Ok(disk::sync_folder(&SystemDisk, &self.aside)?)
    }

    /// Takes the identity from a folder that has one: from here on it is nobody, as if put back from a backup.
    fn give_up_identity(&mut self) -> Result<(), FolderError> {
        let Some(restored) = self.restored.as_ref().filter(|_| self.stands) else {
            return Ok(());
        };
        restored.write(&self.path)?;
        disk::remove_file(&SystemDisk, &self.path.join(IDENTITY))?;
        disk::sync_folder(&SystemDisk, &self.path)?;
        self.stands = false;
        self.clear()
    }

    /// What was restored here, when something was.
    pub fn restored(&self) -> Option<&Restored> {
        self.restored.as_ref()
    }

    /// Writes everything, puts it in place and opens it.
    ///
    /// # Errors
    /// A [`FolderError`]; nothing is left then.
    pub fn finish(mut self, new: &NewFolder<'_>) -> Result<Folder, FolderError> {
        disk::remove_file(&SystemDisk, &self.aside.join(ROOM))?;
        self.give_up_identity()?;
        self.write_trust(new)?;
        self.write_first_entries(new)?;
        if self.restored.is_some() {
            self.go_on_as(new.identity)?;
            self.place_keys(new)?;
            write_identity(&self.path, new.identity)?;
            self.lock = None;
            Restored::remove(&self.path)?;
        } else {
            self.place_keys(new)?;
            write_identity(&self.aside, new.identity)?;
            self.put_in_place()?;
        }
        // With an identity beside it, it says nothing any more.
        disk::remove_file(&SystemDisk, &self.path.join("private").join(PURPOSE))?;
        Folder::open(&self.path)
    }

    /// Where it is being made, for what is to be in it before it is finished.
    pub fn aside(&self) -> &Path {
        &self.aside
    }

    /// Puts a folder in place that is nobody yet, with what was written aside.
    ///
    /// # Errors
    /// A [`FolderError`]; nothing is left then.
    pub fn finish_restored(mut self, restored: &Restored) -> Result<(), FolderError> {
        restored.write(&self.aside)?;
        self.put_in_place()
    }

    fn put_in_place(&mut self) -> Result<(), FolderError> {
        refuse_present(&self.path)?;
        disk::rename(&SystemDisk, &self.aside, &self.path)?;
        // In place: from here on there is nothing to clear away, and the lock
        // is taken anew under the folder's own name.
        self.lock = None;
        Ok(disk::sync_folder(&SystemDisk, &self.parent)?)
    }

    /// The journal goes on in a new life: another store, a higher incarnation.
    fn go_on_as(&self, identity: &Identity) -> Result<(), FolderError> {
        let Some(lock) = &self.lock else {
            return Ok(());
        };
        match FileJournal::recover(lock, identity.journal(), Options::default()) {
            // It never ran: its first start begins a journal.
            Ok(_) | Err(JournalError::Absent) => Ok(()),
            Err(error) => Err(locking_or(error, "journal")),
        }
    }

    fn write_keys(&self, new: &NewFolder<'_>) -> Result<(), FolderError> {
        let aside = &self.aside;
        disk::make_folder(&SystemDisk, &aside.join("private"))?;
        save(aside, SIGNING_KEY, |path| new.keys.signing.save(path))?;
        save(aside, TRANSPORT_KEY, |path| new.keys.transport.save(path))?;
        save(aside, ENCRYPTION_KEY, |path| new.keys.encryption.save(path))?;
        if let Some(authority) = new.authority {
            save(aside, AUTHORITY_KEY, |path| authority.key().save(path))?;
        }
        if let Some(root) = new.root_authority {
            disk::make_folder(&SystemDisk, &aside.join("root"))?;
            save(aside, ROOT_KEY, |path| root.key().save(path))?;
        }
        Ok(())
    }

    fn write_trust(&self, new: &NewFolder<'_>) -> Result<(), FolderError> {
        disk::make_folder(&SystemDisk, &self.aside.join("trust"))?;
        put(&self.aside, CHAIN, new.chain.to_pem().as_bytes())?;
        put(&self.aside, ROOT, new.root.chain().to_pem().as_bytes())?;
        if let Some(authority) = new.authority {
            let pem = authority.chain().to_pem();
            put(&self.aside, AUTHORITY_CHAIN, pem.as_bytes())?;
        }
        Ok(())
    }

    fn write_first_entries(&self, new: &NewFolder<'_>) -> Result<(), FolderError> {
        if !new.rulebook.is_empty() {
            let files = pb::BundleFiles {
                files: new.rulebook.to_vec(),
            };
            put(&self.aside, RULEBOOK, &files.encode_to_vec())?;
        }
        if let (Some(_), [genesis]) = (new.root_authority, new.first_entries) {
            put(&self.aside, GENESIS, &genesis.encode_to_vec())?;
            return Ok(());
        }
        let mut bytes = Vec::new();
        for entry in new.first_entries {
            bytes.extend_from_slice(&entry.encode_length_delimited_to_vec());
        }
        put(&self.aside, REGISTRY, &bytes)?;
        Ok(())
    }

    /// Removes what an interrupted making left, all but the lock that is held and what was restored.
    fn clear(&self) -> Result<(), FolderError> {
        let failed = |error| FolderError::from(disk::failed("clear a half-made folder")(error));
        for entry in fs::read_dir(&self.aside).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let made = || name.to_str().is_some_and(|name| MADE.contains(&name));
            let room = name.to_str() == Some(ROOM);
            let stays = name == "lock" || name == KEPT || self.restored.is_some() && !made();
            if stays && !room {
                continue;
            }
            if entry.file_type().map_err(failed)?.is_dir() {
                disk::remove_folder(&SystemDisk, &entry.path())?;
            } else {
                disk::remove_file(&SystemDisk, &entry.path())?;
            }
        }
        Ok(())
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        if self.lock.is_none() {
            return;
        }
        let room = disk::remove_file(&SystemDisk, &self.aside.join(ROOM));
        let kept = || {
            let at = self.aside.join(KEPT);
            self.may_be_granted || disk::remove_folder(&SystemDisk, &at).is_ok()
        };
        let cleared = match self.restored {
            Some(_) => (self.stands || self.clear().is_ok()) && kept(),
            None if self.may_be_granted => self.clear().is_ok(),
            None => disk::remove_folder(&SystemDisk, &self.aside).is_ok(),
        };
        let cleared = cleared && room.is_ok();
        if !cleared {
            tracing::warn!(folder = %self.aside.display(), "a half-made folder could not be removed");
        }
    }
}

fn save(
    folder: &Path,
    file: &'static str,
    write: impl FnOnce(&Path) -> Result<(), crate::trust::keys::KeyFileError>,
) -> Result<(), FolderError> {
    write(&folder.join(file)).map_err(|error| key_error(file, error))
}

/// Where the node's socket would have too long a path, it could be made and never run.
fn refuse_long(path: &Path) -> Result<(), FolderError> {
    let whole = std::path::absolute(path)
        .map_err(disk::at(path))
        .map_err(disk::failed("find the folder"))?;
    let bytes = whole.join(SOCKET_NAME).as_os_str().len();
    if bytes > SOCKET_PATH_BYTES_MAX {
        let path = path.to_owned();
        return Err(FolderError::PathTooLong { path, bytes });
    }
    Ok(())
}

/// Nothing, or an empty folder, may stand where a new one is to be.
fn refuse_present(path: &Path) -> Result<(), FolderError> {
    let exists = || FolderError::Exists {
        path: path.to_owned(),
    };
    match fs::read_dir(path) {
        Ok(mut entries) => entries.next().map_or(Ok(()), |_| Err(exists())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => Err(exists()),
        Err(error) => Err(disk::failed("look for a folder")(disk::at(path)(error)).into()),
    }
}

/// What a folder with an identity would say, were it a backup of itself: an older copy that was put back.
///
/// # Errors
/// [`FolderError::Damaged`] where the journal does not read.
fn restored_of(folder: &Folder) -> Result<Restored, FolderError> {
    let identity = &folder.identity;
    let (position, last) = match Beside::look(folder.path()) {
        Ok(journal) => {
            let last = journal.segments.last().map(|segment| segment.sha256);
            (journal.end.0, last)
        }
        // It never ran.
        Err(JournalError::Absent) => (0, None),
        Err(error) => return Err(locking_or(error, "journal")),
    };
    Ok(Restored {
        deployment: identity.deployment,
        place: identity.place,
        place_name: identity.place_name.clone(),
        level: identity.level,
        unit: identity.unit,
        node: identity.node,
        root: folder.root.fingerprint(),
        backup_made: String::new(),
        position,
        chain_hash: Fingerprint::from_bytes(last.unwrap_or([0; 32])),
        keys: true,
        enrol_address: identity
            .parent
            .as_ref()
            .map(|parent| parent.enrol_address.clone()),
    })
}
