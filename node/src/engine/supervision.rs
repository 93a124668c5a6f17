//! Time passes: clocks that ran out below, or at this centre's own units, become red warnings in this centre's ledger.

use fengqiao_hub::case::{Running, clocks_of_notice};
use fengqiao_hub::casework::supervision::{red_warning, warning_id};
use fengqiao_hub::id::ChainId;
use fengqiao_proto::v1 as pb;
use pb::body::Content;
use prost::Message as _;

use super::EngineError;
use super::group::Group;
use crate::store::{Pages, Read as _, tables};

/// Warnings written in one tick; the rest follow in the next.
const WARNINGS_A_TICK_MAX: usize = 512;
/// Clocks read at once.
const CLOCKS_A_PAGE: usize = 512;
/// A day, milliseconds.
const DAY_MS: i64 = 86_400_000;

impl Group<'_> {
    /// Writes the red warnings that are due. None while this node's clock is not believed.
    pub(crate) fn tick(&mut self, clock_believed: bool) -> Result<(), EngineError> {
        self.look_at_the_calendar();
        // Also where nobody speaks any more: whom it waited for may have been moved away or revoked.
        self.recover()?;
        if !clock_believed || self.read_only || self.me.at.unit.is_some() {
            return Ok(());
        }
        if self
            .gate(ChainId::supervision_of(self.me.at.place))?
            .is_err()
        {
            return Ok(());
        }
        let lo = tables::worklist_from(tables::NOT_LISTED);
        let hi = tables::worklist_from(self.now.0);
        let mut pages = Pages::between(lo, hi, CLOCKS_A_PAGE);
        let mut written = 0;
        while written < WARNINGS_A_TICK_MAX {
            let page = pages.next(&self.overlay)?;
            if page.is_empty() {
                return Ok(());
            }
            for (_, case) in page
                .iter()
                .filter_map(|(key, _)| tables::read_worklist(key))
            {
                written += self.warn(case)?;
            }
        }
        Ok(())
    }

    /// Says once a day that a list of days off is missing.
    fn look_at_the_calendar(&mut self) {
        let day = self.now.0.div_euclid(DAY_MS);
        if self.state.calendar_looked_at == Some(day) {
            return;
        }
        self.state.calendar_looked_at = Some(day);
        if let Some(missing) = self.rules().calendar_warning(self.now) {
            let (code, year) = (missing.code(), missing.year());
            tracing::warn!(code, year, place = %self.me.at.place, "{}", missing.message_en());
        }
    }

    /// Warns of the clocks of a case that ran out; says how many warnings were written.
    fn warn(&mut self, case: ChainId) -> Result<usize, EngineError> {
        if !self.is_unwarned(case)? {
            return Ok(0);
        }
        let mut written = 0;
        for running in self.clocks(case)? {
            let id = warning_id(case, &running);
            let ran_out = running.is_red(self.now);
            if !ran_out
                || self.overlay.get(&tables::warning(id))?.is_some()
                || !self.answers(&running)
            {
                continue;
            }
            let content = Content::from(red_warning(case, &running));
            let chain = ChainId::supervision_of(self.me.at.place);
            self.write_own(pb::ChainKind::Supervision, chain, None, content)?;
            written += 1;
        }
        Ok(written)
    }

    /// Whether a clock ran out that nobody was warned of; told from the short row alone, for most were.
    fn is_unwarned(&self, case: ChainId) -> Result<bool, EngineError> {
        let Some(row) = self.overlay.get(&tables::chain(case))? else {
            return Ok(true);
        };
        let row = tables::ChainRow::decode(&row[..])
            .map_err(|_| EngineError::Unreadable("a chain row"))?;
        let running = row.clocks.iter().filter_map(Running::from_wire);
        for running in running.filter(|running| running.is_red(self.now)) {
            let id = warning_id(case, &running);
            if self.overlay.get(&tables::warning(id))?.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn clocks(&mut self, case: ChainId) -> Result<Vec<Running>, EngineError> {
        let chain = self.chain(case)?;
        if chain.case.is_some() {
            return Ok(chain.clocks());
        }
        let notice = self.noticed(case)?;
        Ok(notice.as_ref().map(clocks_of_notice).unwrap_or_default())
    }

    /// Whether this centre warns of a clock: who is to act stands directly below, or is an own unit. Of what is further
    /// down its own superior warns.
    fn answers(&self, running: &Running) -> bool {
        let me = self.me.at.place;
        let own_unit = running.place == me && running.unit.is_some();
        let registry = &self.state.registry;
        own_unit || registry.place(running.place).and_then(|place| place.parent) == Some(me)
    }
}
