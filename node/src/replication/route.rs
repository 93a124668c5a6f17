//! Who gets what: which neighbours carry a chain, and how much of it.
//!
//! Settled below, stays below: one hop up there is a sealed copy, further up a notice. Whoever has held a case keeps
//! receiving it (PROTOCOL.md 14, 15). Sideways and downwards only who handles it.

use std::collections::{BTreeMap, BTreeSet};

use fengqiao_hub::directive;
use fengqiao_hub::id::{NodeId, PlaceId, UnitId};
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_proto::v1 as pb;

use crate::store::tables::Extent;

/// Where a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standpoint {
    /// This node.
    pub node: NodeId,
    /// Place it serves.
    pub place: PlaceId,
    /// Unit it serves, when it is a department's own node.
    pub unit: Option<UnitId>,
}

impl Standpoint {
    /// The node this one dials: the parent's, or for a department's node its centre's.
    #[must_use]
    pub fn up(&self, registry: &Registry) -> Option<NodeId> {
        let above = match self.unit {
            Some(_) => Some(self.place),
            None => registry.place(self.place).and_then(|place| place.parent),
        };
        above
            .and_then(|place| registry.node_of(place))
            .map(|node| node.id)
    }

    /// The nodes that dial this one.
    #[must_use]
    pub fn down(&self, registry: &Registry) -> Vec<NodeId> {
        if self.unit.is_some() {
            return Vec::new();
        }
        let children = registry
            .children(self.place)
            .iter()
            .filter_map(|child| registry.node_of(*child));
        let units = registry
            .nodes()
            .filter(|node| node.place == self.place && node.unit.is_some());
        children
            .chain(units.filter(|node| node.revoked.is_none()))
            .map(|node| node.id)
            .collect()
    }

    /// The nodes that dialled this one before their places were moved away, and may not have heard of it.
    #[must_use]
    pub fn left(&self, registry: &Registry) -> Vec<NodeId> {
        let left = registry.former_children(self.place);
        let nodes = left.filter_map(|place| registry.node_of(place));
        nodes.map(|node| node.id).collect()
    }

    /// The neighbour through which a place is reached: a child on the way down, else the parent.
    #[must_use]
    pub fn towards(&self, place: PlaceId, registry: &Registry) -> Option<NodeId> {
        if self.unit.is_none() && registry.child_towards(self.place, place).is_some() {
            return self.below(place, registry);
        }
        self.up(registry)
    }

    /// The neighbour on the way down to a place below this one.
    #[must_use]
    pub fn below(&self, place: PlaceId, registry: &Registry) -> Option<NodeId> {
        let child = registry.child_towards(self.place, place)?;
        registry.node_of(child).map(|node| node.id)
    }
}

/// What routing asks of a case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Involved {
    /// Places that ever were custodian, were convened, or were offered the case.
    pub places: BTreeSet<PlaceId>,
    /// Units that lead, led, co-handle or were convened.
    pub units: BTreeSet<UnitId>,
}

/// How much of a case each neighbour carries.
#[must_use]
pub fn of_case(
    from: &Standpoint,
    involved: &Involved,
    registry: &Registry,
) -> BTreeMap<NodeId, Extent> {
    let mut links = BTreeMap::new();
    if from.unit.is_some() {
        return links;
    }
    for place in &involved.places {
        if let Some(child) = registry.child_towards(from.place, *place)
            && let Some(node) = registry.node_of(child)
        {
            links.insert(node.id, Extent::Full);
        }
    }
    if !involved.units.is_empty() {
        let own = registry.nodes().filter(|node| node.place == from.place);
        for node in own.filter(|node| node.unit.is_some_and(|unit| involved.units.contains(&unit)))
        {
            links.insert(node.id, Extent::Full);
        }
    }
    if let Some(up) = from.up(registry) {
        // Who had it before being moved away is reached over the common superior.
        let concerns_above = |place: &PlaceId| {
            *place == from.place
                || registry.was_above(*place, from.place)
                || registry.place(*place).is_some() && !registry.is_within(*place, from.place)
        };
        let held = involved.places.iter().any(concerns_above);
        links.insert(up, if held { Extent::Full } else { Extent::Notice });
    }
    links
}

/// The neighbours that carry a registry chain: everyone above the place it is about, and everyone below it or who once
/// stood below it, and those on the way there.
#[must_use]
pub fn of_registry(from: &Standpoint, about: PlaceId, registry: &Registry) -> Vec<NodeId> {
    let mut links = Vec::new();
    let within = |moved| registry.is_within(from.place, moved);
    let names_own =
        registry.is_within(about, from.place) || registry.moved_out_of(about).any(within);
    // A moved place also brings what names its own nodes, perhaps newer than its new parent has it.
    if from.unit.is_none() && names_own {
        links.extend(from.up(registry));
    }
    if registry.is_within(from.place, about) {
        links.extend(from.down(registry));
        return links;
    }
    // What is dispatched to a moved place, or below it, is to be judged on the new way before that place has spoken there.
    for moved in registry.moved_around(about) {
        if let Some(child) = registry
            .child_towards(from.place, moved)
            .filter(|child| *child != moved)
        {
            links.extend(registry.node_of(child).map(|node| node.id));
        }
    }
    for moved in registry.moved_out_of(about) {
        if registry.is_within(from.place, moved) {
            links.extend(from.down(registry));
        } else if let Some(child) = registry.child_towards(from.place, moved) {
            links.extend(registry.node_of(child).map(|node| node.id));
        }
    }
    links.sort_unstable();
    links.dedup();
    links
}

/// The neighbours that carry a directive: those below that are addressed or stand on the way, and one hop up a copy.
#[must_use]
pub fn of_directive(
    from: &Standpoint,
    directive: &pb::DirectiveIssued,
    registry: &Registry,
) -> Vec<NodeId> {
    let issuer = PlaceId::from_bytes(&directive.issuer);
    let mut links: Vec<NodeId> = registry
        .children(from.place)
        .iter()
        .filter(|child| from.unit.is_none() && directive::concerns(directive, **child, registry))
        .filter_map(|child| registry.node_of(*child))
        .map(|node| node.id)
        .collect();
    if issuer == Some(from.place) {
        links.extend(from.up(registry));
    }
    links
}
