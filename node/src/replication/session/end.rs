//! One end of a session: on which side of the link it is, and why it stopped.

use fengqiao_proto::v1 as pb;

use super::code::Code;

/// What a peer that alarmed us is told to wait.
const ALARM_RETRY_MS: u64 = 60_000;
/// The longest a peer can send us away.
const RETRY_AFTER_MS_MAX: u64 = 3_600_000;

/// Which end of the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Lower,
    Upper,
}

/// Why a session stops.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) code: Code,
    /// `None` where nobody need look.
    pub(super) detail: Option<String>,
    pub(super) retry_after_ms: u64,
    /// The peer knows: it said Goodbye itself.
    pub(super) is_told: bool,
    /// It is this end that has lost something.
    pub(super) older_copy: bool,
}

impl Stop {
    pub(super) fn alarm(code: Code, detail: String) -> Self {
        Self {
            code,
            detail: Some(detail),
            retry_after_ms: ALARM_RETRY_MS,
            is_told: false,
            older_copy: false,
        }
    }

    /// The peer holds work of this node that is not here.
    pub(super) fn older_copy(code: Code, detail: String) -> Self {
        Self {
            older_copy: true,
            ..Self::alarm(code, detail)
        }
    }

    pub(super) fn quiet(code: Code, retry_after_ms: u64) -> Self {
        Self {
            code,
            detail: None,
            retry_after_ms,
            is_told: false,
            older_copy: false,
        }
    }

    /// The peer ended it. What alarms it is our alarm too: it may be us who lost something.
    pub(super) fn told(goodbye: &pb::Goodbye) -> Self {
        let code = Code::of_peer(&goodbye.code);
        Self {
            code,
            detail: code.is_alarm().then(|| "said by the peer".into()),
            retry_after_ms: goodbye.retry_after_ms.min(RETRY_AFTER_MS_MAX),
            is_told: true,
            // Said of what this end claimed to have stored: less than it once acknowledged.
            older_copy: code == Code::CursorBehind,
        }
    }
}
