//! Moves in which several centres have a part: convening, annex, takings, frozen chains.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use fengqiao_hub::case::{Stage, TaskState};
use fengqiao_hub::casework::{Command, Party};
use fengqiao_hub::centre;
use fengqiao_hub::clock::Moment;
use fengqiao_hub::custody::Verdict;
use fengqiao_hub::id::{Hash, PlaceId, UnitId};
use fengqiao_hub::refusal::Code;
use fengqiao_proto::v1 as pb;
use support::book::*;
use support::*;

/// A county case that was visited and could be closed.
fn visited(world: &World) -> Book {
    let mut book = with_roads(world);
    replies(world, &mut book, COUNTY, ROADS);
    book.does(world, &clerk(COUNTY), visit());
    book
}

fn convene(parties: &[(PlaceId, Option<UnitId>)], due: Moment) -> Command {
    Command::Convene {
        meeting: START,
        parties: parties
            .iter()
            .map(|(place, unit)| Party {
                place: *place,
                unit: *unit,
                due,
            })
            .collect(),
    }
}

#[test]
fn a_case_with_an_open_task_is_not_closed() {
    let world = World::new();
    let mut book = visited(&world);
    let due = Moment(START.0 + HOUR_MS);
    book.does(&world, &clerk(COUNTY), convene(&[(VILLAGE, None)], due));
    assert_eq!(
        book.refused(&world, &clerk(COUNTY), &close()),
        Code::TaskOpen
    );
    let report = |done| Command::ReportTask { task: 1, done };
    book.does(
        &world,
        &clerk(VILLAGE),
        Command::AcknowledgeTask { task: 1 },
    )
    .does(&world, &clerk(VILLAGE), report(false));
    assert_eq!(
        book.refused(&world, &clerk(COUNTY), &close()),
        Code::TaskOpen
    );
    book.does(&world, &clerk(VILLAGE), report(true));
    assert_eq!(
        book.refused(&world, &clerk(VILLAGE), &report(true)),
        Code::StageForbids
    );
    book.does(&world, &clerk(COUNTY), close());
}

#[test]
fn one_convenes_many_act_across_tiers_and_departments() {
    let world = World::new();
    let mut book = Book::opened(&world, CITY);
    book.does(&world, &clerk(CITY), Command::Accept);
    let due = Moment(START.0 + HOUR_MS);
    let parties = [(COUNTY, None), (TOWNSHIP, None), (OTHER_VILLAGE, None)];
    book.does(&world, &clerk(CITY), convene(&parties, due));
    let numbers: Vec<u32> = book.case.tasks.iter().map(|task| task.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    for (place, task) in [(COUNTY, 1), (TOWNSHIP, 2), (OTHER_VILLAGE, 3)] {
        let foreign = Command::AcknowledgeTask { task: task % 3 + 1 };
        assert_eq!(
            book.refused(&world, &clerk(place), &foreign),
            Code::NotHandler
        );
        book.does(&world, &clerk(place), Command::AcknowledgeTask { task })
            .does(&world, &clerk(place), Command::WorkOnSite { worked: START })
            .does(
                &world,
                &clerk(place),
                Command::ReportTask { task, done: true },
            );
        assert_eq!(book.custodian(), CITY, "custody does not move");
    }
    assert!(
        book.case
            .tasks
            .iter()
            .all(|task| task.state == TaskState::Done)
    );
    assert_eq!(book.case.site_visits, 3);
    assert_eq!(book.case.submissions.len(), 9);
    let bystander = Command::WorkOnSite { worked: START };
    assert_eq!(
        book.refused(&world, &clerk(OTHER_COUNTY), &bystander),
        Code::NotHandler
    );
    let none = Command::AcknowledgeTask { task: 9 };
    assert_eq!(
        book.refused(&world, &clerk(COUNTY), &none),
        Code::TaskUnknown
    );
}

#[test]
fn parties_are_convened_from_within_and_units_from_the_own_centre() {
    let world = World::new();
    let book = with_roads(&world);
    let due = Moment(START.0 + HOUR_MS);
    let refused = |parties: &[(PlaceId, Option<UnitId>)], due| {
        book.refused(&world, &clerk(COUNTY), &convene(parties, due))
    };
    assert_eq!(refused(&[], due), Code::Empty);
    assert_eq!(refused(&[(VILLAGE, None); 33], due), Code::TooLong);
    assert_eq!(refused(&[(CITY, None)], due), Code::PlaceUnknown);
    assert_eq!(refused(&[(OTHER_TOWNSHIP, None)], due), Code::PlaceUnknown);
    assert_eq!(
        refused(&[(TOWNSHIP, Some(TOWN_OFFICE))], due),
        Code::UnitUnknown
    );
    assert_eq!(
        refused(&[(COUNTY, Some(TOWN_OFFICE))], due),
        Code::UnitUnknown
    );
    let early = Moment(START.0 - 1);
    assert_eq!(refused(&[(VILLAGE, None)], early), Code::DueBeforeStart);
    let clerk_of_unit = handler(COUNTY, ROADS);
    let command = convene(&[(VILLAGE, None)], due);
    assert_eq!(
        book.refused(&world, &clerk_of_unit, &command),
        Code::RoleMissing
    );
}

/// A village case the county took; the village, not knowing, wrote on.
fn overtaken(world: &World) -> (Book, Hash) {
    let mut village = Book::opened(world, VILLAGE);
    let mut county = village.clone();
    county.does(world, &leader(COUNTY), take());
    village.does(world, &clerk(VILLAGE), Command::Accept);
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
        book.refused(&world, &clerk(COUNTY), &close()),
        Code::AnnexOpen
    );
    let adopt = Command::AdoptAnnex { entry: late };
    let decline = Command::DeclineAnnex { entry: late };
    let unknown = Command::AdoptAnnex {
        entry: Hash([1; 32]),
    };
    assert_eq!(
        book.refused(&world, &clerk(COUNTY), &unknown),
        Code::AnnexUnknown
    );
    book.does(&world, &clerk(COUNTY), adopt.clone());
    assert!(book.case.annex_decided[&late].adopted);
    assert_eq!(
        book.refused(&world, &clerk(COUNTY), &decline),
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
    village.does(&world, &clerk(VILLAGE), Command::Accept);
    let late = village.entries.pop().unwrap();
    let entry = late.hash;
    book.receives(&world, late);
    let digits = entry.short();
    assert_eq!(centre::find_annex(&book.known(), &digits), Some(entry));
    assert_eq!(centre::find_annex(&book.known(), &digits[..7]), None);
    book.does(&world, &clerk(COUNTY), Command::DeclineAnnex { entry });
    assert_eq!(book.case.stage, Stage::Closed);
}

#[test]
fn an_unasked_taking_needs_a_leader_above_a_reason_and_a_day_between() {
    let world = World::new();
    let mut book = Book::opened(&world, VILLAGE);
    let unreasoned = Command::Take {
        reason: pb::TakingReason::Unspecified,
    };
    assert_eq!(
        book.refused(&world, &clerk(COUNTY), &take()),
        Code::RoleMissing
    );
    assert_eq!(
        book.refused(&world, &leader(COUNTY), &unreasoned),
        Code::Empty
    );
    for place in [VILLAGE, NEXT_TOWNSHIP, OTHER_COUNTY] {
        assert_eq!(
            book.refused(&world, &leader(place), &take()),
            Code::NotAbove
        );
    }
    book.does(&world, &leader(COUNTY), take());
    assert_eq!(
        book.refused(&world, &leader(COUNTY), &take()),
        Code::NotAbove
    );
    book.does(&world, &clerk(COUNTY), to_place(VILLAGE))
        .later(23 * HOUR_MS);
    assert_eq!(
        book.refused(&world, &leader(COUNTY), &take()),
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
    book.does(&world, &clerk(VILLAGE), Command::Accept);
    double.does(&world, &clerk(VILLAGE), escalate());
    let other = double.entries.pop().unwrap();
    book.receives(&world, other);
    let frozen = book.refused(&world, &clerk(VILLAGE), &Command::Accept);
    assert_eq!(frozen, Code::Frozen);
    assert_eq!(
        book.refused(&world, &clerk(TOWNSHIP), &Command::KeepBelow),
        Code::Frozen
    );
    // An offer in one of the two records is no ground: the taking is a leader's, with a reason.
    assert_eq!(
        book.refused(&world, &clerk(TOWNSHIP), &take()),
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
    let closed = book.refused(&world, &leader(CITY), &take());
    assert_eq!(closed, Code::CaseClosed);
    // The closed branch is the longer one, so it is what is shown.
    let at = book.entries.len() - 1;
    book.does(&world, &clerk(COUNTY), Command::Rate { score: 3 });
    double.does(&world, &clerk(COUNTY), Command::Supplement);
    book.receives(&world, double.entries[at].clone());
    assert_eq!(book.case.stage, Stage::Closed);
    assert!(book.tree.is_frozen());
    book.does(&world, &leader(CITY), take());
    assert_eq!(book.custodian(), CITY);
}
