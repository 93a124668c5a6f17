//! What neighbours say they have stored of ours.
//!
//! It stands in the store and not in the journal: the neighbour's next greeting tells it again, with a hash to compare. So
//! an acknowledgement costs no sync, and after a rebuild nothing is known as stored above until the neighbour calls. Each
//! names where its sender's lane of cases ended when it was made, and settles nothing before that is stored here: a taking
//! on its way would otherwise overtake what had been shown as settled.

use fengqiao_hub::id::NodeId;

use super::EngineError;
use super::group::Group;
use super::projection::lane_row;
use crate::replication::session::Receipt;

impl Group<'_> {
    /// A neighbour has stored our items.
    pub(crate) fn peer_stored(
        &mut self,
        link: NodeId,
        receipt: &Receipt,
    ) -> Result<(), EngineError> {
        let row = lane_row(&self.overlay, link, receipt.cursor.lane())?;
        if receipt.cursor.sequence > row.owed {
            self.alarm("ACKNOWLEDGED_TOO_MUCH", &link.to_string());
            return Ok(());
        }
        self.recorder().receipt(link, receipt)?;
        if self.me.at.up(&self.state.registry) == Some(link) {
            self.raise_top(link)?;
        }
        Ok(())
    }
}
