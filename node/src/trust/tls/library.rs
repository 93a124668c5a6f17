//! What every use of the TLS library here has in common: its provider, the protocol above it, and how it refuses.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use thiserror::Error;

use crate::trust::identity::IdentityError;

/// The one application protocol on node links.
pub const ALPN: &[u8] = b"h2";

/// Why TLS cannot be set up.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The node's own chain does not prove it under this root.
    #[error("the node's own certificate")]
    Own(#[source] IdentityError),
    /// The chain is for another key.
    #[error("the node's certificate is for another transport key")]
    OtherKey,
    /// The TLS library takes no such key or root.
    #[error("the TLS library")]
    Library(#[source] rustls::Error),
    /// The TLS library takes no such root.
    #[error("the root as a trust anchor")]
    Verifier(#[source] rustls::server::VerifierBuilderError),
}

/// ring, handed over explicitly: nothing depends on a process-wide default.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
