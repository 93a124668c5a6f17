//! Joins that are granted.

use super::*;

#[tokio::test]
async fn a_county_joins_by_its_invitation_and_then_enrols_a_township_itself() {
    let world = World::new().await;
    let place = world.city.add_place(1, "平原县", 40);
    let token = world.city.invite(place, None, Some(9));
    let path = world.path("county");
    let county = world.city.join(&path, &token, 10).await.unwrap();

    let identity = county.identity.clone();
    assert_eq!((identity.place, identity.unit), (place, None));
    assert_eq!(
        (identity.place_name.as_str(), identity.level),
        ("平原县", 40)
    );
    let parent = identity.parent.clone().unwrap();
    let city = world.city.with(|state| state.folder.identity.clone());
    assert_eq!(parent.node, city.node);
    assert_eq!(parent.link_address, "county.example:7443");
    assert_eq!(parent.enrol_address, world.city.address);
    assert_eq!(identity.deployment, city.deployment);
    assert_ne!(identity.store, city.store);
    drop(county);
    let county = Folder::open(&path).unwrap();
    assert_eq!(county.identity, identity);
    assert_eq!(county.first_entries().unwrap().len(), 3);

    let county = Centre::open(county, &world.clock, 3).await;
    let township = county.add_place(2, "王杲铺镇", 50);
    let token = county.invite(township, None, Some(9));
    let path = world.path("township");
    let township = county.join(&path, &token, 11).await.unwrap();
    let name = &township.credentials.own.name;
    assert_eq!(name.issued_by.authorities, [place, city.place]);
    let levels = township.authority().unwrap().unwrap().levels_below();
    assert_eq!(levels, 3, "five below the city, one less a tier");
}

#[tokio::test]
async fn a_village_without_the_right_to_enrol_joins_all_the_same() {
    let world = World::new().await;
    let place = world.city.add_place(1, "某村", 60);
    let token = world.city.invite(place, None, None);
    let village = world.city.join(&world.path("village"), &token, 10).await;
    let village = village.unwrap();
    assert!(village.authority().unwrap().is_none());
    assert!(!world.path("village").join("private/authority.pem").exists());
}

#[tokio::test]
async fn who_must_enrol_others_is_refused_where_that_is_not_granted() {
    let world = World::new().await;
    let place = world.city.add_place(1, "某村", 60);
    let token = world.city.invite(place, None, None);
    let path = world.path("village");
    let mut options = JoinOptions {
        path: &path,
        token: &token,
        address: &world.city.address,
        parent_name: None,
        authorities: Authorities::Required,
        recovers: false,
    };
    let refused = join(&options, world.city.now(), &mut Seeded::new(10)).await;
    assert_eq!(code(refused), "ENROL_NO_AUTHORITY");
    assert!(world.others().is_empty());
    options.authorities = Authorities::None;
    let joined = join(&options, world.city.now(), &mut Seeded::new(10)).await;
    assert!(joined.is_ok(), "the invitation was not used up");
}

#[tokio::test]
async fn a_department_joins_its_centre_with_a_node_of_its_own() {
    let world = World::new().await;
    let unit = world.city.add_unit(7, "市公安局");
    let place = world.city.with(|state| state.folder.identity.place);
    let token = world.city.invite(place, Some(unit), Some(3));
    let folder = world.city.join(&world.path("police"), &token, 10).await;
    let folder = folder.unwrap();
    assert_eq!(folder.identity.place, place);
    assert_eq!(folder.identity.unit, Some(unit));
    assert!(folder.authority().unwrap().is_none(), "units enrol nobody");
    let record = world
        .city
        .with(|state| state.registry.node(node_of(&folder)).cloned());
    assert_eq!(record.unwrap().unit, Some(unit));
}

#[tokio::test]
async fn an_answer_lost_on_the_way_is_asked_for_again_and_gives_the_same_node() {
    let world = World::new().await;
    let place = world.city.add_place(1, "平原县", 40);
    let token = world.city.invite(place, None, Some(9));
    world.city.with(|state| state.lose_answers = 2);
    let between = relay(world.city.address.clone(), Arc::clone(&world.city.cut)).await;
    let now = world.city.now();
    let path = world.path("county");
    let folder = join_at(&path, &token, &between, now, 10).await.unwrap();
    assert_eq!(world.city.requests_seen(), 3);
    assert_eq!(world.city.nodes(), 2, "the city's and one more");
    let known = world
        .city
        .with(|state| state.registry.node(node_of(&folder)).is_some());
    assert!(known);
}

#[tokio::test]
async fn a_join_whose_answers_never_arrive_is_gone_on_with_under_the_same_keys() {
    let world = World::new().await;
    let place = world.city.add_place(1, "平原县", 40);
    let token = world.city.invite(place, None, Some(9));
    world.city.with(|state| state.lose_answers = 3);
    let between = relay(world.city.address.clone(), Arc::clone(&world.city.cut)).await;
    let now = world.city.now();
    let path = world.path("county");
    let lost = join_at(&path, &token, &between, now, 10).await;
    let error = lost.unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("ENROL_UNREACHABLE", 75));
    assert!(!path.exists());
    // Other draws, and long after the invitation has ended: what was kept is what was granted.
    world.clock.forward_days(3);
    let now = world.city.now();
    let again = join_at(&path, &token, &between, now, 77).await.unwrap();
    let node = again.identity.node;
    assert_eq!(world.city.nodes(), 2);
    drop(again);
    // The command once more finds that all is done, and asks nobody.
    let seen = world.city.requests_seen();
    let once_more = join_at(&path, &token, &between, now, 78).await.unwrap();
    assert_eq!(once_more.identity.node, node);
    assert_eq!(world.city.requests_seen(), seen);
    assert!(
        world.others().iter().all(|name| name == "county"),
        "nothing is left aside"
    );
}

#[tokio::test]
async fn keys_kept_for_one_invitation_serve_no_other() {
    let world = World::new().await;
    let place = world.city.add_place(1, "平原县", 40);
    let (first, second) = (
        world.city.invite(place, None, Some(9)),
        world.city.invite(place, None, Some(9)),
    );
    let between = relay(world.city.address.clone(), Arc::clone(&world.city.cut)).await;
    let now = world.city.now();
    let path = world.path("county");
    let nobody = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().to_string()
    };
    let lost = join_at(&path, &first, &nobody, now, 10).await;
    assert_eq!(lost.unwrap_err().code(), "ENROL_UNREACHABLE");
    let joined = join_at(&path, &second, &between, now, 11).await.unwrap();
    let other = join_at(&world.path("other"), &first, &between, now, 12).await;
    let other = other.unwrap();
    assert_ne!(
        joined.keys.transport.public(),
        other.keys.transport.public()
    );
}

#[test]
fn a_node_that_listens_everywhere_is_dialled_where_it_was_reached() {
    for (listens, host, dialled) in [
        ("0.0.0.0:7443", "county.example", "county.example:7443"),
        ("[::]:9443", "10.0.0.7", "10.0.0.7:9443"),
        ("[::]:7443", "fd00::7", "[fd00::7]:7443"),
        ("10.0.0.7:7443", "county.example", "10.0.0.7:7443"),
        ("link.example:7443", "county.example", "link.example:7443"),
        ("", "county.example", "county.example:7443"),
    ] {
        assert_eq!(
            crate::enrolment::client::link_address(listens, host),
            dialled
        );
    }
}
