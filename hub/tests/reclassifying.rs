//! 改类: the case is of another class than was thought.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use fengqiao_hub::case::Stage;
use fengqiao_hub::clock::Moment;
use fengqiao_hub::refusal::Code;
use fengqiao_proto::v1 as pb;
use support::book::*;
use support::*;

/// A day after the start.
const LATER: Moment = Moment(START.0 + 24 * HOUR_MS);

fn handled_until(class: &str) -> Moment {
    let due = catalogue().handling_due(class, pb::Urgency::Ordinary, START);
    Moment(due.unwrap().due_ms)
}

#[test]
fn the_clocks_that_run_end_as_the_new_class_says_from_their_own_start() {
    let world = World::new();
    let mut book = Book::accepted(&world, COUNTY);
    book.does(&world, &clerk(COUNTY), to_unit(ROADS));
    assert_eq!(book.due("handling", COUNTY), Some(handled_until("roads")));
    assert_ne!(handled_until("roads"), handled_until("permits"));

    book.now = LATER;
    book.does(&world, &clerk(COUNTY), reclassify("permits"));
    assert_eq!(book.case.intake.class, "permits");
    assert_eq!(book.due("handling", COUNTY), Some(handled_until("permits")));
    assert_eq!(book.case.stage(), Stage::Dispatched, "who has it, has it");

    // And from then on: what is dispatched next runs as that class says.
    let class = |book: &Book| book.case.intake.class.clone();
    book.does(&world, &leader(COUNTY), reclassify("roads"));
    assert_eq!(
        (class(&book), book.due("handling", COUNTY)),
        ("roads".into(), Some(handled_until("roads")))
    );
}

#[test]
fn what_is_owed_above_and_what_a_person_set_stays() {
    let world = World::new();
    let mut book = Book::dispatched(&world, CITY, COUNTY);
    let owed = book.due("handling", COUNTY).unwrap();
    book.does(&world, &clerk(COUNTY), sign_for())
        .does(&world, &clerk(COUNTY), to_unit(ROADS))
        .does(&world, &clerk(COUNTY), reclassify("permits"));
    let clocks = book.clocks();
    let ends: Vec<Moment> = clocks.iter().map(|(_, _, due)| *due).collect();
    assert!(
        handled_until("permits") > owed,
        "the class alone allows more"
    );
    assert_eq!(
        ends,
        vec![owed; clocks.len()],
        "the city waits no longer for it"
    );

    let mut book = Book::accepted(&world, COUNTY);
    book.does(&world, &clerk(COUNTY), due_by(to_unit(ROADS), LATER))
        .does(&world, &clerk(COUNTY), reclassify("permits"));
    assert_eq!(book.due("handling", COUNTY), Some(LATER));
}

#[test]
fn the_hand_over_goes_by_the_new_class_too() {
    let world = World::new();
    let mut book = Book::accepted(&world, COUNTY);
    book.now = LATER;
    book.does(&world, &clerk(COUNTY), reclassify("permits"));
    let of = |class| {
        let due = catalogue().hand_over_due(class, pb::Urgency::Ordinary, START);
        Moment(due.unwrap().due_ms)
    };
    assert_ne!(of("roads"), of("permits"));
    assert_eq!(book.due("hand-over", COUNTY), Some(of("permits")));
}

#[test]
fn who_may_not_and_what_is_no_other_class_is_refused() {
    let world = World::new();
    let mut book = Book::accepted(&world, COUNTY);
    let to = |class: &str| reclassify(class);
    let refused = |book: &Book, actor, action| book.refused(&world, &actor, action);
    assert_eq!(
        refused(&book, clerk(COUNTY), to("roads")),
        Code::ClassUnchanged
    );
    assert_eq!(
        refused(&book, clerk(COUNTY), to("no-such")),
        Code::ClassUnknown
    );
    assert_eq!(
        refused(&book, worker(COUNTY), to("permits")),
        Code::RoleMissing
    );
    assert_eq!(
        refused(&book, clerk(CITY), to("permits")),
        Code::NotCustodian
    );
    assert_eq!(
        refused(&book, everything(COUNTY, Some(ROADS)), to("permits")),
        Code::NotCentreStaff
    );
    book.does(&world, &clerk(COUNTY), escalate());
    assert_eq!(
        refused(&book, clerk(COUNTY), to("permits")),
        Code::OfferOpen
    );

    let mut book = Book::accepted(&world, COUNTY);
    book.does(&world, &worker(COUNTY), draft_reply());
    assert_eq!(
        refused(&book, clerk(COUNTY), to("permits")),
        Code::StageForbids
    );
}
