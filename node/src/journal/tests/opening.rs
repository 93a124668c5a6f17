//! Facts about opening and creating.

use super::*;

#[test]
fn a_creation_interrupted_at_any_point_starts_fresh() {
    let reference = Ground::new();
    reference.open();
    let segment = fs::read(&reference.segments()[0]).unwrap();
    let name = reference.segments()[0].file_name().unwrap().to_owned();
    let mut aside_name = name.clone();
    aside_name.push(".new");
    let stray = "00000000000000000100.segment".into();
    let mut left = vec![None, Some((&name, 80)), Some((&stray, 80))];
    left.extend((0..=80).map(|kept| Some((&aside_name, kept))));
    for left in left {
        let ground = Ground::new();
        let aside = ground.path().join("journal.new");
        fs::create_dir(&aside).unwrap();
        if let Some((name, kept)) = left {
            fs::write(aside.join(name), &segment[..kept]).unwrap();
        }
        let mut opened = ground.try_open().unwrap();
        assert!(opened.fresh);
        add(&mut opened.journal, &[b"first"]);
        drop(opened);
        assert_eq!(payloads(&ground.open()), [b"first"]);
        assert!(!aside.exists());
    }
}

#[test]
fn a_creation_cut_just_before_its_witness_starts_fresh() {
    let ground = Ground::new();
    drop(ground.open());
    fs::remove_file(ground.path().join("witness")).unwrap();
    assert!(ground.try_open().unwrap().fresh);
    assert!(ground.path().join("witness").exists());
}

#[test]
fn a_turn_over_interrupted_before_the_rename_or_the_witness_loses_nothing() {
    let ground = Ground::new();
    let mut journal = ground.open();
    for _ in 0..10 {
        add(&mut journal, &[&vec![1; 100_000]]);
    }
    let old_witness = fs::read(ground.path().join("witness")).unwrap();
    let torn = format!("journal/{:020}.segment.new", journal.end().0);
    let torn = ground.path().join(torn);
    fs::write(&torn, b"FQJ").unwrap();
    drop(journal);
    let mut journal = ground.open();
    assert!(!torn.exists());
    add(&mut journal, &[&vec![2; 100_000]]);
    assert_eq!(ground.segments().len(), 2);
    drop(journal);
    fs::write(ground.path().join("witness"), old_witness).unwrap();
    assert_eq!(payloads(&ground.open()).len(), 11);
}

#[test]
fn an_older_copy_put_in_place_is_told_from_a_fresh_journal() {
    let ground = Ground::new();
    let mut journal = ground.open();
    add(&mut journal, &[b"one"]);
    let older = fs::read(&ground.segments()[0]).unwrap();
    add(&mut journal, &[b"two"]);
    journal.close().unwrap();
    fs::write(&ground.segments()[0], older).unwrap();
    let rolled_back_to = |result: Result<Opened, JournalError>| match result {
        Err(JournalError::RolledBack { end, witnessed }) => (end.0, witnessed.0),
        other => panic!("not seen as rolled back: {other:?}"),
    };
    assert_eq!(rolled_back_to(ground.try_open()), (23, 46));
    fs::remove_dir_all(ground.path().join("journal")).unwrap();
    assert_eq!(rolled_back_to(ground.try_open()), (0, 46));
}

#[test]
fn a_lost_last_segment_is_a_rollback() {
    let ground = Ground::new();
    let mut journal = ground.open();
    for _ in 0..25 {
        add(&mut journal, &[&vec![1; 100_000]]);
    }
    drop(journal);
    fs::remove_file(&ground.segments()[2]).unwrap();
    let refused = ground.try_open();
    assert!(matches!(refused, Err(JournalError::RolledBack { .. })));
}

#[test]
fn records_without_a_readable_witness_are_refused() {
    let ground = Ground::new();
    add(&mut ground.open(), &[b"one"]);
    let path = ground.path().join("witness");
    let witness = fs::read(&path).unwrap();
    for at in 0..witness.len() {
        let mut hurt = witness.clone();
        hurt[at] ^= 1;
        fs::write(&path, hurt).unwrap();
        let refused = ground.try_open();
        assert!(matches!(refused, Err(JournalError::WitnessDamaged)));
    }
    fs::remove_file(&path).unwrap();
    let refused = ground.try_open();
    assert!(matches!(refused, Err(JournalError::WitnessMissing)));
}

#[test]
fn recovery_accepts_an_older_copy_only_under_a_higher_incarnation() {
    let ground = Ground::new();
    add(&mut ground.open(), &[b"one"]);
    let older = fs::read(&ground.segments()[0]).unwrap();
    add(&mut ground.open(), &[b"two"]);
    ground.open().close().unwrap();
    fs::write(&ground.segments()[0], &older).unwrap();
    let same = FileJournal::recover(&ground.lock(), life(1), small());
    assert!(matches!(
        same,
        Err(JournalError::IncarnationNotNewer { newest: 1, .. })
    ));
    let refused = ground.try_open();
    assert!(matches!(refused, Err(JournalError::RolledBack { .. })));

    let mut opened = FileJournal::recover(&ground.lock(), life(2), small()).unwrap();
    assert_eq!(opened.journal.identity().incarnation, 2);
    add(&mut opened.journal, &[b"another two"]);
    drop(opened);
    let journal = ground.open();
    assert_eq!(journal.identity().incarnation, 2);
    assert_eq!(journal.identity().store, IDENTITY.store);
    assert_eq!(payloads(&journal), [&b"one"[..], b"another two"]);
    let verified = journal.file_reader().verify(&mut |_, _| {}).unwrap();
    assert!(verified.damages.is_empty());

    drop(journal);
    fs::remove_file(&ground.segments()[1]).unwrap();
    fs::write(&ground.segments()[0], &older).unwrap();
    let again = FileJournal::recover(&ground.lock(), life(2), small());
    assert!(matches!(
        again,
        Err(JournalError::IncarnationNotNewer { newest: 2, .. })
    ));
}

#[test]
fn recovery_of_a_lost_journal_begins_empty_under_the_same_store() {
    let ground = Ground::new();
    add(&mut ground.open(), &[b"one"]);
    fs::remove_dir_all(ground.path().join("journal")).unwrap();
    let created = FileJournal::create(&ground.lock(), IDENTITY, small());
    assert!(matches!(created, Err(JournalError::RolledBack { .. })));
    let opened = FileJournal::recover(&ground.lock(), life(2), small()).unwrap();
    assert!(opened.fresh);
    drop(opened);
    let identity = ground.open().identity();
    assert_eq!((identity.store, identity.incarnation), (IDENTITY.store, 2));
}

#[test]
fn recovery_cut_short_before_its_witness_can_be_repeated() {
    let ground = Ground::new();
    add(&mut ground.open(), &[b"one"]);
    let witness = fs::read(ground.path().join("witness")).unwrap();
    for _ in 0..2 {
        FileJournal::recover(&ground.lock(), life(2), small()).unwrap();
        fs::write(ground.path().join("witness"), &witness).unwrap();
    }
    let mut opened = FileJournal::recover(&ground.lock(), life(2), small()).unwrap();
    add(&mut opened.journal, &[b"two"]);
    drop(opened);
    fs::write(ground.path().join("witness"), &witness).unwrap();
    let used = FileJournal::recover(&ground.lock(), life(2), small());
    assert!(matches!(
        used,
        Err(JournalError::IncarnationNotNewer { .. })
    ));
}

#[test]
fn an_empty_journal_can_begin_a_new_incarnation() {
    let ground = Ground::new();
    let mut journal = ground.open();
    // A reader that has seen the file which is about to be replaced.
    journal.file_reader().verify(&mut |_, _| {}).unwrap();
    journal.begin_incarnation(5).unwrap();
    journal.begin_incarnation(6).unwrap();
    add(&mut journal, &[b"one"]);
    assert_eq!(payloads(&journal), [b"one"]);
    drop(journal);
    assert_eq!(ground.open().identity().incarnation, 6);
    assert_eq!(ground.segments().len(), 1);
}

#[test]
fn segments_of_another_store_are_refused() {
    let ground = Ground::new();
    add(&mut ground.open(), &[b"ours"]);
    let other = Ground::new();
    let identity = Identity {
        store: [8; 16],
        incarnation: 1,
    };
    FileJournal::create(&other.lock(), identity, small()).unwrap();
    fs::copy(&other.segments()[0], &ground.segments()[0]).unwrap();
    let refused = ground.try_open();
    assert!(matches!(refused, Err(JournalError::Foreign { .. })));
}

#[test]
fn a_folder_has_one_owner_at_a_time() {
    let ground = Ground::new();
    let journal = ground.open();
    let second = FolderLock::acquire(ground.path());
    assert!(matches!(second, Err(JournalError::Locked)));
    drop(journal);
    FolderLock::acquire(ground.path()).unwrap();
}
