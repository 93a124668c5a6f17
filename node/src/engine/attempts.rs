//! An item that ends the process each time it is applied must not stop its link for ever (H9 of the proof: the poisoned
//! entry). Before items are applied it is noted which; the note needs no sync, for what a process wrote before it died
//! is still in the page cache. Whoever opens the node finds in it what was never finished: that is applied one item at a
//! time then, and an item at which the process has died three times is parked unread.

use std::collections::BTreeSet;

use fengqiao_hub::id::NodeId;
use fengqiao_proto::v1 as pb;

use super::Input;

/// Items of one lane that are being applied.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Attempt {
    /// Link, 10 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub link: Vec<u8>,
    /// Lane.
    #[prost(enumeration = "pb::Lane", tag = "2")]
    pub lane: i32,
    /// First sequence.
    #[prost(uint64, tag = "3")]
    pub first: u64,
    /// Last sequence.
    #[prost(uint64, tag = "4")]
    pub last: u64,
    /// How often it was begun.
    #[prost(uint32, tag = "5")]
    pub begun: u32,
}

impl Attempt {
    /// Whether two speak of an item of the same lane.
    fn meets(&self, other: &Self) -> bool {
        let same = self.link == other.link && self.lane == other.lane;
        same && self.first <= other.last && other.first <= self.last
    }
}

/// All that is being applied in one group.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Attempted {
    /// One a lane.
    #[prost(message, repeated, tag = "1")]
    pub attempts: Vec<Attempt>,
}

/// Where attempts are noted: what was noted before the process died must be read after it.
pub trait Attempts: Send {
    /// Notes what is begun, in place of what was noted before.
    fn note(&mut self, begun: &Attempted);
    /// What was noted last.
    fn last(&self) -> Attempted;
}

/// Attempts of an engine.
#[derive(Default)]
pub(crate) struct Suspicion {
    pub(super) attempts: Option<Box<dyn Attempts>>,
    /// Begun before the process died and never finished.
    pub(super) suspects: Vec<Attempt>,
}

/// Items that are not to be read: link, lane, sequence.
pub(crate) type Unread = BTreeSet<(NodeId, i32, u64)>;

impl Suspicion {
    /// What is begun with an input, and how often it was before.
    pub(super) fn attempt(&self, input: &Input) -> Option<Attempt> {
        let Input::Items {
            link, lane, items, ..
        } = input
        else {
            return None;
        };
        let attempt = Attempt {
            link: link.to_vec(),
            lane: (*lane).into(),
            first: items.first()?.sequence,
            last: items.last()?.sequence,
            begun: 0,
        };
        let before = self.suspects.iter().find(|suspect| suspect.meets(&attempt));
        Some(Attempt {
            begun: before.map_or(0, |before| before.begun).saturating_add(1),
            ..attempt
        })
    }

    pub(super) fn suspects(&self, input: &Input) -> bool {
        self.attempt(input).is_some_and(|attempt| attempt.begun > 1)
    }

    pub(super) fn note(&mut self, attempts: Vec<Attempt>) {
        if let Some(noted) = self.attempts.as_mut() {
            noted.note(&Attempted { attempts });
        }
    }
}
