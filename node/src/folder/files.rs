//! The files of a folder by their names, read and put whole.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::error::FolderError;
use crate::journal::{SystemDisk, disk};

pub(super) const IDENTITY: &str = "identity.json";
pub(super) const SIGNING_KEY: &str = "private/signing.pem";
pub(super) const TRANSPORT_KEY: &str = "private/transport.pem";
pub(crate) const ENCRYPTION_KEY: &str = "private/encryption.key";
pub(super) const AUTHORITY_KEY: &str = "private/authority.pem";
pub(super) const CHAIN: &str = "trust/chain.pem";
pub(super) const AUTHORITY_CHAIN: &str = "trust/authority.pem";
pub(super) const ROOT: &str = "trust/root.pem";
pub(super) const ROOT_KEY: &str = "root/authority.pem";
pub(super) const GENESIS: &str = "genesis.bin";
pub(super) const REGISTRY: &str = "registry.bin";
pub(super) const RULEBOOK: &str = "rulebook.bin";
/// Keys while an answer is waited for, and what they were made for; names inside that folder.
pub(super) const KEPT: &str = "kept";
pub(super) const PURPOSE: &str = "purpose.json";
pub(super) const KEPT_SIGNING_KEY: &str = "signing.pem";
pub(super) const KEPT_TRANSPORT_KEY: &str = "transport.pem";
pub(super) const KEPT_ENCRYPTION_KEY: &str = "encryption.key";
pub(super) const KEPT_AUTHORITY_KEY: &str = "authority.pem";
/// Room for what an answer brings.
pub(super) const ROOM: &str = "room";
pub(super) const OLDER_COPY: &str = "older-copy.json";

pub(super) fn read(path: &Path, file: &'static str) -> Result<Vec<u8>, FolderError> {
    let path = path.join(file);
    fs::read(&path).map_err(|error| {
        if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) {
            FolderError::Missing { file }
        } else {
            disk::failed("read a file of the data folder")(disk::at(&path)(error)).into()
        }
    })
}

/// Puts a file, perhaps in a folder of the data folder, in place whole.
pub(super) fn put(path: &Path, file: &str, bytes: &[u8]) -> Result<(), FolderError> {
    match file.split_once('/') {
        Some((folder, name)) => disk::replace(&SystemDisk, &path.join(folder), name, bytes)?,
        None => disk::replace(&SystemDisk, path, file, bytes)?,
    };
    Ok(())
}
