//! Custody does not depend on the order, repetition or route by which entries arrive.
//!
//! Random histories are written by four tiers with partial knowledge of each other, honest and not. What the tree says
//! is compared with [`Model`], which works out the same from the whole set at once, with nothing incremental in it.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use fengqiao_hub::custody::{Step, Tree, Verdict};
use fengqiao_hub::entry::{Entry, Move};
use fengqiao_hub::id::{Hash, PlaceId};
use fengqiao_hub::rank::Rank;
use proptest::prelude::*;
use support::*;

/// Custody worked out from the whole set of entries at once.
struct Model<'a> {
    world: &'a World,
    steps: BTreeMap<Hash, Step>,
}

impl Model<'_> {
    /// The custodian and open offer after an entry, when the entry counts.
    fn after(&self, hash: Hash) -> Option<(PlaceId, Option<Hash>)> {
        let step = self.steps.get(&hash)?;
        let Some(previous) = step.previous else {
            return Some((step.place, None));
        };
        let registry = &self.world.registry;
        let taken = matches!(step.mv, Move::Taken(_));
        let level = registry.place(step.place).unwrap().level;
        let generation = registry.node(step.author).unwrap().generation;
        let Some((custodian, offer)) = self.after(previous) else {
            let own = step.rank.deepest() == Some(level)
                && step.rank.part(level).unwrap().0 <= generation;
            return (taken && own).then_some((step.place, None));
        };
        let before = &self.steps[&previous];
        if step.sequence != before.sequence + 1 {
            return None;
        }
        match step.mv {
            Move::Taken(answering) => {
                let raised = (1..=generation)
                    .any(|own| before.rank.raised(level, own).as_ref() == Some(&step.rank));
                let answers = answering.is_none()
                    || answering == offer
                        && registry
                            .place(self.steps[&offer.unwrap()].place)
                            .unwrap()
                            .parent
                            == Some(step.place);
                let above = registry.is_above(step.place, custodian)
                    || renewed_top(self.world, step.place, custodian, before, &step.rank);
                (above && raised && answers).then_some((step.place, None))
            }
            _ if step.place != custodian || step.rank != before.rank => None,
            Move::None => Some((custodian, offer)),
            Move::Dispatched(to) => registry.is_above(step.place, to).then_some((to, None)),
            Move::Offered(to) => (registry.place(step.place).unwrap().parent == Some(to))
                .then_some((custodian, Some(hash))),
        }
    }

    fn counting(&self) -> BTreeSet<Hash> {
        self.steps
            .keys()
            .copied()
            .filter(|hash| self.after(*hash).is_some())
            .collect()
    }

    /// The head and whether two branches stand against each other.
    fn head(&self) -> (Option<Hash>, bool) {
        let counting = self.counting();
        let highest = counting.iter().map(|hash| &self.steps[hash].rank).max();
        let mut tips: Vec<&Step> = counting
            .iter()
            .map(|hash| &self.steps[hash])
            .filter(|step| Some(&step.rank) == highest)
            .filter(|step| {
                !counting.iter().any(|after| {
                    let after = &self.steps[after];
                    after.previous == Some(step.hash) && after.rank == step.rank
                })
            })
            .collect();
        tips.sort_by_key(|step| (std::cmp::Reverse(step.sequence), step.hash));
        (tips.first().map(|step| step.hash), tips.len() > 1)
    }
}

/// The first place may take from itself, once in each generation the root key gave it after its first.
fn renewed_top(
    world: &World,
    place: PlaceId,
    custodian: PlaceId,
    before: &Step,
    rank: &Rank,
) -> bool {
    let generation = |rank: &Rank| rank.part(world.level(CITY)).map_or(1, |part| part.0);
    place == CITY && custodian == CITY && generation(rank) > generation(&before.rank)
}

/// Feeds entries until nothing that waits can join any more.
fn fed(world: &World, order: &[&Entry]) -> Tree {
    let mut tree = Tree::default();
    let mut waiting: Vec<&Entry> = order.to_vec();
    loop {
        let before = waiting.len();
        let mut joined = false;
        waiting.retain(|entry| {
            let foretold = tree.verdict(&step(entry), &world.registry, true);
            let verdict = tree.insert(step(entry), &world.registry, true);
            assert_eq!(foretold, verdict, "asked before and put to it");
            joined |= !matches!(
                verdict,
                Verdict::Waits(_) | Verdict::Refused(_) | Verdict::Known
            );
            matches!(verdict, Verdict::Waits(_))
        });
        if waiting.is_empty() || (!joined && waiting.len() == before) {
            return tree;
        }
    }
}

fn agrees_with_the_model(world: &World, all: &[Entry], tree: &Tree) {
    let model = Model {
        world,
        steps: all.iter().map(|entry| (entry.hash, step(entry))).collect(),
    };
    let counting = model.counting();
    let (head, forked) = model.head();
    assert_eq!(tree.head().map(|step| step.hash), head, "head");
    assert_eq!(tree.is_frozen(), forked, "frozen");
    let known: BTreeSet<Hash> = all
        .iter()
        .map(|entry| entry.hash)
        .filter(|hash| tree.contains(hash))
        .collect();
    assert_eq!(known, counting, "nothing lost, nothing let in");
    assert_eq!(
        tree.custody().map(|custody| custody.custodian),
        head.and_then(|hash| model.after(hash)).map(|after| after.0)
    );
    standing_is_lawful(world, &model, tree, &counting);
}

fn standing_is_lawful(world: &World, model: &Model<'_>, tree: &Tree, counting: &BTreeSet<Hash>) {
    let standing = tree.standing();
    for pair in standing.windows(2) {
        let (before, after) = (&model.steps[&pair[0]], &model.steps[&pair[1]]);
        assert!(before.rank <= after.rank, "a rank fell");
        let custodian = model.after(before.hash).unwrap().0;
        let taken = matches!(after.mv, Move::Taken(_));
        assert_eq!(taken, before.rank != after.rank, "only a taking raises");
        assert!(
            after.place == custodian || taken && world.registry.is_above(after.place, custodian)
        );
        assert!(
            !taken
                || after.place != custodian
                || renewed_top(world, CITY, custodian, before, &after.rank)
        );
    }
    let annex = tree.annex();
    let awaited = tree.awaited_below();
    let below = counting
        .iter()
        .filter(|hash| !standing.contains(hash) && model.steps[hash].sequence < awaited)
        .count();
    assert_eq!(standing.len() + annex.len() + below, counting.len());
    assert!(annex.iter().all(|hash| !standing.contains(hash)));
    // The highest tier that took: its latest taking stands.
    let takers = counting.iter().map(|hash| &model.steps[hash].rank);
    let parts = |rank: &Rank| rank.to_wire().first().map(|part| part.level);
    if let Some(highest) = takers.clone().filter_map(parts).min() {
        let latest = takers.filter_map(|rank| rank.part(highest)).max();
        assert_eq!(tree.head().unwrap().rank.part(highest), latest);
    }
}

/// Compares all that two holders must agree on.
fn same(a: &Tree, b: &Tree) {
    assert_eq!(a.digest(), b.digest());
    assert_eq!(a.head(), b.head());
    assert_eq!(a.custody(), b.custody());
    assert_eq!(a.standing(), b.standing());
    assert_eq!(a.annex(), b.annex());
    assert_eq!(a.is_frozen(), b.is_frozen());
    assert_eq!(a.awaited_below(), b.awaited_below());
    assert_eq!(a.len(), b.len());
}

#[derive(Debug, Clone)]
enum Op {
    /// The custodian, as far as the place knows, works.
    Work,
    /// It dispatches to a place.
    Dispatch(usize),
    /// It offers to its parent.
    Offer,
    /// The place takes the head it knows, answering an offer when there is one to it.
    Take,
    /// It takes the head another place knows, by notice.
    TakeByNotice(usize),
    /// It writes two entries at one place.
    Equivocate,
    /// It hands over the first so many of its entries to another place.
    Share(usize, usize),
    /// It writes behind a known entry what it may not.
    Cheat(usize, usize),
}

fn op() -> impl Strategy<Value = (usize, Op)> {
    let place = 0..PLACES.len();
    let op = prop_oneof![
        3 => Just(Op::Work),
        3 => place.clone().prop_map(Op::Dispatch),
        2 => Just(Op::Offer),
        4 => Just(Op::Take),
        2 => place.clone().prop_map(Op::TakeByNotice),
        1 => Just(Op::Equivocate),
        6 => (place.clone(), 1_usize..30).prop_map(|(to, count)| Op::Share(to, count)),
        2 => (0_usize..5, 0_usize..30).prop_map(|(how, on)| Op::Cheat(how, on)),
    ];
    (place, op)
}

/// Places with what each knows, and every entry ever written.
struct History<'a> {
    world: &'a World,
    known: Vec<(Tree, Vec<Entry>)>,
    all: Vec<Entry>,
}

impl<'a> History<'a> {
    fn new(world: &'a World) -> Self {
        let first = opened(VILLAGE);
        let mut history = Self {
            world,
            known: PLACES.iter().map(|_| (Tree::default(), vec![])).collect(),
            all: vec![],
        };
        let village = PLACES.iter().position(|place| place.0 == VILLAGE).unwrap();
        history.keeps(village, first);
        history
    }

    fn keeps(&mut self, at: usize, entry: Entry) {
        let (tree, entries) = &mut self.known[at];
        if !entries.iter().any(|known| known.hash == entry.hash) {
            entries.push(entry.clone());
            let order: Vec<&Entry> = entries.iter().collect();
            *tree = fed(self.world, &order);
        }
        if !self.all.iter().any(|known| known.hash == entry.hash) {
            self.all.push(entry);
        }
    }

    fn head(&self, at: usize) -> Option<Entry> {
        let (tree, entries) = &self.known[at];
        let head = tree.head()?.hash;
        entries.iter().find(|entry| entry.hash == head).cloned()
    }

    fn runs(&mut self, at: usize, op: &Op) {
        let place = PLACES[at].0;
        let mark = self.all.len() as u64 + 1;
        if let Op::Share(to, count) = op {
            for entry in self.known[at].1.clone().into_iter().take(*count) {
                self.keeps(*to, entry);
            }
            return;
        }
        if let Op::Cheat(how, on) = op {
            if let Some(entry) = self.cheats(place, *how, *on, mark) {
                self.keeps(at, entry);
            }
            return;
        }
        let by = match op {
            Op::TakeByNotice(other) => *other,
            Op::Work
            | Op::Dispatch(_)
            | Op::Offer
            | Op::Take
            | Op::Equivocate
            | Op::Share(..)
            | Op::Cheat(..) => at,
        };
        let Some(head) = self.head(by) else { return };
        let tree = &self.known[by].0;
        let custody = tree.custody().unwrap().clone();
        let writes = custody.custodian == place && !tree.is_frozen();
        let world = self.world;
        // The city also takes what it wrote twice itself; often before it may.
        let above = world.registry.is_above(place, custody.custodian)
            || place == CITY && custody.custodian == CITY && tree.is_frozen();
        let entries = match op {
            Op::Work if writes => vec![world.writes(place, &head, Move::None, mark)],
            Op::Equivocate if writes => (0..2)
                .map(|more| world.writes(place, &head, Move::None, mark + more))
                .collect(),
            Op::Dispatch(to) if writes && world.registry.is_above(place, PLACES[*to].0) => {
                vec![world.writes(place, &head, Move::Dispatched(PLACES[*to].0), mark)]
            }
            Op::Offer if writes && PLACES[at].1.is_some() => {
                vec![world.writes(place, &head, Move::Offered(PLACES[at].1.unwrap()), mark)]
            }
            Op::Take | Op::TakeByNotice(_) if above => {
                let offer = custody.offer.filter(|offer| offer.to == place);
                let offer =
                    offer.and_then(|offer| self.all.iter().find(|entry| entry.hash == offer.entry));
                vec![world.takes(place, &head, offer, mark)]
            }
            Op::Work
            | Op::Dispatch(_)
            | Op::Offer
            | Op::Take
            | Op::TakeByNotice(_)
            | Op::Equivocate
            | Op::Share(..)
            | Op::Cheat(..) => vec![],
        };
        for entry in entries {
            self.keeps(at, entry);
        }
    }

    /// Entries that a faulty or hostile node signs: no custody, a rank out of nothing, a taking from beside.
    fn cheats(&self, place: PlaceId, how: usize, on: usize, mark: u64) -> Option<Entry> {
        let on = self.all.get(on % self.all.len())?;
        let world = self.world;
        let level = world.level(place);
        match how {
            0 => Some(world.writes(place, on, Move::None, mark)),
            1 => Some(world.writes_at(place, on, Move::None, on.rank.raised(level, 1)?, mark)),
            2 => Some(world.takes(place, on, None, mark)),
            3 => {
                let rank = on.rank.raised(level, 1)?.raised(level, 1)?;
                Some(world.writes_at(place, on, Move::Taken(None), rank, mark))
            }
            _ => Some(world.writes(place, on, Move::Dispatched(CITY), mark)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_order_and_repetition_of_arrival_gives_one_answer(
        ops in prop::collection::vec(op(), 4..40),
        keys in prop::collection::vec(any::<u32>(), 200),
        renewed_once in any::<bool>(),
    ) {
        let mut world = World::new();
        if renewed_once {
            world.registers(CITY, renewed(node_of(CITY), 2));
        }
        let mut history = History::new(&world);
        for (at, op) in &ops {
            history.runs(*at, op);
        }
        let all = history.all;
        let mut sorted: Vec<&Entry> = all.iter().collect();
        sorted.sort_by_key(|entry| (entry.sequence, entry.hash));
        let reference = fed(&world, &sorted);
        agrees_with_the_model(&world, &all, &reference);

        let mut shuffled: Vec<&Entry> = all.iter().chain(&all).collect();
        let mut turn = keys.iter().cycle();
        shuffled.sort_by_cached_key(|_| *turn.next().unwrap());
        same(&reference, &fed(&world, &shuffled));
        shuffled.reverse();
        same(&reference, &fed(&world, &shuffled));
    }
}

/// Every order of a few entries gives what the model says.
fn every_order(world: &World, all: &[Entry]) -> Tree {
    let sorted: Vec<&Entry> = all.iter().collect();
    let reference = fed(world, &sorted);
    agrees_with_the_model(world, all, &reference);
    permute(&mut (0..all.len()).collect::<Vec<_>>(), 0, &mut |order| {
        let order: Vec<&Entry> = order.iter().map(|index| &all[*index]).collect();
        same(&reference, &fed(world, &order));
    });
    reference
}

fn permute(items: &mut Vec<usize>, from: usize, visit: &mut impl FnMut(&[usize])) {
    if from == items.len() {
        visit(items);
        return;
    }
    for at in from..items.len() {
        items.swap(from, at);
        permute(items, from + 1, visit);
        items.swap(from, at);
    }
}

#[test]
fn a_concurrent_seizure_reads_the_same_in_all_720_orders() {
    let world = World::new();
    let first = opened(VILLAGE);
    let offered = world.writes(VILLAGE, &first, Move::Offered(TOWNSHIP), 2);
    let worked_on = world.writes(VILLAGE, &offered, Move::None, 3);
    let township = world.takes(TOWNSHIP, &offered, Some(&offered), 4);
    let county = world.takes(COUNTY, &worked_on, None, 5);
    let back = world.writes(COUNTY, &county, Move::Dispatched(VILLAGE), 6);
    let all = [
        first,
        offered,
        worked_on,
        township.clone(),
        county,
        back.clone(),
    ];
    let tree = every_order(&world, &all);
    assert_eq!(tree.head().unwrap().hash, back.hash, "the county stands");
    assert_eq!(
        tree.annex(),
        [township.hash],
        "the township's taking is annex"
    );
}

#[test]
fn the_tops_own_thaw_reads_the_same_in_every_order() {
    let mut world = World::new();
    let first = opened(CITY);
    let one = world.writes(CITY, &first, Move::None, 2);
    let other = world.writes(CITY, &first, Move::None, 3);
    // Before the root key has spoken it cannot take from itself.
    let vain = world.takes(CITY, &one, None, 4);
    world.registers(CITY, renewed(node_of(CITY), 2));
    let thaw = world.takes(CITY, &one, None, 5);
    let after = world.writes(CITY, &thaw, Move::None, 6);
    let again = world.takes(CITY, &after, None, 7);
    let all = [first, one, other.clone(), vain.clone(), thaw, after.clone()];
    let tree = every_order(&world, &all);
    assert_eq!(tree.head().unwrap().hash, after.hash);
    assert!(!tree.is_frozen());
    assert!(!tree.contains(&vain.hash));
    assert_eq!(tree.annex(), [other.hash], "kept as proof");
    let all = [&all[..], std::slice::from_ref(&again)].concat();
    let tree = fed(&world, &all.iter().collect::<Vec<_>>());
    assert!(!tree.contains(&again.hash), "once in a generation");
}

#[test]
fn a_false_taking_above_a_gap_falls_the_same_in_every_order() {
    let world = World::new();
    let first = opened(VILLAGE);
    let second = world.writes(VILLAGE, &first, Move::None, 2);
    // A township beside claims the case; the county builds on the claim, then the city on that.
    let claimed = world.takes(NEXT_TOWNSHIP, &second, None, 3);
    let worked = world.writes(NEXT_TOWNSHIP, &claimed, Move::None, 4);
    let county = world.takes(COUNTY, &worked, None, 5);
    let city = world.takes(CITY, &county, None, 6);
    let all = [
        first,
        second,
        claimed.clone(),
        worked.clone(),
        county,
        city.clone(),
    ];
    let tree = every_order(&world, &all);
    assert!(!tree.contains(&claimed.hash) && !tree.contains(&worked.hash));
    assert_eq!(
        tree.head().unwrap().hash,
        city.hash,
        "the superior's act stands"
    );
    assert_eq!(tree.awaited_below(), 5, "above what never counted");
}

#[test]
fn a_taking_refused_by_a_predecessor_that_falls_comes_back() {
    let world = World::new();
    let first = opened(VILLAGE);
    let second = world.writes(VILLAGE, &first, Move::None, 2);
    let claimed = world.takes(NEXT_TOWNSHIP, &second, None, 3);
    // Wrong behind the claim, for it skips a count; with the claim fallen it rests on a gap.
    let rank = claimed.rank.raised(40, 1).unwrap().raised(40, 1).unwrap();
    let county = world.writes_at(COUNTY, &claimed, Move::Taken(None), rank, 4);
    let after = world.writes(COUNTY, &county, Move::None, 5);
    let tree = every_order(&world, &[first, second, claimed, county, after.clone()]);
    assert_eq!(tree.head().unwrap().hash, after.hash);
}
