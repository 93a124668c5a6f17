//! Lists of cases and of what cases are about: filtered, page by page, by names as people type them.

use fengqiao_tests::city::City;
use fengqiao_tests::city::process::Node;

fn register(city: &Node, class: &str, external: &str) -> String {
    let mut words = vec![
        "case",
        "register",
        "--channel",
        "phone",
        "--class",
        class,
        "--name",
        "张三",
        "--phone",
        "13800000000",
        "--where",
        "银城路",
        "--text",
        "井盖缺失",
    ];
    if !external.is_empty() {
        words.extend(["--external-number", external]);
    }
    let said = city.cli(&words);
    assert_eq!(said.code, 0, "{said:?}");
    said.json()["number"].as_str().unwrap().to_owned()
}

/// Numbers of the cases listed with such flags, and the token of the next page.
fn listed(city: &Node, flags: &[&str]) -> (Vec<String>, String) {
    let said = city.cli(&[&["case", "list"][..], flags].concat());
    assert_eq!(said.code, 0, "{flags:?}: {said:?}");
    let page = said.json();
    let cases = page["cases"].as_array().cloned().unwrap_or_default();
    let mut numbers: Vec<String> = cases
        .iter()
        .map(|case| case["number"].as_str().unwrap().to_owned())
        .collect();
    numbers.sort();
    let token = page["next_page_token"].as_str().unwrap_or_default();
    (numbers, token.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn cases_are_listed_by_stage_lamp_class_place_time_and_number() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let roads = register(&city, "urban-roads", "A-17");
    let lights = register(&city, "urban-lighting", "");
    assert_eq!(city.cli(&["case", "accept", &lights]).code, 0);
    let mut both = vec![roads.clone(), lights.clone()];
    both.sort();
    let (all, one, other, none) = (both, vec![roads.clone()], vec![lights.clone()], vec![]);
    for (flags, wanted) in [
        (&[][..], &all),
        (&["--stage", "registered"], &one),
        (&["--stage", "accepted"], &other),
        (&["--stage", "registered", "--stage", "accepted"], &all),
        (&["--lamp", "green"], &all),
        (&["--lamp", "red"], &none),
        (&["--class", "urban-roads"], &one),
        (&["--class", "路灯与公共照明"], &other),
        (&["--place", "德州市"], &all),
        (&["--number", &roads.to_uppercase()], &one),
        (&["--external-number", "A-17"], &one),
        (&["--external-number", "A-18"], &none),
        (&["--due-from", "2000-01-01T00:00:00+08:00"], &all),
        (&["--due-before", "2000-01-01T00:00:00+08:00"], &none),
        (&["--stage", "accepted", "--class", "urban-roads"], &none),
    ] {
        assert_eq!(listed(&city, flags).0, *wanted, "{flags:?}");
    }
    for (flags, code) in [
        (["--class", "没有这一类"], "CLASS_UNKNOWN"),
        (["--unit", "没有这个单位"], "UNIT_UNKNOWN"),
        (["--place", "没有这个地方"], "PLACE_UNKNOWN"),
        (["--stage", "no-stage"], "USAGE"),
    ] {
        let said = city.cli(&[&["case", "list"][..], &flags].concat());
        assert_eq!(said.error_code(), code, "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_filtered_list_goes_on_from_page_to_page_and_leaves_nothing_out() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let mut wanted = Vec::new();
    for at in 0..12 {
        let class = if at % 3 == 0 {
            "urban-lighting"
        } else {
            "urban-roads"
        };
        let number = register(&city, class, "");
        if at % 3 == 0 {
            wanted.push(number);
        }
    }
    wanted.sort();
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let flags = [
            "--class",
            "urban-lighting",
            "--page-size",
            "3",
            "--page-token",
            &token,
        ];
        let (page, next) = listed(&city, &flags);
        assert!(page.len() <= 3);
        found.extend(page);
        if next.is_empty() {
            break;
        }
        token = next;
    }
    found.sort();
    assert_eq!(found, wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_classes_in_force_are_listed_with_their_names() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let said = city.cli(&["bundle", "classes"]);
    let listed = said.json();
    let classes = listed["classes"].as_array().unwrap();
    let roads = classes.iter().find(|class| class["class"] == "urban-roads");
    let roads = roads.unwrap();
    assert_eq!(roads["name_zh"], "道路、桥梁与井盖");
    assert_eq!(roads["takes_cases"], true);
    let group = classes
        .iter()
        .find(|class| class["class"] == "urban")
        .unwrap();
    assert_eq!(group["takes_cases"], false);
}
