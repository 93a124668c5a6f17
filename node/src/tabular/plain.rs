//! A short text that a person put into a file, such as an invitation or a passphrase: editors add a byte order mark, or
//! write UTF-16, and the person sees neither.

use encoding_rs::{Encoding, UTF_8};

/// The text without its mark: UTF-8, or UTF-16 where the mark says so; `None` for anything else.
#[must_use]
pub fn plain_text(bytes: &[u8]) -> Option<String> {
    let (encoding, mark) = Encoding::for_bom(bytes).unwrap_or((UTF_8, 0));
    let text = encoding.decode_without_bom_handling_and_without_replacement(&bytes[mark..]);
    text.map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_no_part_of_the_text() {
        let utf16 = |swap: bool| {
            let units = "\u{feff}枫桥 1".encode_utf16();
            let bytes = units.flat_map(|unit| {
                let unit = if swap { unit.swap_bytes() } else { unit };
                unit.to_le_bytes()
            });
            bytes.collect::<Vec<u8>>()
        };
        for bytes in [
            "枫桥 1".as_bytes().to_vec(),
            "\u{feff}枫桥 1".as_bytes().to_vec(),
            utf16(false),
            utf16(true),
        ] {
            assert_eq!(plain_text(&bytes).as_deref(), Some("枫桥 1"), "{bytes:?}");
        }
        assert_eq!(plain_text(b"\xff\xff"), None);
        assert_eq!(plain_text(b"\xef\xbb\xbf\xff"), None);
    }
}
