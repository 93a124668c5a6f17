//! Commands of people and programs on cases.

use fengqiao_hub::casework::{Act, Actor, CaseState, Numbering, register, spec_of, take_noticed};
use fengqiao_hub::centre::{self, Decision};
use fengqiao_hub::id::{ChainId, Hash, PersonId, UnitId, base32};
use fengqiao_hub::rank::Rank;
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_hub::signed;
use fengqiao_proto::v1 as pb;
use pb::fact::Fact;
use prost::Message as _;

use super::EngineError;
use super::group::Group;
use super::requests::{Answer, Asked, Caller, CaseCommand, CaseMove, Told, accept};
use super::writing::{Before, Writing};
use crate::store::{Read as _, tables};

impl Group<'_> {
    /// Makes a move, or refuses it with nothing changed.
    pub(crate) fn act(&mut self, request: CaseCommand) -> Told {
        let actor = accept!(self.actor(&request.caller)?);
        let asked = Asked::of(&request);
        if let Some(answer) = self.repeated(&asked)? {
            return Ok(answer);
        }
        let CaseMove {
            case,
            action,
            content,
            linked,
            contact,
        } = request.what;
        self.linked = linked;
        self.contact = contact;
        let answer = match case {
            None => accept!(self.register(&actor, action, content.as_ref())?),
            Some(case) => accept!(self.act_on(case, &actor, action, content.as_ref())?),
        };
        let answer = if answer.secret_code.is_empty() {
            Answer::of(&answer)
        } else {
            let later = pb::ActResponse {
                secret_code: String::new(),
                secret_withheld: true,
                ..answer.clone()
            };
            Answer::once(&answer, &later)
        };
        self.answered(asked, answer).map(Ok)
    }

    /// The answer a repeated request got, a refusal when its id was used for something else.
    pub(crate) fn repeated(
        &mut self,
        asked: &Asked,
    ) -> Result<Option<Result<Vec<u8>, Refusal>>, EngineError> {
        if self.read_only {
            return Ok(Some(Err(Refusal::of(Code::ReadOnly, ""))));
        }
        let row = tables::request(&asked.login, &asked.request_id);
        let Some(row) = self.overlay.get(&row)? else {
            return Ok(None);
        };
        let row = tables::AnswerRow::decode(&row[..])
            .map_err(|_| EngineError::Unreadable("an answer"))?;
        let same = row.asked == asked.hash.0;
        Ok(Some(if same {
            Ok(row.answer)
        } else {
            Err(Refusal::of(Code::RequestReused, "request_id"))
        }))
    }

    /// What a row of a table was answered that bore the same request id: what it asked, and the answer.
    pub(crate) fn row_before(
        &mut self,
        asked: &Asked,
    ) -> Result<Option<(Hash, pb::ActResponse)>, EngineError> {
        let row = tables::request(&asked.login, &asked.request_id);
        let Some(row) = self.overlay.get(&row)? else {
            return Ok(None);
        };
        let row = tables::AnswerRow::decode(&row[..])
            .map_err(|_| EngineError::Unreadable("an answer"))?;
        let answer = pb::ActResponse::decode(&row.answer[..])
            .map_err(|_| EngineError::Unreadable("an answer"))?;
        let asked = Hash::from_bytes(&row.asked).ok_or(EngineError::Unreadable("an answer"))?;
        Ok(Some((asked, answer)))
    }

    /// Keeps an answer for repeats, without what is shown once, and gives it as it is told now.
    pub(crate) fn answered(
        &mut self,
        asked: Asked,
        answer: Answer,
    ) -> Result<Vec<u8>, EngineError> {
        let Answer { now, later } = answer;
        self.fact(Fact::Answered(pb::RequestAnswered {
            request: asked.request_id,
            asked: asked.hash.to_vec(),
            answer: later.unwrap_or_else(|| now.clone()),
            at_ms: self.now.0,
            login: asked.login,
        }))?;
        Ok(now)
    }

    /// The account behind a login.
    pub(crate) fn actor(&mut self, caller: &Caller) -> Result<Result<Actor, Refusal>, EngineError> {
        Ok(match self.account(&caller.login)? {
            None => Err(self.no_account(Code::AccountUnknown, &caller.login)?),
            Some(account) if account.closed => Err(Refusal::of(Code::AccountClosed, "login")),
            Some(account) => Ok(Actor {
                person: PersonId::from_bytes(&account.person),
                place: self.me.at.place,
                unit: UnitId::from_bytes(&account.unit).or(self.me.at.unit),
                roles: account.roles().collect(),
            }),
        })
    }

    /// Whether a registration would be written, by the rules that [`Self::register`] writes it by.
    pub(crate) fn judge_registration(
        &self,
        actor: &Actor,
        action: pb::Action,
    ) -> Result<(), Refusal> {
        let asked = registration(action).ok_or(Refusal::of(Code::Empty, "case"))?;
        let unnumbered = Numbering {
            number: String::new(),
            secret_hash: Hash::default(),
        };
        self.decide_registration(actor, asked, &unnumbered)?;
        Ok(())
    }

    fn decide_registration(
        &self,
        actor: &Actor,
        mut asked: pb::Register,
        numbering: &Numbering,
    ) -> Result<Act, Refusal> {
        if self.me.at.unit.is_some() {
            return Err(Refusal::of(Code::NotCustodian, ""));
        }
        if asked.received_ms == 0 {
            asked.received_ms = self.now.0;
        }
        let registry = self.registry();
        let rules = self.rules();
        register(&self.view(&registry, &rules), actor, asked, numbering)
    }

    pub(crate) fn register(
        &mut self,
        actor: &Actor,
        action: pb::Action,
        content: Option<&pb::PrivateContent>,
    ) -> Result<Result<pb::ActResponse, Refusal>, EngineError> {
        let Some(asked) = registration(action) else {
            return Ok(Err(Refusal::of(Code::Empty, "case")));
        };
        let secret: [u8; 10] = self.vault.draw();
        let secret_code = base32(&secret);
        let mut numbering = Numbering {
            number: String::new(),
            secret_hash: Hash::of("fengqiao/secret-code/1", &[secret_code.as_bytes()]),
        };
        // Judged before anything is drawn from the block of numbers, and written with the number.
        accept!(self.decide_registration(actor, asked.clone(), &numbering));
        let chain = ChainId::drawn(pb::ChainKind::Case, self.vault.draw());
        self.draw_secrets(chain, content);
        let payloads = match self.seal(chain, content) {
            Ok(payloads) => payloads,
            Err(refusal) => {
                self.forget_secrets(chain);
                return Ok(Err(refusal));
            }
        };
        numbering.number = self.next_number()?;
        let act = accept!(self.decide_registration(actor, asked, &numbering));
        let writing = Writing {
            person: actor.person,
            payloads,
            submission: None,
        };
        let entry = self.write(pb::ChainKind::Case, chain, act, writing)?;
        Ok(Ok(pb::ActResponse {
            case: chain.to_string(),
            number: numbering.number,
            entry: entry.hash.to_string(),
            secret_code,
            ..Default::default()
        }))
    }

    fn act_on(
        &mut self,
        id: ChainId,
        actor: &Actor,
        action: pb::Action,
        content: Option<&pb::PrivateContent>,
    ) -> Result<Result<pb::ActResponse, Refusal>, EngineError> {
        let registry = self.registry();
        self.chain(id)?;
        let Some(chain) = self
            .state
            .chains
            .get(id)
            .filter(|chain| chain.kind == pb::ChainKind::Case)
        else {
            return self.take_by_notice(id, actor, action, content);
        };
        let Some(case) = &chain.case else {
            return Ok(Err(Refusal::of(Code::EarlierAwaited, "")));
        };
        let state = CaseState {
            case,
            tree: &chain.tree,
        };
        let number = case.intake.number.clone();
        let submittable = spec_of(&action).is_some_and(|spec| spec.submittable);
        let texts = content.map_or(&[][..], |content| &content.texts);
        let texts = texts.iter().filter(|text| !text.text.trim().is_empty());
        let texts: Vec<String> = texts.map(|text| text.role.clone()).collect();
        let rules = self.rules_of(chain);
        let view = self.view(&registry, &rules);
        let decision = accept!(centre::decide(&view, &state, action, actor, &texts));
        // A department's node writes no chain of a case: it submits to its centre.
        let decision = match decision {
            Decision::Write(act) if self.me.at.unit.is_some() && submittable => {
                Decision::Submit(act)
            }
            Decision::Write(_) if self.me.at.unit.is_some() => {
                return Ok(Err(Refusal::of(Code::NotCustodian, "")));
            }
            decision @ (Decision::Write(_) | Decision::Submit(_)) => decision,
        };
        let payloads = accept!(self.seal(id, content));
        let mut answer = pb::ActResponse {
            case: id.to_string(),
            number,
            ..Default::default()
        };
        match decision {
            Decision::Write(act) => {
                accept!(self.gate(id)?);
                let writing = Writing {
                    person: actor.person,
                    payloads,
                    submission: None,
                };
                answer.entry = self
                    .write(pb::ChainKind::Case, id, act, writing)?
                    .hash
                    .to_string();
            }
            Decision::Submit(act) => {
                answer.submission = self.submit(id, actor, act, payloads)?.to_string();
            }
        }
        Ok(Ok(answer))
    }

    /// Takes a case that is known here by its notice only: the entry stands above a gap until the chain arrives.
    fn take_by_notice(
        &mut self,
        id: ChainId,
        actor: &Actor,
        action: pb::Action,
        content: Option<&pb::PrivateContent>,
    ) -> Result<Result<pb::ActResponse, Refusal>, EngineError> {
        let row = self.overlay.get(&tables::notice(id))?;
        let Some(notice) = row.and_then(|row| signed::kept::<pb::Notice>(&row)) else {
            return Ok(Err(Refusal::of(Code::CaseUnknown, "case")));
        };
        let Some(take) = taking(action).filter(|_| self.me.at.unit.is_none()) else {
            return Ok(Err(Refusal::of(Code::NotCustodian, "")));
        };
        if content.is_some() {
            // The key of this case is not here yet: no text can be sealed under it.
            return Ok(Err(Refusal::of(Code::TextSealed, "texts")));
        }
        let registry = self.registry();
        let rules = self.rules();
        let view = self.view(&registry, &rules);
        let act = accept!(take_noticed(&view, &notice, take, actor));
        let before = before_of(&notice)?;
        accept!(self.gate(id)?);
        let writing = Writing {
            person: actor.person,
            ..Default::default()
        };
        let entry = self.write_after(pb::ChainKind::Case, id, before, act, writing)?;
        Ok(Ok(pb::ActResponse {
            case: id.to_string(),
            number: notice.number,
            entry: entry.hash.to_string(),
            ..Default::default()
        }))
    }
}

fn registration(action: pb::Action) -> Option<pb::Register> {
    match action.family {
        Some(pb::action::Family::Intake(pb::IntakeAction {
            action: Some(pb::intake_action::Action::Register(register)),
        })) => Some(register),
        _ => None,
    }
}

fn taking(action: pb::Action) -> Option<pb::Take> {
    match action.family {
        Some(pb::action::Family::Escalation(pb::EscalationAction {
            action: Some(pb::escalation_action::Action::Take(take)),
        })) => Some(take),
        _ => None,
    }
}

/// What a notice says stands before the next entry.
pub(crate) fn before_of(notice: &pb::Notice) -> Result<Before, EngineError> {
    let rank = Rank::from_wire(&notice.rank).ok_or(EngineError::Unfit("a notice"))?;
    Ok(Before {
        rank,
        sequence: notice.sequence,
        hash: Hash::from_bytes(&notice.head),
    })
}
