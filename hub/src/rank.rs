//! Rank: the fencing token of a chain, one counter a tier, compared from the top (PROTOCOL.md 4).

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use fengqiao_proto::v1 as pb;

/// Level of a tier: 20 province, 30 city, 40 county, 45 area, 50 township, 60 village. Smaller stands higher.
pub type Level = u32;

/// Levels by tier.
pub mod level {
    /// Province.
    pub const PROVINCE: u32 = 20;
    /// City.
    pub const CITY: u32 = 30;
    /// County or district.
    pub const COUNTY: u32 = 40;
    /// A level some counties keep between themselves and their townships.
    pub const AREA: u32 = 45;
    /// Township or sub-district.
    pub const TOWNSHIP: u32 = 50;
    /// Village or community.
    pub const VILLAGE: u32 = 60;
}

/// A sorted list of (level, generation, counter); an absent level counts as zero. Only a taking changes it.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Rank(BTreeMap<Level, (u32, u64)>);

impl Rank {
    /// The rank after a taking by a node of `level` in `generation`: its counter rises, all deeper ones are dropped.
    /// `None` when the chain already carries a later generation of that level: the taker's identity is stale.
    #[must_use]
    pub fn raised(&self, level: Level, generation: u32) -> Option<Self> {
        let mut parts: BTreeMap<_, _> = self
            .0
            .range(..=level)
            .map(|(level, part)| (*level, *part))
            .collect();
        let next = match parts.get(&level) {
            Some((known, _)) if *known > generation => return None,
            Some((known, counter)) if *known == generation => (generation, counter.checked_add(1)?),
            Some(_) | None => (generation, 1),
        };
        parts.insert(level, next);
        Some(Self(parts))
    }

    /// Reads the wire form; `None` unless levels rise strictly and no part is zero.
    #[must_use]
    pub fn from_wire(parts: &[pb::RankPart]) -> Option<Self> {
        let sorted = parts.windows(2).all(|pair| pair[0].level < pair[1].level);
        let meant = parts
            .iter()
            .all(|part| part.level > 0 && part.generation > 0 && part.counter > 0);
        (sorted && meant).then(|| {
            Self(
                parts
                    .iter()
                    .map(|part| (part.level, (part.generation, part.counter)))
                    .collect(),
            )
        })
    }

    /// The wire form.
    #[must_use]
    pub fn to_wire(&self) -> Vec<pb::RankPart> {
        self.0
            .iter()
            .map(|(level, (generation, counter))| pb::RankPart {
                level: *level,
                generation: *generation,
                counter: *counter,
            })
            .collect()
    }

    /// Generation and counter at a level, if it took.
    #[must_use]
    pub fn part(&self, level: Level) -> Option<(u32, u64)> {
        self.0.get(&level).copied()
    }

    /// The deepest level that took, if any did.
    #[must_use]
    pub fn deepest(&self) -> Option<Level> {
        self.0.keys().next_back().copied()
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        // An absent level is zero, and zero is below every present part: the first level in which the two differ decides.
        let levels = self
            .0
            .keys()
            .chain(other.0.keys())
            .copied()
            .collect::<std::collections::BTreeSet<_>>();
        levels
            .into_iter()
            .map(|level| self.0.get(&level).cmp(&other.0.get(&level)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("-");
        }
        for (index, (level, (generation, counter))) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { " " };
            write!(f, "{separator}{level}:{generation}.{counter}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_taking_higher_up_outranks_any_number_below() {
        let county = Rank::default().raised(40, 1).unwrap();
        let mut township = Rank::default();
        for _ in 0..100 {
            township = township.raised(50, 1).unwrap();
        }
        assert!(county > township);
        assert!(township > Rank::default());
    }

    #[test]
    fn a_taking_drops_what_stands_deeper() {
        let rank = Rank::default()
            .raised(50, 1)
            .unwrap()
            .raised(40, 1)
            .unwrap();
        assert_eq!(rank, Rank::default().raised(40, 1).unwrap());
        assert_eq!(rank.deepest(), Some(40));
    }

    #[test]
    fn a_new_generation_starts_at_one_and_outranks_the_old() {
        let old = Rank::default()
            .raised(40, 1)
            .unwrap()
            .raised(40, 1)
            .unwrap();
        let new = old.raised(40, 2).unwrap();
        assert_eq!(new.to_wire()[0].counter, 1);
        assert!(new > old);
        assert_eq!(new.raised(40, 1), None, "a stale generation cannot take");
    }

    #[test]
    fn a_rank_out_of_order_or_with_a_zero_is_no_rank() {
        let part = |level, counter| pb::RankPart {
            level,
            generation: 1,
            counter,
        };
        assert!(Rank::from_wire(&[part(40, 1), part(30, 1)]).is_none());
        assert!(Rank::from_wire(&[part(40, 1), part(40, 2)]).is_none());
        assert!(Rank::from_wire(&[part(40, 0)]).is_none());
        assert!(Rank::from_wire(&[part(30, 1), part(40, 9)]).is_some());
    }
}
