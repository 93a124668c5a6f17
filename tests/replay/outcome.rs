//! What became of a request, by the words of its resolution. It is read here and nowhere else, by what drives the replay
//! and by the oracle alike: how a clerk in Boston wrote is no rule that a second opinion could be had of.

use fengqiao_proto::v1::Outcome;

/// What every resolution may begin with, once or often.
const CLOSED: &str = "case closed";
/// First words behind that, in small letters. Whatever else was written counts as solved.
const FIRST_WORDS: [(&str, Outcome); 10] = [
    ("case invalid", Outcome::UnreasonableExplained),
    ("case referred", Outcome::Referred),
    ("roa:", Outcome::Referred),
    ("vioiss:", Outcome::PartlySolved),
    ("adclsd:", Outcome::PartlySolved),
    ("noacc:", Outcome::PartlySolved),
    ("case noted", Outcome::Explained),
    ("novio:", Outcome::Explained),
    ("nobase:", Outcome::Explained),
    ("duplicate", Outcome::Explained),
];

/// The outcome a resolution tells, in whatever letters and between whatever dots and spaces it was written.
pub(crate) fn of_resolution(resolution: &str) -> Outcome {
    let small = resolution.to_lowercase();
    let mut rest = begun(&small);
    while let Some(behind) = rest.strip_prefix(CLOSED) {
        rest = begun(behind);
    }
    let told = FIRST_WORDS
        .iter()
        .find(|(words, _)| rest.starts_with(words));
    told.map_or(Outcome::Solved, |(_, outcome)| *outcome)
}

/// From the first letter or digit on.
fn begun(text: &str) -> &str {
    text.trim_start_matches(|letter: char| !letter.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resolution_tells_the_outcome_however_it_is_written() {
        let table = [
            ("Case Closed Case Resolved fixed", Outcome::Solved),
            ("Case Closed. Closed date : 2011-07-05", Outcome::Solved),
            ("", Outcome::Solved),
            ("Case Closed", Outcome::Solved),
            (
                "Case Closed Case Invalid no such street",
                Outcome::UnreasonableExplained,
            ),
            ("CASE CLOSED CASE INVALID", Outcome::UnreasonableExplained),
            ("Case Closed Case Referred to BWSC", Outcome::Referred),
            (
                "Case Closed ROA: Refer to Outside Agency",
                Outcome::Referred,
            ),
            ("case closed roa: refer", Outcome::Referred),
            (
                "Case Closed VIOISS: Violation Issued",
                Outcome::PartlySolved,
            ),
            ("Case closed.. VioIss: violation", Outcome::PartlySolved),
            ("Case Closed Duplicate of Existing Case", Outcome::Explained),
            ("Case Closed duplicate", Outcome::Explained),
            ("case closed\nduplicate", Outcome::Explained),
            ("Case Closed. Case Closed : Duplicate", Outcome::Explained),
            ("\u{a0}Case Closed . .\tDUPLICATE", Outcome::Explained),
            ("duplicate", Outcome::Explained),
            ("Case Closed Case Noted thanks", Outcome::Explained),
            // Further on it is what somebody wrote about it.
            (
                "Case Closed Case Resolved this is a duplicate",
                Outcome::Solved,
            ),
        ];
        for (resolution, expected) in table {
            assert_eq!(of_resolution(resolution), expected, "{resolution:?}");
        }
    }
}
