//! Readable numbers of cases, as they are printed, typed and spoken on the telephone.
//!
//! `3714-10000001x`: the place's official code, or its id where it has none; a hyphen; one character for the node's
//! incarnation, a serial of seven digits or more, and a check character over all of them. Who reads one takes capitals,
//! full-width characters, spaces and a missing or another hyphen.

use unicode_normalization::UnicodeNormalization as _;

use crate::id::base32;

/// Digits of a serial at least.
const SERIAL_DIGITS_MIN: usize = 7;
/// Lengths of what stands before the hyphen: an official code, or an id.
const PLACE_LENGTHS: [usize; 6] = [12, 9, 6, 4, 2, 16];
const CHECK_CHARACTERS: &[u8; 29] = b"0123456789abcdefghjkmnpqrstvw";

/// Why a text is no number of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// It does not have the shape of one.
    #[error("not shaped like a case number")]
    Shape,
    /// It has, and a character of it is not right.
    #[error("the check character does not fit")]
    Check,
}

/// Writes the number of a case.
#[must_use]
pub fn write(place: &str, incarnation: u32, serial: u64) -> String {
    let digit = base32(&[u8::try_from(incarnation % 32).unwrap_or(0) << 3]);
    let digit = digit.chars().next().unwrap_or('0');
    let check = check_character(&format!("{place}{digit}{serial:07}"));
    format!("{place}-{digit}{serial:07}{check}")
}

/// Reads a number as a person gives it, and returns it as it is printed.
///
/// # Errors
/// `Shape`, `Check`.
pub fn read(text: &str) -> Result<String, NumberError> {
    let mut plain = String::new();
    let mut cut = None;
    for character in text.nfkc().flat_map(char::to_lowercase) {
        match character {
            'a'..='z' | '0'..='9' => plain.push(character),
            // Any of the hyphens and dashes that keyboards have.
            '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' if cut.is_none() => cut = Some(plain.len()),
            space if space.is_whitespace() => {}
            _ => return Err(NumberError::Shape),
        }
    }
    let length = plain.len();
    let place = match cut {
        Some(cut) => PLACE_LENGTHS.contains(&cut).then_some(cut),
        // The serial has seven digits until ten million cases have been registered: the longest place first.
        None => PLACE_LENGTHS
            .into_iter()
            .find(|place| has_shape(&plain, *place)),
    };
    let place = place.filter(|place| has_shape(&plain, *place));
    let place = place.ok_or(NumberError::Shape)?;
    let (stem, check) = plain.split_at(length - 1);
    if !check.starts_with(check_character(stem)) {
        return Err(NumberError::Check);
    }
    let (before, after) = plain.split_at(place);
    Ok(format!("{before}-{after}"))
}

/// Whether a place of that length is followed by an incarnation, a serial and a check character.
fn has_shape(plain: &str, place: usize) -> bool {
    let Some((before, after)) = plain.split_at_checked(place) else {
        return false;
    };
    let is_code = place != 16;
    if is_code && !before.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let Some(serial) = after.get(1..after.len().saturating_sub(1)) else {
        return false;
    };
    let digits = serial.bytes().all(|byte| byte.is_ascii_digit());
    let padded = serial.len() == SERIAL_DIGITS_MIN || !serial.starts_with('0');
    serial.len() >= SERIAL_DIGITS_MIN && serial.len() <= 19 && digits && padded
}

/// One character that catches a mistyped or swapped one.
fn check_character(stem: &str) -> char {
    let sum = stem
        .bytes()
        .enumerate()
        .fold(0_usize, |sum, (index, byte)| {
            sum + (index % 29 + 1) * usize::from(byte)
        });
    char::from(CHECK_CHARACTERS[sum % CHECK_CHARACTERS.len()])
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_is_taken_as_it_is_spoken_and_typed() {
        let number = write("371427", 1, 42);
        let (place, rest) = number.split_once('-').unwrap();
        let full_width: String = number
            .chars()
            .map(|character| char::from_u32(u32::from(character) + 0xfee0).unwrap())
            .collect();
        for typed in [
            number.clone(),
            number.to_uppercase(),
            format!("{place}{rest}"),
            format!("{place}—{rest}"),
            format!(" {place} {rest}\u{3000}"),
            format!("{place} - {}", rest.to_uppercase()),
            full_width,
        ] {
            assert_eq!(read(&typed), Ok(number.clone()), "{typed}");
        }
    }

    #[test]
    fn a_wrong_character_is_told_from_something_else() {
        let number = write("3714", 1, 1);
        let wrong = number.replacen("3714", "3715", 1);
        assert_eq!(read(&wrong), Err(NumberError::Check));
        let swapped = number.replacen("3714", "3741", 1);
        assert_eq!(read(&swapped), Err(NumberError::Check));
        for other in [
            "",
            "路灯",
            "3714",
            "371-10000001x",
            "3714-1-0000001x",
            "3714-1000001x",
            "3714_10000001x",
        ] {
            assert_eq!(read(other), Err(NumberError::Shape), "{other}");
        }
    }

    proptest! {
        #[test]
        fn every_number_written_is_read_with_and_without_its_hyphen(
            place in "[1-9][0-9]{3}|[1-9][0-9]{5}|[1-9][0-9]{8}|[1-9][0-9]{11}|[0-9a-hjkmnp-tv-z]{16}",
            incarnation in 1_u32..40,
            serial in 1_u64..9_999_999,
        ) {
            let number = write(&place, incarnation, serial);
            prop_assert_eq!(read(&number).unwrap(), number.clone());
            let spoken = number.replace('-', "").to_uppercase();
            prop_assert_eq!(read(&spoken).unwrap(), number);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,40}") {
            let _ = read(&text);
        }
    }
}
