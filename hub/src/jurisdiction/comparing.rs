//! A table of divisions compared with what stands: the yearly table after moves, mergers and renamings changes what
//! changed and nothing else.
//!
//! A place is known again by its code, and where its code is new by its name. A place that has ended is not revived, one
//! that a superior moved away is not made a second time, and no two that stand are alike in code or name afterwards.

use std::collections::{BTreeMap, BTreeSet};

use super::{Code as DivisionCode, NAME_CHARACTERS_MAX, Place, Registry};
use crate::id::PlaceId;
use crate::name::{half_width, likeness, read};
use crate::rank::Level;
use crate::rank::level;
use crate::refusal::{Code, Refusal};

/// A row of the table, directly below the place that compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Division {
    /// Official code.
    pub code: String,
    /// Name.
    pub name: String,
    /// Level of its tier.
    pub level: Level,
}

/// What a row comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// No such place stands.
    New,
    /// It stands so.
    Known(PlaceId),
    /// It stands with another name or code.
    Changed(PlaceId),
    /// It has ended and stays so.
    Ended(PlaceId),
    /// It stands below another place now.
    Moved(PlaceId),
    /// It cannot be.
    Refused(Refusal),
}

/// Compares all rows of a table that stand directly below a place. Each comes back as it is to be written, with what it
/// comes to.
#[must_use]
pub fn compare(
    registry: &Registry,
    here: PlaceId,
    rows: &[Division],
) -> Vec<(Division, Comparison)> {
    let read: Vec<Result<Division, Refusal>> = rows
        .iter()
        .map(|row| division(registry, here, row))
        .collect();
    let codes: BTreeSet<&str> = read.iter().flatten().map(|row| row.code.as_str()).collect();
    let mut compared: Vec<(Division, Comparison)> = read
        .iter()
        .zip(rows)
        .map(|(read, row)| match read {
            Ok(row) => (row.clone(), one(registry, here, row, &codes)),
            Err(refusal) => (row.clone(), Comparison::Refused(refusal.clone())),
        })
        .collect();
    refuse_twins(registry, here, &mut compared);
    compared
}

/// A row in the spelling it is kept in.
fn division(registry: &Registry, here: PlaceId, row: &Division) -> Result<Division, Refusal> {
    let name = read(&row.name, NAME_CHARACTERS_MAX, "name")?;
    let code = half_width(&row.code);
    if code.parse::<DivisionCode>().is_err() {
        return Err(Refusal::of(Code::Malformed, "code").because("2 | 4 | 6 | 9 | 12 × 0-9"));
    }
    let own = registry.place(here).map_or(0, |place| place.level);
    if row.level <= own || row.level > level::VILLAGE {
        let levels = format!("{}-{}", own + 1, level::VILLAGE);
        return Err(Refusal::of(Code::OutOfRange, "level").because(levels));
    }
    Ok(Division {
        code,
        name,
        level: row.level,
    })
}

fn one(registry: &Registry, here: PlaceId, row: &Division, codes: &BTreeSet<&str>) -> Comparison {
    let bearing: Vec<&Place> = registry
        .places()
        .filter(|place| place.code == row.code)
        .collect();
    let below = |place: &&&Place| place.parent == Some(here);
    // Of two that bear a code, one that ended before and one that stands, the one that stands is meant.
    let standing = bearing.iter().find(|place| place.ended.is_none());
    if let Some(place) = standing.or(bearing.first()) {
        if place.id == here {
            return Comparison::Refused(Refusal::of(Code::NameTaken, "code").because(told(place)));
        }
        return match (place.parent == Some(here), place.ended) {
            (_, Some(_)) => Comparison::Ended(place.id),
            (false, None) => Comparison::Moved(place.id),
            (true, None) => as_it_stands(place, row),
        };
    }
    let alike = likeness(&row.name);
    let named: Vec<&Place> = registry
        .places()
        .filter(|place| place.ended.is_none() && likeness(&place.name) == alike)
        .collect();
    if let Some(place) = named.iter().find(below) {
        // Its code has changed, unless the table goes on to name it by the old one.
        if !codes.contains(place.code.as_str()) {
            return as_it_stands(place, row);
        }
    }
    let moved_away = named
        .iter()
        .find(|place| place.parent != Some(here) && registry.ever_below(place.id, here));
    if let Some(place) = moved_away {
        return Comparison::Moved(place.id);
    }
    Comparison::New
}

fn as_it_stands(place: &Place, row: &Division) -> Comparison {
    if place.level != row.level {
        return Comparison::Refused(Refusal::of(Code::LevelDiffers, "level").because(told(place)));
    }
    if place.name == row.name && place.code == row.code {
        Comparison::Known(place.id)
    } else {
        Comparison::Changed(place.id)
    }
}

/// Refuses rows after which two places that stand would be alike in name or code.
fn refuse_twins(registry: &Registry, here: PlaceId, compared: &mut [(Division, Comparison)]) {
    let touched: BTreeSet<PlaceId> = compared
        .iter()
        .filter_map(|(_, comparison)| match comparison {
            Comparison::Known(place) | Comparison::Changed(place) => Some(*place),
            Comparison::New
            | Comparison::Ended(_)
            | Comparison::Moved(_)
            | Comparison::Refused(_) => None,
        })
        .collect();
    let mut names = BTreeMap::new();
    let mut codes = BTreeMap::new();
    let mut places = BTreeSet::new();
    let untouched = registry
        .children(here)
        .iter()
        .filter(|child| !touched.contains(child))
        .filter_map(|child| registry.place(*child))
        .filter(|child| child.ended.is_none());
    for child in untouched {
        names.insert(likeness(&child.name), told(child));
        if !child.code.is_empty() {
            codes.insert(child.code.clone(), told(child));
        }
    }
    // What stands as it is comes before what is to be changed or added.
    let settled = |comparison: &Comparison| matches!(comparison, Comparison::Known(_));
    let (known, others): (Vec<_>, Vec<_>) = compared
        .iter_mut()
        .partition(|(_, comparison)| settled(comparison));
    for (row, comparison) in known.into_iter().chain(others) {
        let place = match comparison {
            Comparison::Ended(_) | Comparison::Moved(_) | Comparison::Refused(_) => continue,
            Comparison::New => None,
            Comparison::Known(place) | Comparison::Changed(place) => Some(*place),
        };
        let taken = |field, by: &str| {
            Comparison::Refused(Refusal::of(Code::NameTaken, field).because(by.to_owned()))
        };
        if let Some(by) = codes.get(&row.code) {
            *comparison = taken("code", by);
        } else if let Some(by) = names.get(&likeness(&row.name)) {
            *comparison = taken("name", by);
        } else if place.is_some_and(|place| !places.insert(place)) {
            *comparison = taken("name", &format!("{} {}", row.name, row.code));
        } else {
            let told = format!("{} {}", row.name, row.code);
            names.insert(likeness(&row.name), told.clone());
            codes.insert(row.code.clone(), told);
        }
    }
}

fn told(place: &Place) -> String {
    format!("{} {}", place.name, place.code)
        .trim_end()
        .to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const HERE: PlaceId = PlaceId([1; 10]);

    fn place(id: u8, code: &str, name: &str) -> Place {
        Place {
            id: PlaceId([id; 10]),
            code: code.to_owned(),
            name: name.to_owned(),
            level: level::COUNTY,
            parent: Some(HERE),
            ended: None,
        }
    }

    /// A city, what stands directly below it, and what stands elsewhere.
    fn registry(below: &[Place], elsewhere: &[Place]) -> Registry {
        let mut registry = Registry::default();
        let city = Place {
            level: level::CITY,
            parent: None,
            ..place(1, "3714", "德州市")
        };
        for known in [&[city], below, elsewhere].concat() {
            if known.parent == Some(HERE) {
                registry.children.entry(HERE).or_default().push(known.id);
            }
            registry.places.insert(known.id, known);
        }
        registry
    }

    fn row(code: &str, name: &str) -> Division {
        Division {
            code: code.to_owned(),
            name: name.to_owned(),
            level: level::COUNTY,
        }
    }

    /// What rows come to, in short.
    fn compared(registry: &Registry, rows: &[(&str, &str)]) -> Vec<String> {
        let rows: Vec<Division> = rows.iter().map(|(code, name)| row(code, name)).collect();
        let compared = compare(registry, HERE, &rows);
        let short = compared
            .into_iter()
            .map(|(_, comparison)| match comparison {
                Comparison::New => "new".to_owned(),
                Comparison::Known(place) => format!("known {}", place.0[0]),
                Comparison::Changed(place) => format!("changed {}", place.0[0]),
                Comparison::Ended(place) => format!("ended {}", place.0[0]),
                Comparison::Moved(place) => format!("moved {}", place.0[0]),
                Comparison::Refused(refusal) => {
                    format!("{} {}", refusal.code.as_str(), refusal.field)
                }
            });
        short.collect()
    }

    #[test]
    fn the_same_table_changes_nothing() {
        let registry = registry(
            &[place(2, "371402", "德城区"), place(3, "371403", "陵城区")],
            &[],
        );
        let rows = [("371402", "德城区"), (" ３７１４０３ ", "陵城区\u{3000}")];
        assert_eq!(compared(&registry, &rows), ["known 2", "known 3"]);
    }

    #[test]
    fn a_name_or_a_code_that_changed_is_changed_and_two_may_swap_names() {
        let standing = [
            place(2, "371402", "甲县"),
            place(3, "371403", "乙县"),
            place(4, "", "丙县"),
        ];
        let registry = registry(&standing, &[]);
        let renamed = [("371402", "甲新区"), ("371403", "乙县")];
        assert_eq!(compared(&registry, &renamed), ["changed 2", "known 3"]);
        let recoded = [("371499", "甲县"), ("371403", "乙县"), ("371404", "丙县")];
        assert_eq!(
            compared(&registry, &recoded),
            ["changed 2", "known 3", "changed 4"]
        );
        let swapped = [("371402", "乙县"), ("371403", "甲县")];
        assert_eq!(compared(&registry, &swapped), ["changed 2", "changed 3"]);
    }

    #[test]
    fn what_would_be_alike_with_another_that_stands_is_refused() {
        let registry = registry(
            &[place(2, "371402", "甲县"), place(3, "371403", "乙县")],
            &[],
        );
        // The table goes on to name 甲县 by its old code, so another one of that name is a twin.
        let twin = [("371499", "甲 县"), ("371402", "甲县")];
        assert_eq!(compared(&registry, &twin), ["NAME_TAKEN name", "known 2"]);
        let renamed = [("371402", "乙县")];
        assert_eq!(compared(&registry, &renamed), ["NAME_TAKEN name"]);
        let within = [("371410", "丙县"), ("371411", "丙县"), ("371410", "丁县")];
        let expected = ["new", "NAME_TAKEN name", "NAME_TAKEN code"];
        assert_eq!(compared(&registry, &within), expected);
        assert_eq!(
            compared(&registry, &[("3714", "戊县")]),
            ["NAME_TAKEN code"]
        );
    }

    #[test]
    fn what_ended_or_stands_elsewhere_is_left() {
        let ended = Place {
            ended: Some(PlaceId([3; 10])),
            ..place(2, "371402", "甲县")
        };
        let elsewhere = Place {
            parent: Some(PlaceId([9; 10])),
            ..place(4, "371404", "丁县")
        };
        let registry = registry(&[ended, place(3, "371403", "乙县")], &[elsewhere]);
        let rows = [
            ("371402", "甲县"),
            ("371402", "另名"),
            ("371404", "丁县"),
            ("371405", "甲县"),
        ];
        assert_eq!(
            compared(&registry, &rows),
            ["ended 2", "ended 2", "moved 4", "new"]
        );
    }

    #[test]
    fn a_row_that_cannot_be_is_refused_by_its_field() {
        let registry = registry(&[place(2, "371402", "甲县")], &[]);
        let refused = |row: Division| {
            let comparison = compare(&registry, HERE, &[row]).remove(0).1;
            let Comparison::Refused(refusal) = comparison else {
                panic!("{comparison:?}");
            };
            (refusal.code, refusal.field)
        };
        let level = |level| Division {
            level,
            ..row("371402", "甲县")
        };
        assert_eq!(
            refused(level(level::TOWNSHIP)),
            (Code::LevelDiffers, "level")
        );
        assert_eq!(refused(level(level::CITY)), (Code::OutOfRange, "level"));
        assert_eq!(refused(row("37140", "甲县")), (Code::Malformed, "code"));
        assert_eq!(
            refused(row("371403", "甲\u{200b}县")),
            (Code::InvisibleCharacter, "name")
        );
    }
}
