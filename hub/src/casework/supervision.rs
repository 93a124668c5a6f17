//! Supervision: red warnings in the superior's own ledger. Lamps are computed, never stored; a warning is an entry.

use fengqiao_proto::v1 as pb;

use crate::case::Running;
use crate::id::{ChainId, Hash, UnitId};

/// The id of a warning: two writers who find the same clock run out count once. Two dispatches of one case may fall due
/// together, so who is responsible is part of it.
#[must_use]
pub fn warning_id(case: ChainId, running: &Running) -> Hash {
    let unit = running.unit.map(UnitId::to_vec).unwrap_or_default();
    Hash::of(
        "fengqiao/red-warning/2",
        &[
            &case.0,
            running.clock.as_bytes(),
            b"\0",
            &running.due.0.to_be_bytes(),
            &running.place.0,
            &unit,
        ],
    )
}

/// The red warning for a clock that ran out at a place below, or a unit of this centre.
#[must_use]
pub fn red_warning(case: ChainId, running: &Running) -> pb::RedWarned {
    pb::RedWarned {
        warning: warning_id(case, running).to_vec(),
        case: case.to_vec(),
        clock: running.clock.clone(),
        due_ms: running.due.0,
        place: running.place.to_vec(),
        unit: running.unit.map(UnitId::to_vec).unwrap_or_default(),
    }
}
