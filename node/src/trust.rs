//! Who a node is, and who it believes: keys, certificates, enrolment and the
//! one function that turns a certificate chain into an identity.
//!
//! Two keys a node. The transport key opens connections and lives in a
//! certificate of 180 days; the signing key signs entries and is judged by the
//! registry's pins, never by a certificate's dates. A third, the encryption
//! key, receives sealed case keys and sealed frames. A centre that enrols
//! others holds an authority: a certificate constrained by name to its own
//! subtree, so that it can vouch for its townships and for nobody else's.
//!
//! Nothing here opens a socket, reads a clock or keeps a store: time is an
//! argument (or rustls' own time provider, handed in), randomness is
//! [`Random`], and state is a value the caller persists. All keys are Ed25519,
//! apart from the X25519 encryption key.

pub mod random;

pub(crate) mod name;

pub(crate) mod keys;

pub(crate) mod seal;

pub(crate) mod authority;

pub(crate) mod identity;

pub mod tls;

pub(crate) mod invitation;

pub(crate) mod enrol;

pub(crate) mod renewal;

pub(crate) mod code;

#[cfg(test)]
pub(crate) mod testing;

pub use authority::{Authority, AuthorityError};
pub use code::Code;
pub use identity::{IdentityError, PeerIdentity, Pinned, Registrar, identify};
pub use invitation::{Invitation, InvitationBook};
pub use keys::{
    AuthorityKey, EncryptionKey, EncryptionPublicKey, Fingerprint, KeyId, PublicKey, SigningKey,
    TransportKey,
};
pub use name::{DeploymentId, InvitationId, IssuingPath, NodeId, NodeName, PlaceId};
pub use random::{OsRandom, Random, RandomUnavailable, draw};
