//! Who received first, what may come back and how often: the case never goes in circles.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use fengqiao_hub::case::Receiver;
use fengqiao_hub::refusal::Code;
use support::book::*;
use support::*;

fn first(book: &Book) -> Option<Receiver> {
    book.case.dispatching.first.receiver
}

#[test]
fn the_first_receiver_is_the_first_dispatch_not_returned_and_never_changes() {
    let world = World::new();
    let mut book = with_roads(&world);
    assert_eq!(first(&book), Some(Receiver::Unit(ROADS)));
    book.does(&world, &handler(COUNTY, ROADS), contact(true))
        .does(&world, &handler(COUNTY, ROADS), object())
        .does(&world, &clerk(COUNTY), upheld(true));
    assert_eq!(first(&book), None, "returned, the objection upheld");
    book.does(&world, &clerk(COUNTY), to_unit(WATER));
    assert_eq!(first(&book), Some(Receiver::Unit(WATER)));
    book.does(&world, &handler(COUNTY, WATER), object())
        .does(&world, &clerk(COUNTY), upheld(false))
        .does(&world, &handler(COUNTY, WATER), object())
        .does(&world, &clerk(COUNTY), upheld(true))
        .does(&world, &leader(COUNTY), to_place(TOWNSHIP));
    let water = Some(Receiver::Unit(WATER));
    assert_eq!(first(&book), water, "its objection was denied once");
    book.does(&world, &leader(CITY), take())
        .does(&world, &leader(CITY), to_place(OTHER_COUNTY));
    assert_eq!(first(&book), water);
}

#[test]
fn a_centres_return_gives_up_the_first_receiver_only_when_the_dispatcher_takes_it() {
    let world = World::new();
    let mut book = Book::dispatched(&world, COUNTY, TOWNSHIP);
    book.does(&world, &clerk(TOWNSHIP), sign_for())
        .does(&world, &clerk(TOWNSHIP), to_unit(TOWN_OFFICE))
        .does(&world, &handler(TOWNSHIP, TOWN_OFFICE), object())
        .does(&world, &clerk(TOWNSHIP), upheld(true));
    let township = Some(Receiver::Place(TOWNSHIP));
    assert_eq!(
        first(&book),
        township,
        "its own unit's objection is its own"
    );
    book.does(&world, &clerk(TOWNSHIP), give_back());
    let mut kept = book.clone();
    book.does(&world, &clerk(COUNTY), take());
    assert_eq!(first(&book), None);
    assert_eq!(book.case.dispatching.bounces, 2);
    book.does(&world, &leader(COUNTY), to_unit(ROADS));
    assert_eq!(first(&book), Some(Receiver::Unit(ROADS)));

    kept.does(&world, &clerk(COUNTY), keep_below())
        .does(&world, &clerk(TOWNSHIP), give_back())
        .does(&world, &clerk(COUNTY), take());
    assert_eq!(first(&kept), township, "denied once, it stays");
}

#[test]
fn a_dispatch_that_ended_without_a_return_has_fixed_the_first_receiver() {
    let world = World::new();
    let mut book = with_roads(&world);
    book.does(&world, &handler(COUNTY, ROADS), sign_for())
        .does(&world, &leader(COUNTY), decide());
    for unit in [WATER, ROADS] {
        book.does(&world, &clerk(COUNTY), to_unit(unit))
            .does(&world, &handler(COUNTY, unit), object())
            .does(&world, &clerk(COUNTY), upheld(true));
    }
    let roads = Some(Receiver::Unit(ROADS));
    assert_eq!(first(&book), roads, "its first dispatch was not returned");
}

#[test]
fn a_return_further_down_is_not_the_first_receivers() {
    let world = World::new();
    let mut book = Book::dispatched(&world, CITY, COUNTY);
    book.does(&world, &clerk(COUNTY), sign_for())
        .does(&world, &clerk(COUNTY), to_place(TOWNSHIP))
        .does(&world, &clerk(TOWNSHIP), give_back())
        .does(&world, &clerk(COUNTY), take());
    assert_eq!(book.case.dispatching.bounces, 1);
    assert_eq!(first(&book), Some(Receiver::Place(COUNTY)));
    assert!(
        book.case.owes_reply(COUNTY),
        "the city's dispatch still binds"
    );
}

/// A county case that came back as often as its class allows.
fn returned_twice(world: &World) -> Book {
    let mut book = with_roads(world);
    for unit in [ROADS, WATER] {
        if book.case.dispatching.lead.is_none() {
            book.does(world, &clerk(COUNTY), to_unit(unit));
        }
        book.does(world, &handler(COUNTY, unit), object()).does(
            world,
            &clerk(COUNTY),
            upheld(true),
        );
    }
    assert_eq!(book.case.dispatching.bounces, 2);
    book
}

#[test]
fn after_so_many_returns_only_a_leader_dispatches_and_whoever_gets_it_keeps_it() {
    let world = World::new();
    let mut book = returned_twice(&world);
    for dispatch in [to_unit(POLICE), to_place(TOWNSHIP)] {
        let by_clerk = book.refused(&world, &clerk(COUNTY), dispatch);
        assert_eq!(by_clerk, Code::DesignationNeeded);
    }
    let mut below = book.clone();
    below.does(&world, &leader(COUNTY), to_place(TOWNSHIP));
    let returns = below.refused(&world, &clerk(TOWNSHIP), give_back());
    assert_eq!(returns, Code::Designated);

    book.does(&world, &leader(COUNTY), to_unit(POLICE));
    let over = book.refused(&world, &handler(COUNTY, POLICE), object());
    assert_eq!(over, Code::Designated);
}

#[test]
fn a_designated_unit_cannot_object() {
    let world = World::new();
    let mut book = with_roads(&world);
    book.does(&world, &handler(COUNTY, ROADS), object());
    let by_clerk = book.refused(&world, &clerk(COUNTY), designate(WATER));
    assert_eq!(by_clerk, Code::RoleMissing);
    book.does(&world, &leader(COUNTY), designate(WATER));
    assert_eq!(
        book.refused(&world, &handler(COUNTY, WATER), object()),
        Code::Designated
    );
    assert_eq!(first(&book), Some(Receiver::Unit(WATER)));
    let old = book.refused(&world, &handler(COUNTY, ROADS), sign_for());
    assert_eq!(old, Code::NotHandler);
}

#[test]
fn a_return_after_its_limit_is_too_late() {
    let world = World::new();
    let mut book = Book::opened_as(&world, COUNTY, permit());
    book.does(&world, &clerk(COUNTY), accept());
    let low = book.refused(&world, &clerk(COUNTY), to_place(TOWNSHIP));
    assert_eq!(low, Code::DutyNotBelow);
    book.does(&world, &clerk(COUNTY), to_unit(ROADS))
        .later(5 * 24 * HOUR_MS);
    assert_eq!(
        book.refused(&world, &handler(COUNTY, ROADS), object()),
        Code::ReturnLate
    );
}
