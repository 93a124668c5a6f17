//! What no history of a case breaks, whoever acts: laws over random histories of random people at four tiers, with takings
//! that overtake, records written twice, and time.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use fengqiao_hub::case::{OfferKind, Stage};
use fengqiao_hub::casework::action::{self, action_of};
use fengqiao_hub::casework::{Actor, name_of};
use fengqiao_hub::entry::{Entry, Move};
use fengqiao_hub::id::PersonId;
use fengqiao_proto::v1 as pb;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use support::book::*;
use support::filling::ways_to;
use support::*;

static WORLD: LazyLock<World> = LazyLock::new(World::new);

/// Everybody: at each centre one person a role and one with all, in each unit the same, and the resident's code.
static PEOPLE: LazyLock<Vec<Actor>> = LazyLock::new(|| {
    let centres = PLACES.iter().map(|(place, ..)| (*place, None));
    let units = UNITS.iter().map(|(unit, place)| (*place, Some(*unit)));
    let mut people = vec![];
    for (place, unit) in centres.chain(units) {
        people.extend(ROLES.map(|role| person(place, unit, role)));
        people.push(everything(place, unit));
        if unit.is_none() {
            people.push(other_clerk(place));
            people.push(Actor {
                person: None,
                ..clerk(place)
            });
        }
    }
    people
});

const TEXTS: &[&str] = &["reason"];

#[derive(Debug, Clone)]
enum Op {
    /// Somebody takes one of the steps that are offered.
    Step(u32, u32, u32),
    /// Anybody tries anything.
    Try(u32, u32, u32),
    /// A superior takes the case while its custodian, not knowing, takes a step.
    Overtake(u32, u32),
    /// The custodian's node takes two steps at one place.
    Twice(u32, u32),
    /// Hours pass.
    Wait(i64),
}

fn op() -> impl Strategy<Value = Op> {
    let any = any::<u32>;
    prop_oneof![
        30 => (any(), any(), any()).prop_map(|(step, who, how)| Op::Step(step, who, how)),
        6 => (any(), any(), any()).prop_map(|(step, who, how)| Op::Try(step, who, how)),
        2 => (any(), any()).prop_map(|(who, step)| Op::Overtake(who, step)),
        1 => (any(), any()).prop_map(|(one, other)| Op::Twice(one, other)),
        4 => (1_i64..100).prop_map(Op::Wait),
    ]
}

/// Where a case of which class is registered, and what happens to it.
fn history() -> impl Strategy<Value = (usize, bool, Vec<Op>)> {
    let ops = prop::collection::vec(op(), 10..70);
    (0..PLACES.len(), prop::bool::weighted(0.8), ops)
}

fn begins(at: usize, roads: bool) -> Book {
    let asked = if roads { intake() } else { permit() };
    Book::opened_as(&WORLD, PLACES[at].0, asked)
}

fn pick<T>(from: &[T], number: u32) -> Option<&T> {
    from.get(number as usize % from.len().max(1))
}

/// People of the custodian, of who stands above it, and of who was convened.
fn people_around(book: &Book) -> impl Iterator<Item = &'static Actor> {
    let custodian = book.custodian();
    let above = WORLD.registry.way_up(custodian).map(|place| place.id);
    let places: BTreeSet<_> = above
        .chain([custodian])
        .chain(book.case.custody.concerned.iter().copied())
        .collect();
    PEOPLE
        .iter()
        .filter(move |actor| places.contains(&actor.place))
}

/// What is offered to whom, by the name of the step.
fn offered(book: &Book) -> BTreeMap<&'static str, Vec<&'static Actor>> {
    let mut offered = BTreeMap::<_, Vec<_>>::new();
    for actor in people_around(book) {
        for step in book.next_steps(&WORLD, actor) {
            offered.entry(step).or_default().push(actor);
        }
    }
    offered
}

/// Takes a step that is offered to somebody of whom `fits` says so.
fn steps(book: &mut Book, (step, who, how): (u32, u32, u32), fits: impl Fn(&Actor) -> bool) {
    let offered: Vec<_> = offered(book)
        .into_iter()
        .flat_map(|(name, actors)| {
            let actors: Vec<_> = actors.into_iter().filter(|actor| fits(actor)).collect();
            (!actors.is_empty()).then_some((name, actors))
        })
        .collect();
    let Some((name, actors)) = pick(&offered, step) else {
        return;
    };
    let actor = *pick(actors, who).unwrap();
    let mut ways = ways_to(name, &WORLD, book, actor);
    ways.retain(|way| book.judged(&WORLD, actor, way.clone(), TEXTS).is_ok());
    let way = pick(&ways, how).unwrap_or_else(|| panic!("{name} is offered in vain"));
    book.does_with(&WORLD, actor, way.clone(), TEXTS);
}

fn runs(book: &mut Book, op: &Op) {
    let custodian = book.custodian();
    match *op {
        Op::Step(step, who, how) => steps(book, (step, who, how), |_| true),
        Op::Try(step, who, how) => {
            let name = pick(action::ALL, step).unwrap().name;
            let actor = pick(&PEOPLE, who).unwrap();
            let ways = ways_to(name, &WORLD, book, actor);
            if let Some(way) = pick(&ways, how) {
                let _refused_or_done = book.tries(&WORLD, actor, way.clone(), TEXTS);
            }
        }
        Op::Overtake(who, step) => {
            let mut below = book.clone();
            let takers: Vec<_> = PEOPLE
                .iter()
                .filter(|actor| book.judged(&WORLD, actor, take(), TEXTS).is_ok())
                .collect();
            if let Some(taker) = pick(&takers, who) {
                book.does(&WORLD, taker, take());
                steps(&mut below, (step, who, 0), |actor| actor.place == custodian);
                arrives(book, below);
            }
        }
        Op::Twice(one, other) => {
            let mut double = book.clone();
            steps(book, (one, one, one), |actor| actor.place == custodian);
            steps(&mut double, (other, other, other), |actor| {
                actor.place == custodian
            });
            arrives(book, double);
        }
        Op::Wait(hours) => drop(book.later(hours * HOUR_MS).now),
    }
}

/// What was written elsewhere arrives here.
fn arrives(book: &mut Book, elsewhere: Book) {
    let known = |entry: &Entry| book.entries.iter().any(|known| known.hash == entry.hash);
    let new: Vec<_> = elsewhere
        .entries
        .into_iter()
        .filter(|entry| !known(entry))
        .collect();
    for entry in new {
        book.receives(&WORLD, entry);
    }
}

/// The entries that stand, oldest first.
fn standing(book: &Book) -> Vec<&Entry> {
    let entry = |hash| {
        book.entries
            .iter()
            .find(|entry| entry.hash == hash)
            .unwrap()
    };
    book.tree.standing().into_iter().map(entry).collect()
}

/// The history in words, for whoever reads a failure.
fn told(book: &Book) -> String {
    let line = |entry: &&Entry| {
        let name = name_of(entry.body.content.as_ref());
        let hours = (entry.body.wall_time_ms - START.0) / HOUR_MS;
        format!("{hours:4} h {:?} {name} {:?}", step(entry).place, entry.mv)
    };
    let lines: Vec<_> = standing(book).iter().map(line).collect();
    lines.join("\n")
}

fn doer(entry: &Entry) -> Option<&'static Actor> {
    let person = PersonId::from_bytes(&entry.body.actor)?;
    PEOPLE.iter().find(|actor| actor.person == Some(person))
}

fn is_open(book: &Book) -> bool {
    !book.case.stage().is_over()
}

/// From registration until the requester was reached some clock of the case itself runs, and each names a centre that can
/// act.
fn somebody_is_responsible(book: &Book) {
    let clocks = book.case.clocks(None);
    for running in &clocks {
        let node = WORLD.registry.node_of(running.place);
        assert!(node.is_some(), "{running:?}");
    }
    let reached = book
        .case
        .visit
        .visited
        .is_some_and(|visited| visited.reached);
    let runs = clocks.iter().any(|running| running.clock != "task");
    let stage = book.case.stage();
    assert!(!is_open(book) || reached || runs, "no clock at {stage:?}");
    assert!(is_open(book) || clocks.is_empty(), "a clock runs on");
}

/// Some step other than a superior's unasked taking leads on.
fn nobody_is_stuck(book: &Book) {
    const LEAD_NOWHERE: [&str; 5] = [
        "supplement",
        "work-on-site",
        "convene",
        "urge",
        "reclassify",
    ];
    if !is_open(book) || book.tree.is_frozen() {
        return;
    }
    let offered_to = book.case.custody.offer.as_ref().map(|offer| offer.to);
    let leads_on = |actor: &Actor| {
        let answers = offered_to == Some(actor.place);
        let mut steps = book.next_steps(&WORLD, actor).into_iter();
        steps.any(|name| !LEAD_NOWHERE.contains(&name) && (answers || name != "take"))
    };
    let stage = book.case.stage();
    assert!(people_around(book).any(leads_on), "stuck at {stage:?}");
}

/// Told from the entries alone: who judges has no unit and had no hand in the work, and nobody approves their own draft.
fn nobody_judges_their_own_work(book: &Book) {
    let mut hands = BTreeSet::new();
    let mut drafter = None;
    let mut visit = None;
    for entry in standing(book) {
        let name = name_of(entry.body.content.as_ref());
        let Some(actor) = doer(entry) else {
            // Nobody is a second person beside the draft of nobody.
            if name == "draft-reply" {
                drafter = None;
            }
            continue;
        };
        let by = actor.person;
        match name {
            "return-visit" | "rate" | "order-redo" | "refuse-redo" | "close" => {
                let own = hands.contains(&by) || actor.unit.is_some();
                assert!(!own, "{name} by {actor:?}:\n{}", told(book));
            }
            "approve-reply" | "send-back-reply" => {
                assert_ne!(drafter, by, "{name}:\n{}", told(book));
            }
            _ => {}
        }
        match name {
            "contact" | "take-action" | "report-interim" | "report-task" | "work-on-site"
            | "approve-reply" | "send-reply" => drop(hands.insert(by)),
            "draft-reply" => {
                hands.insert(by);
                drafter = by;
            }
            "return-visit" => visit = Some((visited(entry), by)),
            "close" if outcome(entry) == pb::Outcome::Solved => {
                let says = |(said, visitor): &(pb::ReturnVisit, _)| {
                    let satisfied = said.satisfaction() == pb::Satisfaction::Satisfied;
                    said.reached && satisfied || *visitor != by
                };
                assert!(visit.as_ref().is_none_or(says), "{}", told(book));
            }
            _ => {}
        }
    }
}

fn visited(entry: &Entry) -> pb::ReturnVisit {
    match &action_of(entry).unwrap().family {
        Some(pb::action::Family::Visit(pb::VisitAction {
            action: Some(pb::visit_action::Action::ReturnVisit(visit)),
        })) => visit.clone(),
        other => panic!("{other:?}"),
    }
}

fn outcome(entry: &Entry) -> pb::Outcome {
    match &action_of(entry).unwrap().family {
        Some(pb::action::Family::Visit(pb::VisitAction {
            action: Some(pb::visit_action::Action::Close(close)),
        })) => close.outcome(),
        other => panic!("{other:?}"),
    }
}

/// Replies are owed down one line to the custodian, and no inner clock ends after an outer one that runs.
fn obligations_nest(book: &Book) {
    let custody = &book.case.custody;
    let owed = &custody.obligations;
    assert!(owed.last().is_none_or(|owed| owed.to == custody.custodian));
    for pair in owed.windows(2) {
        assert_eq!(pair[0].to, pair[1].from, "one line");
    }
    let due = |due: &Option<pb::Due>| due.as_ref().map(|due| due.due_ms);
    let running: Vec<_> = owed
        .iter()
        .filter(|owed| !owed.replied)
        .map(|owed| due(&owed.due).unwrap())
        .collect();
    assert!(
        running.is_sorted_by(|outer, inner| outer >= inner),
        "{running:?}"
    );
    if let Some(last) = running.last() {
        for inner in [&book.case.handling.due, &book.case.intake.hand_over_due] {
            let within = due(inner).is_none_or(|inner| inner <= *last);
            assert!(within, "{inner:?} beyond {last}: {}", told(book));
        }
    }
    if let Some(offer) = &custody.offer {
        let level = WORLD.level(offer.to);
        let binds = custody.due_above(level).map(|due| due.due_ms);
        assert!(binds.is_none_or(|binds| due(&offer.due).unwrap() <= binds));
    }
}

fn what_is_over_left_nothing_open(book: &Book) {
    if is_open(book) {
        return;
    }
    assert_eq!(book.case.custody.offer, None);
    assert_eq!(book.case.custody.obligations, []);
    let closed = book.case.stage() == Stage::Closed;
    assert!(!closed || book.case.convening.open().next().is_none());
    assert!(!closed || !book.case.visit.owes_redo() || book.case.visit.rating.is_some());
}

/// What one entry may change, by what stood before it.
fn changes_lawfully(before: &Book, after: &Book) {
    let (old, new) = (&before.case, &after.case);
    let entries = standing(after);
    let extends = entries.len() == before.tree.standing().len() + 1
        && entries[entries.len() - 2].hash == before.tree.head().unwrap().hash;
    if !extends {
        return;
    }
    let entry = entries[entries.len() - 1];
    let first = (old.dispatching.first, new.dispatching.first);
    if first.0.stands {
        assert_eq!(first.0, first.1, "the first receiver changed");
    }
    let name = name_of(entry.body.content.as_ref());
    match name {
        "return" if !old.custody.passes_a_return => {
            let owed = old.custody.owed().unwrap();
            assert!(!owed.designated, "a designated centre returned it");
        }
        "object" => assert!(!old.dispatching.designated, "a designated unit objected"),
        _ => {}
    }
    let (were, are) = (&old.custody.obligations, &new.custody.obligations);
    match entry.mv {
        Move::Taken(answering) => {
            let taker = new.custody.custodian;
            let answered = old.custody.answered_by(answering).map(|offer| offer.kind);
            let home = were.last().is_some_and(|owed| owed.from == taker);
            if answered == Some(OfferKind::Replied) {
                assert_eq!(were.len() - are.len(), usize::from(home), "replies taken");
            }
            for (was, is) in were.iter().zip(are) {
                assert_eq!((was.from, &was.due), (is.from, &is.due));
            }
        }
        Move::Dispatched(_) => assert_eq!(&are[..were.len()], &were[..]),
        Move::None | Move::Offered(_) => assert_eq!(are.len(), were.len(), "{name}"),
    }
}

fn lawful(book: &Book) {
    somebody_is_responsible(book);
    nobody_is_stuck(book);
    nobody_judges_their_own_work(book);
    obligations_nest(book);
    what_is_over_left_nothing_open(book);
}

/// What is offered to somebody as a next step is what the rules accept of that name, well filled in, and nothing else is.
fn offers_what_is_accepted(book: &Book, actor: &Actor) {
    let steps = book.next_steps(&WORLD, actor);
    for spec in action::ALL {
        let ways = ways_to(spec.name, &WORLD, book, actor);
        let judged: Vec<_> = ways
            .into_iter()
            .map(|way| book.judged(&WORLD, actor, way, TEXTS).map(drop))
            .collect();
        let accepted = judged.iter().any(Result::is_ok);
        let offered = steps.contains(&spec.name);
        let stage = book.case.stage();
        assert_eq!(
            offered, accepted,
            "{} at {stage:?} by {actor:?}: {judged:?}",
            spec.name
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn no_history_breaks_a_law_of_the_casework((at, roads, ops) in history()) {
        let mut book = begins(at, roads);
        lawful(&book);
        for op in &ops {
            let before = book.clone();
            runs(&mut book, op);
            changes_lawfully(&before, &book);
            lawful(&book);
        }
    }

    #[test]
    fn what_is_offered_as_a_next_step_is_what_is_accepted(
        (at, roads, ops) in history(),
        people in prop::collection::vec(any::<u32>(), 70),
    ) {
        let mut book = begins(at, roads);
        for (op, who) in ops.iter().zip(people) {
            runs(&mut book, op);
            let here: Vec<_> = PEOPLE.iter().filter(|actor| actor.place == book.custodian()).collect();
            offers_what_is_accepted(&book, pick(&PEOPLE, who).unwrap());
            offers_what_is_accepted(&book, pick(&here, who).unwrap());
        }
    }
}

#[test]
fn the_random_histories_come_to_every_action_and_every_stage() {
    let mut names = BTreeSet::new();
    let mut stages = BTreeSet::new();
    let mut runner = TestRunner::deterministic();
    for _ in 0..150 {
        let (at, roads, ops) = history().new_tree(&mut runner).unwrap().current();
        let mut book = begins(at, roads);
        for op in &ops {
            runs(&mut book, op);
            stages.insert(book.case.stage());
        }
        names.extend(
            book.entries
                .iter()
                .map(|entry| name_of(entry.body.content.as_ref())),
        );
    }
    let all: BTreeSet<_> = action::ALL.iter().map(|spec| spec.name).collect();
    assert_eq!(names, all);
    assert_eq!(stages.len(), 15);
}
