//! After a loss: a node that serves its place in a later incarnation, and its neighbours that hand over what they hold.
//!
//! A lost or restored machine comes back as a new node of its place, with its own keys and in a higher generation
//! (PROTOCOL.md 25). It may begin new chains at once. Chains that were begun before it are closed to its pen until each
//! neighbour has **handed over**: owed it, over the new link, everything the link of its predecessor carried or would
//! carry today, and behind that, in each lane, a last item that says so. The link is new, so nothing sent before the
//! loss can be mistaken for that word; it needs no clock and no session. A neighbour that will not come back is waived
//! by a leader by name; what it then turns out to hold may be annexed, or freeze a chain until a superior takes it.
//!
//! A node that is itself recovering hands over downwards when its parent has spoken, and upwards when its parent and
//! those below have: otherwise its word would open a pen to entries that both have forgotten and that stand further on.
//! Words downwards wait for nothing but words downwards, so no two nodes wait for each other.
//!
//! Handing over runs in steps of one record each, so it holds up nobody and goes on after a crash where it was.

use std::collections::BTreeSet;

use fengqiao_hub::casework::Actor;
use fengqiao_hub::id::{ChainId, NodeId, PersonId, PlaceId};
use fengqiao_hub::jurisdiction::{Registry, registry_change};
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_hub::submission::Submission;
use fengqiao_proto::v1 as pb;
use pb::fact::Fact;
use pb::registry_change::Change;
use prost::Message as _;

use super::awaiting::{AWAITED, RECOVERING, awaited, has_ever_spoken, has_heard, is_recovering};
use super::group::{Group, Touched};
use super::loading::read_bytes;
use super::requests::{Answer, Answered};
use super::{EngineError, Errand, Output};
use crate::replication::session::LANES;
use crate::store::tables::{self, Extent};
use crate::store::{Pages, Read, Row, rows_after};

/// Rows looked at in one step of a handing over.
const ROWS_A_STEP: usize = 64;

impl Group<'_> {
    /// The process started: counted, and when it is another machine's journal that goes on here, said.
    pub(crate) fn started(&mut self) -> Result<(), EngineError> {
        let before = self.overlay.get(&tables::named("incarnation"))?;
        let before = before.and_then(|row| <[u8; 8]>::try_from(&row[..]).ok());
        let before = before.map_or(1, u64::from_be_bytes);
        if u64::from(self.me.incarnation) > before {
            self.fact(Fact::Recovered(pb::Recovered {
                node: self.me.at.node.to_vec(),
                store: self.me.store.to_vec(),
                incarnation: self.me.incarnation,
                generation: self.me.generation,
                at_ms: self.now.0,
            }))?;
            self.alarm("RECOVERED", &self.me.at.node.to_string());
        }
        let boot = self.state.counts.boot + 1;
        self.fact(Fact::Started(pb::Started {
            boot,
            at_ms: self.now.0,
        }))?;
        self.recover()?;
        self.go_on_passing_on()?;
        self.hand_over_to_newcomers()
    }

    // The gate.

    /// Refuses to write a chain that was begun before this node while a neighbour may hold more of it.
    pub(crate) fn gate(&mut self, chain: ChainId) -> Result<Result<(), Refusal>, EngineError> {
        self.gate_but(chain, None)
    }

    /// The same, whatever one neighbour may hold: it was lost too, and its successor is what is decided about. What that
    /// one brings back is awaited in its place.
    pub(crate) fn gate_but(
        &mut self,
        chain: ChainId,
        lost: Option<NodeId>,
    ) -> Result<Result<(), Refusal>, EngineError> {
        if !is_recovering(&self.overlay)? {
            return Ok(Ok(()));
        }
        let first = self.chain(chain)?.standing().into_iter().next();
        if first
            .is_some_and(|(first, _)| first.author == self.me.at.node && first.previous.is_none())
        {
            return Ok(Ok(()));
        }
        let registry = self.registry();
        let mut awaited = awaited(&self.overlay, self.me, &registry)?;
        if lost.is_some() {
            awaited.retain(|link| Some(*link) != lost);
            if awaited.is_empty() {
                return Ok(Ok(()));
            }
        }
        let names: BTreeSet<String> = awaited
            .iter()
            .filter_map(|link| registry.node(*link))
            .map(|record| registry.name(record.place))
            .collect();
        let names: Vec<String> = names.into_iter().collect();
        Ok(Err(
            Refusal::of(Code::Recovering, "").because(names.join("、"))
        ))
    }

    /// A neighbour has handed over what it held, in one lane.
    pub(crate) fn arrive_handed_over(
        &mut self,
        link: NodeId,
        bytes: &[u8],
    ) -> Result<(), EngineError> {
        let Ok(word) = pb::HandedOver::decode(bytes) else {
            self.alarm("ITEM_UNKNOWN", &link.to_string());
            return Ok(());
        };
        self.hear(link, word.lane(), None)
    }

    /// Goes on without a neighbour: by name, because what it holds may then become annex.
    pub(crate) fn waive(&mut self, actor: &Actor, link: NodeId) -> Answered {
        if !actor.roles.contains(&pb::Role::Leader) {
            return Ok(Err(Refusal::of(Code::RoleMissing, "").because("leader")));
        }
        let registry = self.registry();
        if !awaited(&self.overlay, self.me, &registry)?.contains(&link) {
            return Ok(Err(Refusal::of(Code::NodeUnknown, "node")));
        }
        for lane in AWAITED {
            self.hear(link, lane, actor.person)?;
        }
        self.alarm("NEIGHBOUR_WAIVED", &link.to_string());
        Ok(Ok(Answer::of(&pb::WaiveNeighbourResponse {})))
    }

    fn hear(
        &mut self,
        link: NodeId,
        lane: pb::Lane,
        waived_by: Option<PersonId>,
    ) -> Result<(), EngineError> {
        if has_heard(&self.overlay, self.me, link, lane)? {
            return Ok(());
        }
        self.fact(Fact::Heard(pb::NeighbourHeard {
            link: link.to_string(),
            lane: lane.into(),
            waived_by: waived_by.map(PersonId::to_vec).unwrap_or_default(),
        }))?;
        self.hand_over_to_newcomers()?;
        self.recover()
    }

    /// Leaves recovery when every neighbour has spoken, or has gone from the registry.
    pub(super) fn recover(&mut self) -> Result<(), EngineError> {
        let registry = self.registry();
        let is_known = registry.node(self.me.at.node).is_some();
        if !is_recovering(&self.overlay)? || !is_known {
            return Ok(());
        }
        if !awaited(&self.overlay, self.me, &registry)?.is_empty() {
            return Ok(());
        }
        tracing::info!(node = %self.me.at.node, "recovered: every neighbour has spoken");
        self.fact(Fact::Number(pb::NumberSet {
            name: RECOVERING.to_owned(),
            value: 0,
        }))?;
        let below = self.me.at.down(&registry);
        self.outputs.extend(below.into_iter().map(Output::Settles));
        self.settle_waiting()?;
        self.begin_passing_on()
    }

    /// Whether somebody has yet to speak before this node may: the parent, and for a word upwards also all those below.
    /// Who they are, a node that lost everything hears from its parent.
    fn awaits_before_speaking(
        &self,
        is_up: bool,
        registry: &Registry,
    ) -> Result<bool, EngineError> {
        let up = self.me.at.up(registry);
        let awaited = awaited(&self.overlay, self.me, registry)?;
        Ok(awaited.iter().any(|link| is_up || Some(*link) == up))
    }

    /// What was submitted meanwhile is adopted now.
    fn settle_waiting(&mut self) -> Result<(), EngineError> {
        let mut pages = Pages::of(&tables::submissions(), ROWS_A_STEP);
        loop {
            let rows = pages.next(&self.overlay)?;
            if rows.is_empty() {
                return Ok(());
            }
            for (_, value) in &rows {
                if let Some((submission, bytes)) = self.waiting(value)? {
                    self.settle(&submission, &bytes)?;
                }
            }
        }
    }

    fn waiting(&self, row: &[u8]) -> Result<Option<(Submission, Vec<u8>)>, EngineError> {
        let row = tables::SubmissionRow::decode(row)
            .map_err(|_| EngineError::Unreadable("a submission"))?;
        if !row.refused.is_empty() {
            return Ok(None);
        }
        let at = row.at.ok_or(EngineError::Unreadable("a submission"))?;
        let bytes = read_bytes(&self.record, self.reader, &at)?;
        Ok(Submission::parse(&bytes).ok().map(|read| (read, bytes)))
    }

    // Handing over.

    /// A node enrolled here is owed the registry chains on the way from the first place to this one, and those of what
    /// stands below it; and what there was for its place or its unit before it had a machine.
    pub(crate) fn welcome(&mut self, touched: &Touched) -> Result<(), EngineError> {
        let registry = self.registry();
        let down = self.me.at.down(&registry);
        let newcomers: BTreeSet<NodeId> = touched
            .new
            .iter()
            .filter_map(
                |new| match registry_change(new.entry.body.content.as_ref()) {
                    Some(Change::NodeEnrolled(enrolled)) => NodeId::from_bytes(&enrolled.node),
                    _ => None,
                },
            )
            .filter(|newcomer| down.contains(newcomer))
            .collect();
        if !newcomers.is_empty() {
            self.owe_registries(|link| newcomers.contains(&link))?;
        }
        for newcomer in newcomers {
            self.begin_to_hand_over(newcomer)?;
        }
        Ok(())
    }

    /// Whoever joins late is handed what there is for it already.
    fn begin_to_hand_over(&mut self, link: NodeId) -> Result<(), EngineError> {
        if self.handing_row(link)?.is_some() {
            return Ok(());
        }
        let rows = next_rows(&self.overlay, &[], false)?;
        let is_of_a_place = |(key, _): &Row| {
            let chain = key.get(1..).and_then(ChainId::from_bytes);
            chain.is_some_and(|chain| chain.place().is_some())
        };
        if rows.len() < ROWS_A_STEP && rows.iter().all(is_of_a_place) {
            return Ok(());
        }
        self.fact(Fact::HandingOver(pb::HandingOver {
            link: link.to_string(),
            after: Vec::new(),
            done: false,
        }))
    }

    /// Begins, or goes on, wherever a neighbour was not handed everything: a successor, one by a move, one below this
    /// successor, or one that joined late.
    pub(crate) fn hand_over_to_newcomers(&mut self) -> Result<(), EngineError> {
        let registry = self.registry();
        let up = self.me.at.up(&registry);
        for link in up.into_iter().chain(self.me.at.down(&registry)) {
            if !self.has_handed_over(link)? {
                self.outputs.push(Output::Errand(Errand::HandOver(link)));
            }
        }
        Ok(())
    }

    /// Whether a neighbour was handed all that its link would carry. One that is the first, as this node is, needs
    /// nothing, unless a place was moved or it joined late; those below a successor do: what came back before the registry
    /// that names them was not sent to them.
    pub(crate) fn has_handed_over(&self, link: NodeId) -> Result<bool, EngineError> {
        let registry = &self.state.registry;
        let succeeds = registry.node(link).is_some_and(|node| node.incarnation > 1);
        let is_below = self.me.at.up(registry) != Some(link);
        let is_new =
            succeeds || is_below && self.me.is_successor() || self.is_neighbour_by_move(link);
        let row = self.handing_row(link)?;
        Ok(row.map_or(!is_new, |row| row.done))
    }

    fn handing_row(&self, link: NodeId) -> Result<Option<tables::HandingRow>, EngineError> {
        let row = self.overlay.get(&tables::handing(link))?;
        let row = row.map(|row| tables::HandingRow::decode(&row[..]));
        row.transpose()
            .map_err(|_| EngineError::Unreadable("a handing"))
    }

    /// One step: some rows of what is here, or the last word.
    pub(crate) fn hand_over(&mut self, link: NodeId) -> Result<(), EngineError> {
        let row = self.handing_row(link)?.unwrap_or_default();
        let registry = self.registry();
        let is_up = self.me.at.up(&registry) == Some(link);
        if row.done || !(is_up || self.me.at.down(&registry).contains(&link)) {
            return Ok(());
        }
        // What this node has forgotten may be known on its other side: one side is spoken to when the other has spoken.
        if self.awaits_before_speaking(is_up, &registry)? {
            return Ok(());
        }
        let rows = next_rows(&self.overlay, &row.after, is_up)?;
        if rows.is_empty() && !self.vouches_for(link)? {
            tracing::warn!(%link, "its place was moved here and its node lost before it handed over: no last word");
            return Ok(());
        }
        let mut step = pb::HandingOver {
            link: link.to_string(),
            after: row.after,
            done: rows.is_empty(),
        };
        if let Some((last, _)) = rows.last() {
            step.after.clone_from(last);
        }
        for (key, value) in &rows {
            self.hand_over_row(link, is_up, key, value)?;
        }
        if step.done {
            for lane in LANES {
                let word = pb::HandedOver { lane: lane.into() }.encode_to_vec();
                self.owe_bytes(link, lane, pb::ItemKind::HandedOver, &word, None)?;
            }
        } else {
            self.outputs.push(Output::Errand(Errand::HandOver(link)));
        }
        self.fact(Fact::HandingOver(step))
    }

    /// Whether this node has what the predecessors of a neighbour have sent upwards. Those of a place that was moved here
    /// had sent it elsewhere, until they handed over.
    fn vouches_for(&self, link: NodeId) -> Result<bool, EngineError> {
        let registry = self.registry();
        let mut strangers = false;
        for before in registry.predecessors(link) {
            if before.pinned_at.0 == self.me.at.place || has_ever_spoken(&self.overlay, before.id)?
            {
                return Ok(true);
            }
            strangers = true;
        }
        let moved_here = registry
            .node(link)
            .is_some_and(|node| node.pinned_at.0 == self.me.at.place);
        Ok(!(strangers && moved_here))
    }

    fn hand_over_row(
        &mut self,
        link: NodeId,
        is_up: bool,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), EngineError> {
        let chain = key.get(1..).and_then(ChainId::from_bytes);
        match (key[0], chain) {
            (b'h', Some(chain)) => self.hand_over_chain(link, is_up, chain),
            (b'n', Some(case)) => self.owe_bytes(
                link,
                pb::Lane::Cases,
                pb::ItemKind::Notice,
                value,
                Some(case),
            ),
            (b't', _) => self.owe_bytes(link, pb::Lane::Bulk, pb::ItemKind::Tally, value, None),
            (b'd', _) => {
                let registry = self.registry();
                let about = key.get(17..).and_then(PlaceId::from_bytes);
                let receiver = registry.node(link).map(|node| node.place);
                // Upwards what this place has counted; downwards what the one before had counted itself.
                if about == Some(self.me.at.place) && is_up || about == receiver && !is_up {
                    let kind = pb::ItemKind::DirectiveCount;
                    self.owe_bytes(link, pb::Lane::Control, kind, value, None)?;
                }
                Ok(())
            }
            (b's', _) => {
                let Some((submission, bytes)) = self.waiting(value)? else {
                    return Ok(());
                };
                if self.way_of(submission.case)? != Some(link) {
                    return Ok(());
                }
                let kind = pb::ItemKind::Submission;
                self.owe_bytes(link, pb::Lane::Cases, kind, &bytes, None)
            }
            _ => Ok(()),
        }
    }

    /// What the link of a predecessor carried of a chain, or this one would carry today.
    fn hand_over_chain(
        &mut self,
        link: NodeId,
        is_up: bool,
        id: ChainId,
    ) -> Result<(), EngineError> {
        let registry = self.registry();
        let mut carried = Extent::None;
        for before in registry.predecessors(link) {
            carried = carried.max(self.carried(before.id, id)?.extent());
        }
        let chain = self.shared_chain(id)?;
        let today = self.extents(id, &chain)?.get(&link).copied();
        // Where this node is a successor too, what came up from the one before is not known to have come by that link.
        let own = registry.node(link).is_some_and(|receiver| {
            let within = |about| registry.is_within(about, receiver.place);
            let is_centre = receiver.unit.is_none() && receiver.incarnation > 1;
            !is_up && is_centre && id.place().is_some_and(within)
        });
        let today = if own { Some(Extent::Full) } else { today };
        match carried.max(today.unwrap_or(Extent::None)) {
            Extent::Full => self.spread_full(id, &chain, link, &[]),
            Extent::Notice if is_up => self.spread_notice(id, &chain, link),
            Extent::Notice | Extent::None => Ok(()),
        }
    }
}

/// The rows after a key of the tables that are handed over, in their order.
fn next_rows(read: &dyn Read, after: &[u8], is_up: bool) -> Result<Vec<Row>, EngineError> {
    let own = [
        tables::chains(),
        tables::submissions(),
        tables::directive_counts(),
    ];
    let relayed = [tables::notices(), tables::tallies()];
    let tables = own.into_iter().chain(relayed.into_iter().filter(|_| is_up));
    Ok(rows_after(read, tables, after, ROWS_A_STEP)?)
}
