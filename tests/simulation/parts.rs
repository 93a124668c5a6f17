//! Who asks and what is said: two parts of one entry, each under a key of its own.

use fengqiao_hub::entry::{Draft, Entry};
use fengqiao_hub::id::{ChainId, NodeId};
use fengqiao_hub::payload::{self, ChainKey, Part};
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::moves;
use fengqiao_tests::world::forger::{item, registered};
use fengqiao_tests::world::{World, parked};

use super::{FourTiers, four_tiers, run};

const NAME: &str = "张三";
const TEXT: &str = "邻居装修噪声";

fn key(byte: u8) -> ChainKey {
    ChainKey {
        key: [byte; 32],
        salt: [byte + 100; 32],
    }
}

fn content() -> pb::PrivateContent {
    pb::PrivateContent {
        requester: Some(pb::Requester {
            name: NAME.into(),
            ..Default::default()
        }),
        texts: vec![pb::PrivateText {
            role: "text".into(),
            text: TEXT.into(),
        }],
    }
}

/// Name and text of a case as a node can open them.
fn opened(world: &World, node: NodeId, case: ChainId) -> (Option<String>, Option<String>) {
    let node = &world.nodes[&node];
    let chain = world.chain(node.me.at.node, case);
    let (first, _) = chain.standing().into_iter().next().unwrap();
    let payloads = first.signed.payloads.iter();
    let contents: Vec<_> = payloads
        .filter_map(|sealed| node.vault.open(case, sealed))
        .collect();
    let who = contents
        .iter()
        .find_map(|content| content.requester.clone());
    let what = contents.iter().find_map(|content| content.texts.first());
    (who.map(|who| who.name), what.map(|what| what.text.clone()))
}

#[test]
fn who_asks_and_what_is_said_go_up_together_and_open_apart() {
    let mut tiers = four_tiers();
    let asked = moves::register(moves::intake(pb::Channel::Window, "disputes-neighbours"));
    let world = &mut tiers.world;
    let answer = world.act_with(tiers.township, "admin", None, asked, Some(content()));
    let case: ChainId = answer.unwrap().case.parse().unwrap();
    run(
        world,
        tiers.township,
        case,
        &[moves::accept(), moves::escalate()],
    );
    world.settle();
    let both = (Some(NAME.to_owned()), Some(TEXT.to_owned()));
    for node in [tiers.township, tiers.county] {
        assert_eq!(opened(&tiers.world, node, case), both);
        let vault = &tiers.world.nodes[&node].vault;
        let keys = Part::ALL.map(|part| vault.key(case, part).unwrap());
        assert_ne!(keys[0].key, keys[1].key);
        assert_ne!(keys[0].salt, keys[1].salt);
    }
}

#[test]
fn what_is_said_opens_for_a_neighbour_from_whom_the_person_is_withheld() {
    let FourTiers {
        mut world,
        county,
        township,
        ..
    } = four_tiers();
    let case = ChainId::drawn(pb::ChainKind::Case, [1; 15]);
    let secret = |part: Part, key: &ChainKey| pb::ChainSecret {
        salt: key.salt.to_vec(),
        wrapped_key: [&county.0[..], &part.secret_id(case).0, &key.key].concat(),
        part: part.to_wire().into(),
    };
    let entry = entry_of(&mut world, township, case);
    let told = pb::Item {
        secrets: vec![secret(Part::Text, &key(1))],
        ..item(&entry)
    };
    world.hand(county, township, vec![told]);
    assert_eq!(opened(&world, county, case), (None, Some(TEXT.to_owned())));

    // What is told of the person later opens it.
    let again = pb::Item {
        secrets: vec![secret(Part::Person, &key(2))],
        ..item(&entry)
    };
    world.hand(county, township, vec![again]);
    let both = (Some(NAME.to_owned()), Some(TEXT.to_owned()));
    assert_eq!(opened(&world, county, case), both);
}

#[test]
fn a_salt_that_is_not_the_one_committed_to_proves_nothing_of_either_part() {
    for wrong in Part::ALL {
        let FourTiers {
            mut world,
            county,
            township,
            ..
        } = four_tiers();
        let case = ChainId::drawn(pb::ChainKind::Case, [1; 15]);
        let entry = entry_of(&mut world, township, case);
        let told = |part: Part, salt: [u8; 32]| pb::ChainSecret {
            salt: salt.to_vec(),
            wrapped_key: Vec::new(),
            part: part.to_wire().into(),
        };
        let told = pb::Item {
            secrets: vec![
                told(Part::Text, key(1).salt),
                told(Part::Person, key(2).salt),
                told(wrong, [9; 32]),
            ],
            ..item(&entry)
        };
        let mut first = told.clone();
        first.secrets.rotate_right(1);
        world.hand(county, township, vec![first]);
        let held = |world: &World, part: Part| {
            let vault = &world.nodes[&county].vault;
            vault.secret(part.secret_id(case)).unwrap().proven
        };
        for part in Part::ALL {
            assert_eq!(held(&world, part), part != wrong);
        }
        world.hand(county, township, vec![told]);
        assert!(Part::ALL.into_iter().all(|part| held(&world, part)));
        assert!(parked(&world.nodes[&county].views).is_empty());
    }
}

/// A case of a name and a text under two keys.
fn entry_of(world: &mut World, node: NodeId, case: ChainId) -> Entry {
    let mut forger = world.forger(node);
    let content = content();
    let sealed = payload::parts(&content)
        .zip(1..)
        .map(|((part, content), byte)| {
            let key = key(byte);
            let sealed = payload::seal(&key, (part, case), [byte; 24], &content).unwrap();
            let commitment = payload::commitment(&key.salt, &sealed);
            (sealed, commitment)
        });
    let draft = Draft {
        payloads: sealed.collect(),
        ..forger.opening(case, registered("1", "urban-roads"))
    };
    forger.sign(draft)
}
