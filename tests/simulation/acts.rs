//! Acts that many stories need.

use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::{NodeId, UnitId};
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::moves;
use fengqiao_tests::world::World;

/// A taking by a leader's decision.
pub(crate) fn decision() -> pb::Action {
    moves::take_because(pb::TakingReason::Decision)
}

/// Down to a node's place.
pub(crate) fn dispatch_to(world: &World, node: NodeId) -> pb::Action {
    moves::dispatch(&world.nodes[&node].me.at.place.to_string(), 0)
}

/// To a unit of the place itself.
pub(crate) fn to_unit(unit: UnitId) -> pb::Action {
    moves::dispatch_to_unit(&unit.to_string(), 0)
}

/// A joint session now, with the windows of these nodes; each has a task for two weeks.
pub(crate) fn convene(world: &World, with: &[NodeId]) -> pb::Action {
    let due = Moment(world.now.0 + 14 * 86_400_000);
    let party = |node: &NodeId| pb::Party {
        place: world.nodes[node].me.at.place.to_string(),
        due_ms: due.0,
        ..Default::default()
    };
    moves::convene(world.now.0, with.iter().map(party).collect())
}
