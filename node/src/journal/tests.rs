//! Facts about the journal, and the disk they are tried on.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod appending;
mod beside;
mod damage;
mod model;
mod opening;
mod refusals;

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;

const IDENTITY: Identity = Identity {
    store: [7; 16],
    incarnation: 1,
};

/// The same store in a later life.
fn life(incarnation: u64) -> Identity {
    Identity {
        incarnation,
        ..IDENTITY
    }
}

fn small() -> Options {
    Options {
        segment_bytes: SEGMENT_BYTES_MIN,
    }
}

/// A data folder that outlives the journals opened in it.
struct Ground(TempDir);

impl Ground {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn lock(&self) -> FolderLock {
        FolderLock::acquire(self.path()).unwrap()
    }

    fn try_open(&self) -> Result<Opened, JournalError> {
        FileJournal::open_or_create(&self.lock(), IDENTITY, small())
    }

    fn open(&self) -> FileJournal {
        self.try_open().unwrap().journal
    }

    /// Segment files, oldest first.
    fn segments(&self) -> Vec<PathBuf> {
        let mut paths: Vec<_> = fs::read_dir(self.path().join("journal"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        paths
    }
}

fn add(journal: &mut dyn Journal, payloads: &[&[u8]]) -> Appended {
    let payloads: Vec<Vec<u8>> = payloads.iter().map(|bytes| bytes.to_vec()).collect();
    journal.append(journal.end(), &payloads).unwrap()
}

fn payloads(journal: &dyn Journal) -> Vec<Vec<u8>> {
    let reader = journal.reader();
    let records: Result<Vec<_>, _> = reader.tail(Position(0)).collect();
    records.unwrap().into_iter().map(|r| r.payload).collect()
}
