//! Names that people type or bring in tables: of places, units and persons.
//!
//! One spelling each: white space around a name is taken off and any inside becomes one space, characters are composed
//! (NFC). Rare characters, those of private use, and the middle dot stay. What is seen by nobody (control, direction and
//! other invisible characters) is refused by its code point. Two names that look alike are told apart by
//! [`likeness`], and whoever mistypes one is shown the [`nearest`].

use unicode_normalization::UnicodeNormalization as _;
use unicode_security::skeleton;

use crate::refusal::{Code, Refusal};

/// Names shown to whoever mistyped one.
const NEAREST_MAX: usize = 3;

/// Characters that show nothing: Default_Ignorable_Code_Point of Unicode 16 (a set that only grows within these
/// ranges), line and paragraph separators, interlinear annotation, and the Braille blank.
const INVISIBLE: [(char, char); 20] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
    ('\u{fffe}', '\u{ffff}'),
    // What is left where a converter lost a character.
    ('\u{fffd}', '\u{fffd}'),
];

/// Middle dots as they are typed; names of other peoples have them between their parts.
const MIDDLE_DOTS: [char; 7] = [
    '\u{b7}', '\u{2022}', '\u{2027}', '\u{22c5}', '\u{2219}', '\u{30fb}', '\u{ff65}',
];

/// Circles typed for the Chinese zero.
const CIRCLES: [char; 3] = ['\u{25cb}', '\u{25ef}', '\u{26aa}'];

/// Whether a character shows nothing, or turns the direction of what follows.
#[must_use]
pub fn is_invisible(character: char) -> bool {
    INVISIBLE
        .iter()
        .any(|(first, last)| (*first..=*last).contains(&character))
}

/// A character as it is named to people: `U+200B`.
#[must_use]
pub fn code_point(character: char) -> String {
    format!("U+{:04X}", u32::from(character))
}

/// Reads a name: the one spelling it is kept in.
///
/// # Errors
/// `FIELD_EMPTY`, `FIELD_TOO_LONG`, `CONTROL_CHARACTER` and `INVISIBLE_CHARACTER` with the code point.
pub fn read(text: &str, characters_max: usize, field: &'static str) -> Result<String, Refusal> {
    let name = one_spelling(text);
    if name.is_empty() {
        return Err(Refusal::of(Code::Empty, field));
    }
    if let Some(control) = name.chars().find(|character| character.is_control()) {
        return Err(Refusal::of(Code::ControlCharacter, field).because(code_point(control)));
    }
    if let Some(invisible) = name.chars().find(|character| is_invisible(*character)) {
        return Err(Refusal::of(Code::InvisibleCharacter, field).because(code_point(invisible)));
    }
    if name.chars().count() > characters_max {
        return Err(Refusal::of(Code::TooLong, field).because(characters_max.to_string()));
    }
    Ok(name)
}

/// A name as typed, in the spelling that names are kept in, to look one up.
#[must_use]
pub fn one_spelling(text: &str) -> String {
    // A line break inside is no space: it is refused as a control character.
    let spaced = text.trim().chars().map(|character| {
        if character.is_whitespace() && !character.is_control() && !is_invisible(character) {
            ' '
        } else {
            character
        }
    });
    let mut name = String::with_capacity(text.len());
    for character in spaced.nfc() {
        if character != ' ' || !name.ends_with(' ') {
            name.push(character);
        }
    }
    name
}

/// A text in characters of half width, as codes and numbers are written.
#[must_use]
pub fn half_width(text: &str) -> String {
    text.trim().nfkc().collect()
}

/// What two names have in common when a reader cannot tell one from the other: without white space, full and half
/// width, capitals, brackets, middle dots and letters of other scripts that look alike (Unicode TR 39) made one.
#[must_use]
pub fn likeness(name: &str) -> String {
    let plain: String = name
        .nfkc()
        .flat_map(char::to_lowercase)
        .filter(|character| !character.is_whitespace())
        .map(|character| {
            if MIDDLE_DOTS.contains(&character) {
                MIDDLE_DOTS[0]
            } else if CIRCLES.contains(&character) {
                '〇'
            } else {
                character
            }
        })
        .collect();
    skeleton(&plain).collect()
}

/// A text for a terminal or a log: what is invisible stands there by its code point. Line breaks and tabs stay.
#[must_use]
pub fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        let plain = matches!(character, '\n' | '\t');
        if !plain && (character.is_control() || is_invisible(character)) {
            shown.push('<');
            shown.push_str(&code_point(character));
            shown.push('>');
        } else {
            shown.push(character);
        }
    }
    shown
}

/// The names most like what was typed, nearest first: a letter or two amiss, or one within the other.
#[must_use]
pub fn nearest<'a>(typed: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let wanted = likeness(typed);
    let length = wanted.chars().count();
    if length == 0 {
        return Vec::new();
    }
    let mut found: Vec<(usize, &str)> = names
        .into_iter()
        .filter_map(|name| Some((distance(&wanted, length, &likeness(name))?, name)))
        .collect();
    found.sort_unstable();
    found.dedup_by(|one, other| one.1 == other.1);
    let near = found.into_iter().take(NEAREST_MAX);
    near.map(|(_, name)| name.to_owned()).collect()
}

/// How far a name is from what was typed; `None` when nobody would mistake one for the other.
fn distance(wanted: &str, length: usize, name: &str) -> Option<usize> {
    let other = name.chars().count();
    let edits = strsim::osa_distance(wanted, name);
    let mistyped = edits <= length.max(other).div_ceil(3) && edits < length.max(other);
    let shorter = length.min(other);
    let within = shorter > 1 && (name.contains(wanted) || wanted.contains(name));
    // Words left out: 道路桥梁 for 道路、桥梁与井盖.
    let left_out = shorter > 2 && (is_within(wanted, name) || is_within(name, wanted));
    (mistyped || within || left_out).then_some(edits)
}

/// Whether all characters of one stand in the other, in order.
fn is_within(short: &str, long: &str) -> bool {
    let mut rest = long.chars();
    short
        .chars()
        .all(|character| rest.any(|other| other == character))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> Result<String, (Code, String)> {
        read(text, 64, "name").map_err(|refusal| (refusal.code, refusal.detail))
    }

    #[test]
    fn a_name_is_trimmed_composed_and_spaced_once() {
        for (typed, kept) in [
            ("德城区", "德城区"),
            (" 德城区\u{3000}\u{a0}\t\r\n", "德城区"),
            ("张\u{3000}三", "张 三"),
            ("张 \u{2003} 三", "张 三"),
            ("e\u{301}", "é"),
            ("\u{212b}", "Å"),
        ] {
            assert_eq!(name(typed).unwrap(), kept, "{typed:?}");
        }
    }

    #[test]
    fn rare_characters_and_the_middle_dot_stay_as_they_are() {
        for kept in [
            "𠮷𣎴𪚥",
            "买买提·艾力",
            "买买提•艾力",
            "\u{e863}某",
            "〇〇村",
            "\u{20bb7}\u{3402}",
            "\u{fa0e}\u{fa29}",
            "Ünal O’Neil-Straße",
        ] {
            assert_eq!(name(kept).unwrap(), kept);
        }
    }

    #[test]
    fn what_nobody_sees_is_refused_by_its_code_point() {
        for (typed, code, point) in [
            ("张\u{200b}三", Code::InvisibleCharacter, "U+200B"),
            ("\u{202e}张三", Code::InvisibleCharacter, "U+202E"),
            ("\u{feff}张三", Code::InvisibleCharacter, "U+FEFF"),
            ("张三\u{2069}", Code::InvisibleCharacter, "U+2069"),
            ("葛\u{e0100}", Code::InvisibleCharacter, "U+E0100"),
            ("张\u{3164}三", Code::InvisibleCharacter, "U+3164"),
            ("张\u{ad}三", Code::InvisibleCharacter, "U+00AD"),
            ("张\u{2028}三", Code::InvisibleCharacter, "U+2028"),
            ("张\u{fffd}", Code::InvisibleCharacter, "U+FFFD"),
            ("张\n三", Code::ControlCharacter, "U+000A"),
            ("张\t三", Code::ControlCharacter, "U+0009"),
            ("张\u{85}三", Code::ControlCharacter, "U+0085"),
            ("\u{0}张三", Code::ControlCharacter, "U+0000"),
        ] {
            assert_eq!(name(typed), Err((code, point.to_owned())), "{typed:?}");
        }
        for nothing in ["", "  ", "\u{3000}\u{a0}"] {
            assert_eq!(name(nothing), Err((Code::Empty, String::new())));
        }
        assert_eq!(name(&"长".repeat(65)).unwrap_err().0, Code::TooLong);
        assert!(name(&"𠮷".repeat(64)).is_ok());
    }

    #[test]
    fn names_that_a_reader_takes_for_one_are_alike() {
        for (one, other) in [
            ("德城区", "德 城区"),
            ("开发区（东）", "开发区(东)"),
            ("买买提·艾力", "买买提•艾力"),
            ("ABC村", "ａｂｃ村"),
            ("A座", "\u{410}座"),
            ("二〇村", "二○村"),
            ("一村", "\u{2f00}村"),
            ("口村", "\u{2f1d}村"),
        ] {
            assert_eq!(likeness(one), likeness(other), "{one} {other}");
        }
        for (one, other) in [("十一村", "十二村"), ("东村", "西村"), ("大王村", "大玉村")]
        {
            assert_ne!(likeness(one), likeness(other));
        }
    }

    #[test]
    fn the_divisions_of_a_city_are_not_taken_for_one_another() {
        let file = include_str!("../../deploy/dezhou/divisions.csv");
        let mut reader = csv::Reader::from_reader(file.as_bytes());
        let mut seen = std::collections::BTreeSet::new();
        for row in reader.records() {
            let row = row.unwrap();
            assert!(
                seen.insert((row[1].to_owned(), likeness(&row[3]))),
                "{row:?}"
            );
            assert_eq!(name(&row[3]).unwrap(), row[3]);
        }
    }

    #[test]
    fn a_near_miss_finds_what_was_meant_and_nothing_else() {
        let units = ["城管局", "市妇联", "公安局", "人社局", "住建局"];
        assert_eq!(nearest("城管", units), ["城管局"]);
        assert_eq!(nearest("市城管局", units)[0], "城管局");
        assert_eq!(nearest("妇联", units), ["市妇联"]);
        assert_eq!(nearest("wagn", ["wang", "zhang", "li"]), ["wang"]);
        assert_eq!(
            nearest("道路桥梁", ["道路、桥梁与井盖", "路灯与公共照明"]),
            ["道路、桥梁与井盖"]
        );
        assert_eq!(
            nearest("urban-road", ["urban-roads", "disputes-neighbours"]),
            ["urban-roads"]
        );
        assert!(nearest("气象局办公室", ["邻里"]).is_empty());
        assert!(nearest("", units).is_empty() && nearest("x", ["y"]).is_empty());
        assert!(nearest("局", ["城管局", "公安局", "人社局", "住建局"]).len() <= NEAREST_MAX);
    }

    #[test]
    fn what_is_printed_hides_nothing_and_turns_nothing() {
        assert_eq!(
            shown("张\u{202e}三\u{1b}[2J\n\t"),
            "张<U+202E>三<U+001B>[2J\n\t"
        );
    }

    proptest! {
        #[test]
        fn a_name_that_was_read_reads_as_itself(text in "\\PC{0,20}") {
            if let Ok(kept) = name(&text) {
                prop_assert_eq!(name(&kept).unwrap(), kept.clone());
                prop_assert_eq!(one_spelling(&text), kept.clone());
                prop_assert_eq!(shown(&kept), kept);
            }
        }

        #[test]
        fn a_name_is_alike_with_itself_however_it_is_typed(text in "[一-龥a-zA-Z0-9 ·（）]{1,12}") {
            prop_assert_eq!(likeness(&text), likeness(&one_spelling(&text)));
        }
    }
}
