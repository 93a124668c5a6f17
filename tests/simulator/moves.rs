//! Every move there is. A new one does not compile until it stands here, and fails the run until somebody makes it.

use fengqiao_hub::casework::{Command, Party};
use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::{Hash, PlaceId, UnitId};
use fengqiao_proto::v1 as pb;

use super::dice::Dice;

macro_rules! kinds {
    ($($kind:ident = $name:literal),* $(,)?) => {
        /// The moves, without what they say.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "each is the command of the same name")]
        pub enum Kind { $($kind,)* }

        impl Kind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Of a command.
            #[must_use]
            pub fn of(command: &Command) -> Self {
                match command { $(Command::$kind { .. } => Self::$kind,)* }
            }

            /// Name of the move, as [`Command::name`] has it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }
        }
    };
}

kinds!(
    Register = "register",
    Accept = "accept",
    Decline = "decline",
    AnswerAtOnce = "answer-at-once",
    Dispatch = "dispatch",
    SignFor = "sign-for",
    Object = "object",
    DecideObjection = "decide-objection",
    Designate = "designate",
    Return = "return",
    Contact = "contact",
    TakeAction = "take-action",
    ReportInterim = "report-interim",
    DraftReply = "draft-reply",
    ApproveReply = "approve-reply",
    SendBackReply = "send-back-reply",
    SendReply = "send-reply",
    Escalate = "escalate",
    KeepBelow = "keep-below",
    Take = "take",
    Decide = "decide",
    Convene = "convene",
    AcknowledgeTask = "acknowledge-task",
    ReportTask = "report-task",
    WorkOnSite = "work-on-site",
    ReturnVisit = "return-visit",
    Rate = "rate",
    OrderRedo = "order-redo",
    Close = "close",
    AdoptAnnex = "adopt-annex",
    DeclineAnnex = "decline-annex",
    Supplement = "supplement",
);

/// What somebody has at hand to fill a command with.
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

    fn entry(&self, dice: &mut Dice) -> Hash {
        if self.annex.is_empty() {
            Hash::default()
        } else {
            dice.pick(&self.annex)
        }
    }

    fn due(&self, dice: &mut Dice) -> Moment {
        let hours = dice.between(1, 24 * 20);
        // Some name a time that is past.
        let hours = if hours % 40 == 0 { -hours } else { hours };
        Moment(self.now.0.saturating_add(hours * 3_600_000))
    }

    /// A case of a class that exists, mostly.
    pub fn register(&self, dice: &mut Dice) -> Command {
        let known = if dice.mille(20) {
            CLASSES.len()
        } else {
            CLASSES.len() - 1
        };
        Command::Register {
            channel: dice.pick(&[
                pb::Channel::Phone,
                pb::Channel::Window,
                pb::Channel::GridWorker,
            ]),
            class: CLASSES[dice.roll(known)].to_owned(),
            urgency: dice.pick(&[pb::Urgency::Ordinary, pb::Urgency::Urgent]),
            external_number: String::new(),
            received: Moment(0),
        }
    }

    /// A command of a kind, filled with what comes to hand.
    pub fn command(&self, kind: Kind, dice: &mut Dice) -> Command {
        let yes = dice.roll(2) == 0;
        match kind {
            Kind::Register => self.register(dice),
            Kind::Accept => Command::Accept,
            Kind::Decline => Command::Decline {
                ground: pb::DeclineGround::SameMatter,
            },
            Kind::AnswerAtOnce => Command::AnswerAtOnce,
            Kind::Dispatch => self.dispatch(dice),
            Kind::SignFor => Command::SignFor,
            Kind::Object => Command::Object {
                proposed_unit: self.unit(dice).filter(|_| yes),
            },
            Kind::DecideObjection => Command::DecideObjection { upheld: yes },
            Kind::Designate => Command::Designate {
                unit: self.unit(dice).unwrap_or_default(),
                due: yes.then(|| self.due(dice)),
            },
            Kind::Return => Command::Return {
                proposed_place: yes.then(|| self.place(dice)),
            },
            Kind::Contact => Command::Contact { reached: yes },
            Kind::TakeAction => Command::TakeAction,
            Kind::ReportInterim => Command::ReportInterim,
            Kind::DraftReply => Command::DraftReply { reasonable: yes },
            Kind::ApproveReply => Command::ApproveReply,
            Kind::SendBackReply => Command::SendBackReply,
            Kind::SendReply => Command::SendReply,
            Kind::Escalate => Command::Escalate {
                reason: dice.pick(&[
                    pb::EscalationReason::Hard,
                    pb::EscalationReason::Hard,
                    pb::EscalationReason::Unspecified,
                ]),
            },
            Kind::KeepBelow => Command::KeepBelow,
            Kind::Take => Command::Take {
                reason: dice.pick(&[
                    pb::TakingReason::Unspecified,
                    pb::TakingReason::Decision,
                    pb::TakingReason::Dark,
                ]),
            },
            Kind::Decide => Command::Decide,
            Kind::Convene => self.convene(dice),
            Kind::AcknowledgeTask => Command::AcknowledgeTask {
                task: self.task(dice),
            },
            Kind::ReportTask => Command::ReportTask {
                task: self.task(dice),
                done: yes,
            },
            Kind::WorkOnSite => Command::WorkOnSite { worked: self.now },
            Kind::ReturnVisit => Command::ReturnVisit {
                reached: true,
                reasonable: yes,
            },
            Kind::Rate => Command::Rate {
                score: u32::try_from(dice.roll(7)).unwrap_or_default(),
            },
            Kind::OrderRedo => Command::OrderRedo,
            Kind::Close => Command::Close {
                outcome: dice.pick(&[
                    pb::Outcome::Solved,
                    pb::Outcome::Solved,
                    pb::Outcome::Unspecified,
                ]),
            },
            Kind::AdoptAnnex => Command::AdoptAnnex {
                entry: self.entry(dice),
            },
            Kind::DeclineAnnex => Command::DeclineAnnex {
                entry: self.entry(dice),
            },
            Kind::Supplement => Command::Supplement,
        }
    }

    fn task(&self, dice: &mut Dice) -> u32 {
        let tasks = usize::try_from(self.tasks).unwrap_or_default();
        u32::try_from(dice.roll(tasks + 1) + 1).unwrap_or_default()
    }

    fn dispatch(&self, dice: &mut Dice) -> Command {
        let lead = self.unit(dice).filter(|_| dice.roll(2) == 0);
        let co_handlers = match (lead, self.unit(dice)) {
            (Some(lead), Some(other)) if lead != other => vec![other],
            _ => Vec::new(),
        };
        Command::Dispatch {
            lead,
            place: lead.is_none().then(|| self.place(dice)),
            co_handlers,
            due: dice.mille(300).then(|| self.due(dice)),
        }
    }

    fn convene(&self, dice: &mut Dice) -> Command {
        let parties = (0..=dice.roll(2))
            .map(|_| Party {
                place: self.place(dice),
                unit: None,
                due: self.due(dice),
            })
            .collect();
        Command::Convene {
            meeting: self.now,
            parties,
        }
    }
}
