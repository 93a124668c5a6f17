//! What a message may look like, before anything of it is kept: the gate for all that comes from elsewhere.
//!
//! One pass over the encoded bytes, by the descriptors of the messages themselves: every text has a longest length and
//! no control or direction character, every id its one length, every list a longest count, every number a range in which
//! there is room to count on. Whatever is not named in `limits` gets the strict rule of its type, so a new message is
//! covered from its first day. Nothing here judges business: the same bytes pass or fail at every node.

mod limits;
mod rule;
mod tables;

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

pub use limits::{BUNDLE_NOTE_CHARACTERS_MAX, BUNDLE_PART_BYTES_MAX, SUBMISSION_HOPS_MAX};
use rule::Rule;
use tables::{FieldBounds, MessageBounds, message};

/// A message that comes from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bounds {
    /// `SignedEntry` with its envelope and body.
    Entry,
    /// `SignedNotice`.
    Notice,
    /// `SignedTally`.
    Tally,
    /// `SignedDirectiveCount`.
    DirectiveCount,
    /// `SignedSubmission` with its body.
    Submission,
    /// `SignedRefusal`.
    Refusal,
    /// `SealedFrame`.
    Sealed,
    /// `ParkedReport`.
    Parked,
    /// `HandedOver`.
    HandedOver,
    /// `ChainSecret`.
    Secret,
    /// `Hello`.
    Hello,
}

/// What does not have its shape; names the field, never its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} {fault}")]
pub struct OutOfBounds {
    /// Message and field, or the message alone.
    pub field: &'static str,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not the bytes of such a message.
    #[error("does not decode")]
    Undecodable,
    /// More bytes, characters or items than are allowed.
    #[error("is too long")]
    TooLong,
    /// An id or hash of another length.
    #[error("has another length")]
    Length,
    /// A control character, or one that changes the direction or the look of what follows.
    #[error("holds a control character")]
    Control,
    /// A number out of its range.
    #[error("is out of range")]
    Range,
    /// One of a kind that stands twice.
    #[error("stands twice")]
    Twice,
}

impl Bounds {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Entry,
        Self::Notice,
        Self::Tally,
        Self::DirectiveCount,
        Self::Submission,
        Self::Refusal,
        Self::Sealed,
        Self::Parked,
        Self::HandedOver,
        Self::Secret,
        Self::Hello,
    ];

    /// Checks encoded bytes.
    ///
    /// # Errors
    /// The first field that does not have its shape.
    pub fn check(self, bytes: &[u8]) -> Result<(), OutOfBounds> {
        let shape = message(self.name());
        if bytes.len() > self.bytes_max() {
            return Err(OutOfBounds {
                field: self.name(),
                fault: Fault::TooLong,
            });
        }
        walk(shape, bytes)
    }

    /// Longest encoding.
    #[must_use]
    pub const fn bytes_max(self) -> usize {
        match self {
            Self::Entry | Self::Submission => 64 << 10,
            Self::Sealed => 80 << 10,
            Self::DirectiveCount | Self::Hello => 256 << 10,
            Self::Tally => 16 << 10,
            Self::Notice => 4 << 10,
            Self::Refusal | Self::Parked | Self::HandedOver | Self::Secret => 1 << 10,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Entry => "SignedEntry",
            Self::Notice => "SignedNotice",
            Self::Tally => "SignedTally",
            Self::DirectiveCount => "SignedDirectiveCount",
            Self::Submission => "SignedSubmission",
            Self::Refusal => "SignedRefusal",
            Self::Sealed => "SealedFrame",
            Self::Parked => "ParkedReport",
            Self::HandedOver => "HandedOver",
            Self::Secret => "ChainSecret",
            Self::Hello => "Hello",
        }
    }
}

/// Whether a character would change how what surrounds it is shown, or cannot be shown at all: controls, line and
/// paragraph separators, direction marks, and those of no width.
#[must_use]
pub fn is_unshowable(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

fn walk(shape: &'static MessageBounds, mut bytes: &[u8]) -> Result<(), OutOfBounds> {
    let undecodable = OutOfBounds {
        field: shape.name,
        fault: Fault::Undecodable,
    };
    let mut counts = vec![0_usize; shape.slots];
    while !bytes.is_empty() {
        let (number, wire) = decode_key(&mut bytes).map_err(|_| undecodable)?;
        let Some(field) = shape.field(number) else {
            skip_field(wire, number, &mut bytes, DecodeContext::default())
                .map_err(|_| undecodable)?;
            continue;
        };
        let fail = |fault| OutOfBounds {
            field: field.name,
            fault,
        };
        let added = one(field, wire, &mut bytes)?;
        let count = &mut counts[field.slot];
        *count += added;
        match field.count_max {
            None if *count > 1 => return Err(fail(Fault::Twice)),
            Some(most) if *count > most => return Err(fail(Fault::TooLong)),
            None | Some(_) => {}
        }
    }
    Ok(())
}

/// Checks one occurrence of a field; says how many values it holds.
fn one(
    field: &'static FieldBounds,
    wire: WireType,
    bytes: &mut &[u8],
) -> Result<usize, OutOfBounds> {
    let fail = |fault| OutOfBounds {
        field: field.name,
        fault,
    };
    match (&field.rule, wire) {
        (
            rule @ (Rule::Unsigned(_) | Rule::Signed(_) | Rule::Known(_) | Rule::Any),
            WireType::Varint,
        ) => {
            let value = decode_varint(bytes).map_err(|_| fail(Fault::Undecodable))?;
            number(rule, value).map_err(fail)?;
            Ok(1)
        }
        (
            rule @ (Rule::Unsigned(_) | Rule::Signed(_) | Rule::Known(_) | Rule::Any),
            WireType::LengthDelimited,
        ) if field.count_max.is_some() => {
            let mut packed = delimited(bytes).ok_or(fail(Fault::Undecodable))?;
            let mut count = 0;
            while !packed.is_empty() {
                let value = decode_varint(&mut packed).map_err(|_| fail(Fault::Undecodable))?;
                number(rule, value).map_err(fail)?;
                count += 1;
            }
            Ok(count)
        }
        (Rule::Text { characters_max }, WireType::LengthDelimited) => {
            let content = delimited(bytes).ok_or(fail(Fault::Undecodable))?;
            let text = std::str::from_utf8(content).map_err(|_| fail(Fault::Undecodable))?;
            // A character has at most four bytes: what is much too long is not counted first.
            if content.len() > 4 * characters_max || text.chars().count() > *characters_max {
                return Err(fail(Fault::TooLong));
            }
            if text.chars().any(is_unshowable) {
                return Err(fail(Fault::Control));
            }
            Ok(1)
        }
        (Rule::Bytes { most }, WireType::LengthDelimited) => {
            let content = delimited(bytes).ok_or(fail(Fault::Undecodable))?;
            if content.len() > *most {
                return Err(fail(Fault::TooLong));
            }
            Ok(1)
        }
        (Rule::Id(lengths), WireType::LengthDelimited) => {
            let content = delimited(bytes).ok_or(fail(Fault::Undecodable))?;
            // An empty one says that there is none; whether there must be one is the parser's to say.
            let fits =
                content.is_empty() && field.count_max.is_none() || lengths.contains(&content.len());
            fits.then_some(1).ok_or(fail(Fault::Length))
        }
        (Rule::Message(name), WireType::LengthDelimited) => {
            let content = delimited(bytes).ok_or(fail(Fault::Undecodable))?;
            walk(message(name), content)?;
            Ok(1)
        }
        (
            Rule::Unsigned(_)
            | Rule::Signed(_)
            | Rule::Known(_)
            | Rule::Any
            | Rule::Text { .. }
            | Rule::Bytes { .. }
            | Rule::Id(_)
            | Rule::Message(_),
            _,
        ) => Err(fail(Fault::Undecodable)),
    }
}

fn number(rule: &Rule, value: u64) -> Result<(), Fault> {
    let fits = match rule {
        Rule::Unsigned(most) => value <= *most,
        Rule::Signed(range) => range.contains(&value.cast_signed()),
        Rule::Known(values) => values.contains(&value),
        Rule::Any | Rule::Text { .. } | Rule::Bytes { .. } | Rule::Id(_) | Rule::Message(_) => true,
    };
    fits.then_some(()).ok_or(Fault::Range)
}

/// The content of a length-delimited field; the rest stays in `bytes`.
fn delimited<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(decode_varint(bytes).ok()?).ok()?;
    let (content, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(content)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
