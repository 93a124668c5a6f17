//! Submissions: acts of someone who is not custodian, on their way to who is. A refusal on its way back is [`crate::signed`].

use ed25519_dalek::{SigningKey, VerifyingKey};
use fengqiao_proto::v1 as pb;
use prost::Message as _;

use crate::bounds::Bounds;
use crate::entry::{EntryError, check_under, sign_under};
use crate::id::{ChainId, DeploymentId, Hash, NodeId, SubmissionId};

const DOMAIN: &str = "fengqiao/submission/1";

/// A submission, structurally sound.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Id: one effect a chain.
    pub id: SubmissionId,
    /// Deployment.
    pub deployment: DeploymentId,
    /// Case.
    pub case: ChainId,
    /// Node that sent it.
    pub author: NodeId,
    /// What was done.
    pub body: pb::Body,
    /// Commitments to the sealed payloads.
    pub commitments: Vec<Hash>,
    /// The bytes as written.
    pub signed: pb::SignedSubmission,
}

impl Submission {
    /// Writes and signs a submission.
    #[must_use]
    pub fn sign(
        inner: pb::Submission,
        payloads: Vec<Vec<u8>>,
        key: &SigningKey,
    ) -> pb::SignedSubmission {
        let submission = inner.encode_to_vec();
        let signature = sign_under(DOMAIN, key, &submission);
        pb::SignedSubmission {
            submission,
            signature,
            payloads,
            hops: 0,
        }
    }

    /// Reads a submission.
    ///
    /// # Errors
    /// `OutOfBounds`, `Undecodable` or `Malformed`.
    pub fn parse(bytes: &[u8]) -> Result<Self, EntryError> {
        Bounds::Submission.check(bytes)?;
        let signed = pb::SignedSubmission::decode(bytes).map_err(|_| EntryError::Undecodable)?;
        let inner =
            pb::Submission::decode(&signed.submission[..]).map_err(|_| EntryError::Undecodable)?;
        let commitments = inner
            .commitments
            .iter()
            .map(|commitment| Hash::from_bytes(commitment))
            .collect::<Option<Vec<_>>>()
            .filter(|commitments| commitments.len() == signed.payloads.len())
            .ok_or(EntryError::Malformed("commitments"))?;
        Ok(Self {
            id: SubmissionId::from_bytes(&inner.submission)
                .ok_or(EntryError::Malformed("submission"))?,
            deployment: DeploymentId::from_bytes(&inner.deployment)
                .ok_or(EntryError::Malformed("deployment"))?,
            case: ChainId::from_bytes(&inner.case)
                .filter(|case| case.kind() == Some(pb::ChainKind::Case))
                .ok_or(EntryError::Malformed("case"))?,
            author: NodeId::from_bytes(&inner.author).ok_or(EntryError::Malformed("author"))?,
            body: pb::Body::decode(&inner.body[..]).map_err(|_| EntryError::Malformed("body"))?,
            commitments,
            signed,
        })
    }

    /// Checks the signature with the author's pinned key.
    ///
    /// # Errors
    /// `Signature`.
    pub fn check_signature(&self, key: &VerifyingKey) -> Result<(), EntryError> {
        check_under(DOMAIN, key, &self.signed.submission, &self.signed.signature)
    }
}
