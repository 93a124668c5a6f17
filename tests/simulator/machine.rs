//! One machine: a disk, a clock, and while its process runs an engine over the real journal and key store.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::{NodeId, StoreId};
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_node::engine::vault::Vault;
use fengqiao_node::engine::{
    Engine, EngineError, Input, LaneView, Me, Output, PARKED_MAX, Parts, Views,
};
use fengqiao_node::journal::{
    FileJournal, FolderLock, Identity, Journal as _, JournalError, JournalReader, Options,
    SEGMENT_BYTES_MIN,
};
use fengqiao_node::keystore::{FileKeyStore, KeyStoreError};
use fengqiao_node::replication::session::{Identity as SessionIdentity, Session};
use fengqiao_node::store::MemoryStore;
use fengqiao_proto::v1 as pb;

use super::clock::Clock;
use super::disk::SimDisk;
use super::wire::StreamId;
use crate::world::{Founding, SeededSeals};

/// Days of the figures begin by Chinese time.
pub(super) const ZONE_OFFSET_MINUTES: i32 = 480;

/// The data folder on a machine's disk.
pub const FOLDER: &str = "/data";

/// What of its store a stopped machine has when it starts again.
#[derive(Debug, Clone)]
pub enum Kept {
    /// Nothing: it is rebuilt.
    Nothing,
    /// A store as it was at some moment.
    Store(Arc<MemoryStore>),
}

/// A machine.
#[expect(missing_debug_implementations, reason = "holds an engine")]
pub struct Machine {
    /// Who runs on it.
    pub me: Me,
    /// What it stands on.
    pub disk: SimDisk,
    /// What it believes the time to be.
    pub clock: Clock,
    /// Its process.
    pub running: Option<Running>,
    /// Its store while the process is down.
    pub kept: Kept,
    /// Milliseconds a group takes to be synced.
    pub sync_ms: i64,
    /// Times the process was started.
    pub starts: u64,
    /// Inputs that wait at most before they are one group.
    pub group_max: usize,
    /// What waits of one neighbour before its link pauses.
    pub parked_max: u64,
    /// Its journal was another node's: it goes on under this one's identity.
    pub recovers: bool,
    /// What its engine is told first of all.
    pub first: Vec<Input>,
}

/// The end of a link at a machine.
#[expect(missing_debug_implementations, reason = "holds trait objects")]
pub struct End {
    /// The session.
    pub session: Session,
    /// Its stream.
    pub stream: StreamId,
    /// What it reads.
    pub lanes: LaneView,
    /// Store and incarnation that the neighbour said it writes in.
    pub peer: Option<(StoreId, u32)>,
    /// The neighbour's clock minus ours.
    pub skew_ms: i64,
    /// Frames that the session has no room for.
    pub unread: VecDeque<pb::Frame>,
    /// Whether a look at the time is noted.
    pub is_tick_noted: bool,
    /// Whether a look at what is owed is noted.
    pub is_watched: bool,
}

/// A process that runs.
#[expect(missing_debug_implementations, reason = "holds an engine")]
pub struct Running {
    /// Engine.
    pub engine: Engine,
    /// Reading side.
    pub views: Views,
    /// Keys.
    pub vault: Arc<Vault>,
    /// Registry as the links see it.
    pub registry: Arc<ArcSwap<Registry>>,
    /// Store.
    pub store: Arc<MemoryStore>,
    /// What waits for the engine.
    pub inbox: VecDeque<Input>,
    /// Whether a group is noted.
    pub is_working: bool,
    /// Ends of links, by neighbour.
    pub ends: BTreeMap<NodeId, End>,
    /// The neighbour's clock minus ours when last heard, for the parent.
    pub skew_up_ms: i64,
}

/// Why a data folder does not become a process.
#[derive(Debug)]
pub enum StartError {
    /// The journal.
    Journal(JournalError),
    /// The key store.
    Keys(KeyStoreError),
    /// The engine.
    Engine(EngineError),
}

impl StartError {
    /// Whether bytes that were durable are not what was written.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Journal(
                JournalError::Damaged(_)
                    | JournalError::WitnessDamaged
                    | JournalError::FormatVersion { .. }
                    | JournalError::Foreign { .. }
            ) | Self::Keys(KeyStoreError::Damaged { .. } | KeyStoreError::FormatVersion { .. })
        )
    }
}

impl Machine {
    /// A machine that was never started.
    #[must_use]
    pub fn new(me: Me) -> Self {
        Self {
            me,
            disk: SimDisk::default(),
            clock: Clock::default(),
            running: None,
            kept: Kept::Nothing,
            sync_ms: 2,
            starts: 0,
            group_max: 128,
            parked_max: PARKED_MAX,
            recovers: false,
            first: Vec::new(),
        }
    }

    /// Opens the data folder, as the shipped program does, and brings the store up to the journal; gives what the engine
    /// has to say at once.
    ///
    /// # Errors
    /// A [`StartError`].
    pub fn start(&mut self, founding: &Founding, now_ms: i64) -> Result<Vec<Output>, StartError> {
        self.starts += 1;
        let disk: Arc<SimDisk> = Arc::new(self.disk.clone());
        let lock = FolderLock::on(disk, Path::new(FOLDER)).map_err(StartError::Journal)?;
        let identity = Identity {
            store: self.me.store.0,
            incarnation: u64::from(self.me.incarnation),
        };
        let options = Options {
            segment_bytes: SEGMENT_BYTES_MIN,
        };
        let opened = if self.recovers {
            FileJournal::recover(&lock, identity, options)
        } else {
            FileJournal::open_or_create(&lock, identity, options)
        };
        let opened = opened.map_err(StartError::Journal)?;
        let keys = FileKeyStore::open(&lock).map_err(StartError::Keys)?;
        let seals = SeededSeals::new(founding.seed, self.starts, self.me.at.node);
        let vault = Arc::new(Vault::new(Box::new(keys.store), Box::new(seals)));
        let store = match std::mem::replace(&mut self.kept, Kept::Nothing) {
            Kept::Nothing => Arc::new(MemoryStore::default()),
            Kept::Store(store) => store,
        };
        let parts = Parts {
            me: self.me.clone(),
            zone_offset_minutes: ZONE_OFFSET_MINUTES,
            journal: Box::new(opened.journal),
            store: store.clone(),
            vault: Arc::clone(&vault),
            enroller: None,
            chains_held_max: 32,
            parked_max: self.parked_max,
        };
        let mut engine = Engine::open(parts, &mut |_, _| {}).map_err(StartError::Engine)?;
        let mut first = std::mem::take(&mut self.first);
        first.push(Input::Started);
        let outputs = engine
            .process(self.clock.read(now_ms), first)
            .map_err(StartError::Engine)?;
        self.recovers = false;
        let views = engine.views();
        let registry = Arc::new(ArcSwap::from(engine.registry()));
        self.running = Some(Running {
            engine,
            views,
            vault,
            registry,
            store,
            inbox: VecDeque::new(),
            is_working: false,
            ends: BTreeMap::new(),
            skew_up_ms: 0,
        });
        Ok(outputs)
    }

    /// The journal as it stands on the disk, read by a fresh look.
    ///
    /// # Errors
    /// A [`JournalError`].
    pub fn journal_on_disk(&self) -> Result<Arc<dyn JournalReader>, JournalError> {
        let disk: Arc<SimDisk> = Arc::new(self.disk.copy());
        let lock = FolderLock::on(disk, Path::new(FOLDER))?;
        let options = Options {
            segment_bytes: SEGMENT_BYTES_MIN,
        };
        Ok(FileJournal::open(&lock, options)?.journal.reader())
    }

    /// What the machine believes the time to be.
    #[must_use]
    pub fn now(&self, true_ms: i64) -> Moment {
        self.clock.read(true_ms)
    }
}

impl Running {
    /// A link's lanes.
    #[must_use]
    pub fn lanes(&self, link: NodeId) -> LaneView {
        LaneView {
            me: Arc::clone(self.views.me()),
            link,
            store: Arc::clone(self.views.store()),
            reader: Arc::clone(self.views.reader()),
            vault: Arc::clone(&self.vault),
            registry: Arc::clone(&self.registry),
        }
    }

    /// The two ends of a link, when the registry says that there is one.
    #[must_use]
    pub fn identity(&self, peer: NodeId) -> Option<SessionIdentity> {
        let registry = self.registry.load();
        let me = self.views.me();
        let linked = me.at.up(&registry) == Some(peer)
            || me.at.down(&registry).contains(&peer)
            || me.at.left(&registry).contains(&peer);
        linked.then(|| SessionIdentity {
            node: me.at.node,
            peer,
            store: me.store,
            incarnation: me.incarnation,
            boot: self.engine.counts().boot,
            registry: registry
                .versions()
                .map(|(place, sequence)| pb::RegistryReference {
                    place: place.to_vec(),
                    sequence,
                })
                .collect(),
        })
    }
}
