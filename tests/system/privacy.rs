//! What people said about themselves stands nowhere in clear.

use fengqiao_proto::v1 as pb;
use fengqiao_tests::city::desk::{act, close, dispatch, quarrel, refusal};
use fengqiao_tests::city::{City, FourTiers, agree, files};
use fengqiao_tests::kit::moves::{self, Action};

/// Words that stand nowhere else.
const CANARIES: [&str; 6] = [
    "canaryname金丝雀",
    "13900009487",
    "canaryaddress青龙巷",
    "canarytext邻居装修噪声",
    "canaryreason调解不成",
    "canaryreply已约谈",
];

fn find(bytes: &[u8], word: &str) -> bool {
    bytes
        .windows(word.len())
        .any(|window| window == word.as_bytes())
}

fn with_requester() -> Action {
    moves::register(pb::Register {
        requester: Some(pb::Requester {
            name: CANARIES[0].to_owned(),
            phone: CANARIES[1].to_owned(),
            address: CANARIES[2].to_owned(),
        }),
        ..quarrel()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn no_word_about_a_person_stands_in_a_log_a_file_or_an_error() {
    let mut ground = City::new();
    ground.settings.push("log.filter=trace".to_owned());
    let mut tiers = FourTiers::found(&ground).await;
    let [city, county, township, village] = tiers.all().map(|node| node.desk());
    let case = village
        .act("", with_requester(), &[("text", CANARIES[3])])
        .await
        .unwrap()
        .case;
    village.moves(&case, [moves::accept()]).await;
    village
        .act(&case, moves::escalate(), &[("reason", CANARIES[4])])
        .await
        .unwrap();
    township.sees_move(&case, "escalate", "新华社区").await;
    township.moves(&case, [moves::take()]).await;
    township
        .act(&case, moves::escalate(), &[("reason", CANARIES[4])])
        .await
        .unwrap();
    county.sees_move(&case, "escalate", "新华街道").await;
    county.moves(&case, [moves::take()]).await;
    county
        .act(&case, moves::escalate(), &[("reason", CANARIES[4])])
        .await
        .unwrap();
    city.sees_move(&case, "escalate", "德城区").await;
    city.moves(&case, [moves::take(), dispatch("德城区")]).await;
    county.sees_move(&case, "dispatch", "德州市").await;
    county
        .moves(&case, [moves::sign_for(), moves::take_action()])
        .await;
    let draft = moves::draft_reply(true);
    county
        .act(&case, draft, &[("reply", CANARIES[5])])
        .await
        .unwrap();
    county
        .moves(&case, [moves::approve_reply(), moves::send_reply()])
        .await;
    city.sees_move(&case, "send-reply", "德城区").await;
    city.moves(&case, [moves::take()]).await;
    city.moves(&case, close()).await;
    agree(&tiers.all()).await;

    let read = city.case_with_texts(&case).await.unwrap();
    let texts: String = read
        .entries
        .iter()
        .flat_map(|entry| &entry.texts)
        .map(|text| text.text.as_str())
        .collect();
    for canary in CANARIES {
        assert!(
            texts.contains(canary),
            "{canary} is readable at the tier that handled it"
        );
    }
    errors_say_nothing(&village, &case).await;

    for node in [
        &mut tiers.village,
        &mut tiers.township,
        &mut tiers.county,
        &mut tiers.city,
    ] {
        assert!(node.stop().await.success());
        assert!(node.log_text().contains("TRACE"), "the log is at trace");
    }
    let all = files(ground.root());
    assert!(
        all.iter()
            .any(|file| file.ends_with("keys") || file.to_str().unwrap().contains("journal"))
    );
    for file in all {
        let bytes = std::fs::read(&file).unwrap();
        for canary in CANARIES {
            assert!(
                !find(&bytes, canary),
                "{canary} stands in {}",
                file.display()
            );
        }
    }
}

async fn errors_say_nothing(desk: &fengqiao_tests::city::desk::Desk, case: &str) {
    let long = format!("{}{}", CANARIES[3], "长".repeat(20_000));
    let rough = format!("{}\u{7}", CANARIES[3]);
    let asked = [
        act("", with_requester(), &[("text", &long)]),
        act("", with_requester(), &[("text", &rough)]),
        act("", with_requester(), &[(CANARIES[3], "x")]),
        act(case, moves::escalate(), &[("reason", CANARIES[4])]),
    ];
    for request in asked {
        let status = desk.ask(request).await.unwrap_err();
        for canary in CANARIES {
            let told = format!("{status:?} {:?}", refusal(&status));
            assert!(
                !told.contains(canary) && !find(status.details(), canary),
                "{told}"
            );
        }
    }
}
