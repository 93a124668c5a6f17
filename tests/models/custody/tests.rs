//! Custody explored, and each broken rule found out.

use super::properties::{AGREE, LOST, SETTLED, SUPERIOR, UNIQUE};
use super::{Line, Rule, Scope};
use crate::check::{breaks, holds};

/// Township and village; the case is the village's.
const TWO: Scope = Scope {
    tiers: 2,
    opened_at: 1,
    entries_max: 4,
    in_flight_max: 2,
    may_be_lost: &[],
    carried: false,
    notices: false,
    rule: Rule::AsBuilt,
};

const THREE: Scope = Scope {
    tiers: 3,
    opened_at: 2,
    in_flight_max: 1,
    ..TWO
};

const FOUR: Scope = Scope {
    tiers: 4,
    opened_at: 3,
    ..THREE
};

#[test]
fn two_tiers_hold() {
    holds("two tiers", Line::new(TWO));
}

#[test]
fn two_tiers_hold_when_the_child_is_restored() {
    holds(
        "two tiers, child restored",
        Line::new(Scope {
            may_be_lost: &[1],
            in_flight_max: 1,
            ..TWO
        }),
    );
}

#[test]
fn two_tiers_hold_when_the_parent_is_restored() {
    holds(
        "two tiers, parent restored",
        Line::new(Scope {
            may_be_lost: &[0],
            in_flight_max: 1,
            ..TWO
        }),
    );
}

#[test]
fn two_tiers_hold_when_both_are_restored() {
    holds(
        "two tiers, both restored",
        Line::new(Scope {
            may_be_lost: &[0, 1],
            in_flight_max: 1,
            ..TWO
        }),
    );
}

#[test]
fn three_tiers_hold() {
    holds("three tiers", Line::new(THREE));
}

#[test]
fn three_tiers_hold_with_a_carried_file() {
    holds(
        "three tiers, carried",
        Line::new(Scope {
            carried: true,
            ..THREE
        }),
    );
}

#[test]
fn four_tiers_hold() {
    holds("four tiers", Line::new(FOUR));
}

#[test]
fn without_an_annex_work_is_lost() {
    breaks(
        "no annex",
        Line::new(Scope {
            rule: Rule::NoAnnex,
            ..TWO
        }),
        LOST,
    );
}

#[test]
fn one_number_for_all_tiers_is_no_fence() {
    breaks(
        "scalar rank",
        Line::new(Scope {
            rule: Rule::ScalarRank,
            ..THREE
        }),
        UNIQUE,
    );
}

#[test]
fn a_branch_chosen_by_its_first_difference_puts_the_superior_down() {
    let scope = Scope {
        rule: Rule::FirstDifference,
        carried: true,
        ..THREE
    };
    breaks("first difference", Line::new(scope), SUPERIOR);
}

#[test]
fn a_restored_child_without_a_gate_writes_a_second_branch() {
    let scope = Scope {
        rule: Rule::NoGate,
        may_be_lost: &[1],
        in_flight_max: 1,
        ..TWO
    };
    breaks("no gate, child restored", Line::new(scope), AGREE);
}

#[test]
fn a_restored_parent_without_a_gate_unsettles_what_it_acknowledged() {
    let scope = Scope {
        rule: Rule::NoGate,
        may_be_lost: &[0],
        in_flight_max: 1,
        ..TWO
    };
    breaks("no gate, parent restored", Line::new(scope), SETTLED);
}

#[test]
fn a_gate_opened_by_an_old_message_is_none() {
    let scope = Scope {
        rule: Rule::GateOpenedByOldMessage,
        may_be_lost: &[1],
        ..TWO
    };
    breaks("old message", Line::new(scope), AGREE);
}

#[test]
fn a_parent_still_asking_does_not_open_its_childs_gate() {
    let scope = Scope {
        rule: Rule::GateOpenedByAskingParent,
        entries_max: 3,
        may_be_lost: &[1, 2],
        ..THREE
    };
    breaks("asking parent", Line::new(scope), AGREE);
}

#[test]
fn a_child_still_asking_does_not_open_its_parents_gate() {
    let scope = Scope {
        rule: Rule::GateOpenedByAskingChild,
        opened_at: 0,
        entries_max: 3,
        may_be_lost: &[0, 1],
        ..THREE
    };
    breaks("asking child", Line::new(scope), AGREE);
}

#[test]
fn a_successor_under_the_old_identity_writes_an_entry_twice() {
    let scope = Scope {
        rule: Rule::SameIncarnation,
        may_be_lost: &[1],
        in_flight_max: 1,
        ..TWO
    };
    breaks("same incarnation", Line::new(scope), UNIQUE);
}

#[test]
fn a_successor_in_the_old_generation_takes_with_a_rank_already_used() {
    let scope = Scope {
        rule: Rule::SameGeneration,
        may_be_lost: &[0],
        in_flight_max: 1,
        ..TWO
    };
    breaks("same generation", Line::new(scope), UNIQUE);
}

#[test]
fn three_tiers_hold_when_a_case_is_taken_by_notice() {
    holds(
        "three tiers, notices",
        Line::new(Scope {
            notices: true,
            ..THREE
        }),
    );
}

#[test]
#[ignore = "large: make models"]
fn large_two_tiers_hold_when_both_are_restored() {
    holds(
        "two tiers, both restored, 6 entries",
        Line::new(Scope {
            may_be_lost: &[0, 1],
            entries_max: 6,
            in_flight_max: 1,
            ..TWO
        }),
    );
}

#[test]
#[ignore = "large: make models"]
fn large_two_tiers_hold_when_both_are_restored_and_messages_overtake() {
    holds(
        "two tiers, both restored, 5 entries, 2 in flight",
        Line::new(Scope {
            may_be_lost: &[0, 1],
            entries_max: 5,
            ..TWO
        }),
    );
}

#[test]
#[ignore = "large: make models"]
fn large_three_tiers_hold_when_any_is_restored() {
    holds(
        "three tiers, all restored",
        Line::new(Scope {
            may_be_lost: &[0, 1, 2],
            ..THREE
        }),
    );
}

#[test]
#[ignore = "large: make models"]
fn large_three_tiers_hold_with_carried_files_and_notices() {
    holds(
        "three tiers, 5 entries, carried, notices",
        Line::new(Scope {
            entries_max: 5,
            carried: true,
            notices: true,
            ..THREE
        }),
    );
}

#[test]
#[ignore = "large: make models"]
fn large_four_tiers_hold() {
    holds(
        "four tiers, 5 entries",
        Line::new(Scope {
            entries_max: 5,
            ..FOUR
        }),
    );
}

#[test]
#[ignore = "large: make models"]
fn large_four_tiers_hold_when_a_case_is_taken_by_notice() {
    holds(
        "four tiers, notices",
        Line::new(Scope {
            notices: true,
            ..FOUR
        }),
    );
}
