//! Free texts, requesters and request ids of a request, checked before anything looks at them.
//!
//! A refusal names the field and the limit, never a word of the text.

use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_hub::{name, shape};
use fengqiao_proto::v1 as pb;

/// Longest text of one role, in bytes.
pub const TEXT_BYTES_MAX: usize = 20_000;
/// Longest sum of all texts of one request, in bytes: an entry with everything else in it stays below its own limit.
pub const TEXTS_BYTES_MAX: usize = 48 * 1024;
/// Most texts of one request.
pub const TEXTS_MAX: usize = 16;
/// Longest request id, in characters.
pub const REQUEST_ID_CHARACTERS_MAX: usize = 64;

const REQUESTER_NAME_CHARACTERS_MAX: usize = 64;
const REQUESTER_ADDRESS_CHARACTERS_MAX: usize = 256;

/// Roles a text may have; also the names of the fields they come in.
pub const ROLES: [&str; 9] = [
    "text", "reason", "evidence", "opinion", "reply", "place", "answer", "minutes", "remedy",
];

fn field_of(role: &str) -> Option<&'static str> {
    ROLES.iter().find(|known| **known == role).copied()
}

/// Checks texts and requester; `None` when there is nothing to seal.
///
/// # Errors
/// `FIELD_EMPTY`, `FIELD_TOO_LONG`, `CONTROL_CHARACTER`, `MALFORMED` for a role that does not exist.
pub fn checked(content: pb::PrivateContent) -> Result<Option<pb::PrivateContent>, Refusal> {
    let pb::PrivateContent { requester, texts } = content;
    if texts.len() > TEXTS_MAX {
        return Err(Refusal::of(Code::TooLong, "texts").because(TEXTS_MAX.to_string()));
    }
    for text in &texts {
        check_text(text)?;
    }
    let bytes: usize = texts.iter().map(|text| text.text.len()).sum();
    if bytes > TEXTS_BYTES_MAX {
        return Err(Refusal::of(Code::TooLong, "texts").because(format!("{TEXTS_BYTES_MAX} bytes")));
    }
    let requester = requester.map(requester_of).transpose()?;
    let requester = requester.filter(|requester| *requester != pb::Requester::default());
    let empty = texts.is_empty() && requester.is_none();
    Ok((!empty).then_some(pb::PrivateContent { requester, texts }))
}

fn check_text(text: &pb::PrivateText) -> Result<(), Refusal> {
    let field = field_of(&text.role)
        .ok_or_else(|| Refusal::of(Code::Malformed, "texts.role").because(ROLES.join(" | ")))?;
    if text.text.trim().is_empty() {
        return Err(Refusal::of(Code::Empty, field));
    }
    if text.text.len() > TEXT_BYTES_MAX {
        return Err(Refusal::of(Code::TooLong, field).because(format!("{TEXT_BYTES_MAX} bytes")));
    }
    let foreign = |character: char| character.is_control() && !matches!(character, '\n' | '\t');
    if text.text.chars().any(foreign) {
        return Err(Refusal::of(Code::ControlCharacter, field));
    }
    Ok(())
}

/// The requester as it is kept: names in one spelling, telephones in characters of half width.
fn requester_of(given: pb::Requester) -> Result<pb::Requester, Refusal> {
    let name = match given.name.trim() {
        "" => String::new(),
        text => name::read(text, REQUESTER_NAME_CHARACTERS_MAX, "requester.name")?,
    };
    let phone = match given.phone.trim() {
        "" => String::new(),
        text => shape::telephone(text, "requester.phone")?,
    };
    let address = given.address.trim().to_owned();
    const FIELD: &str = "requester.address";
    if address.chars().count() > REQUESTER_ADDRESS_CHARACTERS_MAX {
        let limit = REQUESTER_ADDRESS_CHARACTERS_MAX.to_string();
        return Err(Refusal::of(Code::TooLong, FIELD).because(limit));
    }
    if let Some(control) = address.chars().find(|character| character.is_control()) {
        let point = name::code_point(control);
        return Err(Refusal::of(Code::ControlCharacter, FIELD).because(point));
    }
    Ok(pb::Requester {
        name,
        phone,
        address,
    })
}

/// Checks a request id: 1 to 64 printable ASCII characters.
///
/// # Errors
/// `FIELD_EMPTY`, `FIELD_TOO_LONG`, `CONTROL_CHARACTER`, `MALFORMED`.
pub fn request_id(text: &str) -> Result<(), Refusal> {
    const FIELD: &str = "request_id";
    if text.is_empty() {
        return Err(Refusal::of(Code::Empty, FIELD));
    }
    if text.chars().count() > REQUEST_ID_CHARACTERS_MAX {
        return Err(
            Refusal::of(Code::TooLong, FIELD).because(REQUEST_ID_CHARACTERS_MAX.to_string())
        );
    }
    if text.chars().any(char::is_control) {
        return Err(Refusal::of(Code::ControlCharacter, FIELD));
    }
    if !text.is_ascii() {
        return Err(Refusal::of(Code::Malformed, FIELD).because("ASCII"));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn text(role: &str, text: impl Into<String>) -> pb::PrivateText {
        pb::PrivateText {
            role: role.to_owned(),
            text: text.into(),
        }
    }

    fn texts(
        texts: Vec<pb::PrivateText>,
        requester: Option<pb::Requester>,
    ) -> Result<Option<pb::PrivateContent>, Refusal> {
        checked(pb::PrivateContent { requester, texts })
    }

    fn refused(given: Vec<pb::PrivateText>) -> (Code, &'static str) {
        let refusal = texts(given, None).unwrap_err();
        (refusal.code, refusal.field)
    }

    #[test]
    fn each_bad_text_is_refused_with_its_code_and_field() {
        let table = [
            (text("text", ""), (Code::Empty, "text")),
            (text("reason", " \n\t"), (Code::Empty, "reason")),
            (
                text("reply", "x".repeat(TEXT_BYTES_MAX + 1)),
                (Code::TooLong, "reply"),
            ),
            (
                text("evidence", "路".repeat(350_000)),
                (Code::TooLong, "evidence"),
            ),
            (
                text("opinion", "a\u{7}b"),
                (Code::ControlCharacter, "opinion"),
            ),
            (text("answer", "a\u{0}"), (Code::ControlCharacter, "answer")),
            (text("place", "a\u{85}b"), (Code::ControlCharacter, "place")),
            (text("diary", "x"), (Code::Malformed, "texts.role")),
            (text("", "x"), (Code::Malformed, "texts.role")),
        ];
        for (given, expected) in table {
            assert_eq!(refused(vec![given]), expected);
        }
    }

    #[test]
    fn newline_and_tab_and_the_longest_text_pass() {
        let given = vec![
            text("text", "一\n二\t三"),
            text("minutes", "x".repeat(TEXT_BYTES_MAX)),
        ];
        assert_eq!(texts(given.clone(), None).unwrap().unwrap().texts, given);
    }

    #[test]
    fn texts_that_would_outgrow_an_entry_are_refused_together() {
        let long = || text("text", "x".repeat(TEXT_BYTES_MAX));
        assert_eq!(
            refused(vec![long(), long(), long()]),
            (Code::TooLong, "texts")
        );
        let many = vec![text("text", "x"); TEXTS_MAX + 1];
        assert_eq!(refused(many), (Code::TooLong, "texts"));
    }

    #[test]
    fn each_bad_requester_is_refused_with_its_field() {
        let requester = |name: String, phone: String, address: String| pb::Requester {
            name,
            phone,
            address,
        };
        let none = String::new;
        let table = [
            (
                requester("张".repeat(65), none(), none()),
                (Code::TooLong, "requester.name"),
            ),
            (
                requester(none(), "1".repeat(33), none()),
                (Code::TooLong, "requester.phone"),
            ),
            (
                requester(none(), none(), "路".repeat(257)),
                (Code::TooLong, "requester.address"),
            ),
            (
                requester("a\nb".into(), none(), none()),
                (Code::ControlCharacter, "requester.name"),
            ),
            (
                requester("张\u{200b}三".into(), none(), none()),
                (Code::InvisibleCharacter, "requester.name"),
            ),
            (
                requester(none(), "1.38E+10".into(), none()),
                (Code::ScientificNotation, "requester.phone"),
            ),
        ];
        for (given, expected) in table {
            let refusal = texts(Vec::new(), Some(given)).unwrap_err();
            assert_eq!((refusal.code, refusal.field), expected);
            assert!(!refusal.detail.contains('张') && !refusal.detail.contains('路'));
        }
        let longest = requester(
            "张".repeat(64),
            "13800000000/0534-2100000转1234567".into(),
            "路".repeat(256),
        );
        assert!(texts(Vec::new(), Some(longest)).unwrap().is_some());
        let typed = requester(
            " 张\u{3000}三 ".into(),
            "１３８００００００００".into(),
            none(),
        );
        let kept = texts(Vec::new(), Some(typed)).unwrap().unwrap().requester;
        let expected = requester("张 三".into(), "13800000000".into(), none());
        assert_eq!(kept, Some(expected));
    }

    #[test]
    fn nothing_said_is_nothing_to_seal() {
        assert_eq!(texts(Vec::new(), None).unwrap(), None);
        assert_eq!(
            texts(Vec::new(), Some(pb::Requester::default())).unwrap(),
            None
        );
    }

    #[test]
    fn each_bad_request_id_is_refused() {
        let table = [
            (String::new(), Code::Empty),
            ("x".repeat(65), Code::TooLong),
            ("a\nb".to_owned(), Code::ControlCharacter),
            ("编号".to_owned(), Code::Malformed),
        ];
        for (given, expected) in table {
            let refusal = request_id(&given).unwrap_err();
            assert_eq!((refusal.code, refusal.field), (expected, "request_id"));
        }
        assert!(request_id(&"x".repeat(64)).is_ok());
    }
}
