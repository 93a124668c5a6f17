//! Acts with effect outside, done while the parent cannot know of them: marked with who did them, never refused, and
//! never passed over by who overtakes (PROTOCOL.md 11).

use fengqiao_hub::casework::name_of;
use fengqiao_hub::id::{ChainId, NodeId};
use fengqiao_hub::refusal::Code;
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::moves;
use fengqiao_tests::world::World;

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
    run(&mut world, village, case, &[moves::accept()]);
    // Not yet stored above, though the link is up.
    run(&mut world, village, case, &[moves::decide()]);
    world.settle();
    run(&mut world, village, case, &[moves::decide()]);
    world.settle();
    // All is stored above, but nobody is reached.
    world.cut.insert(village);
    run(&mut world, village, case, &[moves::decide()]);
    world.cut.clear();
    world.settle();
    let expected = [("decide", true), ("decide", false), ("decide", true)];
    assert_eq!(
        effects(&world, township, case),
        expected,
        "the mark travels"
    );

    let first = register(&mut world, city);
    run(&mut world, city, first, &[moves::accept(), moves::decide()]);
    assert_eq!(
        effects(&world, city, first),
        [("decide", false)],
        "top: on sync"
    );
    let sent = register(&mut world, county);
    let down = dispatch_to(&world, township);
    run(&mut world, county, sent, &[moves::accept(), down]);
    world.settle();
    let taken = world.chain(township, sent);
    let last = taken.standing().last().unwrap().0.clone();
    assert_eq!(name_of(last.body.content.as_ref()), "dispatch");
    run(&mut world, township, sent, &[moves::sign_for()]);
    world.settle();
    run(&mut world, township, sent, &[moves::decide()]);
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
    run(&mut world, village, case, &[moves::accept()]);
    world.settle();
    world.cut.insert(village);
    run(
        &mut world,
        village,
        case,
        &[moves::take_action(), moves::decide()],
    );
    let take = moves::take_because(pb::TakingReason::Dark);
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
    let closed = |world: &mut World| world.act(township, "third", Some(case), closing.clone(), &[]);
    assert_eq!(World::code(&closed(&mut world)), Some(Code::AnnexOpen));
    run(
        &mut world,
        township,
        case,
        &[moves::decline_annex(&work.to_string())],
    );
    for texts in [&[][..], &[("reason", "  ")], &[("text", "另有决定")]] {
        let decline = moves::decline_annex(&effect.to_string());
        let refused = world.act(township, "admin", Some(case), decline, texts);
        assert_eq!(World::code(&refused), Some(Code::Empty), "{texts:?}");
    }
    assert_eq!(World::code(&closed(&mut world)), Some(Code::AnnexOpen));
    let decline = moves::decline_annex(&effect.to_string());
    let reason = [("reason", "已另行处理，已告知诉求人")];
    world
        .act(township, "admin", Some(case), decline, &reason)
        .unwrap();
    closed(&mut world).unwrap();
    world.settle();
    let told = world.chain(village, case);
    assert!(!told.case.unwrap().annex.decided[&effect].adopted);
    assert!(world.can_open(village, case), "its author reads the reason");
    world.assert_links_agree();
}
