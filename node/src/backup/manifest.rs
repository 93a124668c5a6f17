//! The manifest: what a backup is made of, in one line of JSON, and the node's signature over that line.

use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use fengqiao_hub::id::{DeploymentId, NodeId, PlaceId, UnitId};
use serde::{Deserialize, Serialize};

use super::error::BackupError;
use crate::folder::Glance;
use crate::journal::Position;
use crate::trust::SigningKey;
use crate::trust::keys::{Fingerprint, PublicKey};

/// Version of the form of manifests and key files.
pub(super) const FORMAT: u32 = 1;

const DOMAIN: &[u8] = b"fengqiao/backup-manifest/1\0";
const SIGNATURE: &str = "signature ";
const SUFFIX: &str = ".manifest";

/// One backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// Version of this form.
    pub format: u32,
    /// Version of the program that made it.
    pub written_by: String,
    /// Name of the backup: when it was made, as `20260301T020000Z`.
    pub name: String,
    /// When it was made, RFC 3339, by that machine's clock.
    pub made: String,
    /// The deployment.
    pub deployment: DeploymentId,
    /// The place the node serves.
    pub place: PlaceId,
    /// Official name of that place.
    pub place_name: String,
    /// Level of that place.
    pub level: u32,
    /// The unit it serves, when it is a department's own node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<UnitId>,
    /// The node whose journal it is.
    pub node: NodeId,
    /// `host:port` of its parent's enrol port, where its successor is invited; none at the top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrol_address: Option<String>,
    /// The node's signing key, which signs the manifest.
    pub signing_key: PublicKey,
    /// The deployment's root key.
    pub root_key: PublicKey,
    /// Where the journal ends.
    pub position: u64,
    /// SHA-256 of the last segment, which stands for all before it by the chain of hashes.
    pub chain_hash: Fingerprint,
    /// Segments, oldest first.
    pub segments: Vec<SegmentFile>,
}

/// One part of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SegmentFile {
    /// Position of its first record.
    pub first: u64,
    /// Length of the file.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: Fingerprint,
}

impl SegmentFile {
    /// Its path in a backup folder: the hash in it keeps parts of one segment apart.
    pub(super) fn path(&self, folder: &Path) -> PathBuf {
        let hash = self.sha256.to_string();
        folder.join(super::copying::SEGMENTS).join(format!(
            "{:020}-{}.segment",
            self.first,
            &hash[..16]
        ))
    }
}

impl Manifest {
    /// The manifest of what a folder holds, without segments yet.
    pub(super) fn of(glance: &Glance, name: String, made: String) -> Self {
        let identity = &glance.identity;
        Self {
            format: FORMAT,
            written_by: env!("CARGO_PKG_VERSION").to_owned(),
            name,
            made,
            deployment: identity.deployment,
            place: identity.place,
            place_name: identity.place_name.clone(),
            level: identity.level,
            unit: identity.unit,
            node: identity.node,
            enrol_address: identity
                .parent
                .as_ref()
                .map(|parent| parent.enrol_address.clone()),
            signing_key: *glance.signing.public(),
            root_key: glance.root.key,
            position: 0,
            chain_hash: Fingerprint::from_bytes([0; 32]),
            segments: Vec::new(),
        }
    }

    /// Where the journal ends.
    #[must_use]
    pub(crate) fn end(&self) -> Position {
        Position(self.position)
    }

    /// Bytes of all its segments.
    #[must_use]
    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Its file in a backup folder.
    #[must_use]
    pub(crate) fn path(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}{SUFFIX}", self.name))
    }

    /// The name of a backup from the name of its file.
    pub(super) fn name_of(file: &str) -> Option<&str> {
        file.strip_suffix(SUFFIX).filter(|name| !name.is_empty())
    }

    /// The bytes of its file.
    pub(super) fn sign(&self, key: &SigningKey) -> Result<Vec<u8>, serde_json::Error> {
        let line = serde_json::to_vec(self)?;
        let signature = key.sign(&[DOMAIN, &line].concat());
        let mut bytes = line;
        bytes.push(b'\n');
        bytes.extend_from_slice(signature_line(&signature).as_bytes());
        Ok(bytes)
    }

    /// Reads a file; the signature must be that of the key it names, over the very bytes.
    pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Self, BackupError> {
        let altered = |what: &str| BackupError::Altered {
            path: path.to_owned(),
            what: what.to_owned(),
        };
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (line, rest) = bytes.split_at(end.ok_or_else(|| altered("it is cut short"))?);
        let head: Head = serde_json::from_slice(line).map_err(|_| altered("it does not read"))?;
        if head.format > FORMAT {
            return Err(BackupError::Newer {
                path: path.to_owned(),
                found: head.format,
            });
        }
        let manifest: Self =
            serde_json::from_slice(line).map_err(|error| altered(&error.to_string()))?;
        let signature = read_signature(&rest[1..]).ok_or_else(|| altered("no signature"))?;
        manifest
            .signing_key
            .verify(&[DOMAIN, line].concat(), &signature)
            .map_err(|_| altered("its signature does not hold"))?;
        let file = path.file_name().and_then(|name| name.to_str());
        if file.and_then(Self::name_of) != Some(&manifest.name) {
            return Err(altered("it has another backup's name"));
        }
        Ok(manifest)
    }
}

/// What is read before anything else.
#[derive(Deserialize)]
struct Head {
    format: u32,
}

fn signature_line(signature: &[u8; 64]) -> String {
    format!("{SIGNATURE}{}\n", HEXLOWER.encode(signature))
}

/// Takes one spelling only, so that no byte of the line may be another.
fn read_signature(line: &[u8]) -> Option<[u8; 64]> {
    let text = std::str::from_utf8(line).ok()?;
    let hex = text.strip_prefix(SIGNATURE)?.strip_suffix('\n')?;
    HEXLOWER.decode(hex.as_bytes()).ok()?.try_into().ok()
}
