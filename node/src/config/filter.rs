//! Which lines of the log a filter lets through: enough of it is read to refuse one that nothing ever passes.
//!
//! The filter's own parser takes any word for the name of a module, so that a mistyped level or module silences the log
//! without a word.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// The modules of this crate: a target is one of them, or below it.
const OWN: [&str; 24] = [
    "app",
    "audit",
    "backup",
    "cli",
    "config",
    "desk",
    "dial",
    "engine",
    "enrolment",
    "export",
    "folder",
    "host",
    "journal",
    "keystore",
    "link",
    "log",
    "node",
    "pages",
    "ports",
    "replication",
    "store",
    "tabular",
    "trust",
    "",
];

/// Libraries in this binary that write lines of their own.
const LIBRARIES: [&str; 7] = [
    "h2",
    "hyper",
    "hyper_util",
    "rustls",
    "tokio_util",
    "tonic",
    "tower",
];

/// Whether a filter reads, and each of its directives can match a line of this program.
pub(super) fn lets_something_through(text: &str) -> bool {
    let Ok(filter) = EnvFilter::try_new(text) else {
        return false;
    };
    let nothing = filter
        .max_level_hint()
        .is_some_and(|most| most == LevelFilter::OFF);
    !nothing && !text.trim().is_empty() && directives(text).all(can_match)
}

/// The parts of a filter: a comma inside a span's fields parts nothing.
fn directives(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_u32;
    text.split(move |letter| {
        match letter {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    })
    .map(str::trim)
}

fn can_match(directive: &str) -> bool {
    let target = directive.split(['=', '[']).next().unwrap_or_default();
    if target.is_empty() || target.parse::<LevelFilter>().is_ok() {
        return true;
    }
    let mut parts = target.split("::");
    let crate_name = parts.next().unwrap_or_default();
    let module = parts.next().unwrap_or_default();
    // A target is matched by its beginning: `fengqiao` stands for all of its crates.
    match crate_name {
        "fengqiao_node" => OWN.contains(&module),
        "fengqiao" => module.is_empty(),
        library => LIBRARIES.contains(&library),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_nothing_passes_is_none() {
        for text in [
            "",
            "  ",
            "off",
            "fengqiao_node=off",
            "inof",
            "info,fengqaio_node=debug",
            "fengqiao_node::lnik=debug",
            "link=debug",
            "info,fengqiao_node::link=loud",
        ] {
            assert!(!lets_something_through(text), "{text:?}");
        }
    }

    #[test]
    fn filters_that_people_write_are_taken() {
        for text in [
            "info",
            "WARN",
            "3",
            "info,fengqiao_node::link=debug",
            "off,fengqiao_node=info",
            "warn,h2=trace,rustls=debug",
            "fengqiao=debug",
            "info,fengqiao_node::link::dial=trace",
            "info,[exchange{link}]=debug",
        ] {
            assert!(lets_something_through(text), "{text:?}");
        }
    }

    #[test]
    fn the_modules_named_are_those_there_are() {
        let lib = include_str!("../lib.rs");
        let there: Vec<&str> = lib
            .lines()
            .map(|line| line.strip_prefix("pub ").unwrap_or(line))
            .filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'))
            .collect();
        let named: Vec<&str> = OWN.into_iter().filter(|name| !name.is_empty()).collect();
        assert_eq!(named, there);
    }
}
