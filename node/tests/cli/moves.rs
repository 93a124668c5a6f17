//! What each command sends.

use clap::CommandFactory as _;
use fengqiao_proto::v1 as pb;

use crate::canned::{Answers, Line, Node, parse, run};

const EIGHT_PM: &str = "2023-03-01T20:00:00+08:00";
const EIGHT_PM_MS: i64 = 1_677_672_000_000;

/// Arguments, and the action they ask for.
type Row = (&'static str, pb::Action);

fn of(action: impl Into<pb::Action>) -> pb::Action {
    action.into()
}

/// Every action on a case.
fn table() -> Vec<Row> {
    let r = || "r".to_owned();
    vec![
        ("accept N", of(pb::Accept {})),
        (
            "decline N --ground same-matter --reason r",
            of(pb::Decline {
                ground: 3,
                reason: r(),
            }),
        ),
        (
            "answer-at-once N --answer r",
            of(pb::AnswerAtOnce {
                answer: r(),
                ..Default::default()
            }),
        ),
        (
            "dispatch N --lead 市城管局 --co-handler 市公安局 --co-handler x",
            of(pb::Dispatch {
                lead: "市城管局".into(),
                co_handlers: vec!["市公安局".into(), "x".into()],
                ..Default::default()
            }),
        ),
        (
            "dispatch N --place 德城区 --due 2023-03-01T20:00:00+08:00",
            of(pb::Dispatch {
                place: "德城区".into(),
                due_ms: EIGHT_PM_MS,
                ..Default::default()
            }),
        ),
        ("sign-for N", of(pb::SignFor::default())),
        (
            "object N --reason r --proposed-unit u",
            of(pb::Object {
                proposed_unit: "u".into(),
                reason: r(),
            }),
        ),
        (
            "decide-objection N --upheld yes",
            of(pb::DecideObjection {
                upheld: true,
                ..Default::default()
            }),
        ),
        (
            "decide-objection N --upheld no",
            of(pb::DecideObjection::default()),
        ),
        (
            "designate N --unit u --due 2023-03-01T20:00:00+08:00",
            of(pb::Designate {
                unit: "u".into(),
                due_ms: EIGHT_PM_MS,
                ..Default::default()
            }),
        ),
        (
            "return N --reason r --proposed-place p",
            of(pb::Return {
                proposed_place: "p".into(),
                reason: r(),
                ..Default::default()
            }),
        ),
        (
            "contact N --reached yes",
            of(pb::Contact {
                reached: true,
                ..Default::default()
            }),
        ),
        (
            "take-action N --evidence r",
            of(pb::TakeAction {
                evidence: r(),
                ..Default::default()
            }),
        ),
        (
            "report-interim N --text r",
            of(pb::ReportInterim { text: r() }),
        ),
        (
            "draft-reply N --reply r --reasonable yes",
            of(pb::DraftReply {
                reasonable: true,
                reply: r(),
                ..Default::default()
            }),
        ),
        ("approve-reply N", of(pb::ApproveReply {})),
        (
            "send-back-reply N --reason r",
            of(pb::SendBackReply { reason: r() }),
        ),
        ("send-reply N", of(pb::SendReply::default())),
        (
            "escalate N --because key-dispute --reason r",
            of(pb::Escalate {
                because: 2,
                reason: r(),
                ..Default::default()
            }),
        ),
        (
            "keep-below N --opinion r",
            of(pb::KeepBelow {
                opinion: r(),
                ..Default::default()
            }),
        ),
        (
            "take N --reason r",
            of(pb::Take {
                reason: r(),
                ..Default::default()
            }),
        ),
        (
            "take N --because dark --reason r",
            of(pb::Take {
                because: 3,
                reason: r(),
                ..Default::default()
            }),
        ),
        (
            "decide N --text r",
            of(pb::Decide {
                text: r(),
                ..Default::default()
            }),
        ),
        (
            "convene N --meeting 2023-03-01T20:00:00+08:00 --party place=新华街道,due=2023-03-01T20:00:00+08:00 --party unit=u,due=2023-03-01T20:00:00+08:00",
            of(pb::Convene {
                meeting_ms: EIGHT_PM_MS,
                parties: vec![
                    pb::Party {
                        place: "新华街道".into(),
                        due_ms: EIGHT_PM_MS,
                        ..Default::default()
                    },
                    pb::Party {
                        unit: "u".into(),
                        due_ms: EIGHT_PM_MS,
                        ..Default::default()
                    },
                ],
            }),
        ),
        (
            "acknowledge-task N --task 2",
            of(pb::AcknowledgeTask {
                task: 2,
                ..Default::default()
            }),
        ),
        (
            "report-task N --task 2 --done yes --evidence r",
            of(pb::ReportTask {
                task: 2,
                done: true,
                evidence: r(),
                ..Default::default()
            }),
        ),
        (
            "work-on-site N --worked 2023-03-01T20:00:00+08:00 --evidence r --where r",
            of(pb::WorkOnSite {
                worked_ms: EIGHT_PM_MS,
                evidence: r(),
                r#where: r(),
                ..Default::default()
            }),
        ),
        (
            "return-visit N --reached yes --reasonable no --satisfaction dissatisfied",
            of(pb::ReturnVisit {
                reached: true,
                satisfaction: 3,
                ..Default::default()
            }),
        ),
        (
            "rate N --score 4 --source in-person",
            of(pb::Rate {
                score: 4,
                source: 2,
            }),
        ),
        (
            "order-redo N --reason r",
            of(pb::OrderRedo {
                reason: r(),
                ..Default::default()
            }),
        ),
        (
            "refuse-redo N --reason r",
            of(pb::RefuseRedo { reason: r() }),
        ),
        (
            "close N --outcome partly-solved --reason r",
            of(pb::Close {
                outcome: 2,
                reason: r(),
            }),
        ),
        (
            "adopt-annex N --entry 0123abcd",
            of(pb::AdoptAnnex {
                entry: "0123abcd".into(),
            }),
        ),
        (
            "decline-annex N --entry 0123abcd --reason r",
            of(pb::DeclineAnnex {
                entry: "0123abcd".into(),
                reason: r(),
            }),
        ),
        ("supplement N --text r", of(pb::Supplement { text: r() })),
        (
            "reclassify N --class urban-roads --reason r",
            of(pb::Reclassify {
                class: "urban-roads".into(),
                reason: r(),
                ..Default::default()
            }),
        ),
        (
            "urge N --reason r",
            of(pb::Urge {
                reason: r(),
                ..Default::default()
            }),
        ),
    ]
}

#[tokio::test]
async fn every_action_arrives_as_itself() {
    let node = Node::start(Answers::default());
    for (line, action) in table() {
        let mut arguments = vec!["case"];
        arguments.extend(line.split_whitespace());
        let ended = node.run(&arguments).await;
        assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{line}");
        let act = node.seen().acts.pop().unwrap();
        assert_eq!(act.case, "N", "{line}");
        assert_eq!(act.action, Some(action), "{line}");
        assert!(act.texts.is_empty(), "{line}");
    }
}

#[tokio::test]
async fn further_texts_go_beside_an_action_with_their_roles() {
    let node = Node::start(Answers::default());
    let ended = node
        .run(&["case", "accept", "N", "--further-text", "minutes=m"])
        .await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    let act = node.seen().acts.pop().unwrap();
    let sent = pb::PrivateText {
        role: "minutes".into(),
        text: "m".into(),
    };
    assert_eq!(act.texts, [sent]);
}

#[test]
fn every_move_has_a_subcommand_of_its_name_with_help() {
    let whole = Line::command();
    let case = whole.find_subcommand("case").unwrap();
    let mut names: Vec<&str> = table()
        .iter()
        .map(|(line, _)| line.split(' ').next().unwrap())
        .collect();
    names.extend(["register", "show", "looks", "list", "import"]);
    names.sort_unstable();
    names.dedup();
    let mut known: Vec<&str> = case
        .get_subcommands()
        .map(clap::Command::get_name)
        .collect();
    known.sort_unstable();
    assert_eq!(known, names);
    for subcommand in case.get_subcommands() {
        assert!(
            subcommand.get_about().is_some(),
            "{}",
            subcommand.get_name()
        );
        for argument in subcommand.get_arguments() {
            assert!(argument.get_help().is_some(), "{argument:?}");
        }
    }
}

#[test]
fn the_definitions_are_sound() {
    Line::command().debug_assert();
}

#[test]
fn the_help_of_case_tells_the_life_of_a_case() {
    let help = parse(&["case", "--help"]).unwrap_err().to_string();
    for word in [
        "register",
        "escalate",
        "adopt-annex",
        "一方召集",
        "派单",
        "Exit codes",
    ] {
        assert!(help.contains(word), "{word}");
    }
}

#[tokio::test]
async fn a_registration_carries_the_person_and_shows_number_and_secret_once() {
    let node = Node::start(Answers {
        act: pb::ActResponse {
            case: "ab".repeat(16),
            number: "371402-2023-1".into(),
            entry: "cd".repeat(32),
            secret_code: "s3cret".into(),
            ..Default::default()
        },
        ..Default::default()
    });
    let arguments = [
        "case",
        "register",
        "--channel",
        "grid-worker",
        "--class",
        "urban-roads",
        "--urgency",
        "urgent",
        "--external-number",
        "12345-9",
        "--received",
        EIGHT_PM,
        "--name",
        "张三",
        "--phone",
        "138",
        "--address",
        "信河路1号",
        "--where",
        "信河路",
        "--text",
        "废弃铁轨",
        "--request-id",
        "mine",
    ];
    let ended = node.run(&arguments).await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("371402-2023-1") && ended.out.contains("s3cret"));
    let act = node.seen().acts.pop().unwrap();
    assert_eq!((act.request_id.as_str(), act.case.as_str()), ("mine", ""));
    let expected = pb::Register {
        channel: pb::Channel::GridWorker.into(),
        class: "urban-roads".into(),
        urgency: pb::Urgency::Urgent.into(),
        external_number: "12345-9".into(),
        received_ms: EIGHT_PM_MS,
        requester: Some(pb::Requester {
            name: "张三".into(),
            phone: "138".into(),
            address: "信河路1号".into(),
        }),
        text: "废弃铁轨".into(),
        r#where: "信河路".into(),
        ..Default::default()
    };
    assert_eq!(act.action, Some(expected.into()));

    let json = node.json(&arguments).await;
    let expected = serde_json::json!({
        "case": "ab".repeat(16),
        "number": "371402-2023-1",
        "entry": "cd".repeat(32),
        "submission": null,
        "secret_code": "s3cret",
        "after": null,
        "secret_withheld": false,
        "request_id": "mine",
    });
    assert_eq!(json, expected);
}

#[tokio::test]
async fn an_anonymous_registration_carries_no_person() {
    let node = Node::start(Answers::default());
    let ended = node
        .run(&["case", "register", "--channel", "web", "--class", "c"])
        .await;
    assert_eq!(ended.code, 0);
    let act = node.seen().acts.pop().unwrap();
    let expected = pb::Register {
        channel: pb::Channel::Web.into(),
        class: "c".into(),
        ..Default::default()
    };
    assert_eq!(act.action, Some(expected.into()));
}

#[tokio::test]
async fn request_ids_differ_unless_given() {
    let node = Node::start(Answers::default());
    for _ in 0..2 {
        node.run(&["case", "accept", "N"]).await;
    }
    let seen = node.seen();
    assert_ne!(seen.acts[0].request_id, seen.acts[1].request_id);
    assert_eq!(seen.acts[0].request_id.len(), 26);
}

#[tokio::test]
async fn a_dash_reads_the_text_from_the_standard_input() {
    let node = Node::start(Answers::default());
    let data = node.data();
    let data = data.to_str().unwrap();
    let line = [
        "--data",
        data,
        "case",
        "take-action",
        "N",
        "--evidence",
        "-",
    ];
    let ended = run(&line, "照片\n第二行\n".as_bytes()).await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    let sent = pb::TakeAction {
        evidence: "照片\n第二行".into(),
        ..Default::default()
    };
    assert_eq!(node.seen().acts[0].action, Some(sent.into()));
    let twice = [&line[..], &["--further-text", "place=-"]].concat();
    let ended = run(&twice, b"x").await;
    assert_eq!(ended.code, 64, "{}", ended.err);
    let ended = run(&line, b"\xff\xfe").await;
    assert_eq!(ended.code, 64);
    assert!(ended.err.contains("UTF-8"), "{}", ended.err);
    assert_eq!(node.seen().acts.len(), 1, "nothing was sent");
}

#[tokio::test]
async fn the_acting_account_travels_beside_every_request() {
    let node = Node::start(Answers::default());
    node.run(&["--as", "wang.li", "case", "accept", "N"]).await;
    node.run(&["status", "--as", "admin-1"]).await;
    let logins = node.seen().logins.clone();
    assert_eq!(logins, [Some("wang.li".into()), Some("admin-1".into())]);
    let ended = node.run(&["--as", "Wang Li", "case", "accept", "N"]).await;
    assert_eq!(ended.code, 64);
    assert!(ended.err.contains("(field: as)"), "{}", ended.err);
    assert_eq!(node.seen().acts.len(), 1, "nothing was sent");
}

#[tokio::test]
async fn an_account_that_is_set_or_closed_is_not_the_one_that_acts() {
    let node = Node::start(Answers::default());
    let set = ["account", "set", "wang.li", "--role", "clerk"];
    node.run(&set).await;
    node.run(&[&set[..], &["--as", "admin-1"]].concat()).await;
    node.run(&["account", "close", "wang.li"]).await;
    let seen = node.seen();
    assert_eq!(seen.logins, [None, Some("admin-1".into()), None]);
    assert!(
        seen.accounts
            .iter()
            .all(|account| account.login == "wang.li")
    );
}

#[test]
fn nothing_about_a_person_is_in_a_parsed_command_as_it_prints() {
    let lines: [&[&str]; 3] = [
        &[
            "case",
            "register",
            "--channel",
            "web",
            "--class",
            "c",
            "--name",
            "张三",
            "--phone",
            "张三",
            "--address",
            "张三",
            "--where",
            "张三",
            "--text",
            "张三",
        ],
        &[
            "case",
            "escalate",
            "N",
            "--because",
            "hard",
            "--reason",
            "张三",
        ],
        &["directive", "issue", "--text", "张三"],
    ];
    for line in lines {
        let shown = format!("{:?}", parse(line).unwrap());
        assert!(!shown.contains("张三"), "{shown}");
        assert!(shown.contains("[private]"));
    }
}
