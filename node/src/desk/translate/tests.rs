//! Facts about moves put into commands.
#![allow(clippy::unwrap_used, reason = "tests")]

use fengqiao_hub::case::Case;
use fengqiao_hub::custody::{Step, Tree, Verdict};
use fengqiao_hub::rank::Rank;

use super::*;
use crate::desk::fixture;

const NOW: Moment = Moment(1_676_505_600_000);

fn at_city(registry: &Registry) -> Surroundings<'_> {
    Surroundings {
        registry,
        place: fixture::CITY,
        case: None,
        now: NOW,
    }
}

fn wire(mv: Move) -> pb::Command {
    pb::Command { r#move: Some(mv) }
}

fn translated(mv: Move) -> casework::Command {
    command(wire(mv), &at_city(&fixture::registry())).unwrap()
}

fn refused(mv: Move) -> (Code, &'static str) {
    let refusal = command(wire(mv), &at_city(&fixture::registry())).unwrap_err();
    (refusal.code, refusal.field)
}

fn register() -> pb::Register {
    pb::Register {
        channel: pb::Channel::Phone.into(),
        class: "urban-roads".to_owned(),
        ..Default::default()
    }
}

fn dispatch_to(lead: &str, place: &str) -> Move {
    Move::Dispatch(pb::Dispatch {
        lead: lead.to_owned(),
        place: place.to_owned(),
        ..Default::default()
    })
}

fn convene(meeting_ms: i64, party: pb::Party) -> Move {
    Move::Convene(pb::Convene {
        meeting_ms,
        parties: vec![party],
    })
}

fn party(place: &str, unit: &str, due_ms: i64) -> pb::Party {
    pb::Party {
        place: place.to_owned(),
        unit: unit.to_owned(),
        due_ms,
    }
}

#[test]
fn a_command_without_a_move_is_refused() {
    let refusal =
        command(pb::Command { r#move: None }, &at_city(&fixture::registry())).unwrap_err();
    assert_eq!((refusal.code, refusal.field), (Code::Empty, "command"));
}

#[test]
fn each_bad_registration_is_refused_with_its_field() {
    let table: [(pb::Register, (Code, &str)); 8] = [
        (
            pb::Register {
                channel: 0,
                ..register()
            },
            (Code::Empty, "channel"),
        ),
        (
            pb::Register {
                channel: 99,
                ..register()
            },
            (Code::OutOfRange, "channel"),
        ),
        (
            pb::Register {
                urgency: -1,
                ..register()
            },
            (Code::OutOfRange, "urgency"),
        ),
        (
            pb::Register {
                class: String::new(),
                ..register()
            },
            (Code::Empty, "class"),
        ),
        (
            pb::Register {
                class: "x".repeat(65),
                ..register()
            },
            (Code::TooLong, "class"),
        ),
        (
            pb::Register {
                class: "Urban Roads\u{7}".to_owned(),
                ..register()
            },
            (Code::ControlCharacter, "class"),
        ),
        (
            pb::Register {
                received_ms: -1,
                ..register()
            },
            (Code::OutOfRange, "received_ms"),
        ),
        (
            pb::Register {
                received_ms: TIME_MS_MAX + 1,
                ..register()
            },
            (Code::OutOfRange, "received_ms"),
        ),
    ];
    for (given, expected) in table {
        assert_eq!(refused(Move::Register(given)), expected);
    }
}

#[test]
fn an_enum_left_out_is_an_empty_field() {
    let table = [
        (Move::Decline(pb::Decline { ground: 0 }), "ground"),
        (Move::Escalate(pb::Escalate { reason: 0 }), "reason"),
        (Move::Close(pb::Close { outcome: 0 }), "outcome"),
    ];
    for (mv, field) in table {
        assert_eq!(refused(mv), (Code::Empty, field));
    }
    // A taking without a reason answers an offer.
    assert_eq!(
        translated(Move::Take(pb::Take { reason: 0 })),
        casework::Command::Take {
            reason: pb::TakingReason::Unspecified
        }
    );
    assert_eq!(
        refused(Move::Take(pb::Take { reason: 9 })),
        (Code::OutOfRange, "reason")
    );
}

#[test]
fn a_time_left_open_is_now_where_now_is_meant_and_refused_where_it_is_not() {
    let casework::Command::Register { received, .. } = translated(Move::Register(register()))
    else {
        unreachable!()
    };
    assert_eq!(received, NOW);
    assert_eq!(
        translated(Move::WorkOnSite(pb::WorkOnSite { worked_ms: 0 })),
        casework::Command::WorkOnSite { worked: NOW }
    );
    let county = party("371402", "", 5);
    assert_eq!(refused(convene(0, county)), (Code::Empty, "meeting_ms"));
    assert_eq!(
        refused(convene(5, party("371402", "", 0))),
        (Code::Empty, "parties.due_ms")
    );
}

#[test]
fn a_place_is_found_by_id_code_and_name_below_this_one_only() {
    let by_id = fixture::COUNTY.to_string();
    for text in [by_id.as_str(), "371402", "德城区"] {
        assert_eq!(
            translated(dispatch_to("", text)),
            casework::Command::Dispatch {
                lead: None,
                place: Some(fixture::COUNTY),
                co_handlers: vec![],
                due: None,
            }
        );
    }
    assert_eq!(
        refused(dispatch_to("", "和平社区")),
        (Code::NameAmbiguous, "place")
    );
    for text in ["371499", "没有", "zzzzzzzzzzzzzzzz"] {
        assert_eq!(
            refused(dispatch_to("", text)),
            (Code::PlaceUnknown, "place"),
            "{text}"
        );
    }
    // From the county the city is not below, though its id is known.
    let registry = fixture::registry();
    let at_county = Surroundings {
        place: fixture::COUNTY,
        ..at_city(&registry)
    };
    let up = command(
        wire(dispatch_to("", &fixture::CITY.to_string())),
        &at_county,
    );
    assert_eq!(up.unwrap_err().code, Code::PlaceUnknown);
}

#[test]
fn a_unit_is_found_by_id_and_name_in_this_centre_only() {
    let by_id = fixture::UNIT.to_string();
    for text in [by_id.as_str(), "市城管局"] {
        assert_eq!(
            translated(Move::Designate(pb::Designate {
                unit: text.to_owned(),
                due_ms: 7
            })),
            casework::Command::Designate {
                unit: fixture::UNIT,
                due: Some(Moment(7))
            }
        );
    }
    let table = [
        (dispatch_to("区城管局", ""), "lead"),
        (
            Move::Object(pb::Object {
                proposed_unit: "没有".to_owned(),
            }),
            "proposed_unit",
        ),
        (
            Move::Dispatch(pb::Dispatch {
                lead: "市城管局".to_owned(),
                co_handlers: vec!["没有".to_owned()],
                ..Default::default()
            }),
            "co_handlers",
        ),
    ];
    for (mv, field) in table {
        assert_eq!(refused(mv), (Code::UnitUnknown, field));
    }
    let unnamed = Move::Designate(pb::Designate::default());
    assert_eq!(refused(unnamed), (Code::Empty, "unit"));
}

#[test]
fn a_return_may_propose_a_place_beside_or_above() {
    let registry = fixture::registry();
    let at_county = Surroundings {
        place: fixture::COUNTY,
        ..at_city(&registry)
    };
    let back = |text: &str| {
        let mv = Move::Return(pb::Return {
            proposed_place: text.to_owned(),
        });
        command(wire(mv), &at_county)
    };
    assert_eq!(
        back("德州市").unwrap(),
        casework::Command::Return {
            proposed_place: Some(fixture::CITY)
        }
    );
    let refusal = back("没有").unwrap_err();
    assert_eq!(
        (refusal.code, refusal.field),
        (Code::PlaceUnknown, "proposed_place")
    );
}

#[test]
fn a_party_is_a_place_or_a_unit_of_this_centre() {
    let one = |mv| {
        let casework::Command::Convene { parties, .. } = translated(mv) else {
            unreachable!()
        };
        parties[0].clone()
    };
    let unit = one(convene(5, party("", "市城管局", 9)));
    assert_eq!(
        (unit.place, unit.unit),
        (fixture::CITY, Some(fixture::UNIT))
    );
    let place = one(convene(5, party("371402", "", 9)));
    assert_eq!((place.place, place.unit), (fixture::COUNTY, None));
    assert_eq!(
        refused(convene(5, party("", "", 9))),
        (Code::Empty, "parties.place")
    );
    assert_eq!(
        refused(convene(5, party("", "没有", 9))),
        (Code::UnitUnknown, "parties.unit")
    );
}

#[test]
fn an_annex_entry_is_found_by_its_first_digits() {
    let registry = fixture::registry();
    let (case, tree, annexed) = case_with_annex(&registry);
    let around = Surroundings {
        case: Some(Known {
            case: &case,
            tree: &tree,
        }),
        ..at_city(&registry)
    };
    let adopt = |digits: &str| {
        let entry = digits.to_owned();
        command(wire(Move::AdoptAnnex(pb::AdoptAnnex { entry })), &around)
            .map_err(|refusal| (refusal.code, refusal.field))
    };
    let found = casework::Command::AdoptAnnex { entry: annexed };
    let digits = annexed.to_string();
    assert_eq!(adopt(&digits), Ok(found.clone()));
    assert_eq!(adopt(&digits[..8]), Ok(found.clone()));
    assert_eq!(adopt(&digits[..8].to_uppercase()), Ok(found));
    assert_eq!(adopt(""), Err((Code::Empty, "entry")));
    assert_eq!(adopt(&digits[..7]), Err((Code::Malformed, "entry")));
    assert_eq!(adopt("12345678x"), Err((Code::Malformed, "entry")));
    assert_eq!(adopt(&"a".repeat(65)), Err((Code::Malformed, "entry")));
    assert_eq!(adopt("00000000"), Err((Code::AnnexUnknown, "entry")));
}

/// A village case in which the county took what the village then still worked on.
fn case_with_annex(registry: &Registry) -> (Case, Tree, Hash) {
    let first = fixture::registered();
    let taken = fixture::case_entry(
        2,
        Some(first.hash),
        fixture::COUNTY,
        Rank::default().raised(40, 1).unwrap(),
        fengqiao_hub::entry::Move::Taken(None),
        pb::body::Content::Taken(pb::Taken::default()),
    );
    let late = fixture::case_entry(
        2,
        Some(first.hash),
        fixture::VILLAGE,
        Rank::default(),
        fengqiao_hub::entry::Move::None,
        pb::body::Content::Accepted(pb::Accepted {}),
    );
    let mut tree = Tree::default();
    for (entry, place) in [
        (&first, fixture::VILLAGE),
        (&taken, fixture::COUNTY),
        (&late, fixture::VILLAGE),
    ] {
        let verdict = tree.insert(Step::of(entry, place), registry, false);
        assert!(
            !matches!(verdict, Verdict::Refused(_) | Verdict::Waits(_)),
            "{verdict:?}"
        );
    }
    let case = Case::fold([(&first, fixture::VILLAGE), (&taken, fixture::COUNTY)]).unwrap();
    assert_eq!(tree.annex(), vec![late.hash]);
    (case, tree, late.hash)
}

#[test]
fn the_requester_leaves_the_command_before_it_is_translated() {
    let person = pb::Requester {
        name: "张三".to_owned(),
        ..Default::default()
    };
    let mut command = wire(Move::Register(pb::Register {
        requester: Some(person.clone()),
        ..register()
    }));
    assert_eq!(take_requester(&mut command), Some(person));
    assert_eq!(take_requester(&mut command), None);
    assert_eq!(take_requester(&mut wire(Move::Accept(pb::Accept {}))), None);
}

#[test]
fn a_case_id_reads_in_both_of_its_forms() {
    let id = ChainId([0xab; 16]);
    assert_eq!(case_id(&"ab".repeat(16)), Some(id));
    assert_eq!(case_id(&"AB".repeat(16)), Some(id));
    assert_eq!(case_id(&id.to_string()), Some(id));
    for text in ["", "37140200012023000001", &"ag".repeat(16), "和"] {
        assert_eq!(case_id(text), None, "{text}");
    }
}
