//! Places in the virtual log; see the journal for what is counted.

/// Byte offset in the virtual log, see the module for what is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(pub u64);

/// Where a slice of a record's payload stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// Of the record.
    pub position: Position,
    /// Inside the payload, bytes.
    pub offset: u32,
    /// Bytes.
    pub length: u32,
}
