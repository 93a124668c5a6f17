//! A move as it comes over the wire, put into the command the rules know: names, codes and ids resolved, enums read,
//! times checked.
//!
//! Nothing here asks whether the move is allowed; that is the centre's to say.

use fengqiao_hub::casework::{self, Known, Party};
use fengqiao_hub::centre;
use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::{ChainId, Hash, PlaceId, UnitId};
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_hub::name;
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_proto::v1 as pb;
use pb::command::Move;

/// Last millisecond of the year 9999: no time on the wire lies later.
pub const TIME_MS_MAX: i64 = 253_402_300_799_999;

const CLASS_CHARACTERS_MAX: usize = 64;
const ANNEX_DIGITS_MIN: usize = 8;
const HASH_DIGITS: usize = 64;

/// What names in a command are resolved by.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// Places and units.
    pub registry: &'a Registry,
    /// Centre whose node is called.
    pub place: PlaceId,
    /// The case, when the command names an entry of its annex.
    pub case: Option<Known<'a>>,
    /// Now, for times left open.
    pub now: Moment,
}

/// Whether a command names an annex entry, which only the case can resolve.
#[must_use]
pub fn names_annex(command: &pb::Command) -> bool {
    matches!(
        command.r#move,
        Some(Move::AdoptAnnex(_) | Move::DeclineAnnex(_))
    )
}

/// Puts a wire command into the command of the rules.
///
/// # Errors
/// `FIELD_EMPTY`, `OUT_OF_RANGE`, `MALFORMED`, `FIELD_TOO_LONG`, `UNIT_UNKNOWN`, `PLACE_UNKNOWN`, `ANNEX_UNKNOWN`,
/// `CASE_UNKNOWN`, each with the field.
pub fn command(
    command: pb::Command,
    around: &Surroundings<'_>,
) -> Result<casework::Command, Refusal> {
    use casework::Command;
    let mv = command.r#move.ok_or(Refusal::of(Code::Empty, "command"))?;
    Ok(match mv {
        Move::Register(register) => around.register(register)?,
        Move::Accept(_) => Command::Accept,
        Move::Decline(decline) => Command::Decline {
            ground: chosen(decline.ground, "ground")?,
        },
        Move::AnswerAtOnce(_) => Command::AnswerAtOnce,
        Move::Dispatch(dispatch) => around.dispatch(&dispatch)?,
        Move::SignFor(_) => Command::SignFor,
        Move::Object(object) => Command::Object {
            proposed_unit: around.optional_unit(&object.proposed_unit, "proposed_unit")?,
        },
        Move::DecideObjection(decide) => Command::DecideObjection {
            upheld: decide.upheld,
        },
        Move::Designate(designate) => Command::Designate {
            unit: around.unit(&designate.unit, "unit")?,
            due: optional_time(designate.due_ms, "due_ms")?,
        },
        Move::Return(back) => Command::Return {
            proposed_place: around.proposed_place(&back.proposed_place)?,
        },
        Move::Contact(contact) => Command::Contact {
            reached: contact.reached,
        },
        Move::TakeAction(_) => Command::TakeAction,
        Move::ReportInterim(_) => Command::ReportInterim,
        Move::DraftReply(draft) => Command::DraftReply {
            reasonable: draft.reasonable,
        },
        Move::ApproveReply(_) => Command::ApproveReply,
        Move::SendBackReply(_) => Command::SendBackReply,
        Move::SendReply(_) => Command::SendReply,
        Move::Escalate(escalate) => Command::Escalate {
            reason: chosen(escalate.reason, "reason")?,
        },
        Move::KeepBelow(_) => Command::KeepBelow,
        Move::Take(take) => Command::Take {
            reason: known(take.reason, "reason")?,
        },
        Move::Decide(_) => Command::Decide,
        Move::Convene(convene) => around.convene(&convene)?,
        Move::AcknowledgeTask(task) => Command::AcknowledgeTask { task: task.task },
        Move::ReportTask(report) => Command::ReportTask {
            task: report.task,
            done: report.done,
        },
        Move::WorkOnSite(work) => Command::WorkOnSite {
            worked: optional_time(work.worked_ms, "worked_ms")?.unwrap_or(around.now),
        },
        Move::ReturnVisit(visit) => Command::ReturnVisit {
            reached: visit.reached,
            reasonable: visit.reasonable,
        },
        Move::Rate(rate) => Command::Rate { score: rate.score },
        Move::OrderRedo(_) => Command::OrderRedo,
        Move::Close(close) => Command::Close {
            outcome: chosen(close.outcome, "outcome")?,
        },
        Move::AdoptAnnex(adopt) => Command::AdoptAnnex {
            entry: around.annex(&adopt.entry)?,
        },
        Move::DeclineAnnex(decline) => Command::DeclineAnnex {
            entry: around.annex(&decline.entry)?,
        },
        Move::Supplement(_) => Command::Supplement,
    })
}

/// Takes the requester out of a command: the person is sealed with the texts and never reaches the rules.
pub fn take_requester(command: &mut pb::Command) -> Option<pb::Requester> {
    let Move::Register(register) = command.r#move.as_mut()? else {
        return None;
    };
    register.requester.take()
}

/// Reads a case id: 32 hexadecimal digits, or the base32 form; `None` for anything else, which may be a number.
#[must_use]
pub fn case_id(text: &str) -> Option<ChainId> {
    if text.len() != 2 * ChainId::LENGTH {
        return text.parse().ok();
    }
    let mut bytes = [0; ChainId::LENGTH];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |value: u8| char::from(value).to_digit(16);
        let value = digit(pair[0])? * 16 + digit(pair[1])?;
        *byte = u8::try_from(value).ok()?;
    }
    Some(ChainId(bytes))
}

impl Surroundings<'_> {
    fn register(&self, register: pb::Register) -> Result<casework::Command, Refusal> {
        Ok(casework::Command::Register {
            channel: chosen(register.channel, "channel")?,
            class: class(&register.class)?,
            urgency: known(register.urgency, "urgency")?,
            external_number: register.external_number,
            received: optional_time(register.received_ms, "received_ms")?.unwrap_or(self.now),
        })
    }

    fn dispatch(&self, dispatch: &pb::Dispatch) -> Result<casework::Command, Refusal> {
        let lead = self.optional_unit(&dispatch.lead, "lead")?;
        let place = match dispatch.place.as_str() {
            "" => None,
            text => Some(self.place_below(text, "place")?),
        };
        let co_handlers = dispatch
            .co_handlers
            .iter()
            .map(|text| self.unit(text, "co_handlers"))
            .collect::<Result<_, _>>()?;
        Ok(casework::Command::Dispatch {
            lead,
            place,
            co_handlers,
            due: optional_time(dispatch.due_ms, "due_ms")?,
        })
    }

    fn convene(&self, convene: &pb::Convene) -> Result<casework::Command, Refusal> {
        let parties = convene
            .parties
            .iter()
            .map(|party| self.party(party))
            .collect::<Result<_, _>>()?;
        Ok(casework::Command::Convene {
            meeting: time(convene.meeting_ms, "meeting_ms")?,
            parties,
        })
    }

    /// A party is a place, or a unit of this centre; a unit alone stands at this place.
    fn party(&self, party: &pb::Party) -> Result<Party, Refusal> {
        let unit = self.optional_unit(&party.unit, "parties.unit")?;
        let place = match party.place.as_str() {
            "" if unit.is_some() => self.place,
            text => self.place_below(text, "parties.place")?,
        };
        Ok(Party {
            place,
            unit,
            due: time(party.due_ms, "parties.due_ms")?,
        })
    }

    fn unit(&self, text: &str, field: &'static str) -> Result<UnitId, Refusal> {
        if text.is_empty() {
            return Err(Refusal::of(Code::Empty, field));
        }
        self.registry.unit_called(text, self.place, field)
    }

    fn optional_unit(&self, text: &str, field: &'static str) -> Result<Option<UnitId>, Refusal> {
        if text.is_empty() {
            return Ok(None);
        }
        self.unit(text, field).map(Some)
    }

    fn place_below(&self, text: &str, field: &'static str) -> Result<PlaceId, Refusal> {
        if text.is_empty() {
            return Err(Refusal::of(Code::Empty, field));
        }
        self.registry.place_called(text, self.place, field)
    }

    /// Who says "not ours" may propose any place, also one beside or above its own.
    fn proposed_place(&self, text: &str) -> Result<Option<PlaceId>, Refusal> {
        if text.is_empty() {
            return Ok(None);
        }
        let top = self.registry.root().unwrap_or(self.place);
        self.registry
            .place_called(text, top, "proposed_place")
            .map(Some)
    }

    fn annex(&self, digits: &str) -> Result<Hash, Refusal> {
        const FIELD: &str = "entry";
        if digits.is_empty() {
            return Err(Refusal::of(Code::Empty, FIELD));
        }
        let hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        if !hexadecimal || !(ANNEX_DIGITS_MIN..=HASH_DIGITS).contains(&digits.len()) {
            return Err(Refusal::of(Code::Malformed, FIELD)
                .because(format!("{ANNEX_DIGITS_MIN}-{HASH_DIGITS} 0-9a-f")));
        }
        let case = self.case.ok_or(Refusal::of(Code::CaseUnknown, "case"))?;
        centre::find_annex(&case, digits).ok_or(Refusal::of(Code::AnnexUnknown, FIELD))
    }
}

/// The id of a class, or its name; which of them there are is the catalogue's to say.
fn class(called: &str) -> Result<String, Refusal> {
    name::read(called, CLASS_CHARACTERS_MAX, "class")
}

/// Reads a number of an enum that may be unspecified.
fn known<E: TryFrom<i32>>(number: i32, field: &'static str) -> Result<E, Refusal> {
    E::try_from(number)
        .map_err(|_| Refusal::of(Code::OutOfRange, field).because(number.to_string()))
}

/// Reads a number of an enum that must be chosen.
fn chosen<E: TryFrom<i32>>(number: i32, field: &'static str) -> Result<E, Refusal> {
    if number == 0 {
        return Err(Refusal::of(Code::Empty, field));
    }
    known(number, field)
}

fn optional_time(ms: i64, field: &'static str) -> Result<Option<Moment>, Refusal> {
    match ms {
        0 => Ok(None),
        1..=TIME_MS_MAX => Ok(Some(Moment(ms))),
        _ => Err(Refusal::of(Code::OutOfRange, field)),
    }
}

fn time(ms: i64, field: &'static str) -> Result<Moment, Refusal> {
    optional_time(ms, field)?.ok_or(Refusal::of(Code::Empty, field))
}

#[cfg(test)]
mod tests;
