//! A neighbour whose keys and certificate are real, in other hands: what it signs is sound and says what no node would.
//! Nobody's process ends, nothing of it is kept that cannot be applied, and everybody else goes on.

mod shapes;

use fengqiao_hub::id::{ChainId, NodeId};
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::moves;
use fengqiao_tests::world::{World, parked};

use super::{FourTiers, four_tiers, register, run};

/// Everybody goes on: a case goes its way below, both ends of every link agree, and each node starts again from its
/// journal and knows the same.
fn all_goes_on(mut tiers: FourTiers) {
    let case = register(&mut tiers.world, tiers.village);
    tiers.world.settle();
    let world = &mut tiers.world;
    assert_eq!(world.chain(tiers.township, case).tree.len(), 1);
    world.assert_stores_follow_their_journals();
    for node in [tiers.city, tiers.county, tiers.township, tiers.village] {
        world.restart(node);
    }
    run(world, tiers.village, case, &[moves::accept()]);
    world.settle();
    assert_eq!(world.chain(tiers.township, case).tree.len(), 2);
    for node in world.nodes.values() {
        assert_eq!(node.engine.faults(), 0, "nothing was unforeseen");
    }
}

fn alarms(world: &World, node: NodeId) -> Vec<String> {
    world.nodes[&node].engine.alarms()
}

fn journal_bytes(world: &World, node: NodeId) -> u64 {
    world.nodes[&node].engine.journal_end()
}

fn case_id(byte: u8) -> ChainId {
    ChainId::drawn(pb::ChainKind::Case, [byte; 15])
}
