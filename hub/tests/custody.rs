//! Facts of custody, one by one: who may write, what stands, what every verdict means.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use fengqiao_hub::custody::{Tree, Verdict, Violation, Waiting};
use fengqiao_hub::entry::{Entry, Move};
use fengqiao_hub::id::{Hash, NodeId, PlaceId};
use fengqiao_hub::rank::Rank;
use fengqiao_proto::v1 as pb;
use support::*;

fn put(world: &World, tree: &mut Tree, entry: &Entry) -> Verdict {
    let foretold = tree.verdict(&step(entry), &world.registry, true);
    let verdict = tree.insert(step(entry), &world.registry, true);
    assert_eq!(foretold, verdict, "asked before and put to it");
    verdict
}

/// A tree with these entries, each of which must join.
fn tree_of(world: &World, entries: &[&Entry]) -> Tree {
    let mut tree = Tree::default();
    for entry in entries {
        let verdict = put(world, &mut tree, entry);
        assert!(
            !matches!(verdict, Verdict::Waits(_) | Verdict::Refused(_)),
            "{verdict:?}"
        );
    }
    tree
}

fn custodian(tree: &Tree) -> PlaceId {
    tree.custody().unwrap().custodian
}

fn refused(world: &World, before: &[&Entry], entry: &Entry, why: Violation) {
    let mut tree = tree_of(world, before);
    let digest = tree.digest();
    assert_eq!(put(world, &mut tree, entry), Verdict::Refused(why));
    assert_eq!(tree.digest(), digest, "a refused entry changes nothing");
    assert!(!tree.contains(&entry.hash));
}

#[test]
fn each_verdict_says_what_became_of_the_entry() {
    let world = World::new();
    let first = opened(VILLAGE);
    let second = world.writes(VILLAGE, &first, Move::None, 2);
    let third = world.writes(VILLAGE, &second, Move::None, 3);
    let township = world.takes(TOWNSHIP, &first, None, 4);
    let county = world.takes(COUNTY, &third, None, 5);
    let mut tree = Tree::default();
    let awaited = Verdict::Waits(Waiting::Predecessor);
    assert_eq!(put(&world, &mut tree, &second), awaited);
    assert_eq!(put(&world, &mut tree, &first), Verdict::Extended);
    assert_eq!(put(&world, &mut tree, &first), Verdict::Known);
    assert_eq!(put(&world, &mut tree, &second), Verdict::Extended);
    assert_eq!(put(&world, &mut tree, &township), Verdict::Overtook);
    assert_eq!(put(&world, &mut tree, &third), Verdict::Joined, "annex");
    assert_eq!(tree.annex(), [second.hash, third.hash]);
    assert_eq!(put(&world, &mut tree, &county), Verdict::Overtook);
    assert_eq!(tree.annex(), [township.hash]);
    assert_eq!(custodian(&tree), COUNTY);
}

#[test]
fn a_case_goes_down_by_dispatch_and_comes_back_by_offer_and_taking() {
    let world = World::new();
    let first = opened(COUNTY);
    let down = world.writes(COUNTY, &first, Move::Dispatched(TOWNSHIP), 2);
    let reply = world.writes(TOWNSHIP, &down, Move::Offered(COUNTY), 3);
    let mut tree = tree_of(&world, &[&first, &down, &reply]);
    assert_eq!(custodian(&tree), TOWNSHIP, "an offer moves nothing yet");
    let offer = tree.custody().unwrap().offer.unwrap();
    assert_eq!((offer.by, offer.to), (TOWNSHIP, COUNTY));
    let taken = world.takes(COUNTY, &reply, Some(&reply), 4);
    assert_eq!(put(&world, &mut tree, &taken), Verdict::Extended);
    assert_eq!(custodian(&tree), COUNTY);
    assert_eq!(tree.custody().unwrap().offer, None);
    let rank = Rank::default().raised(40, 1).unwrap();
    assert_eq!(tree.head().unwrap().rank, rank);
    assert!(tree.annex().is_empty());
}

#[test]
fn the_highest_tiers_latest_taking_stands_however_long_the_lower_branch_is() {
    let world = World::new();
    let first = opened(VILLAGE);
    let county = world.takes(COUNTY, &first, None, 2);
    let mut lower = vec![world.takes(TOWNSHIP, &first, None, 3)];
    for mark in 4..30 {
        lower.push(world.writes(TOWNSHIP, lower.last().unwrap(), Move::None, mark));
    }
    let again = world.takes(
        COUNTY,
        &world.writes(COUNTY, &county, Move::Dispatched(VILLAGE), 30),
        None,
        31,
    );
    let dispatched = world.writes(COUNTY, &county, Move::Dispatched(VILLAGE), 30);
    let mut tree = tree_of(&world, &[&first]);
    for entry in lower.iter().chain([&county, &dispatched, &again]) {
        put(&world, &mut tree, entry);
    }
    assert_eq!(tree.head().unwrap().hash, again.hash);
    assert_eq!(
        tree.annex().len(),
        lower.len(),
        "all the township's work is kept"
    );
}

#[test]
fn a_dispatch_below_never_outranks() {
    let world = World::new();
    let first = opened(CITY);
    let down = world.writes(CITY, &first, Move::Dispatched(COUNTY), 2);
    let further = world.writes(COUNTY, &down, Move::Dispatched(TOWNSHIP), 3);
    let last = world.writes(TOWNSHIP, &further, Move::Dispatched(VILLAGE), 4);
    let work = world.writes(VILLAGE, &last, Move::None, 5);
    let seized = world.takes(CITY, &down, None, 6);
    for order in [
        [&first, &down, &further, &last, &work, &seized],
        [&first, &down, &seized, &further, &last, &work],
    ] {
        let tree = tree_of(&world, &order);
        assert_eq!(tree.head().unwrap().hash, seized.hash);
        assert_eq!(tree.annex(), [further.hash, last.hash, work.hash]);
    }
}

#[test]
fn two_entries_at_one_place_freeze_the_chain_alike_and_a_superior_thaws_it() {
    let world = World::new();
    let first = opened(VILLAGE);
    let one = world.writes(VILLAGE, &first, Move::None, 2);
    let other = world.writes(VILLAGE, &first, Move::None, 3);
    let longer = world.writes(VILLAGE, &other, Move::None, 4);
    let here = tree_of(&world, &[&first, &one, &other, &longer]);
    let there = tree_of(&world, &[&first, &other, &longer, &one]);
    for tree in [&here, &there] {
        assert!(tree.is_frozen());
        assert_eq!(
            tree.head().unwrap().hash,
            longer.hash,
            "the longer is shown"
        );
        assert_eq!(tree.annex(), [one.hash], "the other is kept as proof");
    }
    assert_eq!(here.digest(), there.digest());
    let taken = world.takes(TOWNSHIP, &one, None, 5);
    for mut tree in [here, there] {
        assert_eq!(put(&world, &mut tree, &taken), Verdict::Overtook);
        assert!(!tree.is_frozen());
        assert_eq!(tree.standing(), [first.hash, one.hash, taken.hash]);
    }
}

#[test]
fn who_knows_less_of_what_was_overtaken_has_another_digest() {
    let world = World::new();
    let first = opened(VILLAGE);
    let taken = world.takes(TOWNSHIP, &first, None, 2);
    let late = world.writes(VILLAGE, &first, Move::None, 3);
    let here = tree_of(&world, &[&first, &taken, &late]);
    let there = tree_of(&world, &[&first, &taken]);
    assert_eq!(here.head(), there.head());
    assert_ne!(here.digest(), there.digest());
}

#[test]
fn equal_forks_show_the_same_head_whichever_came_first() {
    let world = World::new();
    let first = opened(VILLAGE);
    let one = world.writes(VILLAGE, &first, Move::None, 2);
    let other = world.writes(VILLAGE, &first, Move::None, 3);
    let here = tree_of(&world, &[&first, &one, &other]);
    let there = tree_of(&world, &[&first, &other, &one]);
    assert_eq!(here.head(), there.head());
    assert_eq!(here.head().unwrap().hash, one.hash.min(other.hash));
}

#[test]
fn who_is_not_custodian_is_refused() {
    let world = World::new();
    let first = opened(VILLAGE);
    let second = world.writes(VILLAGE, &first, Move::None, 2);
    for place in [NEXT_VILLAGE, TOWNSHIP, CITY, OTHER_VILLAGE] {
        let foreign = world.writes(place, &second, Move::None, 3);
        refused(
            &world,
            &[&first, &second],
            &foreign,
            Violation::NotCustodian,
        );
    }
    let down = world.writes(COUNTY, &opened(COUNTY), Move::Dispatched(VILLAGE), 2);
    let late = world.writes(COUNTY, &down, Move::None, 3);
    refused(
        &world,
        &[&opened(COUNTY), &down],
        &late,
        Violation::NotCustodian,
    );
}

#[test]
fn a_taker_beside_or_below_or_at_the_custodian_itself_is_refused() {
    let world = World::new();
    let first = opened(TOWNSHIP);
    for place in [
        NEXT_TOWNSHIP,
        OTHER_COUNTY,
        VILLAGE,
        TOWNSHIP,
        OTHER_VILLAGE,
    ] {
        let taken = world.takes(place, &first, None, 2);
        refused(&world, &[&first], &taken, Violation::NotAbove);
    }
}

#[test]
fn a_rank_raised_without_a_taking_or_not_as_a_taking_does_is_refused() {
    let world = World::new();
    let first = opened(VILLAGE);
    let raised = Rank::default().raised(50, 1).unwrap();
    let plain = world.writes_at(VILLAGE, &first, Move::None, raised.clone(), 2);
    refused(&world, &[&first], &plain, Violation::Rank);
    let twice = raised.raised(50, 1).unwrap();
    let foreign = Rank::default().raised(40, 1).unwrap();
    let deeper = Rank::default()
        .raised(40, 1)
        .unwrap()
        .raised(50, 1)
        .unwrap();
    for rank in [twice, foreign, deeper, Rank::default()] {
        let taken = world.writes_at(TOWNSHIP, &first, Move::Taken(None), rank, 2);
        refused(&world, &[&first], &taken, Violation::Rank);
    }
    // A taking that keeps what stood deeper would carry a rank no taking gives.
    let township = world.takes(TOWNSHIP, &first, None, 2);
    let kept = Rank::from_wire(
        &[
            Rank::default().raised(40, 1).unwrap().to_wire(),
            township.rank.to_wire(),
        ]
        .concat(),
    );
    let county = world.writes_at(COUNTY, &township, Move::Taken(None), kept.unwrap(), 3);
    refused(&world, &[&first, &township], &county, Violation::Rank);
}

#[test]
fn a_stale_generation_is_refused_and_one_not_yet_known_waits() {
    let mut world = World::new();
    let first = opened(VILLAGE);
    let early = world.clone_registry();
    world.registers(CITY, enrolled(node_of(COUNTY), COUNTY, None, 2));
    let new = world.takes(COUNTY, &first, None, 2);
    assert_eq!(new.rank.part(40), Some((2, 1)));
    let down = world.writes(COUNTY, &new, Move::Dispatched(VILLAGE), 3);
    // The restored county's old self counts on in its old generation.
    let rank = Rank::default().raised(40, 1).unwrap();
    let stale = world.writes_at(COUNTY, &down, Move::Taken(None), rank, 4);
    refused(&world, &[&first, &new, &down], &stale, Violation::Rank);

    let mut tree = Tree::default();
    tree.insert(step(&first), &early, true);
    for gap_allowed in [true, false] {
        assert_eq!(
            tree.insert(step(&new), &early, gap_allowed),
            Verdict::Waits(Waiting::Registry)
        );
    }
    assert_eq!(put(&world, &mut tree, &new), Verdict::Extended);
}

#[test]
fn a_dispatch_goes_below_and_an_offer_to_the_parent_only() {
    let world = World::new();
    let first = opened(TOWNSHIP);
    for (place, why) in [
        (COUNTY, Violation::Direction),
        (TOWNSHIP, Violation::Direction),
        (OTHER_VILLAGE, Violation::Direction),
    ] {
        let dispatched = world.writes(TOWNSHIP, &first, Move::Dispatched(place), 2);
        refused(&world, &[&first], &dispatched, why);
    }
    for place in [CITY, OTHER_COUNTY, VILLAGE] {
        let offered = world.writes(TOWNSHIP, &first, Move::Offered(place), 2);
        refused(&world, &[&first], &offered, Violation::Direction);
    }
    let unknown = world.writes(TOWNSHIP, &first, Move::Dispatched(PlaceId([0x77; 10])), 2);
    let mut tree = tree_of(&world, &[&first]);
    let waits = Verdict::Waits(Waiting::Registry);
    assert_eq!(put(&world, &mut tree, &unknown), waits);
}

#[test]
fn a_sequence_that_does_not_follow_is_refused() {
    let world = World::new();
    let first = opened(VILLAGE);
    let mut skipped = step(&world.writes(VILLAGE, &first, Move::None, 2));
    skipped.sequence = 3;
    let mut tree = tree_of(&world, &[&first]);
    let verdict = tree.insert(skipped, &world.registry, true);
    assert_eq!(verdict, Verdict::Refused(Violation::Sequence));
}

#[test]
fn a_chain_opens_without_a_move_and_without_a_rank() {
    let world = World::new();
    let opening = step(&opened(VILLAGE));
    let mut moved = opening.clone();
    moved.mv = Move::Taken(None);
    let mut ranked = opening.clone();
    ranked.rank = Rank::default().raised(60, 1).unwrap();
    let mut later = opening;
    later.sequence = 2;
    for bent in [moved, ranked, later] {
        let verdict = Tree::default().insert(bent, &world.registry, true);
        assert_eq!(verdict, Verdict::Refused(Violation::Opening));
    }
}

#[test]
fn an_answer_names_the_offer_open_at_the_entry_it_builds_on() {
    let world = World::new();
    let first = opened(VILLAGE);
    let offer = world.writes(VILLAGE, &first, Move::Offered(TOWNSHIP), 2);
    let replaced = world.writes(VILLAGE, &offer, Move::Offered(TOWNSHIP), 3);
    let known = [&first, &offer, &replaced];
    let stale = world.takes(TOWNSHIP, &replaced, Some(&offer), 4);
    refused(&world, &known, &stale, Violation::Direction);
    let by_county = world.takes(COUNTY, &replaced, Some(&replaced), 5);
    refused(&world, &known, &by_county, Violation::Direction);
    // Built where the first offer was open, its answer stands and the second lapses into the annex.
    let answered = world.takes(TOWNSHIP, &offer, Some(&offer), 6);
    let mut tree = tree_of(&world, &known);
    assert_eq!(put(&world, &mut tree, &answered), Verdict::Overtook);
    assert_eq!(tree.annex(), [replaced.hash]);
    assert_eq!(tree.custody().unwrap().offer, None);
}

#[test]
fn an_offer_ends_with_a_dispatch_and_survives_plain_work() {
    let world = World::new();
    let first = opened(COUNTY);
    let offer = world.writes(COUNTY, &first, Move::Offered(CITY), 2);
    let work = world.writes(COUNTY, &offer, Move::None, 3);
    let tree = tree_of(&world, &[&first, &offer, &work]);
    assert_eq!(tree.custody().unwrap().offer.unwrap().entry, offer.hash);
    let down = world.writes(COUNTY, &work, Move::Dispatched(VILLAGE), 4);
    let tree = tree_of(&world, &[&first, &offer, &work, &down]);
    assert_eq!(tree.custody().unwrap().offer, None);
}

/// A village with two entries that the county takes knowing the head by notice only.
fn dark_village(world: &World) -> [Entry; 4] {
    let first = opened(VILLAGE);
    let second = world.writes(VILLAGE, &first, Move::None, 2);
    let taken = world.takes(COUNTY, &second, None, 3);
    let decided = world.writes(COUNTY, &taken, Move::None, 4);
    [first, second, taken, decided]
}

#[test]
fn a_taking_above_a_gap_stands_and_says_what_is_awaited() {
    let world = World::new();
    let [first, second, taken, decided] = dark_village(&world);
    let mut tree = tree_of(&world, &[&taken, &decided]);
    assert_eq!(tree.awaited_below(), 3);
    assert_eq!(custodian(&tree), COUNTY);
    assert_eq!(put(&world, &mut tree, &first), Verdict::Joined);
    assert!(tree.annex().is_empty(), "it may yet stand below the gap");
    assert_eq!(put(&world, &mut tree, &second), Verdict::Joined);
    assert_eq!(tree.awaited_below(), 0);
    assert_eq!(tree.standing().len(), 4);
    assert!(tree.annex().is_empty());
}

#[test]
fn work_the_dark_village_did_past_the_taken_head_is_annex() {
    let world = World::new();
    let [first, second, taken, decided] = dark_village(&world);
    let late = world.writes(VILLAGE, &second, Move::None, 9);
    let later = world.writes(VILLAGE, &late, Move::None, 10);
    let known = [&taken, &decided, &first, &second, &late, &later];
    let tree = tree_of(&world, &known);
    assert_eq!(tree.head().unwrap().hash, decided.hash);
    assert_eq!(tree.annex(), [late.hash, later.hash]);
    let in_order = tree_of(&world, &[&first, &second, &late, &later, &taken, &decided]);
    assert_eq!(tree.digest(), in_order.digest());
}

#[test]
fn no_gap_is_allowed_to_who_did_not_know_the_head() {
    let world = World::new();
    let [first, _, taken, decided] = dark_village(&world);
    let mut tree = tree_of(&world, &[&first]);
    let waits = Verdict::Waits(Waiting::Predecessor);
    let verdict = tree.insert(step(&taken), &world.registry, false);
    assert_eq!(verdict, waits);
    assert_eq!(
        put(&world, &mut tree, &decided),
        waits,
        "work needs its entry before"
    );
}

#[test]
fn nobody_claims_a_rank_of_another_tier_above_a_gap() {
    let world = World::new();
    let unknown = world.writes(VILLAGE, &opened(VILLAGE), Move::None, 2);
    let city = Rank::default().raised(30, 1).unwrap();
    let county = Rank::default().raised(40, 1).unwrap();
    let deeper = county.raised(60, 1);
    for (place, rank) in [
        (NEXT_VILLAGE, city.clone()),
        (OTHER_COUNTY, city),
        (COUNTY, Rank::default()),
        (COUNTY, deeper.unwrap()),
    ] {
        let claimed = world.writes_at(place, &unknown, Move::Taken(None), rank, 3);
        refused(&world, &[&opened(VILLAGE)], &claimed, Violation::Rank);
    }
}

#[test]
fn a_taking_above_a_gap_that_does_not_hold_falls_with_what_rests_on_it() {
    let world = World::new();
    let first = opened(VILLAGE);
    let second = world.writes(VILLAGE, &first, Move::None, 2);
    let beside = world.takes(OTHER_COUNTY, &second, None, 3);
    let work = world.writes(OTHER_COUNTY, &beside, Move::None, 4);
    let mut tree = tree_of(&world, &[&first, &beside, &work]);
    assert_eq!(
        custodian(&tree),
        OTHER_COUNTY,
        "nothing shows yet that it is false"
    );
    assert_eq!(put(&world, &mut tree, &second), Verdict::Overtook);
    assert_eq!(tree.standing(), [first.hash, second.hash]);
    assert_eq!(custodian(&tree), VILLAGE);
    assert!(tree.annex().is_empty());
    let again = put(&world, &mut tree, &beside);
    assert_eq!(again, Verdict::Refused(Violation::NotAbove));
}

#[test]
fn a_departments_node_does_not_write_on_behind_its_centre() {
    let world = World::new();
    let first = opened(COUNTY);
    let mut foreign = step(&world.writes(COUNTY, &first, Move::None, 2));
    foreign.author = ROADS_NODE;
    foreign.hash = Hash([3; 32]);
    let mut tree = tree_of(&world, &[&first]);
    let verdict = tree.insert(foreign, &world.registry, true);
    assert_eq!(verdict, Verdict::Refused(Violation::NotCustodian));
    let village = opened(VILLAGE);
    let mut taking = step(&world.takes(COUNTY, &village, None, 2));
    taking.author = ROADS_NODE;
    let mut tree = tree_of(&world, &[&village]);
    let verdict = tree.insert(taking, &world.registry, true);
    assert_eq!(verdict, Verdict::Refused(Violation::NotAbove));
}

#[test]
fn only_who_enrolled_a_node_or_stands_above_it_revokes_it() {
    let mut world = World::new();
    let revoked = |node| pb::NodeRevoked {
        node: node_of(node).to_vec(),
        incarnation: 1,
        last_author_sequence: 1,
        lost: false,
    };
    for issuer in [OTHER_COUNTY, NEXT_TOWNSHIP, VILLAGE] {
        assert!(world.try_registers(issuer, revoked(TOWNSHIP)).is_err());
    }
    assert!(world.registry.node_of(TOWNSHIP).is_some());
    world.registers(COUNTY, revoked(TOWNSHIP));
    world.registers(CITY, revoked(VILLAGE));
    assert!(world.registry.node_of(TOWNSHIP).is_none());
    assert!(world.registry.node_of(VILLAGE).is_none());
}

#[test]
fn the_root_key_pins_the_first_places_node_anew_only_in_a_higher_generation_and_with_two_persons() {
    let mut world = World::new();
    let city = node_of(CITY);
    let refused = |world: &mut World, issuer, renewed| {
        let before = world.registry.version(issuer);
        assert!(world.try_registers(issuer, renewed).is_err());
        assert_eq!(world.registry.version(issuer), before, "nothing changed");
    };
    refused(&mut world, CITY, renewed(city, 1));
    refused(&mut world, COUNTY, renewed(node_of(COUNTY), 2));
    refused(&mut world, CITY, renewed(node_of(COUNTY), 2));
    let odd = vec![vec![1; 9], vec![2; 10]];
    for approved_by in [vec![], vec![vec![1; 10]], vec![vec![1; 10]; 2], odd] {
        refused(
            &mut world,
            CITY,
            pb::RootRenewed {
                approved_by,
                ..renewed(city, 2)
            },
        );
    }
    world.registers(CITY, renewed(city, 2));
    let node = world.registry.node_of(CITY).unwrap();
    assert_eq!((node.id, node.generation), (city, 2));
    refused(&mut world, CITY, renewed(city, 2));
}

#[test]
fn a_successor_of_the_first_places_node_outranks_what_the_lost_one_took() {
    let mut world = World::new();
    let first = opened(VILLAGE);
    let lost = world.takes(CITY, &first, None, 2);
    let successor = NodeId([0x3f; 10]);
    world.registers_by(successor, CITY, renewed(successor, 2));
    assert_eq!(world.registry.node_of(CITY).unwrap().id, successor);
    let mut late = step(&world.writes_at(
        CITY,
        &first,
        Move::Taken(None),
        first.rank.raised(30, 2).unwrap(),
        9,
    ));
    late.author = successor;
    let mut tree = tree_of(&world, &[&first, &lost]);
    let verdict = tree.insert(late.clone(), &world.registry, true);
    assert_eq!(verdict, Verdict::Overtook);
    assert_eq!(tree.annex(), [lost.hash]);
}
