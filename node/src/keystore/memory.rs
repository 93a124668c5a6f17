//! The key store in memory, for tests and simulation.

use super::{CaseId, CaseSecret, Holdings, KeyStore, KeyStoreError, merged};

/// Forgets everything when dropped.
#[derive(Debug, Default)]
pub struct MemoryKeyStore {
    holdings: Holdings,
}

impl MemoryKeyStore {
    /// Empty.
    pub fn new() -> Self {
        Self::default()
    }
}

impl KeyStore for MemoryKeyStore {
    fn put_many(&mut self, secrets: &[(CaseId, CaseSecret)]) -> Result<(), KeyStoreError> {
        for (case, secret) in merged(&self.holdings, secrets)? {
            self.holdings.insert(case, Some(secret));
        }
        Ok(())
    }

    fn get(&self, case: &CaseId) -> Option<&CaseSecret> {
        self.holdings.get(case)?.as_deref()
    }

    fn is_erased(&self, case: &CaseId) -> bool {
        matches!(self.holdings.get(case), Some(None))
    }

    fn erase_many(&mut self, cases: &[CaseId]) -> Result<(), KeyStoreError> {
        for case in cases {
            self.holdings.insert(*case, None);
        }
        Ok(())
    }
}
