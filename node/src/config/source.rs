//! Reads file, environment and flags into values that know where they stand. Knows no key.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Code, Place, Problem};

/// What every environment variable of the configuration begins with.
pub const ENVIRONMENT_PREFIX: &str = "FENGQIAO__";
/// The largest configuration file, in bytes.
pub const FILE_BYTES_MAX: u64 = 1 << 20;

/// Section and key.
pub(super) type Name = (String, String);

/// A value as it was given.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Given {
    pub(super) value: Raw,
    /// Where the value stands.
    pub(super) place: Place,
    /// Where its key stands.
    pub(super) key_place: Place,
}

/// A value before its key says what it should be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Raw {
    Number(i64),
    Text(String),
    List(Vec<String>),
    /// From environment or flag: the key says how to read it.
    Untyped(String),
    Other(&'static str),
}

/// Values by name; a later source replaces an earlier one.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) given: BTreeMap<Name, Given>,
    pub(super) problems: Vec<Problem>,
    /// The folder of the file: paths in the file start there.
    pub(super) file_folder: Option<PathBuf>,
}

/// Values from the command line, the strongest source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    values: Vec<(String, String, String)>,
}

impl Overrides {
    /// No overrides.
    #[must_use]
    pub fn new() -> Overrides {
        Overrides::default()
    }

    /// Sets `key` (`section.key`) as if the file had said so; `flag` is how a message names it.
    #[must_use]
    pub fn set(mut self, flag: &str, key: &str, value: impl Into<String>) -> Overrides {
        self.values
            .push((flag.to_owned(), key.to_owned(), value.into()));
        self
    }
}

impl Sources {
    pub(super) fn read_file(&mut self, path: &Path) -> Result<(), Problem> {
        let text = read_text(path)?;
        self.file_folder = path.parent().map(Path::to_owned);
        self.read_text(path, text.strip_prefix('\u{feff}').unwrap_or(&text))
    }

    pub(super) fn read_text(&mut self, path: &Path, text: &str) -> Result<(), Problem> {
        let table = DeTable::parse(text).map_err(|error| {
            let place = place(path, text, error.span().unwrap_or_default().start);
            let why = error.message().replace('\n', ", ");
            Problem {
                code: Code::Syntax,
                place,
                english: format!("this is not TOML: {why}"),
                chinese: format!("不符合 TOML 格式：{why}"),
            }
        })?;
        for (section, value) in table.get_ref() {
            match value.get_ref() {
                DeValue::Table(keys) => self.read_section(path, text, section.get_ref(), keys),
                DeValue::String(_)
                | DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_)
                | DeValue::Array(_) => {
                    let place = place(path, text, section.span().start);
                    let given = Given {
                        value: Raw::Other("value"),
                        key_place: place.clone(),
                        place,
                    };
                    self.given
                        .insert((String::new(), section.get_ref().to_string()), given);
                }
            }
        }
        Ok(())
    }

    fn read_section(&mut self, path: &Path, text: &str, section: &str, keys: &DeTable<'_>) {
        for (key, value) in keys {
            let given = Given {
                value: raw(value.get_ref()),
                place: place(path, text, value.span().start),
                key_place: place(path, text, key.span().start),
            };
            self.given
                .insert((section.to_owned(), key.get_ref().to_string()), given);
        }
    }

    pub(super) fn read_environment(&mut self, variables: impl Iterator<Item = (String, String)>) {
        for (variable, value) in variables {
            let Some(name) = variable.strip_prefix(ENVIRONMENT_PREFIX) else {
                continue;
            };
            let name = name.to_lowercase();
            let (section, key) = name.split_once("__").unwrap_or(("", &name));
            let name = (section.to_owned(), key.to_owned());
            self.insert_untyped(name, value, Place::Environment(variable));
        }
    }

    pub(super) fn read_overrides(&mut self, overrides: &Overrides) {
        for (flag, key, value) in &overrides.values {
            let (section, key) = key.split_once('.').unwrap_or(("", key));
            let name = (section.to_owned(), key.to_owned());
            self.insert_untyped(name, value.clone(), Place::Flag(flag.clone()));
        }
    }

    fn insert_untyped(&mut self, name: Name, value: String, place: Place) {
        let given = Given {
            value: Raw::Untyped(value),
            key_place: place.clone(),
            place,
        };
        self.given.insert(name, given);
    }
}

fn read_text(path: &Path) -> Result<String, Problem> {
    let unreadable = |english: String, chinese: String| Problem {
        code: Code::Unreadable,
        place: Place::WholeFile(path.to_owned()),
        english,
        chinese,
    };
    let failed = |error: std::io::Error| {
        unreadable(
            format!("cannot be read: {error}"),
            format!("配置文件无法读取：{error}"),
        )
    };
    let length = fs::metadata(path).map_err(failed)?.len();
    if length > FILE_BYTES_MAX {
        return Err(unreadable(
            format!("has {length} bytes, more than {FILE_BYTES_MAX}: is it a configuration?"),
            format!("文件有 {length} 字节，超过 {FILE_BYTES_MAX}：这是配置文件吗？"),
        ));
    }
    String::from_utf8(fs::read(path).map_err(failed)?).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        unreadable(
            format!("is not UTF-8 text from line {line} on: save it as UTF-8"),
            format!("第 {line} 行起不是 UTF-8 文本：请另存为 UTF-8 编码"),
        )
    })
}

fn place(path: &Path, text: &str, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Place::File {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        path: path.to_owned(),
    }
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Raw::Other("number too large"), Raw::Number),
        DeValue::Array(items) => {
            let texts = items.iter().map(Spanned::get_ref).map(DeValue::as_str);
            texts
                .map(|text| text.map(str::to_owned))
                .collect::<Option<Vec<String>>>()
                .map_or(Raw::Other("list of other things than texts"), Raw::List)
        }
        DeValue::Float(_) => Raw::Other("number with a fraction"),
        DeValue::Boolean(_) => Raw::Other("boolean"),
        DeValue::Datetime(_) => Raw::Other("date"),
        DeValue::Table(_) => Raw::Other("table"),
    }
}
