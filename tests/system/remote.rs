//! Commands to a node on another machine: by address, token and certificate, without a way into the machine.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use fengqiao_proto::v1 as pb;
use fengqiao_tests::city::City;
use fengqiao_tests::city::process::{Node, Said};
use fengqiao_tests::kit::process;

/// Where a clerk sits: nothing of the node but its address and certificate.
struct Office {
    address: String,
    token: PathBuf,
    trust: PathBuf,
}

impl Office {
    fn of(ground: &City, node: &Node, token: &str) -> Self {
        let office = Self {
            address: format!("127.0.0.1:{}", node.ports.desk),
            token: ground.path("token"),
            trust: ground.path("authority.pem"),
        };
        office.put(token);
        let authority = node.data.join("pages/authority.pem");
        std::fs::copy(authority, &office.trust).unwrap();
        office
    }

    fn put(&self, token: &str) {
        std::fs::write(&self.token, format!("{token}\n")).unwrap();
        std::fs::set_permissions(&self.token, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn say(&self, words: &[&str]) -> Said {
        self.say_to(&self.address, &self.trust, words)
    }

    fn say_to(&self, address: &str, trust: &Path, words: &[&str]) -> Said {
        let (token, trust) = (self.token.to_str().unwrap(), trust.to_str().unwrap());
        let reach = [
            "--output=json",
            "--remote",
            address,
            "--access-token-file",
            token,
            "--trust",
            trust,
        ];
        process::say(&[&reach[..], words].concat()).unwrap()
    }
}

const REGISTER: [&str; 12] = [
    "case",
    "register",
    "--channel",
    "phone",
    "--class",
    "urban-roads",
    "--name",
    "张三",
    "--where",
    "银城路",
    "--text",
    "井盖缺失",
];

fn refused(said: &Said, code: &str, exit: i32) {
    assert_eq!(
        (said.error_code().as_str(), said.code),
        (code, exit),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_clerk_works_on_another_machine_s_node_by_address_and_token() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let token = city.desk().account("clerk", &[pb::Role::Clerk], "").await;
    let office = Office::of(&ground, &city, &token);
    let made = office.say(&[&REGISTER[..], &["--phone", "13800000000"]].concat());
    assert_eq!(made.code, 0, "{made:?}");
    let made = made.json();
    let case = made["case"].as_str().or(made["number"].as_str()).unwrap();
    let shown = office.say(&["case", "show", case]);
    assert_eq!(shown.code, 0, "{shown:?}");
    assert_eq!(shown.json()["stage"], "registered");
    let listed = office.say(&["case", "list"]);
    assert_eq!(
        listed.json()["cases"].as_array().unwrap().len(),
        1,
        "{listed:?}"
    );
    assert_eq!(office.say(&["case", "accept", case]).code, 0);
    // The token says who acts: a clerk decides nothing, whoever the command names.
    let other = office.say(&["case", "accept", case, "--as", "admin"]);
    refused(&other, "USAGE", 64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_wrong_token_and_a_closed_account_are_told_how_to_sign_in() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let token = city.desk().account("clerk", &[pb::Role::Clerk], "").await;
    let office = Office::of(&ground, &city, &token);
    office.put("wrong");
    let said = office.say(&["case", "list"]);
    refused(&said, "NOT_SIGNED_IN", 1);
    assert!(said.err.contains("Bearer"), "{said:?}");
    office.put(&token);
    assert_eq!(office.say(&["case", "list"]).code, 0);
    let closed = city.say(&["account", "close", "clerk"]).unwrap();
    assert_eq!(closed.code, 0, "{closed:?}");
    refused(&office.say(&["case", "list"]), "NOT_SIGNED_IN", 1);
    // A file that others may read gives its token away.
    std::fs::set_permissions(&office.token, std::fs::Permissions::from_mode(0o644)).unwrap();
    refused(&office.say(&["case", "list"]), "USAGE", 64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_is_not_believed_is_sent_no_token() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let other = City::new();
    let stranger = other.found("聊城市").await;
    let token = city.desk().account("clerk", &[pb::Role::Clerk], "").await;
    let office = Office::of(&ground, &city, &token);
    let another = stranger.data.join("pages/authority.pem");
    let list = ["case", "list"];
    refused(
        &office.say_to(&office.address, &another, &list),
        "NOT_TRUSTED",
        1,
    );
    let plain = format!("127.0.0.1:{}", city.ports.operations);
    refused(
        &office.say_to(&plain, &office.trust, &list),
        "NOT_A_NODE",
        1,
    );
    let nobody = "127.0.0.1:1";
    refused(
        &office.say_to(nobody, &office.trust, &list),
        "NOT_CONNECTED",
        75,
    );
    let none = ground.path("none.pem");
    refused(&office.say_to(&office.address, &none, &list), "USAGE", 64);
}
