//! The judge inside the handshake.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    PeerIncompatible, RootCertStore, SignatureScheme,
};

use crate::trust::identity::{
    IdentityError, PeerIdentity, Registrar, identify, identify_for_renewal, judged_at,
};
use crate::trust::keys::Fingerprint;

/// Which of the two ports of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// Certificate required, and in its time.
    Link,
    /// No certificate, or one up to a year past its end or before its beginning.
    Enrol,
}

/// The one rule of a port.
pub(super) fn judge(
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

/// Judges clients of one port, and servers that are dialled.
#[derive(Debug)]
pub(super) struct PeerVerifier {
    port: Port,
    root: Fingerprint,
    registrar: Arc<dyn Registrar>,
    clients: Arc<dyn ClientCertVerifier>,
    servers: Arc<WebPkiServerVerifier>,
}

impl PeerVerifier {
    pub(super) fn new(
        port: Port,
        root: Fingerprint,
        roots: &Arc<RootCertStore>,
        registrar: Arc<dyn Registrar>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, VerifierBuilderError> {
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider))
                .build()?;
        let servers =
            WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider))
                .build()?;
        Ok(Self {
            port,
            root,
            registrar,
            clients,
            servers,
        })
    }
}

/// The alert a peer sees says as much as TLS has words for; the log gets the
/// error itself where it has none.
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "TLS has words for three of them"
)]
pub(super) fn refused(error: IdentityError) -> Error {
    Error::InvalidCertificate(match error {
        IdentityError::Revoked(_) | IdentityError::AuthorityRevoked(_) => CertificateError::Revoked,
        IdentityError::Expired(_) => CertificateError::Expired,
        IdentityError::NotYetValid(_) => CertificateError::NotValidYet,
        other => CertificateError::Other(OtherError(Arc::new(other))),
    })
}

pub(super) fn timestamp(now: UnixTime) -> Result<Timestamp, Error> {
    i64::try_from(now.as_secs())
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .ok_or(Error::FailedToGetCurrentTime)
}

fn unix_time(instant: Timestamp) -> Result<UnixTime, Error> {
    let seconds = u64::try_from(instant.as_second()).map_err(|_| Error::FailedToGetCurrentTime)?;
    Ok(UnixTime::since_unix_epoch(std::time::Duration::from_secs(
        seconds,
    )))
}

/// The chain as [`crate::trust::identity`] reads it.
pub(super) fn whole<'a>(
    end_entity: &CertificateDer<'a>,
    intermediates: &[CertificateDer<'a>],
) -> Vec<CertificateDer<'a>> {
    let mut chain = vec![end_entity.clone()];
    chain.extend(intermediates.iter().cloned());
    chain
}

/// TLS 1.2 is not spoken.
pub(super) fn not_spoken() -> Error {
    Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered)
}

impl ClientCertVerifier for PeerVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.port == Port::Link
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let chain = whole(end_entity, intermediates);
        let now = timestamp(now)?;
        let judged_by = instant(&chain, self.port, now).map_err(refused)?;
        let verified =
            self.clients
                .verify_client_cert(end_entity, intermediates, unix_time(judged_by)?)?;
        judge(&chain, self.port, &self.root, &*self.registrar, now).map_err(refused)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(not_spoken())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.clients.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.servers.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )?;
        let chain = whole(end_entity, intermediates);
        // The library has compared the name dialled with the certificate's; that
        // there is only one, and no wildcard, is known from here on.
        judge(
            &chain,
            Port::Link,
            &self.root,
            &*self.registrar,
            timestamp(now)?,
        )
        .map_err(refused)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(not_spoken())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.servers.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}
