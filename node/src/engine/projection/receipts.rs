//! What neighbours say they have stored of ours: the one kind of row that no fact of the journal stands behind. Their
//! next greeting says it again, so an acknowledgement costs no record and no sync.

use fengqiao_hub::id::NodeId;
use fengqiao_proto::v1 as pb;
use prost::Message as _;

use super::projector::Projection;
use super::rows::{Family, is_waiting, lane_row, receipt_row};
use crate::engine::EngineError;
use crate::replication::session::Receipt;
use crate::store::{all_rows, tables};

/// Never built from the journal, so its version is never looked at.
const FAMILY: Family = Family {
    name: "receipts",
    version: 1,
    tables: &tables::NOT_IN_THE_JOURNAL,
};

impl Projection<'_, '_> {
    pub(super) fn receipt(&mut self, link: NodeId, receipt: &Receipt) -> Result<(), EngineError> {
        let (lane, sequence) = (receipt.cursor.lane(), receipt.cursor.sequence);
        let mut row = receipt_row(self.rows, link, lane)?;
        row.acknowledged = row.acknowledged.max(sequence);
        row.top = row.top.max(receipt.top_sequence.min(sequence));
        if let Some(after) = receipt.settles_after {
            row.settles(sequence, after);
        }
        self.put(&FAMILY, tables::receipt(link, lane), row.encode_to_vec());
        self.settle(link, lane)
    }

    /// Settles what has only waited for what is stored by now of the neighbour's lane. Nothing while entries of the
    /// neighbour are stored here and wait for something else: a taking may be among them.
    pub(super) fn settle(&mut self, link: NodeId, lane: pb::Lane) -> Result<(), EngineError> {
        let mut row = receipt_row(self.rows, link, lane)?;
        if row.settling.is_empty() || is_waiting(self.rows, link)? {
            return Ok(());
        }
        row.settle(lane_row(self.rows, link, lane)?.stored());
        self.put(&FAMILY, tables::receipt(link, lane), row.encode_to_vec());
        Ok(())
    }

    /// What was acknowledged was acknowledged to the node before this one.
    pub(super) fn forget_receipts(&mut self) -> Result<(), EngineError> {
        for (key, _) in all_rows(self.rows, &tables::receipts())? {
            self.rows.remove(&FAMILY, key);
        }
        Ok(())
    }
}
