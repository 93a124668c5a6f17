//! What `doctor`, `verify` and `export` say of sound nodes and of broken ones.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use fengqiao_tests::city::process::{Node, Said};
use fengqiao_tests::city::{COUNTY, City, DAY_MS, agree, files};

/// The state of each check, and the whole answer's code.
fn states(said: &Said) -> Vec<(String, String)> {
    let checks = said.json()["checks"].as_array().unwrap().clone();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    checks
        .iter()
        .map(|check| {
            assert!(!text(&check["chinese"]).is_empty(), "{check}");
            let quiet = check["state"] == "ok";
            assert_eq!(check["to_do"].is_null(), quiet, "{check}");
            (text(&check["check"]), text(&check["state"]))
        })
        .collect()
}

fn state(said: &Said, check: &str) -> String {
    let states = states(said);
    let found = states.iter().find(|(name, _)| name == check);
    found
        .unwrap_or_else(|| panic!("{check}: {said:?}"))
        .1
        .clone()
}

fn doctor(node: &Node) -> Said {
    let mut words = vec!["doctor"];
    let ports = node.ports.settings();
    let settings = ports.iter().chain(&node.settings);
    words.extend(settings.flat_map(|setting| ["--set", setting]));
    node.machine(&words)
}

/// Takes one case's row out of a store at rest, as decay that no checksum saw would.
fn forget_a_chain(store: &Path) {
    use fengqiao_node::store::{Batch, Opening, Read as _, Settings, Store as _, tables};
    let settings = Settings {
        cache_bytes: 1 << 20,
    };
    let opening = Opening {
        unix_s: 0,
        boot_id: fengqiao_node::store::boot_id().unwrap(),
    };
    let store = fengqiao_node::store::open_guarded(store, settings, &opening)
        .unwrap()
        .store;
    let (lo, hi) = tables::prefixed(&tables::numbers());
    let rows = store.range(&lo, &hi, 10).unwrap();
    let mut batch = Batch::new();
    batch.remove(rows[0].0.clone());
    store.apply(&batch, store.applied().unwrap()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_sound_node_is_found_sound_running_and_at_rest() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let mut county = ground.join(&city, "德城区", COUNTY).await;
    county.desk().register("邻居装修噪声").await;
    agree(&[&city, &county]).await;
    assert_eq!(state(&doctor(&city), "root key"), "warn");
    std::fs::remove_file(city.data.join("root/authority.pem")).unwrap();
    for node in [&city, &county] {
        let said = doctor(node);
        assert_eq!(said.code, 0, "{said:?}");
        let bad: Vec<_> = states(&said)
            .into_iter()
            // How full the disk of this machine is, is not the node's doing.
            .filter(|(check, state)| check != "room" && state != "ok")
            .collect();
        assert_eq!(bad, [], "{said:?}");
    }
    assert!(county.stop().await.success());
    let said = doctor(&county);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(state(&said, "parent"), "ok");
    let text = ground.say(&["--data", county.data.to_str().unwrap(), "doctor"]);
    assert!(
        text.out.contains("ok    folder") && text.out.contains("德城区"),
        "{text:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_broken_is_named_with_what_to_do() {
    let ground = City::new();
    let mut city = ground.found("德州市").await;
    let mut county = ground.join(&city, "德城区", COUNTY).await;
    county.desk().register("邻居装修噪声").await;
    agree(&[&city, &county]).await;
    county.put_clock_off(10 * 60_000);
    assert!(county.stop().await.success());
    county.start().await;
    agree(&[&city, &county]).await;
    let said = doctor(&county);
    assert_eq!(
        (said.code, state(&said, "clock").as_str()),
        (0, "warn"),
        "{said:?}"
    );
    county.put_clock_off(0);
    assert!(county.stop().await.success());

    assert!(city.stop().await.success());
    let said = doctor(&county);
    assert_eq!(
        (said.code, state(&said, "parent").as_str()),
        (0, "warn"),
        "{said:?}"
    );

    let held = std::net::TcpListener::bind(("127.0.0.1", county.ports.desk)).unwrap();
    let said = doctor(&county);
    assert_eq!(
        (said.code, state(&said, "ports").as_str()),
        (1, "fail"),
        "{said:?}"
    );
    assert!(said.out.contains("desk.listen"), "{said:?}");
    drop(held);

    let key = county.data.join("keys");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let said = doctor(&county);
    assert_eq!(state(&said, "secrets"), "fail");
    assert_eq!(said.error_code(), "DOCTOR_FAILED");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();

    ground.time.advance(200 * DAY_MS);
    assert_eq!(state(&doctor(&county), "certificate"), "fail");
    ground.time.advance(-40 * DAY_MS);
    assert_eq!(state(&doctor(&county), "certificate"), "warn");

    let journal = files(&county.data.join("journal")).pop().unwrap();
    let whole = std::fs::read(&journal).unwrap();
    std::fs::write(&journal, &whole[..200]).unwrap();
    assert_eq!(state(&doctor(&county), "journal"), "fail");
    let said = county.machine(&["verify"]);
    assert_eq!(said.json()["problems"][0]["code"], "JOURNAL", "{said:?}");
    std::fs::write(&journal, &whole).unwrap();

    let keys = std::fs::read(&key).unwrap();
    let mut hurt = keys.clone();
    hurt[3] ^= 1;
    std::fs::write(&key, &hurt).unwrap();
    assert_eq!(state(&doctor(&county), "case keys"), "fail");
    let said = county.machine(&["verify"]);
    assert_eq!(
        said.json()["problems"][0]["code"],
        "KEYS_DAMAGED",
        "{said:?}"
    );
    std::fs::write(&key, &keys).unwrap();
    assert_eq!(county.machine(&["verify"]).code, 0);

    forget_a_chain(&county.data.join("store"));
    let said = county.machine(&["verify"]);
    assert_eq!(said.json()["problems"][0]["code"], "STORE", "{said:?}");
    std::fs::remove_dir_all(county.data.join("store")).unwrap();
    assert_eq!(county.machine(&["verify"]).code, 0, "none is built anew");

    let nothing = ground.ground("空");
    let said = doctor(&nothing);
    assert_eq!(
        (said.code, state(&said, "folder").as_str()),
        (1, "fail"),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_export_is_read_back_and_texts_leave_only_with_a_reason() {
    let ground = City::new();
    let mut city = ground.found("德州市").await;
    let case = city.desk().register("邻居装修噪声").await.case;
    let (sealed, open) = (ground.path("sealed.jsonl"), ground.path("open.jsonl"));
    let (sealed, open) = (sealed.to_str().unwrap(), open.to_str().unwrap());
    let made = city.machine(&["export", "create", "--to", sealed]);
    assert_eq!(made.code, 0, "{made:?}");
    assert_eq!(made.json()["cases"], 1);
    assert!(
        !std::fs::read_to_string(sealed)
            .unwrap()
            .contains("邻居装修噪声")
    );
    let read = ground.say(&["--output", "json", "export", "verify", sealed]);
    assert_eq!(read.code, 0, "{read:?}");
    assert_eq!(read.json()["list"][0]["case"], case.as_str());
    assert_eq!(read.json()["sha256"], made.json()["sha256"]);

    let with = ["export", "create", "--to", open, "--with-texts"];
    assert_eq!(city.machine(&with).code, 64, "a reason is asked for");
    let reason = [&with[..], &["--reason", "审计抽查"]].concat();
    let nobody = city.machine(&reason);
    assert_eq!(
        (nobody.code, nobody.error_code().as_str()),
        (64, "ACCOUNT_MISSING"),
        "{nobody:?}"
    );
    let asked = [&reason[..], &["--as", "admin"]].concat();
    let made = city.machine(&asked);
    assert_eq!(made.code, 0, "{made:?}");
    assert!(
        std::fs::read_to_string(open)
            .unwrap()
            .contains("邻居装修噪声")
    );
    let log = std::fs::read_to_string(city.data.join("accesses.jsonl")).unwrap();
    assert!(log.contains("admin") && log.contains("审计抽查") && log.lines().count() == 1);
    assert_eq!(ground.say(&["export", "verify", open]).code, 0);

    let whole = std::fs::read(sealed).unwrap();
    for part in 0..24 {
        let mut bytes = whole.clone();
        bytes[whole.len() * part / 24] ^= 1;
        std::fs::write(sealed, bytes).unwrap();
        let said = ground.say(&["--output", "json", "export", "verify", sealed]);
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.error_code().starts_with("EXPORT_"), "{said:?}");
    }
    assert!(city.stop().await.success());
    let path = city.data.join("accesses.jsonl");
    std::fs::write(&path, log.replace("审计抽查", "审计普查")).unwrap();
    let said = city.machine(&["verify"]);
    assert_eq!(
        said.json()["problems"][0]["code"],
        "ACCESSES_ALTERED",
        "{said:?}"
    );
}
