//! One process for many places.

use fengqiao_tests::city::desk::dispatch;
use fengqiao_tests::city::{COUNTY, City, TOWNSHIP, VILLAGE, agree};
use fengqiao_tests::kit::moves::{accept, decide, escalate, take};
use fengqiao_tests::kit::ports::loopback;

/// The names under which a process says that it serves.
fn served(log: &str, node: &str) -> String {
    let line = log
        .lines()
        .rev()
        .find(|line| line.contains("serving") && line.contains(node));
    let name = line.and_then(|line| line.split("name=").nth(1)).unwrap();
    name.trim_matches('"')
        .split(['"', ' '])
        .next()
        .unwrap()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn one_process_hosts_a_county_and_two_townships_for_a_village_elsewhere() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let mut county = ground.join(&city, "德城区", COUNTY).await;
    let mut xinhua = ground.enrol(&county, "新华街道", TOWNSHIP).await;
    let mut xinhu = ground.enrol(&county, "新湖街道", TOWNSHIP).await;
    assert!(county.stop().await.success());

    let mut host = ground.ground("host");
    host.data = ground.root().to_owned();
    let config = ground.path("host.toml");
    std::fs::write(
        &config,
        "[places]\nhost = [\"德城区\", \"新华街道\", \"新湖街道\"]\n",
    )
    .unwrap();
    host.words = vec!["--config".to_owned(), config.to_str().unwrap().to_owned()];
    host.hosted = "新华街道".to_owned();
    (host.ports.link, host.ports.enrol) = (county.ports.link, county.ports.enrol);
    host.start().await;
    for node in [&mut county, &mut xinhua, &mut xinhu] {
        (node.ports.link, node.ports.enrol) = (host.ports.link, host.ports.enrol);
        node.desk().sees_up().await;
    }

    let township = xinhua.desk();
    let name = served(&host.log_text(), &township.status().await.node);
    let token = township.invite_place("新华社区", VILLAGE).await;
    let mut village = ground.ground("新华社区");
    let address = loopback(host.ports.enrol);
    let joined = village.machine(&[
        "join",
        "--parent",
        &address,
        "--parent-name",
        &name,
        "--token",
        &token,
    ]);
    assert_eq!(joined.code, 0, "{}", joined.err);
    village.start().await;

    let (below, upper) = (village.desk(), county.desk());
    let case = below.register("邻居装修噪声").await.case;
    below.moves(&case, [accept(), escalate()]).await;
    township.sees_move(&case, "escalate", "新华社区").await;
    township.moves(&case, [take(), escalate()]).await;
    upper.sees_move(&case, "escalate", "新华街道").await;
    upper
        .moves(&case, [take(), decide(), dispatch("新湖街道")])
        .await;
    xinhu.desk().sees_move(&case, "dispatch", "德城区").await;
    let own = xinhu.desk().register("路灯不亮").await.case;
    agree(&[&city, &county, &xinhua, &xinhu, &village]).await;
    assert!(city.desk().case(&own).await.unwrap().notice_only);
    assert!(
        township.case(&own).await.is_err(),
        "a township sees nothing of its neighbour's"
    );

    host.kill();
    host.start().await;
    agree(&[&city, &county, &xinhua, &xinhu, &village]).await;
}
