//! What is wrong with a rulebook, by file and line, in both languages; all of it at once, so that one look mends it.

use std::fmt::{self, Write as _};

/// The files a rulebook is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Presets, working hours, unit kinds.
    Rules,
    /// The dispatch catalogue.
    Classes,
    /// Days off.
    Calendar,
}

impl Part {
    /// All of them, in the order in which they are read.
    pub const ALL: [Self; 3] = [Self::Rules, Self::Classes, Self::Calendar];

    /// The name of its file.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            Self::Rules => "rules.toml",
            Self::Classes => "classes.csv",
            Self::Calendar => "calendar.json",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub part: Part,
    /// Line, from 1; 0 when it is about the whole file.
    pub line: u64,
    /// Column of a table or key of the file, or empty.
    pub field: String,
    /// What is wrong, in Chinese.
    pub chinese: String,
    /// What is wrong, in English.
    pub english: String,
}

impl Problem {
    pub(super) fn at(
        part: Part,
        line: u64,
        field: impl Into<String>,
        english: impl Into<String>,
        chinese: impl Into<String>,
    ) -> Self {
        Self {
            part,
            line,
            field: field.into(),
            chinese: chinese.into(),
            english: english.into(),
        }
    }

    /// The whole sentence in Chinese.
    #[must_use]
    pub fn in_chinese(&self) -> String {
        let line = match self.line {
            0 => String::new(),
            line => format!(" 第{line}行"),
        };
        let field = match self.field.as_str() {
            "" => String::new(),
            field => format!(" {field}"),
        };
        format!("{}{line}{field}：{}", self.part.file(), self.chinese)
    }
}

impl fmt::Display for Problem {
    /// The whole sentence in English.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.part.file())?;
        if self.line != 0 {
            write!(f, " line {}", self.line)?;
        }
        if !self.field.is_empty() {
            write!(f, ", {}", self.field)?;
        }
        write!(f, ": {}", self.english)
    }
}

/// Why a rulebook is refused: everything that is wrong with it, at least one thing. Nothing of it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsound(pub Vec<Problem>);

impl fmt::Display for Unsound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_char('\n')?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Unsound {}
