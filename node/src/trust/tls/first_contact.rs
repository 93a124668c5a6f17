//! The first contact of a node that was invited and knows nobody yet.
//!
//! Before a byte of the request is sent, the other end must show a chain that
//! ends in the root the invitation names and must be the very node that issued
//! the invitation. Whoever stands in between, with another root or with a
//! sound certificate of another node, ends the handshake and sees no secret.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WantsClientCert, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, OtherError,
    RootCertStore, SignatureScheme,
};
use thiserror::Error as ThisError;

use super::hosted::Presented;
use super::library::{ALPN, TlsError, provider};
use super::verifier::{not_spoken, timestamp, whole};
use crate::trust::code::Code;
use crate::trust::identity::{IdentityError, PeerIdentity, prove};
use crate::trust::invitation::Invitation;
use crate::trust::keys::Fingerprint;

/// Why the other end is not the one that invited; nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum FirstContactError {
    /// Its chain ends in another root than the invitation names.
    #[error("the other end belongs to another root; nothing was sent")]
    OtherRoot,
    /// A sound node of the deployment, but not the one that invited.
    #[error("the other end is not the node that invited; nothing was sent")]
    OtherParent,
    /// Its chain does not hold.
    #[error("the other end's certificate; nothing was sent")]
    Chain(#[source] IdentityError),
}

impl FirstContactError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        match self {
            Self::OtherRoot => Code::TokenOtherRoot,
            Self::OtherParent => Code::TokenOtherParent,
            Self::Chain(error) => error.code(),
        }
    }
}

/// Judges the other end by an invitation alone, or by the root alone where nothing secret is to be sent.
#[derive(Debug, Clone)]
pub struct FirstContact {
    root: Fingerprint,
    invitation: Option<Invitation>,
    provider: Arc<CryptoProvider>,
}

impl FirstContact {
    /// By this invitation.
    pub fn new(invitation: Invitation) -> Self {
        Self {
            root: invitation.root,
            invitation: Some(invitation),
            provider: provider(),
        }
    }

    /// Any node of the deployment, registered here or not: who asks it believes nothing but what the root key proves.
    pub fn of_root(root: Fingerprint) -> Self {
        Self {
            root,
            invitation: None,
            provider: provider(),
        }
    }

    /// The inviter's identity, from the chain it shows, leaf first, root last.
    ///
    /// # Errors
    ///
    /// A [`FirstContactError`].
    pub fn verify<C: AsRef<[u8]>>(
        &self,
        chain: &[C],
        now: Timestamp,
    ) -> Result<PeerIdentity, FirstContactError> {
        let proven = prove(chain, &self.root, now).map_err(|error| {
            if error == IdentityError::Root {
                FirstContactError::OtherRoot
            } else {
                FirstContactError::Chain(error)
            }
        })?;
        let node = proven.identity.node();
        match &self.invitation {
            Some(invitation) if !invitation.is_from(node) => Err(FirstContactError::OtherParent),
            Some(_) | None => Ok(proven.identity),
        }
    }

    /// The dialling side of a join: no certificate of its own, any address.
    ///
    /// # Errors
    ///
    /// [`TlsError::Library`].
    pub fn client_config(&self, time: Arc<dyn TimeProvider>) -> Result<ClientConfig, TlsError> {
        Ok(Self::finish(self.builder(time)?.with_no_client_auth()))
    }

    /// The same that shows a certificate: to see what a link port says of it.
    ///
    /// # Errors
    ///
    /// [`TlsError::Library`].
    pub fn client_config_showing(
        &self,
        presented: &Arc<Presented>,
        time: Arc<dyn TimeProvider>,
    ) -> Result<ClientConfig, TlsError> {
        let shown = Arc::clone(presented) as _;
        Ok(Self::finish(
            self.builder(time)?.with_client_cert_resolver(shown),
        ))
    }

    fn builder(
        &self,
        time: Arc<dyn TimeProvider>,
    ) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TlsError> {
        let provider = Arc::clone(&self.provider);
        Ok(ClientConfig::builder_with_details(provider, time)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(TlsError::Library)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(self.clone())))
    }

    fn finish(mut config: ClientConfig) -> ClientConfig {
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        config
    }

    /// The library's own path check, under the root that was just recognised.
    fn verify_path(
        &self,
        chain: &[CertificateDer<'_>],
        peer: &PeerIdentity,
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let [leaf, rest @ .., root] = chain else {
            return Err(other(FirstContactError::OtherRoot));
        };
        let mut roots = RootCertStore::empty();
        roots.add(root.clone().into_owned())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::clone(&self.provider),
        )
        .build()
        .map_err(|error| Error::General(error.to_string()))?;
        let name = ServerName::try_from(peer.name.to_string())
            .map_err(|_| Error::InvalidCertificate(CertificateError::NotValidForName))?;
        verifier.verify_server_cert(leaf, rest, &name, &[], now)
    }
}

fn other(error: FirstContactError) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error))))
}

impl ServerCertVerifier for FirstContact {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = whole(end_entity, intermediates);
        let peer = self.verify(&chain, timestamp(now)?).map_err(other)?;
        self.verify_path(&chain, &peer, now)
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
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}
