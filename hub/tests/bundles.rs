//! Facts about rulebooks as the fold of signed bundles: versions, dates, what places below may set, cases that keep theirs.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::Arc;

use fengqiao_hub::bounds::BUNDLE_PART_BYTES_MAX;
use fengqiao_hub::clock::Moment;
use fengqiao_hub::entry::{Draft, Entry};
use fengqiao_hub::id::{ChainId, Hash, PlaceId};
use fengqiao_hub::rank::level;
use fengqiao_hub::refusal::Code;
use fengqiao_hub::rulebook::{
    BUNDLE_BYTES_MAX, BundleRefused, Rulebook, Rulebooks, changes, in_parts,
};
use fengqiao_proto::v1 as pb;
use pb::body::Content;
use support::*;

const SHIPPED_CLASSES: &str = include_str!("../../deploy/rulebook/classes.csv");
const DAYS_OFF: &str = include_str!("../../deploy/rulebook/calendar.json");
const DAY_MS: i64 = 24 * HOUR_MS;
const ORDINARY: pb::Urgency = pb::Urgency::Ordinary;

type Files<'a> = &'a [(&'a str, &'a str)];

fn shipped() -> Vec<(&'static str, &'static str)> {
    vec![
        ("rules.toml", RULES),
        ("classes.csv", SHIPPED_CLASSES),
        ("calendar.json", DAYS_OFF),
    ]
}

fn bundle(issuer: PlaceId, files: Files<'_>, effective: i64) -> pb::BundleIssued {
    let file = |(name, text): &(&str, &str)| pb::BundleFile {
        name: (*name).to_owned(),
        content: text.as_bytes().to_vec(),
    };
    pb::BundleIssued {
        issuer: issuer.to_vec(),
        effective_ms: effective,
        files: files.iter().map(file).collect(),
        ..pb::BundleIssued::default()
    }
}

fn entry(issued: pb::BundleIssued, sequence: u64, at: Moment) -> Entry {
    let issuer = PlaceId::from_bytes(&issued.issuer).unwrap();
    entry_of(issuer, issued, sequence, at)
}

fn entry_of(issuer: PlaceId, says: impl Into<Content>, sequence: u64, at: Moment) -> Entry {
    let mut draft = Draft {
        kind: pb::ChainKind::Rulebook,
        chain: ChainId::rulebook_of(issuer),
        sequence,
        previous: (sequence > 1).then_some(Hash([1; 32])),
        ..draft(issuer, says)
    };
    draft.body.wall_time_ms = at.0;
    draft.sign(&key_of(node_of(issuer)))
}

/// What is known at a place: bundles are issued somewhere on its way, and judged there first.
struct Known {
    world: World,
    books: Rulebooks,
    now: Moment,
}

impl Known {
    fn at(place: PlaceId) -> Self {
        let world = World::new();
        let mut books = Rulebooks::default();
        books.stand_at(place, &world.registry);
        Self {
            world,
            books,
            now: START,
        }
    }

    /// As at the place itself: only what it and those above it issued.
    fn judged_at(&self, issuer: PlaceId) -> Rulebooks {
        let mut there = self.books.clone();
        there.stand_at(issuer, &self.world.registry);
        there
    }

    fn judges(
        &self,
        issuer: PlaceId,
        files: Files<'_>,
        effective: i64,
    ) -> Result<Rulebook, BundleRefused> {
        let issued = bundle(issuer, files, effective);
        let judged = self.judged_at(issuer).judge(issued, self.now);
        judged.map(|(_, book)| book)
    }

    fn issues(&mut self, issuer: PlaceId, files: Files<'_>, effective: i64) -> u64 {
        let issued = bundle(issuer, files, effective);
        let (issued, _) = self.judged_at(issuer).judge(issued, self.now).unwrap();
        self.brings(issuer, issued)
    }

    /// An entry arrives, whatever it says.
    fn brings(&mut self, issuer: PlaceId, issued: pb::BundleIssued) -> u64 {
        let sequence = self.books.bundles(issuer).len() as u64 + 1;
        self.books.apply(&entry(issued, sequence, self.now), issuer);
        sequence
    }

    fn in_force(&self) -> Arc<Rulebook> {
        self.books.in_force(self.now)
    }

    fn refused(&self, issuer: PlaceId, files: Files<'_>, effective: i64) -> (Code, String) {
        let refused = self.judges(issuer, files, effective).unwrap_err();
        let first = refused.problems.first();
        (
            refused.refusal.code,
            first.map(ToString::to_string).unwrap_or_default(),
        )
    }
}

fn rules(may_set: &str) -> String {
    RULES.replace(
        "may_set = [\"sub-classes\"]",
        &format!("may_set = [{may_set}]"),
    )
}

fn classes(change: &[(&str, &str)]) -> String {
    change
        .iter()
        .fold(SHIPPED_CLASSES.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        })
}

const HEADER: &str = "id,parent,name_zh,name_en,lead_unit_kind,level_lowest,clock_preset,escalation_grace_minutes,returns_max";

fn table(rows: &[&str]) -> String {
    format!("{HEADER}\n{}\n", rows.join("\n"))
}

const TRACKS: &str =
    "urban-tracks,urban,废弃轨道,Disused rail tracks,urban_management,50,dezhou-333,1440,2";

fn days(book: &Rulebook, class: &str, start: Moment) -> i64 {
    let due = book.handling_due(class, ORDINARY, start).unwrap();
    (due.due_ms - start.0) / DAY_MS
}

#[test]
fn before_the_first_bundle_nothing_is_judged_and_the_first_says_everything() {
    let mut known = Known::at(TOWNSHIP);
    let awaited = known.in_force().class("urban-roads").unwrap_err();
    assert_eq!(awaited.code, Code::RulebookAwaited);
    assert!(known.in_force().is_empty() && known.in_force().judged_by().is_none());
    for missing in 0..3 {
        let mut files = shipped();
        let (name, _) = files.remove(missing);
        let (code, first) = known.refused(CITY, &files, 0);
        assert_eq!(code, Code::BundleUnsound);
        assert!(first.starts_with(name), "{first}");
    }
    assert_eq!(known.issues(CITY, &shipped(), 0), 1);
    let book = known.in_force();
    assert_eq!(book.versions, [(CITY, 1)]);
    assert!(book.handling_due("urban-roads", ORDINARY, START).is_ok());
    let judged_by = book.judged_by().unwrap();
    assert_eq!((judged_by.versions.len(), judged_by.class), (1, None));
    assert_eq!(known.refused(CITY, &shipped(), 0).0, Code::BundleUnchanged);
}

#[test]
fn a_bundle_is_in_force_from_its_date_and_what_it_does_not_hold_goes_on() {
    let mut known = Known::at(TOWNSHIP);
    known.issues(CITY, &shipped(), 0);
    let slower = rules("").replace("within = \"3 days\"", "within = \"4 days\"");
    let from = START.0 + 10 * DAY_MS;
    assert_eq!(known.issues(CITY, &[("rules.toml", &slower)], from), 2);
    assert_eq!(days(&known.in_force(), "urban-roads", START), 3);
    known.now = Moment(from - 1);
    assert_eq!(known.in_force().versions, [(CITY, 1)]);
    known.now = Moment(from);
    assert_eq!(known.in_force().versions, [(CITY, 2)]);
    assert_eq!(days(&known.in_force(), "urban-roads", START), 4);
    assert_eq!(known.in_force().classes().count(), 32, "the classes go on");
}

#[test]
fn bundles_follow_on_each_other_and_none_is_effective_before_an_earlier_one() {
    let mut known = Known::at(CITY);
    known.issues(CITY, &shipped(), 0);
    let two = rules("");
    let from = START.0 + 10 * DAY_MS;
    known.issues(CITY, &[("rules.toml", &two)], from);
    let three = rules("\"presets\"");
    let files = [("rules.toml", &three[..])];
    assert_eq!(
        known.refused(CITY, &files, from - 1).0,
        Code::BundleTooEarly
    );
    assert_eq!(known.refused(CITY, &files, 0).0, Code::BundleTooEarly);
    assert_eq!(known.refused(CITY, &files, i64::MAX).0, Code::OutOfRange);
    assert!(known.judges(CITY, &files, from).is_ok());
    // One that comes with such a date all the same is effective with the one before it.
    known.brings(CITY, bundle(CITY, &files, 1));
    assert_eq!(known.in_force().versions, [(CITY, 1)]);
    known.now = Moment(from);
    assert_eq!(known.in_force().versions, [(CITY, 3)]);
}

#[test]
fn next_years_days_off_are_known_at_once_also_to_what_was_opened_before() {
    let mut known = Known::at(TOWNSHIP);
    known.issues(CITY, &shipped(), 0);
    let opened = known.in_force().judged_by();
    known.issues(CITY, &[("rules.toml", &rules(""))], START.0 + DAY_MS);
    let start = Moment::parse_rfc3339("2026-12-28T09:00:00+08:00").unwrap();
    let guessed = known
        .in_force()
        .handling_due("housing-property", ORDINARY, start)
        .unwrap();
    assert_eq!(
        (guessed.calendar_year_missing, guessed.calendar_version),
        (2027, 1)
    );
    assert!(known.in_force().calendar_warning(start).is_some());
    let list =
        r#"{"years":{"2027":{"days":[{"name":"元旦","date":"2027-01-01","isOffDay":true}]}}}"#;
    known.issues(CITY, &[("calendar.json", list)], 0);
    for book in [
        known.in_force(),
        known.books.of_case(opened.as_ref(), known.now),
    ] {
        assert_eq!(
            book.versions,
            [(CITY, 1)],
            "days off make no version of the rules"
        );
        let due = book
            .handling_due("housing-property", ORDINARY, start)
            .unwrap();
        assert_eq!((due.calendar_year_missing, due.calendar_version), (0, 3));
        assert_eq!(due.due_ms, guessed.due_ms + DAY_MS, "New Year's Day");
        assert!(book.calendar_warning(start).is_none());
    }
    let wrong = r#"{"years":{"2028":{"days":[]}}}"#;
    assert_eq!(
        known.refused(CITY, &[("calendar.json", wrong)], 0).0,
        Code::BundleUnsound
    );
}

#[test]
fn the_first_places_rules_stand_where_a_place_was_moved_below_one_not_known_yet() {
    let mut world = World::new();
    let moved = pb::PlaceMoved {
        place: COUNTY.to_vec(),
        name: "moved".into(),
        level: level::COUNTY,
        to: vec![0x99; 10],
        number: 1,
        address: "there.example:7444".into(),
        ..Default::default()
    };
    world.registers(CITY, moved);
    let mut there = Rulebooks::default();
    there.stand_at(TOWNSHIP, &world.registry);
    there.apply(&entry(bundle(CITY, &shipped(), START.0), 1, START), CITY);
    assert!(there.in_force(START).class("urban-roads").is_ok());
}

#[test]
fn an_open_case_keeps_the_version_it_was_opened_under() {
    let mut known = Known::at(TOWNSHIP);
    known.issues(CITY, &shipped(), 0);
    let opened = known.in_force().judged_by();
    let changed = classes(&[(
        "urban_management,50,dezhou-333,1440,2\nurban-lighting",
        "urban_management,40,shandong-2017,60,0\nurban-lighting",
    )]);
    known.now = Moment(START.0 + 1);
    known.issues(CITY, &[("classes.csv", &changed)], 0);
    let (now, then) = (
        known.in_force(),
        known.books.of_case(opened.as_ref(), known.now),
    );
    let class = |book: &Rulebook| {
        let class = book.class("urban-roads").unwrap();
        (
            class.level_lowest,
            class.preset.name.clone(),
            class.returns_max,
        )
    };
    assert_eq!(class(&now), (40, "shandong-2017".to_owned(), 0));
    assert_eq!(class(&then), (50, "dezhou-333".to_owned(), 2));
    assert_eq!(known.books.of_case(None, known.now).versions, [(CITY, 2)]);
    // Whoever does not have that version goes by what is in force there.
    let unknown = pb::JudgedBy {
        versions: vec![pb::RulebookVersion {
            place: OTHER_COUNTY.to_vec(),
            sequence: 9,
        }],
        class: None,
    };
    assert_eq!(
        known.books.of_case(Some(&unknown), known.now).versions,
        [(CITY, 2)]
    );
}

#[test]
fn a_place_below_sets_what_the_rules_above_allow_and_nothing_else() {
    let mut known = Known::at(TOWNSHIP);
    known.issues(CITY, &shipped(), 0);
    let added = table(&[TRACKS]);
    assert_eq!(known.issues(COUNTY, &[("classes.csv", &added)], 0), 1);
    let book = known.in_force();
    assert_eq!(book.versions, [(CITY, 1), (COUNTY, 1)]);
    assert!(book.case_class("urban-tracks").is_ok() && book.case_class("urban-roads").is_ok());
    let elsewhere = known.judged_at(OTHER_TOWNSHIP);
    assert!(elsewhere.in_force(known.now).class("urban-tracks").is_err());

    let hours = "[local]\nutc_offset = \"+08:00\"\nworking_hours = [\"09:00-17:00\"]\n";
    let presets = "[[preset]]\nname = \"own\"\ntitle_zh = \"自定\"\ntitle_en = \"Own\"\nlimits = [{ step = \"handling\", within = \"1 day\" }]\n";
    let kinds = "[unit_kinds]\nrailway = \"铁路\"\n";
    let list = r#"{"years":{"2027":{"days":[{"name":"节","date":"2027-03-03","isOffDay":true}]}}}"#;
    let roads = "urban-roads,urban,道路、桥梁与井盖,\"Roads, bridges and manhole covers\",urban_management,50,beijing-2020,60,5";
    let all: [(&str, &str, String); 5] = [
        ("working-hours", "rules.toml", hours.to_owned()),
        ("presets", "rules.toml", presets.to_owned()),
        ("unit-kinds", "rules.toml", kinds.to_owned()),
        ("days-off", "calendar.json", list.to_owned()),
        ("class-limits", "classes.csv", table(&[roads])),
    ];
    for (grant, name, text) in &all {
        let (code, first) = known.refused(COUNTY, &[(name, text)], 0);
        assert_eq!(code, Code::BundleUnsound, "{grant}");
        assert!(first.contains(grant), "{first}");
    }
    known.now = Moment(START.0 + 1);
    let every = all
        .each_ref()
        .map(|(grant, ..)| format!("\"{grant}\""))
        .join(",");
    known.issues(CITY, &[("rules.toml", &rules(&every))], 0);
    for (grant, name, text) in &all {
        let before = known.judged_at(COUNTY).in_force(known.now);
        let after = known.judges(COUNTY, &[(name, text)], 0).unwrap();
        assert!(!changes(&before, &after).is_empty(), "{grant}");
    }
    // The permission to add classes is gone with the new rules: what was added is passed over, and said.
    let book = known.in_force();
    assert_eq!(
        book.class("urban-tracks").unwrap_err().code,
        Code::ClassUnknown
    );
    let passed_over = &book.passed_over()[0];
    assert_eq!(passed_over.issuer, COUNTY);
    assert!(passed_over.problem.in_chinese().contains("增设小类"));
}

#[test]
fn a_class_added_below_belongs_to_one_above_and_goes_no_deeper_than_that() {
    let mut known = Known::at(TOWNSHIP);
    known.issues(CITY, &shipped(), 0);
    let refused = |row: &str| {
        known
            .refused(COUNTY, &[("classes.csv", &table(&[row]))], 0)
            .1
    };
    let top = TRACKS.replacen("urban-tracks,urban,", "urban-tracks,,", 1);
    assert!(
        refused(&top).contains("belongs to one from above"),
        "{}",
        refused(&top)
    );
    let stray = TRACKS.replacen(",urban,", ",nowhere,", 1);
    assert!(refused(&stray).contains("no class is called nowhere"));
    let deep = TRACKS.replacen(",50,", ",60,", 1);
    assert!(refused(&deep).contains("not deeper than its parent's 50"));
    let twin = TRACKS.replacen("废弃轨道", "路灯与公共照明", 1);
    assert!(refused(&twin).contains("bears this name too"));
    let unknown = TRACKS.replacen("dezhou-333", "own", 1);
    assert!(refused(&unknown).contains("no preset is called"));
    // A class of a county's own may be divided further by a township only if the county lets it.
    known.issues(COUNTY, &[("classes.csv", &table(&[TRACKS]))], 0);
    let deeper =
        "tracks-crossings,urban-tracks,道口,Level crossings,urban_management,50,dezhou-333,1440,2";
    assert!(
        known
            .judges(TOWNSHIP, &[("classes.csv", &table(&[deeper]))], 0)
            .is_ok()
    );
    known.now = Moment(START.0 + 1);
    known.issues(COUNTY, &[("rules.toml", "[below]\nmay_set = []\n")], 0);
    let (_, first) = known.refused(TOWNSHIP, &[("classes.csv", &table(&[deeper]))], 0);
    assert!(first.contains("sub-classes"), "{first}");
}

#[test]
fn a_class_unknown_elsewhere_travels_with_its_definition() {
    let mut known = Known::at(TOWNSHIP);
    known.issues(CITY, &shipped(), 0);
    known.issues(COUNTY, &[("classes.csv", &table(&[TRACKS]))], 0);
    let here = known.in_force();
    assert_eq!(here.definition("urban-roads"), None, "the top issued it");
    let mut opened = here.judged_by().unwrap();
    opened.class = here.definition("urban-tracks");
    // Beside, the county's bundle is not known; the class is.
    let mut beside = Rulebooks::default();
    let world = World::new();
    beside.stand_at(OTHER_TOWNSHIP, &world.registry);
    beside.apply(&entry(bundle(CITY, &shipped(), START.0), 1, START), CITY);
    let book = beside.of_case(Some(&opened), START);
    assert_eq!(
        book.class("urban-tracks").unwrap(),
        here.class("urban-tracks").unwrap()
    );
    assert_eq!(
        book.handling_due("urban-tracks", ORDINARY, START),
        here.handling_due("urban-tracks", ORDINARY, START)
    );
    assert_eq!(book.definition("urban-tracks"), opened.class);
    assert_eq!(
        book.reclassified("urban-tracks", "urban-order").unwrap().id,
        "urban-order"
    );
    assert!(beside.in_force(START).class("urban-tracks").is_err());

    let with = |change: &dyn Fn(&mut pb::ClassDefinition)| {
        let mut class = opened.class.clone().unwrap();
        change(&mut class);
        let judged_by = pb::JudgedBy {
            class: Some(class),
            ..opened.clone()
        };
        beside.of_case(Some(&judged_by), START)
    };
    // It goes no deeper than the class it belongs to, and a class that is known here is what it is known as.
    let deep = with(&|class| class.level_lowest = 60);
    assert_eq!(deep.class("urban-tracks").unwrap().level_lowest, 50);
    let known_here = with(&|class| {
        class.id = "utilities-water".to_owned();
        class.level_lowest = 60;
    });
    assert_eq!(
        known_here.class("utilities-water").unwrap().level_lowest,
        40
    );
    let unsound: [&dyn Fn(&mut pb::ClassDefinition); 8] = [
        &|class| class.id = "Ü".to_owned(),
        &|class| class.level_lowest = 99,
        &|class| class.kind = "hard".to_owned(),
        &|class| class.preset = None,
        &|class| class.preset.as_mut().unwrap().limits.clear(),
        &|class| class.preset.as_mut().unwrap().limits[0].within = "soon".to_owned(),
        &|class| class.grace_minutes = u32::MAX,
        &|class| class.name_zh = "a\u{202e}\n".to_owned(),
    ];
    for unsound in unsound {
        let unknown = with(unsound).class("urban-tracks").unwrap_err();
        assert_eq!(unknown.code, Code::ClassUnknown);
    }
}

#[test]
fn a_bundle_that_does_not_hold_changes_nothing_where_it_arrives() {
    let mut known = Known::at(TOWNSHIP);
    known.issues(CITY, &shipped(), 0);
    let before = known.in_force();
    let unsound = classes(&[("urban-roads,urban,", "urban-roads,nowhere,")]);
    let (code, first) = known.refused(CITY, &[("classes.csv", &unsound)], 0);
    assert_eq!(code, Code::BundleUnsound);
    assert!(first.starts_with("classes.csv line 3, parent"), "{first}");
    for files in [
        vec![("classes.csv", &unsound[..])],
        vec![("points.csv", "a\n")],
        vec![("rules.toml", RULES), ("rules.toml", RULES)],
        vec![],
    ] {
        known.brings(CITY, bundle(CITY, &files, 0));
        assert_eq!(
            known.in_force().class("urban-roads"),
            before.class("urban-roads")
        );
    }
    for (files, code) in [
        (vec![("points.csv", "a\n")], Code::Malformed),
        (
            vec![("rules.toml", RULES), ("rules.toml", RULES)],
            Code::NameTaken,
        ),
        (vec![], Code::Empty),
    ] {
        assert_eq!(known.refused(CITY, &files, 0).0, code);
    }
    let mut note = bundle(CITY, &[("rules.toml", &rules(""))], 0);
    note.note = "改".repeat(201);
    let refused = known.judged_at(CITY).judge(note, known.now).unwrap_err();
    assert_eq!(refused.refusal.code, Code::TooLong);
    let foreign = known
        .judged_at(COUNTY)
        .judge(bundle(CITY, &shipped(), 0), known.now);
    assert_eq!(foreign.unwrap_err().refusal.code, Code::PlaceUnknown);
}

#[test]
fn the_order_in_which_bundles_of_two_places_arrive_does_not_matter() {
    let (first, second) = (
        entry(bundle(CITY, &shipped(), START.0), 1, START),
        entry(
            bundle(COUNTY, &[("classes.csv", &table(&[TRACKS]))], START.0),
            1,
            START,
        ),
    );
    let world = World::new();
    let folded = |order: [(&Entry, PlaceId); 2], stand_first: bool| {
        let mut books = Rulebooks::default();
        if stand_first {
            books.stand_at(TOWNSHIP, &world.registry);
        }
        for (entry, issuer) in order {
            books.apply(entry, issuer);
            books.apply(entry, issuer);
        }
        books.stand_at(TOWNSHIP, &world.registry);
        books.in_force(START)
    };
    let one = folded([(&first, CITY), (&second, COUNTY)], true);
    assert_eq!(one, folded([(&second, COUNTY), (&first, CITY)], true));
    assert_eq!(one, folded([(&second, COUNTY), (&first, CITY)], false));
    assert!(one.class("urban-tracks").is_ok());
}

#[test]
fn what_changes_is_told_in_both_languages() {
    let mut known = Known::at(CITY);
    known.issues(CITY, &shipped(), 0);
    known.now = Moment(START.0 + 1);
    let changed = classes(&[
        ("urban-order,urban,", "urban-street,urban,"),
        (",police,40,", ",police,50,"),
    ]);
    let list =
        r#"{"years":{"2027":{"days":[{"name":"元旦","date":"2027-01-01","isOffDay":true}]}}}"#;
    let slower = rules("").replace("within = \"3 days\"", "within = \"4 days\"");
    let files = [
        ("classes.csv", &changed[..]),
        ("calendar.json", list),
        ("rules.toml", &slower),
    ];
    let after = known.judges(CITY, &files, 0).unwrap();
    let found = changes(&known.in_force(), &after);
    let told: Vec<String> = found
        .iter()
        .map(|change| format!("{} {}", change.of, change.english))
        .collect();
    for expected in [
        "below sub-classes -> ",
        "dezhou-333 handling 3 days, amber_before 1 day, at-once -> 4 days, amber_before 1 day, at-once",
        "urban-order gone: 占道经营与违章建筑",
        "urban-street new: 占道经营与违章建筑",
        "traffic-order level_lowest 40 -> 50",
        "2027 new: 1 days off, 0 make-up working days",
    ] {
        assert!(told.contains(&expected.to_owned()), "{expected}: {told:#?}");
    }
    assert_eq!(found.len(), 6);
    assert!(changes(&after, &after).is_empty());
}

/// A catalogue as large as a city's: 3,000 classes.
fn city_wide() -> String {
    let rows: Vec<String> = (0..3_000)
        .map(|nth| {
            format!(
                "urban-{nth},urban,事项{nth},Matter {nth},urban_management,50,dezhou-333,1440,2"
            )
        })
        .collect();
    format!("{SHIPPED_CLASSES}{}\n", rows.join("\n"))
}

#[test]
fn a_catalogue_larger_than_an_entry_goes_in_parts_and_is_in_force_once_all_are_here() {
    let mut known = Known::at(TOWNSHIP);
    known.issues(CITY, &shipped(), 0);
    let wide = city_wide();
    let issued = bundle(CITY, &[("classes.csv", &wide)], 0);
    let (issued, book) = known.judged_at(CITY).judge(issued, known.now).unwrap();
    assert!(book.class("urban-2999").is_ok());
    let (parts, written) = in_parts(issued.clone());
    assert!(parts.len() > 3 && written.files.is_empty());
    let whole: usize = parts.iter().map(|part| part.content.len()).sum();
    assert!(
        whole > wide.len()
            && parts
                .iter()
                .all(|part| part.content.len() <= BUNDLE_PART_BYTES_MAX)
    );

    let count = parts.len() as u64;
    let entries: Vec<Entry> = parts
        .into_iter()
        .zip(2..)
        .map(|(part, sequence)| entry_of(CITY, part, sequence, known.now))
        .collect();
    let last = entry(written, count + 2, known.now);
    for part in &entries {
        known.books.apply(part, CITY);
        assert_eq!(
            known.in_force().versions,
            [(CITY, 1)],
            "it says nothing yet"
        );
    }
    let without_one = known.books.clone();
    known.books.apply(&last, CITY);
    assert_eq!(known.in_force().versions, [(CITY, count + 2)]);
    assert!(known.in_force().class("urban-2999").is_ok());

    // One that lacks a part holds no files: what stood before goes on.
    let mut lacking = Rulebooks::default();
    lacking.stand_at(TOWNSHIP, &known.world.registry);
    lacking.apply(&entry(bundle(CITY, &shipped(), 0), 1, known.now), CITY);
    for part in &entries[1..] {
        lacking.apply(part, CITY);
    }
    lacking.apply(&last, CITY);
    assert_eq!(lacking.in_force(known.now).versions, [(CITY, 1)]);

    // Small ones stand in the bundle itself, also after parts that nothing followed.
    let mut small = without_one;
    let days_off = bundle(CITY, &[("rules.toml", &rules("\"presets\""))], 0);
    assert_eq!(in_parts(days_off.clone()), (Vec::new(), days_off.clone()));
    small.apply(&entry(days_off, count + 2, known.now), CITY);
    assert_eq!(small.in_force(known.now).versions, [(CITY, count + 2)]);
    assert!(small.in_force(known.now).class("urban-2999").is_err());
}

#[test]
fn parts_that_no_bundle_follows_are_not_kept_beyond_what_a_bundle_may_hold() {
    let mut known = Known::at(TOWNSHIP);
    let part = || pb::BundlePart {
        content: vec![1; BUNDLE_PART_BYTES_MAX],
    };
    let many = 3 * (BUNDLE_BYTES_MAX / BUNDLE_PART_BYTES_MAX) as u64;
    for sequence in 1..=many {
        known
            .books
            .apply(&entry_of(CITY, part(), sequence, known.now), CITY);
    }
    assert!(known.books.awaiting_bytes() <= BUNDLE_BYTES_MAX + BUNDLE_PART_BYTES_MAX);
}
