//! Places that were moved, where the news of it is late or machines are lost.

use fengqiao_proto::v1 as pb;
use fengqiao_tests::world::{Backup, World, parked};

use super::moving::{TwoCounties, custodian, move_below, place_of, two_counties};
use super::{register, run};
use fengqiao_hub::id::NodeId;
use fengqiao_tests::kit::moves;

#[test]
fn a_parent_goes_on_hearing_of_a_place_that_was_moved_away_and_does_not_know_it_yet() {
    let TwoCounties {
        mut world,
        city,
        from,
        township,
        ..
    } = two_counties();
    move_below(&mut world, city, township, city);
    assert!(world.carry(city, from, pb::Lane::Control));
    // Nothing comes down to the township; what it sends still goes up its old way.
    world.add_unit(township, "便民服务中心");
    assert!(world.carry(township, from, pb::Lane::Control));
    assert!(world.carry(from, city, pb::Lane::Control));
    let place = place_of(&world, township);
    let version = |node| world.nodes[&node].engine.registry().version(place);
    assert_eq!(version(from), version(township));
    assert_eq!(version(city), version(township));
}

#[test]
fn with_who_was_moved_away_nothing_is_compared_and_nothing_settled() {
    let TwoCounties {
        mut world,
        city,
        from,
        to,
        township,
        village,
    } = two_counties();
    let linked = |world: &World, one, other| {
        !world.is_tentative(one, other) && !world.is_tentative(other, one)
    };
    assert!(linked(&world, from, township));
    move_below(&mut world, city, township, to);
    world.settle();
    assert!(world.is_tentative(from, township) && world.is_tentative(township, from));
    assert!(linked(&world, to, township) && linked(&world, township, village));
}

#[test]
fn a_restored_parent_knows_that_a_moved_place_had_handed_over_to_the_one_before_it() {
    let TwoCounties {
        mut world,
        city,
        to,
        township,
        village,
        ..
    } = two_counties();
    let case = register(&mut world, township);
    move_below(&mut world, city, township, to);
    world.settle();
    let backup = world.backup(to);
    world.cut.insert(village);
    world.lose(to);
    world.lose(township);
    let to = world.recover(to, &backup);
    world.settle();
    let township = world.recover(township, &Backup::default());
    world.cut.clear();
    world.introduce(township, village);
    world.settle();
    for node in [to, township] {
        assert!(!world.nodes[&node].views.is_recovering().unwrap());
    }
    assert_eq!(
        custodian(&world, township, case),
        place_of(&world, township)
    );
    world.assert_links_agree();
}

#[test]
fn a_centre_leaves_a_case_to_the_superior_whose_move_it_has_yet_to_follow() {
    let TwoCounties {
        mut world,
        city,
        to,
        township,
        village,
        ..
    } = two_counties();
    let other = world.add(to, "徽王庄镇", 50);
    world.settle();
    world.cut.insert(village);
    let case = register(&mut world, village);
    run(&mut world, village, case, &[moves::accept()]);
    move_below(&mut world, city, township, to);
    world.settle();
    move_below(&mut world, to, village, other);
    world.settle();
    world.cut.clear();
    world.settle();
    assert_eq!(custodian(&world, village, case), place_of(&world, village));
    world.assert_links_agree();
}

#[test]
fn who_left_is_told_of_every_registry_that_came_together_with_the_move() {
    let TwoCounties {
        mut world,
        city,
        from: county,
        township,
        village,
        ..
    } = two_counties();
    let other = world.add(county, "徽王庄镇", 50);
    world.settle();
    world.cut.insert(township);
    world.add_unit(city, "市住建局");
    world.settle();
    move_below(&mut world, county, village, other);
    world.cut.clear();
    world.settle();
    let at = place_of(&world, city);
    let version = |node: NodeId| world.nodes[&node].engine.registry().version(at);
    assert_eq!(version(village), version(city));
    assert_eq!(parked(&world.nodes[&village].views), [""; 0]);
    world.assert_links_agree();
}

#[test]
fn nothing_is_settled_while_a_taking_waits_for_the_move_that_it_follows() {
    let TwoCounties {
        mut world,
        from,
        township,
        village,
        ..
    } = two_counties();
    let case = register(&mut world, village);
    run(&mut world, village, case, &[moves::accept()]);
    world.settle();
    move_below(&mut world, from, village, from);
    // The county's taking overtakes the move that travels in another lane.
    assert!(world.carry(from, township, pb::Lane::Cases));
    assert!(!parked(&world.nodes[&township].views).is_empty());
    run(&mut world, village, case, &[moves::take_action()]);
    assert!(world.carry(village, township, pb::Lane::Cases));
    assert!(world.carry(township, from, pb::Lane::Cases));
    let views = |world: &World| world.nodes[&township].views.clone();
    let settled = |world: &World| {
        let receipt = views(world).receipt(from, pb::Lane::Cases).unwrap();
        receipt.settled
    };
    let owed = views(&world).lane(from, pb::Lane::Cases).unwrap().owed;
    let receipt = views(&world).receipt(from, pb::Lane::Cases).unwrap();
    assert_eq!(receipt.acknowledged, owed);
    assert!(receipt.settled < owed);
    assert!(world.carry(from, township, pb::Lane::Control));
    assert!(parked(&world.nodes[&township].views).is_empty());
    assert!(settled(&world) >= owed);
    world.settle();
    world.assert_links_agree();
}

#[test]
fn a_moved_place_brings_what_its_new_parent_lacks_of_the_former_ones_registry() {
    let TwoCounties {
        mut world,
        city,
        from,
        to,
        township,
        ..
    } = two_counties();
    world.add_unit(from, "市住建局");
    move_below(&mut world, city, township, to);
    // The county hears of the move and passes it on; what it has to say itself goes no further than the township.
    assert!(world.carry(city, from, pb::Lane::Control));
    assert!(world.carry(from, township, pb::Lane::Control));
    world.cut.insert(from);
    world.settle();
    let at = place_of(&world, from);
    let version = |node: NodeId| world.nodes[&node].engine.registry().version(at);
    assert!(version(township) > 0);
    assert_eq!(version(to), version(township));
    world.cut.clear();
    world.settle();
    world.assert_links_agree();
}
