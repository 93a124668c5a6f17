//! What was exercised, how often, and a hash of all that happened.

use std::borrow::Cow;
use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// What kind of thing is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// The shape of a world.
    World,
    /// Something went wrong, or its effect.
    Fault,
    /// A move was made.
    Move,
    /// A move was refused.
    Refusal,
    /// An entry was judged.
    Verdict,
    /// A session ended, or an alarm was raised.
    Link,
    /// A property was looked at.
    Property,
}

impl Family {
    /// In the order of the summary.
    pub const ALL: [Self; 7] = [
        Self::World,
        Self::Fault,
        Self::Move,
        Self::Refusal,
        Self::Verdict,
        Self::Link,
        Self::Property,
    ];

    /// Its heading.
    #[must_use]
    pub fn heading(self) -> &'static str {
        match self {
            Self::World => "worlds",
            Self::Fault => "faults",
            Self::Move => "moves made",
            Self::Refusal => "moves refused",
            Self::Verdict => "entries judged",
            Self::Link => "links: endings and alarms",
            Self::Property => "properties looked at",
        }
    }
}

/// Counts by family and name.
pub type Counts = BTreeMap<(Family, Cow<'static, str>), u64>;

/// Counts and the trace of one run.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// How often.
    pub counts: Counts,
    trace: Sha256,
    /// Events so far.
    pub events: u64,
}

impl Tally {
    /// Counts one.
    pub fn count(&mut self, family: Family, name: impl Into<Cow<'static, str>>) {
        self.count_many(family, name, 1);
    }

    /// Counts several.
    pub fn count_many(&mut self, family: Family, name: impl Into<Cow<'static, str>>, by: u64) {
        if by > 0 {
            *self.counts.entry((family, name.into())).or_default() += by;
        }
    }

    /// Takes something that happened into the trace.
    pub fn trace(&mut self, at_ms: i64, what: &str, bytes: &[u8]) {
        self.events += 1;
        self.trace.update(at_ms.to_be_bytes());
        self.trace.update(what.as_bytes());
        self.trace.update(bytes);
    }

    /// The hash of all that happened.
    #[must_use]
    pub fn traced(&self) -> String {
        let hash = self.trace.clone().finalize();
        HEXLOWER.encode(&hash)
    }
}

/// Adds the counts of one run to those of all.
pub fn add(all: &mut Counts, counts: &Counts) {
    for (key, count) in counts {
        *all.entry(key.clone()).or_default() += count;
    }
}
