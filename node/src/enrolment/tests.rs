//! A centre that enrols over real loopback TLS: the engine is a book of
//! invitations and a registry in memory.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use fengqiao_hub::clock::Moment;
use fengqiao_hub::entry::{Draft, Entry, Move};
use fengqiao_hub::id::{ChainId, Hash, NodeId, PlaceId, UnitId};
use fengqiao_hub::jurisdiction::{NodeRecord, Registry};
use fengqiao_hub::rank::Rank;
use fengqiao_proto::v1 as pb;
use pb::body::Content;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};

use super::*;
use crate::folder::Folder;
use crate::trust::PeerIdentity;
use crate::trust::random::Seeded;
use crate::trust::testing::StandingClock;
use crate::trust::tls::{HostedNodes, Trust};

mod founding;
mod joining;
mod judging;
mod refusing;
mod renewing;

/// What the engine of a centre would hold.
struct State {
    folder: Folder,
    issuer: Issuer,
    book: BTreeMap<String, String>,
    entries: Vec<pb::SignedEntry>,
    registry: Registry,
    head: Option<(u64, Hash)>,
    clock: Arc<StandingClock>,
    seen: Vec<pb::JoinRequest>,
    lose_answers: u32,
}

impl State {
    fn now(&self) -> Moment {
        Moment(self.clock.now().as_millisecond())
    }

    fn write(&mut self, content: Content) {
        let identity = &self.folder.identity;
        let (sequence, previous) = match self.head {
            None => (1, None),
            Some((sequence, hash)) => (sequence + 1, Some(hash)),
        };
        let draft = Draft {
            deployment: identity.deployment,
            kind: pb::ChainKind::Registry,
            chain: ChainId::of_place(identity.place),
            rank: Rank::default(),
            sequence,
            previous,
            author: identity.node,
            incarnation: 1,
            author_sequence: sequence,
            registry: vec![(identity.place, sequence)],
            mv: Move::None,
            submission: None,
            kind_class: pb::KindClass::Work,
            body: pb::Body {
                schema: 1,
                content: Some(content),
                ..pb::Body::default()
            },
            payloads: Vec::new(),
        };
        let entry = draft.sign(self.folder.keys.signing.entry_key());
        self.registry.apply(&entry).unwrap();
        self.head = Some((entry.sequence, entry.hash));
        self.entries.push(entry.signed);
    }

    fn join(&mut self, request: &pb::JoinRequest) -> Result<pb::JoinResponse, EnrolRefusal> {
        self.seen.push(request.clone());
        let now = self.now();
        let enrolled = self.issuer.join(&self.book, request, now)?;
        let (id, stored) = enrolled.invitation.clone();
        self.book.insert(id, stored);
        if !enrolled.repeated {
            self.write(pb::body::Content::from(enrolled.registration.clone()));
        }
        let identity = &self.folder.identity;
        let parent = ParentAddress {
            node: identity.node,
            name: self.folder.credentials.own.name.to_string(),
            link_address: "county.example:7443".to_owned(),
        };
        Ok(enrolled.response(identity.deployment, &parent, self.entries.clone()))
    }
}

struct Desk {
    state: Arc<Mutex<State>>,
    registrar: Arc<RegistryRegistrar>,
    cut: Arc<Notify>,
}

#[tonic::async_trait]
impl EnrolDesk for Desk {
    async fn join(&self, request: pb::JoinRequest) -> Result<pb::JoinResponse, EnrolRefusal> {
        let (answer, lost) = {
            let mut state = self.state.lock().unwrap();
            let answer = state.join(&request);
            self.registrar.replace(Arc::new(state.registry.clone()));
            let lost = state.lose_answers > 0;
            state.lose_answers = state.lose_answers.saturating_sub(1);
            (answer, lost)
        };
        if lost {
            self.cut.notify_one();
            std::future::pending::<()>().await;
        }
        answer
    }

    fn introduce(
        &self,
        _request: &pb::IntroduceRequest,
    ) -> Result<pb::IntroduceResponse, EnrolRefusal> {
        Err(EnrolRefusal::NOT_ENROLLED_HERE)
    }

    async fn renew(
        &self,
        peer: PeerIdentity,
        request: pb::RenewRequest,
    ) -> Result<pb::RenewResponse, EnrolRefusal> {
        let mut state = self.state.lock().unwrap();
        let now = state.now();
        let registered: NodeRecord = state.registry.node(peer.node()).unwrap().clone();
        state.issuer.renew(&peer, &registered, &request, now)
    }
}

/// A running centre.
struct Centre {
    state: Arc<Mutex<State>>,
    registrar: Arc<RegistryRegistrar>,
    hosted: Arc<HostedNodes>,
    clock: Arc<StandingClock>,
    cut: Arc<Notify>,
    address: String,
    _stop: oneshot::Sender<()>,
}

impl Centre {
    /// Serves the enrol port of the node in `folder`.
    async fn open(folder: Folder, clock: &Arc<StandingClock>, seed: u64) -> Self {
        let entries = folder.first_entries().unwrap();
        let mut registry = Registry::default();
        let mut head = None;
        for signed in &entries {
            let entry = Entry::from_signed(signed).unwrap();
            registry.apply(&entry).unwrap();
            if entry.chain == ChainId::of_place(folder.identity.place) {
                head = Some((entry.sequence, entry.hash));
            }
        }
        let registrar = Arc::new(RegistryRegistrar::new(Arc::new(registry.clone())));
        let hosted = Arc::new(HostedNodes::default());
        hosted.install(&folder.credentials);
        let server = EnrolServer {
            trust: Trust::new(&folder.root.certificate, registrar.clone(), clock.clone()).unwrap(),
            hosted: Arc::clone(&hosted),
            fallback: Some(folder.credentials.own.name.to_string()),
            places: crate::ports::Ports::with_room_for(100).port(PLACES),
            time: clock.clone(),
        };
        let issuer = Issuer::of_folder(&folder, Box::new(Seeded::new(seed)))
            .unwrap()
            .unwrap();
        let opened = Content::from(pb::RegistryOpened {
            place: folder.identity.place.to_vec(),
        });
        let mut state = State {
            folder,
            issuer,
            book: BTreeMap::new(),
            entries,
            registry,
            head,
            clock: Arc::clone(clock),
            seen: Vec::new(),
            lose_answers: 0,
        };
        if state.head.is_none() {
            state.write(opened);
        }
        let state = Arc::new(Mutex::new(state));
        let cut = Arc::new(Notify::new());
        let desk = Arc::new(Desk {
            state: Arc::clone(&state),
            registrar: Arc::clone(&registrar),
            cut: Arc::clone(&cut),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(server.serve(listener, desk, async {
            let _ = stopped.await;
        }));
        Self {
            state,
            registrar,
            hosted,
            clock: Arc::clone(clock),
            cut,
            address,
            _stop: stop,
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap())
    }

    fn now(&self) -> Moment {
        Moment(self.clock.now().as_millisecond())
    }

    fn add_place(&self, letter: u8, name: &str, level: u32) -> PlaceId {
        let place = PlaceId([letter; 10]);
        let added = pb::PlaceAdded {
            place: place.to_vec(),
            code: String::new(),
            name: name.to_owned(),
            level,
        };
        self.with(|state| state.write(pb::body::Content::from(added)));
        place
    }

    fn add_unit(&self, letter: u8, name: &str) -> UnitId {
        let unit = UnitId([letter; 10]);
        let added = pb::UnitAdded {
            unit: unit.to_vec(),
            name: name.to_owned(),
            kind: pb::UnitKind::Department.into(),
            presence: pb::UnitPresence::Resident.into(),
        };
        self.with(|state| state.write(pb::body::Content::from(added)));
        unit
    }

    fn invite(&self, place: PlaceId, unit: Option<UnitId>, levels: Option<u8>) -> String {
        let now = self.now();
        self.with(|state| {
            let minted = state
                .issuer
                .mint(place, unit, levels, 0, None, now)
                .unwrap();
            state.book.insert(minted.id, minted.stored);
            minted.token.to_string()
        })
    }

    async fn join(&self, path: &Path, token: &str, seed: u64) -> Result<Folder, EnrolmentError> {
        join_at(path, token, &self.address, self.now(), seed).await
    }

    fn requests_seen(&self) -> usize {
        self.with(|state| state.seen.len())
    }

    fn nodes(&self) -> usize {
        self.with(|state| state.registry.nodes().count())
    }
}

async fn join_at(
    path: &Path,
    token: &str,
    address: &str,
    now: Moment,
    seed: u64,
) -> Result<Folder, EnrolmentError> {
    let options = JoinOptions {
        path,
        token,
        address,
        parent_name: None,
        authorities: Authorities::IfGranted,
        recovers: false,
    };
    join(&options, now, &mut Seeded::new(seed)).await
}

fn city_options() -> InitOptions {
    InitOptions {
        name: "德州市".to_owned(),
        code: "3714".to_owned(),
        level: 30,
        deployment: None,
        rulebook: Vec::new(),
    }
}

/// A room for folders, a clock, and a city that enrols.
struct World {
    room: tempfile::TempDir,
    clock: Arc<StandingClock>,
    city: Centre,
}

impl World {
    async fn new() -> Self {
        let room = tempfile::tempdir().unwrap();
        let clock = Arc::new(StandingClock::new());
        let now = Moment(clock.now().as_millisecond());
        let path = room.path().join("city");
        let made = init(&path, &city_options(), now, &mut Seeded::new(1)).unwrap();
        let city = Centre::open(made.folder, &clock, 2).await;
        Self { room, clock, city }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.room.path().join(name)
    }

    /// What stands in the room, the city apart.
    fn others(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.room.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != "city").collect()
    }
}

/// Passes bytes on to `to`, and drops what is open whenever `cut` says so.
async fn relay(to: String, cut: Arc<Notify>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut far = TcpStream::connect(&to).await.unwrap();
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                () = cut.notified() => {}
            }
        }
    });
    address
}

fn code(result: Result<Folder, EnrolmentError>) -> &'static str {
    result.unwrap_err().code()
}

fn node_of(folder: &Folder) -> NodeId {
    folder.identity.node
}
