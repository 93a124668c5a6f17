//! The journal on disk behaves as the one in memory.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Move {
    /// Sizes of payloads.
    Append(Vec<usize>),
    Reopen,
    CloseAndReopen,
    /// Bytes a crash left behind the last record.
    Tear(Vec<u8>),
    Incarnation,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let size = prop_oneof![6 => 0_usize..2_000, 1 => 100_000_usize..1_500_000];
    let step = prop_oneof![
        6 => prop::collection::vec(size, 0..5).prop_map(Move::Append),
        2 => Just(Move::Reopen),
        2 => Just(Move::CloseAndReopen),
        1 => prop::collection::vec(any::<u8>(), 1..100).prop_map(Move::Tear),
        1 => Just(Move::Incarnation),
    ];
    prop::collection::vec(step, 1..20)
}

fn append_tail(ground: &Ground, garbage: &[u8]) {
    let last = ground.segments().pop().unwrap();
    let mut bytes = fs::read(&last).unwrap();
    bytes.extend_from_slice(garbage);
    fs::write(&last, bytes).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn any_sequence_of_use_holds_what_a_vector_holds(moves in moves()) {
        let ground = Ground::new();
        let mut journal = ground.open();
        let mut model: Vec<Vec<u8>> = Vec::new();
        let mut memory = MemoryJournal::new();
        let mut incarnation = 1;
        for (value, step) in (0_u8..).zip(moves) {
            match step {
                Move::Append(sizes) => {
                    let batch: Vec<_> = sizes.iter().map(|size| vec![value; *size]).collect();
                    let on_disk = journal.append(journal.end(), &batch).unwrap();
                    prop_assert_eq!(on_disk, memory.append(memory.end(), &batch).unwrap());
                    model.extend(batch);
                }
                Move::Reopen => {
                    drop(journal);
                    journal = ground.open();
                }
                Move::CloseAndReopen => {
                    journal.close().unwrap();
                    journal = ground.open();
                }
                Move::Tear(garbage) => {
                    drop(journal);
                    append_tail(&ground, &garbage);
                    let opened = ground.try_open().unwrap();
                    prop_assert_eq!(opened.cut_bytes, garbage.len() as u64);
                    journal = opened.journal;
                }
                Move::Incarnation => {
                    incarnation += 1;
                    journal.begin_incarnation(incarnation).unwrap();
                }
            }
            prop_assert_eq!(journal.end(), memory.end());
            prop_assert!(payloads(&journal) == model);
            prop_assert!(payloads(&memory) == model);
        }
        let verified = journal.file_reader().verify(&mut |_, _| {}).unwrap();
        prop_assert!(verified.damages.is_empty());
        prop_assert_eq!(verified.records, model.len() as u64);
    }
}
