//! Submissions that wait for the custodian, by id and by case.

use fengqiao_hub::id::{ChainId, SubmissionId};
use fengqiao_hub::submission::Submission;
use fengqiao_proto::v1 as pb;
use prost::Message as _;

use super::projector::Projection;
use super::rows::Family;
use crate::engine::EngineError;
use crate::store::Read as _;
use crate::store::tables::{self, Place};

/// Version of these rows.
pub(super) const FAMILY: Family = Family {
    name: "submissions",
    version: 1,
    tables: b"sq",
};

impl Projection<'_, '_> {
    pub(super) fn keep_submission(
        &mut self,
        kept: &pb::ItemKept,
        bytes: &[u8],
        at: Place,
    ) -> Result<(), EngineError> {
        let Ok(submission) = Submission::parse(bytes) else {
            return Ok(());
        };
        let key = tables::submission(submission.id);
        if self.rows.get(&key)?.is_none() {
            self.state.counts.submissions += 1;
        }
        let row = tables::SubmissionRow {
            at: Some(at),
            case: submission.case.to_vec(),
            refused: String::new(),
            own: kept.link.is_empty(),
        };
        self.put(&FAMILY, key, row.encode_to_vec());
        self.put(
            &FAMILY,
            tables::submission_of(submission.case, submission.id),
            Vec::new(),
        );
        Ok(())
    }

    pub(super) fn end_submission(
        &mut self,
        id: SubmissionId,
        code: &str,
    ) -> Result<(), EngineError> {
        let Some(row) = self.rows.get(&tables::submission(id))? else {
            return Ok(());
        };
        let mut row = tables::SubmissionRow::decode(&row[..])
            .map_err(|_| EngineError::Unreadable("a submission"))?;
        if row.refused.is_empty() {
            self.state.counts.submissions = self.state.counts.submissions.saturating_sub(1);
        }
        if let Some(case) = ChainId::from_bytes(&row.case) {
            self.rows.remove(&FAMILY, tables::submission_of(case, id));
        }
        if row.own && !code.is_empty() {
            code.clone_into(&mut row.refused);
            self.put(&FAMILY, tables::submission(id), row.encode_to_vec());
        } else {
            self.rows.remove(&FAMILY, tables::submission(id));
        }
        Ok(())
    }
}
