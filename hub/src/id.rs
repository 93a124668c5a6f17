//! Names of things: opaque random ids, written as Crockford base32 in lower case, and hashes in hexadecimal.
//!
//! An id never says what it names: codes, names, tiers and parents are attributes in the registry (PROTOCOL.md 1).

use std::fmt;

use data_encoding::{Encoding, HEXLOWER, HEXLOWER_PERMISSIVE};
use data_encoding_macro::new_encoding;
use fengqiao_proto::v1::ChainKind;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

const CROCKFORD: Encoding = new_encoding! { symbols: "0123456789abcdefghjkmnpqrstvwxyz", };

/// An id that is no id: wrong length or a character outside Crockford base32.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of {expected} base32 characters")]
pub struct IdError {
    /// Characters expected.
    pub expected: usize,
}

/// Writes bytes as Crockford base32, lower case, most significant bit first, the last character padded with zero bits.
#[must_use]
pub fn base32(bytes: &[u8]) -> String {
    CROCKFORD.encode(bytes)
}

/// Reads Crockford base32 in lower case; padding bits must be zero.
#[must_use]
pub fn from_base32(text: &str) -> Option<Vec<u8>> {
    CROCKFORD.decode(text.as_bytes()).ok()
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub [u8; $length]);

        impl $name {
            /// Length in bytes.
            pub const LENGTH: usize = $length;

            /// Reads the raw bytes; `None` when the length is wrong.
            #[must_use]
            pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
                <[u8; $length]>::try_from(bytes).ok().map(Self)
            }

            /// The raw bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }

            /// The raw bytes, to be written into a message.
            #[must_use]
            pub fn to_vec(self) -> Vec<u8> {
                self.0.to_vec()
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&base32(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let expected = ($length * 8_usize).div_ceil(5);
                if text.len() != expected {
                    return Err(IdError { expected });
                }
                from_base32(text).and_then(|bytes| Self::from_bytes(&bytes)).ok_or(IdError { expected })
            }
        }
    };
}

id!(
    /// A place: a city, county, township, village or a level between them. Never reused.
    PlaceId,
    10
);
id!(
    /// A department or organisation of a centre.
    UnitId,
    10
);
id!(
    /// One running store of one place or unit.
    NodeId,
    10
);
id!(
    /// A person who acts.
    PersonId,
    10
);
id!(
    /// One installation of Fengqiao, from its first place down.
    DeploymentId,
    10
);
id!(
    /// A chain: a case, a directive, or a place's own chain.
    ChainId,
    16
);
id!(
    /// An act of someone who is not custodian.
    SubmissionId,
    16
);
id!(
    /// One data folder's store, drawn when it is created.
    StoreId,
    16
);

/// Bytes of a chain id between a place's id and the kind; all zero in a place's own chains and in no other.
const OWN: std::ops::Range<usize> = 10..15;

impl ChainId {
    /// The id of a chain that is no place's own: random but for its last byte, which is the kind.
    #[must_use]
    pub fn drawn(kind: ChainKind, random: [u8; 15]) -> Self {
        let mut bytes = [0; 16];
        bytes[..15].copy_from_slice(&random);
        if bytes[OWN] == [0; 5] {
            bytes[14] = 1;
        }
        bytes[15] = tag(kind);
        Self(bytes)
    }

    /// The registry chain of a place.
    #[must_use]
    pub fn of_place(place: PlaceId) -> Self {
        Self::own(place, ChainKind::Registry)
    }

    /// The supervision ledger of a place.
    #[must_use]
    pub fn supervision_of(place: PlaceId) -> Self {
        Self::own(place, ChainKind::Supervision)
    }

    /// The administration log of a place's centre, or of a department's own node: each has one writer.
    #[must_use]
    pub fn administration_of(place: PlaceId, unit: Option<UnitId>) -> Self {
        let owner = unit.map_or(place, |unit| PlaceId(unit.0));
        Self::own(owner, ChainKind::Administration)
    }

    /// A node's log of who was shown personal data at it. It belongs to the machine: a successor begins its own, so that
    /// nobody waits for a neighbour before a text is read.
    #[must_use]
    pub fn access_of(node: NodeId) -> Self {
        Self::own(PlaceId(node.0), ChainKind::Access)
    }

    /// The rules that a place issues.
    #[must_use]
    pub fn rulebook_of(place: PlaceId) -> Self {
        Self::own(place, ChainKind::Rulebook)
    }

    /// What the chain is about, as its id says: a place's own chains have five zero bytes before the kind, and no other
    /// chain has. `None` for an id that is no chain's.
    #[must_use]
    pub fn kind(self) -> Option<ChainKind> {
        let kind = ChainKind::try_from(i32::from(self.0[15])).ok()?;
        let is_own = self.0[OWN] == [0; 5];
        let owned = match kind {
            ChainKind::Registry
            | ChainKind::Supervision
            | ChainKind::Administration
            | ChainKind::Access
            | ChainKind::Rulebook => true,
            ChainKind::Case | ChainKind::Directive => false,
            ChainKind::Unspecified => return None,
        };
        (is_own == owned).then_some(kind)
    }

    /// The place, unit or node whose own chain this is.
    #[must_use]
    pub fn place(self) -> Option<PlaceId> {
        (self.kind().is_some() && self.0[OWN] == [0; 5])
            .then(|| PlaceId::from_bytes(&self.0[..10]))
            .flatten()
    }

    fn own(place: PlaceId, kind: ChainKind) -> Self {
        let mut bytes = [0; 16];
        bytes[..10].copy_from_slice(&place.0);
        bytes[15] = tag(kind);
        Self(bytes)
    }
}

fn tag(kind: ChainKind) -> u8 {
    u8::try_from(i32::from(kind)).unwrap_or_default()
}

/// A SHA-256 value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Hashes parts one after the other behind a domain string; a zero byte ends the domain.
    #[must_use]
    pub fn of(domain: &str, parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(domain.as_bytes());
        hasher.update([0]);
        for part in parts {
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    /// Reads the raw bytes; `None` when there are not 32.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        <[u8; 32]>::try_from(bytes).ok().map(Self)
    }

    /// The raw bytes.
    #[must_use]
    pub fn to_vec(self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// The first eight hexadecimal digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(8);
        text
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        HEXLOWER.encode_write(&self.0, f)
    }
}

impl std::str::FromStr for Hash {
    type Err = IdError;

    /// Reads 64 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let refused = IdError { expected: 64 };
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
        let whole = bytes.and_then(|bytes| bytes.try_into().ok());
        whole.map(Self).ok_or(refused)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_it_was_written() {
        let place = PlaceId([0xff, 0, 1, 2, 3, 4, 5, 6, 7, 0x80]);
        assert_eq!(place.to_string().len(), 16);
        assert_eq!(place.to_string().parse::<PlaceId>().unwrap(), place);
        let chain = ChainId([7; 16]);
        assert_eq!(chain.to_string().len(), 26);
        assert_eq!(chain.to_string().parse::<ChainId>().unwrap(), chain);
    }

    #[test]
    fn an_id_with_upper_case_or_stray_bits_is_refused() {
        assert!("0123456789ABCDEF".parse::<PlaceId>().is_err());
        assert!("0123456789abcdei".parse::<PlaceId>().is_err());
        assert!("zzzzzzzzzzzzzzzzzzzzzzzzzz".parse::<ChainId>().is_err());
    }

    #[test]
    fn an_id_is_one_string_in_json() {
        let place = PlaceId([3; 10]);
        let json = serde_json::to_string(&place).unwrap();
        assert_eq!(json, format!("\"{place}\""));
        assert_eq!(serde_json::from_str::<PlaceId>(&json).unwrap(), place);
        assert!(serde_json::from_str::<PlaceId>("\"0123456789ABCDEF\"").is_err());
        assert!(serde_json::from_str::<PlaceId>("[1, 2]").is_err());
    }

    #[test]
    fn a_chain_id_says_what_the_chain_is_about_and_a_places_own_whose() {
        let place = PlaceId([9; 10]);
        for (own, kind) in [
            (ChainId::of_place(place), ChainKind::Registry),
            (ChainId::supervision_of(place), ChainKind::Supervision),
            (
                ChainId::administration_of(place, None),
                ChainKind::Administration,
            ),
        ] {
            assert_eq!((own.place(), own.kind()), (Some(place), Some(kind)));
        }
        // Also where the dice fall like a place's own chain.
        for random in [[9; 15], [0; 15]] {
            let case = ChainId::drawn(ChainKind::Case, random);
            assert_eq!((case.place(), case.kind()), (None, Some(ChainKind::Case)));
        }
        assert_eq!(ChainId([9; 16]).kind(), None);
        assert_eq!(ChainId([0; 16]).kind(), None);
        assert_eq!(ChainId([1; 16]).kind(), Some(ChainKind::Case));
        let mut disguised = ChainId::supervision_of(place);
        disguised.0[15] = 1;
        assert_eq!(disguised.kind(), None, "a case in a place's own chain");
    }
}
