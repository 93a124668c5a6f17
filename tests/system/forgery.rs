//! A township whose machine was taken over: its certificate is sound, its entries are not.

use fengqiao_hub::entry::{Draft, Move};
use fengqiao_hub::id::{ChainId, Hash, NodeId};
use fengqiao_hub::rank::Rank;
use fengqiao_proto::v1 as pb;
use fengqiao_tests::city::intruder::Intruder;
use fengqiao_tests::city::{COUNTY, City, TOWNSHIP, agree, until};

/// A first entry of a case, as the intruder's node would write it.
fn opening(intruder: &Intruder, chain: u8, number: u64) -> Draft {
    let registered = pb::Register {
        number: format!("X{chain}"),
        channel: pb::Channel::Window.into(),
        class: "disputes-neighbours".to_owned(),
        urgency: pb::Urgency::Ordinary.into(),
        ..Default::default()
    };
    Draft {
        deployment: intruder.folder.identity.deployment,
        kind: pb::ChainKind::Case,
        chain: ChainId::drawn(pb::ChainKind::Case, [chain; 15]),
        rank: Rank::default(),
        sequence: 1,
        previous: None,
        author: intruder.node(),
        incarnation: 1,
        author_sequence: number,
        registry: Vec::new(),
        mv: Move::None,
        submission: None,
        kind_class: pb::KindClass::Opening,
        body: pb::Body {
            schema: 1,
            content: Some(registered.into()),
            ..Default::default()
        },
        payloads: Vec::new(),
    }
}

fn closing(draft: Draft, chain: ChainId, head: &pb::CaseView) -> Draft {
    let last = head.entries.last().unwrap();
    Draft {
        chain,
        sequence: last.sequence + 1,
        previous: Some(last.hash.parse_hash()),
        kind_class: pb::KindClass::Effect,
        body: pb::Body {
            schema: 1,
            content: Some(
                pb::Close {
                    outcome: pb::Outcome::Solved.into(),
                    ..Default::default()
                }
                .into(),
            ),
            ..Default::default()
        },
        ..draft
    }
}

trait ParseHash {
    fn parse_hash(&self) -> Hash;
}

impl ParseHash for String {
    fn parse_hash(&self) -> Hash {
        let bytes: Vec<u8> = (0..self.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&self[at..at + 2], 16).unwrap())
            .collect();
        Hash::from_bytes(&bytes).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn forged_entries_are_refused_with_an_alarm_and_stop_nothing_else() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let county = ground.join(&city, "德城区", COUNTY).await;
    let sound = ground.join(&county, "新湖街道", TOWNSHIP).await;
    let taken = ground.enrol(&county, "新华街道", TOWNSHIP).await;
    let upper = county.desk();
    let target = upper.register("县区自己的诉求").await.case;
    let theirs = sound.desk().register("别的街道的诉求").await.case;
    agree(&[&city, &county, &sound]).await;
    let before = upper.case(&target).await.unwrap();
    let digest = upper.digest().await.cases;

    let mut intruder = Intruder::dial(&taken).await;
    let key = intruder.folder.keys.signing.entry_key().clone();
    upper.link_runs("新华街道", true).await;

    // Its own name under a signature that is none.
    let mut bent = opening(&intruder, 1, 1).sign(&key);
    bent.signed.signature[5] ^= 1;
    intruder.send_entry(&bent).await;
    // A case it does not hold: the county's, and its neighbour's.
    for case in [&target, &theirs] {
        let chain: ChainId = case.parse().unwrap();
        let head = upper.case(case).await.unwrap();
        intruder
            .send_entry(&closing(opening(&intruder, 2, 2), chain, &head).sign(&key))
            .await;
    }
    // In the name of another node.
    let neighbour: NodeId = sound.desk().status().await.node.parse().unwrap();
    let mut draft = opening(&intruder, 3, 3);
    draft.author = neighbour;
    intruder.send_entry(&draft.sign(&key)).await;
    // A taking from below.
    let mut draft = closing(opening(&intruder, 4, 4), target.parse().unwrap(), &before);
    draft.mv = Move::Taken(None);
    draft.rank = Rank::from_wire(&[pb::RankPart {
        level: 40,
        generation: 1,
        counter: 1,
    }])
    .unwrap();
    intruder.send_entry(&draft.sign(&key)).await;
    // Bytes that are no entry.
    intruder.send(vec![0xff; 64]).await;

    let status = until("six alarms", async || {
        let status = upper.status().await;
        let refused = status
            .alarms
            .iter()
            .filter(|alarm| alarm.starts_with("ENTRY_REFUSED"));
        (refused.count() >= 6).then_some(status)
    })
    .await;
    let alarms = status.alarms.join("\n");
    assert!(
        alarms.contains("SIGNATURE") && alarms.contains("MALFORMED"),
        "{alarms}"
    );
    assert!(
        alarms.contains(&intruder.node().to_string()),
        "the alarm names the link: {alarms}"
    );
    // Bytes that are no entry are counted and not kept.
    assert_eq!(status.parked, 5, "{alarms}");
    assert_eq!(upper.digest().await.cases, digest, "no case changed");
    assert_eq!(upper.case(&target).await.unwrap().head, before.head);

    // Its lane goes on, and so does everyone else's.
    let honest = opening(&intruder, 9, 5).sign(&key);
    intruder.send_entry(&honest).await;
    let seen = upper
        .sees(&honest.chain.to_string(), "the honest case", |case| {
            !case.notice_only
        })
        .await;
    assert_eq!(seen.number, "X9");
    let other = sound.desk().register("其他街道照常").await.case;
    upper
        .sees(&other, "other traffic", |case| !case.entries.is_empty())
        .await;
    agree(&[&city, &county, &sound]).await;
}
