//! Many clerks at one node: calls under way at once, and waiting for what they lead to.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::desk::Desk;
use fengqiao_tests::kit::moves::{self, Action};
use tokio::task::JoinSet;

/// Calls on one connection; a node takes 64.
const CALLS_EACH: usize = 48;
/// Until something awaited must have come.
const PATIENCE: Duration = Duration::from_secs(300);

/// Waits until a place is known at a desk with a node of its own.
pub(crate) async fn await_place(desk: &Desk, pause: Duration, name: &str) -> anyhow::Result<()> {
    let start = Instant::now();
    loop {
        let known = desk.places().await?;
        if known.places.iter().any(|place| place.name == name) {
            return Ok(());
        }
        anyhow::ensure!(start.elapsed() < PATIENCE, "{name} did not come");
        tokio::time::sleep(pause).await;
    }
}

/// Asks for the status until it says what is awaited.
pub(crate) async fn await_status(
    desk: &Desk,
    pause: Duration,
    arrived: impl Fn(&pb::GetStatusResponse) -> bool,
) -> anyhow::Result<pb::GetStatusResponse> {
    let start = Instant::now();
    loop {
        let status = desk.status().await?;
        if arrived(&status) {
            return Ok(status);
        }
        anyhow::ensure!(
            start.elapsed() < PATIENCE,
            "{} did not come so far: {} entries, {} parked, {:?}",
            status.name,
            status.entries,
            status.parked,
            status.alarms
        );
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
}

/// A move that registers a case.
pub(crate) fn register() -> Action {
    moves::register(moves::intake(pb::Channel::Phone, "disputes-neighbours"))
}

/// A text that makes an entry of about 600 bytes.
pub(crate) fn text(index: u64) -> String {
    let mut text = format!("第{index}次上门，双方同意调解，约定下次见面。");
    while text.len() < 290 {
        text.push('和');
    }
    text
}

/// Runs `total` calls, `in_flight` at once over several connections; says how long it took.
pub(crate) async fn flood<F, Fut>(
    socket: &Path,
    in_flight: usize,
    total: u64,
    call: F,
) -> anyhow::Result<Duration>
where
    F: Fn(Desk, u64) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = anyhow::Result<()>> + Send,
{
    let mut desks = Vec::new();
    for _ in 0..in_flight.div_ceil(CALLS_EACH) {
        let desk = Desk::of_socket(socket.to_owned());
        // Connects: that is not what is measured.
        desk.status().await?;
        desks.push(desk);
    }
    let (next, call) = (Arc::new(AtomicU64::new(0)), Arc::new(call));
    let mut workers = JoinSet::new();
    let start = Instant::now();
    for worker in 0..in_flight {
        let desk = desks[worker % desks.len()].clone();
        let (next, call) = (Arc::clone(&next), Arc::clone(&call));
        workers.spawn(async move {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= total {
                    return anyhow::Ok(());
                }
                call(desk.clone(), index).await?;
            }
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker.context("a caller")??;
    }
    Ok(start.elapsed())
}
