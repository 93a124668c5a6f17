//! An item at which the process dies each time is parked unread at the fourth start, and its lane flows on (H9).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use fengqiao_hub::id::NodeId;
use fengqiao_node::engine::attempts::{Attempted, Attempts};
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::moves;
use fengqiao_tests::world::{World, parked};

use super::{FourTiers, four_tiers, register, run};

/// What survives the process; it dies when it begins a poisoned item for which it is still to be read.
#[derive(Clone)]
struct Note {
    begun: Arc<Mutex<Attempted>>,
    poisoned: u64,
    deaths_max: u32,
}

impl Attempts for Note {
    fn note(&mut self, begun: &Attempted) {
        self.begun.lock().unwrap().clone_from(begun);
        let dies = begun.attempts.iter().any(|attempt| {
            let cases = attempt.lane() == pb::Lane::Cases;
            let poisoned = attempt.first <= self.poisoned && self.poisoned <= attempt.last;
            cases && poisoned && attempt.begun <= self.deaths_max
        });
        assert!(!dies, "the process dies");
    }

    fn last(&self) -> Attempted {
        self.begun.lock().unwrap().clone()
    }
}

fn watch(world: &mut World, node: NodeId, note: &Note) {
    let engine = &mut world.nodes.get_mut(&node).unwrap().engine;
    engine.watch(Box::new(note.clone())).unwrap();
}

/// Carries until nothing moves, or the township dies; starts it again then. Says how often it died.
fn carried(world: &mut World, township: NodeId, note: &Note) -> u32 {
    let mut deaths = 0;
    loop {
        watch(world, township, note);
        if catch_unwind(AssertUnwindSafe(|| world.settle())).is_ok() {
            return deaths;
        }
        deaths += 1;
        assert!(deaths < 20, "a loop of deaths");
        world.restart(township);
    }
}

/// Two cases, each with three entries, that a village has not sent yet; the lane's sequence of the second's first entry.
fn waiting(
    world: &mut World,
    township: NodeId,
    village: NodeId,
) -> ([fengqiao_hub::id::ChainId; 2], u64) {
    let owed = |world: &World| {
        let lane = world.nodes[&village].views.lane(township, pb::Lane::Cases);
        lane.unwrap().owed
    };
    let moves = [moves::accept(), moves::take_action()];
    let first = register(world, village);
    run(world, village, first, &moves);
    let poisoned = owed(world) + 1;
    let second = register(world, village);
    run(world, village, second, &moves);
    ([first, second], poisoned)
}

#[test]
fn an_item_at_which_the_process_died_three_times_is_parked_unread_and_the_rest_flows() {
    let FourTiers {
        mut world,
        township,
        village,
        ..
    } = four_tiers();
    let ([first, second], poisoned) = waiting(&mut world, township, village);
    let note = Note {
        begun: Arc::default(),
        poisoned,
        deaths_max: 3,
    };
    assert_eq!(carried(&mut world, township, &note), 3);
    let codes = parked(&world.nodes[&township].views);
    assert!(
        codes.iter().any(|code| code.starts_with("CRASHED")),
        "{codes:?}"
    );
    assert!(
        world.chain(township, second).tree.is_empty(),
        "its chain waits"
    );
    assert_eq!(world.chain(township, first).tree.len(), 3);
    // Both sides still agree on the lane, and what comes after flows at full speed.
    let third = register(&mut world, village);
    assert_eq!(carried(&mut world, township, &note), 0);
    assert_eq!(world.chain(township, third).tree.len(), 1);
    let sent = world.nodes[&village]
        .views
        .lane(township, pb::Lane::Cases)
        .unwrap();
    let got = world.nodes[&township]
        .views
        .lane(village, pb::Lane::Cases)
        .unwrap();
    let got = got.received.unwrap();
    assert_eq!((got.sequence, got.hash), (sent.owed, sent.owed_hash));
}

#[test]
fn two_deaths_that_pass_park_nothing() {
    let FourTiers {
        mut world,
        township,
        village,
        ..
    } = four_tiers();
    let ([first, second], poisoned) = waiting(&mut world, township, village);
    let note = Note {
        begun: Arc::default(),
        poisoned,
        deaths_max: 2,
    };
    assert_eq!(carried(&mut world, township, &note), 2);
    assert_eq!(parked(&world.nodes[&township].views), [""; 0]);
    for case in [first, second] {
        assert_eq!(world.chain(township, case).tree.len(), 3);
    }
    world.assert_links_agree();
    world.assert_stores_follow_their_journals();
}
