//! What people and programs ask of an engine, and what they are answered; the kinds of work it gives itself.

use fengqiao_hub::clock::Contact;
use fengqiao_hub::entry::Entry;
use fengqiao_hub::id::{ChainId, Hash, NodeId, PlaceId, UnitId};
use fengqiao_hub::jurisdiction::Division;
use fengqiao_hub::refusal::Refusal;
use fengqiao_proto::v1 as pb;

use super::error::EngineError;
use super::me::Ticket;

/// Who asks, by the name used to sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Login.
    pub login: String,
}

/// A write that somebody waits for.
#[derive(Debug, Clone)]
pub struct Request<T> {
    /// Who waits.
    pub ticket: Ticket,
    /// The caller's request id.
    pub request_id: String,
    /// Hash of what is asked, to tell a repeat from a reuse.
    pub asked: Hash,
    /// Who asks.
    pub caller: Caller,
    /// What.
    pub what: T,
}

/// An action on a case.
#[derive(Debug, Clone)]
pub struct CaseMove {
    /// Case; `None` to register one.
    pub case: Option<ChainId>,
    /// The action, its names resolved and its texts taken out.
    pub action: pb::Action,
    /// Texts and requester, to be sealed.
    pub content: Option<pb::PrivateContent>,
    /// Whether the parent was reached when it was asked for; nobody's concern at the first place.
    pub linked: bool,
    /// What is known of the node that holds the case.
    pub contact: Contact,
}

/// Which request is answered: ids belong to the account that asks.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(super) login: String,
    pub(super) request_id: String,
    pub(super) hash: Hash,
}

impl Asked {
    /// A row of a table: its id is made from what makes it unique and is no account's, so that whoever brings the table
    /// again finds it known. No account has an empty login.
    pub(crate) fn of_row(request_id: &str, hash: Hash) -> Self {
        Self {
            login: String::new(),
            request_id: request_id.to_owned(),
            hash,
        }
    }

    pub(crate) fn of<T>(request: &Request<T>) -> Self {
        Self {
            login: request.caller.login.clone(),
            request_id: request.request_id.clone(),
            hash: request.asked,
        }
    }
}

/// An action on a case that somebody waits for.
pub type CaseCommand = Request<CaseMove>;

/// An answer, encoded: as it is given now, and as it is kept for a repeat.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(super) now: Vec<u8>,
    /// Without what is shown once; `None` when nothing of it is.
    pub(super) later: Option<Vec<u8>>,
}

impl Answer {
    /// An answer that a repeat gets too.
    pub(crate) fn of(message: &impl prost::Message) -> Self {
        Self {
            now: message.encode_to_vec(),
            later: None,
        }
    }

    /// The answer of a request that is not kept, for it changed nothing.
    pub(crate) fn unkept(self) -> Vec<u8> {
        self.now
    }

    /// An answer with a secret; a repeat gets `later`, which says that there was one. Journal, store and every backup
    /// hold what is kept, so a secret must not be in it.
    pub(crate) fn once<M: prost::Message>(now: &M, later: &M) -> Self {
        Self {
            now: now.encode_to_vec(),
            later: Some(later.encode_to_vec()),
        }
    }
}

/// Either an answer or a refusal, inside what may end the engine.
pub(crate) type Answered = Result<Result<Answer, Refusal>, EngineError>;

/// The same as it goes out.
pub(crate) type Told = Result<Result<Vec<u8>, Refusal>, EngineError>;

/// Returns a refusal from a function that answers with one.
macro_rules! accept {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(refusal) => return Ok(Err(refusal)),
        }
    };
}
pub(crate) use accept;

/// What is wanted.
#[derive(Debug, Clone)]
pub enum Administration {
    /// Places directly below this one; one that stands already with this code and name keeps its id.
    AddPlaces(Vec<pb::AddPlaceRequest>),
    /// A unit of this centre.
    AddUnit(pb::AddUnitRequest),
    /// A place directly below is called otherwise; what is left empty stays.
    RenamePlace {
        /// The place.
        place: PlaceId,
        /// Its name from now on.
        name: String,
        /// Its code from now on.
        code: String,
    },
    /// A unit of this centre is called so from now on.
    RenameUnit(UnitId, String),
    /// A unit of this centre ends.
    EndUnit(UnitId),
    /// An account opened, changed, closed or opened again.
    SetAccount(AccountChange),
    /// A new access token for the account of a login.
    RotateToken(String),
    /// No access token any more for the account of a login.
    RevokeToken(String),
    /// An invitation.
    Invite {
        /// Place below, or this place when a unit is invited.
        place: PlaceId,
        /// Unit.
        unit: Option<UnitId>,
        /// Hours it is good for.
        hours: u32,
        /// Whether it is for the successor of a lost node.
        successor: bool,
    },
    /// An invitation that nobody has used is good no more.
    RevokeInvitation(String),
    /// A node enrolled here may not write or connect any more.
    Revoke(NodeId),
    /// A place directly below ends, and another one takes over.
    EndPlace {
        /// The one that ends.
        place: PlaceId,
        /// The one that takes over.
        successor: PlaceId,
    },
    /// A place below stands below another parent from now on.
    MovePlace(MovePlace),
    /// A neighbour is not waited for any longer after this node came back from a loss.
    Waive(NodeId),
    /// What the root key is to sign so that this node, the first place's, goes on in the next generation; the logins of
    /// the two leaders who approve.
    PrepareRenewal(Vec<String>),
    /// The same, signed.
    RenewRoot(Box<Entry>),
    /// A directive.
    IssueDirective(pb::DirectiveIssued, Option<pb::PrivateContent>),
    /// A bundle of rules, or what would come of it.
    IssueBundle {
        /// The bundle.
        issued: pb::BundleIssued,
        /// Whether it is judged only.
        dry_run: bool,
    },
    /// The caller is about to be shown texts of a case.
    Look(pb::Looked),
    /// A directive acknowledged, or its execution reported.
    AnswerDirective(ChainId, bool),
    /// Entries of an export.
    ImportEntries(Vec<Vec<u8>>),
    /// Rows of a table that people bring; each has a request of its own, or none.
    ImportRows(TableRows),
    /// Registry entries that came with the data folder: the genesis, or what joining brought.
    Bootstrap(Vec<Vec<u8>>),
}

/// A row that registers a case: under which request, and what; or why it is none.
#[derive(Debug, Clone)]
pub struct CaseRow {
    /// Request id made from what makes the row unique.
    pub request_id: String,
    /// Hash of what is asked.
    pub asked: Hash,
    /// The registration.
    pub what: Result<CaseMove, Refusal>,
}

/// Rows of one call.
#[derive(Debug, Clone)]
pub enum TableRows {
    /// Registrations.
    Cases {
        /// In order.
        rows: Vec<CaseRow>,
        /// Nothing is written.
        judge_only: bool,
    },
    /// Divisions directly below this place.
    Places {
        /// In order.
        rows: Vec<Division>,
        /// Nothing is written.
        judge_only: bool,
        /// The sound rows are written though others are refused.
        partial: bool,
    },
}

/// What is to become of an account; what is not named stays as it is.
#[derive(Debug, Clone, Default)]
pub struct AccountChange {
    /// Its login.
    pub login: String,
    /// Name of its person; empty is none.
    pub name: Option<String>,
    /// Unit of its person, or the centre's own staff.
    pub unit: Option<Option<UnitId>>,
    /// Roles; none named when empty.
    pub roles: Vec<i32>,
    /// Closed, or open again.
    pub closed: Option<bool>,
}

/// What a move asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovePlace {
    /// Place below this one.
    pub place: PlaceId,
    /// New parent: this place or one below it.
    pub to: PlaceId,
    /// Official code from now on; as before if empty.
    pub code: String,
    /// Official name from now on; as before if empty.
    pub name: String,
    /// Enrol address of the new parent's node, `host:port`.
    pub address: String,
}

/// Work that is done in steps of one record each, so that it holds up nobody and goes on after a crash where it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errand {
    /// Handing over to a neighbour with which this node has a new link.
    HandOver(NodeId),
    /// Passing on what places held that have ended or moved.
    PassOn,
}
