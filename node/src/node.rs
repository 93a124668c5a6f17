//! One node as the rest of the process sees it: an engine that one worker at a time may run, an inbox in front of it,
//! and the ends of its links.
//!
//! Nothing here decides. What comes in waits in the inbox; a worker of the pool takes what has queued as one group;
//! what the engine hands out goes to whoever waits for it.

pub(crate) mod attempts;
pub mod clock;
pub(crate) mod hosted;
pub mod opening;
pub mod pool;
pub(crate) mod port;
mod reach;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::{ChainId, Hash, NodeId, PlaceId, StoreId};
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_hub::rulebook::{Rulebook, Rulebooks};
use fengqiao_proto::v1 as pb;
use tokio::sync::{mpsc, oneshot, watch};

use crate::engine::vault::Vault;
use crate::engine::{
    Administration, Caller, CaseMove, Closed, Counts, Engine, GROUP_BYTES_MAX, GROUP_INPUTS_MAX,
    Input, Me, Output, Request, Views,
};
use crate::enrolment::{EnrolRefusal, RegistryRegistrar};
use crate::folder::{Found, OlderCopy};
use crate::link::Down;
use crate::replication::session::Event;
use clock::Clock;
use pool::{Pool, Work};

/// Inputs that may wait; beyond it people are told to try again, and links are slowed by their credit.
const INBOX_MAX: usize = 10_000;

/// What a caller waits for.
enum Waiter {
    Answer(oneshot::Sender<Result<Vec<u8>, Refusal>>),
    Joined(oneshot::Sender<Result<Box<pb::JoinResponse>, EnrolRefusal>>),
}

/// The end of a link at this node.
#[derive(Debug, Default, Clone)]
pub struct LinkEnd {
    events: Option<mpsc::UnboundedSender<Event>>,
    peer: Option<(StoreId, u32)>,
    /// When the neighbour was last heard from, Unix milliseconds; 0 is never.
    pub heard_ms: i64,
    /// Neighbour's clock minus ours, milliseconds.
    pub skew_ms: i64,
    /// Whether the last digest was equal.
    pub digest: Option<bool>,
    /// Places beyond the neighbour that it does not reach, and when it last did, by this node's clock; `None` is never.
    unreached: BTreeMap<PlaceId, Option<Moment>>,
    /// Why no session runs, where none does and a reason is known.
    pub down: Option<Down>,
    /// Since when, Unix milliseconds.
    pub down_since_ms: i64,
}

impl LinkEnd {
    /// Whether a session runs.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.events.is_some()
    }
}

/// Figures copied out of the engine after each group.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Counters kept with the store.
    pub counts: Counts,
    /// Syncs since the start.
    pub syncs: u64,
    /// End of the journal, bytes.
    pub journal_bytes: u64,
    /// Alarms, newest first.
    pub alarms: Vec<String>,
    /// Whether nothing is written any more, and why.
    pub closed: Option<Closed>,
}

/// One node.
pub struct Node {
    /// Who it is.
    pub me: Arc<Me>,
    /// Reading side.
    pub views: Views,
    /// Keys.
    pub vault: Arc<Vault>,
    /// Registry as it stands.
    pub registry: Arc<ArcSwap<Registry>>,
    /// The trust floor's view of the same.
    pub registrar: Arc<RegistryRegistrar>,
    /// Rules as they stand.
    pub rulebooks: ArcSwap<Rulebooks>,
    /// Time.
    pub clock: Clock,
    /// Data folder.
    pub folder: PathBuf,
    /// Figures for the status.
    pub figures: ArcSwap<Figures>,
    engine: Mutex<Engine>,
    inbox: Mutex<VecDeque<Input>>,
    scheduled: AtomicBool,
    read_only: AtomicBool,
    /// When the engine last finished a group with a tick in it, or was built.
    ticked: Mutex<Instant>,
    pool: Pool,
    waiters: Mutex<BTreeMap<u64, Waiter>>,
    tickets: AtomicU64,
    links: Mutex<BTreeMap<NodeId, LinkEnd>>,
    /// When it began to listen to its neighbours.
    started: Moment,
    registry_changes: watch::Sender<u64>,
    downs: watch::Sender<u64>,
    older_copy: Mutex<OlderCopy>,
    /// The engine was closed when it was opened, and has not begun.
    unbegun: AtomicBool,
    clock_skew_stop_ms: i64,
    clock_skew_warn_ms: i64,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("me", &self.me)
            .finish_non_exhaustive()
    }
}

/// What a node is built from.
#[expect(missing_debug_implementations, reason = "holds an engine")]
pub struct NodeParts {
    /// Engine, caught up.
    pub engine: Engine,
    /// What neighbours said of the folder.
    pub older_copy: OlderCopy,
    /// Who it is.
    pub me: Me,
    /// Keys, shared with the engine.
    pub vault: Arc<Vault>,
    /// Time.
    pub clock: Clock,
    /// Data folder.
    pub folder: PathBuf,
    /// Workers.
    pub pool: Pool,
    /// Beyond this skew to the parent no automatic warnings are written, milliseconds.
    pub clock_skew_stop_ms: i64,
    /// Beyond this skew to a neighbour an alarm says so, milliseconds.
    pub clock_skew_warn_ms: i64,
}

impl Work for Node {
    fn work(self: Arc<Self>) {
        self.run_group();
    }

    fn name(&self) -> String {
        self.me.at.node.to_string()
    }
}

impl Node {
    /// Puts a node together.
    #[must_use]
    pub fn new(parts: NodeParts) -> Arc<Self> {
        let registry = parts.engine.registry();
        let node = Arc::new(Self {
            me: Arc::new(parts.me),
            views: parts.engine.views(),
            vault: parts.vault,
            registrar: Arc::new(RegistryRegistrar::new(Arc::clone(&registry))),
            registry: Arc::new(ArcSwap::from(registry)),
            rulebooks: ArcSwap::from(parts.engine.rulebooks()),
            started: parts.clock.now(),
            clock: parts.clock,
            folder: parts.folder,
            figures: ArcSwap::default(),
            engine: Mutex::new(parts.engine),
            inbox: Mutex::default(),
            scheduled: AtomicBool::new(false),
            read_only: AtomicBool::new(false),
            ticked: Mutex::new(Instant::now()),
            pool: parts.pool,
            waiters: Mutex::default(),
            tickets: AtomicU64::new(1),
            links: Mutex::default(),
            registry_changes: watch::Sender::new(0),
            downs: watch::Sender::new(0),
            unbegun: AtomicBool::new(parts.older_copy.found.is_some()),
            older_copy: Mutex::new(parts.older_copy),
            clock_skew_stop_ms: parts.clock_skew_stop_ms,
            clock_skew_warn_ms: parts.clock_skew_warn_ms,
        });
        node.copy_figures(&lock(&node.engine));
        node
    }

    /// Queues an input; says whether there was room.
    pub fn submit(self: &Arc<Self>, input: Input) -> bool {
        {
            let mut inbox = lock(&self.inbox);
            if inbox.len() >= INBOX_MAX {
                return false;
            }
            inbox.push_back(input);
        }
        self.schedule();
        true
    }

    fn schedule(self: &Arc<Self>) {
        if !self.scheduled.swap(true, Ordering::AcqRel) {
            self.pool.run(Arc::clone(self) as Arc<dyn Work>);
        }
    }

    /// Runs one group. Comes again if more has queued.
    fn run_group(self: &Arc<Self>) {
        let inputs = self.next_group();
        if !inputs.is_empty() {
            let ticked = inputs
                .iter()
                .any(|input| matches!(input, Input::Tick { .. }));
            let now = self.clock.now();
            let mut engine = lock(&self.engine);
            engine.set_read_only(self.read_only.load(Ordering::Relaxed));
            let outputs = match engine.process(now, inputs) {
                Ok(outputs) => outputs,
                Err(error) => end_process(&self.me, &error),
            };
            self.copy_figures(&engine);
            self.dispatch(outputs, &engine);
            if ticked {
                vouch(&mut engine);
                *lock(&self.ticked) = Instant::now();
            }
        }
        self.scheduled.store(false, Ordering::Release);
        if !lock(&self.inbox).is_empty() {
            self.schedule();
        }
    }

    /// Whatever queued meanwhile, up to the limits of a group.
    fn next_group(&self) -> Vec<Input> {
        let mut inbox = lock(&self.inbox);
        let (mut inputs, mut bytes) = (Vec::new(), 0);
        while inputs.len() < GROUP_INPUTS_MAX
            && bytes < GROUP_BYTES_MAX
            && let Some(next) = inbox.front()
        {
            let weight = weight(next);
            if bytes + weight > GROUP_BYTES_MAX && !inputs.is_empty() {
                break;
            }
            bytes += weight;
            inputs.extend(inbox.pop_front());
        }
        inputs
    }

    fn dispatch(self: &Arc<Self>, outputs: Vec<Output>, engine: &Engine) {
        // First of all: whoever is answered now may ask for the place it just added.
        if outputs
            .iter()
            .any(|output| matches!(output, Output::RegistryChanged))
        {
            self.publish_registry(engine);
        }
        if outputs
            .iter()
            .any(|output| matches!(output, Output::RulebookChanged))
        {
            self.rulebooks.store(engine.rulebooks());
        }
        for output in outputs {
            match output {
                Output::Answer(ticket, answer) => {
                    if let Some(Waiter::Answer(waiter)) = lock(&self.waiters).remove(&ticket) {
                        // A caller that has gone away may ask again with the same request id.
                        let _ = waiter.send(answer);
                    }
                }
                Output::Joined(ticket, answer) => {
                    if let Some(Waiter::Joined(waiter)) = lock(&self.waiters).remove(&ticket) {
                        let _ = waiter.send(answer);
                    }
                }
                Output::Stored(link, lane, top_sequence) => {
                    self.tell(link, Event::Stored { lane, top_sequence })
                }
                Output::TopMoved(link, lane, top_sequence) => {
                    self.tell(link, Event::TopMoved { lane, top_sequence })
                }
                Output::Owed(link) => self.tell(link, Event::Owed),
                Output::Settles(link) => self.tell(link, Event::Settles),
                Output::Paused(link) => self.tell(link, Event::paused()),
                Output::OlderCopy(link, what) => self.note_older_copy(|said| {
                    said.found = Some(Found {
                        neighbour: link,
                        what: what.clone(),
                        at_ms: self.clock.now().0,
                    });
                }),
                Output::NoOlderCopy(link) => {
                    let by_a_leader = self.up() != Some(link);
                    self.note_older_copy(|said| {
                        said.found = None;
                        if by_a_leader && !said.disbelieved.contains(&link) {
                            said.disbelieved.push(link);
                        }
                    });
                    if self.unbegun.swap(false, Ordering::Relaxed) {
                        lock(&self.inbox).push_back(Input::Started);
                    }
                }
                Output::RegistryChanged | Output::RulebookChanged => {}
                // A step asks for the next, so there are never more than the errands begun; the inbox takes it even when full.
                Output::Errand(errand) => lock(&self.inbox).push_back(Input::Errand(errand)),
            }
        }
    }

    /// Writes down what is known of the folder, and has the links looked at anew.
    fn note_older_copy(&self, change: impl FnOnce(&mut OlderCopy)) {
        let mut said = lock(&self.older_copy);
        change(&mut said);
        if let Err(error) = said.write(&self.folder) {
            // It is closed in this process all the same, and will be found again at the next greeting.
            tracing::error!(node = %self.me.at.node, %error, "what was found of the data folder was not written down");
        }
        drop(said);
        self.registry_changes.send_modify(|changes| *changes += 1);
    }

    /// Why nothing is written here any more, if so.
    #[must_use]
    pub fn closed(&self) -> Option<Closed> {
        self.figures.load().closed
    }

    /// By whom and by what this folder was found to be an older copy of itself.
    #[must_use]
    pub fn found_older(&self) -> Option<Found> {
        lock(&self.older_copy).found.clone()
    }

    /// A neighbour holds work of this node that is not here. The parent is believed. Another neighbour is believed where
    /// the parent has not greeted this process, or there is none: one that may say anything must not close a node whose
    /// parent knows better.
    fn hear_older_copy(self: &Arc<Self>, link: NodeId, found: &str) {
        let up = self.up();
        if up != Some(link) {
            let parent_greeted = up.is_some_and(|up| {
                let links = lock(&self.links);
                links.get(&up).is_some_and(|end| end.heard_ms > 0)
            });
            if parent_greeted || lock(&self.older_copy).disbelieved.contains(&link) {
                return;
            }
        }
        lock(&self.inbox).push_back(Input::OlderCopy {
            link,
            found: found.to_owned(),
        });
        self.schedule();
    }

    /// The parent has greeted: what it has to say of this folder, it says next. Until then another's word is in doubt.
    fn parent_greeted(self: &Arc<Self>, link: NodeId) {
        let by_another = self
            .found_older()
            .is_some_and(|found| found.neighbour != link);
        if by_another && self.up() == Some(link) {
            lock(&self.inbox).push_back(Input::NoOlderCopy { link });
            self.schedule();
        }
    }

    fn up(&self) -> Option<NodeId> {
        self.me.at.up(&self.registry.load())
    }

    /// The rules in force now.
    #[must_use]
    pub fn rules(&self) -> Arc<Rulebook> {
        self.rulebooks.load().in_force(self.clock.now())
    }

    fn publish_registry(&self, engine: &Engine) {
        let registry = engine.registry();
        self.registrar.replace(Arc::clone(&registry));
        self.registry.store(registry);
        self.registry_changes.send_modify(|changes| *changes += 1);
    }

    fn tell(&self, link: NodeId, event: Event) {
        if let Some(events) = lock(&self.links)
            .get(&link)
            .and_then(|end| end.events.as_ref())
        {
            // A session that just ended learns it from its cursors when the next one begins.
            let _ = events.send(event);
        }
    }

    fn copy_figures(&self, engine: &Engine) {
        self.figures.store(Arc::new(Figures {
            counts: engine.counts(),
            syncs: engine.syncs(),
            journal_bytes: engine.journal_end(),
            alarms: engine.alarms(),
            closed: engine.closed(),
        }));
    }

    /// Makes a move on a case and waits for its answer.
    ///
    /// # Errors
    /// The refusal; `BUSY` when the node takes nothing more.
    pub async fn act(
        self: &Arc<Self>,
        request_id: String,
        asked: Hash,
        caller: Caller,
        what: CaseMove,
    ) -> Result<Vec<u8>, Refusal> {
        let (ticket, answer) = self.wait();
        let request = Request {
            ticket,
            request_id,
            asked,
            caller,
            what,
        };
        self.answered(ticket, Input::Act(Box::new(request)), answer)
            .await
    }

    /// Has something administrative done and waits for its answer.
    ///
    /// # Errors
    /// The refusal; `BUSY` when the node takes nothing more.
    pub async fn administer(
        self: &Arc<Self>,
        request_id: String,
        asked: Hash,
        caller: Caller,
        what: Administration,
    ) -> Result<Vec<u8>, Refusal> {
        let (ticket, answer) = self.wait();
        let request = Request {
            ticket,
            request_id,
            asked,
            caller,
            what,
        };
        self.answered(ticket, Input::Administer(Box::new(request)), answer)
            .await
    }

    /// Judges a join and waits for the answer.
    ///
    /// # Errors
    /// The refusal.
    pub async fn join(
        self: &Arc<Self>,
        request: pb::JoinRequest,
    ) -> Result<Box<pb::JoinResponse>, EnrolRefusal> {
        let (sender, receiver) = oneshot::channel();
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        lock(&self.waiters).insert(ticket, Waiter::Joined(sender));
        if !self.submit(Input::Join {
            ticket,
            request: Box::new(request),
        }) {
            lock(&self.waiters).remove(&ticket);
            return Err(EnrolRefusal::STORED);
        }
        receiver.await.unwrap_or(Err(EnrolRefusal::STORED))
    }

    /// Issues a renewed certificate for a node enrolled here.
    ///
    /// # Errors
    /// The refusal.
    pub fn renew_for(
        &self,
        peer: &crate::trust::identity::PeerIdentity,
        registered: &fengqiao_hub::jurisdiction::NodeRecord,
        request: &pb::RenewRequest,
    ) -> Result<pb::RenewResponse, EnrolRefusal> {
        let now = self.clock.now();
        lock(&self.engine).renew(peer, registered, request, now)
    }

    /// Issues by another authority from now on: its own was renewed.
    pub(crate) fn use_enroller(&self, enroller: Option<Box<dyn crate::enrolment::Enroller>>) {
        lock(&self.engine).use_enroller(enroller);
    }

    /// The registry chains from the first place down to this one, in order, as they stand.
    ///
    /// # Errors
    /// Store or journal do not read.
    pub fn way_down(&self) -> Result<Vec<pb::SignedEntry>, crate::engine::EngineError> {
        let registry = self.registry.load_full();
        let mut entries = Vec::new();
        for place in registry.named_on_way_down(self.me.at.place) {
            let chain = self.views.chain(&registry, ChainId::of_place(place))?;
            let standing = chain.standing().into_iter();
            entries.extend(standing.map(|(entry, _)| entry.signed.clone()));
        }
        Ok(entries)
    }

    fn wait(&self) -> (u64, oneshot::Receiver<Result<Vec<u8>, Refusal>>) {
        let (sender, receiver) = oneshot::channel();
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        lock(&self.waiters).insert(ticket, Waiter::Answer(sender));
        (ticket, receiver)
    }

    async fn answered(
        self: &Arc<Self>,
        ticket: u64,
        input: Input,
        answer: oneshot::Receiver<Result<Vec<u8>, Refusal>>,
    ) -> Result<Vec<u8>, Refusal> {
        if !self.submit(input) {
            lock(&self.waiters).remove(&ticket);
            return Err(Refusal::of(Code::Busy, ""));
        }
        answer
            .await
            .unwrap_or_else(|_| Err(Refusal::of(Code::Busy, "")))
    }

    /// Before the process ends in order: the witnesses are told of everything.
    pub fn vouch(&self) {
        vouch(&mut lock(&self.engine));
    }

    /// Lets clocks be looked at, and the disk.
    pub fn tick(self: &Arc<Self>, read_only: bool) {
        self.read_only.store(read_only, Ordering::Relaxed);
        let up = self.me.at.up(&self.registry.load());
        let skew = up
            .and_then(|up| lock(&self.links).get(&up).map(|end| end.skew_ms))
            .unwrap_or(0);
        self.submit(Input::Tick {
            clock_believed: skew.unsigned_abs() <= self.clock_skew_stop_ms.unsigned_abs(),
        });
    }

    /// Whether the disk has no room, so that nothing new is taken in.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.read_only.load(Ordering::Relaxed)
    }

    /// How long ago the engine last finished with a tick. Far more than the time between two: it hangs.
    #[must_use]
    pub fn silent_for(&self) -> Duration {
        lock(&self.ticked).elapsed()
    }

    /// The ends of the links, by neighbour.
    #[must_use]
    pub fn link_ends(&self) -> BTreeMap<NodeId, LinkEnd> {
        lock(&self.links).clone()
    }

    /// Why the link to a neighbour is down; `None` while it is up, and before it was first tried.
    #[must_use]
    pub fn down(&self, link: NodeId) -> Option<Down> {
        lock(&self.links).get(&link)?.down.clone()
    }

    /// Told whenever a link is down for another reason than before.
    #[must_use]
    pub fn downs(&self) -> watch::Receiver<u64> {
        self.downs.subscribe()
    }

    /// A link is down: said once for each reason.
    fn note_down(&self, link: NodeId, why: Down) {
        let mut links = lock(&self.links);
        let end = links.entry(link).or_default();
        if end.down.as_ref() == Some(&why) {
            return;
        }
        if end.down.is_none() {
            end.down_since_ms = self.clock.now().0;
        }
        end.down = Some(why.clone());
        drop(links);
        let (node, code, said) = (self.me.at.node, why.code(), why.said());
        let (english, chinese) = (said.english, said.chinese);
        tracing::info!(%node, %link, code, english, chinese, "the link is down");
        self.downs.send_modify(|downs| *downs += 1);
    }

    /// Told whenever the registry has changed.
    #[must_use]
    pub fn registry_changes(&self) -> watch::Receiver<u64> {
        self.registry_changes.subscribe()
    }

    /// Runs something while no group is decided, so that cursors and rows belong together.
    pub(crate) fn at_rest<T>(&self, read: impl FnOnce(&Engine) -> T) -> T {
        read(&lock(&self.engine))
    }
}

fn weight(input: &Input) -> usize {
    match input {
        Input::Items { items, .. } => items.iter().map(|item| item.payload.len() + 512).sum(),
        Input::Act(_) | Input::Administer(_) | Input::Join { .. } | Input::Enrol { .. } => 4096,
        Input::PeerStored { .. }
        | Input::Alarm { .. }
        | Input::Tick { .. }
        | Input::Started
        | Input::Errand(_)
        | Input::OlderCopy { .. }
        | Input::NoOlderCopy { .. }
        | Input::Introduced(_) => 256,
    }
}

/// A witness that is not written vouches for less, and loses nothing.
fn vouch(engine: &mut Engine) {
    if let Err(error) = engine.vouch() {
        tracing::warn!(%error, "the witnesses were not written");
    }
}

/// An engine that failed must not be used again, nor anything that shares its disk: the process ends and opens anew.
fn end_process(me: &Me, error: &crate::engine::EngineError) -> ! {
    let mut causes = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        causes = format!("{causes}: {cause}");
        source = cause.source();
    }
    tracing::error!(node = %me.at.node, causes, "the engine failed; the process ends");
    crate::log::exit(1);
}

/// A poisoned lock means that a worker panicked: what it guards may be half changed, so the process ends.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned: PoisonError<_>| {
        tracing::error!("a worker panicked; the process ends");
        drop(poisoned);
        crate::log::exit(1)
    })
}
