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
mod error;
mod fields;
mod flow;
mod group;
mod importing;
mod items;
mod lanes;
mod loading;
mod me;
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
mod requests;
mod root;
mod secrets;
mod short;
mod state;
mod submissions;
mod supervision;
mod table_rows;
pub mod vault;
mod views;
mod watch;
mod writing;

use std::sync::Arc;

use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::NodeId;
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_hub::rulebook::Rulebooks;
use fengqiao_proto::v1 as pb;

pub(crate) use accounts::no_account;
pub use accounts::token_hash;
pub use bundles::{change_view, problem_view};
pub use closed::Closed;
pub use counts::Counts;
pub use error::EngineError;
pub use flow::{Input, Output};
pub use lanes::LaneView;
pub use me::{Me, Seals, Ticket};
pub use parking::PARKED_MAX;
pub use requests::{
    AccountChange, Administration, Caller, CaseCommand, CaseMove, CaseRow, Errand, MovePlace,
    Request, TableRows,
};
pub use short::row_of;
pub use state::Refused;
pub use views::{EntryStanding, Listed, Views};

use crate::enrolment::{EnrolRefusal, Enroller};
use crate::journal::{Journal, JournalReader, Position};
use crate::replication::session::LANES;
use crate::store::{Store, all_rows, tables};
pub(crate) use state::{AwaitingTop, State};
use vault::Vault;

/// Inputs of one group.
pub const GROUP_INPUTS_MAX: usize = 128;
/// Bytes of one group's record after which no further input joins it.
pub const GROUP_BYTES_MAX: usize = 1 << 20;
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
        let (store, reader) = (engine.store.as_ref(), engine.reader.as_ref());
        projection::bring_up(&engine.me, store, reader, progress)?;
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
    /// Lets the witnesses of journal and keys vouch for all that was acknowledged: after a stop in order nothing of it
    /// can be taken for a torn tail, and after a kill only what came since.
    ///
    /// # Errors
    /// The witnesses were not written; nothing acknowledged is lost by it.
    pub fn vouch(&mut self) -> Result<(), EngineError> {
        self.vault.vouch()?;
        Ok(self.journal.vouch()?)
    }

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
