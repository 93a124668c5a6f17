//! Worlds of engines in memory, told as stories: the code that ships, without sockets or disks.
#![allow(clippy::unwrap_used, reason = "tests")]

mod acts;
mod attempts;
mod beside;
mod clocks;
mod families;
mod figures;
mod hostile;
mod importing;
mod lanes;
mod merging;
mod moved;
mod moving;
mod parked;
mod parts;
mod recovery;
mod root;
mod secrets;
mod seeds;
mod settled;
mod together;
mod unsettled;

use acts::{convene, dispatch_to, to_unit};
use fengqiao_hub::id::{ChainId, NodeId, PlaceId};
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::moves;
use fengqiao_tests::world::World;

struct FourTiers {
    world: World,
    city: NodeId,
    county: NodeId,
    township: NodeId,
    village: NodeId,
}

fn four_tiers() -> FourTiers {
    let (mut world, city) = World::new(7);
    let county = world.add(city, "德城区", 40);
    let township = world.add(county, "新华街道", 50);
    let village = world.add(township, "新华社区", 60);
    world.settle();
    FourTiers {
        world,
        city,
        county,
        township,
        village,
    }
}

fn register(world: &mut World, node: NodeId) -> ChainId {
    let command = moves::register(moves::intake(pb::Channel::Window, "disputes-neighbours"));
    let answer = world
        .act(node, "admin", None, command, &[("text", "邻居装修噪声")])
        .unwrap();
    answer.case.parse().unwrap()
}

fn run(world: &mut World, node: NodeId, case: ChainId, commands: &[pb::Action]) {
    for command in commands {
        let login = match moves::name(command).as_str() {
            "approve-reply" => "second",
            "return-visit" | "rate" | "order-redo" | "close" => "third",
            _ => "admin",
        };
        // Who declines what was overtaken says why.
        let texts: &[_] = match moves::name(command).as_str() {
            "decline-annex" => &[("reason", "重复")],
            _ => &[],
        };
        world
            .act(node, login, Some(case), command.clone(), texts)
            .unwrap_or_else(|refusal| panic!("{command:?}: {refusal}"));
    }
}

fn reply() -> Vec<pb::Action> {
    vec![
        moves::take_action(),
        moves::draft_reply(true),
        moves::approve_reply(),
        moves::send_reply(),
    ]
}

fn close() -> Vec<pb::Action> {
    vec![
        moves::return_visit(true),
        moves::rate(5),
        moves::close(pb::Outcome::Solved),
    ]
}

#[test]
fn what_a_village_settles_stays_below_and_is_a_notice_and_a_count_above() {
    let FourTiers {
        mut world,
        city,
        county,
        township,
        village,
    } = four_tiers();
    let case = register(&mut world, village);
    run(&mut world, village, case, &[moves::accept()]);
    run(&mut world, village, case, &reply());
    world.settle();
    assert!(
        !world.chain(township, case).tree.is_empty(),
        "a sealed copy one hop up"
    );
    for above in [county, city] {
        assert!(
            world.chain(above, case).tree.is_empty(),
            "only a notice further up"
        );
        assert_eq!(
            world.nodes[&above]
                .views
                .notice(case)
                .unwrap()
                .unwrap()
                .stage,
            "replied"
        );
    }
    run(&mut world, village, case, &close());
    world.settle();
    world.assert_links_agree();
    world.assert_stores_follow_their_journals();
    let tallies = world.nodes[&city].views.tallies().unwrap();
    let closed = tallies
        .iter()
        .flat_map(|tally| &tally.counts)
        .find(|count| count.name == "close.outcome_solved");
    assert_eq!(closed.unwrap().count, 1);
}

#[test]
fn an_escalation_goes_up_twice_and_its_decision_comes_down() {
    let FourTiers {
        mut world,
        city,
        county,
        township,
        village,
    } = four_tiers();
    let case = register(&mut world, village);
    let escalate = moves::escalate();
    let take = moves::take_because(pb::TakingReason::Unspecified);
    run(
        &mut world,
        village,
        case,
        &[moves::accept(), escalate.clone()],
    );
    world.settle();
    run(&mut world, township, case, &[take.clone(), escalate]);
    world.settle();
    let dispatch = |place: PlaceId| moves::dispatch(&place.to_string(), 0);
    let (township_place, village_place) = (
        world.nodes[&township].me.at.place,
        world.nodes[&village].me.at.place,
    );
    run(
        &mut world,
        county,
        case,
        &[take.clone(), moves::decide(), dispatch(township_place)],
    );
    world.settle();
    run(
        &mut world,
        township,
        case,
        &[moves::sign_for(), dispatch(village_place)],
    );
    world.settle();
    run(&mut world, village, case, &[moves::sign_for()]);
    run(&mut world, village, case, &reply());
    world.settle();
    run(
        &mut world,
        township,
        case,
        &[
            take.clone(),
            moves::draft_reply(true),
            moves::approve_reply(),
            moves::send_reply(),
        ],
    );
    world.settle();
    run(&mut world, county, case, &[take]);
    run(&mut world, county, case, &close());
    world.settle();
    world.assert_links_agree();
    world.assert_stores_follow_their_journals();
    let head = world.chain(county, case).tree.digest();
    for node in [township, village, city] {
        assert_eq!(world.chain(node, case).tree.digest(), head);
    }
    assert!(world.can_open(county, case) && world.can_open(village, case));
}

#[test]
fn what_was_written_below_a_taking_becomes_annex_and_is_adopted() {
    let FourTiers {
        mut world,
        county,
        township,
        village,
        ..
    } = four_tiers();
    let case = register(&mut world, village);
    run(
        &mut world,
        village,
        case,
        &[moves::accept(), moves::escalate()],
    );
    world.settle();
    run(
        &mut world,
        township,
        case,
        &[moves::take_because(pb::TakingReason::Unspecified)],
    );
    world.settle();
    world.cut.insert(township);
    run(
        &mut world,
        township,
        case,
        &[moves::contact(), moves::take_action()],
    );
    run(
        &mut world,
        county,
        case,
        &[moves::take_because(pb::TakingReason::Dark)],
    );
    world.settle();
    world.cut.clear();
    world.settle();
    let chain = world.chain(county, case);
    assert_eq!(chain.tree.annex().len(), 2);
    for entry in chain.tree.annex() {
        run(
            &mut world,
            county,
            case,
            &[moves::adopt_annex(&entry.to_string())],
        );
    }
    world.settle();
    world.assert_links_agree();
    world.assert_stores_follow_their_journals();
    assert_eq!(
        world
            .chain(township, case)
            .case
            .unwrap()
            .annex
            .decided
            .len(),
        2
    );
}

#[test]
fn a_convened_township_reports_over_a_cut_link_by_submission() {
    let FourTiers {
        mut world,
        city,
        county,
        township,
        ..
    } = four_tiers();
    let case = register(&mut world, city);
    run(&mut world, city, case, &[moves::accept()]);
    let now = world.now;
    let convened = convene(&world, &[county, township]);
    run(&mut world, city, case, &[convened]);
    world.settle();
    world.cut.insert(county);
    run(
        &mut world,
        township,
        case,
        &[moves::acknowledge_task(2), moves::work_on_site(now.0)],
    );
    world.settle();
    assert_eq!(
        world.chain(city, case).case.unwrap().convening.site_visits,
        0
    );
    world.cut.clear();
    world.settle();
    let seen = world.chain(township, case).case.unwrap();
    assert_eq!(seen.convening.site_visits, 1);
    assert_eq!(world.chain(city, case).case.unwrap().submissions.len(), 2);
    assert!(
        world.nodes[&township]
            .views
            .submissions(case)
            .unwrap()
            .is_empty()
    );
    world.assert_links_agree();
}

#[test]
fn what_a_convened_village_reports_is_judged_in_a_county_that_never_heard_of_it() {
    let FourTiers {
        mut world,
        city,
        village,
        ..
    } = four_tiers();
    let other = world.add(city, "陵城区", 40);
    let case = register(&mut world, city);
    let convened = convene(&world, &[village]);
    let to_other = dispatch_to(&world, other);
    run(
        &mut world,
        city,
        case,
        &[moves::accept(), convened, to_other],
    );
    world.settle();
    run(&mut world, village, case, &[moves::acknowledge_task(1)]);
    world.settle();
    assert!(fengqiao_tests::world::parked(&world.nodes[&other].views).is_empty());
    assert_eq!(world.chain(city, case).case.unwrap().submissions.len(), 1);
    world.assert_links_agree();
}

#[test]
fn a_department_with_its_own_node_handles_by_submission() {
    let FourTiers {
        mut world, county, ..
    } = four_tiers();
    let unit = world.add_unit(county, "德城区城市管理局");
    let department = world.add_department(county, unit);
    let case = register(&mut world, county);
    let dispatch = to_unit(unit);
    run(&mut world, county, case, &[moves::accept(), dispatch]);
    world.settle();
    run(&mut world, department, case, &[moves::sign_for()]);
    world.settle();
    run(&mut world, department, case, &[moves::take_action()]);
    world.settle();
    run(&mut world, department, case, &[moves::draft_reply(true)]);
    world.settle();
    assert_eq!(
        world.chain(county, case).case.unwrap().stage().as_str(),
        "drafted"
    );
    world.assert_links_agree();
}

#[test]
fn a_department_issues_no_directive() {
    let FourTiers {
        mut world, county, ..
    } = four_tiers();
    let unit = world.add_unit(county, "德城区城市管理局");
    let department = world.add_department(county, unit);
    let refused = world.direct(department);
    assert_eq!(
        World::code(&refused),
        Some(fengqiao_hub::refusal::Code::NotCustodian)
    );
    assert!(world.direct(county).is_ok());
    world.settle();
    world.assert_links_agree();
}

#[test]
fn a_centre_and_its_department_keep_logs_of_their_own() {
    let FourTiers {
        mut world, county, ..
    } = four_tiers();
    let unit = world.add_unit(county, "德城区城市管理局");
    let department = world.add_department(county, unit);
    let place = world.nodes[&county].me.at.place;
    let of_centre = ChainId::administration_of(place, None);
    let of_department = ChainId::administration_of(place, Some(unit));
    assert!(!world.chain(county, of_centre).tree.is_empty());
    assert!(!world.chain(department, of_department).tree.is_empty());
    assert!(world.chain(department, of_centre).tree.is_empty());
}

#[test]
fn every_receipt_reaches_the_village_when_the_top_has_stored() {
    use fengqiao_node::engine::EntryStanding;
    let FourTiers {
        mut world,
        city,
        county,
        village,
        ..
    } = four_tiers();
    world.cut.insert(village);
    let case = register(&mut world, village);
    let head = world.chain(village, case).tree.head().unwrap().clone();
    let standing = |world: &World| {
        let node = &world.nodes[&village];
        node.views
            .standing(&node.engine.registry(), case, head.sequence, head.hash)
            .unwrap()
    };
    assert_eq!(standing(&world), EntryStanding::StoredHere);
    world.cut.clear();
    world.cut.insert(county);
    world.settle();
    assert_eq!(standing(&world), EntryStanding::AtParent);
    world.cut.clear();
    world.settle();
    assert_eq!(standing(&world), EntryStanding::AtTop);
    assert!(world.nodes[&city].views.notice(case).unwrap().is_some());
}

#[test]
fn two_tiers_that_took_by_notice_agree_while_the_village_is_dark() {
    let FourTiers {
        mut world,
        city,
        county,
        township,
        village,
    } = four_tiers();
    let case = register(&mut world, village);
    run(&mut world, village, case, &[moves::accept()]);
    world.settle();
    world.cut.extend([township, county]);
    for taker in [county, city] {
        run(
            &mut world,
            taker,
            case,
            &[moves::take_because(pb::TakingReason::Dark)],
        );
    }
    world.cut.remove(&county);
    world.settle();
    for node in [county, city] {
        let chain = world.chain(node, case);
        assert!(chain.tree.awaited_below() > 0);
        let custodian = chain.tree.custody().unwrap().custodian;
        assert_eq!(custodian, world.nodes[&city].me.at.place);
        assert_eq!(chain.tree.annex().len(), 1, "the county's taking");
    }
    assert_eq!(
        world.nodes[&county].views.digest_ranges(city).unwrap(),
        world.nodes[&city].views.digest_ranges(county).unwrap()
    );
    world.cut.clear();
    world.settle();
    world.assert_links_agree();
    world.assert_stores_follow_their_journals();
}

#[test]
fn a_taking_from_a_notice_closes_its_gap_when_the_chain_arrives() {
    let FourTiers {
        mut world,
        county,
        township,
        village,
        ..
    } = four_tiers();
    let case = register(&mut world, village);
    run(&mut world, village, case, &[moves::accept()]);
    world.settle();
    world.cut.insert(township);
    run(&mut world, village, case, &[moves::take_action()]);
    run(
        &mut world,
        county,
        case,
        &[moves::take_because(pb::TakingReason::Dark)],
    );
    assert!(world.chain(county, case).tree.awaited_below() > 0);
    world.cut.clear();
    world.settle();
    let chain = world.chain(county, case);
    assert_eq!(chain.tree.awaited_below(), 0);
    assert_eq!(chain.tree.annex().len(), 1, "the action taken meanwhile");
    world.assert_links_agree();
    world.assert_stores_follow_their_journals();
}
