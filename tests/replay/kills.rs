//! The county process is killed again and again while cases are under way.
//!
//! Each time it is frozen first, so that what its neighbours have sent and it has not acknowledged can be counted on
//! both sides; only when both sides wait for an acknowledgement is it killed, and started again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fengqiao_tests::kit::process::Signal;

use super::building::World;
use super::lives::Meters;
use super::plan::Tier;

const LOOK: Duration = Duration::from_millis(2);
/// Looks at a frozen county until both sides must be waiting; after them it goes on and is frozen again later.
const LOOKS_FROZEN: u32 = 100;
const LOOK_FROZEN: Duration = Duration::from_millis(10);

/// One SIGKILL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Killed {
    /// Cases done before it.
    pub(super) done: usize,
    /// Items that townships had sent or were to send to the county, unacknowledged.
    pub(super) owed_from_below: u64,
    /// Items that the city had sent or was to send, unacknowledged.
    pub(super) owed_from_above: u64,
}

/// What all kills came to.
#[derive(Debug, Default)]
pub(super) struct Kills {
    /// Each of them.
    pub(super) killed: Vec<Killed>,
    /// Syncs of the processes that were killed, as last heard of.
    pub(super) syncs_before: u64,
}

/// Kills the county `wanted` times, spread over `cases`. Ends early when the replay does.
pub(super) async fn kill_county(
    world: &Arc<World>,
    meters: &Arc<Meters>,
    wanted: u32,
    cases: usize,
) -> anyhow::Result<Kills> {
    let mut kills = Kills::default();
    let wanted = wanted as usize;
    // What is still under way in the end must be enough to be cut through.
    for number in 0..wanted {
        let from = cases * number / (wanted + 1);
        let done = || meters.done.load(Ordering::Relaxed);
        loop {
            if done() >= cases {
                return Ok(kills);
            }
            let due = done() >= from && meters.at_city.load(Ordering::Relaxed) > 0;
            if due && kill_once(world, meters, &mut kills).await? {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
    Ok(kills)
}

async fn kill_once(world: &Arc<World>, meters: &Meters, kills: &mut Kills) -> anyhow::Result<bool> {
    let counties: Vec<usize> = world.tree.of(Tier::County).collect();
    let syncs: u64 = world
        .statuses(counties)
        .await?
        .iter()
        .map(|status| status.syncs)
        .sum();
    let mut processes = world.processes.lock().await;
    let Some(county) = processes.remove(&Tier::County) else {
        return Ok(false);
    };
    county.signal(Signal::STOP)?;
    let mut killed = None;
    for _ in 0..LOOKS_FROZEN {
        let (below, above) = owed_to_county(world).await?;
        if below > 0 && above > 0 {
            let done = meters.done.load(Ordering::Relaxed);
            killed = Some(Killed {
                done,
                owed_from_below: below,
                owed_from_above: above,
            });
            break;
        }
        tokio::time::sleep(LOOK_FROZEN).await;
    }
    let Some(killed) = killed else {
        county.signal(Signal::CONT)?;
        processes.insert(Tier::County, county);
        return Ok(false);
    };
    county.kill()?;
    drop(processes);
    kills.killed.push(killed);
    kills.syncs_before += syncs;
    world.start(Tier::County).await?;
    Ok(true)
}

/// What the townships owe upwards and what the city owes downwards.
async fn owed_to_county(world: &World) -> anyhow::Result<(u64, u64)> {
    let owed = |statuses: &[fengqiao_proto::v1::GetStatusResponse], direction: &str| {
        let links = statuses.iter().flat_map(|status| &status.links);
        links
            .filter(|link| link.direction == direction)
            .map(|link| link.owed)
            .sum::<u64>()
    };
    let below = world
        .statuses(world.tree.of(Tier::Township).collect())
        .await?;
    let above = world.statuses(world.tree.of(Tier::City).collect()).await?;
    Ok((owed(&below, "up"), owed(&above, "down")))
}
