//! The shell around a session: it moves the bytes between two nodes, over TLS or inside one process.
//!
//! It decides nothing: what is sent and believed is [`crate::replication::session`]'s, who a peer is, is the trust
//! floor's, and what an item means is the engine's, behind [`Port`]. It opens no file and keeps nothing that a restart
//! would miss.

mod dial;
mod down;
mod local;
mod run;
mod seat;
mod serve;

pub(crate) use dial::{Dialer, Otherwise, Presenting};
pub(crate) use down::{Down, OwnTime, Words};
pub(crate) use local::LocalLink;
pub(crate) use seat::Seats;
pub(crate) use serve::{Admit, Admitted, Listener, Refused};

use std::sync::Arc;
use std::time::Duration;

use fengqiao_proto::v1 as pb;
use tokio::sync::mpsc::UnboundedSender;

use crate::ports::PortLimits;
use crate::replication::session::{self, Code, Event, Identity, Lanes, Receipt};

/// Bytes of a message around a frame.
pub(crate) const MESSAGE_ENVELOPE_BYTES: usize = 1 << 10;
/// Frames made and not yet taken by the wire.
pub(crate) const FRAMES_QUEUED: usize = 2;
/// Header list of one request; ours is a few hundred bytes.
pub(crate) const HEADER_BYTES_MAX: u32 = 16 << 10;
/// HTTP/2 receive window of a stream and of a connection.
pub(crate) const WINDOW_BYTES: u32 = 2 << 20;
/// Streams a peer may have reset before they were accepted.
pub(crate) const PENDING_RESETS_MAX: usize = 20;
/// Streams reset because of the peer's own errors.
pub(crate) const ERROR_RESETS_MAX: usize = 100;

/// Places of a link port. Many hosted nodes may dial from one address.
pub(crate) const PLACES: PortLimits = PortLimits {
    strangers_max: 256,
    strangers_a_network_max: 32,
    known_max: 16_384,
};

/// Evenly drawn numbers that nobody can guess: nonces and pauses are made of them.
pub(crate) type Draw = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What a link needs of the node behind it. Called on the task that moves the bytes: nothing here may block; what takes
/// time is queued and answered as an [`Event`].
pub(crate) trait Port: Send + Sync + 'static {
    /// The two ends of a link; `None` when there is no such link, or no more.
    fn identity(&self, link: &str) -> Option<Identity>;

    /// The journal's view of a link.
    fn lanes(&self, link: &str) -> Arc<dyn Lanes>;

    /// A session stands. From now on [`Event::Stored`], [`Event::Owed`], [`Event::TopMoved`] and answers are sent here;
    /// an older sender is dropped. How far the top has stored is told once at the start, by [`Event::TopMoved`].
    fn opened(&self, link: &str, hello: &pb::Hello, events: UnboundedSender<Event>);

    /// The session is over; the next one begins only after this returned. Called once for each
    /// [`opened`](Self::opened).
    fn closed(&self, link: &str, code: Code);

    /// The link is not up, and why; told at each failure, also when it is the same.
    fn down(&self, link: &str, why: Down);

    /// Items to put in the journal, consecutive. Those up to the cursor are passed over, the rest follows on it.
    fn store(&self, link: &str, lane: pb::Lane, items: Vec<pb::Item>);

    /// The peer has stored ours.
    fn peer_stored(&self, link: &str, receipt: Receipt);

    /// Asks for [`Event::DigestComputed`], with the cursors it was computed at.
    fn compute_digest(&self, link: &str);

    /// Asks for [`Event::RangeComputed`].
    fn compute_range(&self, link: &str, range: u8);

    /// Two sides compared.
    fn digest_result(&self, link: &str, equal: bool);

    /// What the peer has in a range that differs.
    fn range_differs(&self, link: &str, theirs: pb::DigestRange);

    /// The neighbour holds work of this node that this folder does not have. Comes after its alarm.
    fn older_copy(&self, link: &str, found: &str);

    /// Whom this node does not reach beyond itself, as it is to be told on this link.
    fn unreached(&self, link: &str) -> pb::Unreached;

    /// Whom the peer does not reach: all it says now, in place of what it said before.
    fn peer_unreached(&self, link: &str, places: &pb::Unreached);

    /// Somebody must look. May come before [`opened`](Self::opened) or without it.
    fn alarm(&self, link: &str, code: Code, detail: &str);

    /// This node's wall clock, Unix milliseconds.
    fn now_ms(&self) -> i64;
}

/// What bounds links and connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Of each session.
    pub session: session::Limits,
    /// Between two pings.
    pub keepalive_interval: Duration,
    /// Until an unanswered ping ends the connection.
    pub keepalive_timeout: Duration,
    /// Until an attempt to connect is given up, TLS included.
    pub connect_timeout: Duration,
    /// Until a TLS handshake is given up at the listening side, and until a connection must carry a session.
    pub handshake_timeout: Duration,
    /// The first pause before dialling again.
    pub retry_ms_min: u64,
    /// The longest pause before dialling again.
    pub retry_ms_max: u64,
    /// After this a connection is renewed.
    pub connection_age: Duration,
    /// Streams at once on one connection.
    pub streams_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            session: session::Limits::default(),
            keepalive_interval: Duration::from_secs(20),
            keepalive_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            retry_ms_min: 1_000,
            retry_ms_max: 300_000,
            connection_age: Duration::from_secs(86_400),
            streams_max: 8,
        }
    }
}

impl Limits {
    /// Bytes of one message on the wire.
    pub(crate) fn message_bytes_max(&self) -> usize {
        self.session.frame_bytes_max + MESSAGE_ENVELOPE_BYTES
    }
}

/// A nonce of two draws.
pub(crate) fn nonce(draw: &Draw) -> [u8; 16] {
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&draw().to_be_bytes());
    nonce[8..].copy_from_slice(&draw().to_be_bytes());
    nonce
}

#[cfg(test)]
mod tests;
