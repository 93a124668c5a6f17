//! Facts about backups.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use fengqiao_hub::clock::Moment;
use fengqiao_proto::v1 as pb;
use prost::Message as _;
use tempfile::TempDir;

use super::*;
use crate::engine::record::RecordWriter;
use crate::enrolment::{InitOptions, init};
use crate::folder::Restored;
use crate::journal::{FileJournal, Journal as _, JournalReader as _, Options, Position};
use crate::keystore::{CaseSecret, FileKeyStore, KeyStore as _, Snapshot};
use crate::trust::random::Seeded;

const NOW: Moment = Moment(1_700_000_000_000);
const DAY_MS: i64 = 86_400_000;

/// A node at rest with a genesis, some records and some keys, and room for backups.
struct Ground {
    room: TempDir,
    written: u8,
}

impl Ground {
    fn new() -> Self {
        let room = TempDir::new().unwrap();
        let options = InitOptions {
            name: "德州市".to_owned(),
            code: "3714".to_owned(),
            level: 30,
            deployment: None,
            rulebook: Vec::new(),
        };
        let made = init(
            &room.path().join("data"),
            &options,
            NOW,
            &mut Seeded::new(1),
        )
        .unwrap();
        let folder = made.folder;
        let genesis = folder.first_entries().unwrap()[0].encode_to_vec();
        let mut journal =
            FileJournal::open_or_create(folder.lock(), folder.identity.journal(), small())
                .unwrap()
                .journal;
        let mut record = RecordWriter::at(0);
        let (blob, _) = record.blob(&genesis);
        record.fact(pb::fact::Fact::Entry(pb::EntryStored {
            blob: Some(blob),
            verdict: pb::EntryVerdict::Applied.into(),
            ..Default::default()
        }));
        journal.append(journal.end(), &[record.finish()]).unwrap();
        let mut keys = FileKeyStore::open(folder.lock()).unwrap().store;
        keys.put_many(&[([1; 16], secret(1)), ([2; 16], secret(2))])
            .unwrap();
        keys.erase([2; 16]).unwrap();
        drop(folder);
        let ground = Self { room, written: 0 };
        fs::write(ground.path("passphrase"), "correct horse battery\n").unwrap();
        let only_mine = fs::Permissions::from_mode(0o600);
        fs::set_permissions(ground.path("passphrase"), only_mine).unwrap();
        ground
    }

    fn path(&self, name: &str) -> PathBuf {
        self.room.path().join(name)
    }

    /// Appends records of so many bytes, which say nothing.
    fn write(&mut self, bytes: usize) {
        let lock = crate::journal::FolderLock::acquire(&self.path("data")).unwrap();
        let mut journal = FileJournal::open(&lock, small()).unwrap().journal;
        let mut record = RecordWriter::at(journal.end().0);
        self.written += 1;
        record.blob(&vec![self.written; bytes]);
        record.fact(pb::fact::Fact::Started(pb::Started::default()));
        journal.append(journal.end(), &[record.finish()]).unwrap();
    }

    fn backup_at(&self, now: Moment) -> Result<Made, BackupError> {
        create(
            &self.path("data"),
            &self.path("backup"),
            now,
            &mut |_, _| {},
        )
    }

    fn backup(&self) -> Made {
        self.backup_at(NOW).unwrap()
    }

    fn passphrase(&self) -> Passphrase {
        Passphrase::read(&self.path("passphrase"), None).unwrap()
    }

    fn keys(&self) {
        let (data, to) = (self.path("data"), self.path("keys.fqk"));
        let random = &mut Seeded::new(7);
        let (cases, closed) = create_keys(&data, &to, &self.passphrase(), 30, NOW, random).unwrap();
        assert_eq!((cases, closed), (1, 0));
    }

    fn restore(&self) -> Result<Restored, BackupError> {
        self.restore_with(None)
    }

    fn restore_with(&self, keys: Option<Moment>) -> Result<Restored, BackupError> {
        let (path, passphrase) = (self.path("keys.fqk"), self.passphrase());
        let wanted = Wanted {
            from: &self.path("backup"),
            name: None,
            keys: keys.map(|_| (path.as_path(), &passphrase)),
            root: None,
            now: keys.unwrap_or(NOW),
        };
        let restored = restore(&wanted, &self.path("restored"), &mut |_, _| {});
        if restored.is_err() {
            let left = fs::read_dir(self.room.path()).unwrap();
            let left = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let restored: Vec<_> = left.filter(|name| name.contains("restored")).collect();
            assert!(restored.is_empty(), "nothing is left: {restored:?}");
        }
        restored
    }

    fn segments(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("backup/segments")).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }
}

fn small() -> Options {
    Options {
        segment_bytes: 1 << 20,
    }
}

fn secret(byte: u8) -> CaseSecret {
    let mut secret = CaseSecret::with_salt([byte; 32]);
    secret.proven = true;
    secret.key = Some([byte + 100; 32]);
    secret
}

fn refused<T: std::fmt::Debug>(result: Result<T, BackupError>) -> &'static str {
    let error = result.unwrap_err();
    assert!(!error.chinese().is_ascii(), "{error}");
    error.code()
}

/// Each single byte of a file changed, one after the other.
fn each_byte_changed(path: &Path, mut then: impl FnMut(usize)) {
    let bytes = fs::read(path).unwrap();
    for at in 0..bytes.len() {
        let mut hurt = bytes.clone();
        // Also turns the case of letters and the spelling of digits.
        hurt[at] ^= if at % 2 == 0 { 0x20 } else { 1 };
        fs::write(path, &hurt).unwrap();
        then(at);
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_folder_is_put_back_as_it_was_and_is_nobody() {
    let mut ground = Ground::new();
    ground.write(700_000);
    ground.write(700_000);
    let made = ground.backup();
    assert_eq!(made.manifest.segments.len(), 2);
    ground.keys();
    fs::create_dir(ground.path("restored")).unwrap();
    let restored = ground.restore_with(Some(NOW)).unwrap();
    assert_eq!(restored.position, made.manifest.position);
    assert!(restored.keys);

    let mut names: Vec<_> = fs::read_dir(ground.path("restored"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["journal", "keys", "lock", "restored.json"]);
    for segment in fs::read_dir(ground.path("data/journal")).unwrap() {
        let name = segment.unwrap().file_name();
        let (from, to) = (
            ground.path("data/journal").join(&name),
            ground.path("restored/journal").join(&name),
        );
        assert_eq!(fs::read(from).unwrap(), fs::read(to).unwrap());
    }
    let keys = Snapshot::read(&ground.path("restored")).unwrap();
    assert_eq!(keys.salt(&[1; 16]), Some([1; 32]));
    assert_eq!((keys.held(), keys.erased()), (1, 1), "erased stays erased");
    let folder = crate::folder::Folder::open(&ground.path("restored"));
    assert_eq!(folder.unwrap_err().code(), "FOLDER_RESTORED");
    let (from, to) = (ground.path("backup"), ground.path("restored"));
    let wanted = Wanted {
        from: &from,
        name: None,
        keys: None,
        root: None,
        now: NOW,
    };
    let again = restore(&wanted, &to, &mut |_, _| {});
    assert_eq!(refused(again), "FOLDER_EXISTS");
}

#[test]
fn a_second_backup_copies_only_what_is_new_and_the_first_stays_whole() {
    let mut ground = Ground::new();
    ground.write(700_000);
    ground.write(700_000);
    let first = ground.backup();
    assert_eq!(first.copied, 2);
    let same = ground.backup_at(Moment(NOW.0 + 1_000)).unwrap();
    assert_eq!((same.copied, same.bytes_copied), (0, 0));
    ground.write(700_000);
    let third = ground.backup_at(Moment(NOW.0 + 2_000)).unwrap();
    // The segment that was in use before stands there as it was sealed: its bytes did not grow.
    assert_eq!(third.copied, 1);
    for name in [&first.manifest.name, &third.manifest.name] {
        let backup = Backup::open(&ground.path("backup"), Some(name)).unwrap();
        backup.check_files(&mut |_, _| {}).unwrap();
        let audited = backup.audit(&mut |_, _| {}).unwrap();
        assert_eq!(audited.problems, []);
        assert_eq!(audited.entries, 1);
    }
    let listed = list(&ground.path("backup")).unwrap();
    assert_eq!(listed.len(), 3);
    assert!(listed.iter().all(|listed| listed.manifest.is_ok()));
}

#[test]
fn no_byte_of_a_manifest_may_be_another() {
    let ground = Ground::new();
    let path = ground.backup().manifest.path(&ground.path("backup"));
    each_byte_changed(&path, |at| {
        let code = refused(ground.restore());
        let expected = ["BACKUP_ALTERED", "BACKUP_NEWER"];
        assert!(expected.contains(&code), "byte {at}: {code}");
    });
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, [&bytes[..], b"\n"].concat()).unwrap();
    assert_eq!(refused(ground.restore()), "BACKUP_ALTERED");
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(refused(ground.restore()), "BACKUP_ALTERED");
}

#[test]
fn no_byte_of_a_segment_may_be_another_and_none_may_be_missing() {
    let ground = Ground::new();
    let backup = Backup {
        manifest: ground.backup().manifest,
        folder: ground.path("backup"),
    };
    let segment = &ground.segments()[0];
    each_byte_changed(segment, |_| {
        assert_eq!(refused(ground.restore()), "BACKUP_ALTERED");
        assert_eq!(
            refused(backup.check_files(&mut |_, _| {})),
            "BACKUP_ALTERED"
        );
    });
    let bytes = fs::read(segment).unwrap();
    for other in [&bytes[..bytes.len() - 1], &[&bytes[..], b"x"].concat()] {
        fs::write(segment, other).unwrap();
        assert_eq!(refused(ground.restore()), "BACKUP_ALTERED");
        assert_eq!(
            refused(backup.check_files(&mut |_, _| {})),
            "BACKUP_ALTERED"
        );
    }
    fs::remove_file(segment).unwrap();
    assert_eq!(refused(ground.restore()), "BACKUP_INCOMPLETE");
}

#[test]
fn no_byte_of_a_key_file_may_be_another() {
    let ground = Ground::new();
    let manifest = ground.backup().manifest;
    ground.keys();
    let passphrase = ground.passphrase();
    let open = || CaseKeys::read(&ground.path("keys.fqk"))?.open(&passphrase, &manifest, NOW);
    assert!(open().is_ok());
    each_byte_changed(&ground.path("keys.fqk"), |at| {
        let code = refused(open());
        let expected = ["KEYS_CLOSED", "KEYS_FORM", "BACKUP_NEWER"];
        assert!(expected.contains(&code), "byte {at}: {code}");
    });
}

#[test]
fn case_keys_expire_and_open_with_their_passphrase_alone() {
    let ground = Ground::new();
    ground.backup();
    ground.keys();
    let last = Moment(NOW.0 + 30 * DAY_MS - 1);
    assert!(ground.restore_with(Some(last)).is_ok());
    fs::remove_dir_all(ground.path("restored")).unwrap();
    let late = Moment(NOW.0 + 30 * DAY_MS);
    assert_eq!(refused(ground.restore_with(Some(late))), "KEYS_EXPIRED");
    fs::write(ground.path("passphrase"), "wrong horse battery\n").unwrap();
    assert_eq!(refused(ground.restore_with(Some(NOW))), "KEYS_CLOSED");
    fs::write(ground.path("passphrase"), "short\n").unwrap();
    assert_eq!(
        refused(Passphrase::read(&ground.path("passphrase"), None)),
        "PASSPHRASE_SHORT"
    );
    let open = fs::Permissions::from_mode(0o640);
    fs::set_permissions(ground.path("passphrase"), open).unwrap();
    assert_eq!(
        refused(Passphrase::read(&ground.path("passphrase"), None)),
        "PASSPHRASE_OPEN"
    );
}

#[test]
fn a_file_that_is_no_key_file_is_not_written_over() {
    let ground = Ground::new();
    fs::write(ground.path("keys.fqk"), "my letters").unwrap();
    let written = create_keys(
        &ground.path("data"),
        &ground.path("keys.fqk"),
        &ground.passphrase(),
        30,
        NOW,
        &mut Seeded::new(7),
    );
    assert_eq!(refused(written), "KEYS_FORM");
    assert_eq!(fs::read(ground.path("keys.fqk")).unwrap(), b"my letters");
}

#[test]
fn half_a_backup_is_none() {
    let mut ground = Ground::new();
    ground.backup();
    ground.write(10);
    // A run that was killed before its manifest stood: segments, and a manifest aside.
    let made = ground.backup_at(Moment(NOW.0 + 1_000)).unwrap();
    let path = made.manifest.path(&ground.path("backup"));
    let aside = path.with_extension("manifest.new");
    fs::rename(&path, &aside).unwrap();
    let stray = ground.path("backup/segments/half.segment.new");
    fs::write(&stray, "half").unwrap();
    let restored = ground.restore().unwrap();
    assert!(
        restored.position < made.manifest.position,
        "the whole one before it"
    );
    ground.backup_at(Moment(NOW.0 + 2_000)).unwrap();
    assert!(
        !aside.exists() && !stray.exists(),
        "the next run clears them away"
    );
}

#[test]
fn a_backup_signed_by_another_key_is_not_believed() {
    let ground = Ground::new();
    let made = ground.backup();
    let mut manifest = made.manifest;
    let thief = crate::trust::SigningKey::generate(&mut Seeded::new(99)).unwrap();
    manifest.signing_key = *thief.public();
    let path = manifest.path(&ground.path("backup"));
    fs::write(&path, manifest.sign(&thief).unwrap()).unwrap();
    assert_eq!(refused(ground.restore()), "BACKUP_SIGNER");
    let backup = Backup::open(&ground.path("backup"), None).unwrap();
    assert_eq!(refused(backup.audit(&mut |_, _| {})), "BACKUP_SIGNER");
}

#[test]
fn another_deployment_is_refused_where_the_root_is_known() {
    let ground = Ground::new();
    let root = ground.backup().manifest.root_key.fingerprint();
    let (from, to) = (ground.path("backup"), ground.path("restored"));
    let mut wanted = Wanted {
        from: &from,
        name: None,
        keys: None,
        root: Some(crate::trust::keys::Fingerprint::from_bytes([9; 32])),
        now: NOW,
    };
    assert_eq!(
        refused(restore(&wanted, &to, &mut |_, _| {})),
        "BACKUP_OTHER_ROOT"
    );
    wanted.root = Some(root);
    assert_eq!(restore(&wanted, &to, &mut |_, _| {}).unwrap().root, root);
}

#[test]
fn one_folder_keeps_the_backups_of_one_place_in_order() {
    let mut ground = Ground::new();
    let other = Ground::new();
    ground.backup();
    // Two deployments made of one seed are one; another place is told by its id.
    let mut theirs = ground.backup().manifest;
    theirs.place = fengqiao_hub::id::PlaceId([9; 10]);
    let key = crate::folder::Glance::at(&ground.path("data"))
        .unwrap()
        .signing;
    let to = other.path("backup");
    fs::create_dir_all(&to).unwrap();
    fs::write(theirs.path(&to), theirs.sign(&key).unwrap()).unwrap();
    assert_eq!(refused(other.backup_at(NOW)), "BACKUP_OTHER_PLACE");

    ground.write(10);
    ground.backup_at(Moment(NOW.0 + 1_000)).unwrap();
    let older = Ground::new();
    fs::rename(ground.path("backup"), older.path("backup")).unwrap();
    assert_eq!(
        refused(older.backup_at(Moment(NOW.0 + 2_000))),
        "BACKUP_BEHIND"
    );
}

#[test]
fn a_damaged_journal_is_not_backed_up_as_if_it_were_sound() {
    let mut ground = Ground::new();
    ground.write(700_000);
    ground.write(700_000);
    let first = ground
        .path("data/journal")
        .join(format!("{:020}.segment", 0));
    let mut bytes = fs::read(&first).unwrap();
    bytes[300_000] ^= 1;
    fs::write(&first, bytes).unwrap();
    assert_eq!(refused(ground.backup_at(NOW)), "JOURNAL_DAMAGED");
    assert_eq!(refused(ground.restore()), "BACKUP_NONE");
}

#[test]
fn a_backup_holds_no_key_and_nothing_to_be_a_node_by() {
    let ground = Ground::new();
    ground.backup();
    ground.keys();
    let identity = crate::folder::Glance::at(&ground.path("data"))
        .unwrap()
        .identity;
    let private = fs::read_dir(ground.path("data/private")).unwrap();
    let mut secrets: Vec<Vec<u8>> = vec![vec![101; 32], vec![1; 32]];
    for file in private {
        let text = fs::read(file.unwrap().path()).unwrap();
        // Of a PEM file its second line, of another its bytes.
        let lines: Vec<_> = text.split(|byte| *byte == b'\n').collect();
        secrets.push(
            lines
                .get(1)
                .filter(|line| line.len() > 30)
                .unwrap_or(&lines[0])
                .to_vec(),
        );
    }
    let mut files = ground.segments();
    files.push(ground.path("keys.fqk"));
    files.extend(list(&ground.path("backup")).unwrap().iter().map(|listed| {
        listed
            .manifest
            .as_ref()
            .unwrap()
            .path(&ground.path("backup"))
    }));
    for file in &files {
        let bytes = fs::read(file).unwrap();
        for secret in &secrets {
            assert!(secret.len() >= 30);
            let found = bytes.windows(secret.len()).any(|window| window == secret);
            assert!(!found, "{} holds a key", file.display());
        }
    }
    let manifest = fs::read_to_string(files.last().unwrap()).unwrap();
    for word in [
        "incarnation",
        "generation",
        "store",
        &identity.store.to_string(),
    ] {
        assert!(!manifest.contains(word), "{word}");
    }
    let seen = crate::journal::Beside::look(&ground.path("data")).unwrap();
    assert_eq!(seen.reader().tail(Position(0)).count(), 1);
}

#[test]
fn old_backups_are_let_go_and_what_is_kept_still_holds() {
    let mut ground = Ground::new();
    for day in 0..4 {
        ground.write(400_000);
        ground.backup_at(Moment(NOW.0 + day * DAY_MS)).unwrap();
    }
    let folder = ground.path("backup");
    let before = ground.segments().len();
    let gone = keep_newest(&folder, 2).unwrap();
    assert_eq!(gone.backups.len(), 2);
    assert!(
        gone.segments > 0,
        "parts that grew on are not needed any more"
    );
    assert_eq!(ground.segments().len(), before - gone.segments);
    let kept = list(&folder).unwrap();
    assert_eq!(kept.len(), 2);
    for listed in &kept {
        let backup = Backup::open(&folder, Some(&listed.name)).unwrap();
        backup.check_files(&mut |_, _| {}).unwrap();
    }
    assert_eq!(keep_newest(&folder, 2).unwrap(), LetGo::default());
    ground.keys();
    ground.restore_with(Some(NOW)).unwrap();
}

#[test]
fn beside_a_manifest_that_is_refused_no_segment_is_let_go() {
    let mut ground = Ground::new();
    for day in 0..3 {
        ground.write(400_000);
        ground.backup_at(Moment(NOW.0 + day * DAY_MS)).unwrap();
    }
    let folder = ground.path("backup");
    let oldest = list(&folder).unwrap().remove(0);
    let path = folder.join(format!("{}.manifest", oldest.name));
    let mut hurt = fs::read(&path).unwrap();
    hurt[20] ^= 1;
    fs::write(&path, hurt).unwrap();
    let before = ground.segments();
    let gone = keep_newest(&folder, 1).unwrap();
    assert_eq!((gone.backups.len(), gone.segments), (1, 0));
    assert!(path.exists());
    assert_eq!(ground.segments(), before);
}

#[test]
fn a_passphrase_that_the_service_manager_hands_over_may_show_rights_of_a_group() {
    let ground = Ground::new();
    let file = ground.path("passphrase");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o440)).unwrap();
    assert_eq!(
        refused(Passphrase::read(&file, Some(&ground.path("elsewhere")))),
        "PASSPHRASE_OPEN"
    );
    assert!(Passphrase::read(&file, file.parent()).is_ok());
}
