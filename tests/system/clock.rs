//! Clocks that are wrong: shown, and not believed for warnings; writing goes on. A calendar that ends: said in time.

use fengqiao_hub::clock::Moment;
use fengqiao_proto::v1 as pb;
use fengqiao_tests::city::desk::Desk;
use fengqiao_tests::city::process::Node;
use fengqiao_tests::city::{COUNTY, City, DAY_MS, FourTiers, TOWNSHIP, VILLAGE, agree, until};
use fengqiao_tests::kit::moves::{accept, dispatch, escalate, take};

const HOUR_MS: i64 = 3_600_000;

/// A case dispatched to a village, due in so long by its dispatcher's clock.
async fn dispatch_due(township: &Desk, village: &str, due_ms: i64) -> String {
    let case = township.register("限时办理").await.case;
    let dispatch = dispatch(village, due_ms);
    township.moves(&case, [accept(), dispatch]).await;
    case
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_clock_more_than_an_hour_off_warns_nobody_and_work_goes_on() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let county = ground.join(&city, "德城区", COUNTY).await;
    let right = ground.join(&county, "新湖街道", TOWNSHIP).await;
    let right_village = ground.join(&right, "新湖社区", VILLAGE).await;
    let mut wrong = ground.join(&county, "新华街道", TOWNSHIP).await;
    let wrong_village = ground.join(&wrong, "新华社区", VILLAGE).await;
    let all = [&city, &county, &right, &right_village, &wrong_village];
    agree(&all).await;

    assert!(wrong.stop().await.success());
    wrong.put_clock_off(2 * HOUR_MS);
    wrong.start().await;
    wrong.desk().link_runs("德城区", true).await;
    let skew = wrong.desk().link("德城区").await.unwrap().skew_ms;
    assert!(
        (-2 * HOUR_MS - 60_000..=-2 * HOUR_MS + 60_000).contains(&skew),
        "{skew}"
    );
    let seen = county.desk().link("新华街道").await.unwrap().skew_ms;
    assert!(
        (2 * HOUR_MS - 60_000..=2 * HOUR_MS + 60_000).contains(&seen),
        "{seen}"
    );

    let due = |node: &Node| node.now().0 + 10 * 60_000;
    let a = dispatch_due(&right.desk(), "新湖社区", due(&right)).await;
    let b = dispatch_due(&wrong.desk(), "新华社区", due(&wrong)).await;
    right_village.desk().sees_stage(&a, "dispatched").await;
    wrong_village.desk().sees_stage(&b, "dispatched").await;
    agree(&[&county, &right, &wrong, &right_village, &wrong_village]).await;
    let (calm, still) = (
        right.desk().status().await.entries,
        wrong.desk().status().await.entries,
    );
    ground.time.advance(HOUR_MS / 2);
    for node in [
        &city,
        &county,
        &right,
        &right_village,
        &wrong,
        &wrong_village,
    ] {
        node.set_clock();
    }
    let lamp = |case: &pb::CaseView| case.lamp == "red";
    right.desk().sees(&a, "a red lamp", lamp).await;
    wrong.desk().sees(&b, "a red lamp here too", lamp).await;
    until("the right clock warns", async || {
        (right.desk().status().await.entries > calm).then_some(())
    })
    .await;
    let written = wrong.desk().status().await.entries;
    assert_eq!(written, still, "a clock that is not believed warns nobody");
    wrong.desk().register("时钟不准照常受理").await;

    assert!(wrong.stop().await.success());
    wrong.put_clock_off(0);
    // By the right clock its case is due later: two hours on.
    ground.time.advance(3 * HOUR_MS);
    for node in [&city, &county, &right, &right_village, &wrong_village] {
        node.set_clock();
    }
    wrong.start().await;
    let after = written + 2;
    until("the clock is right again and warns", async || {
        (wrong.desk().status().await.entries >= after).then_some(())
    })
    .await;
    agree(&[
        &city,
        &county,
        &right,
        &wrong,
        &right_village,
        &wrong_village,
    ])
    .await;
}

/// What `doctor` says of the rules: the state, and whether it names a missing list.
fn rules_found(node: &Node) -> (String, bool) {
    let said = node.machine(&["doctor"]).json();
    let checks = said["checks"].as_array().unwrap().clone();
    let rules = checks.iter().find(|check| check["check"] == "rules");
    let rules = rules.unwrap_or_else(|| panic!("{said}"));
    let named = rules["english"].as_str().unwrap();
    (
        rules["state"].as_str().unwrap().to_owned(),
        named.contains(MISSING),
    )
}

/// Code of the warning.
const MISSING: &str = "CALENDAR_YEAR_MISSING";

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn from_october_on_a_missing_list_of_next_year_is_said_everywhere_and_before_nowhere() {
    let ground = City::new();
    // The rules that ship know the days off until the end of 2026.
    let september = Moment::parse_rfc3339("2026-09-30T09:00:00+08:00").unwrap();
    ground.time.advance(september.0 - ground.time.now(0).0);
    let city = ground.found("德州市").await;
    let county = ground.join(&city, "德城区", COUNTY).await;
    agree(&[&city, &county]).await;
    let nodes = [&city, &county];
    let registered = |node: &Node| {
        let desk = node.desk();
        async move { desk.register("井盖缺失").await.number }
    };

    for node in nodes {
        let number = registered(node).await;
        for words in [
            &["status"][..],
            &["case", "accept", &number],
            &["case", "show", &number],
            &["case", "list"],
        ] {
            let said = node.say(words).unwrap();
            assert_eq!(said.code, 0, "{said:?}");
            assert!(!said.out.contains(MISSING), "{words:?}: {said:?}");
        }
        let said = node.cli(&["status"]).json();
        assert!(said["calendar_year_missing"].is_null(), "{said}");
        assert_eq!(rules_found(node), ("ok".to_owned(), false));
        assert!(!node.log_text().contains(MISSING), "{}", node.log_text());
    }

    ground.time.advance(DAY_MS);
    for node in nodes {
        node.set_clock();
        node.logs(&[MISSING, "2027"]).await;
        let number = registered(node).await;
        for words in [
            &["status"][..],
            &["case", "accept", &number],
            &["case", "show", &number],
            &["case", "list"],
        ] {
            let said = node.say(words).unwrap();
            assert_eq!(said.code, 0, "{said:?}");
            let told = said.out.contains(MISSING) && said.out.contains("2027");
            assert!(told, "{words:?}: {said:?}");
        }
        let said = node.cli(&["status"]).json();
        assert_eq!(said["calendar_year_missing"], 2027, "{said}");
        let said = node.cli(&["case", "show", &number]).json();
        assert_eq!(said["calendar_year_missing"], 2027, "{said}");
        let said = node.cli(&["case", "list"]).json();
        assert_eq!(said["cases"][0]["calendar_year_missing"], 2027, "{said}");
        assert_eq!(rules_found(node), ("warn".to_owned(), true));
    }
}

/// Moves the time on and shows it to nodes.
fn advance(ground: &City, nodes: &[&Node], ms: i64) {
    ground.time.advance(ms);
    nodes.iter().for_each(|node| node.set_clock());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_village_that_is_dark_for_a_day_is_grey_at_every_tier_above_and_no_sooner() {
    let ground = City::new();
    let mut tiers = FourTiers::found(&ground).await;
    let beside = ground.join(&tiers.township, "新湖社区", VILLAGE).await;
    let due = tiers.township.now().0 + 30 * DAY_MS;
    let case = dispatch_due(&tiers.township.desk(), "新华社区", due).await;
    let other = dispatch_due(&tiers.township.desk(), "新湖社区", due).await;
    tiers.village.desk().sees_stage(&case, "dispatched").await;
    agree(&[
        &tiers.city,
        &tiers.county,
        &tiers.township,
        &tiers.village,
        &beside,
    ])
    .await;
    let up = [&tiers.city, &tiers.county, &tiers.township];
    let grey = |case: &pb::CaseView| case.lamp == "grey";
    let bright = |case: &pb::CaseView| case.lamp == "green";
    for node in up {
        node.desk().sees(&case, "a green lamp", bright).await;
    }

    assert!(tiers.village.stop().await.success());
    // Who was down itself calls nobody dark for it.
    assert!(tiers.township.stop().await.success());
    tiers.township.start().await;
    let seen = tiers.township.desk().case(&case).await.unwrap();
    assert!(bright(&seen));
    agree(&[&tiers.county, &tiers.township]).await;
    let up = [&tiers.city, &tiers.county, &tiers.township, &beside];
    advance(&ground, &up, 23 * HOUR_MS);
    for node in &up[..3] {
        node.desk().sees(&case, "still a green lamp", bright).await;
    }
    advance(&ground, &up, 2 * HOUR_MS);
    for node in &up[..3] {
        node.desk().sees(&case, "a grey lamp", grey).await;
        node.desk().sees(&other, "a green lamp", bright).await;
    }

    // It comes back, and is seen at every tier.
    tiers.village.start().await;
    for node in [&tiers.city, &tiers.county, &tiers.township] {
        node.desk().sees(&case, "a green lamp again", bright).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_case_that_is_reached_over_a_dark_county_is_grey_in_the_village_that_took_it_in() {
    let ground = City::new();
    let mut tiers = FourTiers::found(&ground).await;
    let beside = ground.join(&tiers.county, "新湖街道", TOWNSHIP).await;
    agree(&[
        &tiers.city,
        &tiers.county,
        &tiers.township,
        &tiers.village,
        &beside,
    ])
    .await;
    let case = tiers.village.desk().register("两街道交界路灯").await.case;
    tiers
        .village
        .desk()
        .moves(&case, [accept(), escalate()])
        .await;
    tiers
        .township
        .desk()
        .sees_move(&case, "escalate", "新华社区")
        .await;
    tiers
        .township
        .desk()
        .moves(&case, [take(), escalate()])
        .await;
    tiers
        .county
        .desk()
        .sees_move(&case, "escalate", "新华街道")
        .await;
    let due = tiers.county.now().0 + 30 * DAY_MS;
    let to_the_other = dispatch("新湖街道", due);
    tiers
        .county
        .desk()
        .moves(&case, [take(), to_the_other])
        .await;
    let there = |case: &pb::CaseView| case.custodian_name == "新湖街道" && case.lamp == "green";
    tiers
        .village
        .desk()
        .sees(&case, "the case there", there)
        .await;

    assert!(tiers.county.stop().await.success());
    advance(
        &ground,
        &[&tiers.township, &tiers.village, &beside],
        25 * HOUR_MS,
    );
    let grey = |case: &pb::CaseView| case.lamp == "grey";
    tiers.village.desk().sees(&case, "a grey lamp", grey).await;
    let here = |case: &pb::CaseView| case.lamp == "green";
    beside
        .desk()
        .sees(&case, "a green lamp of its own", here)
        .await;
}
