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

/// Has promtool read a page of figures, where `make alerts` names it.
fn lint(page: &str) {
    let Some(promtool) = std::env::var_os("FENGQIAO_PROMTOOL") else {
        return;
    };
    let mut child = std::process::Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), page.as_bytes()).unwrap();
    let said = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    // OpenMetrics describes a counter by its name without the ending, which promtool does not know.
    let wrong = said
        .lines()
        .filter(|line| !line.ends_with("_total no help text"));
    assert_eq!(wrong.collect::<Vec<_>>(), Vec::<&str>::new());
}

/// The value of a figure with such labels, in any order, from a page of figures.
fn figure(page: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let lines = page.lines().filter(|line| {
        let named = line.split(['{', ' ']).next() == Some(name);
        named && labels.iter().all(|label| line.contains(label))
    });
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
        .reduce(|one: f64, other| one + other)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_figures_tell_of_cases_calls_disk_and_certificate_by_the_names_of_places() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    for _ in 0..3 {
        city.desk().register("照常受理").await;
    }
    assert!(city.desk().case("no-such").await.is_err());
    let (status, told) = page(&city, "/metrics").await;
    assert_eq!(status, 200);
    assert!(told.ends_with("# EOF\n"), "{told}");
    let here = "place=\"德州市\"";
    let open = figure(
        &told,
        "fengqiao_open_cases",
        &[here, "stage=\"registered\"", "lamp=\"green\""],
    );
    assert_eq!(open, Some(3.0), "{told}");
    assert_eq!(figure(&told, "fengqiao_cases", &[here]), Some(3.0));
    let calls = |code: &str| {
        figure(
            &told,
            "fengqiao_grpc_calls_total",
            &["fengqiao.v1.CaseworkService/", code],
        )
    };
    assert_eq!(calls("code=\"Ok\""), Some(3.0), "{told}");
    assert_eq!(calls("code=\"NotFound\""), Some(1.0), "{told}");
    let left = figure(&told, "fengqiao_certificate_seconds", &[here]).unwrap();
    assert!((170.0..181.0).contains(&(left / 86_400.0)), "{left}");
    let free = figure(&told, "fengqiao_disk_free_bytes", &[here]).unwrap();
    assert!(free > 0.0 && free <= figure(&told, "fengqiao_disk_bytes", &[here]).unwrap());
    assert_eq!(figure(&told, "fengqiao_read_only", &[here]), Some(0.0));
    assert_eq!(figure(&told, "fengqiao_backup_age_seconds", &[here]), None);
    assert!(!told.contains("照常受理"));
    lint(&told);

    let to = ground.path("backup");
    let said = city.say(&["backup", "create", "--to", to.to_str().unwrap()]);
    assert_eq!(said.unwrap().code, 0);
    let (_, told) = page(&city, "/metrics").await;
    let age = figure(&told, "fengqiao_backup_age_seconds", &[here]);
    assert!(age.is_some_and(|age| age < 3_600.0), "{told}");
}
