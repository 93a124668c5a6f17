//! What comes into an engine, and what goes out of it.

use fengqiao_hub::id::{NodeId, StoreId};
use fengqiao_hub::refusal::Refusal;
use fengqiao_proto::v1 as pb;

use super::me::Ticket;
use super::{Administration, CaseCommand, Errand, Request};
use crate::enrolment::EnrolRefusal;
use crate::replication::session::Receipt;

/// What comes in.
#[derive(Debug, Clone)]
pub enum Input {
    /// A move on a case, by a person or program.
    Act(Box<CaseCommand>),
    /// Something else a person or program wants written.
    Administer(Box<Request<Administration>>),
    /// Items of a neighbour's lane, consecutive.
    Items {
        /// Neighbour.
        link: NodeId,
        /// Its store and incarnation, as it said in this session.
        from: (StoreId, u32),
        /// Lane.
        lane: pb::Lane,
        /// Items.
        items: Vec<pb::Item>,
    },
    /// A neighbour has stored our items.
    PeerStored {
        /// Neighbour.
        link: NodeId,
        /// Up to where.
        receipt: Receipt,
    },
    /// A newcomer wants to join.
    Join {
        /// Who waits.
        ticket: Ticket,
        /// What it sent.
        request: Box<pb::JoinRequest>,
    },
    /// A node enrolled by other means than an invitation: by whoever holds the data folder.
    Enrol {
        /// What the registry is to pin.
        registration: pb::NodeEnrolled,
    },
    /// Something a person should look at.
    Alarm {
        /// Stable code.
        code: String,
        /// Detail without personal data.
        detail: String,
    },
    /// Time has passed: clocks are looked at.
    Tick {
        /// Automatic warnings are allowed: this node's clock is believed.
        clock_believed: bool,
    },
    /// The process started.
    Started,
    /// The next step of work that takes many records.
    Errand(Errand),
    /// A neighbour holds work of this node that is not here.
    OlderCopy {
        /// Neighbour.
        link: NodeId,
        /// What was found, without personal data.
        found: String,
    },
    /// What one neighbour said of this folder was not so: the parent greeted it and found nothing, or a leader says so.
    NoOlderCopy {
        /// The neighbour that is not believed.
        link: NodeId,
    },
    /// Registry entries by which a parent's new node shows who it is, in order; what does not hold is passed over.
    Introduced(Vec<Vec<u8>>),
}

/// What goes out, after the sync that covers it.
#[derive(Debug)]
pub enum Output {
    /// The answer to a request: an encoded response message, or a refusal.
    Answer(Ticket, Result<Vec<u8>, Refusal>),
    /// The answer to a newcomer.
    Joined(Ticket, Result<Box<pb::JoinResponse>, EnrolRefusal>),
    /// Items of a neighbour's lane are stored; all of them are at the top up to that sequence.
    Stored(NodeId, pb::Lane, u64),
    /// The top has stored more of a neighbour's lane.
    TopMoved(NodeId, pb::Lane, u64),
    /// There is more to send on a link.
    Owed(NodeId),
    /// What was acknowledged to a neighbour settles from now on.
    Settles(NodeId),
    /// There is no room for what a neighbour sends and cannot be judged yet: its session ends, and comes again later.
    Paused(NodeId),
    /// Nothing is written any more: this folder is an older copy of itself, as a neighbour found.
    OlderCopy(NodeId, String),
    /// It is not, whatever that neighbour says.
    NoOlderCopy(NodeId),
    /// The registry changed: links may have come or gone.
    RegistryChanged,
    /// Rules came, or this place's way up changed.
    RulebookChanged,
    /// There is more of it to do: [`Input::Errand`] is to follow.
    Errand(Errand),
}
