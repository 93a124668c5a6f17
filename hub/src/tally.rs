//! Tallies: daily figures that add up. A node counts the entries it authored that stand; the higher version of a key
//! replaces the lower, so figures from the same versions are equal at every tier (PROTOCOL.md 18).

use std::collections::BTreeMap;

use fengqiao_proto::v1 as pb;
use pb::body::Content;

use crate::clock::Moment;

const DAY_MS: i64 = 86_400_000;

/// The name under which an entry is counted: its move, and for a closing its outcome too.
#[must_use]
pub fn count_name(content: Option<&Content>) -> String {
    let name = crate::casework::name_of(content);
    match closed(content) {
        Some(outcome) => format!("{name}.{}", outcome.as_str_name().to_ascii_lowercase()),
        None => name.to_owned(),
    }
}

fn closed(content: Option<&Content>) -> Option<pb::Outcome> {
    let Some(Content::Action(action)) = content else {
        return None;
    };
    let Some(pb::action::Family::Visit(visit)) = &action.family else {
        return None;
    };
    match &visit.action {
        Some(pb::visit_action::Action::Close(close)) => Some(close.outcome()),
        _ => None,
    }
}

/// The day an instant falls on, days since 1970-01-01 in a zone of so many minutes east of UTC.
#[must_use]
pub fn day_of(at: Moment, zone_offset_minutes: i32) -> i32 {
    let local = at.0.saturating_add(i64::from(zone_offset_minutes) * 60_000);
    i32::try_from(local.div_euclid(DAY_MS)).unwrap_or(i32::MAX)
}

/// The next version of a tally after a change by one; counts that reach zero stay, so that a lower figure travels too.
#[must_use]
pub fn changed(before: &pb::Tally, name: &str, adds: bool) -> pb::Tally {
    let mut counts: BTreeMap<String, u64> = before
        .counts
        .iter()
        .map(|count| (count.name.clone(), count.count))
        .collect();
    let count = counts.entry(name.to_owned()).or_default();
    *count = if adds {
        count.saturating_add(1)
    } else {
        count.saturating_sub(1)
    };
    pb::Tally {
        version: before.version + 1,
        counts: counts
            .into_iter()
            .map(|(name, count)| pb::TallyCount { name, count })
            .collect(),
        ..before.clone()
    }
}

/// Whether a tally that arrives replaces the one known under its key.
#[must_use]
pub fn replaces(new: &pb::Tally, known: Option<&pb::Tally>) -> bool {
    known.is_none_or(|known| new.version > known.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_that_comes_late_replaces_nothing() {
        let known = pb::Tally {
            version: 3,
            ..pb::Tally::default()
        };
        let later = changed(&known, "registered", true);
        assert!(replaces(&known, None));
        assert!(replaces(&later, Some(&known)));
        assert!(!replaces(&known, Some(&later)));
        assert!(!replaces(&known, Some(&known)));
    }
}
