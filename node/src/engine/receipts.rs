//! What neighbours say they have stored of ours.

use fengqiao_hub::id::NodeId;
use prost::Message as _;

use super::EngineError;
use super::group::Group;
use super::projection::{is_waiting, lane_row};
use crate::replication::session::Receipt;
use crate::store::tables;

impl Group<'_> {
    /// A neighbour has stored our items. Kept in the store only: its next greeting would tell it again.
    pub(crate) fn peer_stored(
        &mut self,
        link: NodeId,
        receipt: &Receipt,
    ) -> Result<(), EngineError> {
        let (cursor, top_sequence) = (&receipt.cursor, receipt.top_sequence);
        let lane = cursor.lane();
        let mut row = lane_row(&self.overlay, link, lane)?;
        if cursor.sequence > row.owed {
            self.alarm("ACKNOWLEDGED_TOO_MUCH", &link.to_string());
            return Ok(());
        }
        row.acknowledged = row.acknowledged.max(cursor.sequence);
        row.top = row.top.max(top_sequence.min(cursor.sequence));
        if let Some(after) = receipt.settles_after {
            let is_waiting = is_waiting(&self.overlay, link)?;
            row.settles(cursor.sequence, after, is_waiting);
        }
        self.overlay
            .batch
            .put(tables::lane(link, lane), row.encode_to_vec());
        if self.me.at.up(&self.state.registry) == Some(link) {
            self.raise_top(link)?;
        }
        Ok(())
    }
}
