//! The command line for everything that talks to a running node, over the local socket in its data folder.
//!
//! It decides nothing and keeps nothing: it puts words into a request, and the answer into words or JSON. What it was
//! given about a person it hands on and never prints or logs.

mod accounts;
mod authority;
pub mod backup;
pub mod bundle;
pub mod case;
pub mod command;
mod connection;
mod context;
mod directive;
mod doctor;
pub mod exit;
mod export;
mod failure;
pub mod ground;
mod import;
mod join;
pub mod json;
mod language;
pub mod output;
mod people;
mod place;
mod recover;
mod remote;
mod root;
mod run;
mod server;
mod shell;
mod status;
mod table;
mod tally;
mod verify;
mod words;
mod write;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Subcommand;
use clap::error::ErrorKind;

use exit::Exit;
use failure::Failure;

pub use context::{Context, Globals, Streams};

/// Commands that talk to a running node.
#[derive(Debug, Subcommand)]
pub enum ClientCommands {
    /// Make moves on cases, show and list them (诉求)
    #[command(after_help = case::LIFE)]
    Case(case::CaseArgs),
    /// Issue directives to centres below, answer those received (指令)
    #[command(subcommand)]
    Directive(directive::DirectiveCommand),
    /// Check, issue and show bundles of rules: classes, limits, days off (规则包)
    #[command(subcommand)]
    Bundle(bundle::BundleCommand),
    /// Register requests from a table, by a mapping file (导入)
    Import(import::ImportArgs),
    /// Show the daily figures of this node and those below it (统计)
    Tally(tally::TallyArgs),
    /// Show the node, its links and what waits (状态)
    Status(status::StatusArgs),
    /// Compute digests of everything from the journal on disk, to compare with a neighbour (校验)
    Digest(status::DigestArgs),
    /// Add, rename, move, end and list places below this one (地区)
    #[command(subcommand)]
    Place(place::PlaceCommand),
    /// Add, rename, end and list units of this centre (单位)
    #[command(subcommand)]
    Unit(place::UnitCommand),
    /// Open, change, list and close accounts of people at this centre (账号)
    #[command(subcommand)]
    Account(people::AccountCommand),
    /// Mint an invitation with which a new node below, or of a unit, joins (邀请)
    Invite(people::InviteArgs),
    /// List invitations, and withdraw those that nobody has used (邀请码管理)
    #[command(subcommand)]
    Invitation(people::InvitationCommand),
    /// Revoke a node that was enrolled here: it may not write any more (吊销)
    Revoke(people::RevokeArgs),
    /// After a loss, go on without a neighbour that will not come back (恢复时不再等待某节点)
    Waive(people::WaiveArgs),
    /// What only the root key may do after the beginning (根密钥)
    #[command(subcommand)]
    Root(root::RootCommand),
}

/// Runs one command and says how the process is to exit, by [`Exit`].
pub async fn run(command: ClientCommands, globals: Globals, streams: Streams) -> u8 {
    let context = Context::new(globals, streams);
    match dispatch(command, &context).await {
        Ok(()) => Exit::Done.code(),
        Err(failure) => {
            context.report(&failure);
            failure.exit_code()
        }
    }
}

async fn dispatch(command: ClientCommands, context: &Context) -> Result<(), Failure> {
    match command {
        ClientCommands::Case(args) => args.run(context).await,
        ClientCommands::Bundle(command) => command.run(context).await,
        ClientCommands::Directive(command) => command.run(context).await,
        ClientCommands::Import(args) => args.run(context).await,
        ClientCommands::Tally(args) => args.run(context).await,
        ClientCommands::Status(args) => args.run(context).await,
        ClientCommands::Digest(args) => args.run(context).await,
        ClientCommands::Place(command) => command.run(context).await,
        ClientCommands::Unit(command) => command.run(context).await,
        ClientCommands::Account(command) => command.run(context).await,
        ClientCommands::Invite(args) => args.run(context).await,
        ClientCommands::Invitation(command) => command.run(context).await,
        ClientCommands::Revoke(args) => args.run(context).await,
        ClientCommands::Waive(args) => args.run(context).await,
        ClientCommands::Root(command) => command.run(context).await,
    }
}

/// Prints what the parser has to say (help, version, or a usage error, as JSON where that was asked for) and gives the
/// exit code: done or usage.
#[must_use]
pub fn exit_of_parser(error: &clap::Error, words: &[OsString]) -> ExitCode {
    let helped = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if !error.use_stderr() && !helped {
        // There is nobody left to tell when the terminal itself is gone.
        let _ = error.print();
        return ExitCode::from(Exit::Done.code());
    }
    if json_asked_for(words) {
        let failure = Failure::of_parser(error);
        let _ = writeln!(std::io::stderr().lock(), "{:#}", failure.json());
    } else {
        let _ = error.print();
    }
    ExitCode::from(Exit::Usage.code())
}

/// Whether a command line that does not parse asks for JSON all the same.
fn json_asked_for(words: &[OsString]) -> bool {
    let word = |at: usize| words.get(at).and_then(|word| word.to_str());
    (0..words.len()).any(|at| match word(at) {
        Some("--output") => word(at + 1) == Some("json"),
        Some(word) => word == "--output=json",
        None => false,
    })
}
