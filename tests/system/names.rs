//! Places, units and people are called otherwise, or end, and every tier that carries them says so.

use fengqiao_proto::v1 as pb;
use fengqiao_tests::city::desk::refusal;
use fengqiao_tests::city::{COUNTY, City, TOWNSHIP, agree, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_new_name_of_a_place_reaches_every_tier_and_twins_are_refused() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let county = ground.join(&city, "德城区", COUNTY).await;
    let other = ground.join(&city, "陵城区", COUNTY).await;
    let township = ground.join(&county, "新华街道", TOWNSHIP).await;
    agree(&[&city, &county, &other, &township]).await;

    for (words, code) in [
        (
            ["place", "rename", "德城区", "--name", "陵城区 "],
            "NAME_TAKEN",
        ),
        (
            ["place", "rename", "德城区", "--name", "德\u{200b}城"],
            "INVISIBLE_CHARACTER",
        ),
        (
            ["place", "rename", "得城区", "--name", "新城区"],
            "PLACE_UNKNOWN",
        ),
        (
            ["place", "rename", "新华街道", "--name", "新城街道"],
            "PLACE_UNKNOWN",
        ),
    ] {
        let refused = city.cli(&words);
        assert_eq!(
            (refused.error_code().as_str(), refused.code),
            (code, 1),
            "{words:?}"
        );
    }
    let near = city.cli(&["place", "rename", "得城区", "--name", "新城区"]);
    assert!(near.err.contains("德城区"), "{}", near.err);

    let renamed = city.cli(&[
        "place",
        "rename",
        "德城区",
        "--name",
        "  德城新区 ",
        "--code",
        "３７１４０２",
    ]);
    assert_eq!(renamed.code, 0, "{}", renamed.err);
    let again = city.cli(&["place", "rename", "德城新区", "--code", "371402"]);
    assert_eq!(again.code, 0, "it is called so: {}", again.err);
    for node in [&city, &county, &township] {
        let named = async || {
            let places = node.desk().places().await.ok()?.places;
            let known = places
                .iter()
                .any(|place| place.name == "德城新区" && place.code == "371402");
            known.then_some(())
        };
        until("the new name is known", named).await;
    }
    agree(&[&city, &county, &other, &township]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_unit_is_renamed_and_ends_when_nobody_works_for_it() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let county = ground.join(&city, "德城区", COUNTY).await;
    assert_eq!(county.cli(&["unit", "add", "公用事业局"]).code, 0);
    assert_eq!(county.cli(&["unit", "add", "城市管理局"]).code, 0);
    county
        .desk()
        .account("zhao", &[pb::Role::Handler], "公用事业局")
        .await;
    let words = ["account", "set", "zhao", "--name", "赵明"];
    assert_eq!(county.cli(&words).code, 0);

    let twin = county.cli(&["unit", "rename", "公用事业局", "城市管理局"]);
    assert_eq!(twin.error_code(), "NAME_TAKEN", "{}", twin.err);
    let renamed = county.cli(&["unit", "rename", "公用事业局", "公用事业中心"]);
    assert_eq!(renamed.code, 0, "{}", renamed.err);
    let case = county.desk().register("路灯不亮").await;
    let used = county.cli(&["unit", "end", "公用事业中心"]);
    assert_eq!(used.error_code(), "UNIT_IN_USE", "{}", used.err);
    assert!(used.err.contains("zhao"), "who: {}", used.err);
    assert_eq!(county.cli(&["account", "set", "zhao", "--no-unit"]).code, 0);
    let ended = county.cli(&["unit", "end", "公用事业中心"]);
    assert_eq!(ended.code, 0, "{}", ended.err);

    assert_eq!(county.cli(&["case", "accept", &case.case]).code, 0);
    let to_it = county.cli(&["case", "dispatch", &case.case, "--lead", "公用事业中心"]);
    assert_eq!(
        (to_it.error_code().as_str(), to_it.code),
        ("UNIT_ENDED", 1),
        "{}",
        to_it.err
    );
    let invited = county.cli(&["invite", "--unit", "公用事业中心"]);
    assert_eq!(invited.error_code(), "UNIT_ENDED", "{}", invited.err);
    let known = async || {
        let places = city.desk().places().await.ok()?;
        places
            .places
            .iter()
            .any(|place| place.name == "德城区")
            .then_some(())
    };
    until("the city still reads the county's registry", known).await;
    agree(&[&city, &county]).await;

    let shown = county
        .cli(&["account", "show", "zhao", "--output", "json"])
        .json();
    assert_eq!(shown["name"], "赵明");
    let mistyped = county.cli(&["account", "show", "zhoa"]);
    assert_eq!(mistyped.error_code(), "ACCOUNT_UNKNOWN");
    assert!(mistyped.err.contains("zhao"), "{}", mistyped.err);
    let stranger = county.desk().acting_as("zhoa").case(&case.case).await;
    let (_, code, _) = refusal(&stranger.unwrap_err());
    assert_eq!(code, "ACCOUNT_UNKNOWN");
}
