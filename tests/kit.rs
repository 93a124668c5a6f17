//! The kit: what everything that starts the real binary shares. A process and its words, the way to its desk, wires
//! between nodes, the moves of casework, ports, clocks and folders.
//!
//! The kit judges nothing and panics nowhere: it hands back what was refused, and who uses it decides whether that is a
//! failed test, a difference to be reported or the very thing that was to be shown.

pub mod browser;
pub mod clock;
pub mod desk;
pub mod failed;
pub mod folder;
pub mod moves;
pub mod node;
pub mod ports;
pub mod process;
pub mod wire;

use std::time::{Duration, Instant};

/// The first pause between two looks; each is half as long again as the one before it.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(250);

/// Looks again and again until `look` finds what it looks for; `None` when it did not come within `patience`.
pub async fn within<T>(patience: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let began = Instant::now();
    let mut pause = PAUSE_MIN;
    loop {
        if let Some(found) = look().await {
            return Some(found);
        }
        if began.elapsed() > patience {
            return None;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(PAUSE_MAX);
    }
}
