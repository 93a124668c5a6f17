//! The moves of a case: who may make which, when, and what follows. Facts from the casework rules.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use fengqiao_hub::case::{OfferKind, Receiver, Stage};
use fengqiao_hub::casework::Command;
use fengqiao_hub::centre;
use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::Hash;
use fengqiao_hub::refusal::Code;
use fengqiao_proto::v1 as pb;
use pb::body::Content;
use support::book::*;
use support::*;

#[test]
fn a_case_lives_from_registration_to_closing_at_one_centre() {
    let world = World::new();
    let mut book = Book::opened(&world, COUNTY);
    let roads = handler(COUNTY, ROADS);
    let contact = Command::Contact { reached: true };
    let mut stages = vec![book.case.stage];
    for (actor, command) in [
        (clerk(COUNTY), Command::Accept),
        (clerk(COUNTY), to_unit(ROADS)),
        (roads.clone(), Command::SignFor),
        (roads.clone(), contact),
        (roads.clone(), Command::TakeAction),
        (roads.clone(), Command::ReportInterim),
        (roads.clone(), draft_reply()),
        (approver(COUNTY), Command::SendBackReply),
        (roads.clone(), draft_reply()),
        (approver(COUNTY), Command::ApproveReply),
        (roads, Command::SendReply),
        (clerk(COUNTY), visit()),
        (clerk(COUNTY), Command::Rate { score: 5 }),
        (clerk(COUNTY), close()),
    ] {
        book.does(&world, &actor, command);
        if stages.last() != Some(&book.case.stage) {
            stages.push(book.case.stage);
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
    assert_eq!(book.case.outcome, pb::Outcome::Solved);
    assert_eq!(book.case.rating, Some(5));
    assert_eq!(book.case.first_receiver, Some(Receiver::Unit(ROADS)));
    assert_eq!(book.case.due, None, "no clock runs on");
    assert_eq!(book.case.entries, 15);
}

#[test]
fn a_dispatched_case_is_replied_to_taken_visited_redone_and_closed_above() {
    let world = World::new();
    let mut book = Book::opened(&world, COUNTY);
    book.does(&world, &clerk(COUNTY), Command::Accept).does(
        &world,
        &clerk(COUNTY),
        to_place(TOWNSHIP),
    );
    assert_eq!(book.custodian(), TOWNSHIP);
    book.does(&world, &clerk(TOWNSHIP), Command::SignFor).does(
        &world,
        &clerk(TOWNSHIP),
        to_unit(TOWN_OFFICE),
    );
    replies(&world, &mut book, TOWNSHIP, TOWN_OFFICE);
    assert_eq!(book.custodian(), TOWNSHIP, "the reply is an offer");
    assert_eq!(book.case.offer.unwrap().kind, OfferKind::Replied);
    assert_eq!(book.case.due, None, "the clock stops at the reply");
    let not_below = book.refused(&world, &clerk(TOWNSHIP), &visit());
    assert_eq!(not_below, Code::OfferOpen, "the handler never visits");
    let owed = book.refused(&world, &clerk(TOWNSHIP), &close());
    assert_eq!(owed, Code::ReplyOwed);

    book.does(&world, &clerk(COUNTY), take());
    assert_eq!(
        (book.custodian(), book.case.stage),
        (COUNTY, Stage::Replied)
    );
    assert!(book.case.takings.is_empty(), "an answer is not damped");
    book.does(&world, &clerk(COUNTY), visit())
        .does(&world, &clerk(COUNTY), Command::OrderRedo)
        .does(&world, &clerk(COUNTY), to_place(TOWNSHIP))
        .does(&world, &clerk(TOWNSHIP), Command::SignFor)
        .does(&world, &clerk(TOWNSHIP), draft_reply())
        .does(&world, &leader(TOWNSHIP), Command::ApproveReply)
        .does(&world, &clerk(TOWNSHIP), Command::SendReply)
        .does(&world, &clerk(COUNTY), take())
        .does(&world, &clerk(COUNTY), visit())
        .does(&world, &clerk(COUNTY), close());
    assert_eq!(book.case.stage, Stage::Closed);
    assert_eq!(book.case.first_receiver, Some(Receiver::Place(TOWNSHIP)));
    assert!(book.tree.annex().is_empty());
}

#[test]
fn a_case_goes_up_two_tiers_and_its_decision_comes_back_to_the_village() {
    let world = World::new();
    let mut book = Book::opened(&world, VILLAGE);
    book.does(&world, &clerk(VILLAGE), escalate());
    let action = book.case.stage;
    assert_eq!(action, Stage::Registered, "the village goes on meanwhile");
    assert_eq!(
        book.refused(&world, &clerk(VILLAGE), &escalate()),
        Code::OfferOpen
    );
    assert_eq!(
        book.refused(&world, &clerk(COUNTY), &take()),
        Code::RoleMissing
    );
    book.does(&world, &clerk(TOWNSHIP), take())
        .does(&world, &clerk(TOWNSHIP), escalate())
        .does(&world, &clerk(COUNTY), take())
        .does(&world, &leader(COUNTY), Command::Decide)
        .does(&world, &clerk(COUNTY), to_place(VILLAGE));
    assert_eq!(book.custodian(), VILLAGE);
    assert_eq!(book.tree.head().unwrap().rank.to_string(), "40:1.1");
    let foreign = to_place(NEXT_VILLAGE);
    assert_eq!(
        book.refused(&world, &clerk(COUNTY), &foreign),
        Code::NotCustodian
    );
}

#[test]
fn a_parent_that_only_passes_a_reply_on_owes_it_to_the_dispatcher() {
    let world = World::new();
    let mut book = Book::opened(&world, COUNTY);
    book.does(&world, &clerk(COUNTY), Command::Accept).does(
        &world,
        &clerk(COUNTY),
        to_place(VILLAGE),
    );
    let due = book.case.due.clone();
    book.does(&world, &clerk(VILLAGE), Command::SignFor)
        .does(&world, &clerk(VILLAGE), draft_reply())
        .does(&world, &approver(VILLAGE), Command::ApproveReply)
        .does(&world, &clerk(VILLAGE), Command::SendReply)
        .does(&world, &clerk(TOWNSHIP), take());
    assert_eq!(book.case.stage, Stage::InHand);
    assert_eq!(book.case.due, due, "the county's clock runs on");
    assert_eq!(
        book.refused(&world, &clerk(TOWNSHIP), &close()),
        Code::ReplyOwed
    );
    assert_eq!(
        book.refused(&world, &clerk(TOWNSHIP), &visit()),
        Code::StageForbids
    );
    book.does(&world, &clerk(TOWNSHIP), draft_reply())
        .does(&world, &approver(TOWNSHIP), Command::ApproveReply)
        .does(&world, &clerk(TOWNSHIP), Command::SendReply)
        .does(&world, &clerk(COUNTY), take());
    assert_eq!(book.case.stage, Stage::Replied);
    assert!(!book.case.owes_reply(COUNTY, &world.registry));
    book.does(&world, &clerk(COUNTY), visit())
        .does(&world, &clerk(COUNTY), close());
}

#[test]
fn a_reply_climbs_tier_by_tier_to_the_city_that_asked_for_it() {
    let world = World::new();
    let mut book = Book::opened(&world, CITY);
    book.does(&world, &clerk(CITY), Command::Accept)
        .does(&world, &clerk(CITY), to_place(VILLAGE))
        .does(&world, &clerk(VILLAGE), Command::SignFor);
    for (place, parent) in [(VILLAGE, TOWNSHIP), (TOWNSHIP, COUNTY), (COUNTY, CITY)] {
        assert!(book.case.due.is_some(), "the city's clock runs");
        book.does(&world, &clerk(place), draft_reply())
            .does(&world, &approver(place), Command::ApproveReply)
            .does(&world, &clerk(place), Command::SendReply)
            .does(&world, &clerk(parent), take());
        let answered = parent == CITY;
        let stage = if answered {
            Stage::Replied
        } else {
            Stage::InHand
        };
        assert_eq!(book.case.stage, stage);
        assert_eq!(book.case.owes_reply(parent, &world.registry), !answered);
    }
    book.does(&world, &clerk(CITY), visit())
        .does(&world, &clerk(CITY), close());
}

#[test]
fn a_taker_between_dispatcher_and_receiver_owes_the_reply_one_above_does_not() {
    let world = World::new();
    let mut book = Book::opened(&world, COUNTY);
    book.does(&world, &clerk(COUNTY), Command::Accept).does(
        &world,
        &clerk(COUNTY),
        to_place(VILLAGE),
    );
    assert!(book.case.owes_reply(VILLAGE, &world.registry));
    let mut above = book.clone();
    above.does(&world, &leader(CITY), take());
    for place in [CITY, COUNTY, VILLAGE] {
        assert!(!above.case.owes_reply(place, &world.registry));
    }
    book.does(&world, &leader(TOWNSHIP), take());
    assert!(book.case.owes_reply(TOWNSHIP, &world.registry));
    assert_eq!(
        book.refused(&world, &clerk(TOWNSHIP), &close()),
        Code::ReplyOwed
    );
    book.does(&world, &clerk(TOWNSHIP), to_place(VILLAGE))
        .does(&world, &clerk(VILLAGE), Command::SignFor)
        .does(&world, &clerk(VILLAGE), escalate())
        .does(&world, &clerk(TOWNSHIP), take());
    assert!(book.case.owes_reply(TOWNSHIP, &world.registry), "still");
    book.does(&world, &clerk(TOWNSHIP), escalate())
        .does(&world, &clerk(COUNTY), take());
    assert!(!book.case.owes_reply(COUNTY, &world.registry));
}

#[test]
fn a_reply_that_is_not_taken_starts_its_clock_again_where_it_stopped() {
    let world = World::new();
    let mut book = Book::opened(&world, COUNTY);
    book.does(&world, &clerk(COUNTY), Command::Accept).does(
        &world,
        &clerk(COUNTY),
        to_place(TOWNSHIP),
    );
    let due = book.case.due.clone();
    assert!(due.is_some());
    book.does(&world, &clerk(TOWNSHIP), Command::SignFor)
        .does(&world, &clerk(TOWNSHIP), draft_reply())
        .does(&world, &approver(TOWNSHIP), Command::ApproveReply)
        .does(&world, &clerk(TOWNSHIP), Command::SendReply)
        .later(HOUR_MS)
        .does(&world, &clerk(COUNTY), Command::KeepBelow);
    assert_eq!(book.case.stage, Stage::Handling);
    assert_eq!(book.case.due, due, "stopped, never reset");
    assert_eq!(book.case.offer, None);
    let sender = &book.entries.last().unwrap();
    assert!(sender.submission.is_some(), "the custodian adopted it");
    assert_eq!(book.custodian(), TOWNSHIP);
}

#[test]
fn only_the_parent_asked_keeps_an_offer_below() {
    let world = World::new();
    let mut book = Book::opened(&world, VILLAGE);
    let no_offer = book.refused(&world, &clerk(TOWNSHIP), &Command::KeepBelow);
    assert_eq!(no_offer, Code::NoOffer);
    book.does(&world, &clerk(VILLAGE), escalate());
    for place in [COUNTY, VILLAGE, NEXT_TOWNSHIP] {
        let kept = book.refused(&world, &clerk(place), &Command::KeepBelow);
        assert_eq!(kept, Code::NoOffer);
    }
    book.does(&world, &clerk(TOWNSHIP), Command::KeepBelow);
    assert_eq!(book.case.offer, None);
}

#[test]
fn a_departments_duty_is_not_pushed_down_but_its_decision_goes_home() {
    let world = World::new();
    let permits = fengqiao_hub::casework::intake::Intake {
        class: "permits",
        ..intake()
    };
    let mut book = Book::opened_as(&world, VILLAGE, permits);
    book.does(&world, &leader(COUNTY), take());
    for place in [TOWNSHIP, NEXT_VILLAGE] {
        let pushed = book.refused(&world, &clerk(COUNTY), &to_place(place));
        assert_eq!(pushed, Code::DutyNotBelow);
    }
    for place in [OTHER_TOWNSHIP, COUNTY, CITY] {
        let beside = book.refused(&world, &clerk(COUNTY), &to_place(place));
        assert_eq!(beside, Code::PlaceUnknown);
    }
    book.does(&world, &clerk(COUNTY), to_place(VILLAGE));
}

#[test]
fn a_decline_comes_before_any_dispatch_or_never() {
    let world = World::new();
    let decline = Command::Decline {
        ground: pb::DeclineGround::BeyondDuty,
    };
    let mut book = Book::opened(&world, COUNTY);
    book.clone().does(&world, &clerk(COUNTY), decline.clone());
    book.does(&world, &clerk(COUNTY), Command::Accept);
    book.clone().does(&world, &clerk(COUNTY), decline.clone());
    book.does(&world, &clerk(COUNTY), to_unit(ROADS))
        .does(&world, &handler(COUNTY, ROADS), object())
        .does(&world, &clerk(COUNTY), upheld(true));
    assert_eq!(book.case.stage, Stage::Accepted);
    let late = book.refused(&world, &clerk(COUNTY), &decline);
    assert_eq!(late, Code::AlreadyDispatched);
    let answered = book.refused(&world, &clerk(COUNTY), &Command::AnswerAtOnce);
    assert_eq!(answered, Code::AlreadyDispatched);
    let groundless = Command::Decline {
        ground: pb::DeclineGround::Unspecified,
    };
    assert_eq!(
        book.refused(&world, &clerk(COUNTY), &groundless),
        Code::Empty
    );
}

#[test]
fn nobody_lets_their_own_draft_leave() {
    let world = World::new();
    let mut book = with_roads(&world);
    let both = everything(COUNTY, Some(ROADS));
    book.does(&world, &both, Command::SignFor)
        .does(&world, &both, draft_reply());
    for command in [Command::ApproveReply, Command::SendBackReply] {
        assert_eq!(book.refused(&world, &both, &command), Code::SamePerson);
        let roads = handler(COUNTY, ROADS);
        assert_eq!(book.refused(&world, &roads, &command), Code::RoleMissing);
    }
    assert_eq!(
        book.refused(&world, &both, &Command::SendReply),
        Code::StageForbids
    );
    book.does(&world, &approver(COUNTY), Command::ApproveReply);
}

#[test]
fn the_handler_writes_no_verdict_of_its_own() {
    let world = World::new();
    let mut book = Book::opened(&world, COUNTY);
    let dispatch = Command::Dispatch {
        lead: Some(ROADS),
        place: None,
        co_handlers: vec![WATER],
        due: None,
    };
    book.does(&world, &clerk(COUNTY), Command::Accept)
        .does(&world, &clerk(COUNTY), dispatch);
    replies(&world, &mut book, COUNTY, ROADS);
    for unit in [ROADS, WATER] {
        let handles = everything(COUNTY, Some(unit));
        assert_eq!(book.refused(&world, &handles, &visit()), Code::NotHandler);
        let rates = Command::Rate { score: 5 };
        assert_eq!(book.refused(&world, &handles, &rates), Code::NotHandler);
    }
    let other = everything(COUNTY, Some(POLICE));
    book.clone().does(&world, &other, visit());
    book.does(&world, &clerk(COUNTY), visit());
}

#[test]
fn a_score_is_one_to_five() {
    let world = World::new();
    let mut book = with_roads(&world);
    replies(&world, &mut book, COUNTY, ROADS);
    for score in [0, 6, u32::MAX] {
        let rates = Command::Rate { score };
        assert_eq!(
            book.refused(&world, &clerk(COUNTY), &rates),
            Code::OutOfRange
        );
    }
    for score in 1..=5 {
        book.clone()
            .does(&world, &clerk(COUNTY), Command::Rate { score });
    }
}

#[test]
fn a_tier_above_reads_once_the_case_is_overdue_past_its_grace() {
    let world = World::new();
    let mut book = Book::opened(&world, VILLAGE);
    book.does(&world, &clerk(VILLAGE), Command::Accept);
    let soon = Command::Designate {
        unit: TOWN_OFFICE,
        due: None,
    };
    assert_eq!(
        book.refused(&world, &leader(VILLAGE), &soon),
        Code::UnitUnknown
    );
    let mut book = Book::opened(&world, TOWNSHIP);
    book.does(&world, &clerk(TOWNSHIP), Command::Accept).does(
        &world,
        &clerk(TOWNSHIP),
        to_unit(TOWN_OFFICE),
    );
    let due = book.case.due_at().unwrap();
    assert_eq!(
        due.0,
        START.0 + 3 * 24 * HOUR_MS,
        "three days from the dispatch"
    );
    let grace_ends = Moment(due.0 + 24 * HOUR_MS);
    let reads =
        |book: &Book, place, now| centre::may_read(&view(&world, place, now), &book.known());
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
    let overdue = Command::Take {
        reason: pb::TakingReason::Overdue,
    };
    book.does(&world, &leader(COUNTY), overdue);
    assert_eq!(book.case.due_at(), Some(due), "a taking resets no clock");
}

#[test]
fn a_due_time_is_the_same_whoever_computes_it() {
    let world = World::new();
    let mut book = Book::opened(&world, COUNTY);
    book.does(&world, &clerk(COUNTY), Command::Accept).does(
        &world,
        &clerk(COUNTY),
        to_place(TOWNSHIP),
    );
    let written = book.case.due.clone().unwrap();
    for catalogue in [catalogue(), world.catalogue.clone()] {
        let due = catalogue.handling_due("roads", pb::Urgency::Ordinary, Moment(written.start_ms));
        assert_eq!(due.unwrap(), written);
    }
    let standing: Vec<_> = book
        .entries
        .iter()
        .map(|entry| (entry, step(entry).place))
        .collect();
    let elsewhere = fengqiao_hub::case::Case::fold(standing).unwrap();
    assert_eq!(elsewhere.due, Some(written));
}

#[test]
fn a_lower_dispatch_cannot_lengthen_the_clock_but_may_shorten_it() {
    let world = World::new();
    let mut book = Book::opened(&world, COUNTY);
    book.does(&world, &clerk(COUNTY), Command::Accept).does(
        &world,
        &clerk(COUNTY),
        to_place(TOWNSHIP),
    );
    let due = book.case.due_at().unwrap();
    book.later(HOUR_MS)
        .does(&world, &clerk(TOWNSHIP), Command::SignFor);
    let dispatch = |due| Command::Dispatch {
        lead: Some(TOWN_OFFICE),
        place: None,
        co_handlers: vec![],
        due,
    };
    for longer in [None, Some(Moment(due.0 + HOUR_MS))] {
        let mut copy = book.clone();
        copy.does(&world, &clerk(TOWNSHIP), dispatch(longer));
        assert_eq!(copy.case.due_at(), Some(due));
        let mut copy = book.clone();
        copy.does(&world, &clerk(TOWNSHIP), to_place(VILLAGE));
        assert_eq!(copy.case.due_at(), Some(due));
    }
    let shorter = Some(Moment(due.0 - HOUR_MS));
    let mut copy = book.clone();
    copy.does(&world, &clerk(TOWNSHIP), dispatch(shorter));
    assert_eq!(copy.case.due_at(), shorter);
    let past = Some(Moment(book.now.0 - 1));
    assert_eq!(
        book.refused(&world, &clerk(TOWNSHIP), &dispatch(past)),
        Code::DueBeforeStart
    );
    let designate = Command::Designate {
        unit: TOWN_OFFICE,
        due: Some(Moment(due.0 + HOUR_MS)),
    };
    book.does(&world, &clerk(TOWNSHIP), dispatch(None))
        .does(&world, &handler(TOWNSHIP, TOWN_OFFICE), object())
        .does(&world, &leader(TOWNSHIP), designate);
    assert_eq!(book.case.due_at(), Some(due));
}

#[test]
fn only_what_may_be_submitted_is_adopted() {
    let world = World::new();
    let mut book = with_roads(&world);
    let roads = handler(COUNTY, ROADS);
    let closing = Content::Closed(pb::Closed {
        outcome: pb::Outcome::Solved.into(),
    });
    for content in [
        closing,
        Content::ReplyApproved(pb::ReplyApproved {}),
        registered(),
    ] {
        let refusal = book.submits(&world, &roads, &content).unwrap_err();
        assert_eq!(refusal.code, Code::Malformed);
    }
    let signed = Content::SignedFor(pb::SignedFor {});
    let stranger = handler(COUNTY, WATER);
    let refusal = book.submits(&world, &stranger, &signed).unwrap_err();
    assert_eq!(refusal.code, Code::NotHandler);
    let lower = clerk(TOWNSHIP);
    let refusal = book.submits(&world, &lower, &signed).unwrap_err();
    assert_eq!(refusal.code, Code::NotHandler);
    book.submits(&world, &roads, &signed).unwrap();
    assert_eq!(book.case.stage, Stage::Handling);
    assert_eq!(
        book.entries.last().unwrap().author,
        node_of(COUNTY),
        "the custodian writes"
    );
}

#[test]
fn bad_input_at_the_intake_is_refused_with_its_field() {
    let world = World::new();
    let view = view(&world, VILLAGE, START);
    let numbering = fengqiao_hub::casework::intake::Numbering {
        number: "n".to_owned(),
        secret_hash: Hash([5; 32]),
    };
    let refused = |changed| {
        let refusal =
            fengqiao_hub::casework::intake::register(&view, &clerk(VILLAGE), &changed, &numbering)
                .unwrap_err();
        (refusal.code, refusal.field)
    };
    let long = "长".repeat(65);
    use fengqiao_hub::casework::intake::Intake;
    let good = intake();
    let class = Intake {
        class: "no-such",
        ..good
    };
    assert_eq!(refused(class), (Code::ClassUnknown, "class"));
    let channel = pb::Channel::Unspecified;
    assert_eq!(
        refused(Intake { channel, ..good }),
        (Code::Empty, "channel")
    );
    let external_number = long.as_str();
    let too_long = (Code::TooLong, "external_number");
    assert_eq!(
        refused(Intake {
            external_number,
            ..good
        }),
        too_long
    );
    let external_number = "a\u{7}b";
    let control = (Code::ControlCharacter, "external_number");
    assert_eq!(
        refused(Intake {
            external_number,
            ..good
        }),
        control
    );
    let handler = handler(VILLAGE, ROADS);
    let refusal =
        fengqiao_hub::casework::intake::register(&view, &handler, &good, &numbering).unwrap_err();
    assert_eq!(refusal.code, Code::RoleMissing);
}
