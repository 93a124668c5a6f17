//! Who received first, what may come back and how often: the case never goes in circles.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use fengqiao_hub::case::Receiver;
use fengqiao_hub::casework::Command;
use fengqiao_hub::refusal::Code;
use support::book::*;
use support::*;

#[test]
fn the_first_receiver_is_the_first_dispatch_not_returned_and_never_changes() {
    let world = World::new();
    let mut book = with_roads(&world);
    assert_eq!(book.case.first_receiver, Some(Receiver::Unit(ROADS)));
    let contact = Command::Contact { reached: true };
    book.does(&world, &handler(COUNTY, ROADS), contact)
        .does(&world, &handler(COUNTY, ROADS), object())
        .does(&world, &clerk(COUNTY), upheld(true));
    assert_eq!(
        book.case.first_receiver, None,
        "returned, the objection upheld"
    );
    book.does(&world, &clerk(COUNTY), to_unit(WATER));
    assert_eq!(book.case.first_receiver, Some(Receiver::Unit(WATER)));
    book.does(&world, &handler(COUNTY, WATER), object())
        .does(&world, &clerk(COUNTY), upheld(false))
        .does(&world, &handler(COUNTY, WATER), object())
        .does(&world, &clerk(COUNTY), upheld(true))
        .does(&world, &clerk(COUNTY), to_place(TOWNSHIP));
    let water = Some(Receiver::Unit(WATER));
    assert_eq!(
        book.case.first_receiver, water,
        "its objection was denied once"
    );
    book.does(&world, &leader(CITY), take())
        .does(&world, &clerk(CITY), to_place(OTHER_COUNTY));
    assert_eq!(book.case.first_receiver, water);
}

#[test]
fn a_centres_return_gives_up_the_first_receiver_only_when_the_dispatcher_takes_it() {
    let world = World::new();
    let mut book = Book::opened(&world, COUNTY);
    book.does(&world, &clerk(COUNTY), Command::Accept)
        .does(&world, &clerk(COUNTY), to_place(TOWNSHIP))
        .does(&world, &clerk(TOWNSHIP), Command::SignFor)
        .does(&world, &clerk(TOWNSHIP), to_unit(TOWN_OFFICE))
        .does(&world, &handler(TOWNSHIP, TOWN_OFFICE), object())
        .does(&world, &clerk(TOWNSHIP), upheld(true));
    let township = Some(Receiver::Place(TOWNSHIP));
    assert_eq!(
        book.case.first_receiver, township,
        "its own unit's objection is its own"
    );
    book.does(&world, &clerk(TOWNSHIP), give_back());
    let mut kept = book.clone();
    book.does(&world, &clerk(COUNTY), take());
    assert_eq!(book.case.first_receiver, None);
    assert_eq!(book.case.bounces, 2);
    book.does(&world, &clerk(COUNTY), to_unit(ROADS));
    assert_eq!(book.case.first_receiver, Some(Receiver::Unit(ROADS)));

    kept.does(&world, &clerk(COUNTY), Command::KeepBelow)
        .does(&world, &clerk(TOWNSHIP), give_back())
        .does(&world, &clerk(COUNTY), take());
    assert_eq!(kept.case.first_receiver, township, "denied once, it stays");
}

#[test]
fn a_dispatch_that_ended_without_a_return_has_fixed_the_first_receiver() {
    let world = World::new();
    let mut book = with_roads(&world);
    book.does(&world, &handler(COUNTY, ROADS), Command::SignFor)
        .does(&world, &leader(COUNTY), Command::Decide);
    for unit in [WATER, ROADS] {
        book.does(&world, &clerk(COUNTY), to_unit(unit))
            .does(&world, &handler(COUNTY, unit), object())
            .does(&world, &clerk(COUNTY), upheld(true));
    }
    let roads = Some(Receiver::Unit(ROADS));
    assert_eq!(
        book.case.first_receiver, roads,
        "its first dispatch was not returned"
    );
}

#[test]
fn a_return_further_down_is_not_the_first_receivers() {
    let world = World::new();
    let mut book = Book::opened(&world, CITY);
    book.does(&world, &clerk(CITY), Command::Accept)
        .does(&world, &clerk(CITY), to_place(COUNTY))
        .does(&world, &clerk(COUNTY), Command::SignFor)
        .does(&world, &clerk(COUNTY), to_place(TOWNSHIP))
        .does(&world, &clerk(TOWNSHIP), give_back())
        .does(&world, &clerk(COUNTY), take());
    assert_eq!(book.case.bounces, 1);
    let county = Some(Receiver::Place(COUNTY));
    assert_eq!(book.case.first_receiver, county);
    assert!(
        book.case.owes_reply(COUNTY, &world.registry),
        "the city's dispatch still binds"
    );
}

#[test]
fn after_so_many_returns_a_unit_is_designated_and_cannot_object() {
    let world = World::new();
    let mut book = with_roads(&world);
    for unit in [ROADS, WATER] {
        if book.case.lead.is_none() {
            book.does(&world, &clerk(COUNTY), to_unit(unit));
        }
        book.does(&world, &handler(COUNTY, unit), object()).does(
            &world,
            &clerk(COUNTY),
            upheld(true),
        );
    }
    assert_eq!(book.case.bounces, 2);
    book.does(&world, &clerk(COUNTY), to_unit(POLICE));
    let over = book.refused(&world, &handler(COUNTY, POLICE), &object());
    assert_eq!(over, Code::BounceLimit);

    let mut book = with_roads(&world);
    let designate = |unit| Command::Designate { unit, due: None };
    book.does(&world, &handler(COUNTY, ROADS), object());
    let by_clerk = book.refused(&world, &clerk(COUNTY), &designate(WATER));
    assert_eq!(by_clerk, Code::RoleMissing);
    book.does(&world, &leader(COUNTY), designate(WATER));
    assert_eq!(
        book.refused(&world, &handler(COUNTY, WATER), &object()),
        Code::Designated
    );
    assert_eq!(book.case.first_receiver, Some(Receiver::Unit(WATER)));
    let old = book.refused(&world, &handler(COUNTY, ROADS), &Command::SignFor);
    assert_eq!(old, Code::NotHandler);
}

#[test]
fn a_return_after_its_limit_is_too_late() {
    let world = World::new();
    let permits = fengqiao_hub::casework::intake::Intake {
        class: "permits",
        ..intake()
    };
    let mut book = Book::opened_as(&world, COUNTY, permits);
    book.does(&world, &clerk(COUNTY), Command::Accept)
        .does(&world, &clerk(COUNTY), to_unit(ROADS))
        .later(5 * 24 * HOUR_MS);
    assert_eq!(
        book.refused(&world, &handler(COUNTY, ROADS), &object()),
        Code::ReturnLate
    );
    let low = book.refused(&world, &clerk(COUNTY), &to_place(TOWNSHIP));
    assert_eq!(low, Code::StageForbids);
}
