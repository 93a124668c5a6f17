//! Rows of what waits.

use fengqiao_hub::entry::Entry;
use fengqiao_hub::id::{ChainId, Hash, NodeId};
use fengqiao_hub::signed;
use fengqiao_hub::submission::Submission;
use fengqiao_proto::v1 as pb;
use prost::Message as _;

use super::links::Carried;
use super::projector::Projection;
use super::rows::{Family, NUMBERS, count, entries_waiting, items_waiting};
use crate::engine::EngineError;
use crate::replication::session::item_hash;
use crate::store::Read as _;
use crate::store::tables::{self, Place};

/// Version of these rows.
pub(super) const FAMILY: Family = Family {
    name: "parked",
    version: 1,
    tables: b"p",
};

impl Projection<'_, '_> {
    pub(super) fn parked(
        &mut self,
        entry: Option<&Entry>,
        bytes: &[u8],
        at: Place,
        stored: &pb::EntryStored,
    ) -> Result<(), EngineError> {
        let kind = pb::ItemKind::Entry;
        self.park(
            parking_key(entry, bytes),
            kind,
            at,
            &stored.reason,
            &stored.link,
        )
    }

    /// A link carried a notice whether it was taken in or put aside.
    pub(super) fn item_parked(
        &mut self,
        parked: &pb::ItemParked,
        bytes: &[u8],
        at: Place,
    ) -> Result<(), EngineError> {
        let (subject, hash) = item_parking_key(parked.kind(), bytes);
        if parked.kind() == pb::ItemKind::Notice
            && let Ok(link) = parked.link.parse::<NodeId>()
        {
            self.carries(link, subject, Carried::notice(hash))?;
        }
        self.park(
            (subject, hash),
            parked.kind(),
            at,
            &parked.reason,
            &parked.link,
        )
    }

    fn park(
        &mut self,
        (subject, hash): (ChainId, Hash),
        kind: pb::ItemKind,
        at: Place,
        reason: &str,
        link: &str,
    ) -> Result<(), EngineError> {
        let row = tables::ParkedRow {
            at: Some(at),
            reason: reason.to_owned(),
            link: link
                .parse::<NodeId>()
                .map(NodeId::to_vec)
                .unwrap_or_default(),
            kind: kind.into(),
        };
        if self.rows.get(&tables::parked(subject, hash))?.is_none() {
            self.state.counts.parked += 1;
        }
        self.put(&FAMILY, tables::parked(subject, hash), row.encode_to_vec());
        self.count_waiting(&row, 1)
    }

    pub(super) fn unpark(&mut self, chain: ChainId, hash: Hash) -> Result<(), EngineError> {
        let Some(row) = self.rows.get(&tables::parked(chain, hash))? else {
            return Ok(());
        };
        self.rows.remove(&FAMILY, tables::parked(chain, hash));
        self.state.counts.parked = self.state.counts.parked.saturating_sub(1);
        let row = tables::ParkedRow::decode(&row[..])
            .map_err(|_| EngineError::Unreadable("a parked row"))?;
        self.count_waiting(&row, -1)
    }

    /// Counts what waits here of a neighbour: as long as any entry does, nothing is settled for it.
    fn count_waiting(&mut self, row: &tables::ParkedRow, by: i64) -> Result<(), EngineError> {
        let link = NodeId::from_bytes(&row.link).filter(|_| row.waits());
        let Some(link) = link else { return Ok(()) };
        let is_entry = matches!(row.kind(), pb::ItemKind::Unspecified | pb::ItemKind::Entry);
        let key = if is_entry {
            entries_waiting(link)
        } else {
            items_waiting(link)
        };
        let now = count(self.rows, &key)?.saturating_add_signed(by);
        if now > 0 {
            self.put(&NUMBERS, key, now.to_be_bytes().to_vec());
            return Ok(());
        }
        self.rows.remove(&NUMBERS, key);
        if is_entry {
            self.settle(link, pb::Lane::Cases)?;
        }
        Ok(())
    }
}

/// Where a signed item that is no entry waits: by what it speaks of and by its own hash.
pub(crate) fn item_parking_key(kind: pb::ItemKind, bytes: &[u8]) -> (ChainId, Hash) {
    let subject = match kind {
        pb::ItemKind::Notice => signed::kept::<pb::Notice>(bytes).map(|notice| notice.case),
        pb::ItemKind::Refusal => signed::kept::<pb::Refusal>(bytes).map(|refusal| refusal.case),
        pb::ItemKind::DirectiveCount => {
            signed::kept::<pb::DirectiveCount>(bytes).map(|count| count.directive)
        }
        pb::ItemKind::Submission => Submission::parse(bytes)
            .ok()
            .map(|submission| submission.case.to_vec()),
        pb::ItemKind::Tally
        | pb::ItemKind::Unspecified
        | pb::ItemKind::Entry
        | pb::ItemKind::Sealed
        | pb::ItemKind::Parked
        | pb::ItemKind::HandedOver => None,
    };
    let subject = subject.and_then(|subject| ChainId::from_bytes(&subject));
    (subject.unwrap_or_default(), item_hash(kind, bytes))
}

/// Where an entry waits: by its chain and hash, or when it does not even read, by the hash of its bytes.
pub(crate) fn parking_key(entry: Option<&Entry>, bytes: &[u8]) -> (ChainId, Hash) {
    entry.map_or_else(
        || {
            (
                ChainId::default(),
                Hash::of("fengqiao/unreadable/1", &[bytes]),
            )
        },
        |entry| (entry.chain, entry.hash),
    )
}
