//! From the rows to a tree of places and to the way of each request through it.
//!
//! | The file | The replay |
//! |---|---|
//! | precinct | village, in the ward of its first two digits; rows without ward or precinct: `unplaced` |
//! | ward (`Ward 17` and `17` are one) | township, in the county of its commonest neighbourhood |
//! | neighbourhood | county |
//! | the type's lead agency is PWDx | handled at the township |
//! | … is ISD, PARK or BTDT | escalated again, handled at the county |
//! | … is any other | escalated twice again, handled at the city |
//! | agency | unit of the centre that handles |
//! | closed | the whole life; the outcome is that of the resolution's first words |
//! | open with a due | stays with its unit, being handled |
//! | open without a due | stays dispatched to its unit |
//! | a due before the creation, or more than 3,660 days after it | refused by name, and not replayed |

use std::collections::{BTreeMap, BTreeSet};

use fengqiao_hub::rulebook::Part;
use fengqiao_node::cli::bundle::shipped;
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::failed::{Done, Failed};

use super::outcome::of_resolution;
use super::rows::{DUE_DAYS_MAX, Request};

/// A tier, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tier {
    /// Precincts.
    Village,
    /// Wards.
    Township,
    /// Neighbourhoods.
    County,
    /// The city.
    City,
}

impl Tier {
    /// From the top down.
    pub(super) const DOWNWARDS: [Self; 4] =
        [Self::City, Self::County, Self::Township, Self::Village];

    /// Its level in the registry.
    pub(super) fn level(self) -> u32 {
        match self {
            Self::Village => 60,
            Self::Township => 50,
            Self::County => 40,
            Self::City => 30,
        }
    }

    /// Its word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Village => "village",
            Self::Township => "township",
            Self::County => "county",
            Self::City => "city",
        }
    }

    /// Its word in Chinese.
    pub(super) fn word_zh(self) -> &'static str {
        match self {
            Self::Village => "村",
            Self::Township => "乡镇",
            Self::County => "县区",
            Self::City => "市",
        }
    }
}

/// A place of the tree.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Tier.
    pub(super) tier: Tier,
    /// Name, once a tier.
    pub(super) name: String,
    /// Number of the place above.
    pub(super) parent: Option<usize>,
    /// Agencies that are units of its centre.
    pub(super) units: BTreeSet<String>,
}

/// All places, the city first and each after the one above it.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree {
    /// Places.
    pub(super) places: Vec<Place>,
    by_name: BTreeMap<(Tier, String), usize>,
}

impl Tree {
    fn place(&mut self, tier: Tier, name: &str, parent: Option<usize>) -> usize {
        let places = &mut self.places;
        *self
            .by_name
            .entry((tier, name.to_owned()))
            .or_insert_with(|| {
                places.push(Place {
                    tier,
                    name: name.to_owned(),
                    parent,
                    units: BTreeSet::new(),
                });
                places.len() - 1
            })
    }

    /// The place of a tier by its name.
    pub(super) fn find(&self, tier: Tier, name: &str) -> Option<usize> {
        self.by_name.get(&(tier, name.to_owned())).copied()
    }

    /// The places of a tier.
    pub(super) fn of(&self, tier: Tier) -> impl Iterator<Item = usize> {
        self.places
            .iter()
            .enumerate()
            .filter(move |(_, place)| place.tier == tier)
            .map(|(index, _)| index)
    }

    /// The places directly below one.
    pub(super) fn below(&self, parent: usize) -> impl Iterator<Item = usize> {
        self.places
            .iter()
            .enumerate()
            .filter(move |(_, place)| place.parent == Some(parent))
            .map(|(index, _)| index)
    }
}

/// One request with its way.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    /// The request.
    pub(super) request: Request,
    /// Places from the village to where it is handled.
    pub(super) way: Vec<usize>,
    /// Class in the catalogue.
    pub(super) class: String,
    /// Outcome, when it is closed.
    pub(super) outcome: pb::Outcome,
}

/// Everything that is to happen.
#[derive(Debug)]
pub(super) struct Plan {
    /// Places.
    pub(super) tree: Tree,
    /// Requests by time of creation.
    pub(super) cases: Vec<Planned>,
    /// The catalogue as CSV.
    pub(super) catalogue: String,
}

impl Plan {
    /// The rules that ship, with the catalogue of the plan.
    pub(super) fn rulebook(&self) -> Vec<pb::BundleFile> {
        let mut files = shipped();
        for file in &mut files {
            if file.name == Part::Classes.file() {
                file.content = self.catalogue.clone().into_bytes();
            } else if file.name == Part::Rules.file() {
                file.content = with_boston_dues(&file.content);
            }
        }
        files
    }
}

/// Boston gives years; ten are the most a span may say.
fn with_boston_dues(rules: &[u8]) -> Vec<u8> {
    let rules = String::from_utf8_lossy(rules);
    let furthest = format!("within_max = \"{DUE_DAYS_MAX} days\"");
    rules
        .replace("within_max = \"180 days\"", &furthest)
        .into_bytes()
}

const UNPLACED: &str = "unplaced";
/// Name of the first place.
pub(super) const CITY: &str = "Boston";

/// Plans the replay of these requests by the dispatch catalogue that ships.
///
/// # Errors
/// The catalogue does not read.
pub(super) fn plan(requests: Vec<Request>, dispatch: &str) -> Done<Plan> {
    let leads = leads(dispatch).map_err(|error| Failed::from(anyhow::Error::new(error)))?;
    let counties = counties(&requests);
    let classes = classes(requests.iter().map(|request| request.kind.as_str()));
    let mut tree = Tree::default();
    let city = tree.place(Tier::City, CITY, None);
    let mut cases = Vec::new();
    for request in requests {
        let ward = ward_of(&request);
        let (village, township, county) = match ward {
            Some(number) => (
                request.precinct.clone(),
                format!("Ward {number}"),
                counties
                    .get(&number)
                    .cloned()
                    .unwrap_or_else(|| UNPLACED.to_owned()),
            ),
            None => (
                UNPLACED.to_owned(),
                UNPLACED.to_owned(),
                UNPLACED.to_owned(),
            ),
        };
        let county = tree.place(Tier::County, &county, Some(city));
        let township = tree.place(Tier::Township, &township, Some(county));
        let village = tree.place(Tier::Village, &village, Some(township));
        let mut way = vec![village, township, county, city];
        let lead = leads.get(&request.kind).unwrap_or(&request.agency);
        way.truncate(match lead.as_str() {
            "PWDx" => 2,
            "ISD" | "PARK" | "BTDT" => 3,
            _ => 4,
        });
        if let Some(handler) = way.last().and_then(|place| tree.places.get_mut(*place)) {
            handler.units.insert(request.agency.clone());
        }
        let class = classes.get(&request.kind).cloned().unwrap_or_default();
        let outcome = if request.closed {
            of_resolution(&request.resolution)
        } else {
            pb::Outcome::Unspecified
        };
        cases.push(Planned {
            request,
            way,
            class,
            outcome,
        });
    }
    let catalogue = catalogue(&classes).map_err(Failed::from)?;
    Ok(Plan {
        tree,
        cases,
        catalogue,
    })
}

/// The ward's number, from the precinct's first two digits.
fn ward_of(request: &Request) -> Option<u32> {
    if request.ward.is_empty() {
        return None;
    }
    request.precinct.get(..2)?.parse().ok()
}

fn counties(requests: &[Request]) -> BTreeMap<u32, String> {
    let mut seen: BTreeMap<u32, BTreeMap<&str, usize>> = BTreeMap::new();
    for request in requests
        .iter()
        .filter(|request| !request.neighborhood.is_empty())
    {
        if let Some(ward) = ward_of(request) {
            *seen
                .entry(ward)
                .or_default()
                .entry(&request.neighborhood)
                .or_default() += 1;
        }
    }
    seen.into_iter()
        .filter_map(|(ward, counts)| {
            // The first by name among equally common ones.
            let commonest = counts.into_iter().rev().max_by_key(|(_, count)| *count)?;
            Some((ward, commonest.0.to_owned()))
        })
        .collect()
}

fn leads(dispatch: &str) -> Result<BTreeMap<String, String>, csv::Error> {
    let mut reader = csv::Reader::from_reader(dispatch.as_bytes());
    let mut leads = BTreeMap::new();
    for row in reader.deserialize::<BTreeMap<String, String>>() {
        let mut row = row?;
        leads.insert(
            row.remove("type").unwrap_or_default(),
            row.remove("lead_agency").unwrap_or_default(),
        );
    }
    Ok(leads)
}

/// A class id for each type: 1 to 64 of a-z, 0-9 and hyphen, none twice.
fn classes<'a>(types: impl Iterator<Item = &'a str>) -> BTreeMap<String, String> {
    const ROOM_FOR_NUMBER: usize = 58;
    let types: BTreeSet<&str> = types.collect();
    let mut taken = BTreeSet::new();
    let mut classes = BTreeMap::new();
    for kind in types {
        let letters = kind.chars().map(|letter| letter.to_ascii_lowercase());
        let plain: String = letters
            .map(|letter| {
                if letter.is_ascii_alphanumeric() {
                    letter
                } else {
                    '-'
                }
            })
            .collect();
        let words: Vec<&str> = plain.split('-').filter(|word| !word.is_empty()).collect();
        let mut id: String = words.join("-").chars().take(ROOM_FOR_NUMBER).collect();
        if id.is_empty() {
            id.push('x');
        }
        let mut number = 2;
        let mut free = id.clone();
        while !taken.insert(free.clone()) {
            free = format!("{id}-{number}");
            number += 1;
        }
        classes.insert(kind.to_owned(), free);
    }
    classes
}

/// Clocks run on calendar days: the working calendar that ships begins later than the file.
fn catalogue(classes: &BTreeMap<String, String>) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "id",
        "parent",
        "name_zh",
        "name_en",
        "lead_unit_kind",
        "level_lowest",
        "clock_preset",
        "escalation_grace_minutes",
        "returns_max",
    ])?;
    for (kind, id) in classes {
        writer.write_record([
            id,
            "",
            kind,
            kind,
            "urban_management",
            "60",
            "dezhou-333",
            "1440",
            "2",
        ])?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// The login of a unit's handler: 1 to 32 of a-z, 0-9 and hyphen.
pub(super) fn login_of(agency: &str) -> String {
    let plain = agency.chars().map(|letter| letter.to_ascii_lowercase());
    let plain: String = plain
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '-'
            }
        })
        .take(24)
        .collect();
    format!("unit-{plain}")
}
