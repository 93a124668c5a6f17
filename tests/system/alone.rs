//! A village without a link.

use fengqiao_proto::v1 as pb;
use fengqiao_tests::city::desk::{Desk, close, register, reply};
use fengqiao_tests::city::{City, DAY_MS, FourTiers, agree};
use fengqiao_tests::kit::moves::{Whose, accept, required_role, whose};
use std::collections::BTreeSet;

const DAYS: usize = 30;
const CASES_A_DAY: usize = 10;

async fn one_day(village: &Desk, second: &Desk, third: &Desk) -> Vec<String> {
    let mut cases = Vec::new();
    for _ in 0..CASES_A_DAY {
        cases.push(village.register("邻居装修噪声").await.case);
    }
    let settled = &cases[0];
    village.moves(settled, [accept()]).await;
    for mv in reply().into_iter().chain(close()) {
        let who = match whose(&mv) {
            Whose::Approver => second,
            Whose::Judge => third,
            Whose::Worker => village,
        };
        let texts: Vec<_> = required_role(&mv)
            .map(|role| (role, "已处理"))
            .into_iter()
            .collect();
        who.act(settled, mv, &texts).await.unwrap();
    }
    cases
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_village_works_alone_for_a_month_and_all_of_it_arrives() {
    let ground = City::new();
    let tiers = FourTiers::found(&ground).await;
    let village = tiers.village.desk();
    let before = village.register("断网之前").await;
    agree(&tiers.all()).await;
    tiers.wires[2].cut();
    tiers.township.desk().link_runs("新华社区", false).await;
    let second = village.second().await;
    let third = village.third().await;
    let mut cases = vec![before.case];
    for _ in 0..DAYS {
        cases.extend(one_day(&village, &second, &third).await);
        ground.time.advance(DAY_MS);
        tiers.all().iter().for_each(|node| node.set_clock());
    }
    let refused = village.act(&cases[1], register(), &[]).await;
    assert!(refused.is_err(), "a refusal in between leaves no trace");
    assert_eq!(
        tiers.township.desk().all_cases().await.len(),
        1,
        "nothing passed the cut wire"
    );
    let owed = village.link("新华街道").await.unwrap();
    assert!(owed.owed >= 300 && !owed.connected, "{owed:?}");

    tiers.wires[2].mend();
    agree(&tiers.all()).await;
    let written: BTreeSet<String> = cases.iter().cloned().collect();
    assert_eq!(written.len(), 1 + DAYS * CASES_A_DAY);
    for node in tiers.all() {
        let seen = node.desk().all_cases().await;
        let numbers: BTreeSet<&String> = seen.iter().map(|case| &case.number).collect();
        assert_eq!(
            numbers.len(),
            written.len(),
            "{}: numbers stand once",
            node.name
        );
        assert_eq!(
            seen.iter()
                .map(|case| case.case.clone())
                .collect::<BTreeSet<_>>(),
            written,
            "{}",
            node.name
        );
        assert_eq!(seen.len(), written.len(), "{}: nothing doubled", node.name);
        let closed = seen.iter().filter(|case| case.stage == "closed").count();
        assert_eq!(closed, DAYS, "{}", node.name);
    }
    let here = village.case(&cases[1]).await.unwrap();
    let above = tiers.township.desk().case(&cases[1]).await.unwrap();
    assert_eq!(here.entries.len(), 9);
    let hashes = |case: &pb::CaseView| {
        case.entries
            .iter()
            .map(|entry| entry.hash.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        hashes(&here),
        hashes(&above),
        "the whole chain stands one hop up"
    );
    assert_eq!(
        village
            .sees(&cases[1], "settled at the top", |case| case.standing()
                == pb::Standing::AtTop)
            .await
            .head,
        here.head
    );
}
