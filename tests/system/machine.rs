//! One machine: its command line, folder, ports, configuration and disk.

use std::path::Path;
use std::process::Command;

use fengqiao_tests::city::desk::{Desk, refusal, register};
use fengqiao_tests::city::process::{Node, Said};
use fengqiao_tests::city::{COUNTY, City, agree, files, until};
use tonic::Code;

fn fails(said: &Said, code: &str, exit: i32) {
    assert_eq!(
        (said.error_code().as_str(), said.code),
        (code, exit),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn commands_answer_in_json_and_end_with_their_codes() {
    let ground = City::new();
    let mut city = ground.found("德州市").await;
    let registered = city.cli(&[
        "case",
        "register",
        "--channel",
        "window",
        "--class",
        "disputes-neighbours",
        "--text",
        "邻居装修噪声",
    ]);
    assert_eq!(registered.code, 0, "{registered:?}");
    let case = registered.json()["case"].as_str().unwrap().to_owned();
    let shown = city.cli(&["case", "show", &case]);
    assert_eq!(shown.json()["stage"], "registered", "{shown:?}");
    assert_eq!(city.cli(&["status"]).json()["name"], "德州市");
    assert_eq!(
        city.cli(&["digest"]).json()["heads"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    fails(&city.cli(&["case", "show", "QL-0"]), "CASE_UNKNOWN", 1);
    fails(
        &city.cli(&["case", "close", &case, "--outcome", "solved"]),
        "STAGE_FORBIDS",
        1,
    );
    assert_eq!(city.cli(&["case", "close"]).code, 64);
    assert_eq!(city.cli(&["no-such-command"]).code, 64);
    assert_eq!(ground.say(&[]).code, 64);
    assert_eq!(ground.say(&["--version"]).code, 0);
    assert_eq!(ground.say(&["--help"]).code, 0);
    assert_eq!(ground.say(&["status"]).code, 64);
    assert!(city.stop().await.success());
    fails(&city.cli(&["status"]), "NOT_RUNNING", 75);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn one_flipped_byte_of_a_journal_is_found_by_verify() {
    let ground = City::new();
    let mut city = ground.found("德州市").await;
    for _ in 0..5 {
        city.desk().register("邻居装修噪声").await;
    }
    fails(&city.machine(&["verify"]), "FOLDER_IN_USE", 1);
    assert!(city.stop().await.success());
    let sound = city.machine(&["verify"]);
    assert_eq!(sound.code, 0, "{sound:?}");
    assert!(sound.json()["entries"].as_u64().unwrap() >= 6, "{sound:?}");
    assert_eq!(sound.json()["problems"].as_array().unwrap().len(), 0);

    let journal = files(&city.data.join("journal"));
    let segment = journal
        .iter()
        .max_by_key(|file| file.metadata().unwrap().len())
        .unwrap();
    let whole = std::fs::read(segment).unwrap();
    let end = usize::try_from(city_end(&whole)).unwrap();
    for at in [end / 3, end / 2, end - 40] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        std::fs::write(segment, bytes).unwrap();
        let said = city.machine(&["verify"]);
        assert_eq!(said.code, 1, "byte {at}: {said:?}");
        assert!(!said.error_code().is_empty(), "{said:?}");
    }
    std::fs::write(segment, whole).unwrap();
    assert_eq!(city.machine(&["verify"]).code, 0);
    city.start().await;
}

/// Where the records of a segment end: after it only what was reserved.
fn city_end(bytes: &[u8]) -> u64 {
    bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64 + 1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_process_that_cannot_run_says_why_by_code() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    fails(&city.fail_to_run(), "FOLDER_IN_USE", 1);
    city.desk().register("照常受理").await;

    let mut other = ground.init("济南市");
    for port in [city.ports.link, city.ports.enrol, city.ports.desk] {
        let (link, enrol, desk) = (other.ports.link, other.ports.enrol, other.ports.desk);
        match port {
            port if port == city.ports.link => other.ports.link = port,
            port if port == city.ports.enrol => other.ports.enrol = port,
            port => other.ports.desk = port,
        }
        let said = other.fail_to_run();
        assert!(said.error_code().ends_with("PORT_IN_USE"), "{said:?}");
        assert!(said.err.contains(&port.to_string()), "{said:?}");
        assert_ne!(said.code, 0);
        (other.ports.link, other.ports.enrol, other.ports.desk) = (link, enrol, desk);
    }

    let config = ground.path("config.toml");
    std::fs::write(
        &config,
        "[link]\nlisten = \"127.0.0.1:7443\"\n  listenn = \"x\"\n",
    )
    .unwrap();
    other.words = vec!["--config".into(), config.to_str().unwrap().into()];
    let said = other.fail_to_run();
    fails(&said, "CONFIG_UNKNOWN_KEY", 64);
    assert!(said.err.contains("config.toml:3:3"), "{said:?}");
    other.words.clear();
    other.settings.push("link.no_such=1".into());
    fails(&other.fail_to_run(), "CONFIG_UNKNOWN_KEY", 64);
    other.settings.pop();
    other.settings.push("time.tick_ms=soon".into());
    fails(&other.fail_to_run(), "CONFIG_BAD_VALUE", 64);
    other.settings.pop();

    let identity = other.data.join("identity.json");
    let text = std::fs::read_to_string(&identity).unwrap();
    let newer = text.replacen("\"format\": 1", "\"format\": 9", 1).replacen(
        "\"format\":1",
        "\"format\":9",
        1,
    );
    assert_ne!(newer, text);
    std::fs::write(&identity, &newer).unwrap();
    fails(&other.fail_to_run(), "FOLDER_NEWER", 1);
    assert_eq!(
        std::fs::read_to_string(&identity).unwrap(),
        newer,
        "and nothing was touched"
    );
    std::fs::write(&identity, text).unwrap();
    other.start().await;
    assert!(other.stop().await.success());
    fails(&ground.ground("nowhere").fail_to_run(), "FOLDER_ABSENT", 1);
    fails(
        &other.machine(&["init", "--name", "又一个"]),
        "FOLDER_EXISTS",
        64,
    );
}

async fn is_read_only(desk: &Desk) -> bool {
    let refused = desk.act("", register(), &[("text", "满了")]).await.err();
    refused.is_some_and(|status| {
        let (grpc, code, _) = refusal(&status);
        assert_eq!((grpc, code.as_str()), (Code::Unavailable, "READ_ONLY"));
        true
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn below_its_limit_of_room_a_node_only_reads_and_loses_nothing() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let mut county = ground.join(&city, "德城区", COUNTY).await;
    let kept = county.desk().register("之前").await.case;
    agree(&[&city, &county]).await;
    assert!(county.stop().await.success());
    // More than any disk of a machine that runs this.
    county
        .settings
        .push("journal.read_only_below_bytes=1099511627776".into());
    county.start().await;
    until("the node reads only", async || {
        is_read_only(&county.desk()).await.then_some(())
    })
    .await;
    assert_eq!(county.desk().case(&kept).await.unwrap().stage, "registered");
    assert_eq!(
        county
            .cli(&[
                "case",
                "register",
                "--channel",
                "window",
                "--class",
                "disputes-neighbours",
                "--text",
                "x"
            ])
            .code,
        75
    );
    let held = county.desk().all_cases().await.len();
    assert!(county.stop().await.success());
    county.settings.pop();
    county.start().await;
    county.desk().register("之后").await;
    assert_eq!(county.desk().all_cases().await.len(), held + 1);
    agree(&[&city, &county]).await;
}

/// A small disk of its own, where this user may mount one.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(path: &'a Path, options: &str) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(path)
            .output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then_some(Self(path))
    }

    fn remount(&self, options: &str) {
        let done = Command::new("mount")
            .args(["-o", &format!("remount,{options}")])
            .arg(self.0)
            .status();
        assert!(done.unwrap().success());
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

/// Fills a disk to the last byte with a file beside the node's.
fn fill(disk: &Path) {
    use std::io::Write as _;
    let mut file = std::fs::File::create(disk.join("filler")).unwrap();
    let block = vec![1; 4096];
    while file.write_all(&block).is_ok() {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_full_disk_stops_writing_and_a_read_only_one_starting() {
    use std::io::Write as _;
    let ground = City::new();
    let path = ground.path("disk");
    let Some(disk) = SmallDisk::mount(&path, "size=24m") else {
        // Past the test runner's own capture, so that nobody takes this for the fact itself.
        let word = "SKIPPED a_full_disk_stops_writing_and_a_read_only_one_starting: mounting is not allowed here";
        let _ = writeln!(std::io::stderr(), "{word}");
        return;
    };
    let mut city: Node = ground.ground("德州市");
    city.data = path.join("data");
    city.settings.extend(
        [
            "journal.segment_bytes=1048576",
            "journal.reserve_bytes=134217728",
            "journal.read_only_below_bytes=4194304",
        ]
        .map(str::to_owned),
    );
    assert_eq!(city.machine(&["init", "--name", "德州市"]).code, 0);
    city.start().await;
    let mut acknowledged = vec![city.desk().register("之前").await.case];
    fill(&path);
    // A write that meets the full disk ends the process before it is acknowledged; who watches over it starts it again.
    let mut starts = 1;
    loop {
        match city.desk().act("", register(), &[("text", "x")]).await {
            Ok(answer) => acknowledged.push(answer.case),
            Err(status) if refusal(&status).1 == "READ_ONLY" => break,
            Err(_) => {
                until("the process ends", async || city.has_ended().then_some(())).await;
                starts += 1;
                assert!(starts <= 3, "{}", city.log_text());
                city.start().await;
            }
        }
    }
    assert_eq!(city.desk().all_cases().await.len(), acknowledged.len());
    std::fs::remove_file(path.join("filler")).unwrap();
    until("the node writes again", async || {
        let answer = city
            .desk()
            .act("", register(), &[("text", "之后")])
            .await
            .ok()?;
        acknowledged.push(answer.case);
        Some(())
    })
    .await;
    assert!(city.stop().await.success());
    assert_eq!(city.machine(&["verify"]).code, 0);

    disk.remount("ro");
    let said = city.fail_to_run();
    fails(&said, "DISK_READ_ONLY", 1);
    let said = city.machine(&["doctor"]);
    let checks = said.json()["checks"].as_array().unwrap().clone();
    let disk_check = checks.iter().find(|found| found["check"] == "disk");
    assert_eq!(disk_check.unwrap()["state"], "fail", "{said:?}");
    let journal = checks.iter().find(|found| found["check"] == "journal");
    assert_eq!(journal.unwrap()["state"], "ok", "{said:?}");
    let said = city.machine(&["verify"]);
    assert_eq!(
        said.code, 0,
        "what cannot be written is read all the same: {said:?}"
    );
    assert!(said.json()["entries"].as_u64().unwrap() > 0, "{said:?}");
    disk.remount("rw");
    city.start().await;
    let held: Vec<String> = city
        .desk()
        .all_cases()
        .await
        .into_iter()
        .map(|case| case.case)
        .collect();
    assert!(
        acknowledged.iter().all(|case| held.contains(case)),
        "nothing acknowledged is lost"
    );
    assert_eq!(held.len(), acknowledged.len());
    assert!(city.stop().await.success());
}
