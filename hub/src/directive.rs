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
    let changed = pb::DirectiveCount {
        version: before.version + 1,
        acknowledged: union(&before.acknowledged, &below.acknowledged),
        reported: union(&before.reported, &below.reported),
        ..before.clone()
    };
    let grew =
        (&changed.acknowledged, &changed.reported) != (&before.acknowledged, &before.reported);
    grew.then_some(changed)
}

/// A successor's count with what the node before it had counted for the same place: above both versions, so that the
/// tiers above take it; `None` when that changes nothing.
#[must_use]
pub fn inherited(
    own: &pb::DirectiveCount,
    before: &pb::DirectiveCount,
) -> Option<pb::DirectiveCount> {
    let merged = merged(own, before);
    if merged.is_none() && own.version > before.version {
        return None;
    }
    Some(pb::DirectiveCount {
        version: own.version.max(before.version) + 1,
        ..merged.unwrap_or_else(|| own.clone())
    })
}

fn union(a: &[Vec<u8>], b: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let all: BTreeSet<_> = a.iter().chain(b).cloned().collect();
    all.into_iter().collect()
}

/// The directive that a content issues.
#[must_use]
pub fn issued(content: Option<&pb::body::Content>) -> Option<&pb::DirectiveIssued> {
    match content {
        Some(pb::body::Content::Directive(pb::DirectiveChange {
            change: Some(pb::directive_change::Change::DirectiveIssued(issued)),
        })) => Some(issued),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(version: u64, acknowledged: &[u8]) -> pb::DirectiveCount {
        pb::DirectiveCount {
            version,
            acknowledged: acknowledged.iter().map(|place| vec![*place; 10]).collect(),
            ..Default::default()
        }
    }

    #[test]
    fn a_count_that_is_handed_over_is_gone_on_from_and_never_fallen_behind() {
        assert_eq!(
            inherited(&count(0, &[]), &count(5, &[1])),
            Some(count(6, &[1]))
        );
        assert_eq!(
            inherited(&count(1, &[2]), &count(5, &[1])),
            Some(count(6, &[1, 2]))
        );
        assert_eq!(
            inherited(&count(1, &[1]), &count(5, &[1])),
            Some(count(6, &[1]))
        );
        assert_eq!(
            inherited(&count(9, &[2]), &count(5, &[1])),
            Some(count(10, &[1, 2]))
        );
        assert_eq!(inherited(&count(6, &[1]), &count(5, &[1])), None);
    }
}
