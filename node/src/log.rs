//! What the process says of itself, on its error stream.
//!
//! Best effort, always: a reader that went away, a full disk or a pipe that nobody empties costs lines and never the
//! node. A thread of its own writes; what it cannot keep up with is dropped. Whoever ends the process leaves by
//! [`exit`], so that the last words are written.

use std::sync::{Mutex, OnceLock, PoisonError};

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, reload};

use crate::config::{Log, LogFormat};

/// Lines that wait to be written; a line has a few hundred bytes.
const LINES_WAITING_MAX: usize = 8_192;

static WRITER: Mutex<Option<WorkerGuard>> = Mutex::new(None);
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Starts the log of this process. A second start changes nothing: the first one goes on.
pub(crate) fn begin(log: &Log) {
    let (lines, writer) = NonBlockingBuilder::default()
        .buffered_lines_limit(LINES_WAITING_MAX)
        .lossy(true)
        .thread_name("log")
        .finish(std::io::stderr());
    let (filter, handle) = reload::Layer::new(filter_of(log));
    let shown = tracing_subscriber::fmt::layer()
        .with_writer(lines)
        // A line that cannot be formatted or written is lost; saying so on the same stream would only panic.
        .log_internal_errors(false);
    let shown = match log.format {
        LogFormat::Text => shown.with_ansi(false).boxed(),
        LogFormat::Json => shown.json().boxed(),
    };
    let begun = tracing_subscriber::registry().with(filter).with(shown);
    if begun.try_init().is_ok() {
        *WRITER.lock().unwrap_or_else(PoisonError::into_inner) = Some(writer);
        // Set once, as the subscriber is.
        let _ = FILTER.set(handle);
    }
}

/// Writes other lines from now on.
pub(crate) fn change_filter(log: &Log) {
    if let Some(handle) = FILTER.get() {
        // Fails only where the subscriber is gone, and then nothing is written anyway.
        let _ = handle.reload(filter_of(log));
    }
}

/// Writes what still waits, as far as the stream takes it within a second. Lines after this are lost.
pub(crate) fn close() {
    drop(WRITER.lock().unwrap_or_else(PoisonError::into_inner).take());
}

/// Ends the process, its last words written.
pub(crate) fn exit(code: i32) -> ! {
    close();
    std::process::exit(code)
}

/// The configuration was checked when it was read.
fn filter_of(log: &Log) -> EnvFilter {
    EnvFilter::try_new(&log.filter).unwrap_or_else(|_| EnvFilter::new("info"))
}
