//! Facts about sessions over TLS, through proxies and in memory.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod ground;
mod seats;
// The kit stands above this crate and cannot be named from it; its wire names nothing of either.
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the kit's wire can do more than is asked of it here"
)]
#[path = "../../../tests/kit/wire.rs"]
mod wire;

use std::sync::atomic::Ordering;
use std::time::Duration;

use fengqiao_proto::v1 as pb;
use pb::link_service_client::LinkServiceClient;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::StreamExt as _;

use super::*;
use crate::dial::{Unreached, Why};
use crate::replication::session::Code;
use ground::{Ground, LINK, World, within};
use wire::{Laying, Wire};

const ITEMS: u64 = 10_000;

#[tokio::test]
async fn ten_thousand_items_each_way_arrive_once_through_a_wire_that_is_cut_at_random() {
    let world = World::new(Ground::quick());
    for number in 0..ITEMS {
        let lane = [pb::Lane::Cases, pb::Lane::Control, pb::Lane::Bulk][number as usize % 3];
        let payload = vec![number as u8; 20 + number as usize % 300];
        world.lower.owe(lane, payload.clone());
        world.upper.owe(lane, payload);
    }
    let (address, serving) = world.listen().await;
    let laying = Laying {
        breaks_by: Some(7),
        ..Laying::default()
    };
    let wire = Wire::laid(address, laying).await.unwrap();
    let dialling = world.dial(wire.address().to_string());
    within(world.all_arrived()).await;
    world.assert_all_arrived();
    let breaks = wire.breaks();
    assert!(breaks >= 5, "only {breaks} breaks");
    assert!(world.lower.sessions() > 5);
    assert_eq!(world.lower.alarms(), []);
    assert_eq!(world.upper.alarms(), []);
    dialling.stop().await;
    serving.stop().await;
}

#[tokio::test]
async fn two_ends_agree_and_say_so() {
    let world = World::new(Ground::quick());
    world.upper.owe(pb::Lane::Cases, vec![1]);
    let (address, _serving) = world.listen().await;
    let _dialling = world.dial(address.to_string());
    within(world.upper.until(|seen| !seen.digests.is_empty())).await;
    within(world.lower.until(|seen| !seen.digests.is_empty())).await;
    assert_eq!(world.lower.seen(|seen| seen.digests.clone()), [true]);
    assert_eq!(world.upper.seen(|seen| seen.digests.clone()), [true]);
}

#[tokio::test]
async fn a_wire_that_is_silently_dead_is_found_by_keepalive() {
    let world = World::new(Ground::quick());
    let (address, _serving) = world.listen().await;
    let wire = Wire::to(address).await.unwrap();
    let _dialling = world.dial(wire.address().to_string());
    within(world.lower.until(|seen| seen.is_open)).await;
    within(world.upper.until(|seen| seen.is_open)).await;
    wire.hold();
    within(world.lower.until(|seen| seen.closed == [Code::Cut])).await;
    within(world.upper.until(|seen| seen.closed == [Code::Cut])).await;
    wire.mend();
    world.lower.owe(pb::Lane::Cases, vec![1]);
    within(world.all_arrived()).await;
}

#[tokio::test]
async fn handshakes_that_stall_block_nobody_else() {
    let mut ground = Ground::quick();
    ground.limits.handshake_timeout = Duration::from_secs(60);
    ground.places.strangers_a_network_max = 9;
    let world = World::new(ground);
    let (address, _serving) = world.listen().await;
    let mut stalled = Vec::new();
    for _ in 0..8 {
        stalled.push(TcpStream::connect(address).await.unwrap());
    }
    world.lower.owe(pb::Lane::Cases, vec![1]);
    let _dialling = world.dial(address.to_string());
    within(world.all_arrived()).await;
    // One address holds no more than its share, and whoever comes is served: the one that has waited longest gives way.
    for _ in 0..3 {
        stalled.push(TcpStream::connect(address).await.unwrap());
    }
    assert_eq!(within(stalled[0].read(&mut [0; 1])).await.unwrap_or(0), 0);
    world.lower.owe(pb::Lane::Cases, vec![2]);
    within(world.all_arrived()).await;
}

#[tokio::test]
async fn a_handshake_that_stalls_is_given_up() {
    let mut ground = Ground::quick();
    ground.limits.handshake_timeout = Duration::from_millis(50);
    let world = World::new(ground);
    let (address, _serving) = world.listen().await;
    let mut stalled = TcpStream::connect(address).await.unwrap();
    assert_eq!(within(stalled.read(&mut [0; 1])).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_frame_above_the_limit_is_refused_and_does_nothing() {
    let world = World::new(Ground::quick());
    let (address, _serving) = world.listen().await;
    let channel = world.ground.channel(address).await;
    let mut client = LinkServiceClient::new(channel).max_encoding_message_size(64 << 20);
    let large = pb::Item {
        sequence: 1,
        kind: 1,
        payload: vec![0; (1 << 20) + (8 << 10)],
        secrets: Vec::new(),
    };
    let items = pb::Items {
        lane: pb::Lane::Cases.into(),
        items: vec![large],
    };
    let frame = pb::Frame {
        session: Vec::new(),
        content: Some(pb::frame::Content::Items(items)),
    };
    let request = pb::ExchangeRequest { frame: Some(frame) };
    let requests = tokio_stream::once(request).chain(tokio_stream::pending());
    let mut responses = client.exchange(requests).await.unwrap().into_inner();
    let end = within(responses.next()).await;
    assert!(!matches!(end, Some(Ok(_))), "{end:?}");
    assert_eq!(world.upper.sessions(), 0);
}

#[tokio::test]
async fn a_peer_without_a_certificate_is_refused_before_any_service_runs() {
    let world = World::new(Ground::quick());
    let (address, _serving) = world.listen().await;
    let _dialling = world.dial_with(address.to_string(), world.ground.anonymous());
    within(world.ground.dialled(3)).await;
    assert_eq!(world.ground.admitted.load(Ordering::Relaxed), 0);
    assert_eq!(world.upper.sessions(), 0);
}

#[tokio::test]
async fn a_peer_that_has_no_link_here_is_refused() {
    let world = World::new(Ground::quick());
    world.ground.refuse.store(true, Ordering::Relaxed);
    let (address, _serving) = world.listen().await;
    let _dialling = world.dial(address.to_string());
    within(world.ground.dialled(3)).await;
    assert_eq!(world.upper.sessions(), 0);
    let told = world.lower.seen(|seen| seen.downs.clone());
    assert!(
        !told.is_empty()
            && told
                .iter()
                .all(|why| *why == Down::Unlinked(address.to_string())),
        "{told:?}"
    );
    world.ground.refuse.store(false, Ordering::Relaxed);
    within(world.upper.until(|seen| seen.is_open)).await;
}

/// Why the lower node's first dial failed.
async fn first_down(world: &World) -> Down {
    within(world.lower.until(|seen| !seen.downs.is_empty())).await;
    world.lower.seen(|seen| seen.downs[0].clone())
}

#[tokio::test]
async fn why_a_dial_failed_is_told() {
    let world = World::new(Ground::quick());
    let nobody = {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        free.local_addr().unwrap().to_string()
    };
    let _dialling = world.dial(nobody.clone());
    let unreached = |why| {
        Down::Unreached(Unreached {
            address: nobody.clone(),
            why,
        })
    };
    assert_eq!(first_down(&world).await, unreached(Why::NobodyListens));

    let world = World::new(Ground::quick());
    world.ground.tls.store(world.ground.other_server_config());
    let (address, _serving) = world.listen().await;
    let _dialling = world.dial(address.to_string());
    let told = first_down(&world).await;
    assert_eq!(told.code(), "LINK_PEER_UNPROVEN");
    assert!(told.is_another_node(), "{told:?}");

    // A refusal of TLS 1.3 comes after the handshake; it is told all the same.
    let world = World::new(Ground::quick());
    let (address, _serving) = world.listen().await;
    let _dialling = world.dial_with(address.to_string(), world.ground.anonymous());
    let told = first_down(&world).await;
    assert_eq!(told.code(), "LINK_REFUSED", "{told:?}");
}

#[tokio::test]
async fn an_address_that_leads_to_somebody_else_gives_way_to_the_one_that_was_learnt() {
    let (world, elsewhere) = (World::new(Ground::quick()), World::new(Ground::quick()));
    let (right, _serving) = world.listen().await;
    let (wrong, _serving_too) = elsewhere.listen().await;
    let _dialling = world.dial_or(wrong.to_string(), right.to_string());
    within(world.lower.until(|seen| seen.is_open)).await;
    assert!(world.lower.seen(|seen| seen.otherwise > 0));
    // One that is only down is waited for: the way over it may be the one that is meant.
    let world = World::new(Ground::quick());
    let (right, _serving) = world.listen().await;
    let nobody = {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        free.local_addr().unwrap().to_string()
    };
    let _dialling = world.dial_or(nobody, right.to_string());
    within(world.ground.dialled(3)).await;
    assert_eq!(world.upper.sessions(), 0);
}

#[tokio::test]
async fn a_revocation_closes_the_live_session() {
    let world = World::new(Ground::quick());
    let (address, _serving) = world.listen().await;
    let _dialling = world.dial(address.to_string());
    within(world.upper.until(|seen| seen.is_open)).await;
    within(world.lower.until(|seen| seen.is_open)).await;
    world.ground.refuse.store(true, Ordering::Relaxed);
    let node = world.upper.identity(LINK).unwrap().node;
    world.upper_seats.drop_link(node, LINK, Code::Revoked);
    within(world.upper.until(|seen| seen.closed == [Code::Revoked])).await;
    within(world.lower.until(|seen| seen.closed == [Code::Revoked])).await;
}

#[tokio::test]
async fn a_newer_session_of_a_link_begins_only_when_the_older_is_closed() {
    let world = World::new(Ground::quick());
    let (address, _serving) = world.listen().await;
    let _first = world.dial(address.to_string());
    within(world.upper.until(|seen| seen.is_open)).await;
    // A copy of the lower node dials too, with seats of its own.
    let copy = world.copy_of_lower();
    let _second = copy.dial(address.to_string());
    within(world.upper.until(|seen| seen.sessions >= 4)).await;
    // The fake port panics at once where a session opens over an open one.
    assert!(
        world
            .upper
            .seen(|seen| seen.closed.contains(&Code::Replaced))
    );
    assert!(!world.upper.seen(|seen| seen.overlapped));
}

#[tokio::test]
async fn an_old_connection_is_renewed() {
    let mut ground = Ground::quick();
    ground.limits.connection_age = Duration::from_millis(50);
    let world = World::new(ground);
    let (address, _serving) = world.listen().await;
    let _dialling = world.dial(address.to_string());
    within(world.upper.until(|seen| seen.sessions >= 3)).await;
    assert!(
        world
            .lower
            .seen(|seen| seen.closed.iter().all(|code| *code == Code::Age))
    );
}

#[tokio::test]
async fn a_process_that_stops_says_goodbye() {
    let world = World::new(Ground::quick());
    let (address, serving) = world.listen().await;
    let _dialling = world.dial(address.to_string());
    within(world.lower.until(|seen| seen.is_open)).await;
    within(world.upper.until(|seen| seen.is_open)).await;
    within(serving.stop()).await;
    within(world.lower.until(|seen| seen.closed == [Code::Draining])).await;
}

#[tokio::test]
async fn a_renewed_certificate_of_the_listener_is_shown_at_the_next_handshake() {
    let world = World::new(Ground::quick());
    let (address, _serving) = world.listen().await;
    world.ground.tls.store(world.ground.other_server_config());
    let _dialling = world.dial(address.to_string());
    within(world.ground.dialled(2)).await;
    assert_eq!(world.lower.sessions(), 0, "another root is not believed");
    world.ground.tls.store(world.ground.server_config());
    within(world.lower.until(|seen| seen.is_open)).await;
}

#[tokio::test]
async fn hosted_neighbours_speak_the_same_protocol_in_memory() {
    let world = World::new(Ground::quick());
    for number in 0..1_000_u32 {
        world
            .lower
            .owe(pb::Lane::Cases, number.to_be_bytes().to_vec());
        world
            .upper
            .owe(pb::Lane::Cases, number.to_be_bytes().to_vec());
    }
    world.ground.refuse.store(true, Ordering::Relaxed);
    let local = world.local();
    within(world.ground.dialled(2)).await;
    assert_eq!(world.upper.sessions(), 0, "the same identity check");
    world.ground.refuse.store(false, Ordering::Relaxed);
    within(world.all_arrived()).await;
    world.assert_all_arrived();
    within(local.stop()).await;
    assert_eq!(
        world.upper.seen(|seen| seen.closed.clone()),
        [Code::Draining]
    );
}
