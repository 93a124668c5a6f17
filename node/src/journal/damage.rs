//! What is wrong with stored bytes, and how a person mends it.

use std::fmt;

use super::position::Position;

/// What kind of wound a segment has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wound {
    /// A record's header or payload does not match its checksum or its place.
    Record,
    /// The header of the segment is unreadable.
    Header,
    /// The segment is absent, or the one before it was cut short.
    Missing,
    /// The segment reaches into its successor.
    Length,
    /// The segment is not the one whose hash its successor or the witness names.
    Chain,
}

/// Damage to bytes that had been durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// File name inside the journal folder.
    pub segment: String,
    /// Where the damage begins.
    pub position: Position,
    /// Bytes from there to the next sound record, or to the end of the segment.
    pub length: u64,
    /// Its kind.
    pub wound: Wound,
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.wound {
            Wound::Record => "a record is damaged",
            Wound::Header => "the segment header is damaged",
            Wound::Missing => "it is missing, or the segment before it was cut short",
            Wound::Length => "the segment is longer than it was",
            Wound::Chain => "the segment is not the one that was sealed",
        };
        write!(
            formatter,
            "journal segment {}, position {}, {} bytes: {what}; restore this segment from a \
             backup or fetch it again from the neighbour \
             （日志段损坏：请从备份恢复该段，或从相邻节点重新获取）",
            self.segment, self.position.0, self.length
        )
    }
}
