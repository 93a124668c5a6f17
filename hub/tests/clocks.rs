//! Facts about the clocks of a case: which run, at whom, and what ends each.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use fengqiao_hub::case::clocks_of_notice;
use fengqiao_hub::casework;
use fengqiao_hub::clock::{Moment, Span};
use fengqiao_hub::entry::Move;
use fengqiao_hub::notice::notice_of;
use fengqiao_hub::rank::Rank;
use fengqiao_hub::rulebook::{Rulebook, Sources};
use fengqiao_proto::v1 as pb;
use support::book::*;
use support::*;

/// Two working days after 16 February 2023, a Thursday: Monday at its close.
const ANSWERED_BY: Moment = Moment(START.0 + 5 * 24 * HOUR_MS - 8 * HOUR_MS - 1);

#[test]
fn every_kind_of_offer_starts_the_clock_of_its_answer_and_each_answer_ends_it() {
    let world = World::new();
    let mut escalated = Book::accepted(&world, TOWNSHIP);
    escalated.does(&world, &clerk(TOWNSHIP), escalate());
    assert_eq!(escalated.due("answer", COUNTY), Some(ANSWERED_BY));

    let mut returned = Book::dispatched(&world, COUNTY, TOWNSHIP);
    let mut replied = returned.clone();
    returned.does(&world, &clerk(TOWNSHIP), give_back());
    let handling = Moment(START.0 + 3 * 24 * HOUR_MS);
    assert_eq!(
        returned.clocks(),
        [
            ("handling".to_owned(), TOWNSHIP, handling),
            ("answer".to_owned(), COUNTY, ANSWERED_BY)
        ],
        "the township goes on"
    );
    replied.does(&world, &clerk(TOWNSHIP), sign_for());
    answers(&world, &mut replied, &worker(TOWNSHIP));
    assert_eq!(
        replied.clocks(),
        [("answer".to_owned(), COUNTY, ANSWERED_BY)],
        "the handling clock stopped"
    );

    for offered in [&mut escalated, &mut returned, &mut replied] {
        let mut kept = offered.clone();
        kept.does(&world, &clerk(COUNTY), keep_below());
        offered.does(&world, &clerk(COUNTY), take());
        for answered in [&kept, offered] {
            assert_eq!(answered.due("answer", COUNTY), None);
            assert!(!answered.clocks().is_empty(), "and another runs on");
        }
    }
}

#[test]
fn a_reply_that_nobody_above_asked_for_starts_the_clock_of_the_return_visit() {
    let world = World::new();
    let mut book = Book::accepted(&world, TOWNSHIP);
    answers(&world, &mut book, &worker(TOWNSHIP));
    let clocks = book.clocks();
    assert_eq!(clocks.len(), 1);
    assert_eq!(book.due("visit", TOWNSHIP), Some(clocks[0].2));
    book.does(&world, &clerk(TOWNSHIP), visit());
    assert_eq!(book.clocks(), []);
}

#[test]
fn an_offer_that_ends_in_the_annex_has_lapsed_with_its_clock() {
    let world = World::new();
    let first = opened(TOWNSHIP);
    let offer = world.writes(TOWNSHIP, &first, Move::Offered(COUNTY), 2);
    let city = world.takes(CITY, &first, None, 3);
    // Neither answers what stands no longer.
    let answer = world.takes(COUNTY, &offer, Some(&offer), 4);
    let mut tree = fengqiao_hub::custody::Tree::default();
    for entry in [&first, &offer, &city, &answer] {
        tree.insert(step(entry), &world.registry, false);
    }
    assert_eq!(tree.custody().unwrap().offer, None);
    assert_eq!(tree.head().unwrap().hash, city.hash);
    assert_eq!(
        tree.head().unwrap().rank,
        Rank::default().raised(30, 1).unwrap()
    );
    let annex = tree.annex();
    assert!(annex.contains(&offer.hash) && annex.contains(&answer.hash));

    let mut book = Book::opened(&world, TOWNSHIP);
    let mut taken = book.clone();
    book.does(&world, &clerk(TOWNSHIP), escalate());
    taken.does(&world, &leader(CITY), take());
    let city = taken.entries.pop().unwrap();
    book.receives(&world, city);
    assert_eq!(book.case.custody.offer, None);
    assert_eq!(book.due("answer", COUNTY), None);
    assert_eq!(book.tree.annex().len(), 1);
}

#[test]
fn a_notice_tells_the_same_clocks_as_the_case() {
    let world = World::new();
    let mut book = Book::dispatched(&world, COUNTY, TOWNSHIP);
    book.does(&world, &clerk(TOWNSHIP), give_back());
    let annex = |due_ms| pb::Due {
        due_ms,
        clock: "annex".to_owned(),
        ..Default::default()
    };
    for annex_due in [None, Some(annex(START.0 + 1)), Some(annex(i64::MAX))] {
        let annex_due = annex_due.as_ref();
        let author = node_of(TOWNSHIP);
        let notice = notice_of(CASE, &book.case, &book.tree, annex_due, author).unwrap();
        let clocks = book.case.clocks(annex_due);
        assert_eq!(clocks_of_notice(&notice), clocks);
        assert!(clocks.is_sorted_by_key(|running| running.due));
        assert_eq!(clocks.len(), 2 + usize::from(annex_due.is_some()));
    }
}

#[test]
fn a_fold_of_the_same_entries_shows_the_same_clocks() {
    let world = World::new();
    let mut book = Book::dispatched(&world, CITY, COUNTY);
    book.does(&world, &clerk(COUNTY), sign_for())
        .does(&world, &clerk(COUNTY), to_place(TOWNSHIP))
        .does(&world, &clerk(TOWNSHIP), sign_for())
        .does(&world, &clerk(TOWNSHIP), to_unit(TOWN_OFFICE))
        .does(&world, &clerk(TOWNSHIP), escalate());
    let entries = book.entries.iter().map(|entry| (entry, step(entry).place));
    let elsewhere = casework::fold(entries).unwrap();
    assert_eq!(elsewhere.clocks(None), book.case.clocks(None));
}

#[test]
fn the_catalogue_may_say_how_long_an_answer_and_an_annex_take() {
    let ordinary = pb::Urgency::Ordinary;
    let text = "id,parent,name_zh,name_en,lead_unit_kind,level_lowest,clock_preset,escalation_grace_minutes,returns_max,annex_within,answer_within\n\
        roads,,道路,Roads,urban_management,60,dezhou-333,1440,2,36 h,3 h\n\
        visits,,信访,Visits,petition_office,40,petition-2022,1440,2,,\n\
        permits,,许可,Permits,housing,40,dezhou-333,1440,2,,\n";
    let read = |classes: &str| {
        let sources = Sources {
            rules: RULES,
            classes,
            calendar: CALENDAR,
        };
        Rulebook::read(&sources, 1)
    };
    let catalogue = read(text).unwrap();
    let answer = catalogue.answer_due("roads", ordinary, START).unwrap();
    assert_eq!(answer.due_ms, START.0 + 3 * HOUR_MS);
    assert_eq!(
        (answer.start_ms, answer.clock.as_str()),
        (START.0, "answer")
    );
    assert_eq!(answer.rule, "catalogue answer 3 h");
    let annex = catalogue.annex_due("roads", ordinary, START).unwrap();
    assert_eq!(
        (annex.due_ms, annex.clock.as_str()),
        (START.0 + 36 * HOUR_MS, "annex")
    );
    let visits = catalogue.answer_due("visits", ordinary, START).unwrap();
    assert_eq!(visits.rule, "petition-2022 return 5 working days");
    let permits = catalogue.answer_due("permits", ordinary, START).unwrap();
    assert_eq!(
        (permits.due_ms, permits.rule.as_str()),
        (ANSWERED_BY.0, "default answer 2 working days")
    );
    let annex = catalogue.annex_due("permits", ordinary, START).unwrap();
    assert_eq!(
        annex.due_ms,
        START.0 + 3 * 24 * HOUR_MS,
        "as a request of its class"
    );
    let wrong = read(&text.replace("36 h", "soon")).unwrap_err();
    assert!(wrong.to_string().contains("annex_within"), "{wrong}");
}

#[test]
fn a_span_reads_what_it_writes_and_nothing_else() {
    for span in [
        Span::hours(3),
        Span::working_days(2),
        Span::WorkingMinutes { n: 7 },
    ] {
        assert_eq!(span.to_string().parse::<Span>().unwrap(), span);
    }
    assert_eq!("3 days".parse::<Span>().unwrap(), Span::days(3));
    for wrong in [
        "",
        "3",
        "days",
        "-1 days",
        "3 weeks",
        "3660000 days",
        "4294967295 h",
    ] {
        assert!(wrong.parse::<Span>().is_err(), "{wrong}");
    }
}
