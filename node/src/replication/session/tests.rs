//! Facts about the session.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod agreement;
mod cursors;
mod laws;
mod net;

use fengqiao_proto::v1 as pb;
use pb::frame::Content;
use prost::Message as _;

use super::{Action, CONTROL_WINDOW_ITEMS, Code, Event, LANES, Limits};
use net::{Net, Side};

fn small() -> Limits {
    Limits {
        frame_bytes_max: 600,
        window_items: 4,
        unstored_bytes_max: 1_000,
        digest_interval_ms: 1_000,
        hello_timeout_ms: 10_000,
    }
}

fn net() -> Net {
    Net::new(small())
}

/// A net whose ends never say that they have taken enough.
fn roomy() -> Net {
    Net::new(Limits {
        unstored_bytes_max: 1 << 20,
        ..small()
    })
}

fn alarms(net: &Net, side: Side) -> Vec<Code> {
    net.end(side).alarms.clone()
}

/// So many places that are not reached.
fn unreached(places: u8) -> pb::Unreached {
    let place = |number| pb::UnreachedPlace {
        place: vec![number; 10],
        silent_ms: Some(u64::from(number)),
    };
    pb::Unreached {
        places: (0..places).map(place).collect(),
    }
}

#[test]
fn whom_a_side_does_not_reach_is_said_within_one_session_as_far_as_a_frame_holds_it() {
    for (side, other) in [(Side::Lower, Side::Upper), (Side::Upper, Side::Lower)] {
        let mut net = net();
        net.connect();
        net.run();
        net.give(side, Event::Unreached(unreached(1)));
        net.give(side, Event::Unreached(unreached(2)));
        net.run();
        assert_eq!(
            net.end(other).unreached,
            [unreached(2)],
            "the last of several"
        );
        assert!(net.end(side).unreached.is_empty());
        net.give(side, Event::Unreached(unreached(200)));
        net.run();
        let told = net.end(other).unreached.last().unwrap();
        assert!((2..200).contains(&told.places.len()));
        assert!(told.encoded_len() < small().frame_bytes_max);
        net.cut();
        net.connect();
        net.run();
        assert_eq!(
            net.end(other).unreached.len(),
            2,
            "a new session knows nothing of it"
        );
    }
}

#[test]
fn items_of_all_lanes_arrive_once_and_in_order() {
    let mut net = net();
    for number in 0..50_u8 {
        for lane in LANES {
            net.owe(Side::Lower, lane, vec![number]);
            net.owe(Side::Upper, lane, vec![number, 1]);
        }
    }
    net.connect();
    net.run();
    net.assert_all_arrived();
    assert_eq!(net.end(Side::Lower).digests, [true]);
    assert_eq!(net.end(Side::Upper).digests, [true]);
}

#[test]
fn control_goes_before_cases_and_cases_before_bulk() {
    let mut net = net();
    for lane in [pb::Lane::Bulk, pb::Lane::Cases, pb::Lane::Control] {
        net.owe(Side::Lower, lane, vec![1]);
    }
    net.connect();
    net.run();
    let sent: Vec<pb::Lane> = net
        .history
        .iter()
        .filter_map(|(_, frame)| match frame.content.clone() {
            Some(Content::Items(items)) => Some(items.lane()),
            _ => None,
        })
        .collect();
    assert_eq!(sent, LANES);
}

#[test]
fn nothing_is_sent_beyond_credit_and_both_sides_out_of_credit_go_on() {
    let mut net = net();
    for number in 0..200_u8 {
        net.owe(Side::Lower, pb::Lane::Cases, vec![number; 50]);
        net.owe(Side::Upper, pb::Lane::Cases, vec![number; 50]);
    }
    net.connect();
    net.run_without_sync();
    for side in [Side::Lower, Side::Upper] {
        let taken: usize = net
            .end(side)
            .node
            .unsynced
            .iter()
            .map(|(_, items)| items.len())
            .sum();
        assert_eq!(taken, 4, "one window and no more");
        assert!(!net.end(side).session.as_ref().unwrap().wants_room());
    }
    net.run();
    net.assert_all_arrived();
}

#[test]
fn control_flows_while_the_other_lanes_have_no_credit() {
    let mut net = roomy();
    for number in 0..200_u8 {
        net.owe(Side::Lower, pb::Lane::Cases, vec![number]);
    }
    net.connect();
    net.run_without_sync();
    for _ in 0..2 * CONTROL_WINDOW_ITEMS {
        net.owe(Side::Lower, pb::Lane::Control, vec![9]);
    }
    net.run_without_sync();
    let unsynced = &net.end(Side::Upper).node.unsynced;
    let control = unsynced
        .iter()
        .filter(|(lane, _)| *lane == pb::Lane::Control);
    let items: usize = control.map(|(_, items)| items.len()).sum();
    assert_eq!(items as u64, CONTROL_WINDOW_ITEMS);
    net.run();
    net.assert_all_arrived();
}

#[test]
fn a_session_says_when_it_has_taken_enough() {
    let mut net = Net::new(Limits {
        window_items: 100,
        ..small()
    });
    for number in 0..40_u8 {
        net.owe(Side::Lower, pb::Lane::Cases, vec![number; 100]);
    }
    net.connect();
    net.run_without_sync();
    let end = net.end(Side::Upper);
    let bytes: usize = end
        .node
        .unsynced
        .iter()
        .flat_map(|(_, items)| items)
        .map(|item| item.payload.len())
        .sum();
    assert!(end.session.as_ref().unwrap().is_full());
    assert!(bytes <= 1_000 + 600, "{bytes} taken in");
    net.run();
    net.assert_all_arrived();
}

#[test]
fn one_sync_of_many_batches_is_acknowledged_once() {
    let mut net = roomy();
    for number in 0..4_u8 {
        net.owe(Side::Lower, pb::Lane::Cases, vec![number; 400]);
    }
    net.connect();
    net.run_without_sync();
    assert_eq!(net.end(Side::Upper).node.unsynced.len(), 4);
    net.run();
    let acknowledgements = net.history.iter().filter(|(side, frame)| {
        *side == Side::Upper && matches!(frame.content, Some(Content::Acknowledged(_)))
    });
    assert_eq!(acknowledgements.count(), 1);
}

#[test]
fn frames_of_another_session_are_dropped() {
    let mut net = net();
    net.owe(Side::Lower, pb::Lane::Cases, vec![1]);
    net.connect();
    net.run();
    let old = net.history.clone();
    net.cut();
    net.owe(Side::Lower, pb::Lane::Cases, vec![2]);
    net.connect();
    net.run();
    for (side, frame) in old {
        let to = side.other();
        assert_eq!(
            net.give(to, Event::Frame(frame)),
            [],
            "a stale frame did something"
        );
    }
    net.run();
    net.assert_all_arrived();
    assert_eq!(alarms(&net, Side::Upper), []);
}

#[test]
fn an_acknowledgement_lost_with_its_session_is_made_good_by_the_next_hello() {
    let mut net = net();
    net.owe(Side::Lower, pb::Lane::Cases, vec![1]);
    net.connect();
    net.run_without_sync();
    net.sync(Side::Upper);
    net.cut();
    assert_eq!(net.end(Side::Lower).node.acknowledged, [0, 0, 0]);
    net.connect();
    net.run();
    assert_eq!(net.end(Side::Lower).node.acknowledged, [0, 1, 0]);
    assert_eq!(net.end(Side::Upper).node.payloads(pb::Lane::Cases).len(), 1);
}

#[test]
fn a_batch_stored_after_the_next_hello_is_not_stored_twice() {
    let mut net = net();
    net.owe(Side::Lower, pb::Lane::Cases, vec![1]);
    net.connect();
    net.run_without_sync();
    net.cut();
    net.connect();
    net.run_without_sync();
    net.run();
    net.assert_all_arrived();
    assert_eq!(alarms(&net, Side::Upper), []);
}

#[test]
fn a_batch_stored_between_the_hellos_is_acknowledged() {
    let mut net = net();
    net.owe(Side::Upper, pb::Lane::Control, vec![1]);
    net.connect();
    net.run_without_sync();
    net.connect();
    net.room(Side::Lower);
    net.sync(Side::Lower);
    net.run();
    net.assert_all_arrived();
}

#[test]
fn how_far_the_top_has_stored_travels_with_the_acknowledgement_and_alone() {
    let mut net = net();
    net.owe(Side::Lower, pb::Lane::Cases, vec![1]);
    net.owe(Side::Lower, pb::Lane::Cases, vec![2]);
    net.connect();
    net.run();
    assert_eq!(net.end(Side::Lower).node.top, [0, 0, 0]);
    let lane = pb::Lane::Cases;
    let moved = |top_sequence| Event::TopMoved { lane, top_sequence };
    net.give(Side::Upper, moved(1));
    net.run();
    assert_eq!(net.end(Side::Lower).node.top, [0, 1, 0]);
    net.give(Side::Upper, moved(99));
    net.run();
    assert_eq!(
        net.end(Side::Lower).node.top,
        [0, 2, 0],
        "never beyond what is stored"
    );
}

#[test]
fn an_acknowledgement_settles_after_what_was_to_be_sent_when_it_was_made() {
    let mut net = net();
    net.owe(Side::Upper, pb::Lane::Cases, vec![9]);
    net.owe(Side::Lower, pb::Lane::Cases, vec![1]);
    net.owe(Side::Lower, pb::Lane::Control, vec![2]);
    net.connect();
    net.run();
    assert_eq!(net.end(Side::Lower).node.settled, [(1, 1)]);
    net.connect();
    net.run();
    assert_eq!(
        net.end(Side::Lower).node.settled,
        [(1, 1), (1, 1)],
        "said again to whoever may not have heard it"
    );
}

#[test]
fn what_a_node_acknowledges_while_it_recovers_settles_when_it_has() {
    let mut net = net();
    net.end_mut(Side::Upper).node.is_tentative = true;
    net.owe(Side::Lower, pb::Lane::Cases, vec![1]);
    net.connect();
    net.run();
    assert_eq!(net.end(Side::Lower).node.acknowledged, [0, 1, 0]);
    assert_eq!(net.end(Side::Lower).node.settled, []);
    net.end_mut(Side::Upper).node.is_tentative = false;
    net.owe(Side::Upper, pb::Lane::Cases, vec![9]);
    net.give(Side::Upper, Event::Settles);
    net.run();
    assert_eq!(net.end(Side::Lower).node.settled, [(1, 1)]);
}

#[test]
fn what_was_received_already_is_passed_over() {
    let mut net = net();
    net.owe(Side::Lower, pb::Lane::Cases, vec![1]);
    net.connect();
    net.run();
    let mut twice = items(1);
    let frame = net.frame(Content::Items(twice.clone()));
    assert_eq!(net.give(Side::Upper, Event::Frame(frame)), []);
    twice.items.extend(items(2).items);
    let frame = net.frame(Content::Items(twice));
    let actions = net.give(Side::Upper, Event::Frame(frame));
    let [Action::Store { items, .. }] = actions.as_slice() else {
        panic!("{actions:?}");
    };
    assert_eq!(
        items.iter().map(|item| item.sequence).collect::<Vec<_>>(),
        [2]
    );
}

#[test]
fn a_new_session_sends_nothing_that_is_stored() {
    let mut net = net();
    net.owe(Side::Lower, pb::Lane::Cases, vec![1]);
    net.owe(Side::Lower, pb::Lane::Cases, vec![2]);
    net.connect();
    net.run();
    let before = net.history.len();
    net.connect();
    net.run();
    assert_eq!(net.sequences_sent(before), [0; 0]);
}

#[test]
fn what_an_old_batch_brought_is_not_sent_again_once_acknowledged() {
    let mut net = net();
    net.owe(Side::Lower, pb::Lane::Cases, vec![1]);
    net.connect();
    net.run_without_sync();
    let before = net.history.len();
    net.connect();
    net.room(Side::Lower);
    net.deliver(Side::Upper);
    net.room(Side::Upper);
    net.sync(Side::Upper);
    while net.room(Side::Upper) {}
    while net.deliver(Side::Lower) {}
    net.run();
    assert_eq!(net.sequences_sent(before), [0; 0]);
    net.assert_all_arrived();
}

#[test]
fn no_frame_is_larger_than_a_frame_may_be() {
    let mut net = Net::new(Limits {
        window_items: 500,
        ..small()
    });
    for number in 0..300_u32 {
        let payload = vec![0; number as usize % 90];
        net.owe(Side::Lower, pb::Lane::Cases, payload);
    }
    net.connect();
    net.run();
    net.assert_all_arrived();
    let items = |frame: &&(Side, pb::Frame)| matches!(frame.1.content, Some(Content::Items(_)));
    let largest = net
        .history
        .iter()
        .filter(items)
        .map(|(_, frame)| frame.encoded_len())
        .max();
    assert!(largest <= Some(600) && largest > Some(500), "{largest:?}");
}

#[test]
fn an_item_that_fits_in_no_frame_stops_its_lane_alone() {
    let mut net = net();
    net.owe(Side::Lower, pb::Lane::Cases, vec![0; 700]);
    net.owe(Side::Lower, pb::Lane::Cases, vec![1]);
    net.owe(Side::Lower, pb::Lane::Bulk, vec![2]);
    net.connect();
    net.run();
    assert_eq!(alarms(&net, Side::Lower), [Code::ItemTooLarge], "once");
    assert_eq!(net.end(Side::Upper).node.payloads(pb::Lane::Bulk), [[2]]);
    assert_eq!(net.end(Side::Upper).closed, None);
}

fn items(sequence: u64) -> pb::Items {
    let item = pb::Item {
        sequence,
        kind: 1,
        payload: vec![1],
        secrets: Vec::new(),
    };
    pb::Items {
        lane: pb::Lane::Cases.into(),
        items: vec![item],
    }
}
