//! Backups by the binary: of a node that works meanwhile, put back, and refused wherever a byte is another.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use fengqiao_proto::v1 as pb;
use fengqiao_tests::city::desk::quarrel;
use fengqiao_tests::city::process::{Node, Said};
use fengqiao_tests::city::{COUNTY, City, agree, files, until};
use fengqiao_tests::kit::moves::{self, Action};

const PASSPHRASE: &str = "枫桥经验 backup 2026";
/// Words that stand nowhere else.
const CANARIES: [&str; 3] = ["canaryname金丝雀", "13900009487", "canarytext邻居装修噪声"];

fn fails(said: &Said, code: &str) {
    assert_eq!(
        (said.error_code().as_str(), said.code),
        (code, 1),
        "{said:?}"
    );
}

/// Where one test keeps backups, and the words of its commands.
struct Shelf {
    folder: PathBuf,
    keys: PathBuf,
    passphrase: PathBuf,
}

impl Shelf {
    fn new(ground: &City) -> Self {
        let passphrase = ground.path("passphrase");
        std::fs::write(&passphrase, PASSPHRASE).unwrap();
        std::fs::set_permissions(&passphrase, std::fs::Permissions::from_mode(0o600)).unwrap();
        // Apart from the backup, as is asked for.
        let safe = ground.path("safe");
        std::fs::create_dir_all(&safe).unwrap();
        Self {
            folder: ground.path("backup"),
            keys: safe.join("case.keys"),
            passphrase,
        }
    }

    fn folder(&self) -> &str {
        self.folder.to_str().unwrap()
    }

    fn secrets(&self) -> [&str; 4] {
        let (keys, passphrase) = (&self.keys, &self.passphrase);
        [
            "--keys",
            keys.to_str().unwrap(),
            "--passphrase-file",
            passphrase.to_str().unwrap(),
        ]
    }

    fn create(&self, node: &Node) -> Said {
        let words = ["backup", "create", "--to", self.folder()];
        node.machine(&[&words[..], &self.secrets()].concat())
    }

    fn verify(&self, node: &Node) -> Said {
        node.machine(&["backup", "verify", self.folder()])
    }

    fn restore(&self, node: &Node) -> Said {
        let words = ["restore", "--from", self.folder()];
        node.machine(&[&words[..], &self.secrets()].concat())
    }
}

fn registered_by(name: &str) -> Action {
    moves::register(pb::Register {
        requester: Some(pb::Requester {
            name: name.to_owned(),
            phone: CANARIES[1].to_owned(),
            ..Default::default()
        }),
        ..quarrel()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_under_load_is_backed_up_and_nothing_acknowledged_before_is_missing() {
    let mut ground = City::new();
    ground
        .settings
        .push("journal.segment_bytes=1048576".to_owned());
    let city = ground.found("德州市").await;
    let shelf = Shelf::new(&ground);
    let (acknowledged, stop) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let clerks: Vec<_> = (0..8)
        .map(|_| {
            let desk = city.desk();
            let (acknowledged, stop) = (Arc::clone(&acknowledged), Arc::clone(&stop));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    desk.register("邻居装修噪声").await;
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let mut position = 0;
    for round in 0..4 {
        let before = acknowledged.load(Ordering::SeqCst);
        until("the clerks go on", async || {
            (acknowledged.load(Ordering::SeqCst) > before + 100).then_some(())
        })
        .await;
        let before = acknowledged.load(Ordering::SeqCst);
        // Names of backups count seconds.
        ground.time.advance(1_000);
        let made = shelf.create(&city);
        assert_eq!(made.code, 0, "{made:?}");
        let end = made.json()["position"].as_u64().unwrap();
        assert!(end > position, "round {round}");
        position = end;
        let said = shelf.verify(&city);
        assert_eq!(said.code, 0, "{said:?}");
        let chains = usize::try_from(said.json()["chains"].as_u64().unwrap()).unwrap();
        assert!(
            chains > before,
            "{chains} chains, {before} cases were acknowledged"
        );
    }
    stop.store(true, Ordering::Relaxed);
    for clerk in clerks {
        clerk.await.unwrap();
    }
    let listed = city.machine(&["backup", "list", shelf.folder()]);
    assert_eq!(
        listed.json()["backups"].as_array().unwrap().len(),
        4,
        "{listed:?}"
    );

    let copy = ground.ground("copy");
    let restored = shelf.restore(&copy);
    assert_eq!(restored.code, 0, "{restored:?}");
    assert_eq!(restored.json()["position"].as_u64(), Some(position));
    for segment in files(&copy.data.join("journal")) {
        let live = std::fs::read(city.data.join("journal").join(segment.file_name().unwrap()));
        assert!(live.unwrap().starts_with(&std::fs::read(&segment).unwrap()));
    }
    fails(&copy.fail_to_run(), "FOLDER_RESTORED");
    assert!(copy.fail_to_run().err.contains("fengqiao recover"));
    fails(&shelf.restore(&copy), "FOLDER_EXISTS");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_altered_backup_is_refused_wherever_the_byte_stands() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    for _ in 0..5 {
        city.desk().register("邻居装修噪声").await;
    }
    let shelf = Shelf::new(&ground);
    assert_eq!(shelf.create(&city).code, 0);
    let copy = ground.ground("copy");
    let mut tried = 0;
    let parts = files(&shelf.folder).into_iter().chain([shelf.keys.clone()]);
    for file in parts.filter(|file| !file.ends_with("lock")) {
        let whole = std::fs::read(&file).unwrap();
        for part in 0..12 {
            let at = whole.len() * part / 12 + part % 3;
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (part % 8);
            std::fs::write(&file, bytes).unwrap();
            let said = shelf.restore(&copy);
            let code = said.error_code();
            assert!(
                said.code == 1 && (code.starts_with("BACKUP_") || code.starts_with("KEYS_")),
                "{} byte {at}: {said:?}",
                file.display()
            );
            assert!(!copy.data.exists());
            tried += 1;
        }
        std::fs::write(&file, whole).unwrap();
    }
    assert_eq!(tried, 36, "a manifest, a segment and the keys");
    assert_eq!(shelf.restore(&copy).code, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn no_word_about_a_person_and_no_key_stands_in_a_backup() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let county = ground.join(&city, "德城区", COUNTY).await;
    let case = county
        .desk()
        .act("", registered_by(CANARIES[0]), &[("text", CANARIES[2])])
        .await
        .unwrap()
        .case;
    county.desk().moves(&case, [moves::accept()]).await;
    agree(&[&city, &county]).await;
    for node in [&city, &county] {
        let mut shelf = Shelf::new(&ground);
        shelf.folder = ground.path(&format!("backup of {}", node.name));
        let made = shelf.create(node);
        assert_eq!(made.code, 0, "{made:?}");
        assert!(
            made.json()["keys"]["cases"].as_u64().unwrap() >= 1,
            "{made:?}"
        );
        assert_eq!(made.json()["keys"]["unopened"], 0, "{made:?}");
        let mut secrets = private_keys(&node.data);
        secrets.extend(CANARIES.map(|canary| canary.as_bytes().to_vec()));
        secrets.push(PASSPHRASE.as_bytes().to_vec());
        // The key store itself: salts and keys of cases, from behind its header and the record's.
        let keys = std::fs::read(node.data.join("keys")).unwrap();
        secrets.push(keys[60..90].to_vec());
        for file in files(&shelf.folder).into_iter().chain([shelf.keys.clone()]) {
            let bytes = std::fs::read(&file).unwrap();
            for secret in &secrets {
                let found = bytes.windows(secret.len()).any(|window| window == secret);
                assert!(!found, "{} holds what it must not", file.display());
            }
        }
    }
}

/// What each private key file holds that no other file may.
fn private_keys(data: &Path) -> Vec<Vec<u8>> {
    let lines = files(&data.join("private")).into_iter().map(|file| {
        let text = std::fs::read(file).unwrap();
        let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
        lines.max_by_key(|line| line.len().min(60)).unwrap()
    });
    let found: Vec<_> = lines.collect();
    assert!(found.len() >= 3 && found.iter().all(|key| key.len() >= 30));
    found
}
