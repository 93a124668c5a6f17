//! A node as a service: what it tells the service manager, and what the units in `deploy/systemd` run.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fengqiao_tests::city::City;
use fengqiao_tests::kit::process;
use tokio::net::UnixDatagram;

/// How long a busy machine may take to say the next thing.
const PATIENCE: Duration = Duration::from_secs(90);

async fn next(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 1024];
    let said = tokio::time::timeout(PATIENCE, socket.recv(&mut bytes)).await;
    let length = said.expect("nothing more was said").unwrap();
    String::from_utf8(bytes[..length].to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_service_manager_is_told_of_ready_alive_and_stopping() {
    let ground = City::new();
    let mut city = ground.init("德州市");
    let path = ground.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    city.environment = vec![
        ("NOTIFY_SOCKET".to_owned(), path.into()),
        ("WATCHDOG_USEC".to_owned(), "200000".into()),
    ];
    city.spawn();
    assert_eq!(next(&socket).await.trim(), "READY=1");
    // Whoever is told is answered at once: nothing has to be waited for.
    let port = ("127.0.0.1", city.ports.link);
    tokio::net::TcpStream::connect(port).await.unwrap();
    city.desk().status().await;
    for _ in 0..3 {
        assert_eq!(next(&socket).await.trim(), "WATCHDOG=1");
    }
    assert!(city.stop().await.success());
    loop {
        match next(&socket).await.trim() {
            "WATCHDOG=1" => {}
            said => {
                assert_eq!(said, "STOPPING=1");
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn nobody_is_told_where_nobody_asked() {
    let ground = City::new();
    let mut city = ground.init("德州市");
    city.start().await;
    assert!(city.stop().await.success());
    assert!(!city.log_text().contains("service manager"));
}

/// The words that a unit runs, with this test's folders in the place of the machine's.
fn words_of(unit: &str, folders: &[(&str, PathBuf)]) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/systemd");
    let text = std::fs::read_to_string(path.join(unit)).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let mut words: Vec<String> = Vec::new();
    for word in line.unwrap().split(' ') {
        let (from, to) = folders
            .iter()
            .find(|(from, _)| word.starts_with(from))
            .map_or(("", ""), |(from, to)| (*from, to.to_str().unwrap()));
        words.push(word.replacen(from, to, 1));
    }
    words
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_the_backup_service_runs_makes_backups_and_keeps_the_newest() {
    let ground = City::new();
    let mut city = ground.init("德州市");
    city.start().await;
    city.desk().register("每晚备份").await;
    let credentials = ground.path("credentials");
    std::fs::create_dir(&credentials).unwrap();
    let passphrase = credentials.join("passphrase");
    std::fs::write(&passphrase, "枫桥经验 backup 2026").unwrap();
    // As the service manager lays it out for another account than its own.
    std::fs::set_permissions(&passphrase, std::fs::Permissions::from_mode(0o440)).unwrap();
    std::fs::create_dir(ground.path("keys")).unwrap();
    let mut words = words_of(
        "fengqiao-backup.service",
        &[
            ("/usr/local/bin/fengqiao", process::binary().unwrap()),
            ("/var/lib/fengqiao/node", city.data.clone()),
            ("/var/backups/fengqiao", ground.path("backups")),
            ("/var/lib/fengqiao-keys", ground.path("keys")),
            ("${CREDENTIALS_DIRECTORY}", credentials.clone()),
        ],
    );
    let program = PathBuf::from(words.remove(0));
    let keep = words.iter().position(|word| word == "--keep").unwrap() + 1;
    let kept: usize = words[keep].parse().unwrap();
    assert!(kept >= 30, "a month and more: {kept}");
    let run = |words: &[String]| {
        let mut command = process::command(&program);
        command
            .args(words)
            .env("CREDENTIALS_DIRECTORY", &credentials);
        let said = command.output().unwrap();
        assert!(said.status.success(), "{said:?}");
    };
    run(&words);
    assert!(ground.path("keys/node.keys").is_file());
    let manifests = || {
        let entries = std::fs::read_dir(ground.path("backups/node")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".manifest")).count()
    };
    assert_eq!(manifests(), 1);
    // A later one: backups are named by the second.
    words[keep] = "1".to_owned();
    let clock = ground.path("later");
    std::fs::write(&clock, "4102444800000").unwrap();
    words.extend(["--clock".to_owned(), clock.to_str().unwrap().to_owned()]);
    run(&words);
    assert_eq!(manifests(), 1, "the older one was let go");
    assert!(city.stop().await.success());
}
