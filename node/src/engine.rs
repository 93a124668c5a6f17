//! One owner of a node's state: input in, one journal record, then answers and sends out.
//!
//! Everything that queued while the last record was synced is the next group. A group is decided input by input over an
//! overlay, so later inputs see earlier ones; then it is one record: appended, synced, applied to the store, and only
//! then answered, acknowledged and sent (PROTOCOL.md 20). What decides is pure; time and randomness are arguments. The
//! engine never touches a socket and never waits.

mod accounts;
mod administration;
mod aftermath;
mod arrivals;
pub mod attempts;
pub mod awaiting;
mod bundles;
pub mod chains;
mod closed;
mod commands;
mod counts;
mod directives;
mod errands;
mod fields;
mod group;
mod importing;
mod items;
mod lanes;
mod loading;
mod merging;
mod moving;
mod naming;
mod parking;
mod passing;
mod process;
mod projection;
mod receipts;
pub mod record;
mod recovery;
mod root;
mod secrets;
mod submissions;
mod supervision;
mod table_rows;
pub mod vault;
mod views;
mod writing;

use std::collections::BTreeMap;
use std::sync::Arc;

use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::{ChainId, DeploymentId, NodeId, StoreId};
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_hub::refusal::Refusal;
use fengqiao_hub::rulebook::Rulebooks;
use fengqiao_proto::v1 as pb;

pub(crate) use accounts::no_account;
pub use accounts::token_hash;
pub use administration::{AccountChange, Administration, CaseRow, TableRows};
pub use bundles::{change_view, problem_view};
pub use closed::Closed;
pub use commands::{Caller, CaseCommand, CaseMove, Request};
pub use counts::Counts;
pub use errands::Errand;
pub use lanes::LaneView;
pub use moving::MovePlace;
pub use parking::PARKED_MAX;
pub use views::{EntryStanding, Listed, Views};

use crate::enrolment::{EnrolRefusal, Enroller};
use crate::journal::{Journal, JournalError, JournalReader, Position};
use crate::keystore::KeyStoreError;
use crate::replication::route::Standpoint;
use crate::replication::session::{LANES, Receipt};
use crate::store::{Store, StoreError, all_rows, tables};
use chains::Chains;
use vault::Vault;

/// Inputs of one group.
pub const GROUP_INPUTS_MAX: usize = 128;
/// Bytes of one group's record after which no further input joins it.
pub const GROUP_BYTES_MAX: usize = 1 << 20;
/// Alarms kept for the status.
const ALARMS_MAX: usize = 50;

/// Who this node is.
#[derive(Clone)]
pub struct Me {
    /// Where it stands.
    pub at: Standpoint,
    /// Deployment.
    pub deployment: DeploymentId,
    /// Store of this data folder.
    pub store: StoreId,
    /// Incarnation it writes in.
    pub incarnation: u32,
    /// Generation of its takings.
    pub generation: u32,
    /// Key it signs with.
    pub signing_key: ed25519_dalek::SigningKey,
    /// Root key that the deployment's first registry entry is signed with.
    pub root_key: ed25519_dalek::VerifyingKey,
}

impl std::fmt::Debug for Me {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Me")
            .field("at", &self.at)
            .field("incarnation", &self.incarnation)
            .finish_non_exhaustive()
    }
}

/// Seals chain keys to places and opens those sealed to this node.
pub trait Seals: Send {
    /// The chain's key sealed to a node's encryption key; `None` when that key is unusable.
    fn seal(
        &mut self,
        to: &fengqiao_hub::jurisdiction::NodeRecord,
        chain: ChainId,
        key: &[u8; 32],
    ) -> Option<Vec<u8>>;
    /// The chain's key, if it was sealed to this node.
    fn open(&self, chain: ChainId, sealed: &[u8]) -> Option<[u8; 32]>;
    /// Fills bytes with randomness.
    fn random(&mut self, bytes: &mut [u8]);
}

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

/// Names a caller that waits for an answer.
pub type Ticket = u64;

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

/// Why something was not done. Where it is the machine's fault, the process must end and open everything anew.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The journal took nothing more.
    #[error("the journal refused")]
    Journal(#[from] JournalError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The key store failed.
    #[error("the key store refused")]
    Keys(#[from] KeyStoreError),
    /// The store did not take what the journal holds by now.
    #[error("the store failed behind the journal")]
    Diverged(#[source] StoreError),
    /// A record or a kept row does not read.
    #[error("{0} does not read")]
    Unreadable(&'static str),
    /// What came in cannot be applied, though nothing that was asked before refused it.
    #[error("{0} cannot be applied")]
    Unfit(&'static str),
}

impl EngineError {
    /// Whether disk, store or keys failed, rather than what came in.
    #[must_use]
    pub fn is_of_machine(&self) -> bool {
        match self {
            Self::Journal(_) | Self::Diverged(_) | Self::Unreadable(_) => true,
            Self::Store(error) => !error.is_refusal(),
            Self::Keys(error) => !error.is_refusal(),
            Self::Unfit(_) => false,
        }
    }
}

/// State that is neither journal nor store: caches and counters, all derived.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) registry: Arc<Registry>,
    pub(crate) rulebooks: Arc<Rulebooks>,
    pub(crate) chains: Chains,
    pub(crate) author_sequence: u64,
    pub(crate) counts: Counts,
    pub(crate) book: BTreeMap<String, String>,
    /// What each neighbour sent and where our own lane upwards stood then, until the top has it.
    pub(crate) awaiting_top: BTreeMap<NodeId, Vec<AwaitingTop>>,
    pub(crate) top_reached: BTreeMap<(NodeId, pb::Lane), u64>,
    pub(crate) alarms: std::collections::VecDeque<String>,
    pub(crate) refused: Refused,
    /// What waits of one neighbour, at most.
    pub(crate) parked_max: u64,
    /// Lanes at an item for which there was no room to wait.
    pub(crate) paused: std::collections::BTreeSet<(NodeId, pb::Lane)>,
    /// Day, since 1970 in UTC, on which the calendar was last looked at.
    pub(crate) calendar_looked_at: Option<i64>,
}

impl State {
    /// Notes something a person should look at; the oldest gives way.
    pub(crate) fn alarm(&mut self, text: String) {
        if self.alarms.len() >= ALARMS_MAX {
            self.alarms.pop_front();
        }
        self.alarms.push_back(text);
    }

    pub(crate) fn empty(chains_held_max: usize, parked_max: u64) -> Self {
        Self {
            registry: Arc::new(Registry::default()),
            rulebooks: Arc::new(Rulebooks::default()),
            chains: Chains::new(chains_held_max),
            author_sequence: 0,
            counts: Counts::default(),
            book: BTreeMap::new(),
            awaiting_top: BTreeMap::new(),
            top_reached: BTreeMap::new(),
            alarms: std::collections::VecDeque::new(),
            refused: Refused::default(),
            parked_max,
            paused: std::collections::BTreeSet::new(),
            calendar_looked_at: None,
        }
    }
}

/// What neighbours sent since the start and was refused with nothing of it kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refused {
    /// Items.
    pub items: u64,
    /// Their bytes.
    pub bytes: u64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct AwaitingTop {
    pub(crate) lane: pb::Lane,
    pub(crate) sequence: u64,
    pub(crate) owed_up: [u64; 3],
}

/// The engine of one node.
pub struct Engine {
    me: Arc<Me>,
    zone_offset_minutes: i32,
    journal: Box<dyn Journal>,
    reader: Arc<dyn JournalReader>,
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    enroller: Option<Box<dyn Enroller>>,
    state: State,
    syncs: u64,
    read_only: bool,
    older_copy: bool,
    suspicion: attempts::Suspicion,
    /// Inputs that could not be applied since the engine was built, for no reason that was foreseen.
    faults: u64,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("me", &self.me)
            .finish_non_exhaustive()
    }
}

/// What an engine is built from.
#[expect(missing_debug_implementations, reason = "holds keys and trait objects")]
pub struct Parts {
    /// Who the node is.
    pub me: Me,
    /// Minutes east of UTC in which days are counted.
    pub zone_offset_minutes: i32,
    /// The truth.
    pub journal: Box<dyn Journal>,
    /// What is known of it.
    pub store: Arc<dyn Store>,
    /// Chain keys and randomness.
    pub vault: Arc<Vault>,
    /// Issues certificates, at a centre that enrols.
    pub enroller: Option<Box<dyn Enroller>>,
    /// Chains kept in memory.
    pub chains_held_max: usize,
    /// What waits of one neighbour before its link pauses, at most: [`PARKED_MAX`].
    pub parked_max: u64,
}

impl Engine {
    /// Builds an engine and brings its store up to the end of its journal. `progress` hears positions: done, total.
    ///
    /// # Errors
    /// The journal or the store do not read, or the store is ahead of the journal.
    pub fn open(parts: Parts, progress: &mut dyn FnMut(u64, u64)) -> Result<Self, EngineError> {
        let reader = parts.journal.reader();
        let mut engine = Self {
            me: Arc::new(parts.me),
            zone_offset_minutes: parts.zone_offset_minutes,
            reader,
            journal: parts.journal,
            store: parts.store,
            vault: parts.vault,
            enroller: parts.enroller,
            state: State::empty(parts.chains_held_max, parts.parked_max),
            syncs: 0,
            read_only: false,
            older_copy: false,
            suspicion: attempts::Suspicion::default(),
            faults: 0,
        };
        engine.load()?;
        engine.catch_up(progress)?;
        engine.load_tops()?;
        Ok(engine)
    }

    /// The registry as it stands.
    #[must_use]
    pub fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.state.registry)
    }

    /// The rules as they stand.
    #[must_use]
    pub fn rulebooks(&self) -> Arc<Rulebooks> {
        Arc::clone(&self.state.rulebooks)
    }

    /// Figures for the status.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.state.counts
    }

    /// Entries that this node has written in this life.
    #[must_use]
    pub fn author_sequence(&self) -> u64 {
        self.state.author_sequence
    }

    /// Syncs of the journal since the engine was built.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.syncs
    }

    /// Inputs that could not be applied since the engine was built, for no reason that was foreseen.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.faults
    }

    /// What neighbours sent since the start and was refused with nothing of it kept.
    #[must_use]
    pub fn refused(&self) -> Refused {
        self.state.refused
    }

    /// Alarms since the start, newest first.
    #[must_use]
    pub fn alarms(&self) -> Vec<String> {
        self.state.alarms.iter().rev().cloned().collect()
    }

    /// Up to where the top has stored a neighbour's lane.
    #[must_use]
    pub fn top_reached(&self, link: NodeId, lane: pb::Lane) -> u64 {
        self.state
            .top_reached
            .get(&(link, lane))
            .copied()
            .unwrap_or(0)
    }

    /// End of the journal, bytes.
    #[must_use]
    pub fn journal_end(&self) -> u64 {
        self.journal.end().0
    }

    /// Issues a renewed certificate; nothing is stored.
    ///
    /// # Errors
    /// The refusal; `NOT_ENROLLED_HERE` at a node without an authority.
    pub fn renew(
        &mut self,
        peer: &crate::trust::identity::PeerIdentity,
        registered: &fengqiao_hub::jurisdiction::NodeRecord,
        request: &pb::RenewRequest,
        now: Moment,
    ) -> Result<pb::RenewResponse, EnrolRefusal> {
        match self.closed() {
            Some(Closed::Revoked) => return Err(EnrolRefusal::REVOKED),
            // Issues nothing that is numbered: a certificate that ran out meanwhile helps nobody.
            Some(Closed::OlderCopy) | None => {}
        }
        let enroller = self
            .enroller
            .as_deref_mut()
            .ok_or(EnrolRefusal::NOT_ENROLLED_HERE)?;
        enroller.renew(peer, registered, request, now)
    }

    /// Issues by another authority from now on.
    pub fn use_enroller(&mut self, enroller: Option<Box<dyn Enroller>>) {
        self.enroller = enroller;
    }

    /// Stops or allows writes by people; what arrives by links goes on as long as the disk takes it.
    pub fn set_read_only(&mut self, read_only: bool) {
        self.read_only = read_only;
    }

    /// Replays what the store has not seen.
    fn catch_up(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<(), EngineError> {
        let end = self.journal.end().0;
        let mut applied = self.store.applied()?;
        if applied > end {
            return Err(EngineError::Unreadable("a store ahead of its journal"));
        }
        let reader = Arc::clone(&self.reader);
        for record in reader.tail(Position(applied)) {
            let record = record?;
            let store = self.store.as_ref();
            projection::replay(&self.me, &mut self.state, store, reader.as_ref(), &record)?;
            applied = record.next.0;
            progress(applied, end);
        }
        if applied < end {
            return Err(EngineError::Unreadable("the journal's tail"));
        }
        Ok(())
    }

    /// Loads what is kept in memory: registry, accounts' and invitations' rows, counters.
    fn load(&mut self) -> Result<(), EngineError> {
        use prost::Message as _;
        if let Some(row) = self.store.get(&tables::named("counts"))? {
            self.state.counts =
                Counts::decode(&row[..]).map_err(|_| EngineError::Unreadable("the counts"))?;
        }
        if let Some(row) = self.store.get(&tables::named("author-sequence"))? {
            let bytes = <[u8; 8]>::try_from(&row[..])
                .map_err(|_| EngineError::Unreadable("the author sequence"))?;
            self.state.author_sequence = u64::from_be_bytes(bytes);
        }
        loading::load_registry(self.store.as_ref(), self.reader.as_ref(), &mut self.state)?;
        let place = self.me.at.place;
        loading::load_rulebooks(
            self.store.as_ref(),
            self.reader.as_ref(),
            &mut self.state,
            place,
        )?;
        for (key, value) in all_rows(self.store.as_ref(), &tables::invitations())? {
            let id = String::from_utf8_lossy(&key[1..]).into_owned();
            self.state
                .book
                .insert(id, String::from_utf8_lossy(&value).into_owned());
        }
        Ok(())
    }

    /// What neighbours have sent so far is at the top once all that this node owes upwards now is.
    fn load_tops(&mut self) -> Result<(), EngineError> {
        let registry = Arc::clone(&self.state.registry);
        let up = self.me.at.up(&registry);
        let mut owed_up = [0; 3];
        let mut all_there = true;
        if let Some(up) = up {
            for (owed, lane) in owed_up.iter_mut().zip(LANES) {
                let row = projection::lane_row(self.store.as_ref(), up, lane)?;
                let receipt = projection::receipt_row(self.store.as_ref(), up, lane)?;
                *owed = row.owed;
                all_there &= row.owed <= receipt.top;
            }
        }
        for link in self.me.at.down(&registry) {
            for lane in LANES {
                let row = projection::lane_row(self.store.as_ref(), link, lane)?;
                let sequence = row.stored();
                if all_there {
                    self.state.top_reached.insert((link, lane), sequence);
                } else {
                    let awaiting = AwaitingTop {
                        lane,
                        sequence,
                        owed_up,
                    };
                    self.state
                        .awaiting_top
                        .entry(link)
                        .or_default()
                        .push(awaiting);
                }
            }
        }
        Ok(())
    }

    /// The views over store and journal that people and links read.
    #[must_use]
    pub fn views(&self) -> Views {
        Views::new(
            Arc::clone(&self.me),
            Arc::clone(&self.store),
            Arc::clone(&self.reader),
        )
    }

    /// The digest of everything, computed from the journal on disk into a fresh store.
    ///
    /// # Errors
    /// The journal is damaged or does not read.
    pub fn rebuild_from_journal(
        me: &Me,
        reader: &dyn JournalReader,
        store: &Arc<crate::store::MemoryStore>,
    ) -> Result<(Arc<Registry>, u64), EngineError> {
        views::rebuild(me, reader, store)
    }
}

impl Engine {
    /// Writes nothing from now on: this folder is an older copy of itself.
    pub fn close_as_older_copy(&mut self) {
        self.older_copy = true;
    }

    /// Whether it writes nothing any more, and why.
    #[must_use]
    pub fn closed(&self) -> Option<Closed> {
        let own = self.state.registry.node(self.me.at.node);
        Closed::of(own, self.older_copy)
    }
}
