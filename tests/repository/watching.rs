//! What watches a node: that rules and dashboard name figures that are there.

use std::collections::BTreeSet;

use super::{nothing_wrong, tree};

/// Words of a text that name a figure of ours, without the ending of a counter.
fn figures(text: &str) -> BTreeSet<String> {
    let is_part = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    text.split(|letter| !is_part(letter))
        .filter(|word| word.starts_with("fengqiao_") && *word != "fengqiao_node")
        .map(|word| word.strip_suffix("_total").unwrap_or(word).to_owned())
        .collect()
}

fn text(path: &str) -> &'static str {
    let file = tree().iter().find(|file| file.path == path);
    &file.unwrap_or_else(|| panic!("no {path}")).text
}

/// Figures that the program tells: literals of the two files that register them.
fn told() -> BTreeSet<String> {
    let sources = ["node/src/pages/metrics.rs", "node/src/desk/calls.rs"];
    let quoted = sources
        .iter()
        .flat_map(|path| text(path).split('"').skip(1).step_by(2));
    quoted.flat_map(figures).collect()
}

#[test]
fn rules_and_dashboard_name_figures_that_are_told() {
    let told = told();
    assert!(told.len() > 15, "{told:?}");
    let mut wrong = Vec::new();
    for path in [
        "deploy/alerts/fengqiao.yaml",
        "deploy/grafana/fengqiao.json",
    ] {
        let named = figures(text(path));
        assert!(named.len() > 8, "{path}: {named:?}");
        for figure in named.difference(&told) {
            wrong.push(format!("{path}: {figure}"));
        }
    }
    nothing_wrong("no such figure", &wrong);
}

#[test]
fn operations_tell_of_figures_that_are_told() {
    let named = figures(text("deploy/OPERATIONS.md"));
    let wrong: Vec<String> = named.difference(&told()).cloned().collect();
    nothing_wrong("no such figure", &wrong);
}

#[test]
fn a_figure_is_read_from_a_rule_and_a_counter_by_its_name() {
    let rule = "sum by (x) (rate(fengqiao_a_total[5m])) > fengqiao_b{lamp=\"red\"}";
    let found = figures(rule);
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(found, ["fengqiao_a", "fengqiao_b"]);
}

#[test]
fn the_dashboard_is_json_and_every_panel_asks_something() {
    let dashboard: serde_json::Value =
        serde_json::from_str(text("deploy/grafana/fengqiao.json")).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        let asked = panel["targets"][0]["expr"].as_str().unwrap_or_default();
        assert!(!figures(asked).is_empty(), "{panel}");
    }
}

#[test]
fn every_rule_says_what_is_wrong_and_how_bad_it_is() {
    let rules = text("deploy/alerts/fengqiao.yaml");
    let parts: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    assert!(parts.len() > 10);
    for rule in parts {
        for key in ["expr: ", "severity: ", "summary: ", "description: "] {
            assert!(rule.contains(key), "{key}in {rule}");
        }
    }
}
