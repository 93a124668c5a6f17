//! What is wrong with a configuration, told so that a newcomer finds the place in one look.
//!
//! Every problem of a file is told at once. The value of a key that is not known is never repeated:
//! it may be a secret.

use std::fmt;
use std::path::PathBuf;

/// The most problems that are written out; the rest is counted.
pub const PROBLEMS_SHOWN_MAX: usize = 20;

/// A configuration that is refused: one problem at least, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What kind of thing is wrong, for programs.
    pub code: Code,
    /// Where it stands.
    pub place: Place,
    /// What is wrong and what to do, in English.
    pub english: String,
    /// The same in Chinese.
    pub chinese: String,
}

/// The stable codes of configuration problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The file is not there, not readable, too large or not UTF-8.
    Unreadable,
    /// The file is not TOML.
    Syntax,
    /// A key or section that does not exist.
    UnknownKey,
    /// A key that has another name now.
    RenamedKey,
    /// A value of the wrong type or out of range.
    BadValue,
    /// Two values that do not go together.
    Contradiction,
    /// A secret that stands in the configuration instead of in a file of its own.
    SecretInline,
    /// Two listeners at one address.
    PortTwice,
    /// An address that another program listens at.
    PortInUse,
    /// An address at which this machine cannot listen.
    AddressUnavailable,
}

impl Code {
    /// The code as programs and people see it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Code::Unreadable => "CONFIG_UNREADABLE",
            Code::Syntax => "CONFIG_SYNTAX",
            Code::UnknownKey => "CONFIG_UNKNOWN_KEY",
            Code::RenamedKey => "CONFIG_RENAMED_KEY",
            Code::BadValue => "CONFIG_BAD_VALUE",
            Code::Contradiction => "CONFIG_CONTRADICTION",
            Code::SecretInline => "CONFIG_SECRET_INLINE",
            Code::PortTwice => "CONFIG_PORT_TWICE",
            Code::PortInUse => "CONFIG_PORT_IN_USE",
            Code::AddressUnavailable => "CONFIG_ADDRESS_UNAVAILABLE",
        }
    }
}

/// Where a value or a problem stands. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the file.
    File {
        /// Line.
        line: usize,
        /// Column.
        column: usize,
        /// The file.
        path: PathBuf,
    },
    /// The file as a whole.
    WholeFile(PathBuf),
    /// In an environment variable of this name.
    Environment(String),
    /// In a flag of this name.
    Flag(String),
    /// Nowhere: the default of this key.
    Default(String),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File { line, column, path } => {
                write!(formatter, "{}:{line}:{column}", path.display())
            }
            Place::WholeFile(path) => write!(formatter, "{}", path.display()),
            Place::Environment(name) | Place::Flag(name) => formatter.write_str(name),
            Place::Default(key) => write!(formatter, "{key} (default)"),
        }
    }
}

impl ConfigError {
    /// Orders the problems as they stand in the sources; `None` if there are none.
    pub(super) fn from_problems(mut problems: Vec<Problem>) -> Option<ConfigError> {
        problems.sort_by(|left, right| left.place.cmp(&right.place));
        (!problems.is_empty()).then_some(ConfigError { problems })
    }

    /// The problems, in the order of the file, then environment, then flags.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl ConfigError {
    /// The problems in English, one a line.
    #[must_use]
    pub fn english(&self) -> String {
        self.in_one(|problem| &problem.english)
    }

    /// The problems in Chinese, one a line.
    #[must_use]
    pub fn chinese(&self) -> String {
        self.in_one(|problem| &problem.chinese)
    }

    fn in_one(&self, words: impl Fn(&Problem) -> &String) -> String {
        let shown = self.problems.iter().take(PROBLEMS_SHOWN_MAX);
        let lines = shown.map(|problem| {
            let (place, code) = (&problem.place, problem.code.as_str());
            format!("{place}: {} [{code}]", words(problem))
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> ConfigError {
        ConfigError {
            problems: vec![problem],
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().take(PROBLEMS_SHOWN_MAX).enumerate() {
            if number > 0 {
                writeln!(formatter)?;
            }
            let Problem {
                code,
                place,
                english,
                chinese,
            } = problem;
            writeln!(formatter, "{place}: {english} [{}]", code.as_str())?;
            write!(formatter, "    {chinese}")?;
        }
        match self.problems.len().saturating_sub(PROBLEMS_SHOWN_MAX) {
            0 => Ok(()),
            more => write!(formatter, "\n... and {more} more / 另有 {more} 处"),
        }
    }
}

impl std::error::Error for ConfigError {}
