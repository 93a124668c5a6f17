//! Places: who stands below whom, what they are called, and which nodes may write for them.
//!
//! The registry is the fold of signed chains, one a place, each written by that place for its direct children
//! (PROTOCOL.md 23). It only grows here: what was true in an earlier version stays readable.

mod code;
mod comparing;
mod finding;
mod moving;
mod node;

use std::collections::BTreeMap;

use fengqiao_proto::v1 as pb;
use pb::body::Content;
use pb::registry_change::Change;

use crate::entry::Entry;
use crate::id::{ChainId, NodeId, PlaceId, UnitId};
use crate::rank::Level;
use crate::unit::Unit;

pub use code::{Code, CodeError};
pub use comparing::{Comparison, Division, compare};
use moving::Moving;
use node::node_record;
pub use node::{NodeRecord, Revoked};

/// Longest name of a place or unit, in characters.
pub const NAME_CHARACTERS_MAX: usize = 64;

/// A place as its parent's registry names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Id.
    pub id: PlaceId,
    /// Official code or empty.
    pub code: String,
    /// Official name.
    pub name: String,
    /// Level of its tier.
    pub level: Level,
    /// Parent; `None` for the deployment's first place, and while that of a moved place is not known.
    pub parent: Option<PlaceId>,
    /// Successor, once it has ended.
    pub ended: Option<PlaceId>,
}

/// Why an entry does not fit the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The body says nothing a registry chain may say.
    #[error("entry does not belong in a registry")]
    Foreign,
    /// A field does not have its shape.
    #[error("registry field {0} is malformed")]
    Malformed(&'static str),
    /// A place below a place that is not known.
    #[error("place is not known")]
    UnknownPlace,
    /// The level is not deeper than the issuer's.
    #[error("level is not below the issuer's")]
    Level,
    /// An id stands for something else already.
    #[error("id is in use")]
    InUse,
}

/// Everything the registry chains known here say together.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    root: Option<PlaceId>,
    places: BTreeMap<PlaceId, Place>,
    children: BTreeMap<PlaceId, Vec<PlaceId>>,
    units: BTreeMap<UnitId, Unit>,
    nodes: BTreeMap<NodeId, NodeRecord>,
    centres: BTreeMap<PlaceId, NodeId>,
    versions: BTreeMap<PlaceId, u64>,
    /// Revocations, and by whom, of nodes that no chain known here pins.
    revoked_unknown: BTreeMap<(NodeId, PlaceId), Revoked>,
    moving: BTreeMap<PlaceId, Moving>,
    /// By place, the sequence in its registry chain of the last place it moved.
    last_move_by: BTreeMap<PlaceId, u64>,
}

/// The change that a content makes in a registry; `None` for other contents, and for what this version does not know.
#[must_use]
pub fn registry_change(content: Option<&Content>) -> Option<&Change> {
    match content {
        Some(Content::Registry(change)) => change.change.as_ref(),
        Some(
            Content::Action(_)
            | Content::Directive(_)
            | Content::Rulebook(_)
            | Content::Supervision(_)
            | Content::Administration(_)
            | Content::Access(_),
        )
        | None => None,
    }
}

/// The stable name of a change, as it is shown and exported.
#[must_use]
pub fn name_of_change(change: &Change) -> &'static str {
    match change {
        Change::RootGranted(_) => "root-granted",
        Change::RegistryOpened(_) => "registry-opened",
        Change::PlaceAdded(_) => "place-added",
        Change::PlaceEnded(_) => "place-ended",
        Change::PlaceMoved(_) => "place-moved",
        Change::UnitAdded(_) => "unit-added",
        Change::NodeEnrolled(_) => "node-enrolled",
        Change::NodeRevoked(_) => "node-revoked",
        Change::RootRenewed(_) => "root-renewed",
        Change::UnitEnded(_) => "unit-ended",
    }
}

/// What an entry of a registry chain says; `None` for what this version does not know.
///
/// # Errors
/// `Foreign`, when it says something of another kind of chain.
fn change_of(entry: &Entry) -> Result<Option<&Change>, RegistryError> {
    match &entry.body.content {
        Some(Content::Registry(change)) => Ok(change.change.as_ref()),
        Some(
            Content::Action(_)
            | Content::Directive(_)
            | Content::Rulebook(_)
            | Content::Supervision(_)
            | Content::Administration(_)
            | Content::Access(_),
        ) => Err(RegistryError::Foreign),
        None => Ok(None),
    }
}

impl Registry {
    /// The deployment's first place.
    #[must_use]
    pub fn root(&self) -> Option<PlaceId> {
        self.root
    }

    /// A place by id.
    #[must_use]
    pub fn place(&self, id: PlaceId) -> Option<&Place> {
        self.places.get(&id)
    }

    /// All places known, in order of id.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.places.values()
    }

    /// Direct children of a place.
    #[must_use]
    pub fn children(&self, id: PlaceId) -> &[PlaceId] {
        self.children.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The place that stands in for one today: itself, or the last of its successors.
    #[must_use]
    pub fn standing_successor(&self, place: PlaceId) -> Option<PlaceId> {
        let mut at = self.places.get(&place)?;
        for _ in 0..self.places.len() {
            match at.ended {
                None => return Some(at.id),
                Some(next) => at = self.places.get(&next)?,
            }
        }
        None
    }

    /// A unit by id.
    #[must_use]
    pub fn unit(&self, id: UnitId) -> Option<&Unit> {
        self.units.get(&id)
    }

    /// Units of one centre that have not ended.
    pub fn units_of(&self, place: PlaceId) -> impl Iterator<Item = &Unit> {
        self.all_units_of(place).filter(|unit| !unit.ended)
    }

    /// Units of one centre, those that have ended too.
    pub fn all_units_of(&self, place: PlaceId) -> impl Iterator<Item = &Unit> {
        self.units.values().filter(move |unit| unit.place == place)
    }

    /// A node by id.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&NodeRecord> {
        self.nodes.get(&id)
    }

    /// All nodes known.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeRecord> {
        self.nodes.values()
    }

    /// The node of a place's centre: the one enrolled last, unless it is revoked.
    #[must_use]
    pub fn node_of(&self, place: PlaceId) -> Option<&NodeRecord> {
        self.centres
            .get(&place)
            .and_then(|node| self.nodes.get(node))
            .filter(|node| node.revoked.is_none())
    }

    /// Whether a place enrols the nodes of whom a node serves: its centre's own units, and those directly below.
    #[must_use]
    pub fn enrols(&self, place: PlaceId, node: &NodeRecord) -> bool {
        match node.unit {
            Some(_) => node.place == place,
            None => self
                .place(node.place)
                .is_some_and(|served| served.parent == Some(place)),
        }
    }

    /// The node that served a centre, or a unit of it, last: the one of the highest incarnation, revoked or not.
    #[must_use]
    pub fn last_node_of(&self, place: PlaceId, unit: Option<UnitId>) -> Option<&NodeRecord> {
        self.nodes
            .values()
            .filter(|node| (node.place, node.unit) == (place, unit))
            .max_by_key(|node| node.incarnation)
    }

    /// Nodes that served the same centre or unit before this one did.
    pub fn predecessors(&self, node: NodeId) -> impl Iterator<Item = &NodeRecord> {
        let successor = self.nodes.get(&node);
        self.nodes.values().filter(move |before| {
            successor.is_some_and(|node| {
                (before.place, before.unit) == (node.place, node.unit)
                    && before.incarnation < node.incarnation
            })
        })
    }

    /// Last sequence known of a place's registry chain, 0 when none is.
    #[must_use]
    pub fn version(&self, place: PlaceId) -> u64 {
        self.versions.get(&place).copied().unwrap_or(0)
    }

    /// Registry chains known with their last sequence.
    pub fn versions(&self) -> impl Iterator<Item = (PlaceId, u64)> {
        self.versions
            .iter()
            .map(|(place, version)| (*place, *version))
    }

    /// Name for people; the id where the name is not known.
    #[must_use]
    pub fn name(&self, place: PlaceId) -> String {
        self.places
            .get(&place)
            .map_or_else(|| place.to_string(), |known| known.name.clone())
    }

    /// The way from a place up to the first one, itself first.
    pub fn way_up(&self, place: PlaceId) -> impl Iterator<Item = &Place> {
        std::iter::successors(self.places.get(&place), |below| {
            self.places.get(&below.parent?)
        })
    }

    /// Whether `above` stands strictly above `below`.
    #[must_use]
    pub fn is_above(&self, above: PlaceId, below: PlaceId) -> bool {
        above != below && self.way_up(below).any(|place| place.id == above)
    }

    /// Whether `place` is `top` or stands below it.
    #[must_use]
    pub fn is_within(&self, place: PlaceId, top: PlaceId) -> bool {
        place == top || self.is_above(top, place)
    }

    /// The direct child of `above` through which `below` is reached.
    #[must_use]
    pub fn child_towards(&self, above: PlaceId, below: PlaceId) -> Option<PlaceId> {
        self.way_up(below)
            .find(|place| place.parent == Some(above))
            .map(|place| place.id)
    }

    /// Applies an entry of a registry chain. Its signature is checked elsewhere.
    ///
    /// # Errors
    /// Why it cannot be applied; nothing has changed.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), RegistryError> {
        let issuer = issuer(entry).ok_or(RegistryError::Foreign)?;
        // What a newer version says of a place is passed over here, and its version still counts: whoever waits for it
        // would wait for ever.
        match change_of(entry)? {
            None => {}
            Some(Change::RootGranted(granted)) => self.grant_root(entry, issuer, granted)?,
            Some(Change::RegistryOpened(opened)) => {
                if PlaceId::from_bytes(&opened.place) != Some(issuer) {
                    return Err(RegistryError::Malformed("place"));
                }
                if !self.places.contains_key(&issuer) {
                    return Err(RegistryError::UnknownPlace);
                }
            }
            Some(Change::PlaceAdded(added)) => self.add_place(issuer, added)?,
            Some(Change::PlaceEnded(ended)) => self.end_place(issuer, ended)?,
            Some(Change::PlaceMoved(moved)) => self.move_place(issuer, entry, moved)?,
            Some(Change::UnitAdded(added)) => self.add_unit(issuer, added)?,
            Some(Change::UnitEnded(ended)) => self.end_unit(issuer, ended)?,
            Some(Change::NodeEnrolled(enrolled)) => self.enrol(issuer, entry, enrolled)?,
            Some(Change::NodeRevoked(revoked)) => self.revoke(issuer, revoked)?,
            Some(Change::RootRenewed(renewed)) => self.renew_root(entry, issuer, renewed)?,
        }
        self.versions.insert(issuer, entry.sequence);
        Ok(())
    }

    fn grant_root(
        &mut self,
        entry: &Entry,
        issuer: PlaceId,
        granted: &pb::RootGranted,
    ) -> Result<(), RegistryError> {
        let place = granted
            .place
            .as_ref()
            .ok_or(RegistryError::Malformed("place"))?;
        let node = granted
            .node
            .as_ref()
            .ok_or(RegistryError::Malformed("node"))?;
        if self.root.is_some() || entry.sequence != 1 {
            return Err(RegistryError::InUse);
        }
        let id = PlaceId::from_bytes(&place.place).filter(|id| *id == issuer);
        let id = id.ok_or(RegistryError::Malformed("place"))?;
        let record = node_record(node, (issuer, 1), entry.author)?;
        self.root = Some(id);
        self.places.insert(id, new_place(id, place, None));
        self.pin(record);
        Ok(())
    }

    fn add_place(&mut self, issuer: PlaceId, added: &pb::PlaceAdded) -> Result<(), RegistryError> {
        let id = PlaceId::from_bytes(&added.place).ok_or(RegistryError::Malformed("place"))?;
        let parent = self
            .places
            .get(&issuer)
            .ok_or(RegistryError::UnknownPlace)?;
        if added.level <= parent.level {
            return Err(RegistryError::Level);
        }
        match self.places.get_mut(&id) {
            Some(known) if known.parent == Some(issuer) => {
                if known.level != added.level {
                    return Err(RegistryError::Level);
                }
                known.code.clone_from(&added.code);
                known.name.clone_from(&added.name);
            }
            Some(known) => {
                // It was moved, and what its first parent says comes after that, or has no effect any more.
                let moving = self.moving.get_mut(&id).ok_or(RegistryError::InUse)?;
                if *moving.origin.get_or_insert(issuer) == issuer {
                    known.level = added.level;
                    self.settle_moves();
                } else if !self.ever_below(id, issuer) {
                    return Err(RegistryError::InUse);
                }
            }
            None => {
                self.children.entry(issuer).or_default().push(id);
                self.places.insert(id, new_place(id, added, Some(issuer)));
            }
        }
        Ok(())
    }

    fn end_place(&mut self, issuer: PlaceId, ended: &pb::PlaceEnded) -> Result<(), RegistryError> {
        let successor =
            PlaceId::from_bytes(&ended.successor).ok_or(RegistryError::Malformed("successor"))?;
        let id = PlaceId::from_bytes(&ended.place).ok_or(RegistryError::Malformed("place"))?;
        if !self.ever_below(id, issuer) {
            return Err(RegistryError::UnknownPlace);
        }
        // The end of a place that a superior has moved away has no effect any more.
        if let Some(place) = self.places.get_mut(&id)
            && place.parent == Some(issuer)
        {
            place.ended = Some(successor);
        }
        Ok(())
    }

    fn add_unit(&mut self, issuer: PlaceId, added: &pb::UnitAdded) -> Result<(), RegistryError> {
        let id = UnitId::from_bytes(&added.unit).ok_or(RegistryError::Malformed("unit"))?;
        if self
            .units
            .get(&id)
            .is_some_and(|known| known.place != issuer)
        {
            return Err(RegistryError::InUse);
        }
        let unit = Unit {
            id,
            place: issuer,
            name: added.name.clone(),
            kind: added.kind(),
            presence: added.presence(),
            ended: false,
        };
        self.units.insert(id, unit);
        Ok(())
    }

    fn end_unit(&mut self, issuer: PlaceId, ended: &pb::UnitEnded) -> Result<(), RegistryError> {
        let id = UnitId::from_bytes(&ended.unit).ok_or(RegistryError::Malformed("unit"))?;
        let unit = self.units.get_mut(&id).filter(|unit| unit.place == issuer);
        unit.ok_or(RegistryError::Malformed("unit"))?.ended = true;
        Ok(())
    }
}

/// The place whose registry chain an entry stands in.
#[must_use]
pub fn issuer(entry: &Entry) -> Option<PlaceId> {
    (entry.kind == pb::ChainKind::Registry)
        .then(|| ChainId::place(entry.chain))
        .flatten()
}

/// Whether an entry has to bear the root key's signature, and no node's: what begins a deployment, and what renews the
/// node of its first place.
#[must_use]
pub fn is_by_root_key(entry: &Entry) -> bool {
    matches!(
        entry.body.content,
        Some(Content::Registry(pb::RegistryChange {
            change: Some(Change::RootGranted(_) | Change::RootRenewed(_)),
        }))
    )
}

fn new_place(id: PlaceId, added: &pb::PlaceAdded, parent: Option<PlaceId>) -> Place {
    Place {
        id,
        code: added.code.clone(),
        name: added.name.clone(),
        level: added.level,
        parent,
        ended: None,
    }
}
