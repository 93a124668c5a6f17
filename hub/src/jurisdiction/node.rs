//! Nodes as the registry pins them.

use ed25519_dalek::VerifyingKey;
use fengqiao_proto::v1 as pb;

use super::RegistryError;
use crate::id::{Hash, NodeId, PlaceId, UnitId};

/// A node as the registry pins it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRecord {
    /// Id.
    pub id: NodeId,
    /// Place it serves.
    pub place: PlaceId,
    /// Unit it serves, when it is a department's own node.
    pub unit: Option<UnitId>,
    /// Signing key.
    pub signing_key: VerifyingKey,
    /// Sealing key, X25519.
    pub encryption_key: [u8; 32],
    /// SHA-256 of the transport key's SPKI.
    pub transport_key_hash: Hash,
    /// Incarnation that may write.
    pub incarnation: u32,
    /// Generation of its takings.
    pub generation: u32,
    /// Where the pinning entry stands: the issuing place and the sequence in its chain.
    pub pinned_at: (PlaceId, u64),
    /// Node that wrote the pinning entry.
    pub pinned_by: NodeId,
    /// Set when revoked: incarnation and last author sequence that still counts.
    pub revoked: Option<(u32, u64)>,
}

/// Last author sequence in the revocation of a node that is succeeded: it may not connect or go on, but it was lost and
/// not distrusted, so what it wrote stands wherever it turns up.
pub const LOST_NOT_DISTRUSTED: u64 = u64::MAX;

impl NodeRecord {
    /// Whether its word counts: it serves, or it was lost and succeeded, which is no reason to distrust what it signed.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.revoked
            .is_none_or(|(_, last)| last == LOST_NOT_DISTRUSTED)
    }
}

pub(super) fn node_record(
    enrolled: &pb::NodeEnrolled,
    pinned_at: (PlaceId, u64),
    pinned_by: NodeId,
) -> Result<NodeRecord, RegistryError> {
    let key = <[u8; 32]>::try_from(&enrolled.signing_key[..])
        .map_err(|_| RegistryError::Malformed("signing_key"))?;
    let unit = match enrolled.unit.as_slice() {
        [] => None,
        bytes => Some(UnitId::from_bytes(bytes).ok_or(RegistryError::Malformed("unit"))?),
    };
    if enrolled.incarnation == 0 || enrolled.generation == 0 {
        return Err(RegistryError::Malformed("incarnation"));
    }
    Ok(NodeRecord {
        id: NodeId::from_bytes(&enrolled.node).ok_or(RegistryError::Malformed("node"))?,
        place: PlaceId::from_bytes(&enrolled.place).ok_or(RegistryError::Malformed("place"))?,
        unit,
        signing_key: VerifyingKey::from_bytes(&key)
            .map_err(|_| RegistryError::Malformed("signing_key"))?,
        encryption_key: <[u8; 32]>::try_from(&enrolled.encryption_key[..])
            .map_err(|_| RegistryError::Malformed("encryption_key"))?,
        transport_key_hash: Hash::from_bytes(&enrolled.transport_key_hash)
            .ok_or(RegistryError::Malformed("transport_key_hash"))?,
        incarnation: enrolled.incarnation,
        generation: enrolled.generation,
        pinned_at,
        pinned_by,
        revoked: None,
    })
}
