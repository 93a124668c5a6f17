//! An item that ends the process each time it is applied must not stop its link for ever (H9 of the proof: the poisoned
//! entry). Before items are applied it is noted which; the note needs no sync, for what a process wrote before it died
//! is still in the page cache. Whoever opens the node finds in it what was never finished: that is applied one item at a
//! time then, and an item at which the process has died three times is parked unread.

use std::collections::BTreeSet;

use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::NodeId;
use fengqiao_proto::v1 as pb;
use prost::Message as _;

use super::projection::lane_row;
use super::{Engine, EngineError, Input, Output};

/// Deaths at one item after which it is parked unread.
const DEATHS_MAX: u32 = 3;

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
    attempts: Option<Box<dyn Attempts>>,
    /// Begun before the process died and never finished.
    suspects: Vec<Attempt>,
}

/// Items that are not to be read: link, lane, sequence.
pub(crate) type Unread = BTreeSet<(NodeId, i32, u64)>;

impl Engine {
    /// From now on notes what is applied; what was begun before and never finished is suspected.
    ///
    /// # Errors
    /// The store does not read.
    pub fn watch(&mut self, attempts: Box<dyn Attempts>) -> Result<(), EngineError> {
        self.suspicion.suspects = attempts.last().attempts;
        self.suspicion.attempts = Some(attempts);
        self.acquit()
    }

    /// Decides a group of inputs and makes it durable.
    ///
    /// # Errors
    /// An [`EngineError`]: nothing of the group was answered; the engine must not be used again.
    pub fn process(&mut self, now: Moment, inputs: Vec<Input>) -> Result<Vec<Output>, EngineError> {
        if !inputs.iter().any(|input| self.suspicion.suspects(input)) {
            return self.begin(now, inputs);
        }
        let mut outputs = Vec::new();
        for input in inputs.into_iter().flat_map(one_by_one) {
            outputs.extend(self.begin(now, vec![input])?);
            self.acquit()?;
        }
        Ok(outputs)
    }

    fn begin(&mut self, now: Moment, inputs: Vec<Input>) -> Result<Vec<Output>, EngineError> {
        let attempts: Vec<Attempt> = inputs
            .iter()
            .filter_map(|input| self.suspicion.attempt(input))
            .collect();
        if attempts.is_empty() {
            return self.decide(now, inputs, Unread::new());
        }
        let unread = attempts
            .iter()
            .filter(|attempt| attempt.begun > DEATHS_MAX && attempt.first == attempt.last)
            .filter_map(|attempt| {
                Some((
                    NodeId::from_bytes(&attempt.link)?,
                    attempt.lane,
                    attempt.first,
                ))
            })
            .collect();
        self.suspicion.note(attempts);
        let decided = self.decide(now, inputs, unread);
        if let Err(EngineError::Journal(_) | EngineError::Store(_) | EngineError::Keys(_)) =
            &decided
        {
            // The disk's fault and not the item's.
            self.suspicion.note(Vec::new());
        }
        decided
    }

    /// What has been stored is suspected no longer.
    fn acquit(&mut self) -> Result<(), EngineError> {
        let mut suspects = std::mem::take(&mut self.suspicion.suspects);
        let mut failed = None;
        suspects.retain(|suspect| {
            let Some(link) = NodeId::from_bytes(&suspect.link) else {
                return false;
            };
            match lane_row(self.store.as_ref(), link, suspect.lane()) {
                Ok(row) => row.stored() < suspect.last,
                Err(error) => {
                    failed = Some(error);
                    true
                }
            }
        });
        self.suspicion.suspects = suspects;
        failed.map_or(Ok(()), Err)
    }
}

impl Suspicion {
    /// What is begun with an input, and how often it was before.
    fn attempt(&self, input: &Input) -> Option<Attempt> {
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

    fn suspects(&self, input: &Input) -> bool {
        self.attempt(input).is_some_and(|attempt| attempt.begun > 1)
    }

    fn note(&mut self, attempts: Vec<Attempt>) {
        if let Some(noted) = self.attempts.as_mut() {
            noted.note(&Attempted { attempts });
        }
    }
}

/// A batch as its items, so that a death is the one item's.
fn one_by_one(input: Input) -> Vec<Input> {
    let Input::Items {
        link,
        from,
        lane,
        items,
    } = input
    else {
        return vec![input];
    };
    let alone = |item| Input::Items {
        link,
        from,
        lane,
        items: vec![item],
    };
    items.into_iter().map(alone).collect()
}

/// The hash an entry has as long as nobody reads further into it: what its sender has in the running hash of the lane.
pub(crate) fn unread_hash(item: &pb::Item) -> fengqiao_hub::id::Hash {
    let entry = pb::SignedEntry::decode(&item.payload[..]).ok();
    match entry.filter(|_| item.kind() == pb::ItemKind::Entry) {
        Some(entry) => fengqiao_hub::entry::hash_of(&entry.envelope),
        None => crate::replication::session::bytes_hash(&item.payload),
    }
}
