//! What people and programs are shown.

use fengqiao_proto::v1 as pb;
use serde_json::json;

use crate::canned::{Answers, Node};

const EIGHT_PM: &str = "2023-03-01T12:00:00+00:00";
const EIGHT_PM_MS: i64 = 1_677_672_000_000;

fn entry(sequence: u64, mv: &str, place: &str) -> pb::EntryView {
    pb::EntryView {
        sequence,
        hash: format!("{sequence:08x}ffff"),
        r#move: mv.into(),
        place_name: place.into(),
        wall_time_ms: EIGHT_PM_MS,
        standing: pb::Standing::AtParent.into(),
        texts: vec![pb::PrivateText {
            role: "text".into(),
            text: "废弃铁轨".into(),
        }],
        author: "n".into(),
        rank: "-".into(),
        ..Default::default()
    }
}

fn case() -> pb::CaseView {
    pb::CaseView {
        case: "ab".repeat(16),
        number: "371402-2023-1".into(),
        stage: "handling".into(),
        custodian: "p1".into(),
        custodian_name: "德城区".into(),
        class: "urban-roads".into(),
        lamp: "amber".into(),
        due_ms: EIGHT_PM_MS,
        entries: vec![entry(1, "register", "新华街道")],
        standing: pb::Standing::StoredHere.into(),
        tasks: vec![pb::TaskView {
            party_id: "u1".into(),
            task: 1,
            party_name: "市城管局".into(),
            state: "open".into(),
            due_ms: 0,
        }],
        clocks: vec![pb::ClockView {
            responsible_id: "p1".into(),
            clock: "handling".into(),
            due_ms: EIGHT_PM_MS,
            lamp: "amber".into(),
            responsible_name: "德城区".into(),
            calendar_year_missing: 0,
        }],
        ..Default::default()
    }
}

/// The same escalated, and with an annex of two entries of this node's own.
fn overtaken() -> pb::CaseView {
    let annexed = |sequence, mv: &str, state: &str| pb::EntryView {
        annex_state: state.into(),
        own: true,
        ..entry(sequence, mv, "新华街道")
    };
    pb::CaseView {
        annex: vec![
            pb::EntryView {
                lapsed: true,
                annex_due_ms: EIGHT_PM_MS,
                ..annexed(2, "escalate", "open")
            },
            pb::EntryView {
                effect: true,
                unsettled: true,
                actor: "wang".into(),
                annex_decision: "abcdef0123".into(),
                ..annexed(3, "close", "declined")
            },
        ],
        offer: Some(pb::OfferView {
            to_id: "p2".into(),
            kind: "send-reply".into(),
            to_name: "德州市".into(),
            entry: "00ff".into(),
        }),
        clocks: vec![pb::ClockView {
            responsible_id: "p1".into(),
            clock: "answer".into(),
            due_ms: EIGHT_PM_MS,
            lamp: "red".into(),
            responsible_name: "德州市".into(),
            calendar_year_missing: 0,
        }],
        annex_open: 1,
        own_overtaken: 2,
        ..case()
    }
}

#[tokio::test]
async fn an_offer_with_its_clock_and_what_was_overtaken_are_shown() {
    let node = Node::start(Answers {
        case: overtaken(),
        cases: pb::ListCasesResponse {
            cases: vec![overtaken()],
            ..Default::default()
        },
        ..Default::default()
    });
    let shown = node.run(&["case", "show", "N"]).await.out;
    for part in [
        "send-reply -> 德州市 待答复",
        "2023-03-01T20:00:00+08:00 answer 答复提级 (德州市, red)",
        "2 of this node's records stand no longer",
        "1 records wait to be adopted or declined",
        "open 待定 2023-03-01T20:00:00+08:00, offer lapsed 上报失效",
        "done before the parent had it, by wang 上级未确认时作出, declined 不采纳 abcdef01, had effect outside 已对外生效",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    let listed = node.run(&["case", "list"]).await.out;
    let remark = "offered 已上报 德州市, overtaken 被接管 2, annex 附卷 1";
    assert!(listed.contains(remark), "{listed}");
    let json = node.json(&["case", "show", "N"]).await;
    assert_eq!(json["offer"]["to_name"], "德州市");
    assert_eq!(json["clocks"][0]["clock"], "answer");
    assert_eq!(json["annex"][0]["lapsed"], true);
    assert_eq!(json["annex"][1]["annex_decision"], "abcdef0123");
    assert_eq!(
        (&json["annex_open"], &json["own_overtaken"]),
        (&json!(1), &json!(2))
    );
}

#[tokio::test]
async fn a_case_is_shown_to_people_in_both_languages() {
    let node = Node::start(Answers {
        case: case(),
        ..Default::default()
    });
    let ended = node
        .run(&["case", "show", "371402-2023-1", "--texts"])
        .await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    for shown in [
        "handling 办理中",
        "amber 黄灯",
        "2023-03-01T20:00:00+08:00",
        "stored-here 本级已存",
        "市城管局",
        "[1 text] 废弃铁轨",
    ] {
        assert!(ended.out.contains(shown), "{shown}\n{}", ended.out);
    }
    assert!(
        !ended.out.contains("outcome"),
        "what is not known is left out"
    );
    assert!(node.seen().shows[0].show_texts);
}

#[tokio::test]
async fn a_case_is_json_with_the_same_names_for_ever() {
    let node = Node::start(Answers {
        case: case(),
        ..Default::default()
    });
    let entry = json!({
            "sequence": 1,
            "hash": "00000001ffff",
            "move": "register",
            "place_id": null,
            "place_name": "新华街道",
            "actor": null,
            "wall_time": EIGHT_PM,
            "standing": "at-parent",
            "texts": [{ "role": "text", "text": "废弃铁轨" }],
            "annex_state": null,
            "annex_decision": null,
            "annex_due": null,
            "lapsed": false,
            "own": false,
            "effect": false,
            "unsettled": false,
            "author": "n",
            "rank": "-",
            "action_zh": null,
            "fields": [],
    });
    let clock = json!({
            "clock": "handling",
            "due": EIGHT_PM,
            "lamp": "amber",
            "responsible_id": "p1",
            "responsible_name": "德城区",
            "calendar_year_missing": null,
    });
    let expected = json!({
        "case": "ab".repeat(16),
        "number": "371402-2023-1",
        "stage": "handling",
        "stage_zh": null,
        "custodian": "p1",
        "custodian_name": "德城区",
        "class": "urban-roads",
        "class_zh": null,
        "class_en": null,
        "lamp": "amber",
        "due": EIGHT_PM,
        "outcome": null,
        "entries": [entry],
        "annex": [],
        "notice_only": false,
        "rank": null,
        "lead_id": null,
        "lead_name": null,
        "origin_id": null,
        "origin_name": null,
        "first_receiver_id": null,
        "first_receiver_name": null,
        "pending_submissions": [],
        "standing": "stored-here",
        "awaited_below": 0,
        "frozen": false,
        "head": null,
        "tasks": [{ "task": 1, "party_id": "u1", "party_name": "市城管局", "state": "open", "due": null }],
        "clocks": [clock],
        "calendar_year_missing": null,
        "offer": null,
        "annex_open": 0,
        "own_overtaken": 0,
        "channel": null,
        "urgency": null,
        "external_number": null,
        "received": null,
        "place_id": null,
        "place_name": null,
        "bounces": 0,
        "obligations": [],
        "next": [],
    });
    assert_eq!(node.json(&["case", "show", "N"]).await, expected);
}

#[tokio::test]
async fn a_list_stands_in_straight_columns_and_names_the_next_page() {
    let short = pb::CaseView {
        custodian_name: "x".into(),
        ..case()
    };
    let node = Node::start(Answers {
        cases: pb::ListCasesResponse {
            cases: vec![case(), short],
            next_page_token: "next".into(),
        },
        ..Default::default()
    });
    let line = [
        "case",
        "list",
        "--notices",
        "--closed",
        "--page-size",
        "2",
        "--page-token",
        "t",
    ];
    let ended = node.run(&line).await;
    let columns: Vec<usize> = ended
        .out
        .lines()
        .take(3)
        .map(|line| {
            let class = line.find("urban-roads").or_else(|| line.find("CLASS"));
            unicode_width::UnicodeWidthStr::width(&line[..class.unwrap()])
        })
        .collect();
    assert!(
        columns.windows(2).all(|pair| pair[0] == pair[1]),
        "{}",
        ended.out
    );
    assert!(ended.out.contains("--page-token next"));
    let asked = node.seen().lists[0].clone();
    assert_eq!((asked.page_size, asked.page_token.as_str()), (2, "t"));
    assert!(asked.with_notices && asked.with_closed);
    let json = node.json(&line).await;
    assert_eq!(json["next_page_token"], "next");
    assert_eq!(json["cases"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_status_is_shown_with_its_links() {
    let node = Node::start(Answers {
        status: pb::GetStatusResponse {
            node: "n".into(),
            place: "p".into(),
            name: "德城区".into(),
            level: 40,
            entries: 7,
            links: vec![pb::LinkStatus {
                link: "l".into(),
                name: "德州市".into(),
                direction: "up".into(),
                owed: 3,
                digest: "equal".into(),
                awaited: true,
                ..Default::default()
            }],
            alarms: vec!["clock".into()],
            ..Default::default()
        },
        ..Default::default()
    });
    let ended = node.run(&["status"]).await;
    let waits = "waits for 等待 德州市 (l)";
    for shown in ["德城区 p", "德州市", "cut 断开", "equal", "clock", waits] {
        assert!(ended.out.contains(shown), "{shown}\n{}", ended.out);
    }
    let json = node.json(&["status"]).await;
    assert_eq!(json["entries"], 7);
    assert_eq!(json["links"][0]["owed"], 3);
    assert_eq!(json["links"][0]["awaited"], true);
    assert_eq!(json["links"][0]["heard"], json!(null));
}

#[tokio::test]
async fn a_digest_is_shown_whole_to_programs() {
    let node = Node::start(Answers {
        digest: pb::GetDigestResponse {
            links: vec![pb::LinkDigest {
                link: "l".into(),
                hash: "aa".into(),
                chains: 2,
            }],
            cases: "cc".into(),
            heads: vec![pb::CaseDigest {
                case: "c".into(),
                head: "h".into(),
                number: "1".into(),
                stage: "closed".into(),
                outcome: 2,
                external_number: "101".into(),
                notice_only: true,
            }],
            records: 9,
        },
        ..Default::default()
    });
    let expected = json!({
        "cases": "cc",
        "records": 9,
        "links": [{ "link": "l", "hash": "aa", "chains": 2 }],
        "heads": [{
            "case": "c", "head": "h", "number": "1", "stage": "closed",
            "outcome": "partly-solved", "external_number": "101", "notice_only": true,
        }],
    });
    assert_eq!(node.json(&["digest"]).await, expected);
    assert!(
        node.run(&["digest", "--heads"])
            .await
            .out
            .contains("notice 摘要")
    );
    assert!(!node.run(&["digest"]).await.out.contains("notice 摘要"));
}

#[tokio::test]
async fn who_has_not_acknowledged_a_directive_is_named() {
    let node = Node::start(Answers {
        directives: vec![pb::DirectiveView {
            directive: "d1".into(),
            issuer: "德州市".into(),
            addressed: 13,
            acknowledged: 12,
            missing: vec!["陵城区".into()],
            ..Default::default()
        }],
        ..Default::default()
    });
    let ended = node.run(&["directive", "list"]).await;
    assert!(ended.out.contains("12/13") && ended.out.contains("陵城区"));
    let json = node.json(&["directive", "list"]).await;
    assert_eq!(json["directives"][0]["missing"], json!(["陵城区"]));
    assert_eq!(json["directives"][0]["due"], json!(null));
}

#[tokio::test]
async fn a_submission_is_told_apart_from_an_entry() {
    let node = Node::start(Answers {
        act: pb::ActResponse {
            number: "1".into(),
            submission: "5ub".into(),
            ..Default::default()
        },
        ..Default::default()
    });
    let ended = node.run(&["case", "sign-for", "1"]).await;
    assert!(ended.out.contains("5ub") && ended.out.contains("采纳后生效"));
    let json = node.json(&["case", "sign-for", "1"]).await;
    assert_eq!(
        (&json["submission"], &json["entry"]),
        (&"5ub".into(), &json!(null))
    );
}

#[tokio::test]
async fn places_and_units_are_listed() {
    let node = Node::start(Answers {
        places: pb::ListPlacesResponse {
            places: vec![pb::PlaceView {
                place: "p".into(),
                code: "371402".into(),
                name: "德城区".into(),
                level: 40,
                ..Default::default()
            }],
            units: vec![pb::UnitView {
                unit: "u".into(),
                name: "市妇联".into(),
                kind: pb::UnitKind::MassOrganisation.into(),
                ..Default::default()
            }],
        },
        ..Default::default()
    });
    let ended = node.run(&["place", "list"]).await;
    assert!(ended.out.contains("371402") && ended.out.contains("mass-organisation"));
    let json = node.json(&["place", "list"]).await;
    assert_eq!(json["places"][0]["node"], json!(null));
    assert_eq!(json["units"][0]["kind"], "mass-organisation");
}
