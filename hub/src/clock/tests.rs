//! Facts of the real calendar of 2023 to 2026, and the laws of due times.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::civil::date;
use proptest::prelude::*;

use fengqiao_proto::v1 as pb;

use super::calendar::DAY_MS;
use super::*;

const HOLIDAYS: &str = include_str!("../../../deploy/rulebook/calendar.json");

fn china() -> Calendar {
    Calendar::parse(HOLIDAYS, 1, LocalTime::china()).unwrap()
}

fn at(text: &str) -> Moment {
    Moment::parse_rfc3339(text).unwrap()
}

fn due_text(start: &str, span: Span) -> String {
    due(at(start), span, &china())
        .unwrap()
        .at
        .to_rfc3339(480)
        .unwrap()
}

/// A due time that turns amber a span before it, as the calendar of China counts it.
fn with_amber(end: Moment, before: Span) -> pb::Due {
    pb::Due {
        due_ms: end.0,
        amber_ms: amber_from(end, before, &china()).0.0,
        ..pb::Due::default()
    }
}

fn one_year(days: &str) -> Result<Calendar, CalendarError> {
    let json = format!(r#"{{"years":{{"2024":{{"days":[{days}]}}}}}}"#);
    Calendar::parse(&json, 1, LocalTime::china())
}

#[test]
fn five_working_days_after_30_september_2026_end_on_13_october() {
    let found = due(
        at("2026-09-30T10:00:00+08:00"),
        Span::working_days(5),
        &china(),
    )
    .unwrap();
    assert_eq!(found.at, at("2026-10-13T23:59:59.999+08:00"));
    assert_eq!(found.warnings, []);
}

#[test]
fn spring_festival_2024_is_skipped_and_its_make_up_sunday_counts() {
    assert_eq!(
        due_text("2024-02-09T09:00:00+08:00", Span::working_days(1)),
        "2024-02-18T23:59:59.999+08:00"
    );
    assert_eq!(
        due_text("2024-02-09T09:00:00+08:00", Span::working_days(3)),
        "2024-02-20T23:59:59.999+08:00"
    );
    assert_eq!(
        due_text("2023-01-20T09:00:00+08:00", Span::working_days(2)),
        "2023-01-29T23:59:59.999+08:00"
    );
    assert_eq!(
        due_text("2025-01-27T09:00:00+08:00", Span::working_days(3)),
        "2025-02-07T23:59:59.999+08:00"
    );
    assert_eq!(
        due_text("2026-02-13T09:00:00+08:00", Span::working_days(2)),
        "2026-02-24T23:59:59.999+08:00"
    );
}

#[test]
fn make_up_saturdays_are_worked_and_listed_weekdays_are_off() {
    let calendar = china();
    for day in [
        date(2023, 10, 7),
        date(2024, 5, 11),
        date(2025, 2, 8),
        date(2026, 10, 10),
    ] {
        assert_eq!(calendar.is_working_day(day), Working::Day, "{day}");
    }
    for day in [
        date(2023, 10, 6),
        date(2024, 5, 1),
        date(2025, 10, 8),
        date(2026, 6, 19),
    ] {
        assert_eq!(calendar.is_working_day(day), Working::Off, "{day}");
    }
    assert_eq!(calendar.is_working_day(date(2026, 11, 23)), Working::Day);
    assert_eq!(calendar.is_working_day(date(2026, 11, 22)), Working::Off);
    assert_eq!(calendar.holiday_name(date(2026, 10, 10)), Some("国庆节"));
}

#[test]
fn a_year_boundary_between_two_known_years_needs_no_warning() {
    let found = due(
        at("2025-12-31T16:00:00+08:00"),
        Span::working_days(1),
        &china(),
    )
    .unwrap();
    assert_eq!(found.at, at("2026-01-04T23:59:59.999+08:00"));
    assert_eq!(found.warnings, []);
}

#[test]
fn a_december_day_may_stand_in_the_next_years_list() {
    let calendar = china();
    assert_eq!(calendar.is_working_day(date(2022, 12, 31)), Working::Off);
    let warning = Warning::CalendarYearMissing { year: 2022 };
    let unknown = Working::Unknown {
        by_weekend: DayKind::Working,
        warning,
    };
    assert_eq!(calendar.is_working_day(date(2022, 12, 30)), unknown);
}

#[test]
fn a_missing_year_is_warned_of_and_never_a_silent_weekend() {
    let found = due(
        at("2026-12-25T09:00:00+08:00"),
        Span::working_days(5),
        &china(),
    )
    .unwrap();
    assert_eq!(
        found.warnings,
        [Warning::CalendarYearMissing { year: 2027 }]
    );
    assert_eq!(found.warnings[0].code(), "CALENDAR_YEAR_MISSING");
    let minutes = due(
        at("2031-03-01T09:00:00+08:00"),
        Span::WorkingMinutes { n: 10 },
        &china(),
    )
    .unwrap();
    assert_eq!(
        minutes.warnings,
        [Warning::CalendarYearMissing { year: 2031 }]
    );
    let plain = due(at("2031-03-01T09:00:00+08:00"), Span::hours(3), &china()).unwrap();
    assert_eq!(plain.warnings, [], "plain time rests on no calendar");
}

#[test]
fn the_last_days_of_december_stay_open_until_the_next_list_is_known() {
    let warning = Warning::CalendarYearMissing { year: 2027 };
    let calendar = china();
    assert_eq!(calendar.is_working_day(date(2026, 12, 25)), Working::Day);
    let open = Working::Unknown {
        by_weekend: DayKind::Working,
        warning,
    };
    assert_eq!(calendar.is_working_day(date(2026, 12, 31)), open);
}

#[test]
fn the_day_of_the_start_is_the_local_one() {
    // 16:30 UTC on the 30th is already 1 October in China, a day off.
    assert_eq!(
        due_text("2026-09-30T16:30:00Z", Span::working_days(1)),
        "2026-10-08T23:59:59.999+08:00"
    );
    assert_eq!(
        due_text("2026-09-29T16:30:00Z", Span::working_days(0)),
        "2026-09-30T23:59:59.999+08:00"
    );
}

#[test]
fn working_minutes_pause_at_lunch_at_night_and_over_a_holiday() {
    assert_eq!(
        due_text("2026-09-30T11:50:00+08:00", Span::WorkingMinutes { n: 10 }),
        "2026-09-30T12:00:00+08:00"
    );
    assert_eq!(
        due_text("2026-09-30T11:50:00+08:00", Span::WorkingMinutes { n: 11 }),
        "2026-09-30T13:31:00+08:00"
    );
    assert_eq!(
        due_text("2026-09-30T17:00:00+08:00", Span::WorkingMinutes { n: 60 }),
        "2026-10-08T09:00:00+08:00"
    );
    assert_eq!(
        due_text("2026-10-03T03:00:00+08:00", Span::WorkingMinutes { n: 1 }),
        "2026-10-08T08:31:00+08:00"
    );
    assert_eq!(
        due_text("2026-10-03T03:00:00+08:00", Span::WorkingMinutes { n: 0 }),
        "2026-10-03T03:00:00+08:00"
    );
}

#[test]
fn a_clock_longer_than_ten_years_is_refused() {
    let start = at("2026-01-01T00:00:00Z");
    for span in [
        Span::days(SPAN_DAYS_MAX + 1),
        Span::working_days(u32::MAX),
        Span::WorkingMinutes { n: u32::MAX },
    ] {
        assert_eq!(
            due(start, span, &china()),
            Err(ClockError::SpanTooLong),
            "{span:?}"
        );
    }
    assert_eq!(
        due(Moment::MAX, Span::hours(1), &china()),
        Err(ClockError::OutOfRange)
    );
}

#[test]
fn a_calendar_that_cannot_be_relied_on_is_refused() {
    let day = |date: &str, off: bool| format!(r#"{{"name":"x","date":"{date}","isOffDay":{off}}}"#);
    assert_eq!(one_year(""), Err(CalendarError::YearEmpty { year: 2024 }));
    let no_date = CalendarError::NotADate {
        year: 2024,
        date: "2024-02-30".to_owned(),
    };
    assert_eq!(one_year(&day("2024-02-30", true)), Err(no_date));
    let foreign = CalendarError::ForeignDate {
        year: 2024,
        date: date(2025, 1, 1),
    };
    assert_eq!(one_year(&day("2025-01-01", true)), Err(foreign));
    let both = format!("{},{}", day("2024-05-01", true), day("2024-05-01", false));
    assert_eq!(
        one_year(&both),
        Err(CalendarError::Contradiction {
            year: 2024,
            date: date(2024, 5, 1)
        })
    );
    let shape = one_year(r#"{"name":"x"}"#);
    assert!(
        matches!(shape, Err(CalendarError::NotReadable { line: 1, .. })),
        "{shape:?}"
    );
    let key = Calendar::parse(r#"{"years":{"next":{"days":[]}}}"#, 1, LocalTime::china());
    assert_eq!(
        key,
        Err(CalendarError::NotAYear {
            key: "next".to_owned()
        })
    );
}

#[test]
fn working_hours_out_of_order_or_beyond_the_day_are_refused() {
    let hours = |pairs: &[(u16, u16)]| {
        let each = pairs
            .iter()
            .map(|&(from_minute, until_minute)| WorkingHours {
                from_minute,
                until_minute,
            });
        let local = LocalTime {
            offset_minutes: 480,
            hours: each.collect(),
        };
        Calendar::parse(HOLIDAYS, 1, local).map(drop)
    };
    assert_eq!(hours(&[(0, 720), (720, 1440)]), Ok(()));
    for bad in [
        &[][..],
        &[(600, 600)],
        &[(600, 500)],
        &[(500, 700), (699, 800)],
        &[(0, 1441)],
    ] {
        assert_eq!(hours(bad), Err(CalendarError::WorkingHours), "{bad:?}");
    }
}

#[test]
fn equal_content_has_equal_fingerprints_and_a_changed_day_shows() {
    let day = |date: &str| format!(r#"{{"name":"x","date":"{date}","isOffDay":true}}"#);
    let first = one_year(&day("2024-05-01")).unwrap();
    assert_eq!(
        first.fingerprint(),
        one_year(&day("2024-05-01")).unwrap().fingerprint()
    );
    assert_ne!(
        first.fingerprint(),
        one_year(&day("2024-05-02")).unwrap().fingerprint()
    );
}

#[test]
fn a_lamp_is_red_from_the_first_moment_after_the_due_time() {
    let calendar = china();
    let end = at("2026-10-13T23:59:59.999+08:00");
    let lead = Span::working_days(1);
    let due = with_amber(end, lead);
    let seen = |now: Moment| lamp(&due, now, Contact::Here);
    assert_eq!(seen(end), Lamp::Amber);
    assert_eq!(seen(Moment(end.0 + 1)), Lamp::Red);
    // The working day before Tuesday the 13th is Monday the 12th.
    assert_eq!(
        amber_from(end, lead, &calendar).0,
        at("2026-10-12T23:59:59.999+08:00")
    );
    assert_eq!(seen(at("2026-10-12T23:59:59.998+08:00")), Lamp::Green);
    assert_eq!(
        amber_from(end, Span::working_days(3), &calendar).0,
        at("2026-10-09T23:59:59.999+08:00")
    );
}

#[test]
fn working_minutes_lead_back_over_night_and_lunch() {
    let before = |end: &str, n| amber_from(at(end), Span::WorkingMinutes { n }, &china()).0;
    assert_eq!(
        before("2026-10-08T09:00:00+08:00", 60),
        at("2026-09-30T17:00:00+08:00")
    );
    assert_eq!(
        before("2026-09-30T13:00:00+08:00", 30),
        at("2026-09-30T11:30:00+08:00")
    );
}

#[test]
fn a_silent_node_is_grey_until_its_clock_is_late_and_then_red() {
    let due = with_amber(at("2026-10-13T12:00:00Z"), Span::hours(1));
    let contact = Contact::Heard {
        last: at("2026-10-13T10:00:00Z"),
        limit_minutes: 60,
    };
    let seen = |now: &str, contact| lamp(&due, at(now), contact);
    assert_eq!(seen("2026-10-13T10:30:00Z", contact), Lamp::Green);
    assert_eq!(seen("2026-10-13T11:00:00Z", contact), Lamp::Amber);
    assert_eq!(seen("2026-10-13T11:00:00.001Z", contact), Lamp::Grey);
    assert_eq!(seen("2026-10-13T12:00:00.001Z", contact), Lamp::Red);
    assert_eq!(seen("2026-10-01T00:00:00Z", Contact::Never), Lamp::Grey);
    assert_eq!(
        seen(
            "2026-10-13T10:30:00Z",
            Contact::Heard {
                last: Moment::MAX,
                limit_minutes: 0
            }
        ),
        Lamp::Green
    );
}

#[test]
fn a_lead_that_cannot_be_counted_warns_too_early_rather_than_never() {
    let due = with_amber(at("2030-01-01T00:00:00Z"), Span::working_days(u32::MAX));
    assert_eq!(lamp(&due, Moment(0), Contact::Here), Lamp::Amber);
}

#[test]
fn a_clock_that_reddens_later_than_it_is_due_stays_amber_until_then() {
    let due = pb::Due {
        due_ms: 1_000,
        amber_ms: 500,
        red_ms: 3_000,
        ..pb::Due::default()
    };
    let seen = |now| lamp(&due, Moment(now), Contact::Here);
    assert_eq!(seen(499), Lamp::Green);
    assert_eq!(seen(500), Lamp::Amber);
    assert_eq!(seen(2_999), Lamp::Amber);
    assert_eq!(seen(3_000), Lamp::Red);
    let never_amber = pb::Due {
        due_ms: 1_000,
        ..pb::Due::default()
    };
    assert_eq!(
        lamp(&never_amber, Moment(1_000), Contact::Here),
        Lamp::Green
    );
    assert_eq!(lamp(&never_amber, Moment(1_001), Contact::Here), Lamp::Red);
}

#[test]
fn of_a_node_beyond_another_the_longer_silence_counts() {
    let heard = |last| Contact::Heard {
        last: Moment(last),
        limit_minutes: 5,
    };
    for (near, far, both) in [
        (heard(7), heard(9), heard(7)),
        (heard(9), heard(7), heard(7)),
        (Contact::Here, heard(7), heard(7)),
        (heard(7), Contact::Here, heard(7)),
        (Contact::Never, heard(7), Contact::Never),
        (heard(7), Contact::Never, Contact::Never),
        (Contact::Here, Contact::Never, Contact::Never),
        (Contact::Here, Contact::Here, Contact::Here),
    ] {
        assert_eq!(near.beyond(far), both, "{near:?} then {far:?}");
    }
}

#[test]
fn from_october_on_the_next_years_list_is_missed_and_this_years_always() {
    let calendar = china();
    let missing = |now: &str| calendar.warning_at(at(now)).map(Warning::year);
    assert_eq!(missing("2026-09-30T23:59:59.999+08:00"), None);
    assert_eq!(missing("2026-10-01T00:00:00+08:00"), Some(2027));
    assert_eq!(missing("2026-12-31T23:59:59+08:00"), Some(2027));
    assert_eq!(missing("2027-01-01T00:00:00+08:00"), Some(2027));
    assert_eq!(missing("2027-06-01T00:00:00+08:00"), Some(2027));
    assert_eq!(missing("2025-12-01T00:00:00+08:00"), None);
    assert_eq!(missing("2022-06-01T00:00:00+08:00"), Some(2022));
}

#[test]
fn a_suspension_moves_the_due_by_its_length_once() {
    let span = |from, until| Suspension::new(Moment(from), Moment(until)).unwrap();
    let moved = |all: &[Suspension]| due_after_suspensions(Moment(1_000), all).unwrap();
    assert_eq!(moved(&[span(100, 300)]), Moment(1_200));
    assert_eq!(
        moved(&[span(200, 400), span(100, 300)]),
        Moment(1_300),
        "covered twice counts once"
    );
    assert_eq!(
        moved(&[span(100, 300), span(1_150, 1_160)]),
        Moment(1_210),
        "within the moved time"
    );
    assert_eq!(
        moved(&[span(1_001, 5_000)]),
        Moment(1_000),
        "late stays late"
    );
    assert_eq!(
        Suspension::new(Moment(2), Moment(1)),
        Err(SuspensionError::EndsBeforeItBegins)
    );
}

#[test]
fn rfc_3339_with_any_offset_is_one_moment() {
    assert_eq!(at("1970-01-01T08:00:00+08:00"), Moment(0));
    assert_eq!(
        at("2026-10-13T23:59:59.999+08:00").to_string(),
        "2026-10-13T15:59:59.999Z"
    );
    assert_eq!(at("2011-07-01T01:32:33-04:00"), at("2011-07-01T05:32:33Z"));
    assert_eq!(at("2016-12-31 23:59:60Z"), at("2016-12-31T23:59:59+00"));
    assert_eq!(
        at("1969-12-31T23:59:59.9999Z"),
        Moment(-1),
        "cut off, never later"
    );
    for bad in [
        "",
        "2026-10-13",
        "2026-10-13T10:00:00",
        "2023-02-30T10:00:00Z",
        "2026-10-13T25:00:00Z",
    ] {
        assert_eq!(
            Moment::parse_rfc3339(bad),
            Err(MomentError::NotRfc3339),
            "{bad}"
        );
    }
    assert_eq!(
        Moment::parse_rfc3339("2026-10-13T10:00:00+08:00[Asia/Shanghai]"),
        Err(MomentError::NotRfc3339)
    );
    assert_eq!(Moment::MAX.to_rfc3339(0), Err(MomentError::OutOfRange));
    assert_eq!(Moment(0).to_rfc3339(i32::MAX), Err(MomentError::OutOfRange));
    assert_eq!(Moment::MAX.to_string(), "unix-ms:9223372036854775807");
    assert_eq!(Moment::MAX.checked_add_ms(1), None);
    assert_eq!(Moment::MIN.checked_sub_ms(1), None);
    assert_eq!(Moment::MAX.checked_ms_since(Moment(-1)), None);
}

fn any_start() -> impl Strategy<Value = Moment> {
    // 2022-12-01 to 2027-03-01: the known years and a little on both sides.
    (1_669_852_800_000_i64..1_803_859_200_000).prop_map(Moment)
}

fn spans_of_one_unit() -> impl Strategy<Value = (Span, Span, Span)> {
    // a, b and a + b in one unit
    prop_oneof![
        (0..40_000_u32, 0..40_000_u32).prop_map(|(a, b)| {
            let of = |minutes| Span::CalendarTime { minutes };
            (of(a), of(b), of(a + b))
        }),
        (0..60_u32, 0..60_u32).prop_map(|(a, b)| {
            let of = |n| Span::WorkingDays { n };
            (of(a), of(b), of(a + b))
        }),
        (0..9_000_u32, 0..9_000_u32).prop_map(|(a, b)| {
            let of = |n| Span::WorkingMinutes { n };
            (of(a), of(b), of(a + b))
        }),
    ]
}

proptest! {
    #[test]
    fn due_is_never_before_its_start(start in any_start(), (span, _, _) in spans_of_one_unit()) {
        prop_assert!(due(start, span, &china()).unwrap().at >= start);
    }

    #[test]
    fn a_later_start_is_never_due_earlier(start in any_start(), later_ms in 0..10 * DAY_MS, (span, _, _) in spans_of_one_unit()) {
        let calendar = china();
        let later = Moment(start.0 + later_ms);
        prop_assert!(due(later, span, &calendar).unwrap().at >= due(start, span, &calendar).unwrap().at);
    }

    #[test]
    fn a_sum_of_spans_is_due_when_the_second_is_after_the_first(start in any_start(), (first, second, both) in spans_of_one_unit()) {
        let calendar = china();
        let halfway = due(start, first, &calendar).unwrap().at;
        let whole = due(start, both, &calendar).unwrap().at;
        prop_assert!(whole >= halfway);
        prop_assert_eq!(whole, due(halfway, second, &calendar).unwrap().at);
    }

    #[test]
    fn equal_calendars_give_equal_dues(start in any_start(), (span, _, _) in spans_of_one_unit()) {
        prop_assert_eq!(due(start, span, &china()), due(start, span, &china()));
    }

    #[test]
    fn amber_never_begins_after_the_due_time(end in any_start(), (span, _, _) in spans_of_one_unit()) {
        prop_assert!(amber_from(end, span, &china()).0 <= end);
    }

    #[test]
    fn a_lamp_never_goes_back(end in any_start(), earlier_ms in 0..5 * DAY_MS, later_ms in 0..5 * DAY_MS, (lead, _, _) in spans_of_one_unit()) {
        let due = with_amber(end, lead);
        let seen = |ms: i64| lamp(&due, Moment(end.0 - 3 * DAY_MS + ms), Contact::Here);
        prop_assert!(seen(earlier_ms) <= seen(earlier_ms + later_ms));
    }

    #[test]
    fn a_moment_reads_back_what_it_wrote(moment in any_start(), offset_minutes in -720..=840_i32) {
        let text = moment.to_rfc3339(offset_minutes).unwrap();
        prop_assert_eq!(Moment::parse_rfc3339(&text).unwrap(), moment);
    }

    #[test]
    fn no_text_makes_the_readers_panic(text in ".{0,60}") {
        let _ = Moment::parse_rfc3339(&text);
        let _ = Calendar::parse(&text, 1, LocalTime::china());
    }

    #[test]
    fn suspensions_move_by_at_most_their_lengths_and_in_any_order(
        due_at in 0..1_000_i64,
        pairs in proptest::collection::vec((0..2_000_i64, 0..500_i64), 0..6),
    ) {
        let all: Vec<_> = pairs.iter().map(|(from, length)| Suspension::new(Moment(*from), Moment(from + length)).unwrap()).collect();
        let moved = due_after_suspensions(Moment(due_at), &all).unwrap();
        let total: i64 = pairs.iter().map(|(_, length)| length).sum();
        prop_assert!(moved.0 >= due_at && moved.0 <= due_at + total);
        let reversed: Vec<_> = all.into_iter().rev().collect();
        prop_assert_eq!(due_after_suspensions(Moment(due_at), &reversed).unwrap(), moved);
    }
}
