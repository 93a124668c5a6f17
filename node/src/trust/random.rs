//! Randomness as an argument.
//!
//! Never seeds itself and never falls back to anything weaker: a source that
//! cannot answer says so and the caller does nothing.

use thiserror::Error;

/// The source of randomness has no bytes to give; nothing was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the source of randomness is unavailable")]
pub struct RandomUnavailable;

/// A source of unpredictable bytes.
pub trait Random {
    /// Fills all of `bytes`.
    ///
    /// # Errors
    ///
    /// [`RandomUnavailable`] if not every byte could be drawn; `bytes` then
    /// holds nothing of use.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomUnavailable>;
}

/// Draws the bytes of an id.
///
/// # Errors
///
/// [`RandomUnavailable`] if the source cannot answer.
pub fn draw<const N: usize>(random: &mut dyn Random) -> Result<[u8; N], RandomUnavailable> {
    let mut bytes = [0; N];
    random.fill(&mut bytes)?;
    Ok(bytes)
}

/// The operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomUnavailable> {
        getrandom::fill(bytes).map_err(|_| RandomUnavailable)
    }
}

/// A seeded, repeatable source for tests: SHA-256 over a counter.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct Seeded {
    seed: u64,
    drawn: u64,
}

#[cfg(test)]
impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }
}

#[cfg(test)]
impl Random for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomUnavailable> {
        use sha2::{Digest, Sha256};
        for part in bytes.chunks_mut(32) {
            let block = Sha256::new()
                .chain_update(self.seed.to_le_bytes())
                .chain_update(self.drawn.to_le_bytes())
                .finalize();
            self.drawn += 1;
            part.copy_from_slice(&block[..part.len()]);
        }
        Ok(())
    }
}
