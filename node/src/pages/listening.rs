//! What every HTTP port here does: takes connections until the process stops, and serves each by HTTP/1.1.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::service::HttpService;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_stream::StreamExt as _;

use crate::node::hosted::stopped;
use crate::ports::{Connections, Placed, Port};

/// Serves each connection of a port, with the address it comes from, until the process stops.
pub(super) async fn accept<F>(
    (listener, places): (TcpListener, Port),
    stop: watch::Receiver<bool>,
    serve: impl Fn(Placed<TcpStream>, IpAddr) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let until = stopped(stop);
    tokio::pin!(until);
    let mut connections = JoinSet::new();
    let mut incoming = Connections::new(listener, places);
    loop {
        let accepted = tokio::select! {
            () = &mut until => return,
            Some(_) = connections.join_next() => continue,
            accepted = incoming.next() => accepted,
        };
        let Some(Ok(placed)) = accepted else {
            continue;
        };
        let from = placed.stream.peer_addr();
        let from = from.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip());
        connections.spawn(serve(placed, from));
    }
}

/// Answers the requests of one connection. A request's head must have come within the patience.
pub(super) async fn talk<S, B>(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    service: S,
    patience: Duration,
) where
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // Whoever hangs up early has no answer to wait for.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
