//! Facts about a case as it is shown.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use fengqiao_hub::case::AnnexDecision;
use fengqiao_hub::id::NodeId;
use fengqiao_hub::notice::notice_of;
use fengqiao_hub::rulebook::{Rulebook, Sources};
use pb::body::Content;

use super::*;
use crate::desk::fixture;

const DUE: Moment = Moment(fixture::RECEIVED_MS + 3_600_000);

struct World {
    registry: Registry,
    catalogue: Rulebook,
    entries: Vec<(Entry, PlaceId)>,
    chain: Chain,
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
        Content::from(pb::Take::default()),
    );
    let dispatched = fixture::case_entry(
        3,
        Some(taken.hash),
        fixture::COUNTY,
        county,
        Move::None,
        Content::from(pb::Dispatch {
            lead: fixture::COUNTY_UNIT.to_string(),
            due: Some(pb::Due {
                due_ms: DUE.0,
                clock: "handling".to_owned(),
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
        Content::from(pb::Accept {}),
    );
    let entries = vec![
        (late, fixture::VILLAGE),
        (dispatched, fixture::COUNTY),
        (taken, fixture::COUNTY),
        (first, fixture::VILLAGE),
    ];
    let mut chain = Chain::default();
    for (entry, place) in entries.iter().rev() {
        chain.insert(Arc::new(entry.clone()), *place, &registry);
    }
    let sources = Sources {
        rules: include_str!("../../../../deploy/rulebook/rules.toml"),
        classes: include_str!("../../../../deploy/rulebook/classes.csv"),
        calendar: include_str!("../../../../deploy/rulebook/calendar.json"),
    };
    World {
        registry,
        catalogue: Rulebook::read(&sources, 1).unwrap(),
        entries,
        chain,
    }
}

impl World {
    fn background(&self, now: Moment) -> Background<'_> {
        Background {
            registry: &self.registry,
            catalogue: &self.catalogue,
            now,
            contact: Contact::Here,
            here: Standpoint {
                node: NodeId(fixture::VILLAGE.0),
                place: fixture::VILLAGE,
                unit: None,
            },
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
            &self.chain,
            &self.lines(),
            &[SubmissionId([0xcd; 16])],
            pb::Standing::AtParent,
            &background,
        )
        .unwrap()
    }

    fn case(&mut self) -> &mut Case {
        self.chain.case.as_mut().unwrap()
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
    assert_eq!(shown.entries[0].place_name, "和平社区");
    assert_eq!(shown.head, shown.entries[2].hash);
}

#[test]
fn an_annex_entry_shows_what_was_decided_over_it() {
    let mut world = world();
    for (adopted, word) in [(true, "adopted"), (false, "declined")] {
        let late = world.entries[0].0.hash;
        let by = world.entries[1].0.hash;
        let decision = AnnexDecision { adopted, by };
        world.case().annex.decided.insert(late, decision);
        let shown = &world.shown(DUE).annex[0];
        assert_eq!(shown.annex_state, word);
        assert_eq!(shown.annex_decision, by.to_string());
    }
}

#[test]
fn the_author_of_what_was_overtaken_is_told_so() {
    let world = world();
    let shown = world.shown(DUE);
    assert_eq!((shown.own_overtaken, shown.annex_open), (1, 1));
    assert!(shown.annex[0].own && !shown.entries[1].own);
}

#[test]
fn an_annex_deadline_is_a_clock_of_the_custodian_and_turns_red() {
    let mut world = world();
    let late = world.entries[0].0.hash;
    let due = Moment(DUE.0 - 1);
    let annex = pb::Due {
        due_ms: due.0,
        clock: "annex".to_owned(),
        ..Default::default()
    };
    world.chain.annex_due.insert(late, annex);
    let shown = world.shown(DUE);
    assert_eq!((shown.lamp.as_str(), shown.due_ms), ("red", due.0));
    assert_eq!(shown.clocks[0].clock, "annex");
    assert_eq!(shown.clocks[0].responsible_name, "德城区");
    assert_eq!(shown.annex[0].annex_due_ms, due.0);
    let decision = AnnexDecision {
        adopted: true,
        by: late,
    };
    world.case().annex.decided.insert(late, decision);
    assert_eq!(world.shown(DUE).due_ms, DUE.0, "the handling clock is next");
}

#[test]
fn an_open_offer_and_its_clock_are_shown_and_in_the_annex_it_lapsed() {
    let registry = fixture::registry();
    let first = fixture::registered();
    let escalated = fixture::case_entry(
        2,
        Some(first.hash),
        fixture::VILLAGE,
        Rank::default(),
        Move::Offered(fixture::COUNTY),
        Content::from(pb::Escalate {
            because: 1,
            answer_due: Some(pb::Due {
                due_ms: DUE.0,
                clock: "answer".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        }),
    );
    let taken = fixture::case_entry(
        2,
        Some(first.hash),
        fixture::COUNTY,
        Rank::default().raised(40, 1).unwrap(),
        Move::Taken(None),
        Content::from(pb::Take::default()),
    );
    let mut world = world();
    world.entries = vec![
        (first, fixture::VILLAGE),
        (escalated.clone(), fixture::VILLAGE),
    ];
    world.chain = Chain::default();
    for (entry, place) in &world.entries {
        let entry = Arc::new(entry.clone());
        world.chain.insert(entry, *place, &registry);
    }
    let shown = world.shown(Moment(DUE.0 + 1));
    let offer = shown.offer.unwrap();
    assert_eq!(
        (offer.kind.as_str(), offer.to_name.as_str()),
        ("escalate", "德城区")
    );
    assert_eq!(shown.clocks[0].clock, "answer");
    assert_eq!(shown.clocks[0].responsible_name, "德城区");
    assert_eq!(shown.lamp, "red");
    world
        .chain
        .insert(Arc::new(taken.clone()), fixture::COUNTY, &registry);
    world.entries.push((taken, fixture::COUNTY));
    let shown = world.shown(Moment(DUE.0 + 1));
    assert_eq!((shown.offer, shown.clocks.len()), (None, 0));
    assert!(shown.annex[0].lapsed);
    assert_eq!(shown.annex[0].hash, escalated.hash.to_string());
}

#[test]
fn custodian_lead_origin_and_first_receiver_are_shown_by_name() {
    let shown = world().shown(DUE);
    assert_eq!(shown.custodian, fixture::COUNTY.to_string());
    assert_eq!(shown.custodian_name, "德城区");
    assert_eq!(shown.lead_name, "区城管局");
    assert_eq!(shown.origin_name, "和平社区");
    assert_eq!(shown.first_receiver_name, "区城管局");
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
    world.case().handling.due = None;
    let shown = world.shown(Moment(DUE.0 + 1));
    assert_eq!((shown.lamp.as_str(), shown.due_ms), ("", 0));
}

#[test]
fn a_list_shows_a_case_without_its_entries() {
    let world = world();
    let background = world.background(DUE);
    let shown = view(
        fixture::CASE,
        &world.chain,
        &[],
        &[],
        pb::Standing::AtParent,
        &background,
    )
    .unwrap();
    assert!(shown.entries.is_empty() && shown.annex.is_empty());
    assert_eq!(shown.number, "371402-2023-1");
}

#[test]
fn a_notice_shows_the_same_case_without_its_entries() {
    let world = world();
    let whole = world.shown(DUE);
    let (case, tree) = (world.chain.case.as_ref().unwrap(), &world.chain.tree);
    let due = world.chain.annex_due_at();
    let notice = notice_of(fixture::CASE, case, tree, due, NodeId([2; 10])).unwrap();
    let shown = notice_view(&notice, &world.background(DUE)).unwrap();
    let expected = pb::CaseView {
        entries: vec![],
        annex: vec![],
        pending_submissions: vec![],
        standing: 0,
        notice_only: true,
        own_overtaken: 0,
        channel: String::new(),
        urgency: String::new(),
        received_ms: 0,
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
    world.case().dispatching.lead = Some(UnitId([0x55; 10]));
    assert_eq!(world.shown(DUE).lead_name, UnitId([0x55; 10]).to_string());
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
