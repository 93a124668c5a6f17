//! How a program of the kit fails: a stable code, words in both languages, an exit code; said as the command line says it.

use std::io::Write as _;

use clap::ValueEnum;

/// Wrong use, as the command line counts it.
const EXIT_USAGE: u8 = 64;

/// What a step of a program comes to.
pub type Done<T> = Result<T, Failed>;

/// Form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Words and aligned columns
    Text,
    /// One JSON object
    Json,
}

/// Why a program ends otherwise than it should.
#[derive(Debug, Clone)]
pub struct Failed {
    /// Stable code.
    pub code: String,
    /// Words in English.
    pub english: String,
    /// Words in Chinese, or empty.
    pub chinese: String,
    /// Exit code.
    pub exit: u8,
}

impl Failed {
    /// Something went wrong on the way.
    pub fn new(code: &str, english: impl Into<String>, chinese: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            english: english.into(),
            chinese: chinese.into(),
            exit: 1,
        }
    }

    /// It was asked for something that cannot be.
    pub fn usage(code: &str, english: impl Into<String>, chinese: impl Into<String>) -> Self {
        Self {
            exit: EXIT_USAGE,
            ..Self::new(code, english, chinese)
        }
    }

    /// Says it on the error stream.
    pub fn print(&self, output: Output) {
        let Self {
            code,
            english,
            chinese,
            ..
        } = self;
        let line = match output {
            Output::Json => serde_json::json!({
                "error": { "code": code, "english": english, "chinese": chinese }
            })
            .to_string(),
            Output::Text if chinese.is_empty() => format!("error: {code}: {english}"),
            Output::Text => format!("error: {code}: {english} / {chinese}"),
        };
        // Nobody is left to tell when the terminal is gone.
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }
}

impl From<anyhow::Error> for Failed {
    /// A message may carry its code at its front, such as `FOLDER_NOT_EMPTY: …`.
    fn from(error: anyhow::Error) -> Self {
        let english = format!("{error:#}");
        let head = english.split(':').next().unwrap_or_default();
        let is_code = !head.is_empty()
            && head
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        let code = if is_code { head } else { "FAILED" };
        Self::new(code, english.clone(), "")
    }
}

/// Prints an answer on standard output, in the form asked for.
pub fn say(output: Output, object: &serde_json::Value, text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = match output {
        Output::Json => writeln!(out, "{object}"),
        Output::Text => writeln!(out, "{text}"),
    };
}
