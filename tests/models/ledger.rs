//! The entries of one case in a line of places, and what hub says of any set of them.
//!
//! An entry is written once for a whole model and has a small number from then on, so that a state of a model is a few
//! sets of numbers. What a set of entries means is asked of `hub::custody::Tree` and remembered; nothing here decides.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use ed25519_dalek::SigningKey;
use fengqiao_hub::custody::{Step, Tree, Verdict};
use fengqiao_hub::entry::{Draft, Move};
use fengqiao_hub::id::{ChainId, DeploymentId, Hash, NodeId, PlaceId};
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_hub::rank::level;
use fengqiao_hub::rank::{Level, Rank};
use fengqiao_proto::v1 as pb;
use pb::body::Content;

use crate::set::{Id, Set};

/// Machines a place may have one after the other.
pub(crate) const MACHINES_MAX: u8 = 3;

const LEVELS: [Level; 4] = [level::CITY, level::COUNTY, level::TOWNSHIP, level::VILLAGE];
/// Stands above the line and does nothing but enrol: the registry has no other way to give the line's top a successor.
const PROVINCE: PlaceId = PlaceId([0x10; 10]);

/// An entry that was written.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) step: Step,
    /// Who wrote it: 0 is the top of the line.
    pub(crate) tier: usize,
    /// The entry before.
    pub(crate) on: Option<Id>,
    /// What it carries beside its move: the submission it adopts, the offer it answers.
    pub(crate) note: Note,
}

/// What an entry carries beside its move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Note {
    None,
    /// The parent's word that the offer stays below.
    Kept(Id),
    /// A submission adopted.
    Adopted(u8),
}

/// What hub says of a set of entries.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) head: Option<Id>,
    /// Who may write, as a tier.
    pub(crate) custodian: Option<usize>,
    /// An offer nobody has answered, and to whom it was made.
    pub(crate) offer: Option<(Id, usize)>,
    pub(crate) frozen: bool,
    pub(crate) standing: Vec<Id>,
    pub(crate) annex: Vec<Id>,
    /// Everything two holders must agree on, in one value.
    pub(crate) digest: Hash,
    /// Whether the same entries in other orders gave the same answer, and each was foretold.
    pub(crate) same_in_any_order: bool,
}

/// Entries of the case, and the line it moves in.
#[derive(Debug)]
pub(crate) struct Ledger {
    registry: Registry,
    generations: Vec<u32>,
    pages: RwLock<Pages>,
    views: RwLock<HashMap<Set, Arc<View>>>,
}

#[derive(Debug, Default)]
struct Pages {
    all: Vec<Page>,
    numbers: HashMap<Hash, Id>,
}

/// What is written: by which machine of which place, behind which entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writing {
    pub(crate) tier: usize,
    /// From 1; the machine that took its place has the next number.
    pub(crate) machine: u8,
    pub(crate) on: Option<Id>,
    pub(crate) mv: Moving,
    pub(crate) note: Note,
}

/// A move, by tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moving {
    None,
    Dispatched(usize),
    Offered,
    Taken(Option<Id>),
}

fn place(tier: usize) -> PlaceId {
    PlaceId([tier_byte(tier); 10])
}

fn tier_byte(tier: usize) -> u8 {
    u8::try_from(tier).map_or(0, |tier| 0x20 + tier)
}

fn tier_of(place: PlaceId) -> usize {
    usize::from(place.0[0] - tier_byte(0))
}

fn node(tier: usize, machine: u8) -> NodeId {
    NodeId([tier_byte(tier) + (machine << 4); 10])
}

impl Ledger {
    /// A line of so many tiers. `generations[machine - 1]` is the generation in which a place's machine takes.
    pub(crate) fn new(tiers: usize, generations: &[u32]) -> Self {
        Self {
            registry: registry(tiers, generations),
            generations: generations.to_vec(),
            pages: RwLock::default(),
            views: RwLock::default(),
        }
    }

    pub(crate) fn page(&self, id: Id) -> Page {
        self.pages.read().unwrap().all[usize::from(id)].clone()
    }

    /// Reads of an entry what is wanted, without copying it.
    pub(crate) fn of<T>(&self, id: Id, read: impl FnOnce(&Page) -> T) -> T {
        read(&self.pages.read().unwrap().all[usize::from(id)])
    }

    /// Writes an entry that is none of those written before. `None` when a taking's generation is stale.
    pub(crate) fn write(&self, writing: Writing, before: &Set) -> Option<Id> {
        let (previous, sequence, rank) = match writing.on {
            None => (None, 1, Rank::default()),
            Some(on) => self.of(on, |page| {
                let step = &page.step;
                (Some(step.hash), step.sequence + 1, step.rank.clone())
            }),
        };
        let (mv, rank) = match writing.mv {
            Moving::None => (Move::None, rank),
            Moving::Dispatched(to) => (Move::Dispatched(place(to)), rank),
            Moving::Offered => (Move::Offered(place(writing.tier - 1)), rank),
            Moving::Taken(answering) => {
                let generation = self.generations[usize::from(writing.machine) - 1];
                let rank = rank.raised(LEVELS[writing.tier], generation)?;
                let offer = answering.map(|offer| self.of(offer, |page| page.step.hash));
                (Move::Taken(offer), rank)
            }
        };
        let author = node(writing.tier, writing.machine);
        // The same act a second time is another entry: its text and its hour differ.
        (0_u8..=u8::MAX).find_map(|copy| {
            let said = format!("{mv:?} {:?} {copy}", writing.note);
            let hash = Hash::of(
                "models/entry",
                &[
                    &previous.unwrap_or_default().0,
                    &author.0,
                    rank.to_string().as_bytes(),
                    said.as_bytes(),
                ],
            );
            let step = Step {
                hash,
                previous,
                sequence,
                rank: rank.clone(),
                author,
                place: place(writing.tier),
                mv,
                named: Vec::new(),
            };
            let id = self.number(Page {
                step,
                tier: writing.tier,
                on: writing.on,
                note: writing.note,
            });
            (!before.contains(id)).then_some(id)
        })
    }

    fn number(&self, page: Page) -> Id {
        let mut pages = self.pages.write().unwrap();
        let hash = page.step.hash;
        if let Some(id) = pages.numbers.get(&hash) {
            return *id;
        }
        let id = Id::try_from(pages.all.len()).unwrap();
        pages.all.push(page);
        pages.numbers.insert(hash, id);
        id
    }

    /// The chain that ends in an entry, oldest first.
    pub(crate) fn chain(&self, head: Option<Id>) -> Vec<Id> {
        let mut chain: Vec<Id> =
            std::iter::successors(head, |id| self.of(*id, |page| page.on)).collect();
        chain.reverse();
        chain
    }

    /// What hub says of a set of entries.
    pub(crate) fn view(&self, known: &Set) -> Arc<View> {
        if let Some(view) = self.views.read().unwrap().get(known) {
            return Arc::clone(view);
        }
        let view = Arc::new(self.ask(known));
        self.views
            .write()
            .unwrap()
            .insert(known.clone(), Arc::clone(&view));
        view
    }

    /// Hub's word on the chain that ends in a head, everything else known being annex: for broken rules that choose the
    /// head in another way.
    pub(crate) fn behind(&self, head: Option<Id>, known: &Set) -> View {
        let chain = self.chain(head);
        let view = self.view(&chain.iter().copied().collect());
        View {
            head: view.head,
            custodian: view.custodian,
            offer: view.offer,
            frozen: view.frozen,
            standing: view.standing.clone(),
            annex: known.iter().filter(|id| !chain.contains(id)).collect(),
            digest: view.digest,
            same_in_any_order: view.same_in_any_order,
        }
    }

    fn ask(&self, known: &Set) -> View {
        let mut steps: Vec<(Id, Step)> = known
            .iter()
            .map(|id| (id, self.of(id, |page| page.step.clone())))
            .collect();
        steps.sort_by_key(|(_, step)| (step.sequence, step.hash));
        let (tree, mut same) = self.grow(steps.iter().map(|(_, step)| step));
        let (backwards, foretold) = self.grow(steps.iter().rev().map(|(_, step)| step));
        same &= foretold && alike(&tree, &backwards);
        steps.sort_by_key(|(_, step)| step.hash);
        let (shuffled, foretold) = self.grow(steps.iter().map(|(_, step)| step));
        same &= foretold && alike(&tree, &shuffled);
        let number = |hash: Hash| {
            let found = steps.iter().find(|(_, step)| step.hash == hash);
            found.map(|(id, _)| *id).unwrap()
        };
        View {
            head: tree.head().map(|step| number(step.hash)),
            custodian: tree.custody().map(|custody| tier_of(custody.custodian)),
            offer: tree
                .custody()
                .and_then(|custody| custody.offer)
                .map(|offer| (number(offer.entry), tier_of(offer.to))),
            frozen: tree.is_frozen(),
            standing: tree.standing().into_iter().map(number).collect(),
            annex: tree.annex().into_iter().map(number).collect(),
            digest: tree.digest(),
            same_in_any_order: same,
        }
    }

    /// Puts entries to a tree in an order, those that wait again until nothing joins, as the engine does.
    fn grow<'a>(&self, steps: impl Iterator<Item = &'a Step>) -> (Tree, bool) {
        let mut tree = Tree::default();
        let mut foretold = true;
        let mut waiting: Vec<&Step> = steps.collect();
        loop {
            let before = waiting.len();
            waiting.retain(|step| {
                let told = tree.verdict(step, &self.registry, true);
                let became = tree.insert((*step).clone(), &self.registry, true);
                foretold &= told == became;
                matches!(became, Verdict::Waits(_))
            });
            if waiting.is_empty() || waiting.len() == before {
                return (tree, foretold);
            }
        }
    }
}

/// Whether two trees say the same of all that two holders must agree on.
fn alike(a: &Tree, b: &Tree) -> bool {
    a.digest() == b.digest()
        && a.custody() == b.custody()
        && a.standing() == b.standing()
        && a.annex() == b.annex()
        && a.is_frozen() == b.is_frozen()
}

/// The registry of a line, with every machine its places may come to have.
fn registry(tiers: usize, generations: &[u32]) -> Registry {
    let mut registry = Registry::default();
    registers(
        &mut registry,
        PROVINCE,
        pb::body::Content::from(pb::RootGranted {
            place: Some(added(PROVINCE, level::PROVINCE)),
            node: Some(enrolled(NodeId(PROVINCE.0), PROVINCE, 1)),
            root_key: vec![9; 32],
        }),
    );
    for (tier, level) in LEVELS.into_iter().enumerate().take(tiers) {
        let parent = tier.checked_sub(1).map_or(PROVINCE, place);
        registers(
            &mut registry,
            parent,
            pb::body::Content::from(added(place(tier), level)),
        );
        for machine in 1..=MACHINES_MAX {
            let generation = generations[usize::from(machine) - 1];
            let enrolled = enrolled(node(tier, machine), place(tier), generation);
            registers(&mut registry, parent, pb::body::Content::from(enrolled));
        }
    }
    registry
}

/// A place writes into its registry chain.
pub(crate) fn registers(registry: &mut Registry, issuer: PlaceId, content: Content) {
    let sequence = registry.version(issuer) + 1;
    let draft = Draft {
        deployment: DeploymentId([1; 10]),
        kind: pb::ChainKind::Registry,
        chain: ChainId::of_place(issuer),
        rank: Rank::default(),
        sequence,
        previous: (sequence > 1).then_some(Hash([1; 32])),
        author: NodeId(issuer.0),
        incarnation: 1,
        author_sequence: sequence,
        registry: vec![],
        mv: Move::None,
        submission: None,
        kind_class: pb::KindClass::Work,
        body: pb::Body {
            schema: 1,
            content: Some(content),
            ..Default::default()
        },
        payloads: vec![],
    };
    registry.apply(&draft.sign(&key(NodeId(issuer.0)))).unwrap();
}

pub(crate) fn key(node: NodeId) -> SigningKey {
    SigningKey::from_bytes(&Hash::of("models/key", &[&node.0]).0)
}

pub(crate) fn added(place: PlaceId, level: Level) -> pb::PlaceAdded {
    pb::PlaceAdded {
        place: place.to_vec(),
        code: String::new(),
        name: format!("place-{:02x}", place.0[0]),
        level,
    }
}

pub(crate) fn enrolled(node: NodeId, place: PlaceId, generation: u32) -> pb::NodeEnrolled {
    pb::NodeEnrolled {
        node: node.to_vec(),
        place: place.to_vec(),
        unit: vec![],
        signing_key: key(node).verifying_key().as_bytes().to_vec(),
        encryption_key: vec![1; 32],
        transport_key_hash: vec![2; 32],
        incarnation: 1,
        generation,
    }
}
