//! A place moved below another parent: its machine finds the new parent by itself.

use fengqiao_tests::city::{COUNTY, City, TOWNSHIP, VILLAGE, agree, until};
use fengqiao_tests::kit::ports::loopback;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_moved_township_finds_its_new_county_and_its_cases_come_back_to_it() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let from = ground.join(&city, "德城区", COUNTY).await;
    let to = ground.join(&city, "陵城区", COUNTY).await;
    let township = ground.join(&from, "新华街道", TOWNSHIP).await;
    let village = ground.join(&township, "新华社区", VILLAGE).await;
    let before = village.desk().register("调整隶属之前登记").await;
    agree(&[&city, &from, &to, &township, &village]).await;

    let wrong = city.cli(&[
        "place",
        "move",
        "新华街道",
        "--to",
        "陵城区",
        "--address",
        "nowhere",
    ]);
    assert_eq!(wrong.error_code(), "MALFORMED", "{}", wrong.err);
    let nowhere = city.cli(&[
        "place",
        "end",
        "德城区",
        "--successor",
        "无此地",
        "--output",
        "json",
    ]);
    let said: serde_json::Value = serde_json::from_str(&nowhere.err).unwrap();
    assert_eq!(said["error"]["field"], "successor", "{}", nowhere.err);
    let address = loopback(to.ports.enrol);
    let words = [
        "place",
        "move",
        "新华街道",
        "--to",
        "陵城区",
        "--address",
        &address,
    ];
    let moved = city.cli(&words);
    assert_eq!(moved.code, 0, "{}", moved.err);
    let again = city.cli(&words);
    assert_eq!(
        again.error_code(),
        "PLACE_UNKNOWN",
        "it stands there already"
    );

    let linked = async || {
        let links = to.desk().try_status().await?.links;
        links
            .iter()
            .any(|link| link.name == "新华街道" && link.connected)
            .then_some(())
    };
    until("the township dials its new county", linked).await;
    agree(&[&city, &from, &to, &township, &village]).await;
    let back = village
        .desk()
        .sees_move(&before.case, "dispatch", "德州市")
        .await;
    assert_eq!(back.custodian_name, "新华社区");
    let fresh = village.desk().register("调整隶属之后登记").await;
    agree(&[&city, &from, &to, &township, &village]).await;
    let known = to.desk().all_cases().await;
    for case in [&before.case, &fresh.case] {
        assert!(known.iter().any(|known| known.case == *case), "{case}");
    }
    let known = from.desk().all_cases().await;
    assert!(!known.iter().any(|known| known.case == fresh.case));

    // Its certificates come from there as well, and it dials there when it starts again.
    let mut township = township;
    township.kill();
    township.start().await;
    until("it dials there again", linked).await;
    agree(&[&city, &from, &to, &township, &village]).await;
}
