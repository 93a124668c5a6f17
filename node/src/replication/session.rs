//! One end of one session of a link: a pure machine that is told what happened and answers what to do.
//!
//! It never touches a network, a disk, a clock or randomness, never decides what an item means, and never moves a
//! cursor: cursors belong to the journal, which [`Lanes`] shows.
//!
//! # The protocol
//!
//! The lower side dials and says `Hello` without a nonce; the upper side answers with its own `Hello` under a nonce it
//! drew, and from then on every frame of both carries that nonce. A frame with another nonce is dropped without a
//! word: it was left over by a session that is gone. One stream carries one session, so the two Hellos belong together
//! by the stream they came on. Both sides speak a range of versions and use the highest they share; none shared, and
//! the upper side says `Goodbye VERSION`.
//!
//! **Where to resume.** A Hello names, for each lane, what its side has stored of the other's lane, as a cursor (store,
//! incarnation, sequence, running hash), and the last thing it has to send. Each side looks the other's cursor up in
//! its own lane: found with the same hash, it goes on after it; zero, from the first. Another store or incarnation
//! (`CURSOR_STORE`), a sequence never sent (`CURSOR_AHEAD`), another hash (`CURSOR_HASH`) or less than was once
//! acknowledged (`CURSOR_BEHIND`) is an alarm at both ends and the end of the session: somebody lost or rewrote
//! something, and what is then true is settled by the recovery, which moves the cursors by a record of its own. A
//! session never rewinds.
//!
//! **Lanes and credit.** Each direction has three lanes, control, cases and bulk. A lane carries items of consecutive
//! sequence, in frames of at most [`ITEMS_MAX`] items and one frame's bytes. Cases and bulk are sent within the credit
//! the receiver granted: what it has stored and a window, renewed when half of it is used. Control has a standing
//! credit of [`CONTROL_WINDOW_ITEMS`] beyond what was acknowledged. Acknowledgements, credits and digests need none, so
//! two sides out of credit still hear each other. Whenever there is room on the wire, acknowledgements go first, then
//! credits, digests, control, cases, bulk.
//!
//! **Receiving.** Items that follow on what came before are handed to the engine; items already received are passed
//! over; a gap (`GAP`) or more than was granted (`CREDIT`) is an alarm and the end. When the engine has synced them, the
//! cursor as it then stands is acknowledged, once for however many batches one sync covered, together with how far the
//! top has stored. The sender compares the acknowledged hash with its own before it believes it.
//!
//! **Settling.** An acknowledgement may overtake a taking that travels in the lane of cases, so it names where that lane
//! ended when it was made: what it acknowledges is settled once the other side has stored as much (PROTOCOL.md 11). A
//! node that recovers, or at which entries of the other side wait, calls it tentative and settles nothing; when that is
//! over it acknowledges again, as the upper side does at the beginning of each session.
//!
//! **Agreement.** When all of a side's items are acknowledged and all of the other's stored, the lower side computes a
//! digest over all chains ever carried here, at a named pair of cursors, and sends it. The upper side computes its own,
//! and answers only if its pair is the mirror image; otherwise something moved meanwhile and the lower side tries again
//! when it is quiet. Both compare: equal, or `DIGEST_DIFFERS`, and the chains of the ranges that differ are exchanged,
//! one range after the other, for the engine to mend. A digest is repeated when cursors have moved and it is quiet
//! again, at most once in an interval. A node compares nothing while something it was sent here waits for what comes
//! by another link, nor after a loss before each of its neighbours has handed over: what it holds of a chain may come in
//! parts from several of them.
//!
//! **Reach.** Each side says now and then whom it does not reach beyond itself, and for how long. It is testimony for
//! lamps: it has no cursor, is kept by nobody, and a session that begins knows none of it.
//!
//! **Memory.** Frames are made one at a time, when the wire has room ([`Event::Room`]); what was taken in and is not
//! yet synced is bounded by the window in items and by [`Limits::unstored_bytes_max`], above which [`Session::is_full`]
//! asks the shell to read no further.

mod agreement;
mod code;
mod end;
mod greeting;
mod lane;
mod machine;

pub use code::Code;
pub use machine::Session;

use fengqiao_hub::entry::hash_of;
use fengqiao_hub::id::{Hash, NodeId, StoreId};
use fengqiao_proto::v1 as pb;
use prost::Message as _;

/// Lowest protocol version spoken.
pub const VERSION_MIN: u32 = 1;
/// Highest protocol version spoken.
pub const VERSION_MAX: u32 = 1;
/// Items in one frame.
pub const ITEMS_MAX: usize = 128;
/// Items of the control lane that may be under way beyond what was acknowledged. Both sides rely on it.
pub const CONTROL_WINDOW_ITEMS: u64 = 256;
/// Ranges of a digest.
pub const RANGES: usize = 256;
/// The lanes, in the order in which they are served.
pub const LANES: [pb::Lane; 3] = [pb::Lane::Control, pb::Lane::Cases, pb::Lane::Bulk];

/// What stands for an item in the running hash of its lane: the hash of an entry, else that of its bytes. The chain's
/// secret is no part of it: it is wrapped anew, or gone, when an item is sent again.
#[must_use]
pub fn item_hash(kind: pb::ItemKind, payload: &[u8]) -> Hash {
    if kind == pb::ItemKind::Entry
        && let Ok(signed) = pb::SignedEntry::decode(payload)
    {
        return hash_of(&signed.envelope);
    }
    bytes_hash(payload)
}

/// The same for what is no entry.
#[must_use]
pub fn bytes_hash(payload: &[u8]) -> Hash {
    Hash::of("fengqiao/item/1", &[payload])
}

/// The running hash of a lane after an item; `before` is empty before the first.
#[must_use]
pub fn lane_hash(before: &[u8], item: Hash) -> Hash {
    Hash::of("fengqiao/lane/1", &[before, &item.0])
}

/// The same for an item as it travels; `previous` is `None` before the first.
#[must_use]
pub fn running_hash(previous: Option<Hash>, item: &pb::Item) -> Hash {
    let before = previous.as_ref().map_or(&[][..], |hash| &hash.0);
    lane_hash(before, item_hash(item.kind(), &item.payload))
}

/// What the session reads of its own node: the outbox and the cursors, as views of the journal. Only what is synced is
/// shown. Read on the task that moves the bytes, so an answer may take a page read, not a search.
pub trait Lanes: Send + Sync {
    /// What is stored of the peer's lane: the peer's store and incarnation; sequence 0 when nothing.
    fn received(&self, lane: pb::Lane) -> pb::Cursor;

    /// The last item owed on our lane and its running hash, under our store and incarnation.
    fn last(&self, lane: pb::Lane) -> pb::Cursor;

    /// The running hash of our lane at a sequence; `None` when there is no such item.
    fn hash_at(&self, lane: pb::Lane, sequence: u64) -> Option<Hash>;

    /// The highest sequence the peer ever acknowledged, 0 when none. Only a recovery lowers it.
    fn acknowledged(&self, lane: pb::Lane) -> u64;

    /// Consecutive items of our lane from a sequence on, at most `items_max` and about `bytes_max` of encoded length,
    /// and at least one when there is one.
    fn load(&self, lane: pb::Lane, from: u64, items_max: usize, bytes_max: usize) -> Vec<pb::Item>;

    /// Whether entries that came by this link wait for what another neighbour is to bring, or this node has yet to be
    /// handed what the one before it held, or the other end was moved away and hears of the same chains from another side.
    /// The chains of the two ends differ then at equal cursors: nothing is compared, and nothing settled.
    fn is_tentative(&self) -> bool {
        false
    }

    /// What of our lane of cases the peer must have stored before what is acknowledged to it now is settled: all that is
    /// owed, since a taking may be among it. `None` while this node is tentative, for a taking may come another way.
    fn settles_after(&self) -> Option<u64> {
        (!self.is_tentative()).then(|| self.last(pb::Lane::Cases).sequence)
    }
}

/// What the peer says it has of ours. Checked against our lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Stored there, in our lane.
    pub cursor: pb::Cursor,
    /// Stored at the top, in our lane.
    pub top_sequence: u64,
    /// What of its lane of cases is to be stored here before the rest of it counts as settled; `None` when the peer
    /// settles nothing by it.
    pub settles_after: Option<u64>,
}

/// The two ends of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// This node.
    pub node: NodeId,
    /// The node that must be at the other end, as its certificate proved.
    pub peer: NodeId,
    /// This node's store.
    pub store: StoreId,
    /// This node's incarnation.
    pub incarnation: u32,
    /// Starts of this data folder.
    pub boot: u64,
    /// Registry chains known.
    pub registry: Vec<pb::RegistryReference>,
}

/// What bounds a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Encoded bytes of one frame.
    pub frame_bytes_max: usize,
    /// Items of one lane a sender may have under way; at least 1. Not for control, see [`CONTROL_WINDOW_ITEMS`].
    pub window_items: u64,
    /// Bytes handed to the engine and not yet stored, over all lanes, before reading stops.
    pub unstored_bytes_max: usize,
    /// Between two digests.
    pub digest_interval_ms: i64,
    /// Until the peer must have said Hello.
    pub hello_timeout_ms: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes_max: 1 << 20,
            window_items: 1_024,
            unstored_bytes_max: 4 << 20,
            digest_interval_ms: 60_000,
            hello_timeout_ms: 10_000,
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The stream stands.
    Opened,
    /// A frame came.
    Frame(pb::Frame),
    /// The wire takes one more frame.
    Room,
    /// The journal has synced items of the peer's lane; the top has stored up to `top_sequence` of it.
    Stored {
        /// Lane.
        lane: pb::Lane,
        /// Of the peer's lane.
        top_sequence: u64,
    },
    /// Our lanes have grown.
    Owed,
    /// The top has stored more of the peer's lane.
    TopMoved {
        /// Lane.
        lane: pb::Lane,
        /// Of the peer's lane.
        top_sequence: u64,
    },
    /// What was acknowledged to the peer settles from now on.
    Settles,
    /// The digest asked for, with the cursors of all lanes it was computed at.
    DigestComputed(pb::Digest),
    /// The range asked for.
    RangeComputed(pb::DigestRange),
    /// Whom this side does not reach beyond itself, to be said; the last of several stands.
    Unreached(pb::Unreached),
    /// This side ends the session.
    Leave {
        /// Why.
        code: Code,
        /// When the peer may come back.
        retry_after_ms: u64,
    },
    /// Time passed.
    Tick,
}

/// Until a peer may come back whose lane paused.
const PAUSE_MS: u64 = 60_000;

impl Event {
    /// This side pauses: too much that the peer sent waits for something else, which may come on another link.
    #[must_use]
    pub const fn paused() -> Self {
        Self::Leave {
            code: Code::ParkedFull,
            retry_after_ms: PAUSE_MS,
        }
    }
}

/// What to do, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Send this frame. One at most as the answer to [`Event::Room`], otherwise only in front of [`Action::Close`].
    Send(pb::Frame),
    /// Put these consecutive items in the journal, then tell [`Event::Stored`]. Items up to the cursor are to be passed
    /// over: a batch of the session before may have arrived meanwhile.
    Store {
        /// Lane.
        lane: pb::Lane,
        /// Items in order.
        items: Vec<pb::Item>,
    },
    /// The peer has stored ours.
    PeerStored(Receipt),
    /// The peer's first word, for its clock, its registry, its boot number. Comes before any alarm about its cursors.
    PeerHello(pb::Hello),
    /// Compute a digest and tell [`Event::DigestComputed`].
    ComputeDigest,
    /// Compute one range and tell [`Event::RangeComputed`].
    ComputeRange(u8),
    /// Two sides compared at one pair of cursors.
    DigestResult {
        /// Whether they agree.
        equal: bool,
    },
    /// What the peer has in a range that differs.
    RangeDiffers(pb::DigestRange),
    /// Whom the peer does not reach.
    PeerUnreached(pb::Unreached),
    /// Somebody must look.
    Alarm {
        /// What kind.
        code: Code,
        /// For the log; names no person.
        detail: String,
        /// The peer holds work of this node that its own journal does not have: it is an older copy of itself.
        older_copy: bool,
    },
    /// End the stream.
    Close {
        /// Why.
        code: Code,
        /// Do not come back before.
        retry_after_ms: u64,
    },
}

#[cfg(test)]
mod tests;
