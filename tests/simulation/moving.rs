//! Places that are moved below another parent while people work on.

use fengqiao_hub::casework::action_of;
use fengqiao_hub::id::{ChainId, NodeId, PlaceId};
use fengqiao_hub::refusal::Code;
use fengqiao_node::engine::{Administration, MovePlace};
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::moves;
use fengqiao_tests::world::{Backup, World};

use super::acts::decision;
use super::{FourTiers, close, four_tiers, register, reply, run};

pub(super) fn place_of(world: &World, node: NodeId) -> PlaceId {
    world.nodes[&node].me.at.place
}

pub(super) fn move_below(world: &mut World, superior: NodeId, place: NodeId, to: NodeId) {
    let refusal = try_move(world, superior, place_of(world, place), place_of(world, to));
    assert_eq!(refusal, None);
}

fn try_move(world: &mut World, superior: NodeId, place: PlaceId, to: PlaceId) -> Option<Code> {
    let moved = Administration::MovePlace(MovePlace {
        place,
        to,
        code: String::new(),
        name: String::new(),
        address: String::new(),
    });
    World::code(&world.administer(superior, "admin", moved))
}

pub(super) fn custodian(world: &World, node: NodeId, case: ChainId) -> PlaceId {
    world.chain(node, case).tree.custody().unwrap().custodian
}

fn escalation() -> pb::Action {
    moves::escalate()
}

/// Two counties below a city; the township and its village stand below the first.
pub(super) struct TwoCounties {
    pub(super) world: World,
    pub(super) city: NodeId,
    pub(super) from: NodeId,
    pub(super) to: NodeId,
    pub(super) township: NodeId,
    pub(super) village: NodeId,
}

pub(super) fn two_counties() -> TwoCounties {
    let FourTiers {
        mut world,
        city,
        county,
        township,
        village,
    } = four_tiers();
    let to = world.add(city, "陵城区", 40);
    world.settle();
    TwoCounties {
        world,
        city,
        from: county,
        to,
        township,
        village,
    }
}

#[test]
fn a_township_moved_while_people_work_goes_on_below_its_new_parent() {
    let TwoCounties {
        mut world,
        city,
        from,
        to,
        township,
        village,
    } = two_counties();
    let of_village = register(&mut world, village);
    run(&mut world, village, of_village, &[moves::accept()]);
    let of_township = register(&mut world, township);
    let settled = register(&mut world, village);
    run(&mut world, village, settled, &[moves::accept()]);
    run(&mut world, village, settled, &reply());
    run(&mut world, village, settled, &close());
    world.settle();

    move_below(&mut world, city, township, to);
    world.settle();
    let (place, new_parent) = (place_of(&world, township), place_of(&world, to));
    for node in [city, from, to, township, village] {
        let registry = world.nodes[&node].engine.registry();
        assert_eq!(registry.place(place).unwrap().parent, Some(new_parent));
    }
    assert_eq!(
        world.nodes[&township]
            .me
            .at
            .up(&world.nodes[&township].engine.registry()),
        Some(to)
    );
    for (case, holder) in [(of_village, village), (of_township, township)] {
        let own = place_of(&world, holder);
        assert_eq!(custodian(&world, holder, case), own, "who had it has it");
        assert_eq!(custodian(&world, city, case), own);
        let standing = world.chain(holder, case).standing();
        let taken = standing.iter().filter(|(entry, _)| {
            let taking = moves::take_because(pb::TakingReason::Moved);
            action_of(entry) == Some(&taking)
        });
        assert_eq!(taken.count(), 1, "passed on once, by the common superior");
    }

    // Up the new way, and taken by the new parent.
    run(
        &mut world,
        village,
        of_village,
        &[moves::sign_for(), escalation()],
    );
    world.settle();
    run(
        &mut world,
        township,
        of_village,
        &[decision(), escalation()],
    );
    world.settle();
    run(&mut world, to, of_village, &[decision()]);
    let fresh = register(&mut world, village);
    world.settle();
    assert_eq!(custodian(&world, village, of_village), new_parent);
    assert!(world.can_open(to, of_village), "who handles it reads it");
    assert_eq!(
        world.nodes[&to]
            .views
            .notice(fresh)
            .unwrap()
            .unwrap()
            .custodian,
        place_of(&world, village).to_vec(),
        "what is new goes up the new way"
    );
    assert_eq!(
        world.nodes[&from].views.notice(fresh).unwrap(),
        None,
        "and not the old one"
    );
    let refused = world.act(from, "admin", Some(of_township), decision(), &[]);
    assert_eq!(World::code(&refused), Some(Code::NotAbove));
    world.assert_links_agree();
    world.assert_stores_follow_their_journals();
}

#[test]
fn whoever_has_not_heard_of_a_move_takes_nothing_that_stands_and_loses_nothing() {
    let TwoCounties {
        mut world,
        city,
        from,
        to,
        township,
        village,
    } = two_counties();
    let case = register(&mut world, village);
    world.settle();

    // The former parent and all below it are cut off; they go on as they know it.
    world.cut.insert(from);
    world.cut.insert(township);
    run(&mut world, village, case, &[moves::accept()]);
    run(&mut world, from, case, &[decision()]);
    let unknown = register(&mut world, village);
    move_below(&mut world, city, township, to);
    world.settle();
    assert!(
        world.is_tentative(to, city),
        "the superior's act waits here for what the township is to bring: nothing to compare"
    );

    world.cut.clear();
    world.settle();
    let own = place_of(&world, village);
    for case in [case, unknown] {
        assert_eq!(custodian(&world, village, case), own);
        let digest = world.chain(village, case).tree.digest();
        for node in [city, to, township] {
            assert_eq!(world.chain(node, case).tree.digest(), digest);
        }
    }
    let chain = world.chain(from, case);
    assert_eq!(
        chain.tree.digest(),
        world.chain(village, case).tree.digest(),
        "the former parent learns that its taking was overtaken"
    );
    assert_eq!(
        chain.tree.annex().len(),
        2,
        "its taking and what was done in the dark are shown"
    );
    assert!(!world.is_tentative(to, city));
    world.assert_links_agree();
    world.assert_stores_follow_their_journals();
}

#[test]
fn a_new_parent_takes_nothing_before_the_common_superior_has_passed_it_on() {
    let TwoCounties {
        mut world,
        city,
        to,
        township,
        village,
        ..
    } = two_counties();
    let known = register(&mut world, township);
    world.settle();
    // Begun in the dark, under the old parent; the superior hears of it after all others.
    world.cut.insert(township);
    let late = register(&mut world, township);
    let of_village = register(&mut world, village);
    move_below(&mut world, city, township, to);
    world.settle();
    world.cut.clear();
    world.cut.insert(to);
    world.settle();
    for (case, code) in [(late, Code::MoveAwaited), (of_village, Code::MoveAwaited)] {
        let refused = world.act(to, "admin", Some(case), decision(), &[]);
        assert_eq!(World::code(&refused), Some(code));
    }
    let refused = world.act(township, "admin", Some(late), escalation(), &[]);
    assert_eq!(World::code(&refused), Some(Code::MoveAwaited));
    world.cut.clear();
    world.settle();
    for case in [known, late, of_village] {
        run(&mut world, to, case, &[decision()]);
    }
    world.settle();
    let new_parent = place_of(&world, to);
    for node in [city, to, township] {
        assert_eq!(custodian(&world, node, late), new_parent);
    }
    assert_eq!(custodian(&world, village, of_village), new_parent);
    world.assert_links_agree();
}

#[test]
fn a_moved_place_recovers_below_its_new_parent() {
    let TwoCounties {
        mut world,
        city,
        from,
        to,
        township,
        village,
    } = two_counties();
    let case = register(&mut world, township);
    world.settle();
    move_below(&mut world, city, township, to);
    world.settle();
    world.lose(township);
    let next = world.recover(township, &Backup::default());
    world.introduce(next, village);
    world.settle();
    assert_eq!(custodian(&world, next, case), place_of(&world, next));
    run(&mut world, next, case, &[moves::sign_for()]);
    let fresh = register(&mut world, village);
    world.settle();
    assert_eq!(
        world.chain(next, fresh).tree.digest(),
        world.chain(village, fresh).tree.digest()
    );
    assert_eq!(
        world.chain(from, case).tree.head().unwrap().hash,
        world.chain(next, case).tree.head().unwrap().hash,
        "whoever held it before can judge what the new machine writes"
    );
    world.assert_links_agree();
}

#[test]
fn what_does_not_fit_is_refused() {
    let TwoCounties {
        mut world,
        city,
        from,
        to,
        township,
        village,
    } = two_counties();
    let places = [from, to, township, village].map(|node| place_of(&world, node));
    let [from_place, to_place, town, hamlet] = places;
    for (superior, place, parent, code) in [
        (from, town, to_place, Code::PlaceUnknown),
        (city, town, from_place, Code::PlaceUnknown),
        (city, town, hamlet, Code::OutOfRange),
        (city, from_place, to_place, Code::OutOfRange),
        (city, place_of(&world, city), to_place, Code::PlaceUnknown),
    ] {
        assert_eq!(try_move(&mut world, superior, place, parent), Some(code));
    }
    assert_eq!(
        try_move(&mut world, city, hamlet, to_place),
        None,
        "over a tier"
    );
    world.settle();
    let registry = world.nodes[&village].engine.registry();
    assert_eq!(registry.place(hamlet).unwrap().parent, Some(to_place));
    world.assert_links_agree();
}

#[test]
fn a_place_moved_there_and_back_stands_where_it_stood() {
    let TwoCounties {
        mut world,
        city,
        from,
        to,
        township,
        village,
    } = two_counties();
    let case = register(&mut world, village);
    world.settle();
    world.cut.insert(township);
    move_below(&mut world, city, township, to);
    world.settle();
    move_below(&mut world, city, township, from);
    world.settle();
    run(&mut world, village, case, &[moves::accept()]);
    world.cut.clear();
    world.settle();
    let parent = place_of(&world, from);
    for node in [city, from, to, township, village] {
        let registry = world.nodes[&node].engine.registry();
        let place = registry.place(place_of(&world, township)).unwrap();
        assert_eq!(place.parent, Some(parent));
    }
    run(&mut world, from, case, &[decision()]);
    world.settle();
    assert_eq!(custodian(&world, village, case), parent);
    world.assert_links_agree();
}

#[test]
fn a_department_judges_a_dispatch_past_the_next_tier() {
    let FourTiers {
        mut world,
        county,
        village,
        ..
    } = four_tiers();
    let unit = world.add_unit(county, "区住建局");
    let bureau = world.add_department(county, unit);
    let case = register(&mut world, county);
    run(&mut world, county, case, &[moves::accept()]);
    run(
        &mut world,
        county,
        case,
        &[moves::dispatch_to_unit(&unit.to_string(), 0)],
    );
    world.settle();
    let upheld = [moves::object()];
    run(&mut world, bureau, case, &upheld);
    world.settle();
    run(&mut world, county, case, &[moves::decide_objection(true)]);
    let hamlet = place_of(&world, village);
    run(
        &mut world,
        county,
        case,
        &[moves::dispatch(&hamlet.to_string(), 0)],
    );
    world.settle();
    assert_eq!(
        world.chain(bureau, case).tree.digest(),
        world.chain(village, case).tree.digest()
    );
    world.assert_links_agree();
}

#[test]
fn a_former_parent_that_hands_in_late_learns_where_the_case_went() {
    let TwoCounties {
        mut world,
        city,
        from,
        to,
        township,
        ..
    } = two_counties();
    world.cut.insert(from);
    let case = register(&mut world, township);
    world.settle();
    world.cut.insert(township);
    move_below(&mut world, city, township, to);
    world.settle();
    // The township comes by its new way first; its former parent, which holds the first entry too, comes last.
    world.introduce(from, township);
    world.introduce(to, township);
    world.cut.remove(&township);
    world.settle();
    world.cut.clear();
    world.settle();
    assert_eq!(custodian(&world, to, case), place_of(&world, township));
    for node in [city, from, to] {
        assert_eq!(
            world.chain(node, case).tree.digest(),
            world.chain(township, case).tree.digest()
        );
    }
    world.assert_links_agree();
}

#[test]
fn who_left_is_told_also_what_came_together_with_the_move() {
    let TwoCounties {
        mut world,
        city,
        from,
        to,
        township,
        ..
    } = two_counties();
    world.cut.insert(from);
    world.add_unit(city, "市住建局");
    move_below(&mut world, city, township, to);
    world.cut.clear();
    world.settle();
    let at = place_of(&world, city);
    let version = |node: NodeId| world.nodes[&node].engine.registry().version(at);
    assert_eq!(version(township), version(city));
    world.assert_links_agree();
}

#[test]
fn a_moved_village_follows_its_case_from_its_new_side() {
    let TwoCounties {
        mut world,
        city,
        township,
        village,
        ..
    } = two_counties();
    let case = register(&mut world, village);
    run(&mut world, village, case, &[moves::accept(), escalation()]);
    world.settle();
    run(&mut world, township, case, &[decision()]);
    world.settle();
    move_below(&mut world, city, village, city);
    world.settle();
    run(&mut world, township, case, &[moves::take_action()]);
    world.settle();
    let digest = world.chain(township, case).tree.digest();
    for node in [city, village] {
        assert_eq!(world.chain(node, case).tree.digest(), digest);
    }
    world.assert_links_agree();
}

#[test]
fn a_former_parent_goes_on_receiving_a_case_when_the_place_between_is_moved_too() {
    let TwoCounties {
        mut world,
        city,
        from,
        to,
        township,
        village,
    } = two_counties();
    let case = register(&mut world, village);
    run(&mut world, village, case, &[moves::accept()]);
    world.settle();
    move_below(&mut world, city, village, city);
    world.settle();
    move_below(&mut world, city, township, to);
    world.settle();
    run(&mut world, village, case, &[moves::sign_for()]);
    world.settle();
    let known = world.chain(village, case).tree.digest();
    for node in [city, from, township] {
        if !world.chain(node, case).tree.is_empty() {
            assert_eq!(world.chain(node, case).tree.digest(), known);
        }
    }
    world.assert_links_agree();
}

#[test]
fn a_moved_village_hears_what_becomes_of_a_case_that_its_former_township_has_taken() {
    let TwoCounties {
        mut world,
        city,
        from,
        to,
        township,
        village,
    } = two_counties();
    let case = register(&mut world, village);
    run(&mut world, village, case, &[moves::accept(), escalation()]);
    world.settle();
    run(&mut world, township, case, &[decision()]);
    world.settle();
    move_below(&mut world, city, village, to);
    world.settle();
    assert_eq!(
        custodian(&world, township, case),
        place_of(&world, township)
    );
    run(&mut world, township, case, &[moves::decide()]);
    world.settle();
    let known = world.chain(township, case).tree.digest();
    for node in [village, to, city, from] {
        assert_eq!(world.chain(node, case).tree.digest(), known);
    }
    world.assert_links_agree();
}

#[test]
fn a_moved_place_lost_before_it_handed_over_goes_on_when_whoever_holds_it_waives_the_new_parent() {
    let TwoCounties {
        mut world,
        city,
        to,
        township,
        village,
        ..
    } = two_counties();
    world.cut.insert(township);
    move_below(&mut world, city, township, to);
    world.settle();
    world.lose(township);
    world.cut.clear();
    let township = world.recover(township, &Backup::default());
    world.introduce(township, village);
    world.settle();
    let is_recovering = |world: &World| world.nodes[&township].views.is_recovering().unwrap();
    assert!(
        is_recovering(&world),
        "the new parent never had what the place held, and gives no last word"
    );
    // Its accounts were lost with it, and would come from nobody else.
    world.waive(township, to).unwrap();
    assert!(!is_recovering(&world));
    world.add_account(township, "admin");
    let case = register(&mut world, township);
    world.settle();
    assert!(!world.chain(to, case).tree.is_empty());
    world.assert_links_agree();
}
