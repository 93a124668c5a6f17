//! Machines lost and brought back: what comes back, from whom, and what must wait until it has.

use fengqiao_hub::id::{ChainId, NodeId};
use fengqiao_hub::refusal::Code;
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::moves;
use fengqiao_tests::world::{Backup, World, parked};

use super::acts::{convene, decision, dispatch_to, to_unit};
use super::{FourTiers, close, four_tiers, register, reply, run};

pub(crate) fn try_to(
    world: &mut World,
    node: NodeId,
    case: ChainId,
    command: pb::Action,
) -> Option<Code> {
    World::code(&world.act(node, "admin", Some(case), command, &[]))
}

#[test]
fn a_lost_village_comes_back_with_all_that_its_township_had() {
    let FourTiers {
        mut world,
        township,
        village,
        ..
    } = four_tiers();
    let case = register(&mut world, village);
    run(&mut world, village, case, &[moves::accept()]);
    world.settle();
    let known = world.chain(township, case).tree.digest();
    world.lose(village);

    let village = world.recover(village, &Backup::default());
    world.settle();

    assert_eq!(world.chain(village, case).tree.digest(), known);
    assert!(world.can_open(village, case), "its texts too");
    run(&mut world, village, case, &reply());
    run(&mut world, village, case, &close());
    world.settle();
    world.assert_links_agree();
    world.assert_stores_follow_their_journals();
}

#[test]
fn a_restored_village_leaves_old_cases_alone_until_its_township_has_spoken() {
    let FourTiers {
        mut world,
        township,
        village,
        ..
    } = four_tiers();
    let case = register(&mut world, village);
    world.settle();
    let backup = world.backup(village);
    run(&mut world, village, case, &[moves::accept()]);
    world.settle();
    let known = world.chain(township, case).tree.digest();
    world.lose(village);

    let village = world.recover(village, &backup);
    assert_eq!(
        try_to(&mut world, village, case, moves::accept()),
        Some(Code::Recovering),
        "the entry it has forgotten may not be written twice"
    );
    let fresh = register(&mut world, village);
    run(&mut world, village, fresh, &[moves::accept()]);

    world.settle();
    assert_eq!(world.chain(village, case).tree.digest(), known);
    run(&mut world, village, case, &reply());
    world.settle();
    for case in [case, fresh] {
        assert!(!world.chain(township, case).tree.is_frozen());
        assert!(world.chain(township, case).tree.annex().is_empty());
    }
    world.assert_links_agree();
    world.assert_stores_follow_their_journals();
}

#[test]
fn a_lost_county_is_filled_from_above_and_from_below() {
    let FourTiers {
        mut world,
        city,
        county,
        township,
        village,
    } = four_tiers();
    let above = register(&mut world, city);
    let down = dispatch_to(&world, county);
    run(&mut world, city, above, &[moves::accept(), down]);
    world.settle();
    // Only the township has heard of this dispatch when the county is lost.
    let below = register(&mut world, county);
    let down = dispatch_to(&world, township);
    run(&mut world, county, below, &[moves::accept(), down]);
    world.cut.insert(county);
    world.settle();
    let copied = register(&mut world, township);
    world.settle();
    let dispatched = world.chain(township, below).tree.digest();
    world.lose(county);

    world.cut.clear();
    let county = world.recover(county, &Backup::default());
    world.introduce(county, township);
    world.settle();

    assert_eq!(world.chain(county, below).tree.digest(), dispatched);
    assert!(!world.chain(county, copied).tree.is_empty());
    assert!(world.can_open(county, above) && world.can_open(county, below));
    run(&mut world, county, above, &[moves::sign_for()]);
    run(&mut world, county, below, &[decision()]);
    world.settle();
    assert!(
        world.chain(village, below).tree.is_empty(),
        "nobody is given what is not theirs"
    );
    world.assert_links_agree();
    world.assert_stores_follow_their_journals();
}

#[test]
fn a_taking_of_the_new_machine_outranks_every_one_of_the_lost() {
    let FourTiers {
        mut world,
        county,
        township,
        ..
    } = four_tiers();
    let case = register(&mut world, township);
    world.settle();
    let backup = world.backup(county);
    run(&mut world, county, case, &[decision()]);
    let down = dispatch_to(&world, township);
    run(&mut world, county, case, &[down]);
    world.cut.insert(county);
    world.settle();
    world.lose(county);

    world.cut.clear();
    let county = world.recover(county, &backup);
    assert_eq!(
        try_to(&mut world, county, case, decision()),
        Some(Code::Recovering)
    );
    world.introduce(county, township);
    world.settle();
    world.now.0 += 2 * 24 * 3_600_000;
    run(&mut world, county, case, &[decision()]);
    world.settle();
    let rank = world
        .chain(township, case)
        .tree
        .head()
        .unwrap()
        .rank
        .clone();
    assert_eq!(rank.part(40), Some((2, 1)));
    assert!(world.chain(township, case).tree.annex().is_empty());
    world.assert_links_agree();
}

#[test]
fn a_lost_top_goes_on_from_its_backup_and_what_counties_hold() {
    let FourTiers {
        mut world,
        city,
        county,
        ..
    } = four_tiers();
    let case = register(&mut world, city);
    world.settle();
    let backup = world.backup(city);
    let down = dispatch_to(&world, county);
    run(&mut world, city, case, &[moves::accept(), down]);
    world.settle();
    let known = world.chain(county, case).tree.digest();
    world.lose(city);

    let city = world.recover_top(city, &backup, county);
    assert_eq!(
        try_to(&mut world, city, case, moves::accept()),
        Some(Code::Recovering)
    );
    world.settle();
    assert_eq!(world.chain(city, case).tree.digest(), known);
    run(&mut world, city, case, &[decision()]);
    world.settle();
    assert_eq!(
        world.chain(county, case).tree.head().unwrap().rank.part(30),
        Some((2, 1))
    );
    world.assert_links_agree();
    world.assert_stores_follow_their_journals();
}

#[test]
fn whoever_forgot_why_a_neighbour_holds_a_case_keeps_carrying_it_there() {
    let FourTiers {
        mut world,
        city,
        county,
        ..
    } = four_tiers();
    let backup = world.backup(city);
    let case = register(&mut world, city);
    let convened = convene(&world, &[county]);
    run(&mut world, city, case, &[moves::accept(), convened]);
    // The link fails before the county learns why the case comes.
    world.carry_at_most(1, city, county, pb::Lane::Cases);
    world.lose(city);
    let city = world.recover_top(city, &backup, county);
    world.settle();
    assert_eq!(world.chain(city, case).entries.len(), 1);
    run(&mut world, city, case, &[moves::accept()]);
    world.settle();
    assert_eq!(world.chain(county, case).entries.len(), 2);
    world.assert_links_agree();
}

#[test]
fn what_a_county_hands_over_to_a_lost_top_is_answered_with_what_came_after() {
    let FourTiers {
        mut world,
        city,
        county,
        ..
    } = four_tiers();
    let case = register(&mut world, city);
    run(&mut world, city, case, &[moves::accept()]);
    let backup = world.backup(city);
    let convened = convene(&world, &[county]);
    run(&mut world, city, case, &[convened]);
    world.carry_at_most(1, city, county, pb::Lane::Cases);
    world.lose(city);
    let city = world.recover_top(city, &backup, county);
    world.settle();
    assert_eq!(world.chain(city, case).entries.len(), 2);
    assert_eq!(world.chain(county, case).entries.len(), 2);
    world.assert_links_agree();
}

#[test]
fn a_neighbour_that_will_not_come_back_is_waived_by_a_leader() {
    let FourTiers {
        mut world,
        county,
        township,
        ..
    } = four_tiers();
    let case = register(&mut world, county);
    world.settle();
    let backup = world.backup(county);
    world.lose(county);
    let county = world.recover(county, &backup);
    // The township is dark and knows nothing of the new machine.
    world.cut.insert(township);
    world.settle();
    assert_eq!(
        try_to(&mut world, county, case, moves::accept()),
        Some(Code::Recovering)
    );
    world.waive(county, township).unwrap();
    assert_eq!(try_to(&mut world, county, case, moves::accept()), None);
    assert!(
        world.waive(county, township).is_err(),
        "it is awaited no longer"
    );
}

#[test]
fn accounts_come_back_from_one_hop_up_and_are_nobodys_but_their_places() {
    let FourTiers {
        mut world,
        township,
        village,
        ..
    } = four_tiers();
    world.settle();
    world.add_account(village, "wang");
    world.settle();
    world.lose(village);
    let village = world.recover(village, &Backup::default());
    world.settle();
    let case = register(&mut world, village);
    let as_wang = |world: &mut World, node| {
        World::code(&world.act(node, "wang", Some(case), moves::accept(), &[]))
    };
    assert_eq!(as_wang(&mut world, township), Some(Code::AccountUnknown));
    assert_eq!(as_wang(&mut world, village), None);
}

#[test]
fn a_departments_lost_machine_gets_its_cases_from_its_centre() {
    let FourTiers {
        mut world, county, ..
    } = four_tiers();
    let unit = world.add_unit(county, "城市管理局");
    let bureau = world.add_department(county, unit);
    let case = register(&mut world, county);
    let to_unit = to_unit(unit);
    run(&mut world, county, case, &[moves::accept(), to_unit]);
    world.settle();
    world.lose(bureau);
    let bureau = world.recover(bureau, &Backup::default());
    world.settle();
    assert_eq!(
        world.chain(bureau, case).tree.digest(),
        world.chain(county, case).tree.digest()
    );
    assert!(world.can_open(bureau, case));
    world.assert_links_agree();
}

#[test]
fn a_new_top_counts_on_from_the_entry_that_pinned_it() {
    let FourTiers {
        mut world,
        city,
        county,
        ..
    } = four_tiers();
    let backup = world.backup(city);
    world.lose(city);
    let city = world.recover_top(city, &backup, county);
    world.introduce(city, county);
    world.settle();
    world.add_unit(city, "市司法局");
    let id = ChainId::of_place(world.nodes[&city].me.at.place);
    let own: Vec<u64> = world
        .chain(city, id)
        .standing()
        .iter()
        .filter(|(entry, _)| entry.author == city)
        .map(|(entry, _)| entry.author_sequence)
        .collect();
    assert_eq!(own, [1, 2], "no number twice");
}

#[test]
fn a_departments_next_machine_goes_on_with_its_own_log() {
    let FourTiers {
        mut world, county, ..
    } = four_tiers();
    let unit = world.add_unit(county, "城市管理局");
    let bureau = world.add_department(county, unit);
    world.settle();
    let backup = world.backup(bureau);
    world.lose(bureau);
    let bureau = world.recover(bureau, &backup);
    world.settle();
    world.add_account(bureau, "wang");
    world.assert_links_agree();
}

#[test]
fn what_comes_back_before_the_registry_reaches_a_department_too() {
    let FourTiers {
        mut world,
        city,
        county,
        township,
        ..
    } = four_tiers();
    let unit = world.add_unit(county, "城市管理局");
    let bureau = world.add_department(county, unit);
    let case = register(&mut world, county);
    let to_unit = to_unit(unit);
    run(&mut world, county, case, &[moves::accept(), to_unit]);
    world.settle();
    world.cut.insert(bureau);
    run(&mut world, city, case, &[decision()]);
    world.settle();
    world.lose(county);
    let county = world.recover(county, &Backup::default());
    world.introduce(county, township);
    world.introduce(county, bureau);
    // Cases overtake the registry that names the department.
    while world.carry(city, county, pb::Lane::Cases) {}
    world.settle();
    world.cut.clear();
    world.settle();
    let taken = world.chain(city, case).tree.digest();
    assert_eq!(world.chain(bureau, case).tree.digest(), taken);
    world.assert_links_agree();
}

#[test]
fn a_refusal_to_a_lost_node_ends_at_its_successor() {
    let FourTiers {
        mut world,
        township,
        village,
        ..
    } = four_tiers();
    let case = register(&mut world, village);
    let escalate = moves::escalate();
    run(&mut world, village, case, &[moves::accept(), escalate]);
    world.settle();
    // One of two opinions on one offer is refused.
    world.cut.insert(village);
    let opinions = [moves::keep_below(), moves::keep_below()];
    run(&mut world, township, case, &opinions);
    let backup = world.backup(township);
    world.lose(township);
    let township = world.recover(township, &backup);
    world.introduce(township, village);
    world.cut.clear();
    let rounds = (0..100).take_while(|_| world.carry_once()).count();
    assert!(rounds < 100, "the refusal goes round for ever");
    let waiting = world.nodes[&township].views.submissions(case).unwrap();
    assert_eq!(waiting, []);
    world.assert_links_agree();
}

#[test]
fn what_a_lost_department_had_submitted_takes_effect_when_its_backup_brings_it() {
    let FourTiers {
        mut world, county, ..
    } = four_tiers();
    let unit = world.add_unit(county, "城市管理局");
    let bureau = world.add_department(county, unit);
    let case = register(&mut world, county);
    let to_unit = to_unit(unit);
    run(&mut world, county, case, &[moves::accept(), to_unit]);
    world.settle();
    world.cut.insert(bureau);
    run(&mut world, bureau, case, &[moves::sign_for()]);
    let backup = world.backup(bureau);
    world.lose(bureau);
    let before = world.chain(county, case).tree.len();
    world.recover(bureau, &backup);
    world.settle();
    assert_eq!(world.chain(county, case).tree.len(), before + 1);
    world.assert_links_agree();
}

#[test]
fn a_machine_put_back_without_a_case_judges_the_taking_above_it_by_the_notice_it_had_sent() {
    let FourTiers {
        mut world,
        city,
        county,
        township,
        village,
    } = four_tiers();
    let case = register(&mut world, village);
    world.settle();
    assert!(world.nodes[&county].views.notice(case).unwrap().is_some());
    // Both machines that held more than a notice are lost.
    world.lose(township);
    world.lose(village);
    let take = moves::take_because(pb::TakingReason::Dark);
    run(&mut world, county, case, &[take]);
    let township = world.recover(township, &Backup::default());
    world.settle();
    let taken = world.chain(county, case).tree.digest();
    assert_eq!(world.chain(township, case).tree.digest(), taken);
    assert_eq!(world.chain(city, case).tree.digest(), taken);
    assert!(
        parked(&world.nodes[&township].views).is_empty(),
        "nothing waits for entries that nobody has"
    );
    world.assert_links_agree();
    world.assert_stores_follow_their_journals();
}

#[test]
fn a_department_that_joins_late_has_the_cases_of_its_unit() {
    let FourTiers {
        mut world, county, ..
    } = four_tiers();
    let unit = world.add_unit(county, "城市管理局");
    let case = register(&mut world, county);
    let to_unit = to_unit(unit);
    run(&mut world, county, case, &[moves::accept(), to_unit]);
    world.settle();
    let bureau = world.add_department(county, unit);
    world.settle();
    let known = world.chain(county, case).tree.digest();
    assert_eq!(world.chain(bureau, case).tree.digest(), known);
    world.assert_links_agree();
}
