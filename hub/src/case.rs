//! A case as the fold of its entries.
//!
//! The fold never refuses: what an entry may do was judged by its writer. It only remembers. Texts and persons are not
//! here; they stay sealed beside the entries.

mod clocks;
mod moves;
mod stage;

pub use clocks::{Clock, Running, of_notice as clocks_of_notice};
pub use stage::Stage;

use std::collections::{BTreeMap, BTreeSet};

use fengqiao_proto::v1 as pb;
use pb::body::Content;

use crate::clock::Moment;
use crate::entry::{Entry, Move};
use crate::id::{Hash, PersonId, PlaceId, SubmissionId, UnitId};
use crate::jurisdiction::Registry;

/// One move of custody between centres.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passage {
    Down { from: PlaceId, to: PlaceId },
    Up { taker: PlaceId },
}

/// Who handles, or received first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Receiver {
    /// A unit of a centre.
    Unit(UnitId),
    /// A centre below.
    Place(PlaceId),
}

/// What an open offer asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfferKind {
    /// Pushed up: too hard here.
    Escalated,
    /// A dispatched case replied to.
    Replied,
    /// A dispatched case returned: not ours.
    Returned,
}

/// An offer to the parent that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenOffer {
    /// The offering entry.
    pub entry: Hash,
    /// What it asks.
    pub kind: OfferKind,
    /// Who is asked.
    pub to: PlaceId,
    /// Until when it answers; an offer of an older version names none.
    pub due: Option<Moment>,
}

/// What was decided over an annex entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnnexDecision {
    /// Adopted, or declined.
    pub adopted: bool,
    /// The entry that says so.
    pub by: Hash,
}

/// State of a convened task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskState {
    /// Given.
    Open,
    /// Read.
    Acknowledged,
    /// Reported on.
    Reported,
    /// Done.
    Done,
}

impl TaskState {
    /// Stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Reported => "reported",
            Self::Done => "done",
        }
    }
}

/// A task of a convened party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Number in the case, from 1.
    pub number: u32,
    /// Place convened.
    pub place: PlaceId,
    /// Unit of the convening centre, when one of its own.
    pub unit: Option<UnitId>,
    /// When it is due.
    pub due: Moment,
    /// State.
    pub state: TaskState,
}

/// A case.
#[derive(Debug, Clone)]
pub struct Case {
    /// Readable number.
    pub number: String,
    /// External number or empty.
    pub external_number: String,
    /// Class.
    pub class: String,
    /// Channel it came by.
    pub channel: pb::Channel,
    /// Urgency.
    pub urgency: pb::Urgency,
    /// When the resident brought it.
    pub received: Moment,
    /// Hash of the resident's code.
    pub secret_hash: Hash,
    /// Centre that took it in.
    pub origin: PlaceId,
    /// Stage.
    pub stage: Stage,
    /// Custodian.
    pub custodian: PlaceId,
    /// Open offer.
    pub offer: Option<OpenOffer>,
    /// Dispatches between centres that have not come back, from and to, outermost first, as far as the entries alone tell:
    /// whether an unasked taker stood above a dispatcher is for the registry to say, see [`Case::owes_reply`].
    dispatches: Vec<(PlaceId, PlaceId)>,
    /// Every move of custody.
    passages: Vec<Passage>,
    /// Whether it was ever dispatched to anyone.
    pub was_dispatched: bool,
    /// Lead unit at the custodian.
    pub lead: Option<UnitId>,
    /// Co-handling units at the custodian.
    pub co_handlers: BTreeSet<UnitId>,
    /// When the custodian's lead got it.
    pub lead_since: Moment,
    /// The lead was designated and may not object.
    pub designated: bool,
    /// Objections and returns upheld so far.
    pub bounces: u32,
    /// First receiver; provisional while its dispatch may still be returned with the objection upheld.
    pub first_receiver: Option<Receiver>,
    /// The first receiver stands for good.
    pub first_receiver_stands: bool,
    /// Centre that dispatched to the first receiver.
    pub first_dispatcher: Option<PlaceId>,
    /// Who drafted the reply.
    pub drafted_by: Option<PersonId>,
    /// Whether the demand is held reasonable.
    pub reasonable: Option<bool>,
    /// Handling clock; stops at the reply.
    pub due: Option<pb::Due>,
    /// The clock a reply stopped; it goes on when the reply is not taken.
    pub due_stopped: Option<pb::Due>,
    /// Convened tasks.
    pub tasks: Vec<Task>,
    /// Places that ever were custodian.
    pub custodians: BTreeSet<PlaceId>,
    /// Places convened or offered to.
    pub parties: BTreeSet<PlaceId>,
    /// Units that lead, led, co-handle or were convened.
    pub handlers: BTreeSet<UnitId>,
    /// Rating.
    pub rating: Option<u32>,
    /// Outcome once closed.
    pub outcome: pb::Outcome,
    /// Annex entries decided.
    pub annex_decided: BTreeMap<Hash, AnnexDecision>,
    /// Submissions that have had their effect.
    pub submissions: BTreeSet<SubmissionId>,
    /// Unasked takings: who and when.
    pub takings: Vec<(PlaceId, Moment)>,
    /// Times work was recorded on site.
    pub site_visits: u32,
    /// Entries folded.
    pub entries: u64,
}

impl Case {
    /// The case after its first entry; `None` when that does not register one.
    #[must_use]
    pub fn open(entry: &Entry, place: PlaceId) -> Option<Self> {
        let Some(Content::Registered(registered)) = entry.body.content.as_ref() else {
            return None;
        };
        Some(Self {
            number: registered.number.clone(),
            external_number: registered.external_number.clone(),
            class: registered.class.clone(),
            channel: registered.channel(),
            urgency: registered.urgency(),
            received: Moment(registered.received_ms),
            secret_hash: Hash::from_bytes(&registered.secret_hash).unwrap_or_default(),
            origin: place,
            stage: Stage::Registered,
            custodian: place,
            offer: None,
            dispatches: Vec::new(),
            passages: Vec::new(),
            was_dispatched: false,
            lead: None,
            co_handlers: BTreeSet::new(),
            lead_since: Moment(entry.body.wall_time_ms),
            designated: false,
            bounces: 0,
            first_receiver: None,
            first_receiver_stands: false,
            first_dispatcher: None,
            drafted_by: None,
            reasonable: None,
            due: None,
            due_stopped: None,
            tasks: Vec::new(),
            custodians: BTreeSet::from([place]),
            parties: BTreeSet::new(),
            handlers: BTreeSet::new(),
            rating: None,
            outcome: pb::Outcome::Unspecified,
            annex_decided: BTreeMap::new(),
            submissions: BTreeSet::new(),
            takings: Vec::new(),
            site_visits: 0,
            entries: 1,
        })
    }

    /// Folds a whole standing chain, oldest first, each entry with its author's place. `None` while its first entry is
    /// awaited.
    #[must_use]
    pub fn fold<'a>(entries: impl IntoIterator<Item = (&'a Entry, PlaceId)>) -> Option<Self> {
        let mut entries = entries.into_iter();
        let (first, place) = entries.next()?;
        let mut case = Self::open(first, place)?;
        for (entry, place) in entries {
            case.apply(entry, place);
        }
        Some(case)
    }

    /// Whether this place holds the case under a dispatch from above, and so owes a reply there. A taking ends the
    /// dispatches by the taker and by who stands below it; one from further up binds the taker from then on.
    #[must_use]
    pub fn owes_reply(&self, place: PlaceId, registry: &Registry) -> bool {
        let mut owing: Vec<(PlaceId, PlaceId)> = Vec::new();
        for passage in &self.passages {
            match *passage {
                Passage::Down { from, to } => owing.push((from, to)),
                Passage::Up { taker } => {
                    owing.retain(|(from, _)| registry.is_above(*from, taker));
                    if let Some(last) = owing.last_mut() {
                        last.1 = taker;
                    }
                }
            }
        }
        owing.iter().any(|(_, to)| *to == place)
    }

    /// When the handling clock runs out, while it runs.
    #[must_use]
    pub fn due_at(&self) -> Option<Moment> {
        self.due.as_ref().map(|due| Moment(due.due_ms))
    }

    /// Adds the next entry of the standing chain.
    pub fn apply(&mut self, entry: &Entry, place: PlaceId) {
        self.entries += 1;
        if let Some(submission) = entry.submission {
            self.submissions.insert(submission);
        }
        let at = Moment(entry.body.wall_time_ms);
        if let Some(content) = &entry.body.content {
            self.remember(content, entry, at);
        }
        match entry.mv {
            Move::None => {}
            Move::Dispatched(to) => self.go_down(place, to),
            Move::Offered(to) => {
                self.parties.insert(to);
            }
            Move::Taken(answering) => self.go_up(place, answering, at),
        }
    }

    fn remember(&mut self, content: &Content, entry: &Entry, at: Moment) {
        match content {
            Content::Registered(_)
            | Content::Supplemented(_)
            | Content::InterimReport(_)
            | Content::Taken(_) => {}
            Content::Accepted(_) => self.stage = Stage::Accepted,
            Content::Declined(_) => self.stage = Stage::Declined,
            Content::AnsweredDirectly(_) => self.stage = Stage::Answered,
            Content::Dispatched(dispatched) => self.dispatched(dispatched, at),
            Content::Designated(designated) => self.designated(designated, at),
            Content::SignedFor(_) => self.stage = Stage::Handling,
            Content::Objected(_) => self.stage = Stage::Objected,
            Content::ObjectionDecided(decided) => self.objection_decided(decided.upheld),
            Content::Returned(returned) => {
                self.offered(entry, OfferKind::Returned, returned.answer_due.as_ref());
            }
            Content::Contacted(_) | Content::ActionTaken(_) => self.worked(),
            Content::ReplyDrafted(drafted) => {
                self.stage = Stage::Drafted;
                self.drafted_by = PersonId::from_bytes(&entry.body.actor);
                self.reasonable = Some(drafted.reasonable);
            }
            Content::ReplyApproved(_) => self.stage = Stage::Approved,
            Content::ReplySentBack(_) => self.stage = Stage::Handling,
            Content::Replied(replied) => {
                self.confirm_first_receiver();
                self.stage = Stage::Replied;
                self.due_stopped = self.due.take().or(self.due_stopped.take());
                self.offered(entry, OfferKind::Replied, replied.answer_due.as_ref());
            }
            Content::Escalated(escalated) => {
                self.offered(entry, OfferKind::Escalated, escalated.answer_due.as_ref());
            }
            Content::KeptBelow(kept) => self.kept_below(&kept.answering),
            Content::Decided(_) => self.stage = Stage::Decided,
            Content::Convened(convened) => self.convened(convened),
            Content::TaskAcknowledged(task) => self.task(task.task, TaskState::Acknowledged),
            Content::TaskReported(report) => {
                self.task(
                    report.task,
                    if report.done {
                        TaskState::Done
                    } else {
                        TaskState::Reported
                    },
                );
            }
            Content::WorkedOnSite(_) => self.site_visits += 1,
            Content::ReturnVisited(visited) => {
                self.stage = Stage::Visited;
                self.reasonable = Some(visited.reasonable);
            }
            Content::Rated(rated) => self.rating = Some(rated.score),
            Content::RedoOrdered(_) => {
                self.stage = Stage::Redo;
                self.lead = None;
                self.drafted_by = None;
            }
            Content::Closed(closed) => {
                self.stage = Stage::Closed;
                self.outcome = closed.outcome();
                self.due = None;
                self.due_stopped = None;
            }
            Content::AnnexAdopted(adopted) => self.annex(&adopted.entry, entry.hash, true),
            Content::AnnexDeclined(declined) => self.annex(&declined.entry, entry.hash, false),
            Content::RootGranted(_)
            | Content::RegistryOpened(_)
            | Content::PlaceAdded(_)
            | Content::PlaceEnded(_)
            | Content::PlaceMoved(_)
            | Content::UnitAdded(_)
            | Content::NodeEnrolled(_)
            | Content::NodeRevoked(_)
            | Content::RootRenewed(_)
            | Content::DirectiveIssued(_)
            | Content::RedWarned(_)
            | Content::AccountSet(_) => {}
        }
    }

    fn dispatched(&mut self, dispatched: &pb::Dispatched, at: Moment) {
        self.was_dispatched = true;
        self.drafted_by = None;
        self.start_clock(dispatched.due.as_ref());
        self.stage = Stage::Dispatched;
        self.lead_since = at;
        if let Some(unit) = UnitId::from_bytes(&dispatched.lead) {
            self.lead = Some(unit);
            self.designated = false;
            self.co_handlers = dispatched
                .co_handlers
                .iter()
                .filter_map(|unit| UnitId::from_bytes(unit))
                .collect();
            self.handlers.insert(unit);
            self.handlers.extend(self.co_handlers.iter().copied());
            self.receive_first(Receiver::Unit(unit), self.custodian);
        }
    }

    fn start_clock(&mut self, due: Option<&pb::Due>) {
        self.due = due.cloned();
        self.due_stopped = None;
    }

    fn designated(&mut self, designated: &pb::Designated, at: Moment) {
        let Some(unit) = UnitId::from_bytes(&designated.unit) else {
            return;
        };
        if self.stage == Stage::Objected && self.lead != Some(unit) {
            self.unit_returned();
        }
        self.was_dispatched = true;
        self.lead = Some(unit);
        self.co_handlers.clear();
        self.drafted_by = None;
        self.designated = true;
        self.handlers.insert(unit);
        self.stage = Stage::Dispatched;
        self.lead_since = at;
        self.start_clock(designated.due.as_ref());
        self.receive_first(Receiver::Unit(unit), self.custodian);
        self.confirm_first_receiver();
    }

    fn objection_decided(&mut self, upheld: bool) {
        if !upheld {
            self.stage = Stage::Handling;
            self.confirm_first_receiver();
            return;
        }
        self.bounces += 1;
        self.unit_returned();
        self.lead = None;
        self.co_handlers.clear();
        self.stage = Stage::Accepted;
    }

    fn worked(&mut self) {
        if matches!(self.stage, Stage::Dispatched) {
            self.stage = Stage::Handling;
        }
    }

    fn offered(&mut self, entry: &Entry, kind: OfferKind, due: Option<&pb::Due>) {
        if let Move::Offered(to) = entry.mv {
            self.offer = Some(OpenOffer {
                entry: entry.hash,
                kind,
                to,
                due: due.map(|due| Moment(due.due_ms)),
            });
        }
    }

    fn kept_below(&mut self, answering: &[u8]) {
        let answers = |offer: &OpenOffer| offer.entry.0 == answering;
        let Some(offer) = self.offer.take_if(|offer| answers(offer)) else {
            return;
        };
        match offer.kind {
            OfferKind::Escalated => {}
            OfferKind::Returned => self.confirm_first_receiver(),
            OfferKind::Replied => {
                self.due = self.due.take().or(self.due_stopped.take());
                if self.stage == Stage::Replied {
                    self.stage = Stage::Handling;
                }
            }
        }
    }

    fn convened(&mut self, convened: &pb::Convened) {
        for task in &convened.tasks {
            let Some(place) = PlaceId::from_bytes(&task.place) else {
                continue;
            };
            let unit = UnitId::from_bytes(&task.unit);
            self.parties.insert(place);
            self.handlers.extend(unit);
            self.tasks.push(Task {
                number: task.task,
                place,
                unit,
                due: Moment(
                    task.due
                        .as_ref()
                        .map_or(convened.meeting_ms, |due| due.due_ms),
                ),
                state: TaskState::Open,
            });
        }
    }

    fn task(&mut self, number: u32, state: TaskState) {
        if let Some(task) = self.tasks.iter_mut().find(|task| task.number == number) {
            task.state = task.state.max(state);
        }
    }

    fn annex(&mut self, entry: &[u8], by: Hash, adopted: bool) {
        if let Some(entry) = Hash::from_bytes(entry) {
            let decision = AnnexDecision { adopted, by };
            self.annex_decided.entry(entry).or_insert(decision);
        }
    }
}
