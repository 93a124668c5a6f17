//! TLS as nodes speak it: version 1.3, own root, both ends judged by
//! `super::identity`.
//!
//! rustls' own path check runs first, with our root alone; then the chain is
//! read again by [`super::identity::identify`], and the registry is asked, all
//! inside the handshake: a revoked node gets an alert, not a connection. No
//! session is ever resumed, because a resumed one would not be judged. What
//! changes while a process runs (a renewed certificate, a node hosted in
//! addition, a revocation) is read at each handshake, so that no configuration
//! has to be rebuilt. Opens no socket and closes no live connection.
//!
//! The link port requires a certificate; the enrol port takes none (a join) or
//! one out of its time (a renewal): up to a year too old, or not yet begun. A
//! chain is sent with its root.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::server::NoServerSessionStorage;
use rustls::time_provider::TimeProvider;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, OtherError, RootCertStore, ServerConfig,
};

use super::code::Code;
use super::identity::{IdentityError, PeerIdentity, Registrar, fingerprint_of};
use super::keys::Fingerprint;

mod credentials;
mod first_contact;
mod hosted;
mod library;
mod verifier;

pub use credentials::Credentials;
pub use first_contact::{FirstContact, FirstContactError};
pub use hosted::{HostedNodes, Presented};
pub use library::{ALPN, TlsError};
pub use verifier::Port;

use hosted::BySni;
use library::provider;
use verifier::{PeerVerifier, judge};

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

#[cfg(test)]
mod tests;
