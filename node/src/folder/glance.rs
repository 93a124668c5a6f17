//! A folder read beside the process that owns it: no lock, no change.

use std::path::Path;

use super::{
    CHAIN, ENCRYPTION_KEY, FolderError, Identity, ROOT, Root, SIGNING_KEY, TRANSPORT_KEY, damaged,
    key, read_chain, read_identity,
};
use crate::trust::authority::Chain;
use crate::trust::keys::EncryptionKey;
use crate::trust::tls::Credentials;
use crate::trust::{SigningKey, TransportKey};

/// What a folder says of its node, and the keys that a backup needs.
#[derive(Debug)]
pub struct Glance {
    /// Who the node is.
    pub identity: Identity,
    /// Signs entries, and what is handed out of the folder.
    pub signing: SigningKey,
    /// Opens what is sealed to the node.
    pub encryption: EncryptionKey,
    /// Its certificate up to the root; may be out of its time.
    pub chain: Chain,
    /// What it shows to others.
    pub credentials: Credentials,
    /// The root it believes.
    pub root: Root,
}

impl Glance {
    /// Reads it.
    ///
    /// # Errors
    /// A [`FolderError`], as opening the folder would give.
    pub fn at(path: &Path) -> Result<Self, FolderError> {
        let identity = read_identity(path)?;
        let chain = read_chain(path, CHAIN)?;
        let root = Root::of_chain(&read_chain(path, ROOT)?).map_err(damaged(ROOT))?;
        let transport = key(path, TRANSPORT_KEY, TransportKey::load)?;
        let credentials =
            Credentials::new(&chain, &transport, &root.fingerprint()).map_err(damaged(CHAIN))?;
        Ok(Self {
            identity,
            signing: key(path, SIGNING_KEY, SigningKey::load)?,
            encryption: key(path, ENCRYPTION_KEY, EncryptionKey::load)?,
            chain,
            credentials,
            root,
        })
    }
}
