//! What every command to a running node works in: which node, who acts, where it reads and writes, and in which form.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::failure::Failure;
use super::language::{self, Language};
use super::output::Output;
use super::remote::RemoteArgs;
use crate::config::SOCKET_NAME;
use crate::tabular::Words;

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
    /// A node on another machine, where one is asked
    #[command(flatten)]
    pub remote: RemoteArgs,
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
    /// Language of messages; that of the locale if left out
    #[arg(long, global = true, help_heading = HEADING, value_enum)]
    pub lang: Option<Language>,
    /// Seconds to wait for an answer, 1 to 3600
    #[arg(long, global = true, help_heading = HEADING, value_name = "SECONDS", default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout: u64,
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
    pub(super) fn new(globals: Globals, streams: Streams) -> Self {
        Self {
            globals,
            streams: Mutex::new(streams),
        }
    }

    /// The form of answers.
    #[must_use]
    pub fn output(&self) -> Output {
        self.globals.output
    }

    /// The language asked for, or that of the locale.
    #[must_use]
    pub fn language(&self) -> Language {
        self.globals.lang.unwrap_or_else(language::of_surroundings)
    }

    /// The words of the two that are in the language of the person.
    #[must_use]
    pub fn say<'a>(&self, words: &'a Words) -> &'a str {
        self.either(&words.chinese, &words.english)
    }

    /// One of two texts.
    #[must_use]
    pub fn either<'a>(&self, chinese: &'a str, english: &'a str) -> &'a str {
        match self.language() {
            Language::Zh => chinese,
            Language::En => english,
        }
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

    /// The node on another machine that is asked, if one is.
    pub(super) fn remote(&self) -> &RemoteArgs {
        &self.globals.remote
    }

    /// The data folder of the node: the one named, or the one its socket stands in.
    ///
    /// # Errors
    /// A usage failure when neither is named.
    pub fn data(&self) -> Result<PathBuf, Failure> {
        if self.globals.remote.remote.is_some() {
            return Err(Failure::usage(
                "remote",
                "this works on the data folder: run it on the node's own machine, without --remote",
                "此命令须在节点所在机器上执行，不能使用 --remote",
            ));
        }
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

impl Context {
    /// Writes an answer in the form asked for.
    ///
    /// # Errors
    /// `Output` when it cannot be written; a reader that has gone away is no error.
    pub fn answer(
        &self,
        text: impl FnOnce() -> String,
        json: impl FnOnce() -> Value,
    ) -> Result<(), Failure> {
        let answer = match self.output() {
            Output::Text => text(),
            Output::Json => format!("{:#}\n", json()),
        };
        let mut streams = self.streams();
        let written = streams
            .out
            .write_all(answer.as_bytes())
            .and_then(|()| streams.out.flush());
        match written {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(Failure::Output(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Writes a note for people on the error stream; nothing in JSON form.
    pub fn note(&self, note: &str) {
        if self.output() == Output::Text {
            // A note that nobody can read changes nothing about the answer.
            let _ = self
                .streams()
                .err
                .write_all(format!("note: {note}\n").as_bytes());
        }
    }

    /// Says on the error stream, in the form asked for, why the command failed.
    pub(super) fn report(&self, failure: &Failure) {
        let text = match self.output() {
            Output::Text => failure.text(),
            Output::Json => format!("{:#}\n", failure.json()),
        };
        // There is nobody left to tell when the terminal itself is gone.
        let _ = self.streams().err.write_all(text.as_bytes());
    }
}
