//! Why the engine did not do something: the machine's fault, or what came in.

use crate::journal::JournalError;
use crate::keystore::KeyStoreError;
use crate::store::StoreError;

/// Why something was not done. Where it is the machine's fault, the process must end and open everything anew.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The journal took nothing more.
    #[error("the journal refused")]
    Journal(#[from] JournalError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The key store failed.
    #[error("the key store refused")]
    Keys(#[from] KeyStoreError),
    /// The store did not take what the journal holds by now.
    #[error("the store failed behind the journal")]
    Diverged(#[source] StoreError),
    /// A record or a kept row does not read.
    #[error("{0} does not read")]
    Unreadable(&'static str),
    /// What came in cannot be applied, though nothing that was asked before refused it.
    #[error("{0} cannot be applied")]
    Unfit(&'static str),
}

impl EngineError {
    /// Whether disk, store or keys failed, rather than what came in.
    #[must_use]
    pub fn is_of_machine(&self) -> bool {
        match self {
            Self::Journal(_) | Self::Diverged(_) | Self::Unreadable(_) => true,
            Self::Store(error) => !error.is_refusal(),
            Self::Keys(error) => !error.is_refusal(),
            Self::Unfit(_) => false,
        }
    }
}
