//! What a shell and a manual need of the command line: completion, pages, the version.

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use serde_json::json;

use super::command::Command;
use super::exit::Exit;
use super::ground::{Failed, Ground, say};

/// `version`
#[derive(Debug, Args)]
pub(super) struct VersionArgs {}

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

/// Says which program this is: version, protocol, suite.
#[allow(clippy::unnecessary_wraps, reason = "as every command of this machine")]
pub(super) fn version(ground: &Ground) -> Result<(), Failed> {
    let version = env!("CARGO_PKG_VERSION");
    let object = json!({ "name": "fengqiao", "version": version, "protocol": 1 });
    say(
        ground.json,
        &object,
        &format!("fengqiao {version}, protocol 1"),
    );
    Ok(())
}

/// Prints the script by which a shell completes.
#[allow(clippy::unnecessary_wraps, reason = "as every command of this machine")]
pub(super) fn completion(args: &CompletionArgs) -> Result<(), Failed> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Command::command(), "fengqiao", &mut script);
    // A reader that has gone away is no error.
    let _ = std::io::stdout().lock().write_all(&script);
    Ok(())
}

/// Writes pages of the manual.
pub(super) fn man(args: &ManArgs) -> Result<(), Failed> {
    let command = Command::command();
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
