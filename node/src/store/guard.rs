//! Opens a sled file that may be in any state, without ever losing what can be believed.
//!
//! A store that cannot be believed is moved into `quarantine/` and replaced by an empty one, which
//! its owner fills from the journal. A machine without space, rights or file handles is an error
//! and moves nothing. The journal is never looked at here: whoever replays also refuses a store
//! that is ahead of its journal.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use super::StoreError;
use super::engine::{Engine, OpenFailure};
use super::marker::{Marker, Places, Positions, State, files, sync_folder};
use super::rows;
use super::shared::{Settings, SharedSled, SledStore, is_complete, positions, sync_files};

/// The thread on which sled is opened: a panic there is expected and answered, and a panic hook
/// that ends the process should let it pass.
pub const OPENING_THREAD_NAME: &str = "store-opening";
/// How many stores set aside are kept; older ones are deleted, for they fill small disks.
pub const QUARANTINE_KEPT_MAX: usize = 2;

const QUARANTINE_NUMBER_MAX: u32 = 1000;

/// What the world says at the moment of opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Wall time in seconds since 1970, for the name of a folder set aside.
    pub unix_s: u64,
    /// The id of this boot, from [`super::boot_id`]; empty if unknown: then only a clean store is
    /// believed.
    pub boot_id: String,
}

/// A store that is open, and what had to be set aside for it.
#[derive(Debug)]
pub struct Opened<S> {
    /// The store: what was there, or empty if something was set aside or nothing was there.
    pub store: S,
    /// What was set aside, if anything.
    pub quarantined: Option<Quarantined>,
}

impl<S> Opened<S> {
    /// Whether what was there before can be believed. If not, the store is empty and its owner
    /// rebuilds it from the journal, and says so.
    #[must_use]
    pub fn trusted(&self) -> bool {
        self.quarantined.is_none()
    }
}

/// A store set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// The folder it was moved to.
    pub folder: PathBuf,
    /// Why.
    pub reason: Reason,
}

/// Why a store is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// It was open when the machine, not only the process, stopped: unsynced writes may be missing.
    #[error("the machine stopped while it was open")]
    MachineStopped,
    /// There is no readable marker beside it.
    #[error("nothing says in which state it was left")]
    NoMarker,
    /// sled found it damaged.
    #[error("it does not open: {0}")]
    DoesNotOpen(String),
    /// sled panicked over it.
    #[error("opening it panicked")]
    Panicked,
    /// It has another layout.
    #[error("it has another format")]
    OtherFormat,
    /// A row that every open reads could not be read.
    #[error("it opens but does not read: {0}")]
    DoesNotRead(String),
    /// Rows are missing, or are not the newest.
    #[error("its rows are not those that were written last")]
    Incomplete,
    /// It is behind, or after a clean close not at, the positions its marker remembers.
    #[error("it has rolled back")]
    RolledBack,
}

/// Opens the store of one node in a folder of its own.
///
/// # Errors
/// [`StoreError::InUse`]; the files could not be read, written or moved. Nothing is lost then.
pub fn open_guarded(
    folder: &Path,
    settings: Settings,
    opening: &Opening,
) -> Result<Opened<SledStore>, StoreError> {
    let Opened { store, quarantined } = SledStore::open_shared(folder, settings, opening)?;
    let store = store.node(b"")?;
    Ok(Opened { store, quarantined })
}

impl SledStore {
    /// Opens a folder that the nodes of one process share.
    ///
    /// # Errors
    /// As [`open_guarded`].
    pub fn open_shared(
        folder: &Path,
        settings: Settings,
        opening: &Opening,
    ) -> Result<Opened<SharedSled>, StoreError> {
        fs::create_dir_all(folder).map_err(|error| files("create", folder, error))?;
        let places = Places {
            root: folder.to_owned(),
        };
        let lock = take_lock(&places)?;
        remove_unfinished(&places.building())?;
        let (engine, quarantined) = match try_existing(&places, settings, opening)? {
            Existing::None => (create(&places, settings, opening)?, None),
            Existing::Believed(engine) => (engine, None),
            Existing::InDoubt(reason) => {
                let folder = set_aside(&places, opening.unix_s)?;
                let engine = create(&places, settings, opening)?;
                (engine, Some(Quarantined { folder, reason }))
            }
        };
        let store = SharedSled::new(engine, places, opening.boot_id.clone(), lock);
        Ok(Opened { store, quarantined })
    }
}

impl Places {
    fn building(&self) -> PathBuf {
        self.root.join("sled.new")
    }
}

/// What stands in the folder.
enum Existing {
    None,
    Believed(Engine),
    InDoubt(Reason),
}

fn try_existing(
    places: &Places,
    settings: Settings,
    opening: &Opening,
) -> Result<Existing, StoreError> {
    if !exists(&places.sled())? {
        return Ok(Existing::None);
    }
    let Some(marker) = Marker::read(&places.marker())? else {
        return Ok(Existing::InDoubt(Reason::NoMarker));
    };
    if !marker.holds_under(&opening.boot_id) {
        return Ok(Existing::InDoubt(Reason::MachineStopped));
    }
    // Opening writes already, so the clean mark goes first.
    mark_open(places, opening, marker.positions.clone())?;
    remove_half_snapshots(&places.sled())?;
    Ok(match open_on_own_thread(&places.sled(), settings)? {
        Ok(engine) => match examine(&engine, &marker) {
            Ok(()) => Existing::Believed(engine),
            Err(reason) => Existing::InDoubt(reason),
        },
        Err(reason) => Existing::InDoubt(reason),
    })
}

/// The outer error is the machine's, the inner reason the file's.
fn open_on_own_thread(
    folder: &Path,
    settings: Settings,
) -> Result<Result<Engine, Reason>, StoreError> {
    let path = folder.to_owned();
    let opener = thread::Builder::new()
        .name(OPENING_THREAD_NAME.to_owned())
        .spawn(move || Engine::open(&path, settings.cache_bytes))
        .map_err(|error| files("start a thread to open", folder, error))?;
    match opener.join() {
        Ok(Ok(engine)) => Ok(Ok(engine)),
        Ok(Err(OpenFailure::Contents(why))) => Ok(Err(Reason::DoesNotOpen(why))),
        Ok(Err(OpenFailure::Machine(error))) => Err(StoreError::Engine {
            action: "open its files",
            source: Box::new(error),
        }),
        Err(_panic) => Ok(Err(Reason::Panicked)),
    }
}

fn examine(engine: &Engine, marker: &Marker) -> Result<(), Reason> {
    let unreadable = |error: StoreError| Reason::DoesNotRead(error.to_string());
    let format = engine.get(rows::FORMAT_KEY).map_err(unreadable)?;
    if format.as_deref() != Some(rows::FORMAT) {
        return Err(Reason::OtherFormat);
    }
    if !marker.agrees_with(&positions(engine).map_err(unreadable)?) {
        return Err(Reason::RolledBack);
    }
    if !is_complete(engine).map_err(unreadable)? {
        return Err(Reason::Incomplete);
    }
    Ok(())
}

/// Builds an empty store aside, synced, and gives it its name: a cut leaves either none or a whole
/// one.
fn create(places: &Places, settings: Settings, opening: &Opening) -> Result<Engine, StoreError> {
    let building = places.building();
    let engine = open_fresh(&building, settings)?;
    engine.apply(vec![(
        rows::FORMAT_KEY.to_vec(),
        Some(rows::FORMAT.to_vec()),
    )])?;
    engine.flush()?;
    drop(engine);
    sync_files(&building)?;
    mark_open(places, opening, Positions::new())?;
    fs::rename(&building, places.sled()).map_err(|error| files("rename", &building, error))?;
    sync_folder(&places.root)?;
    open_fresh(&places.sled(), settings)
}

fn open_fresh(folder: &Path, settings: Settings) -> Result<Engine, StoreError> {
    open_on_own_thread(folder, settings)?.map_err(|reason| StoreError::Engine {
        action: "create a store",
        source: Box::new(reason),
    })
}

fn mark_open(places: &Places, opening: &Opening, positions: Positions) -> Result<(), StoreError> {
    let state = State::Open {
        boot_id: opening.boot_id.clone(),
    };
    Marker { state, positions }.write(&places.marker())
}

/// How often and how long a lock is waited for that a child not yet started may hold.
const FORK_TRIES_MAX: u32 = 30;
const FORK_PAUSE: std::time::Duration = std::time::Duration::from_millis(10);

fn take_lock(places: &Places) -> Result<File, StoreError> {
    let path = places.lock();
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| files("open", &path, error))?;
    let mut taken = lock.try_lock();
    for _ in 0..FORK_TRIES_MAX {
        // A child that another thread has just forked holds a copy of a closed lock until it has become its own program.
        if !matches!(taken, Err(TryLockError::WouldBlock)) {
            break;
        }
        std::thread::sleep(FORK_PAUSE);
        taken = lock.try_lock();
    }
    match taken {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(places.root.clone())),
        Err(TryLockError::Error(error)) => Err(files("lock", &path, error)),
    }
}

fn set_aside(places: &Places, unix_s: u64) -> Result<PathBuf, StoreError> {
    let quarantine = places.quarantine();
    fs::create_dir_all(&quarantine).map_err(|error| files("create", &quarantine, error))?;
    for number in 1..=QUARANTINE_NUMBER_MAX {
        let folder = quarantine.join(format!("{unix_s}-{number}"));
        if exists(&folder)? {
            continue;
        }
        let sled = places.sled();
        fs::rename(&sled, &folder).map_err(|error| files("move", &sled, error))?;
        sync_folder(&quarantine)?;
        sync_folder(&places.root)?;
        remove_oldest(&quarantine, &folder)?;
        return Ok(folder);
    }
    Err(files(
        "find a free name in",
        &quarantine,
        io::ErrorKind::AlreadyExists.into(),
    ))
}

/// Keeps the newest [`QUARANTINE_KEPT_MAX`] and in any case `newest`: a clock may have gone back.
fn remove_oldest(quarantine: &Path, newest: &Path) -> Result<(), StoreError> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(quarantine).map_err(|error| files("list", quarantine, error))? {
        let path = entry
            .map_err(|error| files("list", quarantine, error))?
            .path();
        if path != newest {
            folders.push((age_of(&path), path));
        }
    }
    folders.sort();
    let surplus = (folders.len() + 1).saturating_sub(QUARANTINE_KEPT_MAX);
    for (_, path) in folders.into_iter().take(surplus) {
        fs::remove_dir_all(&path).map_err(|error| files("delete", &path, error))?;
    }
    Ok(())
}

fn age_of(folder: &Path) -> (u64, u32) {
    let name = folder
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let (unix_s, number) = name.split_once('-').unwrap_or_default();
    (unix_s.parse().unwrap_or(0), number.parse().unwrap_or(0))
}

/// sled takes a half-written snapshot for a whole one and calls the file corrupt.
fn remove_half_snapshots(sled: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(sled).map_err(|error| files("list", sled, error))? {
        let path = entry.map_err(|error| files("list", sled, error))?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(&path).map_err(|error| files("delete", &path, error))?;
        }
    }
    Ok(())
}

fn remove_unfinished(folder: &Path) -> Result<(), StoreError> {
    if exists(folder)? {
        fs::remove_dir_all(folder).map_err(|error| files("delete", folder, error))?;
    }
    Ok(())
}

fn exists(path: &Path) -> Result<bool, StoreError> {
    path.try_exists()
        .map_err(|error| files("look for", path, error))
}
