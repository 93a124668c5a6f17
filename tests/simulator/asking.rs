//! Requests and their answers: under an id, repeated after silence, now and then under an id that was used.

use fengqiao_hub::casework::spec_of;
use fengqiao_hub::clock::Contact;
use fengqiao_hub::id::{ChainId, Hash, PlaceId};
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_node::engine::{
    AccountChange, Administration, Caller, CaseMove, Input, MovePlace, Request,
};
use fengqiao_proto::v1 as pb;
use prost::Message as _;

use super::agenda::{Event, MachineId};
use super::ledger::Ground;
use super::people::{Asked, Wanted};
use super::tally::Family;
use super::{Broken, Simulator};
use crate::kit::moves::required_role;

impl Simulator {
    /// Somebody uses a request id again: for the same, or for something else.
    pub(super) fn again(&mut self) -> Result<(), Broken> {
        let Some(last) = self.people.asked.keys().next_back().copied() else {
            return Ok(());
        };
        let back = u64::try_from(self.dice.people.roll(10)).unwrap_or_default();
        let request = last.saturating_sub(back);
        let Some(mut asked) = self.people.asked.get(&request).cloned() else {
            return Ok(());
        };
        if self.dice.people.roll(3) == 0 {
            self.tally
                .count(Family::Fault, "request id for something else");
            asked.what = Wanted::Unit("另一单位".into());
            return self.put(asked, request, true);
        }
        self.tally.count(Family::Fault, "request asked again");
        self.put(asked, request, false)
    }

    /// Asks under a new request id.
    pub(super) fn ask(&mut self, asked: Asked) -> Result<(), Broken> {
        let request = self.people.ticket();
        self.people.asked.insert(request, asked.clone());
        self.put(asked, request, false)
    }

    /// Nobody answered: the same is asked again, under the same id.
    pub(super) fn ask_again(&mut self, request: u64) -> Result<(), Broken> {
        let Some(asked) = self.people.asked.get(&request).cloned() else {
            return Ok(());
        };
        if self.machines[asked.machine].running.is_none() {
            self.agenda.after(600_000, Event::AskAgain(request));
            return Ok(());
        }
        self.tally.count(Family::Fault, "asked again after silence");
        self.put(asked, request, false)
    }

    pub(super) fn put(&mut self, asked: Asked, request: u64, is_other: bool) -> Result<(), Broken> {
        let machine = asked.machine;
        if self.machines[machine].running.is_none() {
            self.tally.count(Family::Refusal, "the machine is down");
            return Ok(());
        }
        let linked = self.reaches_parent(machine);
        let ticket = self.people.ticket();
        let request_id = format!("r{request}");
        let caller = Caller {
            login: asked.login.clone(),
        };
        let hash = asked.hash();
        if !is_other {
            self.people.waiting.insert(ticket, request);
        }
        let input = match asked.what {
            Wanted::Move(case, action, has_text) => {
                // Who declines what was overtaken says why; what else must be said is the desk's to ask for.
                let declines = spec_of(&action).is_some_and(|spec| spec.name == "decline-annex");
                let role = required_role(&action).unwrap_or("text");
                let content = (has_text || declines).then(|| text(role));
                Input::Act(Box::new(Request {
                    ticket,
                    request_id,
                    asked: hash,
                    caller,
                    what: CaseMove {
                        case,
                        action: *action,
                        content,
                        linked,
                        contact: Contact::Never,
                    },
                }))
            }
            other => Input::Administer(Box::new(Request {
                ticket,
                request_id,
                asked: hash,
                caller,
                what: administration(other, self.machines[machine].me.at.place),
            })),
        };
        self.submit(machine, input);
        Ok(())
    }

    /// Somebody is answered.
    pub(super) fn answered(
        &mut self,
        machine: MachineId,
        ticket: u64,
        answer: Result<Vec<u8>, Refusal>,
    ) -> Result<(), Broken> {
        let Some(request) = self.people.waiting.remove(&ticket) else {
            return Ok(());
        };
        let Some(asked) = self.people.asked.get(&request).cloned() else {
            return Ok(());
        };
        match answer {
            Ok(answer) => self.accepted_move(machine, request, &asked, &answer),
            Err(refusal) => self.refused(machine, &asked, &refusal),
        }
    }

    fn accepted_move(
        &mut self,
        machine: MachineId,
        request: u64,
        asked: &Asked,
        answer: &[u8],
    ) -> Result<(), Broken> {
        let unreadable = |_| Broken::at("harness", "an answer does not read".into());
        let (name, entry) = match &asked.what {
            Wanted::Move(case, command, _) => {
                let response = pb::ActResponse::decode(answer).map_err(unreadable)?;
                if case.is_none()
                    && let Ok(case) = response.case.parse::<ChainId>()
                    && !self.people.cases.contains(&case)
                {
                    self.people.cases.push(case);
                }
                if let Ok(case) = response.case.parse::<ChainId>() {
                    self.people.last_at.insert(case, machine);
                }
                (
                    spec_of(command).map_or("unknown", |spec| spec.name),
                    hash_of(&response.entry),
                )
            }
            Wanted::Directive(_) => {
                let response = pb::IssueDirectiveResponse::decode(answer).map_err(unreadable)?;
                self.people
                    .directives
                    .extend(response.directive.parse::<ChainId>().ok());
                ("issue-directive", None)
            }
            Wanted::AnswerDirective(..) => ("answer-directive", None),
            Wanted::Unit(_) => ("add-unit", None),
            Wanted::Place(_, level) => {
                let response = pb::AddPlacesResponse::decode(answer).map_err(unreadable)?;
                let parent = Some(self.machines[machine].me.at.place);
                let level = *level;
                for place in response
                    .places
                    .iter()
                    .filter_map(|place| place.parse().ok())
                {
                    self.ledger
                        .ground
                        .insert(place, Ground::below(parent, level));
                }
                ("add-place", None)
            }
            Wanted::Account(..) => ("set-account", None),
            Wanted::EndPlace(..) => ("end-place", None),
            Wanted::MovePlace(..) => ("move-place", None),
            Wanted::Waive(_) => ("waive", None),
        };
        let is_submitted = matches!(asked.what, Wanted::Move(..)) && entry.is_none();
        self.tally.count(Family::Move, name);
        if is_submitted {
            self.tally.count(Family::Move, "(by submission)");
        }
        let kept = kept(&asked.what, answer).map_err(unreadable)?;
        self.ledger
            .answer(machine, request, &kept, entry, &mut self.tally)
    }

    fn refused(
        &mut self,
        machine: MachineId,
        asked: &Asked,
        refusal: &Refusal,
    ) -> Result<(), Broken> {
        self.tally.count(Family::Refusal, refusal.code.as_str());
        if let Wanted::Move(None, action, _) = &asked.what
            && refusal.code != Code::ClassUnknown
            && **action != pb::Action::default()
            && self.machines[machine].me.at.unit.is_none()
        {
            self.tally
                .count(Family::Property, "L9 local work never waits");
            let may_be = [
                Code::RequestReused,
                Code::ReadOnly,
                Code::Busy,
                Code::PlaceEnded,
            ];
            let me = &self.machines[machine].me;
            let is_excused = me.is_successor() || self.ended.contains(&me.at.place);
            if !is_excused && !may_be.contains(&refusal.code) {
                return Err(Broken::at(
                    "L9 local work never waits",
                    format!("a case was not taken in: {refusal}"),
                ));
            }
        }
        Ok(())
    }

    /// People whose machine stopped before they were answered.
    pub(super) fn left_waiting(&mut self, tickets: &[u64]) {
        for ticket in tickets {
            if let Some(request) = self.people.waiting.remove(ticket)
                && self.dice.people.roll(3) > 0
            {
                let pause_ms = self.dice.people.between(60_000, 7_200_000);
                self.agenda.after(pause_ms, Event::AskAgain(request));
            }
        }
    }
}

/// An answer as a repeat gives it: what is shown once is taken out.
fn kept(asked: &Wanted, answer: &[u8]) -> Result<Vec<u8>, prost::DecodeError> {
    Ok(match asked {
        Wanted::Move(..) => pb::ActResponse {
            secret_code: String::new(),
            secret_withheld: false,
            ..pb::ActResponse::decode(answer)?
        }
        .encode_to_vec(),
        Wanted::Account(..) => pb::SetAccountResponse {
            token: String::new(),
            secret_withheld: false,
            ..pb::SetAccountResponse::decode(answer)?
        }
        .encode_to_vec(),
        _ => answer.to_vec(),
    })
}

fn administration(wanted: Wanted, issuer: PlaceId) -> Administration {
    match wanted {
        Wanted::Directive(scope) => Administration::IssueDirective(
            pb::DirectiveIssued {
                issuer: issuer.to_vec(),
                scope: scope.into_iter().map(PlaceId::to_vec).collect(),
                ..Default::default()
            },
            Some(text("text")),
        ),
        Wanted::AnswerDirective(directive, executed) => {
            Administration::AnswerDirective(directive, executed)
        }
        Wanted::Place(name, level) => Administration::AddPlaces(vec![pb::AddPlaceRequest {
            name,
            level,
            ..Default::default()
        }]),
        Wanted::Account(login, closed) => Administration::SetAccount(AccountChange {
            login,
            roles: vec![pb::Role::Clerk.into()],
            closed: Some(closed),
            ..Default::default()
        }),
        Wanted::EndPlace(place, successor) => Administration::EndPlace { place, successor },
        Wanted::MovePlace(place, to) => Administration::MovePlace(MovePlace {
            place,
            to,
            code: String::new(),
            name: String::new(),
            address: String::new(),
        }),
        Wanted::Waive(link) => Administration::Waive(link),
        Wanted::Unit(name) => Administration::AddUnit(pb::AddUnitRequest {
            name,
            kind: pb::UnitKind::Department.into(),
            presence: pb::UnitPresence::Resident.into(),
            ..Default::default()
        }),
        Wanted::Move(..) => Administration::AddPlaces(Vec::new()),
    }
}

fn text(role: &str) -> pb::PrivateContent {
    pb::PrivateContent {
        requester: None,
        texts: vec![pb::PrivateText {
            role: role.into(),
            text: "办理情况".into(),
        }],
    }
}

fn hash_of(digits: &str) -> Option<Hash> {
    let bytes: Option<Vec<u8>> = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
        .collect();
    Hash::from_bytes(&bytes?)
}
