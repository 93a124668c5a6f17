//! What a shell and a manual need of the command line: completion, pages, the version.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Command, Subcommand};
use serde_json::json;

use super::exit::Exit;
use super::ground::{Failed, say};

/// Commands about the command line itself.
#[derive(Debug, Subcommand)]
pub(super) enum ShellCommands {
    /// Print the script by which a shell completes commands and options (命令补全)
    Completion(CompletionArgs),
    /// Write pages of the manual (手册页)
    Man(ManArgs),
    /// Say which version this is (版本)
    Version,
}

/// `completion`
#[derive(Debug, Args)]
pub(super) struct CompletionArgs {
    /// Shell that is to complete commands and options
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

/// `man`
#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Folder for a page a command, such as /usr/local/share/man/man1; the first page alone is printed if left out
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
}

/// Runs one, of a whole command line.
pub(super) fn run(asked: &ShellCommands, whole: Command, json: bool) -> ExitCode {
    let done = match asked {
        ShellCommands::Completion(args) => {
            completion(args, whole);
            Ok(())
        }
        ShellCommands::Man(args) => man(args, whole),
        ShellCommands::Version => {
            version(json);
            Ok(())
        }
    };
    let exit = done.map_or_else(
        |failure| {
            failure.print(json);
            failure.exit
        },
        |()| Exit::Done.code(),
    );
    ExitCode::from(exit)
}

/// Says which program this is: version and protocol.
fn version(json: bool) {
    let version = env!("CARGO_PKG_VERSION");
    let object = json!({ "name": "fengqiao", "version": version, "protocol": 1 });
    say(json, &object, &format!("fengqiao {version}, protocol 1"));
}

/// Prints the script by which a shell completes.
fn completion(args: &CompletionArgs, mut whole: Command) {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut whole, "fengqiao", &mut script);
    // A reader that has gone away is no error.
    let _ = std::io::stdout().lock().write_all(&script);
}

/// Writes pages of the manual.
fn man(args: &ManArgs, command: Command) -> Result<(), Failed> {
    let Some(folder) = &args.to else {
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(command).render(&mut page);
        rendered.map_err(|error| unwritten(&error))?;
        let _ = std::io::stdout().lock().write_all(&page);
        return Ok(());
    };
    let written = clap_mangen::generate_to(command, folder);
    written.map_err(|error| unwritten(&error))
}

fn unwritten(error: &std::io::Error) -> Failed {
    Failed {
        code: "NOT_WRITTEN".to_owned(),
        english: format!(
            "the pages could not be written: {error}; name a folder that exists and may be written"
        ),
        chinese: "手册页无法写入：请指明已存在且可写的目录".to_owned(),
        exit: Exit::Refused.code(),
    }
}
