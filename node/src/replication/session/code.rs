//! Why a session ends or alarms.

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// Why a session ends or alarms. Stable words: they stand in Goodbyes, logs and metrics.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Reads a peer's word; [`Code::Unknown`] for one this version does not have.
            #[must_use]
            pub fn of_peer(text: &str) -> Self {
                match text { $($text => Self::$variant,)* _ => Self::Unknown }
            }
        }
    };
}

codes! {
    /// No protocol version in common.
    Version = "VERSION",
    /// The Hello names another node than the certificate.
    Node = "NODE",
    /// A cursor of another store or incarnation.
    CursorStore = "CURSOR_STORE",
    /// A cursor ahead of the lane it points into.
    CursorAhead = "CURSOR_AHEAD",
    /// A cursor behind what was once acknowledged.
    CursorBehind = "CURSOR_BEHIND",
    /// A cursor with another hash.
    CursorHash = "CURSOR_HASH",
    /// Items are missing before these.
    Gap = "GAP",
    /// More items than were granted.
    Credit = "CREDIT",
    /// A frame that makes no sense.
    Frame = "FRAME",
    /// An item of ours that fits in no frame; its lane stands still.
    ItemTooLarge = "ITEM_TOO_LARGE",
    /// A range of a digest that fits in no frame.
    RangeTooLarge = "RANGE_TOO_LARGE",
    /// Equal cursors, unequal digests.
    DigestDiffers = "DIGEST_DIFFERS",
    /// The peer did not say Hello in time.
    Silent = "SILENT",
    /// A newer session of the same link.
    Replaced = "REPLACED",
    /// The connection is as old as it may get.
    Age = "AGE",
    /// The process stops.
    Draining = "DRAINING",
    /// Too much to do.
    Busy = "BUSY",
    /// Too much that the peer sent waits for something else.
    ParkedFull = "PARKED_FULL",
    /// The link is closed: a revocation or a change of the registry.
    Revoked = "REVOKED",
    /// The stream broke.
    Cut = "CUT",
    /// A word of a newer version.
    Unknown = "UNKNOWN",
}

impl Code {
    /// Whether somebody must look, and calling again at once will not help.
    #[must_use]
    pub const fn is_alarm(self) -> bool {
        matches!(
            self,
            Self::Version
                | Self::Node
                | Self::CursorStore
                | Self::CursorAhead
                | Self::CursorBehind
                | Self::CursorHash
                | Self::Gap
                | Self::Credit
                | Self::Frame
                | Self::ItemTooLarge
                | Self::RangeTooLarge
                | Self::DigestDiffers
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
