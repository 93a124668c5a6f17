//! One certificate, read strictly: only the shape this system issues.

use jiff::Timestamp;
use x509_parser::extensions::{BasicConstraints, GeneralName, ParsedExtension};
use x509_parser::oid_registry::{OID_SIG_ED25519, OID_X509_COMMON_NAME};
use x509_parser::prelude::{FromDer, X509Certificate, X509Name, X509Version};
use x509_parser::x509::AlgorithmIdentifier;

use super::error::IdentityError;
use crate::trust::keys::{Fingerprint, PublicKey};
use crate::trust::name::{IssuingPath, NAME_SUFFIX};

/// The largest certificate that is looked at.
pub(super) const CERTIFICATE_BYTES_MAX: usize = 4096;

/// What stands between the signed part and an Ed25519 signature: the
/// algorithm, and a bit string of 64 whole bytes.
const SIGNATURE_PREFIX: [u8; 10] = [0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x41, 0x00];
const NO_IPV4: [u8; 8] = [0; 8];
const NO_IPV6: [u8; 32] = [0; 32];

/// A parsed certificate and where in its chain it stands.
pub(super) struct Certificate<'a> {
    position: usize,
    signed: Vec<u8>,
    signature: Vec<u8>,
    subject: X509Name<'a>,
    issuer: X509Name<'a>,
    pub(super) serial: Vec<u8>,
    pub(super) key: PublicKey,
    pub(super) fingerprint: Fingerprint,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    pub(super) names: Option<Vec<Name>>,
    basic: Option<BasicConstraints>,
    usage: Option<Usage>,
    extended: Option<BothEnds>,
    constraints: Option<Constraints>,
}

#[derive(Clone, Copy)]
struct Usage {
    digital_signature: bool,
    key_cert_sign: bool,
}

/// Whether the extended usage names both client and server.
struct BothEnds(bool);

/// A subject alternative name as far as it matters.
pub(super) enum Name {
    Dns(String),
    OtherKind,
}

impl Name {
    fn of(name: &GeneralName<'_>) -> Self {
        if let GeneralName::DNSName(text) = name {
            Self::Dns((*text).to_owned())
        } else {
            Self::OtherKind
        }
    }
}

/// The one permitted subtree; `None` where the constraints have another shape.
struct Constraints {
    subtree: Option<String>,
}

impl<'a> Certificate<'a> {
    /// Reads one whole certificate.
    pub(super) fn parse(der: &'a [u8], position: usize) -> Result<Self, IdentityError> {
        let malformed = |what| IdentityError::Malformed { position, what };
        if der.len() > CERTIFICATE_BYTES_MAX {
            return Err(malformed("too large"));
        }
        let (rest, certificate) =
            X509Certificate::from_der(der).map_err(|_| malformed("not a certificate"))?;
        if !rest.is_empty() {
            return Err(malformed("bytes after the certificate"));
        }
        let signed = certificate.tbs_certificate.as_ref().to_vec();
        let serial = certificate.raw_serial().to_vec();
        let X509Certificate {
            tbs_certificate: body,
            signature_algorithm,
            signature_value,
            ..
        } = certificate;
        if body.version != X509Version::V3 {
            return Err(malformed("not of version 3"));
        }
        let spki = &body.subject_pki;
        if !is_ed25519(&signature_algorithm)
            || !is_ed25519(&body.signature)
            || !is_ed25519(&spki.algorithm)
        {
            return Err(IdentityError::Algorithm(position));
        }
        if !is_only_spelling(der, &signed, &signature_value.data) {
            return Err(malformed("not in DER"));
        }
        let mut read = Self {
            position,
            signed,
            signature: signature_value.data.to_vec(),
            key: PublicKey::from_bytes(&spki.subject_public_key.data)
                .map_err(|_| IdentityError::Algorithm(position))?,
            fingerprint: Fingerprint::of_spki(spki.raw),
            not_before: timestamp(body.validity.not_before.timestamp())
                .ok_or_else(|| malformed("no such instant"))?,
            not_after: timestamp(body.validity.not_after.timestamp())
                .ok_or_else(|| malformed("no such instant"))?,
            subject: body.subject.clone(),
            issuer: body.issuer.clone(),
            serial,
            names: None,
            basic: None,
            usage: None,
            extended: None,
            constraints: None,
        };
        let mut seen = Vec::new();
        for extension in body.extensions() {
            if seen.contains(&extension.oid) {
                return Err(IdentityError::Extension(position));
            }
            seen.push(extension.oid.clone());
            let taken = read.take(extension.parsed_extension());
            if taken == Taken::Unreadable || (taken == Taken::Unknown && extension.critical) {
                return Err(IdentityError::Extension(position));
            }
        }
        Ok(read)
    }

    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "whatever else a parser learns to read stays unknown here"
    )]
    fn take(&mut self, extension: &ParsedExtension<'_>) -> Taken {
        match extension {
            ParsedExtension::SubjectAlternativeName(names) => {
                self.names = Some(names.general_names.iter().map(Name::of).collect());
            }
            ParsedExtension::BasicConstraints(basic) => self.basic = Some(basic.clone()),
            ParsedExtension::KeyUsage(usage) => {
                self.usage = Some(Usage {
                    digital_signature: usage.digital_signature(),
                    key_cert_sign: usage.key_cert_sign(),
                });
            }
            ParsedExtension::ExtendedKeyUsage(usage) => {
                self.extended = Some(BothEnds(usage.client_auth && usage.server_auth));
            }
            ParsedExtension::NameConstraints(constraints) => {
                self.constraints = Some(Constraints {
                    subtree: only_subtree(constraints),
                });
            }
            ParsedExtension::AuthorityKeyIdentifier(_)
            | ParsedExtension::SubjectKeyIdentifier(_) => {}
            ParsedExtension::ParseError { .. } | ParsedExtension::Unparsed => {
                return Taken::Unreadable;
            }
            _ => return Taken::Unknown,
        }
        Taken::Read
    }

    /// Named and signed by `issuer`.
    pub(super) fn check_signed_by(&self, issuer: &Self) -> Result<(), IdentityError> {
        if self.issuer.as_raw() != issuer.subject.as_raw() {
            return Err(IdentityError::Issuer(self.position));
        }
        issuer
            .key
            .verify(&self.signed, &self.signature)
            .map_err(|_| IdentityError::Signature(self.position))
    }

    /// Valid at this instant, both ends included.
    pub(super) fn check_time(&self, now: Timestamp) -> Result<(), IdentityError> {
        if now < self.not_before {
            return Err(IdentityError::NotYetValid(self.position));
        }
        if now > self.not_after {
            return Err(IdentityError::Expired(self.position));
        }
        Ok(())
    }

    /// Levels of authorities that may stand below, where one is written.
    pub(super) fn path_length(&self) -> Option<u8> {
        let length = self.basic.as_ref()?.path_len_constraint?;
        u8::try_from(length).ok()
    }

    /// An authority, and nothing but one. Returns the levels it may have below.
    pub(super) fn check_authority(&self) -> Result<u8, IdentityError> {
        let refused = IdentityError::NotAuthority(self.position);
        if !self.basic.as_ref().is_some_and(|basic| basic.ca) {
            return Err(refused);
        }
        if !self.usage.is_some_and(|usage| usage.key_cert_sign) {
            return Err(refused);
        }
        if self.names.is_some() || self.extended.is_some() {
            return Err(IdentityError::Extension(self.position));
        }
        self.path_length()
            .ok_or(IdentityError::PathLength(self.position))
    }

    fn subtree(&self) -> Result<IssuingPath, IdentityError> {
        self.constraints
            .as_ref()
            .and_then(|constraints| constraints.subtree.as_deref())
            .and_then(|subtree| subtree.parse().ok())
            .ok_or(IdentityError::Constraint(self.position))
    }

    /// The path of a root: the deployment alone.
    pub(super) fn root_path(&self) -> Result<IssuingPath, IdentityError> {
        let path = self.subtree()?;
        if path.authorities.is_empty() {
            Ok(path)
        } else {
            Err(IdentityError::Constraint(self.position))
        }
    }

    /// The path of an authority: exactly one label below `above`.
    pub(super) fn path_below(&self, above: &IssuingPath) -> Result<IssuingPath, IdentityError> {
        let path = self.subtree()?;
        match path.authorities.first() {
            Some(place) if above.below(*place) == path => Ok(path),
            _ => Err(IdentityError::Constraint(self.position)),
        }
    }

    /// No authority, and good for both ends of a connection.
    pub(super) fn check_leaf(&self) -> Result<(), IdentityError> {
        let is_authority = self.basic.as_ref().is_some_and(|basic| basic.ca)
            || self.usage.is_some_and(|usage| usage.key_cert_sign);
        if is_authority {
            return Err(IdentityError::LeafIsAuthority);
        }
        if self.constraints.is_some() {
            return Err(IdentityError::Extension(self.position));
        }
        let signs = self.usage.is_some_and(|usage| usage.digital_signature);
        let both_ends = self.extended.as_ref().is_some_and(|BothEnds(both)| *both);
        if signs && both_ends {
            Ok(())
        } else {
            Err(IdentityError::Usage)
        }
    }

    /// A subject that is empty, or the very name as its only attribute.
    pub(super) fn check_subject(&self, name: &str) -> Result<(), IdentityError> {
        let mut attributes = self.subject.iter_attributes();
        let Some(first) = attributes.next() else {
            return Ok(());
        };
        let equal = *first.attr_type() == OID_X509_COMMON_NAME && first.as_str() == Ok(name);
        if equal && attributes.next().is_none() {
            Ok(())
        } else {
            Err(IdentityError::CommonName)
        }
    }
}

#[derive(PartialEq)]
enum Taken {
    Read,
    Unknown,
    Unreadable,
}

/// The parser forgives in the unsigned frame what DER does not; one
/// certificate must have one spelling.
fn is_only_spelling(der: &[u8], signed: &[u8], signature: &[u8]) -> bool {
    let length = signed.len() + SIGNATURE_PREFIX.len() + signature.len();
    let Ok(length) = u16::try_from(length) else {
        return false;
    };
    let [high, low] = length.to_be_bytes();
    let header = [0x30, 0x82, high, low];
    der == [&header, signed, &SIGNATURE_PREFIX, signature].concat()
}

fn is_ed25519(algorithm: &AlgorithmIdentifier<'_>) -> bool {
    algorithm.algorithm == OID_SIG_ED25519 && algorithm.parameters.is_none()
}

fn timestamp(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(seconds).ok()
}

/// Exactly one permitted DNS subtree, every IP address excluded, nothing else.
fn only_subtree(constraints: &x509_parser::extensions::NameConstraints<'_>) -> Option<String> {
    let permitted = constraints.permitted_subtrees.as_deref()?;
    let excluded = constraints.excluded_subtrees.as_deref()?;
    let [permitted] = permitted else { return None };
    let GeneralName::DNSName(subtree) = permitted.base else {
        return None;
    };
    let [first, second] = excluded else {
        return None;
    };
    let no_addresses = matches!(first.base, GeneralName::IPAddress(bytes) if bytes == NO_IPV4)
        && matches!(second.base, GeneralName::IPAddress(bytes) if bytes == NO_IPV6);
    (no_addresses && subtree.ends_with(NAME_SUFFIX)).then(|| subtree.to_owned())
}
