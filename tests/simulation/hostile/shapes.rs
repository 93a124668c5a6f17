//! Fields beyond their limits, in every message there is.

use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::ChainId;
use fengqiao_node::engine::Input;
use fengqiao_tests::world::forger::{bytes, item, registered};
use prost::Message as _;

use super::*;

const CLASS: &str = "disputes-neighbours";

#[test]
fn a_number_of_two_hundred_characters_is_refused_and_nothing_of_it_is_kept() {
    let mut tiers = four_tiers();
    let FourTiers {
        world,
        county,
        township,
        ..
    } = &mut tiers;
    let mut forger = world.forger(*township);
    let long = "9".repeat(200);
    let content = registered(&long, CLASS);
    let draft = forger.opening(case_id(1), content);
    let forged = forger.sign(draft);
    let before = journal_bytes(world, *county);
    world.hand(*county, *township, vec![item(&forged)]);
    assert_eq!(
        alarms(world, *county),
        [format!("ENTRY_REFUSED: MALFORMED from {township}")]
    );
    let refused = world.nodes[county].engine.refused();
    assert_eq!(
        (refused.items, refused.bytes),
        (1, forged.bytes().len() as u64)
    );
    let grown = journal_bytes(world, *county) - before;
    assert!(
        grown < forged.bytes().len() as u64,
        "{grown} bytes: only the cursor"
    );
    assert!(parked(&world.nodes[county].views).is_empty());
    all_goes_on(tiers);
}

#[test]
fn a_folder_that_an_older_version_poisoned_starts_and_parks_what_was_brought() {
    let mut tiers = four_tiers();
    let FourTiers {
        world,
        county,
        township,
        ..
    } = &mut tiers;
    let mut forger = world.forger(*township);
    let content = registered(&"9".repeat(200), CLASS);
    let first = forger.opening(case_id(1), content);
    let first = forger.sign(first);
    let second = forger.following(&first, pb::Accept::default());
    let second = forger.sign(second);
    // One of a kind that its chain is not.
    let ledger = ChainId::supervision_of(world.nodes[county].me.at.place);
    let disguised = forger.opening(ledger, registered("1", CLASS));
    let disguised = forger.sign(fengqiao_hub::entry::Draft {
        kind: pb::ChainKind::Case,
        ..disguised
    });
    let poison: Vec<Vec<u8>> = [first, second, disguised]
        .iter()
        .map(|entry| entry.bytes())
        .collect();
    world.restart_behind_entries(*county, &poison);
    let waits = parked(&world.nodes[county].views);
    assert_eq!(waits.len(), 3, "{waits:?}");
    assert!(
        waits
            .iter()
            .any(|row| row.starts_with("PREDECESSOR_AWAITED"))
    );
    assert_eq!(alarms(world, *county).len(), 3);
    world.restart(*county);
    assert_eq!(
        parked(&world.nodes[county].views),
        waits,
        "the same at each start"
    );
    all_goes_on(tiers);
}

#[test]
fn a_case_in_the_chain_of_a_places_ledger_is_refused_and_the_ledger_is_written() {
    let mut tiers = four_tiers();
    let FourTiers {
        world,
        county,
        township,
        ..
    } = &mut tiers;
    let county_place = world.nodes[county].me.at.place;
    let mut forger = world.forger(*township);
    let reserved = [
        ChainId::supervision_of(county_place),
        ChainId::administration_of(county_place, None),
        ChainId::of_place(world.nodes[township].me.at.place),
    ];
    let forged: Vec<pb::Item> = reserved
        .iter()
        .map(|chain| {
            let content = registered("1", CLASS);
            let draft = forger.opening(*chain, content);
            item(&forger.sign(fengqiao_hub::entry::Draft {
                kind: pb::ChainKind::Case,
                ..draft
            }))
        })
        .collect();
    world.hand(*county, *township, forged);
    assert_eq!(alarms(world, *county).len(), 3);
    // Also in its own name.
    let own = forger.opening(reserved[0], pb::RedWarned::default());
    let own = item(&forger.sign(own));
    world.hand(*county, *township, vec![own]);
    assert!(alarms(world, *county)[0].starts_with("ENTRY_REFUSED: NOT_CUSTODIAN"));

    let case = register(world, *county);
    run(world, *county, case, &[moves::accept()]);
    let to = crate::acts::dispatch_to(world, *township);
    run(world, *county, case, &[to]);
    world.now = Moment(world.now.0 + 40 * 24 * 3_600_000);
    let tick = Input::Tick {
        clock_believed: true,
    };
    world.process(*county, vec![tick]);
    let ledger = world.chain(*county, reserved[0]);
    assert_eq!(ledger.tree.len(), 1, "the warning stands in the ledger");
    all_goes_on(tiers);
}

#[test]
fn a_secret_of_a_thousand_bytes_is_passed_over_also_with_an_entry_that_nobody_signed() {
    let mut tiers = four_tiers();
    let FourTiers {
        world,
        county,
        township,
        ..
    } = &mut tiers;
    let mut forger = world.forger(*township);
    let secret = pb::ChainSecret {
        salt: vec![1; 32],
        wrapped_key: vec![2; 1_025],
        part: pb::PayloadPart::Text.into(),
    };
    let mut forged = Vec::new();
    for (byte, sign) in [(1, true), (2, false)] {
        let content = registered("1", CLASS);
        let draft = forger.opening(case_id(byte), content);
        let mut entry = forger.sign(draft);
        if !sign {
            entry.signed.signature = vec![0; 64];
        }
        forged.push(pb::Item {
            secrets: vec![secret.clone()],
            ..item(&entry)
        });
    }
    world.hand(*county, *township, forged);
    assert_eq!(
        world.chain(*county, case_id(1)).tree.len(),
        1,
        "the entry itself is sound"
    );
    assert_eq!(
        alarms(world, *county),
        [format!("ENTRY_REFUSED: SIGNATURE from {township}")]
    );
    for byte in [1, 2] {
        assert!(world.nodes[county].vault.secret(case_id(byte)).is_none());
    }
    all_goes_on(tiers);
}

#[test]
fn figures_notices_counts_refusals_and_submissions_beyond_their_limits_are_refused() {
    let mut tiers = four_tiers();
    let FourTiers {
        world,
        county,
        township,
        ..
    } = &mut tiers;
    let forger = world.forger(*township);
    let (place, node) = (forger.me.at.place.to_vec(), forger.me.at.node.to_vec());
    let tally = |class: &str, count| {
        forger.say(&pb::Tally {
            node: node.clone(),
            incarnation: 1,
            class: class.to_owned(),
            version: 1,
            counts: vec![pb::TallyCount {
                name: "register".into(),
                count,
            }],
            ..Default::default()
        })
    };
    let notice = |number: &str, stage: &str, sequence| {
        forger.say(&pb::Notice {
            case: case_id(1).to_vec(),
            number: number.to_owned(),
            stage: stage.to_owned(),
            sequence,
            head: vec![1; 32],
            custodian: place.clone(),
            author: node.clone(),
            ..Default::default()
        })
    };
    let count = forger.say(&pb::DirectiveCount {
        directive: ChainId::drawn(pb::ChainKind::Directive, [1; 15]).to_vec(),
        place: place.clone(),
        node: node.clone(),
        version: 1,
        acknowledged: vec![vec![1; 11]],
        ..Default::default()
    });
    let refusal = forger.say(&pb::Refusal {
        submission: vec![1; 16],
        case: case_id(1).to_vec(),
        code: "x".repeat(2_000),
        author: node.clone(),
        to: node.clone(),
    });
    let rating = pb::Rate {
        score: 4_000_000,
        ..Default::default()
    };
    let body = pb::Body {
        content: Some(rating.into()),
        ..Default::default()
    };
    let submission = pb::Submission {
        submission: vec![1; 16],
        deployment: forger.me.deployment.to_vec(),
        case: case_id(1).to_vec(),
        author: node.clone(),
        body: body.encode_to_vec(),
        ..Default::default()
    };
    let key = &forger.me.signing_key;
    let submission = fengqiao_hub::submission::Submission::sign(submission, vec![], key);
    let report = pb::ParkedReport {
        reason: "\u{1b}[2J".into(),
        ..Default::default()
    };
    let frame = pb::SealedFrame {
        frame: vec![1; 16],
        recipient: vec![1; 9],
        sealed: vec![],
    };
    let items = vec![
        bytes(pb::ItemKind::Tally, tally(&"x".repeat(200), 1)),
        bytes(pb::ItemKind::Tally, tally("roads", u64::MAX)),
        bytes(pb::ItemKind::Tally, tally("ro\u{202e}ads", 1)),
        bytes(
            pb::ItemKind::Notice,
            notice(&"9".repeat(200), "accepted", 1),
        ),
        bytes(
            pb::ItemKind::Notice,
            notice("9", "a\nERROR journal DAMAGED", 1),
        ),
        bytes(pb::ItemKind::Notice, notice("9", "accepted", u64::MAX)),
        bytes(pb::ItemKind::DirectiveCount, count),
        bytes(pb::ItemKind::Refusal, refusal),
        bytes(pb::ItemKind::Submission, submission.encode_to_vec()),
        bytes(pb::ItemKind::Parked, report.encode_to_vec()),
        bytes(pb::ItemKind::Sealed, frame.encode_to_vec()),
        bytes(pb::ItemKind::Unspecified, vec![7; 30_000]),
    ];
    let sent = items.len();
    let before = journal_bytes(world, *county);
    world.hand(*county, *township, items);
    let said = alarms(world, *county);
    assert_eq!(said.len(), sent, "{said:?}");
    let malformed = said.iter().filter(|alarm| alarm.contains("MALFORMED"));
    assert_eq!(malformed.count(), sent - 1);
    let refused = world.nodes[county].engine.refused();
    assert_eq!(refused.items, sent as u64);
    assert!(refused.bytes > 30_000);
    assert!(journal_bytes(world, *county) - before < 1_000);
    assert!(world.nodes[county].views.tallies().unwrap().is_empty());
    all_goes_on(tiers);
}

#[test]
fn what_makes_the_engine_fail_is_put_aside_unread_and_the_rest_of_its_group_is_taken_in() {
    let mut tiers = four_tiers();
    let FourTiers {
        world,
        county,
        township,
        ..
    } = &mut tiers;
    let mut forger = world.forger(*township);
    let secret = |wrapped_key: &[u8]| {
        vec![pb::ChainSecret {
            salt: vec![1; 32],
            wrapped_key: wrapped_key.to_vec(),
            part: pb::PayloadPart::Text.into(),
        }]
    };
    let content = || registered("1", CLASS);
    let mut opened = Vec::new();
    for byte in 1..=3 {
        let draft = forger.opening(case_id(byte), content());
        opened.push(forger.sign(draft));
    }
    let draft = forger.following(&opened[1], pb::Accept::default());
    let second = forger.sign(draft);
    let mut items: Vec<pb::Item> = opened.iter().map(item).collect();
    items[1].secrets = secret(b"");
    // The harness's own seal breaks on it, as a fault that nobody has foreseen would.
    let breaks = pb::Item {
        secrets: secret(b"break"),
        ..item(&second)
    };
    items.insert(2, breaks);
    world.faults_expected = true;
    world.hand(*county, *township, items);
    assert_eq!(world.nodes[county].engine.faults(), 1);
    for byte in 1..=3 {
        assert_eq!(world.chain(*county, case_id(byte)).tree.len(), 1);
    }
    let waits = parked(&world.nodes[county].views);
    assert!(
        waits.iter().all(|row| row.starts_with("CRASHED")),
        "{waits:?}"
    );
    let received = world.nodes[county].views.lane(*township, pb::Lane::Cases);
    assert_eq!(received.unwrap().received.unwrap().sequence, 4);
    world.restart(*county);
    assert_eq!(parked(&world.nodes[county].views), waits);
    all_goes_on(tiers);
}
