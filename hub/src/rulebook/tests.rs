//! Facts about the rulebook that ships and about what is refused of others.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::clock::{Contact, Lamp};

const RULES: &str = include_str!("../../../deploy/rulebook/rules.toml");
const CLASSES: &str = include_str!("../../../deploy/rulebook/classes.csv");
const CALENDAR: &str = include_str!("../../../deploy/rulebook/calendar.json");

const ORDINARY: pb::Urgency = pb::Urgency::Ordinary;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

fn shipped() -> Rulebook {
    read(CLASSES).unwrap()
}

fn read(classes: &str) -> Result<Rulebook, Unsound> {
    let sources = Sources {
        rules: RULES,
        classes,
        calendar: CALENDAR,
    };
    Rulebook::read(&sources, 1)
}

/// A rulebook of one class `c` by a preset, of a kind.
fn by(preset: &str, kind: &str) -> Rulebook {
    read(&table(&[&row(&[("clock_preset", preset), ("kind", kind)])])).unwrap()
}

const HEADER: &str = "id,parent,name_zh,name_en,lead_unit_kind,level_lowest,clock_preset,escalation_grace_minutes,returns_max,answer_within,annex_within,kind";

fn table(rows: &[&str]) -> String {
    format!("{HEADER}\n{}\n", rows.join("\n"))
}

/// A sound row with some cells replaced.
fn row(cells: &[(&str, &str)]) -> String {
    let sound = "c,,类,Class,housing,60,dezhou-333,1440,2,,,";
    let columns = HEADER.split(',').zip(sound.split(','));
    let cell = |(column, sound): (&str, &str)| {
        let given = cells.iter().find(|(name, _)| *name == column);
        given.map_or(sound, |(_, cell)| cell).to_owned()
    };
    columns.map(cell).collect::<Vec<_>>().join(",")
}

fn at(text: &str) -> Moment {
    Moment::parse_rfc3339(text).unwrap()
}

fn text(ms: i64) -> String {
    Moment(ms).to_rfc3339(480).unwrap()
}

fn refused<T: std::fmt::Debug>(found: Result<T, Refusal>) -> Code {
    found.unwrap_err().code
}

#[test]
fn ten_classes_with_twenty_two_items_ship() {
    let book = shipped();
    let (groups, items): (Vec<_>, Vec<_>) = book.classes().partition(|class| class.is_group);
    assert_eq!((groups.len(), items.len()), (10, 22));
    for group in &groups {
        let refusal = book.case_class(&group.id).unwrap_err();
        assert_eq!(refusal.code, Code::ClassTooBroad);
        assert!(refusal.detail.contains(&format!("{}-", group.id)));
    }
    for item in items {
        assert!(groups.iter().any(|group| group.id == item.parent));
        assert_eq!(book.case_class(&item.id).unwrap(), item);
        assert!(book.handling_due(&item.id, ORDINARY, Moment(0)).is_ok());
    }
    let lone = read(&table(&[&row(&[])])).unwrap();
    assert!(lone.case_class("c").is_ok(), "a top class without items");
}

#[test]
fn dezhou_answers_at_once_hands_over_in_three_hours_and_solves_in_three_days() {
    let (book, start) = (by("dezhou-333", ""), at("2026-03-06T09:00:00+08:00"));
    let at_once = book.due(Step::AnswerAtOnce, "c", ORDINARY, start).unwrap();
    assert_eq!(at_once.due_ms, start.0);
    let over = book.hand_over_due("c", ORDINARY, start).unwrap();
    assert_eq!(
        (over.due_ms, over.clock.as_str()),
        (start.0 + 3 * HOUR_MS, "hand-over")
    );
    let due = book.handling_due("c", ORDINARY, start).unwrap();
    assert_eq!(due.due_ms, start.0 + 3 * DAY_MS, "days off included");
    assert_eq!(due.amber_ms, start.0 + 2 * DAY_MS);
    assert_eq!(
        (due.clock.as_str(), due.rule.as_str()),
        ("handling", "dezhou-333 handling 3 days")
    );
    assert_eq!(grace_ends(&due), Moment(due.due_ms + DAY_MS));
    assert_eq!(
        refused(book.extension_max("c", ORDINARY, start)),
        Code::ExtensionNotAllowed
    );
}

#[test]
fn shandong_2020_gives_five_working_days_ten_more_and_two_to_return() {
    let (book, start) = (by("shandong-2020", ""), at("2026-09-30T10:00:00+08:00"));
    let due = |found: Result<pb::Due, Refusal>| text(found.unwrap().due_ms);
    assert_eq!(
        due(book.handling_due("c", ORDINARY, start)),
        "2026-10-13T23:59:59.999+08:00"
    );
    // Fifteen working days in all; Saturday the 10th is worked.
    assert_eq!(
        due(book.extension_max("c", ORDINARY, start)),
        "2026-10-27T23:59:59.999+08:00"
    );
    let back = book.return_due("c", ORDINARY, start).unwrap().unwrap();
    assert_eq!(text(back.due_ms), "2026-10-09T23:59:59.999+08:00");
    assert_eq!(
        by("dezhou-333", "")
            .return_due("c", ORDINARY, start)
            .unwrap(),
        None
    );
}

#[test]
fn shandong_2017_reddens_on_the_first_late_working_day_and_on_no_day_off() {
    let book = by("shandong-2017", "");
    // The fifteenth working day is Friday, 13 February 2026; Saturday the 14th is worked, then comes the Spring Festival.
    let due = book
        .handling_due("c", ORDINARY, at("2026-01-26T09:00:00+08:00"))
        .unwrap();
    assert_eq!(text(due.due_ms), "2026-02-14T23:59:59.999+08:00");
    assert_eq!(text(due.red_ms), "2026-02-24T00:00:00+08:00");
    let lamp = |now: &str| clock::lamp(&due, at(now), Contact::Here);
    assert_eq!(lamp("2026-02-13T23:59:59.998+08:00"), Lamp::Green);
    assert_eq!(lamp("2026-02-13T23:59:59.999+08:00"), Lamp::Amber);
    assert_eq!(lamp("2026-02-20T12:00:00+08:00"), Lamp::Amber, "a day off");
    assert_eq!(lamp("2026-02-23T23:59:59.999+08:00"), Lamp::Amber);
    assert_eq!(lamp("2026-02-24T00:00:00+08:00"), Lamp::Red);
    assert_eq!(
        grace_ends(&due),
        Moment(due.red_ms - 1 + DAY_MS),
        "the grace begins with the red"
    );
    let days = (0..1_400).map(|day| at("2023-01-02T09:00:00+08:00").0 + day * DAY_MS);
    for start in days {
        let due = book.handling_due("c", ORDINARY, Moment(start)).unwrap();
        let red = book.calendar().date_of(Moment(due.red_ms)).unwrap();
        let worked = book.calendar().is_working_day(red);
        assert!(
            due.red_ms > due.due_ms && worked != clock::Working::Off,
            "{red}"
        );
    }
    let more = book
        .extension_max("c", ORDINARY, at("2026-03-02T09:00:00+08:00"))
        .unwrap();
    assert_eq!(
        more.rule,
        "shandong-2017 handling 15 working days + 7 working days"
    );
}

#[test]
fn beijing_goes_by_urgency() {
    let (book, start) = (by("beijing-2020", ""), at("2026-03-02T09:00:00+08:00"));
    for (urgency, hours) in [
        (pb::Urgency::Emergency, 2),
        (pb::Urgency::Urgent, 24),
        (pb::Urgency::Ordinary, 7 * 24),
        (pb::Urgency::Unspecified, 7 * 24),
        (pb::Urgency::Low, 15 * 24),
    ] {
        let due = book.handling_due("c", urgency, start).unwrap();
        assert_eq!(due.due_ms - start.0, hours * HOUR_MS, "{urgency:?}");
        assert!(due.amber_ms > start.0 && due.amber_ms < due.due_ms);
    }
}

#[test]
fn guangdong_goes_by_kind() {
    let start = at("2026-03-02T09:00:00+08:00");
    for (kind, rule) in [
        ("consultation", "guangdong-2022 handling 2 working days"),
        ("ordinary", "guangdong-2022 handling 10 working days"),
        ("", "guangdong-2022 handling 10 working days"),
        ("complex", "guangdong-2022 handling 15 working days"),
    ] {
        let book = by("guangdong-2022", kind);
        let due = book.handling_due("c", pb::Urgency::Urgent, start).unwrap();
        assert_eq!(due.rule, rule);
    }
}

#[test]
fn petitions_have_a_clock_for_each_of_their_steps() {
    let (book, start) = (by("petition-2022", ""), at("2026-03-02T09:00:00+08:00"));
    for (step, days) in [
        (Step::Accept, 15),
        (Step::Notify, 15),
        (Step::Handling, 60),
        (Step::ReviewRequest, 30),
        (Step::ReviewAnswer, 30),
        (Step::RecheckRequest, 30),
        (Step::RecheckAnswer, 30),
    ] {
        let due = book.due(step, "c", ORDINARY, start).unwrap();
        assert_eq!(due.due_ms - start.0, days * DAY_MS, "{}", step.as_str());
        assert_eq!(due.clock, step.as_str());
    }
    let more = book.extension_max("c", ORDINARY, start).unwrap();
    assert_eq!(more.due_ms - start.0, 90 * DAY_MS);
    let objection = book.return_due("c", ORDINARY, start).unwrap().unwrap();
    assert_eq!(text(objection.due_ms), "2026-03-09T23:59:59.999+08:00");
    let answer = book.answer_due("c", ORDINARY, start).unwrap();
    assert!(
        answer.amber_ms > start.0 + DAY_MS,
        "amber of its own, not that of sixty days"
    );
}

#[test]
fn mediation_has_no_limit_for_handling_and_is_no_clock_of_a_class() {
    let refused = read(&table(&[&row(&[("clock_preset", "mediation")])])).unwrap_err();
    assert_eq!(refused.0[0].field, "clock_preset");
    let book = shipped();
    let preset = book
        .presets()
        .find(|preset| preset.name == "mediation")
        .unwrap();
    let limit = preset
        .limit(Step::Confirmation, ORDINARY, Kind::Ordinary)
        .unwrap();
    assert_eq!(limit.within, Span::days(30));
}

#[test]
fn what_no_rule_of_the_class_says_the_default_says_and_else_it_is_refused() {
    let (book, start) = (by("beijing-2020", ""), at("2026-03-02T09:00:00+08:00"));
    let rule = |found: Result<pb::Due, Refusal>| found.unwrap().rule;
    assert_eq!(
        rule(book.accept_due("c", ORDINARY, start)),
        "default accept 1 working day"
    );
    assert_eq!(
        rule(book.hand_over_due("c", ORDINARY, start)),
        "default hand-over 1 working day"
    );
    assert_eq!(
        rule(book.answer_due("c", ORDINARY, start)),
        "default answer 2 working days"
    );
    assert_eq!(
        rule(book.visit_due("c", ORDINARY, start)),
        "default visit 3 working days"
    );
    assert_eq!(
        rule(book.annex_due("c", ORDINARY, start)),
        "beijing-2020 handling 7 days"
    );
    let redo = book.redo_due("c", ORDINARY, start).unwrap();
    assert_eq!(
        (redo.clock.as_str(), redo.due_ms - start.0),
        ("handling", 7 * DAY_MS)
    );
    assert_eq!(
        refused(book.due(Step::Confirmation, "c", ORDINARY, start)),
        Code::NoLimit
    );
    assert_eq!(
        refused(book.accept_due("d", ORDINARY, start)),
        Code::ClassUnknown
    );
}

#[test]
fn every_due_time_ends_green_before_amber_and_amber_before_red() {
    let book = shipped();
    let start = at("2026-03-02T09:00:00+08:00");
    let urgencies = [
        ORDINARY,
        pb::Urgency::Urgent,
        pb::Urgency::Emergency,
        pb::Urgency::Low,
    ];
    let mut seen = 0;
    for preset in [
        "dezhou-333",
        "shandong-2020",
        "shandong-2017",
        "beijing-2020",
        "guangdong-2022",
        "petition-2022",
    ] {
        let book = by(preset, "complex");
        for (urgency, step) in urgencies
            .iter()
            .flat_map(|urgency| Step::ALL.iter().map(move |step| (*urgency, *step)))
        {
            let Ok(due) = book.due(step, "c", urgency, start) else {
                continue;
            };
            seen += 1;
            assert!(
                due.amber_ms >= due.start_ms && due.amber_ms <= due.due_ms,
                "{due:?}"
            );
            assert!(due.red_ms == 0 || due.red_ms > due.due_ms, "{due:?}");
            assert!(grace_ends(&due) >= Moment(due.due_ms), "{due:?}");
        }
    }
    assert!(seen > 150, "{seen}");
    let by_hand = book
        .set_due(
            "handling",
            "land-boundary",
            ORDINARY,
            start,
            Moment(start.0 + 10 * HOUR_MS),
        )
        .unwrap();
    assert_eq!(by_hand.amber_ms, start.0 + 8 * HOUR_MS, "the last fifth");
    let long = book
        .set_due(
            "handling",
            "land-boundary",
            ORDINARY,
            start,
            Moment(start.0 + 100 * DAY_MS),
        )
        .unwrap();
    assert_eq!(long.amber_ms, start.0 + 99 * DAY_MS, "a day at most");
}

#[test]
fn a_due_time_set_by_hand_lies_between_its_start_and_the_furthest_that_is_allowed() {
    let book = shipped();
    let start = at("2026-03-02T09:00:00+08:00");
    let set = |ms| book.set_due("handling", "urban-roads", ORDINARY, start, Moment(ms));
    assert_eq!(refused(set(start.0 - 1)), Code::DueBeforeStart);
    assert!(set(start.0 + 180 * DAY_MS).is_ok());
    assert_eq!(refused(set(start.0 + 180 * DAY_MS + 1)), Code::DueTooLate);
    assert_eq!(refused(set(i64::MAX)), Code::DueTooLate);
}

#[test]
fn a_due_time_that_rests_on_a_missing_year_says_so() {
    let book = shipped();
    let start = at("2026-12-26T09:00:00+08:00");
    let due = book
        .handling_due("housing-property", ORDINARY, start)
        .unwrap();
    assert_eq!(due.calendar_year_missing, 2027);
    let warning = warning_of(&due).unwrap();
    assert_eq!(
        (warning.code(), warning.year()),
        ("CALENDAR_YEAR_MISSING", 2027)
    );
    let plain = book.handling_due("urban-roads", ORDINARY, start).unwrap();
    assert_eq!((plain.calendar_year_missing, warning_of(&plain)), (0, None));
    // Due within the year; when it turns red depends on New Year's Day.
    let late = by("shandong-2017", "")
        .handling_due("c", ORDINARY, at("2026-12-10T09:00:00+08:00"))
        .unwrap();
    assert!(text(late.due_ms).starts_with("2026-12-31"));
    assert_eq!(late.calendar_year_missing, 2027);
    assert_eq!(
        book.calendar_warning(at("2026-10-01T00:00:00+08:00")),
        Some(warning)
    );
    assert_eq!(book.calendar_warning(at("2026-09-30T00:00:00+08:00")), None);
}

#[test]
fn every_wrong_row_of_a_catalogue_is_told_by_line_and_column() {
    let wrong = |column: &str, cell: &str| {
        let found = read(&table(&[
            &row(&[]),
            &row(&[(column, cell), ("id", "d"), ("name_zh", "丁")]),
        ]))
        .unwrap_err();
        assert_eq!(
            (found.0.len(), found.0[0].line, found.0[0].field.as_str()),
            (1, 3, column),
            "{found}"
        );
        assert!(!found.0[0].in_chinese().is_ascii());
    };
    for (column, cell) in [
        ("id", "Ü"),
        ("id", ""),
        ("parent", "no-such-parent"),
        ("parent", "d"),
        ("name_zh", ""),
        ("name_en", "a\u{7}b"),
        ("lead_unit_kind", ""),
        ("lead_unit_kind", "hausing"),
        ("level_lowest", "10"),
        ("level_lowest", "61"),
        ("level_lowest", "4e1"),
        ("clock_preset", "dezhou"),
        ("clock_preset", "default"),
        ("clock_preset", ""),
        ("escalation_grace_minutes", "-1"),
        ("escalation_grace_minutes", "99999999"),
        ("returns_max", "100"),
        ("answer_within", "soon"),
        ("annex_within", "3 weeks"),
        ("kind", "hard"),
    ] {
        wrong(column, cell);
    }
    let twins = read(&table(&[&row(&[]), &row(&[("id", "d")])])).unwrap_err();
    let told = twins.0.iter().map(|twin| (twin.line, twin.field.as_str()));
    assert!(told.eq([(2, "name_zh"), (3, "name_zh")]), "{twins}");
    let twice = read(&table(&[&row(&[]), &row(&[])])).unwrap_err();
    assert!(
        twice
            .to_string()
            .contains("line 3, id: the class stands in line 2 already"),
        "{twice}"
    );
    let circle = table(&[
        &row(&[("id", "a"), ("parent", "b"), ("name_zh", "甲")]),
        &row(&[("id", "b"), ("parent", "a"), ("name_zh", "乙")]),
    ]);
    let circle = read(&circle).unwrap_err();
    assert_eq!(circle.0.len(), 2, "{circle}");
    let several = table(&[&row(&[
        ("level_lowest", "x"),
        ("kind", "y"),
        ("returns_max", "z"),
    ])]);
    assert_eq!(read(&several).unwrap_err().0.len(), 3, "all at once");
    for header in [
        HEADER.replace("kind,level", "kinds,level"),
        HEADER.replace("name_zh", "id"),
        format!("{HEADER},extra"),
    ] {
        let found = read(&format!("{header}\n{}\n", row(&[]))).unwrap_err();
        assert_eq!(found.0[0].line, 1, "{found}");
    }
    assert!(read(HEADER).unwrap_err().to_string().contains("no class"));
    let short = format!("{HEADER}\nc,,类\n");
    assert_eq!(read(&short).unwrap_err().0[0].line, 2);
}

#[test]
fn wrong_rules_are_told_by_line_and_key() {
    let wrong = |from: &str, to: &str| {
        let rules = RULES.replacen(from, to, 1);
        assert_ne!(rules, RULES, "{from}");
        let sources = Sources {
            rules: &rules,
            classes: CLASSES,
            calendar: CALENDAR,
        };
        Rulebook::read(&sources, 1).unwrap_err().to_string()
    };
    for (from, to, said) in [
        (
            "utc_offset = \"+08:00\"",
            "utc_offset = \"8\"",
            "utc_offset",
        ),
        (
            "utc_offset = \"+08:00\"",
            "utc_offset = \"+19:00\"",
            "utc_offset",
        ),
        ("08:30-12:00", "12:00-08:30", "working_hours"),
        ("08:30-12:00", "08:30-14:00", "working_hours"),
        ("13:30-17:30", "13:30-24:01", "working_hours"),
        (
            "{ step = \"visit\", within = \"3 working days\" },",
            "",
            "no limit for visit",
        ),
        ("step = \"hand-over\"", "step = \"hand_over\"", "line 31"),
        ("within = \"3 h\"", "within = \"3 weeks\"", "not a span"),
        (
            "amber_before = \"1 h\"",
            "amber_before = \"4 h\"",
            "amber begins before",
        ),
        (
            "urgency = \"low\"",
            "urgency = \"urgent\"",
            "stands already",
        ),
        ("name = \"mediation\"", "name = \"default\"", "two presets"),
        (
            "name = \"mediation\"",
            "name = \"调解\"",
            "a preset has a name",
        ),
        (
            "[unit_kinds]",
            "[unit_kinds]\nUPPER = \"x\"",
            "unit_kinds.UPPER",
        ),
        ("[by_hand]", "[by_hand]\nmore = 1", "line"),
    ] {
        let found = wrong(from, to);
        assert!(found.contains(said), "{from} -> {to}: {found}");
    }
}

#[test]
fn working_hours_are_those_of_the_rulebook() {
    let rules = RULES
        .replace(
            "within = \"3 h\", amber_before = \"1 h\"",
            "within = \"3 working h\"",
        )
        .replace("[\"08:30-12:00\", \"13:30-17:30\"]", "[\"09:00-11:00\"]");
    let sources = Sources {
        rules: &rules,
        classes: CLASSES,
        calendar: CALENDAR,
    };
    let book = Rulebook::read(&sources, 1).unwrap();
    let start = at("2026-03-02T10:00:00+08:00");
    let due = book.hand_over_due("urban-roads", ORDINARY, start).unwrap();
    assert_eq!(text(due.due_ms), "2026-03-03T11:00:00+08:00");
}

#[test]
fn a_clock_of_another_class_ends_as_that_class_says_and_one_set_by_hand_stays() {
    let other = [
        ("id", "d"),
        ("name_zh", "另类"),
        ("clock_preset", "shandong-2020"),
    ];
    let book = read(&table(&[&row(&[]), &row(&other)])).unwrap();
    let start = at("2026-03-06T09:00:00+08:00");
    let anew = |due: &pb::Due, step, from| {
        let due = book.due_reclassified(due, step, (from, "d"), ORDINARY);
        due.unwrap()
    };
    let of = |class| book.handling_due(class, ORDINARY, start).unwrap();
    assert_ne!(of("c").due_ms, of("d").due_ms);
    assert_eq!(anew(&of("c"), Step::Handling, "c"), of("d"));
    assert_eq!(
        anew(&of("c"), Step::Handling, "unknown-here"),
        of("d"),
        "whatever it was before"
    );
    let by_hand = book.set_due("handling", "c", ORDINARY, start, start);
    let by_hand = by_hand.unwrap();
    for from in ["c", "unknown-here"] {
        assert_eq!(anew(&by_hand, Step::Handling, from), by_hand);
    }
    let of_another_rule = pb::Due {
        rule: "shield of a week".to_owned(),
        ..of("c")
    };
    assert_eq!(anew(&of_another_rule, Step::Handling, "c"), of_another_rule);
}
