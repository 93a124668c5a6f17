//! Answers as text for people or JSON for programs.

use fengqiao_hub::clock::Moment;
use unicode_width::UnicodeWidthStr as _;

/// Offset at which times are shown to people, minutes east of UTC; every shown time carries it.
pub const SHOWN_OFFSET_MINUTES: i32 = 480;

/// Form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// Words and aligned columns
    Text,
    /// One JSON value
    Json,
}

/// A time for people: RFC 3339 at [`SHOWN_OFFSET_MINUTES`]; `-` where 0 stands for none.
#[must_use]
pub fn time(ms: i64) -> String {
    if ms == 0 {
        return "-".to_owned();
    }
    Moment(ms)
        .to_rfc3339(SHOWN_OFFSET_MINUTES)
        .unwrap_or_else(|_| Moment(ms).to_string())
}

/// `-` for nothing.
#[must_use]
pub fn or_dash(text: &str) -> String {
    if text.is_empty() {
        "-".to_owned()
    } else {
        text.to_owned()
    }
}

/// Lays out rows in columns that stand straight on a terminal where a Chinese character takes two cells. The last column
/// is not padded.
#[must_use]
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|cell| cell.width()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let header: Vec<String> = header.iter().map(|cell| (*cell).to_owned()).collect();
    std::iter::once(&header)
        .chain(rows)
        .map(|row| line(row, &widths))
        .collect()
}

fn line(row: &[String], widths: &[usize]) -> String {
    let mut text = String::new();
    for (index, (cell, width)) in row.iter().zip(widths).enumerate() {
        text.push_str(cell);
        if index + 1 < row.len() {
            let gap = width.saturating_sub(cell.width()) + 2;
            text.extend(std::iter::repeat_n(' ', gap));
        }
    }
    let mut text = text.trim_end().to_owned();
    text.push('\n');
    text
}

/// Lays out names and values, one a line; values left empty are left out.
#[must_use]
pub fn list(pairs: &[(&str, String)]) -> String {
    let width = pairs
        .iter()
        .map(|(name, _)| name.width())
        .max()
        .unwrap_or(0);
    pairs
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| {
            let gap = " ".repeat(width.saturating_sub(name.width()) + 2);
            format!("{name}{gap}{value}\n")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_straight_under_chinese() {
        let rows = vec![
            vec!["德城区".to_owned(), "1".to_owned()],
            vec!["x".to_owned(), "2".to_owned()],
        ];
        let shown = table(&["NAME", "N"], &rows);
        assert_eq!(shown, "NAME    N\n德城区  1\nx       2\n");
    }

    #[test]
    fn names_and_values_stand_straight_and_empty_ones_are_left_out() {
        let shown = list(&[
            ("number 编号", "1".to_owned()),
            ("lead", String::new()),
            ("stage", "2".to_owned()),
        ]);
        assert_eq!(shown, "number 编号  1\nstage        2\n");
    }

    #[test]
    fn a_time_is_shown_with_its_offset() {
        assert_eq!(time(1_677_672_000_000), "2023-03-01T20:00:00+08:00");
        assert_eq!(time(0), "-");
    }
}
