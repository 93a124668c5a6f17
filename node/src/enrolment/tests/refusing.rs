//! Joins that are refused: with a code, and nothing left.

use super::*;
use crate::enrolment::introduce;
use crate::enrolment::refusal::INTRODUCTIONS_PER_MINUTE;
use crate::trust::Invitation;

#[tokio::test]
async fn a_token_that_cannot_be_read_is_refused_part_by_part_before_anything_is_sent() {
    let world = World::new().await;
    let place = world.city.add_place(1, "平原县", 40);
    let token = world.city.invite(place, None, None);
    let parts: Vec<&str> = token.split('.').collect();
    let with = |index: usize, part: &str| {
        let mut parts = parts.clone();
        parts[index] = part;
        parts.join(".")
    };
    for (token, part) in [
        (with(0, "fq2"), "fq1."),
        (format!("{token}.x"), "五段"),
        (with(1, "00"), "第 2 段"),
        (with(2, "UPPERCASE0000000"), "第 3 段"),
        (with(3, ""), "第 4 段"),
        (with(4, "0"), "第 5 段"),
        (String::new(), "fq1."),
    ] {
        let error = world.city.join(&world.path("county"), &token, 10).await;
        let error = error.unwrap_err();
        assert_eq!((error.code(), error.exit_code()), ("TOKEN_MALFORMED", 64));
        assert!(error.chinese().contains(part), "{}", error.chinese());
    }
    assert_eq!(world.city.requests_seen(), 0);
    assert!(world.others().is_empty());
}

#[tokio::test]
async fn a_used_an_unknown_and_an_expired_token_each_have_their_code() {
    let world = World::new().await;
    let place = world.city.add_place(1, "平原县", 40);
    let used = world.city.invite(place, None, None);
    let unknown = world.city.invite(place, None, None);
    let old = world.city.invite(place, None, None);
    let first = world.city.join(&world.path("first"), &used, 10).await;
    drop(first.unwrap());
    let second = world.city.join(&world.path("second"), &used, 11).await;
    assert_eq!(code(second), "TOKEN_USED");
    let id = unknown.parse::<Invitation>().unwrap().id.to_string();
    world.city.with(|state| state.book.remove(&id));
    // The rate of one address is not what is tested here.
    let world = world.restarted().await;
    let path = world.path("second");
    assert_eq!(
        code(world.city.join(&path, &unknown, 11).await),
        "TOKEN_UNKNOWN"
    );
    world.clock.forward_days(2);
    assert_eq!(
        code(world.city.join(&path, &old, 11).await),
        "TOKEN_EXPIRED"
    );
    assert_eq!(world.others(), ["first"]);
    assert_eq!(world.city.nodes(), 2);
}

#[tokio::test]
async fn who_stands_in_between_with_another_root_never_receives_the_secret() {
    let world = World::new().await;
    let place = world.city.add_place(1, "平原县", 40);
    let token = world.city.invite(place, None, Some(9));
    let now = world.city.now();
    let path = world.path("stranger");
    let made = init(&path, &city_options(), now, &mut Seeded::new(77)).unwrap();
    let stranger = Centre::open(made.folder, &world.clock, 78).await;
    let path = world.path("county");
    let refused = join_at(&path, &token, &stranger.address, now, 10).await;
    assert_eq!(code(refused), "TOKEN_OTHER_ROOT");
    assert_eq!(stranger.requests_seen(), 0);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_sound_node_that_did_not_invite_never_receives_the_secret() {
    let world = World::new().await;
    let county = world.city.add_place(1, "平原县", 40);
    let other = world.city.add_place(2, "陵城区", 40);
    let token = world.city.invite(county, None, Some(9));
    let joined = world.city.join(&world.path("county"), &token, 10).await;
    let county = Centre::open(joined.unwrap(), &world.clock, 3).await;
    let token = world.city.invite(other, None, Some(9));
    let refused = county.join(&world.path("other"), &token, 11).await;
    assert_eq!(code(refused), "TOKEN_OTHER_PARENT");
    assert_eq!(county.requests_seen(), 0);
    assert_eq!(
        code_of_changed_place(&world, &token).await,
        "TOKEN_OTHER_PARENT"
    );
    assert!(!world.path("other").exists());
}

/// The place in a token is bound to its id, so changing it points nowhere.
async fn code_of_changed_place(world: &World, token: &str) -> &'static str {
    let mut invitation: Invitation = token.parse().unwrap();
    invitation.place = PlaceId([9; 10]);
    let token = invitation.to_token();
    let before = world.city.requests_seen();
    let refused = world.city.join(&world.path("other"), &token, 12).await;
    assert_eq!(world.city.requests_seen(), before);
    code(refused)
}

#[tokio::test]
async fn nobody_at_the_address_is_worth_another_try_and_no_address_is_not() {
    let world = World::new().await;
    let place = world.city.add_place(1, "平原县", 40);
    let token = world.city.invite(place, None, None);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let free = listener.local_addr().unwrap().to_string();
    drop(listener);
    let path = world.path("county");
    let now = world.city.now();
    let error = join_at(&path, &token, &free, now, 10).await.unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("ENROL_UNREACHABLE", 75));
    for address in [
        "",
        "host",
        ":7444",
        "host:",
        "host:0",
        "::1:7444",
        "[::1:7444",
        "host:70000",
    ] {
        let error = join_at(&path, &token, address, now, 10).await.unwrap_err();
        assert_eq!(
            (error.code(), error.exit_code()),
            ("ENROL_ADDRESS", 64),
            "{address}"
        );
    }
    // What is kept for the same command once more is no folder of a node.
    assert!(!path.exists());
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_costs_no_invitation() {
    let world = World::new().await;
    let place = world.city.add_place(1, "平原县", 40);
    let token = world.city.invite(place, None, None);
    let refused = world.city.join(&world.path("city"), &token, 10).await;
    assert_eq!(code(refused), "FOLDER_EXISTS");
    assert_eq!(world.city.requests_seen(), 0);
    assert!(
        world
            .city
            .join(&world.path("county"), &token, 10)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn the_sixth_join_of_an_address_in_a_minute_is_refused() {
    let world = World::new().await;
    let place = world.city.add_place(1, "平原县", 40);
    let token = world.city.invite(place, None, None);
    let id = token.parse::<Invitation>().unwrap().id.to_string();
    world.city.with(|state| state.book.remove(&id));
    let path = world.path("county");
    for _ in 0..5 {
        assert_eq!(
            code(world.city.join(&path, &token, 10).await),
            "TOKEN_UNKNOWN"
        );
    }
    let error = world.city.join(&path, &token, 10).await.unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("ENROL_RATE", 75));
    assert_eq!(world.city.requests_seen(), 5);
}

#[tokio::test]
async fn who_asks_too_often_who_a_node_is_waits_and_takes_nobodys_place_to_join() {
    let world = World::new().await;
    let place = world.city.add_place(1, "平原县", 40);
    let token = world.city.invite(place, None, None);
    let root = token.parse::<Invitation>().unwrap().root;
    let ask = async || {
        let now = world.city.with(|state| state.now());
        let asked = introduce(&world.city.address, None, Vec::new(), root, now).await;
        asked.unwrap_err().code()
    };
    for _ in 0..INTRODUCTIONS_PER_MINUTE {
        assert_eq!(ask().await, "ENROL_NOT_HERE");
    }
    assert_eq!(ask().await, "ENROL_RATE");
    let joined = world.city.join(&world.path("county"), &token, 10).await;
    drop(joined.unwrap());
}

impl World {
    /// The same city behind a new port, as after a restart of its process.
    async fn restarted(self) -> Self {
        let path = self.path("city");
        let book = self.city.with(|state| std::mem::take(&mut state.book));
        let entries = self.city.with(|state| state.entries.clone());
        let Centre { state, _stop, .. } = self.city;
        drop(_stop);
        // The desk of the old port holds the folder until its tasks have ended.
        while Arc::strong_count(&state) > 1 {
            tokio::task::yield_now().await;
        }
        drop(state);
        let folder = Folder::open(&path).unwrap();
        let city = Centre::open(folder, &self.clock, 4).await;
        city.with(|state| {
            state.book = book;
            for signed in &entries[1..] {
                let entry = Entry::from_signed(signed).unwrap();
                state.registry.apply(&entry).unwrap();
                state.head = Some((entry.sequence, entry.hash));
            }
            state.entries = entries;
        });
        Self { city, ..self }
    }
}
