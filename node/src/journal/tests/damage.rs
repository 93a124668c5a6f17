//! Facts about torn tails and damage.

use std::os::unix::fs::FileExt;

use super::*;

/// Five appends, unclean, so that the witness vouches for none of them.
fn five_records(ground: &Ground) -> (PathBuf, Vec<Position>) {
    let mut journal = ground.open();
    let positions = (1..=5_u8)
        .map(|value| add(&mut journal, &[&[value; 30]]).positions[0])
        .collect();
    (ground.segments()[0].clone(), positions)
}

fn damage(result: Result<Opened, JournalError>) -> Damage {
    match result {
        Err(JournalError::Damaged(damage)) => damage,
        other => panic!("not refused as damaged: {other:?}"),
    }
}

fn file_offset(position: Position) -> usize {
    80 + usize::try_from(position.0).unwrap()
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_all_before_survives() {
    let ground = Ground::new();
    let (path, positions) = five_records(&ground);
    let whole = fs::read(&path).unwrap();
    let last = file_offset(positions[4]);
    let witness = fs::read(ground.path().join("witness")).unwrap();
    for torn_at in last..whole.len() {
        let mut zeroed = whole.clone();
        zeroed[torn_at..].fill(0);
        for torn in [&whole[..torn_at], &zeroed] {
            fs::write(&path, torn).unwrap();
            fs::write(ground.path().join("witness"), &witness).unwrap();
            let mut opened = ground.try_open().unwrap();
            assert_eq!(opened.cut_bytes, (torn.len() - last) as u64);
            assert_eq!(opened.journal.end(), positions[4]);
            assert_eq!(payloads(&opened.journal).len(), 4);
            add(&mut opened.journal, &[b"anew"]);
            assert_eq!(payloads(&opened.journal)[4], b"anew");
        }
    }
}

#[test]
fn what_the_witness_has_seen_is_never_taken_for_a_torn_tail() {
    let ground = Ground::new();
    let mut journal = ground.open();
    let last = add(&mut journal, &[&[7; 30]]);
    journal.vouch().unwrap();
    drop(journal);
    let path = ground.segments()[0].clone();
    let whole = fs::read(&path).unwrap();
    for at in file_offset(last.positions[0])..whole.len() {
        fs::write(&path, &whole[..at]).unwrap();
        assert!(ground.try_open().is_err());
        let mut hurt = whole.clone();
        hurt[at] ^= 1;
        fs::write(&path, &hurt).unwrap();
        assert_eq!(damage(ground.try_open()).position, last.positions[0]);
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(ground.open().end(), last.end);
}

#[test]
fn an_append_of_many_torn_in_its_middle_is_cut_though_sound_records_follow() {
    let ground = Ground::new();
    let mut journal = ground.open();
    add(&mut journal, &[b"acknowledged"]);
    let group = add(&mut journal, &[b"a", b"lost page", b"c", b"d"]);
    drop(journal);
    let path = ground.segments()[0].clone();
    let mut bytes = fs::read(&path).unwrap();
    bytes[file_offset(group.positions[1])..file_offset(group.positions[2])].fill(0);
    fs::write(&path, bytes).unwrap();
    let opened = ground.try_open().unwrap();
    assert_eq!(payloads(&opened.journal), [&b"acknowledged"[..], b"a"]);
    assert_eq!(opened.cut_bytes, group.end.0 - group.positions[1].0);
}

#[test]
fn a_flipped_bit_anywhere_in_a_middle_record_is_found_at_that_record() {
    let ground = Ground::new();
    let (path, positions) = five_records(&ground);
    let whole = fs::read(&path).unwrap();
    for at in file_offset(positions[2])..file_offset(positions[3]) {
        for bit in 0..8 {
            let mut hurt = whole.clone();
            hurt[at] ^= 1 << bit;
            fs::write(&path, &hurt).unwrap();
            let found = damage(ground.try_open());
            assert_eq!(found.position, positions[2]);
            assert_eq!(found.length, 50);
            assert_eq!(found.wound, Wound::Record);
            assert_eq!(fs::read(&path).unwrap(), hurt, "nothing was changed");
        }
    }
}

#[test]
fn a_sound_record_in_anothers_place_is_damage() {
    let ground = Ground::new();
    let (path, positions) = five_records(&ground);
    let mut bytes = fs::read(&path).unwrap();
    let second = file_offset(positions[1])..file_offset(positions[2]);
    bytes.copy_within(second, file_offset(positions[2]));
    fs::write(&path, bytes).unwrap();
    assert_eq!(damage(ground.try_open()).position, positions[2]);
}

#[test]
fn a_record_the_witness_vouches_for_is_never_cut() {
    let ground = Ground::new();
    let (path, positions) = five_records(&ground);
    ground.open().close().unwrap();
    let whole = fs::read(&path).unwrap();
    let mut hurt = whole.clone();
    *hurt.last_mut().unwrap() ^= 1;
    fs::write(&path, &hurt).unwrap();
    assert_eq!(damage(ground.try_open()).position, positions[4]);
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert_eq!(damage(ground.try_open()).position, positions[4]);
    fs::write(&path, &whole).unwrap();
    assert_eq!(payloads(&ground.open()).len(), 5);
}

#[test]
fn a_zeroed_page_is_found_wherever_it_lies() {
    let ground = Ground::new();
    let mut journal = ground.open();
    for value in 1..=100_u8 {
        add(&mut journal, &[&[value; 600]]);
    }
    drop(journal);
    let path = ground.segments()[0].clone();
    let whole = fs::read(&path).unwrap();
    for page in 0..whole.len() / 4096 {
        let mut hurt = whole.clone();
        hurt[page * 4096..(page + 1) * 4096].fill(0);
        fs::write(&path, hurt).unwrap();
        let found = damage(ground.try_open());
        if page == 0 {
            assert_eq!(found.wound, Wound::Header);
        } else {
            let expected = (page as u64 * 4096 - 80) / 620 * 620;
            assert_eq!(found.position.0, expected);
            assert!((4096..4096 + 2 * 620).contains(&found.length));
        }
    }
}

/// Four segments of ten records.
fn several_segments(ground: &Ground) -> FileJournal {
    let mut journal = ground.open();
    for value in 1..=40_u8 {
        add(&mut journal, &[&vec![value; 100_000]]);
    }
    journal
}

fn writable(path: &Path) -> fs::File {
    let mut options = fs::File::options();
    options.read(true).write(true).open(path).unwrap()
}

fn flip(path: &Path, at: u64) {
    let file = writable(path);
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
}

#[test]
fn verify_reads_all_and_reports_every_wound_of_a_sealed_segment() {
    let ground = Ground::new();
    let journal = several_segments(&ground);
    let reader = journal.file_reader();
    let mut reports = Vec::new();
    let sound = reader.verify(&mut |done, total| reports.push((done, total)));
    let sound = sound.unwrap();
    assert_eq!((sound.records, sound.damages.len()), (40, 0));
    assert!(reports.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    assert_eq!(reports.last().unwrap(), &(sound.bytes, sound.bytes));
    assert_eq!(sound.bytes, journal.end().0 + 4 * 80);

    flip(&ground.segments()[1], 80 + 100_020 + 50);
    flip(&ground.segments()[1], 80 + 5 * 100_020 + 3);
    let found = reader.verify(&mut |_, _| {}).unwrap();
    let places = found.damages.iter().map(|d| (d.position.0, d.length));
    let first = 10 * 100_020;
    assert_eq!(
        places.collect::<Vec<_>>(),
        [(first + 100_020, 100_020), (first + 500_100, 100_020)]
    );
    assert_eq!(found.records, 38);

    let records: Vec<_> = reader.tail(Position(0)).collect();
    assert_eq!(records.len(), 12, "eleven sound ones and the refusal");
    let Some(Err(JournalError::Damaged(met))) = records.last() else {
        panic!("the tail went past damage");
    };
    assert_eq!(met, &found.damages[0]);
}

#[test]
fn a_sealed_segment_exchanged_for_another_sound_one_breaks_the_chain() {
    let ground = Ground::new();
    let journal = several_segments(&ground);
    let twin = Ground::new();
    let mut other = twin.open();
    for _ in 0..40 {
        add(&mut other, &[&vec![99; 100_000]]);
    }
    // Its records, under the header that was there.
    let stranger = fs::read(&twin.segments()[1]).unwrap();
    writable(&ground.segments()[1])
        .write_all_at(&stranger[80..], 80)
        .unwrap();
    let found = journal.file_reader().verify(&mut |_, _| {}).unwrap();
    assert_eq!(found.damages.len(), 1);
    assert_eq!(found.damages[0].wound, Wound::Chain);
    assert_eq!(found.damages[0].position.0, 10 * 100_020);
}

type Hurt<'a> = &'a dyn Fn(&Path);

#[test]
fn a_missing_shortened_lengthened_or_headless_segment_is_refused() {
    let resize = |path: &Path, by: i64| {
        let length = fs::metadata(path).unwrap().len();
        let length = length.checked_add_signed(by).unwrap();
        writable(path).set_len(length).unwrap();
    };
    let wounds: [(Hurt, Wound); 4] = [
        (&|path| fs::remove_file(path).unwrap(), Wound::Missing),
        (&|path| resize(path, -1), Wound::Missing),
        (&|path| resize(path, 1), Wound::Length),
        (&|path| flip(path, 30), Wound::Header),
    ];
    for (hurt, expected) in wounds {
        let ground = Ground::new();
        drop(several_segments(&ground));
        hurt(&ground.segments()[1]);
        let found = damage(ground.try_open());
        assert_eq!(found.wound, expected);
        let said = found.to_string();
        assert!(said.contains(&found.segment) && said.contains("neighbour"));
    }
}
