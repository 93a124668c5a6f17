//! A link explored, and each broken rule found out.

use super::properties::{DRAINS, ONCE, STORED};
use super::{LOWER, Link, Rule, Scope, UPPER};
use crate::check::{breaks, holds};

const PLAIN: Scope = Scope {
    items_max: 2,
    streams_max: 2,
    in_flight_max: 1,
    crashes_max: 1,
    repeats: true,
    put_back: &[],
    rule: Rule::AsBuilt,
};

fn link(scope: Scope) -> Link {
    Link::new(scope)
}

#[test]
fn a_link_brings_each_item_once() {
    holds("link", link(PLAIN));
}

#[test]
fn a_sender_put_back_is_found_out() {
    holds(
        "link, sender put back",
        link(Scope {
            put_back: &[LOWER],
            crashes_max: 0,
            repeats: false,
            ..PLAIN
        }),
    );
}

#[test]
fn a_receiver_put_back_is_found_out() {
    holds(
        "link, receiver put back",
        link(Scope {
            put_back: &[UPPER],
            crashes_max: 0,
            repeats: false,
            ..PLAIN
        }),
    );
}

#[test]
fn a_cursor_of_sequence_alone_loses_what_a_new_store_sends() {
    let scope = Scope {
        rule: Rule::SequenceOnly,
        put_back: &[LOWER],
        crashes_max: 0,
        repeats: false,
        ..PLAIN
    };
    breaks("sequence only", link(scope), DRAINS);
}

#[test]
fn a_cursor_without_a_hash_loses_what_a_rolled_back_store_sends() {
    let scope = Scope {
        rule: Rule::NoHash,
        put_back: &[LOWER],
        crashes_max: 0,
        repeats: false,
        ..PLAIN
    };
    breaks("no hash", link(scope), DRAINS);
}

#[test]
fn an_acknowledgement_before_the_sync_is_a_lie_after_a_crash() {
    let scope = Scope {
        rule: Rule::AcknowledgedUnsynced,
        ..PLAIN
    };
    breaks("acknowledged unsynced", link(scope), STORED);
}

#[test]
fn a_cursor_in_a_record_of_its_own_applies_twice() {
    let scope = Scope {
        rule: Rule::CursorApart,
        ..PLAIN
    };
    breaks("cursor apart", link(scope), ONCE);
}

#[test]
fn a_frame_of_another_session_is_believed_without_a_nonce() {
    let scope = Scope {
        rule: Rule::NoNonce,
        put_back: &[UPPER],
        crashes_max: 0,
        repeats: false,
        in_flight_max: 2,
        items_max: 1,
        ..PLAIN
    };
    breaks("no nonce", link(scope), STORED);
}

#[test]
fn a_batch_of_another_store_does_not_follow_on_a_cursor() {
    let scope = Scope {
        rule: Rule::AnyStore,
        put_back: &[LOWER],
        crashes_max: 0,
        repeats: false,
        ..PLAIN
    };
    breaks("any store", link(scope), ONCE);
}
