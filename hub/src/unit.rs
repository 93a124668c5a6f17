//! Units: the departments, mass and social organisations that work in a centre.

use fengqiao_proto::v1 as pb;

use crate::id::{PlaceId, UnitId};

/// A unit as the registry of its centre names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Id.
    pub id: UnitId,
    /// Centre it belongs to.
    pub place: PlaceId,
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: pb::UnitKind,
    /// Whether it is in the hall every day or by rota.
    pub presence: pb::UnitPresence,
    /// Whether it has ended.
    pub ended: bool,
}
