//! Any order of deliveries, syncs, cuts and stale frames: each item arrives once, in order, and the sides agree.

use fengqiao_proto::v1 as pb;
use proptest::prelude::*;

use super::super::{Event, LANES, Limits};
use super::net::{Net, Side};

#[derive(Debug, Clone)]
enum Move {
    Owe(Side, usize, u8),
    Room(Side),
    Deliver(Side),
    Sync(Side),
    Answer(Side),
    Cut,
    Connect,
    Stale(Side, usize),
    Wait(i64),
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Lower), Just(Side::Upper)]
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        4 => (side(), 0..3_usize, any::<u8>()).prop_map(|(side, lane, size)| Move::Owe(side, lane, size)),
        12 => side().prop_map(Move::Room),
        12 => side().prop_map(Move::Deliver),
        4 => side().prop_map(Move::Sync),
        3 => side().prop_map(Move::Answer),
        1 => Just(Move::Cut),
        2 => Just(Move::Connect),
        2 => (side(), any::<usize>()).prop_map(|(side, at)| Move::Stale(side, at)),
        1 => (0..3_000_i64).prop_map(Move::Wait),
    ];
    prop::collection::vec(one, 0..400)
}

fn play(net: &mut Net, step: Move) {
    match step {
        Move::Owe(side, lane, size) => {
            let number = net.history.len() as u8;
            net.owe(side, LANES[lane], vec![number; usize::from(size)]);
        }
        Move::Room(side) => drop(net.room(side)),
        Move::Deliver(side) => drop(net.deliver(side)),
        Move::Sync(side) => drop(net.sync(side)),
        Move::Answer(side) => drop(net.answer(side)),
        Move::Cut => net.cut(),
        Move::Connect if net.is_up() => {}
        Move::Connect => net.connect(),
        Move::Stale(to, at) => replay(net, to, at),
        Move::Wait(ms) => {
            net.now_ms += ms;
            net.tick();
        }
    }
}

/// Repeats a frame of an earlier session to an open one.
fn replay(net: &mut Net, to: Side, at: usize) {
    if net.history.is_empty()
        || net
            .end(to)
            .session
            .as_ref()
            .is_none_or(|session| !session.is_open())
    {
        return;
    }
    let (from, frame): &(Side, pb::Frame) = &net.history[at % net.history.len()];
    let current = net
        .frame(pb::frame::Content::Hello(pb::Hello::default()))
        .session;
    if *from != to && frame.session != current {
        let frame = frame.clone();
        assert_eq!(net.give(to, Event::Frame(frame)), []);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_wire_does_each_item_arrives_once_and_in_order(
        moves in moves(),
        window_items in 1..6_u64,
    ) {
        let mut net = Net::new(Limits {
            frame_bytes_max: 600,
            window_items,
            unstored_bytes_max: 800,
            digest_interval_ms: 1_000,
            hello_timeout_ms: 1_000_000_000,
        });
        for step in moves {
            play(&mut net, step);
        }
        // The last fault is over.
        if !net.is_up() {
            net.connect();
        }
        net.run();
        net.now_ms += 10_000;
        net.tick();
        net.run();
        net.assert_all_arrived();
        for side in [Side::Lower, Side::Upper] {
            prop_assert_eq!(&net.end(side).alarms, &[]);
            prop_assert_eq!(net.end(side).closed, None);
            prop_assert!(net.end(side).digests.iter().all(|equal| *equal));
        }
        prop_assert_eq!(net.end(Side::Lower).digests.last(), Some(&true));
    }
}
