//! Why a chain gives no identity.

use thiserror::Error;

use crate::trust::name::{NameError, NodeId, PlaceId};

/// Why a chain gives no identity. `position` counts from the leaf, which is 0.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// Fewer than a leaf and a root, or more than `CHAIN_CERTIFICATES_MAX`.
    #[error("a chain of {0} certificates")]
    ChainLength(usize),
    /// Not one whole certificate of version 3, too large, or a field that cannot be read.
    #[error("certificate {position}: {what}")]
    Malformed {
        /// Where in the chain.
        position: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A key or signature that is not Ed25519.
    #[error("certificate {0} is not Ed25519 throughout")]
    Algorithm(usize),
    /// An extension that has no place there, stands twice or cannot be read.
    #[error("certificate {0} carries an extension that has no place in it")]
    Extension(usize),
    /// The chain ends in another root.
    #[error("the chain ends in another root")]
    Root,
    /// The issuer named is not the next certificate.
    #[error("certificate {0} does not name the next one as its issuer")]
    Issuer(usize),
    /// The next certificate's key did not sign it.
    #[error("certificate {0} was not signed by the next one")]
    Signature(usize),
    /// Begins in the future.
    #[error("certificate {0} is not valid yet")]
    NotYetValid(usize),
    /// Ended.
    #[error("certificate {0} has expired")]
    Expired(usize),
    /// Issued something without being an authority.
    #[error("certificate {0} is no authority and yet issued one")]
    NotAuthority(usize),
    /// More authorities below it than it was given, or no limit at all.
    #[error("certificate {0} has no level left for what it issued")]
    PathLength(usize),
    /// Not constrained to exactly one subtree one label below its issuer's.
    #[error("certificate {0} is not constrained to one subtree directly below its issuer's")]
    Constraint(usize),
    /// A node's certificate is an authority's.
    #[error("the certificate of a node is that of an authority")]
    LeafIsAuthority,
    /// Not for both ends of TLS.
    #[error("the certificate is not for both ends of a connection")]
    Usage,
    /// No name, or more than one.
    #[error("the certificate has {0} names")]
    NameCount(usize),
    /// A name that is no DNS name.
    #[error("the certificate has a name that is not DNS")]
    NameType,
    /// A name that no node can have: wildcard, capitals, wrong length.
    #[error("the name in the certificate is not a node's")]
    NameSyntax(#[source] NameError),
    /// The name hangs from authorities that did not issue it.
    #[error("the name in the certificate is not below its issuer")]
    NameOutside,
    /// A subject that is neither empty nor the very name.
    #[error("the subject of the certificate is not its name")]
    CommonName,
    /// Not the name that was dialled.
    #[error("the certificate is another node's")]
    OtherNode,
    /// The registry does not know the node.
    #[error("node {0} is not registered")]
    Unregistered(NodeId),
    /// The node is revoked.
    #[error("node {0} is revoked")]
    Revoked(NodeId),
    /// An authority on the way is revoked.
    #[error("the authority of {0} is revoked")]
    AuthorityRevoked(PlaceId),
    /// Another key than the one the registry pins.
    #[error("node {0} is pinned to another key")]
    Key(NodeId),
}
