//! What a person is told who meets files of somebody else, a disk that takes no writes, a path that is too long.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use fengqiao_tests::city::process::{Node, Said};
use fengqiao_tests::city::{COUNTY, City};

/// A user that owns nothing on this machine.
const STRANGER: u32 = 10_001;

/// Runs a command of this machine as somebody else; `None` where this user may not.
fn as_stranger(node: &Node, words: &[&str]) -> Option<Said> {
    let id = STRANGER.to_string();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]);
    command.arg(fengqiao_tests::kit::process::binary().ok()?);
    command.args([
        "--data",
        node.folder().to_str().unwrap(),
        "--output",
        "json",
    ]);
    let output = command.args(words).output().ok()?;
    Some(Said {
        code: output.status.code()?,
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    })
}

fn own(path: &Path, owner: u32) -> bool {
    let who = format!("{owner}:{owner}");
    let done = Command::new("chown").args(["-R", &who]).arg(path).output();
    done.is_ok_and(|output| output.status.success())
}

/// How a text is written into a file.
type Form<'a> = &'a dyn Fn(&str) -> Vec<u8>;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_file_that_may_not_be_read_is_told_with_its_owner_and_never_called_damaged() {
    use std::io::Write as _;
    let ground = City::new();
    let mut city = ground.found("德州市").await;
    city.desk().register("照常受理").await;
    assert!(city.stop().await.success());
    let open = |path: &Path| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    open(ground.root());
    let folder = city.folder().to_owned();
    let sound = own(&folder, STRANGER)
        .then(|| as_stranger(&city, &["verify"]))
        .flatten();
    let Some(sound) = sound.filter(|said| said.code == 0) else {
        let word = "SKIPPED a_file_that_may_not_be_read: another user cannot be played here";
        let _ = writeln!(std::io::stderr(), "{word}");
        return;
    };
    drop(sound);
    let segment = fengqiao_tests::city::files(&folder.join("journal")).remove(0);
    let files = [
        ("witness", "journal"),
        ("keys", "case keys"),
        ("identity.json", "folder"),
        ("private/signing.pem", "folder"),
        (
            segment.strip_prefix(&folder).unwrap().to_str().unwrap(),
            "journal",
        ),
    ];
    for (file, check) in files {
        let path = folder.join(file);
        assert!(own(&path, 0), "{file}");
        let said = as_stranger(&city, &["doctor"]).unwrap();
        let checks = said.json()["checks"].as_array().unwrap().clone();
        let found = checks.iter().find(|found| found["check"] == check).unwrap();
        assert_eq!(found["state"], "fail", "{file}: {found}");
        let (message, to_do) = (found["english"].to_string(), found["to_do"].to_string());
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(
            message.contains(name) && message.contains("owner 0:0"),
            "{file}: {found}"
        );
        assert!(to_do.contains("chown -R 10001:10001"), "{file}: {found}");
        for said in [&message, &to_do, &found["chinese"].to_string()] {
            for word in ["backup", "damage", "recover", "损坏", "备份"] {
                assert!(!said.contains(word), "{file}: {found}");
            }
        }
        let verified = as_stranger(&city, &["verify"]).unwrap();
        assert_ne!(verified.code, 0, "{file}");
        let all = format!("{}{}", verified.out, verified.err);
        assert!(all.contains(name), "{file}: {all}");
        assert!(
            !all.contains("DAMAGED") && !all.contains("损坏"),
            "{file}: {all}"
        );
        assert!(own(&path, STRANGER), "{file}");
    }
    let said = as_stranger(&city, &["verify"]).unwrap();
    assert_eq!(said.code, 0, "given back, all is as it was: {said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_path_too_long_for_its_socket_is_refused_before_anything_is_made() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let long = ground.path(&"长".repeat(40));
    let long = long.to_str().unwrap();
    let refused = |said: &Said| {
        assert_eq!(
            (said.error_code().as_str(), said.code),
            ("FOLDER_PATH_LONG", 64),
            "{said:?}"
        );
        assert!(!Path::new(long).exists());
    };
    refused(&ground.say(&["--data", long, "--output", "json", "init", "--name", "甲"]));
    let token = city.desk().invite_place("德城区", COUNTY).await;
    let address = format!("127.0.0.1:{}", city.ports.enrol);
    let join = ["join", "--parent", &address, "--token", &token];
    for command in [&join[..], &[&["recover"], &join[1..]].concat()] {
        let words = [&["--data", long, "--output", "json"], command].concat();
        refused(&ground.say(&words));
    }
    let county = ground.ground("德城区");
    let said = county.machine(&join);
    assert_eq!(said.code, 0, "the invitation is still good: {said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_invitation_is_read_from_whatever_an_editor_made_of_its_file() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let address = format!("127.0.0.1:{}", city.ports.enrol);
    let utf16 = |text: &str| {
        let marked = format!("\u{feff}{text}\r\n");
        marked
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect::<Vec<u8>>()
    };
    let forms: [(&str, Form<'_>); 3] = [
        ("甲县", &|text| format!("\u{feff}{text}\r\n").into_bytes()),
        ("乙县", &utf16),
        ("丙县", &|text| format!("  {text}\n\n").into_bytes()),
    ];
    for (name, form) in forms {
        let token = city.desk().invite_place(name, COUNTY).await;
        let file = ground.path(&format!("{name}.token"));
        std::fs::write(&file, form(&token)).unwrap();
        let county = ground.ground(name);
        let words = [
            "join",
            "--parent",
            &address,
            "--token-file",
            file.to_str().unwrap(),
        ];
        let said = county.machine(&words);
        assert_eq!(said.code, 0, "{name}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_backup_that_would_be_lost_or_taken_with_what_it_protects_is_not_made() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let passphrase = ground.path("passphrase");
    std::fs::write(&passphrase, "\u{feff}five words nobody else knows\r\n").unwrap();
    std::fs::set_permissions(&passphrase, std::fs::Permissions::from_mode(0o600)).unwrap();
    let create = |to: &Path, keys: &Path| {
        let words = [
            "backup",
            "create",
            "--to",
            to.to_str().unwrap(),
            "--keys",
            keys.to_str().unwrap(),
            "--passphrase-file",
            passphrase.to_str().unwrap(),
        ];
        city.machine(&words)
    };
    std::fs::create_dir(ground.path("safe")).unwrap();
    let (away, safe) = (ground.path("away"), ground.path("safe/keys"));
    let inside = city.folder().join("backup");
    assert_eq!(create(&inside, &safe).error_code(), "BACKUP_INSIDE_DATA");
    assert!(!inside.exists());
    for keys in [
        away.join("keys"),
        ground.path("keys"),
        city.folder().join("keys.copy"),
    ] {
        assert_eq!(create(&away, &keys).error_code(), "BACKUP_KEYS_BESIDE");
        assert!(!away.exists() && !keys.exists(), "nothing was made");
    }
    assert_eq!(create(&away, &safe).code, 0);
    // A passphrase is the same whatever mark its file begins with.
    std::fs::write(&passphrase, "five words nobody else knows\n").unwrap();
    let restored = ground.path("restored");
    let words = [
        "--data",
        restored.to_str().unwrap(),
        "restore",
        "--from",
        away.to_str().unwrap(),
        "--keys",
        safe.to_str().unwrap(),
        "--passphrase-file",
        passphrase.to_str().unwrap(),
        "--clock",
        city.clock_file().to_str().unwrap(),
    ];
    let said = ground.say(&words);
    assert_eq!(said.code, 0, "{said:?}");
}
