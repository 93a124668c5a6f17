//! Places below and units of this centre are called otherwise from now on, or a unit ends.
//!
//! A new name is the entry that added place or unit, said again: whoever reads the chain knows the last one. Cases name
//! places and units by id, so nothing in them changes.

use fengqiao_hub::casework::Actor;
use fengqiao_hub::id::{PlaceId, UnitId};
use fengqiao_hub::jurisdiction::{Place, Registry};
use fengqiao_hub::name;
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_proto::v1 as pb;
use pb::body::Content;
use prost::Message as _;

use super::EngineError;
use super::fields::{name_of, renamed};
use super::group::Group;
use super::requests::{Answer, Answered, accept};
use crate::store::{all_rows, tables};

/// Logins that a refusal names.
const LOGINS_TOLD_MAX: usize = 10;

impl Group<'_> {
    /// Gives a place directly below another name or code; what is left empty stays.
    pub(crate) fn rename_place(
        &mut self,
        actor: &Actor,
        place: PlaceId,
        name: &str,
        code: &str,
    ) -> Answered {
        let registry = self.registry();
        let known = registry
            .place(place)
            .filter(|known| known.parent == Some(self.me.at.place) && known.ended.is_none());
        let Some(known) = known else {
            return Ok(Err(Refusal::of(Code::PlaceUnknown, "place")));
        };
        if name.is_empty() && code.is_empty() {
            return Ok(Err(Refusal::of(Code::Empty, "name")));
        }
        let (code, name) = accept!(renamed(known, code, name));
        accept!(no_twin(&registry, known, &name, &code));
        if (&name, &code) != (&known.name, &known.code) {
            let content = Content::from(pb::PlaceAdded {
                place: place.to_vec(),
                code: code.clone(),
                name: name.clone(),
                level: known.level,
            });
            self.registry_entry(actor.person, content)?;
        }
        Ok(Ok(Answer::of(&pb::RenamePlaceResponse { name, code })))
    }

    /// Gives a unit of this centre another name.
    pub(crate) fn rename_unit(&mut self, actor: &Actor, unit: UnitId, name: &str) -> Answered {
        let name = accept!(name_of(name));
        let registry = self.registry();
        let Some(known) = registry.unit(unit).filter(|known| !known.ended) else {
            return Ok(Err(Refusal::of(Code::UnitUnknown, "unit")));
        };
        let mut others = registry.units_of(self.me.at.place);
        let alike = name::likeness(&name);
        if let Some(twin) =
            others.find(|other| other.id != unit && name::likeness(&other.name) == alike)
        {
            let stands = twin.name.clone();
            return Ok(Err(Refusal::of(Code::NameTaken, "name").because(stands)));
        }
        if known.name != name {
            let content = Content::from(pb::UnitAdded {
                unit: unit.to_vec(),
                name: name.clone(),
                kind: known.kind.into(),
                presence: known.presence.into(),
            });
            self.registry_entry(actor.person, content)?;
        }
        Ok(Ok(Answer::of(&pb::RenameUnitResponse { name })))
    }

    /// Ends a unit of this centre that nobody works for any more.
    pub(crate) fn end_unit(&mut self, actor: &Actor, unit: UnitId) -> Answered {
        let in_use = |by: String| Refusal::of(Code::UnitInUse, "unit").because(by);
        if let Some(node) = self.serving(self.me.at.place, Some(unit)) {
            return Ok(Err(in_use(node.to_string())));
        }
        let logins = self.logins_of(unit)?;
        if !logins.is_empty() {
            return Ok(Err(in_use(logins.join(" "))));
        }
        let content = Content::from(pb::UnitEnded {
            unit: unit.to_vec(),
        });
        self.registry_entry(actor.person, content)?;
        Ok(Ok(Answer::of(&pb::EndUnitResponse {})))
    }

    /// Open accounts of a unit's people.
    fn logins_of(&self, unit: UnitId) -> Result<Vec<String>, EngineError> {
        let rows = all_rows(&self.overlay, &tables::accounts())?;
        let accounts = rows
            .iter()
            .filter_map(|(_, row)| pb::AccountSet::decode(&row[..]).ok());
        let theirs = accounts
            .filter(|account| !account.closed && UnitId::from_bytes(&account.unit) == Some(unit));
        Ok(theirs
            .map(|account| account.login)
            .take(LOGINS_TOLD_MAX)
            .collect())
    }
}

/// No other place that stands bears the code; none beside this one is called alike.
fn no_twin(registry: &Registry, place: &Place, name: &str, code: &str) -> Result<(), Refusal> {
    let alike = name::likeness(name);
    let others = registry
        .places()
        .filter(|other| other.id != place.id && other.ended.is_none());
    for other in others {
        let field = if !code.is_empty() && other.code == code {
            "code"
        } else if other.parent == place.parent && name::likeness(&other.name) == alike {
            "name"
        } else {
            continue;
        };
        let stands = format!("{} {}", other.name, other.code);
        return Err(Refusal::of(Code::NameTaken, field).because(stands.trim_end()));
    }
    Ok(())
}
