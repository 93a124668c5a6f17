//! What people and links read: cases, worklists, figures, digests. Reads go to the store and never to the engine.

use std::sync::Arc;

use fengqiao_hub::id::{ChainId, Hash, NodeId};
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_hub::signed;
use fengqiao_proto::v1 as pb;
use prost::Message as _;

use super::awaiting::{awaited, is_recovering, settles};
use super::chains::Chain;
use super::loading::read_chain;
use super::projection::{bring_up, lane_row, receipt_row, replay};
use super::record::RecordWriter;
use super::{EngineError, Me, State};
use crate::journal::{JournalReader, Position};
use crate::store::tables::{self, CarriedRow, ChainRow, Extent, LookRow, ParkedRow};
use crate::store::{MemoryStore, Read, Row, Store, all_rows};

/// Where an entry stands (PROTOCOL.md 20): three receipts, never merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryStanding {
    /// Synced here.
    StoredHere,
    /// Synced at the parent, and settled: no taking by which the parent had overtaken it can still come.
    AtParent,
    /// Synced at the top.
    AtTop,
}

/// A row of the worklist or of a listing.
#[derive(Debug, Clone)]
pub enum Listed {
    /// The chain is here: what its row says of it.
    Chain(ChainId, Box<ChainRow>),
    /// Only the notice is.
    Notice(ChainId, Box<pb::Notice>),
}

/// A row under its key; what is no case any more has none.
pub(crate) type KeyedRow = (Vec<u8>, Option<Listed>);

/// Reading side of one node.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "holds trait objects")]
pub struct Views {
    me: Arc<Me>,
    store: Arc<dyn Store>,
    reader: Arc<dyn JournalReader>,
}

impl Views {
    /// Views over a store and a journal.
    #[must_use]
    pub fn new(me: Arc<Me>, store: Arc<dyn Store>, reader: Arc<dyn JournalReader>) -> Self {
        Self { me, store, reader }
    }

    /// The same node's views over another store, for comparing what a journal says with what a store believes.
    #[must_use]
    pub fn over(&self, store: Arc<dyn Store>) -> Self {
        Self {
            me: Arc::clone(&self.me),
            store,
            reader: Arc::clone(&self.reader),
        }
    }

    /// This node.
    #[must_use]
    pub fn me(&self) -> &Arc<Me> {
        &self.me
    }

    /// Rows.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Bytes.
    #[must_use]
    pub fn reader(&self) -> &Arc<dyn JournalReader> {
        &self.reader
    }

    /// Cases by id or number: one, none, or two where a copied machine gave a number out twice.
    ///
    /// # Errors
    /// The store does not read.
    pub fn find_cases(&self, text: &str) -> Result<Vec<ChainId>, EngineError> {
        if let Ok(id) = text.parse::<ChainId>() {
            return Ok(vec![id]);
        }
        if text.is_empty() || text.len() > 100 {
            return Ok(Vec::new());
        }
        let (lo, hi) = tables::prefixed(&tables::numbered(text));
        let rows = self.store.range(&lo, &hi, 2)?;
        Ok(rows
            .iter()
            .filter_map(|(key, _)| tables::read_number(key))
            .collect())
    }

    /// Whether a write of an account was answered before.
    ///
    /// # Errors
    /// The store does not read.
    pub fn has_answered(&self, login: &str, request_id: &str) -> Result<bool, EngineError> {
        Ok(self
            .store
            .get(&tables::request(login, request_id))?
            .is_some())
    }

    /// A chain, read whole; an unknown one is empty.
    ///
    /// # Errors
    /// Store or journal do not read.
    pub fn chain(&self, registry: &Registry, id: ChainId) -> Result<Chain, EngineError> {
        let writer = RecordWriter::at(u64::MAX);
        read_chain(
            self.store.as_ref(),
            self.reader.as_ref(),
            &writer,
            registry,
            id,
        )
    }

    /// The notice of a case, when only that is here.
    ///
    /// # Errors
    /// The store does not read.
    pub fn notice(&self, id: ChainId) -> Result<Option<pb::Notice>, EngineError> {
        Ok(self
            .store
            .get(&tables::notice(id))?
            .as_deref()
            .and_then(signed::kept))
    }

    /// Open cases by due time, from a key on; the key of the next page comes with them.
    ///
    /// # Errors
    /// The store does not read.
    pub fn worklist(
        &self,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<(Vec<Listed>, Option<Vec<u8>>), EngineError> {
        let (first, hi) = tables::prefixed(b"w");
        let lo = after.map_or(first, |after| [after, &[0]].concat());
        let rows = self.store.range(&lo, &hi, limit)?;
        let next = rows
            .last()
            .filter(|_| rows.len() == limit)
            .map(|(key, _)| key.clone());
        let listed = rows
            .iter()
            .filter_map(|(key, _)| tables::read_worklist(key))
            .map(|(_, id)| self.listed(id))
            .collect::<Result<Vec<_>, _>>()?;
        Ok((listed.into_iter().flatten().collect(), next))
    }

    /// Cases from a key on, each with its key: open ones by due time, or all of them. What is no case any more is left
    /// out; whether there may be more comes with them.
    ///
    /// # Errors
    /// The store does not read.
    pub fn rows(
        &self,
        with_closed: bool,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<(Vec<KeyedRow>, bool), EngineError> {
        let table = if with_closed {
            tables::numbers()
        } else {
            b"w".to_vec()
        };
        let (first, hi) = tables::prefixed(&table);
        let lo = after.map_or(first, |after| [after, &[0]].concat());
        let rows = self.store.range(&lo, &hi, limit)?;
        let more = rows.len() == limit;
        let rows = rows.into_iter().map(|(key, _)| {
            let id = if with_closed {
                tables::read_number(&key)
            } else {
                tables::read_worklist(&key).map(|(_, id)| id)
            };
            let listed = id.map_or(Ok(None), |id| self.listed(id))?;
            Ok((key, listed))
        });
        Ok((rows.collect::<Result<_, EngineError>>()?, more))
    }

    /// Every case here, closed ones too, from a key on.
    ///
    /// # Errors
    /// The store does not read.
    pub fn all_cases(
        &self,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<(Vec<Listed>, Option<Vec<u8>>), EngineError> {
        let (first, hi) = tables::prefixed(&tables::numbers());
        let lo = after.map_or(first, |after| [after, &[0]].concat());
        let rows = self.store.range(&lo, &hi, limit)?;
        let next = rows
            .last()
            .filter(|_| rows.len() == limit)
            .map(|(key, _)| key.clone());
        let listed = rows
            .iter()
            .filter_map(|(key, _)| tables::read_number(key))
            .map(|id| self.listed(id))
            .collect::<Result<Vec<_>, _>>()?;
        Ok((listed.into_iter().flatten().collect(), next))
    }

    fn listed(&self, id: ChainId) -> Result<Option<Listed>, EngineError> {
        if let Some(row) = self.store.get(&tables::chain(id))? {
            let row = ChainRow::decode(&row[..]);
            let row = row.map_err(|_| EngineError::Unreadable("a chain's row"))?;
            return Ok(Some(Listed::Chain(id, Box::new(row))));
        }
        Ok(self
            .notice(id)?
            .map(|notice| Listed::Notice(id, Box::new(notice))))
    }

    /// Whether neighbours have yet to hand over what a node before this one had.
    ///
    /// # Errors
    /// The store does not read.
    pub fn is_recovering(&self) -> Result<bool, EngineError> {
        is_recovering(self.store.as_ref())
    }

    /// Neighbours that hold something of a node before this one and have not handed it over.
    ///
    /// # Errors
    /// The store does not read.
    pub fn awaited(&self, registry: &Registry) -> Result<Vec<NodeId>, EngineError> {
        awaited(self.store.as_ref(), &self.me, registry)
    }

    /// Where an entry stands.
    ///
    /// # Errors
    /// The store does not read.
    pub fn standing(
        &self,
        registry: &Registry,
        chain: ChainId,
        sequence: u64,
        hash: Hash,
    ) -> Result<EntryStanding, EngineError> {
        let Some(up) = self.me.at.up(registry) else {
            return Ok(EntryStanding::AtTop);
        };
        let row = self.store.get(&tables::entry(chain, sequence, hash))?;
        let row = row
            .and_then(|row| tables::EntryRow::decode(&row[..]).ok())
            .unwrap_or_default();
        let receipt = receipt_row(self.store.as_ref(), up, pb::Lane::Cases)?;
        if row.up_sequence == 0 || row.up != up.to_vec() {
            // It never went up by itself, to the parent of now: it came from above, or its case stays here and below.
            return Ok(EntryStanding::StoredHere);
        }
        let is_settled =
            row.up_sequence <= receipt.settled && settles(self.store.as_ref(), &self.me, up)?;
        Ok(match (is_settled, row.up_sequence <= receipt.top) {
            (false, _) => EntryStanding::StoredHere,
            (true, false) => EntryStanding::AtParent,
            (true, true) => EntryStanding::AtTop,
        })
    }

    /// Submissions of this node that wait, or were refused, for a case: id and refusal code.
    ///
    /// # Errors
    /// The store does not read.
    pub fn submissions(
        &self,
        case: ChainId,
    ) -> Result<Vec<fengqiao_hub::id::SubmissionId>, EngineError> {
        let rows = self.all(&tables::submissions_of(case))?;
        Ok(rows
            .iter()
            .filter_map(|(key, _)| fengqiao_hub::id::SubmissionId::from_bytes(key.get(17..)?))
            .collect())
    }

    /// All figures held.
    ///
    /// # Errors
    /// The store does not read.
    pub fn tallies(&self) -> Result<Vec<pb::Tally>, EngineError> {
        let rows = self.all(&tables::tallies())?;
        Ok(rows
            .iter()
            .filter_map(|(_, row)| signed::kept(row))
            .collect())
    }

    /// Who was shown texts of a case, oldest first.
    ///
    /// # Errors
    /// The store does not read.
    pub fn looks(&self, case: ChainId) -> Result<Vec<LookRow>, EngineError> {
        let rows = self.all(&tables::looks_at(case))?;
        let read = |row: &Vec<u8>| {
            LookRow::decode(&row[..]).map_err(|_| EngineError::Unreadable("a row of a look"))
        };
        rows.iter().map(|(_, row)| read(row)).collect()
    }

    /// Every chain held.
    ///
    /// # Errors
    /// The store does not read.
    pub fn chain_ids(&self) -> Result<Vec<ChainId>, EngineError> {
        let rows = self.all(&tables::chains())?;
        Ok(rows
            .iter()
            .filter_map(|(key, _)| ChainId::from_bytes(key.get(1..)?))
            .collect())
    }

    /// Directive chains held.
    ///
    /// # Errors
    /// The store does not read.
    pub fn directives(&self) -> Result<Vec<ChainId>, EngineError> {
        let rows = self.all(&tables::chains())?;
        let directive = |row: &[u8]| {
            ChainRow::decode(row).is_ok_and(|row| row.kind() == pb::ChainKind::Directive)
        };
        Ok(rows
            .iter()
            .filter(|(_, row)| directive(row))
            .filter_map(|(key, _)| ChainId::from_bytes(key.get(1..)?))
            .collect())
    }

    /// This place's count of a directive.
    ///
    /// # Errors
    /// The store does not read.
    pub fn directive_count(&self, id: ChainId) -> Result<pb::DirectiveCount, EngineError> {
        let row = self
            .store
            .get(&tables::directive_count(id, self.me.at.place))?;
        Ok(row.and_then(|row| signed::kept(&row)).unwrap_or_default())
    }

    /// An account by login.
    ///
    /// # Errors
    /// The store does not read.
    pub fn account(&self, login: &str) -> Result<Option<pb::AccountSet>, EngineError> {
        if login.is_empty() || login.len() > 64 {
            return Ok(None);
        }
        let row = self.store.get(&tables::account(login))?;
        Ok(row.and_then(|row| pb::AccountSet::decode(&row[..]).ok()))
    }

    /// Invitations minted here, id and stored form.
    ///
    /// # Errors
    /// The store does not read.
    pub fn invitations(&self) -> Result<Vec<(String, String)>, EngineError> {
        let rows = all_rows(&**self.store(), &tables::invitations())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let read = rows
            .iter()
            .map(|(key, value)| (text(&key[1..]), text(value)));
        Ok(read.collect())
    }

    /// Accounts, by login.
    ///
    /// # Errors
    /// The store does not read.
    pub fn accounts(&self) -> Result<Vec<pb::AccountSet>, EngineError> {
        let rows = self.all(&tables::accounts())?;
        Ok(rows
            .iter()
            .filter_map(|(_, row)| pb::AccountSet::decode(&row[..]).ok())
            .collect())
    }

    /// What waits, and why, in order of what it speaks of.
    ///
    /// # Errors
    /// The store does not read.
    pub fn parked(&self, rows_max: usize) -> Result<Vec<(ChainId, ParkedRow)>, EngineError> {
        let (lo, hi) = tables::prefixed(&tables::parked_all());
        let rows = self.store.range(&lo, &hi, rows_max)?;
        let read = rows.iter().map(|(key, value)| {
            let (chain, _) = tables::read_parked(key)?;
            Some((chain, ParkedRow::decode(&value[..]).ok()?))
        });
        read.collect::<Option<_>>()
            .ok_or(EngineError::Unreadable("a parked row"))
    }

    /// What a neighbour says it has stored of a lane.
    ///
    /// # Errors
    /// The store does not read.
    pub fn receipt(&self, link: NodeId, lane: pb::Lane) -> Result<tables::ReceiptRow, EngineError> {
        receipt_row(self.store.as_ref(), link, lane)
    }

    /// Where a lane ends, both directions.
    ///
    /// # Errors
    /// The store does not read.
    pub fn lane(&self, link: NodeId, lane: pb::Lane) -> Result<tables::LaneRow, EngineError> {
        lane_row(self.store.as_ref(), link, lane)
    }

    /// 256 hashes over all that a link ever carried, by first byte of the chain id; an empty range is empty.
    ///
    /// # Errors
    /// The store does not read.
    pub fn digest_ranges(&self, link: NodeId) -> Result<Vec<Vec<u8>>, EngineError> {
        digest_ranges(self.store.as_ref(), link)
    }

    /// How many chains a link carries.
    ///
    /// # Errors
    /// The store does not read.
    pub fn carried_count(&self, link: NodeId) -> Result<u64, EngineError> {
        Ok(digest_chains(self.store.as_ref(), link)?.len() as u64)
    }

    /// The chains of one range, with what this side knows of each.
    ///
    /// # Errors
    /// The store does not read.
    pub fn digest_range(
        &self,
        link: NodeId,
        range: u8,
    ) -> Result<Vec<pb::DigestChain>, EngineError> {
        let chains = digest_chains(self.store.as_ref(), link)?;
        Ok(chains
            .into_iter()
            .filter(|(chain, _)| chain.0[0] == range)
            .map(|(chain, hash)| pb::DigestChain {
                chain: chain.to_vec(),
                hash: hash.to_vec(),
            })
            .collect())
    }

    fn all(&self, prefix: &[u8]) -> Result<Vec<Row>, EngineError> {
        Ok(all_rows(self.store.as_ref(), prefix)?)
    }
}

/// What each chain carried on a link is here: the chain's digest, or the hash of the last notice.
pub(crate) fn digest_chains(
    read: &dyn Read,
    link: NodeId,
) -> Result<Vec<(ChainId, Hash)>, EngineError> {
    let mut chains = Vec::new();
    for (key, value) in all_rows(read, &tables::carried_by(link))? {
        let Some(id) = key.get(11..).and_then(ChainId::from_bytes) else {
            continue;
        };
        let row =
            CarriedRow::decode(&value[..]).map_err(|_| EngineError::Unreadable("a carried row"))?;
        let hash = match row.extent() {
            Extent::Full => read
                .get(&tables::chain(id))?
                .and_then(|row| ChainRow::decode(&row[..]).ok())
                .and_then(|row| Hash::from_bytes(&row.digest))
                .unwrap_or_default(),
            Extent::Notice | Extent::None => Hash::from_bytes(&row.notice).unwrap_or_default(),
        };
        chains.push((id, hash));
    }
    Ok(chains)
}

pub(crate) fn digest_ranges(read: &dyn Read, link: NodeId) -> Result<Vec<Vec<u8>>, EngineError> {
    let mut ranges: Vec<Vec<u8>> = vec![Vec::new(); 256];
    for (id, hash) in digest_chains(read, link)? {
        let range = &mut ranges[usize::from(id.0[0])];
        range.extend_from_slice(&id.0);
        range.extend_from_slice(&hash.0);
    }
    Ok(ranges
        .into_iter()
        .map(|range| {
            if range.is_empty() {
                range
            } else {
                Hash::of("fengqiao/digest-range/1", &[&range]).to_vec()
            }
        })
        .collect())
}

/// Replays a journal into a memory store: what the journal says, whatever the store on disk believes.
pub(crate) fn rebuild(
    me: &Me,
    reader: &dyn JournalReader,
    store: &Arc<MemoryStore>,
) -> Result<(Arc<Registry>, u64), EngineError> {
    let mut state = State::empty(usize::MAX, u64::MAX);
    bring_up(me, store.as_ref(), reader, &mut |_, _| {})?;
    let mut records = 0;
    for record in reader.tail(Position(0)) {
        let record = record?;
        replay(me, &mut state, store.as_ref(), reader, &record)?;
        records += 1;
    }
    Ok((state.registry, records))
}
