//! The limits of fields. A field that is not named here has the strict one of its type.

use std::ops::RangeInclusive;

use super::rule::Rule;
use crate::rank::level;

/// Longest note of a bundle of rules, in characters.
pub const BUNDLE_NOTE_CHARACTERS_MAX: usize = 200;
/// Most bytes of the files that a bundle of rules holds itself, and of a part of one.
pub const BUNDLE_PART_BYTES_MAX: usize = 48 << 10;
/// Nodes a submission may pass.
pub const SUBMISSION_HOPS_MAX: u32 = 8;

/// Characters of a text.
const CHARACTERS_MAX: usize = 64;
/// Values of a list.
const COUNT_MAX: usize = 64;
/// A 32 bit number: there is room to count on.
pub(super) const UINT32_MAX: u64 = (1 << 31) - 1;
/// A 64 bit number: there is room to count on.
pub(super) const UINT64_MAX: u64 = (1 << 63) - 1;
/// Days since 1970, more than anybody counts.
pub(super) const INT32: RangeInclusive<i64> = -(1 << 24)..=1 << 24;
/// The years 1 to 9999 in Unix milliseconds, roughly.
pub(super) const TIMES_MS: RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;
/// Length of an id that is not named: any that an id or a hash has.
const ANY_ID: &[usize] = &[10, 16, 32];

/// Levels a place may have.
const LEVELS: &[u64] = &[
    level::PROVINCE as u64,
    level::CITY as u64,
    level::COUNTY as u64,
    level::AREA as u64,
    level::TOWNSHIP as u64,
    level::VILLAGE as u64,
];

/// Longest text of a field, in characters.
pub(super) fn characters_max(message: &str, field: &str) -> usize {
    match (message, field) {
        // A rulebook's own limits.
        (_, "class") => 64,
        ("BundleIssued", "note") => BUNDLE_NOTE_CHARACTERS_MAX,
        ("Register" | "Notice", "number") | ("AccountSet", "login") => 32,
        // host:port
        (_, "address") => 261,
        _ => CHARACTERS_MAX,
    }
}

/// Most values of a list.
pub(super) fn count_max(message: &str, field: &str) -> usize {
    match (message, field) {
        ("Envelope" | "Notice", "rank") => LEVELS.len(),
        ("Envelope", "commitments" | "registry")
        | ("SignedEntry" | "SignedSubmission", "payloads") => 16,
        ("Tally", "counts") => 128,
        // Every centre of a city may be named.
        ("DirectiveCount", "acknowledged" | "reported") | ("Hello", "registry") => 8_192,
        ("DirectiveIssued", "scope") => 4_096,
        _ => COUNT_MAX,
    }
}

/// What bytes may be.
pub(super) fn bytes(message: &str, field: &str) -> Rule {
    match (message, field) {
        ("SignedEntry" | "SignedSubmission", "payloads") | ("SealedFrame", "sealed") => {
            Rule::Bytes { most: 64 << 10 }
        }
        // A file of a rulebook, judged as one when it is read.
        ("BundleFile" | "BundlePart", "content") => Rule::Bytes {
            most: BUNDLE_PART_BYTES_MAX,
        },
        // Encapsulated key, key and tag, and room for another suite.
        ("ChainSecret", "wrapped_key") => Rule::Bytes { most: 256 },
        ("SignedEntry", "envelope") => Rule::Message("Envelope"),
        ("SignedEntry" | "Submission", "body") => Rule::Message("Body"),
        ("SignedNotice", "notice") => Rule::Message("Notice"),
        ("SignedTally", "tally") => Rule::Message("Tally"),
        ("SignedDirectiveCount", "count") => Rule::Message("DirectiveCount"),
        ("SignedSubmission", "submission") => Rule::Message("Submission"),
        ("SignedRefusal", "refusal") => Rule::Message("Refusal"),
        ("Envelope", "key") => Rule::Id(&[8]),
        (_, "signature") => Rule::Id(&[64]),
        (
            _,
            "deployment" | "place" | "node" | "unit" | "author" | "actor" | "person" | "lead"
            | "co_handlers" | "custodian" | "origin" | "issuer" | "scope" | "offered_to"
            | "recipient" | "successor" | "first_receiver" | "proposed_unit" | "proposed_place"
            | "acknowledged" | "reported" | "approved_by" | "to",
        ) => Rule::Id(&[10]),
        (_, "chain" | "case" | "store" | "submission" | "frame" | "directive") => Rule::Id(&[16]),
        (
            _,
            "previous" | "body_hash" | "commitments" | "head" | "hash" | "answering" | "entry"
            | "secret_hash" | "token_hash" | "warning" | "signing_key" | "encryption_key"
            | "transport_key_hash" | "root_key" | "salt",
        ) => Rule::Id(&[32]),
        _ => Rule::Id(ANY_ID),
    }
}

/// What a number may be; `most` by its type.
pub(super) fn unsigned(message: &str, field: &str, most: u64) -> Rule {
    match (message, field) {
        ("RankPart" | "PlaceAdded" | "PlaceMoved", "level") => Rule::Known(LEVELS),
        ("PlaceMoved", "number") => Rule::Unsigned((1 << 16) - 1),
        ("SignedSubmission", "hops") => Rule::Unsigned(SUBMISSION_HOPS_MAX.into()),
        ("Rate", "score") => Rule::Unsigned(5),
        ("ConvenedTask" | "TaskAcknowledged" | "TaskReported", "task") => {
            Rule::Unsigned((1 << 16) - 1)
        }
        // Sums of many of them are shown.
        ("TallyCount", "count") => Rule::Unsigned((1 << 40) - 1),
        _ => Rule::Unsigned(most),
    }
}
