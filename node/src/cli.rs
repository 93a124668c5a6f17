//! The command line for everything that talks to a running node, over the local socket in its data folder.
//!
//! It decides nothing and keeps nothing: it puts words into a request, and the answer into words or JSON. What it was
//! given about a person it hands on and never prints or logs.

pub mod backup;
pub mod case;
pub mod command;
pub mod connection;
pub mod directive;
pub mod doctor;
pub mod export;
pub mod failure;
pub mod import;
pub mod output;
pub mod people;
pub mod place;
pub mod recover;
pub mod root;
pub mod run;
pub mod server;
pub mod status;
pub mod tally;
pub mod verify;
pub mod words;

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use clap::{Args, Subcommand};

use failure::Failure;
use output::Output;

pub use crate::config::SOCKET_NAME;

const HEADING: &str = "Node, account and output";

/// Where the node is, who acts, and how to answer.
#[derive(Debug, Clone, Args)]
pub struct Globals {
    /// Data folder of the running node; its socket is FOLDER/fengqiao.sock
    #[arg(long, global = true, help_heading = HEADING, value_name = "FOLDER", env = "FENGQIAO_DATA")]
    pub data: Option<PathBuf>,
    /// Socket of the running node, instead of the one in the data folder
    #[arg(long, global = true, help_heading = HEADING, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Account that acts
    #[arg(
        long = "as",
        global = true,
        help_heading = HEADING,
        value_name = "LOGIN",
        env = "FENGQIAO_LOGIN"
    )]
    pub login: Option<String>,
    /// Text for people, or JSON for programs
    #[arg(long, global = true, help_heading = HEADING, value_enum, default_value_t = Output::Text)]
    pub output: Output,
    /// Seconds to wait for an answer, 1 to 3600
    #[arg(long, global = true, help_heading = HEADING, value_name = "SECONDS", default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout: u64,
}

/// Commands that talk to a running node.
#[derive(Debug, Subcommand)]
pub enum ClientCommands {
    /// Make moves on cases, show and list them (诉求)
    #[command(after_help = case::LIFE)]
    Case(case::CaseArgs),
    /// Issue directives to centres below, answer those received (指令)
    #[command(subcommand)]
    Directive(directive::DirectiveCommand),
    /// Register requests from a table, by a mapping file (导入)
    Import(import::ImportArgs),
    /// Show the daily figures of this node and those below it (统计)
    Tally(tally::TallyArgs),
    /// Show the node, its links and what waits (状态)
    Status(status::StatusArgs),
    /// Compute digests of everything from the journal on disk, to compare with a neighbour (校验)
    Digest(status::DigestArgs),
    /// Add and list places below this one (地区)
    #[command(subcommand)]
    Place(place::PlaceCommand),
    /// Add units of this centre (单位)
    #[command(subcommand)]
    Unit(place::UnitCommand),
    /// Open, change and close accounts of people at this centre (账号)
    #[command(subcommand)]
    Account(people::AccountCommand),
    /// Mint an invitation with which a new node below, or of a unit, joins (邀请)
    Invite(people::InviteArgs),
    /// Revoke a node that was enrolled here: it may not write any more (吊销)
    Revoke(people::RevokeArgs),
    /// After a loss, go on without a neighbour that will not come back (恢复时不再等待某节点)
    Waive(people::WaiveArgs),
    /// What only the root key may do after the beginning (根密钥)
    #[command(subcommand)]
    Root(root::RootCommand),
}

/// Where a command reads and writes; the process's own streams, or those of a test.
pub struct Streams {
    /// Read where a text is given as `-`.
    pub input: Box<dyn Read + Send>,
    /// Answers.
    pub out: Box<dyn Write + Send>,
    /// Errors and notes.
    pub err: Box<dyn Write + Send>,
}

impl std::fmt::Debug for Streams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Streams")
    }
}

impl Streams {
    /// Those of the process.
    #[must_use]
    pub fn of_process() -> Self {
        Self {
            input: Box::new(std::io::stdin()),
            out: Box::new(std::io::stdout()),
            err: Box::new(std::io::stderr()),
        }
    }
}

/// What every command runs in.
#[derive(Debug)]
pub struct Context {
    globals: Globals,
    streams: Mutex<Streams>,
}

impl Context {
    /// The form of answers.
    #[must_use]
    pub fn output(&self) -> Output {
        self.globals.output
    }

    /// How long an answer may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.globals.timeout)
    }

    /// The account that acts.
    #[must_use]
    pub fn login(&self) -> Option<&str> {
        self.globals
            .login
            .as_deref()
            .filter(|login| !login.is_empty())
    }

    /// The socket of the node.
    ///
    /// # Errors
    /// A usage failure when neither a socket nor a data folder is named.
    pub fn socket(&self) -> Result<PathBuf, Failure> {
        let named = self.globals.socket.clone();
        let in_folder = || {
            self.globals
                .data
                .as_ref()
                .map(|folder| folder.join(SOCKET_NAME))
        };
        named.or_else(in_folder).ok_or_else(|| {
            Failure::usage(
                "data",
                "name the node: --data FOLDER, --socket PATH, or set FENGQIAO_DATA",
                "请指明节点：--data 文件夹、--socket 路径，或设置 FENGQIAO_DATA",
            )
        })
    }

    /// The data folder of the node: the one named, or the one its socket stands in.
    ///
    /// # Errors
    /// A usage failure when neither is named.
    pub fn data(&self) -> Result<PathBuf, Failure> {
        if let Some(folder) = &self.globals.data {
            return Ok(folder.clone());
        }
        let mut folder = self.socket()?;
        folder.pop();
        Ok(folder)
    }

    pub(crate) fn streams(&self) -> std::sync::MutexGuard<'_, Streams> {
        // A poisoned lock only means that a writer panicked; the streams themselves are whole.
        self.streams
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Runs one command and says how the process is to exit: 0 done, 64 usage or configuration, 75 try again, 1 refused.
pub async fn run(command: ClientCommands, globals: Globals, streams: Streams) -> u8 {
    let context = Context {
        globals,
        streams: Mutex::new(streams),
    };
    match dispatch(command, &context).await {
        Ok(()) => 0,
        Err(failure) => {
            failure.print(&context);
            failure.exit_code()
        }
    }
}

async fn dispatch(command: ClientCommands, context: &Context) -> Result<(), Failure> {
    match command {
        ClientCommands::Case(args) => args.run(context).await,
        ClientCommands::Directive(command) => command.run(context).await,
        ClientCommands::Import(args) => args.run(context).await,
        ClientCommands::Tally(args) => args.run(context).await,
        ClientCommands::Status(args) => args.run(context).await,
        ClientCommands::Digest(args) => args.run(context).await,
        ClientCommands::Place(command) => command.run(context).await,
        ClientCommands::Unit(command) => command.run(context).await,
        ClientCommands::Account(command) => command.run(context).await,
        ClientCommands::Invite(args) => args.run(context).await,
        ClientCommands::Revoke(args) => args.run(context).await,
        ClientCommands::Waive(args) => args.run(context).await,
        ClientCommands::Root(command) => command.run(context).await,
    }
}

/// Prints what the parser has to say (help, version, or a usage error) and gives the exit code: 0 or 64.
#[must_use]
pub fn exit_of_parser(error: &clap::Error) -> ExitCode {
    // There is nobody left to tell when the terminal itself is gone.
    let _ = error.print();
    if error.use_stderr() {
        ExitCode::from(failure::EXIT_USAGE)
    } else {
        ExitCode::SUCCESS
    }
}
