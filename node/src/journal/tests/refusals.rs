//! Facts about failed writes and what is refused after them.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::disk::{DiskError, failed};
use super::*;

/// Fails as told, and counts how often it is asked.
struct Broken {
    write: Option<i32>,
    sync: Option<i32>,
    asked: Arc<AtomicU32>,
}

fn answer(code: Option<i32>) -> io::Result<()> {
    code.map_or(Ok(()), |code| Err(io::Error::from_raw_os_error(code)))
}

impl DiskFile for Broken {
    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        Ok(0)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        answer(self.write)
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(0)
    }

    fn sync(&self) -> io::Result<()> {
        answer(self.sync)
    }

    fn sync_all(&self) -> io::Result<()> {
        answer(self.sync)
    }
}

const ENOSPC: i32 = 28;
const EROFS: i32 = 30;
const EIO: i32 = 5;

#[test]
fn a_failed_write_or_sync_poisons_and_is_never_tried_again() {
    for (write, sync) in [
        (Some(ENOSPC), None),
        (None, Some(ENOSPC)),
        (Some(EROFS), None),
        (None, Some(EIO)),
    ] {
        let ground = Ground::new();
        let mut journal = ground.open();
        let end = add(&mut journal, &[b"durable"]).end;
        let asked = Arc::new(AtomicU32::new(0));
        journal.active.file = Arc::new(Broken {
            write,
            sync,
            asked: Arc::clone(&asked),
        });
        let first = journal.append(end, &[b"lost".to_vec()]);
        match write.or(sync) {
            Some(ENOSPC) => assert!(matches!(first, Err(JournalError::DiskFull))),
            Some(EROFS) => assert!(matches!(first, Err(JournalError::ReadOnly))),
            _ => assert!(matches!(first, Err(JournalError::Io { .. }))),
        }
        for _ in 0..3 {
            let later = journal.append(end, &[b"later".to_vec()]);
            assert!(matches!(later, Err(JournalError::Poisoned)));
        }
        let incarnation = journal.begin_incarnation(2);
        assert!(matches!(incarnation, Err(JournalError::Poisoned)));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert_eq!(journal.end(), end);
        assert_eq!(payloads(&journal), [b"durable"], "reading goes on");
        assert!(matches!(journal.close(), Err(JournalError::Poisoned)));
        assert_eq!(payloads(&ground.open()), [b"durable"]);
    }
}

#[test]
fn a_full_device_is_told_apart() {
    let mut full = fs::File::options().write(true).open("/dev/full").unwrap();
    let error = full.write_all(b"x").map_err(failed("write")).unwrap_err();
    assert!(matches!(error, DiskError::Full));
}

#[test]
fn nfs_and_fuse_are_refused_and_the_untried_deserve_a_warning() {
    for magic in [0x6969, 0x6573_5546] {
        let refused = FileSystem::from_magic(magic).accept();
        assert!(matches!(
            refused,
            Err(JournalError::FileSystemRefused { .. })
        ));
    }
    for magic in [0xEF53, 0x5846_5342, 0x0102_1994, 0x794C_7630] {
        let known = FileSystem::from_magic(magic).accept().unwrap();
        assert!(!known.deserves_a_warning());
    }
    let asked = FileSystem::check(Path::new("/proc")).unwrap();
    assert_eq!(asked, FileSystem::Other(0x9FA0));
    assert!(asked.deserves_a_warning());
}

#[test]
fn a_segment_size_below_the_least_is_refused() {
    let ground = Ground::new();
    let options = Options {
        segment_bytes: SEGMENT_BYTES_MIN - 1,
    };
    let refused = FileJournal::create(&ground.lock(), IDENTITY, options);
    assert!(matches!(refused, Err(JournalError::SegmentTooSmall { .. })));
}

#[test]
fn the_reserve_takes_real_blocks_and_gives_them_back() {
    use std::os::unix::fs::MetadataExt;
    let ground = Ground::new();
    let path = ground.path().join("reserve");
    Reserve::hold(&path, 1 << 20).unwrap();
    let reserve = Reserve::hold(&path, 2 << 20).unwrap();
    assert!(fs::metadata(&path).unwrap().blocks() * 512 >= 2 << 20);
    reserve.release().unwrap();
    assert!(!path.exists());
    Reserve::hold(&path, 1 << 50).unwrap_err();
    assert!(!path.exists());
    assert_eq!(reserve_bytes(1 << 40), 128 << 20);
    assert_eq!(reserve_bytes(1_000_000), 20_000);
}

#[test]
fn space_narrows_at_its_limits() {
    let limits = Limits {
        attachments: Threshold {
            percent: 10,
            bytes: 200,
        },
        read_only: Threshold {
            percent: 5,
            bytes: 64,
        },
    };
    let judge = |available, total| Space::judge(available, total, &limits);
    assert_eq!(judge(1_000, 10_000), Space::Ok);
    assert_eq!(judge(999, 10_000), Space::NoAttachments);
    assert_eq!(judge(500, 10_000), Space::NoAttachments);
    assert_eq!(judge(499, 10_000), Space::ReadOnly);
    assert_eq!(judge(199, 200), Space::NoAttachments);
    assert_eq!(judge(63, 200), Space::ReadOnly);
    let nothing = Threshold {
        percent: 0,
        bytes: 0,
    };
    let all = Threshold {
        percent: 0,
        bytes: u64::MAX,
    };
    let ground = Ground::new();
    for (read_only, expected) in [(nothing, Space::Ok), (all, Space::ReadOnly)] {
        let limits = Limits {
            attachments: nothing,
            read_only,
        };
        assert_eq!(Space::measure(ground.path(), &limits).unwrap(), expected);
    }
}
