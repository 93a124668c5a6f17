//! Descriptors held ready: what has to be written is opened also when the process has no other left.

use std::fs::File;
use std::io;
use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;

/// Held by a process; a segment takes one to make its file and one to sync its folder.
const SPARE: usize = 8;

static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// Opens a file, with a descriptor held ready when there is no other.
pub(super) fn opened(open: impl Fn() -> io::Result<File>) -> io::Result<File> {
    loop {
        match open() {
            Err(error) if error.raw_os_error() == Some(Errno::MFILE.raw_os_error()) => {
                // Another thread may be quicker; then the next one is let go.
                let spare = held().pop();
                if spare.is_none() {
                    return Err(error);
                }
            }
            opened => {
                hold();
                return opened;
            }
        }
    }
}

/// Takes up again what was let go, as far as there are descriptors.
fn hold() {
    let mut held = held();
    while held.len() < SPARE {
        match File::open("/dev/null") {
            Ok(spare) => held.push(spare),
            Err(_) => return,
        }
    }
}

fn held() -> std::sync::MutexGuard<'static, Vec<File>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}
