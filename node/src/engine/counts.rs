//! How much there is of what.

/// Figures for the status, kept with the store.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Counts {
    /// Entries in trees.
    #[prost(uint64, tag = "1")]
    pub entries: u64,
    /// Cases whose chain is here.
    #[prost(uint64, tag = "2")]
    pub cases: u64,
    /// Entries and other items that wait.
    #[prost(uint64, tag = "3")]
    pub parked: u64,
    /// Cases known by notice only.
    #[prost(uint64, tag = "4")]
    pub notices: u64,
    /// Submissions that wait.
    #[prost(uint64, tag = "5")]
    pub submissions: u64,
    /// Starts of this data folder.
    #[prost(uint64, tag = "6")]
    pub boot: u64,
    /// Items received.
    #[prost(uint64, tag = "7")]
    pub received: u64,
}
