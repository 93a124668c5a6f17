//! The stores of a process: one of its own for one node, one shared by several.

use std::sync::{Arc, Mutex, PoisonError};

use crate::config::Config;
use crate::folder::Folder;
use crate::node::clock::Clock;
use crate::store::{Opening, Settings, SharedSled, SledStore, Store, boot_id};

/// The stores of a process: a file for one node, a shared one for several.
pub(super) struct Stores {
    pub(super) shared: Option<SharedSled>,
    single: Mutex<Option<SledStore>>,
}

impl Stores {
    pub(super) fn open(config: &Config, clock: &Clock) -> anyhow::Result<Self> {
        let path = config.data.folder.join("store");
        let cache_bytes = config.store.cache_bytes;
        let settings = Settings { cache_bytes };
        let opening = Opening {
            unix_s: u64::try_from(clock.now().0 / 1000).unwrap_or(0),
            boot_id: boot_id()?,
        };
        if config.places.host.is_empty() {
            let opened = crate::store::open_guarded(&path, settings, &opening)?;
            report(&opened.quarantined);
            return Ok(Self {
                shared: None,
                single: Mutex::new(Some(opened.store)),
            });
        }
        let opened = SledStore::open_shared(&path, settings, &opening)?;
        report(&opened.quarantined);
        Ok(Self {
            shared: Some(opened.store),
            single: Mutex::new(None),
        })
    }

    pub(super) fn of(&self, folder: &Folder) -> anyhow::Result<Arc<dyn Store>> {
        if let Some(shared) = &self.shared {
            return Ok(Arc::new(shared.node(&folder.identity.node.0)?));
        }
        let single = self
            .single
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        single
            .map(|store| Arc::new(store) as Arc<dyn Store>)
            .ok_or_else(|| anyhow::anyhow!("the store is taken"))
    }
}

fn report(quarantined: &Option<crate::store::Quarantined>) {
    if let Some(quarantined) = quarantined {
        let folder = quarantined.folder.display().to_string();
        tracing::warn!(folder, reason = ?quarantined.reason, "the store was set aside; it is rebuilt from the journal");
    }
}
