//! Who a node is, what it seals with, and who waits for its answers.

use fengqiao_hub::id::{ChainId, DeploymentId, StoreId};

use crate::replication::route::Standpoint;

/// Who this node is.
#[derive(Clone)]
pub struct Me {
    /// Where it stands.
    pub at: Standpoint,
    /// Deployment.
    pub deployment: DeploymentId,
    /// Store of this data folder.
    pub store: StoreId,
    /// Incarnation it writes in.
    pub incarnation: u32,
    /// Generation of its takings.
    pub generation: u32,
    /// Key it signs with.
    pub signing_key: ed25519_dalek::SigningKey,
    /// Root key that the deployment's first registry entry is signed with.
    pub root_key: ed25519_dalek::VerifyingKey,
}

impl std::fmt::Debug for Me {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Me")
            .field("at", &self.at)
            .field("incarnation", &self.incarnation)
            .finish_non_exhaustive()
    }
}

/// Seals chain keys to places and opens those sealed to this node.
pub trait Seals: Send {
    /// The chain's key sealed to a node's encryption key; `None` when that key is unusable.
    fn seal(
        &mut self,
        to: &fengqiao_hub::jurisdiction::NodeRecord,
        chain: ChainId,
        key: &[u8; 32],
    ) -> Option<Vec<u8>>;
    /// The chain's key, if it was sealed to this node.
    fn open(&self, chain: ChainId, sealed: &[u8]) -> Option<[u8; 32]>;
    /// Fills bytes with randomness.
    fn random(&mut self, bytes: &mut [u8]);
}

/// Names a caller that waits for an answer.
pub type Ticket = u64;
