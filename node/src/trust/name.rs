//! The names in certificates, built from the ids of [`fengqiao_hub::id`].
//!
//! A node's name in certificates is
//! `<node>.<issuing authorities, nearest first>.<deployment>.fq.internal`: it
//! says who issued, never who is parent (PROTOCOL.md 1 and 26). One spelling
//! an id: look-alike letters and capitals are refused, not corrected, because
//! two spellings of one name are two names to a certificate.

use std::fmt;
use std::str::FromStr;

pub use fengqiao_hub::id::{DeploymentId, NodeId, PlaceId};
use fengqiao_hub::id::{IdError, base32, from_base32};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;
use zeroize::Zeroizing;

/// What every name ends in.
pub(crate) const NAME_SUFFIX: &str = "fq.internal";
/// The most authorities that may stand between a node and the root.
pub(crate) const AUTHORITY_DEPTH_MAX: usize = 6;

const ID_BYTES: usize = 10;

/// A text that is no id or no name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// An id of another length, or with a letter outside its alphabet.
    #[error("an id")]
    Id(#[from] IdError),
    /// The name does not end in `fq.internal`.
    #[error("the name does not end in .{NAME_SUFFIX}")]
    Suffix,
    /// Too few labels, or more authorities than [`AUTHORITY_DEPTH_MAX`].
    #[error("the name has {0} labels before the suffix")]
    Labels(usize),
}

/// Reads exactly `N` bytes from their one spelling.
pub(crate) fn read_base32<const N: usize>(text: &str) -> Result<[u8; N], IdError> {
    let expected = (N * 8).div_ceil(5);
    if text.len() != expected {
        return Err(IdError { expected });
    }
    // May be the secret of an invitation.
    let bytes = from_base32(text).map(Zeroizing::new);
    bytes
        .and_then(|bytes| bytes.as_slice().try_into().ok())
        .ok_or(IdError { expected })
}

/// One invitation; commits to the node that issued it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvitationId([u8; ID_BYTES]);

impl InvitationId {
    /// Takes the ten bytes as they are.
    pub const fn from_bytes(bytes: [u8; ID_BYTES]) -> Self {
        Self(bytes)
    }

    /// The ten bytes.
    pub const fn as_bytes(&self) -> &[u8; ID_BYTES] {
        &self.0
    }
}

impl fmt::Display for InvitationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&base32(&self.0))
    }
}

impl fmt::Debug for InvitationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "InvitationId({self})")
    }
}

impl FromStr for InvitationId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        read_base32(text).map(Self)
    }
}

impl Serialize for InvitationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for InvitationId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
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

impl Serialize for NodeName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NodeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
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
            let id = InvitationId::from_bytes(bytes);
            let text = id.to_string();
            prop_assert_eq!(text.len(), 16);
            prop_assert_eq!(text.parse::<InvitationId>().unwrap(), id);
        }

        #[test]
        fn sixteen_bytes_are_read_back_from_twenty_six_letters(bytes: [u8; 16]) {
            let text = base32(&bytes);
            prop_assert_eq!(text.len(), 26);
            prop_assert_eq!(read_base32::<16>(&text).unwrap(), bytes);
        }

        #[test]
        fn a_name_is_read_back_from_its_spelling(
            node: [u8; 10], places in proptest::collection::vec(any::<[u8; 10]>(), 0..=6), top: [u8; 10],
        ) {
            let name = NodeName {
                node: NodeId(node),
                issued_by: IssuingPath {
                    authorities: places.into_iter().map(PlaceId).collect(),
                    deployment: DeploymentId(top),
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
        assert!(sound.parse::<InvitationId>().is_ok());
        for text in [
            "0123456789ABCDEF",
            "o123456789abcdef",
            "0123456789abcde",
            "*123456789abcdef",
            "中123456789abcde",
        ] {
            let refused = Err(IdError { expected: 16 });
            assert_eq!(text.parse::<InvitationId>(), refused, "{text}");
        }
    }

    #[test]
    fn a_secret_with_bits_beyond_its_value_is_refused() {
        assert_eq!(
            read_base32::<16>("00000000000000000000000001"),
            Err(IdError { expected: 26 })
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
