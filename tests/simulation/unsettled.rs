//! Acts with effect outside, done while the parent cannot know of them: marked with who did them, never refused, and
//! never passed over by who overtakes (PROTOCOL.md 11).

use fengqiao_hub::casework::Command;
use fengqiao_hub::id::{ChainId, NodeId};
use fengqiao_hub::refusal::Code;
use fengqiao_proto::v1 as pb;
use fengqiao_tests::world::World;
use pb::body::Content;

use super::acts::dispatch_to;
use super::{FourTiers, close, four_tiers, register, reply, run};

/// The entries with effect of a case: what each says, and whether it is marked, with whoever did it.
fn effects(world: &World, node: NodeId, case: ChainId) -> Vec<(&'static str, bool)> {
    let chain = world.chain(node, case);
    let mut entries: Vec<_> = chain.entries.values().map(|(entry, _)| entry).collect();
    entries.sort_by_key(|entry| entry.sequence);
    entries
        .iter()
        .filter(|entry| entry.kind_class == pb::KindClass::Effect)
        .inspect(|entry| assert_eq!(entry.body.actor.len(), 10, "a named person"))
        .map(|entry| {
            let name = fengqiao_hub::casework::name_of(entry.body.content.as_ref());
            (name, entry.body.unsettled)
        })
        .collect()
}

#[test]
fn an_effect_is_marked_unless_the_parent_is_reached_and_has_what_it_builds_on() {
    let FourTiers {
        mut world,
        city,
        county,
        township,
        village,
    } = four_tiers();
    let case = register(&mut world, village);
    run(&mut world, village, case, &[Command::Accept]);
    // Not yet stored above, though the link is up.
    run(&mut world, village, case, &[Command::Decide]);
    world.settle();
    run(&mut world, village, case, &[Command::Decide]);
    world.settle();
    // All is stored above, but nobody is reached.
    world.cut.insert(village);
    run(&mut world, village, case, &[Command::Decide]);
    world.cut.clear();
    world.settle();
    let expected = [("decide", true), ("decide", false), ("decide", true)];
    assert_eq!(
        effects(&world, township, case),
        expected,
        "the mark travels"
    );

    let first = register(&mut world, city);
    run(&mut world, city, first, &[Command::Accept, Command::Decide]);
    assert_eq!(
        effects(&world, city, first),
        [("decide", false)],
        "top: on sync"
    );
    let sent = register(&mut world, county);
    let down = dispatch_to(&world, township);
    run(&mut world, county, sent, &[Command::Accept, down]);
    world.settle();
    let taken = world.chain(township, sent);
    assert!(matches!(
        taken.standing().last().unwrap().0.body.content,
        Some(Content::Dispatched(_))
    ));
    run(&mut world, township, sent, &[Command::SignFor]);
    world.settle();
    run(&mut world, township, sent, &[Command::Decide]);
    assert_eq!(effects(&world, township, sent), [("decide", false)]);
}

#[test]
fn an_effect_that_was_overtaken_is_adopted_or_declined_with_a_reason_before_the_closing() {
    let FourTiers {
        mut world,
        township,
        village,
        ..
    } = four_tiers();
    let case = register(&mut world, village);
    run(&mut world, village, case, &[Command::Accept]);
    world.settle();
    world.cut.insert(village);
    run(
        &mut world,
        village,
        case,
        &[Command::TakeAction, Command::Decide],
    );
    let take = Command::Take {
        reason: pb::TakingReason::Dark,
    };
    run(&mut world, township, case, &[take]);
    run(&mut world, township, case, &reply());
    world.cut.clear();
    world.settle();
    let chain = world.chain(township, case);
    let annex = chain.tree.annex();
    let is_effect = |entry| chain.entries[entry].0.kind_class == pb::KindClass::Effect;
    let (effect, work) = if is_effect(&annex[0]) {
        (annex[0], annex[1])
    } else {
        (annex[1], annex[0])
    };
    let [visit, rate, closing] = close().try_into().unwrap();
    run(&mut world, township, case, &[visit, rate]);
    let closed = |world: &mut World| world.act(township, "admin", Some(case), closing.clone(), &[]);
    assert_eq!(World::code(&closed(&mut world)), Some(Code::AnnexOpen));
    run(
        &mut world,
        township,
        case,
        &[Command::DeclineAnnex { entry: work }],
    );
    for texts in [&[][..], &[("reason", "  ")], &[("text", "另有决定")]] {
        let decline = Command::DeclineAnnex { entry: effect };
        let refused = world.act(township, "admin", Some(case), decline, texts);
        assert_eq!(World::code(&refused), Some(Code::Empty), "{texts:?}");
    }
    assert_eq!(World::code(&closed(&mut world)), Some(Code::AnnexOpen));
    let decline = Command::DeclineAnnex { entry: effect };
    let reason = [("reason", "已另行处理，已告知诉求人")];
    world
        .act(township, "admin", Some(case), decline, &reason)
        .unwrap();
    closed(&mut world).unwrap();
    world.settle();
    let told = world.chain(village, case);
    assert!(!told.case.unwrap().annex_decided[&effect].adopted);
    assert!(world.can_open(village, case), "its author reads the reason");
    world.assert_links_agree();
}
