//! Custody: who may write a chain, which branch of it stands, and what becomes an annex.
//!
//! All entries known of a chain form a tree by their `previous` hashes. Everything else is a pure function of that set:
//! the **head** is the entry of the highest rank, and among those the longest branch; the **standing chain** is the walk
//! back from the head; the **annex** is the rest. So any order and any repetition of arrival gives the same answer, and
//! two nodes that hold the same entries agree without talking about it (PROTOCOL.md 4-10).
//!
//! Nothing here judges business rules: those are judged once, by the writer.

mod judging;

use std::collections::{BTreeMap, BTreeSet};

use crate::entry::{Entry, Move};
use crate::id::{Hash, NodeId, PlaceId};
use crate::jurisdiction::Registry;
use crate::rank::Rank;
use judging::{claimed, follow};

/// What custody needs to know of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Entry.
    pub hash: Hash,
    /// Entry before.
    pub previous: Option<Hash>,
    /// From 1.
    pub sequence: u64,
    /// Rank at this entry.
    pub rank: Rank,
    /// Author.
    pub author: NodeId,
    /// Place the author serves.
    pub place: PlaceId,
    /// What it does to custody.
    pub mv: Move,
    /// Registry versions it names; of two places that were moved since, it is judged as if they had not been.
    pub named: Vec<(PlaceId, u64)>,
}

/// An offer to the parent that nobody has answered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// The offering entry.
    pub entry: Hash,
    /// Who offers.
    pub by: PlaceId,
    /// Parent it is offered to.
    pub to: PlaceId,
}

/// Custody after an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Custody {
    /// The one place that may write next.
    pub custodian: PlaceId,
    /// Open offer.
    pub offer: Option<Offer>,
    /// The entry that gave it; the way of the case is that of the custodian by the registry which that entry names.
    pub since: Hash,
}

/// Why an entry cannot be judged yet; it waits, and only its own chain waits with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Waiting {
    /// The author's node is not in the registry known here, or not in that version.
    Registry,
    /// The entry before is not here.
    Predecessor,
}

impl Waiting {
    /// Stable code, as it travels back to the sender.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Registry => "REGISTRY_AWAITED",
            Self::Predecessor => "PREDECESSOR_AWAITED",
        }
    }
}

/// Why an entry is never applied, at any node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Violation {
    /// Its sequence does not follow the entry before.
    Sequence,
    /// Its author's place was not custodian.
    NotCustodian,
    /// It changed the rank without a taking, or not as a taking does.
    Rank,
    /// It moves custody to a place that is not below, or offers it to one that is not the parent.
    Direction,
    /// It takes from a place that does not stand below the taker.
    NotAbove,
    /// It opens a chain with a move or a rank.
    Opening,
}

impl Violation {
    /// Stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Sequence => "SEQUENCE",
            Self::NotCustodian => "NOT_CUSTODIAN",
            Self::Rank => "RANK",
            Self::Direction => "DIRECTION",
            Self::NotAbove => "NOT_ABOVE",
            Self::Opening => "OPENING",
        }
    }
}

/// What became of an entry that was put to a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It stood there already.
    Known,
    /// It is the new head and continues the old one.
    Extended,
    /// The head is another one, not by continuing the old: overtaken, which makes the old one annex, or fallen with a
    /// taking above a gap that did not hold.
    Overtook,
    /// It joined, off the standing chain or below a gap.
    Joined,
    /// It waits.
    Waits(Waiting),
    /// It is refused.
    Refused(Violation),
}

#[derive(Debug, Clone)]
struct Joined {
    step: Step,
    after: Custody,
    gap_allowed: bool,
}

/// All entries known of one chain.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    steps: BTreeMap<Hash, Joined>,
    head: Option<Hash>,
    forked: bool,
    /// Takings whose predecessor is not here: their predecessor, then themselves.
    gaps: BTreeMap<Hash, BTreeSet<Hash>>,
    /// Taken out again because of an entry that itself rests on a gap, and so may fall: sequence, hash, entry, gap allowed.
    aside: BTreeMap<(u64, Hash), (Step, bool)>,
}

impl Custody {
    fn given(custodian: PlaceId, by: &Step) -> Self {
        Self {
            custodian,
            offer: None,
            since: by.hash,
        }
    }
}

impl Step {
    /// What custody needs of an entry, once the registry has said which place its author serves.
    #[must_use]
    pub fn of(entry: &Entry, place: PlaceId) -> Self {
        Self {
            hash: entry.hash,
            previous: entry.previous,
            sequence: entry.sequence,
            rank: entry.rank.clone(),
            author: entry.author,
            place,
            mv: entry.mv,
            named: entry.registry.clone(),
        }
    }
}

impl Tree {
    /// The head of the standing chain.
    #[must_use]
    pub fn head(&self) -> Option<&Step> {
        self.head
            .and_then(|hash| self.steps.get(&hash))
            .map(|joined| &joined.step)
    }

    /// Custody after the head.
    #[must_use]
    pub fn custody(&self) -> Option<&Custody> {
        self.head
            .and_then(|hash| self.steps.get(&hash))
            .map(|joined| &joined.after)
    }

    /// What the entry that gave custody named of the registry: the way of the case is the custodian's by that. A place
    /// that was moved since is on another way only after the common superior's taking and dispatch (PROTOCOL.md 9).
    #[must_use]
    pub fn way(&self) -> &[(PlaceId, u64)] {
        self.custody().map_or(&[], |custody| self.named_by(custody))
    }

    fn named_by(&self, custody: &Custody) -> &[(PlaceId, u64)] {
        let giving = self.steps.get(&custody.since);
        giving.map_or(&[], |giving| &giving.step.named)
    }

    /// Whether two branches of the same rank stand against each other: proof of equivocation. Nobody may write until a
    /// superior takes.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.forked
    }

    /// Whether an entry is known.
    #[must_use]
    pub fn contains(&self, hash: &Hash) -> bool {
        self.steps.contains_key(hash)
    }

    /// Entries known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The standing chain, oldest first; it starts above a gap while earlier entries are awaited.
    #[must_use]
    pub fn standing(&self) -> Vec<Hash> {
        let mut walk: Vec<Hash> = std::iter::successors(self.head, |hash| {
            let previous = self.steps.get(hash)?.step.previous?;
            self.steps.contains_key(&previous).then_some(previous)
        })
        .collect();
        walk.reverse();
        walk
    }

    /// The sequence below which entries of the standing chain are still awaited; 0 when it is whole.
    #[must_use]
    pub fn awaited_below(&self) -> u64 {
        if self.gaps.is_empty() {
            return 0;
        }
        self.standing()
            .first()
            .and_then(|hash| self.steps.get(hash))
            .filter(|first| first.step.previous.is_some())
            .map_or(0, |first| first.step.sequence)
    }

    /// Every entry that does not stand, by sequence and hash. Entries that may yet turn out to lie below a gap of the
    /// standing chain are not counted.
    #[must_use]
    pub fn annex(&self) -> Vec<Hash> {
        if self.is_one_branch() {
            return Vec::new();
        }
        let standing: BTreeSet<Hash> = self.standing().into_iter().collect();
        let awaited = self.awaited_below();
        let mut annex: Vec<(u64, Hash)> = self
            .steps
            .values()
            .filter(|joined| {
                !standing.contains(&joined.step.hash) && joined.step.sequence >= awaited
            })
            .map(|joined| (joined.step.sequence, joined.step.hash))
            .collect();
        annex.sort_unstable();
        annex.into_iter().map(|(_, hash)| hash).collect()
    }

    /// Whether everything known stands. Without a gap the standing chain has as many entries as its head's sequence says.
    fn is_one_branch(&self) -> bool {
        let sequence = self.head().map_or(0, |head| head.sequence);
        self.gaps.is_empty() && self.steps.len() as u64 == sequence
    }

    /// One value for all that two holders must agree on: rank, sequence and hash of the head, and the sorted annex.
    #[must_use]
    pub fn digest(&self) -> Hash {
        let Some(head) = self.head() else {
            return Hash::default();
        };
        let mut annex = self.annex();
        annex.sort_unstable();
        let annex: Vec<u8> = annex.iter().flat_map(|hash| hash.0).collect();
        let rank = head.rank.to_string();
        Hash::of(
            "fengqiao/chain-digest/1",
            &[
                rank.as_bytes(),
                b"\0",
                &head.sequence.to_be_bytes(),
                &head.hash.0,
                &annex,
            ],
        )
    }

    /// Puts an entry to the tree. A repeated entry changes nothing; a waiting or refused one changes nothing either.
    ///
    /// A taking whose predecessor is not here may join above a gap when `gap_allowed`: its author knew the head by a
    /// notice only (PROTOCOL.md 10); that the taker stood above the custodian and raised the rank of that head is for
    /// the caller to compare with the notice. It is judged fully once the gap is filled, and falls with all that rests on it when it does not hold: entries that
    /// joined may be gone afterwards, as if they had been refused.
    pub fn insert(&mut self, step: Step, registry: &Registry, gap_allowed: bool) -> Verdict {
        if self.steps.contains_key(&step.hash) {
            return Verdict::Known;
        }
        let after = match self.judge(&step, registry, gap_allowed) {
            Ok(after) => after,
            Err(verdict) => return verdict,
        };
        let hash = step.hash;
        let before = self.head;
        let extends = self.continues_head(&step);
        if let Some(previous) = step
            .previous
            .filter(|previous| !self.steps.contains_key(previous))
        {
            self.gaps.entry(previous).or_default().insert(hash);
        }
        let joined = Joined {
            step,
            after,
            gap_allowed,
        };
        self.steps.insert(hash, joined);
        match self.gaps.remove(&hash) {
            Some(above) => self.close_gap(hash, &above, registry),
            None if extends && self.gaps.is_empty() => {
                self.head = Some(hash);
                return Verdict::Extended;
            }
            None => {}
        }
        self.choose_head();
        match (self.head == before, self.head == Some(hash)) {
            (true, _) => Verdict::Joined,
            (false, true) if extends => Verdict::Extended,
            (false, _) => Verdict::Overtook,
        }
    }

    /// What [`Tree::insert`] would answer, with nothing changed.
    #[must_use]
    pub fn verdict(&self, step: &Step, registry: &Registry, gap_allowed: bool) -> Verdict {
        if self.steps.contains_key(&step.hash) {
            return Verdict::Known;
        }
        if let Err(verdict) = self.judge(step, registry, gap_allowed) {
            return verdict;
        }
        if self.continues_head(step) && self.gaps.is_empty() {
            return Verdict::Extended;
        }
        // Whatever else joins may overtake or close a gap: a copy is asked, which costs as much as the chain is long.
        self.clone().insert(step.clone(), registry, gap_allowed)
    }

    fn continues_head(&self, step: &Step) -> bool {
        step.previous == self.head && !self.forked
    }

    fn judge(
        &self,
        step: &Step,
        registry: &Registry,
        gap_allowed: bool,
    ) -> Result<Custody, Verdict> {
        let Some(previous) = step.previous else {
            let plain = step.sequence == 1 && step.rank == Rank::default() && step.mv == Move::None;
            return if plain {
                Ok(Custody::given(step.place, step))
            } else {
                Err(Verdict::Refused(Violation::Opening))
            };
        };
        let may_rest_on_gap = gap_allowed && matches!(step.mv, Move::Taken(_));
        if may_rest_on_gap {
            claimed(step, registry)?;
        }
        match self.steps.get(&previous) {
            Some(before) => match follow(before, self.named_by(&before.after), step, registry) {
                // The entry before may fall; the taking would then stand above a gap.
                Err(Verdict::Refused(_)) if may_rest_on_gap && self.rests_on_gap(previous) => {
                    Err(Verdict::Waits(Waiting::Predecessor))
                }
                judged => judged,
            },
            None if may_rest_on_gap => Ok(Custody::given(step.place, step)),
            None => Err(Verdict::Waits(Waiting::Predecessor)),
        }
    }

    /// Whether the walk back from an entry ends before the opening.
    fn rests_on_gap(&self, hash: Hash) -> bool {
        let mut at = hash;
        loop {
            match self.steps.get(&at).map(|joined| joined.step.previous) {
                Some(Some(previous)) => at = previous,
                Some(None) => return false,
                None => return true,
            }
        }
    }

    /// A gap was filled: the takings above it are judged now, and dropped with all that follows if they do not hold.
    fn close_gap(&mut self, filled: Hash, above: &BTreeSet<Hash>, registry: &Registry) {
        let may_fall = self.rests_on_gap(filled);
        let mut fell = false;
        for hash in above {
            let judged = self.steps.get(&filled).zip(self.steps.get(hash));
            let judged = judged.map(|(before, taking)| {
                follow(before, self.named_by(&before.after), &taking.step, registry)
            });
            if let Some(Err(Verdict::Refused(_))) = judged {
                let dropped = self.drop_branch(*hash);
                if may_fall {
                    self.aside.extend(dropped);
                }
                fell = true;
            }
        }
        if fell {
            self.retry_aside(registry);
        }
    }

    /// Something fell: what had been taken out because of it may come back.
    fn retry_aside(&mut self, registry: &Registry) {
        for (key, (step, gap_allowed)) in std::mem::take(&mut self.aside) {
            if let Verdict::Waits(_) = self.insert(step.clone(), registry, gap_allowed) {
                self.aside.insert(key, (step, gap_allowed));
            }
        }
    }

    /// Takes out an entry and what rests on it, down to takings that may stand above a gap.
    fn drop_branch(&mut self, from: Hash) -> Vec<((u64, Hash), (Step, bool))> {
        let mut dropped = BTreeSet::from([from]);
        loop {
            let more: Vec<Hash> = self
                .steps
                .values()
                .filter(|joined| {
                    let stays = joined.gap_allowed && matches!(joined.step.mv, Move::Taken(_));
                    let previous = joined.step.previous;
                    !stays && previous.is_some_and(|previous| dropped.contains(&previous))
                })
                .map(|joined| joined.step.hash)
                .filter(|hash| !dropped.contains(hash))
                .collect();
            if more.is_empty() {
                break;
            }
            dropped.extend(more);
        }
        for joined in self.steps.values() {
            let step = &joined.step;
            if let Some(previous) = step.previous.filter(|before| dropped.contains(before))
                && !dropped.contains(&step.hash)
            {
                self.gaps.entry(previous).or_default().insert(step.hash);
            }
        }
        dropped
            .iter()
            .filter_map(|hash| self.steps.remove(hash))
            .map(|joined| {
                let key = (joined.step.sequence, joined.step.hash);
                (key, (joined.step, joined.gap_allowed))
            })
            .collect()
    }

    /// The highest rank decides; among its entries there is one branch, or the author has equivocated.
    fn choose_head(&mut self) {
        let Some(highest) = self
            .steps
            .values()
            .map(|joined| &joined.step.rank)
            .max()
            .cloned()
        else {
            self.head = None;
            self.forked = false;
            return;
        };
        let of_rank: Vec<&Step> = self
            .steps
            .values()
            .map(|joined| &joined.step)
            .filter(|step| step.rank == highest)
            .collect();
        let continued: BTreeSet<Hash> = of_rank.iter().filter_map(|step| step.previous).collect();
        let mut tips: Vec<&&Step> = of_rank
            .iter()
            .filter(|step| !continued.contains(&step.hash))
            .collect();
        // Two tips: both are kept as proof. Which one is shown must be the same everywhere: the longer, then the smaller hash.
        tips.sort_by(|a, b| b.sequence.cmp(&a.sequence).then(a.hash.cmp(&b.hash)));
        self.forked = tips.len() > 1;
        self.head = tips.first().map(|step| step.hash);
    }
}
