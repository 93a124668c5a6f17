//! What the demonstration tells: short lines for people as it goes, and everything again for programs at the end.
//!
//! It says what was seen, never what was hoped for: a fact that does not hold is told as a difference.

use std::io::Write as _;

use fengqiao_tests::kit::failed::Output;
use serde_json::{Value, json};

use super::place::At;

/// Where words stand on a line, behind date and time.
const INDENT: usize = 18;
/// Characters of an English line.
const LINE_CHARACTERS_MAX: usize = 80;

/// A case a story is about.
#[derive(Debug, Clone)]
pub(super) struct Told {
    /// Letter of the story.
    pub(super) story: char,
    /// Id, hexadecimal.
    pub(super) case: String,
    /// Readable number.
    pub(super) number: String,
    /// Title of the story, in Chinese.
    pub(super) title: String,
}

/// The tale.
#[derive(Debug)]
pub(super) struct Tale {
    output: Output,
    story: char,
    title: String,
    moment: String,
    steps: Vec<Value>,
    facts: Vec<Value>,
    /// What was otherwise than it should be.
    pub(super) differences: Vec<String>,
    /// Cases, in the order told.
    pub(super) cases: Vec<Told>,
}

impl Tale {
    /// A tale told aloud, or only kept.
    pub(super) fn new(output: Output) -> Self {
        Self {
            output,
            story: ' ',
            title: String::new(),
            moment: String::new(),
            steps: Vec::new(),
            facts: Vec::new(),
            differences: Vec::new(),
            cases: Vec::new(),
        }
    }

    /// Prints for people.
    pub(super) fn print(&self, text: &str) {
        if self.output == Output::Json {
            return;
        }
        let mut out = std::io::stdout().lock();
        // Nobody is left to tell when the terminal is gone.
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }

    /// A node has joined.
    pub(super) fn joined(&self, at: At, name: &str) {
        self.print(&format!(
            "  {}  {name} {}  {}",
            at.tier(),
            at.code(),
            at.english()
        ));
    }

    /// A story begins.
    pub(super) fn begin(&mut self, story: char, chinese: &str, english: &str) {
        self.story = story;
        chinese.clone_into(&mut self.title);
        self.print(&format!("\n({story}) {chinese}\n    {english}\n"));
    }

    /// The clock was set: RFC 3339.
    pub(super) fn moment(&mut self, moment: &str) {
        moment.clone_into(&mut self.moment);
    }

    /// Something happens at a place.
    pub(super) fn say(&mut self, at: At, chinese: &str, english: &str) {
        let name = at.name().unwrap_or_default();
        let when = self.moment.get(..16).unwrap_or_default().replace('T', " ");
        let english_line = wrapped(&format!("{}: {english}", at.english()));
        self.print(&format!("{when}  {name}：{chinese}\n{english_line}"));
        self.steps.push(json!({
            "story": self.story.to_string(), "time": self.moment, "place": name, "code": at.code(),
            "chinese": chinese, "english": english,
        }));
    }

    /// Something that must be so was looked at.
    pub(super) fn fact(&mut self, holds: bool, chinese: &str, english: &str) {
        let (mark, word) = if holds {
            ("✓", "")
        } else {
            ("✗", "不符 DIFFERENT: ")
        };
        self.print(&format!(
            "{:16}{mark} {word}{chinese}\n{}",
            "",
            wrapped(english)
        ));
        self.facts.push(json!({
            "story": self.story.to_string(), "chinese": chinese, "english": english, "holds": holds,
        }));
        if !holds {
            self.differences.push(format!("({}) {english}", self.story));
        }
    }

    /// A case of this story.
    pub(super) fn case(&mut self, case: &str, number: &str) {
        let (case, number) = (case.to_owned(), number.to_owned());
        self.cases.push(Told {
            story: self.story,
            case,
            number,
            title: self.title.clone(),
        });
    }

    /// Steps and facts for programs.
    pub(super) fn json(&self) -> (Value, Value) {
        (
            Value::from(self.steps.clone()),
            Value::from(self.facts.clone()),
        )
    }
}

/// Breaks English into short lines below the Chinese.
fn wrapped(english: &str) -> String {
    let mut lines = vec![String::new()];
    for word in english.split(' ') {
        let full = lines
            .last()
            .is_some_and(|line| !line.is_empty() && line.len() + word.len() >= LINE_CHARACTERS_MAX);
        if full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            let gap = if line.is_empty() { "" } else { " " };
            line.push_str(&format!("{gap}{word}"));
        }
    }
    lines
        .iter()
        .map(|line| format!("{:INDENT$}{line}", ""))
        .collect::<Vec<_>>()
        .join("\n")
}
