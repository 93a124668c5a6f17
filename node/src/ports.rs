//! The connections of a process, over all its ports: how many there may be, and who gives way when there is no room.
//!
//! Whoever connects gets a place at once, and is judged then. Room is made by taking the place of somebody who has
//! proven nothing yet: the one that has waited longest in the network that has the most of them. So whoever opens
//! connections and says nothing pushes out its own, and a neighbour that proves who it is within a second is served at
//! any time. A proven neighbour gives way to nobody but itself.
//!
//! All places together leave descriptors to spare for what the node writes: no port can take the one that the journal's
//! next segment needs.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::Stream;
use tonic::transport::server::Connected;

/// Connections of one proven neighbour at one port: the one in use, and the one that takes over from it.
const OF_ONE_NEIGHBOUR_MAX: usize = 2;
/// Beyond this no process asks for descriptors.
const DESCRIPTORS_WANTED: u64 = 65_536;
/// Kept back for files, whatever the number of places: segments, keys, witness, a backup that reads.
const DESCRIPTORS_KEPT_BACK: usize = 48;
/// The same for each hosted node.
const DESCRIPTORS_KEPT_BACK_A_NODE: usize = 8;
/// After a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Places that are still held by those who were told to give way.
const GIVING_WAY_MAX: usize = 16;

/// What bounds the connections of one port that have proven nothing yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PortLimits {
    /// Of all.
    pub strangers_max: usize,
    /// Of one IPv4 address or one IPv6 network of 64 bits: whoever has one address of it has them all.
    pub strangers_a_network_max: usize,
    /// Of proven neighbours, all together.
    pub known_max: usize,
}

/// All connections of a process.
#[derive(Debug, Clone)]
pub(crate) struct Ports(Arc<Mutex<Room>>);

#[derive(Debug)]
struct Room {
    places: BTreeMap<u64, Held>,
    last: u64,
    ports: usize,
    places_max: usize,
}

#[derive(Debug)]
struct Held {
    port: usize,
    /// `None` for this machine's own.
    network: Option<IpAddr>,
    known_as: Option<String>,
    /// Gone once its holder was told to give way.
    leave: Option<oneshot::Sender<()>>,
}

impl Held {
    fn stays(&self) -> bool {
        self.leave.is_some()
    }

    fn is_stranger(&self) -> bool {
        self.stays() && self.known_as.is_none() && self.network.is_some()
    }
}

/// One listening port.
#[derive(Debug, Clone)]
pub struct Port {
    ports: Ports,
    number: usize,
    limits: PortLimits,
}

/// The right to hold one connection; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    port: Port,
    number: u64,
    told: oneshot::Receiver<()>,
    is_told: bool,
}

impl Ports {
    /// Room for so many connections.
    #[must_use]
    pub(crate) fn with_room_for(places_max: usize) -> Self {
        Self(Arc::new(Mutex::new(Room {
            places: BTreeMap::new(),
            last: 0,
            ports: 0,
            places_max,
        })))
    }

    /// Room for as many connections as this process has descriptors, less those it has open and those that are kept back
    /// for the files of its nodes.
    #[must_use]
    pub(crate) fn of_process(nodes: usize) -> Self {
        let allowed = usize::try_from(descriptors()).unwrap_or(usize::MAX);
        let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        let kept_back = DESCRIPTORS_KEPT_BACK + nodes.saturating_mul(DESCRIPTORS_KEPT_BACK_A_NODE);
        let places = allowed.saturating_sub(open).saturating_sub(kept_back);
        if places < DESCRIPTORS_KEPT_BACK {
            tracing::warn!(
                allowed,
                open,
                places,
                "hardly a descriptor is left for connections; raise the limit of open files"
            );
        }
        Self::with_room_for(places.saturating_sub(GIVING_WAY_MAX))
    }

    /// One more listening port.
    #[must_use]
    pub(crate) fn port(&self, limits: PortLimits) -> Port {
        let mut room = self.room();
        room.ports += 1;
        Port {
            ports: self.clone(),
            number: room.ports,
            limits,
        }
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The limit of open files, raised as far as this process may.
fn descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit
        .maximum
        .unwrap_or(DESCRIPTORS_WANTED)
        .min(DESCRIPTORS_WANTED);
    let now = limit.current.unwrap_or(DESCRIPTORS_WANTED);
    if now >= wanted {
        return now;
    }
    let raised = Rlimit {
        current: Some(wanted),
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted,
        Err(_) => now,
    }
}

impl Room {
    /// Tells a holder to give way.
    fn tell(&mut self, number: u64) {
        let held = self.places.get_mut(&number);
        if let Some(leave) = held.and_then(|held| held.leave.take()) {
            // Whoever is gone by itself needs no telling.
            let _ = leave.send(());
        }
    }

    /// The stranger that has waited longest in the network that has the most of them.
    fn first_to_go(&self, port: Option<usize>) -> Option<u64> {
        let mut networks: BTreeMap<(usize, Option<IpAddr>), (usize, u64)> = BTreeMap::new();
        let here = |held: &Held| held.is_stranger() && port.is_none_or(|port| port == held.port);
        for (number, held) in self.places.iter().filter(|(_, held)| here(held)) {
            let network = networks.entry((held.port, held.network));
            network.or_insert((0, *number)).0 += 1;
        }
        let fullest = networks
            .into_values()
            .max_by_key(|(count, oldest)| (*count, std::cmp::Reverse(*oldest)));
        fullest.map(|(_, oldest)| oldest)
    }
}

impl Port {
    /// A place for a connection from an address. `None` when none is left and whoever was told to give way has not gone
    /// yet.
    #[must_use]
    pub(crate) fn admit(&self, from: Origin) -> Option<Place> {
        let network = match from {
            Origin::Address(address) => Some(network(address)),
            Origin::ThisMachine => None,
        };
        let mut room = self.ports.room();
        let strangers = room.places.iter().filter(|(_, held)| held.is_stranger());
        let here: Vec<(u64, Option<IpAddr>)> = strangers
            .filter(|(_, held)| held.port == self.number)
            .map(|(number, held)| (*number, held.network))
            .collect();
        let of_network: Vec<u64> = here
            .iter()
            .filter(|(_, other)| *other == network)
            .map(|(number, _)| *number)
            .collect();
        let to_go = if of_network.len() >= self.limits.strangers_a_network_max {
            of_network.first().copied()
        } else if here.len() >= self.limits.strangers_max {
            room.first_to_go(Some(self.number))
        } else if room.places.len() >= room.places_max {
            room.first_to_go(None)
        } else {
            None
        };
        if let Some(number) = to_go {
            room.tell(number);
        }
        // Nobody but the folder's owner opens this machine's own, so that nothing is gained by sending one away.
        if network.is_some() && room.places.len() >= room.places_max + GIVING_WAY_MAX {
            return None;
        }
        let (leave, told) = oneshot::channel();
        room.last += 1;
        let number = room.last;
        let held = Held {
            port: self.number,
            network,
            known_as: None,
            leave: Some(leave),
        };
        room.places.insert(number, held);
        drop(room);
        Some(Place {
            port: self.clone(),
            number,
            told,
            is_told: false,
        })
    }
}

impl Place {
    /// The other end has proven who it is: it gives way to nobody but a newer connection of its own.
    pub(crate) fn known_as(&self, neighbour: &str) {
        let port = &self.port;
        let mut room = port.ports.room();
        if let Some(held) = room.places.get_mut(&self.number) {
            held.known_as = Some(neighbour.to_owned());
        }
        let known: Vec<(u64, bool)> = room
            .places
            .iter()
            .filter(|(_, held)| held.port == port.number && held.stays())
            .filter_map(|(number, held)| {
                let known_as = held.known_as.as_deref()?;
                Some((*number, known_as == neighbour))
            })
            .collect();
        let of_its_own: Vec<u64> = known
            .iter()
            .filter(|(_, own)| *own)
            .map(|(number, _)| *number)
            .collect();
        let to_go = if of_its_own.len() > OF_ONE_NEIGHBOUR_MAX {
            of_its_own.first().copied()
        } else if known.len() > port.limits.known_max {
            known.first().map(|(number, _)| *number)
        } else {
            None
        };
        if let Some(number) = to_go {
            room.tell(number);
        }
    }

    /// Resolves when the connection is to give way.
    pub(crate) async fn told_to_go(&mut self) {
        std::future::poll_fn(|context| self.poll_told_to_go(context)).await;
    }

    fn poll_told_to_go(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.is_told && Pin::new(&mut self.told).poll(context).is_pending() {
            return Poll::Pending;
        }
        self.is_told = true;
        Poll::Ready(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.port.ports.room().places.remove(&self.number);
    }
}

/// A connection that ends when it is told to give way.
#[derive(Debug)]
pub(crate) struct Placed<S> {
    /// The connection.
    pub stream: S,
    /// Its place.
    pub place: Place,
}

impl<S: AsyncRead + Unpin> AsyncRead for Placed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.place.poll_told_to_go(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Placed<S> {
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

impl<S: Connected> Connected for Placed<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.stream.connect_info()
    }
}

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// An address.
    Address(IpAddr),
    /// A local socket. Its file lets nobody in but the folder's owner, so there is nothing left to prove.
    ThisMachine,
}

/// A listening socket of either kind.
pub(crate) trait Listening {
    /// What it accepts.
    type Stream;

    /// The next connection and where it comes from.
    ///
    /// # Errors
    /// The system's, as when it has no descriptor.
    fn poll_next(&self, context: &mut Context<'_>) -> Poll<io::Result<(Self::Stream, Origin)>>;
}

impl Listening for TcpListener {
    type Stream = TcpStream;

    fn poll_next(&self, context: &mut Context<'_>) -> Poll<io::Result<(TcpStream, Origin)>> {
        let accepted = self.poll_accept(context);
        accepted.map_ok(|(stream, address)| (stream, Origin::Address(address.ip())))
    }
}

impl Listening for UnixListener {
    type Stream = UnixStream;

    fn poll_next(&self, context: &mut Context<'_>) -> Poll<io::Result<(UnixStream, Origin)>> {
        let accepted = self.poll_accept(context);
        accepted.map_ok(|(stream, _)| (stream, Origin::ThisMachine))
    }
}

/// Connections of a listening socket, each with its place.
#[derive(Debug)]
pub(crate) struct Connections<L> {
    listener: L,
    port: Port,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<L: Listening> Connections<L> {
    /// Of a socket, into the places of a port.
    #[must_use]
    pub(crate) fn new(listener: L, port: Port) -> Self {
        Self {
            listener,
            port,
            pause: None,
        }
    }
}

impl<L: Listening + Unpin> Stream for Connections<L> {
    type Item = io::Result<Placed<L::Stream>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            match ready!(self.listener.poll_next(context)) {
                Ok((stream, from)) => {
                    if let Some(place) = self.port.admit(from) {
                        return Poll::Ready(Some(Ok(Placed { stream, place })));
                    }
                    tracing::warn!(?from, "as many connections as there may be");
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    self.pause = Some(Box::pin(tokio::time::sleep(ACCEPT_PAUSE)));
                }
            }
        }
    }
}

/// What counts as one host: an IPv4 address, or the IPv6 network of 64 bits around an address.
#[must_use]
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        four @ IpAddr::V4(_) => four,
    }
}

/// An alert in a record of its own: fatal, handshake_failure (RFC 8446 section 6).
const HANDSHAKE_FAILURE: [u8; 7] = [21, 3, 3, 0, 2, 2, 40];

/// Shakes hands on a port that is no node's, and says so where it fails: some handshakes would end without a word, and a
/// node that dialled the wrong port could not tell it from a broken line.
///
/// # Errors
/// The handshake failed.
pub(crate) async fn shake<S: AsyncRead + AsyncWrite + Unpin>(
    acceptor: &TlsAcceptor,
    stream: S,
) -> io::Result<TlsStream<S>> {
    match acceptor.accept(stream).into_fallible().await {
        Ok(stream) => Ok(stream),
        Err((error, mut stream)) => {
            stream.write_all(&HANDSHAKE_FAILURE).await?;
            stream.shutdown().await?;
            Err(error)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const LIMITS: PortLimits = PortLimits {
        strangers_max: 6,
        strangers_a_network_max: 3,
        known_max: 5,
    };

    fn from(host: u8) -> Origin {
        Origin::Address([10, 0, 0, host].into())
    }

    fn is_told(place: &mut Place) -> bool {
        place.told.try_recv().is_ok()
    }

    #[test]
    fn a_network_with_too_many_pushes_out_its_own_oldest() {
        let port = Ports::with_room_for(100).port(LIMITS);
        let mut other = port.admit(from(1)).unwrap();
        let mut own: Vec<Place> = (0..5).map(|_| port.admit(from(2)).unwrap()).collect();
        let told: Vec<bool> = own.iter_mut().map(is_told).collect();
        assert_eq!(told, [true, true, false, false, false]);
        assert!(!is_told(&mut other));
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_host() {
        let port = Ports::with_room_for(100).port(LIMITS);
        let address =
            |last| Origin::Address(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, last).into());
        let mut places: Vec<Place> = (0..4)
            .map(|last| port.admit(address(last)).unwrap())
            .collect();
        assert!(is_told(&mut places[0]));
        let mapped: IpAddr = "::ffff:10.0.0.7".parse().unwrap();
        assert_eq!(Origin::Address(network(mapped)), from(7));
    }

    #[test]
    fn a_full_port_takes_from_the_network_with_the_most() {
        let port = Ports::with_room_for(100).port(LIMITS);
        let mut quiet: Vec<Place> = (1..4).map(|host| port.admit(from(host)).unwrap()).collect();
        let mut loud: Vec<Place> = (0..3).map(|_| port.admit(from(9)).unwrap()).collect();
        let mut late = port.admit(from(4)).unwrap();
        assert!(is_told(&mut loud[0]));
        assert!(!quiet.iter_mut().any(is_told) && !is_told(&mut late));
    }

    #[test]
    fn a_proven_neighbour_gives_way_to_no_stranger() {
        let ports = Ports::with_room_for(8);
        let port = ports.port(LIMITS);
        let mut known: Vec<Place> = (1..4).map(|host| port.admit(from(host)).unwrap()).collect();
        for (number, place) in known.iter().enumerate() {
            place.known_as(&format!("node {number}"));
        }
        let mut strangers: Vec<Place> = Vec::new();
        for host in 10..200 {
            strangers.extend(port.admit(from(host)));
            strangers.retain_mut(|place| !is_told(place));
            assert!(strangers.len() <= LIMITS.strangers_max);
        }
        assert!(!known.iter_mut().any(is_told));
        let mut late = port.admit(from(5)).unwrap();
        late.known_as("node 5");
        assert!(!is_told(&mut late));
    }

    #[test]
    fn a_neighbour_has_two_connections_and_the_newest_stay() {
        let port = Ports::with_room_for(100).port(LIMITS);
        let mut places: Vec<Place> = (0..4)
            .map(|host| {
                let place = port.admit(from(host)).unwrap();
                place.known_as("node");
                place
            })
            .collect();
        let told: Vec<bool> = places.iter_mut().map(is_told).collect();
        assert_eq!(told, [true, true, false, false]);
    }

    #[test]
    fn neighbours_that_are_more_than_there_may_be_push_out_the_oldest() {
        let port = Ports::with_room_for(100).port(LIMITS);
        let mut places: Vec<Place> = (0..7)
            .map(|host| {
                let place = port.admit(from(host)).unwrap();
                place.known_as(&format!("node {host}"));
                place
            })
            .collect();
        let told = places.iter_mut().map(is_told).filter(|told| *told).count();
        assert_eq!(told, 2);
    }

    #[test]
    fn one_port_s_strangers_leave_room_for_another_s_and_all_stay_within_the_descriptors() {
        let ports = Ports::with_room_for(4);
        let (loud, quiet) = (ports.port(LIMITS), ports.port(LIMITS));
        let mut places: Vec<Place> = (0..4).map(|host| loud.admit(from(host)).unwrap()).collect();
        let mut other = quiet.admit(from(1)).unwrap();
        assert!(is_told(&mut places[0]), "the oldest of as many");
        assert!(!is_told(&mut other));
        // Nobody told goes: there are never more than the descriptors allow.
        let more: Vec<Place> = (0..100).filter_map(|host| loud.admit(from(host))).collect();
        assert_eq!(places.len() + 1 + more.len(), 4 + GIVING_WAY_MAX);
        drop((places, more));
        assert!(loud.admit(from(1)).is_some(), "a place given back is free");
    }

    #[tokio::test]
    async fn a_connection_that_is_told_to_go_ends_under_its_reader() {
        use tokio::io::AsyncReadExt as _;
        let port = Ports::with_room_for(100).port(PortLimits {
            strangers_a_network_max: 1,
            ..LIMITS
        });
        let (_far, near) = tokio::io::duplex(64);
        let mut connection = Placed {
            stream: near,
            place: port.admit(from(1)).unwrap(),
        };
        let reading = tokio::spawn(async move { connection.read_u8().await });
        tokio::task::yield_now().await;
        let _next = port.admit(from(1)).unwrap();
        let ended = reading.await.unwrap().unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::ConnectionAborted);
    }

    #[test]
    fn this_machines_own_connections_give_way_to_no_stranger() {
        let ports = Ports::with_room_for(3);
        let socket = ports.port(LIMITS);
        let mut own = socket.admit(Origin::ThisMachine).unwrap();
        let port = ports.port(PortLimits {
            strangers_max: 100,
            ..LIMITS
        });
        let mut strangers: Vec<Place> = (1..20).filter_map(|host| port.admit(from(host))).collect();
        assert!(!is_told(&mut own));
        assert!(strangers.iter_mut().any(is_told), "a stranger does");
        assert!(port.admit(from(20)).is_none(), "all are on their way out");
        assert!(socket.admit(Origin::ThisMachine).is_some());
    }
}
