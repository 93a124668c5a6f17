//! A link: one lane from a lower node to an upper one, over a network that loses, repeats and reorders, with crashes at
//! any step and disks put back from a copy.
//!
//! Both ends run `replication::session::Session` itself. Modelled are the network, the disks and the engine's part: that
//! a batch and the cursor behind it are one journal record, that what was not synced is gone after a crash, and the
//! recovery after an alarm, which gives the node that was put back a new store and moves cursors by a record of its own.
//!
//! A frame left over from an earlier stream may come in a later one, but for a Hello: Hellos belong together by the
//! stream they came on. Credits are handed over at once; they only bound what is sent.

mod disk;
mod properties;
mod tests;

use std::collections::HashMap;
use std::sync::RwLock;

use fengqiao_hub::id::{NodeId, StoreId};
use fengqiao_node::replication::session::{Action, Event, Identity, Limits, Receipt, Session};
use fengqiao_proto::v1 as pb;
use pb::frame::Content;
use prost::Message as _;
use stateright::{Model, Property};

use disk::{Disk, Keeping, LANE, Names};

/// Sends the items.
pub(crate) const LOWER: usize = 0;
/// Receives them.
pub(crate) const UPPER: usize = 1;

/// The rules as built, or with one of them broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    AsBuilt,
    /// Cursors are compared by sequence alone.
    SequenceOnly,
    /// Cursors are compared by store and sequence.
    NoHash,
    /// What was received is acknowledged before it is synced.
    AcknowledgedUnsynced,
    /// A batch and its cursor are two records.
    CursorApart,
    /// A batch left by a session with another store follows on the cursor all the same.
    AnyStore,
    /// Frames of another session are taken as this one's.
    NoNonce,
}

/// What is explored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope {
    pub(crate) items_max: usize,
    pub(crate) streams_max: u8,
    pub(crate) in_flight_max: usize,
    pub(crate) crashes_max: u8,
    /// Single frames are lost and repeated; streams break in any case, and take what flies along.
    pub(crate) repeats: bool,
    /// Ends whose disk may be put back from a copy, once each: as it was, or with a new store.
    pub(crate) put_back: &'static [usize],
    pub(crate) rule: Rule,
}

/// The model.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) scope: Scope,
    /// Whether a healed link drains, by all that outlives a session.
    drained: RwLock<HashMap<Outliving, bool>>,
}

/// What is left when streams are cut and the wire is empty.
type Outliving = ([(Disk, Vec<(Names, Vec<u8>)>, u8); 2], Option<&'static str>);

/// A session, equal to another when all they say of themselves is equal.
#[derive(Clone)]
pub(crate) struct Seat {
    session: Session,
    says: String,
    /// The peer's store and incarnation, as its Hello named them.
    peer: Names,
}

impl Seat {
    fn new(session: Session, peer: Names) -> Self {
        let says = format!("{session:?}");
        Self {
            session,
            says,
            peer,
        }
    }
}

impl PartialEq for Seat {
    fn eq(&self, other: &Self) -> bool {
        (&self.says, self.peer) == (&other.says, other.peer)
    }
}

impl Eq for Seat {}

impl std::hash::Hash for Seat {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.says.hash(state);
        self.peer.hash(state);
    }
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.session.is_open() {
            "open"
        } else {
            "greeting"
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct End {
    pub(crate) disk: Disk,
    seat: Option<Seat>,
    /// Handed to the engine and not yet synced, with the store the session named.
    taken: Vec<(Names, Vec<u8>)>,
    copy: Option<Disk>,
    /// How often its disk was put back.
    put_back: u8,
}

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Flying {
    to: usize,
    stream: u8,
    frame: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) ends: [End; 2],
    wire: Vec<Flying>,
    stream: u8,
    crashes: u8,
    /// Items ever owed; each is another.
    owed: u8,
    /// Somebody looked away from an alarm: nothing happens before the recovery.
    pub(crate) alarm: Option<&'static str>,
    /// Recoveries so far.
    pub(crate) recovered: u8,
}

#[derive(Clone, PartialEq)]
pub(crate) enum Act {
    Owe,
    Connect,
    /// The wire takes a frame of this end's.
    Room(usize),
    /// And keeps a copy of it in flight when `again`.
    Deliver {
        what: Flying,
        again: bool,
    },
    Lose(Flying),
    Sync(usize),
    /// The stream breaks.
    Cut,
    /// This end's machine stops without warning; in the middle of a sync where a broken rule makes two of it.
    Crash(usize),
    CrashMidway(usize),
    Copy(usize),
    /// The disk is put back from its copy, as it was or as a new store.
    PutBack {
        end: usize,
        anew: bool,
    },
    Recover,
}

fn other(end: usize) -> usize {
    1 - end
}

impl Link {
    pub(crate) fn new(scope: Scope) -> Self {
        Self {
            scope,
            drained: RwLock::default(),
        }
    }

    fn identity(end: usize, disk: &Disk) -> Identity {
        let node = |end: usize| NodeId([u8::try_from(end).unwrap() + 1; 10]);
        Identity {
            node: node(end),
            peer: node(other(end)),
            store: StoreId([disk.store; 16]),
            incarnation: disk.incarnation,
            boot: 1,
            registry: vec![],
        }
    }

    fn connect(&self, state: &mut State) {
        state.stream += 1;
        for end in [LOWER, UPPER] {
            let identity = Self::identity(end, &state.ends[end].disk);
            let limits = Limits {
                window_items: 2,
                ..Limits::default()
            };
            let session = match end {
                LOWER => Session::lower(identity, limits),
                _ => Session::upper(identity, [state.stream; 16], limits),
            };
            state.ends[end].seat = Some(Seat::new(session, (0, 0)));
            self.step(state, end, Event::Opened);
        }
    }

    /// Tells a session what happened and does what it says.
    fn step(&self, state: &mut State, end: usize, event: Event) {
        let Some(seat) = &state.ends[end].seat else {
            return;
        };
        let (mut session, mut peer) = (seat.session.clone(), seat.peer);
        let actions = session.step(0, &state.ends[end].disk, event);
        if let Some(Action::PeerHello(hello)) = actions.first() {
            peer = (hello.store.first().copied().unwrap_or(0), hello.incarnation);
        }
        state.ends[end].seat = Some(Seat::new(session, peer));
        for action in actions {
            match action {
                Action::Send(frame) => self.send(state, end, frame),
                Action::Store { lane, items } if lane == LANE => {
                    let items = items.into_iter().map(|item| (peer, item.encode_to_vec()));
                    state.ends[end].taken.extend(items);
                    if self.scope.rule == Rule::AcknowledgedUnsynced {
                        let taken = state.ends[end].taken.clone();
                        state.ends[end].disk.promise(&taken);
                        self.stored(state, end);
                    }
                }
                Action::PeerStored(Receipt { cursor, .. }) if cursor.lane() == LANE => {
                    let disk = &mut state.ends[end].disk;
                    disk.acknowledged = disk.acknowledged.max(cursor.sequence);
                }
                Action::Alarm { code, .. } => state.alarm = state.alarm.or(needs_recovery(code)),
                Action::Close { .. } => self.cut(state),
                _ => {}
            }
        }
    }

    fn stored(&self, state: &mut State, end: usize) {
        self.step(
            state,
            end,
            Event::Stored {
                lane: LANE,
                top_sequence: 0,
            },
        );
    }

    fn send(&self, state: &mut State, from: usize, frame: pb::Frame) {
        let flying = Flying {
            to: other(from),
            stream: state.stream,
            frame: frame.encode_to_vec(),
        };
        match frame.content {
            Some(Content::Credit(_)) => self.hand_over(state, &flying),
            _ => put(&mut state.wire, flying),
        }
    }

    fn hand_over(&self, state: &mut State, flying: &Flying) {
        let mut frame = pb::Frame::decode(&flying.frame[..]).unwrap();
        let end = flying.to;
        if let Some(Content::Hello(hello)) = &mut frame.content {
            if flying.stream != state.stream {
                return;
            }
            self.blind(&state.ends[end].disk, hello);
        } else if self.scope.rule == Rule::NoNonce {
            frame.session = vec![state.stream; 16];
        }
        if let Some(Content::Acknowledged(word)) = &mut frame.content
            && let Some(cursor) = &mut word.cursor
        {
            self.blind_cursor(&state.ends[end].disk, cursor);
        }
        self.step(state, end, Event::Frame(frame));
    }

    /// A broken rule does not see what it does not compare.
    fn blind(&self, disk: &Disk, hello: &mut pb::Hello) {
        let blind_to_store = self.scope.rule == Rule::SequenceOnly;
        hello
            .received
            .iter_mut()
            .for_each(|cursor| self.blind_cursor(disk, cursor));
        if blind_to_store && disk.cursor.sequence > 0 {
            hello.store.clone_from(&disk.cursor.store);
            hello.incarnation = disk.cursor.incarnation;
        }
        for cursor in hello.sent.iter_mut().filter(|cursor| cursor.lane() == LANE) {
            if matches!(self.scope.rule, Rule::SequenceOnly | Rule::NoHash)
                && cursor.sequence == disk.cursor.sequence
            {
                cursor.hash.clone_from(&disk.cursor.hash);
            }
        }
    }

    fn blind_cursor(&self, disk: &Disk, cursor: &mut pb::Cursor) {
        if cursor.lane() != LANE || !matches!(self.scope.rule, Rule::SequenceOnly | Rule::NoHash) {
            return;
        }
        if let Some(hash) = disk.hash_of(cursor.sequence) {
            cursor.hash = hash.to_vec();
        }
        if self.scope.rule == Rule::SequenceOnly {
            cursor.store = vec![disk.store; 16];
            cursor.incarnation = disk.incarnation;
        }
    }

    fn cut(&self, state: &mut State) {
        state.ends.iter_mut().for_each(|end| end.seat = None);
    }

    fn sync(&self, state: &mut State, end: usize, midway: bool) {
        let taken = std::mem::take(&mut state.ends[end].taken);
        let how = match self.scope.rule {
            _ if midway => Keeping::WithoutCursor,
            Rule::AnyStore => Keeping::OfAnyStore,
            _ => Keeping::AsBuilt,
        };
        state.ends[end].disk.keep(&taken, how);
        if !midway {
            self.stored(state, end);
        }
    }

    fn crash(&self, state: &mut State, end: usize) {
        state.crashes += 1;
        self.cut(state);
        let end = &mut state.ends[end];
        end.taken.clear();
        end.disk.promised = None;
        // Receipts live in the store only, and a power cut sets the store aside.
        end.disk.acknowledged = 0;
    }

    fn put_back(&self, state: &mut State, end: usize, anew: bool) -> Option<()> {
        self.cut(state);
        let of = &mut state.ends[end];
        of.disk = of.copy.take()?;
        of.taken.clear();
        of.put_back += 1;
        if anew {
            of.disk.renew();
        }
        Some(())
    }

    /// What follows an alarm: the node whose disk was put back gets a new store, and the cursors into what it lost are
    /// moved by a record.
    fn recover(&self, state: &mut State) {
        state.alarm = None;
        state.recovered += 1;
        let [lower, upper] = &mut state.ends;
        if lower.put_back > 0 && lower.disk.names() == upper.disk.came_from() {
            lower.disk.renew();
        }
        if upper.disk.came_from() != lower.disk.names() {
            upper.disk.cursor = disk::zero();
        }
        lower.disk.acknowledged = upper.disk.cursor.sequence;
        upper.taken.clear();
    }
}

/// Alarms that calling again does not mend.
fn needs_recovery(code: fengqiao_node::replication::session::Code) -> Option<&'static str> {
    code.as_str().starts_with("CURSOR").then(|| code.as_str())
}

fn put(wire: &mut Vec<Flying>, flying: Flying) {
    if let Err(at) = wire.binary_search(&flying) {
        wire.insert(at, flying);
    }
}

impl Model for Link {
    type State = State;
    type Action = Act;

    fn init_states(&self) -> Vec<State> {
        let end = |store| End {
            disk: Disk::new(store),
            seat: None,
            taken: vec![],
            copy: None,
            put_back: 0,
        };
        vec![State {
            ends: [end(1), end(2)],
            wire: vec![],
            stream: 0,
            crashes: 0,
            owed: 0,
            alarm: None,
            recovered: 0,
        }]
    }

    fn actions(&self, state: &State, acts: &mut Vec<Act>) {
        if state.alarm.is_some() {
            acts.push(Act::Recover);
            return;
        }
        if usize::from(state.owed) < self.scope.items_max {
            acts.push(Act::Owe);
        }
        let linked = state.ends[LOWER].seat.is_some();
        if linked {
            acts.push(Act::Cut);
        } else if state.stream < self.scope.streams_max {
            acts.push(Act::Connect);
        }
        for end in [LOWER, UPPER] {
            let of = &state.ends[end];
            let flying = state.wire.iter().filter(|flying| flying.to != end).count();
            if of
                .seat
                .as_ref()
                .is_some_and(|seat| seat.session.wants_room())
                && flying < self.scope.in_flight_max
            {
                acts.push(Act::Room(end));
            }
            if !of.taken.is_empty() {
                acts.push(Act::Sync(end));
            }
            if state.crashes < self.scope.crashes_max {
                acts.push(Act::Crash(end));
                if self.scope.rule == Rule::CursorApart && !of.taken.is_empty() {
                    acts.push(Act::CrashMidway(end));
                }
            }
            if self.scope.put_back.contains(&end) && of.put_back == 0 {
                match of.copy {
                    None => acts.push(Act::Copy(end)),
                    Some(_) => acts.extend([false, true].map(|anew| Act::PutBack { end, anew })),
                }
            }
        }
        for what in &state.wire {
            let deliver = |again: bool| Act::Deliver {
                what: what.clone(),
                again,
            };
            acts.push(deliver(false));
            if self.scope.repeats {
                acts.push(deliver(true));
            }
            // What an earlier stream left is lost some time.
            if self.scope.repeats || what.stream != state.stream {
                acts.push(Act::Lose(what.clone()));
            }
        }
    }

    fn next_state(&self, before: &State, act: Act) -> Option<State> {
        let mut state = before.clone();
        match act {
            Act::Owe => {
                state.owed += 1;
                state.ends[LOWER].disk.owe(state.owed);
                self.step(&mut state, LOWER, Event::Owed);
            }
            Act::Connect => self.connect(&mut state),
            Act::Room(end) => self.step(&mut state, end, Event::Room),
            Act::Deliver { what, again } => {
                if !again {
                    state.wire.retain(|flying| *flying != what);
                }
                self.hand_over(&mut state, &what);
            }
            Act::Lose(what) => state.wire.retain(|flying| *flying != what),
            Act::Sync(end) => self.sync(&mut state, end, false),
            Act::Cut => self.cut(&mut state),
            Act::Crash(end) => self.crash(&mut state, end),
            Act::CrashMidway(end) => {
                self.sync(&mut state, end, true);
                self.crash(&mut state, end);
            }
            Act::Copy(end) => state.ends[end].copy = Some(before.ends[end].disk.clone()),
            Act::PutBack { end, anew } => self.put_back(&mut state, end, anew)?,
            Act::Recover => self.recover(&mut state),
        }
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::of(&self.scope)
    }
}

impl std::fmt::Debug for Flying {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let frame = pb::Frame::decode(&self.frame[..]).unwrap_or_default();
        let what = match frame.content {
            Some(Content::Hello(hello)) => {
                let sequences =
                    |cursors: &[pb::Cursor]| cursors.iter().map(|cursor| cursor.sequence).max();
                format!(
                    "hello received {:?} sent {:?}",
                    sequences(&hello.received),
                    sequences(&hello.sent)
                )
            }
            Some(Content::Items(items)) => {
                format!(
                    "items {:?}",
                    items
                        .items
                        .iter()
                        .map(|item| item.sequence)
                        .collect::<Vec<_>>()
                )
            }
            Some(Content::Acknowledged(word)) => {
                format!("acknowledged {}", word.cursor.unwrap_or_default().sequence)
            }
            Some(Content::Goodbye(goodbye)) => format!("goodbye {}", goodbye.code),
            _ => "other".to_owned(),
        };
        let to = if self.to == LOWER { "lower" } else { "upper" };
        write!(f, "stream {} to {to}: {what}", self.stream)
    }
}

impl std::fmt::Debug for Act {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let of = |end: &usize| if *end == LOWER { "lower" } else { "upper" };
        match self {
            Self::Owe => f.write_str("owe"),
            Self::Connect => f.write_str("connect"),
            Self::Room(end) => write!(f, "room at {}", of(end)),
            Self::Deliver { what, again: false } => write!(f, "deliver {what:?}"),
            Self::Deliver { what, again: true } => {
                write!(f, "deliver {what:?}, and once more later")
            }
            Self::Lose(what) => write!(f, "lose {what:?}"),
            Self::Sync(end) => write!(f, "sync at {}", of(end)),
            Self::Cut => f.write_str("cut"),
            Self::Crash(end) => write!(f, "crash of {}", of(end)),
            Self::CrashMidway(end) => write!(f, "crash of {} between effect and cursor", of(end)),
            Self::Copy(end) => write!(f, "copy the disk of {}", of(end)),
            Self::PutBack { end, anew } => {
                write!(
                    f,
                    "put back the disk of {}{}",
                    of(end),
                    if *anew { " as a new store" } else { "" }
                )
            }
            Self::Recover => f.write_str("recover"),
        }
    }
}
