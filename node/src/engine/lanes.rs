//! What a session reads of its own node: the outbox as a view of the journal, and the cursors.

use std::sync::Arc;

use fengqiao_hub::id::{ChainId, Hash, NodeId};
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_proto::v1 as pb;
use prost::Message as _;

use super::awaiting::is_recovering;
use super::projection::{is_waiting, lane_row, receipt_row};
use super::vault::Vault;
use super::{EngineError, Me};
use crate::journal::{JournalReader, Location, Position};
use crate::store::{Store, tables};

/// One link's lanes.
#[expect(missing_debug_implementations, reason = "holds trait objects")]
pub struct LaneView {
    /// This node.
    pub me: Arc<Me>,
    /// Neighbour.
    pub link: NodeId,
    /// Rows.
    pub store: Arc<dyn Store>,
    /// Bytes.
    pub reader: Arc<dyn JournalReader>,
    /// Keys to hand on.
    pub vault: Arc<Vault>,
    /// Who the neighbour is, for sealing.
    pub registry: Arc<arc_swap::ArcSwap<Registry>>,
}

impl LaneView {
    /// What is stored here of the neighbour's lane.
    ///
    /// # Errors
    /// The store does not read.
    pub fn received(&self, lane: pb::Lane) -> Result<pb::Cursor, EngineError> {
        let row = lane_row(self.store.as_ref(), self.link, lane)?;
        Ok(row.received.unwrap_or(pb::Cursor {
            lane: lane.into(),
            ..Default::default()
        }))
    }

    /// The last item owed, and the running hash there.
    ///
    /// # Errors
    /// The store does not read.
    pub fn last(&self, lane: pb::Lane) -> Result<pb::Cursor, EngineError> {
        let row = lane_row(self.store.as_ref(), self.link, lane)?;
        Ok(pb::Cursor {
            lane: lane.into(),
            store: self.me.store.to_vec(),
            incarnation: self.me.incarnation,
            sequence: row.owed,
            hash: row.owed_hash,
        })
    }

    /// The running hash at a sequence of the own lane.
    ///
    /// # Errors
    /// The store does not read.
    pub fn hash_at(&self, lane: pb::Lane, sequence: u64) -> Result<Option<Hash>, EngineError> {
        let row = self.store.get(&tables::owed(self.link, lane, sequence))?;
        let row = row.and_then(|row| tables::OwedRow::decode(&row[..]).ok());
        Ok(row.and_then(|row| Hash::from_bytes(&row.hash)))
    }

    /// What the neighbour acknowledged, as far as this node remembers.
    ///
    /// # Errors
    /// The store does not read.
    pub fn acknowledged(&self, lane: pb::Lane) -> Result<u64, EngineError> {
        Ok(receipt_row(self.store.as_ref(), self.link, lane)?.acknowledged)
    }

    /// Whether this node recovers, entries of the neighbour wait here, or it is none any more.
    ///
    /// # Errors
    /// The store does not read.
    pub fn is_tentative(&self) -> Result<bool, EngineError> {
        let store = self.store.as_ref();
        Ok(is_recovering(store)? || is_waiting(store, self.link)? || !self.is_neighbour())
    }

    fn is_neighbour(&self) -> bool {
        let registry = self.registry.load();
        let at = &self.me.at;
        at.up(&registry) == Some(self.link) || at.down(&registry).contains(&self.link)
    }

    /// Consecutive items from a sequence on, as they were owed; secrets are sealed to the neighbour now.
    ///
    /// # Errors
    /// Store or journal do not read.
    pub fn load(
        &self,
        lane: pb::Lane,
        from: u64,
        items_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<pb::Item>, EngineError> {
        let lo = tables::owed(self.link, lane, from);
        let (_, hi) = tables::prefixed(&lo[..lo.len() - 8]);
        let mut items = Vec::new();
        let mut bytes = 0;
        for (sequence, (_, value)) in (from..).zip(self.store.range(&lo, &hi, items_max)?) {
            let row = tables::OwedRow::decode(&value[..])
                .map_err(|_| EngineError::Unreadable("an owed row"))?;
            let at = row.at.ok_or(EngineError::Unreadable("an owed row"))?;
            bytes += at.length as usize + 256;
            if bytes > bytes_max && !items.is_empty() {
                break;
            }
            let location = Location {
                position: Position(at.position),
                offset: at.offset,
                length: at.length,
            };
            items.push(pb::Item {
                sequence,
                kind: row.kind,
                payload: self.reader.read(location)?,
                secrets: ChainId::from_bytes(&row.secret_of)
                    .map_or_else(Vec::new, |chain| self.secrets(chain)),
            });
        }
        Ok(items)
    }

    fn secrets(&self, chain: ChainId) -> Vec<pb::ChainSecret> {
        let registry = self.registry.load();
        let to = registry.node(self.link);
        to.map_or_else(Vec::new, |to| self.vault.secrets_for(chain, to))
    }
}
