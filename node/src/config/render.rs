//! Writes a configuration as the commented file that would give it.

use std::fmt::Write as _;

use super::error::Place;
use super::reader::Key;

/// Whether each value says where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origins {
    /// Values only.
    Hidden,
    /// A comment behind each value names its source.
    Shown,
}

pub(super) fn render(keys: &[Key], origins: Origins) -> String {
    let mut text = String::from(
        "# Fengqiao / 枫桥: configuration of one node process. Every value below is in force as shown.\n\
         # 节点进程配置。命令行参数 > 环境变量 FENGQIAO__SECTION__KEY > 本文件 > 默认值\n\
         # Flags > environment FENGQIAO__SECTION__KEY > this file > defaults.\n",
    );
    let mut section = "";
    for key in keys {
        if key.section != section {
            section = key.section;
            let _ = write!(text, "\n[{section}]\n");
        }
        let _ = writeln!(text, "# {}", key.words.chinese);
        let _ = writeln!(text, "# {} ({})", key.words.english, key.allowed);
        match &key.shown {
            Some(value) => {
                let _ = write!(text, "{} = {value}", key.name);
            }
            None => {
                let _ = write!(text, "# {} = {}", key.name, key.example);
            }
        }
        if origins == Origins::Shown {
            let _ = write!(text, "  # {}", origin(&key.place));
        }
        text.push('\n');
    }
    text
}

fn origin(place: &Place) -> String {
    match place {
        Place::Default(_) => "default / 默认值".to_owned(),
        Place::File { .. } | Place::WholeFile(_) | Place::Environment(_) | Place::Flag(_) => {
            place.to_string()
        }
    }
}
