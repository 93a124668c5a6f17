//! The root key signs what renews the first place's node, and nothing else.

use fengqiao_hub::entry::{Draft, Entry, Move};
use fengqiao_hub::id::{ChainId, DeploymentId, NodeId, PlaceId};
use fengqiao_hub::rank::Rank;
use fengqiao_node::trust::{AuthorityKey, OsRandom};
use fengqiao_proto::v1 as pb;
use pb::body::Content;

use crate::canned::{Answers, Node};

const CITY: PlaceId = PlaceId([3; 10]);

fn prepared(content: Content, key: &AuthorityKey) -> pb::SignedEntry {
    let draft = Draft {
        deployment: DeploymentId([1; 10]),
        kind: pb::ChainKind::Registry,
        chain: ChainId::of_place(CITY),
        rank: Rank::default(),
        sequence: 1,
        previous: None,
        author: NodeId([2; 10]),
        incarnation: 1,
        author_sequence: 9,
        registry: vec![],
        mv: Move::None,
        submission: None,
        kind_class: pb::KindClass::Work,
        body: pb::Body {
            content: Some(content),
            ..Default::default()
        },
        payloads: vec![],
    };
    draft.written(&key.entry_key().verifying_key())
}

async fn renew(content: Content) -> (u8, Option<pb::SignedEntry>, AuthorityKey) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authority.pem");
    let key = AuthorityKey::generate(&mut OsRandom).unwrap();
    key.save(&path).unwrap();
    let node = Node::start(Answers {
        prepared: prepared(content, &key),
        ..Default::default()
    });
    let line = [
        "root",
        "renew",
        "--authority",
        path.to_str().unwrap(),
        "--approved-by",
        "wang",
        "--approved-by",
        "li",
    ];
    let ended = node.run(&line).await;
    let seen = node.seen();
    assert_eq!(seen.approvers, [["wang", "li"]]);
    (ended.code, seen.renewals.first().cloned(), key)
}

#[tokio::test]
async fn a_renewal_is_handed_in_with_the_root_keys_signature_on_it() {
    let content = Content::from(pb::RootRenewed::default());
    let (code, signed, key) = renew(content).await;
    assert_eq!(code, 0);
    let entry = Entry::from_signed(&signed.unwrap()).unwrap();
    entry
        .check_signature(&key.entry_key().verifying_key())
        .unwrap();
}

#[tokio::test]
async fn nothing_but_a_renewal_is_signed() {
    let granted = Content::from(pb::RootGranted::default());
    let (code, signed, _) = renew(granted).await;
    assert_eq!((code, signed), (1, None));
}
