//! What all rows of a node come to: a sum that any order of writes leaves the same. Pure.
//!
//! sled checks each page that it reads, but not that it reads the newest of each: over a flipped bit it may open
//! without a word and leave out a page, or give an older one. The sum is written in the batch that changes the rows, so
//! a page that is missing or stale does not come to it.

use sha2::{Digest as _, Sha256};

const BYTES: usize = 16;

/// The sum of the hashes of all rows, each over key and value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Digest(u128);

impl Digest {
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.0 = self.0.wrapping_add(hash(key, value));
    }

    pub(super) fn remove(&mut self, key: &[u8], value: &[u8]) {
        self.0 = self.0.wrapping_sub(hash(key, value));
    }

    pub(super) fn to_bytes(self) -> [u8; BYTES] {
        self.0.to_be_bytes()
    }

    pub(super) fn from_bytes(bytes: [u8; BYTES]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

fn hash(key: &[u8], value: &[u8]) -> u128 {
    let mut hasher = Sha256::new();
    hasher.update((key.len() as u64).to_be_bytes());
    hasher.update(key);
    hasher.update(value);
    let mut first = [0; BYTES];
    first.copy_from_slice(&hasher.finalize()[..BYTES]);
    u128::from_be_bytes(first)
}
