//! Refuses what nobody asked for, with the nearest name that exists.

use super::error::{Code, Problem};
use super::reader::{Key, Reader};
use super::source::Given;

/// Names that had another name once: old `section.key`, new `section.key`.
pub(super) const RENAMED: &[(&str, &str)] = &[];

const SECRET_WORDS: &[&str] = &["password", "passphrase", "secret", "token", "private_key"];

/// The problems of all given keys that no question asked for.
pub(super) fn unknown_keys(reader: &Reader, renamed: &[(&str, &str)]) -> Vec<Problem> {
    let known = |section: &str, name: &str| {
        reader
            .keys
            .iter()
            .any(|key| (key.section, key.name) == (section, name))
    };
    reader
        .given()
        .filter(|((section, name), _)| !known(section, name))
        .map(|((section, name), given)| refuse(section, name, given, &reader.keys, renamed))
        .collect()
}

fn refuse(
    section: &str,
    name: &str,
    given: &Given,
    keys: &[Key],
    renamed: &[(&str, &str)],
) -> Problem {
    let full = format!("{section}.{name}");
    let problem = |code, english, chinese| Problem {
        code,
        place: given.key_place.clone(),
        english,
        chinese,
    };
    if let Some((_, new)) = renamed.iter().find(|(old, _)| *old == full) {
        let english = format!("`{full}` is called `{new}` now: rename it");
        return problem(
            Code::RenamedKey,
            english,
            format!("`{full}` 现名 `{new}`：请改名"),
        );
    }
    let is_secret = SECRET_WORDS.iter().any(|word| name.contains(word)) && !name.ends_with("_file");
    if is_secret {
        return problem(
            Code::SecretInline,
            format!("`{name}`: secrets do not stand here; each has a file of its own (`*_file`)"),
            format!("`{name}`：配置中不写密钥口令，请放入单独文件，用 `*_file` 指出路径"),
        );
    }
    let (missing, missing_chinese) = if section.is_empty() {
        (
            format!("`{name}` stands outside every section"),
            format!("`{name}` 不在任何一节之内"),
        )
    } else if keys.iter().any(|key| key.section == section) {
        (
            format!("[{section}] has no key `{name}`"),
            format!("[{section}] 中没有 `{name}` 这一项"),
        )
    } else {
        (
            format!("there is no section [{section}]"),
            format!("没有 [{section}] 这一节"),
        )
    };
    match nearest(section, name, keys) {
        Some(hint) => problem(
            Code::UnknownKey,
            format!("{missing}; did you mean {hint}?"),
            format!("{missing_chinese}；是不是 {hint}？"),
        ),
        None => problem(
            Code::UnknownKey,
            format!("{missing}; `fengqiao config` lists every key"),
            format!("{missing_chinese}；用 `fengqiao config` 查看全部配置项"),
        ),
    }
}

/// The nearest name worth proposing: in its own section, as a section, in any section.
fn nearest(section: &str, name: &str, keys: &[Key]) -> Option<String> {
    let in_section = keys
        .iter()
        .filter(|key| key.section == section)
        .map(|key| key.name);
    if let Some(key) = closest(name, in_section) {
        return Some(format!("`{key}`"));
    }
    let knows_section = keys.iter().any(|key| key.section == section);
    if !knows_section && let Some(section) = closest(section, keys.iter().map(|key| key.section)) {
        return Some(format!("[{section}]"));
    }
    let anywhere = keys
        .iter()
        .find(|key| key.name == name || (section.is_empty() && key.section == name));
    anywhere.map(|key| format!("`{}` in [{}]", key.name, key.section))
}

fn closest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .filter_map(|candidate| {
            let distance = distance(name, candidate);
            let bound = (candidate.len() / 3).clamp(1, candidate.len() - 1).max(2);
            // A name without its unit is far away by letters and near by meaning.
            let is_beginning = name.len() >= 3 && candidate.starts_with(name);
            (distance <= bound || is_beginning).then_some((distance, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put, taken, changed or swapped with their neighbour.
fn distance(left: &str, right: &str) -> usize {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut rows: Vec<Vec<usize>> = vec![(0..=right.len()).collect()];
    for (i, a) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let change = rows[i][j] + usize::from(a != b);
            let mut best = change.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}
