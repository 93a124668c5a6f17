//! Bytes to text: UTF-8, UTF-8 with a byte order mark, or GB18030.

use encoding_rs::{DecoderResult, GB18030};

use super::errors::TabularError;

/// How the text of a table was encoded; shown to the person, since GB18030 accepts much that is not Chinese.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// UTF-8 that says so with a byte order mark.
    Utf8Bom,
    /// GB18030, which contains GBK and GB2312.
    Gb18030,
}

const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";
/// First bytes of xlsx and ods (a ZIP file) and of xls.
const WORKBOOK_MARKS: [&[u8]; 2] = [b"PK\x03\x04", b"\xd0\xcf\x11\xe0"];

pub(super) fn decode(bytes: &[u8]) -> Result<(Encoding, String), TabularError> {
    if WORKBOOK_MARKS.iter().any(|mark| bytes.starts_with(mark)) {
        return Err(TabularError::FileIsWorkbook);
    }
    if let Some(marked) = bytes.strip_prefix(UTF8_MARK) {
        let text = std::str::from_utf8(marked)
            .map_err(|error| unknown_at(bytes, UTF8_MARK.len() + error.valid_up_to()))?;
        return Ok((Encoding::Utf8Bom, text.to_owned()));
    }
    let utf8_stops = match std::str::from_utf8(bytes) {
        Ok(text) => return Ok((Encoding::Utf8, text.to_owned())),
        Err(error) => error.valid_up_to(),
    };
    if is_damaged_utf8(bytes) {
        return Err(unknown_at(bytes, utf8_stops));
    }
    match decode_gb18030(bytes) {
        Ok(text) => Ok((Encoding::Gb18030, text)),
        Err(gb18030_stops) => Err(unknown_at(bytes, gb18030_stops.max(utf8_stops))),
    }
}

/// Whether most of what is not ASCII is well-formed UTF-8 of three bytes or more a character.
///
/// Such a file with one torn byte would often pass as GB18030 and be stored as gibberish; text really
/// written in GB18030 forms such sequences only by rare chance.
fn is_damaged_utf8(bytes: &[u8]) -> bool {
    let not_ascii = bytes.iter().filter(|byte| !byte.is_ascii()).count();
    let valid = bytes.utf8_chunks().flat_map(|chunk| chunk.valid().chars());
    let in_long_sequences: usize = valid
        .map(char::len_utf8)
        .filter(|length| *length >= 3)
        .sum();
    in_long_sequences * 2 > not_ascii
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
        DecoderResult::InputEmpty => Ok(text),
        DecoderResult::Malformed(bad, after) => {
            Err(read.saturating_sub(usize::from(bad) + usize::from(after)))
        }
        DecoderResult::OutputFull => Err(read),
    }
}

fn unknown_at(bytes: &[u8], byte: usize) -> TabularError {
    let before = bytes.iter().take(byte);
    let line = 1 + before
        .filter(|byte| **byte == b'\n')
        .map(|_| 1_u64)
        .sum::<u64>();
    TabularError::EncodingUnknown { line, byte }
}
