//! The main job: a case goes up, its decision comes down; a village works alone.

use fengqiao_proto::v1 as pb;
use fengqiao_tests::city::desk::{close, dispatch, escalate, reply, take};
use fengqiao_tests::city::{City, FourTiers, agree};
use pb::command::Move;

fn accept() -> Move {
    Move::Accept(pb::Accept {})
}

fn sign() -> Move {
    Move::SignFor(pb::SignFor {})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_case_goes_up_four_tiers_and_its_decision_comes_down() {
    let ground = City::new();
    let tiers = FourTiers::found(&ground).await;
    let [city, county, township, village] = tiers.all().map(|node| node.desk());
    let case = village.register("邻居装修噪声").await.case;
    village.moves(&case, [accept(), escalate()]).await;
    township.sees_move(&case, "escalate", "新华社区").await;
    township.moves(&case, [take(), escalate()]).await;
    county.sees_move(&case, "escalate", "新华街道").await;
    county.moves(&case, [take(), escalate()]).await;
    city.sees_move(&case, "escalate", "德城区").await;
    let decided = [take(), Move::Decide(pb::Decide {}), dispatch("德城区")];
    city.moves(&case, decided).await;
    county.sees_move(&case, "dispatch", "德州市").await;
    county.moves(&case, [sign(), dispatch("新华街道")]).await;
    township.sees_move(&case, "dispatch", "德城区").await;
    township.moves(&case, [sign(), dispatch("新华社区")]).await;
    village.sees_move(&case, "dispatch", "新华街道").await;
    village.moves(&case, [sign()]).await;
    village.moves(&case, reply()).await;
    let rest = || reply().into_iter().skip(1);
    township.sees_move(&case, "send-reply", "新华社区").await;
    township.moves(&case, [take()]).await;
    township.moves(&case, rest()).await;
    county.sees_move(&case, "send-reply", "新华街道").await;
    county.moves(&case, [take()]).await;
    county.moves(&case, rest()).await;
    city.sees_move(&case, "send-reply", "德城区").await;
    city.moves(&case, [take()]).await;
    city.moves(&case, close()).await;
    let head = city.case(&case).await.unwrap().head;
    for desk in [&county, &township, &village] {
        let seen = desk.sees_stage(&case, "closed").await;
        assert_eq!(seen.head, head);
        assert_eq!(seen.outcome, city.case(&case).await.unwrap().outcome);
        assert!(
            seen.entries.iter().any(|entry| entry.r#move == "decide"),
            "the decision is here"
        );
    }
    agree(&tiers.all()).await;
}
