//! The whole command line: commands of this machine (init, run, join, config, verify) beside those that talk to a
//! running node.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use super::exit::Exit;
use super::ground::Ground;
use super::{ClientCommands, Globals, Streams, server, shell};

/// Casework for a city, its counties, townships and villages: one binary for every tier, working alone when the link is
/// down. 枫桥：基层治理与矛盾纠纷一站式处理系统，市县乡村同一程序，断网照常工作。
#[derive(Debug, Parser)]
#[command(
    name = "fengqiao",
    version,
    max_term_width = 120,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = super::exit::table()
)]
pub struct Command {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    #[command(flatten)]
    Server(server::ServerCommands),
    #[command(flatten)]
    Shell(shell::ShellCommands),
    #[command(flatten)]
    Client(ClientCommands),
}

/// Runs a command to its end.
#[must_use]
pub fn run(command: Command) -> ExitCode {
    // Every TLS user of this binary names its provider; this catches a library that would ask for a default.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match command.what {
        What::Server(server) => {
            let ground = Ground {
                data: command.globals.data.clone(),
                login: command.globals.login.clone(),
                json: command.globals.output == super::output::Output::Json,
            };
            server::run(server, &ground)
        }
        What::Shell(asked) => {
            let json = command.globals.output == super::output::Output::Json;
            shell::run(&asked, Command::command(), json)
        }
        What::Client(client) => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let Ok(runtime) = runtime else {
                return ExitCode::from(Exit::Refused.code());
            };
            ExitCode::from(runtime.block_on(super::run(
                client,
                command.globals,
                Streams::of_process(),
            )))
        }
    }
}
