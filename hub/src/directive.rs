//! Directives: issued above, carried down, acknowledged below; only counts come back up, and the names of who is missing.

use std::collections::BTreeSet;

use fengqiao_proto::v1 as pb;

use crate::id::PlaceId;
use crate::jurisdiction::Registry;

/// Whether a directive speaks to a place: its scope names the place or one above it, or is empty and the place stands
/// below the issuer.
#[must_use]
pub fn addresses(directive: &pb::DirectiveIssued, place: PlaceId, registry: &Registry) -> bool {
    let Some(issuer) = PlaceId::from_bytes(&directive.issuer) else {
        return false;
    };
    if !registry.is_above(issuer, place) {
        return false;
    }
    let mut scope = directive
        .scope
        .iter()
        .filter_map(|bytes| PlaceId::from_bytes(bytes))
        .peekable();
    scope.peek().is_none() || scope.any(|named| registry.is_within(place, named))
}

/// Whether a directive has to pass through a place: it or someone below it is addressed.
#[must_use]
pub fn concerns(directive: &pb::DirectiveIssued, place: PlaceId, registry: &Registry) -> bool {
    let Some(issuer) = PlaceId::from_bytes(&directive.issuer) else {
        return false;
    };
    let below =
        |named: PlaceId| registry.is_within(named, place) || registry.is_within(place, named);
    let mut scope = directive
        .scope
        .iter()
        .filter_map(|bytes| PlaceId::from_bytes(bytes))
        .peekable();
    registry.is_above(issuer, place) && (scope.peek().is_none() || scope.any(below))
}

/// The places addressed at or below `top` that have a centre of their own.
#[must_use]
pub fn addressed_within(
    directive: &pb::DirectiveIssued,
    top: PlaceId,
    registry: &Registry,
) -> BTreeSet<PlaceId> {
    registry
        .nodes()
        .filter(|node| node.unit.is_none() && node.revoked.is_none())
        .map(|node| node.place)
        .filter(|place| registry.is_within(*place, top) && addresses(directive, *place, registry))
        .collect()
}

/// Adds what a count from below says to the count of a place; `None` when that changes nothing.
#[must_use]
pub fn merged(
    before: &pb::DirectiveCount,
    below: &pb::DirectiveCount,
) -> Option<pb::DirectiveCount> {
    let union = |a: &[Vec<u8>], b: &[Vec<u8>]| -> Vec<Vec<u8>> {
        a.iter()
            .chain(b)
            .cloned()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    };
    let acknowledged = union(&before.acknowledged, &below.acknowledged);
    let reported = union(&before.reported, &below.reported);
    (acknowledged != before.acknowledged || reported != before.reported).then(|| {
        pb::DirectiveCount {
            version: before.version + 1,
            acknowledged,
            reported,
            ..before.clone()
        }
    })
}
