//! What an import of requests asks the node, and what it leaves behind when it is cut short.

use std::os::unix::fs::PermissionsExt as _;

use fengqiao_proto::v1 as pb;

use crate::canned::{Answers, Node};

fn answers(gone_after: usize) -> Answers {
    Answers {
        row: pb::RowVerdict {
            outcome: pb::RowOutcome::New.into(),
            name: "3714-10000001x".into(),
            secret_code: "0123456789abcdef".into(),
            ..Default::default()
        },
        gone_after,
        ..Default::default()
    }
}

/// The words of an import of so many rows, its files in the node's folder.
fn words(node: &Node, rows: usize) -> Vec<String> {
    let file = node.data().join("requests.csv");
    let mapping = node.data().join("mapping.toml");
    let mut table = "编号,渠道,类别,来件时间,内容,姓名,电话\n".to_owned();
    for row in 0..rows {
        table.push_str(&format!(
            "A-{row},电话,道路,2023-02-15 08:40,路面积水,张三,13800000000\n"
        ));
    }
    std::fs::write(&file, table).unwrap();
    std::fs::write(
        &mapping,
        include_str!("../../../deploy/import/mapping.toml"),
    )
    .unwrap();
    [
        "import",
        file.to_str().unwrap(),
        "--mapping",
        mapping.to_str().unwrap(),
        "--lang",
        "en",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn as_words(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn all_rows_are_judged_before_one_is_written() {
    let node = Node::start(answers(0));
    let line = words(&node, 450);
    assert_eq!(node.run(&as_words(&line)).await.code, 0);
    let judged = [200, 200, 50].map(|rows| (rows, true));
    let written = [200, 200, 50].map(|rows| (rows, false));
    assert_eq!(node.seen().case_rows, [judged, written].concat());
    let dry = [&as_words(&line)[..], &["--dry-run"]].concat();
    node.run(&dry).await;
    assert_eq!(node.seen().case_rows[6..], judged);
}

#[tokio::test]
async fn a_node_that_is_gone_in_the_middle_leaves_a_table_and_the_way_on() {
    let node = Node::start(answers(4));
    let line = words(&node, 450);
    let ended = node.run(&as_words(&line)).await;
    assert_eq!(ended.code, 75, "{ended:?}");
    assert!(
        ended.err.contains("200 of 450 rows are registered"),
        "{ended:?}"
    );
    assert!(ended.err.contains("the same command goes on"), "{ended:?}");
    assert!(
        !ended.err.contains("nothing was applied") && !ended.err.contains("--request-id"),
        "{ended:?}"
    );
    let results = node.data().join("requests.results.csv");
    let lines = || std::fs::read_to_string(&results).unwrap().lines().count();
    assert_eq!(lines(), 201);
    assert_eq!(
        results.metadata().unwrap().permissions().mode() & 0o777,
        0o600
    );
    // Another node answers in its place: rows that stand in the table are not written there again.
    let on = Node::start(answers(0));
    let data = on.data();
    let mut line = words(&on, 450);
    std::fs::copy(&results, data.join("requests.results.csv")).unwrap();
    line.push("--partial".to_owned());
    assert_eq!(on.run(&as_words(&line)).await.code, 0);
    let text = std::fs::read_to_string(data.join("requests.results.csv")).unwrap();
    assert_eq!(text.lines().count(), 451);
    assert!(
        !data.join("requests.rejects.csv").exists(),
        "nothing is to be mended"
    );
}

#[tokio::test]
async fn a_file_that_stands_and_is_no_table_of_results_is_not_touched() {
    let node = Node::start(answers(0));
    let line = words(&node, 1);
    let results = node.data().join("requests.results.csv");
    std::fs::write(&results, "mine\n").unwrap();
    let ended = node.run(&as_words(&line)).await;
    assert_eq!(
        (
            ended.code,
            std::fs::read_to_string(&results).unwrap().as_str()
        ),
        (64, "mine\n"),
        "{ended:?}"
    );
    assert!(
        node.seen()
            .case_rows
            .iter()
            .all(|(_, judge_only)| *judge_only)
    );
}
