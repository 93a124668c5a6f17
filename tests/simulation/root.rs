//! The node of the first place pinned anew by the root key, as every tier sees it.

use ed25519_dalek::SigningKey;
use fengqiao_hub::entry::Entry;
use fengqiao_hub::id::{ChainId, NodeId};
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_node::engine::Administration;
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::moves;
use fengqiao_tests::world::{World, parked};
use prost::Message as _;

use super::acts::decision;
use super::{FourTiers, four_tiers, register, run};

#[test]
fn what_the_root_key_renews_is_known_at_every_tier_and_a_forgery_at_none() {
    let FourTiers {
        mut world,
        city,
        county,
        township,
        village,
    } = four_tiers();
    let registry = ChainId::of_place(world.nodes[&city].me.at.place);
    let forged = world.renewal_signed(city, 3, &SigningKey::from_bytes(&[5; 32]));
    world.hand_in(county, &forged);
    assert!(!world.chain(county, registry).tree.contains(&forged.hash));
    let waits = parked(&world.nodes[&county].views);
    assert_eq!(waits, [format!("SIGNATURE of {registry}")]);

    let renewal = world.renewal(city, 2);
    world
        .administer(city, "", Administration::Bootstrap(vec![renewal.bytes()]))
        .unwrap();
    world.settle();
    for node in [city, county, township, village] {
        assert!(world.chain(node, registry).tree.contains(&renewal.hash));
        let known = world.nodes[&node].engine.registry();
        assert_eq!(known.node(city).unwrap().generation, 2);
    }
    world.assert_links_agree();
    world.assert_stores_follow_their_journals();
    // And its registry goes on behind it.
    world.add(city, "陵城区", 40);
    world.settle();
    world.assert_links_agree();
}

fn prepared(world: &mut World, top: NodeId, approved_by: &[&str]) -> Result<Entry, Refusal> {
    let approved_by = approved_by
        .iter()
        .map(|login| (*login).to_owned())
        .collect();
    let what = Administration::PrepareRenewal(approved_by);
    let answer = world.administer(top, "admin", what)?;
    let answer = pb::PrepareRootRenewalResponse::decode(&answer[..]).unwrap();
    Ok(world.sign_by_root(answer.entry.unwrap()))
}

fn renew(world: &mut World, top: NodeId, entry: &Entry) -> Result<u32, Refusal> {
    let what = Administration::RenewRoot(Box::new(entry.clone()));
    let answer = world.administer(top, "admin", what)?;
    Ok(pb::RenewRootResponse::decode(&answer[..])
        .unwrap()
        .generation)
}

#[test]
fn what_the_top_wrote_twice_is_thawed_by_the_root_key_and_two_leaders() {
    let FourTiers {
        mut world,
        city,
        county,
        township,
        village,
    } = four_tiers();
    let case = register(&mut world, village);
    world.settle();
    let take = decision();
    run(&mut world, city, case, std::slice::from_ref(&take));
    world.settle();
    run(&mut world, city, case, &[moves::decide()]);
    let twin = world.twin_of_head(city, case);
    world.settle();
    world.hand_in(county, &twin);
    world.settle();
    for node in [city, county, township, village] {
        assert!(world.chain(node, case).tree.is_frozen());
    }
    let taken = world.act(city, "admin", Some(case), take.clone(), &[]);
    assert_eq!(World::code(&taken), Some(Code::RootKeyNeeded));
    let taken = world.act(city, "admin", Some(case), moves::decide(), &[]);
    assert_eq!(World::code(&taken), Some(Code::Frozen));

    for one in [&["admin"][..], &["admin", "admin"], &[]] {
        let refused = prepared(&mut world, city, one);
        assert_eq!(World::code(&refused), Some(Code::OutOfRange), "{one:?}");
    }
    let refused = prepared(&mut world, city, &["admin", "nobody"]);
    assert_eq!(World::code(&refused), Some(Code::RoleMissing));
    let refused = prepared(&mut world, county, &["admin", "second"]);
    assert_eq!(World::code(&refused), Some(Code::NotAbove));

    let stale = prepared(&mut world, city, &["admin", "second"]).unwrap();
    world.add(city, "陵城区", 40);
    let refused = renew(&mut world, city, &stale);
    assert_eq!(World::code(&refused), Some(Code::Busy), "prepare it again");
    let renewal = prepared(&mut world, city, &["admin", "second"]).unwrap();
    let mut forged = renewal.clone();
    forged.signed.signature[0] ^= 1;
    let refused = renew(&mut world, city, &forged);
    assert_eq!(World::code(&refused), Some(Code::Malformed));
    assert_eq!(renew(&mut world, city, &renewal).unwrap(), 2);
    run(&mut world, city, case, &[take.clone(), moves::decide()]);
    world.settle();
    let head = world.chain(city, case).tree.digest();
    for node in [city, county, township, village] {
        let chain = world.chain(node, case);
        assert!(!chain.tree.is_frozen());
        assert_eq!(chain.tree.digest(), head);
        assert_eq!(
            chain.tree.annex().len(),
            1,
            "one of the two is kept as proof"
        );
    }
    let again = world.act(city, "admin", Some(case), take, &[]);
    assert_eq!(
        World::code(&again),
        Some(Code::NotAbove),
        "it is not frozen"
    );
    world.restart(city);
    let entry = world.chain(city, case).tree.annex()[0];
    run(
        &mut world,
        city,
        case,
        &[moves::adopt_annex(&entry.to_string())],
    );
    world.settle();
    world.assert_links_agree();
    world.assert_stores_follow_their_journals();
}
