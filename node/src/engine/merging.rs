//! Places end: villages merge, townships merge. What an ended place holds goes to its successor by the parent's act.
//!
//! The parent ends a place in its registry and takes each of its open cases and dispatches it to the successor, in one
//! act (PROTOCOL.md 9, 24). The taking fences: a machine of the ended place that has not heard of it goes on writing for
//! a while, and all of that is annex. What it opens unknown to the parent is passed on when it arrives. So nothing
//! depends on when the ended place learns it.

use fengqiao_hub::casework::{Act, Actor};
use fengqiao_hub::entry::Move;
use fengqiao_hub::id::{ChainId, NodeId, PlaceId};
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_proto::v1 as pb;
use pb::body::Content;
use prost::Message as _;

use super::EngineError;
use super::commands::Answered;
use super::group::{Group, Touched};
use super::writing::Writing;
use crate::store::{Read as _, tables};

/// Chains of an ended place's link read at once.
const CHAINS_A_PAGE: usize = 512;

impl Group<'_> {
    /// Ends a place directly below; another one directly below takes over.
    pub(crate) fn end_place(
        &mut self,
        actor: &Actor,
        place: PlaceId,
        successor: PlaceId,
    ) -> Answered {
        let registry = self.registry();
        let stands = |id: PlaceId| {
            let known = registry.place(id);
            known.is_some_and(|known| {
                known.parent == Some(self.me.at.place) && known.ended.is_none()
            })
        };
        if !stands(place) {
            return Ok(Err(Refusal::of(Code::PlaceUnknown, "place")));
        }
        if !stands(successor) || successor == place {
            return Ok(Err(Refusal::of(Code::PlaceUnknown, "successor")));
        }
        let below = registry.children(place).iter();
        let open = below.filter_map(|child| registry.place(*child));
        if open.filter(|child| child.ended.is_none()).count() > 0 {
            return Ok(Err(Refusal::of(Code::PlaceHasChildren, "place")));
        }
        let ended = Content::PlaceEnded(pb::PlaceEnded {
            place: place.to_vec(),
            successor: successor.to_vec(),
        });
        self.registry_entry(actor.person, ended)?;
        Ok(Ok(pb::EndPlaceResponse {}.encode_to_vec()))
    }

    /// Places were ended here: every open case their nodes have sent goes to the successor.
    pub(crate) fn pass_on_of_ended(&mut self, touched: &Touched) -> Result<(), EngineError> {
        for new in &touched.new {
            if let Some(Content::PlaceEnded(ended)) = &new.entry.body.content
                && let Some(place) = PlaceId::from_bytes(&ended.place)
            {
                self.pass_on_all_of(place)?;
            }
        }
        Ok(())
    }

    /// The same for every place ended here: what had to wait while this node was recovering.
    pub(crate) fn pass_on_what_waited(&mut self) -> Result<(), EngineError> {
        let registry = self.registry();
        for child in registry.children(self.me.at.place) {
            if registry
                .place(*child)
                .is_some_and(|place| place.ended.is_some())
            {
                self.pass_on_all_of(*child)?;
            }
        }
        Ok(())
    }

    fn pass_on_all_of(&mut self, place: PlaceId) -> Result<(), EngineError> {
        let registry = self.registry();
        let served: Vec<NodeId> = registry
            .nodes()
            .filter(|node| (node.place, node.unit) == (place, None))
            .map(|node| node.id)
            .collect();
        for link in served {
            self.pass_on_carried(link)?;
        }
        Ok(())
    }

    fn pass_on_carried(&mut self, link: NodeId) -> Result<(), EngineError> {
        let (mut lo, hi) = tables::prefixed(&tables::carried_by(link));
        loop {
            let rows = self.overlay.range(&lo, &hi, CHAINS_A_PAGE)?;
            let Some((last, _)) = rows.last() else {
                return Ok(());
            };
            lo = [last.as_slice(), &[0]].concat();
            for (key, _) in &rows {
                if let Some(chain) = key.get(11..).and_then(ChainId::from_bytes) {
                    self.pass_on(chain)?;
                }
            }
        }
    }

    /// Takes an open case from a place that this centre has ended, and dispatches it to the successor with its clock.
    pub(crate) fn pass_on(&mut self, id: ChainId) -> Result<(), EngineError> {
        if self.me.at.unit.is_some() {
            return Ok(());
        }
        let registry = self.registry();
        let chain = self.chain(id)?;
        let (Some(case), Some(custody)) = (&chain.case, chain.tree.custody()) else {
            return Ok(());
        };
        let due = case.due.clone();
        if chain.tree.is_frozen() || case.stage.is_over() {
            return Ok(());
        }
        let custodian = registry.place(custody.custodian);
        let custodian = custodian.filter(|place| place.parent == Some(self.me.at.place));
        let Some(ended) = custodian.and_then(|place| place.ended) else {
            return Ok(());
        };
        let Some(successor) = registry.standing_successor(ended) else {
            return Ok(());
        };
        if self.gate(id)?.is_err() {
            return Ok(());
        }
        let acts = [
            Act {
                content: Content::Taken(pb::Taken {
                    reason: pb::TakingReason::Ended.into(),
                }),
                mv: Move::Taken(None),
                kind_class: pb::KindClass::Custody,
            },
            Act {
                content: Content::Dispatched(pb::Dispatched {
                    place: successor.to_vec(),
                    due,
                    ..Default::default()
                }),
                mv: Move::Dispatched(successor),
                kind_class: pb::KindClass::Custody,
            },
        ];
        for act in acts {
            self.write(pb::ChainKind::Case, id, act, Writing::default())?;
        }
        Ok(())
    }
}
