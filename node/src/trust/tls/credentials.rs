//! What a node shows to others: its chain, with the key that the chain is for.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::crypto::ring;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::sign::CertifiedKey;

use super::library::TlsError;
use crate::trust::authority::Chain;
use crate::trust::identity::{PeerIdentity, prove, window};
use crate::trust::keys::{Fingerprint, TransportKey};

/// A node's certificate and key, as it shows them to others.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// What the certificate proves about its holder. May have expired: such a
    /// node starts, to ask for its renewal.
    pub own: PeerIdentity,
    /// From when to when the others take it: the whole chain is in its time.
    pub window: (Timestamp, Timestamp),
    pub(super) certified: Arc<CertifiedKey>,
}

impl Credentials {
    /// Puts a chain and its key together.
    ///
    /// # Errors
    ///
    /// [`TlsError::Own`], [`TlsError::OtherKey`], [`TlsError::Library`].
    pub fn new(chain: &Chain, key: &TransportKey, root: &Fingerprint) -> Result<Self, TlsError> {
        // Whether it is in time is for the others to judge.
        let (begin, end) = window(chain.certificates()).map_err(TlsError::Own)?;
        let own = prove(chain.certificates(), root, end)
            .map_err(TlsError::Own)?
            .identity;
        if own.transport_key != *key.public() {
            return Err(TlsError::OtherKey);
        }
        let der = key.pkcs8_der().ok_or(TlsError::OtherKey)?;
        let signer = ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(der.as_slice()))
            .map_err(TlsError::Library)?;
        let certified = CertifiedKey::new(chain.certificates().to_vec(), signer);
        Ok(Self {
            own,
            window: (begin, end),
            certified: Arc::new(certified),
        })
    }
}
