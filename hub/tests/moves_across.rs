//! Moves in which several centres have a part: convening, annex, takings, frozen chains.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use fengqiao_hub::case::{Stage, TaskState};
use fengqiao_hub::centre;
use fengqiao_hub::clock::Moment;
use fengqiao_hub::custody::Verdict;
use fengqiao_hub::id::{Hash, PlaceId, UnitId};
use fengqiao_hub::refusal::Code;
use fengqiao_proto::v1 as pb;
use support::book::*;
use support::*;

const DUE: Moment = Moment(START.0 + HOUR_MS);

/// A county case that was visited and could be closed.
fn visited(world: &World) -> Book {
    let mut book = with_roads(world);
    replies(world, &mut book, COUNTY, ROADS);
    book.does(world, &clerk(COUNTY), visit());
    book
}

#[test]
fn a_case_with_an_open_task_is_not_closed() {
    let world = World::new();
    let mut book = visited(&world);
    book.does(&world, &clerk(COUNTY), convene(&[(VILLAGE, None)], DUE));
    assert_eq!(
        book.refused(&world, &clerk(COUNTY), close()),
        Code::TaskOpen
    );
    book.does(&world, &clerk(VILLAGE), acknowledge(1)).does(
        &world,
        &clerk(VILLAGE),
        report(1, false),
    );
    assert_eq!(
        book.refused(&world, &clerk(COUNTY), close()),
        Code::TaskOpen
    );
    book.does(&world, &clerk(VILLAGE), report(1, true));
    assert_eq!(
        book.refused(&world, &clerk(VILLAGE), report(1, true)),
        Code::StageForbids
    );
    book.does(&world, &clerk(COUNTY), close());
}

#[test]
fn one_convenes_many_act_across_tiers_and_departments() {
    let world = World::new();
    let mut book = Book::accepted(&world, CITY);
    let parties = [(COUNTY, None), (TOWNSHIP, None), (OTHER_VILLAGE, None)];
    book.does(&world, &clerk(CITY), convene(&parties, DUE));
    let tasks = &book.case.convening.tasks;
    let numbers: Vec<u32> = tasks.iter().map(|task| task.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    for (place, task) in [(COUNTY, 1), (TOWNSHIP, 2), (OTHER_VILLAGE, 3)] {
        let foreign = acknowledge(task % 3 + 1);
        assert_eq!(
            book.refused(&world, &clerk(place), foreign),
            Code::NotHandler
        );
        book.does(&world, &clerk(place), acknowledge(task))
            .does(&world, &clerk(place), on_site())
            .does(&world, &clerk(place), report(task, true));
        assert_eq!(book.custodian(), CITY, "custody does not move");
    }
    let tasks = &book.case.convening.tasks;
    assert!(tasks.iter().all(|task| task.state == TaskState::Done));
    assert_eq!(book.case.convening.site_visits, 3);
    assert_eq!(book.case.submissions.len(), 9);
    assert_eq!(
        book.refused(&world, &clerk(OTHER_COUNTY), on_site()),
        Code::NotHandler
    );
    assert_eq!(
        book.refused(&world, &clerk(COUNTY), acknowledge(9)),
        Code::TaskUnknown
    );
}

#[test]
fn parties_are_convened_from_within_and_units_from_the_own_centre() {
    let world = World::new();
    let book = with_roads(&world);
    let refused = |parties: &[(PlaceId, Option<UnitId>)], due| {
        book.refused(&world, &clerk(COUNTY), convene(parties, due))
    };
    assert_eq!(refused(&[], DUE), Code::Empty);
    assert_eq!(refused(&[(VILLAGE, None); 33], DUE), Code::TooLong);
    assert_eq!(refused(&[(CITY, None)], DUE), Code::PlaceUnknown);
    assert_eq!(refused(&[(OTHER_TOWNSHIP, None)], DUE), Code::PlaceUnknown);
    assert_eq!(
        refused(&[(TOWNSHIP, Some(TOWN_OFFICE))], DUE),
        Code::UnitUnknown
    );
    assert_eq!(
        refused(&[(COUNTY, Some(TOWN_OFFICE))], DUE),
        Code::UnitUnknown
    );
    let early = Moment(START.0 - 1);
    assert_eq!(refused(&[(VILLAGE, None)], early), Code::DueBeforeStart);
    assert_eq!(
        book.refused(
            &world,
            &handler(COUNTY, ROADS),
            convene(&[(VILLAGE, None)], DUE)
        ),
        Code::NotCentreStaff
    );
}

/// A village case the county took; the village, not knowing, wrote on.
fn overtaken(world: &World) -> (Book, Hash) {
    let mut village = Book::opened(world, VILLAGE);
    let mut county = village.clone();
    county.does(world, &leader(COUNTY), take());
    village.does(world, &clerk(VILLAGE), accept());
    let late = village.entries.pop().unwrap();
    let hash = late.hash;
    assert_eq!(county.receives(world, late), Verdict::Joined);
    (county, hash)
}

#[test]
fn a_case_with_an_undecided_annex_is_not_closed() {
    let world = World::new();
    let (mut book, late) = overtaken(&world);
    assert_eq!(book.tree.annex(), [late]);
    book.does(&world, &clerk(COUNTY), to_unit(ROADS));
    replies(&world, &mut book, COUNTY, ROADS);
    book.does(&world, &clerk(COUNTY), visit());
    assert_eq!(
        book.refused(&world, &clerk(COUNTY), close()),
        Code::AnnexOpen
    );
    assert_eq!(
        book.refused(&world, &clerk(COUNTY), adopt(Hash([1; 32]))),
        Code::AnnexUnknown
    );
    book.does(&world, &clerk(COUNTY), adopt(late));
    assert!(book.case.annex.decided[&late].adopted);
    assert_eq!(
        book.refused_with(&world, &clerk(COUNTY), decline_annex(late), &["reason"]),
        Code::AnnexDecided
    );
    book.does(&world, &clerk(COUNTY), close());
}

#[test]
fn an_annex_that_turns_up_after_closing_is_still_decided() {
    let world = World::new();
    let mut village = Book::opened(&world, VILLAGE);
    let mut book = village.clone();
    book.does(&world, &leader(COUNTY), take())
        .does(&world, &clerk(COUNTY), to_unit(ROADS));
    replies(&world, &mut book, COUNTY, ROADS);
    book.does(&world, &clerk(COUNTY), visit())
        .does(&world, &clerk(COUNTY), close());
    village.does(&world, &clerk(VILLAGE), accept());
    let late = village.entries.pop().unwrap();
    let entry = late.hash;
    book.receives(&world, late);
    let digits = entry.short();
    assert_eq!(centre::find_annex(&book.tree, &digits), Some(entry));
    assert_eq!(centre::find_annex(&book.tree, &digits[..7]), None);
    assert_eq!(
        book.refused(&world, &clerk(COUNTY), decline_annex(entry)),
        Code::Empty,
        "its author is told why"
    );
    book.does_with(&world, &clerk(COUNTY), decline_annex(entry), &["reason"]);
    assert_eq!(book.case.stage(), Stage::Closed);
}

#[test]
fn an_unasked_taking_needs_a_leader_above_a_reason_and_a_day_between() {
    let world = World::new();
    let mut book = Book::opened(&world, VILLAGE);
    let unreasoned = take_because(pb::TakingReason::Unspecified);
    assert_eq!(
        book.refused(&world, &clerk(COUNTY), take()),
        Code::RoleMissing
    );
    assert_eq!(
        book.refused(&world, &leader(COUNTY), unreasoned),
        Code::Empty
    );
    for place in [VILLAGE, NEXT_TOWNSHIP, OTHER_COUNTY] {
        assert_eq!(book.refused(&world, &leader(place), take()), Code::NotAbove);
    }
    book.does(&world, &leader(COUNTY), take());
    assert_eq!(
        book.refused(&world, &leader(COUNTY), take()),
        Code::NotAbove
    );
    book.does(&world, &clerk(COUNTY), to_place(VILLAGE))
        .later(23 * HOUR_MS);
    assert_eq!(
        book.refused(&world, &leader(COUNTY), take()),
        Code::TakenTooOften
    );
    book.clone().does(&world, &leader(CITY), take());
    book.later(HOUR_MS).does(&world, &leader(COUNTY), take());
}

#[test]
fn a_frozen_chain_takes_no_move_but_a_superiors_taking() {
    let world = World::new();
    let mut book = Book::opened(&world, VILLAGE);
    let mut double = book.clone();
    book.does(&world, &clerk(VILLAGE), accept());
    double.does(&world, &clerk(VILLAGE), escalate());
    let other = double.entries.pop().unwrap();
    book.receives(&world, other);
    let frozen = book.refused(&world, &clerk(VILLAGE), accept());
    assert_eq!(frozen, Code::Frozen);
    assert_eq!(
        book.refused(&world, &clerk(TOWNSHIP), keep_below()),
        Code::Frozen
    );
    // An offer in one of the two records is no ground: the taking is a leader's, with a reason.
    assert_eq!(
        book.refused(&world, &clerk(TOWNSHIP), take()),
        Code::RoleMissing
    );
    book.does(&world, &leader(TOWNSHIP), take());
    assert!(!book.tree.is_frozen());
}

#[test]
fn a_chain_frozen_at_its_closing_can_be_thawed() {
    let world = World::new();
    let mut book = visited(&world);
    let mut double = book.clone();
    book.does(&world, &clerk(COUNTY), close());
    let closed = book.refused(&world, &leader(CITY), take());
    assert_eq!(closed, Code::CaseClosed);
    // The closed branch is the longer one, so it is what is shown.
    let at = book.entries.len() - 1;
    book.does(&world, &clerk(COUNTY), rate(3));
    double.does(&world, &clerk(COUNTY), supplement());
    book.receives(&world, double.entries[at].clone());
    assert_eq!(book.case.stage(), Stage::Closed);
    assert!(book.tree.is_frozen());
    book.does(&world, &leader(CITY), take());
    assert_eq!(book.custodian(), CITY);
}
