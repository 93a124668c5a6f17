//! Time passes: clocks that ran out below, or at this centre's own units, become red warnings in this centre's ledger.

use fengqiao_hub::casework::supervision::{red_warning, warning_id};
use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::{ChainId, PlaceId, UnitId};
use fengqiao_proto::v1 as pb;
use pb::body::Content;

use super::EngineError;
use super::group::Group;
use crate::store::{Read as _, tables};

/// Warnings written in one tick; the rest follow in the next.
const WARNINGS_A_TICK_MAX: usize = 512;
/// Clocks read at once.
const CLOCKS_A_PAGE: usize = 512;

impl Group<'_> {
    /// Writes the red warnings that are due. None while this node's clock is not believed.
    pub(crate) fn tick(&mut self, clock_believed: bool) -> Result<(), EngineError> {
        if !clock_believed || self.read_only || self.me.at.unit.is_some() {
            return Ok(());
        }
        if self
            .gate(ChainId::supervision_of(self.me.at.place))?
            .is_err()
        {
            return Ok(());
        }
        let mut lo = tables::worklist_from(tables::NOT_LISTED);
        let hi = tables::worklist_from(self.now.0);
        let mut written = 0;
        while written < WARNINGS_A_TICK_MAX {
            let page = self.overlay.range(&lo, &hi, CLOCKS_A_PAGE)?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            lo = [last.as_slice(), &[0]].concat();
            for (due, case) in page
                .iter()
                .filter_map(|(key, _)| tables::read_worklist(key))
            {
                written += usize::from(self.warn(case, Moment(due))?);
            }
        }
        Ok(())
    }

    /// Says whether a warning was written.
    fn warn(&mut self, case: ChainId, due: Moment) -> Result<bool, EngineError> {
        let id = warning_id(case, "handling", due);
        if self.overlay.get(&tables::warning(id))?.is_some() {
            return Ok(false);
        }
        let Some((place, unit)) = self.responsible(case)? else {
            return Ok(false);
        };
        let content = Content::RedWarned(red_warning(case, "handling", due, place, unit));
        let chain = ChainId::supervision_of(self.me.at.place);
        self.write_own(pb::ChainKind::Supervision, chain, None, content)?;
        Ok(true)
    }

    /// Who let the clock run out, seen from here: the direct child a case was last dispatched through, or an own unit.
    /// Nobody when the case is not one tier below: its own superior warns.
    fn responsible(
        &mut self,
        case: ChainId,
    ) -> Result<Option<(PlaceId, Option<UnitId>)>, EngineError> {
        let registry = self.registry();
        let me = self.me.at.place;
        let chain = self.chain(case)?;
        let known = match (&chain.case, chain.tree.custody()) {
            (Some(case), Some(custody)) => Some((custody.custodian, case.lead)),
            _ => None,
        };
        let known = match known {
            Some(known) => Some(known),
            None => self.noticed(case)?.and_then(|notice| {
                Some((
                    PlaceId::from_bytes(&notice.custodian)?,
                    UnitId::from_bytes(&notice.lead),
                ))
            }),
        };
        Ok(known.filter(|(custodian, unit)| {
            let own_unit = *custodian == me && unit.is_some();
            own_unit || registry.place(*custodian).and_then(|place| place.parent) == Some(me)
        }))
    }
}
