//! The node of the first place pinned anew by the root key, as every tier sees it.

use ed25519_dalek::SigningKey;
use fengqiao_hub::id::ChainId;
use fengqiao_node::engine::Administration;
use fengqiao_tests::world::parked;

use super::{FourTiers, four_tiers};

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
