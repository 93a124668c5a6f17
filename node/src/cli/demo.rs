//! `fengqiao demo`: the system plays on this machine, between real processes.

pub mod oracle;
pub mod replay;

use std::path::PathBuf;

use clap::Args;

use super::command::Ground;
use super::server::Failed;

/// `demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Replay requests of the Boston file through four tiers; the sample that ships where no file is named
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = replay::SAMPLE)]
    replay: Option<String>,
    /// End as soon as everything is told, instead of staying to be looked at; a replay always ends
    #[arg(long)]
    once: bool,
    /// Make the data folders here and keep them, instead of in a temporary folder
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Kill the county process so often during a replay, 0 to 1000
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    kill_county: u32,
    /// Cases under way at once during a replay, 1 to 4096
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    in_flight: u32,
    /// Change one byte of one journal before the ends are compared: the demonstration must then fail
    #[arg(long, hide = true)]
    damage: bool,
}

/// Plays the demonstration.
///
/// # Errors
/// It could not be played, or something came out differently.
pub fn demo(args: &DemoArgs, ground: &Ground) -> Result<(), Failed> {
    let Some(file) = &args.replay else {
        return Err(Failed::usage("USAGE", "name what to play: --replay [FILE]", "请指明要演示的内容：--replay [文件]"));
    };
    let options = replay::Options {
        file: file.clone(),
        folder: args.folder.clone(),
        kills: args.kill_county,
        in_flight: args.in_flight,
        damage: args.damage,
        json: ground.json,
    };
    replay::play(&options)
}
