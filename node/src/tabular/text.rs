//! Bytes to text: UTF-8, UTF-16 or GB18030, with or without a byte order mark. A damaged file is refused by line and
//! byte; it is never read as if it were in another encoding.

use encoding_rs::{DecoderResult, GB18030};

use super::errors::TabularError;

/// How the text of a table was encoded; shown to the person, since GB18030 accepts much that is not Chinese.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// UTF-8 that says so with a byte order mark.
    Utf8Bom,
    /// UTF-16, the lower byte first.
    Utf16Le,
    /// UTF-16, the higher byte first.
    Utf16Be,
    /// GB18030, which contains GBK and GB2312.
    Gb18030,
}

impl Encoding {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 | Self::Utf8Bom => "UTF-8",
            Self::Utf16Le | Self::Utf16Be => "UTF-16",
            Self::Gb18030 => "GB18030",
        }
    }
}

const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";
const UTF16_MARKS: [(&[u8], Encoding); 2] = [
    (b"\xff\xfe", Encoding::Utf16Le),
    (b"\xfe\xff", Encoding::Utf16Be),
];
/// Characters of one line that all read as UTF-8 by chance in a text written in GB18030, at most.
const BY_CHANCE_MAX: usize = 4;

/// Decodes a whole file; the text of a UTF-8 file is not copied.
pub(super) fn decode(mut bytes: Vec<u8>) -> Result<(Encoding, String), TabularError> {
    for (mark, encoding) in UTF16_MARKS {
        if bytes.starts_with(mark) {
            return decode_utf16(&bytes, mark.len(), encoding);
        }
    }
    if let Some(encoding) = utf16_without_mark(&bytes) {
        return decode_utf16(&bytes, 0, encoding);
    }
    let marked = bytes.starts_with(UTF8_MARK);
    if marked {
        bytes.drain(..UTF8_MARK.len());
    }
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => {
            let encoding = if marked {
                Encoding::Utf8Bom
            } else {
                Encoding::Utf8
            };
            return Ok((encoding, text));
        }
        Err(error) => {
            let stops = error.utf8_error().valid_up_to();
            let bytes = error.into_bytes();
            if marked || is_damaged_utf8(&bytes) {
                let before = if marked { UTF8_MARK.len() } else { 0 };
                return Err(damaged(&bytes, stops, before, "UTF-8"));
            }
            bytes
        }
    };
    if let Some(stops) = utf8_within_gb18030(&bytes) {
        return Err(damaged(&bytes, stops, 0, "GB18030"));
    }
    match decode_gb18030(&bytes) {
        Ok(text) => Ok((Encoding::Gb18030, text)),
        Err(stops) => Err(damaged(&bytes, stops, 0, "UTF-8 / GB18030")),
    }
}

/// Whether most of what is not ASCII is well-formed UTF-8 of three bytes or more a character.
///
/// Such a file with one torn byte would often pass as GB18030 and be stored as gibberish; text really written in GB18030
/// forms such sequences only by rare chance.
fn is_damaged_utf8(bytes: &[u8]) -> bool {
    let not_ascii = bytes.iter().filter(|byte| !byte.is_ascii()).count();
    let valid = bytes.utf8_chunks().flat_map(|chunk| chunk.valid().chars());
    let in_long_sequences: usize = valid
        .map(char::len_utf8)
        .filter(|length| *length >= 3)
        .sum();
    in_long_sequences * 2 > not_ascii
}

/// Where a line stands that is UTF-8 through and through though the file is not: two exports were put together.
fn utf8_within_gb18030(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if let Ok(text) = std::str::from_utf8(line) {
            let long = text.chars().filter(|character| character.len_utf8() >= 3);
            if long.count() > BY_CHANCE_MAX {
                let first = line.iter().position(|byte| !byte.is_ascii());
                return Some(at + first.unwrap_or(0));
            }
        }
        at += line.len();
    }
    None
}

/// The text, or the offset of the first byte that does not fit.
fn decode_gb18030(bytes: &[u8]) -> Result<String, usize> {
    let mut decoder = GB18030.new_decoder_without_bom_handling();
    let room = decoder
        .max_utf8_buffer_length_without_replacement(bytes.len())
        .ok_or(0_usize)?;
    let mut text = String::with_capacity(room);
    let (result, read) = decoder.decode_to_string_without_replacement(bytes, &mut text, true);
    match result {
        DecoderResult::InputEmpty => {
            text.shrink_to_fit();
            Ok(text)
        }
        DecoderResult::Malformed(bad, after) => {
            Err(read.saturating_sub(usize::from(bad) + usize::from(after)))
        }
        DecoderResult::OutputFull => Err(read),
    }
}

/// Zero bytes stand in no text of the other encodings; which half of each pair of bytes is zero at the ends of cells and
/// lines tells the order.
fn utf16_without_mark(bytes: &[u8]) -> Option<Encoding> {
    if !bytes.contains(&0) {
        return None;
    }
    let at_ends = |pair: &[u8], low: usize| {
        pair.get(1 - low) == Some(&0)
            && pair.get(low).is_some_and(|byte| b"\n\r\t,;".contains(byte))
    };
    let count = |low: usize| bytes.chunks(2).filter(|pair| at_ends(pair, low)).count();
    let (little, big) = (count(0), count(1));
    match little.cmp(&big) {
        std::cmp::Ordering::Greater => Some(Encoding::Utf16Le),
        std::cmp::Ordering::Less => Some(Encoding::Utf16Be),
        std::cmp::Ordering::Equal => None,
    }
}

fn decode_utf16(
    bytes: &[u8],
    mark: usize,
    encoding: Encoding,
) -> Result<(Encoding, String), TabularError> {
    let body = bytes.get(mark..).unwrap_or_default();
    let units = body.chunks_exact(2).map(|pair| {
        let pair = [pair[0], pair[1]];
        if encoding == Encoding::Utf16Le {
            u16::from_le_bytes(pair)
        } else {
            u16::from_be_bytes(pair)
        }
    });
    let mut text = String::with_capacity(body.len());
    let mut line = 1;
    let mut byte = mark;
    for unit in char::decode_utf16(units) {
        let Ok(character) = unit else {
            return Err(TabularError::EncodingUnknown {
                line,
                byte,
                likely: "UTF-16",
            });
        };
        line += u64::from(character == '\n');
        byte += 2 * character.len_utf16();
        text.push(character);
    }
    if body.len() % 2 != 0 {
        let likely = "UTF-16";
        return Err(TabularError::EncodingUnknown { line, byte, likely });
    }
    Ok((encoding, text))
}

fn damaged(bytes: &[u8], stops: usize, before: usize, likely: &'static str) -> TabularError {
    let lines = bytes.iter().take(stops).filter(|byte| **byte == b'\n');
    TabularError::EncodingUnknown {
        line: 1 + lines.map(|_| 1_u64).sum::<u64>(),
        byte: stops + before,
        likely,
    }
}
