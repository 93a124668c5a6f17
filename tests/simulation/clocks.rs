//! Clocks of offers and of what was overtaken, over tiers that see chains and tiers that see notices.

use fengqiao_hub::case::{Running, clocks_of_notice};
use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::{ChainId, NodeId};
use fengqiao_node::engine::Input;
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::moves;
use fengqiao_tests::world::World;
use pb::body::Content;

use super::{FourTiers, four_tiers, register, run};

const DAY_MS: i64 = 24 * 3_600_000;

fn tick(world: &mut World, nodes: &[NodeId]) {
    for node in nodes {
        let tick = Input::Tick {
            clock_believed: true,
        };
        world.process(*node, vec![tick]);
    }
    world.settle();
}

fn notice(world: &World, node: NodeId, case: ChainId) -> pb::Notice {
    world.nodes[&node].views.notice(case).unwrap().unwrap()
}

/// The warnings in a node's own ledger: of which clock, about whose centre.
fn warnings(world: &World, node: NodeId) -> Vec<(String, Vec<u8>, i64)> {
    let ledger = ChainId::supervision_of(world.nodes[&node].me.at.place);
    let chain = world.chain(node, ledger);
    let warned = |content: &Option<Content>| match content {
        Some(Content::Supervision(pb::SupervisionChange {
            change: Some(pb::supervision_change::Change::RedWarned(warned)),
        })) => Some((warned.clock.clone(), warned.place.clone(), warned.due_ms)),
        _ => None,
    };
    let entries = chain.standing();
    let bodies = entries.iter().map(|(entry, _)| &entry.body.content);
    bodies.filter_map(warned).collect()
}

#[test]
fn an_offer_left_unanswered_is_red_at_the_parent_and_warned_of_once_by_its_superior() {
    let FourTiers {
        mut world,
        city,
        county,
        township,
        village,
    } = four_tiers();
    let case = register(&mut world, village);
    let escalate = moves::escalate();
    run(&mut world, village, case, &[moves::accept(), escalate]);
    world.settle();
    let answer = |clocks: Vec<Running>| {
        let running = clocks.into_iter().find(|running| running.clock == "answer");
        running.map(|running| running.due)
    };
    let due = answer(world.chain(township, case).clocks()).unwrap();
    let noticed = |world: &World| answer(clocks_of_notice(&notice(world, city, case)));
    assert_eq!(noticed(&world), Some(due));
    let all = [city, county, township, village];
    world.now = due;
    tick(&mut world, &all);
    assert_eq!(
        warnings(&world, county),
        [],
        "on time up to the last moment"
    );
    world.now = Moment(due.0 + 1);
    tick(&mut world, &all);
    tick(&mut world, &all);
    let place = world.nodes[&township].me.at.place.to_vec();
    let warned = [("answer".to_owned(), place, due.0)];
    assert_eq!(warnings(&world, county), warned);
    for other in [city, township, village] {
        let mut warned = warnings(&world, other);
        warned.retain(|(clock, ..)| clock == "answer");
        assert_eq!(warned, [], "nobody else's to warn of");
    }
    world.restart(county);
    tick(&mut world, &all);
    assert_eq!(warnings(&world, county).len(), 1, "also after a start");

    let take = moves::take_because(pb::TakingReason::Unspecified);
    run(&mut world, township, case, &[take]);
    world.settle();
    assert_eq!(noticed(&world), None, "answered");
    world.assert_links_agree();
    world.assert_stores_follow_their_journals();
}

/// A township that worked on while the county took the case: what it wrote is annex at the county.
fn overtaken(world: &mut World, tiers: [NodeId; 3]) -> ChainId {
    let [county, township, village] = tiers;
    let case = register(world, village);
    let escalate = moves::escalate();
    run(world, village, case, &[moves::accept(), escalate.clone()]);
    world.settle();
    let take = |reason| moves::take_because(reason);
    let answer = take(pb::TakingReason::Unspecified);
    run(world, township, case, &[answer, escalate]);
    world.settle();
    world.cut.insert(township);
    run(world, township, case, &[moves::take_action()]);
    run(world, county, case, &[take(pb::TakingReason::Unspecified)]);
    // It hands in what it did only ten days later.
    world.now = Moment(world.now.0 + 10 * DAY_MS);
    world.cut.clear();
    world.settle();
    case
}

#[test]
fn an_annex_is_to_be_decided_by_a_deadline_that_counts_from_when_it_came() {
    let FourTiers {
        mut world,
        city,
        county,
        township,
        village,
    } = four_tiers();
    let case = overtaken(&mut world, [county, township, village]);
    let all = [city, county, township, village];
    let held = world.chain(county, case);
    let late = held.tree.annex();
    assert_eq!(late.len(), 1);
    let due = Moment(held.annex_due_at().unwrap().due_ms);
    assert!(due > world.now, "late as it came, there is time to decide");
    assert!(held.clocks().iter().any(|running| running.due == due));
    let before: Vec<_> = all
        .iter()
        .map(|node| world.chain(*node, case).tree.digest())
        .collect();
    world.restart(county);
    let again = world.chain(county, case);
    assert_eq!(again.annex_due_at().unwrap().due_ms, due.0);

    world.now = Moment(due.0 + 1);
    tick(&mut world, &all);
    tick(&mut world, &all);
    let place = world.nodes[&county].me.at.place.to_vec();
    let warned: Vec<_> = warnings(&world, city)
        .into_iter()
        .filter(|(clock, _, _)| clock == "annex")
        .collect();
    assert_eq!(warned.len(), 1, "the county's superior warns, once");
    assert_eq!(warned[0].1, place);
    let after: Vec<_> = all
        .iter()
        .map(|node| world.chain(*node, case).tree.digest())
        .collect();
    assert_eq!(before, after, "a clock of the holder splits no digest");
    world.assert_links_agree();

    run(
        &mut world,
        county,
        case,
        &[moves::decline_annex(&late[0].to_string())],
    );
    world.settle();
    for node in [county, township] {
        assert_eq!(world.chain(node, case).annex_due_at(), None);
    }
    let told = world.chain(township, case);
    let decision = told.case.unwrap().annex.decided[&late[0]];
    assert!(!decision.adopted, "the author knows what became of it");
    assert!(told.entries.contains_key(&decision.by));
    world.assert_links_agree();
    world.assert_stores_follow_their_journals();
}

#[test]
fn what_a_dark_node_hands_in_after_the_closing_is_listed_until_it_is_decided() {
    let FourTiers {
        mut world,
        city,
        township,
        village,
        ..
    } = four_tiers();
    let case = register(&mut world, village);
    run(&mut world, village, case, &[moves::accept()]);
    world.settle();
    world.cut.insert(village);
    run(&mut world, village, case, &[moves::take_action()]);
    let take = moves::take_because(pb::TakingReason::Dark);
    run(&mut world, township, case, &[take]);
    run(&mut world, township, case, &super::reply());
    run(&mut world, township, case, &super::close());
    let listed = |world: &World| {
        let node = &world.nodes[&township];
        let page = node.views.worklist(None, 10);
        page.unwrap().0.len()
    };
    assert_eq!(listed(&world), 0, "closed");
    world.cut.clear();
    world.settle();
    assert_eq!(listed(&world), 1, "its late work waits for a word");
    let notice = notice(&world, city, case);
    assert_eq!((notice.stage.as_str(), notice.open_annexes), ("closed", 1));
    let annex = |running: &Running| running.clock == "annex";
    assert!(clocks_of_notice(&notice).iter().any(annex));
    let entry = world.chain(township, case).tree.annex()[0];
    run(
        &mut world,
        township,
        case,
        &[moves::adopt_annex(&entry.to_string())],
    );
    world.settle();
    assert_eq!(listed(&world), 0);
    world.assert_links_agree();
    world.assert_stores_follow_their_journals();
}
