//! How fast the system is, each figure beside what this machine's disk and loopback do in the same run.
//!
//! It starts the real binary, one process a tier, and measures from outside; only the in-process intake links the
//! engine itself. Nothing is asserted: absolute figures say more about the machine than about the code.

mod cases;
mod chain;
mod clerks;
mod ground;
mod hosted;
mod intake;
mod report;
mod rest;
mod tiers;
mod usage;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};

use ground::Ground;
use report::Report;

/// Measures intake, the four-tier chain, a node at rest, hosting and worklists
#[derive(Debug, Parser)]
#[command(name = "speed")]
pub(crate) struct Options {
    /// The binary to measure; the one beside this program unless given
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Where data folders are made; its disk is the one measured
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Entries written at the village in groups
    #[arg(long, default_value_t = 20_000)]
    entries: u64,
    /// Entries written at the village one by one
    #[arg(long, default_value_t = 500)]
    singles: u64,
    /// Registrations of each intake
    #[arg(long, default_value_t = 10_000)]
    intake: u64,
    /// Cases of the worklist
    #[arg(long, default_value_t = 20_000)]
    cases: u64,
    /// Calls under way at once
    #[arg(long, default_value_t = 128)]
    in_flight: usize,
    /// What to measure; everything unless given
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    /// How the figures are printed
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Intake,
    Chain,
    Rest,
    Hosted,
    Cases,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => fengqiao_tests::kit::process::binary()?,
    };
    anyhow::ensure!(binary.exists(), "{} is not built", binary.display());
    let parent = options.folder.clone().unwrap_or_else(std::env::temp_dir);
    let folder = tempfile::Builder::new().prefix("fq").tempdir_in(&parent);
    let folder = folder.with_context(|| format!("cannot make a folder in {}", parent.display()))?;
    let wanted = |part| options.only.is_empty() || options.only.contains(&part);

    let ground = Ground::measure(folder.path())?;
    let mut report = Report::new(&ground, &binary)?;
    if wanted(Part::Rest) {
        rest::measure(&binary, folder.path(), &mut report).await?;
    }
    if wanted(Part::Intake) {
        intake::measure(&options, &binary, folder.path(), &ground, &mut report).await?;
    }
    if wanted(Part::Chain) {
        chain::measure(&options, &binary, folder.path(), &ground, &mut report).await?;
    }
    if wanted(Part::Hosted) {
        hosted::measure(&binary, folder.path(), &mut report).await?;
    }
    if wanted(Part::Cases) {
        cases::measure(&options, &binary, folder.path(), &mut report).await?;
    }
    match options.output {
        Output::Table => report.print_table(),
        Output::Json => report.print_json(),
    }
}
