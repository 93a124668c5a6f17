//! Shapes of what people write down beside names: telephones, identity numbers, the time a request was brought; and what
//! a spreadsheet program leaves of them.
//!
//! A value is taken or refused. Nothing is completed and nothing is guessed.

use unicode_normalization::UnicodeNormalization as _;

use crate::clock::Moment;
use crate::refusal::{Code, Refusal};

/// Characters the telephone line of a requester may have.
pub const TELEPHONE_CHARACTERS_MAX: usize = 32;
/// 1 January 1990 at Beijing: no request was brought before it. An older time is a mistake, or an empty cell that a
/// program took for its own first day.
pub const RECEIVED_MIN: Moment = Moment(631_123_200_000);
/// How far ahead of this node's clock the time of a request may lie, since another clock wrote it.
pub const RECEIVED_AHEAD_MS_MAX: i64 = 5 * 60_000;

/// Digits of one telephone number, with country and extension left out.
const TELEPHONE_DIGITS: std::ops::RangeInclusive<usize> = 3..=15;
const MOBILE_DIGITS: usize = 11;
/// From this many digits on a number that begins as a mobile number does can be no other.
const MOBILE_LIKE_DIGITS_MIN: usize = 7;
const TELEPHONE_EXAMPLES: &str = "13800000000 | 0534-2100000";
const IDENTITY_NUMBER_SHAPE: &str = "17 × 0-9 + 0-9/X";

/// What a spreadsheet program has made of a value. The value itself is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// `1.38E+10`: digits are lost.
    ScientificNotation,
    /// `#N/A`, `#REF!` and their kind: a formula that failed.
    FormulaError,
    /// `########`: the column was too narrow when it was exported.
    ColumnTooNarrow,
    /// `=A1+1`: a formula instead of its result.
    Formula,
}

/// What a spreadsheet program has made of a cell, where it can be told.
#[must_use]
pub fn damage(cell: &str) -> Option<Damage> {
    let bytes = cell.as_bytes();
    if bytes.len() > 2 && bytes.iter().all(|byte| *byte == b'#') {
        return Some(Damage::ColumnTooNarrow);
    }
    const ERRORS: [&str; 9] = [
        "#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "#SPILL!", "#CALC!",
    ];
    if ERRORS.iter().any(|error| cell.eq_ignore_ascii_case(error)) {
        return Some(Damage::FormulaError);
    }
    if is_scientific(cell) {
        return Some(Damage::ScientificNotation);
    }
    (bytes.len() > 1 && bytes[0] == b'=').then_some(Damage::Formula)
}

/// `-1.38E+10`: such programs always write the sign of the exponent.
fn is_scientific(cell: &str) -> bool {
    let Some((digits, exponent)) = cell.split_once(['E', 'e']) else {
        return false;
    };
    let digits = digits.trim_start_matches(['-', '+']);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let numbers = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let signed = exponent.strip_prefix(['+', '-']);
    whole.len() == 1
        && numbers(whole)
        && numbers(part)
        && signed.is_some_and(|power| !power.is_empty() && numbers(power))
}

/// The text that a table keeps from being read as a number: `="0534"`, or `'0534`.
#[must_use]
pub fn unwrapped(cell: &str) -> Option<&str> {
    if let Some(quoted) = cell.strip_prefix("=\"") {
        return quoted
            .strip_suffix('"')
            .filter(|inner| !inner.contains('"'));
    }
    cell.strip_prefix('\'')
        .filter(|rest| rest.starts_with(|first: char| first.is_ascii_digit() || first == '+'))
}

/// Reads one or more telephone numbers of a person; full-width characters become plain ones.
///
/// # Errors
/// `FIELD_TOO_LONG`, `CONTROL_CHARACTER`, `SCIENTIFIC_NOTATION`, `TELEPHONE_MALFORMED`.
pub fn telephone(text: &str, field: &'static str) -> Result<String, Refusal> {
    let malformed = || Refusal::of(Code::TelephoneMalformed, field).because(TELEPHONE_EXAMPLES);
    let line: String = text.trim().nfkc().collect();
    if line.chars().count() > TELEPHONE_CHARACTERS_MAX {
        return Err(Refusal::of(Code::TooLong, field).because(TELEPHONE_CHARACTERS_MAX.to_string()));
    }
    if line.chars().any(char::is_control) {
        return Err(Refusal::of(Code::ControlCharacter, field));
    }
    if is_scientific(&line) {
        return Err(Refusal::of(Code::ScientificNotation, field).because(TELEPHONE_EXAMPLES));
    }
    let numbers = line.split(['/', '、', ',', ';']).map(str::trim);
    for number in numbers {
        if !is_telephone(number) {
            return Err(malformed());
        }
    }
    Ok(line)
}

fn is_telephone(number: &str) -> bool {
    const EXTENSIONS: [&str; 6] = ["转", "分机", "ext.", "ext", "x", "#"];
    let lower = number.to_lowercase();
    let extension = EXTENSIONS.iter().find_map(|word| lower.split_once(word));
    let (main, extension) = extension.unwrap_or((&lower, ""));
    let extension = extension.trim();
    let (main, abroad) = match main.trim().strip_prefix('+') {
        Some(rest) => (rest, true),
        None => (main.trim(), false),
    };
    let digits: String = main.chars().filter(char::is_ascii_digit).collect();
    let plain = |character: char| character.is_ascii_digit() || " -()".contains(character);
    if !main.chars().all(plain) || !TELEPHONE_DIGITS.contains(&digits.len()) {
        return false;
    }
    if extension.len() > 8 || !extension.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let second = digits.as_bytes().get(1).copied().unwrap_or(b'0');
    let as_mobile = !abroad && digits.starts_with('1') && (b'3'..=b'9').contains(&second);
    !as_mobile || digits.len() == MOBILE_DIGITS || digits.len() < MOBILE_LIKE_DIGITS_MIN
}

/// Reads a resident identity number of eighteen characters (GB 11643): its check character and its date of birth must
/// hold.
///
/// # Errors
/// `SCIENTIFIC_NOTATION`, `DIGITS_LOST`, `IDENTITY_NUMBER_MALFORMED`.
pub fn identity_number(text: &str, field: &'static str) -> Result<String, Refusal> {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECKS: &[u8; 11] = b"10X98765432";
    let number: String = text.trim().nfkc().flat_map(char::to_uppercase).collect();
    if is_scientific(&number) {
        return Err(Refusal::of(Code::ScientificNotation, field).because(IDENTITY_NUMBER_SHAPE));
    }
    let malformed =
        || Refusal::of(Code::IdentityNumberMalformed, field).because(IDENTITY_NUMBER_SHAPE);
    let bytes = number.as_bytes();
    if bytes.len() != 18 || !bytes[..17].iter().all(u8::is_ascii_digit) {
        return Err(malformed());
    }
    let sum: u32 = bytes
        .iter()
        .zip(WEIGHTS)
        .map(|(byte, weight)| u32::from(byte - b'0') * weight)
        .sum();
    if CHECKS.get((sum % 11) as usize) != bytes.get(17) {
        // A spreadsheet keeps fifteen digits of a number and writes zeros for the rest.
        let lost = number.ends_with("000");
        return Err(if lost {
            Refusal::of(Code::DigitsLost, field).because(IDENTITY_NUMBER_SHAPE)
        } else {
            malformed()
        });
    }
    let part = |from: usize, to: usize| number.get(from..to).and_then(|part| part.parse().ok());
    let born = (part(6, 10), part(10, 12), part(12, 14));
    let (Some(year), Some(month), Some(day)) = born else {
        return Err(malformed());
    };
    let small = |number: i16| i8::try_from(number).unwrap_or(0);
    jiff::civil::Date::new(year, small(month), small(day)).map_err(|_| malformed())?;
    Ok(number)
}

/// Checks when a request was brought: not before 1990, and not ahead of the clock that judges it.
///
/// # Errors
/// `TIME_TOO_OLD`, `TIME_IN_FUTURE`.
pub fn received(at: Moment, now: Moment, field: &'static str) -> Result<(), Refusal> {
    if at < RECEIVED_MIN {
        return Err(Refusal::of(Code::TimeTooOld, field).because("1990-01-01"));
    }
    if at.0 > now.0.saturating_add(RECEIVED_AHEAD_MS_MAX) {
        return Err(Refusal::of(Code::TimeInFuture, field));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_left_is_named() {
        for (cell, found) in [
            ("1.38E+10", Some(Damage::ScientificNotation)),
            ("3.71402e+11", Some(Damage::ScientificNotation)),
            ("5E-05", Some(Damage::ScientificNotation)),
            ("-2.5E+3", Some(Damage::ScientificNotation)),
            ("12E3", None),
            ("2023E+1A", None),
            ("E+10", None),
            ("A1.3E+10", None),
            ("#N/A", Some(Damage::FormulaError)),
            ("#ref!", Some(Damage::FormulaError)),
            ("#1", None),
            ("##", None),
            ("########", Some(Damage::ColumnTooNarrow)),
            ("=SUM(A1:A2)", Some(Damage::Formula)),
            ("=", None),
            ("路灯不亮", None),
        ] {
            assert_eq!(damage(cell), found, "{cell}");
        }
    }

    #[test]
    fn a_text_that_was_kept_from_being_a_number_is_unwrapped() {
        assert_eq!(unwrapped("=\"13800000000\""), Some("13800000000"));
        assert_eq!(unwrapped("=\"\""), Some(""));
        assert_eq!(unwrapped("'05342100000"), Some("05342100000"));
        for other in [
            "=\"1\"&\"2\"",
            "=A1",
            "13800000000",
            "'quoted'",
            "\"1\"",
            "=",
        ] {
            assert_eq!(unwrapped(other), None, "{other}");
        }
    }

    #[test]
    fn telephones_as_people_write_them() {
        for number in [
            "13800000000",
            "138 0000 0000",
            "138-0000-0000",
            "+86 13800000000",
            "0534-2100000",
            "(0534)2100000",
            "2100000转801",
            "0534-2100000-801",
            "13800000000/0534-2100000",
            "13800000000、13900000000",
            "12345",
            "110",
            "4008001234",
            "+44 20 7946 0000",
            "617-555-0123",
        ] {
            assert_eq!(telephone(number, "phone").unwrap(), number);
        }
        let wide = "１３８００００００００";
        assert_eq!(telephone(wide, "phone").unwrap(), "13800000000");
        assert_eq!(
            telephone("（０５３４）２１０００００", "phone").unwrap(),
            "(0534)2100000"
        );
    }

    #[test]
    fn what_is_no_telephone_is_refused_by_name() {
        for (text, code) in [
            ("1.38E+10", Code::ScientificNotation),
            ("1380000000", Code::TelephoneMalformed),
            ("138000000000", Code::TelephoneMalformed),
            ("13800000000.0", Code::TelephoneMalformed),
            ("=\"13800000000\"", Code::TelephoneMalformed),
            ("13,800,000,000", Code::TelephoneMalformed),
            ("#N/A", Code::TelephoneMalformed),
            ("无", Code::TelephoneMalformed),
            ("12", Code::TelephoneMalformed),
            ("张三13800000000", Code::TelephoneMalformed),
            ("138\n00000000", Code::ControlCharacter),
            ("138000000001380000000013800000000", Code::TooLong),
        ] {
            assert_eq!(telephone(text, "phone").unwrap_err().code, code, "{text}");
        }
    }

    #[test]
    fn identity_numbers_hold_by_their_check_character_and_date() {
        for number in [
            "11010519491231002X",
            "440524188001010014",
            "11010519491231002x",
        ] {
            assert!(
                identity_number(number, "identity_number").is_ok(),
                "{number}"
            );
        }
        for (text, code) in [
            ("11010519491231002", Code::IdentityNumberMalformed),
            ("110105194912310021", Code::IdentityNumberMalformed),
            ("110105194912310000", Code::DigitsLost),
            ("1.10105E+17", Code::ScientificNotation),
            ("11010519491331002X", Code::IdentityNumberMalformed),
        ] {
            let refused = identity_number(text, "identity_number").unwrap_err();
            assert_eq!(refused.code, code, "{text}");
            assert!(!refused.detail.contains("1101"), "{refused:?}");
        }
        // 30 February, with a check character that fits.
        let stem = "11010519490230002";
        let passing = (b'0'..=b'9').chain([b'X']).filter(|check| {
            let number = format!("{stem}{}", char::from(*check));
            identity_number(&number, "identity_number").is_ok()
        });
        assert_eq!(passing.count(), 0);
    }

    #[test]
    fn a_request_was_brought_after_1990_and_before_now() {
        let at = |text: &str| Moment::parse_rfc3339(text).unwrap();
        let now = at("2026-03-01T08:00:00+08:00");
        assert_eq!(RECEIVED_MIN, at("1990-01-01T00:00:00+08:00"));
        assert!(received(RECEIVED_MIN, now, "received_ms").is_ok());
        assert!(received(at("2026-03-01T08:05:00+08:00"), now, "received_ms").is_ok());
        let refused = |moment| received(moment, now, "received_ms").unwrap_err().code;
        assert_eq!(refused(at("1989-12-31T23:59:59+08:00")), Code::TimeTooOld);
        assert_eq!(refused(Moment(1)), Code::TimeTooOld);
        assert_eq!(refused(at("2026-03-01T08:05:01+08:00")), Code::TimeInFuture);
        assert_eq!(refused(Moment(i64::MAX)), Code::TimeInFuture);
    }
}
