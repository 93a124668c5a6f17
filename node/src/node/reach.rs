//! Who is heard from: a neighbour by its link, and whoever stands beyond it by what that neighbour says.
//!
//! Upwards each node tells which places below it does not reach, downwards which above; what it was told itself goes on
//! along. So the first place sees that a village is dark though every link of its own is up. It is testimony for lamps
//! and for the reason "dark" of a taking. A restart forgets it, so that a silence counts from the start at the earliest: a
//! node that was down itself does not call others dark for it.

use std::collections::BTreeMap;

use fengqiao_hub::clock::{Contact, Moment};
use fengqiao_hub::id::{NodeId, PlaceId};
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_proto::v1 as pb;

use super::{LinkEnd, Node, lock};

/// Minutes of silence after which a node's cases turn grey.
const CONTACT_LIMIT_MINUTES: u32 = 24 * 60;
/// Places told on one link.
const UNREACHED_MAX: usize = 8_192;

impl LinkEnd {
    /// When the neighbour was last heard from: now, while a session runs; `None` is never.
    fn last(&self, now: Moment) -> Option<Moment> {
        match self.heard_ms {
            0 => None,
            _ if self.is_connected() => Some(now),
            heard_ms => Some(Moment(heard_ms)),
        }
    }
}

impl Node {
    /// What is known of the node of a place.
    pub(crate) fn contact(&self, place: PlaceId) -> Contact {
        let (here, now) = (self.me.at.place, self.clock.now());
        if place == here {
            return Contact::Here;
        }
        let registry = self.registry.load();
        let Some(link) = self.me.at.towards(place, &registry) else {
            return Contact::Never;
        };
        let links = lock(&self.links);
        let end = links.get(&link);
        // Up to who stands above both, and down from there; who stands beside that way or above it tells nothing.
        let mut above = registry.way_up(here);
        let Some(top) = above.find(|above| registry.is_within(place, above.id)) else {
            return Contact::Never;
        };
        let on_way = |told: &PlaceId| {
            let leads = registry.is_above(*told, place) || registry.is_above(*told, here);
            *told == place || leads && registry.is_within(*told, top.id)
        };
        let told = end.map(|end| &end.unreached).into_iter().flatten();
        let beyond = told.filter(|(told, _)| on_way(told));
        let beyond = beyond.map(|(_, last)| contact_of(*last));
        beyond.fold(contact_of(Some(self.last(end, now))), Contact::beyond)
    }

    /// When a neighbour was last heard from, or when this process began to listen.
    fn last(&self, end: Option<&LinkEnd>, now: Moment) -> Moment {
        let heard = end.and_then(|end| end.last(now));
        heard.unwrap_or(self.started)
    }

    /// Whom this node does not reach, as a neighbour is told: the parent of what is below, a child of what is above.
    pub(super) fn unreached_beyond(&self, link: NodeId) -> pb::Unreached {
        let (registry, now) = (self.registry.load(), self.clock.now());
        let up = self.me.at.up(&registry);
        let asked: Vec<NodeId> = if up == Some(link) {
            self.me.at.down(&registry)
        } else {
            up.into_iter().collect()
        };
        let links = lock(&self.links);
        let mut unreached = BTreeMap::new();
        for neighbour in asked {
            let node = registry.node(neighbour).filter(|node| node.unit.is_none());
            let Some(place) = node.map(|node| node.place) else {
                continue;
            };
            let end = links.get(&neighbour);
            if !end.is_some_and(LinkEnd::is_connected) {
                unreached.insert(place, Some(self.last(end, now)));
            }
            let told = end.map(|end| &end.unreached).into_iter().flatten();
            unreached.extend(told.map(|(place, last)| (*place, *last)));
        }
        let silent = |last: Moment| u64::try_from(now.0.saturating_sub(last.0)).unwrap_or_default();
        let places = unreached.into_iter().take(UNREACHED_MAX);
        pb::Unreached {
            places: places
                .map(|(place, last)| pb::UnreachedPlace {
                    place: place.to_vec(),
                    silent_ms: last.map(silent),
                })
                .collect(),
        }
    }

    /// A neighbour tells whom it does not reach; believed of the places that it alone is asked about.
    pub(super) fn hear_unreached(&self, link: NodeId, told: &pb::Unreached) {
        let (registry, now) = (self.registry.load(), self.clock.now());
        let places = told.places.iter().take(UNREACHED_MAX);
        let unreached = places
            .filter_map(|told| {
                let place = PlaceId::from_bytes(&told.place)?;
                let silent_ms = told
                    .silent_ms
                    .map(|ms| i64::try_from(ms).unwrap_or(i64::MAX));
                let last = silent_ms.map(|ms| Moment(now.0.saturating_sub(ms)));
                self.may_tell_of(link, place, &registry)
                    .then_some((place, last))
            })
            .collect();
        lock(&self.links).entry(link).or_default().unreached = unreached;
    }

    /// Of what is below a child that child tells, of what is above the parent; a department's node tells of nobody.
    fn may_tell_of(&self, link: NodeId, place: PlaceId, registry: &Registry) -> bool {
        let node = registry.node(link).filter(|node| node.unit.is_none());
        let Some(neighbour) = node.map(|node| node.place) else {
            return false;
        };
        if self.me.at.up(registry) == Some(link) {
            registry.is_above(place, neighbour)
        } else {
            registry.is_above(neighbour, place)
        }
    }
}

fn contact_of(last: Option<Moment>) -> Contact {
    last.map_or(Contact::Never, |last| Contact::Heard {
        last,
        limit_minutes: CONTACT_LIMIT_MINUTES,
    })
}
