//! The move explored, and each broken rule found out.

use super::{KEPT, Moving, ON_ITS_WAY, REFUSED, Rule, Scope};
use crate::check::{breaks, holds};

const SMALL: Scope = Scope {
    entries_max: 3,
    in_flight_max: 1,
    rule: Rule::AsBuilt,
};

fn broken(rule: Rule) -> Moving {
    Moving::new(Scope { rule, ..SMALL })
}

#[test]
fn a_township_is_moved_while_everybody_writes() {
    holds("moved township", Moving::new(SMALL));
}

#[test]
#[ignore = "large: make models"]
fn large_a_township_is_moved_while_everybody_writes() {
    holds(
        "moved township, 4 entries",
        Moving::new(Scope {
            entries_max: 4,
            ..SMALL
        }),
    );
}

#[test]
fn what_is_not_passed_on_the_new_parent_can_never_take() {
    breaks("not passed on", broken(Rule::NotPassedOn), ON_ITS_WAY);
}

#[test]
fn a_new_parent_that_takes_at_once_writes_what_nobody_accepts() {
    breaks("taken at once", broken(Rule::TakenAtOnce), KEPT);
}

#[test]
fn judged_by_the_tree_of_today_honest_work_falls() {
    breaks("judged by today", broken(Rule::JudgedByToday), KEPT);
}

#[test]
fn judged_before_the_move_is_heard_of_what_names_it_falls() {
    breaks("not awaited", broken(Rule::NotAwaited), REFUSED);
}
