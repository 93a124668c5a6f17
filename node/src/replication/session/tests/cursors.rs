//! What a session believes of the other side, and what it alarms about.

use fengqiao_hub::id::{NodeId, StoreId};
use fengqiao_proto::v1 as pb;
use pb::frame::Content;

use super::super::{Action, Code, Event, Lanes as _, Session, greeting};
use super::net::Side;
use super::{alarms, items, net, small};
use crate::replication::fake::FakeNode;

#[test]
fn a_gap_is_an_alarm_and_the_end() {
    let mut net = net();
    net.connect();
    net.run();
    let frame = net.frame(Content::Items(items(2)));
    net.give(Side::Upper, Event::Frame(frame));
    net.run();
    assert_eq!(alarms(&net, Side::Upper), [Code::Gap]);
    assert_eq!(net.end(Side::Upper).closed, Some(Code::Gap));
    assert_eq!(
        net.end(Side::Lower).closed,
        Some(Code::Gap),
        "the peer is told"
    );
    assert_eq!(alarms(&net, Side::Lower), [Code::Gap]);
}

#[test]
fn more_than_was_granted_is_an_alarm_and_the_end() {
    let mut net = net();
    net.connect();
    net.run();
    for sequence in 1..=5 {
        let frame = net.frame(Content::Items(items(sequence)));
        net.give(Side::Upper, Event::Frame(frame));
    }
    assert_eq!(alarms(&net, Side::Upper), [Code::Credit]);
}

#[test]
fn what_an_acknowledgement_told_is_granted_before_the_session_hears_of_it() {
    let mut net = net();
    for number in 0..600_u16 {
        net.owe(
            Side::Lower,
            pb::Lane::Control,
            number.to_be_bytes().to_vec(),
        );
    }
    net.connect();
    net.run_frames_only();
    let stored = net.end_mut(Side::Upper).node.sync_one();
    assert_eq!(stored, Some(pb::Lane::Control));
    net.give(
        Side::Upper,
        Event::Stored {
            lane: pb::Lane::Control,
            top_sequence: 0,
        },
    );
    // The engine is done with more, and its word is still under way when the acknowledgement goes out.
    while net.end_mut(Side::Upper).node.sync_one().is_some() {}
    net.run_frames_only();
    assert_eq!(alarms(&net, Side::Upper), []);
    net.run();
    net.assert_all_arrived();
}

#[test]
fn an_acknowledgement_is_believed_only_with_the_right_hash() {
    type Forgery = fn(&mut pb::Acknowledged);
    let forgeries: [(Forgery, Code); 7] = [
        (
            |word| word.cursor.as_mut().unwrap().hash[0] ^= 1,
            Code::CursorHash,
        ),
        (
            |word| word.cursor.as_mut().unwrap().hash.clear(),
            Code::CursorHash,
        ),
        (
            |word| word.cursor.as_mut().unwrap().sequence = 3,
            Code::CursorAhead,
        ),
        (
            |word| word.cursor.as_mut().unwrap().store[0] ^= 1,
            Code::CursorStore,
        ),
        (
            |word| word.cursor.as_mut().unwrap().incarnation = 2,
            Code::CursorStore,
        ),
        (
            |word| word.cursor.as_mut().unwrap().sequence = 0,
            Code::CursorBehind,
        ),
        (|word| word.top_sequence = 3, Code::CursorAhead),
    ];
    for (forge, code) in forgeries {
        let mut net = net();
        net.owe(Side::Lower, pb::Lane::Cases, vec![1]);
        net.owe(Side::Lower, pb::Lane::Cases, vec![2]);
        net.connect();
        net.run();
        let mut word = pb::Acknowledged {
            cursor: Some(net.end(Side::Upper).node.received(pb::Lane::Cases)),
            ..Default::default()
        };
        forge(&mut word);
        let before = net.end(Side::Lower).node.acknowledged;
        let frame = net.frame(Content::Acknowledged(word));
        net.give(Side::Lower, Event::Frame(frame));
        assert_eq!(alarms(&net, Side::Lower), [code]);
        assert_eq!(net.end(Side::Lower).closed, Some(code));
        assert_eq!(net.end(Side::Lower).node.acknowledged, before);
    }
}

#[test]
fn cursors_that_do_not_fit_alarm_both_ends_and_nothing_is_sent() {
    type Damage = fn(&mut FakeNode);
    let damages: [(&str, Damage, Code); 6] = [
        (
            "restored from an old backup",
            |lower| lower.own[1].truncate(1),
            Code::CursorAhead,
        ),
        (
            "another history",
            |lower| lower.own[1].iter_mut().for_each(|(_, hash)| hash.0[0] ^= 1),
            Code::CursorHash,
        ),
        (
            "a new store",
            |lower| lower.identity.store = StoreId([9; 16]),
            Code::CursorStore,
        ),
        (
            "a new incarnation",
            |lower| lower.identity.incarnation = 2,
            Code::CursorStore,
        ),
        (
            "lost all it had received",
            |lower| {
                lower.got_cursor[1] = pb::Cursor {
                    lane: 2,
                    ..pb::Cursor::default()
                }
            },
            Code::CursorBehind,
        ),
        (
            "what it received is other",
            |lower| lower.got_cursor[1].hash[0] ^= 1,
            Code::CursorHash,
        ),
    ];
    for (what, damage, code) in damages {
        let mut net = net();
        for number in 0..3 {
            net.owe(Side::Lower, pb::Lane::Cases, vec![number]);
            net.owe(Side::Upper, pb::Lane::Cases, vec![number]);
        }
        net.connect();
        net.run();
        net.cut();
        damage(&mut net.end_mut(Side::Lower).node);
        let before = net.history.len();
        net.connect();
        net.run();
        assert_eq!(alarms(&net, Side::Upper), [code], "{what}");
        assert_eq!(net.end(Side::Upper).closed, Some(code), "{what}");
        assert!(net.end(Side::Lower).closed.is_some(), "{what}");
        assert!(!alarms(&net, Side::Lower).is_empty(), "{what}");
        assert_eq!(
            net.end(Side::Lower).hellos,
            2,
            "{what}: it learns the other's cursors"
        );
        let items =
            |(_, frame): &(Side, pb::Frame)| matches!(frame.content, Some(Content::Items(_)));
        assert!(!net.history[before..].iter().any(items), "{what}");
    }
}

#[test]
fn a_peer_without_a_common_version_is_told_and_sent_away() {
    let (node, upper) = FakeNode::pair();
    let mut session = Session::upper(upper.identity.clone(), [3; 16], small());
    session.step(0, &upper, Event::Opened);
    let mut hello = greeting::hello(&node.identity, &node, 0);
    (hello.version_min, hello.version_max) = (2, 9);
    let frame = pb::Frame {
        session: Vec::new(),
        content: Some(Content::Hello(hello)),
    };
    let actions = session.step(0, &upper, Event::Frame(frame));
    let said = actions.iter().find_map(|action| match action {
        Action::Send(pb::Frame {
            session,
            content: Some(Content::Goodbye(goodbye)),
        }) => Some((session.len(), goodbye.code.clone())),
        _ => None,
    });
    assert_eq!(said, Some((0, "VERSION".into())));
    assert!(matches!(
        actions.last(),
        Some(Action::Close {
            code: Code::Version,
            ..
        })
    ));
}

#[test]
fn a_newer_peer_that_still_speaks_our_version_is_welcome() {
    let (node, upper) = FakeNode::pair();
    let mut session = Session::upper(upper.identity.clone(), [3; 16], small());
    session.step(0, &upper, Event::Opened);
    let mut hello = greeting::hello(&node.identity, &node, 0);
    hello.version_max = 2;
    let frame = pb::Frame {
        session: Vec::new(),
        content: Some(Content::Hello(hello)),
    };
    let actions = session.step(0, &upper, Event::Frame(frame));
    assert!(matches!(actions.as_slice(), [Action::PeerHello(_)]));
}

#[test]
fn a_hello_of_another_node_than_the_certificate_is_refused() {
    let mut net = net();
    net.end_mut(Side::Lower).node.identity.node = NodeId([7; 10]);
    net.connect();
    net.run();
    assert_eq!(alarms(&net, Side::Upper), [Code::Node]);
    assert_eq!(net.end(Side::Lower).closed, Some(Code::Node));
}

#[test]
fn a_peer_that_says_nothing_is_left() {
    let (node, _) = FakeNode::pair();
    let mut session = Session::lower(node.identity.clone(), small());
    session.step(5, &node, Event::Opened);
    assert_eq!(session.step(10_005, &node, Event::Tick), []);
    let actions = session.step(10_006, &node, Event::Tick);
    assert!(matches!(
        actions.last(),
        Some(Action::Close {
            code: Code::Silent,
            ..
        })
    ));
}
