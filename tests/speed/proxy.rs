//! A proxy on loopback that counts the bytes of a link and can hold them back. Reads nothing of them.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

/// A proxy in front of one port.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// Where it listens.
    pub(crate) port: u16,
    bytes: Arc<AtomicU64>,
    open: watch::Sender<bool>,
}

impl Proxy {
    /// Listens, and passes on whatever comes.
    pub(crate) async fn before(upstream: u16) -> anyhow::Result<Self> {
        Self::before_from(upstream, None).await
    }

    /// The same, calling from an address of its own.
    pub(crate) async fn before_from(
        upstream: u16,
        source: Option<Ipv4Addr>,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let bytes = Arc::new(AtomicU64::new(0));
        let open = watch::Sender::new(true);
        let (counter, gate) = (Arc::clone(&bytes), open.subscribe());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if let Ok(far) = connect(upstream, source).await {
                    pass(near, far, &counter, &gate);
                }
            }
        });
        Ok(Self { port, bytes, open })
    }

    /// Bytes passed so far, both ways.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Holds back what comes, or lets it pass again.
    pub(crate) fn let_pass(&self, open: bool) {
        self.open.send_replace(open);
    }
}

async fn connect(upstream: u16, source: Option<Ipv4Addr>) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if let Some(source) = source {
        socket.bind((source, 0).into())?;
    }
    socket.connect((Ipv4Addr::LOCALHOST, upstream).into()).await
}

fn pass(near: TcpStream, far: TcpStream, bytes: &Arc<AtomicU64>, gate: &watch::Receiver<bool>) {
    // A socket that is gone shows itself at the first read.
    let _ = near.set_nodelay(true);
    let _ = far.set_nodelay(true);
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    tokio::spawn(copy(near_in, far_out, Arc::clone(bytes), gate.clone()));
    tokio::spawn(copy(far_in, near_out, Arc::clone(bytes), gate.clone()));
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    bytes: Arc<AtomicU64>,
    mut gate: watch::Receiver<bool>,
) {
    let mut block = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut block).await {
        if gate.wait_for(|open| *open).await.is_err() {
            return;
        }
        bytes.fetch_add(read as u64, Ordering::Relaxed);
        if to.write_all(&block[..read]).await.is_err() {
            return;
        }
    }
}
