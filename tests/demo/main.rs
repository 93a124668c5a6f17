//! The demonstration: four tiers on this machine, played with the real names of Dezhou and the dates of 2023.
//!
//! Seven processes of `fengqiao`, each with its own folder and certificates, talk over mutual TLS on loopback; a wire
//! that can be cut stands between each and its parent, and the nodes are not told. All that happens is asked for over the
//! socket a clerk uses; beside it only the bytes of files are looked at, never a node's memory. Whatever differs from the
//! story ends with exit code 1.

mod entrances;
mod node;
mod place;
mod play;
mod report;
mod scene;
mod stories;
mod tale;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use fengqiao_tests::kit::failed::{Done, Failed, Output};

/// An event that the stories wait for comes within this time, or the demonstration has failed.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Between two looks at whether it came.
const LOOK_PAUSE: Duration = Duration::from_millis(15);

/// Play four tiers on this machine: links cut, machines killed, every digest equal (演示)
#[derive(Debug, Parser)]
#[command(name = "demo")]
pub(crate) struct Options {
    /// End after the stories instead of running on
    #[arg(long)]
    once: bool,
    /// Folder to play in, new or empty; a temporary one that is removed at the end unless given
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Change one byte of this place's journal (its official code) before the last digest: the demonstration must notice
    #[arg(long, hide = true, value_name = "CODE")]
    corrupt: Option<String>,
    /// Text for people, or JSON for programs
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let options = match Options::try_parse_from(&words) {
        Ok(options) => options,
        Err(error) => return fengqiao_node::cli::exit_of_parser(&error, &words),
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            failed.print(options.output);
            ExitCode::from(failed.exit)
        }
    }
}

fn run(options: &Options) -> Done<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.map_err(anyhow::Error::new)?;
    runtime.block_on(async {
        tokio::select! {
            // First: once everything is told, being stopped is how it ends.
            biased;
            played = play::demonstrate(options) => played,
            told = told_to_stop() => told.and(Err(Failed::new("DEMO_STOPPED", "stopped before its end", "演示中途停止"))),
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
        Err(Failed::new(
            "DEMO_STUCK",
            format!("waited in vain: {what}"),
            "等待超时",
        ))
    })
}
