//! Machines lost for good: their places go on, on another machine at the old address, with a backup or without.

use std::path::{Path, PathBuf};

use fengqiao_tests::city::desk::refusal;
use fengqiao_tests::city::process::Node;
use fengqiao_tests::city::{COUNTY, City, TOWNSHIP, VILLAGE, agree, until};
use fengqiao_tests::kit::moves::{accept, escalate};
use fengqiao_tests::kit::ports::loopback;

/// Another machine at the address of a lost one.
fn in_place_of(ground: &City, lost: &Node, name: &str) -> Node {
    let mut node = ground.ground(name);
    node.ports = lost.ports;
    node
}

fn lose(mut node: Node) -> Node {
    node.kill();
    std::fs::remove_dir_all(&node.data).unwrap();
    node
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_lost_county_comes_back_on_another_machine_and_its_township_finds_it() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let county = ground.join(&city, "德城区", COUNTY).await;
    let mut township = ground.join(&county, "新华街道", TOWNSHIP).await;
    township.dial(county.ports.link);
    let own = county.desk().register("丢失之前，区里登记").await;
    let below = township.desk().register("丢失之前，街道登记").await;
    agree(&[&city, &county, &township]).await;
    let county = lose(county);
    let meanwhile = township.desk().register("上级丢失期间登记").await;

    let refused = city.cli(&["invite", "德城区"]).error_code();
    assert_eq!(refused, "PLACE_HAS_NODE", "nobody is replaced by accident");
    let token = city.desk().invite_successor("德城区").await;
    let mut county = in_place_of(&ground, &county, "德城区新机");
    let address = loopback(city.ports.enrol);
    let said = county.machine(&["recover", "--parent", &address, "--token", &token]);
    assert_eq!(said.code, 0, "{}", said.err);
    county.dial(city.ports.link);
    county.start().await;

    agree(&[&city, &county, &township]).await;
    let known = county.desk().all_cases().await;
    for case in [&own.case, &below.case, &meanwhile.case] {
        assert!(known.iter().any(|known| known.case == *case), "{case}");
    }
    let fresh = county.desk().register("新机器登记").await;
    assert_ne!(fresh.number, own.number, "no number is given out twice");
    agree(&[&city, &county, &township]).await;
    // The new machine enrols below as the old one did.
    let village = ground.join(&township, "新华社区", VILLAGE).await;
    agree(&[&city, &county, &township, &village]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_lost_top_comes_back_by_the_root_key_two_persons_and_what_a_county_knows() {
    let ground = City::new();
    let mut city = ground.found("德州市").await;
    let root_key = ground.path("root.pem");
    std::fs::rename(city.data.join("root/authority.pem"), &root_key).unwrap();
    let mut county = ground.join(&city, "德城区", COUNTY).await;
    county.dial(city.ports.link);
    let case = county.desk().register("市里机器丢失之前").await;
    agree(&[&city, &county]).await;
    city = lose(city);

    let mut city = in_place_of(&ground, &city, "德州市新机");
    let root = root_key.display().to_string();
    let witness = loopback(county.ports.enrol);
    let first = ["recover", "--root-key", &root, "--witness", &witness];
    let alone = [&first[..], &["--approved-by", "0123456789abcdef"]].concat();
    assert_eq!(city.machine(&alone).code, 64, "one person is not enough");
    let words = [&alone[..], &["--approved-by", "123456789abcdefg"]].concat();
    let said = city.machine(&words);
    assert_eq!(said.code, 0, "{}", said.err);
    city.start().await;
    agree(&[&city, &county]).await;
    let known = city.desk().all_cases().await;
    assert!(known.iter().any(|known| known.case == case.case));
    let township = ground.join(&county, "新华街道", TOWNSHIP).await;
    agree(&[&city, &county, &township]).await;
}

/// A backup of a running node, with its case keys.
fn backup(ground: &City, node: &Node) -> (PathBuf, PathBuf, PathBuf) {
    let folder = ground.path(&format!("backup {}", node.name));
    let safe = ground.path("safe");
    std::fs::create_dir_all(&safe).unwrap();
    let keys = safe.join(&node.name);
    let passphrase = ground.path("passphrase");
    std::fs::write(&passphrase, "five words nobody else knows\n").unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(&passphrase, std::fs::Permissions::from_mode(0o600)).unwrap();
    let [to, kept, secret] = [&folder, &keys, &passphrase].map(|path| path.display().to_string());
    let made = node.machine(&[
        "backup",
        "create",
        "--to",
        &to,
        "--keys",
        &kept,
        "--passphrase-file",
        &secret,
    ]);
    assert_eq!(made.code, 0, "{}", made.err);
    (folder, keys, passphrase)
}

/// Restores a backup on another machine at the lost one's address; it has no identity yet.
fn restore(ground: &City, lost: &Node, backup: &(PathBuf, PathBuf, PathBuf)) -> Node {
    let mut node = in_place_of(ground, lost, &format!("{}新机", lost.name));
    let (folder, keys, passphrase) = backup;
    let [from, kept, secret] = [folder, keys, passphrase].map(|path| path.display().to_string());
    let put_back = node.machine(&[
        "restore",
        "--from",
        &from,
        "--keys",
        &kept,
        "--passphrase-file",
        &secret,
    ]);
    assert_eq!(put_back.code, 0, "{}", put_back.err);
    assert_eq!(node.fail_to_run().error_code(), "FOLDER_RESTORED");
    node.name.clone_from(&lost.name);
    node
}

/// A restored machine becomes its place's next node.
async fn recover(parent: &Node, node: &mut Node) {
    let token = parent.desk().invite_successor(&node.name).await;
    let address = loopback(parent.ports.enrol);
    let said = node.machine(&["recover", "--parent", &address, "--token", &token]);
    assert_eq!(said.code, 0, "{}", said.err);
    node.dial(parent.ports.link);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_restored_township_leaves_old_cases_alone_until_its_county_has_spoken() {
    let ground = City::new();
    let mut city = ground.found("德州市").await;
    let township = ground.join(&city, "新华街道", TOWNSHIP).await;
    let old = township.desk().register("备份之前").await;
    agree(&[&city, &township]).await;
    let made = backup(&ground, &township);
    let accepted = [accept()];
    township.desk().moves(&old.case, accepted.clone()).await;
    let later = township.desk().register("备份之后").await;
    agree(&[&city, &township]).await;
    let township = lose(township);

    let mut township = restore(&ground, &township, &made);
    recover(&city, &mut township).await;
    city.stop().await;
    township.start().await;
    let desk = township.desk();
    let refused = desk
        .act(&old.case, accepted[0].clone(), &[])
        .await
        .unwrap_err();
    assert_eq!(refusal(&refused).1, "RECOVERING");
    let status = township.cli(&["status"]).json();
    assert_eq!(status["links"][0]["awaited"], true, "{status}");
    let fresh = desk.register("恢复期间，新诉求照常登记").await;
    assert!(
        desk.case_with_texts(&old.case).await.is_ok(),
        "keys came with the backup"
    );

    city.start().await;
    agree(&[&city, &township]).await;
    let known = desk.all_cases().await;
    for case in [&old.case, &later.case, &fresh.case] {
        assert!(known.iter().any(|known| known.case == *case), "{case}");
    }
    desk.act(&old.case, escalate(), &[("reason", "乡镇难以解决")])
        .await
        .unwrap();
    agree(&[&city, &township]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn county_and_township_restored_from_backups_of_different_age_agree_again() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let county = ground.join(&city, "德城区", COUNTY).await;
    let mut township = ground.join(&county, "新华街道", TOWNSHIP).await;
    township.dial(county.ports.link);
    let mut cases = vec![township.desk().register("街道备份之前").await.case];
    agree(&[&city, &county, &township]).await;
    let of_township = backup(&ground, &township);
    cases.push(township.desk().register("两次备份之间").await.case);
    cases.push(county.desk().register("区里登记").await.case);
    agree(&[&city, &county, &township]).await;
    let of_county = backup(&ground, &county);
    cases.push(township.desk().register("区备份之后").await.case);
    cases.push(county.desk().register("区里备份之后").await.case);
    agree(&[&city, &county, &township]).await;

    let county = lose(county);
    let mut county = restore(&ground, &county, &of_county);
    recover(&city, &mut county).await;
    county.start().await;
    agree(&[&city, &county, &township]).await;
    let township = lose(township);
    let mut township = restore(&ground, &township, &of_township);
    let token_needs_the_gate_open = until("the county is whole again", async || {
        let status = county.desk().status().await;
        (!status.links.iter().any(|link| link.awaited)).then_some(())
    });
    token_needs_the_gate_open.await;
    recover(&county, &mut township).await;
    township.start().await;
    agree(&[&city, &county, &township]).await;
    for node in [&county, &township] {
        let known = node.desk().all_cases().await;
        let of_township = if node.name == "新华街道" { 3 } else { 5 };
        assert_eq!(known.len(), of_township, "{}", node.name);
    }
    for node in [&city, &county, &township] {
        let status = node.desk().status().await;
        assert_eq!(status.parked, 0, "{}", node.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_older_copy_of_a_folder_is_noticed_and_recovered_where_it_stands() {
    let ground = City::new();
    let mut city = ground.found("德州市").await;
    let mut township = ground.join(&city, "新华街道", TOWNSHIP).await;
    let mut cases = vec![township.desk().register("快照之前").await.case];
    agree(&[&city, &township]).await;
    township.kill();
    let snapshot = ground.path("snapshot");
    copy(&township.data, &snapshot);
    township.start().await;
    cases.push(township.desk().register("快照之后").await.case);
    agree(&[&city, &township]).await;
    township.kill();
    std::fs::remove_dir_all(&township.data).unwrap();
    copy(&snapshot, &township.data);

    // It cannot know that it is one while its parent is away.
    city.kill();
    township.start().await;
    cases.push(township.desk().register("旧副本上登记").await.case);
    city.start().await;
    city.desk().alarmed("CURSOR").await;
    township.kill();
    recover(&city, &mut township).await;
    township.start().await;
    agree(&[&city, &township]).await;
    for node in [&township, &city] {
        let known = node.desk().all_cases().await;
        let known: Vec<_> = known
            .iter()
            .map(|case| (&case.case, &case.number))
            .collect();
        let status = node.desk().status().await;
        assert_eq!(
            known.len(),
            cases.len(),
            "{} {known:?} {cases:?} {status:?}",
            node.name
        );
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        let into = to.join(entry.file_name());
        if kind.is_dir() {
            copy(&entry.path(), &into);
        } else if kind.is_file() {
            std::fs::copy(entry.path(), into).unwrap();
        }
    }
}
