//! The lower side: dials the parent, and dials again.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use fengqiao_proto::v1 as pb;
use pb::link_service_client::LinkServiceClient;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};

use super::down::{Down, OwnTime};
use super::run::{Ending, drive, keep_trying};
use super::seat::{Leave, Seats};
use super::{
    Draw, ERROR_RESETS_MAX, FRAMES_QUEUED, HEADER_BYTES_MAX, Limits, PENDING_RESETS_MAX, Port,
    WINDOW_BYTES,
};
use crate::dial::{Dial, TlsVerdict, Unreached, Why};
use crate::replication::session::{Code, Session};

/// What is presented and whom to expect, asked at every dial, so that a renewed certificate is used at the next one.
pub(super) type Credentials = Arc<dyn Fn() -> Presenting + Send + Sync>;

/// What a dialling node shows, and whom it expects.
#[derive(Clone)]
pub(crate) struct Presenting {
    /// TLS of this end.
    pub config: Arc<ClientConfig>,
    /// The name that the other end must prove.
    pub name: ServerName<'static>,
    /// When this end's certificate begins and ends, Unix milliseconds.
    pub valid_ms: (i64, i64),
}

impl fmt::Debug for Presenting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presenting")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A second address, for when the first leads to somebody else. Who answers there proves who it is, as ever.
#[derive(Clone)]
pub(crate) struct Otherwise {
    /// `host:port`.
    pub address: String,
    /// Told when it was the second address that led to the parent.
    pub needed: Arc<dyn Fn() + Send + Sync>,
}

/// Keeps the link to one parent.
#[derive(Clone)]
pub(crate) struct Dialer {
    /// `host:port` of the parent, looked up at every dial.
    pub address: String,
    /// Where else it may be.
    pub otherwise: Option<Otherwise>,
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

impl fmt::Debug for Otherwise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Otherwise")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
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
    pub(crate) async fn run(self, stop: impl Future<Output = ()>) {
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
        let presenting = (self.credentials)();
        let reached = tokio::select! {
            reached = self.reach(&presenting) => reached,
            _ = leave.asked() => return Ending::cut(),
        };
        let ended = match reached {
            Ok((channel, verdict)) => self.exchange(channel, &verdict, &presenting, leave).await,
            Err(unreached) => Err(self.down(unreached, &presenting)),
        };
        ended.unwrap_or_else(|why| {
            self.port.down(&self.link, why);
            Ending::cut()
        })
    }

    /// The parent where it is said to be, or where else it may be.
    async fn reach(&self, presenting: &Presenting) -> Result<(Channel, TlsVerdict), Unreached> {
        let first = self.reach_at(&self.address, presenting).await;
        let (Err(unreached), Some(otherwise)) = (&first, &self.otherwise) else {
            return first;
        };
        if !self.down(unreached.clone(), presenting).is_another_node() {
            return first;
        }
        let second = self.reach_at(&otherwise.address, presenting).await;
        if second.is_ok() {
            (otherwise.needed)();
            return second;
        }
        first
    }

    async fn reach_at(
        &self,
        address: &str,
        presenting: &Presenting,
    ) -> Result<(Channel, TlsVerdict), Unreached> {
        let dial = Dial {
            address,
            from: None,
            name: presenting.name.clone(),
            config: Arc::clone(&presenting.config),
            limit: self.limits.connect_timeout,
        };
        let connection = dial.connect().await?;
        let verdict = connection.verdict.clone();
        let channel = connection.channel(endpoint(&self.limits)).await?;
        Ok((channel, verdict))
    }

    fn down(&self, unreached: Unreached, presenting: &Presenting) -> Down {
        let (begins_ms, ends_ms) = presenting.valid_ms;
        let own = OwnTime {
            begins_ms,
            ends_ms,
            now_ms: self.port.now_ms(),
        };
        Down::of_dial(unreached, own)
    }

    async fn exchange(
        &self,
        channel: Channel,
        verdict: &TlsVerdict,
        presenting: &Presenting,
        leave: Leave,
    ) -> Result<Ending, Down> {
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
            Ok(Err(status)) => return Err(self.refused(&status, verdict, presenting)),
            Err(_) => {
                let address = verdict.unreached().address;
                return Err(Down::Unreached(Unreached {
                    address,
                    why: Why::Silent,
                }));
            }
        };
        let Some(identity) = self.port.identity(&self.link) else {
            return Err(Down::Session(Code::Revoked));
        };
        let node = identity.node;
        let Some(seat) = self.seats.take(node, &self.link, leave).await else {
            return Ok(Ending::cut());
        };
        let session = Session::lower(identity, self.limits.session.clone());
        let incoming =
            incoming.map(|response| response.map(|response| response.frame.unwrap_or_default()));
        let port = Arc::clone(&self.port);
        let ending = drive(session, seat, port, &self.link, incoming, outgoing).await;
        if ending.was_open {
            return Ok(ending);
        }
        // With TLS 1.3 a refused certificate may show as late as here.
        let why = if ending.code == Code::Cut {
            self.down(verdict.unreached(), presenting)
        } else {
            Down::Session(ending.code)
        };
        self.port.down(&self.link, why);
        Ok(ending)
    }

    /// Why the other end did not take the stream.
    fn refused(
        &self,
        status: &tonic::Status,
        verdict: &TlsVerdict,
        presenting: &Presenting,
    ) -> Down {
        let unreached = verdict.unreached();
        if unreached.why != Why::Broken {
            return self.down(unreached, presenting);
        }
        #[allow(
            clippy::wildcard_enum_match_arm,
            reason = "under which code a broken connection shows depends on timing"
        )]
        match status.code() {
            // The enrol port has another service.
            tonic::Code::Unimplemented => Down::EnrolPort(unreached.address),
            tonic::Code::PermissionDenied => Down::Unlinked(unreached.address),
            _ => Down::Unreached(unreached),
        }
    }
}

/// Every limit of the client is named: what tonic leaves open by default is no limit.
#[must_use]
pub(super) fn endpoint(limits: &Limits) -> Endpoint {
    // The name in requests; who is at the other end is proven by TLS before.
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
