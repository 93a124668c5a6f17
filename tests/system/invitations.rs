//! Invitations that do not hold: each with its code, nothing left behind.

use fengqiao_tests::city::process::Said;
use fengqiao_tests::city::{COUNTY, City, TOWNSHIP};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_unsound_invitation_is_refused_with_its_code_and_leaves_nothing() {
    let (ours, theirs) = (City::new(), City::new());
    let city = ours.found("德州市").await;
    let elsewhere = theirs.found("济南市").await;
    let foreign = elsewhere.desk().invite_place("历下区", COUNTY).await;
    let used = city.desk().invite_place("德城区", COUNTY).await;
    let county = ours.ground("德城区");
    ours.redeem(&city, &county, &used);
    let fresh = city.desk().invite_place("陵城区", COUNTY).await;
    let late = city.desk().invite_place("禹城市", COUNTY).await;

    let parts: Vec<&str> = fresh.split('.').collect();
    let place = used.split('.').nth(2).unwrap();
    let other_place = [parts[0], parts[1], place, parts[3], parts[4]].join(".");
    let mut secret = parts[4].to_owned();
    let first = if secret.starts_with('0') { "1" } else { "0" };
    secret.replace_range(..1, first);
    let guessed = [parts[0], parts[1], parts[2], parts[3], &secret].join(".");
    let newcomer = ours.ground("newcomer");
    let left_behind = || {
        let names = std::fs::read_dir(ours.root())
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        names
            .filter(|name| {
                name.to_str().unwrap().contains("newcomer")
                    && !name.to_str().unwrap().ends_with("clock")
            })
            .count()
    };
    let refused = |said: &Said, code: &str, exit: i32, why: &str| {
        assert_eq!(
            (said.error_code().as_str(), said.code),
            (code, exit),
            "{why}: {said:?}"
        );
        assert_eq!(left_behind(), 0, "{why}");
    };
    for (token, code, exit, why) in [
        (used.as_str(), "TOKEN_USED", 1, "used"),
        (
            &other_place,
            "TOKEN_OTHER_PARENT",
            1,
            "another place put in",
        ),
        (&foreign, "TOKEN_OTHER_ROOT", 1, "another deployment"),
        (&guessed, "TOKEN_OTHER_PARENT", 1, "a guessed secret"),
        ("fq1.abc", "TOKEN_MALFORMED", 64, "malformed"),
        ("", "TOKEN_MALFORMED", 64, "empty"),
    ] {
        refused(&ours.try_redeem(&city, &newcomer, token), code, exit, why);
    }
    ours.time.advance(25 * 3_600_000);
    city.set_clock();
    refused(
        &ours.try_redeem(&city, &newcomer, &late),
        "TOKEN_EXPIRED",
        1,
        "expired",
    );
    let again = city.desk().invite("陵城区", "", 1).await;
    ours.redeem(&city, &newcomer, &again);
    let join =
        |token: &str| newcomer.machine(&["join", "--parent", "127.0.0.1:1", "--token", token]);
    let repeated = join(&again);
    assert_eq!(repeated.code, 0, "it has joined by this one: {repeated:?}");
    let other = join(&late);
    assert_eq!(
        (other.error_code().as_str(), other.code),
        ("FOLDER_EXISTS", 64),
        "{other:?}"
    );
    let absent =
        ours.ground("absent")
            .machine(&["join", "--parent", "127.0.0.1:1", "--token", &again]);
    assert_eq!(
        (absent.error_code().as_str(), absent.code),
        ("ENROL_UNREACHABLE", 75),
        "{absent:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_county_cannot_invite_for_what_is_not_its_own() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let county = ground.join(&city, "德城区", COUNTY).await;
    let _township = ground.enrol(&county, "新华街道", TOWNSHIP).await;
    for (words, code) in [
        (&["invite", "德州市"][..], "PLACE_UNKNOWN"),
        (&["invite", "没有的地方"], "PLACE_UNKNOWN"),
        (&["invite", "--unit", "没有的单位"], "UNIT_UNKNOWN"),
        (
            &["place", "add", "德城区甲", "--level", "30"],
            "OUT_OF_RANGE",
        ),
    ] {
        let said = county.cli(words);
        assert_eq!(
            (said.error_code().as_str(), said.code),
            (code, 1),
            "{words:?}: {said:?}"
        );
    }
}
