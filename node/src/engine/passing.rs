//! Passing on: what a place held that has ended goes to its successor, and what a moved place holds comes back to it on
//! its new way.
//!
//! The way of a case changes only by the common superior's taking and dispatch in one act (PROTOCOL.md 9, 24). The taking
//! fences: a machine that has not heard of it goes on writing for a while, and all of that is annex; and the former
//! parent of a moved place and the new one can never take at the same rank, for this taking stands between theirs. What
//! comes to be known of later is passed on when it arrives. So nothing depends on when anybody below learns of it.
//!
//! What is known here when a place ends or moves is gone through in steps of one record each.

use std::collections::BTreeSet;

use fengqiao_hub::case::clocks_of_notice;
use fengqiao_hub::casework::Act;
use fengqiao_hub::entry::Move;
use fengqiao_hub::id::{ChainId, PlaceId};
use fengqiao_hub::{notice, signed};
use fengqiao_proto::v1 as pb;
use pb::body::Content;
use pb::fact::Fact;
use prost::Message as _;

use super::commands::before_of;
use super::group::Group;
use super::writing::{Before, Writing};
use super::{EngineError, Errand, Output};
use crate::store::{Read as _, rows_after, tables};

/// Rows looked at in one step.
const ROWS_A_STEP: usize = 64;

impl Group<'_> {
    /// Begins to go through everything known here, if a place below has ended or was moved by this one.
    pub(crate) fn begin_passing_on(&mut self) -> Result<(), EngineError> {
        let registry = self.registry();
        let me = self.me.at.place;
        let mut below = registry.children(me).iter();
        let has_ended = |place: &PlaceId| {
            let place = registry.place(*place);
            place.is_some_and(|place| place.ended.is_some())
        };
        if below.any(has_ended) || registry.last_move_by(me).is_some() {
            self.pass_on_from(Vec::new())?;
        }
        Ok(())
    }

    /// Goes on where the process stopped.
    pub(crate) fn go_on_passing_on(&mut self) -> Result<(), EngineError> {
        if self.overlay.get(&tables::passing_on())?.is_some() {
            self.outputs.push(Output::Errand(Errand::PassOn));
        }
        Ok(())
    }

    fn pass_on_from(&mut self, after: Vec<u8>) -> Result<(), EngineError> {
        self.fact(Fact::PassingOn(pb::PassingOn { after, done: false }))?;
        self.outputs.push(Output::Errand(Errand::PassOn));
        Ok(())
    }

    /// One step: some chains, some notices, or the end.
    pub(crate) fn pass_on_some(&mut self) -> Result<(), EngineError> {
        let Some(after) = self.overlay.get(&tables::passing_on())? else {
            return Ok(());
        };
        let tables = [tables::chains(), tables::notices()];
        let rows = rows_after(&self.overlay, tables, &after, ROWS_A_STEP)?;
        let Some((last, _)) = rows.last() else {
            return self.fact(Fact::PassingOn(pb::PassingOn {
                after: Vec::new(),
                done: true,
            }));
        };
        for (key, value) in &rows {
            let Some(chain) = key.get(1..).and_then(ChainId::from_bytes) else {
                continue;
            };
            if key.starts_with(&tables::notices()) {
                self.pass_on_noticed(chain)?;
                continue;
            }
            match tables::ChainRow::decode(&value[..]).map(|row| row.kind()) {
                Ok(pb::ChainKind::Case) => self.pass_on(chain)?,
                Ok(pb::ChainKind::Directive) => self.spread_to_newcomers(chain)?,
                Ok(_) | Err(_) => {}
            }
        }
        self.pass_on_from(last.clone())
    }

    /// Notices have come: perhaps of cases of moved places that this centre did not know of before.
    pub(crate) fn pass_on_all_noticed(&mut self) -> Result<(), EngineError> {
        let noticed: BTreeSet<ChainId> = std::mem::take(&mut self.noticed);
        for case in noticed {
            if self.overlay.get(&tables::chain(case))?.is_some() {
                // Whoever sends a notice of what is held here may be on a way that was changed, and is to learn of it.
                self.spread_to_newcomers(case)?;
            } else {
                self.pass_on_noticed(case)?;
            }
        }
        Ok(())
    }

    /// To whom a case goes from its custodian by this centre's act, and for what reason; `None` when it stays.
    fn passes_to(
        &self,
        custodian: PlaceId,
        way: &[(PlaceId, u64)],
    ) -> Option<(PlaceId, pb::TakingReason)> {
        if self.me.at.unit.is_some() {
            return None;
        }
        let registry = &self.state.registry;
        let place = registry.place(custodian)?;
        // A superior's move brought it below this centre, and the case has not followed yet: that one passes it on first.
        if !registry.is_above_knowing(self.me.at.place, custodian, way) {
            return None;
        }
        if let Some(ended) = place
            .ended
            .filter(|_| place.parent == Some(self.me.at.place))
        {
            return Some((registry.standing_successor(ended)?, pb::TakingReason::Ended));
        }
        registry
            .was_moved_since(custodian, self.me.at.place, way)
            .then_some((custodian, pb::TakingReason::Moved))
    }

    /// Passes on an open case that is held here.
    pub(crate) fn pass_on(&mut self, id: ChainId) -> Result<(), EngineError> {
        let chain = self.shared_chain(id)?;
        let (Some(case), Some(custody)) = (&chain.case, chain.tree.custody()) else {
            return Ok(());
        };
        if chain.tree.is_frozen() || case.stage().is_over() {
            return Ok(());
        }
        let Some(to) = self.passes_to(custody.custodian, chain.tree.way()) else {
            return Ok(());
        };
        let before = self.before(id)?;
        let owed = case
            .custody
            .obligations
            .last()
            .and_then(|owed| owed.due.clone());
        let due = case.handling.due.clone().or(owed);
        let due = due.or_else(|| self.handling_due(&case.intake.class, case.intake.urgency));
        self.take_and_dispatch(id, before, to, due)
    }

    /// The same for one that is known by its notice only.
    fn pass_on_noticed(&mut self, id: ChainId) -> Result<(), EngineError> {
        let row = self.overlay.get(&tables::notice(id))?;
        let Some(notice) = row.and_then(|row| signed::kept::<pb::Notice>(&row)) else {
            return Ok(());
        };
        // Above a gap the notice stays for a while; the entries that are here stand before it.
        let entries_here = self.overlay.get(&tables::chain(id))?.is_some();
        if entries_here || matches!(notice.stage.as_str(), "closed" | "declined") {
            return Ok(());
        }
        let custodian = PlaceId::from_bytes(&notice.custodian);
        let way = notice::way_of(&notice);
        let Some(to) = custodian.and_then(|custodian| self.passes_to(custodian, &way)) else {
            return Ok(());
        };
        let handling = clocks_of_notice(&notice);
        let handling = handling.iter().find(|running| running.clock == "handling");
        let due = handling.map(|running| pb::Due {
            due_ms: running.due.0,
            clock: running.clock.clone(),
            rule: "notice".to_owned(),
            ..Default::default()
        });
        let due = due.or_else(|| self.handling_due(&notice.class, pb::Urgency::Ordinary));
        self.take_and_dispatch(id, before_of(&notice)?, to, due)
    }

    /// A case that is passed on without a running clock gets that of its class.
    fn handling_due(&self, class: &str, urgency: pb::Urgency) -> Option<pb::Due> {
        self.rules().handling_due(class, urgency, self.now).ok()
    }

    fn take_and_dispatch(
        &mut self,
        id: ChainId,
        before: Before,
        (to, reason): (PlaceId, pb::TakingReason),
        due: Option<pb::Due>,
    ) -> Result<(), EngineError> {
        if self.gate(id)?.is_err() {
            return Ok(());
        }
        let taken = Content::from(pb::Take {
            because: reason.into(),
            ..Default::default()
        });
        let level = self.state.registry.place(self.me.at.place);
        let dispatched = Content::from(pb::Dispatch {
            place: to.to_string(),
            due,
            level: level.map_or(0, |place| place.level),
            ..Default::default()
        });
        let act = |content, mv| Act {
            content,
            mv,
            kind_class: pb::KindClass::Custody,
        };
        let kind = pb::ChainKind::Case;
        let taking = act(taken, Move::Taken(None));
        self.write_after(kind, id, before, taking, Writing::default())?;
        let dispatching = act(dispatched, Move::Dispatched(to));
        self.write(kind, id, dispatching, Writing::default())?;
        Ok(())
    }
}
