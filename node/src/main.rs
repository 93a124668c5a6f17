//! The binary `fengqiao`: parse, refuse early, run, drain.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;
use fengqiao_node::cli::command::{Command, run};
use fengqiao_node::cli::exit_of_parser;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    match Command::try_parse_from(&words) {
        Ok(command) => run(command),
        Err(error) => exit_of_parser(&error, &words),
    }
}
