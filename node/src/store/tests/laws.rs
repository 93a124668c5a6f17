//! Laws that hold for every kind of store.

use proptest::prelude::*;

use super::super::*;

type Write = (Vec<u8>, Option<Vec<u8>>);

fn key() -> impl Strategy<Value = Vec<u8>> {
    // Few letters, so that batches hit, overwrite and remove each other's rows.
    prop::collection::vec(0_u8..3, 1..4)
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..8),
        1 => (4_090_usize..13_000, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]),
    ]
}

fn writes() -> impl Strategy<Value = Vec<Write>> {
    prop::collection::vec((key(), prop::option::of(value())), 0..12)
}

fn batch(writes: &[Write]) -> Batch {
    let mut batch = Batch::new();
    for (key, value) in writes {
        match value {
            Some(value) => batch.put(key.clone(), value.clone()),
            None => batch.remove(key.clone()),
        }
    }
    batch
}

fn assert_same(left: &dyn Read, right: &dyn Read, lo: &[u8], hi: &[u8], limit: usize) {
    assert_eq!(
        left.range(lo, hi, limit).unwrap(),
        right.range(lo, hi, limit).unwrap()
    );
    let (left_down, right_down) = (
        left.range_reverse(lo, hi, limit).unwrap(),
        right.range_reverse(lo, hi, limit).unwrap(),
    );
    assert_eq!(left_down, right_down);
    for (key, _) in left.range(b"", &[9], 100).unwrap() {
        assert_eq!(left.get(&key).unwrap(), right.get(&key).unwrap());
    }
    for (key, _) in right.range(b"", &[9], 100).unwrap() {
        assert_eq!(left.get(&key).unwrap(), right.get(&key).unwrap());
    }
}

proptest! {
    #[test]
    fn an_overlay_reads_as_if_its_batch_were_applied(
        below in writes(), above in writes(), lo in key(), hi in key(), limit in 0_usize..9,
    ) {
        let base = MemoryStore::new();
        base.apply(&batch(&below), 1).unwrap();
        let mut overlay = Overlay::new(&base);
        overlay.batch = batch(&above);
        let applied = MemoryStore::new();
        applied.apply(&batch(&below), 1).unwrap();
        applied.apply(&batch(&above), 2).unwrap();
        assert_same(&overlay, &applied, &lo, &hi, limit);
        assert_same(&overlay, &applied, b"", &[9], limit);
    }

    #[test]
    fn an_overlay_over_an_overlay_reads_the_newest(
        below in writes(), middle in writes(), above in writes(), limit in 1_usize..9,
    ) {
        let base = MemoryStore::new();
        base.apply(&batch(&below), 1).unwrap();
        let mut first = Overlay::new(&base);
        first.batch = batch(&middle);
        let mut second = Overlay::new(&first);
        second.batch = batch(&above);
        let mut together = Overlay::new(&base);
        together.batch = batch(&middle);
        together.batch.extend(batch(&above));
        assert_same(&second, &together, b"", &[9], limit);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn sled_and_memory_agree_after_any_batches(
        batches in prop::collection::vec(writes(), 1..8), lo in key(), hi in key(),
        limit in 1_usize..9,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let shared = super::disk::open_shared(folder.path(), "boot").store;
        let sled = shared.node(b"one").unwrap();
        let neighbour = shared.node(b"on").unwrap();
        let memory = MemoryStore::new();
        for (position, writes) in (1_u64..).zip(&batches) {
            sled.apply(&batch(writes), position).unwrap();
            memory.apply(&batch(writes), position).unwrap();
            assert_same(&sled, &memory, &lo, &hi, limit);
        }
        assert_same(&sled, &memory, b"", &[9], 100);
        assert_eq!(sled.applied().unwrap(), memory.applied().unwrap());
        assert_eq!(neighbour.range(b"", &[255], 100).unwrap(), vec![]);
        assert_eq!(neighbour.applied().unwrap(), 0);
    }
}

#[test]
fn a_batch_with_one_bad_row_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let sled = super::disk::open(folder.path(), "boot").store;
    let memory = MemoryStore::new();
    let stores: [&dyn Store; 2] = [&sled, &memory];
    for store in stores {
        let mut batch = Batch::new();
        batch.put(b"good", b"value");
        batch.put(vec![b'k'; KEY_BYTES_MAX + 1], b"value");
        assert!(matches!(
            store.apply(&batch, 1),
            Err(StoreError::KeyLength(129))
        ));
        let mut batch = Batch::new();
        batch.put(b"good", vec![0; VALUE_BYTES_MAX + 1]);
        assert!(matches!(
            store.apply(&batch, 1),
            Err(StoreError::ValueTooLong(_))
        ));
        assert_eq!(store.get(b"good").unwrap(), None);
        assert_eq!(store.applied().unwrap(), 0);
    }
}

#[test]
fn a_position_never_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    let sled = super::disk::open(folder.path(), "boot").store;
    let memory = MemoryStore::new();
    let stores: [&dyn Store; 2] = [&sled, &memory];
    for store in stores {
        store
            .apply(&batch(&[(b"k".to_vec(), Some(b"new".to_vec()))]), 7)
            .unwrap();
        let old = batch(&[(b"k".to_vec(), Some(b"old".to_vec()))]);
        let refused = store.apply(&old, 6);
        assert!(matches!(
            refused,
            Err(StoreError::PositionGoesBack {
                applied: 7,
                asked: 6
            })
        ));
        assert_eq!(store.get(b"k").unwrap().unwrap(), b"new");
    }
}

#[test]
fn a_range_has_a_named_bound() {
    let memory = MemoryStore::new();
    let refused = memory.range(b"a", b"b", RANGE_ROWS_MAX + 1);
    assert!(matches!(refused, Err(StoreError::LimitTooLarge(_))));
    assert_eq!(memory.range(b"b", b"a", 1).unwrap(), vec![]);
}
