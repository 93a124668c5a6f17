//! Reading is judged like writing: who may look at what, on every path, and what the log of looks says afterwards.

use fengqiao_tests::city::process::{Node, Said};
use fengqiao_tests::city::{COUNTY, City, agree};
use serde_json::{Value, json};

/// A county below a city, with a unit that handles a case of its own, another unit, and one account of each kind.
struct Scene {
    ground: City,
    city: Node,
    county: Node,
    case: String,
}

#[track_caller]
fn done(said: &Said) -> Value {
    assert_eq!(said.code, 0, "{said:?}");
    said.json()
}

fn asks(node: &Node, login: &str, words: &str) -> Said {
    let mut all = vec!["--as", login];
    all.extend(words.split(' '));
    node.cli(&all)
}

async fn scene() -> Scene {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let county = ground.join(&city, "德城区", COUNTY).await;
    for unit in ["城管局", "住建局"] {
        done(&county.cli(&["unit", "add", unit, "--kind", "department"]));
    }
    for (login, words) in [
        ("clerk", "--role clerk"),
        ("approver", "--role approver"),
        ("leader", "--role leader"),
        ("administrator", "--role administrator"),
        ("handler", "--role handler --unit 城管局"),
        ("stranger", "--role handler --unit 住建局"),
        ("closed", "--role clerk"),
    ] {
        done(&asks(
            &county,
            "admin",
            &format!("account set {login} {words}"),
        ));
    }
    done(&asks(&county, "admin", "account close closed"));
    let register = "case register --class urban-roads --channel window --text 井盖丢了 --name 张三 --phone 13800000000";
    let registered = done(&asks(&county, "clerk", register));
    let case = registered["case"].as_str().unwrap().to_owned();
    done(&asks(&county, "clerk", &format!("case accept {case}")));
    let dispatch = format!("case dispatch {case} --lead 城管局");
    done(&asks(&county, "clerk", &dispatch));
    agree(&[&city, &county]).await;
    Scene {
        ground,
        city,
        county,
        case,
    }
}

fn looks(node: &Node, case: &str) -> Vec<Value> {
    let said = done(&asks(node, "admin", &format!("case looks {case}")));
    said["looks"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_look_at_a_text_is_written_down_here_and_one_tier_up_and_nothing_else_is() {
    let Scene {
        ground,
        city,
        mut county,
        case,
    } = scene().await;
    let show = format!("case show {case}");
    let with_texts = format!("{show} --texts");
    assert!(looks(&county, &case).is_empty());
    done(&asks(&county, "clerk", &show));
    assert_eq!(
        asks(&county, "stranger", &with_texts).error_code(),
        "NOT_HANDLER"
    );
    assert!(looks(&county, &case).is_empty(), "no text was shown");

    done(&asks(&county, "clerk", &with_texts));
    done(&asks(&county, "handler", &with_texts));
    let file = ground.path("cases.jsonl");
    let data = county.folder();
    let export = [
        "--data",
        data.to_str().unwrap(),
        "--output",
        "json",
        "--as",
        "leader",
        "export",
        "create",
        "--with-texts",
        "--reason",
        "核查",
        "--to",
        file.to_str().unwrap(),
    ];
    done(&ground.say(&export));
    let seen = looks(&county, &case);
    let told = |at: usize| {
        let look = &seen[at];
        json!([
            look["login"],
            look["purpose"],
            look["fields"],
            look["place_name"]
        ])
    };
    let roles = json!(["requester", "text"]);
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert_eq!(told(0), json!(["clerk", "handling", roles, "德城区"]));
    assert_eq!(told(1), json!(["handler", "handling", roles, "德城区"]));
    assert_eq!(told(2), json!(["leader", "export", roles, "德城区"]));

    // Neither a power cut nor a store that is built anew loses a look.
    county.kill();
    std::fs::remove_dir_all(county.data.join("store")).unwrap();
    county.start().await;
    assert_eq!(looks(&county, &case), seen);

    agree(&[&city, &county]).await;
    let above = looks(&city, &case);
    assert_eq!(above.len(), 3);
    for (here, there) in seen.iter().zip(&above) {
        for key in ["at", "person", "purpose", "fields", "place_id", "entry"] {
            assert_eq!(here[key], there[key], "{key}");
        }
        assert_eq!(
            there["login"],
            Value::Null,
            "whose account is another centre's"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_may_not_read_is_refused_on_every_path() {
    let Scene {
        ground,
        county,
        case,
        ..
    } = scene().await;
    let paths = [
        "case list".to_owned(),
        format!("case show {case}"),
        format!("case show {case} --texts"),
        format!("case looks {case}"),
        "directive list".to_owned(),
        "tally".to_owned(),
        "digest".to_owned(),
        "account list".to_owned(),
        "invitation list".to_owned(),
        "place list".to_owned(),
        "bundle show".to_owned(),
    ];
    let (yes, role, other) = ("", "ROLE_MISSING", "NOT_HANDLER");
    let all = |code: &'static str| [code; 11];
    let table = [
        ("nobody", all("ACCOUNT_UNKNOWN")),
        ("../../x", all("USAGE")),
        ("closed", all("ACCOUNT_CLOSED")),
        (
            "clerk",
            [yes, yes, yes, role, yes, yes, role, yes, role, yes, yes],
        ),
        (
            "approver",
            [yes, yes, yes, role, yes, yes, role, yes, role, yes, yes],
        ),
        (
            "leader",
            [yes, yes, yes, yes, yes, yes, role, yes, role, yes, yes],
        ),
        (
            "administrator",
            [yes, yes, role, role, yes, yes, yes, yes, yes, yes, yes],
        ),
        (
            "handler",
            [yes, yes, yes, role, yes, yes, role, yes, role, yes, yes],
        ),
        (
            "stranger",
            [yes, yes, other, role, yes, yes, role, yes, role, yes, yes],
        ),
    ];
    for (login, codes) in table {
        for (path, code) in paths.iter().zip(codes) {
            let said = asks(&county, login, path);
            assert_eq!(said.error_code(), code, "{login}: {path}: {said:?}");
            assert_eq!(said.code == 0, code.is_empty(), "{login}: {path}");
        }
    }
    // An export gives the texts of what the account may take out, and of nothing else.
    let data = county.folder();
    for (login, clear) in [("clerk", false), ("stranger", false), ("leader", true)] {
        let file = ground.path(&format!("{login}.jsonl"));
        let export = [
            "--data",
            data.to_str().unwrap(),
            "--as",
            login,
            "export",
            "create",
            "--with-texts",
            "--reason",
            "核查",
            "--to",
            file.to_str().unwrap(),
        ];
        assert_eq!(ground.say(&export).code, 0);
        let written = std::fs::read_to_string(&file).unwrap();
        assert_eq!(written.contains("张三"), clear, "{login}");
    }
    for login in ["nobody", "closed"] {
        let file = ground.path(&format!("{login}.jsonl"));
        let export = [
            "--data",
            data.to_str().unwrap(),
            "--as",
            login,
            "export",
            "create",
            "--with-texts",
            "--reason",
            "核查",
            "--to",
            file.to_str().unwrap(),
        ];
        assert_ne!(ground.say(&export).code, 0);
        assert!(!file.exists(), "{login}");
    }
}

/// The fields of the last entry of an action, by name.
fn said(node: &Node, case: &str, action: &str) -> serde_json::Map<String, Value> {
    let shown = done(&asks(node, "admin", &format!("case show {case}")));
    let entries = shown["entries"].as_array().unwrap();
    let entry = entries.iter().rev().find(|entry| entry["move"] == action);
    let fields = entry.unwrap()["fields"].as_array().unwrap();
    let pair = |field: &Value| {
        let words = json!([field["value"], field["zh"], field["en"]]);
        (field["name"].as_str().unwrap().to_owned(), words)
    };
    fields.iter().map(pair).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_an_entry_says_beside_its_texts_is_shown_in_both_languages() {
    let Scene {
        ground: _ground,
        city,
        county,
        ..
    } = scene().await;
    let register = "case register --class urban-roads --channel phone --urgency urgent --external-number H-7 --text 路灯";
    let case = done(&asks(&county, "clerk", register))["case"]
        .as_str()
        .unwrap()
        .to_owned();
    let registered = said(&county, &case, "register");
    assert_eq!(registered["channel"], json!(["phone", "电话", "telephone"]));
    assert_eq!(registered["external_number"][0], "H-7");
    done(&asks(&county, "clerk", &format!("case accept {case}")));
    done(&asks(
        &county,
        "clerk",
        &format!("case dispatch {case} --lead 城管局"),
    ));
    let units = done(&asks(&county, "admin", "unit list"))["units"].clone();
    let other = units
        .as_array()
        .unwrap()
        .iter()
        .find(|unit| unit["name"] == "住建局")
        .unwrap()["unit"]
        .clone();
    let object = format!("case object {case} --proposed-unit 住建局 --reason 职责在住建");
    done(&asks(&county, "handler", &object));
    assert_eq!(
        said(&county, &case, "object")["proposed_unit"],
        json!([other, "住建局", "住建局"])
    );
    let other_case = done(&asks(
        &county,
        "clerk",
        register.replace("H-7", "H-8").as_str(),
    ));
    let other_case = other_case["case"].as_str().unwrap();
    done(&asks(
        &county,
        "clerk",
        &format!("case accept {other_case}"),
    ));
    let escalate = format!("case escalate {other_case} --because hard --reason 需市级协调");
    let escalated = asks(&county, "leader", &escalate);
    assert_eq!(escalated.code, 0, "{escalated:?}");
    agree(&[&city, &county]).await;
    let because = said(&city, other_case, "escalate")["because"].clone();
    assert_eq!(because, json!(["hard", "疑难复杂", "hard and complex"]));
}
