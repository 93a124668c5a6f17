//! Ports on loopback: below those the system hands out by itself, so that a node that starts again finds its own.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

const FROM: u16 = 12_000;
const COUNT: u16 = 20_000;

/// Ports of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// Children dial in.
    pub link: u16,
    /// Invited nodes enrol.
    pub enrol: u16,
    /// gRPC.
    pub desk: u16,
    /// Pages over HTTPS.
    pub pages: u16,
    /// HTTP that leads there.
    pub redirect: u16,
    /// Health and figures.
    pub operations: u16,
}

impl Ports {
    /// Six that nobody listens on.
    ///
    /// # Errors
    /// Every port of the range is taken.
    pub fn free() -> std::io::Result<Self> {
        Ok(Self {
            link: free_port()?,
            enrol: free_port()?,
            desk: free_port()?,
            pages: free_port()?,
            redirect: free_port()?,
            operations: free_port()?,
        })
    }

    /// The settings that name them, `KEY=VALUE`.
    #[must_use]
    pub fn settings(&self) -> [String; 6] {
        [
            ("link.listen", self.link),
            ("enrol.listen", self.enrol),
            ("desk.listen", self.desk),
            ("pages.listen", self.pages),
            ("pages.redirect", self.redirect),
            ("operations.listen", self.operations),
        ]
        .map(|(key, port)| format!("{key}={}", loopback(port)))
    }
}

/// The address of a port, as it is written in settings.
#[must_use]
pub fn loopback(port: u16) -> String {
    format!("{}:{port}", Ipv4Addr::LOCALHOST)
}

/// A port nobody listens on, each given once in a process.
///
/// # Errors
/// Every port of the range is taken.
pub fn free_port() -> std::io::Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Two programs begin at different places.
    let offset = u16::try_from(std::process::id() % 200).unwrap_or_default() * 100;
    for _ in 0..COUNT {
        let next = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FROM + (offset + next) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(std::io::ErrorKind::AddrInUse.into())
}
