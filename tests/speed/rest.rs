//! A village's node with nothing to do: how soon it is there, what it takes.

use std::path::Path;
use std::time::Duration;

use crate::ground::quantile;
use crate::report::Report;
use crate::tiers::Tiers;
use crate::usage::{processor_time, resident_bytes, threads};

const STARTS: usize = 7;
const REST: Duration = Duration::from_secs(10);

/// Starts, memory, processor.
pub(crate) async fn measure(
    binary: &Path,
    folder: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut tiers = Tiers::start(binary, &folder.join("rest")).await?;
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        starts.push(tiers.restart_village().await?);
    }
    report.time("village: start to socket, median", quantile(&starts, 0.5));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let village = &tiers.nodes[3];
    let before = processor_time(village)?;
    // Rest is what is measured here.
    tokio::time::sleep(REST).await;
    let used = processor_time(village)?.saturating_sub(before);
    let share = used.as_secs_f64() / REST.as_secs_f64() * 100.0;
    report.add("village at rest: processor over 10 s", share, "%");
    report.add(
        "village at rest: resident memory",
        resident_bytes(village)? as f64 / 1e6,
        "MB",
    );
    report.add("village at rest: threads", threads(village)? as f64, "");
    Ok(())
}
