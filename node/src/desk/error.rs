//! A refusal as a gRPC status, and back.
//!
//! The status message is English; `ErrorInfo` carries the stable code, `BadRequest` the field, `LocalizedMessage` the
//! Chinese words, `RetryInfo` when to come again. Refusals hold no personal data, so a status holds none either.

use std::collections::HashMap;
use std::time::Duration;

use fengqiao_hub::refusal::{Class, Code, Refusal};
use tonic_types::{ErrorDetails, StatusExt as _};

/// Domain of every code in `ErrorInfo`.
pub const DOMAIN: &str = "fengqiao";
/// When a caller that is told to try again should.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);

const FIELD: &str = "field";
const DETAIL: &str = "detail";
const CHINESE: &str = "zh-CN";

/// Puts a refusal into a status.
#[must_use]
pub fn status(refusal: &Refusal) -> tonic::Status {
    let english = refusal.english();
    let metadata: HashMap<String, String> = [
        (FIELD, refusal.field.to_owned()),
        (DETAIL, refusal.detail.clone()),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(key, value)| (key.to_owned(), value))
    .collect();
    let mut details = ErrorDetails::new();
    details.set_error_info(refusal.code.as_str(), DOMAIN, metadata);
    details.set_localized_message(CHINESE, refusal.chinese());
    if !refusal.field.is_empty() {
        details.add_bad_request_violation(refusal.field, english.clone());
    }
    if refusal.code.class() == Class::TryAgain {
        details.set_retry_info(Some(RETRY_AFTER));
    }
    tonic::Status::with_error_details(grpc_code(refusal.code), english, details)
}

fn grpc_code(code: Code) -> tonic::Code {
    if code == Code::NotSignedIn {
        return tonic::Code::Unauthenticated;
    }
    match code.class() {
        Class::Invalid => tonic::Code::InvalidArgument,
        Class::NotFound => tonic::Code::NotFound,
        Class::State => tonic::Code::FailedPrecondition,
        Class::Forbidden => tonic::Code::PermissionDenied,
        Class::TryAgain => tonic::Code::Unavailable,
    }
}

/// What a caller was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Stable code.
    pub code: String,
    /// Field of the request, or empty.
    pub field: String,
    /// Words, English.
    pub english: String,
    /// Words, Chinese; may be empty.
    pub chinese: String,
    /// When to come again.
    pub retry_after: Option<Duration>,
}

/// Reads a refusal back from a status; `None` when a node did not make it.
#[must_use]
pub fn told(status: &tonic::Status) -> Option<Told> {
    // A damaged detail is read as no detail: the caller then reports the bare status.
    let details = status.check_error_details().ok()?;
    let info = details
        .error_info()
        .filter(|info| info.domain == DOMAIN && !info.reason.is_empty())?;
    let field = info.metadata.get(FIELD).cloned().unwrap_or_default();
    Some(Told {
        code: info.reason.clone(),
        field,
        english: status.message().to_owned(),
        chinese: details
            .localized_message()
            .map(|message| message.message.clone())
            .unwrap_or_default(),
        retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_reads_back_with_code_field_and_both_languages() {
        for code in Code::ALL {
            let refusal = Refusal::of(*code, "lead").because("城管局");
            let read = told(&status(&refusal)).unwrap();
            assert_eq!(read.code, code.as_str());
            assert_eq!(read.field, "lead");
            assert_eq!(read.english, refusal.english());
            assert_eq!(read.chinese, refusal.chinese());
            assert_eq!(
                read.retry_after.is_some(),
                code.class() == Class::TryAgain,
                "{}",
                code.as_str()
            );
        }
    }

    #[test]
    fn each_class_has_its_grpc_code() {
        let table = [
            (Code::Empty, tonic::Code::InvalidArgument),
            (Code::CaseUnknown, tonic::Code::NotFound),
            (Code::StageForbids, tonic::Code::FailedPrecondition),
            (Code::RoleMissing, tonic::Code::PermissionDenied),
            (Code::NotSignedIn, tonic::Code::Unauthenticated),
            (Code::ReadOnly, tonic::Code::Unavailable),
        ];
        for (code, expected) in table {
            assert_eq!(status(&Refusal::of(code, "")).code(), expected);
        }
    }

    #[test]
    fn a_field_stands_in_bad_request_and_none_where_there_is_none() {
        let with = status(&Refusal::of(Code::TooLong, "texts.reason")).get_error_details();
        assert_eq!(
            with.bad_request().unwrap().field_violations[0].field,
            "texts.reason"
        );
        let without = status(&Refusal::of(Code::CaseClosed, "")).get_error_details();
        assert!(without.bad_request().is_none());
        assert!(without.error_info().unwrap().metadata.is_empty());
    }

    #[test]
    fn a_status_of_someone_else_is_not_read_as_ours() {
        assert_eq!(told(&tonic::Status::unavailable("gone")), None);
        let foreign = tonic::Status::with_error_details(
            tonic::Code::NotFound,
            "no",
            ErrorDetails::with_error_info("X", "elsewhere", HashMap::new()),
        );
        assert_eq!(told(&foreign), None);
    }
}
