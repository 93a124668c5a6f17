//! A node as a process among others: its log, its signals, and what it tells whoever watches over it.

use fengqiao_tests::city::process::{Node, Signal};
use fengqiao_tests::city::{City, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// What the operations port answers: status and body.
async fn page(node: &Node, path: &str) -> (u16, String) {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", node.ports.operations))
        .await
        .unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_node_lives_on_when_the_reader_of_its_log_goes_away() {
    let ground = City::new();
    let mut city = ground.init("德州市");
    let (reader, writer) = std::io::pipe().unwrap();
    city.spawn_saying_to(writer);
    city.ready().await;
    drop(reader);
    for _ in 0..3 {
        city.desk().register("照常受理").await;
    }
    assert!(city.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_node_starts_and_works_while_its_log_has_no_room() {
    let ground = City::new();
    let mut city = ground.init("德州市");
    let full = std::fs::File::options().write(true).open("/dev/full");
    city.spawn_saying_to(full.unwrap());
    city.ready().await;
    city.desk().register("照常受理").await;
    assert!(city.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_node_works_while_nobody_empties_its_log() {
    let ground = City::new();
    let mut city = ground.init("德州市");
    city.settings.push("log.filter=trace".to_owned());
    // Held open and never read: the pipe takes 64 KiB and then blocks whoever writes.
    let (_reader, writer) = std::io::pipe().unwrap();
    city.spawn_saying_to(writer);
    city.ready().await;
    for _ in 0..300 {
        city.desk().register("照常受理").await;
    }
    assert!(city.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_filter_that_nothing_passes_is_refused() {
    let ground = City::new();
    let mut city = ground.init("德州市");
    for filter in [
        "off",
        "inof",
        "info,fengqaio_node=debug",
        "fengqiao_node::lnik=info",
    ] {
        city.settings.push(format!("log.filter={filter}"));
        let said = city.fail_to_run();
        assert_eq!(
            (said.code, said.error_code().as_str()),
            (64, "CONFIG_BAD_VALUE"),
            "{filter}: {said:?}"
        );
        city.settings.pop();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_hang_up_reads_the_configuration_again_and_ends_nothing() {
    let ground = City::new();
    let mut city = ground.init("德州市");
    let file = ground.path("fengqiao.toml");
    std::fs::write(&file, "[log]\nfilter = \"warn\"\n").unwrap();
    city.words = vec!["--config".into(), file.to_str().unwrap().into()];
    city.start().await;
    city.signal(Signal::HUP);
    // A second one after the first was obeyed: both leave the process running and its case register open.
    std::fs::write(
        &file,
        "[log]\nfilter = \"info\"\n[time]\nclock_skew_warn_s = 200\n",
    )
    .unwrap();
    city.signal(Signal::HUP);
    city.logs(&[
        "the configuration was read again",
        "log.filter",
        "time.clock_skew_warn_s",
    ])
    .await;
    std::fs::write(&file, "[log]\nfilter = \"inof\"\n").unwrap();
    city.signal(Signal::HUP);
    city.logs(&["the configuration was refused", "CONFIG_BAD_VALUE"])
        .await;
    city.desk().register("照常受理").await;
    assert!(city.stop().await.success());
    assert!(city.log_text().contains("draining"), "{}", city.log_text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_watches_learns_that_a_node_takes_nothing_in() {
    let ground = City::new();
    let mut city = ground.init("德州市");
    city.start().await;
    assert_eq!(page(&city, "/readyz").await, (200, "ok\n".to_owned()));
    assert_eq!(city.cli(&["status"]).json()["read_only"], false);
    assert!(city.stop().await.success());
    // More than any disk of a machine that runs this.
    city.settings
        .push("journal.read_only_below_bytes=1099511627776".into());
    city.start().await;
    until("the node is not ready", async || {
        let (status, body) = page(&city, "/readyz").await;
        (status == 503 && body.contains("READ_ONLY")).then_some(())
    })
    .await;
    assert_eq!(
        page(&city, "/healthz").await.0,
        200,
        "it is alive all the same"
    );
    assert_eq!(city.cli(&["status"]).json()["read_only"], true);
    let text = ground.say(&["--data", city.data.to_str().unwrap(), "status"]);
    assert!(text.out.contains("只读"), "{text:?}");
}
