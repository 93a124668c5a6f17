//! The registry as certificates are judged by it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use fengqiao_hub::id::NodeId;
use fengqiao_hub::jurisdiction::Registry;

use crate::trust::identity::{Pinned, Registrar};
use crate::trust::keys::Fingerprint;

/// The registry in force; exchanged whole when it changes.
#[derive(Debug, Default)]
pub struct RegistryRegistrar {
    current: ArcSwap<Registry>,
}

impl RegistryRegistrar {
    /// Judges by this registry.
    pub fn new(registry: Arc<Registry>) -> Self {
        Self {
            current: ArcSwap::new(registry),
        }
    }

    /// Judges by another one from the next handshake on.
    pub fn replace(&self, registry: Arc<Registry>) {
        self.current.store(registry);
    }
}

impl Registrar for RegistryRegistrar {
    fn pinned(&self, node: &NodeId) -> Option<Pinned> {
        let registry = self.current.load();
        let record = registry.node(*node)?;
        let mut pinned = Pinned::to(Fingerprint::from_bytes(record.transport_key_hash.0));
        pinned.revoked = record.revoked.is_some();
        Some(pinned)
    }

    // The registry pins nodes, not authorities: one falls by its node, and its
    // certificates by their nodes.
    fn authority_revoked(&self, _key: &Fingerprint) -> bool {
        false
    }
}
