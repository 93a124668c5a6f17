//! Time for a node: the machine's, or one that a file dictates, for demonstrations and tests.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use fengqiao_hub::clock::Moment;
use jiff::Timestamp;
use rustls::pki_types::UnixTime;

/// A clock.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's.
    System,
    /// The moment a file names (RFC 3339), running on from when it was read; read again when it changes.
    File(Arc<FileClock>),
}

/// A clock that a file sets.
#[derive(Debug)]
pub struct FileClock {
    path: PathBuf,
    read: Mutex<Option<(SystemTime, Moment, Instant)>>,
}

impl Clock {
    /// A clock set by a file.
    #[must_use]
    pub fn of_file(path: PathBuf) -> Self {
        Self::File(Arc::new(FileClock {
            path,
            read: Mutex::new(None),
        }))
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Moment {
        match self {
            Self::System => system_now(),
            Self::File(file) => file.now(),
        }
    }
}

impl FileClock {
    fn now(&self) -> Moment {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = std::fs::metadata(&self.path)
            .and_then(|metadata| metadata.modified())
            .ok();
        let fresh = match (*read, changed) {
            (Some((at, _, _)), Some(changed)) => at != changed,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if fresh
            && let Some(changed) = changed
            && let Ok(text) = std::fs::read_to_string(&self.path)
            && let Ok(moment) = Moment::parse_rfc3339(text.trim())
        {
            *read = Some((changed, moment, Instant::now()));
        }
        read.map_or_else(system_now, |(_, moment, since)| {
            let passed = i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX);
            Moment(moment.0.saturating_add(passed))
        })
    }
}

fn system_now() -> Moment {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Moment(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

impl rustls::time_provider::TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.now().0 / 1000).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(
            seconds,
        )))
    }
}
/// The seam between the hub's milliseconds and the certificates' calendar.
pub(crate) fn timestamp(now: Moment) -> Timestamp {
    Timestamp::from_millisecond(now.0).unwrap_or(Timestamp::UNIX_EPOCH)
}
