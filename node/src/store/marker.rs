//! The small file beside sled that says whether its contents can be believed.
//!
//! sled writes without fsync. When only the *process* dies, everything it wrote is still in the
//! kernel's page cache, and the next process reads it back: sled is right. When the *machine* loses
//! power or the kernel falls over, writes are missing in any order: sled may open cleanly and be
//! rolled back or have holes. From inside the files the two cannot be told apart.
//!
//! The kernel tells them apart: `/proc/sys/kernel/random/boot_id` is drawn anew at each boot and a
//! page cache never outlives a boot. So the file says one of two things:
//!
//! - `clean`: after the last write everything was flushed and every file and folder synced.
//!   Believed after anything.
//! - `open` with a boot id: written and synced before the first write. Believed only under the
//!   same boot id, for then the page cache that held the unsynced writes is the one being read.
//!
//! Anything else (another boot id, no file, an unreadable one) is not believed. Both states carry
//! the applied positions of the last clean moment: under `clean` they must be equal to what the
//! store says, under `open` the store may not be behind them. That finds the silent rollback by
//! which sled answers bit rot.
//!
//! Not covered, because the boot id stays: a disk pulled out and put back while the system runs,
//! a failed write-back that the kernel reported to nobody, a machine snapshot reverted together
//! with its memory (then the cache is reverted as well, and the store is right). The weekly
//! comparison of store and journal is for those, and a store ahead of its journal is refused by
//! whoever replays.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;

use super::StoreError;

/// Applied position by node prefix.
pub(super) type Positions = BTreeMap<Vec<u8>, u64>;

const TITLE: &str = "fengqiao store state 1";

/// What the marker says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marker {
    pub(super) state: State,
    pub(super) positions: Positions,
}

/// Whether everything is synced, or who is writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Clean,
    Open { boot_id: String },
}

impl Marker {
    /// Reads the marker; `None` if there is none or it is not readable as one.
    pub(super) fn read(path: &Path) -> Result<Option<Marker>, StoreError> {
        match fs::read(path) {
            Ok(bytes) => Ok(std::str::from_utf8(&bytes).ok().and_then(Marker::parse)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(files("read", path, error)),
        }
    }

    /// Writes the marker so that after a crash either the old or the new one stands, and is durable
    /// when this returns.
    pub(super) fn write(&self, path: &Path) -> Result<(), StoreError> {
        let new = path.with_extension("new");
        let mut file = File::create(&new).map_err(|error| files("create", &new, error))?;
        file.write_all(self.render().as_bytes())
            .map_err(|error| files("write", &new, error))?;
        file.sync_all()
            .map_err(|error| files("sync", &new, error))?;
        fs::rename(&new, path).map_err(|error| files("replace", path, error))?;
        sync_folder(path.parent().unwrap_or(path))
    }

    /// Whether the files can be believed under this boot id.
    pub(super) fn holds_under(&self, boot_now: &str) -> bool {
        match &self.state {
            State::Clean => true,
            State::Open { boot_id } => !boot_id.is_empty() && boot_id == boot_now,
        }
    }

    /// Whether the positions found in the store agree with what this marker knows.
    pub(super) fn agrees_with(&self, found: &Positions) -> bool {
        match self.state {
            State::Clean => *found == self.positions,
            State::Open { .. } => self
                .positions
                .iter()
                .all(|(prefix, floor)| found.get(prefix).is_some_and(|position| position >= floor)),
        }
    }

    fn render(&self) -> String {
        let mut text = String::from(TITLE);
        match &self.state {
            State::Clean => text.push_str("\nclean\n"),
            State::Open { boot_id } => {
                text.push_str("\nopen ");
                text.push_str(boot_id);
                text.push('\n');
            }
        }
        for (prefix, position) in &self.positions {
            let prefix = HEXLOWER.encode(prefix);
            // Writing into a String does not fail.
            let _ = writeln!(text, "applied {prefix}={position}");
        }
        text.push_str("end\n");
        text
    }

    fn parse(text: &str) -> Option<Marker> {
        let mut lines = text.lines();
        if lines.next()? != TITLE {
            return None;
        }
        let state = match lines.next()? {
            "clean" => State::Clean,
            line => State::Open {
                boot_id: line.strip_prefix("open ")?.to_owned(),
            },
        };
        let mut positions = Positions::new();
        for line in lines.by_ref() {
            if line == "end" {
                return Some(Marker { state, positions });
            }
            let (prefix, position) = line.strip_prefix("applied ")?.split_once('=')?;
            positions.insert(
                HEXLOWER.decode(prefix.as_bytes()).ok()?,
                position.parse().ok()?,
            );
        }
        None
    }
}

/// Where the files of a store stand.
#[derive(Debug, Clone)]
pub(super) struct Places {
    pub(super) root: PathBuf,
}

impl Places {
    pub(super) fn sled(&self) -> PathBuf {
        self.root.join("sled")
    }
    pub(super) fn marker(&self) -> PathBuf {
        self.root.join("state")
    }
    pub(super) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }
    pub(super) fn quarantine(&self) -> PathBuf {
        self.root.join("quarantine")
    }
}

/// Whether the store in a folder would be believed at its next opening under this boot; `None` where there is none. Looks
/// at the marker alone, beside whoever uses the store.
///
/// # Errors
/// [`StoreError::Files`].
pub fn is_believed(folder: &Path, boot_now: &str) -> Result<Option<bool>, StoreError> {
    let places = Places {
        root: folder.to_owned(),
    };
    if !places.sled().exists() {
        return Ok(None);
    }
    let marker = Marker::read(&places.marker())?;
    Ok(Some(
        marker.is_some_and(|marker| marker.holds_under(boot_now)),
    ))
}

/// The id of this boot of the machine, for [`super::Opening`].
///
/// # Errors
/// [`StoreError::Files`]: `/proc` is not there or not readable. An empty id may be used instead:
/// then only a clean store is believed.
pub fn boot_id() -> Result<String, StoreError> {
    let path = PathBuf::from("/proc/sys/kernel/random/boot_id");
    let text = fs::read_to_string(&path).map_err(|error| files("read", &path, error))?;
    Ok(text.trim().to_owned())
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder)
        .and_then(|handle| handle.sync_all())
        .map_err(|error| files("sync", folder, error))
}

pub(super) fn files(action: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Files {
        action,
        path: path.to_owned(),
        source,
    }
}
