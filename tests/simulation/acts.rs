//! Acts that many stories need.

use fengqiao_hub::casework::{Command, Party};
use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::{NodeId, UnitId};
use fengqiao_proto::v1 as pb;
use fengqiao_tests::world::World;

/// A taking by a leader's decision.
pub(crate) fn decision() -> Command {
    Command::Take {
        reason: pb::TakingReason::Decision,
    }
}

/// Down to a node's place.
pub(crate) fn dispatch_to(world: &World, node: NodeId) -> Command {
    Command::Dispatch {
        lead: None,
        place: Some(world.nodes[&node].me.at.place),
        co_handlers: vec![],
        due: None,
    }
}

/// To a unit of the place itself.
pub(crate) fn to_unit(unit: UnitId) -> Command {
    Command::Dispatch {
        lead: Some(unit),
        place: None,
        co_handlers: vec![],
        due: None,
    }
}

/// A joint session now, with the windows of these nodes; each has a task for two weeks.
pub(crate) fn convene(world: &World, with: &[NodeId]) -> Command {
    let due = Moment(world.now.0 + 14 * 86_400_000);
    let party = |node: &NodeId| Party {
        place: world.nodes[node].me.at.place,
        unit: None,
        due,
    };
    Command::Convene {
        meeting: world.now,
        parties: with.iter().map(party).collect(),
    }
}
