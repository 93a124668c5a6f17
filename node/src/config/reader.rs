//! Asks for one key after another: each is named once, with default, bounds and explanation.
//!
//! The same questions make the typed configuration, the list of known keys and the commented file:
//! whoever asks for a key has documented it.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::error::{Code, Place, Problem};
use super::source::{Given, Raw, Sources};

/// How much of a wrong value a message repeats, in characters.
const ECHO_CHARACTERS_MAX: usize = 60;

/// A key as it was asked for, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) section: &'static str,
    pub(super) name: &'static str,
    pub(super) words: Words,
    /// What it may be, in words.
    pub(super) allowed: String,
    /// The value in TOML, `None` if it has none.
    pub(super) shown: Option<String>,
    /// An example in TOML for a key without default.
    pub(super) example: &'static str,
    pub(super) place: Place,
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) chinese: &'static str,
    pub(super) english: &'static str,
}

/// Shorthand in the list of keys: Chinese, then English.
pub(super) const fn words(chinese: &'static str, english: &'static str) -> Words {
    Words { chinese, english }
}

/// Why a value is not what its key wants: English, Chinese.
type Wrong = (String, String);

#[derive(Debug, Default)]
pub(super) struct Reader {
    sources: Sources,
    section: &'static str,
    pub(super) keys: Vec<Key>,
    pub(super) problems: Vec<Problem>,
}

impl Reader {
    pub(super) fn new(mut sources: Sources) -> Reader {
        let problems = std::mem::take(&mut sources.problems);
        Reader {
            sources,
            section: "",
            keys: Vec::new(),
            problems,
        }
    }

    /// The keys asked for from here on stand in this section.
    pub(super) fn section(&mut self, section: &'static str) {
        self.section = section;
    }

    pub(super) fn given(&self) -> impl Iterator<Item = (&(String, String), &Given)> {
        self.sources.given.iter()
    }

    /// Where the value of a known key stands.
    pub(super) fn place(&self, section: &str, name: &str) -> Place {
        let known = self
            .keys
            .iter()
            .find(|key| (key.section, key.name) == (section, name));
        known.map_or_else(
            || Place::Default(format!("{section}.{name}")),
            |key| key.place.clone(),
        )
    }

    pub(super) fn number(
        &mut self,
        name: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
        words: Words,
    ) -> u64 {
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let range = signed(*range.start())..=signed(*range.end());
        let number = self.signed(name, signed(default), range, words);
        u64::try_from(number).unwrap_or(default)
    }

    pub(super) fn signed(
        &mut self,
        name: &'static str,
        default: i64,
        range: RangeInclusive<i64>,
        words: Words,
    ) -> i64 {
        let (low, high) = (*range.start(), *range.end());
        let expected = (
            format!("a whole number from {low} to {high}"),
            format!("{low} 到 {high} 之间的整数"),
        );
        let read = |raw: &Raw| match raw {
            Raw::Number(number) => range.contains(number).then_some(*number),
            Raw::Untyped(text) => text
                .replace('_', "")
                .parse()
                .ok()
                .filter(|number| range.contains(number)),
            Raw::Text(_) | Raw::List(_) | Raw::Other(_) => None,
        };
        let allowed = format!("{low}..={high}");
        let found = self.ask(
            name,
            words,
            allowed,
            &expected,
            read,
            i64::to_string,
            Some(default),
        );
        found.unwrap_or(default)
    }

    pub(super) fn address(
        &mut self,
        name: &'static str,
        default: SocketAddr,
        words: Words,
    ) -> SocketAddr {
        let expected = (
            "an IP address and a port, such as \"0.0.0.0:7443\" or \"[::]:7443\"".to_owned(),
            "IP 地址加端口，例如 \"0.0.0.0:7443\" 或 \"[::]:7443\"".to_owned(),
        );
        let read = |raw: &Raw| text(raw)?.parse().ok();
        let shown = |address: &SocketAddr| quoted(&address.to_string());
        let found = self.ask(
            name,
            words,
            "ip:port".into(),
            &expected,
            read,
            shown,
            Some(default),
        );
        found.unwrap_or(default)
    }

    /// A path; in the file it starts at the folder of the file.
    pub(super) fn path(
        &mut self,
        name: &'static str,
        default: Option<&str>,
        words: Words,
    ) -> Option<PathBuf> {
        let expected = ("a path".to_owned(), "路径".to_owned());
        let folder = self.sources.file_folder.clone().unwrap_or_default();
        let read = |raw: &Raw| match raw {
            Raw::Text(path) if !path.is_empty() => Some(folder.join(path)),
            Raw::Untyped(path) if !path.is_empty() => Some(PathBuf::from(path)),
            Raw::Text(_) | Raw::Untyped(_) | Raw::Number(_) | Raw::List(_) | Raw::Other(_) => None,
        };
        let shown = |path: &PathBuf| quoted(&path.to_string_lossy());
        self.ask(
            name,
            words,
            "path".into(),
            &expected,
            read,
            shown,
            default.map(PathBuf::from),
        )
    }

    /// A text that `check` accepts.
    pub(super) fn text(
        &mut self,
        name: &'static str,
        default: Option<&str>,
        (allowed, expected): (&str, (&str, &str)),
        check: impl Fn(&str) -> bool,
        words: Words,
    ) -> Option<String> {
        let expected = (expected.0.to_owned(), expected.1.to_owned());
        let read = |raw: &Raw| text(raw).filter(|text| check(text)).map(str::to_owned);
        let default = default.map(str::to_owned);
        let shown = |text: &String| quoted(text);
        self.ask(
            name,
            words,
            allowed.to_owned(),
            &expected,
            read,
            shown,
            default,
        )
    }

    /// A list of texts that `check` accepts; from environment or flag separated by commas.
    pub(super) fn list(
        &mut self,
        name: &'static str,
        expected: (&str, &str),
        check: impl Fn(&[String]) -> bool,
        words: Words,
    ) -> Vec<String> {
        let expected = (expected.0.to_owned(), expected.1.to_owned());
        let read = |raw: &Raw| {
            let items = match raw {
                Raw::List(items) => items.clone(),
                Raw::Untyped(text) if text.is_empty() => Vec::new(),
                Raw::Untyped(text) => text.split(',').map(|item| item.trim().to_owned()).collect(),
                Raw::Text(_) | Raw::Number(_) | Raw::Other(_) => return None,
            };
            check(&items).then_some(items)
        };
        let shown = |items: &Vec<String>| {
            format!(
                "[{}]",
                items
                    .iter()
                    .map(|item| quoted(item))
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        };
        let default = Some(Vec::new());
        self.ask(
            name,
            words,
            "list of names".into(),
            &expected,
            read,
            shown,
            default,
        )
        .unwrap_or_default()
    }

    /// Gives the last key asked for an example, shown where it has no value.
    pub(super) fn example(&mut self, example: &'static str) {
        if let Some(key) = self.keys.last_mut() {
            key.example = example;
        }
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "the private heart of the questions above"
    )]
    fn ask<T>(
        &mut self,
        name: &'static str,
        words: Words,
        allowed: String,
        expected: &Wrong,
        read: impl Fn(&Raw) -> Option<T>,
        shown: impl Fn(&T) -> String,
        default: Option<T>,
    ) -> Option<T> {
        let section = self.section;
        let mut place = Place::Default(format!("{section}.{name}"));
        let mut value = default;
        if let Some(given) = self
            .sources
            .given
            .get(&(section.to_owned(), name.to_owned()))
        {
            place = given.place.clone();
            match read(&given.value) {
                Some(read) => value = Some(read),
                None => {
                    let problem = wrong(section, name, given, expected);
                    self.problems.push(problem);
                }
            }
        }
        let shown = value.as_ref().map(shown);
        self.keys.push(Key {
            section,
            name,
            words,
            allowed,
            shown,
            example: "",
            place,
        });
        value
    }
}

fn wrong(section: &str, name: &str, given: &Given, (english, chinese): &Wrong) -> Problem {
    let echo = |text: &str| quoted(&text.chars().take(ECHO_CHARACTERS_MAX).collect::<String>());
    let was = match &given.value {
        Raw::Number(number) => number.to_string(),
        Raw::Text(text) | Raw::Untyped(text) => echo(text),
        Raw::List(items) => echo(&items.join(", ")),
        Raw::Other(kind) => format!("a {kind}"),
    };
    Problem {
        code: Code::BadValue,
        place: given.place.clone(),
        english: format!("{section}.{name} must be {english}, not {was}"),
        chinese: format!("{section}.{name} 应为 {chinese}，而不是 {was}"),
    }
}

fn text(raw: &Raw) -> Option<&str> {
    match raw {
        Raw::Text(text) | Raw::Untyped(text) => Some(text),
        Raw::Number(_) | Raw::List(_) | Raw::Other(_) => None,
    }
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
