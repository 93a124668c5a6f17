//! Randomness and sealing that repeat for a seed.

use fengqiao_hub::id::{ChainId, NodeId};
use fengqiao_hub::jurisdiction::NodeRecord;
use fengqiao_node::engine::Seals;
use sha2::{Digest as _, Sha256};

/// Randomness and sealing that repeat for a seed. A key is "sealed" by naming its recipient: enough to tell who may open.
#[derive(Debug)]
pub struct SeededSeals {
    seed: [u8; 32],
    drawn: u64,
    node: NodeId,
}

impl SeededSeals {
    /// For one life of one node: another life draws other numbers.
    #[must_use]
    pub fn new(seed: u64, life: u64, node: NodeId) -> Self {
        let seed =
            Sha256::digest([&seed.to_be_bytes()[..], &life.to_be_bytes(), &node.0].concat()).into();
        Self {
            seed,
            drawn: 0,
            node,
        }
    }
}

impl Seals for SeededSeals {
    fn seal(&mut self, to: &NodeRecord, chain: ChainId, key: &[u8; 32]) -> Option<Vec<u8>> {
        Some([&to.id.0[..], &chain.0, key].concat())
    }

    fn open(&self, chain: ChainId, sealed: &[u8]) -> Option<[u8; 32]> {
        assert_ne!(sealed, b"break", "a fault that nobody has foreseen");
        let (to, rest) = sealed.split_at_checked(10)?;
        let (of, key) = rest.split_at_checked(16)?;
        (to == self.node.0 && of == chain.0)
            .then(|| <[u8; 32]>::try_from(key).ok())
            .flatten()
    }

    fn random(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            self.drawn += 1;
            let block = Sha256::digest([&self.seed[..], &self.drawn.to_be_bytes()].concat());
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }
}
