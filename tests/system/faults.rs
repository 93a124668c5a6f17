//! Machines that die, wires that break, stores that rot: what was acknowledged is there, once.

use std::collections::BTreeSet;

use fengqiao_proto::v1 as pb;
use fengqiao_tests::city::{City, FourTiers, agree, files};

use crate::writers::Writers;

/// A seeded choice of a moment.
fn next(seed: &mut u64, below: u64) -> u64 {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % below
}

fn cases_of(answers: &[pb::ActResponse]) -> BTreeSet<String> {
    answers.iter().map(|answer| answer.case.clone()).collect()
}

/// Every acknowledged write is at its node and above it, and nothing else is.
async fn holds_exactly(tiers: &FourTiers, told: &[Vec<pb::ActResponse>; 4]) {
    let numbers: BTreeSet<&String> = told.iter().flatten().map(|answer| &answer.number).collect();
    let all: usize = told.iter().map(Vec::len).sum();
    assert_eq!(numbers.len(), all, "each number was given once");
    for (index, node) in tiers.all().into_iter().enumerate() {
        let expected: BTreeSet<String> = told[index..]
            .iter()
            .flat_map(|answers| cases_of(answers))
            .collect();
        let seen = node.desk().all_cases().await;
        let held: BTreeSet<String> = seen.iter().map(|case| case.case.clone()).collect();
        assert_eq!(held.len(), seen.len(), "{}: nothing doubled", node.name);
        let lost: Vec<&String> = expected.difference(&held).collect();
        let foreign: Vec<&String> = held.difference(&expected).collect();
        assert!(
            lost.is_empty() && foreign.is_empty(),
            "{}: lost {lost:?}, not acknowledged {foreign:?}",
            node.name
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn killed_at_every_tier_in_turn_nothing_acknowledged_is_lost_or_doubled() {
    let ground = City::new();
    let mut tiers = FourTiers::found(&ground).await;
    let writers = tiers.all().map(|node| Writers::start(&node.desk()));
    for index in [3, 2, 1, 0, 3, 1] {
        writers[index].more(8).await;
        let node = match index {
            0 => &mut tiers.city,
            1 => &mut tiers.county,
            2 => &mut tiers.township,
            _ => &mut tiers.village,
        };
        let broken = writers[index].repeated();
        node.kill();
        node.start().await;
        writers[index].more(3).await;
        assert!(
            writers[index].repeated() > broken,
            "the kill met a write under way"
        );
    }
    let [city, county, township, village] = writers;
    let told = [
        city.stop().await,
        county.stop().await,
        township.stop().await,
        village.stop().await,
    ];
    agree(&tiers.all()).await;
    holds_exactly(&tiers, &told).await;
    for (node, boots) in [
        (&tiers.city, 2),
        (&tiers.county, 3),
        (&tiers.township, 2),
        (&tiers.village, 3),
    ] {
        assert_eq!(node.desk().status().await.boot, boots, "{}", node.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn links_cut_and_healed_at_random_moments_leave_the_same_end() {
    let ground = City::new();
    let tiers = FourTiers::found(&ground).await;
    let writers = tiers.all().map(|node| Writers::start(&node.desk()));
    let mut seed = 2023;
    let before: usize = tiers.wires.iter().map(|wire| wire.connections()).sum();
    for _ in 0..24 {
        let wire = &tiers.wires[usize::try_from(next(&mut seed, 3)).unwrap()];
        writers[3]
            .more(usize::try_from(next(&mut seed, 6)).unwrap())
            .await;
        wire.cut();
        writers[2]
            .more(usize::try_from(next(&mut seed, 6)).unwrap())
            .await;
        wire.mend();
    }
    let [city, county, township, village] = writers;
    let told = [
        city.stop().await,
        county.stop().await,
        township.stop().await,
        village.stop().await,
    ];
    agree(&tiers.all()).await;
    holds_exactly(&tiers, &told).await;
    let after: usize = tiers.wires.iter().map(|wire| wire.connections()).sum();
    assert!(after > before, "links were dialled again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_store_deleted_or_filled_with_garbage_is_rebuilt_from_the_journal() {
    let ground = City::new();
    let mut city = ground.found("德州市").await;
    let mut county = ground.join(&city, "德城区", 40).await;
    for _ in 0..12 {
        county.desk().register("邻居装修噪声").await;
    }
    agree(&[&city, &county]).await;
    let before = county.desk().digest().await;
    let store = county.data.join("store");

    assert!(county.stop().await.success());
    std::fs::remove_dir_all(&store).unwrap();
    county.start().await;
    assert_eq!(county.desk().digest().await.cases, before.cases);
    assert_eq!(county.desk().all_cases().await.len(), 12);

    assert!(county.stop().await.success());
    for file in files(&store) {
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(&file, vec![0xa5; bytes.len().max(64)]).unwrap();
    }
    county.start().await;
    county.logs(&["the store was set aside"]).await;
    assert_eq!(county.desk().digest().await.heads, before.heads);
    assert_eq!(county.desk().all_cases().await.len(), 12);
    county.desk().register("重建之后").await;
    agree(&[&city, &county]).await;

    city.kill();
    std::fs::remove_dir_all(city.data.join("store")).unwrap();
    city.start().await;
    agree(&[&city, &county]).await;
    assert_eq!(city.desk().all_cases().await.len(), 13);
}
