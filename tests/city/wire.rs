//! A wire outside the nodes: it forwards bytes and can be cut and mended. The nodes are not told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A wire to one port.
#[derive(Debug)]
pub struct Wire {
    /// Where it begins.
    pub port: u16,
    whole: watch::Sender<bool>,
    carried: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Wire {
    /// Lays a wire to a port of this machine.
    pub async fn to(target: u16) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let (whole, watched) = watch::channel(true);
        let carried = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&carried);
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = socket.accept().await {
                // Where the wire is cut a dial is answered by nobody.
                if *watched.borrow() {
                    tokio::spawn(carry(near, target, watched.clone(), Arc::clone(&counted)));
                }
            }
        });
        Self {
            port,
            whole,
            carried,
            accepting,
        }
    }

    /// Cuts it: what runs breaks, what dials is turned away.
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Mends it.
    pub fn mend(&self) {
        self.whole.send_replace(true);
    }

    /// Connections it has carried.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.carried.load(Ordering::Relaxed)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(
    mut near: TcpStream,
    target: u16,
    mut whole: watch::Receiver<bool>,
    carried: Arc<AtomicUsize>,
) {
    let Ok(mut far) = TcpStream::connect(("127.0.0.1", target)).await else {
        return;
    };
    carried.fetch_add(1, Ordering::Relaxed);
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
        _ = whole.wait_for(|whole| !whole) => {}
    }
}
