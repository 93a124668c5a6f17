//! Data folders: made whole or not at all, opened by one process.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::os::unix::fs::PermissionsExt;

use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::DeploymentId;

use super::*;
use crate::enrolment::{InitOptions, init};
use crate::trust::random::Seeded;

const NOW: Moment = Moment(1_790_000_000_000);

fn city(path: &Path, seed: u64) -> Folder {
    let options = InitOptions {
        name: "德州市".to_owned(),
        code: "3714".to_owned(),
        level: 30,
        // The same for all, so that only what a test changes differs.
        deployment: Some(DeploymentId([5; 10])),
        rulebook: Vec::new(),
    };
    init(path, &options, NOW, &mut Seeded::new(seed))
        .unwrap()
        .folder
}

fn room() -> (tempfile::TempDir, PathBuf) {
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("city");
    (room, path)
}

fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn refused(path: &Path) -> FolderError {
    Folder::open(path).unwrap_err()
}

#[test]
fn a_folder_is_opened_as_it_was_made() {
    let (_room, path) = room();
    let made = city(&path, 1);
    let (identity, public) = (made.identity.clone(), *made.keys.signing.public());
    let authority = *made.authority().unwrap().unwrap().public();
    drop(made);
    let opened = Folder::open(&path).unwrap();
    assert_eq!(opened.identity, identity);
    assert_eq!(*opened.keys.signing.public(), public);
    assert_eq!(*opened.authority().unwrap().unwrap().public(), authority);
    assert_eq!(opened.credentials.own.node(), identity.node);
    assert_eq!(opened.identity.journal().store, identity.store.0);
    assert_eq!(opened.identity.journal().incarnation, 1);
    assert_eq!(opened.first_entries().unwrap().len(), 1);
    let parts = [
        "genesis.bin",
        "identity.json",
        "lock",
        "private",
        "root",
        "trust",
    ];
    assert_eq!(names(&path), parts);
}

#[test]
fn everything_is_readable_by_its_owner_alone() {
    fn walk(path: &Path) {
        for name in names(path) {
            let path = path.join(name);
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            let owner_only = if path.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode, owner_only, "{}", path.display());
            if path.is_dir() {
                walk(&path);
            }
        }
    }
    let (room, path) = room();
    drop(city(&path, 1));
    assert_eq!(names(room.path()), ["city"]);
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o700
    );
    walk(&path);
}

#[test]
fn a_second_owner_is_refused_until_the_first_lets_go() {
    let (_room, path) = room();
    let first = city(&path, 1);
    assert_eq!(refused(&path).code(), "FOLDER_IN_USE");
    drop(first);
    assert!(Folder::open(&path).is_ok());
}

#[test]
fn a_folder_of_a_newer_version_is_refused_and_says_who_wrote_it() {
    let (_room, path) = room();
    drop(city(&path, 1));
    let json = fs::read_to_string(path.join(IDENTITY)).unwrap();
    // Also where the rest of it reads as nothing known.
    for newer in [
        json.replace("\"format\": 1", "\"format\": 2"),
        r#"{"format": 7, "written_by": "9.1.0", "who": [1]}"#.to_owned(),
    ] {
        fs::write(path.join(IDENTITY), newer).unwrap();
        let error = refused(&path);
        assert_eq!(error.code(), "FOLDER_NEWER");
        assert!(error.to_string().contains("written by version"), "{error}");
    }
    assert!(refused(&path).chinese().contains("9.1.0"));
}

#[test]
fn no_bit_of_who_a_node_is_flips_unnoticed() {
    let (_room, path) = room();
    let folder = city(&path, 1);
    let identity = folder.identity.clone();
    drop(folder);
    let whole = fs::read(path.join(IDENTITY)).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut hurt = whole.clone();
        hurt[bit / 8] ^= 1 << (bit % 8);
        fs::write(path.join(IDENTITY), hurt).unwrap();
        let code = read_identity(&path).unwrap_err().code();
        assert!(
            ["FOLDER_DAMAGED", "FOLDER_NEWER"].contains(&code),
            "bit {bit}: {code}"
        );
    }
    let name = String::from_utf8(whole.clone())
        .unwrap()
        .replace("德州市", "德城区");
    fs::write(path.join(IDENTITY), name).unwrap();
    assert_eq!(refused(&path).code(), "FOLDER_DAMAGED");
    // One of an earlier build has no sum.
    let mut json: serde_json::Value = serde_json::from_slice(&whole).unwrap();
    json.as_object_mut().unwrap().remove("sha256").unwrap();
    fs::write(path.join(IDENTITY), json.to_string()).unwrap();
    assert_eq!(read_identity(&path).unwrap(), identity);
}

#[test]
fn a_missing_part_is_named() {
    let (_room, path) = room();
    drop(city(&path, 1));
    for file in [SIGNING_KEY, TRANSPORT_KEY, ENCRYPTION_KEY, CHAIN, ROOT] {
        let kept = path.join("kept");
        fs::rename(path.join(file), &kept).unwrap();
        let error = refused(&path);
        assert_eq!(error.code(), "FOLDER_INCOMPLETE");
        assert!(error.to_string().contains(file), "{error}");
        fs::rename(&kept, path.join(file)).unwrap();
    }
    fs::remove_file(path.join(AUTHORITY_CHAIN)).unwrap();
    fs::remove_file(path.join(GENESIS)).unwrap();
    let opened = Folder::open(&path).unwrap();
    assert_eq!(opened.authority().unwrap_err().code(), "FOLDER_INCOMPLETE");
    assert_eq!(
        opened.first_entries().unwrap_err().code(),
        "FOLDER_INCOMPLETE"
    );
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let (_room, path) = room();
    drop(city(&path, 1));
    let key = path.join(TRANSPORT_KEY);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    let error = refused(&path);
    assert_eq!(error.code(), "FOLDER_KEY_OPEN");
    assert!(error.to_string().contains("0640"), "{error}");
}

#[test]
fn parts_of_another_folder_are_refused() {
    let (room, path) = room();
    drop(city(&path, 1));
    let other = room.path().join("other");
    drop(city(&other, 2));
    fs::copy(other.join(TRANSPORT_KEY), path.join(TRANSPORT_KEY)).unwrap();
    assert_eq!(refused(&path).code(), "FOLDER_DAMAGED");
    fs::copy(other.join(CHAIN), path.join(CHAIN)).unwrap();
    fs::copy(other.join(ROOT), path.join(ROOT)).unwrap();
    assert_eq!(refused(&path).code(), "FOLDER_DAMAGED", "another node's");
    fs::write(path.join(IDENTITY), "{").unwrap();
    assert_eq!(refused(&path).code(), "FOLDER_DAMAGED");
}

#[test]
fn opening_where_no_folder_is_makes_none() {
    let (room, path) = room();
    assert_eq!(refused(&path).code(), "FOLDER_ABSENT");
    assert!(names(room.path()).is_empty());
    fs::create_dir(&path).unwrap();
    assert_eq!(refused(&path).code(), "FOLDER_ABSENT");
    assert!(names(&path).is_empty());
}

#[test]
fn an_empty_folder_is_taken_and_any_other_thing_is_left_alone() {
    let (room, path) = room();
    fs::create_dir(&path).unwrap();
    drop(city(&path, 1));
    let before = fs::read(path.join(IDENTITY)).unwrap();
    assert_eq!(Making::begin(&path).unwrap_err().code(), "FOLDER_EXISTS");
    assert_eq!(fs::read(path.join(IDENTITY)).unwrap(), before);
    let file = room.path().join("file");
    fs::write(&file, "mine").unwrap();
    assert_eq!(Making::begin(&file).unwrap_err().code(), "FOLDER_EXISTS");
    assert_eq!(
        Making::begin(Path::new("/")).unwrap_err().code(),
        "FOLDER_NAME"
    );
    assert_eq!(names(room.path()), ["city", "file"]);
}

#[test]
fn a_making_that_is_given_up_or_fails_leaves_nothing() {
    let (room, path) = room();
    drop(Making::begin(&path).unwrap());
    assert!(names(room.path()).is_empty());

    let model_path = room.path().join("model");
    let model = city(&model_path, 1);
    let new = NewFolder {
        identity: &model.identity,
        keys: &model.keys,
        chain: &model.chain,
        authority: None,
        root: &model.root,
        root_authority: None,
        first_entries: &[],
        rulebook: &[],
    };
    let making = Making::begin(&path).unwrap();
    // Something comes in between; the rename finds it.
    fs::create_dir(&path).unwrap();
    fs::write(path.join("mine"), "").unwrap();
    assert_eq!(making.finish(&new).unwrap_err().code(), "FOLDER_EXISTS");
    assert_eq!(names(room.path()), ["city", "model"]);
    assert_eq!(names(&path), ["mine"]);
}

#[test]
fn what_a_killed_making_left_is_no_folder_and_is_cleared_by_the_next() {
    let (room, path) = room();
    let aside = room.path().join(".city.new");
    fs::create_dir_all(aside.join("private")).unwrap();
    fs::write(aside.join(SIGNING_KEY), "half a key").unwrap();
    fs::write(aside.join("stray"), "").unwrap();
    assert_eq!(refused(&path).code(), "FOLDER_ABSENT");
    drop(city(&path, 1));
    assert!(!path.join("stray").exists());
    assert_eq!(names(room.path()), ["city"]);
    assert!(Folder::open(&path).is_ok());
}

#[test]
fn two_makings_of_one_folder_do_not_meet() {
    let (_room, path) = room();
    let _first = Making::begin(&path).unwrap();
    assert_eq!(Making::begin(&path).unwrap_err().code(), "FOLDER_IN_USE");
}

#[test]
fn every_refusal_has_words_in_both_languages() {
    let (_room, path) = room();
    drop(city(&path, 1));
    fs::write(path.join(IDENTITY), "{").unwrap();
    let other = Path::new("/nowhere/at/all");
    for error in [refused(&path), refused(other), FolderError::DiskFull] {
        assert!(!error.chinese().is_ascii());
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn a_restored_folder_is_nobody_until_it_has_an_identity() {
    let (_room, path) = room();
    let model = city(&path, 1);
    let restored = Restored {
        deployment: model.identity.deployment,
        place: model.identity.place,
        place_name: model.identity.place_name.clone(),
        level: 30,
        unit: None,
        node: model.identity.node,
        root: model.root.fingerprint(),
        backup_made: "2023-02-16T09:00:00+08:00".to_owned(),
        position: 1_234,
        chain_hash: Fingerprint::from_bytes([7; 32]),
        keys: true,
        enrol_address: None,
    };
    drop(model);
    let aside = path.with_extension("identity");
    fs::rename(path.join(IDENTITY), &aside).unwrap();
    restored.write(&path).unwrap();
    let error = refused(&path);
    assert_eq!(error.code(), "FOLDER_RESTORED");
    assert!(error.to_string().contains("fengqiao recover"), "{error}");
    assert!(error.chinese().contains("recover"));
    assert_eq!(Restored::read(&path).unwrap(), Some(restored));

    fs::rename(&aside, path.join(IDENTITY)).unwrap();
    Restored::remove(&path).unwrap();
    Restored::remove(&path).unwrap();
    assert_eq!(Restored::read(&path).unwrap(), None);
    assert!(Folder::open(&path).is_ok());

    fs::remove_file(path.join(IDENTITY)).unwrap();
    fs::write(path.join(restored::RESTORED), "{").unwrap();
    assert_eq!(refused(&path).code(), "FOLDER_DAMAGED");
}
