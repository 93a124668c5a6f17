//! The crash replayer: a working node's calls on its files are written down; then, for many points, what a kill or a
//! power cut would have left there is laid out, opened by the code that ships, and looked at.
//!
//! One program in several roles: it runs the parts, it is the node that is watched (`session`), and it is the process
//! that opens what was left (`worker`). `crash all` reaches the numbers of the fault table; `--share 100` a hundredth.

#![allow(clippy::print_stderr, reason = "failing states are told as they come")]

mod check;
mod dice;
mod disk;
mod faults;
mod neighbours;
mod record;
mod replay;
mod report;
mod rot;
mod stand;
mod trace;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use record::scratch;
use replay::{Bench, State};
use report::Report;
use trace::Trace;
use work::{End, Session};

/// Stops a node at every point and looks at what is left
#[derive(Debug, Parser)]
#[command(name = "crash")]
struct Options {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Every part, with a table at the end
    All {
        /// One part in so many of the full numbers
        #[arg(long, default_value_t = 1)]
        share: usize,
        /// Only these parts
        #[arg(long, value_delimiter = ',')]
        only: Vec<report::Part>,
    },
    /// One state of a kept trace, with what is wrong in it
    State { trace: PathBuf, state: State },
    /// One rotten place in a kept pair of folders
    Rot { grown: PathBuf, rot: rot::Rot },
    /// One fault, recorded anew
    Fault { fault: faults::Fault },
    #[command(hide = true)]
    Session {
        folder: PathBuf,
        session: Session,
        end: End,
        #[arg(long)]
        boot: String,
        #[arg(long)]
        from: usize,
        #[arg(long)]
        rounds: usize,
    },
    #[command(hide = true)]
    Worker { trace: PathBuf, folder: PathBuf },
    #[command(hide = true)]
    RotWorker { grown: PathBuf, folder: PathBuf },
    #[command(hide = true)]
    FaultWorker { shim: PathBuf, folder: PathBuf },
}

fn main() -> ExitCode {
    match play() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn play() -> anyhow::Result<()> {
    match Options::parse().role {
        Role::All { share, only } => Report::run(share.max(1), &only),
        Role::State { trace, state } => {
            let bytes = std::fs::read(&trace)?;
            let trace = Trace::read(&bytes)?;
            let scratch = scratch()?;
            let found = Bench::new(&trace, &scratch.path().join("state"))?.judge(state);
            if found.is_err() {
                let kept = scratch.keep();
                eprintln!("what was left is kept in {}", kept.display());
            }
            eprintln!("{state}: {}", found?);
            Ok(())
        }
        Role::Rot { grown, rot } => {
            let scratch = scratch()?;
            let found = rot::Bench::new(&grown, &scratch.path().join("rot"))?.judge(rot);
            if found.is_err() {
                let kept = scratch.keep();
                eprintln!("what was left is kept in {}", kept.display());
            }
            eprintln!("{rot}: {}", found?);
            Ok(())
        }
        Role::Fault { fault } => {
            let scratch = scratch()?;
            let shim = record::compile(scratch.path())?;
            let found = faults::judge(fault, &shim, &scratch.path().join("fault"));
            if found.is_err() {
                let kept = scratch.keep();
                eprintln!("what was left is kept in {}", kept.display());
            }
            eprintln!("{fault}: {}", found?);
            Ok(())
        }
        Role::Session {
            folder,
            session,
            end,
            boot,
            from,
            rounds,
        } => work::session(&folder, session, &boot, from, rounds, end),
        Role::Worker { trace, folder } => replay::work(&trace, &folder),
        Role::RotWorker { grown, folder } => {
            let bench = rot::Bench::new(&grown, &folder)?;
            replay::answer_all(&mut |question| bench.judge(question.parse()?))
        }
        Role::FaultWorker { shim, folder } => {
            replay::answer_all(&mut |question| faults::judge(question.parse()?, &shim, &folder))
        }
    }
}
