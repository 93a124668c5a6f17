//! What cannot be judged yet: put aside with its reason, in the record that moves the cursor, and tried again when what
//! it waits for has come (PROTOCOL.md 22). An entry waits with its chain; what else is signed waits for the registry
//! that names its author. What can never be accepted is said by an alarm; an entry of that kind is kept here too, so
//! that nothing of a chain disappears.

use std::collections::BTreeSet;
use std::sync::Arc;

use fengqiao_hub::entry::Entry;
use fengqiao_hub::id::{ChainId, Hash, NodeId};
use fengqiao_proto::v1 as pb;
use pb::fact::Fact;
use prost::Message as _;

use super::group::Group;
use super::loading::read_bytes;
use super::projection::{is_waiting, item_parking_key, parking_key, waiting_count};
use super::record::reference_to;
use super::{EngineError, Output};
use crate::store::tables::{self, Place};
use crate::store::{Read as _, all_rows};

/// What waits here of one neighbour, at most, in a node as it ships. Beyond it that neighbour's link pauses, so that
/// nothing it sends is acknowledged and lost. Of what can never be taken in as much is kept in all; the rest is only
/// said by its alarm.
pub const PARKED_MAX: u64 = 10_000;

/// Why something is not taken in now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hindrance {
    /// Something it needs may still come.
    Waits(&'static str),
    /// It will never be taken in.
    Refused(&'static str),
}

/// A row of what waits, with its bytes.
struct Waiting {
    row: tables::ParkedRow,
    at: Place,
    bytes: Vec<u8>,
    ended: pb::ParkingEnded,
}

impl Group<'_> {
    /// Puts an entry aside; says whether there was room, and it does not wait already.
    pub(super) fn park(
        &mut self,
        entry: Option<&Entry>,
        bytes: &[u8],
        reference: pb::BlobReference,
        hindrance: Hindrance,
        link: Option<NodeId>,
    ) -> Result<bool, EngineError> {
        let (reason, refused) = match hindrance {
            Hindrance::Waits(reason) => (reason, false),
            Hindrance::Refused(reason) => (reason, true),
        };
        let by = link.map(|link| link.to_string()).unwrap_or_default();
        if refused {
            self.alarm("ENTRY_REFUSED", &format!("{reason} from {by}"));
        }
        let (chain, hash) = parking_key(entry, bytes);
        if !self.may_park((chain, hash), refused, link)? {
            return Ok(false);
        }
        self.fact(Fact::Entry(pb::EntryStored {
            blob: Some(reference),
            verdict: pb::EntryVerdict::Parked.into(),
            reason: reason.to_owned(),
            link: by,
        }))?;
        if refused && let Some(link) = link {
            let report = pb::ParkedReport {
                chain: chain.to_vec(),
                entry: hash.to_vec(),
                reason: reason.to_owned(),
            };
            let bytes = report.encode_to_vec();
            self.owe_bytes(link, pb::Lane::Control, pb::ItemKind::Parked, &bytes, None)?;
        }
        Ok(true)
    }

    /// Puts a signed item aside that is no entry.
    pub(super) fn park_item(
        &mut self,
        link: NodeId,
        kind: pb::ItemKind,
        bytes: &[u8],
        reason: &str,
    ) -> Result<(), EngineError> {
        if !self.may_park(item_parking_key(kind, bytes), false, Some(link))? {
            return Ok(());
        }
        let (reference, _) = self.record.blob(bytes);
        self.fact(Fact::ItemParked(pb::ItemParked {
            kind: kind.into(),
            blob: Some(reference),
            reason: reason.to_owned(),
            link: link.to_string(),
        }))
    }

    /// Whether there is room, and it does not wait already. Something refused under the hash of an entry, such as a copy
    /// with another signature, does not keep out the entry itself.
    fn may_park(
        &mut self,
        key: (ChainId, Hash),
        refused: bool,
        link: Option<NodeId>,
    ) -> Result<bool, EngineError> {
        let before = self.overlay.get(&tables::parked(key.0, key.1))?;
        let before = before.and_then(|row| tables::ParkedRow::decode(&row[..]).ok());
        if before.is_some_and(|before| refused || before.waits()) {
            return Ok(false);
        }
        let pausing = link.filter(|_| !refused);
        let parked = match pausing {
            Some(link) => waiting_count(&self.overlay, link)?,
            None => self.state.counts.parked,
        };
        if parked < self.state.parked_max {
            return Ok(true);
        }
        self.pausing = pausing.is_some();
        if !self.pausing {
            let by = link.map(|link| link.to_string()).unwrap_or_default();
            self.alarm("PARKED_FULL", &by);
        }
        Ok(false)
    }

    /// Tries what waits once more: of one chain, or of all when the registry has grown. Says whether anything was taken in.
    pub(crate) fn retry_parked(&mut self, chain: Option<ChainId>) -> Result<bool, EngineError> {
        if self.state.counts.parked == 0 {
            return Ok(false);
        }
        let (mut entries, mut items) = (Vec::new(), Vec::new());
        for waiting in self.waiting_for_more(chain)? {
            match waiting.row.kind() {
                pb::ItemKind::Unspecified | pb::ItemKind::Entry => {
                    if let Ok(entry) = Entry::parse(&waiting.bytes) {
                        entries.push((Arc::new(entry), waiting));
                    }
                }
                pb::ItemKind::Notice
                | pb::ItemKind::Tally
                | pb::ItemKind::Submission
                | pb::ItemKind::Refusal
                | pb::ItemKind::Sealed
                | pb::ItemKind::Parked
                | pb::ItemKind::DirectiveCount
                | pb::ItemKind::HandedOver => items.push(waiting),
            }
        }
        entries.sort_by_key(|(entry, _)| entry.sequence);
        items.sort_by_key(|waiting| (waiting.at.position, waiting.at.offset));
        let mut joined = false;
        let links: BTreeSet<NodeId> = entries
            .iter()
            .filter_map(|(_, waiting)| NodeId::from_bytes(&waiting.row.link))
            .collect();
        for (entry, waiting) in entries {
            joined |= self.retry_entry(&entry, waiting)?;
        }
        for link in links {
            if !is_waiting(&self.overlay, link)? {
                self.outputs.push(Output::Settles(link));
            }
        }
        for waiting in items {
            joined |= self.retry_item(waiting)?;
        }
        Ok(joined)
    }

    fn waiting_for_more(&self, chain: Option<ChainId>) -> Result<Vec<Waiting>, EngineError> {
        let unreadable = || EngineError::Unreadable("a parked row");
        let prefix = chain.map_or_else(tables::parked_all, tables::parked_of);
        let mut all = Vec::new();
        for (key, value) in all_rows(&self.overlay, &prefix)? {
            let row = tables::ParkedRow::decode(&value[..]).map_err(|_| unreadable())?;
            if !row.waits() {
                continue;
            }
            let at = row.at.ok_or_else(unreadable)?;
            let (chain, entry) = tables::read_parked(&key).ok_or_else(unreadable)?;
            all.push(Waiting {
                bytes: read_bytes(&self.record, self.reader, &at)?,
                row,
                at,
                ended: pb::ParkingEnded {
                    chain: chain.to_vec(),
                    entry: entry.to_vec(),
                },
            });
        }
        Ok(all)
    }

    fn retry_entry(&mut self, entry: &Arc<Entry>, waiting: Waiting) -> Result<bool, EngineError> {
        let reference = reference_to(&waiting.at);
        let link = NodeId::from_bytes(&waiting.row.link);
        match self.admissible(entry)? {
            Ok(()) => {
                self.fact(Fact::ParkingEnded(waiting.ended))?;
                self.keep_entry_at(entry, reference, waiting.at, link)?;
                self.learn_secrets(entry, &[]);
                Ok(true)
            }
            Err(Hindrance::Waits(_)) => Ok(false),
            Err(refused @ Hindrance::Refused(_)) => {
                self.fact(Fact::ParkingEnded(waiting.ended))?;
                self.park(Some(entry), &[], reference, refused, link)?;
                Ok(false)
            }
        }
    }

    fn retry_item(&mut self, waiting: Waiting) -> Result<bool, EngineError> {
        let link = NodeId::from_bytes(&waiting.row.link).unwrap_or_default();
        let kind = waiting.row.kind();
        match self.take_in(link, kind, &waiting.bytes, true)? {
            Err(Hindrance::Waits(_)) => return Ok(false),
            Err(Hindrance::Refused(reason)) => {
                self.refuse_item(link, kind, reason, waiting.bytes.len());
            }
            Ok(()) => {}
        }
        self.fact(Fact::ParkingEnded(waiting.ended))?;
        Ok(true)
    }
}
