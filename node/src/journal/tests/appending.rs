//! Facts about appending: order, durability, limits.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// Runs a fact against both journals.
fn for_both(fact: impl Fn(&mut dyn Journal)) {
    let ground = Ground::new();
    fact(&mut ground.open());
    fact(&mut MemoryJournal::new());
}

#[test]
fn what_was_appended_is_read_back_in_order_with_dense_positions() {
    for_both(|journal| {
        let first = add(journal, &[b"one", b""]);
        let second = add(journal, &[b"three"]);
        assert_eq!(first.positions, [Position(0), Position(23)]);
        assert_eq!(second.positions, [first.end]);
        assert_eq!(journal.end(), Position(23 + 20 + 25));
        assert_eq!(payloads(journal), [&b"one"[..], b"", b"three"]);
        let reader = journal.reader();
        let from_second: Vec<_> = reader.tail(Position(23)).map(Result::unwrap).collect();
        assert_eq!(from_second.len(), 2);
        assert_eq!(from_second[0].next, from_second[1].position);
    });
}

#[test]
fn reopening_continues_where_it_ended() {
    let ground = Ground::new();
    let end = add(&mut ground.open(), &[b"before"]).end;
    let mut again = ground.open();
    assert_eq!(again.end(), end);
    assert_eq!(add(&mut again, &[b"after"]).positions, [end]);
    again.close().unwrap();
    let opened = ground.try_open().unwrap();
    assert_eq!((opened.cut_bytes, opened.fresh), (0, false));
    assert_eq!(payloads(&opened.journal), [&b"before"[..], b"after"]);
}

#[test]
fn an_append_that_expects_another_end_conflicts_and_writes_nothing() {
    for_both(|journal| {
        let end = add(journal, &[b"one"]).end;
        let late = journal.append(Position(0), &[b"two".to_vec()]);
        assert!(matches!(late, Err(JournalError::Conflict { at }) if at == end));
        assert_eq!(payloads(journal), [b"one"]);
        add(journal, &[b"two"]);
    });
}

#[test]
fn a_location_gives_its_slice_and_nothing_beyond_the_end() {
    for_both(|journal| {
        add(journal, &[b"skip me"]);
        let position = add(journal, &[b"a signed entry"]).positions[0];
        let reader = journal.reader();
        let at = |offset, length| Location {
            position,
            offset,
            length,
        };
        assert_eq!(reader.read(at(2, 6)).unwrap(), b"signed");
        assert_eq!(reader.read(at(14, 0)).unwrap(), b"");
        for beyond in [at(10, 5), at(u32::MAX, u32::MAX)] {
            let refused = reader.read(beyond);
            assert!(matches!(refused, Err(JournalError::NotThere { .. })));
        }
    });
}

#[test]
fn a_tail_goes_on_with_what_is_appended_later() {
    for_both(|journal| {
        let reader = journal.reader();
        let mut tail = reader.tail(Position(0));
        assert!(tail.next().is_none());
        add(journal, &[b"later"]);
        assert_eq!(tail.next().unwrap().unwrap().payload, b"later");
        // Far enough to cross segments on the way.
        for _ in 0..3 {
            add(journal, &[&vec![1; 700_000]]);
            assert_eq!(tail.next().unwrap().unwrap().payload.len(), 700_000);
        }
        assert!(tail.next().is_none());
    });
}

#[test]
fn a_reader_beside_the_writer_sees_whole_records_in_order() {
    const RECORDS: usize = 300;
    let ground = Ground::new();
    let mut journal = ground.open();
    let reader = journal.reader();
    let seen = std::thread::scope(|scope| {
        let reading = scope.spawn(move || {
            let mut tail = reader.tail(Position(0));
            let mut seen = Vec::new();
            while seen.len() < RECORDS {
                match tail.next() {
                    Some(record) => seen.push(record.unwrap().payload),
                    None => std::thread::yield_now(),
                }
            }
            seen
        });
        for index in 0..RECORDS {
            let value = u8::try_from(index % 256).unwrap();
            add(&mut journal, &[&vec![value; 10_000]]);
        }
        reading.join().unwrap()
    });
    assert!(ground.segments().len() > 2);
    assert!(seen == payloads(&journal));
}

#[test]
fn a_tail_from_inside_a_record_is_the_callers_error_not_damage() {
    for_both(|journal| {
        add(journal, &[b"one", b"two"]);
        let reader = journal.reader();
        for inside in [1, 22, 24, 45] {
            let mut tail = reader.tail(Position(inside));
            let refused = tail.next().unwrap();
            assert!(matches!(refused, Err(JournalError::NotARecord { .. })));
            assert!(tail.next().is_none());
        }
        let beyond = reader.tail(Position(47)).next().unwrap();
        assert!(matches!(beyond, Err(JournalError::NotThere { .. })));
    });
}

#[test]
fn segments_turn_over_and_every_record_stays_readable() {
    let ground = Ground::new();
    let mut journal = ground.open();
    let mut written = Vec::new();
    for index in 0..40_u8 {
        let payload = vec![index; 100_000];
        let position = add(&mut journal, &[&payload]).positions[0];
        written.push((position, payload));
    }
    assert_eq!(ground.segments().len(), 4);
    for path in ground.segments() {
        let bytes = fs::metadata(path).unwrap().len();
        assert!(bytes <= u64::from(SEGMENT_BYTES_MIN));
    }
    let reader = journal.reader();
    for (position, payload) in &written {
        let location = Location {
            position: *position,
            offset: 0,
            length: u32::try_from(payload.len()).unwrap(),
        };
        assert_eq!(&reader.read(location).unwrap(), payload);
        let record = reader.tail(*position).next().unwrap().unwrap();
        assert_eq!(&record.payload, payload);
    }
    drop(journal);
    let expected: Vec<_> = written.into_iter().map(|(_, payload)| payload).collect();
    assert_eq!(payloads(&ground.open()), expected);
}

#[test]
fn a_record_larger_than_a_segment_gets_one_of_its_own() {
    let ground = Ground::new();
    let mut journal = ground.open();
    add(&mut journal, &[b"small"]);
    add(&mut journal, &[&vec![5; RECORD_BYTES_MAX]]);
    add(&mut journal, &[b"small again"]);
    assert_eq!(ground.segments().len(), 3);
    drop(journal);
    let sizes: Vec<_> = payloads(&ground.open()).iter().map(Vec::len).collect();
    assert_eq!(sizes, [5, RECORD_BYTES_MAX, 11]);
}

#[test]
fn too_large_is_refused_and_the_journal_goes_on() {
    for_both(|journal| {
        let record = journal.append(Position(0), &[vec![0; RECORD_BYTES_MAX + 1]]);
        assert!(matches!(record, Err(JournalError::RecordTooLarge { .. })));
        let append = journal.append(Position(0), &vec![vec![0; RECORD_BYTES_MAX]; 4]);
        assert!(matches!(append, Err(JournalError::AppendTooLarge { .. })));
        add(journal, &[b"fits"]);
    });
}

#[test]
fn files_are_private() {
    let ground = Ground::new();
    let data = ground.path().join("data");
    let lock = FolderLock::acquire(&data).unwrap();
    let opened = FileJournal::create(&lock, IDENTITY, small()).unwrap();
    let mut folders = vec![data];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        let mode = fs::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let mode = fs::metadata(&path).unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o600, "{path:?}");
                files += 1;
            }
        }
    }
    assert_eq!(files, 3, "lock, witness, segment");
    drop(opened);
}
