//! The moves as they go over the wire, each with the texts beside it.

use fengqiao_hub::private::Private;
use fengqiao_proto::v1 as pb;
use pb::command::Move;

use super::{Common, Deed, DispatchArgs, MoveCommand, RegisterArgs};
use crate::cli::words::{Verdict, ms, split_role};

/// A move with all that its request needs.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Case, or empty.
    pub(crate) case: String,
    /// Request id, when one was given.
    pub(crate) request_id: Option<String>,
    /// The move.
    pub(crate) mv: Move,
    /// Who asks.
    pub(crate) requester: Private<Option<pb::Requester>>,
    /// Texts with their roles; `-` not yet read.
    pub(crate) texts: Vec<(&'static str, Private<String>)>,
}

impl Deed {
    fn with(self, mv: Move) -> Parts {
        self.common.with(self.case, mv)
    }
}

impl Common {
    fn with(self, case: String, mv: Move) -> Parts {
        let texts = self.texts.iter().map(|text| {
            let (role, text) = split_role(text.reveal());
            (role, Private::new(text.to_owned()))
        });
        Parts {
            case,
            request_id: self.request_id,
            mv,
            requester: Private::default(),
            texts: texts.collect(),
        }
    }
}

impl Parts {
    fn text(mut self, role: &'static str, text: impl Into<Option<Private<String>>>) -> Self {
        self.texts.extend(text.into().map(|text| (role, text)));
        self
    }

    /// The command with the requester in it.
    #[must_use]
    pub(crate) fn command(self) -> pb::Command {
        let mut mv = self.mv;
        if let Move::Register(register) = &mut mv {
            register.requester = self.requester.reveal().clone();
        }
        pb::Command { r#move: Some(mv) }
    }
}

impl RegisterArgs {
    fn into_parts(self) -> Parts {
        let open = |text: Option<Private<String>>| {
            text.map_or_else(String::new, |text| text.reveal().clone())
        };
        let requester = pb::Requester {
            name: open(self.name),
            phone: open(self.phone),
            address: open(self.address),
        };
        let named = requester != pb::Requester::default();
        let mv = Move::Register(pb::Register {
            channel: self.channel.into(),
            class: self.class,
            urgency: self.urgency.into(),
            external_number: self.external_number,
            received_ms: ms(self.received),
            requester: None,
        });
        let parts = self.common.with(String::new(), mv);
        Parts {
            requester: Private::new(named.then_some(requester)),
            ..parts
        }
        .text("place", self.place)
    }
}

impl DispatchArgs {
    fn into_parts(self) -> Parts {
        self.deed.with(Move::Dispatch(pb::Dispatch {
            lead: self.lead.unwrap_or_default(),
            place: self.place.unwrap_or_default(),
            co_handlers: self.co_handlers,
            due_ms: ms(self.due),
        }))
    }
}

impl MoveCommand {
    /// The move on the wire, with what goes beside it. One table, in the order of the life of a case.
    #[must_use]
    pub(crate) fn into_parts(self) -> Parts {
        match self {
            Self::Register(args) => args.into_parts(),
            Self::Accept(deed) => deed.with(Move::Accept(pb::Accept {})),
            Self::Decline {
                deed,
                ground,
                reason,
            } => {
                let ground = ground.into();
                deed.with(Move::Decline(pb::Decline { ground }))
                    .text("reason", reason)
            }
            Self::AnswerAtOnce { deed, answer } => deed
                .with(Move::AnswerAtOnce(pb::AnswerAtOnce {}))
                .text("answer", answer),
            Self::Dispatch(args) => args.into_parts(),
            Self::SignFor(deed) => deed.with(Move::SignFor(pb::SignFor {})),
            Self::Object {
                deed,
                reason,
                proposed_unit,
            } => deed
                .with(Move::Object(pb::Object { proposed_unit }))
                .text("reason", reason),
            Self::DecideObjection { deed, verdict } => {
                let upheld = verdict == Verdict::Upheld;
                deed.with(Move::DecideObjection(pb::DecideObjection { upheld }))
            }
            Self::Designate { deed, unit, due } => {
                let due_ms = ms(due);
                deed.with(Move::Designate(pb::Designate { unit, due_ms }))
            }
            Self::Return {
                deed,
                reason,
                proposed_place,
            } => deed
                .with(Move::Return(pb::Return { proposed_place }))
                .text("reason", reason),
            Self::Contact { deed, reached } => {
                let reached = reached.into();
                deed.with(Move::Contact(pb::Contact { reached }))
            }
            Self::TakeAction { deed, evidence } => deed
                .with(Move::TakeAction(pb::TakeAction {}))
                .text("evidence", evidence),
            Self::ReportInterim(deed) => deed.with(Move::ReportInterim(pb::ReportInterim {})),
            Self::DraftReply {
                deed,
                reply,
                reasonable,
            } => {
                let reasonable = reasonable.into();
                deed.with(Move::DraftReply(pb::DraftReply { reasonable }))
                    .text("reply", reply)
            }
            Self::ApproveReply(deed) => deed.with(Move::ApproveReply(pb::ApproveReply {})),
            Self::SendBackReply { deed, reason } => deed
                .with(Move::SendBackReply(pb::SendBackReply {}))
                .text("reason", reason),
            Self::SendReply(deed) => deed.with(Move::SendReply(pb::SendReply {})),
            Self::Escalate {
                deed,
                because,
                reason,
            } => {
                let kind = because.into();
                deed.with(Move::Escalate(pb::Escalate { reason: kind }))
                    .text("reason", reason)
            }
            Self::KeepBelow { deed, opinion } => deed
                .with(Move::KeepBelow(pb::KeepBelow {}))
                .text("opinion", opinion),
            Self::Take {
                deed,
                because,
                reason,
            } => {
                let kind = because.into();
                deed.with(Move::Take(pb::Take { reason: kind }))
                    .text("reason", reason)
            }
            Self::Decide(deed) => deed.with(Move::Decide(pb::Decide {})),
            Self::Convene {
                deed,
                meeting,
                parties,
            } => {
                let meeting_ms = meeting.0;
                deed.with(Move::Convene(pb::Convene {
                    meeting_ms,
                    parties,
                }))
            }
            Self::AcknowledgeTask { deed, task } => {
                deed.with(Move::AcknowledgeTask(pb::AcknowledgeTask { task }))
            }
            Self::ReportTask {
                deed,
                task,
                done,
                evidence,
            } => {
                let done = done.into();
                deed.with(Move::ReportTask(pb::ReportTask { task, done }))
                    .text("evidence", evidence)
            }
            Self::WorkOnSite {
                deed,
                worked,
                evidence,
                place,
            } => {
                let worked_ms = ms(worked);
                deed.with(Move::WorkOnSite(pb::WorkOnSite { worked_ms }))
                    .text("evidence", evidence)
                    .text("place", place)
            }
            Self::ReturnVisit {
                deed,
                reached,
                reasonable,
            } => {
                let (reached, reasonable) = (reached.into(), reasonable.into());
                deed.with(Move::ReturnVisit(pb::ReturnVisit {
                    reached,
                    reasonable,
                }))
            }
            Self::Rate { deed, score } => deed.with(Move::Rate(pb::Rate { score })),
            Self::OrderRedo { deed, reason } => deed
                .with(Move::OrderRedo(pb::OrderRedo {}))
                .text("reason", reason),
            Self::Close { deed, outcome } => {
                let outcome = outcome.into();
                deed.with(Move::Close(pb::Close { outcome }))
            }
            Self::AdoptAnnex { deed, entry } => {
                deed.with(Move::AdoptAnnex(pb::AdoptAnnex { entry }))
            }
            Self::DeclineAnnex {
                deed,
                entry,
                reason,
            } => deed
                .with(Move::DeclineAnnex(pb::DeclineAnnex { entry }))
                .text("reason", reason),
            Self::Supplement(deed) => deed.with(Move::Supplement(pb::Supplement {})),
        }
    }
}
