//! A wire that can be cut at any byte or go silent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    pub(super) cuts: Arc<AtomicUsize>,
    frozen: watch::Sender<bool>,
    accepting: AbortHandle,
}

impl Proxy {
    /// Forwards to `target`; with a seed, each connection is cut after a number of bytes drawn from it.
    pub(super) async fn start(target: SocketAddr, seed: Option<u64>) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let (frozen, watched) = watch::channel(false);
        let cuts = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&cuts);
        let accepting = tokio::spawn(async move {
            let mut drawn = seed;
            while let Ok((near, _)) = socket.accept().await {
                drawn = drawn.map(next);
                let bytes = drawn.map_or(u64::MAX, |drawn| drawn >> 33 & 0x7_ffff);
                tokio::spawn(carry(
                    near,
                    target,
                    bytes,
                    watched.clone(),
                    Arc::clone(&counted),
                ));
            }
        });
        Self {
            address,
            cuts,
            frozen,
            accepting: accepting.abort_handle(),
        }
    }

    /// Connections stay open and nothing passes.
    pub(super) fn freeze(&self, is_frozen: bool) {
        self.frozen.send_replace(is_frozen);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn next(seed: u64) -> u64 {
    seed.wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407)
}

async fn carry(
    near: TcpStream,
    target: SocketAddr,
    bytes: u64,
    frozen: watch::Receiver<bool>,
    cuts: Arc<AtomicUsize>,
) {
    let Ok(far) = TcpStream::connect(target).await else {
        return;
    };
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    tokio::select! {
        () = pump(near_in, far_out, bytes, frozen.clone()) => {}
        () = pump(far_in, near_out, bytes, frozen) => {}
    }
    cuts.fetch_add(1, Ordering::Relaxed);
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut bytes: u64,
    mut frozen: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let Ok(read) = from.read(&mut buffer).await else {
            return;
        };
        let passed = read.min(usize::try_from(bytes).unwrap_or(usize::MAX));
        // What was under way when the wire died never arrives.
        if frozen.wait_for(|frozen| !frozen).await.is_err() || passed == 0 {
            return;
        }
        if to.write_all(&buffer[..passed]).await.is_err() {
            return;
        }
        bytes -= passed as u64;
    }
}
