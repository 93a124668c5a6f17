//! A node on another machine: where it is, whom to believe there, and the token that says who acts.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};

use super::failure::Failure;
use crate::dial::Dial;

const HEADING: &str = "Node on another machine";
/// Until a name is found, and until each of its addresses has proven itself.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How a node on another machine is reached.
#[derive(Debug, Clone, Args)]
pub struct RemoteArgs {
    /// Desk of a node on another machine, instead of one of this machine: its desk.listen port, over TLS
    #[arg(long, global = true, help_heading = HEADING, value_name = "HOST:PORT", env = "FENGQIAO_REMOTE",
        conflicts_with = "socket", requires = "access_token_file")]
    pub remote: Option<String>,
    /// File with the access token that `account set` showed, readable by you alone; it says who acts
    #[arg(long, global = true, help_heading = HEADING, value_name = "FILE", env = "FENGQIAO_ACCESS_TOKEN_FILE")]
    pub access_token_file: Option<PathBuf>,
    /// Certificates to believe, in PEM: the node's pages/authority.pem, another authority, or its very certificate
    #[arg(long, global = true, help_heading = HEADING, value_name = "FILE", env = "FENGQIAO_TRUST")]
    pub trust: Option<PathBuf>,
}

/// Opens a connection to the desk at `address`.
///
/// # Errors
/// A usage failure where address or file of certificates cannot be one; why it was not reached, or not believed.
pub(super) async fn connect(address: &str, trust: Option<&Path>) -> Result<Channel, Failure> {
    let name = name_of(address).ok_or_else(|| {
        Failure::usage(
            "remote",
            "name the node as HOST:PORT, such as county.example:7445",
            "请写成 主机:端口，例如 county.example:7445",
        )
    })?;
    let trust = trust.ok_or_else(|| {
        Failure::usage(
            "trust",
            "name the certificates to believe with --trust FILE: pages/authority.pem in the node's data folder",
            "请用 --trust 指明所信任的证书：节点数据目录中的 pages/authority.pem",
        )
    })?;
    let dial = Dial {
        address,
        from: None,
        name,
        config: Arc::new(config(trust)?),
        limit: CONNECT_TIMEOUT,
    };
    let connection = dial.connect().await;
    let connection = connection.map_err(|unreached| Failure::unreached(&unreached))?;
    connection
        .channel(Endpoint::from_static("http://fengqiao.remote"))
        .await
        .map_err(|unreached| Failure::unreached(&unreached))
}

/// The header that says who acts, from the file of a token.
///
/// # Errors
/// A usage failure: it does not read, others may read it, or it holds no token.
pub(super) fn bearer(file: &Path) -> Result<MetadataValue<Ascii>, Failure> {
    let refuse =
        |english: String, chinese: String| Failure::usage("access-token-file", english, chinese);
    let shown = file.display();
    let unread = |error: std::io::Error| {
        refuse(
            format!("cannot read {shown}: {error}"),
            format!("无法读取 {shown}"),
        )
    };
    let mode = std::fs::metadata(file)
        .map_err(unread)?
        .permissions()
        .mode();
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    // There the service manager lets one account in by an access list, whose mask shows as rights of the group.
    let is_credential = credentials.is_some() && file.parent() == credentials.as_deref();
    if mode & 0o077 != 0 && !is_credential {
        return Err(refuse(
            format!("others may read {shown}: chmod 600 {shown}"),
            format!("令牌文件可被他人读取：请执行 chmod 600 {shown}"),
        ));
    }
    let text = std::fs::read_to_string(file).map_err(unread)?;
    let token = text.trim();
    let header = (!token.is_empty() && !token.contains(char::is_whitespace))
        .then(|| format!("Bearer {token}"))
        .and_then(|value| MetadataValue::try_from(value).ok());
    let mut header = header.ok_or_else(|| {
        refuse(
            format!("{shown} holds no access token: `fengqiao account token rotate` gives one"),
            format!("{shown} 中没有访问令牌：可由 fengqiao account token rotate 取得"),
        )
    })?;
    header.set_sensitive(true);
    Ok(header)
}

fn name_of(address: &str) -> Option<ServerName<'static>> {
    let (host, port) = address.rsplit_once(':')?;
    port.parse::<u16>().ok().filter(|port| *port != 0)?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    ServerName::try_from(host.to_owned()).ok()
}

fn config(trust: &Path) -> Result<ClientConfig, Failure> {
    let refuse = |why: &dyn std::fmt::Display| {
        let shown = trust.display();
        Failure::usage(
            "trust",
            format!("{shown} holds no certificates in PEM: {why}"),
            format!("{shown} 中没有 PEM 格式的证书"),
        )
    };
    let believed = CertificateDer::pem_file_iter(trust)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| refuse(&error))?;
    if believed.is_empty() {
        return Err(refuse(&"it is empty"));
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = Believed::new(believed, &provider).map_err(|error| refuse(&error))?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| refuse(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// Believes the very certificates of a file, whatever name and dates they bear, and what authorities among them issued
/// for the name that was dialled.
#[derive(Debug)]
struct Believed {
    pinned: Vec<CertificateDer<'static>>,
    chain: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
}

impl Believed {
    fn new(
        pinned: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let mut roots = RootCertStore::empty();
        for certificate in &pinned {
            roots.add(certificate.clone())?;
        }
        let chain =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        Ok(Self {
            pinned,
            chain: chain.build()?,
            provider: Arc::clone(provider),
        })
    }
}

impl ServerCertVerifier for Believed {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.pinned.iter().any(|pinned| pinned == shown) {
            return Ok(ServerCertVerified::assertion());
        }
        self.chain.verify_server_cert(shown, above, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, shown, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, shown, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

    use super::*;

    fn verdict(believed: &CertificateDer<'static>, shown: &CertificateDer<'_>, name: &str) -> bool {
        let provider = Arc::new(ring::default_provider());
        let verifier = Believed::new(vec![believed.clone()], &provider).unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        verifier
            .verify_server_cert(shown, &[], &name, &[], UnixTime::now())
            .is_ok()
    }

    #[test]
    fn the_very_certificate_is_believed_and_what_an_authority_issued_for_the_name() {
        let authority = |name: &str| {
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params
                .distinguished_name
                .push(rcgen::DnType::CommonName, name);
            let key = KeyPair::generate().unwrap();
            let certificate = params.self_signed(&key).unwrap();
            (certificate.der().clone(), Issuer::new(params, key))
        };
        let (ours, issuer) = authority("ours");
        let (others, _) = authority("others");
        let leaf = CertificateParams::new(vec!["node.example".to_owned()]).unwrap();
        let leaf = leaf
            .signed_by(&KeyPair::generate().unwrap(), &issuer)
            .unwrap();
        let leaf = leaf.der().clone();
        assert!(verdict(&ours, &leaf, "node.example"));
        assert!(!verdict(&ours, &leaf, "elsewhere.example"));
        assert!(!verdict(&others, &leaf, "node.example"));
        assert!(verdict(&leaf, &leaf, "elsewhere.example"), "it is pinned");
    }

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for address in ["county.example:7445", "10.1.2.3:7445", "[::1]:7445"] {
            assert!(name_of(address).is_some(), "{address}");
        }
        for address in [
            "county.example",
            "county.example:0",
            ":7445",
            "a b:7445",
            "",
        ] {
            assert!(name_of(address).is_none(), "{address}");
        }
    }
}
