//! The end state against what the file says it must be: every case where it was taken in and where it was handled, and
//! every link at both its ends. Each node computes its digest from its own journal on disk.

use std::collections::BTreeMap;

use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::desk::{Answer, refusal};

use super::building::World;
use super::oracle::{self, Expected, Oracle};
use super::plan::Tier;

/// Differences told one by one; the rest is counted.
pub(super) const DIFFERENCES_MAX: usize = 50;
/// Digests computed at once.
const DIGESTS: usize = 2;

/// What the comparison found.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// Cases compared, each at its village and at its handler.
    pub(super) cases: usize,
    /// Links whose ends were compared.
    pub(super) links: usize,
    /// What differs, at most [`DIFFERENCES_MAX`].
    pub(super) differences: Vec<String>,
    /// How many differences there are.
    pub(super) count: usize,
}

impl Checked {
    pub(super) fn differs(&mut self, what: String) {
        self.count += 1;
        if self.differences.len() < DIFFERENCES_MAX {
            self.differences.push(what);
        }
    }

    /// As [`Self::differs`], but told before what follows from it.
    pub(super) fn differs_first(&mut self, what: String) {
        self.count += 1;
        self.differences.insert(0, what);
        self.differences.truncate(DIFFERENCES_MAX);
    }
}

/// Compares everything.
pub(super) async fn check(
    world: &World,
    statuses: &[pb::GetStatusResponse],
    oracle: &Oracle,
) -> Checked {
    let mut checked = Checked::default();
    let digests = world.digests(DIGESTS).await;
    if digests.len() != world.desks.len() {
        checked.differs("not every node was asked for its digest".to_owned());
    }
    let name = |place: usize| {
        let place = &world.tree.places[place];
        format!("{} {}", place.tier.word(), place.name)
    };
    for (place, digest) in digests.iter().enumerate() {
        if let Err(status) = digest {
            let told = refusal(status);
            let why = format!("no digest: {}: {}", told.code, told.english);
            checked.differs(format!("{}: {why}", name(place)));
        }
    }
    links(world, statuses, &digests, &mut checked, &name);
    let heads: Vec<BTreeMap<&str, Vec<&pb::CaseDigest>>> = digests.iter().map(heads_of).collect();
    cases(world, oracle, &heads, &mut checked);
    checked
}

fn heads_of(digest: &Answer<pb::GetDigestResponse>) -> BTreeMap<&str, Vec<&pb::CaseDigest>> {
    let mut heads: BTreeMap<&str, Vec<&pb::CaseDigest>> = BTreeMap::new();
    for head in digest
        .iter()
        .flat_map(|digest| &digest.heads)
        .filter(|head| !head.notice_only)
    {
        heads.entry(&head.external_number).or_default().push(head);
    }
    heads
}

fn links(
    world: &World,
    statuses: &[pb::GetStatusResponse],
    digests: &[Answer<pb::GetDigestResponse>],
    checked: &mut Checked,
    name: &dyn Fn(usize) -> String,
) {
    let hash = |at: usize, to: usize| {
        let link = &statuses.get(to)?.node;
        let digest = digests.get(at)?.as_ref().ok()?;
        digest
            .links
            .iter()
            .find(|known| known.link == *link)
            .map(|known| known.hash.clone())
    };
    for (place, parent) in world
        .tree
        .places
        .iter()
        .enumerate()
        .filter_map(|(index, place)| Some((index, place.parent?)))
    {
        checked.links += 1;
        let (below, above) = (hash(place, parent), hash(parent, place));
        if below.is_none() || below != above {
            checked.differs(format!(
                "link {} - {}: digests differ",
                name(place),
                name(parent)
            ));
        }
    }
}

fn cases(
    world: &World,
    oracle: &Oracle,
    heads: &[BTreeMap<&str, Vec<&pb::CaseDigest>>],
    checked: &mut Checked,
) {
    for (id, expected) in &oracle.cases {
        checked.cases += 1;
        let handler = match expected.tier {
            oracle::Tier::Township => world.tree.find(Tier::Township, &expected.township),
            oracle::Tier::County => world.tree.find(Tier::County, &expected.county),
            oracle::Tier::City => world.tree.of(Tier::City).next(),
        };
        let village = world.tree.find(Tier::Village, &expected.village);
        for (role, place) in [("village", village), ("handler", handler)] {
            let found = place
                .and_then(|place| heads.get(place))
                .and_then(|heads| heads.get(id.as_str()));
            if let Some(difference) = difference(found.map(Vec::as_slice), expected) {
                checked.differs(format!("case {id} at its {role}: {difference}"));
            }
        }
    }
    let kept: usize = world
        .tree
        .of(Tier::Village)
        .filter_map(|place| heads.get(place))
        .map(BTreeMap::len)
        .sum();
    if kept != oracle.cases.len() {
        checked.differs(format!(
            "villages hold {kept} cases, the file has {}",
            oracle.cases.len()
        ));
    }
    // Who handles is where nothing further was taken to: above it the case is known by its notice only.
    let city = world
        .tree
        .of(Tier::City)
        .filter_map(|place| heads.get(place))
        .flat_map(BTreeMap::keys);
    for id in city {
        if oracle
            .cases
            .get(*id)
            .is_none_or(|expected| expected.tier != oracle::Tier::City && !one_below(expected))
        {
            checked.differs(format!(
                "case {id} stands at the city, where it was not escalated to"
            ));
        }
    }
}

/// One hop above its handler a case stands as the sealed copy.
fn one_below(expected: &Expected) -> bool {
    expected.tier == oracle::Tier::County
}

fn difference(found: Option<&[&pb::CaseDigest]>, expected: &Expected) -> Option<String> {
    let outcome = u32::try_from(i32::from(expected.outcome)).unwrap_or_default();
    match found {
        None | Some([]) => Some("is not there".to_owned()),
        Some([head]) if head.stage == expected.stage && head.outcome == outcome => None,
        Some([head]) => Some(format!(
            "is {} with outcome {}, expected {} with outcome {}",
            head.stage, head.outcome, expected.stage, outcome
        )),
        Some(more) => Some(format!("is there {} times", more.len())),
    }
}
