//! Rules issued by one node and in force at those below it.

use fengqiao_node::cli::bundle::shipped;
use fengqiao_tests::city::process::Node;
use fengqiao_tests::city::{City, FourTiers, agree};

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
