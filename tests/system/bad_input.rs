//! What a program may send that is wrong: each with its code and field, and nothing changed.

use fengqiao_proto::v1 as pb;
use fengqiao_tests::city::desk::{Desk, act, dispatch, quarrel, refusal, register, request_id};
use fengqiao_tests::city::{COUNTY, City, agree};
use fengqiao_tests::kit::moves::{self, Action};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

fn registering(change: impl FnOnce(&mut pb::Register)) -> Action {
    let mut plain = quarrel();
    change(&mut plain);
    moves::register(plain)
}

/// One refusal, whole: class, code, field, violation, words in both languages.
fn check(what: &str, status: &Status, expected: (Code, &str, &str)) {
    let (grpc, code, field) = refusal(status);
    assert_eq!(
        (grpc, code.as_str(), field.as_str()),
        expected,
        "{what}: {status:?}"
    );
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().domain, "fengqiao", "{what}");
    let violations = details
        .bad_request()
        .map_or(0, |bad| bad.field_violations.len());
    assert_eq!(violations, usize::from(!field.is_empty()), "{what}");
    assert!(
        !details.localized_message().unwrap().message.is_ascii(),
        "{what}"
    );
    assert!(
        status.message().is_ascii() || !status.message().is_empty(),
        "{what}"
    );
}

/// What it is, case, login, move, texts; class, code and field of its refusal.
type Row<'a> = (
    &'a str,
    &'a str,
    &'a str,
    Action,
    Vec<(&'a str, String)>,
    (Code, &'a str, &'a str),
);

async fn state(desk: &Desk) -> (u64, String) {
    (desk.status().await.entries, desk.digest().await.cases)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_bad_move_is_refused_by_code_and_field_and_changes_nothing() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let desk = city.desk();
    desk.add_unit("城管局").await;
    desk.account("clerk", &[pb::Role::Clerk], "").await;
    desk.account("handler", &[pb::Role::Handler], "城管局")
        .await;
    let case = desk.register("邻居装修噪声").await.case;
    let fresh = desk.register("尚未受理").await.case;
    desk.moves(&case, [moves::accept()]).await;
    let due_before = city.now().0 - 86_400_000;
    let megabyte = "长".repeat(350_000);
    let (invalid, missing, state_forbids, forbidden) = (
        Code::InvalidArgument,
        Code::NotFound,
        Code::FailedPrecondition,
        Code::PermissionDenied,
    );
    let text = |role: &'static str, text: &str| vec![(role, text.to_owned())];
    let none = Vec::new;
    let accept = moves::accept;
    let table: Vec<Row<'_>> = vec![
        (
            "unknown class",
            "",
            "",
            registering(|new| new.class = "no-such-class".into()),
            none(),
            (invalid, "CLASS_UNKNOWN", "class"),
        ),
        (
            "class of another name",
            "",
            "",
            registering(|new| new.class = "噪声".into()),
            none(),
            (invalid, "CLASS_UNKNOWN", "class"),
        ),
        (
            "no channel",
            "",
            "",
            registering(|new| new.channel = 0),
            none(),
            (invalid, "FIELD_EMPTY", "channel"),
        ),
        (
            "a channel that is none",
            "",
            "",
            registering(|new| new.channel = 99),
            none(),
            (invalid, "OUT_OF_RANGE", "channel"),
        ),
        (
            "long number",
            "",
            "",
            registering(|new| new.external_number = "9".repeat(65)),
            none(),
            (invalid, "FIELD_TOO_LONG", "external_number"),
        ),
        (
            "long name",
            "",
            "",
            registering(|new| {
                new.requester = Some(pb::Requester {
                    name: "张".repeat(65),
                    ..Default::default()
                })
            }),
            none(),
            (invalid, "FIELD_TOO_LONG", "requester.name"),
        ),
        (
            "empty text",
            "",
            "",
            register(),
            text("text", "  "),
            (invalid, "FIELD_EMPTY", "text"),
        ),
        (
            "a megabyte of text",
            "",
            "",
            register(),
            text("text", &megabyte),
            (invalid, "FIELD_TOO_LONG", "text"),
        ),
        (
            "control characters",
            "",
            "",
            register(),
            text("text", "a\u{7}b"),
            (invalid, "CONTROL_CHARACTER", "text"),
        ),
        (
            "a role that is none",
            "",
            "",
            register(),
            text("diary", "x"),
            (invalid, "MALFORMED", "texts.role"),
        ),
        (
            "no unit of that name",
            &case,
            "",
            moves::dispatch_to_unit("没有的单位", 0),
            none(),
            (missing, "UNIT_UNKNOWN", "lead"),
        ),
        (
            "no place of that name",
            &case,
            "",
            dispatch("没有的地方"),
            none(),
            (missing, "PLACE_UNKNOWN", "place"),
        ),
        (
            "due before the start",
            &case,
            "",
            moves::dispatch_to_unit("城管局", due_before),
            none(),
            (invalid, "DUE_BEFORE_START", "due_ms"),
        ),
        (
            "due before time began",
            &case,
            "",
            moves::dispatch_to_unit("城管局", -5),
            none(),
            (invalid, "OUT_OF_RANGE", "due_ms"),
        ),
        (
            "accepted twice",
            &case,
            "",
            accept(),
            none(),
            (state_forbids, "STAGE_FORBIDS", ""),
        ),
        (
            "closed before it was handled",
            &fresh,
            "",
            moves::close(pb::Outcome::Solved),
            none(),
            (state_forbids, "STAGE_FORBIDS", ""),
        ),
        (
            "nobody above the top",
            &case,
            "",
            moves::escalate(),
            text("reason", "难"),
            (state_forbids, "NO_PARENT", ""),
        ),
        (
            "no reason given",
            &case,
            "",
            moves::escalate(),
            none(),
            (invalid, "FIELD_EMPTY", "reason"),
        ),
        (
            "a handler registers",
            "",
            "handler",
            register(),
            text("text", "x"),
            (forbidden, "NOT_CENTRE_STAFF", ""),
        ),
        (
            "a clerk decides",
            &case,
            "clerk",
            moves::decide(),
            text("text", "x"),
            (forbidden, "ROLE_MISSING", ""),
        ),
        (
            "a stranger",
            &case,
            "nobody",
            accept(),
            none(),
            (missing, "ACCOUNT_UNKNOWN", "login"),
        ),
        (
            "unknown number",
            "QL-0000",
            "",
            accept(),
            none(),
            (missing, "CASE_UNKNOWN", "case"),
        ),
        (
            "unknown id",
            "00000000000000000000000000",
            "",
            accept(),
            none(),
            (missing, "CASE_UNKNOWN", "case"),
        ),
        (
            "no case named",
            "",
            "",
            accept(),
            none(),
            (invalid, "FIELD_EMPTY", "case"),
        ),
        (
            "a rating of nine",
            &case,
            "",
            moves::rate(9),
            none(),
            (invalid, "OUT_OF_RANGE", "score"),
        ),
    ];
    let before = state(&desk).await;
    for (what, case, login, mv, texts, expected) in table {
        let who = if login.is_empty() {
            desk.clone()
        } else {
            desk.acting_as(login)
        };
        let texts: Vec<(&str, &str)> = texts
            .iter()
            .map(|(role, text)| (*role, text.as_str()))
            .collect();
        let refused = who.act(case, mv, &texts).await;
        let status = refused
            .err()
            .unwrap_or_else(|| panic!("{what}: was not refused"));
        check(what, &status, expected);
        assert_eq!(state(&desk).await, before, "{what}: something changed");
    }
    let head = desk.case(&case).await.unwrap();
    assert_eq!((head.entries.len(), head.stage.as_str()), (2, "accepted"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_request_repeated_is_answered_alike_and_reused_is_refused() {
    let ground = City::new();
    let mut city = ground.found("德州市").await;
    let desk = city.desk();
    let request = act("", register(), &[("text", "邻居装修噪声")]);
    let first = desk.ask(request.clone()).await.unwrap();
    let before = state(&desk).await;
    assert!(!first.secret_code.is_empty());
    let again = pb::ActResponse {
        secret_code: String::new(),
        secret_withheld: true,
        ..first
    };
    assert_eq!(
        desk.ask(request.clone()).await.unwrap(),
        again,
        "all but the secret code, which is shown once"
    );
    let (one, other) = tokio::join!(desk.ask(request.clone()), desk.ask(request.clone()));
    assert_eq!(
        (one.unwrap(), other.unwrap()),
        (again.clone(), again.clone())
    );
    let mut reused = request.clone();
    reused.texts[0].text = "另一件事".into();
    check(
        "reused",
        &desk.ask(reused).await.unwrap_err(),
        (Code::InvalidArgument, "REQUEST_REUSED", "request_id"),
    );
    assert_eq!(state(&desk).await, before);
    city.kill();
    city.start().await;
    assert_eq!(
        city.desk().ask(request.clone()).await.unwrap(),
        again,
        "also after the machine died"
    );
    assert_eq!(city.desk().all_cases().await.len(), 1);

    for (id, code) in [
        (String::new(), "FIELD_EMPTY"),
        ("x".repeat(65), "FIELD_TOO_LONG"),
        ("a\nb".to_owned(), "CONTROL_CHARACTER"),
        ("编号".to_owned(), "MALFORMED"),
    ] {
        let request = pb::ActRequest {
            request_id: id.clone(),
            ..request.clone()
        };
        check(
            &id,
            &city.desk().ask(request).await.unwrap_err(),
            (Code::InvalidArgument, code, "request_id"),
        );
    }
    let bare = pb::ActRequest {
        request_id: request_id(),
        ..Default::default()
    };
    check(
        "no move",
        &city.desk().ask(bare).await.unwrap_err(),
        (Code::InvalidArgument, "FIELD_EMPTY", "action"),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn bad_names_of_places_units_and_accounts_are_refused() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let county = ground.join(&city, "德城区", COUNTY).await;
    let desk = county.desk();
    agree(&[&city, &county]).await;
    let before = desk.status().await.entries;
    let place = |name: &str, code: &str, level| pb::AddPlaceRequest {
        name: name.to_owned(),
        code: code.to_owned(),
        level,
        request_id: request_id(),
        ..Default::default()
    };
    for (place, code, field) in [
        (place("", "", 50), "FIELD_EMPTY", "name"),
        (place(&"长".repeat(65), "", 50), "FIELD_TOO_LONG", "name"),
        (place("新\u{7}华", "", 50), "CONTROL_CHARACTER", "name"),
        (place("新华街道", "3714x", 50), "MALFORMED", "code"),
        (place("新华街道", "", 40), "OUT_OF_RANGE", "level"),
        (
            place("新华街道", "", 4_000_000_000),
            "OUT_OF_RANGE",
            "level",
        ),
    ] {
        let status = desk
            .node()
            .add_place(desk.request(place))
            .await
            .unwrap_err();
        check(field, &status, (Code::InvalidArgument, code, field));
    }
    let unit = pb::AddUnitRequest {
        name: "局".repeat(65),
        kind: 1,
        presence: 1,
        request_id: request_id(),
    };
    let status = desk.node().add_unit(desk.request(unit)).await.unwrap_err();
    check(
        "unit",
        &status,
        (Code::InvalidArgument, "FIELD_TOO_LONG", "name"),
    );
    let account = pb::SetAccountRequest {
        login: "Zhang San".into(),
        roles: vec![1],
        request_id: request_id(),
        ..Default::default()
    };
    let status = desk
        .node()
        .set_account(desk.request(account))
        .await
        .unwrap_err();
    check(
        "login",
        &status,
        (Code::InvalidArgument, "MALFORMED", "login"),
    );
    let page = pb::ListCasesRequest {
        page_size: 501,
        ..Default::default()
    };
    let status = desk
        .casework()
        .list_cases(desk.request(page))
        .await
        .unwrap_err();
    check(
        "page",
        &status,
        (Code::InvalidArgument, "OUT_OF_RANGE", "page_size"),
    );
    assert_eq!(desk.status().await.entries, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_desk_answers_by_port_to_tokens_with_health_and_reflection() {
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_check_response::ServingStatus;
    use tonic_health::pb::health_client::HealthClient;
    use tonic_reflection::pb::v1::ServerReflectionRequest;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

    let ground = City::new();
    let city = ground.found("德州市").await;
    let token = city.desk().account("clerk", &[pb::Role::Clerk], "").await;
    let clerk = Desk::of_port(city.ports.desk, Some(&token));
    let case = clerk.register("邻居装修噪声").await.case;
    assert_eq!(clerk.case(&case).await.unwrap().stage, "registered");
    let pretending = clerk
        .acting_as("admin")
        .act(&case, moves::decide(), &[("text", "x")])
        .await;
    check(
        "a login beside the token",
        &pretending.unwrap_err(),
        (Code::PermissionDenied, "ROLE_MISSING", ""),
    );
    // RFC 7235: the scheme in any case.
    for scheme in ["bearer", "BEARER", "Bearer "] {
        let mut request = tonic::Request::new(pb::GetStatusRequest {});
        let value = format!("{scheme} {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", value);
        let mut node = Desk::of_port(city.ports.desk, None).node();
        node.get_status(request).await.unwrap();
    }
    for bearer in [None, Some("wrong"), Some("")] {
        let desk = Desk::of_port(city.ports.desk, bearer);
        let refused = desk.case(&case).await.unwrap_err();
        check(
            "by port",
            &refused,
            (Code::Unauthenticated, "NOT_SIGNED_IN", "authorization"),
        );
        let refused = desk
            .act("", register(), &[("text", "x")])
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
    }
    for desk in [&clerk, &city.desk()] {
        for service in ["fengqiao.v1.CaseworkService", "fengqiao.v1.NodeService", ""] {
            let check = HealthCheckRequest {
                service: service.to_owned(),
            };
            let answer = HealthClient::new(desk.channel.clone())
                .check(check)
                .await
                .unwrap()
                .into_inner();
            assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
        }
        let ask = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let mut client = ServerReflectionClient::new(desk.channel.clone());
        let mut answers = client
            .server_reflection_info(tokio_stream::once(ask))
            .await
            .unwrap()
            .into_inner();
        let answer = answers.message().await.unwrap().unwrap();
        let Some(MessageResponse::ListServicesResponse(services)) = answer.message_response else {
            panic!("{answer:?}");
        };
        let names: Vec<&str> = services
            .service
            .iter()
            .map(|service| service.name.as_str())
            .collect();
        for name in [
            "fengqiao.v1.CaseworkService",
            "fengqiao.v1.NodeService",
            "grpc.health.v1.Health",
        ] {
            assert!(names.contains(&name), "{names:?}");
        }
    }
    let closed = pb::SetAccountRequest {
        login: "clerk".into(),
        closed: Some(true),
        request_id: request_id(),
        ..Default::default()
    };
    let desk = city.desk();
    desk.node().set_account(desk.request(closed)).await.unwrap();
    assert_eq!(
        clerk.case(&case).await.unwrap_err().code(),
        Code::Unauthenticated
    );
}
