//! Clones explored, and each broken rule found out.

use super::{AGREE, Cloned, EVIDENCE, FREEZES, Rule, Scope};
use crate::check::{breaks, holds};

/// A township and a village that runs twice.
const VILLAGE: Scope = Scope {
    seats: &[0, 1, 1],
    links: &[(0, 1), (0, 2)],
    opened_at: 1,
    entries_max: 4,
    in_flight_max: 2,
    rule: Rule::AsBuilt,
};

/// A county, a village, and a township between them that runs twice.
const TOWNSHIP: Scope = Scope {
    seats: &[0, 2, 1, 1],
    links: &[(0, 2), (0, 3), (1, 2), (1, 3)],
    opened_at: 1,
    entries_max: 3,
    in_flight_max: 1,
    ..VILLAGE
};

#[test]
fn two_villages_with_one_identity_freeze_what_both_wrote() {
    holds("cloned village", Cloned::new(VILLAGE));
}

#[test]
fn two_townships_with_one_identity_freeze_what_both_took() {
    holds("cloned township", Cloned::new(TOWNSHIP));
}

#[test]
#[ignore = "large: make models"]
fn large_two_villages_with_one_identity_freeze_what_both_wrote() {
    holds(
        "cloned village, 6 entries",
        Cloned::new(Scope {
            entries_max: 6,
            in_flight_max: 1,
            ..VILLAGE
        }),
    );
}

#[test]
#[ignore = "large: make models"]
fn large_two_townships_with_one_identity_freeze_what_both_took() {
    holds(
        "cloned township, 5 entries",
        Cloned::new(Scope {
            entries_max: 5,
            ..TOWNSHIP
        }),
    );
}

#[test]
fn when_the_first_to_come_stands_places_disagree_for_ever() {
    breaks(
        "first come stands",
        Cloned::new(Scope {
            rule: Rule::FirstComeStands,
            ..VILLAGE
        }),
        AGREE,
    );
    breaks(
        "first come, nobody frozen",
        Cloned::new(Scope {
            rule: Rule::FirstComeStands,
            ..VILLAGE
        }),
        FREEZES,
    );
}

#[test]
fn without_an_annex_the_proof_is_gone() {
    breaks(
        "no annex, cloned",
        Cloned::new(Scope {
            rule: Rule::NoAnnex,
            ..VILLAGE
        }),
        EVIDENCE,
    );
}
