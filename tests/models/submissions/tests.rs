//! Submissions explored, and each broken rule found out.

use super::{ENDS, KEPT, ONCE, Rule, Scope, Submissions};
use crate::check::{breaks, holds};

/// County, township, village; the case is the township's.
const THREE: Scope = Scope {
    tiers: 3,
    opened_at: 1,
    entries_max: 3,
    submissions_max: 1,
    in_flight_max: 1,
    refusals: false,
    rule: Rule::AsBuilt,
};

#[test]
fn a_submission_finds_the_custodian_wherever_custody_goes() {
    holds("submissions", Submissions::new(THREE));
}

#[test]
fn a_refusal_finds_who_submitted() {
    holds(
        "submissions, refused",
        Submissions::new(Scope {
            refusals: true,
            ..THREE
        }),
    );
}

#[test]
#[ignore = "large: make models"]
fn large_two_submissions_find_the_custodian() {
    holds(
        "two submissions",
        Submissions::new(Scope {
            submissions_max: 2,
            entries_max: 4,
            ..THREE
        }),
    );
}

#[test]
#[ignore = "large: make models"]
fn large_a_submission_finds_the_custodian_among_four() {
    holds(
        "submissions, four tiers",
        Submissions::new(Scope {
            tiers: 4,
            opened_at: 2,
            entries_max: 4,
            ..THREE
        }),
    );
}

#[test]
fn without_an_id_a_submission_takes_effect_twice() {
    breaks(
        "no id",
        Submissions::new(Scope {
            rule: Rule::NoId,
            ..THREE
        }),
        ONCE,
    );
}

#[test]
fn a_submission_nobody_keeps_is_lost_with_its_message() {
    breaks(
        "not kept",
        Submissions::new(Scope {
            rule: Rule::NotKept,
            ..THREE
        }),
        KEPT,
    );
}

#[test]
fn a_submission_that_does_not_follow_custody_waits_for_ever() {
    breaks(
        "never resent",
        Submissions::new(Scope {
            rule: Rule::NeverResent,
            ..THREE
        }),
        ENDS,
    );
}
