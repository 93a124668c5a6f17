//! TLS as nodes speak it: version 1.3, own root, both ends judged by
//! [`super::identity`].
//!
//! rustls' own path check runs first, with our root alone; then the chain is
//! read again by [`identify`], and the registry is asked, all
//! inside the handshake: a revoked node gets an alert, not a connection. No
//! session is ever resumed, because a resumed one would not be judged. What
//! changes while a process runs (a renewed certificate, a node hosted in
//! addition, a revocation) is read at each handshake, so that no configuration
//! has to be rebuilt. Opens no socket and closes no live connection.
//!
//! The link port requires a certificate; the enrol port takes none (a join) or
//! one up to a year too old (a renewal). A chain is sent with its root.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, OtherError, RootCertStore, ServerConfig,
};
use thiserror::Error;

use super::authority::Chain;
use super::code::Code;
use super::identity::{
    IdentityError, PeerIdentity, Registrar, fingerprint_of, identify, identify_for_renewal,
    judged_at, leaf_end, prove,
};
use super::keys::{Fingerprint, TransportKey};

mod first_contact;
mod hosted;
mod verifier;

pub use first_contact::{FirstContact, FirstContactError};
pub use hosted::{HostedNodes, Presented};

use hosted::BySni;
use verifier::PeerVerifier;

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

/// Which of the two ports of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// Certificate required, and in its time.
    Link,
    /// No certificate, or one up to a year past its end.
    Enrol,
}

/// A node's certificate and key, as it shows them to others.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// What the certificate proves about its holder. May have expired: such a
    /// node starts, to ask for its renewal.
    pub own: PeerIdentity,
    certified: Arc<CertifiedKey>,
}

impl Credentials {
    /// Puts a chain and its key together.
    ///
    /// # Errors
    ///
    /// [`TlsError::Own`], [`TlsError::OtherKey`], [`TlsError::Library`].
    pub fn new(chain: &Chain, key: &TransportKey, root: &Fingerprint) -> Result<Self, TlsError> {
        // Whether it is in time is for the others to judge.
        let end = leaf_end(chain.certificates()).map_err(TlsError::Own)?;
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
            certified: Arc::new(certified),
        })
    }
}

/// Whom a process believes: one root, one registry, one clock.
#[derive(Debug, Clone)]
pub struct Trust {
    root: Fingerprint,
    roots: Arc<RootCertStore>,
    registrar: Arc<dyn Registrar>,
    time: Arc<dyn TimeProvider>,
    provider: Arc<CryptoProvider>,
}

impl Trust {
    /// Believes `root` alone; no root of the operating system is ever read.
    ///
    /// # Errors
    ///
    /// [`TlsError::Library`] where the certificate is no trust anchor.
    pub fn new(
        root: &CertificateDer<'_>,
        registrar: Arc<dyn Registrar>,
        time: Arc<dyn TimeProvider>,
    ) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        roots
            .add(root.clone().into_owned())
            .map_err(TlsError::Library)?;
        let root = fingerprint_of(root).map_err(TlsError::Own)?;
        Ok(Self {
            root,
            roots: Arc::new(roots),
            registrar,
            time,
            provider: provider(),
        })
    }

    /// The root's fingerprint, as invitations carry it.
    pub const fn root(&self) -> &Fingerprint {
        &self.root
    }

    /// The server side of a port. `fallback` is shown to who names no hosted
    /// node: on the enrol port a joiner knows only an address.
    ///
    /// # Errors
    ///
    /// [`TlsError::Library`], [`TlsError::Verifier`].
    pub fn server_config(
        &self,
        port: Port,
        hosted: &Arc<HostedNodes>,
        fallback: Option<String>,
    ) -> Result<ServerConfig, TlsError> {
        let verifier = self.verifier(port)?;
        let resolver = BySni::new(Arc::clone(hosted), fallback);
        let mut config =
            ServerConfig::builder_with_details(self.provider.clone(), self.time.clone())
                .with_protocol_versions(&[&rustls::version::TLS13])
                .map_err(TlsError::Library)?
                .with_client_cert_verifier(Arc::new(verifier))
                .with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    /// The dialling side. The name dialled must be the node's name in its
    /// certificate; what is presented can be exchanged while this is in use.
    ///
    /// # Errors
    ///
    /// [`TlsError::Library`], [`TlsError::Verifier`].
    pub fn client_config(&self, presented: &Arc<Presented>) -> Result<ClientConfig, TlsError> {
        let verifier = self.verifier(Port::Link)?;
        let mut config =
            ClientConfig::builder_with_details(self.provider.clone(), self.time.clone())
                .with_protocol_versions(&[&rustls::version::TLS13])
                .map_err(TlsError::Library)?
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verifier))
                .with_client_cert_resolver(Arc::clone(presented) as _);
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        Ok(config)
    }

    /// Who is at the other end of an open connection, by the same rule as in
    /// its handshake. `None` where it showed no certificate (a join).
    ///
    /// Also to be asked of live connections when the registry changes.
    ///
    /// # Errors
    ///
    /// An [`IdentityError`].
    pub fn peer(
        &self,
        port: Port,
        certificates: Option<&[CertificateDer<'_>]>,
        now: Timestamp,
    ) -> Result<Option<PeerIdentity>, IdentityError> {
        certificates
            .map(|chain| judge(chain, port, &self.root, &*self.registrar, now))
            .transpose()
    }

    /// Whether the registry pins the key that an identity has proven, and lets it connect.
    pub fn is_pinned(&self, peer: &PeerIdentity) -> bool {
        self.registrar.pinned(&peer.node()).is_some_and(|pinned| {
            !pinned.revoked && pinned.transport_key == peer.transport_key.fingerprint()
        })
    }

    fn verifier(&self, port: Port) -> Result<PeerVerifier, TlsError> {
        PeerVerifier::new(
            port,
            self.root,
            &self.roots,
            Arc::clone(&self.registrar),
            &self.provider,
        )
        .map_err(TlsError::Verifier)
    }
}

/// The one rule of a port.
fn judge(
    chain: &[CertificateDer<'_>],
    port: Port,
    root: &Fingerprint,
    registrar: &dyn Registrar,
    now: Timestamp,
) -> Result<PeerIdentity, IdentityError> {
    match port {
        Port::Link => identify(chain, root, registrar, now),
        Port::Enrol => identify_for_renewal(chain, root, registrar, now),
    }
}

/// The instant a port judges a chain's dates by.
fn instant(
    chain: &[CertificateDer<'_>],
    port: Port,
    now: Timestamp,
) -> Result<Timestamp, IdentityError> {
    match port {
        Port::Link => Ok(now),
        Port::Enrol => judged_at(chain, now),
    }
}

/// The stable code of a failed handshake, from either end: what this end
/// refused, or the alert by which the other end did. `None` where the failure
/// is no verdict on a certificate.
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "most failures of TLS are no verdict on a certificate"
)]
pub fn code_of(error: &rustls::Error) -> Option<Code> {
    match error {
        rustls::Error::NoCertificatesPresented => Some(Code::CertificateMissing),
        rustls::Error::InvalidCertificate(error) => Some(code_of_certificate(error)),
        rustls::Error::AlertReceived(alert) => match alert {
            AlertDescription::CertificateRequired => Some(Code::CertificateMissing),
            AlertDescription::CertificateRevoked => Some(Code::CertificateRevoked),
            AlertDescription::CertificateExpired => Some(Code::CertificateExpired),
            AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA => Some(Code::CertificateChain),
            _ => None,
        },
        _ => None,
    }
}

#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "every other verdict is one on the chain"
)]
fn code_of_certificate(error: &CertificateError) -> Code {
    match error {
        CertificateError::Revoked => Code::CertificateRevoked,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            Code::CertificateExpired
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Code::CertificateNotYetValid
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Code::CertificateName
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            Code::CertificateUsage
        }
        CertificateError::Other(OtherError(error)) => error
            .downcast_ref::<IdentityError>()
            .map(IdentityError::code)
            .or_else(|| {
                error
                    .downcast_ref::<FirstContactError>()
                    .map(FirstContactError::code)
            })
            .unwrap_or(Code::CertificateChain),
        _ => Code::CertificateChain,
    }
}

/// ring, handed over explicitly: nothing depends on a process-wide default.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

#[cfg(test)]
mod tests;
