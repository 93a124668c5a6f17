//! The data folder of one node: who it is, its keys, whom it believes.
//!
//! ```text
//! identity.json   who the node is; without it a folder is none
//! private/        signing.pem transport.pem encryption.key [authority.pem]
//! trust/          chain.pem root.pem [authority.pem]
//! root/           authority.pem: the deployment's root key, only where it was made
//! rulebook.bin    the rules to issue at the first run, where the deployment was made
//! genesis.bin     the deployment's first entry, where it was made; or
//! registry.bin    the registry as it was handed over at the join
//! lock, journal/, witness, keys, store ...   the durable stores beside it
//! ```
//!
//! A folder is made aside and put in place by one rename, so a half-made one is
//! never taken for one. Everything is readable by its owner alone and synced.
//! One process has it at a time. Nothing here is ever repaired silently, and no
//! private key is ever written twice.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use fengqiao_proto::v1 as pb;
use prost::Message as _;
use rustls::pki_types::CertificateDer;

use crate::journal::{FolderLock, disk};
use crate::trust::identity::{IdentityError, key_of, window};
use crate::trust::keys::{EncryptionKey, Fingerprint, KeyFileError, PublicKey};
use crate::trust::tls::Credentials;
use crate::trust::{
    Authority, AuthorityKey, Random, RandomUnavailable, SigningKey, TransportKey, authority::Chain,
};

mod error;
mod files;
mod glance;
mod identity;
mod making;
mod older_copy;
mod restored;
mod written;

#[cfg(test)]
mod tests;

pub use error::FolderError;
pub(crate) use error::locking;
pub(crate) use files::ENCRYPTION_KEY;
pub use glance::Glance;
pub use identity::{Identity, Parent, Restored};
pub use making::{Kept, Making, NewFolder, Purpose};
pub use older_copy::{Found, OlderCopy};
pub use written::FORMAT;

use error::{damaged, key_error};
use files::{
    AUTHORITY_CHAIN, AUTHORITY_KEY, CHAIN, GENESIS, IDENTITY, REGISTRY, ROOT, ROOT_KEY, RULEBOOK,
    SIGNING_KEY, TRANSPORT_KEY, put, read,
};
use written::{of_json, to_json};

/// The keys every node has.
#[derive(Debug)]
pub struct NodeKeys {
    /// Signs entries.
    pub signing: SigningKey,
    /// Opens connections.
    pub transport: TransportKey,
    /// Opens what is sealed to the node.
    pub encryption: EncryptionKey,
}

impl NodeKeys {
    /// Makes fresh ones.
    ///
    /// # Errors
    /// [`RandomUnavailable`].
    pub fn generate(random: &mut dyn Random) -> Result<Self, RandomUnavailable> {
        Ok(Self {
            signing: SigningKey::generate(random)?,
            transport: TransportKey::generate(random)?,
            encryption: EncryptionKey::generate(random)?,
        })
    }
}

/// The root of the deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Its certificate.
    pub certificate: CertificateDer<'static>,
    /// Its key: signs certificates of first authorities and the first entry.
    pub key: PublicKey,
}

impl Root {
    /// Takes the last certificate of a chain; proves nothing.
    ///
    /// # Errors
    /// Where it cannot be read as a certificate.
    pub fn of_chain(chain: &Chain) -> Result<Self, IdentityError> {
        let certificate = chain.certificates().last();
        let certificate = certificate.ok_or(IdentityError::ChainLength(0))?.clone();
        let key = key_of(&certificate)?;
        Ok(Self { certificate, key })
    }

    /// As invitations carry it.
    pub fn fingerprint(&self) -> Fingerprint {
        self.key.fingerprint()
    }

    /// The certificate as a chain of one.
    pub fn chain(&self) -> Chain {
        Chain::from_der(std::slice::from_ref(&self.certificate))
    }
}

/// A data folder in use by this process.
#[derive(Debug)]
pub struct Folder {
    /// Who the node is.
    pub identity: Identity,
    /// Its keys.
    pub keys: NodeKeys,
    /// Its certificate up to the root.
    pub chain: Chain,
    /// What it shows to others: chain and key together. May have expired.
    pub credentials: Credentials,
    /// The root it believes.
    pub root: Root,
    lock: FolderLock,
}

impl Folder {
    /// Opens a folder and keeps every other process out of it.
    ///
    /// # Errors
    /// A [`FolderError`]; nothing was changed.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        // Before the lock, which would make a folder where there is none.
        read_identity(path)?;
        let lock = FolderLock::acquire(path).map_err(locking)?;
        let identity = read_identity(path)?;
        let keys = NodeKeys {
            signing: key(path, SIGNING_KEY, SigningKey::load)?,
            transport: key(path, TRANSPORT_KEY, TransportKey::load)?,
            encryption: key(path, ENCRYPTION_KEY, EncryptionKey::load)?,
        };
        let root = Root::of_chain(&read_chain(path, ROOT)?).map_err(damaged(ROOT))?;
        let chain = read_chain(path, CHAIN)?;
        let credentials = Credentials::new(&chain, &keys.transport, &root.fingerprint())
            .map_err(damaged(CHAIN))?;
        let name = &credentials.own.name;
        if name.node != identity.node || name.issued_by.deployment != identity.deployment {
            return Err(FolderError::Damaged {
                file: CHAIN,
                source: "the certificate is another node's".into(),
            });
        }
        Ok(Self {
            identity,
            keys,
            chain,
            credentials,
            root,
            lock,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.lock.folder()
    }

    /// The right to use it, for the stores beside.
    pub const fn lock(&self) -> &FolderLock {
        &self.lock
    }

    /// The node's issuing authority, read anew; `None` where it enrols nobody.
    ///
    /// One that has expired is given too: it issues nothing any more, but its
    /// key may ask for a renewal.
    ///
    /// # Errors
    /// A [`FolderError`] for what stands there and cannot be used.
    pub fn authority(&self) -> Result<Option<Authority>, FolderError> {
        let path = self.path();
        if !path.join(AUTHORITY_KEY).exists() {
            return Ok(None);
        }
        let own = key(path, AUTHORITY_KEY, AuthorityKey::load)?;
        let chain = read_chain(path, AUTHORITY_CHAIN)?;
        let (_, end) = window(chain.certificates()).map_err(damaged(AUTHORITY_CHAIN))?;
        Authority::load(own, chain, &self.root.fingerprint(), end)
            .map(Some)
            .map_err(damaged(AUTHORITY_CHAIN))
    }

    /// What the engine is to store at its first run: the genesis, or the
    /// registry handed over at the join, in order.
    ///
    /// # Errors
    /// [`FolderError::Missing`], [`FolderError::Damaged`], or reading failed.
    pub fn first_entries(&self) -> Result<Vec<pb::SignedEntry>, FolderError> {
        if self.path().join(GENESIS).exists() {
            let bytes = read(self.path(), GENESIS)?;
            return pb::SignedEntry::decode(&bytes[..])
                .map(|entry| vec![entry])
                .map_err(damaged(GENESIS));
        }
        let bytes = read(self.path(), REGISTRY)?;
        let mut rest = &bytes[..];
        let mut entries = Vec::new();
        while !rest.is_empty() {
            let entry = pb::SignedEntry::decode_length_delimited(&mut rest);
            entries.push(entry.map_err(damaged(REGISTRY))?);
        }
        Ok(entries)
    }

    /// The rules that the node is to issue at its first run, if it was made with any.
    ///
    /// # Errors
    /// [`FolderError::Damaged`], or reading failed.
    pub fn first_rulebook(&self) -> Result<Vec<pb::BundleFile>, FolderError> {
        if !self.path().join(RULEBOOK).exists() {
            return Ok(Vec::new());
        }
        let bytes = read(self.path(), RULEBOOK)?;
        let files = pb::BundleFiles::decode(&bytes[..]).map_err(damaged(RULEBOOK))?;
        Ok(files.files)
    }

    /// The file of the deployment's root key, where it has not been taken away.
    pub fn root_key_file(&self) -> Option<PathBuf> {
        let file = self.path().join(ROOT_KEY);
        file.exists().then_some(file)
    }

    /// Puts renewed chains in place of the present ones. A crash may leave the
    /// authority's renewed and the node's not; both pairs are sound.
    ///
    /// # Errors
    /// [`FolderError::Damaged`] where the chain is another node's: nothing was
    /// written; or writing failed.
    pub fn replace_chains(
        &mut self,
        chain: &Chain,
        authority: Option<&Chain>,
    ) -> Result<(), FolderError> {
        let credentials = Credentials::new(chain, &self.keys.transport, &self.root.fingerprint())
            .map_err(damaged(CHAIN))?;
        if credentials.own.node() != self.identity.node {
            return Err(FolderError::Damaged {
                file: CHAIN,
                source: "the certificate is another node's".into(),
            });
        }
        if let Some(authority) = authority {
            put(self.path(), AUTHORITY_CHAIN, authority.to_pem().as_bytes())?;
        }
        put(self.path(), CHAIN, chain.to_pem().as_bytes())?;
        self.chain = chain.clone();
        self.credentials = credentials;
        Ok(())
    }
}

impl Folder {
    /// Believes a renewed certificate of the same root key.
    ///
    /// # Errors
    /// [`FolderError::Damaged`] where it is of another key; the disk refused.
    pub fn replace_root(&mut self, chain: &Chain) -> Result<(), FolderError> {
        let root = Root::of_chain(chain).map_err(damaged(ROOT))?;
        if root.key != self.root.key {
            return Err(damaged(ROOT)("the root is of another key"));
        }
        if root != self.root {
            put(self.path(), ROOT, root.chain().to_pem().as_bytes())?;
            self.root = root;
        }
        Ok(())
    }

    /// Dials another node from now on: the parent came back as another machine.
    ///
    /// # Errors
    /// The disk refused; the folder is as it was.
    pub fn replace_parent(&mut self, parent: Parent) -> Result<(), FolderError> {
        let mut identity = self.identity.clone();
        identity.parent = Some(parent);
        write_identity(self.path(), &identity)?;
        self.identity = identity;
        Ok(())
    }
}

/// Writes who the node is, synced.
fn write_identity(path: &Path, identity: &Identity) -> Result<(), FolderError> {
    put(path, IDENTITY, &to_json(IDENTITY, identity)?)
}

/// Reads who the node is, before anything else of the folder.
fn read_identity(path: &Path) -> Result<Identity, FolderError> {
    let file = path.join(IDENTITY);
    match fs::read(&file) {
        Ok(bytes) => of_json(IDENTITY, &bytes),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Err(without_identity(path))
        }
        Err(error) => Err(disk::failed("read who the node is")(disk::at(&file)(error)).into()),
    }
}

fn without_identity(path: &Path) -> FolderError {
    match Restored::read(path) {
        Ok(Some(restored)) => FolderError::Restored {
            path: path.to_owned(),
            restored: Box::new(restored),
        },
        Ok(None) => FolderError::Absent {
            path: path.to_owned(),
        },
        Err(error) => error,
    }
}

fn read_chain(path: &Path, file: &'static str) -> Result<Chain, FolderError> {
    let bytes = read(path, file)?;
    Chain::from_pem(&String::from_utf8_lossy(&bytes)).map_err(damaged(file))
}

fn key<T>(
    path: &Path,
    file: &'static str,
    load: fn(&Path) -> Result<T, KeyFileError>,
) -> Result<T, FolderError> {
    load(&path.join(file)).map_err(|error| key_error(file, error))
}
