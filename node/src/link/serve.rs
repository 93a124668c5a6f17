//! The upper side: accepts children and departments, each connection bound to the peer its handshake proved.
//!
//! Every connection has a service of its own, made from the peer's certificate, so that no request can speak for
//! another link. A connection carries one session; when that is over, so is the connection.

use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use fengqiao_proto::v1 as pb;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use pb::link_service_server::{LinkService, LinkServiceServer};
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};

use super::run::drive;
use super::seat::{Leave, Seats};
use super::{
    Draw, ERROR_RESETS_MAX, FRAMES_QUEUED, HEADER_BYTES_MAX, Limits, PENDING_RESETS_MAX, Port,
    WINDOW_BYTES, nonce,
};
use crate::ports::{self, Connections, Placed};
use crate::replication::session::{Code, Session};

/// For a connection whose session is over to close by itself.
const CLOSE_GRACE: Duration = Duration::from_secs(2);
/// For all connections to close when the process stops.
const DRAIN_GRACE: Duration = Duration::from_secs(5);

/// Whom a connection speaks for.
#[derive(Clone)]
pub(crate) struct Admitted {
    /// The hosted node that was dialled.
    pub port: Arc<dyn Port>,
    /// Its link to the peer.
    pub link: String,
}

impl fmt::Debug for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admitted")
            .field("link", &self.link)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Admitted {
    /// The two ends.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = self.port.identity(&self.link);
        let own = own.map(|identity| identity.node).unwrap_or_default();
        write!(f, "{own} {}", self.link)
    }
}

/// A peer with a sound certificate that has no link here.
#[derive(Debug, thiserror::Error)]
#[error("no link for this peer")]
pub(crate) struct Refused(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// The one identity check: the peer's chain as its handshake proved it, and the name it dialled.
pub(crate) type Admit = Arc<
    dyn Fn(&[CertificateDer<'static>], Option<&str>) -> Result<Admitted, Refused> + Send + Sync,
>;

/// Listens for lower sides.
#[derive(Clone)]
pub(crate) struct Listener {
    /// TLS, exchanged without a restart; holds from the next handshake on.
    pub tls: Arc<ArcSwap<ServerConfig>>,
    /// Who is whose.
    pub admit: Admit,
    /// The process's sessions.
    pub seats: Arc<Seats>,
    /// Its places for connections.
    pub places: ports::Port,
    /// For nonces.
    pub draw: Draw,
    /// Bounds.
    pub limits: Limits,
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

impl Listener {
    /// Accepts until `stop` resolves; then its sessions say Goodbye, and this returns when the connections are closed,
    /// at the latest after five seconds.
    pub(crate) async fn run(self, socket: TcpListener, stop: impl Future<Output = ()>) {
        let stopping = Leave::default();
        let mut connections = JoinSet::new();
        let mut incoming = Connections::new(socket, self.places.clone());
        let mut stop = pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                Some(_) = connections.join_next() => continue,
                accepted = incoming.next() => accepted,
            };
            if let Some(Ok(accepted)) = accepted {
                connections.spawn(self.clone().serve(accepted, stopping.clone()));
            }
        }
        stopping.ask(Code::Draining);
        let drained = async { while connections.join_next().await.is_some() {} };
        drop(tokio::time::timeout(DRAIN_GRACE, drained).await);
    }

    /// One connection from its handshake to its end.
    async fn serve(self, accepted: Placed<TcpStream>, stopping: Leave) {
        let Placed { stream, mut place } = accepted;
        let Ok(address) = stream
            .peer_addr()
            .map(|address| address.ip().to_canonical())
        else {
            return;
        };
        let shaking = tokio::time::timeout(self.limits.handshake_timeout, self.accept(stream));
        let shaken = tokio::select! {
            shaken = shaking => shaken,
            () = place.told_to_go() => {
                tracing::debug!(%address, "a handshake gave way");
                return;
            }
        };
        let tls = match shaken {
            Ok(Ok(tls)) => tls,
            Ok(Err(error)) => {
                tracing::warn!(%address, %error, "a handshake was refused");
                return;
            }
            Err(_) => {
                tracing::debug!(%address, "a handshake stalled");
                return;
            }
        };
        let (_, proven) = tls.get_ref();
        let chain = proven.peer_certificates().unwrap_or_default();
        let admitted = (self.admit)(chain, proven.server_name());
        match &admitted {
            Ok(admitted) => place.known_as(&admitted.to_string()),
            Err(error) => {
                let why = error.0.to_string();
                tracing::warn!(%address, why, "a peer has no link here");
            }
        }
        // One that is refused is told so: a connection that only ends looks like any other cut.
        let connection = Placed { stream: tls, place };
        self.carry(connection, admitted.ok(), stopping).await;
    }

    async fn accept(&self, tcp: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        tcp.set_nodelay(true)?;
        TlsAcceptor::from(self.tls.load_full()).accept(tcp).await
    }

    async fn carry(
        self,
        connection: Placed<TlsStream<TcpStream>>,
        admitted: Option<Admitted>,
        stopping: Leave,
    ) {
        let leave = Leave::default();
        let (exchanges, mut watched) = watch::channel(Exchanges::default());
        let bytes_max = self.limits.message_bytes_max();
        let builder = self.http2();
        let (age, unused) = (self.limits.connection_age, self.limits.handshake_timeout);
        let service = LinkServiceServer::new(Connection {
            listener: self,
            admitted,
            leave: leave.clone(),
            exchanges: Arc::new(exchanges),
        })
        .max_decoding_message_size(bytes_max)
        .max_encoding_message_size(bytes_max);
        let service = TowerToHyperService::new(service);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(connection), service));
        let mut aged = pin!(tokio::time::sleep(age));
        let mut unused = pin!(tokio::time::sleep(unused));
        // Whether a session began, or the time for it is over.
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = watched.wait_for(|exchanges| exchanges.begun > 0) => {}
            () = &mut unused => return,
            _ = stopping.asked() => return,
        }
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = watched.wait_for(|exchanges| exchanges.running == 0) => {}
            () = &mut aged => leave.ask(Code::Age),
            code = stopping.asked() => leave.ask(code),
        }
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = watched.wait_for(|exchanges| exchanges.running == 0) => {}
            () = tokio::time::sleep(CLOSE_GRACE) => {}
        }
        connection.as_mut().graceful_shutdown();
        drop(tokio::time::timeout(CLOSE_GRACE, connection).await);
    }

    /// Every limit of the server is named.
    fn http2(&self) -> hyper::server::conn::http2::Builder<TokioExecutor> {
        let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            // Nothing on the wire but what a seed decides.
            .auto_date_header(false)
            .keep_alive_interval(self.limits.keepalive_interval)
            .keep_alive_timeout(self.limits.keepalive_timeout)
            .max_concurrent_streams(self.limits.streams_max)
            .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
            .max_local_error_reset_streams(ERROR_RESETS_MAX)
            .max_header_list_size(HEADER_BYTES_MAX)
            .adaptive_window(false)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES);
        builder
    }
}

/// Sessions of one connection.
#[derive(Debug, Default)]
struct Exchanges {
    begun: usize,
    running: usize,
}

/// The service of one connection.
struct Connection {
    listener: Listener,
    /// `None` for a peer that has no link here.
    admitted: Option<Admitted>,
    leave: Leave,
    exchanges: Arc<watch::Sender<Exchanges>>,
}

/// Counts one session of a connection while it runs.
struct Running(Arc<watch::Sender<Exchanges>>);

impl Running {
    fn begin(exchanges: &Arc<watch::Sender<Exchanges>>) -> Self {
        exchanges.send_modify(|exchanges| {
            exchanges.begun += 1;
            exchanges.running += 1;
        });
        Self(Arc::clone(exchanges))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.send_modify(|exchanges| exchanges.running -= 1);
    }
}

#[tonic::async_trait]
impl LinkService for Connection {
    type ExchangeStream =
        Pin<Box<dyn Stream<Item = Result<pb::ExchangeResponse, Status>> + Send + 'static>>;

    async fn exchange(
        &self,
        request: Request<Streaming<pb::ExchangeRequest>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        let unlinked = || Status::permission_denied("no such link");
        let Admitted { port, link } = self.admitted.clone().ok_or_else(unlinked)?;
        let identity = port.identity(&link).ok_or_else(unlinked)?;
        let incoming = request
            .into_inner()
            .map(|request| request.map(|request| request.frame.unwrap_or_default()));
        let (outgoing, frames) = mpsc::channel(FRAMES_QUEUED);
        let (seats, leave) = (Arc::clone(&self.listener.seats), self.leave.clone());
        let nonce = nonce(&self.listener.draw);
        let session_limits = self.listener.limits.session.clone();
        let running = Running::begin(&self.exchanges);
        // A task of its own: the answer goes out at once, and the session outlives no stream, because it ends with it.
        tokio::spawn(async move {
            let _running = running;
            let seat = seats.take(identity.node, &link, leave).await;
            if let Some(seat) = seat {
                let session = Session::upper(identity, nonce, session_limits);
                drive(session, seat, port, &link, incoming, outgoing).await;
            }
        });
        let responses = ReceiverStream::new(frames)
            .map(|frame| Ok(pb::ExchangeResponse { frame: Some(frame) }));
        Ok(Response::new(Box::pin(responses)))
    }
}
