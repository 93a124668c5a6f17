//! Two nodes in memory behind real TLS on loopback.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use fengqiao_hub::id::Hash;
use fengqiao_proto::v1 as pb;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};

use super::super::*;
use crate::ports::Ports;
use crate::replication::fake::FakeNode;
use crate::replication::session::{self, Code, Event, Identity, LANES, Lanes, Receipt};

pub(super) const LINK: &str = "the-link";
const NAME: &str = "upper.fq.internal";

/// Fails loudly instead of hanging.
pub(super) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .unwrap()
}

/// What a port was told.
#[derive(Debug, Default, Clone)]
pub(super) struct Seen {
    pub(super) sessions: usize,
    pub(super) is_open: bool,
    pub(super) overlapped: bool,
    pub(super) closed: Vec<Code>,
    pub(super) alarms: Vec<Code>,
    pub(super) older_copy: bool,
    pub(super) downs: Vec<Down>,
    pub(super) otherwise: usize,
    pub(super) digests: Vec<bool>,
}

/// A node in memory whose engine stores at once.
pub(super) struct FakePort {
    node: Arc<Mutex<FakeNode>>,
    events: Mutex<Option<UnboundedSender<Event>>>,
    seen: watch::Sender<Seen>,
}

struct Shared(Arc<Mutex<FakeNode>>);

impl Lanes for Shared {
    fn received(&self, lane: pb::Lane) -> pb::Cursor {
        self.0.lock().unwrap().received(lane)
    }
    fn last(&self, lane: pb::Lane) -> pb::Cursor {
        self.0.lock().unwrap().last(lane)
    }
    fn hash_at(&self, lane: pb::Lane, sequence: u64) -> Option<Hash> {
        self.0.lock().unwrap().hash_at(lane, sequence)
    }
    fn acknowledged(&self, lane: pb::Lane) -> u64 {
        self.0.lock().unwrap().acknowledged(lane)
    }
    fn load(&self, lane: pb::Lane, from: u64, items: usize, bytes: usize) -> Vec<pb::Item> {
        self.0.lock().unwrap().load(lane, from, items, bytes)
    }
    fn is_tentative(&self) -> bool {
        self.0.lock().unwrap().is_tentative()
    }
}

impl FakePort {
    fn new(node: FakeNode) -> Arc<Self> {
        Arc::new(Self {
            node: Arc::new(Mutex::new(node)),
            events: Mutex::new(None),
            seen: watch::Sender::new(Seen::default()),
        })
    }

    pub(super) fn owe(&self, lane: pb::Lane, payload: Vec<u8>) {
        self.node.lock().unwrap().owe(lane, payload);
        self.tell(Event::Owed);
    }

    fn tell(&self, event: Event) {
        if let Some(events) = &*self.events.lock().unwrap() {
            drop(events.send(event));
        }
    }

    pub(super) fn seen<T>(&self, read: impl Fn(&Seen) -> T) -> T {
        read(&self.seen.borrow())
    }

    pub(super) fn sessions(&self) -> usize {
        self.seen(|seen| seen.sessions)
    }

    pub(super) fn alarms(&self) -> Vec<Code> {
        self.seen(|seen| seen.alarms.clone())
    }

    pub(super) async fn until(&self, is_so: impl Fn(&Seen) -> bool) {
        self.seen.subscribe().wait_for(is_so).await.unwrap();
    }

    async fn until_node(&self, is_so: impl Fn(&FakeNode) -> bool) {
        let mut seen = self.seen.subscribe();
        while !is_so(&self.node.lock().unwrap()) {
            seen.changed().await.unwrap();
        }
    }
}

impl Port for FakePort {
    fn identity(&self, _link: &str) -> Option<Identity> {
        Some(self.node.lock().unwrap().identity.clone())
    }
    fn lanes(&self, _link: &str) -> Arc<dyn Lanes> {
        Arc::new(Shared(Arc::clone(&self.node)))
    }
    fn opened(&self, _link: &str, _hello: &pb::Hello, events: UnboundedSender<Event>) {
        *self.events.lock().unwrap() = Some(events);
        self.seen.send_modify(|seen| {
            seen.overlapped |= seen.is_open;
            seen.is_open = true;
            seen.sessions += 1;
        });
    }
    fn closed(&self, _link: &str, code: Code) {
        *self.events.lock().unwrap() = None;
        self.seen.send_modify(|seen| {
            seen.is_open = false;
            seen.closed.push(code);
        });
    }
    fn store(&self, _link: &str, lane: pb::Lane, items: Vec<pb::Item>) {
        {
            let mut node = self.node.lock().unwrap();
            node.unsynced.push_back((lane, items));
            node.sync_one();
        }
        self.tell(Event::Stored {
            lane,
            top_sequence: 0,
        });
        self.seen.send_modify(|_| {});
    }
    fn peer_stored(&self, _link: &str, receipt: Receipt) {
        self.node.lock().unwrap().peer_stored(&receipt);
        self.seen.send_modify(|_| {});
    }
    fn compute_digest(&self, _link: &str) {
        let digest = self.node.lock().unwrap().digest();
        self.tell(Event::DigestComputed(digest));
    }
    fn compute_range(&self, _link: &str, range: u8) {
        self.tell(Event::RangeComputed(pb::DigestRange {
            range: range.into(),
            chains: Vec::new(),
        }));
    }
    fn digest_result(&self, _link: &str, equal: bool) {
        self.seen.send_modify(|seen| seen.digests.push(equal));
    }
    fn range_differs(&self, _link: &str, _theirs: pb::DigestRange) {}
    fn unreached(&self, _link: &str) -> pb::Unreached {
        pb::Unreached::default()
    }
    fn peer_unreached(&self, _link: &str, _places: &pb::Unreached) {}
    fn older_copy(&self, _link: &str, _found: &str) {
        self.seen.send_modify(|seen| seen.older_copy = true);
    }
    fn down(&self, _link: &str, why: Down) {
        self.seen.send_modify(|seen| seen.downs.push(why));
    }
    fn alarm(&self, _link: &str, code: Code, _detail: &str) {
        self.seen.send_modify(|seen| seen.alarms.push(code));
    }
    fn now_ms(&self) -> i64 {
        1_000
    }
}

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "root");
        let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    fn leaf(&self, name: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let leaf = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        (vec![leaf.der().clone()], key)
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        Arc::new(roots)
    }
}

/// Certificates and limits.
pub(super) struct Ground {
    authority: Authority,
    pub(super) limits: Limits,
    pub(super) places: PortLimits,
    pub(super) tls: Arc<ArcSwap<ServerConfig>>,
    pub(super) admitted: AtomicUsize,
    pub(super) refuse: AtomicBool,
    dials: watch::Sender<usize>,
}

impl Ground {
    /// Short pauses and timeouts.
    pub(super) fn quick() -> Self {
        let authority = Authority::new();
        let limits = Limits {
            session: session::Limits::default(),
            keepalive_interval: Duration::from_millis(200),
            keepalive_timeout: Duration::from_millis(400),
            retry_ms_min: 1,
            retry_ms_max: 20,
            ..Limits::default()
        };
        let tls = Arc::new(ArcSwap::new(server_config(&authority)));
        Self {
            authority,
            limits,
            places: PLACES,
            tls,
            admitted: AtomicUsize::new(0),
            refuse: AtomicBool::new(false),
            dials: watch::Sender::new(0),
        }
    }

    pub(super) fn server_config(&self) -> Arc<ServerConfig> {
        server_config(&self.authority)
    }

    pub(super) fn other_server_config(&self) -> Arc<ServerConfig> {
        server_config(&Authority::new())
    }

    fn client_builder(
        &self,
    ) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(self.authority.roots())
    }

    pub(super) fn known(&self) -> Arc<ClientConfig> {
        let (chain, key) = self.authority.leaf("lower.fq.internal");
        let mut config = self
            .client_builder()
            .with_client_auth_cert(chain, key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Arc::new(config)
    }

    pub(super) fn anonymous(&self) -> Arc<ClientConfig> {
        let mut config = self.client_builder().with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Arc::new(config)
    }

    /// Resolves after so many dials.
    pub(super) async fn dialled(&self, times: usize) {
        let mut dials = self.dials.subscribe();
        dials.wait_for(|dials| *dials >= times).await.unwrap();
    }

    /// A bare client.
    pub(super) async fn channel(&self, address: SocketAddr) -> Channel {
        let connector = tokio_rustls::TlsConnector::from(self.known());
        let connect = tower::service_fn(move |_| {
            let connector = connector.clone();
            async move {
                let tcp = TcpStream::connect(address).await?;
                let name = ServerName::try_from(NAME).unwrap();
                connector.connect(name, tcp).await.map(TokioIo::new)
            }
        });
        let endpoint = Endpoint::from_static("http://test");
        endpoint.connect_with_connector(connect).await.unwrap()
    }
}

fn server_config(authority: &Authority) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let (chain, key) = authority.leaf(NAME);
    let verifier =
        WebPkiClientVerifier::builder_with_provider(authority.roots(), Arc::clone(&provider))
            .build()
            .unwrap();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// Something that runs until it is stopped.
pub(super) struct Task {
    stop: oneshot::Sender<()>,
    handle: JoinHandle<()>,
}

impl Task {
    fn spawn<F: Future<Output = ()> + Send + 'static>(
        run: impl FnOnce(Box<dyn Future<Output = ()> + Send + Unpin>) -> F,
    ) -> Self {
        let (stop, stopped) = oneshot::channel();
        let stopped = Box::new(Box::pin(async move { drop(stopped.await) }));
        let handle = tokio::spawn(run(stopped));
        Self { stop, handle }
    }

    pub(super) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.handle.await.unwrap();
    }
}

/// A lower and an upper node.
pub(super) struct World {
    pub(super) ground: Arc<Ground>,
    pub(super) lower: Arc<FakePort>,
    pub(super) upper: Arc<FakePort>,
    pub(super) lower_seats: Arc<Seats>,
    pub(super) upper_seats: Arc<Seats>,
}

impl World {
    pub(super) fn new(ground: Ground) -> Self {
        let (lower, upper) = FakeNode::pair();
        Self {
            ground: Arc::new(ground),
            lower: FakePort::new(lower),
            upper: FakePort::new(upper),
            lower_seats: Arc::default(),
            upper_seats: Arc::default(),
        }
    }

    /// The same lower node a second time, as a cloned machine would be.
    pub(super) fn copy_of_lower(&self) -> Self {
        Self {
            ground: Arc::clone(&self.ground),
            lower: FakePort::new(self.lower.node.lock().unwrap().clone()),
            upper: Arc::clone(&self.upper),
            lower_seats: Arc::default(),
            upper_seats: Arc::clone(&self.upper_seats),
        }
    }

    fn draw() -> Draw {
        let drawn = AtomicU64::new(1);
        Arc::new(move || {
            let next = drawn.fetch_add(1, Ordering::Relaxed);
            next.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        })
    }

    fn admit(&self) -> Admit {
        let (ground, port) = (Arc::clone(&self.ground), Arc::clone(&self.upper));
        Arc::new(move |chain, name| {
            assert_eq!((chain.len(), name), (1, Some(NAME)));
            if ground.refuse.load(Ordering::Relaxed) {
                return Err(Refused("not registered".into()));
            }
            ground.admitted.fetch_add(1, Ordering::Relaxed);
            Ok(Admitted {
                port: Arc::clone(&port) as Arc<dyn Port>,
                link: LINK.into(),
            })
        })
    }

    pub(super) async fn listen(&self) -> (SocketAddr, Task) {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let listener = Listener {
            tls: Arc::clone(&self.ground.tls),
            admit: self.admit(),
            seats: Arc::clone(&self.upper_seats),
            places: Ports::with_room_for(100).port(self.ground.places),
            draw: Self::draw(),
            limits: self.ground.limits.clone(),
        };
        (address, Task::spawn(|stop| listener.run(socket, stop)))
    }

    pub(super) fn dial(&self, address: String) -> Task {
        self.dial_with(address, self.ground.known())
    }

    pub(super) fn dial_with(&self, address: String, config: Arc<ClientConfig>) -> Task {
        self.dial_both(address, None, config)
    }

    /// Dials one address, and the other where the first leads to somebody else.
    pub(super) fn dial_or(&self, address: String, otherwise: String) -> Task {
        let lower = Arc::clone(&self.lower);
        let otherwise = Otherwise {
            address: otherwise,
            needed: Arc::new(move || lower.seen.send_modify(|seen| seen.otherwise += 1)),
        };
        self.dial_both(address, Some(otherwise), self.ground.known())
    }

    fn dial_both(
        &self,
        address: String,
        otherwise: Option<Otherwise>,
        config: Arc<ClientConfig>,
    ) -> Task {
        let ground = Arc::clone(&self.ground);
        let dialer = Dialer {
            address,
            otherwise,
            link: LINK.into(),
            port: Arc::clone(&self.lower) as Arc<dyn Port>,
            seats: Arc::clone(&self.lower_seats),
            credentials: Arc::new(move || {
                ground.dials.send_modify(|dials| *dials += 1);
                Presenting {
                    config: Arc::clone(&config),
                    name: ServerName::try_from(NAME).unwrap(),
                    valid_ms: (i64::MIN, i64::MAX),
                }
            }),
            draw: Self::draw(),
            limits: self.ground.limits.clone(),
        };
        Task::spawn(|stop| dialer.run(stop))
    }

    pub(super) fn local(&self) -> Task {
        let (chain, _) = self.ground.authority.leaf("lower.fq.internal");
        let ground = Arc::clone(&self.ground);
        let local = LocalLink {
            port: Arc::clone(&self.lower) as Arc<dyn Port>,
            link: LINK.into(),
            presented: Arc::new(move || {
                ground.dials.send_modify(|dials| *dials += 1);
                (chain.clone(), NAME.into())
            }),
            admit: self.admit(),
            seats: Arc::clone(&self.lower_seats),
            draw: Self::draw(),
            limits: self.ground.limits.clone(),
        };
        Task::spawn(|stop| local.run(stop))
    }

    /// Resolves when both ends know that all has arrived.
    pub(super) async fn all_arrived(&self) {
        let done = |node: &FakeNode| {
            LANES
                .into_iter()
                .enumerate()
                .all(|(at, lane)| node.acknowledged[at] == node.last(lane).sequence)
        };
        self.lower.until_node(done).await;
        self.upper.until_node(done).await;
    }

    pub(super) fn assert_all_arrived(&self) {
        let (lower, upper) = (
            self.lower.node.lock().unwrap(),
            self.upper.node.lock().unwrap(),
        );
        for lane in LANES {
            assert!(upper.payloads(lane) == lower.owed(lane), "{lane:?} up");
            assert!(lower.payloads(lane) == upper.owed(lane), "{lane:?} down");
        }
    }
}
