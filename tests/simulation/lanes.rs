//! What a node does with items, whatever a session let through.

use fengqiao_node::engine::Input;
use fengqiao_proto::v1 as pb;

use super::{FourTiers, four_tiers, register};

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
    let row = world.nodes[&township].views.lane(village, pb::Lane::Cases);
    let before = row.unwrap().received.unwrap();
    assert!(before.sequence > 0);
    let incarnation = world.nodes[&village].me.incarnation;
    let items = Input::Items {
        link: village,
        from: (fengqiao_hub::id::StoreId([9; 16]), incarnation),
        lane: pb::Lane::Cases,
        items: vec![pb::Item {
            sequence: before.sequence + 1,
            kind: pb::ItemKind::Notice.into(),
            payload: vec![],
            secret: None,
        }],
    };
    world.process(township, vec![items]);
    let alarms = world.nodes[&township].engine.alarms();
    assert!(alarms[0].starts_with("LANE_STORE"), "{alarms:?}");
    let row = world.nodes[&township].views.lane(village, pb::Lane::Cases);
    assert_eq!(row.unwrap().received.unwrap(), before, "the cursor stays");
}
