//! The desk's TCP port: TLS for whoever comes over a network, plain for programs of this machine.
//!
//! The first byte tells which: a TLS handshake begins with 22, HTTP/2 with a letter. Plain is served to loopback only, so
//! that no access token crosses a network in clear.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::StreamExt as _;
use tonic::transport::server::{Connected, TcpConnectInfo};

use crate::ports::{Connections, Placed, Port, shake};

/// Content type of a handshake, RFC 8446 section 5.1.
const TLS_HANDSHAKE: u8 = 22;
/// Until it is known what a connection speaks, and until a handshake is over.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that are ready and not taken up yet.
const WAITING_MAX: usize = 64;

/// A connection of which it is known how it speaks.
#[derive(Debug)]
pub(super) enum Connection {
    /// Of this machine.
    Plain(Placed<TcpStream>),
    /// By TLS.
    Tls(Box<TlsStream<Placed<TcpStream>>>),
}

/// Takes connections in and hands those on that may go on, until nobody takes them any more.
pub(super) fn open(
    listener: TcpListener,
    places: Port,
    mut tls: ServerConfig,
) -> mpsc::Receiver<io::Result<Connection>> {
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let (ready, incoming) = mpsc::channel(WAITING_MAX);
    tokio::spawn(async move {
        let mut connections = Connections::new(listener, places);
        loop {
            let accepted = tokio::select! {
                () = ready.closed() => return,
                accepted = connections.next() => accepted,
            };
            let Some(Ok(placed)) = accepted else {
                continue;
            };
            let (acceptor, ready) = (acceptor.clone(), ready.clone());
            tokio::spawn(async move {
                let Ok(from) = placed.stream.peer_addr() else {
                    return;
                };
                let met =
                    tokio::time::timeout(HANDSHAKE_TIMEOUT, meet(placed, from.ip(), acceptor));
                match met.await {
                    // Fails only when the port is closing.
                    Ok(Ok(connection)) => drop(ready.send(Ok(connection)).await),
                    Ok(Err(error)) => {
                        tracing::info!(ip = %from.ip(), %error, "a connection to the desk was refused");
                    }
                    Err(_) => tracing::debug!(ip = %from.ip(), "a handshake took too long"),
                }
            });
        }
    });
    incoming
}

async fn meet(
    placed: Placed<TcpStream>,
    from: IpAddr,
    acceptor: TlsAcceptor,
) -> io::Result<Connection> {
    let mut first = [0];
    if placed.stream.peek(&mut first).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if first[0] == TLS_HANDSHAKE {
        return Ok(Connection::Tls(Box::new(shake(&acceptor, placed).await?)));
    }
    if is_this_machine(from) {
        return Ok(Connection::Plain(placed));
    }
    Err(io::Error::other(
        "it is not encrypted, and over a network only TLS is taken",
    ))
}

fn is_this_machine(from: IpAddr) -> bool {
    from.to_canonical().is_loopback()
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        match self {
            Self::Plain(stream) => stream.connect_info(),
            Self::Tls(stream) => stream.get_ref().0.connect_info(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_may_speak_plain() {
        for (from, plain) in [
            ("127.0.0.1", true),
            ("127.8.9.1", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.1.2.3", false),
            ("192.168.0.1", false),
            ("::ffff:10.1.2.3", false),
            ("fe80::1", false),
        ] {
            assert_eq!(is_this_machine(from.parse().unwrap()), plain, "{from}");
        }
    }
}
