//! What follows from a group: entries routed, notices and tallies sent up, submissions sent their new way, waiting
//! entries tried again. Runs once at the end of a group, so that several changes of one case are one notice.

use std::collections::{BTreeMap, BTreeSet};

use fengqiao_hub::clock::Moment;
use fengqiao_hub::custody::Verdict;
use fengqiao_hub::entry::{Entry, Move};
use fengqiao_hub::id::{ChainId, Hash, NodeId, PlaceId, UnitId};
use fengqiao_hub::{directive, notice, signed, tally};
use fengqiao_proto::v1 as pb;
use pb::fact::Fact;
use prost::Message as _;

use super::chains::{Chain, author_place};
use super::group::{Group, NewEntry, Owed, TallyKey, Touched};
use super::projection::{lane_row, receipt_row};
use super::{AwaitingTop, EngineError, Output};
use crate::replication::route;
use crate::replication::session::{LANES, item_hash};
use crate::store::tables::{self, Extent};
use crate::store::{Read as _, all_rows};

/// Rounds in which waiting entries are tried again; each round applies at least one.
const RETRY_ROUNDS_MAX: usize = 10_000;

impl Group<'_> {
    /// Everything that follows from what was decided.
    pub(crate) fn finish(&mut self) -> Result<(), EngineError> {
        self.retry()?;
        self.pass_on_all_noticed()?;
        self.owe_what_follows()?;
        // A submission settled now writes entries of its own: those are spread in the next round.
        while !self.touched.is_empty() {
            for (id, touched) in std::mem::take(&mut self.touched) {
                self.spread(id, &touched)?;
                self.pass_on(id)?;
                if self.custodian_of(id)? != touched.custodian_before {
                    self.resettle(id)?;
                }
            }
        }
        self.send_tallies()?;
        self.acknowledge()?;
        self.recorder().end();
        Ok(())
    }

    fn retry(&mut self) -> Result<(), EngineError> {
        for _ in 0..RETRY_ROUNDS_MAX {
            let mut joined = false;
            if self.registry_changed {
                joined = self.retry_parked(None)?;
            } else {
                let mut chains = std::mem::take(&mut self.retry_too);
                chains.extend(self.touched.keys().copied());
                for chain in chains {
                    joined |= self.retry_parked(Some(chain))?;
                }
            }
            if !joined {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Sends a chain's new entries to whoever carries it, and the whole chain to who carries it from now on.
    fn spread(&mut self, id: ChainId, touched: &Touched) -> Result<(), EngineError> {
        let chain = self.shared_chain(id)?;
        let extents = self.extents(id, &chain)?;
        for (link, extent) in extents {
            match extent {
                Extent::Full => self.spread_full(id, &chain, link, &touched.new)?,
                Extent::Notice => self.spread_notice(id, &chain, link)?,
                Extent::None => {}
            }
        }
        if chain.kind == pb::ChainKind::Registry {
            self.welcome(touched)?;
            self.follow_ends(touched)?;
            self.follow_moves(id, touched)?;
            self.hand_over_to_newcomers()?;
        }
        Ok(())
    }

    /// How much of a chain each neighbour carries as things stand.
    pub(crate) fn extents(
        &self,
        id: ChainId,
        chain: &Chain,
    ) -> Result<BTreeMap<NodeId, Extent>, EngineError> {
        let registry = self.registry();
        let mut extents = match chain.kind {
            pb::ChainKind::Case => self.case_extents(id, chain, &registry)?,
            pb::ChainKind::Registry | pb::ChainKind::Rulebook => {
                let mut links = id.place().map_or_else(Vec::new, |place| {
                    route::of_registry(&self.me.at, place, &registry)
                });
                // Also whoever was told who its people are because of a case; and the parent, of a place that was moved away:
                // as long as it does not know so, what it writes comes this way.
                let up = self.me.at.up(&registry);
                for link in up.into_iter().chain(self.me.at.down(&registry)) {
                    if !links.contains(&link) && self.carried(link, id)?.whole {
                        links.push(link);
                    }
                }
                full(links)
            }
            pb::ChainKind::Directive => directive_of(chain)
                .map_or_else(BTreeMap::new, |directive| {
                    full(route::of_directive(&self.me.at, &directive, &registry))
                }),
            // One hop up, so that a lost machine loses neither its ledger nor its accounts.
            pb::ChainKind::Supervision | pb::ChainKind::Administration
                if id.place() == Some(self.me.at.place) && self.me.at.unit.is_none() =>
            {
                full(self.me.at.up(&registry).into_iter().collect())
            }
            pb::ChainKind::Access if id == ChainId::access_of(self.me.at.node) => {
                full(self.me.at.up(&registry).into_iter().collect())
            }
            pb::ChainKind::Supervision
            | pb::ChainKind::Administration
            | pb::ChainKind::Access
            | pb::ChainKind::Unspecified => BTreeMap::new(),
        };
        if chain.kind == pb::ChainKind::Case && chain.case.is_none() {
            // Taken by its notice: whoever sent the notice, or whoever serves there since, holds what is awaited here.
            for link in self.me.at.down(&registry) {
                let before = registry.predecessors(link).map(|node| node.id);
                for told in std::iter::once(link).chain(before) {
                    if self.carried(told, id)?.extent() != Extent::None {
                        extents.insert(link, Extent::Full);
                    }
                }
            }
        }
        Ok(extents)
    }

    pub(crate) fn spread_full(
        &mut self,
        id: ChainId,
        chain: &Chain,
        link: NodeId,
        new: &[NewEntry],
    ) -> Result<(), EngineError> {
        let lane = lane_of(chain.kind);
        if chain.kind == pb::ChainKind::Case {
            self.introduce(id, chain, link, new)?;
        }
        if chain.whole_at.contains(&link) || self.carried(link, id)?.whole {
            for entry in new.iter().filter(|new| new.from != Some(link)) {
                self.owe_entry(link, lane, &entry.entry, entry.at, None)?;
            }
            return Ok(());
        }
        if chain.kind == pb::ChainKind::Case && chain.case.is_none() {
            self.owe_notice_below(id, link)?;
        }
        // A new recipient: the back-log is owed in this very record, the key with its first entry.
        let sealed = !matches!(
            chain.kind,
            pb::ChainKind::Registry | pb::ChainKind::Rulebook
        );
        let mut secret_of = Some(id).filter(|_| sealed);
        for (entry, at) in self.whole(id, chain)? {
            self.owe_entry(link, lane, &entry, at, secret_of.take())?;
        }
        Ok(())
    }

    /// A machine that succeeds a lost one judges a taking above a gap by the notice that the lost one had sent.
    fn owe_notice_below(&mut self, id: ChainId, link: NodeId) -> Result<(), EngineError> {
        let registry = self.registry();
        let succeeds = registry.node(link).is_some_and(|node| node.incarnation > 1);
        if !succeeds || self.me.at.up(&registry) == Some(link) {
            return Ok(());
        }
        let Some(notice) = self.overlay.get(&tables::notice(id))? else {
            return Ok(());
        };
        let (lane, kind) = (pb::Lane::Cases, pb::ItemKind::Notice);
        self.owe_bytes(link, lane, kind, &notice, Some(id))
    }

    /// Whoever is given a case from beside its own way must be able to judge it: the registry chains that name the
    /// authors, and the places it was dispatched to, go to the same neighbour, from then on with all that follows in them.
    fn introduce(
        &mut self,
        id: ChainId,
        chain: &Chain,
        link: NodeId,
        new: &[NewEntry],
    ) -> Result<(), EngineError> {
        let registry = self.registry();
        if self.me.at.up(&registry) == Some(link) {
            return Ok(());
        }
        let named = |(entry, place): (&Entry, PlaceId)| match entry.mv {
            Move::Dispatched(to) => [Some(place), Some(to)],
            Move::None | Move::Offered(_) | Move::Taken(_) => [Some(place), None],
        };
        let places: BTreeSet<PlaceId> = if self.carried(link, id)?.whole {
            new.iter()
                .filter_map(|new| Some((&*new.entry, author_place(&registry, &new.entry)?)))
                .flat_map(named)
                .flatten()
                .collect()
        } else {
            let known = chain.entries.values();
            let known = known.map(|(entry, place)| (&**entry, *place));
            known.flat_map(named).flatten().collect()
        };
        self.introduce_places(link, &places)
    }

    /// Owes a neighbour below the registry chains that name the nodes of these places, where it would not have them.
    pub(crate) fn introduce_places(
        &mut self,
        link: NodeId,
        places: &BTreeSet<PlaceId>,
    ) -> Result<(), EngineError> {
        let registry = self.registry();
        let below = registry
            .node(link)
            .filter(|_| self.me.at.up(&registry) != Some(link));
        let Some(below) = below else { return Ok(()) };
        let knows = |place: PlaceId| {
            let own = below.unit.is_none() && registry.is_within(place, below.place);
            own || registry.is_within(below.place, place)
        };
        let strangers: BTreeSet<PlaceId> = places
            .iter()
            .flat_map(|place| registry.named_on_way_down(*place))
            .filter(|place| !knows(*place))
            .collect();
        for place in strangers {
            let named_by = ChainId::of_place(place);
            let names = self.chain(named_by)?.clone();
            if !names.tree.is_empty() && !self.carried(link, named_by)?.whole {
                self.spread_full(named_by, &names, link, &[])?;
            }
        }
        Ok(())
    }

    /// All entries of a chain with their places, in an order in which each comes after the one before it.
    fn whole(
        &self,
        id: ChainId,
        chain: &Chain,
    ) -> Result<Vec<(std::sync::Arc<Entry>, tables::Place)>, EngineError> {
        let mut entries = Vec::new();
        for (key, value) in all_rows(&self.overlay, &tables::entries(id))? {
            let row = tables::EntryRow::decode(&value[..])
                .map_err(|_| EngineError::Unreadable("an entry row"))?;
            let hash = key.get(25..).and_then(Hash::from_bytes);
            let entry = hash.and_then(|hash| chain.entries.get(&hash));
            if let (Some((entry, _)), Some(at)) = (entry, row.at) {
                entries.push((std::sync::Arc::clone(entry), at));
            }
        }
        Ok(entries)
    }

    fn owe_entry(
        &mut self,
        link: NodeId,
        lane: pb::Lane,
        entry: &Entry,
        at: tables::Place,
        secret_of: Option<ChainId>,
    ) -> Result<(), EngineError> {
        let item = Owed {
            kind: pb::ItemKind::Entry,
            at,
            hash: entry.hash,
            secret_of,
            subject: Some(entry.chain),
        };
        self.owe(link, lane, item)
    }

    pub(crate) fn carried(
        &self,
        link: NodeId,
        chain: ChainId,
    ) -> Result<tables::CarriedRow, EngineError> {
        let row = self.overlay.get(&tables::carried(link, chain))?;
        Ok(row
            .and_then(|row| tables::CarriedRow::decode(&row[..]).ok())
            .unwrap_or_default())
    }

    pub(crate) fn spread_notice(
        &mut self,
        id: ChainId,
        chain: &Chain,
        link: NodeId,
    ) -> Result<(), EngineError> {
        if self.carried(link, id)?.extent() == Extent::Full {
            return Ok(());
        }
        let Some(notice) = chain.case.as_ref().and_then(|case| {
            let annex_due = chain.annex_due_at();
            notice::notice_of(id, case, &chain.tree, annex_due, self.me.at.node)
        }) else {
            return Ok(());
        };
        let bytes = signed::sign(&notice, &self.me.signing_key);
        if self.carried(link, id)?.notice == item_hash(pb::ItemKind::Notice, &bytes).0 {
            return Ok(());
        }
        self.owe_bytes(
            link,
            pb::Lane::Cases,
            pb::ItemKind::Notice,
            &bytes,
            Some(id),
        )
    }

    /// Notes for the daily figures which own entries came to stand and which stand no longer. What an earlier
    /// incarnation wrote stands in that one's figures.
    pub(crate) fn count(&mut self, entry: &Entry, verdict: Verdict, before: &[Hash]) {
        let chain = self.state.chains.get(entry.chain);
        let Some(chain) = chain.filter(|chain| chain.kind == pb::ChainKind::Case) else {
            return;
        };
        let (gone, come) = if verdict == Verdict::Extended {
            (Vec::new(), vec![entry.hash])
        } else {
            let after = whole(chain, &chain.tree.standing());
            let before = whole(chain, before);
            (
                before.difference(&after).copied().collect(),
                after.difference(&before).copied().collect(),
            )
        };
        let changes = [(gone, -1), (come, 1)].map(|(hashes, by)| {
            let keys = hashes.iter().filter_map(|hash| self.figure_of(chain, hash));
            keys.map(|key| (key, by)).collect::<Vec<_>>()
        });
        for (key, by) in changes.into_iter().flatten() {
            *self.tallies.entry(key).or_default() += by;
        }
    }

    /// The figure in which an own entry counts. Class and unit are those the case had with this entry, so that it leaves
    /// the figure it entered, whatever became of the case.
    fn figure_of(&self, chain: &Chain, hash: &Hash) -> Option<TallyKey> {
        let (entry, _) = chain.entries.get(hash)?;
        let own = entry.author == self.me.at.node && entry.incarnation == self.me.incarnation;
        if !own {
            return None;
        }
        let is_head = chain.tree.head().is_some_and(|head| head.hash == *hash);
        let folded = if is_head { None } else { chain.case_at(*hash) };
        let case = if is_head {
            chain.case.as_ref()
        } else {
            folded.as_ref()
        }?;
        let day = tally::day_of(Moment(entry.body.wall_time_ms), self.zone_offset_minutes);
        let unit = case.dispatching.lead.map(UnitId::to_vec);
        Some((
            day,
            unit.unwrap_or_default(),
            case.intake.class.clone(),
            tally::count_name(entry.body.content.as_ref()),
        ))
    }

    fn send_tallies(&mut self) -> Result<(), EngineError> {
        let changes = std::mem::take(&mut self.tallies);
        let mut changed: BTreeMap<Vec<u8>, pb::Tally> = BTreeMap::new();
        for ((day, unit, class, name), by) in changes {
            let fresh = pb::Tally {
                node: self.me.at.node.to_vec(),
                incarnation: self.me.incarnation,
                day,
                unit,
                class,
                version: 0,
                counts: Vec::new(),
            };
            let key = tables::tally(&fresh);
            let mut figure = match changed.remove(&key) {
                Some(figure) => figure,
                None => self.known_tally(&key)?.unwrap_or(fresh),
            };
            for _ in 0..by.unsigned_abs() {
                figure = tally::changed(&figure, &name, by > 0);
            }
            changed.insert(key, figure);
        }
        for figure in changed.into_values() {
            let bytes = signed::sign(&figure, &self.me.signing_key);
            self.keep_and_send_up(pb::ItemKind::Tally, pb::Lane::Bulk, &bytes, None)?;
        }
        Ok(())
    }

    fn known_tally(&self, key: &[u8]) -> Result<Option<pb::Tally>, EngineError> {
        let row = self.overlay.get(key)?;
        Ok(row.and_then(|row| signed::kept(&row)))
    }

    /// Keeps a figure and owes the same bytes to the parent.
    pub(crate) fn keep_and_send_up(
        &mut self,
        kind: pb::ItemKind,
        lane: pb::Lane,
        bytes: &[u8],
        from: Option<NodeId>,
    ) -> Result<(), EngineError> {
        let (reference, at) = self.record.blob(bytes);
        self.fact(Fact::Kept(pb::ItemKept {
            kind: kind.into(),
            blob: Some(reference),
            link: from.map(|link| link.to_string()).unwrap_or_default(),
        }))?;
        let up = self
            .me
            .at
            .up(&self.state.registry)
            .filter(|_| self.me.at.unit.is_none());
        if let Some(up) = up {
            self.owe(
                up,
                lane,
                Owed {
                    kind,
                    at,
                    hash: item_hash(kind, bytes),
                    secret_of: None,
                    subject: None,
                },
            )?;
        }
        Ok(())
    }

    /// Says which lanes are stored now, and up to where the top has them too.
    fn acknowledge(&mut self) -> Result<(), EngineError> {
        let stored = std::mem::take(&mut self.stored);
        let up = self.me.at.up(&self.state.registry);
        let owed_up = match up {
            Some(up) => Some(each_lane(|lane| {
                Ok(lane_row(&self.overlay, up, lane)?.owed)
            })?),
            None => None,
        };
        for (link, lane) in stored {
            let sequence = lane_row(&self.overlay, link, lane)?.stored();
            match owed_up {
                None => {
                    self.state.top_reached.insert((link, lane), sequence);
                }
                Some(owed_up) => self.await_top(
                    link,
                    AwaitingTop {
                        lane,
                        sequence,
                        owed_up,
                    },
                ),
            }
            let top = self
                .state
                .top_reached
                .get(&(link, lane))
                .copied()
                .unwrap_or(0);
            self.outputs.push(Output::Stored(link, lane, top));
        }
        if let Some(up) = up {
            self.raise_top(up)?;
        }
        Ok(())
    }

    fn await_top(&mut self, link: NodeId, awaiting: AwaitingTop) {
        let waiting = self.state.awaiting_top.entry(link).or_default();
        match waiting.last_mut() {
            Some(last) if last.lane == awaiting.lane && last.owed_up == awaiting.owed_up => {
                *last = awaiting
            }
            _ => waiting.push(awaiting),
        }
    }

    /// What the top has stored of ours raises what it has of those below.
    pub(crate) fn raise_top(&mut self, up: NodeId) -> Result<(), EngineError> {
        let top = each_lane(|lane| Ok(receipt_row(&self.overlay, up, lane)?.top))?;
        let mut raised = BTreeSet::new();
        for (link, waiting) in &mut self.state.awaiting_top {
            waiting.retain(|awaiting| {
                let reached = awaiting
                    .owed_up
                    .iter()
                    .zip(&top)
                    .all(|(owed, top)| owed <= top);
                if reached {
                    let known = self
                        .state
                        .top_reached
                        .entry((*link, awaiting.lane))
                        .or_default();
                    *known = (*known).max(awaiting.sequence);
                    raised.insert((*link, awaiting.lane));
                }
                !reached
            });
        }
        for key @ (link, lane) in raised {
            let sequence = self.state.top_reached.get(&key).copied().unwrap_or(0);
            self.outputs.push(Output::TopMoved(link, lane, sequence));
        }
        Ok(())
    }

    /// A case's number and class as known here, by chain or by notice.
    pub(crate) fn noticed(&self, case: ChainId) -> Result<Option<pb::Notice>, EngineError> {
        Ok(self
            .overlay
            .get(&tables::notice(case))?
            .as_deref()
            .and_then(signed::kept))
    }
}

/// A standing chain that is here from its first entry on; nothing counts above a gap.
fn whole(chain: &Chain, standing: &[Hash]) -> BTreeSet<Hash> {
    let first = standing.first().and_then(|hash| chain.entries.get(hash));
    match first {
        Some((first, _)) if first.sequence == 1 => standing.iter().copied().collect(),
        Some(_) | None => BTreeSet::new(),
    }
}

fn each_lane(read: impl Fn(pb::Lane) -> Result<u64, EngineError>) -> Result<[u64; 3], EngineError> {
    let mut values = [0; 3];
    for (value, lane) in values.iter_mut().zip(LANES) {
        *value = read(lane)?;
    }
    Ok(values)
}

fn directive_of(chain: &Chain) -> Option<pb::DirectiveIssued> {
    chain
        .entries
        .values()
        .find_map(|(entry, _)| directive::issued(entry.body.content.as_ref()).cloned())
}

fn full(links: Vec<NodeId>) -> BTreeMap<NodeId, Extent> {
    links.into_iter().map(|link| (link, Extent::Full)).collect()
}

fn lane_of(kind: pb::ChainKind) -> pb::Lane {
    if kind == pb::ChainKind::Case {
        pb::Lane::Cases
    } else {
        pb::Lane::Control
    }
}
