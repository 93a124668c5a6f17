//! When a certificate is to be renewed.
//!
//! From a third of its life on, so that a node which is offline for months
//! comes back with a sound one; past its end for a further
//! [`RENEWAL_GRACE_DAYS`] at the enrol port, and then only by a new
//! invitation. At once when it has not begun: a clock was ahead when it was
//! issued, and nobody takes it until then. Decides nothing about retries.

use jiff::{SignedDuration, Timestamp};

use super::identity::RENEWAL_GRACE_DAYS;

/// Where a certificate stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// To be renewed at once; the link refuses it until this instant.
    Early(Timestamp),
    /// Nothing to do before this instant.
    NotBefore(Timestamp),
    /// To be renewed; the link still takes it until this instant.
    Due(Timestamp),
    /// The link refuses it; the enrol port renews it until this instant.
    Late(Timestamp),
    /// Only a new invitation helps.
    Over,
}

/// Says where a certificate stands.
pub(crate) fn renewal(not_before: Timestamp, not_after: Timestamp, now: Timestamp) -> Renewal {
    let due = due_from(not_before, not_after);
    let grace = SignedDuration::from_hours(24 * RENEWAL_GRACE_DAYS);
    let over = not_after.saturating_add(grace).unwrap_or(Timestamp::MAX);
    if now < not_before {
        Renewal::Early(not_before)
    } else if now > over {
        Renewal::Over
    } else if now > not_after {
        Renewal::Late(over)
    } else if now >= due {
        Renewal::Due(not_after)
    } else {
        Renewal::NotBefore(due)
    }
}

/// A third into the life of a certificate.
pub(crate) fn due_from(not_before: Timestamp, not_after: Timestamp) -> Timestamp {
    let life = not_after.duration_since(not_before);
    not_before.saturating_add(life / 3).unwrap_or(not_after)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn day(day: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + day * 86_400).unwrap()
    }

    #[test]
    fn a_certificate_of_180_days_is_due_before_its_beginning_from_day_60_and_late_from_day_180() {
        let second = SignedDuration::from_secs(1);
        let at = |now| renewal(day(0), day(180), now);
        assert_eq!(at(day(-300)), Renewal::Early(day(0)));
        assert_eq!(at(day(0) - second), Renewal::Early(day(0)));
        assert_eq!(at(day(0)), Renewal::NotBefore(day(60)));
        assert_eq!(at(day(60) - second), Renewal::NotBefore(day(60)));
        assert_eq!(at(day(60)), Renewal::Due(day(180)));
        assert_eq!(at(day(180)), Renewal::Due(day(180)));
        assert_eq!(at(day(180) + second), Renewal::Late(day(545)));
        assert_eq!(at(day(545)), Renewal::Late(day(545)));
        assert_eq!(at(day(545) + second), Renewal::Over);
    }
}
