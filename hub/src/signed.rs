//! What nodes sign besides entries: a notice, a tally, a count, a refusal. One way to sign, one to check, one to read what
//! was checked when it was kept. As with entries, bytes are checked and forwarded as they were written.

use ed25519_dalek::{SigningKey, VerifyingKey};
use fengqiao_proto::v1 as pb;
use prost::Message;

use crate::bounds::Bounds;
use crate::entry::{EntryError, check_under, sign_under};
use crate::id::NodeId;

/// A message that travels signed by the node it names.
pub trait Said: Message + Default {
    /// The message with its signature.
    type Signed: Message + Default;
    /// What a signature over it is made under.
    const DOMAIN: &'static str;
    /// What its bytes may look like.
    const BOUNDS: Bounds;
    /// The field that names the node.
    const AUTHOR: &'static str;

    /// The node that says it.
    fn author(&self) -> &[u8];
    /// Puts bytes and signature together.
    fn with_signature(said: Vec<u8>, signature: Vec<u8>) -> Self::Signed;
    /// Takes them apart.
    fn apart(signed: Self::Signed) -> (Vec<u8>, Vec<u8>);
}

macro_rules! said {
    ($($said:ident, $signed:ident.$field:ident, $author:ident, $domain:literal;)*) => {
        $(impl Said for pb::$said {
            type Signed = pb::$signed;
            const DOMAIN: &'static str = $domain;
            const BOUNDS: Bounds = Bounds::$said;
            const AUTHOR: &'static str = stringify!($author);

            fn author(&self) -> &[u8] {
                &self.$author
            }

            fn with_signature($field: Vec<u8>, signature: Vec<u8>) -> pb::$signed {
                pb::$signed { $field, signature }
            }

            fn apart(signed: pb::$signed) -> (Vec<u8>, Vec<u8>) {
                (signed.$field, signed.signature)
            }
        })*
    };
}

said! {
    Notice, SignedNotice.notice, author, "fengqiao/notice/1";
    Tally, SignedTally.tally, node, "fengqiao/tally/1";
    DirectiveCount, SignedDirectiveCount.count, node, "fengqiao/directive-count/1";
    Refusal, SignedRefusal.refusal, author, "fengqiao/refusal/1";
}

/// Signs a message; gives the bytes that travel.
#[must_use]
pub fn sign<S: Said>(said: &S, key: &SigningKey) -> Vec<u8> {
    let bytes = said.encode_to_vec();
    let signature = sign_under(S::DOMAIN, key, &bytes);
    S::with_signature(bytes, signature).encode_to_vec()
}

/// Why a message is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unheard {
    /// No key is known for the node it names: its registry may still come.
    #[error("its author is not known")]
    AuthorUnknown(NodeId),
    /// It will never be believed.
    #[error("the message is wrong")]
    Wrong(#[from] EntryError),
}

/// Reads a message and checks it with the key found for the node it names.
///
/// # Errors
/// `AuthorUnknown` when no key is found; `Wrong` with `OutOfBounds`, `Undecodable`, `Malformed` with the field that should name the
/// node, or `Signature`.
pub fn read<S: Said>(
    bytes: &[u8],
    key_of: impl Fn(NodeId) -> Option<VerifyingKey>,
) -> Result<S, Unheard> {
    S::BOUNDS.check(bytes).map_err(EntryError::from)?;
    let signed = S::Signed::decode(bytes).map_err(|_| EntryError::Undecodable)?;
    let (bytes, signature) = S::apart(signed);
    let said = S::decode(&bytes[..]).map_err(|_| EntryError::Undecodable)?;
    let author = NodeId::from_bytes(said.author()).ok_or(EntryError::Malformed(S::AUTHOR))?;
    let key = key_of(author).ok_or(Unheard::AuthorUnknown(author))?;
    check_under(S::DOMAIN, &key, &bytes, &signature)?;
    Ok(said)
}

/// Reads what was checked when it was kept; `None` when it does not read.
#[must_use]
pub fn kept<S: Said>(bytes: &[u8]) -> Option<S> {
    S::BOUNDS.check(bytes).ok()?;
    let (said, _) = S::apart(S::Signed::decode(bytes).ok()?);
    S::decode(&said[..]).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    fn checked<S: Said>(bytes: &[u8], node: u8) -> Result<S, Unheard> {
        read(bytes, |asked| {
            (asked == NodeId([node; 10])).then(|| key().verifying_key())
        })
    }

    #[test]
    fn what_is_signed_reads_back_and_no_flipped_bit_does() {
        let tally = pb::Tally {
            node: vec![3; 10],
            version: 9,
            ..Default::default()
        };
        let bytes = sign(&tally, &key());
        assert_eq!(checked::<pb::Tally>(&bytes, 3).unwrap(), tally);
        assert_eq!(kept::<pb::Tally>(&bytes).unwrap(), tally);
        for bit in 0..bytes.len() * 8 {
            let mut bent = bytes.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            let accepted = checked::<pb::Tally>(&bent, 3);
            assert!(accepted.is_err(), "bit {bit}");
        }
    }

    #[test]
    fn who_is_not_known_yet_is_not_wrong_and_a_domain_is_not_another() {
        let notice = pb::Notice {
            author: vec![3; 10],
            ..Default::default()
        };
        let bytes = sign(&notice, &key());
        let stranger = checked::<pb::Notice>(&bytes, 4);
        assert_eq!(stranger, Err(Unheard::AuthorUnknown(NodeId([3; 10]))));
        let nobody = sign(&pb::Notice::default(), &key());
        let nobody = checked::<pb::Notice>(&nobody, 3);
        assert_eq!(nobody, Err(EntryError::Malformed("author").into()));
        let refusal = pb::Refusal {
            author: vec![3; 10],
            ..Default::default()
        };
        let under_another = pb::SignedRefusal {
            refusal: refusal.encode_to_vec(),
            signature: sign_under(pb::Notice::DOMAIN, &key(), &refusal.encode_to_vec()),
        };
        let read = checked::<pb::Refusal>(&under_another.encode_to_vec(), 3);
        assert_eq!(read, Err(EntryError::Signature.into()));
    }
}
