//! Daily figures say what stands, at every tier alike (PROTOCOL.md 18).

use std::collections::BTreeMap;

use fengqiao_hub::id::NodeId;
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::moves;
use fengqiao_tests::world::World;

use super::acts::to_unit;
use super::{FourTiers, four_tiers, register, run};

/// What a node knows of the figures of another: by unit, class and name, all days together, without noughts.
fn figures(world: &World, at: NodeId, of: NodeId) -> BTreeMap<(Vec<u8>, String, String), u64> {
    let mut figures = BTreeMap::new();
    let tallies = world.nodes[&at].views.tallies().unwrap();
    for tally in tallies.iter().filter(|tally| tally.node == of.to_vec()) {
        for count in tally.counts.iter().filter(|count| count.count > 0) {
            let key = (tally.unit.clone(), tally.class.clone(), count.name.clone());
            *figures.entry(key).or_default() += count.count;
        }
    }
    figures
}

#[test]
fn what_was_overtaken_leaves_the_figures_it_entered() {
    let FourTiers {
        mut world,
        city,
        county,
        township,
        ..
    } = four_tiers();
    let office = world.add_unit(township, "便民服务中心");
    world.settle();
    let case = register(&mut world, township);
    run(&mut world, township, case, &[moves::accept()]);
    world.settle();
    let before = figures(&world, township, township);
    assert_eq!(before.len(), 2, "{before:?}");

    world.cut.insert(township);
    run(&mut world, township, case, &[to_unit(office)]);
    assert_eq!(figures(&world, township, township).len(), 3);
    let take = moves::take_because(pb::TakingReason::Dark);
    run(&mut world, county, case, &[take]);
    world.cut.clear();
    world.settle();
    assert_eq!(figures(&world, township, township), before);
    for above in [county, city] {
        assert_eq!(figures(&world, above, township), before, "the same log");
        assert_eq!(
            figures(&world, above, county),
            figures(&world, county, county)
        );
    }
}
