//! What is signed and is no entry comes before the registry that names its author: it is put aside and taken in later
//! (PROTOCOL.md 6, 12, 22). What is wrong is refused.

use fengqiao_hub::id::{ChainId, NodeId, SubmissionId};
use fengqiao_hub::signed;
use fengqiao_hub::submission::Submission;
use fengqiao_node::engine::Administration;
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::moves;
use fengqiao_tests::world::{Backup, World, parked};
use prost::Message as _;

use super::acts::decision;
use super::lanes::{body, hand};
use super::{FourTiers, close, four_tiers, register, reply, run};

/// A world in which the link above the township is cut, and the village has a new machine that only the township knows.
fn stranger_below() -> (FourTiers, ChainId) {
    let mut tiers = four_tiers();
    let case = register(&mut tiers.world, tiers.village);
    run(&mut tiers.world, tiers.village, case, &[moves::accept()]);
    replaced_below(&mut tiers);
    (tiers, case)
}

/// The same, and the county has taken the case: what the village does about it is a submission.
fn stranger_who_submits() -> (FourTiers, ChainId) {
    let mut tiers = four_tiers();
    let case = register(&mut tiers.world, tiers.village);
    let take = decision();
    run(&mut tiers.world, tiers.village, case, &[moves::accept()]);
    tiers.world.settle();
    run(&mut tiers.world, tiers.county, case, &[take]);
    replaced_below(&mut tiers);
    (tiers, case)
}

/// Cuts the link above the township, and puts a new machine into the village.
fn replaced_below(tiers: &mut FourTiers) {
    tiers.world.settle();
    tiers.world.cut.insert(tiers.township);
    tiers.world.lose(tiers.village);
    tiers.village = tiers.world.recover(tiers.village, &Backup::default());
    tiers.world.settle();
}

fn carry_all(world: &mut World, from: NodeId, to: NodeId, lane: pb::Lane) {
    while world.carry(from, to, lane) {}
}

fn refused(world: &World, node: NodeId) -> Vec<String> {
    let alarms = world.nodes[&node].engine.alarms();
    let refused = alarms.into_iter().filter(|alarm| alarm.contains("REFUSED"));
    refused.collect()
}

#[test]
fn a_submission_of_who_is_not_known_yet_waits_and_takes_effect_once() {
    let (tiers, case) = stranger_who_submits();
    let FourTiers {
        mut world,
        county,
        township,
        village,
        ..
    } = tiers;
    run(&mut world, village, case, &[moves::supplement()]);
    world.settle();
    let before = world.chain(county, case).tree.len();

    // The cases lane is faster than the one that carries the registry.
    carry_all(&mut world, township, county, pb::Lane::Cases);
    let waits = [format!("REGISTRY_AWAITED of {case}")];
    assert_eq!(parked(&world.nodes[&county].views), waits);
    assert_eq!(world.nodes[&county].engine.counts().parked, 1);
    world.restart(county);
    assert_eq!(
        parked(&world.nodes[&county].views),
        waits,
        "after a restart"
    );
    assert_eq!(world.chain(county, case).tree.len(), before);

    world.cut.clear();
    world.settle();
    assert_eq!(world.chain(county, case).tree.len(), before + 1);
    assert!(parked(&world.nodes[&county].views).is_empty());
    assert_eq!(world.nodes[&county].engine.counts().parked, 0);
    assert_eq!(world.nodes[&village].engine.counts().submissions, 0);
    assert!(refused(&world, county).is_empty());
    world.assert_links_agree();
    world.assert_stores_follow_their_journals();
}

#[test]
fn a_lane_stands_still_where_no_more_may_wait_and_nothing_of_it_is_lost() {
    let (tiers, case) = stranger_who_submits();
    let FourTiers {
        mut world,
        county,
        township,
        village,
        ..
    } = tiers;
    let supplements = [(); 4].map(|()| moves::supplement());
    run(&mut world, village, case, &supplements);
    world.settle();
    let before = world.chain(county, case).tree.len();
    world.parked_max = 2;
    world.restart(county);
    for _ in 0..2 {
        world.carry(township, county, pb::Lane::Cases);
        assert_eq!(parked(&world.nodes[&county].views).len(), 2);
    }
    let alarms = world.nodes[&county].engine.alarms();
    assert_eq!(alarms, [format!("PARKED_FULL: {township}")]);
    let views = &world.nodes[&township].views;
    let owed = views.lane(county, pb::Lane::Cases).unwrap().owed;
    let receipt = views.receipt(county, pb::Lane::Cases).unwrap();
    assert_eq!(receipt.acknowledged + 2, owed, "what found no room is owed");

    world.cut.clear();
    world.settle();
    assert!(parked(&world.nodes[&county].views).is_empty());
    assert_eq!(world.chain(county, case).tree.len(), before + 4);
    world.assert_links_agree();
    world.assert_stores_follow_their_journals();
}

#[test]
fn a_figure_of_who_is_not_known_yet_waits_and_counts() {
    let (tiers, case) = stranger_below();
    let FourTiers {
        mut world,
        city,
        county,
        township,
        village,
    } = tiers;
    run(&mut world, village, case, &reply());
    run(&mut world, village, case, &close());
    world.settle();
    carry_all(&mut world, township, county, pb::Lane::Bulk);
    let waits = parked(&world.nodes[&county].views);
    assert!(!waits.is_empty() && waits.iter().all(|row| row.starts_with("REGISTRY_AWAITED")));
    world.cut.clear();
    world.settle();
    let tallies = world.nodes[&city].views.tallies().unwrap();
    let closed = tallies
        .iter()
        .filter(|tally| tally.node == village.to_vec())
        .flat_map(|tally| &tally.counts)
        .find(|count| count.name == "close.outcome_solved");
    assert_eq!(closed.unwrap().count, 1);
    assert!(parked(&world.nodes[&county].views).is_empty());
    assert!(refused(&world, county).is_empty());
}

/// A case of a village whose township has a new machine that the city does not know yet; a level stands between county
/// and township.
struct FarBelow {
    world: World,
    city: NodeId,
    county: NodeId,
    area: NodeId,
    township: NodeId,
    case: ChainId,
}

fn far_below() -> FarBelow {
    let (mut world, city) = World::new(7);
    let county = world.add(city, "德城区", 40);
    let area = world.add(county, "东片区", 45);
    let township = world.add(area, "新华街道", 50);
    let village = world.add(township, "新华社区", 60);
    world.settle();
    let case = register(&mut world, village);
    world.settle();
    world.cut.insert(county);
    world.lose(township);
    let township = world.recover(township, &Backup::default());
    world.introduce(township, village);
    world.settle();
    run(&mut world, village, case, &[moves::accept()]);
    world.settle();
    FarBelow {
        world,
        city,
        county,
        area,
        township,
        case,
    }
}

impl FarBelow {
    /// The cases lane arrives at the city before the registry does.
    fn notices_come_first(&mut self) {
        carry_all(&mut self.world, self.county, self.city, pb::Lane::Cases);
        let waits = parked(&self.world.nodes[&self.city].views);
        // What the new machine was handed and told on, and what has happened since.
        let waiting = format!("REGISTRY_AWAITED of {}", self.case);
        assert_eq!(waits, [waiting.clone(), waiting]);
        self.world.cut.clear();
    }

    fn shown(mut self) -> pb::Notice {
        self.world.settle();
        let views = &self.world.nodes[&self.city].views;
        assert!(parked(views).is_empty());
        assert!(refused(&self.world, self.city).is_empty());
        self.world.assert_links_agree();
        self.world.assert_stores_follow_their_journals();
        views.notice(self.case).unwrap().unwrap()
    }
}

#[test]
fn a_notice_of_who_is_not_known_yet_waits_and_is_shown() {
    let mut far = far_below();
    far.notices_come_first();
    let township = far.township;
    let notice = far.shown();
    assert_eq!(notice.author, township.to_vec());
    assert_eq!(notice.stage, "accepted");
}

#[test]
fn a_notice_that_waited_gives_way_to_a_later_one_that_did_not() {
    let mut far = far_below();
    let take = decision();
    run(&mut far.world, far.area, far.case, &[take]);
    far.world.settle();
    far.notices_come_first();
    let county = far.county;
    let notice = far.shown();
    assert_eq!(notice.author, county.to_vec());
    assert!(!notice.rank.is_empty(), "taken by the area");
}

#[test]
fn a_refusal_and_a_count_of_who_is_not_known_yet_wait_too() {
    let (tiers, case) = stranger_below();
    let FourTiers {
        mut world,
        county,
        township,
        village,
        ..
    } = tiers;
    let directive = issued(&mut world, county);
    let me = &world.nodes[&village].me;
    let refusal = pb::Refusal {
        submission: vec![4; 16],
        case: case.to_vec(),
        code: "STAGE_FORBIDS".into(),
        author: village.to_vec(),
        to: county.to_vec(),
    };
    let count = pb::DirectiveCount {
        directive: directive.to_vec(),
        place: me.at.place.to_vec(),
        node: village.to_vec(),
        version: 1,
        acknowledged: vec![me.at.place.to_vec()],
        reported: vec![],
    };
    let items = vec![
        (
            pb::ItemKind::Refusal,
            signed::sign(&refusal, &me.signing_key),
        ),
        (
            pb::ItemKind::DirectiveCount,
            signed::sign(&count, &me.signing_key),
        ),
    ];
    let place = me.at.place;
    hand(&mut world, county, township, items);
    assert_eq!(parked(&world.nodes[&county].views).len(), 2);
    carry_all(&mut world, township, county, pb::Lane::Control);
    assert!(parked(&world.nodes[&county].views).is_empty());
    assert!(refused(&world, county).is_empty());
    let count = world.nodes[&county].views.directive_count(directive);
    assert!(count.unwrap().acknowledged.contains(&place.to_vec()));
}

fn issued(world: &mut World, node: NodeId) -> ChainId {
    let answer = world.direct(node).unwrap();
    let answer = pb::IssueDirectiveResponse::decode(&answer[..]).unwrap();
    answer.directive.parse().unwrap()
}

/// A submission by a village's node under some key, handed to the township.
fn submission(world: &World, village: NodeId, case: ChainId, key_of: NodeId) -> Vec<u8> {
    let me = &world.nodes[&village].me;
    let inner = pb::Submission {
        submission: SubmissionId([5; 16]).to_vec(),
        deployment: me.deployment.to_vec(),
        case: case.to_vec(),
        author: village.to_vec(),
        body: body(world, pb::body::Content::from(pb::Supplement::default())).encode_to_vec(),
        commitments: vec![],
        incarnation: me.incarnation,
    };
    let key = &world.nodes[&key_of].me.signing_key;
    Submission::sign(inner, vec![], key).encode_to_vec()
}

#[test]
fn what_is_wrong_is_refused_and_does_not_wait() {
    let FourTiers {
        mut world,
        county,
        township,
        village,
        ..
    } = four_tiers();
    let case = register(&mut world, village);
    world.settle();
    let forged = submission(&world, village, case, township);
    let notice = pb::Notice {
        author: county.to_vec(),
        case: vec![9; 16],
        ..Default::default()
    };
    let from_above = signed::sign(&notice, &world.nodes[&county].me.signing_key);
    let owed = |world: &World| world.nodes[&township].views.lane(village, pb::Lane::Cases);
    let before = owed(&world).unwrap().owed;
    let items = vec![
        (pb::ItemKind::Submission, forged),
        (pb::ItemKind::Notice, from_above),
    ];
    hand(&mut world, township, village, items);
    assert_eq!(
        refused(&world, township),
        [
            format!("NOTICE_REFUSED: PLACE from {village}"),
            format!("SUBMISSION_REFUSED: SIGNATURE from {village}")
        ]
    );
    assert!(parked(&world.nodes[&township].views).is_empty());
    let after = owed(&world).unwrap().owed;
    assert_eq!(after, before, "a refusal would end the author's own");
}

#[test]
fn what_a_distrusted_node_submitted_is_refused_and_waits_nowhere() {
    let FourTiers {
        mut world,
        county,
        township,
        village,
        ..
    } = four_tiers();
    let case = register(&mut world, village);
    let take = decision();
    run(&mut world, village, case, &[moves::accept()]);
    world.settle();
    run(&mut world, county, case, &[take]);
    world.settle();
    world.cut.insert(township);
    run(&mut world, village, case, &[moves::supplement()]);
    world.settle();
    assert_eq!(world.nodes[&township].engine.counts().submissions, 1);
    world
        .administer(township, "admin", Administration::Revoke(village))
        .unwrap();
    carry_all(&mut world, township, county, pb::Lane::Control);
    world.cut.clear();
    world.settle();
    assert_eq!(
        refused(&world, county),
        [format!("SUBMISSION_REFUSED: REVOKED from {township}")]
    );
    assert_eq!(world.nodes[&township].engine.counts().submissions, 0);
}

#[test]
fn what_a_successor_reports_of_a_directive_is_above_what_was_counted_before() {
    let FourTiers {
        mut world,
        county,
        township,
        village,
        ..
    } = four_tiers();
    let directive = issued(&mut world, county);
    world.settle();
    let answer = |executed: bool| Administration::AnswerDirective(directive, executed);
    world.administer(village, "admin", answer(false)).unwrap();
    world.settle();
    world.lose(village);
    let village = world.recover(village, &Backup::default());
    world.settle();
    assert!(refused(&world, village).is_empty());
    world.administer(village, "admin", answer(true)).unwrap();
    world.settle();
    assert!(refused(&world, township).is_empty());
    let count = world.nodes[&county].views.directive_count(directive);
    let place = world.nodes[&village].me.at.place.to_vec();
    let count = count.unwrap();
    assert!(count.acknowledged.contains(&place) && count.reported.contains(&place));
}
