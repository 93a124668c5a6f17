//! Digests: when they are computed, and what differs.

use fengqiao_proto::v1 as pb;
use pb::frame::Content;

use super::super::{Code, Event};
use super::net::Side;
use super::{alarms, net};

#[test]
fn a_range_nobody_asked_for_is_passed_over() {
    let mut net = net();
    net.connect();
    net.run();
    let range = pb::DigestRange {
        range: 3,
        chains: Vec::new(),
    };
    let frame = net.frame(Content::DigestRange(range));
    assert_eq!(net.give(Side::Upper, Event::Frame(frame)), []);
}

#[test]
fn unequal_digests_alarm_both_ends_and_exchange_only_what_differs() {
    let mut net = net();
    net.owe(Side::Lower, pb::Lane::Cases, vec![1]);
    net.end_mut(Side::Upper).node.secret_history = vec![1];
    net.connect();
    net.run();
    for side in [Side::Lower, Side::Upper] {
        assert_eq!(net.end(side).digests, [false]);
        assert_eq!(alarms(&net, side), [Code::DigestDiffers]);
        assert_eq!(net.end(side).ranges, [200]);
        assert_eq!(net.end(side).closed, None, "the link flows on");
    }
}

#[test]
fn a_digest_is_repeated_when_something_moved_and_the_interval_passed() {
    let mut net = net();
    net.connect();
    net.run();
    net.now_ms += 5_000;
    net.tick();
    net.run();
    assert_eq!(net.end(Side::Lower).digests, [true], "nothing moved");
    net.owe(Side::Upper, pb::Lane::Cases, vec![1]);
    net.run();
    assert_eq!(net.end(Side::Lower).digests, [true, true]);
    net.owe(Side::Upper, pb::Lane::Cases, vec![2]);
    net.run();
    assert_eq!(net.digests_sent(Side::Lower), 2, "too soon");
    net.now_ms += 1_000;
    net.tick();
    net.run();
    assert_eq!(net.end(Side::Lower).digests, [true, true, true]);
    assert_eq!(net.end(Side::Upper).digests, [true, true, true]);
}

#[test]
fn a_digest_is_answered_only_at_the_mirror_pair_of_cursors() {
    let mut net = net();
    net.connect();
    net.run_frames_only();
    // What the upper owes now has not reached the lower when its digest goes out.
    net.end_mut(Side::Upper).node.owe(pb::Lane::Cases, vec![1]);
    net.run();
    assert!(net.end(Side::Lower).digests.is_empty());
    assert_eq!(alarms(&net, Side::Upper), []);
    net.give(Side::Upper, Event::Owed);
    net.now_ms += 1_000;
    net.run();
    net.tick();
    net.run();
    assert_eq!(net.end(Side::Lower).digests, [true]);
}

#[test]
fn who_awaits_what_neighbours_hold_compares_nothing_until_it_has_come() {
    for side in [Side::Lower, Side::Upper] {
        let mut net = net();
        net.end_mut(side).node.is_tentative = true;
        net.end_mut(side).node.secret_history = vec![1];
        net.connect();
        net.run();
        for end in [Side::Lower, Side::Upper] {
            assert!(net.end(end).digests.is_empty());
            assert_eq!(alarms(&net, end), []);
        }
        net.end_mut(side).node.is_tentative = false;
        net.end_mut(side).node.secret_history = vec![];
        net.now_ms += 1_000;
        net.tick();
        net.run();
        assert_eq!(net.end(Side::Lower).digests, [true]);
        assert_eq!(net.end(Side::Upper).digests, [true]);
    }
}

#[test]
fn a_digest_computed_while_entries_began_to_wait_is_not_compared() {
    for side in [Side::Lower, Side::Upper] {
        let mut net = net();
        net.connect();
        net.run_frames_only();
        if side == Side::Upper {
            assert!(net.answer(Side::Lower));
            net.run_frames_only();
        }
        net.end_mut(side).node.is_tentative = true;
        net.run();
        for end in [Side::Lower, Side::Upper] {
            assert!(net.end(end).digests.is_empty());
        }
        net.end_mut(side).node.is_tentative = false;
        net.now_ms += 1_000;
        net.tick();
        net.run();
        assert_eq!(net.end(Side::Lower).digests, [true]);
        assert_eq!(net.end(Side::Upper).digests, [true]);
    }
}
