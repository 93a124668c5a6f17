//! Nodes as the registry pins them.

use std::collections::BTreeSet;

use ed25519_dalek::VerifyingKey;
use fengqiao_proto::v1 as pb;

use super::{Registry, RegistryError};
use crate::entry::Entry;
use crate::id::{Hash, NodeId, PersonId, PlaceId, UnitId};

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
    /// Set when revoked.
    pub revoked: Option<Revoked>,
}

/// The end of a node's right to write and to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revoked {
    /// Place whose registry says so.
    pub by: PlaceId,
    /// Incarnation that was revoked.
    pub incarnation: u32,
    /// Last author sequence that still counts.
    pub last_author_sequence: u64,
    /// It was lost and is succeeded, not distrusted: what it wrote stands wherever it turns up.
    pub lost: bool,
}

impl Revoked {
    /// Whether an entry of an incarnation and author sequence still counts.
    #[must_use]
    pub fn lets_stand(&self, incarnation: u32, author_sequence: u64) -> bool {
        self.lost || (incarnation, author_sequence) <= (self.incarnation, self.last_author_sequence)
    }
}

impl NodeRecord {
    /// Whether its word counts: it serves, or it was lost and succeeded, which is no reason to distrust what it signed.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.revoked.is_none_or(|revoked| revoked.lost)
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

impl Registry {
    pub(super) fn enrol(
        &mut self,
        issuer: PlaceId,
        entry: &Entry,
        enrolled: &pb::NodeEnrolled,
    ) -> Result<(), RegistryError> {
        let record = node_record(enrolled, (issuer, entry.sequence), entry.author)?;
        let place = self
            .places
            .get(&record.place)
            .ok_or(RegistryError::UnknownPlace)?;
        let own_unit = record.unit.is_some_and(|unit| {
            self.units
                .get(&unit)
                .is_some_and(|unit| unit.place == issuer)
        });
        if !(record.unit.is_none() && self.ever_below(place.id, issuer)
            || place.id == issuer && own_unit)
        {
            return Err(RegistryError::UnknownPlace);
        }
        if self
            .nodes
            .get(&record.id)
            .is_some_and(|known| (known.place, known.unit) != (record.place, record.unit))
        {
            return Err(RegistryError::InUse);
        }
        self.pin(record);
        Ok(())
    }

    pub(super) fn pin(&mut self, record: NodeRecord) {
        let (id, place, centre) = (record.id, record.place, record.unit.is_none());
        let mut record = record;
        let known = (record.id, PlaceId([0; 10]))..=(record.id, PlaceId([u8::MAX; 10]));
        let mut before = self.revoked_unknown.range(known);
        let above = before.find(|((_, issuer), _)| {
            self.ever_below(place, *issuer) || self.is_above(*issuer, place)
        });
        record.revoked = above.map(|(_, from)| *from);
        self.nodes.insert(id, record);
        if centre {
            // One parent's chain comes in order: of what was never moved the last one pinned serves.
            self.centres.insert(place, id);
        }
        if centre && self.moving.contains_key(&place) {
            self.choose_centre(place);
        }
    }

    /// A moved centre's node is the one that its present parent pinned last, or else the one before that.
    pub(super) fn choose_centre(&mut self, place: PlaceId) {
        let pinned = self.nodes.values();
        let pinned = pinned.filter(|node| (node.place, node.unit) == (place, None));
        let last = pinned.max_by_key(|node| {
            let (by, sequence) = node.pinned_at;
            (self.turn_of(place, by), node.incarnation, sequence)
        });
        if let Some(last) = last.map(|node| node.id) {
            self.centres.insert(place, last);
        }
    }

    /// The first place's node goes on in a higher generation, or hands over to a successor. Nobody stands above it, so
    /// the root key and two persons do (PROTOCOL.md 5, 25).
    pub(super) fn renew_root(
        &mut self,
        entry: &Entry,
        issuer: PlaceId,
        renewed: &pb::RootRenewed,
    ) -> Result<(), RegistryError> {
        let node = renewed
            .node
            .as_ref()
            .ok_or(RegistryError::Malformed("node"))?;
        let record = node_record(node, (issuer, entry.sequence), entry.author)?;
        let serves_root = record.place == issuer && record.unit.is_none();
        if self.root != Some(issuer) || !serves_root {
            return Err(RegistryError::UnknownPlace);
        }
        if record.id != entry.author {
            return Err(RegistryError::Malformed("author"));
        }
        let people: BTreeSet<_> = renewed
            .approved_by
            .iter()
            .filter_map(|person| PersonId::from_bytes(person))
            .collect();
        if renewed.approved_by.len() != 2 || people.len() != 2 {
            return Err(RegistryError::Malformed("approved_by"));
        }
        let known = self.nodes.get(&record.id);
        if known.is_some_and(|known| (known.place, known.unit) != (issuer, None)) {
            return Err(RegistryError::InUse);
        }
        let mut before = self.nodes.values().filter(|node| node.place == issuer);
        if before.any(|node| node.unit.is_none() && node.generation >= record.generation)
            || known.is_some_and(|known| known.incarnation > record.incarnation)
        {
            return Err(RegistryError::Malformed("generation"));
        }
        let serving = self
            .nodes
            .values_mut()
            .filter(|node| (node.place, node.unit) == (issuer, None) && node.id != record.id);
        for before in serving.filter(|node| node.revoked.is_none()) {
            before.revoked = Some(Revoked {
                by: issuer,
                incarnation: before.incarnation,
                last_author_sequence: 0,
                lost: true,
            });
        }
        self.pin(record);
        Ok(())
    }

    /// Only who enrols for a place, or stands above it, takes the right to write away again.
    pub(super) fn revoke(
        &mut self,
        issuer: PlaceId,
        revoked: &pb::NodeRevoked,
    ) -> Result<(), RegistryError> {
        let id = NodeId::from_bytes(&revoked.node).ok_or(RegistryError::Malformed("node"))?;
        let from = Revoked {
            by: issuer,
            incarnation: revoked.incarnation,
            last_author_sequence: revoked.last_author_sequence,
            lost: revoked.lost,
        };
        let Some(node) = self.nodes.get(&id) else {
            // The node of a place moved here is pinned in a chain that not everybody below holds.
            if self.moving.is_empty() {
                return Err(RegistryError::Malformed("node"));
            }
            self.revoked_unknown.insert((id, issuer), from);
            return Ok(());
        };
        if node.pinned_at.0 != issuer && !self.is_above(issuer, node.place) {
            return Err(RegistryError::UnknownPlace);
        }
        if let Some(node) = self.nodes.get_mut(&id) {
            node.revoked = Some(from);
        }
        Ok(())
    }
}
