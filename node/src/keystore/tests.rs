//! Facts about keys kept, merged and erased.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs;
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::journal::DiskFile;
use crate::journal::FolderLock;

fn try_open(folder: &TempDir) -> Result<OpenedKeys, KeyStoreError> {
    FileKeyStore::open(&FolderLock::acquire(folder.path()).unwrap())
}

fn open(folder: &TempDir) -> FileKeyStore {
    try_open(folder).unwrap().store
}

fn for_both(fact: impl Fn(&mut dyn KeyStore)) {
    let folder = TempDir::new().unwrap();
    fact(&mut open(&folder));
    fact(&mut MemoryKeyStore::new());
}

fn case(value: u8) -> CaseId {
    [value; 16]
}

/// Bytes that occur nowhere else: a flipped pattern by case.
fn full(value: u8) -> CaseSecret {
    CaseSecret {
        proven: true,
        salt: [value ^ 0x55; 32],
        key: Some([value ^ 0xAA; 32]),
        wrapped: vec![value ^ 0x33; 48],
        wraps: vec![([1; 10], vec![value ^ 0xCC; 48])],
    }
}

fn bare(value: u8) -> CaseSecret {
    CaseSecret::with_salt([value ^ 0x55; 32])
}

fn occurs(folder: &Path, needle: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}

#[test]
fn what_was_put_is_there_after_reopening() {
    let folder = TempDir::new().unwrap();
    let mut store = open(&folder);
    let secrets = [(case(1), full(1)), (case(2), bare(2))];
    store.put_many(&secrets).unwrap();
    drop(store);
    let opened = try_open(&folder).unwrap();
    assert_eq!(opened.cut_bytes, 0);
    for (case, secret) in &secrets {
        assert!(opened.store.get(case) == Some(secret));
    }
    assert!(opened.store.get(&case(3)).is_none());
    let found = fs::metadata(folder.path().join("keys")).unwrap();
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_put_adds_what_is_missing_and_replaces_only_a_key_that_did_not_open() {
    for_both(|store| {
        store.put_many(&[(case(1), bare(1))]).unwrap();
        store.put_many(&[(case(1), full(1))]).unwrap();
        let mut other = full(1);
        other.wrapped = vec![9; 48];
        other.wraps = vec![([1; 10], vec![8; 48]), ([2; 10], vec![7; 48])];
        store.put_many(&[(case(1), other)]).unwrap();
        store.put_many(&[(case(1), bare(1))]).unwrap();
        let held = store.get(&case(1)).unwrap();
        let mut expected = full(1);
        expected.wrapped = vec![9; 48];
        expected.wraps.push(([2; 10], vec![7; 48]));
        assert!(*held == expected);
    });
}

#[test]
fn another_key_or_salt_is_refused_and_the_whole_put_with_it() {
    for_both(|store| {
        store.put_many(&[(case(1), full(1))]).unwrap();
        let mut other_key = full(1);
        other_key.key = Some([3; 32]);
        let refused = store.put_many(&[(case(2), full(2)), (case(1), other_key)]);
        assert!(matches!(refused, Err(KeyStoreError::KeyConflict { case: c }) if c == case(1)));
        let mut other_salt = full(1);
        other_salt.salt = [3; 32];
        let refused = store.put_many(&[(case(2), full(2)), (case(1), other_salt)]);
        assert!(matches!(refused, Err(KeyStoreError::SaltConflict { .. })));
        assert!(store.get(&case(2)).is_none());
        assert!(*store.get(&case(1)).unwrap() == full(1));
    });
}

#[test]
fn one_put_may_name_a_case_twice() {
    for_both(|store| {
        let twice = [(case(1), bare(1)), (case(1), full(1))];
        store.put_many(&twice).unwrap();
        assert!(*store.get(&case(1)).unwrap() == full(1));
        let mut other = full(2);
        other.key = Some([3; 32]);
        let refused = store.put_many(&[(case(2), full(2)), (case(2), other)]);
        assert!(matches!(refused, Err(KeyStoreError::KeyConflict { .. })));
    });
}

#[test]
fn too_much_for_one_case_is_refused() {
    for_both(|store| {
        let mut long = full(1);
        long.wrapped = vec![0; SEALED_BYTES_MAX + 1];
        let refused = store.put_many(&[(case(1), long)]);
        assert!(matches!(refused, Err(KeyStoreError::TooLarge { .. })));
        let mut many = full(1);
        let recipient = |n: usize| u8::try_from(n % 256).unwrap();
        many.wraps = (0..=WRAPS_MAX)
            .map(|n| ([recipient(n); 10], Vec::new()))
            .collect();
        let refused = store.put_many(&[(case(1), many)]);
        assert!(matches!(refused, Err(KeyStoreError::TooLarge { .. })));
    });
}

#[test]
fn an_erased_case_stays_erased_whatever_comes_later() {
    for_both(|store| {
        store
            .put_many(&[(case(1), full(1)), (case(2), full(2))])
            .unwrap();
        store.erase(case(1)).unwrap();
        store.erase(case(1)).unwrap();
        store.erase(case(3)).unwrap();
        for erased in [case(1), case(3)] {
            assert!(store.get(&erased).is_none() && store.is_erased(&erased));
            let refused = store.put_many(&[(case(4), full(4)), (erased, full(1))]);
            assert!(matches!(refused, Err(KeyStoreError::Erased { case }) if case == erased));
        }
        assert!(store.get(&case(4)).is_none());
        assert!(*store.get(&case(2)).unwrap() == full(2));
    });
}

#[test]
fn erasing_leaves_no_key_bytes_in_any_file_of_the_folder() {
    let folder = TempDir::new().unwrap();
    let mut store = open(&folder);
    store
        .put_many(&[(case(1), bare(1)), (case(2), full(2))])
        .unwrap();
    store.put_many(&[(case(1), full(1))]).unwrap();
    // A second name for the old file shows what becomes of its blocks.
    let keys = folder.path().join("keys");
    let shadow = folder.path().join("shadow");
    fs::hard_link(&keys, &shadow).unwrap();
    let gone = full(1);
    let parts = |secret: &CaseSecret| {
        vec![
            secret.salt.to_vec(),
            secret.key.unwrap().to_vec(),
            secret.wrapped.clone(),
            secret.wraps[0].1.clone(),
        ]
    };
    assert!(parts(&gone).iter().all(|part| occurs(folder.path(), part)));
    store.erase(case(1)).unwrap();
    for part in parts(&gone) {
        assert!(!occurs(folder.path(), &part[..8]));
    }
    assert!(
        parts(&full(2))
            .iter()
            .all(|part| occurs(folder.path(), part))
    );
    store.put_many(&[(case(5), full(5))]).unwrap();
    drop(store);
    let store = open(&folder);
    assert!(store.is_erased(&case(1)));
    assert!(*store.get(&case(2)).unwrap() == full(2));
    assert!(*store.get(&case(5)).unwrap() == full(5));
}

#[test]
fn an_interrupted_erasure_leaves_the_old_store_and_nothing_aside() {
    let folder = TempDir::new().unwrap();
    open(&folder).put_many(&[(case(1), full(1))]).unwrap();
    let keys = folder.path().join("keys");
    let aside = folder.path().join("keys.new");
    let whole = fs::read(&keys).unwrap();
    for kept in 0..=whole.len() {
        fs::write(&aside, &whole[..kept]).unwrap();
        assert!(*open(&folder).get(&case(1)).unwrap() == full(1));
        assert!(!aside.exists());
    }
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_all_before_survives() {
    let folder = TempDir::new().unwrap();
    let keys = folder.path().join("keys");
    open(&folder).put_many(&[(case(1), full(1))]).unwrap();
    let before = fs::read(&keys).unwrap().len();
    open(&folder).put_many(&[(case(2), full(2))]).unwrap();
    let whole = fs::read(&keys).unwrap();
    let witness = fs::read(folder.path().join("keys.witness")).unwrap();
    for torn_at in before..whole.len() {
        let mut zeroed = whole.clone();
        zeroed[torn_at..].fill(0);
        for torn in [&whole[..torn_at], &zeroed] {
            fs::write(&keys, torn).unwrap();
            fs::write(folder.path().join("keys.witness"), &witness).unwrap();
            let mut opened = try_open(&folder).unwrap();
            assert_eq!(opened.cut_bytes, (torn.len() - before) as u64);
            assert!(*opened.store.get(&case(1)).unwrap() == full(1));
            assert!(opened.store.get(&case(2)).is_none());
            opened.store.put_many(&[(case(3), full(3))]).unwrap();
            drop(opened);
            assert!(*open(&folder).get(&case(3)).unwrap() == full(3));
        }
    }
}

#[test]
fn a_flipped_bit_before_the_last_put_is_refused() {
    let folder = TempDir::new().unwrap();
    let keys = folder.path().join("keys");
    open(&folder).put_many(&[(case(1), full(1))]).unwrap();
    let middle = fs::read(&keys).unwrap().len();
    open(&folder).put_many(&[(case(2), full(2))]).unwrap();
    let whole = fs::read(&keys).unwrap();
    for at in 0..middle {
        let mut hurt = whole.clone();
        hurt[at] ^= 4;
        fs::write(&keys, &hurt).unwrap();
        let Err(KeyStoreError::Damaged { offset }) = try_open(&folder) else {
            panic!("byte {at} was not missed");
        };
        assert_eq!(offset, if at < 16 { 0 } else { 16 });
        assert_eq!(fs::read(&keys).unwrap(), hurt, "nothing was changed");
    }
}

struct Full;

impl DiskFile for Full {
    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        Ok(0)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::Error::from_raw_os_error(28))
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(0)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_the_witness_has_seen_is_never_taken_for_a_torn_tail() {
    let folder = TempDir::new().unwrap();
    let mut store = open(&folder);
    store.put_many(&[(case(1), full(1))]).unwrap();
    store.put_many(&[(case(2), full(2))]).unwrap();
    store.vouch().unwrap();
    drop(store);
    let path = folder.path().join("keys");
    let whole = fs::read(&path).unwrap();
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let refused = try_open(&folder);
        assert!(matches!(refused, Err(KeyStoreError::Damaged { .. })));
        let mut flipped = whole.clone();
        flipped[cut] ^= 1;
        fs::write(&path, &flipped).unwrap();
        let refused = try_open(&folder);
        assert!(matches!(refused, Err(KeyStoreError::Damaged { .. })));
    }
    fs::remove_file(&path).unwrap();
    assert!(matches!(
        try_open(&folder),
        Err(KeyStoreError::Damaged { offset: 0 })
    ));
    fs::write(&path, &whole).unwrap();
    assert!(*open(&folder).get(&case(2)).unwrap() == full(2));
}

#[test]
fn a_decayed_witness_of_the_keys_vouches_for_nothing_and_is_written_anew() {
    let folder = TempDir::new().unwrap();
    let mut store = open(&folder);
    store.put_many(&[(case(1), full(1))]).unwrap();
    store.vouch().unwrap();
    drop(store);
    let path = folder.path().join("keys.witness");
    let whole = fs::read(&path).unwrap();
    for hurt in [&b"half"[..], &[0; 24]] {
        fs::write(&path, hurt).unwrap();
        assert!(*open(&folder).get(&case(1)).unwrap() == full(1));
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
}

#[test]
fn erasing_after_the_witness_has_seen_more_leaves_a_store_that_opens() {
    let folder = TempDir::new().unwrap();
    let mut store = open(&folder);
    store
        .put_many(&[(case(1), full(1)), (case(2), full(2))])
        .unwrap();
    store.vouch().unwrap();
    store.erase_many(&[case(1), case(2)]).unwrap();
    drop(store);
    let store = open(&folder);
    assert!(store.is_erased(&case(1)) && store.is_erased(&case(2)));
}

#[test]
fn a_failed_write_poisons_and_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let mut store = open(&folder);
    store.put_many(&[(case(1), full(1))]).unwrap();
    store.file = std::sync::Arc::new(Full);
    let refused = store.put_many(&[(case(2), full(2))]);
    assert!(matches!(refused, Err(KeyStoreError::DiskFull)));
    let later = store.put_many(&[(case(2), full(2))]);
    assert!(matches!(later, Err(KeyStoreError::Poisoned)));
    let later = store.erase(case(1));
    assert!(matches!(later, Err(KeyStoreError::Poisoned)));
    assert!(store.get(&case(2)).is_none());
    drop(store);
    assert!(*open(&folder).get(&case(1)).unwrap() == full(1));
}

#[test]
fn debug_output_shows_no_key_bytes() {
    let folder = TempDir::new().unwrap();
    let mut store = open(&folder);
    store.put_many(&[(case(1), full(1))]).unwrap();
    let mut memory = MemoryKeyStore::new();
    memory.put_many(&[(case(1), full(1))]).unwrap();
    let said = format!("{:?} {store:?} {memory:?}", full(1));
    for byte in [1 ^ 0x55, 1 ^ 0xAA, 1 ^ 0x33, 1 ^ 0xCC_u8] {
        let run = format!("{byte}, {byte}");
        assert!(!said.contains(&run), "{said}");
    }
}

#[test]
fn a_later_version_is_refused_as_such() {
    let folder = TempDir::new().unwrap();
    drop(open(&folder));
    let keys = folder.path().join("keys");
    let mut header = fs::read(&keys).unwrap();
    header[8] = 2;
    let crc = crc32c::crc32c(&header[..12]).to_le_bytes();
    let file = fs::File::options().write(true).open(&keys).unwrap();
    file.write_all_at(&header[..12], 0).unwrap();
    file.write_all_at(&crc, 12).unwrap();
    let refused = try_open(&folder);
    assert!(matches!(
        refused,
        Err(KeyStoreError::FormatVersion { found: 2 })
    ));
}

#[derive(Debug, Clone)]
enum Move {
    Put(Vec<(u8, bool)>),
    Erase(Vec<u8>),
    Reopen,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let step = prop_oneof![
        4 => prop::collection::vec((0_u8..8, any::<bool>()), 0..5).prop_map(Move::Put),
        1 => prop::collection::vec(0_u8..8, 0..3).prop_map(Move::Erase),
        2 => Just(Move::Reopen),
    ];
    prop::collection::vec(step, 1..30)
}

proptest! {
    #[test]
    fn the_file_holds_after_any_use_what_memory_holds(moves in moves()) {
        let folder = TempDir::new().unwrap();
        let mut store = open(&folder);
        let mut memory = MemoryKeyStore::new();
        for step in moves {
            match step {
                Move::Put(cases) => {
                    let secret = |(n, whole)| (case(n), if whole { full(n) } else { bare(n) });
                    let secrets: Vec<_> = cases.into_iter().map(secret).collect();
                    let put = store.put_many(&secrets).is_ok();
                    prop_assert_eq!(put, memory.put_many(&secrets).is_ok());
                }
                Move::Erase(cases) => {
                    let cases: Vec<_> = cases.into_iter().map(case).collect();
                    store.erase_many(&cases).unwrap();
                    memory.erase_many(&cases).unwrap();
                }
                Move::Reopen => {
                    drop(store);
                    store = open(&folder);
                }
            }
            for n in 0..8 {
                prop_assert!(store.get(&case(n)) == memory.get(&case(n)));
                prop_assert_eq!(store.is_erased(&case(n)), memory.is_erased(&case(n)));
            }
        }
    }
}

#[test]
fn beside_its_owner_a_store_that_was_cut_short_is_not_taken_for_whole() {
    let folder = TempDir::new().unwrap();
    assert_eq!(Snapshot::read(folder.path()).unwrap().held(), 0);
    let mut store = open(&folder);
    store.put_many(&[(case(1), full(1))]).unwrap();
    let path = folder.path().join("keys");
    let first = fs::read(&path).unwrap();
    store.put_many(&[(case(2), full(2))]).unwrap();
    drop(store);
    let store = open(&folder);
    assert_eq!(Snapshot::read(folder.path()).unwrap().held(), 2);
    fs::write(&path, first).unwrap();
    let cut = Snapshot::read(folder.path());
    assert!(matches!(cut, Err(KeyStoreError::Damaged { .. })));
    fs::remove_file(&path).unwrap();
    let gone = Snapshot::read(folder.path());
    assert!(matches!(gone, Err(KeyStoreError::Damaged { .. })));
    drop(store);
}

#[test]
fn what_was_sealed_to_a_node_leaves_it_opened() {
    let folder = TempDir::new().unwrap();
    let mut store = open(&folder);
    let sealed = |value: u8| {
        let mut secret = bare(value);
        secret.wrapped = vec![value; 40];
        secret
    };
    store
        .put_many(&[
            (case(1), sealed(1)),
            (case(2), sealed(2)),
            (case(3), full(3)),
        ])
        .unwrap();
    let mut keys = Snapshot::read(folder.path()).unwrap();
    let closed = keys.open_sealed(&|_, sealed| (sealed[0] == 1).then_some([77; 32]));
    assert_eq!(closed, 1, "the second does not open and is counted");
    let other = TempDir::new().unwrap();
    keys.write(other.path()).unwrap();
    let restored = open(&other);
    assert_eq!(restored.get(&case(1)).unwrap().key, Some([77; 32]));
    assert_eq!(restored.get(&case(2)).unwrap().key, None);
    assert!(restored.get(&case(3)).unwrap().key == full(3).key);
}
