//! Places end: villages merge, townships merge. The parent ends a place in its registry and names a successor, to which
//! it passes on what the place held (`passing`).

use fengqiao_hub::casework::Actor;
use fengqiao_hub::id::PlaceId;
use fengqiao_hub::jurisdiction::registry_change;
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_proto::v1 as pb;
use pb::body::Content;
use pb::registry_change::Change;

use super::EngineError;
use super::group::{Group, NewEntry, Touched};
use super::requests::{Answer, Answered};

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
        let ended = Content::from(pb::PlaceEnded {
            place: place.to_vec(),
            successor: successor.to_vec(),
        });
        self.registry_entry(actor.person, ended)?;
        Ok(Ok(Answer::of(&pb::EndPlaceResponse {})))
    }

    /// A registry chain has new entries: if places were ended here, what they held is passed on.
    pub(crate) fn follow_ends(&mut self, touched: &Touched) -> Result<(), EngineError> {
        let ends = |new: &NewEntry| {
            let change = registry_change(new.entry.body.content.as_ref());
            matches!(change, Some(Change::PlaceEnded(_)))
        };
        if touched.new.iter().any(ends) {
            self.begin_passing_on()?;
        }
        Ok(())
    }
}
