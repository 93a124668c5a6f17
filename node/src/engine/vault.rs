//! The chain keys of a node, shared by the engine that writes them, the desk that reads texts and the links that hand
//! keys on. It never gives a key to anyone but this node's own code, and hands it on only sealed.

use std::collections::BTreeMap;
use std::sync::Mutex;

use fengqiao_hub::id::ChainId;
use fengqiao_hub::jurisdiction::NodeRecord;
use fengqiao_hub::payload::{self, ChainKey, Part};
use fengqiao_proto::v1 as pb;
use zeroize::Zeroizing;

use super::Seals;
use crate::keystore::{CaseSecret, KeyStore, KeyStoreError};

/// Keys opened lately that are kept open, at most; opening one costs more than signing an entry.
const OPENED_MAX: usize = 1_024;

/// Keys opened lately by their names in the key store, with the sealed bytes each came from.
type OpenedKeys = BTreeMap<ChainId, (Vec<u8>, Zeroizing<[u8; 32]>)>;

/// Chain keys and what seals them.
#[expect(missing_debug_implementations, reason = "holds keys")]
pub struct Vault {
    keys: Mutex<Box<dyn KeyStore>>,
    seals: Mutex<Box<dyn Seals>>,
    /// As secret as the keys that were drawn here, which stand open in `keys`.
    opened: Mutex<OpenedKeys>,
}

impl Vault {
    /// A vault over a key store.
    #[must_use]
    pub fn new(keys: Box<dyn KeyStore>, seals: Box<dyn Seals>) -> Self {
        Self {
            keys: Mutex::new(keys),
            seals: Mutex::new(seals),
            opened: Mutex::default(),
        }
    }

    /// What is held under a name of the key store, see [`Part::secret_id`].
    #[must_use]
    pub fn secret(&self, id: ChainId) -> Option<CaseSecret> {
        lock(&self.keys).get(&id.0).cloned()
    }

    /// The key of a part of a chain, opened. Whether anybody may read with it is decided elsewhere.
    #[must_use]
    pub fn key(&self, chain: ChainId, part: Part) -> Option<ChainKey> {
        let id = part.secret_id(chain);
        self.opened(id, &self.secret(id)?)
    }

    /// What a sealed payload says; `None` where its key is not held, or does not open it.
    #[must_use]
    pub fn open(&self, chain: ChainId, sealed: &[u8]) -> Option<pb::PrivateContent> {
        let key = self.key(chain, Part::of(sealed)?)?;
        payload::open(&key, chain, sealed).ok()
    }

    /// The key a secret holds, opened.
    #[must_use]
    pub fn opened(&self, id: ChainId, secret: &CaseSecret) -> Option<ChainKey> {
        let key = secret.key.or_else(|| self.unsealed(id, &secret.wrapped))?;
        Some(ChainKey {
            key,
            salt: secret.salt,
        })
    }

    fn unsealed(&self, id: ChainId, sealed: &[u8]) -> Option<[u8; 32]> {
        let mut opened = lock(&self.opened);
        if let Some((from, key)) = opened.get(&id)
            && from == sealed
        {
            return Some(**key);
        }
        let key = lock(&self.seals).open(id, sealed)?;
        if opened.len() >= OPENED_MAX {
            opened.clear();
        }
        opened.insert(id, (sealed.to_vec(), Zeroizing::new(key)));
        Some(key)
    }

    /// What a neighbour is to hold of a chain: for each part the salt, and the key sealed to it.
    #[must_use]
    pub fn secrets_for(&self, chain: ChainId, to: &NodeRecord) -> Vec<pb::ChainSecret> {
        let secret = |part: Part| {
            let id = part.secret_id(chain);
            let secret = self.secret(id)?;
            let wrapped_key = self
                .opened(id, &secret)
                .and_then(|key| lock(&self.seals).seal(to, id, &key.key))
                .unwrap_or_default();
            Some(pb::ChainSecret {
                salt: secret.salt.to_vec(),
                wrapped_key,
                part: part.to_wire().into(),
            })
        };
        Part::ALL.into_iter().filter_map(secret).collect()
    }

    /// Keeps secrets, durable before it returns.
    ///
    /// # Errors
    /// As [`KeyStore::put_many`].
    pub fn put_many(&self, secrets: &[([u8; 16], CaseSecret)]) -> Result<(), KeyStoreError> {
        lock(&self.keys).put_many(secrets)
    }

    /// As [`KeyStore::vouch`].
    ///
    /// # Errors
    /// As there.
    pub fn vouch(&self) -> Result<(), KeyStoreError> {
        lock(&self.keys).vouch()
    }

    /// Random bytes.
    pub fn random(&self, bytes: &mut [u8]) {
        lock(&self.seals).random(bytes);
    }

    /// Random bytes of a fixed number.
    #[must_use]
    pub fn draw<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random(&mut bytes);
        bytes
    }
}

/// A poisoned lock means a panic while keys were changed; the process is ending anyway, and what is held is whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
