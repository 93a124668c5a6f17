//! The first place of a deployment.

use super::*;

const NOW: Moment = Moment(1_790_000_000_000);

fn founded(path: &Path) -> Initialised {
    init(path, &city_options(), NOW, &mut Seeded::new(1)).unwrap()
}

#[test]
fn the_genesis_is_signed_by_the_root_key_and_grants_the_first_place() {
    let room = tempfile::tempdir().unwrap();
    let made = founded(&room.path().join("city"));
    let entries = made.folder.first_entries().unwrap();
    let [genesis] = &entries[..] else {
        panic!("{} entries", entries.len());
    };
    let genesis = Entry::from_signed(genesis).unwrap();
    let root = made.folder.root.key.verifying_key();
    genesis.check_signature(root).unwrap();
    let identity = &made.folder.identity;
    assert_eq!(genesis.chain, ChainId::of_place(identity.place));
    assert_eq!((genesis.sequence, genesis.author_sequence), (1, 1));
    assert_eq!(genesis.registry, [(identity.place, 1)]);
    let mut registry = Registry::default();
    registry.apply(&genesis).unwrap();
    let place = registry.place(identity.place).unwrap();
    assert_eq!((place.name.as_str(), place.level), ("德州市", 30));
    let record = registry.node(identity.node).unwrap();
    let signing = made.folder.keys.signing.public();
    assert_eq!(record.signing_key, *signing.verifying_key());
}

#[test]
fn the_first_place_enrols_without_the_root_key() {
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("city");
    let made = founded(&path);
    assert!(made.advice().contains("root/authority.pem"));
    assert!(!made.advice_chinese().is_ascii());
    std::fs::remove_dir_all(path.join("root")).unwrap();
    drop(made);
    let folder = Folder::open(&path).unwrap();
    assert_eq!(folder.root_key_file(), None);
    let authority = folder.authority().unwrap().unwrap();
    assert_eq!(authority.path().authorities, [folder.identity.place]);
    assert_eq!(folder.credentials.own.name.issued_by, *authority.path());
    let mut issuer = Issuer::of_folder(&folder, Box::new(Seeded::new(2)))
        .unwrap()
        .unwrap();
    assert!(
        issuer
            .mint(PlaceId([1; 10]), None, Some(9), 0, None, NOW)
            .is_ok()
    );
}

#[test]
fn the_deployment_may_be_given_and_is_drawn_otherwise() {
    let room = tempfile::tempdir().unwrap();
    let given = fengqiao_hub::id::DeploymentId([5; 10]);
    let options = InitOptions {
        deployment: Some(given),
        rulebook: Vec::new(),
        ..city_options()
    };
    let path = room.path().join("given");
    let made = init(&path, &options, NOW, &mut Seeded::new(1)).unwrap();
    assert_eq!(made.folder.identity.deployment, given);
    let one = founded(&room.path().join("one"));
    let path = room.path().join("two");
    let two = init(&path, &city_options(), NOW, &mut Seeded::new(2)).unwrap();
    assert_ne!(
        one.folder.identity.deployment,
        two.folder.identity.deployment
    );
}

#[test]
fn a_first_place_that_cannot_be_is_refused_and_nothing_is_left() {
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("city");
    let long = "德".repeat(65);
    for (name, code, level, field) in [
        ("", "", 30, "name"),
        (" ", "", 30, "name"),
        (long.as_str(), "", 30, "name"),
        ("德\n州", "", 30, "name"),
        ("德州市", "371", 30, "code"),
        ("德州市", "37x4", 30, "code"),
        ("德州市", "3714", 0, "level"),
        ("德州市", "3714", 100, "level"),
    ] {
        let options = InitOptions {
            name: name.to_owned(),
            code: code.to_owned(),
            level,
            deployment: None,
            rulebook: Vec::new(),
        };
        let error = init(&path, &options, NOW, &mut Seeded::new(1)).unwrap_err();
        assert_eq!((error.code(), error.exit_code()), ("ENROL_OPTION", 64));
        assert!(error.to_string().starts_with(field), "{error}");
        assert!(!error.chinese().is_ascii());
    }
    assert_eq!(std::fs::read_dir(room.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_in_use_is_not_founded_again() {
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("city");
    let made = founded(&path);
    let again = init(&path, &city_options(), NOW, &mut Seeded::new(2));
    assert_eq!(again.unwrap_err().code(), "FOLDER_EXISTS");
    let kept = made.folder.identity.clone();
    drop(made);
    assert_eq!(Folder::open(&path).unwrap().identity, kept);
}
