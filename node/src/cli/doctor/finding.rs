//! What a check looks at, and what it says.

use std::path::Path;

use fengqiao_hub::clock::Moment;
use fengqiao_proto::v1 as pb;

use crate::config::Config;
use crate::folder::{FolderError, Glance};
use crate::link::Words;
use crate::node::clock::Clock;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Ok,
    Warn,
    Fail,
}

impl State {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

pub(super) fn words(english: impl Into<String>, chinese: impl Into<String>) -> Words {
    Words {
        english: english.into(),
        chinese: chinese.into(),
    }
}

/// One line of the answer.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) check: &'static str,
    pub(super) state: State,
    pub(super) found: Words,
    /// Empty when there is nothing to do.
    pub(super) to_do: Words,
}

impl Finding {
    pub(super) fn ok(check: &'static str, found: Words) -> Self {
        Self {
            check,
            state: State::Ok,
            found,
            to_do: Words::default(),
        }
    }

    pub(super) fn warn(check: &'static str, found: Words, to_do: Words) -> Self {
        Self {
            check,
            state: State::Warn,
            found,
            to_do,
        }
    }

    pub(super) fn fail(check: &'static str, found: Words, to_do: Words) -> Self {
        Self {
            state: State::Fail,
            ..Self::warn(check, found, to_do)
        }
    }
}

/// What the checks look at.
pub(super) struct Patient<'a> {
    pub(super) folder: &'a Path,
    pub(super) config: &'a Config,
    pub(super) clock: Clock,
    pub(super) now: Moment,
    pub(super) glance: Result<Glance, FolderError>,
    /// Of the running node; `None` where none answers.
    pub(super) status: Option<pb::GetStatusResponse>,
}
