//! `fengqiao demo`: four tiers on this machine, played with the real names of Dezhou and the dates of 2023.
//!
//! Seven processes of this binary, each with its own folder and certificates, talk over mutual TLS on loopback; a wire
//! that can be cut stands between each and its parent, and the nodes are not told. All that happens is asked for over the
//! socket a clerk uses; beside it only the bytes of files are looked at, never a node's memory. Whatever differs from the
//! story ends with exit code 1.

mod node;
pub mod oracle;
mod place;
mod play;
mod proxy;
pub mod replay;
mod report;
mod scene;
mod stories;
mod tale;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::command::Ground;
use super::server::Failed;

/// An event that the stories wait for comes within this time, or the demonstration has failed.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Between two looks at whether it came.
const LOOK_PAUSE: Duration = Duration::from_millis(15);

type Done<T> = Result<T, Failed>;

/// `demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// End after the stories instead of running on
    #[arg(long)]
    once: bool,
    /// Folder to play in, new or empty; a temporary one that is removed at the end unless given
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Change one byte of this place's journal (its official code) before the last digest: the demonstration must notice
    #[arg(long, hide = true, value_name = "CODE")]
    corrupt: Option<String>,
    /// Replay requests of the Boston file through four tiers; the sample that ships where no file is named
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = replay::SAMPLE)]
    replay: Option<String>,
    /// Kill the county process so often during a replay, 0 to 1000
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    kill_county: u32,
    /// Cases under way at once during a replay, 1 to 4096
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    in_flight: u32,
    /// Change one byte of one journal of a replay before the ends are compared: it must notice
    #[arg(long, hide = true)]
    damage: bool,
}

/// Plays the demonstration.
///
/// # Errors
/// The ground could not be made, a node refused, or something was otherwise than told: `DEMO_DIFFERS`.
pub fn run(args: &DemoArgs, ground: &Ground) -> Done<()> {
    if let Some(file) = &args.replay {
        return replay::play(&replay::Options {
            file: file.clone(),
            folder: args.folder.clone(),
            kills: args.kill_county,
            in_flight: args.in_flight,
            damage: args.damage,
            json: ground.json,
        });
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.map_err(anyhow::Error::new)?;
    runtime.block_on(async {
        tokio::select! {
            // First: once everything is told, being stopped is how it ends.
            biased;
            played = play::demonstrate(args, ground) => played,
            told = told_to_stop() => told.and(Err(failed("DEMO_STOPPED", "stopped before its end", "演示中途停止"))),
        }
    })
}

/// Resolves when the process is told to stop; what it started ends with it.
async fn told_to_stop() -> Done<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| signal(kind).map_err(anyhow::Error::new);
    let (mut interrupt, mut terminate, mut hang_up) = (
        listen(SignalKind::interrupt())?,
        listen(SignalKind::terminate())?,
        listen(SignalKind::hangup())?,
    );
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
    Ok(())
}

/// Waits until a look at the nodes finds what is awaited, no longer than [`WAIT_MAX`].
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Done<Option<T>>) -> Done<T> {
    let found = tokio::time::timeout(WAIT_MAX, async {
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    });
    found.await.unwrap_or_else(|_| {
        Err(failed(
            "DEMO_STUCK",
            format!("waited in vain: {what}"),
            "等待超时",
        ))
    })
}

fn failed(code: &str, english: impl Into<String>, chinese: &str) -> Failed {
    Failed {
        code: code.to_owned(),
        english: english.into(),
        chinese: chinese.to_owned(),
        exit: 1,
    }
}
