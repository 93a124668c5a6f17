//! Cases that come from beside the receiver's own way: it is told who wrote them.

use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::moves;

use super::acts::{dispatch_to, to_unit};
use super::{FourTiers, four_tiers, register, run};

fn take(reason: pb::TakingReason) -> pb::Action {
    moves::take_because(reason)
}

#[test]
fn a_township_and_a_department_judge_a_case_of_a_village_they_never_heard_of() {
    let FourTiers {
        mut world,
        county,
        village,
        ..
    } = four_tiers();
    let sibling = world.add(county, "新湖街道", 50);
    let unit = world.add_unit(county, "德城区城市管理局");
    let department = world.add_department(county, unit);
    world.settle();
    let to_department = register(&mut world, village);
    let to_sibling = register(&mut world, village);
    world.settle();
    let beside = dispatch_to(&world, sibling);
    let to_unit = to_unit(unit);
    for (case, dispatch) in [(to_sibling, beside), (to_department, to_unit)] {
        run(
            &mut world,
            county,
            case,
            &[take(pb::TakingReason::Decision)],
        );
        world.settle();
        run(&mut world, county, case, &[dispatch]);
        world.settle();
    }
    run(&mut world, sibling, to_sibling, &[moves::sign_for()]);
    run(&mut world, department, to_department, &[moves::sign_for()]);
    world.settle();
    for (node, case) in [(sibling, to_sibling), (department, to_department)] {
        assert_eq!(
            world.chain(node, case).tree.digest(),
            world.chain(county, case).tree.digest()
        );
        assert!(world.can_open(node, case));
    }
    world.assert_links_agree();
    world.assert_stores_follow_their_journals();
}
