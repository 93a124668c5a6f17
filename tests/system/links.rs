//! Why a link is down, as status, log and doctor tell it; and links that mend themselves.

use std::path::Path;

use fengqiao_tests::city::process::Node;
use fengqiao_tests::city::{COUNTY, City, DAY_MS, TOWNSHIP, agree, until};
use fengqiao_tests::kit::process::Said;

/// Waits until the link upwards is down for this reason, and log and doctor say the same in both languages.
async fn is_down(node: &Node, code: &str) {
    let what = format!("{} is down by {code}", node.name);
    let down = until(&what, async || {
        let status = node.desk().try_status().await?;
        let link = status.links.iter().find(|link| link.direction == "up")?;
        link.down.clone().filter(|down| down.code == code)
    })
    .await;
    assert!(
        down.english.is_ascii() && !down.to_do.is_empty(),
        "{down:?}"
    );
    assert!(
        !down.chinese.is_ascii() && !down.to_do_chinese.is_ascii(),
        "{down:?}"
    );
    node.logs(&["the link is down", code]).await;
    let found = finding(&doctor(node), "parent");
    assert_eq!(found["state"], "warn", "{found}");
    assert_eq!(found["chinese"], down.chinese.as_str(), "{found}");
    let data = node.data.to_str().unwrap();
    let text = fengqiao_tests::kit::process::say(&["--data", data, "status"]).unwrap();
    assert!(
        text.out.contains(&down.chinese) && text.out.contains(&down.english),
        "{text:?}"
    );
}

fn doctor(node: &Node) -> Said {
    let mut words = vec!["doctor"];
    words.extend(node.settings.iter().flat_map(|setting| ["--set", setting]));
    node.machine(&words)
}

fn finding(said: &Said, check: &str) -> serde_json::Value {
    let found = said.json();
    let found = found["checks"].as_array().unwrap().clone();
    let found = found.into_iter().find(|found| found["check"] == check);
    found.unwrap_or_else(|| panic!("{check}: {said:?}"))
}

/// Whether a write is refused with this code.
async fn refuses_writes(node: &Node, code: &str) {
    let register = [
        "case",
        "register",
        "--channel",
        "window",
        "--class",
        "disputes-neighbours",
    ];
    let what = format!("{} refuses by {code}", node.name);
    until(&what, async || {
        let said = node.cli(&[&register[..], &["--text", "x"]].concat());
        (said.error_code() == code).then_some(())
    })
    .await;
    let unit = node.cli(&["unit", "add", "城管局"]);
    assert_eq!(unit.error_code(), code, "{unit:?}");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (kind, target) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &target);
        } else if kind.is_file() {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_wrong_address_is_told_by_what_stands_there() {
    let ground = City::new();
    let mut city = ground.found("德州市").await;
    let mut county = ground.enrol(&city, "德城区", COUNTY).await;
    let wrong = [
        (city.ports.enrol, "LINK_ENROL_PORT"),
        (city.ports.desk, "LINK_NOT_A_NODE"),
        (
            fengqiao_tests::kit::ports::free_port().unwrap(),
            "LINK_NOBODY_LISTENS",
        ),
    ];
    for (port, code) in wrong {
        county.dial(port);
        county.start().await;
        is_down(&county, code).await;
        assert!(county.stop().await.success());
        let resting = finding(&doctor(&county), "parent");
        assert_eq!(resting["state"], "warn", "{code} at rest: {resting}");
        county.settings.pop();
    }
    // Without the setting the address that was learnt at the join is dialled.
    county.start().await;
    agree(&[&city, &county]).await;
    assert!(city.stop().await.success());
    is_down(&county, "LINK_NOBODY_LISTENS").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_address_that_leads_to_another_node_is_said_and_the_learnt_one_dialled() {
    let (ground, elsewhere) = (City::new(), City::new());
    let city = ground.found("德州市").await;
    let other = elsewhere.found("济南市").await;
    let sibling = ground.join(&city, "陵城区", COUNTY).await;
    for wrong in [other.ports.link, sibling.ports.link] {
        let mut county = ground.enrol(&city, &format!("德城区{wrong}"), COUNTY).await;
        county.dial(wrong);
        county.start().await;
        agree(&[&city, &county]).await;
        let alarm = county.desk().alarmed("PARENT_ADDRESS").await;
        assert!(alarm.contains(&wrong.to_string()), "{alarm}");
        let found = finding(&doctor(&county), "parent");
        assert_eq!(found["state"], "warn", "{found}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_join_at_another_port_is_told_which_port_it_is() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let token = city.desk().invite_place("德城区", COUNTY).await;
    let county = ground.ground("德城区");
    let join = |port: u16| {
        let address = format!("127.0.0.1:{port}");
        county.machine(&["join", "--parent", &address, "--token", &token])
    };
    let said = join(city.ports.link);
    assert_eq!(
        (said.error_code().as_str(), said.code),
        ("ENROL_LINK_PORT", 64),
        "{said:?}"
    );
    for port in [city.ports.desk, city.ports.pages, city.ports.operations] {
        let said = join(port);
        assert_eq!(
            (said.error_code().as_str(), said.code),
            ("ENROL_UNREACHABLE", 75),
            "{said:?}"
        );
        assert!(said.err.contains("not a node's port"), "{said:?}");
    }
    let said = join(city.ports.enrol);
    assert_eq!(
        said.code, 0,
        "nothing of that has spent the invitation: {said:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn certificates_made_while_the_clocks_were_ahead_are_renewed_when_they_are_right() {
    let ground = City::new();
    let mut city = ground.found("德州市").await;
    let mut county = ground.join(&city, "德城区", COUNTY).await;
    let mut township = ground.join(&county, "新华街道", TOWNSHIP).await;
    agree(&[&city, &county, &township]).await;
    for node in [&mut township, &mut county, &mut city] {
        assert!(node.stop().await.success());
    }
    ground.time.advance(150 * DAY_MS);
    for node in [&mut city, &mut county, &mut township] {
        node.start().await;
        node.logs(&["the certificate was renewed"]).await;
    }
    agree(&[&city, &county, &township]).await;
    for node in [&mut township, &mut county, &mut city] {
        assert!(node.stop().await.success());
        std::fs::remove_file(&node.log).unwrap();
    }
    ground.time.advance(-150 * DAY_MS);
    let early = finding(&doctor(&county), "certificate");
    assert_eq!(early["state"], "fail", "{early}");
    for node in [&mut city, &mut county, &mut township] {
        node.start().await;
        node.logs(&["the certificate was renewed"]).await;
    }
    agree(&[&city, &county, &township]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_revoked_node_takes_nothing_in_and_says_so_everywhere() {
    let ground = City::new();
    let mut city = ground.found("德州市").await;
    let mut county = ground.join(&city, "德城区", COUNTY).await;
    let kept = county.desk().register("吊销之前").await.case;
    agree(&[&city, &county]).await;
    let id = county.desk().status().await.node;
    city.desk().revoke(&id).await;
    refuses_writes(&county, "NODE_REVOKED").await;
    assert!(
        county.desk().case(&kept).await.is_ok(),
        "what is here is shown"
    );
    let status = county.cli(&["status"]).json();
    assert_eq!(status["closed"]["code"], "NODE_REVOKED", "{status}");
    let said = doctor(&county);
    assert_eq!(said.code, 1, "{said:?}");
    let found = finding(&said, "writing");
    assert!(
        found["to_do"].as_str().unwrap().contains("--successor"),
        "{found}"
    );

    // It knows it also where nobody is reached.
    assert!(county.stop().await.success());
    assert!(city.stop().await.success());
    county.start().await;
    refuses_writes(&county, "NODE_REVOKED").await;
    county.logs(&["nothing is taken in", "NODE_REVOKED"]).await;

    // And it goes on by the way it says, with what it had.
    city.start().await;
    assert!(county.stop().await.success());
    let token = city.desk().invite_successor("德城区").await;
    let address = format!("127.0.0.1:{}", city.ports.enrol);
    let said = county.machine(&["recover", "--parent", &address, "--token", &token]);
    assert_eq!(said.code, 0, "{said:?}");
    county.start().await;
    agree(&[&city, &county]).await;
    county.desk().register("恢复之后").await;
    assert!(county.desk().case(&kept).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_folder_put_back_from_an_older_copy_writes_nothing_until_it_is_recovered() {
    let ground = City::new();
    let mut city = ground.found("德州市").await;
    let mut county = ground.join(&city, "德城区", COUNTY).await;
    county.desk().register("备份之前").await;
    agree(&[&city, &county]).await;
    assert!(county.stop().await.success());
    let older = ground.path("older");
    copy(&county.data, &older);
    county.start().await;
    let lost = county.desk().register("备份之后").await;
    agree(&[&city, &county]).await;
    assert!(county.stop().await.success());
    std::fs::remove_dir_all(&county.data).unwrap();
    copy(&older, &county.data);

    county.start().await;
    refuses_writes(&county, "OLDER_COPY").await;
    let status = county.cli(&["status"]).json();
    assert_eq!(status["closed"]["code"], "OLDER_COPY", "{status}");
    assert_eq!(finding(&doctor(&county), "writing")["state"], "fail");
    // Not where the parent is out of reach either, and doctor says so at rest.
    assert!(county.stop().await.success());
    assert!(city.stop().await.success());
    assert_eq!(finding(&doctor(&county), "writing")["state"], "fail");
    county.start().await;
    refuses_writes(&county, "OLDER_COPY").await;
    assert!(county.stop().await.success());
    city.start().await;

    let token = city.desk().invite_successor("德城区").await;
    let address = format!("127.0.0.1:{}", city.ports.enrol);
    let said = county.machine(&["recover", "--parent", &address, "--token", &token]);
    assert_eq!(said.code, 0, "{said:?}");
    county.start().await;
    agree(&[&city, &county]).await;
    assert!(
        county.desk().case(&lost.case).await.is_ok(),
        "what the parent held came back"
    );
    let fresh = county.desk().register("恢复之后").await;
    assert_ne!(fresh.number, lost.number, "no number is given twice");
    assert_eq!(finding(&doctor(&county), "writing")["state"], "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn at_the_top_a_county_tells_of_an_older_copy_and_a_leader_may_disbelieve_it() {
    let ground = City::new();
    let mut city = ground.found("德州市").await;
    let county = ground.join(&city, "德城区", COUNTY).await;
    agree(&[&city, &county]).await;
    assert!(city.stop().await.success());
    let older = ground.path("older");
    copy(&city.data, &older);
    city.start().await;
    city.desk().invite_place("陵城区", COUNTY).await;
    agree(&[&city, &county]).await;
    assert!(city.stop().await.success());
    std::fs::remove_dir_all(&city.data).unwrap();
    copy(&older, &city.data);
    city.start().await;
    refuses_writes(&city, "OLDER_COPY").await;
    let id = county.desk().status().await.node;
    let waived = city.cli(&["waive", &id]);
    assert_eq!(waived.code, 0, "{waived:?}");
    city.desk().register("经负责人确认后").await;
    assert_eq!(
        city.cli(&["status"]).json()["closed"],
        serde_json::Value::Null
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_township_cannot_close_a_county_whose_parent_knows_better() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let county = ground.join(&city, "德城区", COUNTY).await;
    let mut township = ground.join(&county, "新华街道", TOWNSHIP).await;
    agree(&[&city, &county, &township]).await;
    assert!(township.stop().await.success());
    let older = ground.path("older");
    copy(&township.data, &older);
    township.start().await;
    township.desk().register("之后丢失").await;
    agree(&[&city, &county, &township]).await;
    assert!(township.stop().await.success());
    std::fs::remove_dir_all(&township.data).unwrap();
    copy(&older, &township.data);
    township.start().await;
    refuses_writes(&township, "OLDER_COPY").await;
    // The county is alarmed by the same greeting, and works on.
    county.desk().register("区里照常").await;
    assert_eq!(
        county.cli(&["status"]).json()["closed"],
        serde_json::Value::Null
    );
}
