//! Machines lost for good: their places go on, on another machine at the old address.

use fengqiao_tests::city::process::Node;
use fengqiao_tests::city::{COUNTY, City, TOWNSHIP, VILLAGE, agree};

/// Another machine at the address of a lost one.
fn in_place_of(ground: &City, lost: &Node, name: &str) -> Node {
    let mut node = ground.ground(name);
    (node.link, node.enrol, node.desk) = (lost.link, lost.enrol, lost.desk);
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
    township.dial(county.link);
    let own = county.desk().register("丢失之前，区里登记").await;
    let below = township.desk().register("丢失之前，街道登记").await;
    agree(&[&city, &county, &township]).await;
    let county = lose(county);
    let meanwhile = township.desk().register("上级丢失期间登记").await;

    let refused = city.cli(&["invite", "德城区"]).error_code();
    assert_eq!(refused, "PLACE_HAS_NODE", "nobody is replaced by accident");
    let token = city.desk().invite_successor("德城区").await;
    let mut county = in_place_of(&ground, &county, "德城区新机");
    let address = format!("127.0.0.1:{}", city.enrol);
    let said = county.machine(&["recover", "--parent", &address, "--token", &token]);
    assert_eq!(said.code, 0, "{}", said.err);
    county.dial(city.link);
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
    county.dial(city.link);
    let case = county.desk().register("市里机器丢失之前").await;
    agree(&[&city, &county]).await;
    city = lose(city);

    let mut city = in_place_of(&ground, &city, "德州市新机");
    let root = root_key.display().to_string();
    let witness = format!("127.0.0.1:{}", county.enrol);
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
