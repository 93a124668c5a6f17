//! A wire between a child and its parent that can be cut, outside both of them: the nodes are not told.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// A wire that carries what the child dials to the parent's link port. Cut, it ends what it carries and takes nothing.
#[derive(Debug)]
pub(super) struct Proxy {
    address: SocketAddr,
    cut: watch::Sender<bool>,
    accepting: AbortHandle,
}

impl Proxy {
    /// Listens on a free loopback port and carries to `target`.
    ///
    /// # Errors
    /// No port can be had.
    pub(super) async fn start(target: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (cut, watched) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, target, watched)).abort_handle();
        Ok(Self {
            address,
            cut,
            accepting,
        })
    }

    /// Where the child dials.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends every connection under way and each one that is tried, until healed.
    pub(super) fn cut(&self) {
        self.cut.send_replace(true);
    }

    /// Carries again.
    pub(super) fn heal(&self) {
        self.cut.send_replace(false);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        // Connections under way are ended by the cut, not by the task that took them in.
        self.cut.send_replace(true);
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, cut: watch::Receiver<bool>) {
    while let Ok((near, _)) = listener.accept().await {
        if !*cut.borrow() {
            tokio::spawn(carry(near, target, cut.clone()));
        }
    }
}

async fn carry(mut near: TcpStream, target: SocketAddr, mut cut: watch::Receiver<bool>) {
    let Ok(mut far) = TcpStream::connect(target).await else {
        return;
    };
    tokio::select! {
        // How a connection ended is for its two ends to judge.
        _ = copy_bidirectional(&mut near, &mut far) => {}
        _ = cut.wait_for(|cut| *cut) => {}
    }
}
