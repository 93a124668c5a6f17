//! What is seen of a journal by whoever does not own it.

use sha2::{Digest, Sha256};

use super::*;

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// A journal of three segments.
fn grown(journal: &mut FileJournal) {
    for byte in 0..5_u8 {
        add(journal, &[&[byte; 400_000], b"short"]);
    }
}

#[test]
fn a_journal_in_use_is_seen_whole_with_the_hashes_of_its_files() {
    let ground = Ground::new();
    let mut journal = ground.open();
    grown(&mut journal);
    let seen = Beside::look(ground.path()).unwrap();
    assert_eq!(seen.end, journal.end());
    assert_eq!(seen.segments.len(), 3);
    for segment in &seen.segments {
        let bytes = fs::read(&segment.path).unwrap();
        assert_eq!(bytes.len() as u64, segment.bytes);
        assert_eq!(hash(&bytes), segment.sha256);
    }
    add(&mut journal, &[b"later"]);
    let read: Vec<_> = seen.reader().tail(Position(0)).collect();
    assert_eq!(read.len(), 10, "what came later is not in it");
}

#[test]
fn half_a_record_is_not_counted_and_nothing_is_changed() {
    let ground = Ground::new();
    let mut journal = ground.open();
    add(&mut journal, &[b"whole"]);
    let path = &ground.segments()[0];
    let whole = fs::read(path).unwrap();
    let mut torn = whole.clone();
    torn.extend_from_slice(&[9; 30]);
    fs::write(path, &torn).unwrap();
    let aside = ground
        .path()
        .join("journal/00000000000000000009.segment.new");
    fs::write(&aside, b"being made").unwrap();
    let seen = Beside::look(ground.path()).unwrap();
    assert_eq!(seen.segments[0].bytes, whole.len() as u64);
    assert_eq!(seen.segments[0].sha256, hash(&whole));
    assert_eq!(fs::read(path).unwrap(), torn);
    assert!(aside.exists(), "a segment being made is the owner's");
}

#[test]
fn damage_in_what_was_durable_is_refused() {
    let ground = Ground::new();
    let mut journal = ground.open();
    add(&mut journal, &[b"one"]);
    add(&mut journal, &[b"two"]);
    let path = &ground.segments()[0];
    let mut bytes = fs::read(path).unwrap();
    bytes[85] ^= 1;
    fs::write(path, bytes).unwrap();
    let refused = Beside::look(ground.path());
    assert!(matches!(refused, Err(JournalError::Damaged(_))));
}

#[test]
fn a_journal_goes_on_as_another_store_only_in_a_higher_incarnation() {
    let ground = Ground::new();
    let mut journal = ground.open();
    grown(&mut journal);
    drop(journal);
    let restored = Ground::new();
    fs::create_dir(restored.path().join("journal")).unwrap();
    for path in ground.segments() {
        let to = restored
            .path()
            .join("journal")
            .join(path.file_name().unwrap());
        fs::copy(path, to).unwrap();
    }
    let refused = restored.try_open();
    assert!(matches!(refused, Err(JournalError::WitnessMissing)));
    let new = |incarnation| Identity {
        store: [8; 16],
        incarnation,
    };
    let low = FileJournal::recover(&restored.lock(), new(1), small());
    assert!(matches!(low, Err(JournalError::IncarnationNotNewer { .. })));
    FileJournal::recover(&restored.lock(), new(2), small()).unwrap();
    // Cut short by a crash before its witness stood, it is repeated.
    fs::remove_file(restored.path().join("witness")).unwrap();
    let mut opened = FileJournal::recover(&restored.lock(), new(2), small()).unwrap();
    add(&mut opened.journal, &[b"a new life"]);
    opened.journal.close().unwrap();
    let journal = restored.open();
    assert_eq!(journal.identity(), new(2));
    assert_eq!(payloads(&journal).len(), 11);
    assert_eq!(restored.segments().len(), 4);
    let verified = journal.file_reader().verify(&mut |_, _| {}).unwrap();
    assert!(verified.damages.is_empty());
}

#[test]
fn a_segment_of_another_store_in_the_same_life_is_refused() {
    let (ground, other) = (Ground::new(), Ground::new());
    grown(&mut ground.open());
    let theirs = Identity {
        store: [8; 16],
        ..IDENTITY
    };
    grown(
        &mut FileJournal::create(&other.lock(), theirs, small())
            .unwrap()
            .journal,
    );
    fs::copy(&other.segments()[1], &ground.segments()[1]).unwrap();
    let refused = Beside::look(ground.path());
    assert!(matches!(refused, Err(JournalError::Foreign { .. })));
    assert!(matches!(
        ground.try_open(),
        Err(JournalError::Foreign { .. })
    ));
}
