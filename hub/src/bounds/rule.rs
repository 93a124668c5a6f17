//! What one value may be.

use std::ops::RangeInclusive;

/// What one value of a field may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    /// A text of so many characters, all of which can be shown.
    Text { characters_max: usize },
    /// Bytes that nobody reads as a name.
    Bytes { most: usize },
    /// An id, hash, key or signature of one of these lengths.
    Id(&'static [usize]),
    /// Up to a largest number.
    Unsigned(u64),
    /// Within a range.
    Signed(RangeInclusive<i64>),
    /// One of these.
    Known(&'static [u64]),
    /// Anything: a yes or no, or a word of a list that may have grown since.
    Any,
    /// A message, or bytes that hold one.
    Message(&'static str),
}
