//! What the commands about directives, places, units, accounts and nodes send.

use fengqiao_proto::v1 as pb;

use crate::canned::{Answers, Node, parse};

#[tokio::test]
async fn directives_are_issued_and_answered() {
    let node = Node::start(Answers::default());
    let issued = node
        .json(&[
            "directive",
            "issue",
            "--text",
            "排查",
            "--to",
            "371402",
            "--to",
            "陵城区",
            "--due",
            "2023-03-01T20:00:00+08:00",
            "--report-required",
            "--request-id",
            "r",
        ])
        .await;
    assert_eq!(
        issued,
        serde_json::json!({ "directive": "d1", "request_id": "r" })
    );
    node.run(&["directive", "acknowledge", "d1"]).await;
    node.run(&["directive", "report", "d1"]).await;
    let seen = node.seen();
    let issue = &seen.issues[0];
    assert_eq!(
        (issue.text.as_str(), issue.due_ms),
        ("排查", 1_677_672_000_000)
    );
    assert_eq!(issue.scope, ["371402", "陵城区"]);
    assert!(issue.report_required);
    let executed: Vec<bool> = seen.answers.iter().map(|answer| answer.executed).collect();
    assert_eq!(executed, [false, true]);
}

#[tokio::test]
async fn places_units_accounts_and_invitations_arrive() {
    let node = Node::start(Answers {
        account: pb::SetAccountResponse {
            person: "p".into(),
            token: "t0ken".into(),
            ..Default::default()
        },
        invitation: pb::InviteResponse {
            token: "inv1te".into(),
            expires_ms: 1_677_672_000_000,
            ..Default::default()
        },
        ..Default::default()
    });
    node.run(&[
        "place",
        "add",
        "德城区",
        "--level",
        "county",
        "--code",
        "371402",
    ])
    .await;
    node.run(&[
        "unit",
        "add",
        "市妇联",
        "--kind",
        "mass-organisation",
        "--presence",
        "rotating",
    ])
    .await;
    let set = node
        .run(&[
            "account", "set", "wang", "--role", "clerk", "--role", "leader", "--unit", "u",
        ])
        .await;
    assert!(set.out.contains("t0ken"));
    node.run(&["account", "close", "wang"]).await;
    let invited = node.run(&["invite", "德城区", "--hours", "48"]).await;
    assert!(invited.out.contains("inv1te") && !invited.err.contains("inv1te"));
    assert!(parse(&["invite"]).is_err(), "whom is not said");
    node.run(&["invite", "--unit", "市城管局"]).await;
    node.run(&["revoke", "n1"]).await;
    node.run(&["waive", "n2"]).await;
    let seen = node.seen();
    assert_eq!(
        (seen.places[0].name.as_str(), seen.places[0].level),
        ("德城区", 40)
    );
    assert_eq!(seen.units[0].kind(), pb::UnitKind::MassOrganisation);
    assert_eq!(seen.units[0].presence(), pb::UnitPresence::Rotating);
    assert_eq!(seen.accounts[0].roles, [1, 4]);
    assert_eq!(seen.accounts[0].closed, None);
    assert_eq!(seen.accounts[1].closed, Some(true));
    assert_eq!(
        (seen.invites[0].place.as_str(), seen.invites[0].hours),
        ("德城区", 48)
    );
    assert_eq!(
        (seen.invites[1].unit.as_str(), seen.invites[1].hours),
        ("市城管局", 24)
    );
    assert_eq!(seen.revoked, ["n1"]);
    assert_eq!(seen.waived, ["n2"]);
}

#[tokio::test]
async fn an_import_hands_over_the_rows_directly_below_to_be_judged_and_then_written() {
    let node = Node::start(Answers {
        status: pb::GetStatusResponse {
            place: "me".into(),
            ..Default::default()
        },
        places: pb::ListPlacesResponse {
            places: vec![pb::PlaceView {
                place: "me".into(),
                code: "3714".into(),
                name: "德州市".into(),
                ..Default::default()
            }],
            units: vec![],
        },
        row: pb::RowVerdict {
            outcome: pb::RowOutcome::New.into(),
            ..Default::default()
        },
        ..Default::default()
    });
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../deploy/dezhou/divisions.csv"
    );
    let dry = node.json(&["place", "import", file, "--dry-run"]).await;
    assert_eq!((&dry["new"], &dry["written"]), (&12.into(), &false.into()));
    assert_eq!(dry["rows_not_directly_below"], 5_455 - 12);
    {
        let seen = node.seen();
        let [(rows, true)] = &seen.divisions[..] else {
            panic!("{:?}", seen.divisions)
        };
        let first = (rows[0].code.as_str(), rows[0].level, rows[0].name.as_str());
        assert_eq!((rows.len(), first), (12, ("371402", 40, "德城区")));
    }
    let done = node.json(&["place", "import", file]).await;
    assert_eq!(done["written"], true);
    let judged: Vec<bool> = node.seen().divisions[1..]
        .iter()
        .map(|call| call.1)
        .collect();
    assert_eq!(judged, [true, false]);
}

#[tokio::test]
async fn a_place_that_ends_and_one_that_moves_are_named_with_where_to() {
    let node = Node::start(Answers::default());
    node.run(&["place", "end", "东村", "--successor", "西村"])
        .await;
    let seen = node.seen().ended.clone();
    let ended = pb::EndPlaceRequest {
        place: "东村".into(),
        successor: "西村".into(),
        request_id: seen[0].request_id.clone(),
    };
    assert_eq!(seen, [ended]);
    let line = [
        "place",
        "move",
        "新华街道",
        "--to",
        "陵城区",
        "--address",
        "lingcheng.example:7444",
        "--code",
        "371403001",
    ];
    node.run(&line).await;
    let seen = node.seen().moved.clone();
    let moved = pb::MovePlaceRequest {
        place: "新华街道".into(),
        to: "陵城区".into(),
        code: "371403001".into(),
        name: String::new(),
        address: "lingcheng.example:7444".into(),
        request_id: seen[0].request_id.clone(),
    };
    assert_eq!(seen, [moved]);
}

#[tokio::test]
async fn who_is_called_otherwise_is_sent_and_told_with_the_new_name() {
    let node = Node::start(Answers {
        places: pb::ListPlacesResponse {
            places: vec![],
            units: vec![
                pb::UnitView {
                    unit: "u1".into(),
                    name: "县城市管理局".into(),
                    kind: pb::UnitKind::Department.into(),
                    presence: pb::UnitPresence::Rotating.into(),
                    ended: false,
                },
                pb::UnitView {
                    unit: "u2".into(),
                    name: "县公用事业局".into(),
                    ended: true,
                    ..Default::default()
                },
            ],
        },
        people: vec![pb::AccountView {
            login: "wang".into(),
            name: "王小明".into(),
            unit_name: "县城市管理局".into(),
            roles: vec![pb::Role::Clerk.into(), pb::Role::Leader.into()],
            has_token: true,
            ..Default::default()
        }],
        ..Default::default()
    });
    let named = ["place", "rename", "371402", "--name", "德城新区"];
    let renamed = node.run(&named).await;
    assert!(renamed.out.contains("371402 -> 德城新区 371402"));
    assert!(parse(&["place", "rename", "371402"]).is_err(), "to what");
    node.run(&["unit", "rename", "u1", "县城管局"]).await;
    node.run(&["unit", "end", "u2"]).await;
    let sent = ["371402 德城新区 ", "u1 县城管局", "u2"];
    assert_eq!(node.seen().renamed, sent);

    let standing = node.run(&["unit", "list"]).await.out;
    assert!(
        standing.contains("县城市管理局") && standing.contains("轮驻"),
        "{standing}"
    );
    assert!(!standing.contains("县公用事业局"), "it has ended");
    let all = node.json(&["unit", "list", "--ended"]).await;
    assert_eq!(all["units"][1]["ended"], true);
    let people = node.run(&["account", "list"]).await.out;
    assert!(
        people.contains("王小明") && people.contains("受理员 领导"),
        "{people}"
    );
    let shown = node.json(&["account", "show", "wang"]).await;
    assert_eq!(
        (&shown["name"], &shown["has_token"]),
        (&"王小明".into(), &true.into())
    );
    assert_eq!(node.seen().accounts_asked[1].login, "wang");
}

#[tokio::test]
async fn of_an_account_only_what_is_named_is_sent() {
    let node = Node::start(Answers::default());
    for line in [
        &["account", "set", "wang", "--unit", "u"][..],
        &["account", "set", "wang", "--no-unit"],
        &["account", "set", "wang", "--role", "clerk"],
        &["account", "reopen", "wang"],
    ] {
        assert_eq!(node.run(line).await.code, 0, "{line:?}");
    }
    assert!(parse(&["account", "set", "wang"]).is_err(), "nothing named");
    let both = ["account", "set", "wang", "--unit", "u", "--no-unit"];
    assert!(parse(&both).is_err(), "a unit and none");
    let seen = node.seen().accounts.clone();
    let units: Vec<_> = seen.iter().map(|account| account.unit.clone()).collect();
    assert_eq!(units, [Some("u".into()), Some(String::new()), None, None]);
    let roles: Vec<_> = seen.iter().map(|account| account.roles.len()).collect();
    assert_eq!(roles, [0, 0, 1, 0]);
    let closed: Vec<_> = seen.iter().map(|account| account.closed).collect();
    assert_eq!(closed, [None, None, None, Some(false)]);
}

#[tokio::test]
async fn a_token_is_replaced_and_revoked_by_a_command() {
    let node = Node::start(Answers::default());
    let rotated = node.run(&["account", "token", "rotate", "wang"]).await;
    assert!(rotated.out.contains("t2"), "{}", rotated.out);
    node.run(&["account", "token", "revoke", "wang"]).await;
    let seen = node.seen();
    assert_eq!(seen.rotated[0].login, "wang");
    assert_eq!(seen.tokens_revoked, ["wang"]);
}

#[tokio::test]
async fn invitations_are_listed_with_where_they_stand_and_withdrawn_by_their_id() {
    let node = Node::start(Answers {
        invitations: vec![pb::InvitationView {
            invitation: "i7".into(),
            place_name: "新湖街道".into(),
            standing: pb::InvitationStanding::Open.into(),
            ..Default::default()
        }],
        ..Default::default()
    });
    let listed = node.run(&["invitation", "list"]).await;
    assert_eq!(listed.code, 0, "{}", listed.err);
    assert!(
        listed.out.contains("i7") && listed.out.contains("新湖街道"),
        "{}",
        listed.out
    );
    let revoked = node.run(&["invitation", "revoke", "i7"]).await;
    assert_eq!(revoked.code, 0, "{}", revoked.err);
    assert_eq!(node.seen().invitations_revoked, ["i7"]);
}

#[tokio::test]
async fn each_write_carries_the_request_id_given_or_one_of_its_own() {
    let node = Node::start(Answers::default());
    let given = ["account", "close", "wang", "--request-id", "mine"];
    node.run(&given).await;
    node.run(&["account", "close", "wang"]).await;
    node.run(&["account", "close", "wang"]).await;
    let seen = node.seen().accounts.clone();
    assert_eq!(seen[0].request_id, "mine");
    assert!(!seen[1].request_id.is_empty());
    assert_ne!(seen[1].request_id, seen[2].request_id);
}

#[tokio::test]
async fn a_repeat_that_shows_no_token_says_so() {
    let node = Node::start(Answers {
        account: pb::SetAccountResponse {
            secret_withheld: true,
            ..Default::default()
        },
        invitation: pb::InviteResponse {
            secret_withheld: true,
            ..Default::default()
        },
        ..Default::default()
    });
    let set = node.run(&["account", "reopen", "wang"]).await;
    assert!(set.out.contains("account token rotate"), "{}", set.out);
    let invited = node.run(&["invite", "德城区"]).await;
    assert!(invited.err.contains("invite again"), "{}", invited.err);
}
