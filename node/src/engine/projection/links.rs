//! What is owed to neighbours, what came from them, and what each link carries of a chain.

use fengqiao_hub::entry::Entry;
use fengqiao_hub::id::{ChainId, Hash, NodeId};
use fengqiao_proto::v1 as pb;
use prost::Message as _;

use super::projector::Projection;
use super::rows::{CHAINS, Family, NUMBERS, lane_row};
use crate::engine::EngineError;
use crate::engine::awaiting::RECOVERING;
use crate::engine::loading::read_bytes;
use crate::replication::session::item_hash;
use crate::store::tables::{self, Place};
use crate::store::{Read as _, all_rows};

/// Version of these rows.
pub(super) const FAMILY: Family = Family {
    name: "links",
    version: 1,
    tables: b"kolfb",
};

/// What a link came to carry of a chain.
#[derive(Debug, Clone, Copy)]
pub(super) struct Carried {
    pub(super) extent: tables::Extent,
    pub(super) notice: Option<Hash>,
    pub(super) whole: bool,
}

impl Carried {
    pub(super) fn notice(hash: Hash) -> Self {
        Self {
            extent: tables::Extent::Notice,
            notice: Some(hash),
            whole: false,
        }
    }
}

impl Projection<'_, '_> {
    pub(super) fn owed(&mut self, owed: &pb::ItemOwed, at: Place) -> Result<(), EngineError> {
        let link = owed
            .link
            .parse::<NodeId>()
            .map_err(|_| EngineError::Unreadable("a link"))?;
        let lane = owed.lane();
        let mut row = lane_row(self.rows, link, lane)?;
        row.owed = owed.sequence;
        row.owed_hash.clone_from(&owed.hash);
        self.put(&FAMILY, tables::lane(link, lane), row.encode_to_vec());
        let item = tables::OwedRow {
            kind: owed.kind,
            at: Some(at),
            hash: owed.hash.clone(),
            secret_of: owed.secret_of.clone(),
        };
        self.put(
            &FAMILY,
            tables::owed(link, lane, owed.sequence),
            item.encode_to_vec(),
        );
        let subject = ChainId::from_bytes(&owed.subject);
        match (owed.kind(), subject) {
            (pb::ItemKind::Entry, Some(chain)) => {
                if lane == pb::Lane::Cases && self.me.at.up(&self.state.registry) == Some(link) {
                    self.goes_up(link, owed.sequence, at)?;
                }
                self.carries(
                    link,
                    chain,
                    Carried {
                        extent: tables::Extent::Full,
                        notice: None,
                        whole: true,
                    },
                )
            }
            (pb::ItemKind::Notice, Some(case)) => {
                let bytes = read_bytes(self.record, self.reader, &at)?;
                let hash = item_hash(pb::ItemKind::Notice, &bytes);
                let notice = Some(hash);
                self.carries(
                    link,
                    case,
                    Carried {
                        extent: tables::Extent::Notice,
                        notice,
                        whole: false,
                    },
                )
            }
            _ => Ok(()),
        }
    }

    /// Notes under which sequence an entry goes up: when the parent has acknowledged that one, it has the entry.
    fn goes_up(&mut self, up: NodeId, sequence: u64, at: Place) -> Result<(), EngineError> {
        let bytes = read_bytes(self.record, self.reader, &at)?;
        let entry = Entry::parse(&bytes).map_err(|_| EngineError::Unreadable("an entry"))?;
        let key = tables::entry(entry.chain, entry.sequence, entry.hash);
        let row = self.rows.get(&key)?;
        let row = row.and_then(|row| tables::EntryRow::decode(&row[..]).ok());
        let mut row = row.ok_or(EngineError::Unreadable("an entry row"))?;
        row.up_sequence = sequence;
        row.up = up.to_vec();
        self.put(&CHAINS, key, row.encode_to_vec());
        Ok(())
    }

    /// Notes what a link carries of a chain; never less than before.
    pub(super) fn carries(
        &mut self,
        link: NodeId,
        chain: ChainId,
        now: Carried,
    ) -> Result<(), EngineError> {
        if now.notice.is_none() && self.is_whole_at(link, chain) {
            return Ok(());
        }
        let before = self.rows.get(&tables::carried(link, chain))?;
        let before = before
            .and_then(|row| tables::CarriedRow::decode(&row[..]).ok())
            .unwrap_or_default();
        let row = tables::CarriedRow {
            extent: before.extent.max(now.extent.into()),
            notice: now.notice.map_or(before.notice.clone(), Hash::to_vec),
            whole: before.whole || now.whole,
        };
        if row != before {
            self.put(&FAMILY, tables::carried(link, chain), row.encode_to_vec());
        }
        if row.whole
            && row.extent() == tables::Extent::Full
            && let Some(held) = self.state.chains.get_mut(chain)
        {
            held.whole_at.insert(link);
        }
        Ok(())
    }

    /// Whether a link is known to carry all of a chain that is in memory.
    pub(super) fn is_whole_at(&self, link: NodeId, chain: ChainId) -> bool {
        let held = self.state.chains.get(chain);
        held.is_some_and(|held| held.whole_at.contains(&link))
    }

    pub(super) fn received(&mut self, moved: &pb::CursorMoved) -> Result<(), EngineError> {
        let link = moved
            .link
            .parse::<NodeId>()
            .map_err(|_| EngineError::Unreadable("a link"))?;
        let Some(cursor) = &moved.cursor else {
            return Err(EngineError::Unreadable("a cursor"));
        };
        let mut row = lane_row(self.rows, link, cursor.lane())?;
        self.state.counts.received += cursor.sequence.saturating_sub(row.stored());
        row.received = Some(cursor.clone());
        self.put(
            &FAMILY,
            tables::lane(link, cursor.lane()),
            row.encode_to_vec(),
        );
        self.settle(link, cursor.lane())
    }

    /// The journal goes on under a new identity: what neighbours acknowledged and sent was to the old one, and what they
    /// hold is yet to be heard: last words name the life they were said to. What was owed to them stays owed, from the first item on.
    pub(super) fn recovered(&mut self, recovered: &pb::Recovered) -> Result<(), EngineError> {
        let lanes = all_rows(self.rows, &tables::lanes())?;
        for (key, _) in lanes {
            let read = tables::read_lane(&key).ok_or(EngineError::Unreadable("a lane"))?;
            let before = lane_row(self.rows, read.0, read.1)?;
            let row = tables::LaneRow {
                owed: before.owed,
                owed_hash: before.owed_hash,
                ..Default::default()
            };
            self.put(&FAMILY, key, row.encode_to_vec());
        }
        self.forget_receipts()?;
        // Since when, and never nothing.
        let since = u64::try_from(recovered.at_ms).unwrap_or(1).max(1);
        self.put(
            &NUMBERS,
            tables::named(RECOVERING),
            since.to_be_bytes().to_vec(),
        );
        self.state.awaiting_top.clear();
        self.state.top_reached.clear();
        // Entries are counted from the first one in this life, which at the top may have pinned it and be here already.
        let life = self.rows.get(&tables::named("author-incarnation"))?;
        if life.as_deref() != Some(&u64::from(recovered.incarnation).to_be_bytes()[..]) {
            self.state.author_sequence = 0;
            self.put(
                &NUMBERS,
                tables::named("author-sequence"),
                0_u64.to_be_bytes().to_vec(),
            );
        }
        self.put(
            &NUMBERS,
            tables::named("incarnation"),
            u64::from(recovered.incarnation).to_be_bytes().to_vec(),
        );
        Ok(())
    }

    /// A neighbour has handed over to the node of this life, or was waived.
    pub(super) fn heard(&mut self, heard: &pb::NeighbourHeard) -> Result<(), EngineError> {
        let link = heard.link.parse::<NodeId>();
        let link = link.map_err(|_| EngineError::Unreadable("a link"))?;
        let life = self.rows.get(&tables::named("incarnation"))?;
        let life = life.unwrap_or_else(|| 1_u64.to_be_bytes().to_vec());
        self.put(&FAMILY, tables::heard(link, heard.lane()), life);
        Ok(())
    }

    pub(super) fn handing_over(&mut self, step: &pb::HandingOver) -> Result<(), EngineError> {
        let link = step.link.parse::<NodeId>();
        let link = link.map_err(|_| EngineError::Unreadable("a link"))?;
        let row = tables::HandingRow {
            after: step.after.clone(),
            done: step.done,
        };
        self.put(&FAMILY, tables::handing(link), row.encode_to_vec());
        Ok(())
    }
}
