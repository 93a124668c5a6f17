//! The lower side: dials the parent, and dials again.

use std::fmt;
use std::io;
use std::pin::pin;
use std::sync::Arc;

use fengqiao_proto::v1 as pb;
use hyper_util::rt::TokioIo;
use pb::link_service_client::LinkServiceClient;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};

use super::run::{Ending, drive, keep_trying};
use super::seat::{Leave, Seats};
use super::{
    Draw, ERROR_RESETS_MAX, FRAMES_QUEUED, HEADER_BYTES_MAX, Limits, PENDING_RESETS_MAX, Port,
    WINDOW_BYTES,
};
use crate::replication::session::{Code, Session};

/// What is presented and whom to expect, asked at every dial, so that a renewed certificate is used at the next one.
pub type Credentials = Arc<dyn Fn() -> (Arc<ClientConfig>, ServerName<'static>) + Send + Sync>;

/// Keeps the link to one parent.
#[derive(Clone)]
pub struct Dialer {
    /// `host:port` of the parent, looked up at every dial.
    pub address: String,
    /// Name of the link at this node.
    pub link: String,
    /// The node.
    pub port: Arc<dyn Port>,
    /// The process's sessions.
    pub seats: Arc<Seats>,
    /// TLS, as it is at the moment of a dial.
    pub credentials: Credentials,
    /// For pauses.
    pub draw: Draw,
    /// Bounds.
    pub limits: Limits,
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer")
            .field("address", &self.address)
            .field("link", &self.link)
            .finish_non_exhaustive()
    }
}

impl Dialer {
    /// Dials, runs the session, pauses, dials again, until `stop` resolves; then says Goodbye and returns.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let stopping = Leave::default();
        let attempt = |leave| self.attempt(leave);
        let mut trying = pin!(keep_trying(&self.limits, &self.draw, &stopping, attempt));
        tokio::select! {
            () = &mut trying => {}
            () = stop => {
                stopping.ask(Code::Draining);
                trying.await;
            }
        }
    }

    /// One session from the dial to its end.
    async fn attempt(&self, leave: Leave) -> Ending {
        let connect = tokio::time::timeout(self.limits.connect_timeout, self.connect());
        let connected = tokio::select! {
            connected = connect => connected,
            _ = leave.asked() => return Ending::cut(),
        };
        match connected {
            Ok(Ok(channel)) => self.exchange(channel, leave).await,
            Ok(Err(error)) => {
                let (link, error) = (&self.link, chain(&error));
                tracing::debug!(link, error, "the parent was not reached");
                Ending::cut()
            }
            Err(_) => Ending::cut(),
        }
    }

    async fn connect(&self) -> Result<Channel, tonic::transport::Error> {
        let (config, name) = (self.credentials)();
        let connector = TlsConnector::from(config);
        let address = self.address.clone();
        let connect = tower::service_fn(move |_: tonic::codegen::http::Uri| {
            let (connector, address, name) = (connector.clone(), address.clone(), name.clone());
            async move {
                connect_tls(connector, &address, name)
                    .await
                    .map(TokioIo::new)
            }
        });
        self.endpoint().connect_with_connector(connect).await
    }

    /// Every limit of the client is named: what tonic leaves open by default is no limit.
    fn endpoint(&self) -> Endpoint {
        let limits = &self.limits;
        // The name in requests; who is at the other end is proven by TLS in the connector.
        Endpoint::from_static("http://link.fq.internal")
            .connect_timeout(limits.connect_timeout)
            .http2_keep_alive_interval(limits.keepalive_interval)
            .keep_alive_timeout(limits.keepalive_timeout)
            .keep_alive_while_idle(true)
            .http2_adaptive_window(false)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .http2_max_header_list_size(HEADER_BYTES_MAX)
            .http2_max_concurrent_reset_streams(PENDING_RESETS_MAX)
            .http2_max_local_error_reset_streams(ERROR_RESETS_MAX)
    }

    async fn exchange(&self, channel: Channel, leave: Leave) -> Ending {
        let bytes_max = self.limits.message_bytes_max();
        let mut client = LinkServiceClient::new(channel)
            .max_decoding_message_size(bytes_max)
            .max_encoding_message_size(bytes_max);
        let (outgoing, frames) = mpsc::channel(FRAMES_QUEUED);
        let requests =
            ReceiverStream::new(frames).map(|frame| pb::ExchangeRequest { frame: Some(frame) });
        let answer =
            tokio::time::timeout(self.limits.handshake_timeout, client.exchange(requests)).await;
        let incoming = match answer {
            Ok(Ok(response)) => response.into_inner(),
            Ok(Err(status)) => {
                // With TLS 1.3 a refused certificate shows here, under codes that depend on timing: none is decided on.
                let (link, code) = (&self.link, status.code());
                tracing::debug!(link, ?code, "the parent did not take the stream");
                return Ending::cut();
            }
            Err(_) => return Ending::cut(),
        };
        let Some(identity) = self.port.identity(&self.link) else {
            return Ending::cut();
        };
        let node = identity.node;
        let Some(seat) = self.seats.take(node, &self.link, leave).await else {
            return Ending::cut();
        };
        let session = Session::lower(identity, self.limits.session.clone());
        let incoming =
            incoming.map(|response| response.map(|response| response.frame.unwrap_or_default()));
        let port = Arc::clone(&self.port);
        drive(session, seat, port, &self.link, incoming, outgoing).await
    }
}

async fn connect_tls(
    connector: TlsConnector,
    address: &str,
    name: ServerName<'static>,
) -> io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    connector.connect(name, tcp).await
}

/// An error with its sources, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
