//! How commands fail: exit code, words, JSON, and whether anything was applied.

use std::process::ExitCode;

use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_node::cli::exit_of_parser;
use fengqiao_node::desk::error::status;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixListener;
use tonic::Status;

use crate::canned::{Answers, Ended, Node, parse, run};

async fn refused(refusal: Status, line: &[&str]) -> Ended {
    let node = Node::start(Answers {
        refusal: Some(refusal),
        ..Default::default()
    });
    let ended = node.run(line).await;
    assert_eq!(ended.out, "", "nothing is answered");
    ended
}

fn error_of(ended: &Ended) -> serde_json::Value {
    let whole: serde_json::Value = serde_json::from_str(&ended.err).unwrap();
    whole["error"].clone()
}

#[tokio::test]
async fn a_refusal_is_told_with_code_both_languages_and_field() {
    let refusal = status(&Refusal::of(Code::DueBeforeStart, "due_ms"));
    let ended = refused(refusal, &["case", "dispatch", "N", "--lead", "u"]).await;
    assert_eq!(ended.code, 1);
    assert_eq!(
        ended.err,
        "error: DUE_BEFORE_START: the due time lies before its start / 办理期限早于起算时间 (field: due_ms)\n"
    );
}

#[tokio::test]
async fn a_refusal_is_one_json_object_for_programs() {
    let refusal = status(&Refusal::of(Code::StageForbids, "").because("closed"));
    let ended = refused(refusal, &["case", "accept", "N", "--output", "json"]).await;
    assert_eq!(ended.code, 1);
    let expected = serde_json::json!({
        "code": "STAGE_FORBIDS",
        "field": null,
        "english": "the stage of the case does not allow this: closed",
        "chinese": "当前阶段不能进行此操作：closed",
        "applied": "no",
        "request_id": null,
        "try_again": false,
        "retry_after_ms": null,
    });
    assert_eq!(error_of(&ended), expected);
}

#[tokio::test]
async fn every_refusal_exits_1_or_75_and_never_leaves_the_effect_open() {
    for code in Code::ALL {
        let line = ["case", "accept", "N", "--output", "json"];
        let ended = refused(status(&Refusal::of(*code, "")), &line).await;
        let again = matches!(
            code,
            Code::Busy | Code::ReadOnly | Code::Recovering | Code::RulebookAwaited
        );
        assert_eq!(ended.code, if again { 75 } else { 1 }, "{}", code.as_str());
        let error = error_of(&ended);
        assert_eq!(error["code"], code.as_str());
        assert_eq!(error["applied"], "no");
        assert_eq!(error["retry_after_ms"].is_null(), !again);
    }
}

#[tokio::test]
async fn a_busy_node_is_tried_again_and_nothing_was_applied() {
    let ended = refused(
        status(&Refusal::of(Code::Busy, "")),
        &["case", "accept", "N"],
    )
    .await;
    assert_eq!(ended.code, 75);
    assert!(ended.err.contains("nothing was applied"), "{}", ended.err);
}

#[tokio::test]
async fn a_bare_unavailable_may_have_been_applied_and_names_the_request_id() {
    for bare in [
        Status::unavailable("x"),
        Status::deadline_exceeded("x"),
        Status::resource_exhausted("x"),
    ] {
        let line = ["case", "accept", "N", "--request-id", "mine"];
        let ended = refused(bare.clone(), &line).await;
        assert_eq!(ended.code, 75);
        assert!(ended.err.contains("may have been applied"), "{}", ended.err);
        assert!(ended.err.contains("--request-id mine"), "{}", ended.err);
        let ended = refused(bare, &["case", "show", "N"]).await;
        assert_eq!(ended.code, 75);
        assert!(ended.err.contains("nothing was applied"), "{}", ended.err);
    }
}

#[tokio::test]
async fn a_node_that_does_not_answer_in_time_leaves_the_effect_open() {
    let node = Node::start(Answers {
        silent: true,
        ..Default::default()
    });
    let line = [
        "case",
        "accept",
        "N",
        "--request-id",
        "mine",
        "--timeout",
        "1",
        "--output",
        "json",
    ];
    let ended = node.run(&line).await;
    assert_eq!(ended.code, 75);
    let error = error_of(&ended);
    assert_eq!(error["code"], "NO_ANSWER");
    assert_eq!(
        (&error["applied"], &error["request_id"]),
        (&"maybe".into(), &"mine".into())
    );
}

#[tokio::test]
async fn a_connection_that_breaks_under_a_call_leaves_the_effect_open() {
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join("fengqiao.sock")).unwrap();
    // Reads the request, then dies.
    let dying = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = [0; 64];
        let read = stream.read(&mut bytes).await.unwrap();
        assert!(read > 0);
    });
    let data = folder.path().to_str().unwrap();
    let ended = run(&["--data", data, "case", "accept", "N"], b"").await;
    dying.await.unwrap();
    assert_eq!(ended.code, 75, "{}", ended.err);
    assert!(
        ended.err.contains("error: CONNECTION_LOST"),
        "{}",
        ended.err
    );
    assert!(ended.err.contains("may have been applied"), "{}", ended.err);
}

#[tokio::test]
async fn where_no_node_runs_nothing_was_applied() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let ended = run(&["--data", data, "case", "accept", "N"], b"").await;
    assert_eq!(ended.code, 75);
    assert!(
        ended
            .err
            .starts_with("error: NOT_RUNNING: no node is running at ")
    );
    assert!(ended.err.contains("nothing was applied"), "{}", ended.err);

    // A socket whose process has died.
    drop(std::os::unix::net::UnixListener::bind(folder.path().join("fengqiao.sock")).unwrap());
    let ended = run(&["--data", data, "--output", "json", "status"], b"").await;
    assert_eq!(ended.code, 75);
    assert_eq!(error_of(&ended)["code"], "NOT_RUNNING");
}

#[tokio::test]
async fn without_a_node_named_it_is_a_usage_error() {
    // The environment of whoever runs the tests may name one.
    let mut line = parse(&["status"]).unwrap();
    line.globals.data = None;
    let streams = fengqiao_node::cli::Streams {
        input: Box::new(std::io::empty()),
        out: Box::new(std::io::sink()),
        err: Box::new(std::io::sink()),
    };
    let code = fengqiao_node::cli::run(line.command, line.globals, streams).await;
    assert_eq!(code, 64);
}

#[tokio::test]
async fn an_error_without_a_code_of_ours_is_told_as_it_is() {
    let ended = refused(Status::unimplemented("no such method"), &["status"]).await;
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("GRPC_UNIMPLEMENTED: no such method"));
    assert!(!ended.err.contains("may have been"), "{}", ended.err);
    let ended = refused(Status::internal("x"), &["account", "close", "w"]).await;
    assert!(
        ended.err.contains("repeat it with --request-id"),
        "{}",
        ended.err
    );
}

#[test]
fn what_the_parser_refuses_exits_64_and_help_exits_0() {
    let lines: [&[&str]; 13] = [
        &["case", "rate", "N", "--source", "phone", "--score", "6"],
        &["case", "rate", "N", "--source", "phone", "--score", "0"],
        &["case", "rate", "N", "--score", "5"],
        &["case", "dispatch", "N"],
        &["case", "dispatch", "N", "--lead", "u", "--place", "p"],
        &["case", "dispatch", "N", "--place", "p", "--co-handler", "u"],
        &[
            "case",
            "dispatch",
            "N",
            "--lead",
            "u",
            "--due",
            "2023-02-30T00:00:00Z",
        ],
        &[
            "case",
            "escalate",
            "N",
            "--because",
            "bored",
            "--reason",
            "r",
        ],
        &["case", "close", "N"],
        &["case", "vanish", "N"],
        &["account", "set", "w"],
        &["place", "add", "x", "--level", "hamlet"],
        &["invite", "x", "--hours", "721"],
    ];
    for line in lines {
        let error = parse(line).unwrap_err();
        assert_eq!(exit_of_parser(&error, &[]), ExitCode::from(64), "{line:?}");
    }
    let help = parse(&["case", "--help"]).unwrap_err();
    assert_eq!(exit_of_parser(&help, &[]), ExitCode::SUCCESS);
}

#[tokio::test]
async fn a_bad_file_is_refused_whole_with_its_lines() {
    let node = Node::start(Answers::default());
    let file = node.data().join("bad.csv");
    std::fs::write(
        &file,
        "code,parent,tier,name\n371402,3714,county,a\n37x,3714,county,b\n",
    )
    .unwrap();
    let line = [
        "place",
        "import",
        file.to_str().unwrap(),
        "--parent",
        "3714",
        "--lang",
        "en",
    ];
    let ended = node.run(&line).await;
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("ROWS_REFUSED"), "{}", ended.err);
    let told = "line 3, column 1 \"code\" (division code): ";
    assert!(
        ended.out.contains(told) && ended.out.contains("[CODE_INVALID]"),
        "{}",
        ended.out
    );
    assert!(
        node.seen()
            .divisions
            .iter()
            .all(|(_, judge_only)| *judge_only)
    );
    let ended = node.run(&["place", "import", "/nonexistent.csv"]).await;
    assert_eq!(ended.code, 64);
}
