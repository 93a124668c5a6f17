//! How low a case may go, on what occasion it is taken, and what waits for an open offer.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use fengqiao_hub::casework;
use fengqiao_hub::clock::{Contact, Moment};
use fengqiao_hub::id::PlaceId;
use fengqiao_hub::notice::notice_of;
use fengqiao_hub::refusal::Code;
use fengqiao_proto::v1 as pb;
use support::book::*;
use support::*;

const DAY_MS: i64 = 24 * HOUR_MS;
const MINUTES_A_DAY: u32 = 24 * 60;

fn overdue() -> pb::Take {
    take_because(pb::TakingReason::Overdue)
}

fn dark() -> pb::Take {
    take_because(pb::TakingReason::Dark)
}

/// The same taking by whoever holds the chain and by whoever holds the notice only.
fn takes(world: &World, book: &Book, place: PlaceId, taking: pb::Take) -> Result<(), Code> {
    let author = node_of(book.custodian());
    let notice = notice_of(CASE, &book.case, &book.tree, None, author).unwrap();
    let centre = fengqiao_hub::casework::DecisionContext {
        contact: book.contact,
        ..context(world, place, book.now)
    };
    let noticed = casework::take_noticed(&centre, &notice, taking.clone(), &leader(place));
    let noticed = noticed.map(drop).map_err(|refusal| refusal.code);
    let held = book.clone().tries(world, &leader(place), taking, &[]);
    assert_eq!(held.map_err(|refusal| refusal.code), noticed);
    noticed
}

#[test]
fn overdue_is_a_case_whose_clock_below_is_red_for_longer_than_its_grace() {
    let world = World::new();
    let mut book = Book::accepted(&world, TOWNSHIP);
    book.does(&world, &clerk(TOWNSHIP), to_unit(TOWN_OFFICE));
    let due = book.due("handling", TOWNSHIP).unwrap();
    let not_overdue = Err(Code::NotOverdue);
    for now in [START, due, Moment(due.0 + 1), Moment(due.0 + DAY_MS)] {
        book.now = now;
        assert_eq!(takes(&world, &book, COUNTY, overdue()), not_overdue);
    }
    book.now = Moment(due.0 + DAY_MS + 1);
    for place in [COUNTY, CITY] {
        assert_eq!(takes(&world, &book, place, overdue()), Ok(()));
    }
    let mut fresh = Book::opened(&world, VILLAGE);
    assert_eq!(takes(&world, &fresh, COUNTY, overdue()), not_overdue);
    fresh.later(10 * DAY_MS);
    let unassigned = takes(&world, &fresh, COUNTY, overdue());
    assert_eq!(unassigned, Ok(()), "nobody was given it in time");
}

#[test]
fn what_is_late_at_the_taker_itself_is_no_reason_to_take_from_below() {
    let world = World::new();
    let mut book = Book::accepted(&world, COUNTY);
    let own_task = convene(&[(COUNTY, None)], Moment(START.0 + HOUR_MS));
    book.does(&world, &clerk(COUNTY), own_task)
        .does(&world, &clerk(COUNTY), to_place(TOWNSHIP))
        .later(2 * DAY_MS);
    let late = book.due("task", COUNTY).unwrap();
    assert!(Moment(late.0 + DAY_MS) < book.now);
    let taken = takes(&world, &book, COUNTY, overdue());
    assert_eq!(taken, Err(Code::NotOverdue));
    assert_eq!(takes(&world, &book, CITY, overdue()), Ok(()));
}

#[test]
fn dark_is_a_node_that_was_silent_for_longer_than_its_contact_limit() {
    let world = World::new();
    let mut book = Book::accepted(&world, VILLAGE);
    let heard = |last| Contact::Heard {
        last,
        limit_minutes: MINUTES_A_DAY,
    };
    book.later(3 * DAY_MS);
    for (contact, expected) in [
        (heard(book.now), Err(Code::NotDark)),
        (heard(Moment(book.now.0 - DAY_MS)), Err(Code::NotDark)),
        (heard(Moment(book.now.0 + DAY_MS)), Err(Code::NotDark)),
        (heard(Moment(book.now.0 - DAY_MS - 1)), Ok(())),
        (Contact::Never, Ok(())),
    ] {
        book.contact = contact;
        assert_eq!(takes(&world, &book, COUNTY, dark()), expected);
    }
}

#[test]
fn that_a_place_ended_or_moved_is_for_the_registry_to_say_and_no_person() {
    let world = World::new();
    let book = Book::accepted(&world, VILLAGE);
    for (because, code) in [
        (pb::TakingReason::Ended, Code::OutOfRange),
        (pb::TakingReason::Moved, Code::OutOfRange),
        (pb::TakingReason::Unspecified, Code::Empty),
    ] {
        let taken = takes(&world, &book, COUNTY, take_because(because));
        assert_eq!(taken, Err(code));
    }
    let decided = takes(&world, &book, COUNTY, take());
    assert_eq!(decided, Ok(()), "a leader's decision needs no clock");
}

#[test]
fn a_duty_is_not_pushed_down_by_sending_an_undecided_case_back() {
    let world = World::new();
    let mut book = Book::opened_as(&world, TOWNSHIP, permit());
    book.does(&world, &clerk(TOWNSHIP), accept())
        .does(&world, &clerk(TOWNSHIP), escalate())
        .does(&world, &clerk(COUNTY), take());
    let back = to_place(TOWNSHIP);
    assert_eq!(
        book.refused(&world, &clerk(COUNTY), back.clone()),
        Code::DutyNotBelow
    );
    book.does(&world, &leader(COUNTY), decide())
        .does(&world, &clerk(COUNTY), back.clone());
    assert_eq!(book.custodian(), TOWNSHIP);
    // The decision was for once.
    book.does(&world, &clerk(TOWNSHIP), sign_for());
    answers(&world, &mut book, &worker(TOWNSHIP));
    book.does(&world, &clerk(COUNTY), take());
    assert_eq!(
        book.refused(&world, &clerk(COUNTY), back),
        Code::DutyNotBelow
    );
}

#[test]
fn a_tier_that_the_class_does_not_reach_has_no_decision_to_send_down() {
    let world = World::new();
    let mut book = Book::opened_as(&world, VILLAGE, permit());
    book.does(&world, &clerk(VILLAGE), accept())
        .does(&world, &clerk(VILLAGE), escalate())
        .does(&world, &clerk(TOWNSHIP), take())
        .does(&world, &leader(TOWNSHIP), decide());
    assert_eq!(
        book.refused(&world, &clerk(TOWNSHIP), to_place(VILLAGE)),
        Code::DutyNotBelow
    );
}

#[test]
fn a_duty_is_not_pushed_down_by_keeping_it_below() {
    let world = World::new();
    let mut book = Book::opened_as(&world, TOWNSHIP, permit());
    book.does(&world, &clerk(TOWNSHIP), accept())
        .does(&world, &clerk(TOWNSHIP), escalate());
    let kept = book.refused(&world, &clerk(COUNTY), keep_below());
    assert_eq!(kept, Code::DutyNotBelow);
    // Nor after a decision of the one who asks.
    let mut own = Book::opened_as(&world, TOWNSHIP, permit());
    own.does(&world, &clerk(TOWNSHIP), accept())
        .does(&world, &leader(TOWNSHIP), decide())
        .does(&world, &clerk(TOWNSHIP), escalate());
    let kept = own.refused(&world, &clerk(COUNTY), keep_below());
    assert_eq!(kept, Code::DutyNotBelow);
    // Whoever carries out a decision from above may be told to go on.
    book.does(&world, &clerk(COUNTY), take())
        .does(&world, &leader(COUNTY), decide())
        .does(&world, &clerk(COUNTY), to_place(TOWNSHIP))
        .does(&world, &clerk(TOWNSHIP), sign_for())
        .does(&world, &clerk(TOWNSHIP), escalate())
        .does(&world, &clerk(COUNTY), keep_below());
    // And at the county the class is at home.
    let mut home = Book::opened_as(&world, COUNTY, permit());
    home.does(&world, &clerk(COUNTY), escalate())
        .does(&world, &clerk(CITY), keep_below());
}

#[test]
fn a_duty_is_not_pushed_down_by_a_convened_task() {
    let world = World::new();
    let mut book = Book::opened_as(&world, COUNTY, permit());
    book.does(&world, &clerk(COUNTY), accept());
    let due = Moment(START.0 + HOUR_MS);
    for place in [TOWNSHIP, VILLAGE] {
        for parties in [vec![(place, None)], vec![(COUNTY, None), (place, None)]] {
            let refused = book.refused(&world, &clerk(COUNTY), convene(&parties, due));
            assert_eq!(refused, Code::DutyNotBelow);
        }
    }
    let parties = [(COUNTY, None), (COUNTY, Some(ROADS))];
    book.does(&world, &clerk(COUNTY), convene(&parties, due));
}

#[test]
fn what_would_answer_an_open_offer_waits_for_it() {
    let world = World::new();
    let at_every_turn: Vec<(_, pb::Action)> = vec![
        (clerk(COUNTY), escalate().into()),
        (clerk(COUNTY), answer().into()),
        (clerk(COUNTY), decline(pb::DeclineGround::Unlawful).into()),
        (clerk(COUNTY), to_unit(ROADS).into()),
        (clerk(COUNTY), to_place(TOWNSHIP).into()),
        (leader(COUNTY), designate(ROADS).into()),
        (leader(COUNTY), decide().into()),
        (worker(COUNTY), draft_reply().into()),
        (clerk(COUNTY), visit().into()),
        (clerk(COUNTY), rate(5).into()),
        (clerk(COUNTY), redo().into()),
        (clerk(COUNTY), close().into()),
    ];
    let refused = |book: &Book| {
        for (actor, action) in &at_every_turn {
            let code = book.refused(&world, actor, action.clone());
            assert_eq!(code, Code::OfferOpen, "{}", name(action));
        }
    };
    let mut book = Book::opened(&world, COUNTY);
    book.does(&world, &clerk(COUNTY), escalate());
    refused(&book);
    book.does(&world, &clerk(COUNTY), accept());
    refused(&book);
    let mut answered = book.clone();
    answered
        .does(&world, &clerk(CITY), keep_below())
        .does(&world, &clerk(COUNTY), answer());
    // Work goes on meanwhile.
    book.does(&world, &worker(COUNTY), act());
    refused(&book);
    let mut sent = Book::dispatched(&world, CITY, COUNTY);
    sent.does(&world, &clerk(COUNTY), sign_for());
    let mut returned = sent.clone();
    returned.does(&world, &clerk(COUNTY), give_back());
    answers(&world, &mut sent, &worker(COUNTY));
    refused(&sent);
    refused(&returned);
}

/// A village below the township that nobody has given a node yet.
const NEW_VILLAGE: PlaceId = PlaceId([0x63; 10]);

#[test]
fn a_place_without_a_node_becomes_neither_custodian_nor_party() {
    let mut world = World::new();
    world.registers(
        TOWNSHIP,
        pb::PlaceAdded {
            place: NEW_VILLAGE.to_vec(),
            name: "new village".to_owned(),
            level: 60,
            ..Default::default()
        },
    );
    let revoked = pb::NodeRevoked {
        node: node_of(VILLAGE).to_vec(),
        incarnation: 1,
        last_author_sequence: 1,
        lost: false,
    };
    world.registers(TOWNSHIP, revoked);
    let book = Book::accepted(&world, TOWNSHIP);
    let due = Moment(START.0 + HOUR_MS);
    for place in [NEW_VILLAGE, VILLAGE] {
        for action in [
            pb::Action::from(to_place(place)),
            convene(&[(place, None)], due).into(),
        ] {
            let refused = book.refused(&world, &clerk(TOWNSHIP), action);
            assert_eq!(refused, Code::PlaceWithoutNode);
        }
    }
    // Invited, or hosted by its centre's machine, it has one.
    let node = enrolled(node_of(NEW_VILLAGE), NEW_VILLAGE, None, 1);
    world.registers(TOWNSHIP, node);
    let mut book = book;
    book.does(
        &world,
        &clerk(TOWNSHIP),
        convene(&[(NEW_VILLAGE, None)], due),
    )
    .does(&world, &clerk(TOWNSHIP), to_place(NEW_VILLAGE));
    let ended = pb::PlaceEnded {
        place: VILLAGE.to_vec(),
        successor: NEW_VILLAGE.to_vec(),
    };
    world.registers(TOWNSHIP, ended);
    let book = Book::accepted(&world, TOWNSHIP);
    assert_eq!(
        book.refused(&world, &clerk(TOWNSHIP), to_place(VILLAGE)),
        Code::PlaceUnknown
    );
}
