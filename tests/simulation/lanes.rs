//! What a node does with items, whatever a session let through.

use fengqiao_hub::entry::{Draft, Move};
use fengqiao_hub::id::{ChainId, NodeId, StoreId, SubmissionId};
use fengqiao_hub::submission::Submission;
use fengqiao_node::engine::Input;
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::moves;
use fengqiao_tests::world::{World, parked};
use pb::body::Content;
use prost::Message as _;

use super::acts::decision;
use super::{FourTiers, four_tiers, register, run};

fn cursor(world: &World, at: NodeId, from: NodeId) -> pb::Cursor {
    let row = world.nodes[&at].views.lane(from, pb::Lane::Cases).unwrap();
    row.received.unwrap()
}

/// Hands items to a node as the next ones of a neighbour's lane.
pub(super) fn hand(
    world: &mut World,
    at: NodeId,
    from: NodeId,
    items: Vec<(pb::ItemKind, Vec<u8>)>,
) {
    let (store, incarnation) = {
        let me = &world.nodes[&from].me;
        (me.store, me.incarnation)
    };
    let first = cursor(world, at, from).sequence + 1;
    let item = |(sequence, (kind, payload)): (u64, (pb::ItemKind, Vec<u8>))| pb::Item {
        sequence,
        kind: kind.into(),
        payload,
        secrets: Vec::new(),
    };
    let items = Input::Items {
        link: from,
        from: (store, incarnation),
        lane: pb::Lane::Cases,
        items: (first..).zip(items).map(item).collect(),
    };
    world.process(at, vec![items]);
}

pub(super) fn body(world: &World, content: Content) -> pb::Body {
    pb::Body {
        schema: 1,
        actor: vec![7; 10],
        wall_time_ms: world.now.0,
        judged_by: None,
        content: Some(content),
        ..Default::default()
    }
}

#[test]
fn items_of_another_store_do_not_follow_on_a_cursor() {
    let FourTiers {
        mut world,
        township,
        village,
        ..
    } = four_tiers();
    register(&mut world, village);
    world.settle();
    let before = cursor(&world, township, village);
    assert!(before.sequence > 0);
    let incarnation = world.nodes[&village].me.incarnation;
    let items = Input::Items {
        link: village,
        from: (StoreId([9; 16]), incarnation),
        lane: pb::Lane::Cases,
        items: vec![pb::Item {
            sequence: before.sequence + 1,
            kind: pb::ItemKind::Notice.into(),
            payload: vec![],
            secrets: Vec::new(),
        }],
    };
    world.process(township, vec![items]);
    let alarms = world.nodes[&township].engine.alarms();
    assert!(alarms[0].starts_with("LANE_STORE"), "{alarms:?}");
    assert_eq!(
        cursor(&world, township, village),
        before,
        "the cursor stays"
    );
}

#[test]
fn items_that_come_again_change_nothing() {
    let FourTiers {
        mut world,
        township,
        village,
        ..
    } = four_tiers();
    register(&mut world, village);
    world.settle();
    let before = cursor(&world, township, village);
    let me = &world.nodes[&village].me;
    let from = (me.store, me.incarnation);
    let again = pb::Item {
        sequence: before.sequence,
        kind: pb::ItemKind::Entry.into(),
        payload: b"another".to_vec(),
        secrets: Vec::new(),
    };
    let items = Input::Items {
        link: village,
        from,
        lane: pb::Lane::Cases,
        items: vec![again],
    };
    world.process(township, vec![items]);
    assert_eq!(cursor(&world, township, village), before);
    assert!(parked(&world.nodes[&township].views).is_empty());
}

#[test]
fn an_entry_that_cannot_be_applied_stops_nothing_else() {
    let FourTiers {
        mut world,
        township,
        village,
        ..
    } = four_tiers();
    let case = register(&mut world, village);
    world.settle();
    let before = cursor(&world, township, village);
    let sound = world.chain(village, case).standing()[0].0.bytes();
    let items = vec![
        (pb::ItemKind::Entry, b"no entry".to_vec()),
        (pb::ItemKind::Entry, sound),
    ];
    hand(&mut world, township, village, items);
    assert_eq!(
        cursor(&world, township, village).sequence,
        before.sequence + 2
    );
    assert!(parked(&world.nodes[&township].views).is_empty());
    assert_eq!(world.nodes[&township].engine.refused().items, 1);
}

#[test]
fn an_entry_signed_by_another_key_is_put_aside_and_changes_nothing() {
    let FourTiers {
        mut world,
        township,
        village,
        ..
    } = four_tiers();
    let case = register(&mut world, village);
    world.settle();
    let before = world.chain(township, case);
    let head = before.tree.head().unwrap();
    let forged = Draft {
        deployment: world.nodes[&village].me.deployment,
        kind: pb::ChainKind::Case,
        chain: case,
        rank: head.rank.clone(),
        sequence: head.sequence + 1,
        previous: Some(head.hash),
        author: village,
        incarnation: 1,
        author_sequence: 99,
        registry: vec![],
        mv: Move::None,
        submission: None,
        kind_class: pb::KindClass::Work,
        body: body(&world, pb::body::Content::from(pb::Accept {})),
        payloads: vec![],
    }
    .sign(&world.nodes[&township].me.signing_key);
    let items = vec![(pb::ItemKind::Entry, forged.bytes())];
    hand(&mut world, township, village, items);
    assert_eq!(
        parked(&world.nodes[&township].views),
        [format!("SIGNATURE of {case}")]
    );
    assert_eq!(
        world.chain(township, case).tree.digest(),
        before.tree.digest()
    );
}

#[test]
fn a_submission_that_comes_again_takes_effect_once() {
    let FourTiers {
        mut world,
        township,
        village,
        ..
    } = four_tiers();
    let case = register(&mut world, village);
    world.settle();
    let take = decision();
    run(&mut world, township, case, &[take]);
    world.settle();
    let id = SubmissionId([5; 16]);
    let me = &world.nodes[&village].me;
    let submission = pb::Submission {
        submission: id.to_vec(),
        deployment: me.deployment.to_vec(),
        case: case.to_vec(),
        author: village.to_vec(),
        body: body(&world, pb::body::Content::from(pb::Supplement::default())).encode_to_vec(),
        commitments: vec![],
        incarnation: me.incarnation,
    };
    let signed = Submission::sign(submission, vec![], &me.signing_key).encode_to_vec();
    let once = (pb::ItemKind::Submission, signed);
    hand(
        &mut world,
        township,
        village,
        vec![once.clone(), once.clone()],
    );
    hand(&mut world, township, village, vec![once]);
    assert_eq!(effects(&world, township, case, id), 1);
}

fn effects(world: &World, at: NodeId, case: ChainId, id: SubmissionId) -> usize {
    let chain = world.chain(at, case).standing();
    let adopted = chain
        .iter()
        .filter(|(entry, _)| entry.submission == Some(id));
    adopted.count()
}

#[test]
fn a_forged_copy_neither_stands_nor_keeps_out_the_entry_it_copies() {
    let FourTiers {
        mut world,
        township,
        village,
        ..
    } = four_tiers();
    let case = register(&mut world, village);
    world.settle();
    run(
        &mut world,
        village,
        case,
        &[moves::accept(), moves::decide()],
    );
    let chain = world.chain(village, case);
    let copied = |entry: &fengqiao_hub::entry::Entry| {
        let mut signed = entry.signed.clone();
        signed.signature[0] ^= 1;
        (pb::ItemKind::Entry, signed.encode_to_vec())
    };
    let genuine = |entry: &fengqiao_hub::entry::Entry| (pb::ItemKind::Entry, entry.bytes());
    let standing = chain.standing();
    let [(known, _), (first, _), (second, _)] = &standing[..] else {
        panic!("{}", standing.len());
    };

    hand(
        &mut world,
        township,
        village,
        vec![copied(known), copied(second)],
    );
    assert_eq!(world.chain(township, case).tree.len(), 1);
    // The second waits for the first, under the hash of its refused copy.
    hand(
        &mut world,
        township,
        village,
        vec![genuine(second), genuine(first)],
    );
    let kept = world.chain(township, case);
    assert_eq!(kept.tree.digest(), chain.tree.digest());
    for (entry, _) in kept.entries.values() {
        assert!(
            standing
                .iter()
                .any(|(ours, _)| ours.bytes() == entry.bytes())
        );
    }
    world.assert_stores_follow_their_journals();
}
