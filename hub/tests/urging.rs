//! 催办: who presses whom.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use fengqiao_hub::clock::Moment;
use fengqiao_hub::refusal::Code;
use fengqiao_proto::v1 as pb;
use support::book::*;
use support::*;

/// Units and centres urged so far, each with whether it was late.
fn urged(book: &Book) -> Vec<(String, String, bool)> {
    let urges = book.entries.iter().filter_map(|entry| {
        let action = fengqiao_hub::casework::action_of(entry)?;
        let Some(pb::action::Family::Dispatching(family)) = &action.family else {
            return None;
        };
        let Some(pb::dispatching_action::Action::Urge(urge)) = &family.action else {
            return None;
        };
        Some((urge.unit.clone(), urge.place.clone(), urge.overdue))
    });
    urges.collect()
}

#[test]
fn a_centre_urges_its_unit_and_a_centre_above_urges_the_custodian_and_no_clock_changes() {
    let world = World::new();
    let mut book = Book::dispatched(&world, CITY, COUNTY);
    book.does(&world, &clerk(COUNTY), sign_for())
        .does(&world, &clerk(COUNTY), to_unit(ROADS));
    let before = (book.clocks(), book.case.stage());
    let due = book.due("handling", COUNTY).unwrap();
    book.does(&world, &clerk(COUNTY), pb::Urge::default());
    book.now = Moment(due.0 + HOUR_MS);
    book.does(&world, &leader(CITY), pb::Urge::default());
    let place = COUNTY.to_string();
    let expected = [
        (ROADS.to_string(), place.clone(), false),
        (String::new(), place, true),
    ];
    assert_eq!(urged(&book), expected);
    assert_eq!((book.clocks(), book.case.stage()), before);
}

#[test]
fn nobody_urges_upwards_sideways_or_themselves() {
    let world = World::new();
    let mut book = Book::dispatched(&world, CITY, COUNTY);
    book.does(&world, &clerk(COUNTY), sign_for());
    let refused = |book: &Book, actor| book.refused(&world, &actor, pb::Urge::default());
    assert_eq!(
        refused(&book, clerk(COUNTY)),
        Code::StageForbids,
        "nobody has it"
    );
    book.does(&world, &clerk(COUNTY), to_unit(ROADS));
    let (lead, other) = (
        everything(COUNTY, Some(ROADS)),
        everything(COUNTY, Some(WATER)),
    );
    assert_eq!(refused(&book, lead), Code::NotCentreStaff);
    assert_eq!(refused(&book, other), Code::NotHandler);
    book.does(&world, &clerk(COUNTY), escalate())
        .does(&world, &clerk(CITY), take());
    assert_eq!(refused(&book, clerk(COUNTY)), Code::NotAbove);
    assert_eq!(refused(&book, clerk(OTHER_COUNTY)), Code::NotHandler);
    let approver = person(CITY, None, pb::Role::Approver);
    book.does(&world, &clerk(CITY), to_place(OTHER_COUNTY));
    assert_eq!(refused(&book, approver), Code::RoleMissing);
}
