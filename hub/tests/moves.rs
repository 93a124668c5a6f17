//! The moves of a case: who may make which, when, and what follows. Facts from the casework rules.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use fengqiao_hub::case::{OfferKind, Receiver, Stage};
use fengqiao_hub::casework;
use fengqiao_hub::centre;
use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::PlaceId;
use fengqiao_hub::refusal::Code;
use fengqiao_proto::v1 as pb;
use support::book::*;
use support::*;

const DAY_MS: i64 = 24 * HOUR_MS;

#[test]
fn a_case_lives_from_registration_to_closing_at_one_centre() {
    let world = World::new();
    let mut book = Book::opened(&world, COUNTY);
    let roads = handler(COUNTY, ROADS);
    let steps: [(_, pb::Action); 14] = [
        (clerk(COUNTY), accept().into()),
        (clerk(COUNTY), to_unit(ROADS).into()),
        (roads.clone(), sign_for().into()),
        (roads.clone(), contact(true).into()),
        (roads.clone(), act().into()),
        (roads.clone(), interim().into()),
        (roads.clone(), draft_reply().into()),
        (approver(COUNTY), send_back().into()),
        (roads.clone(), draft_reply().into()),
        (approver(COUNTY), approve().into()),
        (roads, send().into()),
        (clerk(COUNTY), visit().into()),
        (clerk(COUNTY), rate(5).into()),
        (clerk(COUNTY), close().into()),
    ];
    let mut stages = vec![book.case.stage()];
    for (actor, action) in steps {
        book.does(&world, &actor, action);
        if stages.last() != Some(&book.case.stage()) {
            stages.push(book.case.stage());
        }
    }
    let expected = [
        Stage::Registered,
        Stage::Accepted,
        Stage::Dispatched,
        Stage::Handling,
        Stage::Drafted,
        Stage::Handling,
        Stage::Drafted,
        Stage::Approved,
        Stage::Replied,
        Stage::Visited,
        Stage::Closed,
    ];
    assert_eq!(stages, expected);
    assert_eq!(book.case.visit.outcome, pb::Outcome::Solved);
    assert_eq!(book.case.visit.rating.map(|rating| rating.score), Some(5));
    let first = book.case.dispatching.first.receiver;
    assert_eq!(first, Some(Receiver::Unit(ROADS)));
    assert_eq!(book.clocks(), [], "no clock runs on");
    assert_eq!(book.case.entries, 15);
}

#[test]
fn a_dispatched_case_is_replied_to_taken_visited_redone_and_closed_above() {
    let world = World::new();
    let mut book = Book::dispatched(&world, COUNTY, TOWNSHIP);
    assert_eq!(book.custodian(), TOWNSHIP);
    book.does(&world, &clerk(TOWNSHIP), sign_for()).does(
        &world,
        &clerk(TOWNSHIP),
        to_unit(TOWN_OFFICE),
    );
    replies(&world, &mut book, TOWNSHIP, TOWN_OFFICE);
    assert_eq!(book.custodian(), TOWNSHIP, "the reply is an offer");
    let offer = book.case.custody.offer.as_ref().unwrap();
    assert_eq!(offer.kind, OfferKind::Replied);
    assert_eq!(
        book.due("handling", TOWNSHIP),
        None,
        "the clock stops at the reply"
    );
    let not_below = book.refused(&world, &clerk(TOWNSHIP), visit());
    assert_eq!(not_below, Code::OfferOpen, "the handler never visits");
    let owed = book.refused(&world, &clerk(TOWNSHIP), close());
    assert_eq!(owed, Code::OfferOpen, "nor closes");

    book.does(&world, &clerk(COUNTY), take());
    assert_eq!(
        (book.custodian(), book.case.stage()),
        (COUNTY, Stage::Replied)
    );
    let damped = &book.case.custody.takings;
    assert!(damped.is_empty(), "an answer is not damped");
    book.does(&world, &clerk(COUNTY), visit())
        .does(&world, &clerk(COUNTY), redo())
        .does(&world, &clerk(COUNTY), to_place(TOWNSHIP))
        .does(&world, &clerk(TOWNSHIP), sign_for());
    answers(&world, &mut book, &clerk(TOWNSHIP));
    book.does(&world, &clerk(COUNTY), take())
        .does(&world, &clerk(COUNTY), visit())
        .does(&world, &clerk(COUNTY), close());
    assert_eq!(book.case.stage(), Stage::Closed);
    let first = book.case.dispatching.first.receiver;
    assert_eq!(first, Some(Receiver::Place(TOWNSHIP)));
    assert!(book.tree.annex().is_empty());
}

#[test]
fn a_case_goes_up_two_tiers_and_its_decision_comes_back_to_the_village() {
    let world = World::new();
    let mut book = Book::opened(&world, VILLAGE);
    book.does(&world, &clerk(VILLAGE), escalate());
    let stage = book.case.stage();
    assert_eq!(stage, Stage::Registered, "the village goes on meanwhile");
    assert_eq!(
        book.refused(&world, &clerk(VILLAGE), escalate()),
        Code::OfferOpen
    );
    assert_eq!(
        book.refused(&world, &clerk(COUNTY), take()),
        Code::RoleMissing
    );
    book.does(&world, &clerk(TOWNSHIP), take())
        .does(&world, &clerk(TOWNSHIP), escalate())
        .does(&world, &clerk(COUNTY), take())
        .does(&world, &leader(COUNTY), decide())
        .does(&world, &clerk(COUNTY), to_place(VILLAGE));
    assert_eq!(book.custodian(), VILLAGE);
    assert_eq!(book.tree.head().unwrap().rank.to_string(), "40:1.1");
    assert_eq!(
        book.refused(&world, &clerk(COUNTY), to_place(NEXT_VILLAGE)),
        Code::NotCustodian
    );
}

#[test]
fn a_parent_that_only_passes_a_reply_on_owes_it_to_the_dispatcher() {
    let world = World::new();
    let mut book = Book::dispatched(&world, COUNTY, VILLAGE);
    let due = book.due("handling", VILLAGE);
    assert!(due.is_some());
    book.does(&world, &clerk(VILLAGE), sign_for());
    answers(&world, &mut book, &clerk(VILLAGE));
    book.does(&world, &clerk(TOWNSHIP), take());
    assert_eq!(book.case.stage(), Stage::InHand);
    assert_eq!(
        book.due("handling", TOWNSHIP),
        due,
        "the county's clock runs on"
    );
    for action in [pb::Action::from(close()), visit().into()] {
        let owed = book.refused(&world, &clerk(TOWNSHIP), action);
        assert_eq!(owed, Code::ReplyOwed);
    }
    answers(&world, &mut book, &clerk(TOWNSHIP));
    book.does(&world, &clerk(COUNTY), take());
    assert_eq!(book.case.stage(), Stage::Replied);
    assert!(!book.case.owes_reply(COUNTY));
    book.does(&world, &clerk(COUNTY), visit())
        .does(&world, &clerk(COUNTY), close());
}

#[test]
fn a_reply_climbs_tier_by_tier_to_the_city_that_asked_for_it() {
    let world = World::new();
    let mut book = Book::dispatched(&world, CITY, VILLAGE);
    let due = book.due("handling", VILLAGE);
    book.does(&world, &clerk(VILLAGE), sign_for());
    for (place, parent) in [(VILLAGE, TOWNSHIP), (TOWNSHIP, COUNTY), (COUNTY, CITY)] {
        assert_eq!(book.due("handling", place), due, "the city's clock runs");
        answers(&world, &mut book, &clerk(place));
        book.does(&world, &clerk(parent), take());
        let answered = parent == CITY;
        let stage = if answered {
            Stage::Replied
        } else {
            Stage::InHand
        };
        assert_eq!(book.case.stage(), stage);
        assert_eq!(book.case.owes_reply(parent), !answered);
    }
    book.does(&world, &clerk(CITY), visit())
        .does(&world, &clerk(CITY), close());
}

#[test]
fn a_taker_between_dispatcher_and_receiver_owes_the_reply_one_above_does_not() {
    let world = World::new();
    let mut book = Book::dispatched(&world, COUNTY, VILLAGE);
    assert!(book.case.owes_reply(VILLAGE));
    let mut above = book.clone();
    above.does(&world, &leader(CITY), take());
    for place in [CITY, COUNTY, VILLAGE] {
        assert!(!above.case.owes_reply(place));
    }
    book.does(&world, &leader(TOWNSHIP), take());
    assert!(book.case.owes_reply(TOWNSHIP));
    assert_eq!(
        book.refused(&world, &clerk(TOWNSHIP), close()),
        Code::ReplyOwed
    );
    book.does(&world, &clerk(TOWNSHIP), to_place(VILLAGE))
        .does(&world, &clerk(VILLAGE), sign_for())
        .does(&world, &clerk(VILLAGE), escalate())
        .does(&world, &clerk(TOWNSHIP), take());
    assert!(book.case.owes_reply(TOWNSHIP), "still");
    book.does(&world, &clerk(TOWNSHIP), escalate())
        .does(&world, &clerk(COUNTY), take());
    assert!(!book.case.owes_reply(COUNTY));
}

#[test]
fn a_reply_that_is_not_taken_starts_its_clock_again_where_it_stopped() {
    let world = World::new();
    let mut book = Book::dispatched(&world, COUNTY, TOWNSHIP);
    let due = book.due("handling", TOWNSHIP);
    assert!(due.is_some());
    book.does(&world, &clerk(TOWNSHIP), sign_for());
    answers(&world, &mut book, &clerk(TOWNSHIP));
    book.later(HOUR_MS)
        .does(&world, &clerk(COUNTY), keep_below());
    assert_eq!(book.case.stage(), Stage::Handling);
    assert_eq!(book.due("handling", TOWNSHIP), due, "stopped, never reset");
    assert_eq!(book.case.custody.offer, None);
    let sender = &book.entries.last().unwrap();
    assert!(sender.submission.is_some(), "the custodian adopted it");
    assert_eq!(book.custodian(), TOWNSHIP);
}

#[test]
fn only_the_parent_asked_keeps_an_offer_below() {
    let world = World::new();
    let mut book = Book::opened(&world, VILLAGE);
    let no_offer = book.refused(&world, &clerk(TOWNSHIP), keep_below());
    assert_eq!(no_offer, Code::NoOffer);
    book.does(&world, &clerk(VILLAGE), escalate());
    for place in [COUNTY, VILLAGE, NEXT_TOWNSHIP] {
        let kept = book.refused(&world, &clerk(place), keep_below());
        assert_eq!(kept, Code::NoOffer);
    }
    book.does(&world, &clerk(TOWNSHIP), keep_below());
    assert_eq!(book.case.custody.offer, None);
}

#[test]
fn a_departments_duty_is_not_pushed_down_but_its_decision_goes_home() {
    let world = World::new();
    let mut book = Book::opened_as(&world, VILLAGE, permit());
    book.does(&world, &leader(COUNTY), take());
    for place in [TOWNSHIP, NEXT_VILLAGE, VILLAGE] {
        let pushed = book.refused(&world, &clerk(COUNTY), to_place(place));
        assert_eq!(pushed, Code::DutyNotBelow, "nobody decided");
    }
    for place in [OTHER_TOWNSHIP, COUNTY, CITY] {
        let beside = book.refused(&world, &clerk(COUNTY), to_place(place));
        assert_eq!(beside, Code::PlaceUnknown);
    }
    book.does(&world, &leader(COUNTY), decide());
    for place in [TOWNSHIP, NEXT_VILLAGE] {
        let pushed = book.refused(&world, &clerk(COUNTY), to_place(place));
        assert_eq!(pushed, Code::DutyNotBelow, "they never held it");
    }
    book.does(&world, &clerk(COUNTY), to_place(VILLAGE));
}

#[test]
fn a_decline_comes_before_any_dispatch_or_never() {
    let world = World::new();
    let decline = || decline(pb::DeclineGround::BeyondDuty);
    let mut book = Book::opened(&world, COUNTY);
    book.clone().does(&world, &clerk(COUNTY), decline());
    book.does(&world, &clerk(COUNTY), accept());
    book.clone().does(&world, &clerk(COUNTY), decline());
    let groundless = support::book::decline(pb::DeclineGround::Unspecified);
    assert_eq!(
        book.refused(&world, &clerk(COUNTY), groundless),
        Code::Empty
    );
    book.does(&world, &clerk(COUNTY), to_unit(ROADS))
        .does(&world, &handler(COUNTY, ROADS), object())
        .does(&world, &clerk(COUNTY), upheld(true));
    assert_eq!(book.case.stage(), Stage::Accepted);
    let late = book.refused(&world, &clerk(COUNTY), decline());
    assert_eq!(late, Code::AlreadyDispatched);
    let answered = book.refused(&world, &clerk(COUNTY), answer());
    assert_eq!(answered, Code::AlreadyDispatched);
}

#[test]
fn nobody_lets_their_own_draft_leave() {
    let world = World::new();
    let mut book = with_roads(&world);
    let both = everything(COUNTY, Some(ROADS));
    book.does(&world, &both, sign_for())
        .does(&world, &both, draft_reply());
    for action in [pb::Action::from(approve()), send_back().into()] {
        let own = book.refused(&world, &both, action.clone());
        assert_eq!(own, Code::SamePerson);
        let roads = handler(COUNTY, ROADS);
        assert_eq!(book.refused(&world, &roads, action), Code::RoleMissing);
    }
    assert_eq!(book.refused(&world, &both, send()), Code::StageForbids);
    book.does(&world, &approver(COUNTY), approve());
}

#[test]
fn no_unit_writes_a_verdict_the_handling_one_least_of_all() {
    let world = World::new();
    let mut book = Book::accepted(&world, COUNTY);
    book.does(&world, &clerk(COUNTY), to_units(ROADS, &[WATER]));
    replies(&world, &mut book, COUNTY, ROADS);
    for unit in [ROADS, WATER, POLICE] {
        let handles = everything(COUNTY, Some(unit));
        for action in [pb::Action::from(visit()), rate(5).into()] {
            let refused = book.refused(&world, &handles, action);
            assert_eq!(refused, Code::NotCentreStaff);
        }
    }
    book.does(&world, &clerk(COUNTY), visit());
}

#[test]
fn a_score_is_one_to_five() {
    let world = World::new();
    let mut book = with_roads(&world);
    replies(&world, &mut book, COUNTY, ROADS);
    for score in [0, 6, u32::MAX] {
        assert_eq!(
            book.refused(&world, &clerk(COUNTY), rate(score)),
            Code::OutOfRange
        );
    }
    for score in 1..=5 {
        book.clone().does(&world, &clerk(COUNTY), rate(score));
    }
}

#[test]
fn a_tier_above_reads_once_the_case_is_overdue_past_its_grace() {
    let world = World::new();
    let book = Book::accepted(&world, VILLAGE);
    let foreign = designate(TOWN_OFFICE);
    assert_eq!(
        book.refused(&world, &leader(VILLAGE), foreign),
        Code::UnitUnknown
    );
    let mut book = Book::accepted(&world, TOWNSHIP);
    book.does(&world, &clerk(TOWNSHIP), to_unit(TOWN_OFFICE));
    let due = book.due("handling", TOWNSHIP).unwrap();
    assert_eq!(due.0, START.0 + 3 * DAY_MS, "three days from the dispatch");
    let grace_ends = Moment(due.0 + DAY_MS);
    let reads = |book: &Book, place, now| {
        let purpose = centre::Purpose::Handling;
        centre::may_read(
            &context(&world, place, now),
            &book.case,
            &clerk(place),
            purpose,
        )
        .is_ok()
    };
    assert!(reads(&book, TOWNSHIP, START));
    assert!(!reads(&book, COUNTY, START));
    assert!(
        !reads(&book, COUNTY, grace_ends),
        "to the end of the grace: the notice only"
    );
    let after = Moment(grace_ends.0 + 1);
    assert!(reads(&book, COUNTY, after));
    assert!(!reads(&book, OTHER_COUNTY, after));
    assert!(!reads(&book, VILLAGE, after));
    book.now = after;
    let overdue = take_because(pb::TakingReason::Overdue);
    book.does(&world, &leader(COUNTY), overdue);
    assert_eq!(book.due("handling", TOWNSHIP), None);
    let taken_over = book.due("hand-over", COUNTY).unwrap();
    assert!(taken_over > after, "the taker has a clock of its own");
}

#[test]
fn a_due_time_is_the_same_whoever_computes_it() {
    let world = World::new();
    let book = Book::dispatched(&world, COUNTY, TOWNSHIP);
    let written = book.case.custody.obligations[0].due.clone().unwrap();
    for catalogue in [catalogue(), world.catalogue.clone()] {
        let start = Moment(written.start_ms);
        let due = catalogue.handling_due("roads", pb::Urgency::Ordinary, start);
        assert_eq!(due.unwrap(), written);
    }
    let standing: Vec<_> = book
        .entries
        .iter()
        .map(|entry| (entry, step(entry).place))
        .collect();
    let elsewhere = casework::fold(standing).unwrap();
    assert_eq!(elsewhere.custody.obligations[0].due, Some(written));
}

#[test]
fn a_lower_dispatch_cannot_lengthen_the_clock_but_may_shorten_it() {
    let world = World::new();
    let mut book = Book::dispatched(&world, COUNTY, TOWNSHIP);
    let due = book.due("handling", TOWNSHIP).unwrap();
    let owed = book.clocks()[0].clone();
    book.later(HOUR_MS)
        .does(&world, &clerk(TOWNSHIP), sign_for());
    let dispatch = |due| due_by(to_unit(TOWN_OFFICE), due);
    let longer = Moment(due.0 + HOUR_MS);
    assert_eq!(
        book.refused(&world, &clerk(TOWNSHIP), dispatch(longer)),
        Code::DueBeyondSuperior
    );
    let past = Moment(book.now.0 - 1);
    assert_eq!(
        book.refused(&world, &clerk(TOWNSHIP), dispatch(past)),
        Code::DueBeforeStart
    );
    let shorter = Moment(due.0 - HOUR_MS);
    let mut copy = book.clone();
    copy.does(&world, &clerk(TOWNSHIP), dispatch(shorter));
    assert_eq!(copy.due("handling", TOWNSHIP), Some(shorter));
    assert!(copy.clocks().contains(&owed), "the county's clock runs on");

    let mut copy = book.clone();
    copy.does(&world, &clerk(TOWNSHIP), to_place(VILLAGE));
    assert_eq!(copy.due("handling", VILLAGE), Some(due), "cut, not refused");
    book.does(&world, &clerk(TOWNSHIP), to_unit(TOWN_OFFICE));
    assert_eq!(book.clocks(), [owed.clone(), owed]);
    let designate = pb::Designate {
        due_ms: longer.0,
        ..designate(TOWN_OFFICE)
    };
    book.does(&world, &handler(TOWNSHIP, TOWN_OFFICE), object());
    assert_eq!(
        book.refused(&world, &leader(TOWNSHIP), designate),
        Code::DueBeyondSuperior
    );
}

#[test]
fn only_what_may_be_submitted_is_adopted() {
    let world = World::new();
    let mut book = with_roads(&world);
    let roads = handler(COUNTY, ROADS);
    for action in [
        pb::Action::from(close()),
        approve().into(),
        registered().into(),
    ] {
        let content = pb::body::Content::Action(action);
        let refusal = book.submits(&world, &roads, content).unwrap_err();
        assert_eq!(refusal.code, Code::Malformed);
    }
    let stranger = handler(COUNTY, WATER);
    let refusal = book.submits(&world, &stranger, sign_for()).unwrap_err();
    assert_eq!(refusal.code, Code::NotHandler);
    let lower = clerk(TOWNSHIP);
    let refusal = book.submits(&world, &lower, sign_for()).unwrap_err();
    assert_eq!(refusal.code, Code::NotHandler);
    book.submits(&world, &roads, sign_for()).unwrap();
    assert_eq!(book.case.stage(), Stage::Handling);
    assert_eq!(
        book.entries.last().unwrap().author,
        node_of(COUNTY),
        "the custodian writes"
    );
}

#[test]
fn bad_input_at_the_intake_is_refused_with_its_field() {
    let world = World::new();
    let village = context(&world, VILLAGE, START);
    let refused = |actor, asked| {
        let refusal = casework::register(&village, &actor, asked, &numbering()).unwrap_err();
        (refusal.code, refusal.field)
    };
    let class = pb::Register {
        class: "no-such".to_owned(),
        ..intake()
    };
    let unknown = (Code::ClassUnknown, "class");
    assert_eq!(refused(clerk(VILLAGE), class), unknown);
    let channel = pb::Register {
        channel: pb::Channel::Unspecified.into(),
        ..intake()
    };
    assert_eq!(refused(clerk(VILLAGE), channel), (Code::Empty, "channel"));
    let numbered = |external: &str| pb::Register {
        external_number: external.to_owned(),
        ..intake()
    };
    let long = refused(clerk(VILLAGE), numbered(&"长".repeat(65)));
    assert_eq!(long, (Code::TooLong, "external_number"));
    let control = refused(clerk(VILLAGE), numbered("a\u{7}b"));
    assert_eq!(control, (Code::ControlCharacter, "external_number"));
    for place in ["no-such", &PlaceId([9; 10]).to_string()] {
        let place = pb::Register {
            place: place.to_owned(),
            ..intake()
        };
        let unknown = (Code::PlaceUnknown, "place");
        assert_eq!(refused(clerk(VILLAGE), place), unknown);
    }
    let (unit, _) = refused(handler(VILLAGE, ROADS), intake());
    assert_eq!(unit, Code::NotCentreStaff);
    let (role, _) = refused(leader(VILLAGE), intake());
    assert_eq!(role, Code::RoleMissing);
}

#[test]
fn an_action_of_a_later_version_is_refused_from_whoever_asks_for_it() {
    let world = World::new();
    let mut book = Book::accepted(&world, COUNTY);
    for action in [
        pb::Action { family: None },
        pb::Action {
            family: Some(pb::action::Family::Visit(pb::VisitAction { action: None })),
        },
    ] {
        let asked = book.refused(&world, &everything(COUNTY, None), action.clone());
        assert_eq!(asked, Code::Malformed);
        let content = pb::body::Content::Action(action);
        let refusal = book.submits(&world, &clerk(TOWNSHIP), content).unwrap_err();
        assert_eq!(refusal.code, Code::Malformed);
    }
}
