//! The binary `fengqiao`: parse, refuse early, run, drain.

use std::process::ExitCode;

use clap::{Parser as _, error::ErrorKind};
use fengqiao_node::cli::command::{Command, run};
use fengqiao_node::cli::exit_of_parser;

fn main() -> ExitCode {
    let command = match Command::try_parse() {
        Ok(command) => command,
        Err(error) => {
            if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
                let _ = error.print();
                return ExitCode::from(64);
            }
            return exit_of_parser(&error);
        }
    };
    run(command)
}
