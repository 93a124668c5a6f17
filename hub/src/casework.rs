//! The moves of a case: what a person asks for, and what becomes of it.
//!
//! One file a family of moves. Each decision walks guard by guard; every guard is one refusal. Rules are judged here
//! once, by the writer; whoever reads the entry later only remembers it (PROTOCOL.md 6).

pub mod convening;
pub mod dispatch;
pub mod escalation;
pub mod handling;
pub mod intake;
pub mod reply;
pub mod supervision;
pub mod visit;

use std::collections::BTreeSet;

use fengqiao_proto::v1 as pb;
use pb::body::Content;

use crate::case::{Case, Stage};
use crate::clock::Moment;
use crate::custody::Tree;
use crate::entry::Move;
use crate::id::{Hash, PersonId, PlaceId, UnitId};
use crate::jurisdiction::Registry;
use crate::refusal::{Code, Refusal};
use crate::rulebook::Rulebook;

/// What a person asks for; ids resolved, free texts apart.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    missing_docs,
    reason = "each variant is the move of the same name in casework.proto, where its fields are told"
)]
pub enum Command {
    Register {
        channel: pb::Channel,
        class: String,
        urgency: pb::Urgency,
        external_number: String,
        received: Moment,
    },
    Accept,
    Decline {
        ground: pb::DeclineGround,
    },
    AnswerAtOnce,
    Dispatch {
        lead: Option<UnitId>,
        place: Option<PlaceId>,
        co_handlers: Vec<UnitId>,
        due: Option<Moment>,
    },
    SignFor,
    Object {
        proposed_unit: Option<UnitId>,
    },
    DecideObjection {
        upheld: bool,
    },
    Designate {
        unit: UnitId,
        due: Option<Moment>,
    },
    Return {
        proposed_place: Option<PlaceId>,
    },
    Contact {
        reached: bool,
    },
    TakeAction,
    ReportInterim,
    DraftReply {
        reasonable: bool,
    },
    ApproveReply,
    SendBackReply,
    SendReply,
    Escalate {
        reason: pb::EscalationReason,
    },
    KeepBelow,
    Take {
        reason: pb::TakingReason,
    },
    Decide,
    Convene {
        meeting: Moment,
        parties: Vec<Party>,
    },
    AcknowledgeTask {
        task: u32,
    },
    ReportTask {
        task: u32,
        done: bool,
    },
    WorkOnSite {
        worked: Moment,
    },
    ReturnVisit {
        reached: bool,
        reasonable: bool,
    },
    Rate {
        score: u32,
    },
    OrderRedo,
    Close {
        outcome: pb::Outcome,
    },
    AdoptAnnex {
        entry: Hash,
    },
    DeclineAnnex {
        entry: Hash,
    },
    Supplement,
}

/// A party to convene.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Place whose centre is convened.
    pub place: PlaceId,
    /// Unit of the convening centre.
    pub unit: Option<UnitId>,
    /// When its task is due.
    pub due: Moment,
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Person; `None` when a rule acts.
    pub person: Option<PersonId>,
    /// Centre the person acts at.
    pub place: PlaceId,
    /// Unit, when not the centre's own staff.
    pub unit: Option<UnitId>,
    /// Roles.
    pub roles: BTreeSet<pb::Role>,
}

/// What a decision looks at besides the case.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Centre that decides.
    pub place: PlaceId,
    /// Places, units, nodes.
    pub registry: &'a Registry,
    /// Catalogue in force.
    pub catalogue: &'a Rulebook,
    /// Now, by this node's clock.
    pub now: Moment,
}

/// A case as a decision sees it.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The fold of its standing chain.
    pub case: &'a Case,
    /// All entries by custody.
    pub tree: &'a Tree,
}

/// What is to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    /// Content of the body.
    pub content: Content,
    /// What it does to custody.
    pub mv: Move,
    /// Coarse class.
    pub kind_class: pb::KindClass,
}

impl Act {
    pub(crate) fn work(content: Content) -> Self {
        Self {
            content,
            mv: Move::None,
            kind_class: pb::KindClass::Work,
        }
    }

    pub(crate) fn effect(content: Content) -> Self {
        Self {
            content,
            mv: Move::None,
            kind_class: pb::KindClass::Effect,
        }
    }

    pub(crate) fn custody(content: Content, mv: Move) -> Self {
        Self {
            content,
            mv,
            kind_class: pb::KindClass::Custody,
        }
    }
}

impl Command {
    /// The name of the move, as in the log, the tally and the page.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Register { .. } => "register",
            Self::Accept => "accept",
            Self::Decline { .. } => "decline",
            Self::AnswerAtOnce => "answer-at-once",
            Self::Dispatch { .. } => "dispatch",
            Self::SignFor => "sign-for",
            Self::Object { .. } => "object",
            Self::DecideObjection { .. } => "decide-objection",
            Self::Designate { .. } => "designate",
            Self::Return { .. } => "return",
            Self::Contact { .. } => "contact",
            Self::TakeAction => "take-action",
            Self::ReportInterim => "report-interim",
            Self::DraftReply { .. } => "draft-reply",
            Self::ApproveReply => "approve-reply",
            Self::SendBackReply => "send-back-reply",
            Self::SendReply => "send-reply",
            Self::Escalate { .. } => "escalate",
            Self::KeepBelow => "keep-below",
            Self::Take { .. } => "take",
            Self::Decide => "decide",
            Self::Convene { .. } => "convene",
            Self::AcknowledgeTask { .. } => "acknowledge-task",
            Self::ReportTask { .. } => "report-task",
            Self::WorkOnSite { .. } => "work-on-site",
            Self::ReturnVisit { .. } => "return-visit",
            Self::Rate { .. } => "rate",
            Self::OrderRedo => "order-redo",
            Self::Close { .. } => "close",
            Self::AdoptAnnex { .. } => "adopt-annex",
            Self::DeclineAnnex { .. } => "decline-annex",
            Self::Supplement => "supplement",
        }
    }

    /// Whether someone who is not custodian may send it to the custodian as a submission.
    #[must_use]
    pub fn is_submittable(&self) -> bool {
        matches!(
            self,
            Self::SignFor
                | Self::Object { .. }
                | Self::Contact { .. }
                | Self::TakeAction
                | Self::ReportInterim
                | Self::DraftReply { .. }
                | Self::KeepBelow
                | Self::AcknowledgeTask { .. }
                | Self::ReportTask { .. }
                | Self::WorkOnSite { .. }
                | Self::Rate { .. }
                | Self::Supplement
        )
    }
}

/// The name of the move an entry records: that of its command, or of the fact.
#[must_use]
pub fn name_of(content: Option<&Content>) -> &'static str {
    match content {
        None => "unknown",
        Some(content) => match content {
            Content::Registered(_) => "register",
            Content::Accepted(_) => "accept",
            Content::Declined(_) => "decline",
            Content::AnsweredDirectly(_) => "answer-at-once",
            Content::Dispatched(_) => "dispatch",
            Content::SignedFor(_) => "sign-for",
            Content::Objected(_) => "object",
            Content::ObjectionDecided(_) => "decide-objection",
            Content::Designated(_) => "designate",
            Content::Returned(_) => "return",
            Content::Contacted(_) => "contact",
            Content::ActionTaken(_) => "take-action",
            Content::InterimReport(_) => "report-interim",
            Content::ReplyDrafted(_) => "draft-reply",
            Content::ReplyApproved(_) => "approve-reply",
            Content::ReplySentBack(_) => "send-back-reply",
            Content::Replied(_) => "send-reply",
            Content::Escalated(_) => "escalate",
            Content::KeptBelow(_) => "keep-below",
            Content::Taken(_) => "take",
            Content::Decided(_) => "decide",
            Content::Convened(_) => "convene",
            Content::TaskAcknowledged(_) => "acknowledge-task",
            Content::TaskReported(_) => "report-task",
            Content::WorkedOnSite(_) => "work-on-site",
            Content::ReturnVisited(_) => "return-visit",
            Content::Rated(_) => "rate",
            Content::RedoOrdered(_) => "order-redo",
            Content::Closed(_) => "close",
            Content::AnnexAdopted(_) => "adopt-annex",
            Content::AnnexDeclined(_) => "decline-annex",
            Content::Supplemented(_) => "supplement",
            Content::RootGranted(_) => "root-granted",
            Content::RegistryOpened(_) => "registry-opened",
            Content::PlaceAdded(_) => "place-added",
            Content::PlaceEnded(_) => "place-ended",
            Content::PlaceMoved(_) => "place-moved",
            Content::UnitAdded(_) => "unit-added",
            Content::NodeEnrolled(_) => "node-enrolled",
            Content::NodeRevoked(_) => "node-revoked",
            Content::RootRenewed(_) => "root-renewed",
            Content::DirectiveIssued(_) => "directive-issued",
            Content::RedWarned(_) => "red-warned",
            Content::AccountSet(_) => "account-set",
        },
    }
}

/// Refuses unless the actor has one of the roles. A rule has none.
pub(crate) fn require(actor: &Actor, roles: &[pb::Role]) -> Result<(), Refusal> {
    if roles.iter().any(|role| actor.roles.contains(role)) {
        return Ok(());
    }
    let names: Vec<&str> = roles.iter().map(|role| role_name(*role)).collect();
    Err(Refusal::of(Code::RoleMissing, "").because(names.join(" | ")))
}

/// The word for a role on the command line and in refusals.
#[must_use]
pub fn role_name(role: pb::Role) -> &'static str {
    match role {
        pb::Role::Unspecified => "none",
        pb::Role::Clerk => "clerk",
        pb::Role::Handler => "handler",
        pb::Role::Approver => "approver",
        pb::Role::Leader => "leader",
        pb::Role::Administrator => "administrator",
    }
}

/// Refuses unless the case stands at one of the stages.
pub(crate) fn at(case: &Case, stages: &[Stage]) -> Result<(), Refusal> {
    if stages.contains(&case.stage) {
        return Ok(());
    }
    if case.stage == Stage::Closed {
        return Err(Refusal::of(Code::CaseClosed, ""));
    }
    Err(Refusal::of(Code::StageForbids, "").because(case.stage.as_str()))
}

/// Refuses once the case is over.
pub(crate) fn open(case: &Case) -> Result<(), Refusal> {
    if case.stage.is_over() {
        Err(Refusal::of(Code::CaseClosed, ""))
    } else {
        Ok(())
    }
}
