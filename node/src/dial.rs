//! One TLS connection to another node, and why there is none.
//!
//! Each address of a name has a limit of its own, and they are tried as in RFC 8305: the families in turn, the next one
//! when the one before has failed or has not answered for a quarter of a second. An address counts as reached when TLS
//! has proven who stands there, so that one which answers as somebody else holds up none. Nothing is sent before that.
//! What TLS says after the handshake is remembered: in version 1.3 the other end refuses a certificate only then, and the
//! layers above keep no more than that the connection broke. Dials once; when to dial again is for others.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, ClientConfig};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};

use crate::trust::Code;
use crate::trust::tls::code_of;

/// Between two addresses, as RFC 8305 recommends.
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 16;

/// Whom to dial, and how to know it.
#[derive(Clone)]
pub(crate) struct Dial<'a> {
    /// `host:port`, looked up at each dial.
    pub address: &'a str,
    /// From which address of this machine, where it matters.
    pub from: Option<Ipv4Addr>,
    /// The name the other end must prove.
    pub name: ServerName<'static>,
    /// What is shown, and who is believed.
    pub config: Arc<ClientConfig>,
    /// For the look-up, and for each address with its handshake.
    pub limit: Duration,
}

impl std::fmt::Debug for Dial<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Dial")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Why a node was not reached, and where it was looked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", self.english())]
pub struct Unreached {
    /// The address that tells the most; as given where there is none.
    pub address: String,
    /// Why.
    pub why: Why,
}

/// Why a node was not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The name service knows no such name.
    Name,
    /// Nothing came back.
    Silent,
    /// The network knows no way there.
    NoRoute,
    /// The machine is there, and nothing listens on that port.
    NobodyListens,
    /// The connection ended without a word.
    Broken,
    /// Something listens that speaks no TLS, or not this one.
    NotANode,
    /// This end refuses what the other one shows.
    Theirs(Code),
    /// The other end refuses what this one shows.
    Ours(Code),
}

impl Unreached {
    fn of(address: impl ToString, why: Why) -> Self {
        Self {
            address: address.to_string(),
            why,
        }
    }

    /// In English, without a full stop.
    #[must_use]
    pub fn english(&self) -> String {
        let at = &self.address;
        match self.why {
            Why::Name => format!("the name in {at} is not found"),
            Why::Silent => format!("{at} does not answer"),
            Why::NoRoute => format!("there is no route to {at}"),
            Why::NobodyListens => format!("nobody listens at {at}"),
            Why::Broken => format!("{at} ended the connection without a word"),
            Why::NotANode => format!("what listens at {at} is not a node's port"),
            Why::Theirs(Code::CertificateName) => format!("another node answers at {at}"),
            Why::Theirs(code) => format!("the certificate shown at {at}: {}", bare(code.english())),
            Why::Ours(code) => format!("{at} refuses this node: {}", bare(code.english())),
        }
    }

    /// In Chinese, without a full stop.
    #[must_use]
    pub fn chinese(&self) -> String {
        let at = &self.address;
        match self.why {
            Why::Name => format!("无法解析 {at} 中的名称"),
            Why::Silent => format!("{at} 无应答"),
            Why::NoRoute => format!("没有到 {at} 的路由"),
            Why::NobodyListens => format!("{at} 无人监听"),
            Why::Broken => format!("{at} 未作说明即断开连接"),
            Why::NotANode => format!("{at} 上监听的不是节点端口"),
            Why::Theirs(Code::CertificateName) => format!("{at} 应答的是另一个节点"),
            Why::Theirs(code) => format!("{at} 出示的证书：{}", bare(code.chinese())),
            Why::Ours(code) => format!("{at} 拒绝本节点：{}", bare(code.chinese())),
        }
    }
}

/// A sentence as part of another one.
fn bare(sentence: &str) -> &str {
    sentence.trim_end_matches(['.', '。'])
}

/// An open connection whose other end is proven.
pub(crate) struct Connection {
    stream: Watched,
    /// What the other end has shown, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// What TLS says of it later.
    pub verdict: TlsVerdict,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Connection")
            .field("verdict", &self.verdict)
            .finish_non_exhaustive()
    }
}

/// Why TLS ended a connection that stood; empty as long as it did not.
#[derive(Debug, Clone, Default)]
pub(crate) struct TlsVerdict {
    address: String,
    why: Arc<OnceLock<Why>>,
}

impl TlsVerdict {
    /// What TLS said, or else that the connection broke.
    #[must_use]
    pub(crate) fn unreached(&self) -> Unreached {
        let why = self.why.get().copied().unwrap_or(Why::Broken);
        Unreached::of(&self.address, why)
    }
}

impl Connection {
    /// HTTP/2 over it. It is never opened anew behind the caller's back.
    ///
    /// # Errors
    /// [`Unreached`]: the other end ended it.
    pub(crate) async fn channel(self, endpoint: Endpoint) -> Result<Channel, Unreached> {
        let mut stream = Some(TokioIo::new(self.stream));
        let once = tower::service_fn(move |_: tonic::codegen::http::Uri| {
            let stream = stream.take();
            async { stream.ok_or_else(|| io::Error::other("the connection ended")) }
        });
        let channel = endpoint.connect_with_connector(once).await;
        channel.map_err(|_| self.verdict.unreached())
    }
}

impl Dial<'_> {
    /// Opens a connection.
    ///
    /// # Errors
    /// [`Unreached`], of the address whose failure tells the most.
    pub(crate) async fn connect(&self) -> Result<Connection, Unreached> {
        let addresses = self.addresses().await?;
        let (from, limit) = (self.from, self.limit);
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let name = self.name.clone();
        let reach = move |address: SocketAddr| {
            let (connector, name) = (connector.clone(), name.clone());
            async move {
                let reached = open(from, address, connector, name);
                match tokio::time::timeout(limit, reached).await {
                    Ok(Ok(stream)) => Ok((address, stream)),
                    Ok(Err(error)) => Err(Unreached::of(address, why_of(&error))),
                    Err(_) => Err(Unreached::of(address, Why::Silent)),
                }
            }
        };
        let (address, stream) = race(addresses, reach)
            .await
            .map_err(|failed| most_telling(failed).unwrap_or_else(|| self.nameless()))?;
        let chain = stream.get_ref().1.peer_certificates();
        let chain = chain.unwrap_or_default().to_vec();
        let verdict = TlsVerdict {
            address: address.to_string(),
            why: Arc::default(),
        };
        Ok(Connection {
            stream: Watched {
                stream,
                why: Arc::clone(&verdict.why),
                was_answered: false,
                failed: None,
            },
            chain,
            verdict,
        })
    }

    async fn addresses(&self) -> Result<VecDeque<SocketAddr>, Unreached> {
        let looked_up = tokio::net::lookup_host(self.address);
        let found = tokio::time::timeout(self.limit, looked_up).await;
        let found = found.ok().and_then(Result::ok);
        let mut found: Vec<SocketAddr> = found.ok_or_else(|| self.nameless())?.collect();
        if self.from.is_some() {
            found.retain(SocketAddr::is_ipv4);
        }
        Ok(in_turn(found))
    }

    fn nameless(&self) -> Unreached {
        Unreached::of(self.address, Why::Name)
    }
}

/// The families in turn, beginning with that of the first address; within one family in the order given.
fn in_turn(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let first_is_v4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (mut one, mut other): (VecDeque<_>, VecDeque<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv4() == first_is_v4);
    let mut ordered = VecDeque::new();
    while ordered.len() < ADDRESSES_MAX && !(one.is_empty() && other.is_empty()) {
        ordered.extend(one.pop_front());
        ordered.extend(other.pop_front());
    }
    ordered
}

/// The first that is reached; what was begun for the others ends with it.
async fn race<T, F>(
    mut addresses: VecDeque<SocketAddr>,
    reach: impl Fn(SocketAddr) -> F,
) -> Result<T, Vec<Unreached>>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Unreached>> + Send + 'static,
{
    let mut under_way = JoinSet::new();
    let mut failed = Vec::new();
    loop {
        if let Some(address) = addresses.pop_front() {
            under_way.spawn(reach(address));
        }
        let is_last = addresses.is_empty();
        let done = tokio::select! {
            done = under_way.join_next() => done,
            () = tokio::time::sleep(NEXT_ADDRESS_AFTER), if !is_last => continue,
        };
        match done {
            Some(Ok(Ok(reached))) => return Ok(reached),
            Some(Ok(Err(unreached))) => failed.push(unreached),
            // Nothing here panics, and nothing is cancelled before this returns.
            Some(Err(_)) => {}
            None if is_last => return Err(failed),
            None => {}
        }
    }
}

/// A verdict on a certificate tells more than a port at which nobody listens, and that more than silence.
fn most_telling(failed: Vec<Unreached>) -> Option<Unreached> {
    failed.into_iter().max_by_key(|unreached| unreached.why)
}

async fn open(
    from: Option<Ipv4Addr>,
    address: SocketAddr,
    connector: TlsConnector,
    name: ServerName<'static>,
) -> io::Result<TlsStream<TcpStream>> {
    let tcp = match from {
        None => TcpStream::connect(address).await?,
        Some(from) => {
            let socket = TcpSocket::new_v4()?;
            socket.bind((from, 0).into())?;
            socket.connect(address).await?
        }
    };
    tcp.set_nodelay(true)?;
    connector.connect(name, tcp).await
}

#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "of what an operating system may say, these are told apart"
)]
fn why_of(error: &io::Error) -> Why {
    if let Some(tls) = tls_error(error) {
        return why_of_tls(tls);
    }
    match error.kind() {
        ErrorKind::ConnectionRefused => Why::NobodyListens,
        ErrorKind::TimedOut => Why::Silent,
        ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::AddrNotAvailable
        | ErrorKind::PermissionDenied => Why::NoRoute,
        _ => Why::Broken,
    }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref::<rustls::Error>()
}

#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "of what TLS may say, these are told apart"
)]
fn why_of_tls(error: &rustls::Error) -> Why {
    match error {
        // The process hosts several nodes, and none of that name.
        rustls::Error::AlertReceived(
            AlertDescription::UnrecognisedName | AlertDescription::AccessDenied,
        ) => Why::Theirs(Code::CertificateName),
        rustls::Error::AlertReceived(_) => code_of(error).map_or(Why::NotANode, Why::Ours),
        rustls::Error::InvalidMessage(_)
        | rustls::Error::InappropriateMessage { .. }
        | rustls::Error::InappropriateHandshakeMessage { .. }
        | rustls::Error::PeerIncompatible(_)
        | rustls::Error::PeerMisbehaved(_)
        | rustls::Error::NoApplicationProtocol => Why::NotANode,
        _ => code_of(error).map_or(Why::Broken, Why::Theirs),
    }
}

/// A connection that remembers why TLS ended it. The first verdict stands.
struct Watched {
    stream: TlsStream<TcpStream>,
    why: Arc<OnceLock<Why>>,
    /// Something came back: the other end has taken what was shown.
    was_answered: bool,
    /// A write that failed, until the last words of the other end are read.
    failed: Option<io::Error>,
}

impl Watched {
    fn note<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &result
            && let Some(tls) = tls_error(error)
        {
            let _ = self.why.set(why_of_tls(tls));
        }
        result
    }

    /// Whoever refuses a certificate says so and closes: a write may meet the closed end before its words were read. They
    /// are read before the write is said to have failed; that the end is closed is there to be read in any case.
    fn after_last_words<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = written {
            self.failed = Some(error);
        } else if self.failed.is_none() {
            return written;
        }
        if !self.was_answered {
            let mut byte = [0; 1];
            let mut buffer = ReadBuf::new(&mut byte);
            let read = Pin::new(&mut self.stream).poll_read(context, &mut buffer);
            // Only what TLS says is of use: the connection is over either way.
            if self.note(read).is_pending() {
                return Poll::Pending;
            }
        }
        let error = self.failed.take();
        Poll::Ready(Err(error.unwrap_or_else(|| ErrorKind::BrokenPipe.into())))
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.was_answered |= matches!(read, Poll::Ready(Ok(())));
        self.note(read)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.failed.is_some() {
            return self.after_last_words(context, Poll::Pending);
        }
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.after_last_words(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.failed.is_some() {
            return self.after_last_words(context, Poll::Pending);
        }
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.after_last_words(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
