//! Places that move below another parent: one tree from the same chains in any order, and custody by the tree that an
//! author knew.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use fengqiao_hub::casework::{self, CaseState};
use fengqiao_hub::centre;
use fengqiao_hub::custody::{Tree, Verdict, Violation, Waiting};
use fengqiao_hub::entry::{Draft, Entry, Move};
use fengqiao_hub::id::{ChainId, Hash, NodeId, PlaceId};
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_hub::rank::level;
use fengqiao_hub::refusal::Code;
use fengqiao_proto::v1 as pb;
use pb::body::Content;
use proptest::prelude::*;
use support::book::{context, escalate, take};
use support::*;

const PROVINCE: PlaceId = PlaceId([0x20; 10]);
const OTHER_CITY: PlaceId = PlaceId([0x31; 10]);

fn moved(place: PlaceId, level: u32, to: PlaceId, number: u32) -> pb::PlaceMoved {
    pb::PlaceMoved {
        place: place.to_vec(),
        code: String::new(),
        name: format!("moved {number}"),
        level,
        to: to.to_vec(),
        number,
        address: format!("{number}.example:7444"),
    }
}

fn added(place: PlaceId, level: u32) -> pb::PlaceAdded {
    pb::PlaceAdded {
        place: place.to_vec(),
        name: "added".into(),
        level,
        ..Default::default()
    }
}

/// Registry chains being written, each entry by the node of its place.
#[derive(Default)]
struct Chains(Vec<Entry>);

impl Chains {
    /// By an author who has heard of no move.
    fn write(&mut self, issuer: PlaceId, content: impl Into<Content>) -> u64 {
        self.write_knowing(issuer, content, &[])
    }

    fn write_knowing(
        &mut self,
        issuer: PlaceId,
        content: impl Into<Content>,
        heard: &[(PlaceId, u64)],
    ) -> u64 {
        let chain = ChainId::of_place(issuer);
        let sequence = 1 + self.0.iter().filter(|entry| entry.chain == chain).count() as u64;
        let draft = Draft {
            kind: pb::ChainKind::Registry,
            chain,
            sequence,
            previous: (sequence > 1).then_some(Hash([1; 32])),
            registry: heard.to_vec(),
            ..draft(issuer, content)
        };
        self.0.push(draft.sign(&key_of(node_of(issuer))));
        sequence
    }

    fn add(&mut self, parent: PlaceId, place: PlaceId, level: u32) {
        self.write(parent, added(place, level));
        self.write(parent, enrolled(node_of(place), place, None, 1));
    }

    /// A province of two cities; the first has two counties, the township and its village stand below the first county.
    fn of_a_province() -> Self {
        let mut chains = Self::default();
        let place = pb::PlaceAdded {
            place: PROVINCE.to_vec(),
            name: "province".into(),
            level: level::PROVINCE,
            ..Default::default()
        };
        let granted = pb::RootGranted {
            place: Some(place),
            node: Some(enrolled(node_of(PROVINCE), PROVINCE, None, 1)),
            root_key: vec![9; 32],
        };
        chains.write(PROVINCE, granted);
        chains.add(PROVINCE, CITY, level::CITY);
        chains.add(PROVINCE, OTHER_CITY, level::CITY);
        chains.add(CITY, COUNTY, level::COUNTY);
        chains.add(CITY, OTHER_COUNTY, level::COUNTY);
        chains.add(COUNTY, TOWNSHIP, level::TOWNSHIP);
        chains.add(TOWNSHIP, VILLAGE, level::VILLAGE);
        chains
    }

    /// The registry when the chains come in an order that only keeps each chain's own; what cannot be applied yet waits.
    fn told(&self, mut picks: impl FnMut(usize) -> usize) -> Registry {
        let mut registry = Registry::default();
        let mut open: Vec<Vec<&Entry>> = Vec::new();
        for entry in &self.0 {
            match open.iter_mut().find(|chain| chain[0].chain == entry.chain) {
                Some(chain) => chain.push(entry),
                None => open.push(vec![entry]),
            }
        }
        let mut refused = 0;
        while !open.is_empty() {
            let at = picks(open.len()) % open.len();
            let named = &open[at][0].registry;
            let awaited = named
                .iter()
                .any(|(place, at)| registry.version(*place) < *at);
            if awaited || registry.apply(open[at][0]).is_err() {
                refused += 1;
                assert!(refused < 10_000, "some entry can never be applied");
                continue;
            }
            open[at].remove(0);
            open.retain(|chain| !chain.is_empty());
        }
        registry
    }

    fn in_order(&self) -> Registry {
        let mut registry = Registry::default();
        for entry in &self.0 {
            registry.apply(entry).unwrap();
        }
        registry
    }
}

fn parent(registry: &Registry, place: PlaceId) -> Option<PlaceId> {
    registry.place(place).unwrap().parent
}

proptest! {
    #[test]
    fn one_tree_comes_of_the_same_chains_in_any_order(picks in prop::collection::vec(0_usize..64, 400)) {
        let mut chains = Chains::of_a_province();
        let heard = chains.write(CITY, moved(TOWNSHIP, level::TOWNSHIP, OTHER_COUNTY, 1));
        let heard = [(CITY, heard)];
        // At the same time, by whom has not heard of it: the former parent, and the superior's superior.
        chains.write(COUNTY, enrolled(NodeId([0x99; 10]), TOWNSHIP, None, 2));
        chains.write(PROVINCE, moved(COUNTY, level::COUNTY, OTHER_CITY, 1));
        chains.write(PROVINCE, moved(OTHER_COUNTY, level::COUNTY, OTHER_CITY, 1));
        let revoked = pb::NodeRevoked {
            node: node_of(TOWNSHIP).to_vec(),
            incarnation: 1,
            last_author_sequence: 0,
            lost: true,
        };
        chains.write_knowing(OTHER_COUNTY, revoked, &heard);
        let next = enrolled(NodeId([0x98; 10]), TOWNSHIP, None, 2);
        chains.write_knowing(OTHER_COUNTY, next, &heard);
        chains.write(CITY, moved(VILLAGE, level::VILLAGE, OTHER_COUNTY, 1));
        let mut picks = picks.into_iter().cycle();
        let told = chains.told(|_| picks.next().unwrap());
        let places = [
            (PROVINCE, None),
            (CITY, Some(PROVINCE)),
            (OTHER_CITY, Some(PROVINCE)),
            (COUNTY, Some(OTHER_CITY)),
            (OTHER_COUNTY, Some(OTHER_CITY)),
            (TOWNSHIP, Some(OTHER_COUNTY)),
            (VILLAGE, Some(OTHER_COUNTY)),
        ];
        for (place, above) in places {
            prop_assert_eq!(parent(&told, place), above);
            let mut children = told.children(place).to_vec();
            children.sort_unstable();
            let mut below: Vec<PlaceId> =
                places.iter().filter(|(_, above)| *above == Some(place)).map(|(below, _)| *below).collect();
            below.sort_unstable();
            prop_assert_eq!(children, below);
        }
        prop_assert_eq!(told.node_of(TOWNSHIP).unwrap().id, NodeId([0x98; 10]), "its present parent's word counts");
        prop_assert!(told.node(node_of(TOWNSHIP)).unwrap().revoked.is_some());
        prop_assert_eq!(&told.place(TOWNSHIP).unwrap().name, "moved 1");
    }
}

#[test]
fn a_place_is_moved_by_a_superior_of_both_parents_and_nobody_else() {
    let mut chains = Chains::of_a_province();
    chains.write(
        OTHER_COUNTY,
        moved(TOWNSHIP, level::TOWNSHIP, OTHER_COUNTY, 1),
    );
    chains.write(COUNTY, moved(TOWNSHIP, level::TOWNSHIP, OTHER_COUNTY, 1));
    chains.write(
        OTHER_CITY,
        moved(TOWNSHIP, level::TOWNSHIP, OTHER_COUNTY, 7),
    );
    chains.write(CITY, moved(TOWNSHIP, level::TOWNSHIP, VILLAGE, 2));
    let registry = chains.in_order();
    assert_eq!(parent(&registry, TOWNSHIP), Some(COUNTY));
    assert!(!registry.has_moved(TOWNSHIP));
    chains.write(CITY, moved(TOWNSHIP, level::TOWNSHIP, OTHER_COUNTY, 3));
    assert_eq!(parent(&chains.in_order(), TOWNSHIP), Some(OTHER_COUNTY));
}

#[test]
fn of_two_superiors_at_the_same_time_the_higher_one_stands() {
    let mut chains = Chains::of_a_province();
    chains.add(OTHER_CITY, PlaceId([0x42; 10]), level::COUNTY);
    chains.write(
        PROVINCE,
        moved(TOWNSHIP, level::TOWNSHIP, PlaceId([0x42; 10]), 1),
    );
    chains.write(CITY, moved(TOWNSHIP, level::TOWNSHIP, OTHER_COUNTY, 1));
    assert_eq!(
        parent(&chains.in_order(), TOWNSHIP),
        Some(PlaceId([0x42; 10]))
    );
}

#[test]
fn a_place_known_by_its_move_alone_has_a_parent_and_a_name() {
    let mut chains = Chains::of_a_province();
    chains.write(CITY, moved(TOWNSHIP, level::TOWNSHIP, OTHER_COUNTY, 1));
    let upper = [PROVINCE, CITY].map(ChainId::of_place);
    let mut registry = Registry::default();
    for entry in chains.0.iter().filter(|entry| upper.contains(&entry.chain)) {
        registry.apply(entry).unwrap();
    }
    assert_eq!(parent(&registry, TOWNSHIP), Some(OTHER_COUNTY));
    assert_eq!(registry.name(TOWNSHIP), "moved 1");
    assert!(registry.is_above(CITY, TOWNSHIP));
    assert_eq!(registry.address_above(TOWNSHIP), "1.example:7444");
    for entry in chains
        .0
        .iter()
        .filter(|entry| entry.chain == ChainId::of_place(COUNTY))
    {
        registry.apply(entry).unwrap();
    }
    assert_eq!(registry.added_by(TOWNSHIP), Some(COUNTY));
    assert_eq!(parent(&registry, TOWNSHIP), Some(OTHER_COUNTY));
    assert_eq!(
        registry.former_children(COUNTY).collect::<Vec<_>>(),
        [TOWNSHIP]
    );
}

#[test]
fn a_level_never_changes_and_a_place_is_added_once() {
    let mut chains = Chains::of_a_province();
    let mut registry = chains.in_order();
    chains.write(COUNTY, added(TOWNSHIP, level::AREA));
    assert!(
        registry.apply(chains.0.last().unwrap()).is_err(),
        "another level"
    );
    chains.write(OTHER_COUNTY, added(TOWNSHIP, level::TOWNSHIP));
    assert!(
        registry.apply(chains.0.last().unwrap()).is_err(),
        "elsewhere too"
    );
}

/// The world of the other tests, whose city has moved the township below the other county; and what an entry names
/// whose author has heard of it.
fn township_moved() -> (World, Vec<(PlaceId, u64)>) {
    let mut world = World::new();
    world.registers(CITY, moved(TOWNSHIP, level::TOWNSHIP, OTHER_COUNTY, 1));
    let named = vec![(CITY, world.registry.version(CITY))];
    (world, named)
}

fn named(entry: &Entry, place: PlaceId, named: &[(PlaceId, u64)]) -> Entry {
    Draft {
        rank: entry.rank.clone(),
        sequence: entry.sequence,
        previous: entry.previous,
        author_sequence: entry.author_sequence,
        mv: entry.mv,
        registry: named.to_vec(),
        ..draft(place, entry.body.content.clone().unwrap())
    }
    .sign(&key_of(node_of(place)))
}

fn put(world: &World, tree: &mut Tree, entry: &Entry) -> Verdict {
    tree.insert(step(entry), &world.registry, false)
}

#[test]
fn what_was_written_before_a_move_was_heard_of_is_judged_by_the_tree_as_it_was() {
    let (world, _) = township_moved();
    let first = opened(VILLAGE);
    let offer = world.writes(VILLAGE, &first, Move::Offered(TOWNSHIP), 2);
    let by_township = world.takes(TOWNSHIP, &offer, Some(&offer), 3);
    let up = world.writes(TOWNSHIP, &by_township, Move::Offered(COUNTY), 4);
    let by_county = world.takes(COUNTY, &up, Some(&up), 5);
    let down = world.writes(COUNTY, &by_county, Move::Dispatched(TOWNSHIP), 6);
    let mut tree = Tree::default();
    for entry in [&first, &offer, &by_township, &up, &by_county, &down] {
        assert_eq!(put(&world, &mut tree, entry), Verdict::Extended);
    }
}

#[test]
fn whoever_has_heard_of_a_move_goes_by_it() {
    let (world, heard) = township_moved();
    let first = named(&opened(TOWNSHIP), TOWNSHIP, &heard);
    let mut tree = Tree::default();
    put(&world, &mut tree, &first);
    let old = named(
        &world.writes(TOWNSHIP, &first, Move::Offered(COUNTY), 2),
        TOWNSHIP,
        &heard,
    );
    assert_eq!(
        put(&world, &mut tree, &old),
        Verdict::Refused(Violation::Direction)
    );
    let former = world.takes(COUNTY, &first, None, 2);
    for former in [named(&former, COUNTY, &heard), former] {
        let verdict = put(&world, &mut tree, &former);
        assert_eq!(
            verdict,
            Verdict::Refused(Violation::NotAbove),
            "begun on the new way"
        );
    }
    let up = named(
        &world.writes(TOWNSHIP, &first, Move::Offered(OTHER_COUNTY), 2),
        TOWNSHIP,
        &heard,
    );
    assert_eq!(put(&world, &mut tree, &up), Verdict::Extended);
    let taken = named(
        &world.takes(OTHER_COUNTY, &up, Some(&up), 3),
        OTHER_COUNTY,
        &heard,
    );
    assert_eq!(put(&world, &mut tree, &taken), Verdict::Extended);
}

#[test]
fn a_taking_waits_until_the_way_up_of_the_moved_custodian_is_known() {
    let newly_added = PlaceId([0x53; 10]);
    let mut world = World::new();
    world.registers(CITY, moved(VILLAGE, level::VILLAGE, newly_added, 1));
    let heard = [(CITY, world.registry.version(CITY))];
    let first = opened(VILLAGE);
    let mut tree = Tree::default();
    put(&world, &mut tree, &first);
    let by_city = named(&world.takes(CITY, &first, None, 3), CITY, &heard);
    let down = named(
        &world.writes(CITY, &by_city, Move::Dispatched(VILLAGE), 4),
        CITY,
        &heard,
    );
    let awaited = Verdict::Waits(Waiting::Registry);
    assert_eq!(put(&world, &mut tree, &by_city), awaited);
    world.registers(OTHER_COUNTY, added(newly_added, level::TOWNSHIP));
    assert_eq!(put(&world, &mut tree, &by_city), Verdict::Extended);
    assert_eq!(put(&world, &mut tree, &down), Verdict::Extended);
}

#[test]
fn a_new_parent_takes_after_the_common_superior_and_not_before() {
    let (world, heard) = township_moved();
    let first = opened(TOWNSHIP);
    let mut tree = Tree::default();
    put(&world, &mut tree, &first);
    let early = named(
        &world.takes(OTHER_COUNTY, &first, None, 2),
        OTHER_COUNTY,
        &heard,
    );
    assert_eq!(
        put(&world, &mut tree, &early),
        Verdict::Refused(Violation::NotAbove)
    );

    let by_city = named(&world.takes(CITY, &first, None, 3), CITY, &heard);
    let back = named(
        &world.writes(CITY, &by_city, Move::Dispatched(TOWNSHIP), 4),
        CITY,
        &heard,
    );
    let late = named(
        &world.takes(OTHER_COUNTY, &back, None, 5),
        OTHER_COUNTY,
        &heard,
    );
    for entry in [&by_city, &back, &late] {
        assert_eq!(put(&world, &mut tree, entry), Verdict::Extended);
    }
    // The former parent's taking comes last and stands nowhere: the city's lies above it.
    let former = world.takes(COUNTY, &first, None, 6);
    assert_eq!(put(&world, &mut tree, &former), Verdict::Joined);
    assert_eq!(tree.annex(), [former.hash]);
    assert!(!tree.is_frozen());
}

#[test]
fn what_the_new_parent_may_not_take_yet_it_is_told_to_wait_for() {
    let (world, _) = township_moved();
    let first = opened(TOWNSHIP);
    let mut tree = Tree::default();
    put(&world, &mut tree, &first);
    let case = casework::fold([(&first, TOWNSHIP)]).unwrap();
    let state = CaseState {
        case: &case,
        tree: &tree,
    };
    let decided = |place: PlaceId, action: pb::Action| {
        let leader = centre::submitter(&[7; 10], place, None);
        centre::decide(&context(&world, place, START), &state, action, &leader, &[])
            .map(drop)
            .map_err(|refusal| refusal.code)
    };
    assert_eq!(decided(OTHER_COUNTY, take().into()), Err(Code::MoveAwaited));
    assert_eq!(decided(COUNTY, take().into()), Err(Code::NotAbove));
    assert_eq!(decided(CITY, take().into()), Ok(()));
    assert_eq!(decided(TOWNSHIP, escalate().into()), Err(Code::MoveAwaited));
}

#[test]
fn a_table_of_last_year_does_not_make_a_moved_place_a_second_time() {
    use fengqiao_hub::jurisdiction::{Comparison, Division, compare};
    let mut chains = Chains::of_a_province();
    chains.write(CITY, moved(TOWNSHIP, level::TOWNSHIP, OTHER_COUNTY, 1));
    let registry = chains.in_order();
    let row = Division {
        code: "371402001".into(),
        name: "moved 1".into(),
        level: level::TOWNSHIP,
    };
    let at = |place| {
        compare(&registry, place, std::slice::from_ref(&row))
            .remove(0)
            .1
    };
    assert_eq!(
        at(COUNTY),
        Comparison::Moved(TOWNSHIP),
        "by its former parent"
    );
    assert_eq!(
        at(OTHER_COUNTY),
        Comparison::Changed(TOWNSHIP),
        "its code is new"
    );
}
