//! Words of the command line: choices, times, texts, request ids.

use fengqiao_hub::clock::{Moment, Warning};
use fengqiao_hub::id::base32;
use fengqiao_hub::private::Private;
use fengqiao_hub::rank::level;
use fengqiao_proto::v1 as pb;

use super::context::Context;
use super::failure::Failure;
use crate::app::texts::ROLES;

/// Most bytes read from the standard input for one text; what is longer is refused by the node anyway.
const INPUT_BYTES_MAX: u64 = 1024 * 1024;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident => $wire:ident { $($(#[$variant_doc:meta])* $variant:ident => $wire_variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl From<$name> for pb::$wire {
            fn from(word: $name) -> Self {
                match word { $($name::$variant => Self::$wire_variant,)* }
            }
        }

        impl From<$name> for i32 {
            fn from(word: $name) -> Self {
                pb::$wire::from(word).into()
            }
        }
    };
}

words! {
    /// What a person may do at a centre.
    Role => Role {
        /// Takes in, dispatches, visits (受理员)
        Clerk => Clerk,
        /// Handles for a unit (承办人)
        Handler => Handler,
        /// Approves replies (审核人)
        Approver => Approver,
        /// Decides, designates, takes, convenes, directs (领导)
        Leader => Leader,
        /// Manages accounts, places, invitations (管理员)
        Administrator => Administrator,
    }
}

words! {
    /// Kind of a unit.
    UnitKind => UnitKind {
        /// Department (部门)
        Department => Department,
        /// Mass organisation (群团组织)
        MassOrganisation => MassOrganisation,
        /// Social organisation (社会组织)
        SocialOrganisation => SocialOrganisation,
        /// Centre (中心)
        Centre => Centre,
        /// Mediation committee (调解委员会)
        MediationCommittee => MediationCommittee,
    }
}

words! {
    /// Whether a unit is in the hall every day.
    UnitPresence => UnitPresence {
        /// Every day (常驻)
        Resident => Resident,
        /// By rota (轮驻)
        Rotating => Rotating,
    }
}

/// A role for people who read Chinese.
pub(super) fn role_chinese(role: pb::Role) -> &'static str {
    match role {
        pb::Role::Unspecified => "-",
        pb::Role::Clerk => "受理员",
        pb::Role::Handler => "承办人",
        pb::Role::Approver => "审核人",
        pb::Role::Leader => "领导",
        pb::Role::Administrator => "管理员",
    }
}

/// A role as it is named on the command line.
pub(super) fn role_english(role: pb::Role) -> &'static str {
    fengqiao_hub::casework::role_name(role)
}

/// A kind of unit for people who read Chinese.
pub(super) fn kind_chinese(kind: pb::UnitKind) -> &'static str {
    match kind {
        pb::UnitKind::Unspecified => "-",
        pb::UnitKind::Department => "部门",
        pb::UnitKind::MassOrganisation => "群团组织",
        pb::UnitKind::SocialOrganisation => "社会组织",
        pb::UnitKind::Centre => "中心",
        pb::UnitKind::MediationCommittee => "调解委员会",
    }
}

/// A level by its word or number.
///
/// # Errors
/// What is accepted instead.
pub(super) fn parse_level(text: &str) -> Result<u32, String> {
    let word = match text {
        "province" => Some(level::PROVINCE),
        "city" => Some(level::CITY),
        "county" => Some(level::COUNTY),
        "area" => Some(level::AREA),
        "township" => Some(level::TOWNSHIP),
        "village" => Some(level::VILLAGE),
        _ => None,
    };
    word.or_else(|| {
        text.parse()
            .ok()
            .filter(|number| (1..=999).contains(number))
    })
    .ok_or_else(|| {
        "province, city, county, area, township, village, or a number from 1 to 999".to_owned()
    })
}

/// A time in RFC 3339.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse_time(text: &str) -> Result<Moment, String> {
    Moment::parse_rfc3339(text)
        .ok()
        .filter(|moment| moment.0 > 0)
        .ok_or_else(|| {
            "a time after 1970 that exists, as 2023-03-01T20:00:00+08:00 or 2023-03-01T12:00:00Z"
                .to_owned()
        })
}

/// A time that may be left out, as Unix milliseconds; 0 is left out.
#[must_use]
pub(super) fn ms(time: Option<Moment>) -> i64 {
    time.map_or(0, |time| time.0)
}

/// Wraps what may concern a person as soon as it is parsed.
///
/// # Errors
/// Never.
pub(super) fn parse_private(text: &str) -> Result<Private<String>, std::convert::Infallible> {
    Ok(Private::new(text.to_owned()))
}

/// Reads `ROLE=TEXT`; a text without a known role before an equals sign has the role `text`.
#[must_use]
pub(super) fn split_role(text: &str) -> (&'static str, &str) {
    let named = text
        .split_once('=')
        .and_then(|(role, rest)| Some((ROLES.into_iter().find(|known| *known == role)?, rest)));
    named.unwrap_or(("text", text))
}

/// What is to be said where a year has no list of days off, a line each language; nothing for 0.
#[must_use]
pub(super) fn calendar_warning(year_missing: u32) -> Option<String> {
    let year = i16::try_from(year_missing).ok().filter(|year| *year != 0)?;
    let warning = Warning::CalendarYearMissing { year };
    Some(format!(
        "{}: {}\n{}\n",
        warning.code(),
        warning.message_en(),
        warning.message_zh()
    ))
}

/// The request id given, or a new one.
///
/// # Errors
/// A usage failure when the system has no randomness.
pub(super) fn request_id(given: Option<String>) -> Result<String, Failure> {
    if let Some(given) = given {
        return Ok(given);
    }
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::usage(
            "request_id",
            format!("no randomness for a request id ({error}); give one with --request-id"),
            "无法生成请求编号，请用 --request-id 指定",
        )
    })?;
    Ok(base32(&bytes))
}

/// A text as given, or read from the standard input where it is `-`; that can be read once.
///
/// # Errors
/// A usage failure when the input is not UTF-8, too long, or asked for twice.
pub(super) fn read_text(
    context: &Context,
    field: &str,
    text: &str,
    input_used: &mut bool,
) -> Result<String, Failure> {
    if text != "-" {
        return Ok(text.to_owned());
    }
    if std::mem::replace(input_used, true) {
        return Err(Failure::usage(
            field,
            "only one text can be read from the standard input",
            "只能有一项从标准输入读取",
        ));
    }
    read_input(context, field)
}

fn read_input(context: &Context, role: &str) -> Result<String, Failure> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let mut streams = context.streams();
    (&mut streams.input)
        .take(INPUT_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| {
            Failure::usage(
                role,
                format!("the standard input cannot be read: {error}"),
                "无法读取标准输入",
            )
        })?;
    if bytes.len() as u64 > INPUT_BYTES_MAX {
        return Err(Failure::usage(
            role,
            format!("the standard input is longer than {INPUT_BYTES_MAX} bytes"),
            "标准输入过长",
        ));
    }
    let mut text = String::from_utf8(bytes).map_err(|_| {
        Failure::usage(
            role,
            "the standard input is not UTF-8",
            "标准输入不是 UTF-8 编码",
        )
    })?;
    // The newline that ends a file or an echo is not part of the text.
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_text_names_its_role_before_an_equals_sign() {
        assert_eq!(split_role("minutes=a=b"), ("minutes", "a=b"));
        assert_eq!(split_role("a=b"), ("text", "a=b"));
        assert_eq!(split_role("plain"), ("text", "plain"));
        assert_eq!(split_role("text=reason=x"), ("text", "reason=x"));
    }

    #[test]
    fn a_time_that_does_not_exist_is_refused() {
        for text in [
            "2023-02-30T00:00:00+08:00",
            "2023-03-01",
            "2023-03-01T20:00:00",
            "yesterday",
            "1969-12-31T23:59:59Z",
        ] {
            assert!(parse_time(text).is_err(), "{text}");
        }
        assert_eq!(
            parse_time("2023-03-01T20:00:00+08:00").unwrap().0,
            1_677_672_000_000
        );
    }

    #[test]
    fn levels_are_words_or_numbers() {
        assert_eq!(parse_level("village"), Ok(60));
        assert_eq!(parse_level("45"), Ok(45));
        for text in ["hamlet", "0", "1000", "-1"] {
            assert!(parse_level(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_choice_of_the_wire_has_a_word() {
        use clap::ValueEnum;
        fn numbers<W: ValueEnum + Copy + Into<i32>>() -> Vec<i32> {
            W::value_variants()
                .iter()
                .map(|word| (*word).into())
                .collect()
        }
        fn dense<W: ValueEnum + Copy + Into<i32>>(valid: fn(i32) -> bool, from: i32) {
            let words = numbers::<W>();
            let wire: Vec<i32> = (from..100).take_while(|number| valid(*number)).collect();
            assert_eq!(words, wire);
        }
        dense::<Role>(|number| pb::Role::try_from(number).is_ok(), 1);
        dense::<UnitKind>(|number| pb::UnitKind::try_from(number).is_ok(), 1);
        dense::<UnitPresence>(|number| pb::UnitPresence::try_from(number).is_ok(), 1);
    }

    #[test]
    fn a_new_request_id_is_good_and_differs_each_time() {
        let one = request_id(None).unwrap();
        crate::app::texts::request_id(&one).unwrap();
        assert_ne!(one, request_id(None).unwrap());
        assert_eq!(request_id(Some("mine".into())).unwrap(), "mine");
    }
}
