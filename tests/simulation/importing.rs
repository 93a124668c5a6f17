//! Entries of an export, handed to a node by an administrator: the way of a link, and nothing more.

use fengqiao_hub::entry::{Draft, Move};
use fengqiao_hub::id::{ChainId, DeploymentId, NodeId};
use fengqiao_hub::refusal::Code;
use fengqiao_node::engine::Administration;
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::moves;
use fengqiao_tests::world::{Backup, World, parked};
use pb::ImportOutcome as Outcome;
use prost::Message as _;

use super::lanes::body;
use super::{FourTiers, close, four_tiers, register, reply, run};

/// What an export of a node holds of a chain.
fn exported(world: &World, node: NodeId, chain: ChainId) -> Vec<Vec<u8>> {
    let standing = world.chain(node, chain).standing();
    standing.iter().map(|(entry, _)| entry.bytes()).collect()
}

/// What became of each, and why.
fn import(world: &mut World, node: NodeId, entries: &[Vec<u8>]) -> Vec<(Outcome, String, String)> {
    let what = Administration::ImportEntries(entries.to_vec());
    let answer = world.administer(node, "admin", what).unwrap();
    let answer = pb::ImportEntriesResponse::decode(&answer[..]).unwrap();
    let fates = answer.entries.into_iter();
    fates
        .map(|fate| (fate.outcome(), fate.reason, fate.field))
        .collect()
}

fn all(fates: &[(Outcome, String, String)], outcome: Outcome) -> bool {
    !fates.is_empty() && fates.iter().all(|fate| fate.0 == outcome)
}

#[test]
fn a_case_that_no_machine_holds_any_more_comes_back_while_its_node_recovers() {
    let FourTiers {
        mut world,
        county,
        township,
        village,
        ..
    } = four_tiers();
    let backup = world.backup(village);
    let case = register(&mut world, village);
    run(&mut world, village, case, &[moves::accept()]);
    world.settle();
    let known = world.chain(village, case).tree.digest();
    let registry = ChainId::of_place(world.nodes[&county].me.at.place);
    let mut file = exported(&world, village, registry);
    let registries = file.len();
    file.extend(exported(&world, village, case));
    world.lose(village);
    world.lose(township);
    let township = world.recover(township, &Backup::default());
    world.settle();
    let village = world.recover(village, &backup);
    assert!(world.chain(village, case).tree.is_empty());

    let fates = import(&mut world, village, &file);
    assert!(all(&fates[..registries], Outcome::Known), "{fates:?}");
    assert!(all(&fates[registries..], Outcome::New), "{fates:?}");
    let refused = world.act(village, "admin", Some(case), reply()[0].clone(), &[]);
    assert_eq!(World::code(&refused), Some(Code::Recovering));
    world.settle();
    for holder in [village, township] {
        assert_eq!(world.chain(holder, case).tree.digest(), known);
    }
    run(&mut world, village, case, &reply());
    run(&mut world, village, case, &close());
    world.settle();
    let notice = world.nodes[&county].views.notice(case).unwrap().unwrap();
    assert_eq!(notice.stage, "closed");
    assert!(all(&import(&mut world, village, &file), Outcome::Known));
    world.assert_links_agree();
    world.assert_stores_follow_their_journals();
}

#[test]
fn what_is_imported_is_judged_as_what_a_link_brings_and_refused_by_its_field() {
    let FourTiers {
        mut world,
        township,
        village,
        ..
    } = four_tiers();
    let case = register(&mut world, village);
    world.settle();
    let before = world.chain(township, case);
    let head = before.tree.head().unwrap();
    let draft = |author: NodeId, deployment: DeploymentId, kind: pb::ChainKind| Draft {
        deployment,
        kind,
        chain: case,
        rank: head.rank.clone(),
        sequence: head.sequence + 1,
        previous: Some(head.hash),
        author,
        incarnation: 1,
        author_sequence: 99,
        registry: vec![],
        mv: Move::None,
        submission: None,
        kind_class: pb::KindClass::Work,
        body: body(&world, pb::body::Content::from(pb::Accept {})),
        payloads: vec![],
    };
    let deployment = world.nodes[&village].me.deployment;
    let (own, other) = (
        &world.nodes[&village].me.signing_key,
        &world.nodes[&township].me.signing_key,
    );
    let entries = [
        b"no entry".to_vec(),
        draft(village, deployment, pb::ChainKind::Case)
            .sign(other)
            .bytes(),
        draft(village, DeploymentId([1; 10]), pb::ChainKind::Case)
            .sign(own)
            .bytes(),
        draft(NodeId([9; 10]), deployment, pb::ChainKind::Case)
            .sign(own)
            .bytes(),
        draft(township, deployment, pb::ChainKind::Case)
            .sign(other)
            .bytes(),
        draft(village, deployment, pb::ChainKind::Administration)
            .sign(own)
            .bytes(),
    ];
    let refusals = import(&mut world, township, &entries);
    let expected = [
        ("MALFORMED", "signed"),
        ("SIGNATURE", "signed"),
        ("DEPLOYMENT", "signed"),
        ("AUTHOR_UNKNOWN", "author"),
        ("NOT_CUSTODIAN", "author"),
        ("CHAIN_KIND", "kind"),
    ];
    let expected = expected.map(|(reason, field)| {
        let (reason, field) = (reason.to_owned(), field.to_owned());
        (Outcome::Refused, reason, field)
    });
    assert_eq!(refusals, expected);
    assert!(parked(&world.nodes[&township].views).is_empty());
    assert!(world.nodes[&township].engine.alarms().is_empty());
    let after = world.chain(township, case).tree.digest();
    assert_eq!(after, before.tree.digest());
}

/// A world, its city, a case of a village below, and the case's two entries.
fn of_a_case_the_city_never_heard_of() -> (World, NodeId, ChainId, Vec<Vec<u8>>) {
    let FourTiers {
        mut world,
        city,
        village,
        ..
    } = four_tiers();
    let case = register(&mut world, village);
    run(&mut world, village, case, &[moves::accept()]);
    let file = exported(&world, village, case);
    (world, city, case, file)
}

#[test]
fn an_entry_whose_predecessor_is_missing_waits_for_it() {
    let (mut world, city, case, file) = of_a_case_the_city_never_heard_of();
    assert!(all(&import(&mut world, city, &file[1..]), Outcome::Parked));
    let waits = format!("PREDECESSOR_AWAITED of {case}");
    assert!(parked(&world.nodes[&city].views).contains(&waits));
    assert!(all(&import(&mut world, city, &file[1..]), Outcome::Parked));
    assert!(all(&import(&mut world, city, &file[..1]), Outcome::New));
    assert!(parked(&world.nodes[&city].views).is_empty());
    assert!(all(&import(&mut world, city, &file), Outcome::Known));
}

#[test]
fn an_entry_that_finds_no_room_to_wait_is_refused_and_may_come_again() {
    let (mut world, city, _, file) = of_a_case_the_city_never_heard_of();
    world.parked_max = 0;
    world.restart(city);
    let full = (Outcome::Refused, "PARKED_FULL".to_owned(), String::new());
    assert_eq!(import(&mut world, city, &file[1..]), [full]);
    world.parked_max = 1;
    world.restart(city);
    assert!(all(&import(&mut world, city, &file[1..]), Outcome::Parked));
}

#[test]
fn only_an_administrator_imports() {
    let FourTiers {
        mut world, village, ..
    } = four_tiers();
    let what = || Administration::ImportEntries(Vec::new());
    let nobody = world.administer(village, "nobody", what());
    assert_eq!(World::code(&nobody), Some(Code::AccountUnknown));
    let clerk = fengqiao_tests::world::account("wang", &[pb::Role::Clerk], None);
    world.administer(village, "admin", clerk).unwrap();
    let clerk = world.administer(village, "wang", what());
    assert_eq!(World::code(&clerk), Some(Code::RoleMissing));
}
