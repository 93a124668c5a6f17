//! Text to records, by RFC 4180 to the letter.
//!
//! A cell that begins with a quotation mark ends with one; inside, one is written as two; outside, there is none. Where
//! that does not hold nobody can say where the cell ends, or the row: the lines in doubt are refused by line and column
//! and never mended. A reader that mends them makes two requests one, under another resident's name.

/// Columns from which on a row within a cell can be told from a text that has commas.
const COLUMNS_TOLD_MIN: usize = 3;

/// One record of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Line where it begins, from 1.
    pub(super) line: u64,
    /// Cells as they are meant: quotation marks resolved, line breaks inside a cell one character.
    pub(super) cells: Vec<String>,
}

/// Lines that are no record.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Misquoted {
    /// Line where the record began.
    pub(super) line: u64,
    /// Last line in doubt.
    pub(super) line_last: u64,
    /// Column of the quotation mark, from 0.
    pub(super) column: usize,
    /// Line of the quotation mark.
    pub(super) at_line: u64,
    /// What is wrong with it.
    pub(super) fault: QuoteFault,
    /// The lines as they stand.
    pub(super) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QuoteFault {
    /// One inside a cell that does not begin with one.
    Stray,
    /// Something stands between the closing one and the end of the cell.
    AfterClosing,
    /// Never closed.
    Unclosed,
    /// The cell reads as the end of one row and the beginning of another.
    Swallowed,
}

/// The records of a text.
#[derive(Clone)]
pub(super) struct Records<'a> {
    rest: &'a str,
    line: u64,
    delimiter: char,
    /// Cells of a row, once they are known: without them no row is found within a cell.
    columns: usize,
}

impl<'a> Records<'a> {
    pub(super) fn over(text: &'a str, line: u64, delimiter: char, columns: usize) -> Self {
        // What old programs put at the end of a file.
        let rest = text.strip_suffix('\u{1a}').unwrap_or(text);
        Self {
            rest,
            line,
            delimiter,
            columns,
        }
    }

    /// Bytes not read yet.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Line at which reading goes on.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    fn refuse(&self, start: (&'a str, u64), at: (u64, usize), fault: QuoteFault) -> Misquoted {
        let length = start.0.len() - self.rest.len();
        let text = start.0.get(..length).unwrap_or_default();
        let ended = text.ends_with(['\n', '\r']);
        Misquoted {
            line: start.1,
            line_last: self.line - u64::from(ended),
            column: at.1,
            at_line: at.0,
            fault,
            text: text.trim_end_matches(['\n', '\r']).to_owned(),
        }
    }

    fn pass_line(&mut self) {
        while let Some(character) = self.next_character() {
            if character == '\n' {
                break;
            }
        }
    }

    /// The next character, each line break one `\n`.
    fn next_character(&mut self) -> Option<char> {
        let character = self.rest.chars().next()?;
        self.rest = self.rest.get(character.len_utf8()..).unwrap_or_default();
        match character {
            '\r' => {
                self.rest = self.rest.strip_prefix('\n').unwrap_or(self.rest);
                self.line += 1;
                Some('\n')
            }
            '\n' => {
                self.line += 1;
                Some('\n')
            }
            other => Some(other),
        }
    }

    /// Reads a cell to the delimiter, the line's end or the text's, and says which came.
    fn cell(&mut self, column: usize) -> Result<(String, End), (u64, usize, QuoteFault)> {
        let mut cell = String::new();
        if !self.rest.starts_with('"') {
            loop {
                match self.next_character() {
                    None => return Ok((cell, End::Text)),
                    Some('\n') => return Ok((cell, End::Line)),
                    Some('"') => {
                        let line = self.line;
                        self.pass_line();
                        return Err((line, column, QuoteFault::Stray));
                    }
                    Some(character) if character == self.delimiter => {
                        return Ok((cell, End::Cell));
                    }
                    Some(character) => cell.push(character),
                }
            }
        }
        let opened = self.line;
        self.next_character();
        loop {
            match self.next_character() {
                None => return Err((opened, column, QuoteFault::Unclosed)),
                Some('"') if self.rest.starts_with('"') => {
                    self.next_character();
                    cell.push('"');
                }
                Some('"') => break,
                Some(character) => cell.push(character),
            }
        }
        let line = self.line;
        let end = match self.next_character() {
            None => End::Text,
            Some('\n') => End::Line,
            Some(character) if character == self.delimiter => End::Cell,
            Some(_) => {
                self.pass_line();
                return Err((line, column, QuoteFault::AfterClosing));
            }
        };
        if self.holds_rows(&cell, column) {
            if matches!(end, End::Cell) {
                self.pass_line();
            }
            return Err((opened, column, QuoteFault::Swallowed));
        }
        Ok((cell, end))
    }

    /// Whether a cell of several lines is what remains when a closing and, further down, an opening mark of the same
    /// column were lost: its first line is the rest of a row, its last the beginning of one, and those between are rows.
    fn holds_rows(&self, cell: &str, column: usize) -> bool {
        if self.columns < COLUMNS_TOLD_MIN || column >= self.columns {
            return false;
        }
        let cuts = |line: &str| line.matches(self.delimiter).count();
        let mut lines = cell.split('\n');
        let (Some(first), Some(last)) = (lines.next(), lines.next_back()) else {
            return false;
        };
        cuts(first) == self.columns - 1 - column
            && cuts(last) == column
            && lines.all(|line| cuts(line) == self.columns - 1)
    }
}

/// What ends a cell.
enum End {
    Cell,
    Line,
    Text,
}

impl Iterator for Records<'_> {
    type Item = Result<Record, Misquoted>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let start = (self.rest, self.line);
        let mut cells = Vec::with_capacity(self.columns);
        loop {
            match self.cell(cells.len()) {
                Ok((cell, end)) => {
                    cells.push(cell);
                    match end {
                        End::Cell => {}
                        End::Line | End::Text => break,
                    }
                }
                Err((line, column, fault)) => {
                    return Some(Err(self.refuse(start, (line, column), fault)));
                }
            }
        }
        // A row that ends early and holds what looks like the rest of another one.
        let delimiter = self.delimiter;
        let swallowing = |cell: &String| cell.contains('\n') && cell.contains(delimiter);
        if cells.len() < self.columns
            && let Some(column) = cells.iter().position(swallowing)
        {
            return Some(Err(self.refuse(
                start,
                (start.1, column),
                QuoteFault::Swallowed,
            )));
        }
        let line = start.1;
        Some(Ok(Record { line, cells }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Line and cells; or first line, last line, line and column of the fault.
    type Read = Result<(u64, Vec<String>), (u64, u64, u64, usize, QuoteFault)>;

    fn read(text: &str) -> Vec<Read> {
        let records = Records::over(
            text,
            1,
            ',',
            text.lines()
                .next()
                .map_or(0, |line| line.matches(',').count() + 1),
        );
        records
            .map(|record| match record {
                Ok(record) => Ok((record.line, record.cells)),
                Err(bad) => Err((bad.line, bad.line_last, bad.at_line, bad.column, bad.fault)),
            })
            .collect()
    }

    fn row(line: u64, cells: &[&str]) -> Read {
        Ok((line, cells.iter().map(|cell| (*cell).to_owned()).collect()))
    }

    #[test]
    fn cells_are_read_as_they_are_meant() {
        assert_eq!(read("a,b\n1,2"), [row(1, &["a", "b"]), row(2, &["1", "2"])]);
        assert_eq!(
            read("a,b\r\n\"x,\"\"y\"\"\r\nz\",2\r\n3,\"\"\r4,5"),
            [
                row(1, &["a", "b"]),
                row(2, &["x,\"y\"\nz", "2"]),
                row(4, &["3", ""]),
                row(5, &["4", "5"])
            ]
        );
        assert_eq!(
            read("a,\n,b\n\n"),
            [row(1, &["a", ""]), row(2, &["", "b"]), row(3, &[""])]
        );
        assert_eq!(read("a\n1\n\u{1a}"), [row(1, &["a"]), row(2, &["1"])]);
    }

    #[test]
    fn a_mark_that_stands_wrong_is_refused_where_it_stands_and_the_next_line_is_read() {
        assert_eq!(
            read("k,t,n\n1,\"he said\"no\"\",x\n2,6\" pipe,y\n3,ok,z"),
            [
                row(1, &["k", "t", "n"]),
                Err((2, 2, 2, 1, QuoteFault::AfterClosing)),
                Err((3, 3, 3, 1, QuoteFault::Stray)),
                row(4, &["3", "ok", "z"]),
            ]
        );
        assert_eq!(
            read("a,b\n1, \"x\"\n2,3")[1],
            Err((2, 2, 2, 1, QuoteFault::Stray))
        );
        assert_eq!(
            read("a,b\n1,x\"\n2,3"),
            [
                row(1, &["a", "b"]),
                Err((2, 2, 2, 1, QuoteFault::Stray)),
                row(3, &["2", "3"])
            ]
        );
    }

    #[test]
    fn a_lost_mark_swallows_no_row() {
        // Never closed: all that follows is in doubt.
        assert_eq!(
            read("k,t\n1,\"lost\n2,x\n3,y\n")[1..],
            [Err((2, 4, 2, 1, QuoteFault::Unclosed))]
        );
        // Closed by the opening of a later cell.
        assert_eq!(
            read("k,t,n\n1,\"lost,x\n2,\"good\",y\n3,z,z")[1..],
            [
                Err((2, 3, 3, 1, QuoteFault::AfterClosing)),
                row(4, &["3", "z", "z"])
            ]
        );
        // An empty quoted cell passes for an escaped mark; what follows does not.
        assert!(read("k,t,n\n1,\"lost,x\n2,\"\",y\n3,\"z\",z")[1].is_err());
        // The closing of one row and the opening of a later one: the text is well formed, and holds rows.
        assert_eq!(
            read("k,c,t,n,p\n1,a,\"lost,x,1\n2,b,found\",y,2\n3,c,z,z,3")[1..],
            [
                Err((2, 3, 2, 2, QuoteFault::Swallowed)),
                row(4, &["3", "c", "z", "z", "3"])
            ]
        );
        assert_eq!(
            read("k,c,t,n,p\n1,a,\"lost,x,1\n2,b,m,y,2\n3,c,found\",z,3")[1],
            Err((2, 4, 2, 2, QuoteFault::Swallowed))
        );
        assert!(
            read("k,c,t,n,p\n1,a,\"one, two\nthree\",x,1")[1].is_ok(),
            "a text of two lines is a text"
        );
    }
}
