//! What every command of this machine works with: where, in which form, and how it fails.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use super::exit::Exit;
use crate::config::{Config, Overrides};
use crate::host::code_of;
use crate::node::clock::Clock;

/// Where a server command works.
#[derive(Debug, Clone)]
pub struct Ground {
    /// Data folder given on the command line.
    pub data: Option<PathBuf>,
    /// Account that acts, where a running node is asked.
    pub login: Option<String>,
    /// Answers as JSON.
    pub json: bool,
}

/// A command that failed: a stable code, words, and how the process exits.
#[derive(Debug)]
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
    pub(crate) fn usage(
        code: &str,
        english: impl Into<String>,
        chinese: impl Into<String>,
    ) -> Self {
        Self {
            code: code.to_owned(),
            english: english.into(),
            chinese: chinese.into(),
            exit: Exit::Usage.code(),
        }
    }

    pub(super) fn print(&self, json: bool) {
        let mut err = std::io::stderr().lock();
        // Nobody is left to tell when the terminal is gone.
        let _ = if json {
            let object = serde_json::json!({
                "error": {
                    "code": self.code,
                    "field": null,
                    "english": self.english,
                    "chinese": self.chinese,
                    "applied": "no",
                    "request_id": null,
                    "try_again": self.exit == Exit::TryAgain.code(),
                    "retry_after_ms": null,
                }
            });
            writeln!(err, "{object:#}")
        } else if self.chinese.is_empty() {
            writeln!(err, "error: {}: {}", self.code, self.english)
        } else {
            writeln!(
                err,
                "error: {}: {} / {}",
                self.code, self.english, self.chinese
            )
        };
    }
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        let folder = error
            .chain()
            .find_map(|cause| cause.downcast_ref::<crate::folder::FolderError>());
        let chinese = folder
            .map(crate::folder::FolderError::chinese)
            .unwrap_or_default();
        let english = format!("{error:#}");
        let code = code_of(&error).map_or_else(|| code_in(&english), str::to_owned);
        Self {
            code,
            english,
            chinese,
            exit: Exit::Refused.code(),
        }
    }
}

/// A code that a message carries at its front, such as `PORT_IN_USE: …`.
fn code_in(text: &str) -> String {
    let head = text.split(':').next().unwrap_or_default();
    let is_code = !head.is_empty()
        && head
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    if is_code {
        head.to_owned()
    } else {
        "FAILED".to_owned()
    }
}

impl From<crate::enrolment::EnrolmentError> for Failed {
    fn from(error: crate::enrolment::EnrolmentError) -> Self {
        Self {
            code: error.code().to_owned(),
            chinese: error.chinese(),
            exit: error.exit_code(),
            english: format!("{:#}", anyhow::Error::new(error)),
        }
    }
}

impl From<crate::config::ConfigError> for Failed {
    fn from(error: crate::config::ConfigError) -> Self {
        let code = error.problems().first().map_or_else(
            || "CONFIG".to_owned(),
            |problem| problem.code.as_str().to_owned(),
        );
        Self::usage(&code, error.english(), error.chinese())
    }
}

impl From<crate::folder::FolderError> for Failed {
    fn from(error: crate::folder::FolderError) -> Self {
        let (code, chinese) = (error.code().to_owned(), error.chinese());
        Self {
            code,
            chinese,
            exit: Exit::Refused.code(),
            english: format!("{:#}", anyhow::Error::new(error)),
        }
    }
}

pub(crate) fn data_of(ground: &Ground) -> Result<PathBuf, Failed> {
    ground.data.clone().ok_or_else(|| {
        Failed::usage(
            "DATA_MISSING",
            "name the data folder with --data FOLDER or FENGQIAO_DATA",
            "请用 --data 指明数据文件夹",
        )
    })
}

pub(crate) fn clock_of(file: Option<&PathBuf>) -> Clock {
    file.map_or(Clock::System, |file| Clock::of_file(file.clone()))
}

pub(crate) fn say(json: bool, object: &serde_json::Value, text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = if json {
        writeln!(out, "{object}")
    } else {
        writeln!(out, "{text}")
    };
}

pub(crate) fn load(
    file: Option<&PathBuf>,
    set: &[String],
    ground: &Ground,
) -> Result<Config, Failed> {
    let mut overrides = Overrides::new();
    if let Some(data) = &ground.data {
        overrides = overrides.set("--data", "data.folder", data.display().to_string());
    }
    for pair in set {
        let Some((key, value)) = pair.split_once('=') else {
            return Err(Failed::usage(
                "CONFIG_BAD_VALUE",
                format!("--set {pair}: give KEY=VALUE"),
                "--set 应为 键=值",
            ));
        };
        overrides = overrides.set("--set", key, value);
    }
    Ok(Config::load(
        file.map(PathBuf::as_path),
        std::env::vars(),
        &overrides,
    )?)
}

pub(crate) fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}");
    let bar = ProgressBar::new(0);
    style.map_or_else(|_| bar.clone(), |style| bar.clone().with_style(style))
}
