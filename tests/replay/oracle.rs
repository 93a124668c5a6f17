//! What must become of every request of the Boston file, computed from the file alone.
//!
//! A second opinion: it shares no code with the rules of casework, with the reader of tables, or with what drives the
//! replay, but for how a resolution is read; it knows the CSV and the words of the answer. It never asks a node.
//!
//! The rules of the replay, as this module understands them: a due before the creation, or more than ten years of 366
//! days after it, is refused; the type's lead agency of the dispatch catalogue (the row's own where the type is not in
//! it) says the tier: public works at the township, inspection, parks and transport at the county, everyone else at the
//! city; a closed row ends closed with the outcome its resolution tells, an open row stays with its handler, and is not
//! even begun where it has no due.

use std::collections::BTreeMap;

use fengqiao_proto::v1 as pb;

use super::outcome::of_resolution;

/// Who handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tier {
    /// The ward's centre.
    Township,
    /// The neighbourhood's centre.
    County,
    /// The city's centre.
    City,
}

/// What must stand in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected {
    /// Name of the village that takes the request in.
    pub(crate) village: String,
    /// Name of the township above it.
    pub(crate) township: String,
    /// Name of the county above that.
    pub(crate) county: String,
    /// Who handles it.
    pub(crate) tier: Tier,
    /// Stage.
    pub(crate) stage: &'static str,
    /// Outcome; unspecified while it is open.
    pub(crate) outcome: pb::Outcome,
}

/// What the file as a whole must lead to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Oracle {
    /// By request id.
    pub(crate) cases: BTreeMap<String, Expected>,
    /// Ids of rows to be refused.
    pub(crate) refused: Vec<String>,
    /// Rows read.
    pub(crate) rows: usize,
}

/// Why no opinion can be given.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OracleError {
    /// Not CSV.
    #[error("the file is no CSV")]
    Csv(#[from] csv::Error),
    /// A column is missing.
    #[error("column {0} is missing")]
    Column(&'static str),
}

const UNPLACED: &str = "unplaced";

/// Computes the end from the requests' and the catalogue's text.
///
/// # Errors
/// [`OracleError`].
pub(crate) fn oracle(requests: &str, catalogue: &str) -> Result<Oracle, OracleError> {
    let leads = leads(catalogue)?;
    let rows = read(
        requests,
        [
            "id",
            "created_at",
            "due_at",
            "status",
            "agency",
            "type",
            "neighborhood",
            "ward",
            "precinct",
            "resolution",
        ],
    )?;
    let mut oracle = Oracle {
        rows: rows.len(),
        ..Default::default()
    };
    let mut sound = Vec::new();
    for row in rows {
        let [id, created, due, ..] = &row;
        let refused = match (seconds(created), seconds(due)) {
            (Some(created), Some(due)) => due < created || due - created > 10 * 366 * 86_400,
            (Some(_), None) => !due.is_empty(),
            (None, _) => true,
        };
        if refused {
            oracle.refused.push(id.clone());
        } else {
            sound.push(row);
        }
    }
    let counties = counties(&sound);
    for [
        id,
        _,
        due,
        status,
        agency,
        kind,
        _,
        ward,
        precinct,
        resolution,
    ] in sound
    {
        let lead = leads.get(&kind).unwrap_or(&agency);
        let (village, township, county) = match placed(&ward, &precinct) {
            Some(number) => {
                let county = counties.get(&number).cloned().unwrap_or_default();
                (precinct, format!("Ward {number}"), county)
            }
            None => (
                UNPLACED.to_owned(),
                UNPLACED.to_owned(),
                UNPLACED.to_owned(),
            ),
        };
        let closed = status == "Closed";
        let stage = match (closed, due.is_empty()) {
            (true, _) => "closed",
            (false, false) => "handling",
            (false, true) => "dispatched",
        };
        let outcome = if closed {
            of_resolution(&resolution)
        } else {
            pb::Outcome::Unspecified
        };
        oracle.cases.insert(
            id,
            Expected {
                village,
                township,
                county,
                tier: tier_of(lead),
                stage,
                outcome,
            },
        );
    }
    Ok(oracle)
}

fn tier_of(lead: &str) -> Tier {
    match lead {
        "PWDx" => Tier::Township,
        "ISD" | "PARK" | "BTDT" => Tier::County,
        _ => Tier::City,
    }
}

/// The ward's number, where the row names both a ward and a precinct: that of the precinct's first two digits.
fn placed(ward: &str, precinct: &str) -> Option<u32> {
    if ward.is_empty() {
        return None;
    }
    precinct.get(..2).and_then(|digits| digits.parse().ok())
}

/// The commonest neighbourhood of each ward; of equally common ones the first by name.
fn counties(rows: &[[String; 10]]) -> BTreeMap<u32, String> {
    let mut counts: BTreeMap<u32, BTreeMap<&str, u64>> = BTreeMap::new();
    for [_, _, _, _, _, _, neighborhood, ward, precinct, _] in rows {
        let Some(number) = placed(ward, precinct) else {
            continue;
        };
        let counts = counts.entry(number).or_default();
        if !neighborhood.is_empty() {
            *counts.entry(neighborhood).or_default() += 1;
        }
    }
    let commonest = |counts: &BTreeMap<&str, u64>| {
        let most = counts.values().max().copied().unwrap_or(0);
        let first = counts.iter().find(|(_, count)| **count == most);
        first.map_or_else(|| UNPLACED.to_owned(), |(name, _)| (*name).to_owned())
    };
    counts
        .iter()
        .map(|(number, counts)| (*number, commonest(counts)))
        .collect()
}

fn leads(catalogue: &str) -> Result<BTreeMap<String, String>, OracleError> {
    let rows = read(catalogue, ["type", "lead_agency"])?;
    Ok(rows.into_iter().map(|[kind, lead]| (kind, lead)).collect())
}

fn read<const N: usize>(
    text: &str,
    columns: [&'static str; N],
) -> Result<Vec<[String; N]>, OracleError> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader.headers()?.clone();
    let mut places = [0; N];
    for (place, column) in places.iter_mut().zip(columns) {
        *place = headers
            .iter()
            .position(|header| header == column)
            .ok_or(OracleError::Column(column))?;
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record?;
        rows.push(places.map(|place| record.get(place).unwrap_or_default().trim().to_owned()));
    }
    Ok(rows)
}

/// Seconds of a moment written `2011-07-01T01:32:33-04:00`, from some fixed instant.
fn seconds(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let sign = match text.get(19..20)? {
        "-" => -1,
        "+" => 1,
        _ => return None,
    };
    let offset = sign * (number(20, 22)? * 3_600 + number(23, 25)? * 60);
    // Days of the Gregorian calendar, years begun in March so that the leap day is the last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second - offset)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const CATALOGUE: &str = "type,lead_agency\nPothole,PWDx\nTree,PARK\nQuestion,INFO\n";
    const HEADER: &str =
        "id,created_at,due_at,status,agency,type,neighborhood,ward,precinct,resolution\n";

    fn of(rows: &str) -> Oracle {
        oracle(&format!("{HEADER}{rows}"), CATALOGUE).unwrap()
    }

    fn row(id: &str, agency: &str, kind: &str, ward: &str, precinct: &str) -> String {
        format!(
            "{id},2011-07-01T01:00:00-04:00,2011-07-02T01:00:00-04:00,Closed,{agency},{kind},Dorchester,{ward},{precinct},Case Closed Case Resolved ok\n"
        )
    }

    #[test]
    fn the_catalogues_lead_agency_says_the_tier_and_the_rows_own_where_the_type_is_unknown() {
        let rows = [
            row("1", "INFO", "Pothole", "Ward 17", "1714"),
            row("2", "PWDx", "Tree", "17", "1714"),
            row("3", "PWDx", "Question", "17", "1714"),
            row("4", "ISD", "Unheard of", "17", "1714"),
            row("5", "No Q", "Unheard of", "17", "1714"),
        ];
        let oracle = of(&rows.concat());
        let tiers: Vec<Tier> = oracle.cases.values().map(|case| case.tier).collect();
        assert_eq!(
            tiers,
            [
                Tier::Township,
                Tier::County,
                Tier::City,
                Tier::County,
                Tier::City
            ]
        );
    }

    #[test]
    fn a_due_before_the_creation_is_refused_also_across_offsets_and_a_missing_one_is_not() {
        let oracle = of(
            "1,2011-07-01T01:00:00-04:00,2011-07-01T00:59:59-04:00,Open,PWDx,Pothole,,,,\n\
             2,2011-07-01T01:00:00-04:00,2011-07-01T05:00:00+00:00,Open,PWDx,Pothole,,,,\n\
             3,2011-07-01T01:00:00-04:00,2011-07-01T01:30:00+00:00,Open,PWDx,Pothole,,,,\n\
             4,2011-07-01T01:00:00-04:00,,Open,PWDx,Pothole,,,,\n",
        );
        assert_eq!(oracle.refused, ["1", "3"]);
        assert_eq!(oracle.cases.keys().collect::<Vec<_>>(), ["2", "4"]);
        assert_eq!(oracle.rows, 4);
    }

    #[test]
    fn a_due_that_no_rulebook_can_say_is_refused_and_the_last_it_can_say_is_not() {
        let oracle = of(
            "1,2011-07-01T01:00:00-04:00,2021-07-08T01:00:00-04:00,Open,PWDx,Pothole,,,,\n\
             2,2011-07-01T01:00:00-04:00,2021-07-08T01:00:01-04:00,Open,PWDx,Pothole,,,,\n\
             3,2011-07-01T01:00:00-04:00,2059-12-31T19:00:00-05:00,Open,PWDx,Pothole,,,,\n",
        );
        assert_eq!(oracle.refused, ["2", "3"]);
    }

    #[test]
    fn two_spellings_of_a_ward_are_one_and_the_commonest_neighbourhood_is_its_county() {
        let rows = "1,2011-07-01T01:00:00-04:00,,Open,PWDx,Pothole,Roxbury,Ward 8,0801,\n\
             2,2011-07-01T01:00:00-04:00,,Open,PWDx,Pothole,Dorchester,08,0802,\n\
             3,2011-07-01T01:00:00-04:00,,Open,PWDx,Pothole,Roxbury,8,0802,\n";
        for case in of(rows).cases.values() {
            assert_eq!(
                (case.township.as_str(), case.county.as_str()),
                ("Ward 8", "Roxbury")
            );
        }
    }

    #[test]
    fn rows_without_ward_or_precinct_are_unplaced_and_the_precinct_says_the_ward() {
        let rows = [
            row("1", "PWDx", "Pothole", "", "1714"),
            row("2", "PWDx", "Pothole", "17", ""),
            row("3", "PWDx", "Pothole", "16", "1714"),
        ];
        let oracle = of(&rows.concat());
        assert_eq!(oracle.cases["1"].village, "unplaced");
        assert_eq!(oracle.cases["2"].village, "unplaced");
        assert_eq!(
            (
                oracle.cases["3"].village.as_str(),
                oracle.cases["3"].township.as_str()
            ),
            ("1714", "Ward 17")
        );
    }

    #[test]
    fn open_rows_stay_with_their_handler_and_are_not_begun_without_a_due() {
        let oracle = of(
            "1,2011-07-01T01:00:00-04:00,2011-07-02T01:00:00-04:00,Open,PWDx,Pothole,,,,\n\
             2,2011-07-01T01:00:00-04:00,,Open,PWDx,Pothole,,,,\n",
        );
        assert_eq!(
            (oracle.cases["1"].stage, oracle.cases["1"].outcome),
            ("handling", pb::Outcome::Unspecified)
        );
        assert_eq!(oracle.cases["2"].stage, "dispatched");
    }
}
