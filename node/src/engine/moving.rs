//! Places that move below another parent, by the act of a superior of both.
//!
//! The superior writes the move into its registry chain, which goes down both ways. Who stands on the new way is owed the
//! registry chains that name the place and its nodes; the place that it leaves tells it so over the old link; the place
//! and its new parent hand over to each other what their link carries from now on. Its open cases are passed on
//! (`passing`).

use std::collections::{BTreeMap, BTreeSet};

use fengqiao_hub::casework::Actor;
use fengqiao_hub::id::{ChainId, NodeId, PlaceId};
use fengqiao_hub::jurisdiction::{Registry, registry_change};
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_proto::v1 as pb;
use pb::body::Content;
use pb::registry_change::Change;

use super::EngineError;
use super::chains::Chain;
use super::group::{Group, NewEntry, Touched};
use super::requests::{Answer, Answered, MovePlace, accept};
use crate::replication::route;
use crate::store::tables::Extent;

impl Group<'_> {
    /// Moves a place below another parent.
    pub(crate) fn move_place(&mut self, actor: &Actor, wanted: &MovePlace) -> Answered {
        let registry = self.registry();
        let me = self.me.at.place;
        let standing = |id: PlaceId| registry.place(id).filter(|place| place.ended.is_none());
        let place = standing(wanted.place).filter(|place| registry.is_above(me, place.id));
        let Some(place) = place else {
            return Ok(Err(Refusal::of(Code::PlaceUnknown, "place")));
        };
        let to = standing(wanted.to).filter(|to| registry.is_within(to.id, me));
        let Some(to) = to.filter(|to| place.parent != Some(to.id)) else {
            return Ok(Err(Refusal::of(Code::PlaceUnknown, "to")));
        };
        if to.level >= place.level {
            return Ok(Err(Refusal::of(Code::OutOfRange, "to")
                .because(format!("{} >= {}", to.level, place.level))));
        }
        let (code, name) = accept!(super::fields::renamed(place, &wanted.code, &wanted.name));
        let taken = |other: &PlaceId| {
            registry
                .place(*other)
                .is_some_and(|other| other.code == code)
        };
        if !code.is_empty() && registry.children(to.id).iter().any(taken) {
            return Ok(Err(Refusal::of(Code::NameTaken, "code")));
        }
        let moved = Content::from(pb::PlaceMoved {
            place: place.id.to_vec(),
            code,
            name,
            level: place.level,
            to: to.id.to_vec(),
            number: registry.times_moved(place.id) + 1,
            address: wanted.address.clone(),
        });
        self.registry_entry(actor.person, moved)?;
        Ok(Ok(Answer::of(&pb::MovePlaceResponse {})))
    }

    /// A registry chain has new entries: what follows from places that moved.
    pub(crate) fn follow_moves(
        &mut self,
        id: ChainId,
        touched: &Touched,
    ) -> Result<(), EngineError> {
        let moved = |new: &&NewEntry| match registry_change(new.entry.body.content.as_ref()) {
            Some(Change::PlaceMoved(moved)) => PlaceId::from_bytes(&moved.place),
            _ => None,
        };
        self.tell_who_left(id, touched)?;
        let moved: BTreeSet<PlaceId> = touched.new.iter().filter_map(|new| moved(&new)).collect();
        if moved.is_empty() {
            return Ok(());
        }
        self.owe_registries(|_| true)?;
        let registry = self.registry();
        let me = self.me.at.place;
        if moved.iter().any(|place| registry.is_within(*place, me)) {
            self.begin_passing_on()?;
        }
        Ok(())
    }

    /// Who was moved away from here and dials here still is told of it: by the chain in which the move stands, and by
    /// whatever came with it, on which it may rely.
    fn tell_who_left(&mut self, id: ChainId, touched: &Touched) -> Result<(), EngineError> {
        let registry = self.registry();
        let left: Vec<PlaceId> = registry.former_children(self.me.at.place).collect();
        for place in left {
            let node = registry.node_of(place).map(|node| node.id);
            let by = registry
                .moved_at(place)
                .map(|(by, _)| ChainId::of_place(by));
            let (Some(node), Some(by)) = (node, by) else {
                continue;
            };
            if !self.carried(node, by)?.whole {
                let chain = self.shared_chain(by)?;
                self.spread_full(by, &chain, node, &[])?;
                if by == id {
                    continue;
                }
            }
            // With what came in the same group, of any registry that this link carries: it was not owed any more.
            if self.moved.contains(&place) && self.carried(node, id)?.whole {
                let chain = self.shared_chain(id)?;
                self.spread_full(id, &chain, node, &touched.new)?;
            }
        }
        Ok(())
    }

    /// Owes every registry and rulebook chain known here to those of the links asked for that carry it from now on.
    pub(crate) fn owe_registries(
        &mut self,
        asked_for: impl Fn(NodeId) -> bool,
    ) -> Result<(), EngineError> {
        let registry = self.registry();
        let registries = registry.versions().map(|(place, _)| place);
        let mut chains: Vec<(PlaceId, ChainId)> = registries
            .map(|place| (place, ChainId::of_place(place)))
            .collect();
        let issuers = self.state.rulebooks.issuers();
        chains.extend(issuers.map(|place| (place, ChainId::rulebook_of(place))));
        for (place, id) in chains {
            let mut links = route::of_registry(&self.me.at, place, &registry);
            links.retain(|link| asked_for(*link));
            for link in links {
                let chain = self.shared_chain(id)?;
                self.spread_full(id, &chain, link, &[])?;
            }
        }
        Ok(())
    }

    /// How much of a case each neighbour carries. Whoever held it on a way that was changed learns where it went
    /// (PROTOCOL.md 15).
    pub(crate) fn case_extents(
        &self,
        id: ChainId,
        chain: &Chain,
        registry: &Registry,
    ) -> Result<BTreeMap<NodeId, Extent>, EngineError> {
        let involved = chain.involved();
        let mut extents = route::of_case(&self.me.at, &involved, registry);
        if !registry.has_moves() && !self.me.is_successor() {
            return Ok(extents);
        }
        // What a link carries never becomes less: a place that was moved may follow the case from another side, and a
        // machine that was lost may have forgotten why its neighbour holds it.
        let up = self.me.at.up(registry);
        for link in up.into_iter().chain(self.me.at.down(registry)) {
            let carried = self.carried(link, id)?;
            let goes_on = carried.whole || Some(link) == up || self.me.is_successor();
            if goes_on && carried.extent() == Extent::Full {
                extents.insert(link, Extent::Full);
            }
        }
        let left = involved
            .places
            .iter()
            .flat_map(|place| registry.left_by(*place));
        for left in left {
            let link = self.me.at.below(left, registry);
            if let Some(link) = link.filter(|link| !extents.contains_key(link))
                && self.carried(link, id)?.extent() != Extent::None
            {
                extents.insert(link, Extent::Full);
            }
        }
        Ok(extents)
    }

    /// A moved place handed over cases that are known here, or a neighbour did to whoever was put back: what came after may
    /// be known here only.
    pub(crate) fn owe_what_follows(&mut self) -> Result<(), EngineError> {
        let repeated = std::mem::take(&mut self.repeated);
        if !self.state.registry.has_moves() && !self.me.is_successor() {
            return Ok(());
        }
        for ((id, link), entries) in repeated {
            let is_all = entries.len() == self.shared_chain(id)?.entries.len();
            if !is_all && !self.carried(link, id)?.whole {
                let custodian_before = self.custodian_of(id)?;
                let touched = self.touched.entry(id);
                touched.or_insert_with(|| Touched {
                    custodian_before,
                    ..Touched::default()
                });
            }
        }
        Ok(())
    }

    /// Owes a chain to the links that carry it as things stand now and have not so far.
    pub(crate) fn spread_to_newcomers(&mut self, id: ChainId) -> Result<(), EngineError> {
        let chain = self.shared_chain(id)?;
        for (link, extent) in self.extents(id, &chain)? {
            if extent == Extent::Full {
                self.spread_full(id, &chain, link, &[])?;
            }
        }
        Ok(())
    }

    /// Whether a neighbour is one since a place was moved: this one below it, or its place below this one.
    pub(crate) fn is_neighbour_by_move(&self, link: NodeId) -> bool {
        let registry = &self.state.registry;
        if self.me.at.unit.is_some() {
            return false;
        }
        if self.me.at.up(registry) == Some(link) {
            return registry.has_moved(self.me.at.place);
        }
        let below = registry.node(link).filter(|node| node.unit.is_none());
        below.is_some_and(|node| registry.has_moved(node.place))
    }
}
