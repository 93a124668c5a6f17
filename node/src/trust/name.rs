//! Ids and the names built from them.
//!
//! An id is 80 random bits, spelled in sixteen lower-case Crockford base32
//! letters so that it fits a DNS label. A node's name in certificates is
//! `<node>.<issuing authorities, nearest first>.<deployment>.fq.internal`: it
//! says who issued, never who is parent (PROTOCOL.md 1 and 26). One spelling
//! an id: look-alike letters and capitals are refused, not corrected, because
//! two spellings of one name are two names to a certificate.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use super::random::{Random, RandomUnavailable};

/// What every name ends in.
pub const NAME_SUFFIX: &str = "fq.internal";
/// The most authorities that may stand between a node and the root.
pub const AUTHORITY_DEPTH_MAX: usize = 6;
/// Letters in an id.
pub const ID_LETTERS: usize = 16;

const ID_BYTES: usize = 10;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A text that is no id or no name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// An id has another number of letters.
    #[error("an id has {ID_LETTERS} letters, not {0}")]
    Length(usize),
    /// A letter outside lower-case Crockford base32 (no i, l, o, u, no capitals).
    #[error("letter {position} is not one of 0-9 a-h j k m n p-t v-z")]
    Letter {
        /// Counted from 1.
        position: usize,
    },
    /// The last letter carries bits beyond the value, so another spelling exists.
    #[error("the last letter carries bits beyond the value")]
    Padding,
    /// The name does not end in `fq.internal`.
    #[error("the name does not end in .{NAME_SUFFIX}")]
    Suffix,
    /// Too few labels, or more authorities than [`AUTHORITY_DEPTH_MAX`].
    #[error("the name has {0} labels before the suffix")]
    Labels(usize),
}

/// Spells bytes in lower-case Crockford base32, most significant bits first.
pub(crate) fn encode_base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut held, mut bits) = (0_u32, 0_u32);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(letter(held >> bits));
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.push(letter(held << (5 - bits)));
    }
    text
}

fn letter(value: u32) -> char {
    char::from(ALPHABET[(value & 31) as usize])
}

/// Reads exactly `N` bytes from their one spelling.
pub(crate) fn decode_base32<const N: usize>(text: &str) -> Result<[u8; N], NameError> {
    if text.len() != (N * 8).div_ceil(5) {
        return Err(NameError::Length(text.chars().count()));
    }
    let mut bytes = [0_u8; N];
    let mut filled = 0;
    let (mut held, mut bits) = (0_usize, 0_u32);
    for (index, given) in text.bytes().enumerate() {
        let value =
            ALPHABET
                .iter()
                .position(|letter| *letter == given)
                .ok_or(NameError::Letter {
                    position: index + 1,
                })?;
        held = (held << 5) | value;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            let [low, ..] = (held >> bits).to_le_bytes();
            bytes[filled] = low;
            filled += 1;
        }
        held &= (1 << bits) - 1;
    }
    if held == 0 {
        Ok(bytes)
    } else {
        Err(NameError::Padding)
    }
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; ID_BYTES]);

        impl $name {
            /// Takes the ten bytes as they are.
            pub const fn from_bytes(bytes: [u8; ID_BYTES]) -> Self {
                Self(bytes)
            }

            /// Draws a fresh one.
            ///
            /// # Errors
            ///
            /// [`RandomUnavailable`] if the source cannot answer.
            pub fn random(random: &mut dyn Random) -> Result<Self, RandomUnavailable> {
                let mut bytes = [0; ID_BYTES];
                random.fill(&mut bytes)?;
                Ok(Self(bytes))
            }

            /// The ten bytes.
            pub const fn as_bytes(&self) -> &[u8; ID_BYTES] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&encode_base32(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                decode_base32(text).map(Self)
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
    };
}

identifier! {
    /// A jurisdiction, and the authority of its centre.
    PlaceId
}
identifier! {
    /// One running store of one jurisdiction.
    NodeId
}
identifier! {
    /// One tree of nodes under one root.
    DeploymentId
}
identifier! {
    /// One invitation; commits to the node that issued it.
    InvitationId
}

/// The authorities a certificate hangs from: nearest first, the root last as
/// the deployment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct IssuingPath {
    /// Places of the issuing authorities, nearest to the node first; empty
    /// where the root itself issued.
    pub authorities: Vec<PlaceId>,
    /// The deployment, proven by the root's own constraint.
    pub deployment: DeploymentId,
}

impl IssuingPath {
    /// The path of the root itself.
    pub const fn root(deployment: DeploymentId) -> Self {
        Self {
            authorities: Vec::new(),
            deployment,
        }
    }

    /// The path of an authority of `place` directly below this one.
    #[must_use]
    pub fn below(&self, place: PlaceId) -> Self {
        let mut authorities = vec![place];
        authorities.extend(&self.authorities);
        Self {
            authorities,
            deployment: self.deployment,
        }
    }
}

impl fmt::Display for IssuingPath {
    /// The DNS subtree the path may issue for, without a leading dot.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in &self.authorities {
            write!(formatter, "{place}.")?;
        }
        write!(formatter, "{}.{NAME_SUFFIX}", self.deployment)
    }
}

impl FromStr for IssuingPath {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let labels = text
            .strip_suffix(NAME_SUFFIX)
            .and_then(|rest| rest.strip_suffix('.'))
            .ok_or(NameError::Suffix)?;
        let mut authorities = Vec::new();
        let mut rest = labels;
        while let Some((first, more)) = rest.split_once('.') {
            authorities.push(first.parse()?);
            if authorities.len() > AUTHORITY_DEPTH_MAX {
                return Err(NameError::Labels(labels.split('.').count()));
            }
            rest = more;
        }
        let deployment = rest.parse()?;
        Ok(Self {
            authorities,
            deployment,
        })
    }
}

/// A node's name as it stands in its certificate and in SNI.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeName {
    /// The node.
    pub node: NodeId,
    /// Who issued its certificate.
    pub issued_by: IssuingPath,
}

impl fmt::Display for NodeName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.node, self.issued_by)
    }
}

impl FromStr for NodeName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (node, issued_by) = text.split_once('.').ok_or(NameError::Suffix)?;
        Ok(Self {
            node: node.parse()?,
            issued_by: issued_by.parse()?,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_is_read_back_from_its_spelling(bytes: [u8; 10]) {
            let id = NodeId::from_bytes(bytes);
            let text = id.to_string();
            prop_assert_eq!(text.len(), ID_LETTERS);
            prop_assert_eq!(text.parse::<NodeId>().unwrap(), id);
        }

        #[test]
        fn sixteen_bytes_are_read_back_from_twenty_six_letters(bytes: [u8; 16]) {
            let text = encode_base32(&bytes);
            prop_assert_eq!(text.len(), 26);
            prop_assert_eq!(decode_base32::<16>(&text).unwrap(), bytes);
        }

        #[test]
        fn a_name_is_read_back_from_its_spelling(
            node: [u8; 10], places in proptest::collection::vec(any::<[u8; 10]>(), 0..=6), top: [u8; 10],
        ) {
            let name = NodeName {
                node: NodeId::from_bytes(node),
                issued_by: IssuingPath {
                    authorities: places.into_iter().map(PlaceId::from_bytes).collect(),
                    deployment: DeploymentId::from_bytes(top),
                },
            };
            let text = name.to_string();
            prop_assert!(text.len() <= 253);
            prop_assert_eq!(text.parse::<NodeName>().unwrap(), name);
        }
    }

    #[test]
    fn other_spellings_of_an_id_are_refused() {
        let sound = "0123456789abcdef";
        assert!(sound.parse::<NodeId>().is_ok());
        for (text, error) in [
            ("0123456789ABCDEF", NameError::Letter { position: 11 }),
            ("o123456789abcdef", NameError::Letter { position: 1 }),
            ("0123456789abcde", NameError::Length(15)),
            ("*123456789abcdef", NameError::Letter { position: 1 }),
            ("中123456789abcde", NameError::Length(16)),
        ] {
            assert!(text.parse::<NodeId>().is_err(), "{text}");
            if text.is_ascii() {
                assert_eq!(text.parse::<NodeId>(), Err(error), "{text}");
            }
        }
    }

    #[test]
    fn a_secret_with_bits_beyond_its_value_is_refused() {
        assert_eq!(
            decode_base32::<16>("00000000000000000000000001"),
            Err(NameError::Padding)
        );
    }

    #[test]
    fn names_that_are_too_short_too_deep_or_foreign_are_refused() {
        let id = "0123456789abcdef";
        let deep = format!("{id}.{}{id}.fq.internal", format!("{id}.").repeat(7));
        for text in [
            "fq.internal",
            "0123456789abcdef.fq.internal",
            "0123456789abcdef.0123456789abcdef.fq.internal.",
            "0123456789abcdef.0123456789abcdef.xfq.internal",
            "0123456789abcdef..0123456789abcdef.fq.internal",
            "0123456789abcdef.0123456789abcdef.cases.internal",
            &deep,
        ] {
            assert!(text.parse::<NodeName>().is_err(), "{text}");
        }
    }
}
