//! Issuing certificates: a root for the deployment, an authority for each
//! centre that enrols others, a leaf for each node.
//!
//! An authority is constrained by name to `<place>.<its issuer's subtree>`, is
//! told how many levels may hang below it, and excludes all IP addresses. What
//! a signing request *wishes* for is never copied: only its public key is
//! taken, and only after it has proven possession of it. No certificate
//! outlives its issuer. Keeps no list of what it issued: the caller registers.

use ed25519_dalek::pkcs8::spki::der::pem;
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyUsagePurpose, NameConstraints,
    SanType, SerialNumber,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use thiserror::Error;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::OID_SIG_ED25519;
use x509_parser::prelude::FromDer;

use super::identity::{IdentityError, prove_authority, window};
use super::keys::{AuthorityKey, Fingerprint, PrivateKey, PublicKey};
use super::name::{AUTHORITY_DEPTH_MAX, DeploymentId, IssuingPath, NodeId, NodeName, PlaceId};
use super::random::{Random, RandomUnavailable};

/// Life of a root.
pub(crate) const ROOT_DAYS: i64 = 3653;
/// Life of an issuing authority.
pub(crate) const AUTHORITY_DAYS: i64 = 1096;
/// Life of a node's certificate.
pub(crate) const LEAF_DAYS: i64 = 180;
/// How far back a certificate begins: machines below have wrong clocks.
pub(crate) const BACKDATED_SECONDS: i64 = 3600;
/// The largest signing request that is looked at.
pub(crate) const REQUEST_BYTES_MAX: usize = 4096;

/// Why nothing was issued.
#[derive(Debug, Error)]
pub enum AuthorityError {
    /// Not one whole Ed25519 signing request, or too large.
    #[error("not an Ed25519 signing request")]
    Request,
    /// The request is not signed by the key it carries.
    #[error("the signing request does not prove possession of its key")]
    Possession,
    /// This authority may have no further level below it.
    #[error("{asked} levels asked for below an authority that has {left}")]
    Levels {
        /// Levels that were to hang below the new authority.
        asked: u8,
        /// Levels that may hang below this one.
        left: u8,
    },
    /// This authority's own certificate has ended.
    #[error("the authority's own certificate has expired")]
    Expired,
    /// This authority's own certificate has not begun: nobody would take what it issues.
    #[error("the authority's own certificate is not valid yet")]
    NotYetValid,
    /// The chain on disk is not this authority's.
    #[error("the authority's own chain")]
    Chain(#[source] IdentityError),
    /// The chain on disk is for another key.
    #[error("the authority's chain is for another key")]
    OtherKey,
    /// Not PEM of certificates.
    #[error("not a chain of certificates in PEM")]
    Pem,
    /// The certificate could not be written.
    #[error("writing the certificate")]
    Encode(#[source] rcgen::Error),
    /// No randomness for a serial.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
}

/// A chain of certificates, the holder's first, the root last.
#[derive(Clone, PartialEq, Eq)]
pub struct Chain(Vec<CertificateDer<'static>>);

impl Chain {
    /// Takes certificates as they came; proves nothing.
    pub fn from_der(certificates: &[CertificateDer<'_>]) -> Self {
        Self(
            certificates
                .iter()
                .map(|certificate| certificate.clone().into_owned())
                .collect(),
        )
    }

    /// Reads PEM; proves nothing.
    ///
    /// # Errors
    ///
    /// [`AuthorityError::Pem`] where there is no certificate or a broken one.
    pub fn from_pem(pem: &str) -> Result<Self, AuthorityError> {
        let certificates = CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| AuthorityError::Pem)?;
        if certificates.is_empty() {
            return Err(AuthorityError::Pem);
        }
        Ok(Self(certificates))
    }

    /// The certificates in PEM, one after the other.
    pub fn to_pem(&self) -> String {
        self.0
            .iter()
            // Fails only past the length a machine can address.
            .filter_map(|certificate| {
                pem::encode_string("CERTIFICATE", pem::LineEnding::LF, certificate).ok()
            })
            .collect()
    }

    /// The certificates in DER.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.0
    }

    fn above(certificate: rcgen::Certificate, chain: &Self) -> Self {
        let mut certificates = vec![certificate.into()];
        certificates.extend(chain.0.iter().cloned());
        Self(certificates)
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Chain({})", self.0.len())
    }
}

/// A root or an issuing authority with its key.
#[derive(Debug)]
pub struct Authority {
    key: AuthorityKey,
    chain: Chain,
    path: IssuingPath,
    levels_below: u8,
    /// When the last certificate of its chain begins.
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Authority {
    /// Makes the root of a new deployment. `levels_below` authorities may stand
    /// one under the other beneath it, at most `AUTHORITY_DEPTH_MAX`.
    ///
    /// # Errors
    ///
    /// [`AuthorityError::Levels`], [`AuthorityError::Random`],
    /// [`AuthorityError::Encode`].
    pub fn init(
        key: AuthorityKey,
        deployment: DeploymentId,
        levels_below: u8,
        now: Timestamp,
        random: &mut dyn Random,
    ) -> Result<Self, AuthorityError> {
        if usize::from(levels_below) > AUTHORITY_DEPTH_MAX {
            return Err(AuthorityError::Levels {
                asked: levels_below,
                left: u8::try_from(AUTHORITY_DEPTH_MAX).unwrap_or(u8::MAX),
            });
        }
        let path = IssuingPath::root(deployment);
        let until = later(now, ROOT_DAYS);
        let parameters = authority_parameters(&path, levels_below, now, until, random)?;
        let certificate = parameters
            .self_signed(&key)
            .map_err(AuthorityError::Encode)?;
        Ok(Self {
            key,
            chain: Chain(vec![certificate.into()]),
            path,
            levels_below,
            not_before: earlier(now),
            not_after: until,
        })
    }

    /// Puts an authority together from its key and its chain, which is proven
    /// up to the root.
    ///
    /// # Errors
    ///
    /// [`AuthorityError::Chain`], [`AuthorityError::OtherKey`].
    pub fn load(
        key: AuthorityKey,
        chain: Chain,
        root: &Fingerprint,
        now: Timestamp,
    ) -> Result<Self, AuthorityError> {
        let proof =
            prove_authority(chain.certificates(), root, now).map_err(AuthorityError::Chain)?;
        if proof.key != *key.public() {
            return Err(AuthorityError::OtherKey);
        }
        let (not_before, _) = window(chain.certificates()).map_err(AuthorityError::Chain)?;
        Ok(Self {
            key,
            chain,
            path: proof.path,
            levels_below: proof.levels_below,
            not_before,
            not_after: proof.not_after,
        })
    }

    /// The same key under a renewed chain.
    ///
    /// # Errors
    ///
    /// As [`Authority::load`].
    pub fn with_chain(
        self,
        chain: Chain,
        root: &Fingerprint,
        now: Timestamp,
    ) -> Result<Self, AuthorityError> {
        Self::load(self.key, chain, root, now)
    }

    /// The path certificates of this authority hang from.
    pub const fn path(&self) -> &IssuingPath {
        &self.path
    }

    /// Own chain, root last.
    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The key itself: to be written down once, or to prove a renewal.
    pub(crate) const fn key(&self) -> &AuthorityKey {
        &self.key
    }

    /// The key that signs, for the registry.
    pub const fn public(&self) -> &PublicKey {
        self.key.public()
    }

    /// Levels of authorities that may stand below this one.
    pub const fn levels_below(&self) -> u8 {
        self.levels_below
    }

    /// When its own certificate ends; a successor is issued a year before.
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Issues an authority for a place directly below this one.
    ///
    /// # Errors
    ///
    /// [`AuthorityError::Request`] and [`AuthorityError::Possession`] for the
    /// request, [`AuthorityError::Levels`], [`AuthorityError::Expired`],
    /// [`AuthorityError::NotYetValid`], [`AuthorityError::Random`], [`AuthorityError::Encode`].
    pub fn issue_authority(
        &self,
        place: PlaceId,
        request: &[u8],
        levels_below: u8,
        now: Timestamp,
        random: &mut dyn Random,
    ) -> Result<Chain, AuthorityError> {
        let key = requested_key(request)?;
        if levels_below >= self.levels_below {
            return Err(AuthorityError::Levels {
                asked: levels_below,
                left: self.levels_below,
            });
        }
        let until = self.until(now, AUTHORITY_DAYS)?;
        let path = self.path.below(place);
        let parameters = authority_parameters(&path, levels_below, now, until, random)?;
        self.sign(&parameters, &key)
    }

    /// Issues a node's certificate for the key in `request`; everything else
    /// in the request is ignored.
    ///
    /// # Errors
    ///
    /// As [`Authority::issue_authority`], without [`AuthorityError::Levels`].
    pub fn issue_leaf(
        &self,
        node: NodeId,
        request: &[u8],
        now: Timestamp,
        random: &mut dyn Random,
    ) -> Result<Chain, AuthorityError> {
        let key = requested_key(request)?;
        let name = NodeName {
            node,
            issued_by: self.path.clone(),
        };
        let until = self.until(now, LEAF_DAYS)?;
        let mut parameters = parameters(now, until, random)?;
        parameters.subject_alt_names = vec![SanType::DnsName(
            name.to_string()
                .try_into()
                .map_err(AuthorityError::Encode)?,
        )];
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
        ];
        self.sign(&parameters, &key)
    }

    fn until(&self, now: Timestamp, days: i64) -> Result<Timestamp, AuthorityError> {
        if now >= self.not_after {
            return Err(AuthorityError::Expired);
        }
        if now < self.not_before {
            return Err(AuthorityError::NotYetValid);
        }
        Ok(later(now, days).min(self.not_after))
    }

    fn sign(
        &self,
        parameters: &CertificateParams,
        key: &PublicKey,
    ) -> Result<Chain, AuthorityError> {
        let own = &self.chain.certificates()[0];
        let issuer = Issuer::from_ca_cert_der(own, &self.key).map_err(AuthorityError::Encode)?;
        let certificate = parameters
            .signed_by(key, &issuer)
            .map_err(AuthorityError::Encode)?;
        Ok(Chain::above(certificate, &self.chain))
    }
}

#[cfg(test)]
impl Authority {
    /// Signs whatever `edit` makes of an otherwise sound leaf: what a
    /// compromised authority could do.
    pub(crate) fn forge(
        &self,
        key: &impl rcgen::PublicKeyData,
        now: Timestamp,
        random: &mut dyn Random,
        edit: impl FnOnce(&mut CertificateParams),
    ) -> Chain {
        let mut forged = parameters(now, later(now, LEAF_DAYS), random).expect("parameters");
        forged.is_ca = IsCa::ExplicitNoCa;
        forged.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        forged.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
        ];
        edit(&mut forged);
        let own = &self.chain.certificates()[0];
        let issuer = Issuer::from_ca_cert_der(own, &self.key).expect("issuer");
        let certificate = forged.signed_by(key, &issuer).expect("signed");
        Chain::above(certificate, &self.chain)
    }

    /// Turns a forged chain into an authority without proving it.
    pub(crate) fn pretend(key: AuthorityKey, chain: Chain, path: IssuingPath) -> Self {
        Self {
            key,
            chain,
            path,
            levels_below: 9,
            not_before: Timestamp::MIN,
            not_after: Timestamp::MAX,
        }
    }
}

/// A signing request that proves possession of `key` and wishes for nothing.
///
/// # Errors
///
/// [`AuthorityError::Encode`].
pub(crate) fn signing_request<P: super::keys::Purpose>(
    key: &PrivateKey<P>,
) -> Result<Vec<u8>, AuthorityError> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    let request = parameters
        .serialize_request(key)
        .map_err(AuthorityError::Encode)?;
    Ok(request.der().to_vec())
}

/// The key of a signing request, if the request is signed by it.
pub(crate) fn requested_key(request: &[u8]) -> Result<PublicKey, AuthorityError> {
    if request.len() > REQUEST_BYTES_MAX {
        return Err(AuthorityError::Request);
    }
    let (rest, request) =
        X509CertificationRequest::from_der(request).map_err(|_| AuthorityError::Request)?;
    let body = &request.certification_request_info;
    let sound = rest.is_empty()
        && request.signature_algorithm.algorithm == OID_SIG_ED25519
        && body.subject_pki.algorithm.algorithm == OID_SIG_ED25519;
    if !sound {
        return Err(AuthorityError::Request);
    }
    let key = PublicKey::from_bytes(&body.subject_pki.subject_public_key.data)
        .map_err(|_| AuthorityError::Request)?;
    key.verify(body.raw, &request.signature_value.data)
        .map_err(|_| AuthorityError::Possession)?;
    Ok(key)
}

/// The beginning of what is issued now, in whole seconds as certificates have it.
fn earlier(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second().saturating_sub(BACKDATED_SECONDS))
        .unwrap_or(Timestamp::MIN)
}

fn later(now: Timestamp, days: i64) -> Timestamp {
    now.saturating_add(SignedDuration::from_hours(24 * days))
        .unwrap_or(Timestamp::MAX)
}

fn parameters(
    now: Timestamp,
    until: Timestamp,
    random: &mut dyn Random,
) -> Result<CertificateParams, AuthorityError> {
    let mut serial = [0; 16];
    random.fill(&mut serial)?;
    // Positive and of full length, so that every serial has 16 bytes.
    serial[0] = (serial[0] & 0x7f) | 0x40;
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.serial_number = Some(SerialNumber::from_slice(&serial));
    parameters.not_before = date_time(earlier(now).as_second());
    parameters.not_after = date_time(until.as_second());
    parameters.use_authority_key_identifier_extension = true;
    Ok(parameters)
}

/// The one seam to the calendar type of the certificate writer.
fn date_time(seconds: i64) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
}

fn authority_parameters(
    path: &IssuingPath,
    levels_below: u8,
    now: Timestamp,
    until: Timestamp,
    random: &mut dyn Random,
) -> Result<CertificateParams, AuthorityError> {
    let mut parameters = parameters(now, until, random)?;
    // Issuers need a subject to be found by; nobody reads an identity in it.
    let own = path
        .authorities
        .first()
        .map_or_else(|| "root".to_owned(), PlaceId::to_string);
    parameters
        .distinguished_name
        .push(DnType::CommonName, format!("{own} of {}", path.deployment));
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(levels_below));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName(path.to_string())],
        excluded_subtrees: vec![
            GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0; 4])),
            GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [0; 16])),
        ],
    });
    Ok(parameters)
}

#[cfg(test)]
mod tests;
