//! Places that end while their machines are dark.

use fengqiao_hub::refusal::Code;
use fengqiao_node::engine::Administration;
use fengqiao_tests::kit::moves;
use fengqiao_tests::world::World;

use super::{FourTiers, close, four_tiers, register, reply, run};

#[test]
fn a_village_merged_while_it_is_dark_loses_nothing_and_decides_nothing_any_more() {
    let FourTiers {
        mut world,
        city,
        township,
        village: east,
        ..
    } = four_tiers();
    let west = world.add(township, "西村", 60);
    let settled = register(&mut world, east);
    run(&mut world, east, settled, &[moves::accept()]);
    run(&mut world, east, settled, &reply());
    run(&mut world, east, settled, &close());
    let open = register(&mut world, east);
    run(&mut world, east, open, &[moves::accept()]);
    world.settle();

    world.cut.insert(east);
    run(&mut world, east, open, &[moves::take_action()]);
    let unknown = register(&mut world, east);
    let (place, successor) = (
        world.nodes[&east].me.at.place,
        world.nodes[&west].me.at.place,
    );
    let ended = Administration::EndPlace { place, successor };
    world.administer(township, "admin", ended).unwrap();
    world.settle();
    assert_eq!(
        world.chain(west, open).tree.custody().unwrap().custodian,
        successor
    );

    world.cut.clear();
    world.settle();
    for case in [open, unknown] {
        let chain = world.chain(west, case);
        assert_eq!(chain.tree.custody().unwrap().custodian, successor);
        assert!(
            world.can_open(west, case),
            "the successor reads what it handles"
        );
        assert_eq!(
            world.chain(east, case).tree.digest(),
            chain.tree.digest(),
            "who held it learns where it went"
        );
    }
    assert_eq!(
        world.chain(west, open).tree.annex().len(),
        1,
        "what was done in the dark is shown"
    );
    assert_eq!(
        world.chain(east, settled).tree.custody().unwrap().custodian,
        place,
        "what was closed stays where it was"
    );
    let refused = world.act(east, "admin", Some(open), moves::take_action(), &[]);
    assert_eq!(World::code(&refused), Some(Code::NotHandler));
    run(&mut world, west, unknown, &[moves::sign_for()]);
    world.settle();
    let notice = world.nodes[&city].views.notice(unknown).unwrap().unwrap();
    assert_eq!(
        notice.custodian,
        successor.to_vec(),
        "and so it is told above"
    );
    world.assert_links_agree();
    world.assert_stores_follow_their_journals();
}

#[test]
fn an_ended_place_registers_nothing_and_cannot_be_ended_twice() {
    let FourTiers {
        mut world,
        county,
        township,
        village: east,
        ..
    } = four_tiers();
    let west = world.add(township, "西村", 60);
    let place_of = |world: &World, node| world.nodes[node].me.at.place;
    let (place, successor) = (place_of(&world, &east), place_of(&world, &west));
    let end = |world: &mut World, node, place, successor| {
        let ended = Administration::EndPlace { place, successor };
        World::code(&world.administer(node, "admin", ended))
    };
    let own = place_of(&world, &township);
    assert_eq!(
        end(&mut world, township, place, place),
        Some(Code::PlaceUnknown)
    );
    assert_eq!(
        end(&mut world, township, place, own),
        Some(Code::PlaceUnknown)
    );
    let sister = world.add(county, "广川街道", 50);
    let sister = place_of(&world, &sister);
    assert_eq!(
        end(&mut world, county, own, sister),
        Some(Code::PlaceHasChildren)
    );
    assert_eq!(end(&mut world, township, place, successor), None);
    assert_eq!(
        end(&mut world, township, place, successor),
        Some(Code::PlaceUnknown)
    );
    world.settle();
    let intake = moves::intake(fengqiao_proto::v1::Channel::Window, "disputes-neighbours");
    let command = moves::register(intake);
    let refused = world.act(east, "admin", None, command, &[("text", "登记")]);
    assert_eq!(World::code(&refused), Some(Code::PlaceEnded));
}

#[test]
fn a_restored_township_passes_on_what_an_ended_village_held_once_its_neighbours_have_spoken() {
    let FourTiers {
        mut world,
        township,
        village: east,
        ..
    } = four_tiers();
    let west = world.add(township, "西村", 60);
    let case = register(&mut world, east);
    world.settle();
    let (place, successor) = (
        world.nodes[&east].me.at.place,
        world.nodes[&west].me.at.place,
    );
    world.cut.insert(east);
    let late = register(&mut world, east);
    let ended = Administration::EndPlace { place, successor };
    world.administer(township, "admin", ended).unwrap();
    world.settle();
    let backup = world.backup(township);
    world.lose(township);
    let township = world.recover(township, &backup);
    for village in [east, west] {
        world.introduce(township, village);
    }
    world.cut.clear();
    world.settle();
    for case in [case, late] {
        let chain = world.chain(township, case);
        assert_eq!(chain.tree.custody().unwrap().custodian, successor);
    }
    world.assert_links_agree();
}

#[test]
fn what_an_ended_village_held_is_passed_on_in_many_records() {
    let FourTiers {
        mut world,
        township,
        village: east,
        ..
    } = four_tiers();
    let west = world.add(township, "西村", 60);
    let cases: Vec<_> = (0..150).map(|_| register(&mut world, east)).collect();
    world.settle();
    let place_of = |node| world.nodes[node].me.at.place;
    let (place, successor) = (place_of(&east), place_of(&west));
    let records = |world: &World| world.backup(township).records().len();
    let before = records(&world);
    let ended = Administration::EndPlace { place, successor };
    world.administer(township, "admin", ended).unwrap();
    assert!(
        records(&world) - before > 3,
        "so many cases are not written in one record"
    );
    world.settle();
    for case in cases {
        let custody = world.chain(west, case).tree.custody().cloned().unwrap();
        assert_eq!(custody.custodian, successor);
    }
    world.assert_stores_follow_their_journals();
}
