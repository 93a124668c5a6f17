//! The certificate that browsers see: a given one, or one of an authority of the node's own.
//!
//! The own authority is made at the first start and kept, so that whoever imported `pages/authority.pem` once is not
//! asked again; what it issues lives for one run of the process and names this machine as the configuration does. It has
//! nothing to do with the authority of links: no browser is made to trust that one, and no link trusts this one.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::entrance::passwords::put;
use crate::config;

const AUTHORITY: &str = "authority.pem";
const AUTHORITY_KEY: &str = "authority.key";
/// Life of the own authority.
const AUTHORITY_DAYS: i64 = 3653;
/// Life of what it issues; browsers take no longer ones.
const LEAF_DAYS: i64 = 397;
/// Clocks in offices differ.
const BACKDATED_DAYS: i64 = 1;

/// What a port answers a handshake with; which protocols it speaks is the port's to add. `folder` is where the pages keep their own; `now` is the machine's.
///
/// # Errors
/// A given file does not read, or nothing could be made or kept.
pub(super) fn server_config(
    pages: &config::Pages,
    folder: &Path,
    now: time::OffsetDateTime,
) -> anyhow::Result<ServerConfig> {
    let (chain, key) = match (&pages.certificate_file, &pages.key_file) {
        (Some(certificate), Some(key)) => given(certificate, key)?,
        _ => own(pages, folder, now)?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("the certificate of the pages and its key do not belong together")?;
    Ok(config)
}

type Shown = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn given(certificate: &Path, key: &Path) -> anyhow::Result<Shown> {
    let reading = |path: &Path| format!("cannot read {}", path.display());
    let chain = CertificateDer::pem_file_iter(certificate)
        .with_context(|| reading(certificate))?
        .collect::<Result<Vec<_>, _>>()
        .with_context(|| reading(certificate))?;
    let key = PrivateKeyDer::from_pem_file(key).with_context(|| reading(key))?;
    Ok((chain, key))
}

fn own(pages: &config::Pages, folder: &Path, now: time::OffsetDateTime) -> anyhow::Result<Shown> {
    let (certificate, authority) = match kept(folder)? {
        Some(kept) => kept,
        None => make_authority(folder, now)?,
    };
    let key = KeyPair::generate()?;
    let mut leaf = CertificateParams::default();
    leaf.subject_alt_names = names(pages)?;
    leaf.distinguished_name.push(DnType::CommonName, "Fengqiao");
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.use_authority_key_identifier_extension = true;
    last(&mut leaf, now, LEAF_DAYS);
    let issuer = Issuer::from_ca_cert_pem(&certificate, &authority)?;
    let signed = leaf.signed_by(&key, &issuer)?;
    let above = CertificateDer::from_pem_slice(certificate.as_bytes())?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
    Ok((vec![signed.der().clone(), above], key))
}

fn kept(folder: &Path) -> anyhow::Result<Option<(String, KeyPair)>> {
    let (certificate, key) = (folder.join(AUTHORITY), folder.join(AUTHORITY_KEY));
    if !certificate.exists() || !key.exists() {
        return Ok(None);
    }
    let read = |path: &Path| {
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
    };
    let pair = KeyPair::from_pem(&read(&key)?)
        .with_context(|| format!("{} holds no key; remove it", key.display()))?;
    Ok(Some((read(&certificate)?, pair)))
}

fn make_authority(folder: &Path, now: time::OffsetDateTime) -> anyhow::Result<(String, KeyPair)> {
    let key = KeyPair::generate()?;
    let mut authority = CertificateParams::default();
    authority
        .distinguished_name
        .push(DnType::CommonName, "Fengqiao pages of this machine");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    last(&mut authority, now, AUTHORITY_DAYS);
    let certificate = authority.self_signed(&key)?.pem();
    put(folder, AUTHORITY_KEY, key.serialize_pem().as_bytes())?;
    put(folder, AUTHORITY, certificate.as_bytes())?;
    Ok((certificate, key))
}

fn last(certificate: &mut CertificateParams, now: time::OffsetDateTime, days: i64) {
    certificate.not_before = now - time::Duration::days(BACKDATED_DAYS);
    certificate.not_after = now + time::Duration::days(days - BACKDATED_DAYS);
}

/// Every name under which a browser may come: this machine's, loopback, the address listened on, those configured.
fn names(pages: &config::Pages) -> anyhow::Result<Vec<SanType>> {
    let mut names = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .to_ascii_lowercase();
    names.push(host);
    if !pages.listen.ip().is_unspecified() {
        names.push(pages.listen.ip().to_string());
    }
    names.extend(pages.names.iter().cloned());
    names.retain(|name| !name.is_empty());
    names.sort();
    names.dedup();
    names
        .into_iter()
        .map(|name| match name.parse::<IpAddr>() {
            Ok(address) => Ok(SanType::IpAddress(address)),
            Err(_) => Ok(SanType::DnsName(name.try_into()?)),
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn pages() -> config::Pages {
        config::Pages {
            listen: "0.0.0.0:8443".parse().unwrap(),
            redirect: "0.0.0.0:8080".parse().unwrap(),
            names: vec!["pages.example".to_owned(), "10.1.2.3".to_owned()],
            certificate_file: None,
            key_file: None,
        }
    }

    #[test]
    fn the_own_authority_is_made_once_and_names_what_is_configured() {
        let folder = tempfile::tempdir().unwrap();
        let now = time::OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000);
        server_config(&pages(), folder.path(), now).unwrap();
        let first = std::fs::read(folder.path().join(AUTHORITY)).unwrap();
        server_config(&pages(), folder.path(), now).unwrap();
        assert_eq!(std::fs::read(folder.path().join(AUTHORITY)).unwrap(), first);
        let names = names(&pages()).unwrap();
        assert!(names.contains(&SanType::IpAddress("10.1.2.3".parse().unwrap())));
        assert!(names.contains(&SanType::DnsName("pages.example".try_into().unwrap())));
    }

    #[test]
    fn a_given_certificate_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let given = config::Pages {
            certificate_file: Some("/nowhere/pages.pem".into()),
            key_file: Some("/nowhere/pages.key".into()),
            ..pages()
        };
        let error = server_config(&given, folder.path(), time::OffsetDateTime::UNIX_EPOCH);
        assert!(format!("{:#}", error.unwrap_err()).contains("/nowhere/pages.pem"));
    }
}
