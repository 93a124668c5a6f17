//! The only file that names sled 0.34: opens it, reads it, writes batches, flushes it.
//!
//! One tree, one `apply_batch` a change, no compression, no background flush: its flush is no
//! durability point, so nothing here promises durability. A panic inside sled becomes an error
//! where this module can see it. sled shares its writing threads over a whole process and refuses
//! all work after one of them has panicked: after [`StoreError::Engine`] the process should end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;

use super::StoreError;

/// How often and how long a file is waited for that this very process has just closed.
const RELEASE_TRIES_MAX: u32 = 500;
const RELEASE_PAUSE: Duration = Duration::from_millis(10);
/// How long a flush may take before it is looked at whether it waits for a write that has failed.
const WAKE_AFTER: Duration = Duration::from_secs(1);

/// An open sled file.
pub(super) struct Engine {
    db: sled::Db,
}

/// Why sled did not open.
#[derive(Debug)]
pub(super) enum OpenFailure {
    /// The machine is at fault (no space, no permission, no file handles): the file may be whole.
    Machine(sled::Error),
    /// The file is at fault.
    Contents(String),
}

/// One physical write; `None` removes.
pub(super) type Write = (Vec<u8>, Option<Vec<u8>>);

/// One physical row.
pub(super) type PhysicalRow = (sled::IVec, sled::IVec);

impl Engine {
    pub(super) fn open(folder: &Path, cache_bytes: u64) -> Result<Engine, OpenFailure> {
        let config = sled::Config::new()
            .path(folder)
            .cache_capacity(cache_bytes)
            .flush_every_ms(None)
            .use_compression(false);
        let mut opened = config.open();
        for _ in 0..RELEASE_TRIES_MAX {
            // The caller holds the folder, so only a database of this process that was just dropped can hold the file:
            // sled's writing threads let go of it a moment later.
            if !opened.as_ref().is_err_and(is_held) {
                break;
            }
            thread::sleep(RELEASE_PAUSE);
            opened = config.open();
        }
        match opened {
            Ok(db) => Ok(Engine { db }),
            Err(error) if is_the_machine(&error) || is_held(&error) => {
                Err(OpenFailure::Machine(error))
            }
            Err(error) => Err(OpenFailure::Contents(error.to_string())),
        }
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<sled::IVec>, StoreError> {
        self.db
            .get(key)
            .map_err(|error| failed("read a row", error))
    }

    /// The rows with `lo <= key < hi`, from either end.
    pub(super) fn walk(
        &self,
        lo: &[u8],
        hi: &[u8],
    ) -> impl DoubleEndedIterator<Item = Result<PhysicalRow, StoreError>> + use<> {
        self.db
            .range(lo..hi)
            .map(|row| row.map_err(|error| failed("read a range", error)))
    }

    /// All or nothing of `writes`, also when the process is killed.
    pub(super) fn apply(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for (key, value) in writes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        quiet("apply a batch", || self.db.apply_batch(batch))
    }

    /// Hands everything written to the operating system. The caller syncs the files.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        // Whoever flushes looks whether a write has failed before it takes the lock under which it then waits, and sleeps
        // for ever where a write fails in between. Whoever flushes after that meets the failure and wakes all who wait.
        let (done, flushed) = mpsc::channel::<()>();
        let db = self.db.clone();
        let waker = thread::spawn(move || {
            if flushed.recv_timeout(WAKE_AFTER) == Err(RecvTimeoutError::Timeout) {
                // What it meets, the first has been told too.
                let _ = catch_unwind(AssertUnwindSafe(|| db.flush()));
            }
        });
        let outcome = quiet("flush", || self.db.flush().map(|_bytes| ()));
        drop(done);
        if outcome.is_ok() {
            // The file is let go of by its last holder, which is to be the caller.
            let _ = waker.join();
        }
        outcome
    }
}

fn quiet(
    action: &'static str,
    work: impl FnOnce() -> Result<(), sled::Error>,
) -> Result<(), StoreError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(outcome) => outcome.map_err(|error| failed(action, error)),
        Err(_panic) => Err(StoreError::Engine {
            action,
            source: "sled panicked".into(),
        }),
    }
}

fn failed(action: &'static str, error: sled::Error) -> StoreError {
    StoreError::Engine {
        action,
        source: Box::new(error),
    }
}

/// Whether the file is locked; sled says so in words only.
fn is_held(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if error.to_string().starts_with("could not acquire lock"))
}

fn is_the_machine(error: &sled::Error) -> bool {
    use std::io::ErrorKind::{
        OutOfMemory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
    };
    let sled::Error::Io(error) = error else {
        return false;
    };
    let kinds = [
        OutOfMemory,
        PermissionDenied,
        QuotaExceeded,
        ReadOnlyFilesystem,
        StorageFull,
    ];
    let handles = [Some(Errno::MFILE), Some(Errno::NFILE)];
    kinds.contains(&error.kind()) || handles.contains(&Errno::from_io_error(error))
}
