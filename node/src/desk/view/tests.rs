//! Facts about a case as it is shown.
#![allow(clippy::unwrap_used, reason = "tests")]

use fengqiao_hub::clock::{Calendar, LocalTime};
use fengqiao_hub::custody::Step;
use fengqiao_hub::entry::Move;
use fengqiao_hub::id::NodeId;
use fengqiao_hub::notice::notice_of;
use pb::body::Content;

use super::*;
use crate::desk::fixture;

const DUE: Moment = Moment(fixture::RECEIVED_MS + 3_600_000);

struct World {
    registry: Registry,
    catalogue: Catalogue,
    entries: Vec<(Entry, PlaceId)>,
    case: Case,
    tree: Tree,
}

/// Registered at the village, worked on there late, meanwhile taken by the county, which gave a unit the lead.
fn world() -> World {
    let registry = fixture::registry();
    let first = fixture::registered();
    let county = Rank::default().raised(40, 1).unwrap();
    let taken = fixture::case_entry(
        2,
        Some(first.hash),
        fixture::COUNTY,
        county.clone(),
        Move::Taken(None),
        Content::Taken(pb::Taken::default()),
    );
    let dispatched = fixture::case_entry(
        3,
        Some(taken.hash),
        fixture::COUNTY,
        county,
        Move::None,
        Content::Dispatched(pb::Dispatched {
            lead: fixture::COUNTY_UNIT.to_vec(),
            due: Some(pb::Due {
                due_ms: DUE.0,
                ..Default::default()
            }),
            ..Default::default()
        }),
    );
    let late = fixture::case_entry(
        2,
        Some(first.hash),
        fixture::VILLAGE,
        Rank::default(),
        Move::None,
        Content::Accepted(pb::Accepted {}),
    );
    let entries = vec![
        (late, fixture::VILLAGE),
        (dispatched, fixture::COUNTY),
        (taken, fixture::COUNTY),
        (first, fixture::VILLAGE),
    ];
    let mut tree = Tree::default();
    for (entry, place) in entries.iter().rev() {
        tree.insert(Step::of(entry, *place), &registry, false);
    }
    let standing = entries[1..].iter().rev();
    let case = Case::fold(standing.map(|(entry, place)| (entry, *place))).unwrap();
    let classes = include_str!("../../../../deploy/catalogue/classes.csv");
    let holidays = include_str!("../../../../deploy/calendar/holidays_cn.json");
    let calendar = Calendar::parse(holidays, 1, LocalTime::china()).unwrap();
    World {
        registry,
        catalogue: Catalogue::parse(classes, 1, calendar).unwrap(),
        entries,
        case,
        tree,
    }
}

impl World {
    fn background(&self, now: Moment) -> Background<'_> {
        Background {
            registry: &self.registry,
            catalogue: &self.catalogue,
            now,
            contact: Contact::Here,
        }
    }

    fn lines(&self) -> Vec<EntryLine<'_>> {
        self.entries
            .iter()
            .map(|(entry, place)| EntryLine {
                entry,
                place: *place,
                standing: pb::Standing::AtParent,
                texts: vec![],
            })
            .collect()
    }

    fn shown(&self, now: Moment) -> pb::CaseView {
        let background = self.background(now);
        view(
            fixture::CASE,
            &self.case,
            &self.tree,
            &self.lines(),
            &[SubmissionId([0xcd; 16])],
            pb::Standing::AtParent,
            &background,
        )
    }
}

#[test]
fn the_standing_chain_is_shown_oldest_first_and_the_annex_apart() {
    let shown = world().shown(DUE);
    let moves = |entries: &[pb::EntryView]| -> Vec<String> {
        entries.iter().map(|entry| entry.r#move.clone()).collect()
    };
    assert_eq!(moves(&shown.entries), ["register", "take", "dispatch"]);
    assert_eq!(moves(&shown.annex), ["accept"]);
    assert_eq!(shown.annex[0].annex_state, "open");
    assert_eq!(shown.entries[0].annex_state, "");
    assert_eq!(shown.entries[0].place, "和平社区");
    assert_eq!(shown.head, shown.entries[2].hash);
}

#[test]
fn an_annex_entry_shows_what_was_decided_over_it() {
    let mut world = world();
    for (adopted, word) in [(true, "adopted"), (false, "declined")] {
        let late = world.entries[0].0.hash;
        world.case.annex_decided.insert(late, adopted);
        assert_eq!(world.shown(DUE).annex[0].annex_state, word);
    }
}

#[test]
fn custodian_lead_origin_and_first_receiver_are_shown_by_name() {
    let shown = world().shown(DUE);
    assert_eq!(shown.custodian, fixture::COUNTY.to_string());
    assert_eq!(shown.custodian_name, "德城区");
    assert_eq!(shown.lead, "区城管局");
    assert_eq!(shown.origin, "和平社区");
    assert_eq!(shown.first_receiver, "区城管局");
    assert_eq!(shown.case, fixture::CASE.to_string());
    assert_eq!(
        shown.pending_submissions,
        [SubmissionId([0xcd; 16]).to_string()]
    );
    assert_eq!(shown.standing(), pb::Standing::AtParent);
    assert!(!shown.notice_only && !shown.frozen);
    assert_eq!(shown.awaited_below, 0);
}

#[test]
fn the_lamp_turns_red_after_the_due_time_and_is_empty_without_one() {
    let mut world = world();
    assert_ne!(world.shown(DUE).lamp, "red");
    assert_eq!(world.shown(Moment(DUE.0 + 1)).lamp, "red");
    world.case.due = None;
    let shown = world.shown(Moment(DUE.0 + 1));
    assert_eq!((shown.lamp.as_str(), shown.due_ms), ("", 0));
}

#[test]
fn a_list_shows_a_case_without_its_entries() {
    let world = world();
    let background = world.background(DUE);
    let shown = view(
        fixture::CASE,
        &world.case,
        &world.tree,
        &[],
        &[],
        pb::Standing::AtParent,
        &background,
    );
    assert!(shown.entries.is_empty() && shown.annex.is_empty());
    assert_eq!(shown.number, "371402-2023-1");
}

#[test]
fn a_notice_shows_the_same_case_without_its_entries() {
    let world = world();
    let whole = world.shown(DUE);
    let notice = notice_of(fixture::CASE, &world.case, &world.tree, NodeId([2; 10])).unwrap();
    let shown = notice_view(&notice, &world.background(DUE)).unwrap();
    let expected = pb::CaseView {
        entries: vec![],
        annex: vec![],
        pending_submissions: vec![],
        standing: 0,
        notice_only: true,
        ..whole
    };
    assert_eq!(shown, expected);
}

#[test]
fn a_notice_without_a_case_is_not_shown() {
    let world = world();
    assert_eq!(
        notice_view(&pb::Notice::default(), &world.background(DUE)),
        None
    );
}

#[test]
fn a_unit_that_is_not_known_is_shown_by_its_id() {
    let mut world = world();
    world.case.lead = Some(UnitId([0x55; 10]));
    assert_eq!(world.shown(DUE).lead, UnitId([0x55; 10]).to_string());
}

#[test]
fn outcomes_have_words_of_their_own() {
    assert_eq!(outcome_word(pb::Outcome::Unspecified), "");
    assert_eq!(outcome_word(pb::Outcome::PartlySolved), "partly-solved");
    assert_eq!(
        outcome_word(pb::Outcome::UnreasonableExplained),
        "unreasonable-explained"
    );
}
