//! Backups: a node's journal copied while it works, and put back where nothing is.
//!
//! ```text
//! DIR/segments/00000000000000004711-9f86d081884c7d65.segment   part of the journal, named by its hash; never changed
//! DIR/20260301T020000Z.manifest                                one backup: which of them, signed by the node
//! elsewhere/keys.fqk                                           case keys, encrypted to a passphrase, 30 days at most
//! ```
//!
//! A backup holds no key of the node, no generation and nothing to be a node by: what is restored is nobody until
//! `recover` gives it an identity (rule 25). The journal's bytes stay as they are, so its hash chain goes through. Case
//! keys go into a file of their own, so that erasing a case is not undone by an old backup (rule 16).
//!
//! Files are written aside, synced and renamed, the manifest last: half a backup is none. Every byte is covered by the
//! manifest's hashes, the manifest by its signature, and the signing key by the registry in the journal itself, which
//! rests on the deployment's root key.

mod case_keys;
mod copying;
mod create;
mod error;
mod last;
mod manifest;
mod placement;
mod read;
mod restore;
mod retention;

#[cfg(test)]
mod tests;

pub(crate) use case_keys::{CaseKeys, KEYS_DAYS_MAX, Passphrase};
pub(crate) use copying::Progress;
pub(crate) use create::{Made, create, create_keys};
pub(crate) use error::BackupError;
pub(crate) use last::last_backup;
pub(crate) use manifest::Manifest;
pub(crate) use placement::check_placement;
pub(crate) use read::{Backup, list};
pub(crate) use restore::{Wanted, restore};
pub(crate) use retention::{LetGo, keep_newest};
