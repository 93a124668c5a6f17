//! From a data folder to a running node: lock, journal, keys, store, engine; what was damaged is said, never skipped.

use std::path::Path;
use std::sync::Arc;

use fengqiao_hub::id::{ChainId, Hash};
use fengqiao_hub::jurisdiction::NodeRecord;
use fengqiao_proto::v1 as pb;
use prost::Message as _;

use super::attempts::FileAttempts;
use super::clock::Clock;
use super::pool::Pool;
use super::{Node, NodeParts};
use crate::config::Config;
use crate::engine::vault::Vault;
use crate::engine::{
    AccountChange, Administration, Caller, Engine, EngineError, Input, Me, PARKED_MAX, Parts,
    Request, Seals,
};
use crate::enrolment::{Enroller, Issuer};
use crate::folder::{ENCRYPTION_KEY, Folder, FolderError, OlderCopy};
use crate::journal::{FileJournal, JournalError, Options};
use crate::keystore::{FileKeyStore, KeyStoreError};
use crate::replication::route::Standpoint;
use crate::store::Store;
use crate::trust::keys::{EncryptionKey, EncryptionPublicKey};
use crate::trust::random::{OsRandom, Random as _};
use crate::trust::seal::{CaseKeyContext, open_case_key, seal_case_key};

/// The account that exists from the first start: every role, for the local socket.
pub const FIRST_LOGIN: &str = "admin";

/// Why a data folder does not become a node.
#[derive(Debug, thiserror::Error)]
pub enum OpeningError {
    /// The folder itself.
    #[error("the data folder")]
    Folder(#[from] FolderError),
    /// The journal.
    #[error("the journal")]
    Journal(#[from] JournalError),
    /// The key store.
    #[error("the key store")]
    Keys(#[from] KeyStoreError),
    /// The engine.
    #[error("the engine")]
    Engine(#[from] EngineError),
    /// The note of what was being applied.
    #[error("the note of what was being applied")]
    Attempts(#[source] std::io::Error),
    /// The encryption key.
    #[error("the encryption key file does not read")]
    EncryptionKey,
    /// The first entries were not accepted.
    #[error("the folder's first entries were not accepted")]
    Bootstrap,
}

/// What one process opens its nodes with.
#[derive(Debug, Clone)]
pub struct Opener {
    /// Time.
    pub clock: Clock,
    /// Workers.
    pub pool: Pool,
    /// Chains kept in memory by each node.
    pub chains_held_max: usize,
}

/// Sealing with this node's encryption key.
struct FolderSeals {
    deployment: fengqiao_hub::id::DeploymentId,
    place: fengqiao_hub::id::PlaceId,
    key: EncryptionKey,
}

impl FolderSeals {
    fn context(&self, chain: ChainId, recipient: fengqiao_hub::id::PlaceId) -> CaseKeyContext {
        CaseKeyContext {
            deployment: self.deployment,
            case: chain.0,
            recipient,
        }
    }
}

impl Seals for FolderSeals {
    fn seal(&mut self, to: &NodeRecord, chain: ChainId, key: &[u8; 32]) -> Option<Vec<u8>> {
        let public = EncryptionPublicKey::from_bytes(&to.encryption_key).ok()?;
        seal_case_key(&public, &self.context(chain, to.place), key, &mut OsRandom).ok()
    }

    fn open(&self, chain: ChainId, sealed: &[u8]) -> Option<[u8; 32]> {
        open_case_key(&self.key, &self.context(chain, self.place), sealed)
            .ok()
            .map(|key| *key)
    }

    fn random(&mut self, bytes: &mut [u8]) {
        if OsRandom.fill(bytes).is_err() {
            tracing::error!("the source of randomness is unavailable; the process ends");
            crate::log::exit(1);
        }
    }
}

impl Opener {
    /// Opens a data folder over the store given for it. `progress` hears positions while the store is brought up to
    /// the journal: done, total.
    ///
    /// # Errors
    /// An [`OpeningError`]; the folder is as it was, but for a torn tail that was cut.
    pub fn open(
        &self,
        folder: &Folder,
        config: &Config,
        store: Arc<dyn Store>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Arc<Node>, OpeningError> {
        let segment_bytes = u32::try_from(config.journal.segment_bytes).unwrap_or(u32::MAX);
        let opened = FileJournal::open_or_create(
            folder.lock(),
            folder.identity.journal(),
            Options { segment_bytes },
        )?;
        if opened.cut_bytes > 0 {
            tracing::warn!(
                bytes = opened.cut_bytes,
                "a torn tail was cut; nothing acknowledged was in it"
            );
        }
        if opened.file_system.deserves_a_warning() {
            tracing::warn!(file_system = ?opened.file_system, "the journal stands on a file system that was not tried");
        }
        let keys = FileKeyStore::open(folder.lock())?;
        let me = me_of(folder);
        let seals = FolderSeals {
            deployment: me.deployment,
            place: me.at.place,
            key: EncryptionKey::load(&folder.path().join(ENCRYPTION_KEY))
                .map_err(|_| OpeningError::EncryptionKey)?,
        };
        let vault = Arc::new(Vault::new(Box::new(keys.store), Box::new(seals)));
        let issuer = Issuer::of_folder(folder, Box::new(OsRandom))?;
        let zone_offset_minutes = i32::try_from(config.time.zone_offset_minutes).unwrap_or(480);
        let mut engine = Engine::open(
            Parts {
                me: me.clone(),
                zone_offset_minutes,
                journal: Box::new(opened.journal),
                store,
                vault: Arc::clone(&vault),
                enroller: issuer.map(|issuer| Box::new(issuer) as Box<dyn Enroller>),
                chains_held_max: self.chains_held_max,
                parked_max: PARKED_MAX,
            },
            progress,
        )?;
        engine.watch(Box::new(
            FileAttempts::open(folder.path()).map_err(OpeningError::Attempts)?,
        ))?;
        let older_copy = OlderCopy::read(folder.path())?;
        if older_copy.found.is_some() {
            engine.close_as_older_copy();
        }
        let engine = self.begin(engine, folder)?;
        Ok(Node::new(NodeParts {
            engine,
            older_copy,
            me,
            vault,
            clock: self.clock.clone(),
            folder: folder.path().to_owned(),
            pool: self.pool.clone(),
            clock_skew_warn_ms: i64::try_from(config.time.clock_skew_warn_s)
                .unwrap_or(300)
                .saturating_mul(1_000),
            clock_skew_stop_ms: i64::try_from(config.time.clock_skew_stop_s)
                .unwrap_or(3_600)
                .saturating_mul(1_000),
        }))
    }

    /// The first start stores what the folder was made with, and opens the first account.
    fn begin(&self, mut engine: Engine, folder: &Folder) -> Result<Engine, OpeningError> {
        let now = self.clock.now();
        let mut inputs = Vec::new();
        let entries = || -> Result<Vec<Vec<u8>>, FolderError> {
            let entries = folder.first_entries()?;
            Ok(entries.iter().map(pb::SignedEntry::encode_to_vec).collect())
        };
        if engine.registry().root().is_some() {
            if engine.registry().node(folder.identity.node).is_none() {
                // A journal that goes on under a new identity: the folder says who that is.
                inputs.push(Input::Introduced(entries()?));
            }
        } else {
            let entries = entries()?;
            inputs.push(administration(1, "", Administration::Bootstrap(entries)));
            let account = AccountChange {
                login: FIRST_LOGIN.to_owned(),
                roles: [
                    pb::Role::Clerk,
                    pb::Role::Handler,
                    pb::Role::Approver,
                    pb::Role::Leader,
                    pb::Role::Administrator,
                ]
                .iter()
                .map(|role| i32::from(*role))
                .collect(),
                ..Default::default()
            };
            inputs.push(administration(
                2,
                FIRST_LOGIN,
                Administration::SetAccount(account),
            ));
            let files = folder.first_rulebook()?;
            if !files.is_empty() {
                let issued = pb::BundleIssued {
                    issuer: folder.identity.place.to_vec(),
                    files,
                    ..Default::default()
                };
                let what = Administration::IssueBundle {
                    issued,
                    dry_run: false,
                };
                inputs.push(administration(3, FIRST_LOGIN, what));
            }
        }
        inputs.push(Input::Started);
        engine.process(now, inputs)?;
        if engine.registry().node(folder.identity.node).is_none()
            && folder.identity.parent.is_none()
        {
            return Err(OpeningError::Bootstrap);
        }
        Ok(engine)
    }
}

fn administration(ticket: u64, login: &str, what: Administration) -> Input {
    Input::Administer(Box::new(Request {
        ticket,
        request_id: format!("first start {ticket}"),
        asked: Hash::default(),
        caller: Caller {
            login: login.to_owned(),
        },
        what,
    }))
}

/// Who the node of a folder is.
#[must_use]
pub fn me_of(folder: &Folder) -> Me {
    let identity = &folder.identity;
    Me {
        at: Standpoint {
            node: identity.node,
            place: identity.place,
            unit: identity.unit,
        },
        deployment: identity.deployment,
        store: identity.store,
        incarnation: identity.incarnation,
        generation: identity.generation,
        signing_key: folder.keys.signing.entry_key().clone(),
        root_key: *folder.root.key.verifying_key(),
    }
}

/// The journal of a folder read into a memory store, for checks that must not believe the store on disk.
///
/// # Errors
/// The journal is damaged or does not read.
pub fn registry_and_views(
    folder: &Path,
    me: &Me,
    reader: &Arc<dyn crate::journal::JournalReader>,
) -> Result<
    (
        Arc<fengqiao_hub::jurisdiction::Registry>,
        crate::engine::Views,
        u64,
    ),
    EngineError,
> {
    tracing::debug!(folder = %folder.display(), "reading the journal from its beginning");
    let store = Arc::new(crate::store::MemoryStore::default());
    let (registry, records) = Engine::rebuild_from_journal(me, reader.as_ref(), &store)?;
    let views = crate::engine::Views::new(Arc::new(me.clone()), store, Arc::clone(reader));
    Ok((registry, views, records))
}
