//! A folder read beside the process that owns it: no lock, no change.

use std::path::Path;

use super::{
    CHAIN, ENCRYPTION_KEY, FolderError, Identity, ROOT, Root, SIGNING_KEY, damaged, key,
    read_chain, read_identity,
};
use crate::trust::SigningKey;
use crate::trust::authority::Chain;
use crate::trust::keys::EncryptionKey;

/// What a folder says of its node, and the keys that a backup needs.
#[derive(Debug)]
pub struct Glance {
    /// Who the node is.
    pub identity: Identity,
    /// Signs entries, and what is handed out of the folder.
    pub signing: SigningKey,
    /// Opens what is sealed to the node.
    pub encryption: EncryptionKey,
    /// Its certificate up to the root; may have expired.
    pub chain: Chain,
    /// The root it believes.
    pub root: Root,
}

impl Glance {
    /// Reads it.
    ///
    /// # Errors
    /// A [`FolderError`], as opening the folder would give.
    pub fn at(path: &Path) -> Result<Self, FolderError> {
        Ok(Self {
            identity: read_identity(path)?,
            signing: key(path, SIGNING_KEY, SigningKey::load)?,
            encryption: key(path, ENCRYPTION_KEY, EncryptionKey::load)?,
            chain: read_chain(path, CHAIN)?,
            root: Root::of_chain(&read_chain(path, ROOT)?).map_err(damaged(ROOT))?,
        })
    }
}
