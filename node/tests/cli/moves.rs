//! What each command sends.

use clap::CommandFactory as _;
use fengqiao_proto::v1 as pb;
use pb::command::Move;

use crate::canned::{Answers, Line, Node, parse, run};

const EIGHT_PM: &str = "2023-03-01T20:00:00+08:00";
const EIGHT_PM_MS: i64 = 1_677_672_000_000;

/// Arguments, the move on the wire, and the texts beside it by role.
type Row = (&'static str, Move, Vec<(&'static str, &'static str)>);

/// Every move on a case.
fn table() -> Vec<Row> {
    let party = |place: &str, unit: &str| pb::Party {
        place: place.to_owned(),
        unit: unit.to_owned(),
        due_ms: EIGHT_PM_MS,
    };
    let dispatch = |lead: &str, place: &str, co: &[&str], due_ms| {
        Move::Dispatch(pb::Dispatch {
            lead: lead.to_owned(),
            place: place.to_owned(),
            co_handlers: co.iter().map(|unit| (*unit).to_owned()).collect(),
            due_ms,
        })
    };
    vec![
        ("accept N", Move::Accept(pb::Accept {}), vec![]),
        (
            "decline N --ground same-matter --reason r",
            Move::Decline(pb::Decline { ground: 3 }),
            vec![("reason", "r")],
        ),
        (
            "answer-at-once N --answer a",
            Move::AnswerAtOnce(pb::AnswerAtOnce {}),
            vec![("answer", "a")],
        ),
        (
            "dispatch N --lead 市城管局 --co-handler 市公安局 --co-handler x",
            dispatch("市城管局", "", &["市公安局", "x"], 0),
            vec![],
        ),
        (
            "dispatch N --place 德城区 --due 2023-03-01T20:00:00+08:00",
            dispatch("", "德城区", &[], EIGHT_PM_MS),
            vec![],
        ),
        ("sign-for N", Move::SignFor(pb::SignFor {}), vec![]),
        (
            "object N --reason r --proposed-unit u",
            Move::Object(pb::Object {
                proposed_unit: "u".into(),
            }),
            vec![("reason", "r")],
        ),
        (
            "decide-objection N --verdict upheld",
            Move::DecideObjection(pb::DecideObjection { upheld: true }),
            vec![],
        ),
        (
            "decide-objection N --verdict rejected --text why",
            Move::DecideObjection(pb::DecideObjection { upheld: false }),
            vec![("text", "why")],
        ),
        (
            "designate N --unit u",
            Move::Designate(pb::Designate {
                unit: "u".into(),
                due_ms: 0,
            }),
            vec![],
        ),
        (
            "return N --reason r --proposed-place p",
            Move::Return(pb::Return {
                proposed_place: "p".into(),
            }),
            vec![("reason", "r")],
        ),
        (
            "contact N --reached no",
            Move::Contact(pb::Contact { reached: false }),
            vec![],
        ),
        (
            "take-action N --evidence e",
            Move::TakeAction(pb::TakeAction {}),
            vec![("evidence", "e")],
        ),
        (
            "report-interim N --text t",
            Move::ReportInterim(pb::ReportInterim {}),
            vec![("text", "t")],
        ),
        (
            "draft-reply N --reply y --reasonable yes",
            Move::DraftReply(pb::DraftReply { reasonable: true }),
            vec![("reply", "y")],
        ),
        (
            "approve-reply N",
            Move::ApproveReply(pb::ApproveReply {}),
            vec![],
        ),
        (
            "send-back-reply N --reason r",
            Move::SendBackReply(pb::SendBackReply {}),
            vec![("reason", "r")],
        ),
        ("send-reply N", Move::SendReply(pb::SendReply {}), vec![]),
        (
            "escalate N --because key-dispute --reason r",
            Move::Escalate(pb::Escalate { reason: 2 }),
            vec![("reason", "r")],
        ),
        (
            "keep-below N --opinion o",
            Move::KeepBelow(pb::KeepBelow {}),
            vec![("opinion", "o")],
        ),
        (
            "take N --reason r",
            Move::Take(pb::Take { reason: 0 }),
            vec![("reason", "r")],
        ),
        (
            "take N --because dark --reason r",
            Move::Take(pb::Take { reason: 3 }),
            vec![("reason", "r")],
        ),
        (
            "decide N --text t --text minutes=m",
            Move::Decide(pb::Decide {}),
            vec![("text", "t"), ("minutes", "m")],
        ),
        (
            "convene N --meeting 2023-03-01T20:00:00+08:00 \
             --party place=新华街道,due=2023-03-01T20:00:00+08:00 --party unit=u,due=2023-03-01T12:00:00Z",
            Move::Convene(pb::Convene {
                meeting_ms: EIGHT_PM_MS,
                parties: vec![party("新华街道", ""), party("", "u")],
            }),
            vec![],
        ),
        (
            "acknowledge-task N --task 2",
            Move::AcknowledgeTask(pb::AcknowledgeTask { task: 2 }),
            vec![],
        ),
        (
            "report-task N --task 2 --done yes --evidence e",
            Move::ReportTask(pb::ReportTask {
                task: 2,
                done: true,
            }),
            vec![("evidence", "e")],
        ),
        (
            "work-on-site N --worked 2023-03-01T20:00:00+08:00 --evidence e --where 信河路",
            Move::WorkOnSite(pb::WorkOnSite {
                worked_ms: EIGHT_PM_MS,
            }),
            vec![("evidence", "e"), ("place", "信河路")],
        ),
        (
            "return-visit N --reached yes --reasonable no",
            Move::ReturnVisit(pb::ReturnVisit {
                reached: true,
                reasonable: false,
            }),
            vec![],
        ),
        (
            "rate N --score 5",
            Move::Rate(pb::Rate { score: 5 }),
            vec![],
        ),
        (
            "order-redo N --reason r",
            Move::OrderRedo(pb::OrderRedo {}),
            vec![("reason", "r")],
        ),
        (
            "close N --outcome partly-solved",
            Move::Close(pb::Close { outcome: 2 }),
            vec![],
        ),
        (
            "adopt-annex N --entry 12345678",
            Move::AdoptAnnex(pb::AdoptAnnex {
                entry: "12345678".into(),
            }),
            vec![],
        ),
        (
            "decline-annex N --entry 12345678 --reason r",
            Move::DeclineAnnex(pb::DeclineAnnex {
                entry: "12345678".into(),
            }),
            vec![("reason", "r")],
        ),
        (
            "supplement N --text t",
            Move::Supplement(pb::Supplement {}),
            vec![("text", "t")],
        ),
    ]
}

#[tokio::test]
async fn every_move_arrives_as_itself_with_its_texts() {
    let node = Node::start(Answers::default());
    for (line, mv, texts) in table() {
        let mut arguments = vec!["case"];
        arguments.extend(line.split_whitespace());
        let ended = node.run(&arguments).await;
        assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{line}");
        let act = node.seen().acts.pop().unwrap();
        assert_eq!(act.case, "N", "{line}");
        assert_eq!(act.command.unwrap().r#move, Some(mv), "{line}");
        let sent: Vec<(&str, &str)> = act
            .texts
            .iter()
            .map(|text| (text.role.as_str(), text.text.as_str()))
            .collect();
        assert_eq!(sent, texts, "{line}");
    }
}

#[tokio::test]
async fn a_move_with_all_its_flags_carries_the_text_the_desk_requires() {
    use fengqiao_node::desk::texts::required_role;
    for (line, mv, texts) in table() {
        if let Some(role) = required_role(&mv) {
            assert!(texts.iter().any(|(given, _)| *given == role), "{line}");
        }
    }
}

#[test]
fn every_move_has_a_subcommand_of_its_name_with_help() {
    let whole = Line::command();
    let case = whole.find_subcommand("case").unwrap();
    let mut names: Vec<&str> = table()
        .iter()
        .map(|(line, _, _)| line.split(' ').next().unwrap())
        .collect();
    names.extend(["register", "show", "list", "import"]);
    names.sort_unstable();
    names.dedup();
    let mut known: Vec<&str> = case
        .get_subcommands()
        .map(clap::Command::get_name)
        .collect();
    known.sort_unstable();
    assert_eq!(known, names);
    // 32 moves, two looks, and what brings cases back from a file.
    assert_eq!(known.len(), 35);
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
    };
    assert_eq!(act.command.unwrap().r#move, Some(Move::Register(expected)));
    let roles: Vec<&str> = act.texts.iter().map(|text| text.role.as_str()).collect();
    assert_eq!(roles, ["text", "place"]);

    let json = node.json(&arguments).await;
    let expected = serde_json::json!({
        "case": "ab".repeat(16),
        "number": "371402-2023-1",
        "entry": "cd".repeat(32),
        "submission": null,
        "secret_code": "s3cret",
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
    let Some(Move::Register(register)) = act.command.unwrap().r#move else {
        panic!("not a registration");
    };
    assert_eq!(register.requester, None);
    assert_eq!(register.urgency(), pb::Urgency::Ordinary);
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
    assert_eq!(node.seen().acts[0].texts[0].text, "照片\n第二行");
    let twice = [&line[..], &["--text", "place=-"]].concat();
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
