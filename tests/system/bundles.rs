//! Rules issued by one node and in force at those below it.

use fengqiao_node::cli::bundle::shipped;
use fengqiao_proto::v1 as pb;
use fengqiao_tests::city::process::Node;
use fengqiao_tests::city::{City, FourTiers, agree};
use fengqiao_tests::kit::moves::{accept, dispatch_to_unit, escalate, intake, register, take};

/// The shipped catalogue with as many classes more.
fn catalogue(more: usize) -> String {
    let files = shipped();
    let classes = files.iter().find(|file| file.name == "classes.csv");
    let mut text = String::from_utf8(classes.unwrap().content.clone()).unwrap();
    for nth in 0..more {
        let row = format!(
            "urban-{nth},urban,事项{nth},Matter {nth},urban_management,50,dezhou-333,1440,2\n"
        );
        text.push_str(&row);
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_citys_whole_catalogue_reaches_a_village_whose_county_was_killed_meanwhile() {
    let ground = City::new();
    let mut tiers = FourTiers::found(&ground).await;
    agree(&[&tiers.city, &tiers.county, &tiers.township, &tiers.village]).await;
    let classes = |node: &Node| {
        let shown = node.cli(&["bundle", "show"]);
        assert_eq!(shown.code, 0, "{shown:?}");
        shown.json()["classes"].as_u64().unwrap()
    };
    let before = classes(&tiers.village);
    tiers.county.kill();
    let file = ground.path("classes.csv");
    std::fs::write(&file, catalogue(3_000)).unwrap();
    let path = file.to_str().unwrap();
    let issue = ["bundle", "issue", path, "--note", "全市事项目录"];
    let said = tiers.city.cli(&issue);
    assert_eq!(said.code, 0, "{said:?}");
    let again = tiers.city.cli(&issue);
    assert_eq!(again.error_code(), "BUNDLE_UNCHANGED");

    tiers.county.start().await;
    agree(&[&tiers.city, &tiers.county, &tiers.township, &tiers.village]).await;
    tiers.county.kill();
    tiers.county.start().await;
    for node in [&tiers.county, &tiers.village] {
        assert_eq!(classes(node), before + 3_000);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_class_of_a_townships_own_is_known_wherever_its_case_goes_and_is_mapped_there() {
    const OWN: &str = "urban-cats";
    let ground = City::new();
    let tiers = FourTiers::found(&ground).await;
    agree(&tiers.all()).await;
    let rows = format!(
        "{}\n{OWN},urban,流浪猫,Stray cats,urban_management,50,dezhou-333,1440,2\n",
        catalogue(0).lines().next().unwrap()
    );
    let file = ground.path("classes.csv");
    std::fs::write(&file, rows).unwrap();
    let issue = ["bundle", "issue", file.to_str().unwrap(), "--note", "增设"];
    let said = tiers.township.cli(&issue);
    assert_eq!(said.code, 0, "{said:?}");

    let [_, county, township, _] = tiers.all().map(|node| node.desk());
    let opened = register(intake(pb::Channel::Window, OWN));
    let opened = township.act("", opened, &[("text", "楼下的猫")]).await;
    let case = opened.unwrap().case;
    township.moves(&case, [accept(), escalate()]).await;
    county.sees_move(&case, "escalate", "新华街道").await;

    // The county was told of no such class, and reads it by the definition that came with the case.
    let shown = |node: &Node| node.cli(&["case", "show", &case]).json();
    assert_eq!(shown(&tiers.county)["class_zh"], "流浪猫");
    const UNIT: &str = "德城区城市管理局";
    county.add_unit(UNIT).await;
    let mapped = pb::Reclassify {
        class: "urban-roads".to_owned(),
        ..Default::default()
    };
    county.moves(&case, [take(), mapped.into()]).await;
    county.moves(&case, [dispatch_to_unit(UNIT, 0)]).await;
    township.sees_move(&case, "dispatch", "德城区").await;
    for node in [&tiers.county, &tiers.township] {
        assert_eq!(shown(node)["class"], "urban-roads");
    }
    agree(&tiers.all()).await;
}
