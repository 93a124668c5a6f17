//! The main jobs: a case up and its decision down, a department with a node of its own, a directive and its count.

use fengqiao_proto::v1 as pb;
use fengqiao_tests::city::desk::{close, dispatch, reply};
use fengqiao_tests::city::{COUNTY, City, FourTiers, agree, until};
use fengqiao_tests::kit::moves::{
    accept, decide, dispatch_to_unit, draft_reply, escalate, sign_for, take, take_action,
};

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
    let decided = [take(), decide(), dispatch("德城区")];
    city.moves(&case, decided).await;
    county.sees_move(&case, "dispatch", "德州市").await;
    county
        .moves(&case, [sign_for(), dispatch("新华街道")])
        .await;
    township.sees_move(&case, "dispatch", "德城区").await;
    township
        .moves(&case, [sign_for(), dispatch("新华社区")])
        .await;
    village.sees_move(&case, "dispatch", "新华街道").await;
    village.moves(&case, [sign_for()]).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_department_with_its_own_node_signs_and_drafts_by_submission() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let county = ground.join(&city, "德城区", COUNTY).await;
    const UNIT: &str = "德城区城市管理局";
    county.desk().add_unit(UNIT).await;
    let token = county.desk().invite("", UNIT, 0).await;
    let mut department = ground.ground(UNIT);
    ground.redeem(&county, &department, &token);
    department.start().await;
    let (centre, unit) = (county.desk(), department.desk());
    let case = centre.register("路灯不亮").await.case;
    centre
        .moves(&case, [accept(), dispatch_to_unit(UNIT, 0)])
        .await;
    unit.sees_stage(&case, "dispatched").await;
    let signed = unit.act(&case, sign_for(), &[]).await.unwrap();
    assert!(signed.entry.is_empty(), "a department writes no entry");
    assert_eq!(signed.submission.len(), 26);
    centre.sees_stage(&case, "handling").await;
    unit.sees_stage(&case, "handling").await;
    for (mv, name) in [
        (take_action(), "take-action"),
        (draft_reply(true), "draft-reply"),
    ] {
        unit.moves(&case, [mv]).await;
        centre.sees_move(&case, name, "德城区").await;
        let what = format!("{name} comes back to the department");
        unit.sees(&case, &what, |case| case.pending_submissions.is_empty())
            .await;
    }
    let drafted = unit.sees_stage(&case, "drafted").await;
    assert_eq!(drafted.head, centre.case(&case).await.unwrap().head);
    agree(&[&city, &county, &department]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_directive_reaches_the_village_and_the_count_says_who_is_missing() {
    let ground = City::new();
    let tiers = FourTiers::found(&ground).await;
    let (city, village) = (tiers.city.desk(), tiers.village.desk());
    let issue = pb::IssueDirectiveRequest {
        request_id: "directive-1".to_owned(),
        text: "汛期值守".to_owned(),
        report_required: true,
        ..Default::default()
    };
    let issued = city
        .casework()
        .issue_directive(city.request(issue))
        .await
        .unwrap()
        .into_inner();
    let read = until("the directive at the village", async || {
        let asked = village.request(pb::ListDirectivesRequest {});
        let answer = village
            .casework()
            .list_directives(asked)
            .await
            .unwrap()
            .into_inner();
        answer.directives.into_iter().next()
    })
    .await;
    assert_eq!(
        (read.directive.as_str(), read.text.as_str()),
        (issued.directive.as_str(), "汛期值守")
    );
    let answer = |id: &str, executed| pb::AnswerDirectiveRequest {
        request_id: id.to_owned(),
        directive: issued.directive.clone(),
        executed,
    };
    for (id, executed) in [("read", false), ("done", true)] {
        village
            .casework()
            .answer_directive(village.request(answer(id, executed)))
            .await
            .unwrap();
    }
    let counted = until("the count at the city", async || {
        let asked = city.request(pb::ListDirectivesRequest {});
        let answer = city
            .casework()
            .list_directives(asked)
            .await
            .unwrap()
            .into_inner();
        answer
            .directives
            .into_iter()
            .find(|directive| directive.reported == 1)
    })
    .await;
    assert_eq!((counted.addressed, counted.acknowledged), (3, 1));
    let mut missing = counted.missing;
    missing.sort();
    assert_eq!(missing, ["德城区", "新华街道"]);
    agree(&tiers.all()).await;
}
