//! Replies owed between centres, their clocks, and what an open case is never without.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use fengqiao_hub::case::Stage;
use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::PlaceId;
use fengqiao_hub::refusal::Code;
use fengqiao_proto::v1 as pb;
use support::book::*;
use support::*;

const DAY_MS: i64 = 24 * HOUR_MS;

/// City to county to township, each by a dispatch of its own.
fn nested(world: &World) -> Book {
    let mut book = Book::dispatched(world, CITY, COUNTY);
    book.does(world, &clerk(COUNTY), sign_for())
        .does(world, &clerk(COUNTY), to_place(TOWNSHIP))
        .does(world, &clerk(TOWNSHIP), sign_for());
    book
}

fn owed(book: &Book) -> Vec<(PlaceId, PlaceId)> {
    let obligations = &book.case.custody.obligations;
    obligations
        .iter()
        .map(|owed| (owed.from, owed.to))
        .collect()
}

#[test]
fn a_superiors_clock_runs_on_when_an_inner_reply_is_taken_and_turns_red_on_time() {
    let world = World::new();
    let mut book = nested(&world);
    let due = book.due("handling", COUNTY).unwrap();
    answers(&world, &mut book, &worker(TOWNSHIP));
    assert_eq!(book.due("handling", COUNTY), Some(due), "offered");
    book.does(&world, &clerk(COUNTY), take());
    assert_eq!(owed(&book), [(CITY, COUNTY)]);
    assert_eq!(book.due("handling", COUNTY), Some(due), "taken");
    assert_eq!(book.due("handling", TOWNSHIP), None);

    let clocks_now = book.case.clocks(None);
    let owed_above = clocks_now
        .iter()
        .find(|running| running.due == due)
        .unwrap();
    assert!(!owed_above.is_red(due));
    assert!(owed_above.is_red(Moment(due.0 + 1)));
    let late = Moment(due.0 + HOUR_MS);
    assert_eq!(
        book.refused(&world, &clerk(COUNTY), due_by(to_unit(ROADS), late)),
        Code::DueBeyondSuperior
    );
    book.later(2 * DAY_MS)
        .does(&world, &clerk(COUNTY), to_unit(ROADS));
    let clocks = book.clocks();
    assert_eq!(clocks.len(), 2);
    assert!(clocks.iter().all(|clock| clock.2 == due), "cut to it");
    book.now = Moment(due.0 + DAY_MS + 1);
    let overdue = take_because(pb::TakingReason::Overdue);
    book.does(&world, &leader(CITY), overdue);
}

#[test]
fn each_reply_taken_ends_the_obligation_it_answers_and_no_other() {
    let world = World::new();
    let mut book = nested(&world);
    book.does(&world, &clerk(TOWNSHIP), to_place(VILLAGE));
    let all = [(CITY, COUNTY), (COUNTY, TOWNSHIP), (TOWNSHIP, VILLAGE)];
    assert_eq!(owed(&book), all);
    book.does(&world, &clerk(VILLAGE), sign_for());
    for (left, (asked, replies)) in [(2, all[2]), (1, all[1]), (0, all[0])] {
        answers(&world, &mut book, &worker(replies));
        book.does(&world, &clerk(asked), take());
        assert_eq!(owed(&book), all[..left]);
        let visits = book.clone().tries(&world, &clerk(asked), visit(), &[]);
        let code = visits.map_err(|refusal| refusal.code);
        let first = asked == CITY;
        let expected = if first { Ok(()) } else { Err(Code::ReplyOwed) };
        assert_eq!(code, expected, "only who asked first visits");
        assert_eq!(book.due("visit", asked).is_some(), first);
        assert_eq!(book.due("hand-over", asked).is_some(), !first);
    }
}

#[test]
fn no_inner_due_lies_beyond_the_one_that_a_superior_set() {
    let world = World::new();
    let mut book = Book::accepted(&world, CITY);
    let due = Moment(START.0 + 5 * HOUR_MS);
    book.does(&world, &clerk(CITY), due_by(to_place(COUNTY), due))
        .does(&world, &clerk(COUNTY), sign_for());
    let late = Moment(due.0 + 1);
    for action in [
        pb::Action::from(due_by(to_place(TOWNSHIP), late)),
        due_by(to_unit(ROADS), late).into(),
        convene(&[(TOWNSHIP, None)], late).into(),
        convene(&[(COUNTY, Some(ROADS))], late).into(),
    ] {
        assert_eq!(
            book.refused(&world, &clerk(COUNTY), action),
            Code::DueBeyondSuperior
        );
    }
    let tasks = convene(&[(TOWNSHIP, None), (COUNTY, Some(ROADS))], due);
    book.does(&world, &clerk(COUNTY), tasks);
    let mut own = book.clone();
    own.does(&world, &worker(COUNTY), act());
    let mut replied = book.clone();
    book.does(&world, &clerk(COUNTY), to_place(TOWNSHIP)).does(
        &world,
        &clerk(TOWNSHIP),
        sign_for(),
    );
    let mut returned = book.clone();
    answers(&world, &mut book, &worker(TOWNSHIP));
    returned.does(&world, &clerk(TOWNSHIP), give_back());
    for book in [&own, &book, &returned] {
        let clocks = book.clocks();
        assert!(clocks.iter().all(|clock| clock.2 <= due), "{clocks:?}");
    }
    assert_eq!(
        book.due("answer", COUNTY),
        Some(due),
        "the county owes it too"
    );
    // The city owes nobody: its own time to answer is not cut.
    answers(&world, &mut replied, &worker(COUNTY));
    assert!(replied.due("answer", CITY) > Some(due));
    // What is late already keeps nobody from calling others in.
    own.later(6 * HOUR_MS);
    let soon = Moment(own.now.0 + HOUR_MS);
    own.does(&world, &clerk(COUNTY), convene(&[(VILLAGE, None)], soon));
}

/// Found by random histories: the village's reply had stopped the city's clock, and the county was held to none.
#[test]
fn whoever_takes_a_reply_on_its_way_up_is_held_to_the_time_of_the_one_who_asked_for_it() {
    let world = World::new();
    let mut book = Book::accepted(&world, CITY);
    let due = Moment(START.0 + 2 * HOUR_MS);
    book.does(&world, &clerk(CITY), due_by(to_place(VILLAGE), due))
        .does(&world, &clerk(VILLAGE), sign_for());
    answers(&world, &mut book, &worker(VILLAGE));
    assert_eq!(book.due("answer", TOWNSHIP), Some(due));
    book.does(&world, &leader(COUNTY), take());
    assert_eq!(book.due("handling", COUNTY), Some(due));
    assert_eq!(book.due("hand-over", COUNTY), Some(due));
}

#[test]
fn a_due_time_set_by_hand_stays_within_what_the_class_allows() {
    let world = World::new();
    let book = Book::accepted(&world, COUNTY);
    let year_9999 = Moment(253_370_764_800_000);
    for due in [year_9999, Moment(i64::MAX), Moment(START.0 + 366 * DAY_MS)] {
        for dispatch in [to_unit(ROADS), to_place(TOWNSHIP)] {
            let refused = book.refused(&world, &clerk(COUNTY), due_by(dispatch, due));
            assert_eq!(refused, Code::DueTooLate);
        }
        let designate = pb::Designate {
            due_ms: due.0,
            ..designate(ROADS)
        };
        let refused = book.refused(&world, &leader(COUNTY), designate);
        assert_eq!(refused, Code::DueTooLate);
    }
    for due in [Moment(START.0 - 1), Moment(-1), Moment(i64::MIN)] {
        let refused = book.refused(&world, &clerk(COUNTY), due_by(to_unit(ROADS), due));
        assert_eq!(refused, Code::DueBeforeStart);
    }
}

#[test]
fn the_time_to_return_runs_from_the_dispatch_whatever_the_receiver_does_inside() {
    let world = World::new();
    let mut book = Book::opened_as(&world, CITY, permit());
    book.does(&world, &clerk(CITY), accept())
        .does(&world, &clerk(CITY), to_place(COUNTY))
        .does(&world, &clerk(COUNTY), sign_for());
    // Two working days from Thursday: until Monday. The county's own dispatch is of Monday.
    book.later(4 * DAY_MS)
        .does(&world, &clerk(COUNTY), to_unit(ROADS))
        .does(&world, &handler(COUNTY, ROADS), object());
    let mut late = book.clone();
    book.does(&world, &clerk(COUNTY), upheld(true))
        .does(&world, &clerk(COUNTY), give_back());
    late.later(DAY_MS)
        .does(&world, &clerk(COUNTY), upheld(true));
    assert_eq!(
        late.refused(&world, &clerk(COUNTY), give_back()),
        Code::ReturnLate
    );
}

#[test]
fn a_return_past_a_tier_is_passed_on_to_the_one_that_dispatched() {
    let world = World::new();
    let mut book = Book::dispatched(&world, CITY, VILLAGE);
    book.does(&world, &clerk(VILLAGE), give_back());
    for (between, above) in [(TOWNSHIP, COUNTY), (COUNTY, CITY)] {
        let kept = book.refused(&world, &clerk(between), keep_below());
        assert_eq!(kept, Code::NotDispatcher);
        book.does(&world, &clerk(between), take());
        assert_eq!(book.case.dispatching.bounces, 0, "nothing is decided yet");
        for (actor, action) in [
            (leader(between), pb::Action::from(decide())),
            (clerk(between), escalate().into()),
            (clerk(between), draft_reply().into()),
            (clerk(between), contact(true).into()),
            (clerk(between), act().into()),
            (clerk(between), to_place(VILLAGE).into()),
            (leader(between), designate(TOWN_OFFICE).into()),
        ] {
            let refused = book.refused(&world, &actor, action);
            assert_eq!(refused, Code::ReturnPasses);
        }
        book.does(&world, &clerk(between), give_back());
        assert!(book.due("answer", above).is_some());
    }
    let mut kept = book.clone();
    book.does(&world, &clerk(CITY), take());
    assert_eq!(book.case.dispatching.bounces, 1);
    assert_eq!(book.case.dispatching.first.receiver, None);
    assert_eq!(owed(&book), []);

    kept.does(&world, &clerk(CITY), keep_below());
    assert_eq!(
        (kept.custodian(), kept.case.dispatching.bounces),
        (COUNTY, 0)
    );
    assert_eq!(owed(&kept), [(CITY, COUNTY)]);
    kept.does(&world, &clerk(COUNTY), to_place(VILLAGE));
}

#[test]
fn a_reply_past_a_tier_is_decided_by_the_one_that_dispatched() {
    let world = World::new();
    let mut book = Book::dispatched(&world, COUNTY, VILLAGE);
    book.does(&world, &clerk(VILLAGE), sign_for());
    answers(&world, &mut book, &worker(VILLAGE));
    let kept = book.refused(&world, &clerk(TOWNSHIP), keep_below());
    assert_eq!(kept, Code::NotDispatcher);
    book.does(&world, &clerk(TOWNSHIP), take());
    answers(&world, &mut book, &worker(TOWNSHIP));
    book.does(&world, &clerk(COUNTY), keep_below());
    assert_eq!(book.custodian(), TOWNSHIP);
    assert_eq!(book.case.stage(), Stage::Handling);
}

#[test]
fn a_dummy_reply_stops_no_clock() {
    let world = World::new();
    let mut book = Book::dispatched(&world, COUNTY, TOWNSHIP);
    let due = book.due("handling", TOWNSHIP);
    book.does(&world, &clerk(TOWNSHIP), sign_for()).does(
        &world,
        &clerk(TOWNSHIP),
        to_unit(TOWN_OFFICE),
    );
    let office = handler(TOWNSHIP, TOWN_OFFICE);
    book.does(&world, &office, sign_for());
    let clocks = book.clocks();
    for _ in 0..3 {
        answers(&world, &mut book, &office);
        assert_eq!(book.due("handling", TOWNSHIP), None);
        let again = book.refused(&world, &office, draft_reply());
        assert_eq!(again, Code::OfferOpen);
        book.later(HOUR_MS)
            .does(&world, &clerk(COUNTY), keep_below());
        assert_eq!(book.due("handling", TOWNSHIP), due);
        assert_eq!(book.clocks(), clocks, "from where they stood");
    }
}

#[test]
fn an_own_reply_that_is_drafted_anew_or_sent_back_gains_no_time() {
    let world = World::new();
    let mut units = with_roads(&world);
    units.does(&world, &handler(COUNTY, ROADS), sign_for());
    let mut own = Book::accepted(&world, COUNTY);
    own.does(&world, &worker(COUNTY), act());
    for (book, drafter) in [
        (&mut units, handler(COUNTY, ROADS)),
        (&mut own, worker(COUNTY)),
    ] {
        let due = book.due("handling", COUNTY);
        assert!(due.is_some());
        for _ in 0..3 {
            answers(&world, book, &drafter);
            assert_eq!(book.due("handling", COUNTY), None);
            book.later(HOUR_MS).does(&world, &drafter, draft_reply());
            assert_eq!(book.due("handling", COUNTY), due);
            book.does(&world, &approver(COUNTY), send_back());
            assert_eq!(book.due("handling", COUNTY), due);
            assert_eq!(book.due("visit", COUNTY), None);
        }
    }
}

#[test]
fn deciding_again_and_again_lengthens_no_clock() {
    let world = World::new();
    let mut book = Book::accepted(&world, COUNTY);
    let clocks = book.clocks();
    for _ in 0..3 {
        book.later(DAY_MS).does(&world, &leader(COUNTY), decide());
        assert_eq!(book.clocks(), clocks);
    }
}

#[test]
fn an_open_case_has_a_clock_and_somebody_responsible_until_the_requester_was_visited() {
    let world = World::new();
    let mut book = Book::opened(&world, VILLAGE);
    assert!(book.due("accept", VILLAGE).is_some());
    let roads = handler(COUNTY, ROADS);
    let steps: Vec<(_, pb::Action, _, _)> = vec![
        (clerk(VILLAGE), accept().into(), "hand-over", VILLAGE),
        (clerk(VILLAGE), escalate().into(), "answer", TOWNSHIP),
        (clerk(TOWNSHIP), keep_below().into(), "hand-over", VILLAGE),
        (clerk(VILLAGE), escalate().into(), "hand-over", VILLAGE),
        (clerk(TOWNSHIP), take().into(), "hand-over", TOWNSHIP),
        (leader(COUNTY), take().into(), "hand-over", COUNTY),
        (leader(COUNTY), decide().into(), "hand-over", COUNTY),
        (clerk(COUNTY), to_unit(ROADS).into(), "handling", COUNTY),
        (roads.clone(), object().into(), "handling", COUNTY),
        (clerk(COUNTY), upheld(true).into(), "hand-over", COUNTY),
        (leader(COUNTY), designate(ROADS).into(), "handling", COUNTY),
        (roads.clone(), sign_for().into(), "handling", COUNTY),
        (roads.clone(), draft_reply().into(), "handling", COUNTY),
        (approver(COUNTY), approve().into(), "handling", COUNTY),
        (roads, send().into(), "visit", COUNTY),
        (clerk(COUNTY), unreached().into(), "visit", COUNTY),
        (clerk(COUNTY), redo().into(), "hand-over", COUNTY),
        (
            clerk(COUNTY),
            to_place(TOWNSHIP).into(),
            "handling",
            TOWNSHIP,
        ),
        (clerk(TOWNSHIP), give_back().into(), "answer", COUNTY),
        (clerk(COUNTY), take().into(), "hand-over", COUNTY),
        (worker(COUNTY), act().into(), "handling", COUNTY),
        (worker(COUNTY), draft_reply().into(), "handling", COUNTY),
        (approver(COUNTY), approve().into(), "handling", COUNTY),
        (approver(COUNTY), send().into(), "visit", COUNTY),
    ];
    for (actor, action, clock, place) in steps {
        let name = name(&action);
        book.does(&world, &actor, action);
        let clocks = book.clocks();
        assert!(book.due(clock, place).is_some(), "{name}: {clocks:?}");
    }
    book.does(&world, &clerk(COUNTY), visit());
    assert_eq!(book.clocks(), []);
    let mut answered = Book::opened(&world, COUNTY);
    answered.does(&world, &clerk(COUNTY), answer());
    assert!(answered.due("visit", COUNTY).is_some());
    // A leader who is not content with a reply decides before anybody is visited.
    let mut decided = with_roads(&world);
    replies(&world, &mut decided, COUNTY, ROADS);
    decided.does(&world, &leader(COUNTY), decide());
    assert!(decided.due("hand-over", COUNTY).is_some());
    assert_eq!(decided.due("visit", COUNTY), None);
}

#[test]
fn a_requester_who_was_not_reached_is_called_again() {
    let world = World::new();
    let mut book = with_roads(&world);
    replies(&world, &mut book, COUNTY, ROADS);
    let due = book.due("visit", COUNTY);
    book.does(&world, &clerk(COUNTY), unreached())
        .later(HOUR_MS)
        .does(&world, &clerk(COUNTY), unreached());
    assert_eq!(book.due("visit", COUNTY), due, "it runs on");
    book.does(&world, &clerk(COUNTY), visit());
    assert_eq!(
        book.refused(&world, &clerk(COUNTY), visit()),
        Code::StageForbids,
        "and once reached no more"
    );
    book.does(&world, &clerk(COUNTY), close());
}
