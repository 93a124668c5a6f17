//! A case that survives in an export only, brought back by the binary.

use fengqiao_proto::v1 as pb;
use fengqiao_tests::city::desk::request_id;
use fengqiao_tests::city::process::{Node, Said};
use fengqiao_tests::city::{COUNTY, City, TOWNSHIP, agree, until};
use fengqiao_tests::kit::ports::loopback;
use fengqiao_tests::world::EVERY_ROLE;

const REASON: [&str; 2] = ["--reason", "两台机器损坏"];

fn import(node: &Node, file: &str) -> Said {
    let words = ["case", "import", file, "--as", "admin"];
    node.machine(&[&words[..], &REASON].concat())
}

/// Another machine of a place whose machine is gone with all it had.
async fn another(ground: &City, parent: &Node, lost: Node) -> Node {
    let mut node = ground.ground(&format!("{}新机", lost.name));
    node.ports = lost.ports;
    let token = parent.desk().invite_successor(&lost.name).await;
    let address = loopback(parent.ports.enrol);
    let said = node.machine(&["recover", "--parent", &address, "--token", &token]);
    assert_eq!(said.code, 0, "{}", said.err);
    node.dial(parent.ports.link);
    node.start().await;
    node
}

fn lose(mut node: Node) -> Node {
    node.kill();
    std::fs::remove_dir_all(&node.data).unwrap();
    node
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_case_lost_with_two_machines_comes_back_from_an_export() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let county = ground.join(&city, "德城区", COUNTY).await;
    let mut township = ground.join(&county, "新华街道", TOWNSHIP).await;
    township.dial(county.ports.link);
    let case = township.desk().register("邻居装修噪声").await;
    agree(&[&city, &county, &township]).await;
    let file = ground.path("cases.jsonl").display().to_string();
    let made = township.machine(&["export", "create", "--to", &file]);
    assert_eq!(made.code, 0, "{made:?}");

    let lost_township = township.desk().status().await.node;
    let (township, county) = (lose(township), lose(county));
    let county = another(&ground, &city, county).await;
    // Nobody is left who could tell what the township had.
    until("the county may go on without the township", async || {
        let said = county.cli(&["waive", &lost_township, "--as", "admin"]);
        (said.code == 0).then_some(())
    })
    .await;
    agree(&[&city, &county]).await;
    let township = another(&ground, &county, township).await;
    until("the first account is opened anew", async || {
        let desk = township.desk();
        let request = desk.request(pb::SetAccountRequest {
            login: "admin".into(),
            request_id: request_id(),
            roles: EVERY_ROLE.iter().map(|role| i32::from(*role)).collect(),
            ..Default::default()
        });
        desk.node().set_account(request).await.ok()
    })
    .await;
    assert!(township.desk().case(&case.case).await.is_err());

    let said = import(&township, &file);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(said.json()["new"], 1, "{said:?}");
    let shown = township.desk().case(&case.case).await.unwrap();
    assert_eq!(shown.number, case.number);
    agree(&[&city, &county, &township]).await;
    let again = import(&township, &file);
    assert_eq!(again.json()["new"], 0, "{again:?}");
    let log = std::fs::read_to_string(township.data.join("accesses.jsonl")).unwrap();
    assert!(log.contains("admin") && log.contains(REASON[1]) && log.lines().count() == 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_file_that_is_not_what_was_exported_is_refused_with_nothing_changed() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    city.desk().register("邻居装修噪声").await;
    let path = ground.path("cases.jsonl");
    let file = path.display().to_string();
    assert_eq!(city.machine(&["export", "create", "--to", &file]).code, 0);
    let other = ground.found("聊城市").await;
    let refused = |said: Said, code: &str| {
        let got = said.error_code();
        assert_eq!((got.as_str(), said.code), (code, 1), "{said:?}");
    };
    refused(import(&other, &file), "EXPORT_OTHER_ROOT");
    let whole = std::fs::read(&path).unwrap();
    let mut altered = whole.clone();
    let at = whole.len() / 2;
    altered[at] = if altered[at] == b'7' { b'8' } else { b'7' };
    std::fs::write(&path, &altered).unwrap();
    refused(import(&city, &file), "EXPORT_ALTERED");
    std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
    refused(import(&city, &file), "EXPORT_ALTERED");
    assert!(!city.data.join("accesses.jsonl").exists());
    std::fs::write(&path, &whole).unwrap();
    let said = import(&city, &file);
    assert_eq!((said.code, &said.json()["new"]), (0, &0.into()), "{said:?}");
}
