//! Neighbours lost together: who may speak first, and what nobody else can tell.

use fengqiao_hub::id::ChainId;
use fengqiao_hub::refusal::Code;
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::moves;
use fengqiao_tests::world::{Backup, LANES};

use super::acts::dispatch_to;
use super::recovery::try_to;
use super::{FourTiers, four_tiers, register, reply, run};

#[test]
fn parent_and_child_restored_from_backups_of_different_age_agree_again() {
    let FourTiers {
        mut world,
        city,
        county,
        township,
        village,
    } = four_tiers();
    let case = register(&mut world, township);
    world.settle();
    let old_township = world.backup(township);
    run(&mut world, township, case, &[moves::accept()]);
    world.settle();
    let old_county = world.backup(county);
    run(&mut world, township, case, &[moves::take_action()]);
    world.settle();
    world.lose(county);

    let county = world.recover(county, &old_county);
    world.introduce(county, township);
    world.settle();
    world.lose(township);
    let township = world.recover(township, &old_township);
    world.introduce(township, village);
    world.settle();

    assert_eq!(world.chain(township, case).tree.head().unwrap().sequence, 3);
    run(&mut world, township, case, &reply());
    world.settle();
    assert!(world.chain(city, case).tree.is_empty());
    world.assert_links_agree();
    world.assert_stores_follow_their_journals();
}

#[test]
fn a_restored_parent_waits_for_a_child_that_was_restored_with_it() {
    let FourTiers {
        mut world,
        county,
        township,
        village,
        ..
    } = four_tiers();
    let case = register(&mut world, county);
    run(&mut world, county, case, &[moves::accept()]);
    world.settle();
    let older = world.backup(county);
    // Nobody but the township has heard of the dispatch when both are lost.
    world.cut.insert(county);
    let down = dispatch_to(&world, township);
    run(&mut world, county, case, &[down]);
    world.settle();
    let newer = world.backup(township);
    let dispatched = world.chain(township, case).tree.digest();
    world.lose(county);
    world.lose(township);

    world.cut.clear();
    let county = world.recover(county, &older);
    let township = world.recover(township, &newer);
    world.introduce(township, village);
    world.cut.insert(township);
    world.settle();
    assert_eq!(
        try_to(&mut world, county, case, moves::decide()),
        Some(Code::Recovering),
        "what it has forgotten may stand in the backup below"
    );
    world.cut.clear();
    world.settle();
    assert_eq!(world.chain(county, case).tree.digest(), dispatched);
    run(&mut world, township, case, &[moves::sign_for()]);
    world.settle();
    assert!(!world.chain(county, case).tree.is_frozen());
    world.assert_links_agree();
    world.assert_stores_follow_their_journals();
}

#[test]
fn a_restored_parent_speaks_to_its_child_only_when_its_own_parent_has_spoken() {
    let FourTiers {
        mut world,
        county,
        township,
        village,
        ..
    } = four_tiers();
    let case = register(&mut world, county);
    let down = dispatch_to(&world, village);
    run(&mut world, county, case, &[moves::accept(), down]);
    world.settle();
    let (old_township, old_village) = (world.backup(township), world.backup(village));
    run(&mut world, village, case, &[moves::sign_for()]);
    world.settle();
    let known = world.chain(county, case).tree.digest();
    world.lose(village);
    let village = world.recover(village, &old_village);
    world.cut.insert(village);
    world.settle();
    world.lose(township);
    let township = world.recover(township, &old_township);

    // The registry comes, the cases are still on their way: the township knows of its village's new machine and not yet
    // of what the lost ones wrote.
    while world.carry(county, township, pb::Lane::Control) {}
    world.introduce(township, village);
    for lane in LANES {
        while world.carry(township, village, lane) {}
    }
    assert_eq!(
        try_to(&mut world, village, case, moves::sign_for()),
        Some(Code::Recovering),
        "signed for already, as the county knows"
    );

    world.cut.clear();
    world.settle();
    for node in [county, township, village] {
        assert_eq!(world.chain(node, case).tree.digest(), known);
        assert!(!world.chain(node, case).tree.is_frozen());
    }
    run(&mut world, village, case, &reply());
    world.settle();
    world.assert_links_agree();
}

#[test]
fn a_restored_child_speaks_to_its_parent_only_when_those_below_have_spoken() {
    let FourTiers {
        mut world,
        city,
        county,
        township,
        ..
    } = four_tiers();
    let case = register(&mut world, city);
    run(&mut world, city, case, &[moves::accept()]);
    world.settle();
    let (old_city, old_county) = (world.backup(city), world.backup(county));
    let down = dispatch_to(&world, township);
    run(&mut world, city, case, std::slice::from_ref(&down));
    world.settle();
    let known = world.chain(township, case).tree.digest();
    world.cut.insert(township);
    world.lose(county);
    let county = world.recover(county, &old_county);
    world.lose(city);
    let city = world.recover_top(city, &old_city, county);
    world.settle();
    assert_eq!(
        try_to(&mut world, city, case, down),
        Some(Code::Recovering),
        "dispatched already, as the township knows"
    );

    world.cut.clear();
    world.introduce(county, township);
    world.settle();
    for node in [city, county, township] {
        assert_eq!(world.chain(node, case).tree.digest(), known);
        assert!(!world.chain(node, case).tree.is_frozen());
    }
    world.assert_links_agree();
}

#[test]
fn a_child_tells_a_new_parent_of_itself_when_nobody_else_can() {
    let FourTiers {
        mut world,
        county,
        township,
        ..
    } = four_tiers();
    let backup = world.backup(county);
    // The county is dark when it enrols a township; then its machine is lost.
    world.cut.insert(county);
    let fresh = world.add(county, "新镇", 50);
    let case = register(&mut world, fresh);
    world.settle();
    world.lose(county);
    world.cut.clear();
    let county = world.recover(county, &backup);
    for child in [township, fresh] {
        world.introduce(county, child);
    }
    world.settle();
    assert!(!world.chain(county, case).tree.is_empty());
    let down = dispatch_to(&world, fresh);
    let sent = register(&mut world, county);
    run(&mut world, county, sent, &[moves::accept(), down]);
    world.settle();
    run(&mut world, fresh, sent, &[moves::sign_for()]);
    world.settle();
    world.assert_links_agree();
    world.assert_stores_follow_their_journals();
}

#[test]
fn a_child_restored_with_its_parent_gets_its_own_registry_back() {
    let FourTiers {
        mut world,
        county,
        township,
        village,
        ..
    } = four_tiers();
    let older = world.backup(village);
    world.add_unit(village, "网格");
    world.settle();
    let chain = ChainId::of_place(world.nodes[&village].me.at.place);
    let newest = world.chain(county, chain).tree.digest();
    world.lose(township);
    world.lose(village);
    let township = world.recover(township, &Backup::default());
    world.settle();
    let village = world.recover(village, &older);
    world.settle();
    assert_eq!(world.chain(township, chain).tree.digest(), newest);
    assert_eq!(world.chain(village, chain).tree.digest(), newest);
    world.assert_links_agree();
}

#[test]
fn a_child_that_lost_everything_speaks_to_its_parent_only_when_those_below_have_spoken() {
    let FourTiers {
        mut world,
        city,
        county,
        township,
        ..
    } = four_tiers();
    let case = register(&mut world, city);
    run(&mut world, city, case, &[moves::accept()]);
    world.settle();
    let old_city = world.backup(city);
    let down = dispatch_to(&world, township);
    run(&mut world, city, case, std::slice::from_ref(&down));
    world.settle();
    let known = world.chain(township, case).tree.digest();
    world.cut.insert(township);
    world.lose(city);
    world.lose(county);
    let city = world.recover_top(city, &old_city, township);
    // It begins with nothing, not even with the names of those below it.
    let county = world.recover(county, &Backup::default());
    world.settle();
    assert_eq!(
        try_to(&mut world, city, case, down),
        Some(Code::Recovering),
        "dispatched already, as the township knows"
    );

    world.cut.clear();
    world.introduce(county, township);
    world.settle();
    for node in [city, county, township] {
        assert_eq!(world.chain(node, case).tree.digest(), known);
        assert!(!world.chain(node, case).tree.is_frozen());
    }
    world.assert_links_agree();
}
