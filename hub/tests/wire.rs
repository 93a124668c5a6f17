//! Bytes of entries: every body survives, an unknown one is kept and relayed, and old bytes read for ever.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeSet;

use ed25519_dalek::Signer as _;
use fengqiao_hub::bounds::{Fault, OutOfBounds};
use fengqiao_hub::casework::{self, action, name_of};
use fengqiao_hub::entry::{Draft, Entry, EntryError, Move};
use fengqiao_hub::id::{ChainId, Hash};
use fengqiao_hub::payload::{self, ChainKey, Part};
use fengqiao_hub::rank::Rank;
use fengqiao_hub::tally::count_name;
use fengqiao_proto::v1 as pb;
use pb::body::Content;
use prost::Message as _;
use support::book::*;
use support::*;

fn due() -> Option<pb::Due> {
    Some(pb::Due {
        due_ms: START.0 + 3 * 24 * HOUR_MS,
        start_ms: START.0,
        clock: "handling".to_owned(),
        rule: "dezhou-333 handling 3 days".to_owned(),
        calendar_version: 1,
        amber_ms: START.0 + 2 * 24 * HOUR_MS,
        red_ms: START.0 + 5 * 24 * HOUR_MS,
        grace_ms: START.0 + 4 * 24 * HOUR_MS,
        calendar_year_missing: 2027,
    })
}

fn register() -> pb::Register {
    pb::Register {
        place: VILLAGE.to_string(),
        accept_due: due(),
        hand_over_due: due(),
        ..registered()
    }
}

fn dispatch() -> pb::Dispatch {
    pb::Dispatch {
        due: due(),
        ..to_units(ROADS, &[WATER, POLICE])
    }
}

/// One action of every kind, with every field that its writer fills in.
fn every_action() -> Vec<pb::Action> {
    let task = pb::Party {
        task: 1,
        due: due(),
        place: TOWNSHIP.to_string(),
        ..Default::default()
    };
    let hash = Hash([6; 32]);
    let place = TOWNSHIP.to_string();
    vec![
        register().into(),
        pb::Urge::default().into(),
        pb::Reclassify::default().into(),
        accept().into(),
        decline(pb::DeclineGround::SameMatter).into(),
        pb::AnswerAtOnce {
            visit_due: due(),
            ..answer()
        }
        .into(),
        dispatch().into(),
        pb::SignFor {
            unit: WATER.to_string(),
        }
        .into(),
        pb::Object {
            proposed_unit: WATER.to_string(),
            ..object()
        }
        .into(),
        pb::DecideObjection {
            hand_over_due: due(),
            ..upheld(true)
        }
        .into(),
        pb::Designate {
            due: due(),
            ..designate(WATER)
        }
        .into(),
        pb::Return {
            proposed_place: place.clone(),
            answer_due: due(),
            ..give_back()
        }
        .into(),
        pb::Contact {
            due: due(),
            ..contact(true)
        }
        .into(),
        pb::TakeAction {
            due: due(),
            ..act()
        }
        .into(),
        interim().into(),
        supplement().into(),
        pb::DraftReply {
            due: due(),
            ..draft_reply()
        }
        .into(),
        approve().into(),
        send_back().into(),
        pb::SendReply {
            answer_due: due(),
            visit_due: due(),
        }
        .into(),
        pb::Escalate {
            answer_due: due(),
            ..escalate()
        }
        .into(),
        pb::KeepBelow {
            answering: hash.to_string(),
            ..keep_below()
        }
        .into(),
        pb::Take {
            hand_over_due: due(),
            visit_due: due(),
            ..take()
        }
        .into(),
        pb::Decide {
            hand_over_due: due(),
            ..decide()
        }
        .into(),
        pb::Convene {
            meeting_ms: START.0,
            parties: vec![task],
        }
        .into(),
        pb::AcknowledgeTask {
            place: place.clone(),
            ..acknowledge(1)
        }
        .into(),
        pb::ReportTask {
            place: place.clone(),
            ..report(1, true)
        }
        .into(),
        pb::WorkOnSite { place, ..on_site() }.into(),
        visit().into(),
        rate(4).into(),
        pb::OrderRedo {
            hand_over_due: due(),
            ..redo()
        }
        .into(),
        refuse_redo().into(),
        close().into(),
        adopt(hash).into(),
        decline_annex(hash).into(),
    ]
}

/// One content of every kind that chains other than cases have.
fn every_change() -> Vec<Content> {
    let place = pb::PlaceAdded {
        place: CITY.to_vec(),
        code: "3714".to_owned(),
        name: "德州市".to_owned(),
        level: 30,
    };
    let hash = || vec![6; 32];
    vec![
        pb::RootGranted {
            place: Some(place.clone()),
            node: Some(enrolled(node_of(COUNTY), COUNTY, None, 2)),
            root_key: hash(),
        }
        .into(),
        pb::RegistryOpened {
            place: COUNTY.to_vec(),
        }
        .into(),
        place.into(),
        pb::PlaceEnded {
            place: VILLAGE.to_vec(),
            successor: NEXT_VILLAGE.to_vec(),
        }
        .into(),
        pb::PlaceMoved {
            place: VILLAGE.to_vec(),
            level: 60,
            to: NEXT_TOWNSHIP.to_vec(),
            number: 1,
            ..Default::default()
        }
        .into(),
        pb::UnitAdded {
            unit: ROADS.to_vec(),
            name: "城市管理局".to_owned(),
            kind: 1,
            presence: 2,
        }
        .into(),
        pb::UnitEnded {
            unit: ROADS.to_vec(),
        }
        .into(),
        enrolled(node_of(COUNTY), COUNTY, None, 2).into(),
        pb::NodeRevoked {
            node: node_of(COUNTY).to_vec(),
            incarnation: 1,
            last_author_sequence: 99,
            lost: false,
        }
        .into(),
        renewed(node_of(CITY), 2).into(),
        pb::DirectiveIssued {
            issuer: CITY.to_vec(),
            scope: vec![COUNTY.to_vec()],
            due_ms: START.0,
            report_required: true,
        }
        .into(),
        pb::RedWarned {
            warning: hash(),
            case: CASE.to_vec(),
            clock: "handling".to_owned(),
            due_ms: START.0,
            place: TOWNSHIP.to_vec(),
            unit: vec![],
        }
        .into(),
        pb::BundleIssued {
            issuer: CITY.to_vec(),
            effective_ms: START.0,
            files: vec![pb::BundleFile {
                name: "rules.toml".to_owned(),
                content: b"[below]".to_vec(),
            }],
            parts: 2,
            note: "2027".to_owned(),
        }
        .into(),
        pb::BundlePart {
            content: b"[below]".to_vec(),
        }
        .into(),
        pb::AccountSet {
            person: vec![8; 10],
            login: "li.na".to_owned(),
            unit: vec![],
            roles: vec![1, 4],
            token_hash: hash(),
            closed: false,
            name: "李娜".to_owned(),
        }
        .into(),
    ]
}

fn survives(content: Content) {
    let key = key_of(node_of(COUNTY));
    let entry = draft(COUNTY, content.clone()).sign(&key);
    let read = Entry::parse(&entry.bytes()).unwrap();
    assert_eq!(read.bytes(), entry.bytes());
    assert_eq!(read.hash, entry.hash);
    assert_eq!(read.body.content, Some(content));
    read.check_signature(&key.verifying_key()).unwrap();
}

#[test]
fn an_entry_of_every_body_survives_the_wire_byte_for_byte() {
    let mut names = BTreeSet::new();
    for action in every_action() {
        names.insert(name(&action));
        survives(Content::Action(action));
    }
    let known: BTreeSet<_> = action::ALL.iter().map(|spec| spec.name).collect();
    assert_eq!(names, known, "every action");
    let mut kinds = BTreeSet::new();
    let changes = every_change();
    for change in changes.clone() {
        kinds.insert(name_of(Some(&change)));
        survives(change);
    }
    assert_eq!(changes.len(), 15);
    assert_eq!(
        kinds.len(),
        14,
        "each has a name of its own, but a bundle and its parts"
    );
}

#[test]
fn every_move_and_a_long_rank_survive_the_wire() {
    let rank = Rank::default()
        .raised(30, 2)
        .unwrap()
        .raised(40, 1)
        .unwrap()
        .raised(45, 7)
        .unwrap();
    for mv in [
        Move::None,
        Move::Dispatched(VILLAGE),
        Move::Offered(CITY),
        Move::Taken(None),
        Move::Taken(Some(Hash([4; 32]))),
    ] {
        let changed = Draft {
            mv,
            rank: rank.clone(),
            sequence: 9,
            previous: Some(Hash([3; 32])),
            ..draft(COUNTY, registered())
        };
        let entry = changed.sign(&key_of(node_of(COUNTY)));
        let read = Entry::parse(&entry.bytes()).unwrap();
        assert_eq!((read.mv, &read.rank), (mv, &rank));
        assert_eq!((read.sequence, read.previous), (9, Some(Hash([3; 32]))));
    }
}

/// A message of one field that holds bytes.
fn field(number: u32, value: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    prost::encoding::encode_varint(u64::from((number << 3) | 2), &mut message);
    prost::encoding::encode_varint(value.len() as u64, &mut message);
    message.extend_from_slice(value);
    message
}

/// What this version does not know, where it is: field 9,000.
fn unknown() -> Vec<u8> {
    field(9_000, b"later")
}

/// An entry whose body has a content of a later version.
fn from_the_future(on: &Entry, content: &[u8]) -> Vec<u8> {
    let mut body = pb::Body {
        schema: 2,
        actor: vec![8; 10],
        wall_time_ms: START.0,
        judged_by: Some(pb::JudgedBy {
            versions: vec![pb::RulebookVersion {
                place: CITY.to_vec(),
                sequence: 1,
            }],
            class: None,
        }),
        unsettled: false,
        content: None,
    }
    .encode_to_vec();
    body.extend_from_slice(content);
    let known = Draft {
        sequence: on.sequence + 1,
        previous: Some(on.hash),
        ..draft(VILLAGE, registered())
    };
    let key = key_of(node_of(VILLAGE));
    let envelope = known.sign(&key).signed.envelope;
    let mut envelope = pb::Envelope::decode(&envelope[..]).unwrap();
    envelope.body_hash = Hash::of("fengqiao/body/1", &[&body]).to_vec();
    let mut envelope = envelope.encode_to_vec();
    // The envelope too may have grown a field.
    envelope.extend(field(9_000, b"new"));
    let signed = [b"fengqiao/entry-signature/1\0", &envelope[..]].concat();
    pb::SignedEntry {
        signature: key.sign(&signed).to_bytes().to_vec(),
        envelope,
        body,
        payloads: vec![],
    }
    .encode_to_vec()
}

#[test]
fn an_unknown_body_is_kept_relayed_and_folds_without_effect() {
    // Of no chain that this version knows; of a family it does not know; an action it does not know of a known family.
    for content in [
        unknown(),
        field(10, &unknown()),
        field(10, &field(1, &unknown())),
    ] {
        folds_without_effect(&content);
    }
    assert_eq!(count_name(None), "unknown");
}

fn folds_without_effect(content: &[u8]) {
    let first = opened(VILLAGE);
    let bytes = from_the_future(&first, content);
    let entry = Entry::parse(&bytes).unwrap();
    assert_eq!(name_of(entry.body.content.as_ref()), "unknown");
    assert_eq!(count_name(entry.body.content.as_ref()), "unknown");
    assert_eq!(entry.bytes(), bytes, "relayed as written");
    let key = key_of(node_of(VILLAGE)).verifying_key();
    entry.check_signature(&key).unwrap();
    let again = Entry::parse(&Entry::parse(&entry.bytes()).unwrap().bytes()).unwrap();
    assert_eq!(again.hash, entry.hash);

    let before = action::open(&first, VILLAGE).unwrap();
    let mut after = before.clone();
    casework::apply(&mut after, &entry, VILLAGE);
    assert_eq!(after.entries, before.entries + 1);
    after.entries = before.entries;
    assert_eq!(format!("{after:?}"), format!("{before:?}"));
    let mut tree = fengqiao_hub::custody::Tree::default();
    let world = World::new();
    for entry in [&first, &entry] {
        tree.insert(step(entry), &world.registry, false);
    }
    assert_eq!(
        tree.head().unwrap().hash,
        entry.hash,
        "it stands in its chain"
    );
}

#[test]
fn bytes_that_are_no_entry_say_why() {
    let entry = opened(VILLAGE);
    let bent = |change: &dyn Fn(&mut pb::Envelope)| {
        let mut envelope = pb::Envelope::decode(&entry.signed.envelope[..]).unwrap();
        change(&mut envelope);
        let signed = pb::SignedEntry {
            envelope: envelope.encode_to_vec(),
            ..entry.signed.clone()
        };
        Entry::from_signed(&signed).unwrap_err()
    };
    let malformed = EntryError::Malformed;
    assert_eq!(bent(&|e| e.suite = 2), EntryError::UnknownSuite(2));
    assert_eq!(bent(&|e| e.body_hash[0] ^= 1), EntryError::BodyHash);
    assert_eq!(bent(&|e| e.chain_kind = 0), malformed("chain_kind"));
    assert_eq!(bent(&|e| e.chain_kind = 77), malformed("chain_kind"));
    assert_eq!(bent(&|e| e.sequence = 0), malformed("sequence"));
    assert_eq!(bent(&|e| e.sequence = 2), malformed("sequence"));
    assert_eq!(bent(&|e| e.previous = vec![1; 32]), malformed("sequence"));
    assert_eq!(bent(&|e| e.incarnation = 0), malformed("author_sequence"));
    let out_of_bounds = |field, fault| EntryError::OutOfBounds(OutOfBounds { field, fault });
    let longer = bent(&|e| e.author.push(0));
    assert_eq!(longer, out_of_bounds("Envelope.author", Fault::Length));
    let beyond = bent(&|e| e.author_sequence = u64::MAX);
    assert_eq!(
        beyond,
        out_of_bounds("Envelope.author_sequence", Fault::Range)
    );
    assert_eq!(bent(&|e| e.author.clear()), malformed("author"));
    assert_eq!(bent(&|e| e.chain.clear()), malformed("chain"));
    // What is a case stands in no chain of a place, and the other way round.
    let own = ChainId::of_place(VILLAGE).to_vec();
    assert_eq!(bent(&|e| e.chain.clone_from(&own)), malformed("chain_kind"));
    assert_eq!(bent(&|e| e.chain_kind = 2), malformed("chain_kind"));
    assert_eq!(bent(&|e| e.key.clear()), malformed("key"));
    let part = |level| pb::RankPart {
        level,
        generation: 1,
        counter: 1,
    };
    assert_eq!(
        bent(&|e| e.rank = vec![part(40), part(30)]),
        malformed("rank")
    );
    let mut long = entry.signed.clone();
    long.body = vec![0; 64 * 1024];
    assert_eq!(
        Entry::parse(&long.encode_to_vec()).unwrap_err(),
        EntryError::TooLarge
    );
    assert_eq!(
        Entry::parse(&[0xff; 9]).unwrap_err(),
        out_of_bounds("SignedEntry", Fault::Undecodable)
    );
}

#[test]
fn an_erased_payload_leaves_the_entry_whole() {
    let (entry, salt) = with_payload();
    entry.check_payloads(Part::Text, &salt).unwrap();
    let mut bent = entry.clone();
    bent.signed.payloads[0][30] ^= 1;
    assert!(bent.check_payloads(Part::Text, &salt).is_err());
    let erased = pb::SignedEntry {
        payloads: vec![],
        ..entry.signed.clone()
    };
    let erased = Entry::parse(&erased.encode_to_vec()).unwrap();
    assert_eq!(erased.hash, entry.hash);
    let key = key_of(node_of(COUNTY)).verifying_key();
    erased.check_signature(&key).unwrap();
    erased.check_payloads(Part::Text, &salt).unwrap();
}

fn with_payload() -> (Entry, [u8; 32]) {
    let key = ChainKey {
        key: [1; 32],
        salt: [2; 32],
    };
    let content = pb::PrivateContent {
        requester: None,
        texts: vec![pb::PrivateText {
            role: "text".to_owned(),
            text: "信河路废弃铁轨".to_owned(),
        }],
    };
    let sealed = payload::seal(&key, (Part::Text, CASE), [9; 24], &content).unwrap();
    let commitment = payload::commitment(&key.salt, &sealed);
    let changed = Draft {
        payloads: vec![(sealed, commitment)],
        ..draft(COUNTY, registered())
    };
    (changed.sign(&key_of(node_of(COUNTY))), key.salt)
}

/// Entries as this version writes them, by the name of the file that keeps their bytes.
fn corpus() -> Vec<(&'static str, Vec<u8>)> {
    let world = World::new();
    let first = opened(VILLAGE);
    let offered = world.writes(VILLAGE, &first, Move::Offered(TOWNSHIP), 2);
    let taken = world.takes(TOWNSHIP, &offered, Some(&offered), 1);
    let dispatched = Draft {
        sequence: 4,
        previous: Some(taken.hash),
        rank: taken.rank.clone(),
        mv: Move::Dispatched(VILLAGE),
        kind_class: pb::KindClass::Custody,
        submission: Some(fengqiao_hub::id::SubmissionId([0x5b; 16])),
        ..draft(TOWNSHIP, dispatch())
    };
    let dispatched = dispatched.sign(&key_of(node_of(TOWNSHIP)));
    let future = from_the_future(&first, &unknown());
    vec![
        ("opened", first.bytes()),
        ("offered", offered.bytes()),
        ("taken", taken.bytes()),
        ("dispatched", dispatched.bytes()),
        ("sealed", with_payload().0.bytes()),
        ("future", future),
    ]
}

/// Name, bytes as they were first written, hash. Lines are added, never changed.
const GOLDEN: &[(&str, &[u8], &str)] = &[
    (
        "opened",
        include_bytes!("golden/opened.bin"),
        "c23f0df7290f4da640b7cf139d286fbe0711519f1fa20f24c47b8b677df9d19d",
    ),
    (
        "offered",
        include_bytes!("golden/offered.bin"),
        "9ee87a6c8657dd591ad969f74b79d5573c4044abd8673ef91ee8b370fb309072",
    ),
    (
        "taken",
        include_bytes!("golden/taken.bin"),
        "af2aff4a8558aeed0cd27bbbb96bb0f44e2edf03bc63a7747fbc89cb027c77c7",
    ),
    (
        "dispatched",
        include_bytes!("golden/dispatched.bin"),
        "d946ff3d7916006f566fa8777bb6306d91f969a09efdfada2bd2d22ebe2c48cd",
    ),
    (
        "sealed",
        include_bytes!("golden/sealed.bin"),
        "a15dea135e62e21aa8ebef385afda56bf62face175ce22a991aa22a4892b03a4",
    ),
    (
        "future",
        include_bytes!("golden/future.bin"),
        "64903f2afce9842e426ff21501aaf06a4cc99a91c098dc569b3f19c1ab763a40",
    ),
];

#[test]
fn bytes_of_old_versions_read_for_ever() {
    for (name, bytes, hash) in GOLDEN {
        let entry = Entry::parse(bytes).unwrap();
        assert_eq!(entry.hash.to_string(), *hash, "{name}");
        assert_eq!(entry.bytes(), *bytes, "{name}");
        let key = key_of(entry.author).verifying_key();
        entry.check_signature(&key).unwrap();
    }
}

#[test]
fn this_version_still_writes_the_golden_bytes() {
    assert_eq!(corpus().len(), GOLDEN.len());
    for ((name, bytes), (golden, kept, _)) in corpus().iter().zip(GOLDEN) {
        assert_eq!(name, golden);
        assert_eq!(bytes, kept, "{name}");
    }
}
