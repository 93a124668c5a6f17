//! A case as the fold of its entries: a core of who holds it and what is owed, and one part a family of actions.
//!
//! The fold never refuses: what an entry may do was judged by its writer. It only remembers. Texts and persons are not
//! here; they stay sealed beside the entries. Where the case stands ([`Case::stage`]) and which clocks run
//! ([`Case::clocks`]) are derived from the parts and kept nowhere.

mod annex;
mod clocks;
mod convening;
mod custody;
mod dispatching;
mod handling;
mod intake;
mod reply;
mod stage;
mod visit;

use std::collections::BTreeSet;

use crate::clock::Moment;
use crate::entry::{Entry, Move};
use crate::id::{Hash, PersonId, PlaceId, SubmissionId};
use crate::rank::Level;

pub use annex::{Annex, AnnexDecision};
pub use clocks::{Running, of_notice as clocks_of_notice};
pub use convening::{Convening, Task, TaskState};
pub use custody::{CustodyState, Obligation, OfferKind, OpenOffer};
pub use dispatching::{Dispatching, FirstReceiver, Objection, Receiver};
pub use handling::Handling;
pub use intake::Intake;
pub use reply::{Draft, Reply};
pub use stage::Stage;
pub use visit::{Rating, Visit, Visited};

/// A case.
#[derive(Debug, Clone)]
pub struct Case {
    /// What was brought, by which way, and what the intake made of it.
    pub intake: Intake,
    /// Who holds it, what is offered, and which replies are owed.
    pub custody: CustodyState,
    /// Who handles it at the custodian.
    pub dispatching: Dispatching,
    /// Work done.
    pub handling: Handling,
    /// The reply on its way.
    pub reply: Reply,
    /// A leader's decision stands that was not carried out by a dispatch yet.
    pub decided: bool,
    /// Convened tasks and work on site.
    pub convening: Convening,
    /// What the requester says of it, and how it ended.
    pub visit: Visit,
    /// What was decided over the annex.
    pub annex: Annex,
    /// Submissions that have had their effect.
    pub submissions: BTreeSet<SubmissionId>,
    /// Entries folded.
    pub entries: u64,
}

/// What the fold looks at besides the action itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The entry.
    pub hash: Hash,
    /// Place its author serves.
    pub place: PlaceId,
    /// Person who acted; `None` when a rule did.
    pub person: Option<PersonId>,
    /// Author's wall clock.
    pub at: Moment,
    /// What the entry does to custody.
    pub mv: Move,
    /// Deepest level that took, up to this entry: after a taking, the taker's.
    pub level: Option<Level>,
    /// Submission it adopts.
    pub submission: Option<SubmissionId>,
}

impl Written {
    /// What the fold needs of an entry by an author of a place.
    #[must_use]
    pub fn of(entry: &Entry, place: PlaceId) -> Self {
        Self {
            hash: entry.hash,
            place,
            person: PersonId::from_bytes(&entry.body.actor),
            at: Moment(entry.body.wall_time_ms),
            mv: entry.mv,
            level: entry.rank.deepest(),
            submission: entry.submission,
        }
    }
}

impl Case {
    /// The case as its first entry leaves it.
    #[must_use]
    pub fn open(intake: Intake) -> Self {
        Self {
            custody: CustodyState::at(intake.origin),
            intake,
            dispatching: Dispatching::default(),
            handling: Handling::default(),
            reply: Reply::default(),
            decided: false,
            convening: Convening::default(),
            visit: Visit::default(),
            annex: Annex::default(),
            submissions: BTreeSet::new(),
            entries: 1,
        }
    }

    /// Counts an entry and remembers the submission it adopts.
    pub fn counted(&mut self, written: &Written) {
        self.entries += 1;
        self.submissions.extend(written.submission);
    }

    /// Moves custody as the entry says, after its action was folded.
    pub fn moved(&mut self, written: &Written) {
        match written.mv {
            Move::None => {}
            Move::Dispatched(to) => self.goes_down(written, to),
            Move::Offered(to) => {
                self.custody.concerned.insert(to);
            }
            Move::Taken(answering) => self.goes_up(written, answering),
        }
    }

    fn goes_down(&mut self, written: &Written, to: PlaceId) {
        let from_above = self.first_receiver_stands_below();
        self.dispatching
            .receive_first(Receiver::Place(to), written.place, from_above);
        self.custody.custodian = to;
        self.custody.custodians.insert(to);
        self.custody.offer = None;
        self.custody.in_hand = false;
        self.dispatching.goes_to_a_centre();
        self.begins_anew();
    }

    fn goes_up(&mut self, written: &Written, answering: Option<Hash>) {
        let taker = written.place;
        let answered = self.custody.answered_by(answering).map(|offer| offer.kind);
        if answering.is_none() {
            self.custody.takings.push((taker, written.at));
        }
        let owed_to = self.custody.obligations.last().map(|owed| owed.from);
        let comes_home = owed_to == Some(taker);
        if answered != Some(OfferKind::Returned) {
            self.dispatching.first.confirm();
        } else if comes_home {
            self.dispatching.returned_to(taker);
        }
        self.custody.taken(taker, written.level);
        self.dispatching.leaves_the_lead();
        let replied = answered == Some(OfferKind::Replied) && comes_home;
        self.begins_anew();
        if replied {
            self.reply = Reply::arrived();
        }
        self.custody.passes_a_return = answered == Some(OfferKind::Returned) && !comes_home;
        self.custody.in_hand = !replied;
    }

    /// A reply that was sent does not stand: the clock that it stopped goes on from where it stood.
    pub(crate) fn reply_is_not_taken(&mut self) {
        self.reply.sent = false;
        self.handling.due = self.handling.due.take().or(self.reply.stopped.take());
    }

    /// A new holder begins anew: nothing that an earlier one had under way goes on by itself.
    fn begins_anew(&mut self) {
        self.reply = Reply::default();
        self.visit.begins_anew();
        self.decided = false;
        self.handling.due = None;
        self.handling.by(self.intake.answered.take().flatten());
        self.intake.accept_due = None;
        self.custody.passes_a_return = false;
    }

    /// Whether the first receiver is a centre below whose dispatch has not come back.
    #[must_use]
    pub fn first_receiver_stands_below(&self) -> bool {
        matches!(self.dispatching.first.receiver, Some(Receiver::Place(_)))
            && self
                .custody
                .obligations
                .iter()
                .any(|owed| Some(owed.from) == self.dispatching.first.dispatcher)
    }

    /// Whether this place holds the case under a dispatch from above, and so owes a reply there.
    #[must_use]
    pub fn owes_reply(&self, place: PlaceId) -> bool {
        self.custody.obligations.iter().any(|owed| owed.to == place)
    }

    /// When a convening adds tasks, the number of the first.
    #[must_use]
    pub fn next_task(&self) -> u32 {
        u32::try_from(self.convening.tasks.len())
            .unwrap_or(u32::MAX)
            .saturating_add(1)
    }
}
