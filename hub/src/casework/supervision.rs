//! Supervision: red warnings in the superior's own ledger. Lamps are computed, never stored; a warning is an entry.

use fengqiao_proto::v1 as pb;

use crate::case::Running;
use crate::clock::Moment;
use crate::id::{ChainId, Hash, UnitId};

/// The id of a warning: two writers who find the same clock run out count once.
#[must_use]
pub fn warning_id(case: ChainId, clock: &str, due: Moment) -> Hash {
    Hash::of(
        "fengqiao/red-warning/1",
        &[&case.0, clock.as_bytes(), b"\0", &due.0.to_be_bytes()],
    )
}

/// The red warning for a clock that ran out at a place below, or a unit of this centre.
#[must_use]
pub fn red_warning(case: ChainId, running: &Running) -> pb::RedWarned {
    let clock = running.clock.as_str();
    pb::RedWarned {
        warning: warning_id(case, clock, running.due).to_vec(),
        case: case.to_vec(),
        clock: clock.to_owned(),
        due_ms: running.due.0,
        place: running.place.to_vec(),
        unit: running.unit.map(UnitId::to_vec).unwrap_or_default(),
    }
}
