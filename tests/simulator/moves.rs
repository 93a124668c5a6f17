//! Every action there is, filled by what its descriptor says with what comes to hand: a new one is drawn as soon as it
//! stands in the table, and fails the run until somebody's history makes it.

use fengqiao_hub::casework::action;
use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::{Hash, PlaceId, UnitId};
use fengqiao_node::app::actions::{Field, Holds, named};
use fengqiao_proto::v1 as pb;
use pb::Reference;
use prost_reflect::{DynamicMessage, Kind, Value};

use super::dice::Dice;

/// The names of all actions.
pub fn names() -> Vec<&'static str> {
    action::ALL.iter().map(|spec| spec.name).collect()
}

/// What somebody has at hand to fill an action with.
#[derive(Debug, Clone)]
pub struct AtHand {
    /// Now, as the machine believes.
    pub now: Moment,
    /// Places to name.
    pub places: Vec<PlaceId>,
    /// Units to name.
    pub units: Vec<UnitId>,
    /// Annex entries to name.
    pub annex: Vec<Hash>,
    /// Tasks to name.
    pub tasks: u32,
}

/// Classes cases are registered under; the last does not exist.
const CLASSES: [&str; 6] = [
    "disputes-neighbours",
    "land-boundary",
    "urban-roads",
    "labour-wages",
    "land-boundary",
    "no-such-class",
];

/// In a thousand: values left out or wrong where they must be there.
const WRONG: u64 = 60;

impl AtHand {
    fn place(&self, dice: &mut Dice) -> PlaceId {
        if self.places.is_empty() {
            PlaceId::default()
        } else {
            dice.pick(&self.places)
        }
    }

    fn unit(&self, dice: &mut Dice) -> Option<UnitId> {
        (!self.units.is_empty()).then(|| dice.pick(&self.units))
    }

    fn due(&self, dice: &mut Dice) -> i64 {
        let hours = dice.between(1, 24 * 4);
        // Some name a time that is past.
        let hours = if hours % 40 == 0 { -hours } else { hours };
        self.now.0.saturating_add(hours * 3_600_000)
    }

    /// A case of a class that exists, mostly.
    pub fn register(&self, dice: &mut Dice) -> pb::Action {
        let known = if dice.mille(20) {
            CLASSES.len()
        } else {
            CLASSES.len() - 1
        };
        let channel = dice.pick(&[
            pb::Channel::Phone,
            pb::Channel::Window,
            pb::Channel::GridWorker,
        ]);
        let urgency = dice.pick(&[pb::Urgency::Ordinary, pb::Urgency::Urgent]);
        pb::Register {
            channel: channel.into(),
            class: CLASSES[dice.roll(known)].to_owned(),
            urgency: urgency.into(),
            ..Default::default()
        }
        .into()
    }

    /// An action, filled with what comes to hand.
    pub fn action(&self, name: &str, dice: &mut Dice) -> pb::Action {
        match name {
            "register" => return self.register(dice),
            "dispatch" => return self.dispatch(dice),
            _ => {}
        }
        let known = named(name).unwrap();
        let mut message = DynamicMessage::new(known.message().unwrap());
        for field in known.asked().filter(|field| field.rule.sealed.is_empty()) {
            self.fill(&mut message, field, dice);
        }
        known.wrap(message).unwrap()
    }

    fn fill(&self, message: &mut DynamicMessage, field: &'static Field, dice: &mut Dice) {
        let left_out = if field.rule.required {
            dice.mille(WRONG)
        } else {
            dice.roll(2) == 0
        };
        if left_out {
            return;
        }
        let value = if field.is_list() {
            let values = (0..=dice.roll(2)).filter_map(|_| self.value(field, dice));
            Some(Value::List(values.collect()))
        } else {
            self.value(field, dice)
        };
        if let Some(value) = value {
            message.set_field(&field.descriptor, value);
        }
    }

    fn value(&self, field: &'static Field, dice: &mut Dice) -> Option<Value> {
        Some(match field.holds() {
            Holds::Flag => Value::Bool(dice.roll(2) == 0),
            Holds::Moment if field.rule.now => Value::I64(self.now.0),
            Holds::Moment => Value::I64(self.due(dice)),
            Holds::Number => Value::U32(self.number(field, dice)),
            Holds::Choice(choices) => {
                let at = dice.roll(choices.len());
                Value::EnumNumber(choices[at].number)
            }
            Holds::Text => Value::String(self.text(field, dice)?),
            Holds::Group => {
                let Kind::Message(kind) = field.descriptor.kind() else {
                    return None;
                };
                let mut inner = DynamicMessage::new(kind);
                let place = self.place(dice).to_string();
                inner.set_field_by_name("place", Value::String(place));
                inner.set_field_by_name("due_ms", Value::I64(self.due(dice)));
                Value::Message(inner)
            }
            Holds::Requester => return None,
        })
    }

    fn number(&self, field: &Field, dice: &mut Dice) -> u32 {
        let most = match field.path.as_str() {
            "task" => usize::try_from(self.tasks).unwrap_or_default() + 1,
            _ => 6,
        };
        u32::try_from(dice.roll(most) + 1).unwrap_or_default()
    }

    fn text(&self, field: &Field, dice: &mut Dice) -> Option<String> {
        Some(match field.rule.names() {
            Reference::Unit => self.unit(dice)?.to_string(),
            Reference::Place | Reference::PlaceBelow => self.place(dice).to_string(),
            Reference::Class => CLASSES[dice.roll(CLASSES.len())].to_owned(),
            Reference::AnnexEntry if self.annex.is_empty() => Hash::default().to_string(),
            Reference::AnnexEntry => dice.pick(&self.annex).to_string(),
            Reference::Unspecified => return None,
        })
    }

    /// To a unit or to a place, seldom to both or to nobody.
    fn dispatch(&self, dice: &mut Dice) -> pb::Action {
        let lead = self.unit(dice).filter(|_| dice.roll(2) == 0);
        let other = self
            .unit(dice)
            .filter(|other| lead.is_some() && lead != Some(*other));
        let place = lead.is_none().then(|| self.place(dice).to_string());
        pb::Dispatch {
            lead: lead.map(|unit| unit.to_string()).unwrap_or_default(),
            place: place.unwrap_or_default(),
            co_handlers: other.into_iter().map(|unit| unit.to_string()).collect(),
            due_ms: if dice.mille(300) { self.due(dice) } else { 0 },
            ..Default::default()
        }
        .into()
    }
}
