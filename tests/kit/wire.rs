//! A wire between two nodes, outside both of them: it carries bytes and counts them, can be cut, held back, or break by
//! itself. The nodes are not told.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// What a wire does with what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Carries it.
    Whole,
    /// Keeps connections open and lets nothing pass.
    Held,
    /// Has ended every connection and takes no new one.
    Cut,
}

#[derive(Debug, Default)]
struct Counted {
    connections: AtomicUsize,
    breaks: AtomicUsize,
    bytes: AtomicU64,
}

/// How a wire is laid where it is not the plain one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Laying {
    /// The address it calls from; the parent sees it.
    pub from: Option<Ipv4Addr>,
    /// Breaks each connection after a number of bytes, at most half a million, drawn from this seed.
    pub breaks_by: Option<u64>,
}

/// A wire to one address. Everything it carries ends with it.
#[derive(Debug)]
pub struct Wire {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    counted: Arc<Counted>,
    accepting: AbortHandle,
}

impl Wire {
    /// Lays a wire from a port of its own to `target`.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn to(target: SocketAddr) -> std::io::Result<Self> {
        Self::laid(target, Laying::default()).await
    }

    /// The same, laid otherwise.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn laid(target: SocketAddr, laying: Laying) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (mode, watched) = watch::channel(Mode::Whole);
        let counted = Arc::new(Counted::default());
        let accepting = accept(listener, target, laying, watched, Arc::clone(&counted));
        Ok(Self {
            address,
            mode,
            counted,
            accepting: tokio::spawn(accepting).abort_handle(),
        })
    }

    /// Where it begins.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts it: what runs breaks, what dials is turned away.
    pub fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
    }

    /// Holds back what comes: connections stay open and nothing passes.
    pub fn hold(&self) {
        self.mode.send_replace(Mode::Held);
    }

    /// Carries again.
    pub fn mend(&self) {
        self.mode.send_replace(Mode::Whole);
    }

    /// Connections it has carried.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.counted.connections.load(Ordering::Relaxed)
    }

    /// Connections that have ended, however they did.
    #[must_use]
    pub fn breaks(&self) -> usize {
        self.counted.breaks.load(Ordering::Relaxed)
    }

    /// Bytes carried so far, both ways.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.counted.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.accepting.abort();
        // Connections under way are ended by the cut, not by the task that took them in.
        self.cut();
    }
}

async fn accept(
    listener: TcpListener,
    target: SocketAddr,
    laying: Laying,
    mode: watch::Receiver<Mode>,
    counted: Arc<Counted>,
) {
    let mut drawn = laying.breaks_by;
    while let Ok((near, _)) = listener.accept().await {
        drawn = drawn.map(next);
        // Nineteen bits.
        let bytes_max = drawn.map_or(u64::MAX, |drawn| drawn >> 33 & 0x7_ffff);
        // Where the wire is cut a dial is answered by nobody.
        if *mode.borrow() != Mode::Cut {
            let (mode, counted) = (mode.clone(), Arc::clone(&counted));
            tokio::spawn(carry(near, target, laying.from, bytes_max, mode, counted));
        }
    }
}

/// The constants of MMIX: any full-period generator would do.
fn next(seed: u64) -> u64 {
    seed.wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407)
}

async fn carry(
    near: TcpStream,
    target: SocketAddr,
    from: Option<Ipv4Addr>,
    bytes_max: u64,
    mode: watch::Receiver<Mode>,
    counted: Arc<Counted>,
) {
    let Ok(far) = connect(target, from).await else {
        return;
    };
    // A socket that is gone shows itself at the first read.
    let _ = near.set_nodelay(true);
    let _ = far.set_nodelay(true);
    counted.connections.fetch_add(1, Ordering::Relaxed);
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    let mut until_cut = mode.clone();
    tokio::select! {
        // How a connection ended is for its two ends to judge.
        _ = async {
            tokio::try_join!(
                pump(near_in, far_out, bytes_max, mode.clone(), &counted.bytes),
                pump(far_in, near_out, bytes_max, mode, &counted.bytes),
            )
        } => {}
        _ = until_cut.wait_for(|mode| *mode == Mode::Cut) => {}
    }
    counted.breaks.fetch_add(1, Ordering::Relaxed);
}

async fn connect(target: SocketAddr, from: Option<Ipv4Addr>) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if let Some(from) = from {
        socket.bind((from, 0).into())?;
    }
    socket.connect(target).await
}

/// Why the other direction ends too.
struct Broken;

/// Carries one direction to its end; an end in order is passed on.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut bytes_left: u64,
    mut mode: watch::Receiver<Mode>,
    counted: &AtomicU64,
) -> Result<(), Broken> {
    let mut block = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut block).await.map_err(|_| Broken)?;
        if read == 0 {
            return to.shutdown().await.map_err(|_| Broken);
        }
        mode.wait_for(|mode| *mode == Mode::Whole)
            .await
            .map_err(|_| Broken)?;
        // What was under way when the wire broke never arrives.
        let carried = read.min(usize::try_from(bytes_left).unwrap_or(usize::MAX));
        if carried == 0 {
            return Err(Broken);
        }
        to.write_all(&block[..carried]).await.map_err(|_| Broken)?;
        counted.fetch_add(carried as u64, Ordering::Relaxed);
        bytes_left -= carried as u64;
    }
}
