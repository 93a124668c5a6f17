//! The enrol port: joins and renewals over TLS, carried to the node.
//!
//! Takes connections without a certificate (a join) or with one up to a year
//! too old (a renewal); who it is, is known from the handshake. Decides nothing
//! but how often one address may try. Everything is bounded: handshakes at
//! once, their time, the size of a request, the age of a connection.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use fengqiao_hub::clock::Moment;
use fengqiao_proto::v1 as pb;
use jiff::Timestamp;
use pb::enrol_service_server::{EnrolService, EnrolServiceServer};
use rustls::time_provider::TimeProvider;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;
use tonic::{Request, Response, Status};

use super::EnrolRefusal;
use super::refusal::{INTRODUCTIONS_PER_MINUTE, JOINS_PER_MINUTE, Rate};
use crate::ports::{self, Connections, Placed, PortLimits};
use crate::trust::tls::{HostedNodes, Port, TlsError, Trust, code_of};
use crate::trust::{Code, PeerIdentity};

/// Places of an enrol port: a join takes a second, and a region's offices may stand behind one address.
pub(crate) const PLACES: PortLimits = PortLimits {
    strangers_max: 64,
    strangers_a_network_max: 16,
    known_max: 256,
};

/// Places of an enrol port that shares its process with no other port.
#[must_use]
pub fn places_of_its_own() -> ports::Port {
    ports::Ports::with_room_for(PLACES.known_max).port(PLACES)
}

/// Connections that have shaken hands and wait to be served.
const WAITING_MAX: usize = 64;
/// Until a handshake is given up.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Until a request is given up.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// After this a connection is ended.
pub(super) const CONNECTION_AGE: Duration = Duration::from_secs(120);
/// The largest request taken in.
pub(super) const REQUEST_BYTES_MAX: usize = 64 << 10;

/// What the node does with a request: asks its engine, which stores before it
/// answers.
#[tonic::async_trait]
pub trait EnrolDesk: Send + Sync + 'static {
    /// Judges a join.
    ///
    /// # Errors
    /// An [`EnrolRefusal`]: nothing was changed.
    async fn join(&self, request: pb::JoinRequest) -> Result<pb::JoinResponse, EnrolRefusal>;

    /// Judges a renewal of the node that opened the connection.
    ///
    /// # Errors
    /// An [`EnrolRefusal`].
    async fn renew(
        &self,
        peer: PeerIdentity,
        request: pb::RenewRequest,
    ) -> Result<pb::RenewResponse, EnrolRefusal>;

    /// Says who the node of a place is.
    ///
    /// # Errors
    /// [`EnrolRefusal::NOT_ENROLLED_HERE`] where no node of that place runs.
    fn introduce(
        &self,
        request: &pb::IntroduceRequest,
    ) -> Result<pb::IntroduceResponse, EnrolRefusal>;
}

/// Everything the port is put together from.
#[derive(Debug)]
pub struct EnrolServer {
    /// Whom the process believes.
    pub trust: Trust,
    /// What it shows.
    pub hosted: Arc<HostedNodes>,
    /// Name of the node that is shown to who names none of them.
    pub fallback: Option<String>,
    /// Its places for connections.
    pub places: ports::Port,
    /// The clock certificates are judged by; the one `trust` was made with.
    pub time: Arc<dyn TimeProvider>,
}

impl EnrolServer {
    /// Serves until `shutdown` is ready, then answers what is under way.
    ///
    /// # Errors
    /// TLS cannot be set up, or the port cannot be served.
    pub async fn serve(
        self,
        listener: TcpListener,
        desk: Arc<dyn EnrolDesk>,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), ServeError> {
        let config = self
            .trust
            .server_config(Port::Enrol, &self.hosted, self.fallback.clone())?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (connections, incoming) = mpsc::channel(WAITING_MAX);
        let accepting = AbortOnDrop(tokio::spawn(accept(listener, acceptor, self, connections)));
        let service = EnrolServiceServer::new(Service {
            desk,
            joins: Mutex::new(Rate::of(JOINS_PER_MINUTE)),
            introductions: Mutex::new(Rate::of(INTRODUCTIONS_PER_MINUTE)),
            started: Instant::now(),
        })
        .max_decoding_message_size(REQUEST_BYTES_MAX);
        let served = tonic::transport::Server::builder()
            .timeout(REQUEST_TIMEOUT)
            .concurrency_limit_per_connection(1)
            .max_connection_age(CONNECTION_AGE)
            .max_connection_age_grace(REQUEST_TIMEOUT)
            .http2_keepalive_interval(Some(Duration::from_secs(20)))
            .http2_keepalive_timeout(Some(Duration::from_secs(10)))
            .http2_max_header_list_size(16 << 10)
            .add_service(service)
            .serve_with_incoming_shutdown(ReceiverStream::new(incoming), async {
                shutdown.await;
                drop(accepting);
            })
            .await;
        Ok(served?)
    }
}

/// Why the port is not served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// TLS cannot be set up.
    #[error("TLS of the enrol port")]
    Tls(#[from] TlsError),
    /// The server ended.
    #[error("the enrol port")]
    Server(#[from] tonic::transport::Error),
}

/// Ends a task with the future that owns it.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Takes connections in and hands those on that have shaken hands.
async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    server: EnrolServer,
    connections: mpsc::Sender<io::Result<Connection>>,
) {
    let mut incoming = Connections::new(listener, server.places.clone());
    let server = Arc::new(server);
    while let Some(Ok(accepted)) = incoming.next().await {
        let Ok(address) = accepted.stream.peer_addr() else {
            continue;
        };
        let (acceptor, server) = (acceptor.clone(), Arc::clone(&server));
        let connections = connections.clone();
        tokio::spawn(async move {
            let shaken = shake_hands(&acceptor, &server, accepted, address);
            match tokio::time::timeout(HANDSHAKE_TIMEOUT, shaken).await {
                // Fails only when the port is closing.
                Ok(Ok(connection)) => drop(connections.send(Ok(connection)).await),
                Ok(Err(error)) => refused(address.ip(), &error),
                Err(_) => tracing::debug!(ip = %address.ip(), "a handshake took too long"),
            }
        });
    }
}

fn refused(ip: IpAddr, error: &io::Error) {
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let code = tls.and_then(code_of).map_or("", Code::as_str);
    tracing::info!(%ip, code, %error, "a connection to the enrol port was refused");
}

async fn shake_hands(
    acceptor: &TlsAcceptor,
    server: &EnrolServer,
    accepted: Placed<TcpStream>,
    address: SocketAddr,
) -> io::Result<Connection> {
    let Placed { stream, mut place } = accepted;
    stream.set_nodelay(true)?;
    let stream = tokio::select! {
        stream = acceptor.accept(stream) => stream?,
        () = place.told_to_go() => return Err(io::ErrorKind::ConnectionAborted.into()),
    };
    let now = server
        .time
        .current_time()
        .and_then(|now| i64::try_from(now.as_secs()).ok())
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .ok_or_else(|| io::Error::other("no clock"))?;
    let peer = server
        .trust
        .peer(Port::Enrol, stream.get_ref().1.peer_certificates(), now)
        .map_err(io::Error::other)?;
    if let Some(peer) = peer.as_ref().filter(|peer| server.trust.is_pinned(peer)) {
        place.known_as(&peer.node().to_string());
    }
    Ok(Connection {
        stream: Placed { stream, place },
        who: Who { address, peer },
    })
}

/// Who opened a connection.
#[derive(Debug, Clone)]
struct Who {
    address: SocketAddr,
    peer: Option<PeerIdentity>,
}

/// A connection after its handshake.
struct Connection {
    stream: Placed<TlsStream<TcpStream>>,
    who: Who,
}

impl Connected for Connection {
    type ConnectInfo = Who;

    fn connect_info(&self) -> Who {
        self.who.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

struct Service {
    desk: Arc<dyn EnrolDesk>,
    joins: Mutex<Rate>,
    introductions: Mutex<Rate>,
    started: Instant,
}

impl Service {
    /// The wall clock may be set; the rate is counted by one that is not.
    fn admit(&self, rate: &Mutex<Rate>, address: IpAddr) -> Result<(), EnrolRefusal> {
        let elapsed = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        let mut rate = rate.lock().unwrap_or_else(PoisonError::into_inner);
        if rate.admit(address, Moment(elapsed)) {
            Ok(())
        } else {
            Err(EnrolRefusal::RATE)
        }
    }
}

fn who<T>(request: &Request<T>) -> Result<Who, Status> {
    let who = request.extensions().get::<Who>();
    who.cloned()
        .ok_or_else(|| Status::internal("the connection is not known"))
}

fn answer<T>(
    method: &'static str,
    ip: IpAddr,
    result: Result<T, EnrolRefusal>,
) -> Result<Response<T>, Status> {
    match result {
        Ok(answer) => {
            tracing::info!(method, %ip, "granted");
            Ok(Response::new(answer))
        }
        Err(refusal) => {
            tracing::warn!(method, %ip, code = refusal.code, "refused");
            Err(refusal.to_status())
        }
    }
}

#[tonic::async_trait]
impl EnrolService for Service {
    async fn join(
        &self,
        request: Request<pb::JoinRequest>,
    ) -> Result<Response<pb::JoinResponse>, Status> {
        let ip = who(&request)?.address.ip();
        let result = match self.admit(&self.joins, ip) {
            Ok(()) => self.desk.join(request.into_inner()).await,
            Err(refusal) => Err(refusal),
        };
        answer("join", ip, result)
    }

    async fn renew(
        &self,
        request: Request<pb::RenewRequest>,
    ) -> Result<Response<pb::RenewResponse>, Status> {
        let who = who(&request)?;
        let result = match who.peer {
            Some(peer) => self.desk.renew(peer, request.into_inner()).await,
            None => Err(Code::CertificateMissing.into()),
        };
        answer("renew", who.address.ip(), result)
    }

    async fn introduce(
        &self,
        request: Request<pb::IntroduceRequest>,
    ) -> Result<Response<pb::IntroduceResponse>, Status> {
        let ip = who(&request)?.address.ip();
        let result = self
            .admit(&self.introductions, ip)
            .and_then(|()| self.desk.introduce(&request.into_inner()));
        answer("introduce", ip, result)
    }
}
