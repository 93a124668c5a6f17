//! Whether an entry may follow the one before it: who may write, what a move needs, which taking raises the rank.

use super::{Custody, Joined, Offer, Step, Verdict, Violation, Waiting};
use crate::entry::Move;
use crate::id::{Hash, PlaceId};
use crate::jurisdiction::Registry;

/// Judges an entry against the one before it, and the registry versions named where custody was given.
pub(super) fn follow(
    before: &Joined,
    way: &[(PlaceId, u64)],
    step: &Step,
    registry: &Registry,
) -> Result<Custody, Verdict> {
    if before.step.sequence.checked_add(1) != Some(step.sequence) {
        return Err(Verdict::Refused(Violation::Sequence));
    }
    let custody = &before.after;
    if let Move::Taken(answering) = step.mv {
        return take(before, way, step, answering, registry);
    }
    if step.place != custody.custodian || interferes(before, step, registry) {
        return Err(Verdict::Refused(Violation::NotCustodian));
    }
    if step.rank != before.step.rank {
        return Err(Verdict::Refused(Violation::Rank));
    }
    match step.mv {
        Move::None => Ok(custody.clone()),
        Move::Dispatched(to) if !registry.knows_way_up(to, &step.named) => {
            Err(Verdict::Waits(Waiting::Registry))
        }
        Move::Dispatched(to) if registry.is_above_knowing(step.place, to, &step.named) => {
            Ok(Custody::given(to, step))
        }
        Move::Offered(to) => {
            if registry.parent_knowing(step.place, &step.named) == Some(to) {
                let offer = Offer {
                    entry: step.hash,
                    by: step.place,
                    to,
                };
                Ok(Custody {
                    offer: Some(offer),
                    ..custody.clone()
                })
            } else {
                Err(Verdict::Refused(Violation::Direction))
            }
        }
        Move::Dispatched(_) | Move::Taken(_) => Err(Verdict::Refused(Violation::Direction)),
    }
}

/// A department's own node serves the same place as its centre, but never writes on behind another node.
fn interferes(before: &Joined, step: &Step, registry: &Registry) -> bool {
    let unit_of = |node| registry.node(node).and_then(|node| node.unit);
    let unit = unit_of(step.author);
    unit.is_some() && unit_of(before.step.author) != unit
}

/// Nobody stands above the first place: what it wrote twice it takes itself, once in each generation that the root key
/// has given its node since (PROTOCOL.md 5).
fn renewed(
    before: &Joined,
    taker: PlaceId,
    (level, generation): (u32, u32),
    registry: &Registry,
) -> bool {
    let known = before.step.rank.part(level).map_or(1, |(known, _)| known);
    registry.root() == Some(taker) && before.after.custodian == taker && generation > known
}

/// What can be judged of a taking without the entry before: it is a centre's, and raises that centre's own level, in a
/// generation the registry has given to it.
pub(super) fn claimed(step: &Step, registry: &Registry) -> Result<(u32, u32), Verdict> {
    let level = registry
        .place(step.place)
        .map(|place| place.level)
        .ok_or(Verdict::Waits(Waiting::Registry))?;
    let node = registry
        .node(step.author)
        .ok_or(Verdict::Waits(Waiting::Registry))?;
    if node.unit.is_some() || node.place != step.place {
        return Err(Verdict::Refused(Violation::NotAbove));
    }
    if step.rank.deepest() != Some(level) {
        return Err(Verdict::Refused(Violation::Rank));
    }
    let (generation, _) = step
        .rank
        .part(level)
        .ok_or(Verdict::Refused(Violation::Rank))?;
    if generation > node.generation {
        return Err(Verdict::Waits(Waiting::Registry));
    }
    Ok((level, generation))
}

fn take(
    before: &Joined,
    way: &[(PlaceId, u64)],
    step: &Step,
    answering: Option<Hash>,
    registry: &Registry,
) -> Result<Custody, Verdict> {
    let (level, generation) = claimed(step, registry)?;
    if registry.place(before.after.custodian).is_none() {
        return Err(Verdict::Waits(Waiting::Registry));
    }
    // Both as its author knew the tree and as it was when custody was given: the new parent of a moved place takes
    // nothing before the common superior has brought the case on its new way (PROTOCOL.md 9).
    let custodian = before.after.custodian;
    let above = |named: &[_]| registry.is_above_knowing(step.place, custodian, named);
    let may = above(&step.named) && above(way)
        || renewed(before, step.place, (level, generation), registry);
    if !may {
        let knows = |named: &[_]| registry.knows_way_up(custodian, named);
        return Err(if knows(&step.named) && knows(way) {
            Verdict::Refused(Violation::NotAbove)
        } else {
            Verdict::Waits(Waiting::Registry)
        });
    }
    if before.step.rank.raised(level, generation).as_ref() != Some(&step.rank) {
        return Err(Verdict::Refused(Violation::Rank));
    }
    if let Some(offer) = answering
        && before
            .after
            .offer
            .is_none_or(|open| open.entry != offer || open.to != step.place)
    {
        return Err(Verdict::Refused(Violation::Direction));
    }
    Ok(Custody::given(step.place, step))
}
