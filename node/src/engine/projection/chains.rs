//! Chains and notices as rows: entries, what is known of each chain in short, where a case stands in the worklist.

use std::sync::Arc;

use fengqiao_hub::case::clocks_of_notice;
use fengqiao_hub::custody::Verdict;
use fengqiao_hub::entry::Entry;
use fengqiao_hub::id::{ChainId, Hash, NodeId, PlaceId};
use fengqiao_hub::signed;
use fengqiao_proto::v1 as pb;
use prost::Message as _;

use super::links::Carried;
use super::projector::Projection;
use super::rows::{CHAINS, NUMBERS};
use crate::engine::EngineError;
use crate::engine::chains::author_place;
use crate::engine::loading::load_chain;
use crate::engine::short::row_of;
use crate::replication::session::item_hash;
use crate::store::Read as _;
use crate::store::tables::{self, ChainRow, EntryRow, Place};

impl Projection<'_, '_> {
    /// An entry joins its tree; says what became of it.
    pub(super) fn entry(
        &mut self,
        entry: &Arc<Entry>,
        at: Place,
        from: Option<NodeId>,
    ) -> Result<Verdict, EngineError> {
        if let Some(link) = from.filter(|link| !self.is_whole_at(*link, entry.chain)) {
            // Whoever sends the first entry known here has all that is here, and gets what follows, if its author stands on
            // that side; who sends a later one may lack the earlier.
            let first =
                self.rows.get(&tables::chain(entry.chain))?.is_none() && self.follows(link, entry);
            self.carries(
                link,
                entry.chain,
                Carried {
                    extent: tables::Extent::Full,
                    notice: None,
                    whole: first,
                },
            )?;
        }
        if self.knows(entry)? {
            return Ok(Verdict::Known);
        }
        let mut registry = Arc::clone(&self.state.registry);
        let place = author_place(&registry, entry).ok_or(EngineError::Unfit("an author"))?;
        if entry.kind == pb::ChainKind::Registry {
            let applied = Arc::make_mut(&mut registry).apply(entry);
            applied.map_err(|_| EngineError::Unfit("a registry entry"))?;
        }
        load_chain(self.rows, self.reader, self.record, self.state, entry.chain)?;
        let chain = self
            .state
            .chains
            .get_mut(entry.chain)
            .ok_or(EngineError::Unreadable("a chain"))?;
        let fresh = chain.tree.is_empty();
        let verdict = chain.insert(Arc::clone(entry), place, &registry);
        if !matches!(
            verdict,
            Verdict::Extended | Verdict::Overtook | Verdict::Joined
        ) {
            return Ok(verdict);
        }
        let is_whole = chain.case.is_some();
        if entry.kind == pb::ChainKind::Registry {
            self.state.registry = registry;
            self.put(&CHAINS, tables::registry(entry.chain), Vec::new());
            self.stand_at(self.me.at.place);
        }
        self.state.counts.entries += 1;
        if fresh && entry.kind == pb::ChainKind::Case {
            self.state.counts.cases += 1;
        }
        if entry.kind == pb::ChainKind::Rulebook && verdict == Verdict::Extended {
            Arc::make_mut(&mut self.state.rulebooks).apply(entry, place);
            self.put(&CHAINS, tables::rulebook(entry.chain), Vec::new());
        }
        // Above a gap the notice stays: other takings from it are judged by it until the chain has come.
        if is_whole && self.rows.get(&tables::notice(entry.chain))?.is_some() {
            self.rows.remove(&CHAINS, tables::notice(entry.chain));
            self.state.counts.notices = self.state.counts.notices.saturating_sub(1);
        }
        let row = EntryRow {
            at: Some(at),
            ..Default::default()
        };
        self.put(
            &CHAINS,
            tables::entry(entry.chain, entry.sequence, entry.hash),
            row.encode_to_vec(),
        );
        if entry.author == self.me.at.node && entry.incarnation == self.me.incarnation {
            self.state.author_sequence = self.state.author_sequence.max(entry.author_sequence);
            let row = self.state.author_sequence.to_be_bytes().to_vec();
            self.put(&NUMBERS, tables::named("author-sequence"), row);
            let life = u64::from(entry.incarnation).to_be_bytes().to_vec();
            self.put(&NUMBERS, tables::named("author-incarnation"), life);
        } else {
            self.heard_from(entry)?;
        }
        self.remember(entry)?;
        self.refresh(entry.chain)?;
        Ok(verdict)
    }

    /// The rules follow the way up of this place.
    fn stand_at(&mut self, place: PlaceId) {
        let registry = Arc::clone(&self.state.registry);
        if self.state.rulebooks.stands_otherwise(place, &registry) {
            Arc::make_mut(&mut self.state.rulebooks).stand_at(place, &registry);
        }
    }

    /// Whether what follows an entry goes by the link it came by: everything goes up, and down to where its author is.
    fn follows(&self, link: NodeId, entry: &Entry) -> bool {
        let registry = &self.state.registry;
        let author = author_place(registry, entry);
        let on_its_side = |place| self.me.at.towards(place, registry) == Some(link);
        entry.kind != pb::ChainKind::Case
            || self.me.at.up(registry) == Some(link)
            || author.is_some_and(on_its_side)
    }

    /// The last author sequence stored of a node enrolled here: what a revocation lets stand.
    fn heard_from(&mut self, entry: &Entry) -> Result<(), EngineError> {
        let enrolled_here = self
            .state
            .registry
            .node(entry.author)
            .is_some_and(|node| node.pinned_at.0 == self.me.at.place);
        if !enrolled_here {
            return Ok(());
        }
        let key = tables::named(&format!("author {}", entry.author));
        let known = self
            .rows
            .get(&key)?
            .and_then(|row| <[u8; 8]>::try_from(&row[..]).ok());
        if known.is_none_or(|known| u64::from_be_bytes(known) < entry.author_sequence) {
            self.put(&NUMBERS, key, entry.author_sequence.to_be_bytes().to_vec());
        }
        Ok(())
    }

    /// Entries came not to stand: the clock of their adoption runs.
    pub(super) fn annex_held(&mut self, held: &pb::AnnexHeld) -> Result<(), EngineError> {
        let (Some(id), Some(due)) = (ChainId::from_bytes(&held.chain), &held.due) else {
            return Err(EngineError::Unreadable("an annex"));
        };
        load_chain(self.rows, self.reader, self.record, self.state, id)?;
        for entry in held
            .entries
            .iter()
            .filter_map(|hash| Hash::from_bytes(hash))
        {
            self.put(&CHAINS, tables::annexed(id, entry), due.encode_to_vec());
            if let Some(chain) = self.state.chains.get_mut(id) {
                chain.annex_due.insert(entry, due.clone());
            }
        }
        self.refresh(id)
    }

    fn knows(&self, entry: &Entry) -> Result<bool, EngineError> {
        Ok(self
            .rows
            .get(&tables::entry(entry.chain, entry.sequence, entry.hash))?
            .is_some())
    }

    /// Writes a chain's short row, its place in the worklist and its number anew.
    fn refresh(&mut self, id: ChainId) -> Result<(), EngineError> {
        let kept = self.state.chains.get_mut(id);
        let before = match kept.and_then(|chain| chain.row.take()) {
            Some(row) => Some(row),
            None => {
                let row = self.rows.get(&tables::chain(id))?;
                row.and_then(|row| ChainRow::decode(&row[..]).ok())
            }
        };
        let Some(chain) = self.state.chains.get(id) else {
            return Ok(());
        };
        let row = row_of(chain, self.me.at.node);
        self.relist(
            id,
            before
                .as_ref()
                .map_or(tables::NOT_LISTED, |row| row.listed_at),
            row.listed_at,
        );
        if !row.number.is_empty() && before.is_none_or(|before| before.number != row.number) {
            self.put(&CHAINS, tables::number(&row.number, id), Vec::new());
        }
        self.put(&CHAINS, tables::chain(id), row.encode_to_vec());
        if let Some(chain) = self.state.chains.get_mut(id) {
            chain.row = Some(row);
        }
        Ok(())
    }

    fn relist(&mut self, id: ChainId, before: i64, after: i64) {
        if before == after {
            return;
        }
        if before != tables::NOT_LISTED {
            self.rows.remove(&CHAINS, tables::worklist(before, id));
        }
        if after != tables::NOT_LISTED {
            self.put(&CHAINS, tables::worklist(after, id), Vec::new());
        }
    }

    pub(super) fn keep_notice(
        &mut self,
        kept: &pb::ItemKept,
        bytes: &[u8],
    ) -> Result<(), EngineError> {
        let notice = signed::kept::<pb::Notice>(bytes);
        let Some((notice, case)) = notice.and_then(|notice| {
            let case = ChainId::from_bytes(&notice.case)?;
            Some((notice, case))
        }) else {
            return Ok(());
        };
        if let Ok(link) = kept.link.parse::<NodeId>() {
            let hash = item_hash(pb::ItemKind::Notice, bytes);
            self.carries(link, case, Carried::notice(hash))?;
        }
        if self.rows.get(&tables::chain(case))?.is_some() {
            return Ok(());
        }
        let before = self.rows.get(&tables::notice(case))?;
        let before = before.and_then(|row| signed::kept::<pb::Notice>(&row));
        if before.is_none() {
            self.state.counts.notices += 1;
        }
        self.relist(
            case,
            before.as_ref().map_or(tables::NOT_LISTED, notice_listed_at),
            notice_listed_at(&notice),
        );
        if before.is_none_or(|before| before.number != notice.number) {
            self.put(&CHAINS, tables::number(&notice.number, case), Vec::new());
        }
        self.put(&CHAINS, tables::notice(case), bytes.to_vec());
        Ok(())
    }
}

fn notice_listed_at(notice: &pb::Notice) -> i64 {
    let over = matches!(notice.stage.as_str(), "closed" | "declined");
    match clocks_of_notice(notice).first() {
        Some(first) => first.due.0,
        None if over => tables::NOT_LISTED,
        None => tables::LISTED_LAST,
    }
}
