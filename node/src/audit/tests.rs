//! Facts about the audit.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::Hash;
use prost::Message as _;
use tempfile::TempDir;

use super::*;
use crate::engine::record::RecordWriter;
use crate::enrolment::{InitOptions, init};
use crate::folder::Folder;
use crate::journal::{FileJournal, Journal as _, Options};
use crate::trust::random::Seeded;

/// A data folder with a journal to be written by hand.
pub(crate) struct Ground {
    pub(crate) room: TempDir,
    pub(crate) folder: Folder,
    pub(crate) journal: FileJournal,
}

impl Ground {
    pub(crate) fn new() -> Self {
        let room = TempDir::new().unwrap();
        let options = InitOptions {
            name: "德州市".to_owned(),
            code: "3714".to_owned(),
            level: 30,
            deployment: None,
            rulebook: Vec::new(),
        };
        let now = Moment(1_700_000_000_000);
        let made = init(
            &room.path().join("data"),
            &options,
            now,
            &mut Seeded::new(1),
        )
        .unwrap();
        let folder = made.folder;
        let journal =
            FileJournal::create(folder.lock(), folder.identity.journal(), Options::default())
                .unwrap()
                .journal;
        Self {
            room,
            folder,
            journal,
        }
    }

    pub(crate) fn genesis(&self) -> pb::SignedEntry {
        self.folder.first_entries().unwrap().remove(0)
    }

    /// An entry of a case chain, as the node itself would write it.
    pub(crate) fn drafted(
        &self,
        sequence: u64,
        previous: Option<Hash>,
    ) -> fengqiao_hub::entry::Draft {
        let identity = &self.folder.identity;
        fengqiao_hub::entry::Draft {
            deployment: identity.deployment,
            kind: pb::ChainKind::Case,
            chain: ChainId::drawn(pb::ChainKind::Case, [7; 15]),
            rank: fengqiao_hub::rank::Rank::default(),
            sequence,
            previous,
            author: identity.node,
            incarnation: 1,
            author_sequence: sequence,
            registry: Vec::new(),
            mv: fengqiao_hub::entry::Move::None,
            submission: None,
            kind_class: pb::KindClass::Unspecified,
            body: pb::Body::default(),
            payloads: Vec::new(),
        }
    }

    pub(crate) fn store(&mut self, entry: &pb::SignedEntry) {
        let mut record = RecordWriter::at(self.journal.end().0);
        let (blob, _) = record.blob(&entry.encode_to_vec());
        record.fact(Fact::Entry(pb::EntryStored {
            blob: Some(blob),
            verdict: pb::EntryVerdict::Applied.into(),
            ..Default::default()
        }));
        let end = self.journal.end();
        self.journal.append(end, &[record.finish()]).unwrap();
    }

    fn audit(&self, salts: Salts<'_>) -> Audited {
        let key = *self.folder.root.key.verifying_key();
        let mut progress = |_, _| {};
        audit(&self.journal.file_reader(), &key, salts, &mut progress).unwrap()
    }

    fn codes(&self) -> Vec<&'static str> {
        let audited = self.audit(&|_| None);
        let problems = audited.problems.iter();
        problems.map(|problem| problem.code).collect()
    }
}

#[test]
fn a_journal_proves_its_registry_from_the_root_key_alone() {
    let mut ground = Ground::new();
    ground.store(&ground.genesis());
    let first = ground
        .drafted(1, None)
        .sign(ground.folder.keys.signing.entry_key());
    ground.store(&first.signed);
    let audited = ground.audit(&|_| None);
    assert_eq!(audited.problems, []);
    assert_eq!(
        (audited.records, audited.chains, audited.entries),
        (2, 2, 2)
    );
    assert!(audited.registry.node(ground.folder.identity.node).is_some());
}

#[test]
fn an_entry_that_its_author_did_not_sign_is_named() {
    let mut ground = Ground::new();
    let mut genesis = ground.genesis();
    genesis.signature[0] ^= 1;
    ground.store(&genesis);
    assert_eq!(ground.codes(), ["ENTRY_SIGNATURE"]);
    let stranger = crate::trust::SigningKey::generate(&mut Seeded::new(5)).unwrap();
    let mut ground = Ground::new();
    ground.store(&ground.genesis());
    let forged = ground.drafted(1, None).sign(stranger.entry_key());
    ground.store(&forged.signed);
    assert_eq!(ground.codes(), ["ENTRY_SIGNATURE"]);
}

#[test]
fn an_altered_body_an_unknown_author_and_a_gap_are_told_apart() {
    let mut ground = Ground::new();
    let key = ground.folder.keys.signing.entry_key().clone();
    let first = ground.drafted(1, None).sign(&key);
    ground.store(&first.signed);
    assert_eq!(ground.codes(), ["ENTRY_AUTHOR"]);

    let mut ground = Ground::new();
    ground.store(&ground.genesis());
    let mut altered = first.signed.clone();
    altered.body.push(0);
    ground.store(&altered);
    let third = ground.drafted(3, Some(first.hash)).sign(&key);
    ground.store(&third.signed);
    assert_eq!(ground.codes(), ["ENTRY_UNREADABLE", "ENTRY_CUSTODY"]);
}

#[test]
fn a_sealed_text_that_is_not_the_one_committed_to_is_named() {
    let mut ground = Ground::new();
    ground.store(&ground.genesis());
    let key = ground.folder.keys.signing.entry_key().clone();
    let sealed = vec![1; 60];
    let commitment = fengqiao_hub::payload::commitment(&[3; 32], &sealed);
    let mut draft = ground.drafted(1, None);
    draft.payloads = vec![(sealed, commitment)];
    ground.store(&draft.sign(&key).signed);
    let audited = ground.audit(&|_| Some([3; 32]));
    assert_eq!((audited.problems.len(), audited.payloads), (0, 1));
    let audited = ground.audit(&|_| Some([4; 32]));
    assert_eq!(audited.problems[0].code, "PAYLOAD");
    assert!(audited.problems[0].chinese.contains("恢复"));
}
