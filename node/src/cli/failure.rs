//! Why a command ends without having done its work, in words, in JSON, and as an exit code.

use std::error::Error as _;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue};
use serde_json::json;

use super::exit::Exit;
use super::json::or_null;
use crate::desk::error::{Told, told};
use crate::dial::{Unreached, Why};
use crate::tabular::Words;

const EXIT_USAGE: u8 = Exit::Usage.code();
const EXIT_TRY_AGAIN: u8 = Exit::TryAgain.code();
const EXIT_REFUSED: u8 = Exit::Refused.code();

/// Whether a write that failed had its effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// There was nothing to apply, or it was not applied.
    None,
    /// Part of a long command was applied; the failure says how far it came.
    Partly,
    /// Nobody knows; the same request with this id has at most one effect.
    Unknown {
        /// Request id to repeat, or empty where the call has none.
        request_id: String,
    },
}

/// What a call is, as far as a failure of it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Reads only.
    Read,
    /// Writes; repeating it with this id is safe. Empty where the call has no id.
    Write {
        /// Request id.
        request_id: String,
    },
}

impl Call {
    /// A write that bears no id, because a repeat of it gives the same answer.
    pub(super) fn repeatable() -> Self {
        Self::Write {
            request_id: String::new(),
        }
    }

    fn effect_unknown(&self) -> Effect {
        match self {
            Self::Read => Effect::None,
            Self::Write { request_id } => Effect::Unknown {
                request_id: request_id.clone(),
            },
        }
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line, the environment or a file named there is wrong; nothing was sent.
    #[error("{}: {}", .0.code, .0.english)]
    Usage(Box<Told>),
    /// A file is not what it should be; nothing was sent.
    #[error("{}: {}", .0.code, .0.english)]
    File(Box<Told>),
    /// No node answers at the socket; nothing was sent.
    #[error("cannot connect to the node at {path}")]
    NotConnected {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The node refused; nothing was applied.
    #[error("{}: {}", .0.code, .0.english)]
    Refused(Box<Told>),
    /// The node asks to try again, or the answer did not come.
    #[error("{}: {}", .told.code, .told.english)]
    TryAgain {
        /// What is known.
        told: Box<Told>,
        /// Whether it was applied.
        effect: Effect,
    },
    /// The node failed in a way that has no code of its own.
    #[error("{}: {}", .told.code, .told.english)]
    Unexpected {
        /// What is known.
        told: Box<Told>,
        /// Whether it was applied.
        effect: Effect,
    },
    /// The answer could not be written; the command itself was carried out.
    #[error("the answer could not be written")]
    Output(#[source] std::io::Error),
}

fn own(
    code: &str,
    field: &str,
    english: impl Into<String>,
    chinese: impl Into<String>,
) -> Box<Told> {
    Box::new(Told {
        code: code.to_owned(),
        field: field.to_owned(),
        english: english.into(),
        chinese: chinese.into(),
        retry_after: None,
    })
}

impl Failure {
    /// A usage failure.
    #[must_use]
    pub fn usage(field: &str, english: impl Into<String>, chinese: impl Into<String>) -> Self {
        Self::Usage(own("USAGE", field, english, chinese))
    }

    /// What the parser of the command line refuses: its words, and the argument they are about.
    #[must_use]
    pub fn of_parser(error: &clap::Error) -> Self {
        let rendered = error.render().to_string();
        let english = rendered.strip_prefix("error: ").unwrap_or(&rendered);
        let argument = error
            .context()
            .find_map(|(kind, value)| match (kind, value) {
                (ContextKind::InvalidArg, ContextValue::String(text)) => Some(text.as_str()),
                (ContextKind::InvalidArg, ContextValue::Strings(texts)) => {
                    texts.first().map(String::as_str)
                }
                (ContextKind::InvalidSubcommand, ContextValue::String(text)) => Some(text.as_str()),
                _ => None,
            });
        Self::usage(
            argument.unwrap_or_default(),
            english.trim_end(),
            "命令或参数有误，请用 --help 查看用法",
        )
    }

    /// A failure of a file's content.
    #[must_use]
    pub fn file(field: &str, english: impl Into<String>, chinese: impl Into<String>) -> Self {
        Self::file_of("FILE_REFUSED", field, english, chinese)
    }

    /// The same under a code that says more.
    #[must_use]
    pub fn file_of(
        code: &str,
        field: &str,
        english: impl Into<String>,
        chinese: impl Into<String>,
    ) -> Self {
        Self::File(own(code, field, english, chinese))
    }

    /// No answer in time.
    #[must_use]
    pub fn no_answer(call: &Call) -> Self {
        Self::TryAgain {
            told: own(
                "NO_ANSWER",
                "",
                "the node did not answer in time",
                "节点未及时答复",
            ),
            effect: call.effect_unknown(),
        }
    }

    /// A node on another machine that was not reached, or is not believed; nothing was sent.
    #[must_use]
    pub(super) fn unreached(unreached: &Unreached) -> Self {
        let told = |code, english: &str, chinese: &str| {
            let english = format!("{}{english}", unreached.english());
            own(code, "remote", english, unreached.chinese() + chinese)
        };
        match unreached.why {
            Why::Theirs(_) | Why::Ours(_) => Self::Refused(told(
                "NOT_TRUSTED",
                "; give the node's own pages/authority.pem or certificate to --trust, and dial a name that stands in it",
                "；请用 --trust 指明该节点的 pages/authority.pem 或证书，并使用证书中的名称",
            )),
            Why::NotANode => Self::Refused(told(
                "NOT_A_NODE",
                "; dial its desk.listen port, 7445 by default",
                "；请连接 desk.listen 端口，默认为 7445",
            )),
            Why::Name | Why::Silent | Why::NoRoute | Why::NobodyListens | Why::Broken => {
                Self::TryAgain {
                    told: told(
                        "NOT_CONNECTED",
                        "; see that desk.listen there is open to this machine",
                        "；请确认对方 desk.listen 对本机开放",
                    ),
                    effect: Effect::None,
                }
            }
        }
    }

    /// What a status means for a call.
    #[must_use]
    pub fn of(status: &tonic::Status, call: &Call) -> Self {
        let may_pass = matches!(
            status.code(),
            tonic::Code::Unavailable
                | tonic::Code::DeadlineExceeded
                | tonic::Code::ResourceExhausted
                | tonic::Code::Cancelled
        );
        if let Some(told) = told(status).map(Box::new) {
            // A refusal the node made itself: it changed nothing.
            return if may_pass {
                Self::TryAgain {
                    told,
                    effect: Effect::None,
                }
            } else {
                Self::Refused(told)
            };
        }
        let effect = call.effect_unknown();
        if timed_out(status) {
            return Self::no_answer(call);
        }
        // A status with a source was made here, by the transport: the connection broke under the call.
        if may_pass || status.source().is_some() {
            return Self::TryAgain {
                told: own(
                    "CONNECTION_LOST",
                    "",
                    "the node is not available or the connection broke before it answered",
                    "节点不可用，或答复之前连接中断",
                ),
                effect,
            };
        }
        let never_applied = matches!(
            status.code(),
            tonic::Code::InvalidArgument
                | tonic::Code::NotFound
                | tonic::Code::FailedPrecondition
                | tonic::Code::PermissionDenied
                | tonic::Code::Unauthenticated
                | tonic::Code::Unimplemented
        );
        Self::Unexpected {
            told: own(
                &format!("GRPC_{}", screaming(status.code())),
                "",
                status.message(),
                "节点返回错误",
            ),
            effect: if never_applied { Effect::None } else { effect },
        }
    }

    /// The same, of a command that had come so far; the same command goes on.
    #[must_use]
    pub fn cut_short(self, so_far: &Words) -> Self {
        let mut told = self.told();
        told.english = format!("{}; {}", told.english, so_far.english);
        told.chinese = format!("{}；{}", told.chinese, so_far.chinese);
        Self::TryAgain {
            told,
            effect: Effect::Partly,
        }
    }

    /// How the process is to exit.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => EXIT_USAGE,
            Self::NotConnected { .. } | Self::TryAgain { .. } => EXIT_TRY_AGAIN,
            Self::File(_) | Self::Refused(_) | Self::Unexpected { .. } | Self::Output(_) => {
                EXIT_REFUSED
            }
        }
    }

    fn told(&self) -> Box<Told> {
        match self {
            Self::Usage(told) | Self::File(told) | Self::Refused(told) => told.clone(),
            Self::TryAgain { told, .. } | Self::Unexpected { told, .. } => told.clone(),
            Self::NotConnected { path, source } => not_connected(path, source),
            Self::Output(source) => own(
                "OUTPUT",
                "",
                format!("done, but the answer could not be written: {source}"),
                "已执行，但结果无法输出",
            ),
        }
    }

    fn effect(&self) -> Effect {
        match self {
            Self::TryAgain { effect, .. } | Self::Unexpected { effect, .. } => effect.clone(),
            Self::Usage(_)
            | Self::File(_)
            | Self::Refused(_)
            | Self::NotConnected { .. }
            | Self::Output(_) => Effect::None,
        }
    }

    /// In words, the notes too.
    pub(super) fn text(&self) -> String {
        let told = self.told();
        let mut text = format!("error: {}: {}", told.code, told.english);
        if !told.chinese.is_empty() {
            text.push_str(" / ");
            text.push_str(&told.chinese);
        }
        if !told.field.is_empty() {
            text.push_str(&format!(" (field: {})", told.field));
        }
        text.push('\n');
        if let Some(note) = self.note() {
            text.push_str(&note);
        }
        text
    }

    /// What the caller needs to know before it tries again.
    fn note(&self) -> Option<String> {
        let note = match self.effect() {
            Effect::Unknown { request_id } if request_id.is_empty() => {
                "note: it may have been applied; look before you repeat it / 可能已生效，请先查看再重试\n"
                    .to_owned()
            }
            Effect::Unknown { request_id } => format!(
                "note: it may have been applied; repeat it with --request-id {request_id} to be sure it happens once / \
                 可能已生效，请用相同的请求编号重试\n"
            ),
            Effect::None if self.exit_code() == EXIT_TRY_AGAIN => {
                "note: nothing was applied; try again / 未生效，请稍后重试\n".to_owned()
            }
            Effect::None | Effect::Partly => return None,
        };
        Some(note)
    }

    pub(super) fn json(&self) -> serde_json::Value {
        let told = self.told();
        let (applied, request_id) = match self.effect() {
            Effect::None if matches!(self, Self::Output(_)) => ("yes", String::new()),
            Effect::None => ("no", String::new()),
            Effect::Partly => ("partly", String::new()),
            Effect::Unknown { request_id } => ("maybe", request_id),
        };
        let retry_after_ms = told
            .retry_after
            .and_then(|after| u64::try_from(after.as_millis()).ok());
        json!({
            "error": {
                "code": told.code,
                "field": or_null(&told.field),
                "english": told.english,
                "chinese": told.chinese,
                "applied": applied,
                "request_id": or_null(&request_id),
                "try_again": self.exit_code() == EXIT_TRY_AGAIN,
                "retry_after_ms": retry_after_ms,
            }
        })
    }
}

/// Whether a deadline ended the call: counted here, or by the node, which says so with a code only.
fn timed_out(status: &tonic::Status) -> bool {
    let mut sources = std::iter::successors(status.source(), |error| (*error).source());
    sources.any(|error| error.is::<tonic::TimeoutExpired>())
        || status.source().is_none()
            && matches!(
                status.code(),
                tonic::Code::Cancelled | tonic::Code::DeadlineExceeded
            )
}

fn not_connected(path: &std::path::Path, source: &std::io::Error) -> Box<Told> {
    let shown = path.display();
    if matches!(
        source.kind(),
        std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused
    ) {
        return own(
            "NOT_RUNNING",
            "",
            format!("no node is running at {shown}"),
            "此处没有正在运行的节点",
        );
    }
    own(
        "NOT_CONNECTED",
        "",
        format!("cannot connect to the node at {shown}: {source}"),
        "无法连接节点",
    )
}

fn screaming(code: tonic::Code) -> String {
    let mut text = String::new();
    for character in format!("{code:?}").chars() {
        if character.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(character.to_ascii_uppercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write() -> Call {
        Call::Write {
            request_id: "r1".to_owned(),
        }
    }

    #[test]
    fn a_refusal_of_the_node_says_that_nothing_was_applied() {
        use fengqiao_hub::refusal::{Code, Refusal};
        let busy = crate::desk::error::status(&Refusal::of(Code::Busy, ""));
        let failure = Failure::of(&busy, &write());
        assert_eq!(failure.exit_code(), EXIT_TRY_AGAIN);
        assert_eq!(failure.effect(), Effect::None);
        let closed = crate::desk::error::status(&Refusal::of(Code::CaseClosed, ""));
        assert_eq!(Failure::of(&closed, &write()).exit_code(), EXIT_REFUSED);
    }

    #[test]
    fn a_bare_unavailable_may_have_been_applied_when_it_was_a_write() {
        let gone = tonic::Status::unavailable("gone");
        let unknown = Effect::Unknown {
            request_id: "r1".to_owned(),
        };
        assert_eq!(Failure::of(&gone, &write()).effect(), unknown);
        assert_eq!(Failure::of(&gone, &Call::Read).effect(), Effect::None);
    }

    #[test]
    fn a_deadline_counted_at_either_side_is_no_answer() {
        let here = tonic::Status::from_error(Box::new(tonic::TimeoutExpired(())));
        for status in [
            here,
            tonic::Status::cancelled("Timeout expired"),
            tonic::Status::deadline_exceeded("x"),
        ] {
            let failure = Failure::of(&status, &write());
            assert_eq!(failure.told().code, "NO_ANSWER");
            assert_eq!(failure.exit_code(), EXIT_TRY_AGAIN);
            assert_ne!(failure.effect(), Effect::None);
        }
    }

    #[test]
    fn a_transport_error_of_any_code_is_a_lost_connection() {
        let broken = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        let status = tonic::Status::from_error(Box::new(broken));
        let failure = Failure::of(&status, &write());
        assert_eq!(failure.told().code, "CONNECTION_LOST");
        assert_eq!(failure.exit_code(), EXIT_TRY_AGAIN);
        assert_ne!(failure.effect(), Effect::None);
    }

    #[test]
    fn an_internal_error_is_not_tried_again_but_leaves_the_effect_open() {
        let broken = tonic::Status::internal("x");
        let failure = Failure::of(&broken, &write());
        assert_eq!(failure.exit_code(), EXIT_REFUSED);
        assert_ne!(failure.effect(), Effect::None);
        assert!(failure.text().starts_with("error: GRPC_INTERNAL: x"));
        let failure = Failure::of(&tonic::Status::failed_precondition("x"), &write());
        assert_eq!(failure.effect(), Effect::None);
        assert!(failure.text().contains("GRPC_FAILED_PRECONDITION"));
    }
}
