//! Places and units by what people call them: id, official code or name. A name that several bear is told with all of
//! them, one that nobody bears with those most like it.

use crate::id::{PlaceId, UnitId};
use crate::name::{half_width, nearest, one_spelling};
use crate::refusal::{Code, Refusal};
use crate::unit::Unit;

use super::{Place, Registry};

/// Places told at most where a name stands for several.
const CHOICES_MAX: usize = 10;

impl Registry {
    /// Finds a place within `top` by id, code or name.
    ///
    /// # Errors
    /// `FIELD_EMPTY`; `NAME_AMBIGUOUS` with the choices; `PLACE_UNKNOWN` with those most like it.
    pub fn place_called(
        &self,
        text: &str,
        top: PlaceId,
        field: &'static str,
    ) -> Result<PlaceId, Refusal> {
        let called = one_spelling(text);
        if called.is_empty() {
            return Err(Refusal::of(Code::Empty, field));
        }
        if let Ok(id) = called.parse::<PlaceId>()
            && self.place(id).is_some()
            && self.is_within(id, top)
        {
            return Ok(id);
        }
        let within = |place: &&Place| self.is_within(place.id, top);
        let code = half_width(&called);
        let borne: Vec<&Place> = self
            .places()
            .filter(|place| place.name == called || (!place.code.is_empty() && place.code == code))
            .filter(within)
            .collect();
        // Who says a name means the place that bears it today.
        let standing: Vec<&Place> = borne
            .iter()
            .copied()
            .filter(|place| place.ended.is_none())
            .collect();
        let borne = if standing.is_empty() { borne } else { standing };
        match borne[..] {
            [one] => Ok(one.id),
            [] => {
                let names = self.places().filter(within);
                let like = nearest(&called, names.map(|place| place.name.as_str()));
                Err(Refusal::of(Code::PlaceUnknown, field).with_choices(like))
            }
            [..] => {
                let choices = borne.iter().take(CHOICES_MAX);
                let choices = choices.map(|place| self.told_apart(place)).collect();
                Err(Refusal::of(Code::NameAmbiguous, field).with_choices(choices))
            }
        }
    }

    /// Finds a unit of a centre by id or name.
    ///
    /// # Errors
    /// `FIELD_EMPTY`; `NAME_AMBIGUOUS` with the choices; `UNIT_ENDED`; `UNIT_UNKNOWN` with those most like it.
    pub fn unit_called(
        &self,
        text: &str,
        place: PlaceId,
        field: &'static str,
    ) -> Result<UnitId, Refusal> {
        let called = one_spelling(text);
        if called.is_empty() {
            return Err(Refusal::of(Code::Empty, field));
        }
        if let Ok(id) = called.parse::<UnitId>()
            && let Some(unit) = self.unit(id).filter(|unit| unit.place == place)
        {
            return standing(unit, field);
        }
        let borne: Vec<_> = self
            .units_of(place)
            .filter(|unit| unit.name == called)
            .collect();
        match borne[..] {
            [one] => Ok(one.id),
            [] => {
                let mut ended = self.all_units_of(place).filter(|unit| unit.name == called);
                if let Some(ended) = ended.next() {
                    return standing(ended, field);
                }
                let names = self.units_of(place).map(|unit| unit.name.as_str());
                let like = nearest(&called, names);
                Err(Refusal::of(Code::UnitUnknown, field).with_choices(like))
            }
            [..] => {
                let choices = borne.iter().take(CHOICES_MAX);
                let choices = choices.map(|unit| format!("{} {}", unit.name, unit.id));
                Err(Refusal::of(Code::NameAmbiguous, field).with_choices(choices.collect()))
            }
        }
    }

    /// A place as it is told from others of its name: with its parent's, and its code or id.
    fn told_apart(&self, place: &Place) -> String {
        let parent = place.parent.map(|parent| self.name(parent));
        let code = match place.code.as_str() {
            "" => place.id.to_string(),
            code => code.to_owned(),
        };
        format!("{}{} {code}", parent.unwrap_or_default(), place.name)
    }
}

fn standing(unit: &Unit, field: &'static str) -> Result<UnitId, Refusal> {
    if unit.ended {
        return Err(Refusal::of(Code::UnitEnded, field).because(unit.name.clone()));
    }
    Ok(unit.id)
}
