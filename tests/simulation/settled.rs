//! What is shown as settled stays: no acknowledgement says so of an entry that a taking of the parent has overtaken or
//! may yet overtake (PROTOCOL.md 11).

use fengqiao_hub::id::{ChainId, NodeId};
use fengqiao_node::engine::EntryStanding;
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::moves;
use fengqiao_tests::world::{Backup, World};

use super::acts::{decision, dispatch_to};
use super::{FourTiers, four_tiers, register, run};

/// How a node shows the newest entry of a case.
fn shown(world: &World, node: NodeId, case: ChainId) -> EntryStanding {
    let chain = world.chain(node, case);
    let head = chain.tree.head().unwrap();
    let node = &world.nodes[&node];
    let registry = node.engine.registry();
    let views = &node.views;
    views
        .standing(&registry, case, head.sequence, head.hash)
        .unwrap()
}

#[test]
fn what_a_recovering_parent_acknowledges_is_not_settled() {
    let FourTiers {
        mut world,
        township,
        village,
        ..
    } = four_tiers();
    let case = register(&mut world, village);
    world.settle();
    assert_eq!(shown(&world, village, case), EntryStanding::AtTop);
    // The township takes the case; only the county hears of it before the township's machine is lost.
    world.cut.insert(village);
    run(&mut world, township, case, &[decision()]);
    world.settle();
    run(&mut world, village, case, &[moves::accept()]);
    let overtaken = world.chain(village, case).tree.head().unwrap().hash;
    world.lose(township);
    let township = world.recover(township, &Backup::default());

    world.cut.clear();
    world.cut.insert(township);
    world.introduce(township, village);
    world.settle();
    assert!(world.chain(township, case).tree.contains(&overtaken));
    let fresh = register(&mut world, village);
    world.settle();
    for unsettled in [case, fresh] {
        assert_eq!(
            shown(&world, village, unsettled),
            EntryStanding::StoredHere,
            "it is stored by a parent that may have forgotten a taking"
        );
    }

    world.cut.clear();
    world.settle();
    assert_eq!(world.chain(village, case).tree.annex(), [overtaken]);
    assert_eq!(shown(&world, village, fresh), EntryStanding::AtTop);
    world.assert_links_agree();
    world.assert_stores_follow_their_journals();
}

#[test]
fn an_acknowledgement_does_not_overtake_a_taking_that_is_under_way() {
    let FourTiers {
        mut world,
        township,
        village,
        ..
    } = four_tiers();
    let case = register(&mut world, village);
    let other = register(&mut world, village);
    world.settle();
    run(&mut world, township, case, &[decision()]);
    run(&mut world, village, case, &[moves::accept()]);
    run(&mut world, village, other, &[moves::accept()]);
    let overtaken = world.chain(village, case).tree.head().unwrap().hash;

    world.carry(village, township, pb::Lane::Cases);
    assert_eq!(world.chain(township, case).tree.annex(), [overtaken]);
    assert_eq!(shown(&world, village, case), EntryStanding::StoredHere);

    world.carry(township, village, pb::Lane::Cases);
    assert_eq!(world.chain(village, case).tree.annex(), [overtaken]);
    assert_eq!(
        shown(&world, village, other),
        EntryStanding::AtParent,
        "what nobody took is settled by the same acknowledgement"
    );
}

#[test]
fn what_waits_at_the_parent_is_not_settled() {
    let FourTiers {
        mut world,
        county,
        township,
        ..
    } = four_tiers();
    world.cut.insert(township);
    let place = world.add(township, "新村", 60);
    let case = register(&mut world, township);
    let down = dispatch_to(&world, place);
    run(&mut world, township, case, &[moves::accept(), down]);

    // The registry that names the new place travels in another lane.
    world.carry(township, county, pb::Lane::Cases);
    assert_eq!(world.chain(county, case).tree.len(), 2);
    assert_eq!(shown(&world, township, case), EntryStanding::StoredHere);

    world.cut.clear();
    world.settle();
    assert_eq!(world.chain(county, case).tree.len(), 3);
    assert_eq!(shown(&world, township, case), EntryStanding::AtTop);
}

#[test]
fn what_the_parent_has_is_settled_again_after_a_store_was_rebuilt() {
    let FourTiers {
        mut world, village, ..
    } = four_tiers();
    let case = register(&mut world, village);
    run(&mut world, village, case, &[moves::accept()]);
    world.settle();
    world.restart(village);
    assert_eq!(shown(&world, village, case), EntryStanding::StoredHere);
    world.settle();
    assert_eq!(shown(&world, village, case), EntryStanding::AtTop);
    run(&mut world, village, case, &[moves::decide()]);
    let chain = world.chain(village, case);
    let (decided, _) = chain.standing().pop().unwrap();
    assert!(!decided.body.unsettled, "the parent has what it builds on");
}
