//! The chart and the compose file: what their templates ask for is there, and is what the schema allows.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{nothing_wrong, tree};

const CHART: &str = "deploy/helm/";

fn text(path: &str) -> &'static str {
    let file = tree().iter().find(|file| file.path == path);
    &file.unwrap_or_else(|| panic!("no {path}")).text
}

/// Keys of a plain YAML mapping as dotted paths, by their indentation.
fn keys(yaml: &str) -> BTreeSet<String> {
    let (mut found, mut above): (BTreeSet<String>, Vec<(usize, String)>) = Default::default();
    for line in yaml.lines() {
        let depth = line.len() - line.trim_start().len();
        let line = line.trim_start();
        let Some((key, _)) = line
            .split_once(':')
            .filter(|_| !line.starts_with(['#', '-']))
        else {
            continue;
        };
        above.retain(|(at, _)| *at < depth);
        above.push((depth, key.to_owned()));
        let path: Vec<&str> = above.iter().map(|(_, key)| key.as_str()).collect();
        found.insert(path.join("."));
    }
    found
}

/// Values that a template asks for, as dotted paths.
fn asked(template: &str) -> BTreeSet<String> {
    let paths = template.split(".Values.").skip(1).map(|rest| {
        let end = rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '.'));
        rest[..end.unwrap_or(rest.len())]
            .trim_end_matches('.')
            .to_owned()
    });
    paths.collect()
}

/// Whether a schema says something of a value.
fn described(schema: &Value, path: &str) -> bool {
    let mut here = schema;
    for key in path.split('.') {
        if let Some(to) = here["$ref"].as_str() {
            here = &schema["definitions"][to.trim_start_matches("#/definitions/")];
        }
        here = &here["properties"][key];
    }
    !here.is_null()
}

fn templates() -> impl Iterator<Item = (&'static str, &'static str)> {
    let folder = format!("{CHART}templates/");
    let files = tree()
        .iter()
        .filter(move |file| file.path.starts_with(&folder));
    files.map(|file| (file.path.as_str(), file.text.as_str()))
}

#[test]
fn every_value_that_a_template_asks_for_has_a_default_and_a_schema() {
    let values = keys(text("deploy/helm/values.yaml"));
    let schema: Value = serde_json::from_str(text("deploy/helm/values.schema.json")).unwrap();
    let mut wrong = Vec::new();
    for (path, template) in templates() {
        for value in asked(template) {
            if !values.contains(&value) {
                wrong.push(format!("{path}: {value} has no default"));
            }
        }
    }
    // What stands below a free mapping, as of resources, is nobody's to describe.
    let free = ["config.", "resources."];
    for value in &values {
        let is_free = free.iter().any(|free| value.starts_with(free));
        if !is_free && !described(&schema, value) {
            wrong.push(format!("{value} is not in the schema"));
        }
    }
    nothing_wrong("values", &wrong);
}

#[test]
fn values_are_read_from_a_mapping_and_a_template() {
    let found = keys("a:\n  # note: x\n  b: 1\n  c: {}\nd: []\n");
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(found, ["a", "a.b", "a.c", "d"]);
    let found = asked("{{ .Values.a.b | quote }}{{ if .Values.d }}");
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(found, ["a.b", "d"]);
    let schema = serde_json::json!({
        "definitions": { "x": { "properties": { "b": {} } } },
        "properties": { "a": { "$ref": "#/definitions/x" } }
    });
    assert!(described(&schema, "a.b") && !described(&schema, "a.c"));
}

#[test]
fn every_object_of_the_chart_bears_the_labels_that_people_expect() {
    let mut kinds = BTreeSet::new();
    let mut wrong = Vec::new();
    for (path, template) in templates() {
        let parts = template
            .split("\n---\n")
            .filter(|part| part.contains("\nkind: "));
        for part in parts {
            let kind = part
                .split("\nkind: ")
                .nth(1)
                .and_then(|rest| rest.lines().next());
            kinds.insert(kind.unwrap_or_default());
            if !part.contains("include \"fengqiao.labels\"") {
                wrong.push(format!("{path}: {kind:?}"));
            }
        }
    }
    nothing_wrong("objects without labels", &wrong);
    for kind in [
        "ConfigMap",
        "CronJob",
        "Service",
        "ServiceMonitor",
        "StatefulSet",
    ] {
        assert!(kinds.contains(kind), "no {kind}");
    }
    let node = text("deploy/helm/templates/statefulset.yaml");
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        assert!(node.contains(probe), "no {probe}");
    }
}

#[test]
fn every_tier_of_the_composition_waits_until_the_one_above_is_well() {
    let compose = text("deploy/compose/compose.yaml");
    assert!(compose.contains("healthcheck:"));
    let waits = compose.matches("condition: service_healthy").count();
    assert_eq!(waits, 3, "county, township and village");
}
