//! Nobody judges their own work: who drafts, approves, sends, visits, rates and closes, by person, unit and side.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use fengqiao_hub::case::Stage;
use fengqiao_hub::casework::Actor;
use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::UnitId;
use fengqiao_hub::refusal::Code;
use fengqiao_proto::v1 as pb;
use support::book::*;
use support::filling::OUTCOMES;
use support::*;

/// A county case of the roads department that its centre is to visit.
fn replied(world: &World) -> Book {
    let mut book = with_roads(world);
    replies(world, &mut book, COUNTY, ROADS);
    book
}

/// The county's own staff handles a case; one person has a hand in it in this way, others do the rest.
fn with_a_hand(world: &World, hand: &pb::Action, person: &Actor) -> Book {
    let mut book = Book::accepted(world, COUNTY);
    let due = Moment(START.0 + HOUR_MS);
    book.does(world, &clerk(COUNTY), convene(&[(COUNTY, None)], due));
    let steps: [(_, pb::Action); 8] = [
        (worker(COUNTY), contact(true).into()),
        (worker(COUNTY), act().into()),
        (worker(COUNTY), report(1, true).into()),
        (worker(COUNTY), on_site().into()),
        (worker(COUNTY), interim().into()),
        (worker(COUNTY), draft_reply().into()),
        (approver(COUNTY), approve().into()),
        (approver(COUNTY), send().into()),
    ];
    for (other, action) in steps {
        let own = name(&action) == name(hand);
        book.does(world, if own { person } else { &other }, action);
    }
    book
}

#[test]
fn whoever_had_a_hand_in_the_work_neither_visits_nor_rates_nor_closes() {
    let world = World::new();
    let someone = everything(COUNTY, None);
    for hand in [
        pb::Action::from(contact(true)),
        act().into(),
        report(1, true).into(),
        on_site().into(),
        interim().into(),
        draft_reply().into(),
        approve().into(),
        send().into(),
    ] {
        let mut book = with_a_hand(&world, &hand, &someone);
        let own = |book: &Book, action: pb::Action| {
            let refused = book.refused(&world, &someone, action);
            assert_eq!(refused, Code::OwnWork, "after {}", name(&hand));
        };
        own(&book, visit().into());
        own(&book, rate(5).into());
        book.does(&world, &clerk(COUNTY), dissatisfied());
        own(&book, redo().into());
        own(&book, refuse_redo().into());
        for outcome in OUTCOMES {
            own(&book, close_as(outcome).into());
        }
        // Neither in the next round: what was done is done.
        book.does(&world, &clerk(COUNTY), redo())
            .does(&world, &clerk(COUNTY), to_unit(ROADS));
        replies(&world, &mut book, COUNTY, ROADS);
        own(&book, visit().into());
        book.does(&world, &clerk(COUNTY), visit());
        own(&book, close().into());
        book.does(&world, &clerk(COUNTY), close());
    }
}

#[test]
fn the_leader_of_the_handling_unit_does_not_close_its_case_nor_does_any_units() {
    let world = World::new();
    let mut book = replied(&world);
    book.does(&world, &clerk(COUNTY), visit());
    for unit in [ROADS, WATER] {
        let leads = everything(COUNTY, Some(unit));
        for action in [
            pb::Action::from(close()),
            redo().into(),
            refuse_redo().into(),
            rate(5).into(),
        ] {
            let refused = book.refused(&world, &leads, action);
            assert_eq!(refused, Code::NotCentreStaff);
        }
    }
}

#[test]
fn whoever_answered_at_once_passes_no_verdict_on_the_answer() {
    let world = World::new();
    let mut book = Book::opened(&world, COUNTY);
    let own = clerk(COUNTY);
    book.does(&world, &own, answer());
    assert_eq!(book.refused(&world, &own, visit()), Code::OwnWork);
    for outcome in [
        pb::Outcome::Solved,
        pb::Outcome::PartlySolved,
        pb::Outcome::UnreasonableExplained,
    ] {
        let close = close_as(outcome);
        let refused = book.refused_with(&world, &own, close, &["reason"]);
        assert_eq!(refused, Code::OwnWork);
    }
    let explained = close_as(pb::Outcome::Explained);
    book.clone().does(&world, &own, explained);
    book.clone()
        .does(&world, &other_clerk(COUNTY), visit())
        .does(&world, &other_clerk(COUNTY), close());
    // A superior that takes it has it handled; the one who answered has had a hand in it all the same.
    book.does(&world, &leader(CITY), take())
        .does(&world, &leader(CITY), to_place(COUNTY))
        .does(&world, &worker(COUNTY), sign_for());
    assert_eq!(book.case.stage(), Stage::Handling);
    assert!(book.case.handling.hands.contains(&own.person.unwrap()));
}

#[test]
fn solved_is_what_a_reached_and_satisfied_requester_says_or_a_second_person_with_a_reason() {
    let world = World::new();
    let partly = pb::ReturnVisit {
        satisfaction: pb::Satisfaction::PartlySatisfied.into(),
        ..visit()
    };
    let silent = pb::ReturnVisit {
        satisfaction: pb::Satisfaction::Unspecified.into(),
        ..visit()
    };
    for visited in [unreached(), partly, silent] {
        let mut book = replied(&world);
        book.does(&world, &clerk(COUNTY), visited);
        assert_eq!(
            book.refused_with(&world, &clerk(COUNTY), close(), &["reason"]),
            Code::SecondPersonNeeded
        );
        for second in [other_clerk(COUNTY), leader(COUNTY)] {
            assert_eq!(
                book.refused(&world, &second, close()),
                Code::SatisfactionNeeded
            );
            book.clone()
                .does_with(&world, &second, close(), &["reason"]);
        }
        for outcome in &OUTCOMES[1..] {
            book.clone()
                .does(&world, &clerk(COUNTY), close_as(*outcome));
        }
    }
    let mut book = replied(&world);
    book.does(&world, &clerk(COUNTY), visit())
        .does(&world, &clerk(COUNTY), close());
    assert_eq!(book.case.visit.outcome, pb::Outcome::Solved);
}

#[test]
fn nobody_says_for_the_requester_who_was_not_reached_what_the_requester_thinks() {
    let world = World::new();
    let book = replied(&world);
    let unheard = pb::ReturnVisit {
        reached: false,
        ..visit()
    };
    assert_eq!(
        book.refused(&world, &clerk(COUNTY), unheard),
        Code::OutOfRange
    );
}

#[test]
fn a_reasonable_demand_of_a_dissatisfied_requester_is_redone_or_a_leader_refuses_it() {
    let world = World::new();
    let mut said = replied(&world);
    said.does(&world, &clerk(COUNTY), dissatisfied());
    let mut scored = replied(&world);
    scored
        .does(&world, &clerk(COUNTY), visit())
        .does(&world, &clerk(COUNTY), rate(2));
    let mut before = replied(&world);
    before
        .does(&world, &clerk(COUNTY), rate(1))
        .does(&world, &clerk(COUNTY), unreached());
    for book in [said, scored, before] {
        for closer in [clerk(COUNTY), other_clerk(COUNTY), leader(COUNTY)] {
            for outcome in OUTCOMES {
                let close = close_as(outcome);
                let refused = book.refused_with(&world, &closer, close, &["reason"]);
                assert_eq!(refused, Code::RedoOwed);
            }
        }
        let mut again = book.clone();
        again.does(&world, &clerk(COUNTY), redo());
        assert_eq!(again.case.stage(), Stage::Redo);

        let by_clerk = book.refused(&world, &clerk(COUNTY), refuse_redo());
        assert_eq!(by_clerk, Code::RoleMissing);
        let mut refused = book.clone();
        refused.does(&world, &leader(COUNTY), refuse_redo());
        assert_eq!(
            refused.refused(&world, &leader(COUNTY), refuse_redo()),
            Code::NoRedoOwed,
            "once"
        );
        assert_eq!(
            refused.refused_with(&world, &clerk(COUNTY), close(), &["reason"]),
            Code::SecondPersonNeeded,
            "the visitor alone does not call it solved either"
        );
        refused.does(&world, &clerk(COUNTY), close_as(pb::Outcome::PartlySolved));
    }
    let unreasonable = pb::ReturnVisit {
        reasonable: false,
        ..dissatisfied()
    };
    let mut book = replied(&world);
    book.does(&world, &clerk(COUNTY), unreasonable);
    assert_eq!(
        book.refused(&world, &leader(COUNTY), refuse_redo()),
        Code::NoRedoOwed
    );
    book.does(
        &world,
        &clerk(COUNTY),
        close_as(pb::Outcome::UnreasonableExplained),
    );
}

#[test]
fn a_rating_is_recorded_once_by_the_dispatching_side_with_how_it_was_obtained() {
    let world = World::new();
    let mut book = Book::dispatched(&world, COUNTY, TOWNSHIP);
    book.does(&world, &clerk(TOWNSHIP), sign_for());
    let early = book.refused(&world, &clerk(TOWNSHIP), rate(5));
    assert_eq!(early, Code::ReplyOwed);
    answers(&world, &mut book, &worker(TOWNSHIP));
    let own = book.refused(&world, &clerk(TOWNSHIP), rate(5));
    assert_eq!(own, Code::OfferOpen, "who handled it rates nothing");
    book.does(&world, &clerk(COUNTY), take());
    assert_eq!(
        book.refused(&world, &clerk(TOWNSHIP), rate(5)),
        Code::NotCustodian
    );
    for role in [pb::Role::Handler, pb::Role::Approver, pb::Role::Leader] {
        let refused = book.refused(&world, &person(COUNTY, None, role), rate(5));
        assert_eq!(refused, Code::RoleMissing);
    }
    let by = |source: pb::RatingSource| pb::Rate {
        source: source.into(),
        ..rate(3)
    };
    for (source, code) in [
        (pb::RatingSource::Unspecified, Code::Empty),
        (pb::RatingSource::OwnCode, Code::OutOfRange),
    ] {
        assert_eq!(book.refused(&world, &clerk(COUNTY), by(source)), code);
    }
    book.does(&world, &clerk(COUNTY), by(pb::RatingSource::Paper));
    let again = |book: &Book| book.refused(&world, &other_clerk(COUNTY), rate(5));
    assert_eq!(again(&book), Code::AlreadyRated);
    book.does(&world, &clerk(COUNTY), visit());
    assert_eq!(again(&book), Code::AlreadyRated);
    book.does(&world, &clerk(COUNTY), close());
    assert_eq!(again(&book), Code::AlreadyRated, "nor once it is closed");
    assert_eq!(book.case.visit.rating.map(|rating| rating.score), Some(3));
}

#[test]
fn a_rating_belongs_to_the_reply_it_was_given_for() {
    let world = World::new();
    let mut book = replied(&world);
    book.does(&world, &clerk(COUNTY), rate(1))
        .does(&world, &clerk(COUNTY), visit())
        .does(&world, &clerk(COUNTY), redo())
        .does(&world, &clerk(COUNTY), to_unit(WATER));
    replies(&world, &mut book, COUNTY, WATER);
    book.does(&world, &clerk(COUNTY), visit())
        .does(&world, &clerk(COUNTY), rate(4))
        .does(&world, &clerk(COUNTY), close());
}

#[test]
fn an_objection_is_decided_by_the_centre_never_by_a_unit() {
    let world = World::new();
    let mut book = with_roads(&world);
    book.does(&world, &handler(COUNTY, ROADS), object());
    for unit in [ROADS, WATER, POLICE] {
        let unit = everything(COUNTY, Some(unit));
        for action in [
            pb::Action::from(upheld(true)),
            upheld(false).into(),
            designate(WATER).into(),
        ] {
            let refused = book.refused(&world, &unit, action);
            assert_eq!(refused, Code::NotCentreStaff);
        }
    }
    book.clone().does(&world, &clerk(COUNTY), upheld(false));
    book.does(&world, &leader(COUNTY), designate(WATER));
}

#[test]
fn a_reply_is_approved_and_sent_by_the_lead_unit_or_the_centre_and_nobody_elses_people() {
    let world = World::new();
    let mut book = Book::accepted(&world, COUNTY);
    book.does(&world, &clerk(COUNTY), to_units(ROADS, &[WATER]))
        .does(&world, &handler(COUNTY, ROADS), sign_for());
    for unit in [WATER, POLICE] {
        let drafts = book.refused(&world, &everything(COUNTY, Some(unit)), draft_reply());
        assert_eq!(drafts, Code::NotHandler);
    }
    book.does(&world, &handler(COUNTY, ROADS), draft_reply());
    let approves = |unit: Option<UnitId>| person(COUNTY, unit, pb::Role::Approver);
    let refuse_others = |book: &Book, actions: &[pb::Action]| {
        for action in actions {
            for unit in [WATER, POLICE] {
                let other = everything(COUNTY, Some(unit));
                let refused = book.refused(&world, &other, action.clone());
                assert_eq!(refused, Code::NotHandler);
            }
            let refused = book.refused(&world, &everything(TOWNSHIP, None), action.clone());
            assert_eq!(refused, Code::NotCustodian);
        }
    };
    refuse_others(&book, &[approve().into(), send_back().into()]);
    for approver in [approves(None), approves(Some(ROADS)), leader(COUNTY)] {
        let mut book = book.clone();
        book.does(&world, &approver, approve());
        refuse_others(&book, &[send().into()]);
        book.does(&world, &handler(COUNTY, ROADS), send());
    }
}

#[test]
fn a_co_handler_signs_for_itself_and_never_for_the_lead() {
    let world = World::new();
    let mut book = Book::accepted(&world, COUNTY);
    book.does(&world, &clerk(COUNTY), to_units(ROADS, &[WATER, POLICE]));
    let water = handler(COUNTY, WATER);
    book.does(&world, &water, sign_for());
    assert_eq!(
        book.refused(&world, &water, sign_for()),
        Code::StageForbids,
        "once"
    );
    let police = handler(COUNTY, POLICE);
    for action in [pb::Action::from(contact(true)), act().into()] {
        book.clone().does(&world, &police, action.clone());
        book.does(&world, &water, action);
        assert_eq!(book.case.stage(), Stage::Dispatched, "the lead has not");
    }
    book.does(&world, &police, act());
    let signed = &book.case.dispatching.co_signed;
    assert_eq!(signed.iter().collect::<Vec<_>>(), [&WATER, &POLICE]);
    book.does(&world, &handler(COUNTY, ROADS), sign_for());
    assert_eq!(book.case.stage(), Stage::Handling);
}

#[test]
fn an_administrator_does_no_casework_nor_does_a_unit_that_was_not_given_the_case() {
    let world = World::new();
    let mut book = with_roads(&world);
    let due = Moment(START.0 + HOUR_MS);
    book.does(&world, &clerk(COUNTY), convene(&[(TOWNSHIP, None)], due));
    let actions: [pb::Action; 4] = [
        supplement().into(),
        on_site().into(),
        acknowledge(1).into(),
        report(1, true).into(),
    ];
    for action in actions {
        let administrator = person(TOWNSHIP, None, pb::Role::Administrator);
        let refused = book.refused(&world, &administrator, action.clone());
        assert_eq!(refused, Code::RoleMissing);
        let stranger = everything(COUNTY, Some(WATER));
        let refused = book.refused(&world, &stranger, action);
        assert_eq!(refused, Code::NotHandler);
    }
    book.does(&world, &handler(COUNTY, ROADS), on_site()).does(
        &world,
        &handler(TOWNSHIP, TOWN_OFFICE),
        on_site(),
    );
}
