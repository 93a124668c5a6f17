//! The Hellos: what is said, and whether the peer's cursors and ours fit together.

use fengqiao_hub::id::Hash;
use fengqiao_proto::v1 as pb;

use super::code::Code;
use super::end::Stop;
use super::{Identity, LANES, Lanes, VERSION_MAX, VERSION_MIN};

/// This side's Hello, as its lanes stand now.
pub(super) fn hello(ours: &Identity, lanes: &dyn Lanes, now_ms: i64) -> pb::Hello {
    pb::Hello {
        version_min: VERSION_MIN,
        version_max: VERSION_MAX,
        node: ours.node.to_vec(),
        store: ours.store.to_vec(),
        incarnation: ours.incarnation,
        boot: ours.boot,
        received: LANES.map(|lane| lanes.received(lane)).to_vec(),
        sent: LANES.map(|lane| lanes.last(lane)).to_vec(),
        wall_time_ms: now_ms,
        registry: ours.registry.clone(),
    }
}

/// Whether the peer is who it must be and speaks a version of ours.
pub(super) fn check_peer(ours: &Identity, hello: &pb::Hello) -> Result<(), Stop> {
    if hello.version_min > VERSION_MAX || hello.version_max < VERSION_MIN {
        let (low, high) = (hello.version_min, hello.version_max);
        return Err(Stop::alarm(
            Code::Version,
            format!("the peer speaks {low} to {high}, we {VERSION_MIN} to {VERSION_MAX}"),
        ));
    }
    if hello.node != ours.peer.0 {
        let detail = format!("the Hello is not of node {}", ours.peer);
        return Err(Stop::alarm(Code::Node, detail));
    }
    for cursors in [&hello.received, &hello.sent] {
        let twice = LANES.into_iter().any(|lane| {
            cursors
                .iter()
                .filter(|cursor| cursor.lane() == lane)
                .count()
                > 1
        });
        if twice {
            return Err(Stop::alarm(Code::Frame, "a lane named twice".into()));
        }
    }
    Ok(())
}

/// The cursor of a lane; zero when it is not named.
pub(super) fn cursor_of(cursors: &[pb::Cursor], lane: pb::Lane) -> pb::Cursor {
    let named = cursors.iter().find(|cursor| cursor.lane() == lane);
    named.cloned().unwrap_or(pb::Cursor {
        lane: lane.into(),
        ..pb::Cursor::default()
    })
}

/// Looks up in our lane what the peer says it has stored of it.
pub(super) fn check_claim(
    ours: &Identity,
    lanes: &dyn Lanes,
    claim: &pb::Cursor,
) -> Result<(), Stop> {
    let lane = claim.lane();
    let stop = |code, what: &str| {
        let (sequence, last) = (claim.sequence, lanes.last(lane).sequence);
        let acknowledged = lanes.acknowledged(lane);
        let name = lane.as_str_name();
        let detail = format!(
            "{name}: {what} (claimed {sequence}, last {last}, acknowledged {acknowledged})"
        );
        // What the peer has lost is the peer's; what it holds beyond ours, we have lost, or written a second time.
        let ours_is_lost = matches!(code, Code::CursorAhead | Code::CursorHash);
        Err(if ours_is_lost {
            Stop::older_copy(code, detail)
        } else {
            Stop::alarm(code, detail)
        })
    };
    if claim.sequence > 0 {
        if claim.store != ours.store.0 || claim.incarnation != ours.incarnation {
            return stop(Code::CursorStore, "the peer holds items of another store");
        }
        if claim.sequence > lanes.last(lane).sequence {
            return stop(Code::CursorAhead, "the peer holds what we have not");
        }
        let hash = lanes.hash_at(lane, claim.sequence);
        if hash.is_none() || hash != Hash::from_bytes(&claim.hash) {
            return stop(Code::CursorHash, "the peer holds another item here");
        }
    }
    if claim.sequence < lanes.acknowledged(lane) {
        return stop(Code::CursorBehind, "the peer has lost what it had");
    }
    Ok(())
}

/// Holds what we have stored of the peer's lane against what the peer now says it has to send.
pub(super) fn check_source(
    hello: &pb::Hello,
    received: &pb::Cursor,
    lane: pb::Lane,
) -> Result<(), Stop> {
    if received.sequence == 0 {
        return Ok(());
    }
    let last = cursor_of(&hello.sent, lane);
    let stop = |code, what: &str| {
        let (sequence, last) = (received.sequence, last.sequence);
        let name = lane.as_str_name();
        Err(Stop::alarm(
            code,
            format!("{name}: {what} (stored {sequence}, peer's last {last})"),
        ))
    };
    if received.store != hello.store || received.incarnation != hello.incarnation {
        return stop(Code::CursorStore, "we hold items of another store");
    }
    if last.sequence < received.sequence {
        return stop(Code::CursorAhead, "we hold what the peer has not");
    }
    if last.sequence == received.sequence && last.hash != received.hash {
        return stop(Code::CursorHash, "we hold another item here");
    }
    Ok(())
}
